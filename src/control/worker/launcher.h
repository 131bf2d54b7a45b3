/* Control's side of the message socket to mayflyd: asks for environments and unpacked packages, and reports what came.
 *
 * All on the control loop. Callbacks are made from the loop, never from inside a call. When mayflyd is gone, control ends. */
#ifndef MAYFLY_WORKER_LAUNCHER_H
#define MAYFLY_WORKER_LAUNCHER_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/ev/ev.h"
#include "core/ipc/ipc.h"

struct launcher;

/* `unzipped_bytes` is set when err is NULL: the folder named by the hash is there, complete and durable. */
typedef void launcher_unpacked_cb(void *arg, uint64_t unzipped_bytes, const struct error *err);

/* `zip_fd` (read-only) and `folder_fd` (the folder in which the new one is made) stay the caller's and may be closed after
 * the call. Always calls back. */
void launcher_unpack(struct launcher *l, int zip_fd, int folder_fd, const unsigned char sha256[32], uint64_t max_bytes,
                     launcher_unpacked_cb *cb, void *arg);

#endif
