/* Private to control/api.
 *
 * A request becomes a struct api_call: door.c checks its signature and rights and reads its body, validate.c its
 * parameters, then the route's handler answers it with exactly one of the api_reply_* and api_fail* calls, at once or
 * later. The call outlives a client that has gone. */
#ifndef MAYFLY_API_API_PRIV_H
#define MAYFLY_API_API_PRIV_H

#include <jansson.h>

#include "control/api/api.h"
#include "core/base/arena.h"
#include "core/base/list.h"
#include "core/sigv4/sigv4.h"

#define API_PARAMS_MAX 4      /* in a path */
#define API_QUERY_MAX 32
#define API_INLINE_BYTES 65536 /* more is hashed and parsed off the loop */
#define API_ARENA_BYTES (1u << 20)
#define API_FREE_CALLS 256
#define API_JSON_BODY_MAX (1u << 20) /* of operations that say nothing else */
#define API_LOGS_BODY_MAX (8u << 20) /* PutLogEvents: 1 MiB of messages, escaped */
#define API_CODE_BODY_MAX 70167211u  /* operations that carry a package */

/* SERVICE_ROW: one of deps.services, call->row. */
enum api_service { SERVICE_LAMBDA, SERVICE_STS, SERVICE_LOGS, SERVICE_MAYFLY, SERVICE_ROW };

struct api_call;

/* ---- parameters and their constraints ---- */

enum rule_where { IN_BODY, IN_PATH, IN_QUERY, IN_HEADER };
enum rule_type { IS_STRING, IS_INTEGER, IS_BOOL, IS_STRINGS, IS_STRING_MAP, IS_WEIGHT_MAP, IS_OBJECT, IS_LIST, IS_DOUBLE, IS_TIMESTAMP };

/* One row for a member of an operation's input, in the model's order. The name that errors show is `name` with each part's
 * first letter in lower case. */
struct api_rule {
	const char *name; /* "VpcConfig.SubnetIds", "Filters[].Pattern" (of each in a list): a path in the body; or the name of a path part, query or header */
	const char *shown; /* NULL: derived from name */
	const char *values; /* "a, b": enumeration, in the order in which AWS shows it; or NULL */
	const char *pattern;
	double min, max;  /* of a number, a text's or list's length; both 0: none; max < min: no upper one */
	double item_min, item_max; /* lengths of a list's texts; as above */
	const char *item_values, *item_pattern;
	const char *item_shown; /* what AWS shows instead of item_values, and of all constraints together; or NULL */
	uint8_t where, type;
	bool required;
};

struct api_rules {
	const struct api_rule *rows;
	size_t count;
};

/* False: the call was answered. */
bool api_validate(struct api_call *call, const struct api_rules *rules);

/* ---- routes ---- */

enum { ROUTE_CODE = 1 /* carries a package in ZipFile */ };

struct api_route {
	enum http_method method;
	const char *path, *query; /* "/functions/{FunctionName}"; "List=ALL" must be among the query, or NULL */
	const char *operation;
	void (*handle)(struct api_call *call); /* NULL: 501 */
	const struct api_rules *rules;
	unsigned flags;
	const char *note;
};

const struct api_route *api_routes(size_t *n);
/* Fills call->params. NULL: no such operation. */
const struct api_route *api_route_find(struct api_call *call, enum http_method method, struct str path);

/* The same for Invoke alone, by hand: the hot path. */
const struct api_route *api_route_invoke(struct api_call *call, enum http_method method, struct str path);

/* ---- the call ---- */

struct api_param {
	struct str name, value;
};

struct api_call {
	struct list link; /* in api->calls, or api->free_calls */
	struct api *api;
	struct http_conn *conn; /* NULL: the client has gone */
	struct arena arena;
	enum api_service service;
	const struct api_route *route; /* Lambda only */
	struct str operation;          /* "CreateFunction"; of every service */
	struct api_param params[API_PARAMS_MAX], query[API_QUERY_MAX];
	size_t param_count, query_count;
	char request_id[UUID_SIZE];

	struct sigv4_auth auth;
	bool verified;  /* signature and rights are checked */
	bool working;   /* a job or another part holds the call: it must not be freed */
	uint64_t body_max;
	struct http_blob body;
	struct ev_job job;
	unsigned char body_sha256[SHA256_SIZE];
	bool hashed;
	struct sigv4_stream *chunks; /* the body is signed in chunks */
	struct error chunks_err;     /* why it could not be decoded */

	json_t *json;          /* of the body; NULL when it was empty */
	struct error bad_body; /* why it could not be parsed */
	bool has_zip;
	struct http_blob zip;

	const struct service_row *row; /* SERVICE_ROW only, and: */
	struct service_call service_call;
	const struct api_page *own_page; /* one of deps.pages */

	struct url_call *url; /* a request to a function URL (url_priv.h); NULL: of the API */

	struct str page;         /* /_mayfly/ only */
	struct download *download;
	struct live_session *live; /* StartLiveTail, once it streams */

