/* What arrives at function URLs: which URL is meant, may the caller, the event, the invocation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/url_priv.h"
#include "control/function/domain.h"
#include "control/url/host.h"
#include "core/base/clock.h"
#include "core/spec/limits.h"

#define EVENT_HEAD_MAX (1u << 20)

static struct str keep(struct api_call *call, struct str s)
{
	return s.p ? (struct str){arena_strdup(&call->arena, s), s.n} : s;
}

/* ---- which URL ---- */

struct target {
	bool found;             /* the URL is there */
	struct registry_url url;
	struct str path, domain; /* domain p NULL: the host says it */
};

/* False: the request is for the API. */
static bool find_target(const struct api_call *call, const struct http_request *req, struct target *t)
{
	const struct api_deps *deps = &call->api->deps;
	struct function_ref own;
	struct str id;
	t->path = req->path.n && req->path.p[0] == '/' ? req->path : STR("/");
	if (deps->domains && domains_find(deps->domains, url_host_name(req->host), &own)) {
		t->found = registry_url_of(deps->registry, own.name, own.qualifier, &t->url);
		return true;
	}
	if (url_host_parse(req->host, deps->settings->region, &id)) {
		t->found = registry_url_find(deps->registry, id, &t->url);
		return true;
	}
	if (!url_path_parse(req->path, &id, &t->path))
		return false;
	t->found = registry_url_find(deps->registry, id, &t->url);
	t->domain = STR("");
	return true;
}

static struct url_call *url_call_new(struct api_call *call, const struct http_request *req, const struct target *t)
{
	struct url_call *u = calloc(1, sizeof *u);
	char peer[HTTP_PEER_SIZE];
	unsigned peer_port;
	if (!u)
		return NULL;
	u->call = call;
	http_conn_peer(call->conn, peer, &peer_port);
	u->https = http_conn_secure(call->conn);
	u->port = url_host_port(req->host, u->https);
	u->method = keep(call, req->method_text);
	u->path = keep(call, t->path);
	u->query = keep(call, req->query);
	u->source_ip = keep(call, str_from(peer));
	u->trace = keep(call, http_header(req, STR("X-Amzn-Trace-Id")));
	u->cors_request = (struct url_cors_request){keep(call, http_header(req, STR("Origin"))),
	                                            keep(call, http_header(req, STR("Access-Control-Request-Method"))),
	                                            keep(call, http_header(req, STR("Access-Control-Request-Headers")))};
	u->text_body = url_event_text(req->headers, req->header_count);
	buf_init(&u->event, EVENT_HEAD_MAX);
	url_prelude_init(&u->prelude);
	return u;
}

static void take_config(struct api_call *call, const struct http_request *req, const struct target *t)
{
	struct url_call *u = call->url;
	const char *region = call->api->deps.settings->region;
	(void)str_copy(u->id, sizeof u->id, t->url.id);
	u->iam = t->url.iam;
	u->stream = t->url.stream;
	u->cors = json_incref(t->url.cors);
	call->ref = (struct function_ref){.name = keep(call, t->url.name), .qualifier = keep(call, t->url.qualifier)};
	u->domain = t->domain.p ? str_from(arena_printf(&call->arena, "%s.lambda-url.%s.localhost", u->id, region))
	                        : keep(call, url_host_name(req->host));
}

void api_url_free(struct api_call *call)
{
	struct url_call *u = call->url;
	if (!u)
		return;
	json_decref(u->cors);
	buf_release(&u->event);
	url_prelude_release(&u->prelude);
	url_answer_release(&u->answer);
	free(u);
	call->url = NULL;
}

/* ---- who may ---- */

