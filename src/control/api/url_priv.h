/* Private to the parts of control/api that answer at function URLs: url.c from the request to the invocation, url_reply.c from there back.
 *
 * A request to a URL is an api_call with a struct url_call, made before anything is said about it and freed with the call. */
#ifndef MAYFLY_API_URL_PRIV_H
#define MAYFLY_API_URL_PRIV_H

#include "control/api/api_priv.h"
#include "control/function/url.h"
#include "control/url/answer.h"
#include "control/url/cors.h"
#include "control/url/event.h"
#include "control/url/prelude.h"

struct url_call {
	struct api_call *call;
	char id[REGISTRY_URL_ID_SIZE];
	bool iam, stream;
	json_t *cors; /* a reference, or NULL */
	/* Of the request; texts are in the call's arena. */
	struct str method, path, query, domain, source_ip, trace;
	unsigned port;
	bool https, text_body;
	struct url_cors_request cors_request;
	struct url_caller caller; /* AWS_IAM */

	struct buf event;
	int event_failed;
	/* The answer. */
	struct url_answer answer;
	int malformed;
	struct ev_job job;
	bool started, prelude_due; /* of a stream: its head was sent; a prelude comes first */
	struct url_prelude prelude;
};

/* What is said instead of a function's answer. */
enum url_refusal {
	URL_FORBIDDEN,
	URL_UNKNOWN,    /* no such URL */
	URL_TOO_LARGE,
	URL_NO_ROOM,    /* too many bytes are buffered */
	URL_NOT_READY,
	URL_FAILED      /* the function, or what it answered */
};
/* Answers and ends the call. */
void url_refuse(struct api_call *call, enum url_refusal why);
void url_refuse_error(struct api_call *call, const struct error *err, const char *reason); /* of a refused invocation */
/* Answers with u->answer; ends the call. */
void url_preflight(struct api_call *call);
void url_done(struct invocation *inv);
extern const struct invocation_sink url_sink;

#endif
