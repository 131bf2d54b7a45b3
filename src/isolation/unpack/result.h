/* What mayfly-unpack tells the helper that started it: one of these over a pipe, once. */
#ifndef MAYFLY_UNPACK_RESULT_H
#define MAYFLY_UNPACK_RESULT_H

#include <stdint.h>

/* Descriptors of mayfly-unpack. */
#define UNPACK_ZIP_FD 3
#define UNPACK_FOLDER_FD 4
#define UNPACK_RESULT_FD 5

struct unpack_result {
	uint32_t code; /* enum error_code; ERR_OK: the folder is there */
	uint64_t unzipped_bytes;
	char msg[240];
};

#endif
