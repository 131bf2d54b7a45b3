/* One invocation on its way through control: what the caller gives, what the function gives back, and when what happened. */
#ifndef MAYFLY_WORKER_INVOCATION_H
#define MAYFLY_WORKER_INVOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "control/function/version.h"
#include "core/base/error.h"
#include "core/base/list.h"
#include "core/base/rand.h"
#include "core/http/pool.h"

struct invocation;
struct registry;
struct worker;

enum invoke_outcome {
	INVOKE_ANSWERED,       /* the function's answer is in `answer` */
	INVOKE_FUNCTION_ERROR, /* as before, with X-Amz-Function-Error: the error object is in `answer` */
	INVOKE_REFUSED         /* never ran: `refusal` says why; ERR_THROTTLED with `throttle_reason` */
};

/* What failed, when the outcome is a function error. */
enum invoke_failure {
	FAILURE_NONE,
	FAILURE_HANDLER, /* the function said so */
	FAILURE_TIMEOUT,
	FAILURE_EXIT,    /* its process ended, or broke the Runtime API's rules */
	FAILURE_INIT
};

/* Nanoseconds of CLOCK_MONOTONIC; 0 where a phase was not reached (a warm start has no sandbox and init). */
struct invoke_phases {
	uint64_t submitted_ns, placed_ns; /* queued between them */
	/* Of the environment, when this invocation was its first. A restored one is restored between the last two. */
	uint64_t start_asked_ns, sandbox_done_ns, init_done_ns;
	uint64_t restore_ns; /* a duration: of the restore, hooks included; 0: a plain start */
	uint64_t sent_ns, answered_ns;    /* at the function */
	uint64_t done_ns;
};

/* Where an answer goes while the function still makes it (response streaming). Called from the loop, between submit and done; the
 * invocation must not be submitted or freed inside. */
struct invocation_sink {
	/* The function answers in streaming mode, with this Content-Type (p NULL: it gave none). Before any data, at most once. */
	void (*begin)(struct invocation *inv, struct str content_type);
	/* A piece, valid during the call. False: enough for now, the function is slowed down until invoke_stream_resume. What is given
	 * after a false (what was read already) is to be taken all the same: at most one piece. */
	bool (*data)(struct invocation *inv, struct str bytes);
};

struct invocation {
	/* Filled by the caller. */
	struct function_version *version; /* a reference of the caller's, kept until after done */
	const char *invoked_arn;          /* as the context object shows it; lives until done */
	struct http_blob payload;         /* moved in; valid JSON or empty (then "{}" is sent) */
	struct str client_context;        /* JSON text, lives until done; p NULL when none */
	struct str trace_header;          /* X-Amzn-Trace-Id of the caller, lineage included; p NULL: one is made; lives until done */
	int reserved;                     /* reserved concurrency of the function, -1 for none */
	struct str tenant;                /* of a version with tenants, and only there; lives until done; p NULL: none */
	bool tail;                        /* collect the last 4 KB of its log */
	/* Called when `version` is dropped while the invocation still waits: puts the version that took its place into
	 * inv->version (and what hangs on it), giving the old reference back. NULL, or left alone: it runs the old one. */
	void (*renew)(struct invocation *inv);
	void (*done)(struct invocation *inv);
	const struct invocation_sink *sink; /* NULL: the answer is buffered, whatever mode the function answers in */
	void *arg;

	/* "" before invoke_submit: it makes one. Else kept: an asynchronous event has one over all its attempts. */
	char request_id[UUID_SIZE];
	/* Set by invoke_submit. */
	char trace_id[256];

	/* Results, valid in done; the caller releases `answer`. */
	enum invoke_outcome outcome;
	enum invoke_failure failure;
	struct http_blob answer;
	bool streamed;          /* sink->begin was called: `answer` is empty, or with an error in mid-stream the error object */
	char stream_error[128]; /* streamed, and a function error: its type as the runtime gave it, or the platform's; else "" */
	struct error refusal;
	const char *throttle_reason;
	char *log_tail; /* malloc'd, the caller frees; base64 is the API's */
	size_t log_tail_len;
	struct invoke_phases phases;
	bool cold, restored; /* restored: cold, and its environment came from an image */

	/* Private to control/. */
	struct registry *registry; /* for invoke_renew */
	struct worker *worker;
	struct tenant *tenant_ref; /* invoke's; NULL: none */
	uint64_t tenant_id;        /* 0: none */
	struct list link;
};

#endif
