/* The door: which service is meant, who asks, may they, and the body. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "core/base/clock.h"
#include "core/spec/limits.h"

#define LOGS_TARGET "Logs_20140328."
#define STS_BODY_MAX 65536u

static const struct {
	const char *name; /* in the credential scope; empty: any */
	bool regional;
} services[] = {
	[SERVICE_LAMBDA] = {"lambda", true},
	[SERVICE_STS] = {"sts", false},
	[SERVICE_LOGS] = {"logs", true},
	[SERVICE_MAYFLY] = {"", false},
	[SERVICE_ROW] = {NULL, true}, /* the row's */
};

static const char *service_name(const struct api_call *call)
{
	return call->row ? call->row->name : services[call->service].name;
}

/* ---- calls ---- */

static struct api_call *call_new(struct api *api, struct http_conn *conn)
{
	struct list *l = list_pop_front(&api->free_calls);
	struct api_call *call = l ? CONTAINER_OF(l, struct api_call, link) : calloc(1, sizeof *call);
	if (!call)
		return NULL;
	if (l) {
		api->free_count--;
	} else {
		list_init(&call->link);
		arena_init(&call->arena, API_ARENA_BYTES);
	}
	call->api = api;
	call->conn = conn;
	list_push_back(&api->calls, &call->link);
	uuid4(call->request_id);
	http_conn_set_data(conn, call);
	return call;
}

/* Everything but link and arena back to zero: sizeof the struct is small beside what a request costs. */
void api_call_free(struct api_call *call)
{
	struct api *api = call->api;
	json_decref(call->json);
	http_blob_release(&call->body);
	http_blob_release(&call->zip);
	api_chunks_free(call);
	api_live_tail_drop(call);
	api_url_free(call);
	list_remove(&call->link);
	if (api->free_count >= API_FREE_CALLS) {
		arena_release(&call->arena);
		free(call);
		return;
	}
	arena_reset(&call->arena);
	struct arena arena = call->arena;
	memset(call, 0, sizeof *call);
	call->arena = arena;
	list_init(&call->link);
	list_push_front(&api->free_calls, &call->link);
	api->free_count++;
}

/* ---- reading the head ---- */

static int read_query(struct api_call *call, struct str query)
{
	struct str piece, name;
	while (str_split(&query, '&', &piece)) {
		if (piece.n == 0)
			continue;
		if (call->query_count == API_QUERY_MAX)
			return -1;
		char *text = arena_alloc(&call->arena, piece.n + 1);
		size_t name_n, value_n;
		struct str value = piece;
		str_split(&value, '=', &name);
		if (!text || percent_decode(text, &name_n, name, true) < 0 ||
		    percent_decode(text + name_n, &value_n, value, true) < 0)
			return -1;
		call->query[call->query_count++] = (struct api_param){{text, name_n}, {text + name_n, value_n}};
	}
	return 0;
}

static void choose_service(struct api_call *call, const struct http_request *req)
{
	struct str target = http_header(req, STR("X-Amz-Target"));
	if (str_starts(req->path, STR("/_mayfly"))) {
		call->service = SERVICE_MAYFLY;
		call->operation = STR("Mayfly");
	} else if (str_starts(target, STR(LOGS_TARGET))) {
		call->service = SERVICE_LOGS;
		target = str_sub(target, strlen(LOGS_TARGET), target.n);
		call->operation = (struct str){arena_strdup(&call->arena, target), target.n};
	} else if (api_service_choose(call, req)) {
		call->service = SERVICE_ROW;
	} else if (str_eqz(req->path, "/")) {
		call->service = SERVICE_STS;
	} else {
		call->service = SERVICE_LAMBDA;
	}
}

/* ---- signatures ---- */

static void fail_auth(struct api_call *call, const struct error *err)
{
	api_fail(call, err->code, "%s", call->auth.message ? call->auth.message : err->msg);
}