static enum policy_answer ask(struct api_call *call, const struct identity *who, struct str action)
{
	const struct url_call *u = call->url;
	struct api_deps *deps = &call->api->deps;
	struct str account = who ? str_from(identities_account(deps->identities)) : STR_NULL, arn = who ? str_from(who->arn) : STR_NULL;
	const struct policy_context context[] = {
		{"lambda:FunctionUrlAuthType", u->iam ? STR("AWS_IAM") : STR("NONE")},
		{"lambda:InvokedViaFunctionUrl", STR("true")},
		{"aws:SourceIp", u->source_ip},
		{"aws:SecureTransport", u->https ? STR("true") : STR("false")},
		{"aws:UserAgent", api_header(call, "User-Agent")},
		{"aws:Referer", api_header(call, "Referer")},
		{"aws:PrincipalArn", arn},
		{"aws:PrincipalAccount", account},
	};
	struct policy_question q = {.principal = arn, .account = account, .action = action, .context = context,
	                            .context_count = ARRAY_LEN(context)};
	return registry_ask_policy(deps->registry, call->ref.name, call->ref.qualifier, &q);
}

/* Of the account an identity's own rights are enough; strangers need the policy's word. Nobody may what it denies: neither the URL nor the
 * invocation behind it. */
static bool permitted(struct api_call *call, const struct identity *who)
{
	struct str action = STR("lambda:InvokeFunctionUrl");
	enum policy_answer said = ask(call, who, action);
	if (said == POLICY_DENY || ask(call, who, STR("lambda:InvokeFunction")) == POLICY_DENY)
		return false;
	return said == POLICY_ALLOW || (who && identity_may(who, action));
}

int api_url_authorize(struct api_call *call, const struct identity *who)
{
	struct url_call *u = call->url;
	u->caller = (struct url_caller){keep(call, call->auth.access_key), str_from(identities_account(call->api->deps.identities)),
	                                keep(call, str_from(who->arn)), keep(call, str_from(who->user_id))};
	if (permitted(call, who))
		return 0;
	url_refuse(call, URL_FORBIDDEN);
	return -1;
}

bool api_url_signed(const struct api_call *call)
{
	return call->url->iam;
}

bool api_url_covered(struct api_call *call)
{
	if (call->auth.payload == SIGV4_PAYLOAD_BODY || call->auth.payload == SIGV4_PAYLOAD_HASH)
		return true;
	url_refuse(call, URL_FORBIDDEN);
	return false;
}

static bool has_signature(const struct http_request *req)
{
	struct str authorization = http_header(req, STR("Authorization"));
	return str_starts(authorization, STR("AWS4-")) || (req->query.n && memmem(req->query.p, req->query.n, "X-Amz-Signature=", 16));
}

/* ---- the head ---- */

enum api_url_found api_url_take(struct api_call *call, struct http_request *req)
{
	struct target t = {0};
	if (!find_target(call, req, &t))
		return API_URL_NONE;
	call->url = url_call_new(call, req, &t);
	if (!call->url) {
		api_fail(call, ERR_NO_MEMORY, "no memory for the request");
		return API_URL_OVER;
	}
	if (!t.found) {
		url_refuse(call, URL_UNKNOWN);
		return API_URL_OVER;
	}
	take_config(call, req, &t);
	call->operation = STR("InvokeFunctionUrl");
	call->body_max = LIMIT_PAYLOAD_BYTES;
	if (call->url->cors && url_cors_preflight(call->url->method, &call->url->cors_request))
		url_preflight(call);
	else if (call->url->iam ? !has_signature(req) : !permitted(call, NULL))
		url_refuse(call, URL_FORBIDDEN);
	else
		return API_URL_FOUND;
	return API_URL_OVER;
}

/* ---- the event ---- */

/* The client's header when it sent one, else a new root, so that the event and the invocation have the same. */
static void set_trace(struct api_call *call)
{
	static const char digits[] = "0123456789abcdef";
	char unique[25];
	if (call->url->trace.n)
		return;
	rand_text(unique, sizeof unique - 1, digits);
	call->url->trace = str_from(arena_printf(&call->arena, "Root=1-%08llx-%s", (unsigned long long)(clock_wall_ms() / 1000), unique));
}

