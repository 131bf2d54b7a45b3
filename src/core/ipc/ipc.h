/* Typed messages between mayfly-control and mayflyd over one unix SEQPACKET socket.
 *
 * One packet is a head (type, size) and a fixed-size body, with descriptors beside it. The table messages.def says for each
 * type its size, how many descriptors it carries and who may send it; ipc_recv checks all of that, and closes every
 * descriptor of a packet that it refuses. Structs hold ids, numbers and short error texts: never paths or names to act on.
 * Sending never blocks: a full socket keeps packets in a bounded queue inside `struct ipc`. */
#ifndef MAYFLY_IPC_IPC_H
#define MAYFLY_IPC_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/list.h"

#define IPC_MAX_FDS 8
#define IPC_VERSION 3
#define IPC_IMAGE_KEY 32

enum ipc_type {
#define M(name, body, fds_min, fds_max, from) IPC_##name,
#include "core/ipc/messages.def"
#undef M
	IPC_TYPE_COUNT
};

enum ipc_side { FROM_CONTROL, FROM_MAYFLYD };
enum ipc_network { NETWORK_NONE, NETWORK_OUTBOUND };
/* What was made before an environment was asked for: nothing, an empty sandbox, all but the image's processes. */
enum ipc_ahead { AHEAD_NOTHING, AHEAD_SANDBOX, AHEAD_IMAGE };
/* How an environment ended. */
enum ipc_exit { EXIT_CODE, EXIT_SIGNAL, EXIT_OOM, EXIT_EXEC_FAILED, EXIT_KILLED };

/* How an environment starts. TRIAL: as RESTORE, of an image that is not proved yet. */
enum ipc_start { START_PLAIN, START_RESTORE, START_TRIAL };
/* What a runtime waits in when its image is taken. */
enum ipc_park { PARK_INVOCATION, PARK_RESTORE };

struct ipc_hello {
	uint32_t version;
	uint32_t max_environments; /* what the machine's descriptors and memory allow */
	uint64_t memory_mb;        /* for all environments together */
	uint8_t loopback;          /* the public listener is on a loopback address */
	uint8_t restarted;         /* control had run before in this server's life */
	uint16_t port;             /* the real one when the setting was 0 */
};

struct ipc_env_start {
	uint64_t env_id; /* chosen by control, never reused */
	uint32_t memory_mb, ephemeral_mb;
	uint32_t network;   /* enum ipc_network */
	uint32_t layers;    /* descriptors after the first two */
	uint32_t how;       /* enum ipc_start */
	uint32_t extensions; /* that the launch settings name: started at once, the runtime after ENV_BEGIN */
	uint8_t image[IPC_IMAGE_KEY]; /* to restore from */
};

struct ipc_env_started {
	uint64_t env_id;
	uint64_t sandbox_ns; /* what making (or taking) the sandbox took */
	uint32_t pid;        /* of the sandbox's init, in the host's pid namespace; to show, not to signal */
	uint8_t cgroup_v2;   /* how to read the freeze and memory files: see worker/cgroup files */
	uint8_t pooled;      /* enum ipc_ahead */
	uint8_t restored;    /* the runtime waits already, in what `park` says, on the sixth descriptor */
	uint8_t park;        /* enum ipc_park */
	uint64_t restore_ns; /* of sandbox_ns: loading (where no zygote was resident) and restoring */
	uint64_t image_bytes; /* resident pages of the image, which the memory file does not count */
};

struct ipc_env_failed {
	uint64_t env_id;
	uint32_t code; /* enum error_code */
	char msg[240];
};

/* Until this comes (or 10 s have passed) the environment may use whole CPUs, as Lambda's init phase does. */
struct ipc_env_initialized {
	uint64_t env_id;
};

struct ipc_env_begin {
	uint64_t env_id;
};

/* who: 0 for the runtime, else 1 + an extension's place in the launch settings. how, status: as in ipc_env_exited. */
struct ipc_env_process_ended {
	uint64_t env_id;
	uint32_t who, how;
	int32_t status;
	uint32_t reserved;
};

struct ipc_env_kill {
	uint64_t env_id;
	uint32_t grace_ms; /* SIGTERM to the runtime first when not 0 */
	uint32_t leavers;  /* with extensions and a grace: those that are told by control, and may take all of it (places, as bits) */
};