static int parse_signature(struct api_call *call, const struct http_request *req)
{
	struct error err = {0};
	struct sigv4_header *headers = arena_alloc(&call->arena, req->header_count * sizeof *headers);
	if (!headers)
		return -1;
	for (unsigned i = 0; i < req->header_count; i++)
		headers[i] = (struct sigv4_header){req->headers[i].name, req->headers[i].value};
	struct sigv4_request signed_part = {.method = req->method_text, .path = req->path, .query = req->query,
	                                    .headers = headers, .header_count = req->header_count};
	struct sigv4_expect expect = {.service = str_from(service_name(call)), .now_s = clock_wall_ms() / 1000};
	if (services[call->service].regional)
		expect.region = str_from(call->api->deps.settings->region);
	if (sigv4_parse(&call->auth, &signed_part, &call->arena, &err) < 0 ||
	    sigv4_check(&call->auth, &expect, &call->arena, &err) < 0) {
		fail_auth(call, &err);
		return -1;
	}
	return 0;
}

/* The name IAM knows the operation by. */
static struct str action_of(struct api_call *call)
{
	const char *name = call->service == SERVICE_MAYFLY ? "mayfly" : service_name(call);
	bool invoke = str_eqz(call->operation, "Invoke") || str_eqz(call->operation, "InvokeWithResponseStream");
	struct str operation = invoke ? STR("InvokeFunction") : call->operation;
	char *text = arena_printf(&call->arena, "%s:" STR_FMT, name, STR_ARG(operation));
	return str_from(text);
}

static const char *resource_of(struct api_call *call)
{
	char *arn = arena_alloc(&call->arena, FUNCTION_ARN_MAX);
	struct function_ref ref;
	if (call->service != SERVICE_LAMBDA || !arn || !function_ref_parse(&ref, api_param(call, "FunctionName")))
		return "*";
	registry_arn(call->api->deps.registry, arn, ref.name, ref.qualifier);
	return arn;
}

static int authorize(struct api_call *call, const struct identity *who)
{
	if (who->kind == IDENTITY_ROOT)
		return 0;
	struct str action = action_of(call);
	if (identity_may(who, action))
		return 0;
	api_fail(call, ERR_ACCESS_DENIED, "User: %s is not authorized to perform: " STR_FMT " on resource: %s because no "
	         "identity-based policy allows the " STR_FMT " action", who->arn, STR_ARG(action), resource_of(call),
	         STR_ARG(action));
	return -1;
}

/* No token where none was issued, and in constant time. */
static bool same_token(struct str sent, const char *issued)
{
	size_t n = strlen(issued);
	unsigned char different = sent.n != n;
	for (size_t i = 0; i < n && i < sent.n; i++)
		different |= (unsigned char)(sent.p[i] ^ issued[i]);
	return !different;
}

/* Who the request says it comes from; NULL: answered. */
static const struct identity *find_client(struct api_call *call)
{
	const struct identity *who = identities_find(call->api->deps.identities, call->auth.access_key);
	if (who && same_token(call->auth.session_token, who->session_token))
		return who;
	api_fail(call, ERR_UNKNOWN_CLIENT, SIGV4_UNKNOWN_KEY);
	return NULL;
}

/* Signature and rights. `body_sha256` only where sigv4_needs_body. */
static int verify(struct api_call *call, const unsigned char *body_sha256)
{
	struct error err = {0};
	const struct identity *who = find_client(call);
	if (!who)
		return -1;
	if (sigv4_verify(&call->auth, call->api->keys, str_from(who->secret), body_sha256, &call->arena, &err) < 0) {
		fail_auth(call, &err);
		return -1;
	}
	if (call->auth.payload >= SIGV4_PAYLOAD_STREAM && api_chunks_begin(call, str_from(who->secret), &err) < 0) {
		fail_auth(call, &err);
		return -1;
	}
	call->verified = true;
	if (call->url)
		return api_url_authorize(call, who);
	return call->row && !call->operation.p ? 0 : authorize(call, who); /* a form's operation may be in its body: api_authorize */
}

int api_authorize(struct api_call *call)
{
	const struct identity *who = find_client(call);
	return who ? authorize(call, who) : -1;
}

/* ---- the body ---- */

/* All but those that come to a function URL without authentication. */
static bool is_signed(const struct api_call *call)
{
	return !call->url || api_url_signed(call);
}

