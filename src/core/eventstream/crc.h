/* The CRC-32 of event streams (zlib's). */
#ifndef MAYFLY_EVENTSTREAM_CRC_H
#define MAYFLY_EVENTSTREAM_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at the start) over n bytes. */
uint32_t eventstream_crc(uint32_t crc, const void *bytes, size_t n);

#endif
