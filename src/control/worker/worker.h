/* A worker is control's picture of one environment: its process behind mayflyd, its Runtime API, log pipe and control files.
 *
 * States change in one function, which asserts the allowed edges, moves the worker to that state's list and so counts it:
 *
 *   starting -> initializing -> idle <-> busy, idle <-> frozen, any -> stopping -> dead
 *
 * One that is restored is initializing while its after-restore hooks run; a template is idle when it waits for its image.
 *
 * The fleet owns all workers. Whoever decides (invoke, through the scheduler) gives orders; what happens is told by events,
 * always from the loop. A worker finishes the invocation it runs in every case: answered, failed, timed out, killed. */
#ifndef MAYFLY_WORKER_WORKER_H
#define MAYFLY_WORKER_WORKER_H

#include "control/function/version.h"
#include "control/identity/identity.h"
#include "control/worker/invocation.h"
#include "control/logs/logs.h"
#include "control/runtime/runtime_api.h"
#include "control/worker/faults.h"
#include "control/worker/launcher.h"
#include "core/ipc/ipc.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/spec/settings.h"

enum worker_state {
	WORKER_STARTING,     /* asked of mayflyd */
	WORKER_INITIALIZING, /* the runtime runs, has not asked for work */
	WORKER_IDLE,
	WORKER_FROZEN,
	WORKER_BUSY,
	WORKER_STOPPING,     /* killed, its end not reported yet */
	WORKER_DEAD,
	WORKER_STATES
};

struct fleet;
struct telemetry;
struct worker_names;
struct worker_late;

/* How an environment comes to be, and what for. A TEMPLATE never gets work: when its runtime waits, an image is taken of it, and
 * it ends. A TRIAL is restored from an image that is not proved, and ends when that is. Both are nobody's: sched_env is 0. */
enum worker_kind { WORKER_PLAIN, WORKER_RESTORED, WORKER_TEMPLATE, WORKER_TRIAL };

/* Why an init did not succeed: what the runtime said, else what the platform saw, else why there is no environment. */
struct worker_failure {
	struct http_blob answer; /* the error object of init/error */
	bool has_fault;
	struct fault_text fault;
	struct error refusal;
	const char *log_status;  /* as INIT_REPORT and REPORT give it; NULL: it never ran */
	char log_type[128];      /* "": none */
};

struct worker {
	struct fleet *fleet;
	uint64_t sched_env;     /* the scheduler's name for it */
	uint64_t env_id;        /* mayflyd's */
	enum worker_kind kind;
	uint8_t image[IPC_IMAGE_KEY]; /* RESTORED, TRIAL: which; TEMPLATE: the one being taken */
	enum ipc_park park;
	uint64_t restore_ns, image_bytes; /* as mayflyd said; restored ones */
	enum worker_state state;
	struct list by_state;
	struct hash_node by_id; /* key: env_id's bytes */
	struct function_version *version;
	const struct identity *identity;
	struct runtime_api api;
	bool api_open;
	struct {
		int api, endpoint, log;
	} channels;             /* listeners and pipe of a restored one, until `late`; -1 */
	struct ev_defer late;
	struct http_listener *endpoint; /* inside the environment; served by the main front end */
	struct ev_io log_io, extension_io; /* extension_io: of external extensions; fd -1 without any */
	bool log_more;          /* the last read filled its buffer: there may be more in the pipe */
	struct log_stream *log;
	struct telemetry *telemetry; /* NULL: nobody subscribed, or is expected to */
	unsigned telemetry_sockets;
	int freeze_fd, memory_fd;
	bool freeze_v2;
	uint64_t peak_bytes, peak_read_ns; /* what the memory file said last, and when */
	struct ev_timer timer;   /* of init, of the invocation, or of a stop */
	struct ev_defer initialized; /* tells mayflyd that init is over, when the first work has been sent */
	bool initialized_waits;
	struct invocation *invocation;
	uint64_t asked_ns, sandbox_ns, init_ns; /* asked for; the sandbox was there; init was done */
	uint64_t deadline_ns;    /* of the first invocation when init runs inside it, else 0 */
	bool init_inside;        /* init counts as part of the first invocation: a second attempt */
	bool truncated;          /* its answer broke off; waits a little for its exit */
	bool doomed;             /* its timer ends it; a runtime that asks for more work meanwhile gets none */
	bool first_done;         /* its first invocation's cold phases were reported */
	uint64_t tenant_id;      /* of its first invocation, and so of every one; 0: none */
	bool ordered;            /* its end was an order (worker_stop), not a fault */
	bool snapshot_asked, snapshot_told; /* of a TEMPLATE */
	struct {
		int fd, peer_fd;     /* the runtime's parked connection, our end and a copy of its end; -1 */
		uint64_t until_ns;
		bool was_read;
	} trial;                 /* TRIAL, PARK_INVOCATION */
	struct worker_failure failure;
	/* With extensions; see extension.c. */
	struct worker_names *names;  /* of external ones, until the environment is there; owned */
	struct worker_late *kept;    /* the report of an invocation that was answered while they are at it; owned */
	struct extension *accused;   /* it said that it fails */
	bool begun, runtime_ended;   /* behind external ones: the runtime was started; it ended while they live on */
	bool leaving;                /* STOPPING, and they are given time */
	const char *reason;          /* of SHUTDOWN; NULL: by `ordered` */
	int64_t leave_by_wall_ms;
};