static int check_body(struct api_call *call)
{
	struct error err = {0};
	if (!is_signed(call))
		return 0;
	if (!call->verified)
		return verify(call, call->body_sha256);
	if (sigv4_check_body(&call->auth, call->body_sha256, &call->arena, &err) == 0)
		return 0;
	fail_auth(call, &err);
	return -1;
}

static bool needs_hash(const struct api_call *call)
{
	return is_signed(call) && (sigv4_needs_body(&call->auth) || call->auth.payload == SIGV4_PAYLOAD_HASH);
}

static bool is_invoke(const struct api_call *call)
{
	return call->route && (call->route->handle == api_invoke || api_is_stream(call));
}

static void on_parsed(struct ev_job *job)
{
	struct api_call *call = CONTAINER_OF(job, struct api_call, job);
	if (call->url)
		api_url_submit(call);
	else if (is_invoke(call))
		api_invoke_checked(call);
	else
		api_dispatch(call);
}

static void parse_job(struct ev_job *job)
{
	struct api_call *call = CONTAINER_OF(job, struct api_call, job);
	if (call->url)
		api_url_event(call);
	else if (is_invoke(call))
		api_invoke_check(call);
	else
		api_body_parse(call);
}

/* Large bodies: hash, then (when the signature is right) parse, both off the loop. */
static void on_hashed(struct ev_job *job)
{
	struct api_call *call = CONTAINER_OF(job, struct api_call, job);
	if (call->chunks_err.code != ERR_OK) {
		api_fail(call, call->chunks_err.code, "%s", call->chunks_err.msg);
		return;
	}
	if (check_body(call) < 0 || (call->url && api_url_head(call) < 0))
		return;
	call->job = (struct ev_job){.work = parse_job, .done = on_parsed};
	ev_pool_submit(call->api->deps.pool, call->api->deps.loop, &call->job);
}

static void hash_job(struct ev_job *job)
{
	struct api_call *call = CONTAINER_OF(job, struct api_call, job);
	if (call->chunks)
		api_chunks_decode(call, &call->chunks_err);
	if (needs_hash(call))
		sha256(call->body_sha256, call->body.data, call->body.len);
}

static void take_large(struct api_call *call)
{
	if (http_take_body(call->conn, &call->body) < 0) {
		api_fail(call, ERR_NO_MEMORY, "no memory for the request");
		return;
	}
	call->working = true;
	call->job = (struct ev_job){.work = hash_job, .done = on_hashed};
	ev_pool_submit(call->api->deps.pool, call->api->deps.loop, &call->job);
}

static void fail_too_large(struct api_call *call, struct http_request *req)
{
	if (call->url)
		api_url_too_large(call, false);
	else if (is_invoke(call))
		api_invoke_too_large(call, req);
	else
		api_fail(call, ERR_TOO_LARGE, "Request must be smaller than %llu bytes for the " STR_FMT " operation",
		         (unsigned long long)call->body_max, STR_ARG(call->operation));
}

static void on_body(struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	struct api_call *call = http_conn_data(conn);
	if (!call)
		return;
	if (result == HTTP_BODY_TOO_LARGE) {
		fail_too_large(call, req);
	} else if (result == HTTP_BODY_NO_ROOM && call->url) {
		api_url_too_large(call, true);
	} else if (result == HTTP_BODY_NO_ROOM) {
		api_fail_type(call, 429, "TooManyRequestsException", "message", "Rate Exceeded.",
		              "ConcurrentInvocationLimitExceeded");
	} else if (req->body.n > API_INLINE_BYTES || call->chunks) {
		take_large(call);
	} else {
		if (needs_hash(call))
			sha256(call->body_sha256, req->body.p, req->body.n);
		if (check_body(call) < 0)
			return;
		if (call->url) {
			api_url_body(call);
		} else if (is_invoke(call)) {
			api_invoke_body(call, req);
		} else if (http_take_body(conn, &call->body) < 0) {
			api_fail(call, ERR_NO_MEMORY, "no memory for the request");
		} else {
			api_body_parse(call);
			api_dispatch(call);
		}
	}
}

