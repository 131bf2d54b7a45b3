/* A fuzz target is one function; it aborts (ASSERT) when a property does not hold. Run by libFuzzer, or by replay.c over a
 * corpus. */
#ifndef MAYFLY_FUZZ_H
#define MAYFLY_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#endif