	/* Invoke only. */
	struct invocation inv;
	struct function_ref ref;
	const char *bad_payload;
	bool stream_full; /* the client has enough for now */
	char arn[FUNCTION_ARN_MAX];
};

struct api {
	struct api_deps deps;
	struct sigv4_keys *keys;
	struct list calls, free_calls;
	unsigned free_count;
	unsigned live_sessions;
};

struct str api_param(const struct api_call *call, const char *name); /* of the path; p NULL: none */
struct str api_query(const struct api_call *call, const char *name); /* p NULL: none */
struct str api_header(const struct api_call *call, const char *name); /* while the request lives: in handlers, at once */
/* A text member of the body, p NULL when absent. */
struct str api_text(const struct api_call *call, const char *key);
bool api_flag(const struct api_call *call, const char *key);

void api_call_free(struct api_call *call);
/* The function that the path names, its name and qualifier (of name or query); checks region, account and that both
 * qualifiers agree. False: answered. */
bool api_function_ref(struct api_call *call, struct function_ref *ref);
/* As before, for operations on whole functions. */
bool api_unqualified(struct api_call *call, struct function_ref *ref);
bool api_wants_page(struct api_call *call, struct registry_page *page, char *next, size_t next_size, size_t most);

/* ---- answers; each ends the call ---- */
void api_reply_json(struct api_call *call, int status, const json_t *json); /* json is borrowed */
void api_reply_new(struct api_call *call, int status, json_t *json);        /* takes the reference; NULL: 500 */
void api_reply_text(struct api_call *call, int status, const char *type, struct str body);
void api_reply_empty(struct api_call *call, int status);
void api_fail(struct api_call *call, enum error_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void api_fail_error(struct api_call *call, const struct error *err);
/* `body_key` is "message" or "Message"; `reason` NULL but for 429. */
void api_fail_type(struct api_call *call, int status, const char *type, const char *body_key, const char *message,
                   const char *reason);
void api_not_found(struct api_call *call, const struct function_ref *ref);

/* ---- parts ---- */
/* Cuts the value of ZipFile (at the top, or in Code) out of the text, decodes it in place; the rest of the text goes into
 * `rest`. 1 there was one, 0 none, -1 not base64. May run on any thread. */
int api_zip_cut(struct http_blob *body, struct buf *rest, struct http_blob *zip);
/* Parses call->body (any thread). */
void api_body_parse(struct api_call *call);
void api_dispatch(struct api_call *call); /* verified, body there: to the handler */

/* Invoke has a way of its own through the door. */
void api_invoke_body(struct api_call *call, struct http_request *req);
void api_invoke_check(struct api_call *call);   /* the payload; any thread */
void api_invoke_checked(struct api_call *call); /* after that: on the loop */
void api_invoke_too_large(struct api_call *call, struct http_request *req);

bool api_is_stream(const struct api_call *call); /* InvokeWithResponseStream, which goes the same way */
#define API_INVOKE_HEADERS 4
/* What both answers have in common; returns how many. */
unsigned api_invoke_headers(const struct api_call *call, struct http_header headers[API_INVOKE_HEADERS]);

/* ---- stream.c ---- */
extern const struct invocation_sink api_stream_sink;
/* The client has taken what it was sent, or has gone. */
void api_stream_flow(struct api_call *call);
/* Of an invocation that was not refused: the reply is sent, and the connection forgotten. */
void api_stream_done(struct api_call *call);

/* Checks beyond the rows; false: answered. */
bool api_check_configuration(struct api_call *call, const struct function_ref *ref, bool create);
/* A member that names something that is not offered (container images, capacity providers, ...); an empty group says nothing. */
bool api_check_offered(struct api_call *call);
/* Code.SourceKMSKeyArn (or none) into what is stored. */
void api_put_source_key(struct api_call *call, json_t *config, const json_t *code);
bool api_has_tenants(struct api_call *call, const struct function_ref *ref);
bool api_check_tags(struct api_call *call, const json_t *tags);
bool api_check_signing(struct api_call *call); /* a code signing configuration that is named must be there: none is */
/* The function that the path names, and its version or alias, must be there. */
bool api_existing(struct api_call *call, struct function_ref *ref);
/* FunctionConfiguration out of the request: all that is not about the request itself. Over `now` (borrowed), what is
 * configured; NULL: a new function, with all defaults. NULL when out of memory. */
json_t *api_configuration(struct api_call *call, struct str name, const json_t *now);

/* Another account's layer: no policy allows the operation. Answers. */
void api_layer_denied(struct api_call *call, struct str arn);

/* Link to a package, good for ten minutes, for clients that do not sign; in the call's arena. NULL: no memory. */
const char *api_link(struct api_call *call, const struct blob_id *id);
void api_download(struct api_call *call, const struct blob_id *id);
void api_download_drained(struct api_call *call);
void api_download_gone(struct api_call *call);

/* ---- services.c: calls of deps.services ---- */
/* The row that is meant, by target, scope or path, with what it will need of the head; false: none of them. */
bool api_service_choose(struct api_call *call, const struct http_request *req);
void api_service_dispatch(struct api_call *call);
/* An error as the row's protocol has it; returns its content type. */
const char *api_service_error(struct api_call *call, struct buf *body, int status, const char *type, const char *message);
/* The client has gone. True: the service lets go of the call, which can be freed. */
bool api_service_gone(struct api_call *call);
/* -1: answered. For those whose operation is known only behind the body. */
int api_authorize(struct api_call *call);

/* ---- url.c: requests to function URLs go through the door as Invoke does, with call->url ---- */
enum api_url_found {
	API_URL_NONE,  /* it is for the API */
	API_URL_FOUND, /* call->url is made */
	API_URL_OVER   /* answered */
};
enum api_url_found api_url_take(struct api_call *call, struct http_request *req);
bool api_url_signed(const struct api_call *call); /* AuthType AWS_IAM */
bool api_url_covered(struct api_call *call); /* its signature is over the body, as Lambda wants it of URLs; false: refused */
int api_url_authorize(struct api_call *call, const struct identity *who); /* the signature was right; -1: answered */
int api_url_head(struct api_call *call);  /* the event's head, while the request is there; -1: answered */
void api_url_event(struct api_call *call); /* the whole event; any thread */
void api_url_submit(struct api_call *call); /* after that: on the loop */
void api_url_body(struct api_call *call);  /* all three, for a short body */
void api_url_too_large(struct api_call *call, bool no_room);
void api_url_free(struct api_call *call);

/* ---- domains.c: pages of host names ---- */
bool api_domains_known(struct api_call *call, const struct http_request *req);
bool api_domains(struct api_call *call); /* false: the operation is none of these */

/* Handlers that routes.def does not name. */
void api_sts(struct api_call *call);
void api_logs(struct api_call *call);
void api_live_tail(struct api_call *call);
void api_live_tail_drop(struct api_call *call); /* its session, if any; the call stays */
void api_mayfly(struct api_call *call);
/* Served (answered) without a signature; false: it needs one. */
bool api_mayfly_open(struct api_call *call, const struct http_request *req);
/* Remembers what is asked for; false: no such page, answered. */
bool api_mayfly_known(struct api_call *call, const struct http_request *req);

#define HANDLERS(X) \
	X(create_function) X(get_function) X(get_function_configuration) X(list_functions) X(delete_function) \
	X(update_function_code) X(update_function_configuration) X(publish_version) X(list_versions_by_function) \
	X(create_alias) X(get_alias) X(list_aliases) X(update_alias) X(delete_alias) X(invoke) \
	X(put_function_concurrency) X(get_function_concurrency) X(delete_function_concurrency) \
	X(list_tags) X(tag_resource) X(untag_resource) X(get_account_settings) \
	X(create_function_url_config) X(update_function_url_config) X(delete_function_url_config) \
	X(get_policy) X(get_function_code_signing_config) X(get_function_url_config) X(list_function_url_configs) \
	X(get_function_event_invoke_config) X(put_function_event_invoke_config) X(update_function_event_invoke_config) \
	X(delete_function_event_invoke_config) X(list_function_event_invoke_configs) X(list_event_source_mappings) \
	X(get_event_source_mapping) X(get_provisioned_concurrency_config) X(list_provisioned_concurrency_configs) \
	X(get_runtime_management_config) X(get_function_recursion_config) X(get_function_scaling_config) X(list_layers) X(publish_layer_version) X(get_layer_version_by_arn) \
	X(delete_layer_version) X(add_layer_version_permission) X(remove_layer_version_permission) X(get_layer_version_policy) \
	X(list_layer_versions) X(get_layer_version) X(list_code_signing_configs) X(get_code_signing_config) \
	X(list_capacity_providers) X(get_capacity_provider) X(list_durable_executions_by_function) \
	X(create_event_source_mapping) X(update_event_source_mapping) X(delete_event_source_mapping) X(add_permission) \
	X(invoke_with_response_stream) X(remove_permission) X(put_function_recursion_config) X(put_runtime_management_config) \
	X(put_function_scaling_config) X(delete_provisioned_concurrency_config) X(delete_function_code_signing_config) \
	X(put_function_code_signing_config) X(get_durable_execution) X(checkpoint_durable_execution) \
	X(send_durable_execution_callback)
#define X(name) void api_##name(struct api_call *call);
HANDLERS(X)
#undef X

/* ---- mappings.c: tags of mappings ---- */
struct str api_mapping_uuid(struct str arn); /* p NULL: another kind of resource */
void api_mapping_list_tags(struct api_call *call, struct str uuid);
void api_mapping_tag(struct api_call *call, struct str uuid, json_t *add, json_t *remove_keys);

/* ---- chunks.c ---- */

uint64_t api_chunks_limit(uint64_t decoded_max);
/* On the loop, once the head's signature is right. */
int api_chunks_begin(struct api_call *call, struct str secret, struct error *err);
/* On any thread: call->body becomes what it holds. */
int api_chunks_decode(struct api_call *call, struct error *err);
void api_chunks_free(struct api_call *call);

#endif
