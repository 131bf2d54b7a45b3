/* A call of an AWS-style service other than Lambda: what the front end hands on, and how the service answers. Plain structs, so that
 * neither side includes the other; the program joins them (bin/mayfly-control). */
#ifndef MAYFLY_SPEC_SERVICE_H
#define MAYFLY_SPEC_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/str.h"

/* JSON: X-Amz-Target names the operation, the body is JSON. QUERY: a form with Action=..., answered in XML. REST: method and path. */
enum service_protocol { SERVICE_JSON, SERVICE_QUERY, SERVICE_REST };

/* The signature was checked, and that the caller may do "<service>:<operation>". All texts live until the answer. */
struct service_call {
	enum service_protocol protocol;
	struct str operation;  /* "SendMessage"; REST: p NULL, the service routes */
	struct str method;     /* REST and QUERY */
	struct str path, query; /* as sent, not decoded */
	struct str body;       /* JSON text, form, or empty */
	struct str host;       /* of the request: queue URLs are made with it */
	bool secure;           /* and begin with https */
	struct str request_id, trace_header; /* trace_header p NULL: none was sent */
	struct str caller_arn, caller_account;
	bool root;             /* the caller may do everything */
};

/* One answer. `body` is complete, in the protocol's form, and copied by the callee. */
struct service_answer {
	int status;
	const char *content_type;
	const char *error_type;  /* x-amzn-ErrorType, on errors; NULL: none */
	const char *query_error; /* x-amzn-query-error: "AWS.SimpleQueueService.NonExistentQueue;Sender"; NULL: none */
	struct str body;
};
typedef void service_answer_cb(void *answer, const struct service_answer *what);

/* Calls `cb` exactly once, at once or later. */
typedef void service_answer_fn(void *service, const struct service_call *call, service_answer_cb *cb, void *answer);
/* The caller has gone: a call that only waits (ReceiveMessage) may be ended early; `cb` is then not called for it. False: it goes on. */
typedef bool service_gone_fn(void *service, void *answer);

/* How the front end knows a service; a table of these is handed to it. */
struct service_row {
	const char *name;         /* in the credential scope, and IAM's prefix: "sqs" */
	const char *target;       /* "AmazonSQS."; NULL: no JSON protocol */
	const char *json_type;    /* "application/x-amz-json-1.0" */
	const char *const *paths; /* REST: the first segments that are its own, NULL-terminated; NULL: none */
	bool query;               /* form POSTs and GETs to "/" signed for it, and to /<12 digits>/<name> */
	size_t body_max;
	service_answer_fn *answer;
	service_gone_fn *gone;    /* NULL: nothing to end */
	void *service;
};

#endif