/* Called from the loop. After on_dead the worker is gone. */
struct worker_events {
	void (*on_ready)(void *arg, struct worker *w);
	void (*on_idle)(void *arg, struct worker *w);
	/* It was ready once, and is being ended for a fault: no work may be given to it any more. */
	void (*on_stopping)(void *arg, struct worker *w);
	/* outcome, answer, phases are set; the worker has let go of it. */
	void (*on_finished)(void *arg, struct worker *w, struct invocation *inv);
	/* A TEMPLATE's runtime waits, in `park`: worker_snapshot may be called. */
	void (*on_parked)(void *arg, struct worker *w);
	/* Of worker_snapshot: code ERR_OK, or why not; also of one that was stopped meanwhile. The worker ends afterwards (on_dead). A
	 * template that dies before says only on_dead. */
	void (*on_snapshot)(void *arg, struct worker *w, const struct ipc_snapshot_done *done);
	/* A TRIAL is over; why is NULL when the restored runtime answered. The worker ends afterwards. One that dies before, or could
	 * not be restored, says only on_dead, with init_failed. */
	void (*on_trial)(void *arg, struct worker *w, const struct error *why);
	/* init_failed: before it was ever ready; `failure` is then filled and the callee may take the answer. */
	void (*on_dead)(void *arg, struct worker *w, bool init_failed, struct worker_failure *failure);
};

struct fleet_deps {
	struct ev_loop *loop;
	struct launcher *launcher;
	struct http_pool *pool;
	struct http_server *front; /* serves the endpoint inside environments */
	struct identities *identities;
	struct logs *logs;
	const struct settings *settings;
	int code_fd;               /* the folder of unpacked packages */
};

struct fleet *fleet_new(const struct fleet_deps *deps, const struct worker_events *events, void *arg, struct error *err);
void fleet_free(struct fleet *f); /* drops all workers without events; mayflyd ends their processes */
unsigned fleet_count(const struct fleet *f, enum worker_state state);

/* The server ends: idle environments with extensions are stopped. How many of them, stopped now or before, have not ended yet. */
unsigned fleet_leave(struct fleet *f);

/* Always a worker; what goes wrong comes as on_dead, later. A SnapStart version that has no image runs its after-restore hooks here
 * too: when they fail or hang, failure.refusal is as below. */
struct worker *worker_start(struct fleet *f, struct function_version *version, uint64_t sched_env, bool init_inside);
/* As worker_start, from an image (RESTORED, TRIAL), or to make one (TEMPLATE: `key` is the new image's). A RESTORED one that is
 * not ready in time, or dies before it is, tells on_dead with init_failed and failure.refusal.code
 *   ERR_STALE: whoever waits for it is still to be served, by a plain start; msg (and fault or answer, as of any init) say why;
 *   ERR_THROTTLED: mayflyd has no room: not the image's fault;
 *   ERR_SNAP_START, ERR_SNAP_START_TIMEOUT: a SnapStart version's own after-restore hooks failed, or hang: that is the answer. */
struct worker *worker_start_image(struct fleet *f, struct function_version *version, uint64_t sched_env, enum worker_kind kind,
                                  const uint8_t key[IPC_IMAGE_KEY]);
/* Once; inside or after on_parked. */
void worker_snapshot(struct worker *w, bool close_connections);
/* What an image of this version depends on, but for the machine: hash of all its launch settings as a template has them, code,
 * layers, memory, and `renewal`. */
int worker_image_key(struct fleet *f, struct function_version *version, uint64_t renewal, uint8_t key[IPC_IMAGE_KEY], struct error *err);
/* Idle or frozen. */
void worker_assign(struct worker *w, struct invocation *inv);
void worker_freeze(struct worker *w);
void worker_stop(struct worker *w, uint32_t grace_ms);
/* After the sink of the invocation it runs said false: the function's answer is read on. */
void worker_stream_resume(struct worker *w);
/* Inside on_dead: this invocation gets the failed init as its answer, and is logged as one that ran there. */
void worker_log_failed_start(struct worker *w, struct invocation *inv);
const char *worker_state_name(enum worker_state state);
const char *worker_kind_name(enum worker_kind kind);

#endif
