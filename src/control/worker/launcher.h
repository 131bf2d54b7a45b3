/* Control's side of the message socket to mayflyd: asks for environments and unpacked packages, and reports what came.
 *
 * All on the control loop. Callbacks are made from the loop, never from inside a call. When mayflyd is gone, control ends. */
#ifndef MAYFLY_WORKER_LAUNCHER_H
#define MAYFLY_WORKER_LAUNCHER_H

#include <stdbool.h>
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

/* ---- for control/worker and main ---- */

struct launcher_events {
	/* Descriptors are the callee's: what it leaves in m->fds is closed after the call. */
	void (*on_env_started)(void *arg, struct ipc_message *m);
	void (*on_env_failed)(void *arg, const struct ipc_env_failed *m);
	void (*on_env_exited)(void *arg, const struct ipc_env_exited *m);
	void (*on_process_ended)(void *arg, const struct ipc_env_process_ended *m);
	void (*on_snapshot_done)(void *arg, const struct ipc_snapshot_done *m);
	void (*on_env_socket)(void *arg, struct ipc_message *m); /* ENV_SOCKET_MADE; as on_env_started */
};

struct launcher_image_events {
	void (*on_found)(void *arg, const struct ipc_image_found *m);
	void (*on_gone)(void *arg, const struct ipc_image_gone *m);
};

/* What came with HELLO: the public listener; certificate and key, -1 where the endpoint is plain. */
enum { HELLO_LISTENER, HELLO_TLS_CERT, HELLO_TLS_KEY, HELLO_FDS };
/* Waits (blocking) for HELLO on `fd`, which the launcher takes over; `fds` are the caller's. */
struct launcher *launcher_new(struct ev_loop *loop, int fd, struct ipc_hello *hello, int fds[HELLO_FDS], struct error *err);
void launcher_free(struct launcher *l);
void launcher_set_env_events(struct launcher *l, const struct launcher_events *events, void *arg);
/* on_drain: finish and exit. on_gone: mayflyd is gone; exit at once. */
void launcher_set_server_events(struct launcher *l, void (*on_drain)(void *arg), void (*on_gone)(void *arg), void *arg);
/* Another certificate and key came: whether they are in use now is the answer. */
void launcher_set_tls_event(struct launcher *l, bool (*on_files)(void *arg, int cert_fd, int key_fd), void *arg);
void launcher_ready(struct launcher *l);
/* fds as ENV_START wants them; they stay the caller's. -1: the message could not be sent. */
int launcher_start(struct launcher *l, const struct ipc_env_start *start, const int *fds, unsigned fd_count, struct error *err);
/* The init phase is over: from now on the environment has its share of the CPU only. */
void launcher_initialized(struct launcher *l, uint64_t env_id);
/* What was found before the call is told too, later, in the order in which it came. NULL: nobody listens. */
void launcher_set_image_events(struct launcher *l, const struct launcher_image_events *events, void *arg);
int launcher_snapshot(struct launcher *l, const struct ipc_snapshot *order, struct error *err);
void launcher_keep_image(struct launcher *l, const uint8_t key[IPC_IMAGE_KEY]);
void launcher_drop_image(struct launcher *l, const uint8_t key[IPC_IMAGE_KEY]);
/* Answered by on_env_socket. -1: the message could not be sent. */
int launcher_socket(struct launcher *l, uint64_t env_id, uint64_t number, struct error *err);
/* Its extensions have registered: the runtime is started. */
void launcher_begin(struct launcher *l, uint64_t env_id);
/* leavers: as in ipc_env_kill. */
void launcher_kill(struct launcher *l, uint64_t env_id, uint32_t grace_ms, uint32_t leavers);

#endif
