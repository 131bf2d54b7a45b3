/* One environment's side of the Runtime API: the HTTP server on the listener inside its network namespace, and the order in
 * which a runtime may call (lambda-runtimes "Custom runtime API"; fault texts as the open runtime interface emulator gives).
 *
 * The owner embeds the struct, delivers one event at a time and hears what the runtime answered. Callbacks come from the
 * loop; the owner may release the API inside any of them. Bodies are moved, never copied. */
#ifndef MAYFLY_RUNTIME_RUNTIME_API_H
#define MAYFLY_RUNTIME_RUNTIME_API_H

#include <stdbool.h>
#include <stdint.h>

#include "control/runtime/extensions.h"
#include "core/http/server.h"

struct runtime_api;

/* What is delivered with `next`. Strings are read during the call only; the payload is taken over (left zeroed): a runtime may
 * answer before it has read its input. */
struct runtime_event {
	const char *request_id;
	const char *function_arn;
	const char *trace_id;
	struct str client_context; /* p NULL: none */
	struct str tenant_id;      /* the same */
	int64_t deadline_wall_ms;
	bool stream;               /* an answer in streaming mode is handed on as it comes; else it is buffered, too */
	struct http_blob *payload; /* empty: "{}" is sent */
};

/* Strings are read during the call only. */
struct runtime_credentials {
	const char *access_key, *secret, *token;
	int64_t expires_wall_ms; /* only as told to SDKs: when they ask again */
};

/* What is answered to restore/next: what a process may have only after its restore. */
struct runtime_restored {
	struct runtime_credentials credentials;
	const char *log_group, *log_stream;
};

/* What an extension is told of the function. Strings are read during the call only. */
struct runtime_function {
	const char *name, *version, *handler, *account;
};

enum runtime_fault {
	RUNTIME_FAULT_TOO_LARGE,     /* the answer passed the limit */
	RUNTIME_FAULT_NO_ROOM,       /* the server's memory for payloads is full */
	RUNTIME_FAULT_TRUNCATED,     /* the answer's connection broke in the middle */
	RUNTIME_FAULT_RESPONSE_MODE  /* unknown Lambda-Runtime-Function-Response-Mode */
};

struct runtime_api_events {
	/* The first `next`, and all extensions wait for an event: init is over. */
	void (*on_ready)(struct runtime_api *api);
	/* The answer (the API must not be released here); `blob` is the callee's. error: it came by /error (or a trailer said so); type "" when none was given. */
	void (*on_answer)(struct runtime_api *api, struct http_blob *blob, bool error, struct str error_type);
	/* Of an event with `stream`: the answer begins, in streaming mode; its pieces, valid during the call; then on_answer, whose blob is
	 * empty or, with an error in mid-stream, the error object (type: as the runtime gave it), or on_fault. The API must not be released in
	 * the first two. on_stream_data false: enough for now, no more until runtime_api_resume. content_type p NULL: none. */
	void (*on_stream_begin)(struct runtime_api *api, struct str content_type);
	bool (*on_stream_data)(struct runtime_api *api, struct str bytes);
	void (*on_idle)(struct runtime_api *api);   /* `next` after an answer, and all extensions are done with the event */
	void (*on_init_error)(struct runtime_api *api, struct http_blob *blob, struct str error_type);
	void (*on_fault)(struct runtime_api *api, enum runtime_fault fault); /* of the current invocation */
	/* The first restore/next, instead of `next`: init is over, and the runtime waits for runtime_api_restore, after which its
	 * `next` is on_ready, or on_restore_error says why not. */
	void (*on_restore_parked)(struct runtime_api *api);
	void (*on_restore_error)(struct runtime_api *api, struct http_blob *blob, struct str error_type);
	/* GET credentials: fills all of it. */
	void (*credentials)(struct runtime_api *api, struct runtime_credentials *out);
	void (*describe)(struct runtime_api *api, struct runtime_function *out); /* all of it */
	void (*on_extensions_registered)(struct runtime_api *api); /* every external one has: the runtime may be started */
	void (*on_extension_failed)(struct runtime_api *api, struct extension *e); /* it said so: INIT_ERROR, EXIT_ERROR */
	/* It subscribes to telemetry, by the Telemetry or the older Logs API. -1: ERR_INVALID what is wrong with the body; ERR_ACCESS_DENIED it
	 * may not, now. NULL: not supported here. */
	int (*subscribe)(struct runtime_api *api, const struct extension *e, bool logs_api, struct str body, struct error *err);
};