int api_url_head(struct api_call *call)
{
	struct url_call *u = call->url;
	const struct http_request *req = call->conn ? http_conn_request(call->conn) : NULL;
	if (!req) { /* gone */
		api_call_free(call);
		return -1;
	}
	set_trace(call);
	struct url_request r = {.method = u->method, .path = u->path, .query = u->query, .headers = req->headers,
	                        .header_count = req->header_count, .minor = req->minor, .url_id = str_from(u->id), .domain = u->domain,
	                        .port = u->port, .https = u->https, .source_ip = u->source_ip, .request_id = str_from(call->request_id),
	                        .trace_header = u->trace, .now_ms = clock_wall_ms(),
	                        .body_bytes = call->chunks ? (size_t)call->auth.decoded_length : req->body.n,
	                        .caller = u->iam ? &u->caller : NULL};
	if (url_event_begin(&u->event, &r) == 0)
		return 0;
	url_refuse(call, URL_TOO_LARGE);
	return -1;
}

void api_url_event(struct api_call *call)
{
	struct url_call *u = call->url;
	u->event.max = u->event.len + url_event_end_max(call->body.len);
	u->event_failed = url_event_end(&u->event, (struct str){call->body.data, call->body.len}, u->text_body);
}

/* The event becomes the payload, counted as the body was. */
static int take_event(struct api_call *call)
{
	struct http_pool *pool = call->api->deps.http_pool;
	size_t n = 0;
	http_blob_release(&call->body);
	if (!http_pool_charge(pool, call->url->event.len + 1))
		return -1;
	size_t charged = call->url->event.len + 1;
	char *data = buf_steal(&call->url->event, &n);
	if (!data) {
		http_pool_credit(pool, charged);
		return -1;
	}
	call->inv.payload = (struct http_blob){.data = data, .len = n, .pool = pool, .charged_bytes = charged};
	return 0;
}

static int resolve(struct api_call *call, struct registry_target *target, struct error *err)
{
	struct registry *r = call->api->deps.registry;
	if (registry_resolve(r, call->ref.name, call->ref.qualifier, target, err) < 0 ||
	    function_version_check_tenant(target->version, STR_NULL, err) < 0)
		return -1;
	return invoke_check_recursion(r, call->ref.name, call->url->trace, err);
}

static void submit(struct api_call *call, const struct registry_target *target)
{
	struct invocation *inv = &call->inv;
	if (call->ref.qualifier.p)
		registry_arn(call->api->deps.registry, call->arn, call->ref.name, call->ref.qualifier);
	memcpy(inv->request_id, call->request_id, sizeof inv->request_id);
	inv->version = function_version_ref(target->version);
	inv->invoked_arn = call->ref.qualifier.p ? call->arn : target->version->arn;
	inv->reserved = target->reserved;
	inv->trace_header = call->url->trace;
	inv->registry = call->api->deps.registry;
	inv->renew = invoke_renew;
	inv->done = url_done;
	inv->sink = call->url->stream ? &url_sink : NULL;
	inv->arg = call;
	call->working = true;
	if (call->conn)
		http_park(call->conn);
	invoke_submit(call->api->deps.invoke, inv);
}

void api_url_submit(struct api_call *call)
{
	struct registry_target target;
	struct error err = {0};
	if (!call->conn)
		api_call_free(call);
	else if (call->url->event_failed)
		url_refuse(call, URL_TOO_LARGE);
	else if (resolve(call, &target, &err) < 0)
		url_refuse_error(call, &err, NULL);
	else if (take_event(call) < 0) /* last: from here on the payload is the invocation's */
		url_refuse(call, URL_NO_ROOM);
	else
		submit(call, &target);
}

void api_url_body(struct api_call *call)
{
	if (api_url_head(call) < 0)
		return;
	if (http_take_body(call->conn, &call->body) < 0) {
		url_refuse(call, URL_NO_ROOM);
		return;
	}
	api_url_event(call);
	api_url_submit(call);
}

void api_url_too_large(struct api_call *call, bool no_room)
{
	url_refuse(call, no_room ? URL_NO_ROOM : URL_TOO_LARGE);
}