static uint64_t body_limit(const struct api_call *call)
{
	if (call->service == SERVICE_STS)
		return STS_BODY_MAX;
	if (call->row)
		return call->row->body_max;
	if (call->service == SERVICE_LOGS)
		return API_LOGS_BODY_MAX;
	if (is_invoke(call))
		return LIMIT_PAYLOAD_BYTES;
	return call->route && call->route->flags & ROUTE_CODE ? API_CODE_BODY_MAX : API_JSON_BODY_MAX;
}

/* Rights at the head, where the signature allows; then the body. */
static void read_body(struct api_call *call)
{
	/* A signature over the body can only be checked behind it, but strangers send theirs in vain. */
	if (is_signed(call) && (sigv4_needs_body(&call->auth) ? !find_client(call) : verify(call, NULL) < 0))
		return;
	http_read_body(call->conn, call->chunks ? api_chunks_limit(call->body_max) : call->body_max);
}

static void on_request(struct http_conn *conn, struct http_request *req)
{
	struct api *api = http_conn_server(conn)->arg;
	struct api_call *call = call_new(api, conn);
	if (!call) {
		http_reply(conn, &(struct http_reply){.status = 500, .close = true});
		return;
	}
	enum api_url_found found = api_url_take(call, req);
	if (found == API_URL_FOUND && (!api_url_signed(call) || (parse_signature(call, req) == 0 && api_url_covered(call))))
		read_body(call);
	if (found != API_URL_NONE)
		return;
	choose_service(call, req);
	if (call->service == SERVICE_MAYFLY && api_mayfly_open(call, req))
		return;
	if (req->query.n && read_query(call, req->query) < 0) {
		api_fail(call, ERR_INVALID, "The query string is malformed or has more than %d parameters.", API_QUERY_MAX);
		return;
	}
	if (call->service == SERVICE_LAMBDA) {
		call->route = api_route_invoke(call, req->method, req->path);
		if (!call->route)
			call->route = api_route_find(call, req->method, req->path);
		call->operation = str_from(call->route ? call->route->operation : "UnknownOperation");
	}
	if (parse_signature(call, req) < 0)
		return;
	if (call->service == SERVICE_MAYFLY && !api_mayfly_known(call, req))
		return;
	if (call->service == SERVICE_LAMBDA && !call->route) {
		api_fail_type(call, 404, "UnknownOperationException", "message", "Unknown operation", NULL);
		return;
	}
	/* STS names its operation in the body, so rights are checked when that is there; it has but one. */
	if (call->service == SERVICE_STS)
		call->operation = STR("GetCallerIdentity");
	call->body_max = body_limit(call);
	read_body(call);
}

static void on_gone(struct http_conn *conn, enum http_gone why)
{
	struct api_call *call = http_conn_data(conn);
	if (!call)
		return;
	call->conn = NULL;
	api_stream_flow(call);
	if (call->download)
		api_download_gone(call);
	else if (!call->working || call->live || (call->row && api_service_gone(call)))
		api_call_free(call);
}

static void on_drain(struct http_conn *conn)
{
	struct api_call *call = http_conn_data(conn);
	if (!call)
		return;
	api_download_drained(call);
	api_stream_flow(call);
}

const struct http_handler api_http_handler = {
	.on_request = on_request, .on_body = on_body, .on_gone = on_gone, .on_drain = on_drain,
};
const struct http_handler api_inside_http_handler = {
	.on_request = on_request, .on_body = on_body, .on_gone = on_gone, .on_drain = on_drain,
};

/* ---- the API itself ---- */

struct api *api_new(const struct api_deps *deps, struct error *err)
{
	struct api *api = calloc(1, sizeof *api);
	if (api)
		api->keys = sigv4_keys_new();
	if (!api || !api->keys) {
		free(api);
		error_set(err, ERR_NO_MEMORY, "no memory for the API");
		return NULL;
	}
	api->deps = *deps;
	list_init(&api->calls);
	list_init(&api->free_calls);
	return api;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	LIST_FOREACH(l, &api->calls) {
		struct api_call *call = CONTAINER_OF(l, struct api_call, link);
		call->conn = NULL;
		api_call_free(call);
	}
	LIST_FOREACH(f, &api->free_calls) {
		struct api_call *call = CONTAINER_OF(f, struct api_call, link);
		arena_release(&call->arena);
		free(call);
	}
	sigv4_keys_free(api->keys);
	free(api);
}
