/* What the files of this folder share. */
#ifndef MAYFLY_WORKER_WORKER_PRIV_H
#define MAYFLY_WORKER_WORKER_PRIV_H

#include "control/worker/faults.h"
#include "control/worker/worker.h"

struct fleet {
	struct fleet_deps deps;
	const struct worker_events *events;
	void *arg;
	struct hash by_id;
	struct list states[WORKER_STATES];
	unsigned counts[WORKER_STATES];
	uint64_t next_env_id;
	int empty_launch_fd; /* -1: not made yet */
	unsigned telemetry_sockets; /* of all workers together */
};

/* state.c */
void worker_set_state(struct worker *w, enum worker_state state);

/* output.c: the log pipe */
int worker_open_log(struct worker *w, int fd, struct error *err);
int worker_open_extension_log(struct worker *w, int fd, struct error *err); /* takes fd */
/* Reads what is there, bounded, so that a line written before the answer stands before END. */
void worker_drain_log(struct worker *w);
/* The same, without asking the kernel where it has told already: a pipe written before the answer was sent is reported by
 * epoll before the answer's socket (its ready list is in order of arrival), so its callback has run. */
void worker_drain_log_before_answer(struct worker *w);
void worker_close_log(struct worker *w);

/* cgroup.c: the two control files */
void worker_set_frozen(struct worker *w, bool frozen);
uint64_t worker_peak_bytes(struct worker *w, uint64_t now_ns);

/* finish.c: how invocations end */
void worker_finish_answer(struct worker *w, struct http_blob *answer, bool error, struct str error_type);
void worker_finish_fault(struct worker *w, const struct fault_text *t, const char *log_status, const char *log_type);
void worker_fail_init(struct worker *w, const struct fault_text *t, const char *log_status, const char *log_type);

void worker_let_go(struct worker *w); /* of its invocation, whose results are set */

void worker_tell_initialized(struct ev_defer *defer);

/* telemetry.c */
/* Before anything is written to the log: extensions are there, and may subscribe (`early`). */
void worker_begin_telemetry(struct worker *w, bool early);
void worker_end_telemetry(struct worker *w);
int worker_subscribe(struct runtime_api *api, const struct extension *e, bool logs_api, struct str body, struct error *err);
void worker_env_socket(struct worker *w, struct ipc_message *m);
void worker_suspend_telemetry(struct worker *w, bool suspend); /* frozen, or thawed */
void worker_flush_telemetry(struct worker *w);                 /* it is about to end */
void worker_tell_extension(struct worker *w, const struct extension *e); /* it is ready, or failed */
void worker_tell_init_done(struct worker *w);

/* extension.c */
/* Names of external ones (NULL-terminated; they live with the worker) and their number; -1: this worker cannot have any. */
int worker_find_extensions(struct worker *w, const char *names[LIMIT_EXTENSIONS + 1], struct error *err);
void worker_take_extensions(struct worker *w);  /* the API is there, nobody has come to it yet */
void worker_check_extensions(struct worker *w); /* may end the worker's init */
void worker_free_extensions(struct worker *w);
void worker_describe(struct runtime_api *api, struct runtime_function *out);
void worker_extensions_registered(struct runtime_api *api);
void worker_extension_failed(struct runtime_api *api, struct extension *e);
void worker_accuse(struct worker *w);
void worker_process_ended(struct worker *w, const struct ipc_env_process_ended *m);
/* The function has answered: they have not all. */
bool worker_extensions_busy(const struct worker *w);
/* Instead of the report: worker_report_late writes it, and lets go of an invocation that waits for it (w->invocation). */
void worker_keep_report(struct worker *w, const struct log_report *report);
void worker_report_late(struct worker *w, const char *status, const char *log_type); /* nothing kept: nothing */
/* How the environment's end goes, before it is ordered: who is to be told, and the time for it. False: there are no extensions, and nothing
 * was set. */
bool worker_plan_end(struct worker *w, uint32_t *grace_ms, uint32_t *leavers);
void worker_begin_end(struct worker *w);     /* it is ordered */
void worker_shutdown_late(struct worker *w); /* its timer: nothing was heard of the runtime's end */

const struct runtime_api_events *worker_api_events(void);

/* How long a restore may take altogether, and hooks after it: Lambda's limit of the restore phase. */
#define RESTORE_MAX_NS (10 * NS_PER_S)

/* start.c */
uint64_t worker_init_limit_ns(const struct worker *w); /* from sandbox_ns; 0: none */
void worker_init_timeout_text(struct worker *w, struct fault_text *t); /* may set failure.refusal */

/* image.c */
bool worker_is_restored(const struct worker *w);
void worker_parked(struct worker *w, enum ipc_park park);
void worker_snapshot_done(struct worker *w, const struct ipc_snapshot_done *m);
void worker_snapshot_late(struct worker *w); /* its timer: the order could not be given, or nothing came of it */
uint64_t worker_restore_ns(const struct worker *w, uint64_t until_ns);
int worker_take_restored(struct worker *w, struct ipc_message *m, struct error *err);
void worker_answer_restore(struct worker *w);
void worker_credentials(struct worker *w, struct runtime_credentials *c);
int worker_trial_begin(struct worker *w, int fd, int peer_fd, struct error *err); /* takes both */
void worker_trial_step(struct worker *w);
void worker_trial_over(struct worker *w, const struct error *why);

/* worker.c */
struct worker *worker_new(struct fleet *f, struct function_version *version, enum worker_kind kind); /* in WORKER_STARTING */
/* ordered: by worker_stop; else for a fault, which whoever places work is told. */
void worker_kill(struct worker *w, bool ordered, uint32_t grace_ms);
/* At the end of the loop's round, so that an answer to the runtime (413) still goes out. */
void worker_kill_soon(struct worker *w);

#endif