enum runtime_state {
	RUNTIME_INIT,       /* started, has not asked yet */
	RUNTIME_INIT_ERROR, /* says, or has said, why its init failed */
	RUNTIME_READY,      /* waits in `next` (or will come back for it) */
	RUNTIME_RUNNING,    /* has an invocation */
	RUNTIME_ANSWERING,  /* its answer is being read */
	RUNTIME_ANSWERED,   /* answered, has not asked for the next */
	RUNTIME_RESTORE_READY, /* waits in restore/next */
	RUNTIME_RESTORING,     /* that was answered; its hooks run */
	RUNTIME_RESTORE_ERROR  /* says, or has said, why they failed */
};

/* Which of on_ready and on_idle comes as soon as the runtime and all extensions wait. */
enum runtime_due { RUNTIME_DUE_NOTHING, RUNTIME_DUE_READY, RUNTIME_DUE_IDLE };

/* Holds a request id, a trace id, or the longest ARN (a name and an alias). */
#define RUNTIME_TEXT_SIZE 320

struct runtime_api {
	struct http_server server;
	struct http_listener listener;
	const struct runtime_api_events *events;
	void *arg; /* the owner's */
	enum runtime_state state;
	struct http_conn *next;      /* parked GET next, or restore/next */
	struct http_conn *answering; /* the POST whose body is being read */
	bool error_answer;
	uint64_t answer_began_ns;    /* when the first byte of the latest was here */
	bool may_stream;             /* the event's `stream` */
	bool stream_paused;
	uint64_t stream_bytes;
	bool undelivered;            /* an event waits for the runtime to come for it */
	struct runtime_event event;  /* of the undelivered one */
	char request_id[40];
	char event_ids[3][RUNTIME_TEXT_SIZE]; /* copies behind `event` while undelivered: id, ARN, trace */
	struct http_blob event_payload;
	char *event_context, *event_tenant;
	enum runtime_due due;
	struct extensions *extensions; /* NULL: none; owned */
	char *invoke_event, *shutdown_event; /* texts of the latest, for extensions; owned; NULL */
	struct runtime_api_events muted; /* `events` after runtime_api_mute */
};

extern const struct http_config runtime_api_http_config;

void runtime_api_init(struct runtime_api *api, struct ev_loop *loop, struct http_pool *pool, const struct runtime_api_events *events,
                      void *arg);
/* Takes the listener over, on failure too. */
int runtime_api_listen(struct runtime_api *api, int listener, struct error *err);
void runtime_api_release(struct runtime_api *api);
/* A connection on which a restored process waits for the answer to restore/next, else to invocation/next: the API is in that
 * state by the end of the loop's round, and told so as always. Before any request. Takes fd over, on failure too. */
int runtime_api_adopt(struct runtime_api *api, int fd, bool restore_next, struct error *err);
/* The runtime's port of the parked connection; 0: none is parked. */
unsigned runtime_api_next_port(const struct runtime_api *api);
/* Answers restore/next; inside on_restore_parked, or while runtime_api_next_port is not 0. */
void runtime_api_restore(struct runtime_api *api, const struct runtime_restored *r);
/* After on_stream_data said false: its taker has room again. Not from inside on_stream_data. */
void runtime_api_resume(struct runtime_api *api);
/* To the runtime and to extensions. Only in state RUNTIME_READY, with extensions after on_ready or on_idle. */
void runtime_api_deliver(struct runtime_api *api, const struct runtime_event *event);
/* An external extension that is being started; before anything runs in the environment. NULL: there are too many. */
struct extension *runtime_api_launch(struct runtime_api *api, struct str name);
/* The environment is being ended: no event is told any more, but extensions may still come for theirs. */
void runtime_api_mute(struct runtime_api *api);
/* SHUTDOWN for those that registered for it. Once; `reason`: spindown, timeout, failure. */
void runtime_api_tell_shutdown(struct runtime_api *api, const char *reason, int64_t deadline_wall_ms);

#endif