struct ipc_env_exited {
	uint64_t env_id;
	uint32_t how;    /* enum ipc_exit */
	int32_t status;  /* exit status, signal number, or errno of the exec */
	uint64_t peak_bytes;
};

struct ipc_unpack {
	uint64_t job_id;
	uint8_t sha256[32]; /* of the package; names the new folder */
	uint64_t max_bytes; /* unzipped */
};

struct ipc_unpack_done {
	uint64_t job_id;
	uint64_t unzipped_bytes;
	uint32_t code; /* enum error_code; ERR_OK when the folder is there */
	char msg[240];
};

struct ipc_snapshot {
	uint64_t env_id;
	uint8_t key[IPC_IMAGE_KEY]; /* of control's making: code and settings; never used before */
	uint32_t park;              /* enum ipc_park */
	uint32_t next_port;         /* the peer's port of the connection that waits */
	uint32_t close_connections; /* as dump.h says */
	uint32_t reserved;
};

/* ERR_UNSUPPORTED: it can't be restored, and msg says why. The environment is being ended in every case. */
struct ipc_snapshot_done {
	uint64_t env_id;
	uint8_t key[IPC_IMAGE_KEY];
	uint64_t file_bytes, resident_bytes, dump_ns;
	uint32_t code; /* enum error_code */
	char msg[240];
};

struct ipc_image_keep {
	uint8_t key[IPC_IMAGE_KEY];
};

struct ipc_image_drop {
	uint8_t key[IPC_IMAGE_KEY];
};

struct ipc_image_found {
	uint8_t key[IPC_IMAGE_KEY];
	uint64_t file_bytes, resident_bytes, taken_wall_ms;
	uint32_t park, reserved;
};

struct ipc_image_gone {
	uint8_t key[IPC_IMAGE_KEY];
	char msg[240];
};

/* Answered once, in no order. Of one environment a bounded number is made. */
struct ipc_env_socket {
	uint64_t env_id;
	uint64_t number; /* control's, which comes back */
};

struct ipc_env_socket_made {
	uint64_t env_id, number;
	uint32_t code; /* enum error_code; ERR_OK with a descriptor */
	char msg[240];
};

struct ipc_tls_files {
	uint32_t generation; /* the answer names it */
	uint32_t reserved;
};

struct ipc_tls_done {
	uint32_t generation;
	uint32_t good; /* they are in use from now on */
};

struct ipc_ready {
	uint8_t reserved[8];
};
struct ipc_drain {
	uint8_t reserved[8];
};

union ipc_body {
#define M(name, body, fds_min, fds_max, from) struct body body;
#include "core/ipc/messages.def"
#undef M
};

struct ipc_message {
	enum ipc_type type;
	unsigned fd_count;
	int fds[IPC_MAX_FDS]; /* the receiver's to close or take (set to -1 what was taken) */
	union ipc_body body;
};

struct ipc {
	int fd; /* owned by the caller; non-blocking */
	enum ipc_side side;
	struct list queue; /* packets that did not fit yet */
	size_t queued;
};

void ipc_init(struct ipc *ipc, int fd, enum ipc_side side);
void ipc_release(struct ipc *ipc); /* drops the queue, closes its descriptors; not ipc->fd */
/* Sends now or queues (descriptors are duplicated for the queue; the caller keeps its own). -1: peer gone, or queue full. */
int ipc_send(struct ipc *ipc, enum ipc_type type, const void *body, const int *fds, unsigned fd_count, struct error *err);
bool ipc_wants_write(const struct ipc *ipc);
int ipc_flush(struct ipc *ipc, struct error *err);
/* 1: a message; 0: nothing there now; -1: peer gone (ERR_CLOSED) or a packet against the table (ERR_INVALID). Received
 * descriptors are close-on-exec. */
int ipc_recv(struct ipc *ipc, struct ipc_message *m, struct error *err);
void ipc_message_close(struct ipc_message *m); /* closes what was not taken */
/* The check by itself, for the fuzzer. */
int ipc_check(const void *packet, size_t n, unsigned fd_count, enum ipc_side sender, struct error *err);
const char *ipc_type_name(enum ipc_type type);

#endif
