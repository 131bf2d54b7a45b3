/* Calls of services that have an API of their own: which row of deps.services is meant, and the way there and back. */
#include <ctype.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "core/json/write.h"

#define ACCOUNT_DIGITS 12

/* ---- which service ---- */

/* "AKID/20260801/us-east-1/sqs/aws4_request": the fourth part; in a query the slashes may be escaped. */
static struct str scope_service(struct str credential)
{
	struct str piece = STR_NULL;
	for (unsigned part = 0; part < 4; part++) {
		size_t at = 0;
		while (at < credential.n && credential.p[at] != '/' && credential.p[at] != '%')
			at++;
		piece = str_sub(credential, 0, at);
		credential = str_sub(credential, at + (at < credential.n && credential.p[at] == '%' ? 3 : 1), credential.n);
	}
	return piece;
}

static struct str behind(struct str text, const char *word, const char *ends)
{
	size_t n = strlen(word), i = 0;
	for (; i + n <= text.n && memcmp(text.p + i, word, n) != 0; i++)
		;
	if (i + n > text.n)
		return STR_NULL;
	struct str rest = str_sub(text, i + n, text.n);
	size_t end = 0;
	while (end < rest.n && !strchr(ends, rest.p[end]))
		end++;
	return str_sub(rest, 0, end);
}

static struct str signed_for(const struct http_request *req)
{
	struct str credential = behind(http_header(req, STR("Authorization")), "Credential=", ", ");
	return scope_service(credential.p ? credential : behind(req->query, "X-Amz-Credential=", "&"));
}

/* "/000000000000/jobs" */
static bool is_queue_path(struct str path)
{
	if (path.n < ACCOUNT_DIGITS + 3 || path.p[ACCOUNT_DIGITS + 1] != '/')
		return false;
	for (size_t i = 1; i <= ACCOUNT_DIGITS; i++) {
		if (!isdigit((unsigned char)path.p[i]))
			return false;
	}
	return true;
}

static bool owns_path(const struct service_row *row, struct str path)
{
	struct str rest = str_sub(path, 1, path.n), first = STR_NULL;
	if (!row->paths || !str_split(&rest, '/', &first))
		return false;
	for (const char *const *p = row->paths; *p; p++) {
		if (str_eqz(first, *p))
			return true;
	}
	return false;
}

static bool is_query_call(const struct service_row *row, const struct http_request *req)
{
	if (!row->query || !(str_eqz(req->path, "/") || is_queue_path(req->path)))
		return false;
	return str_eqz(signed_for(req), row->name);
}

static struct str copy(struct api_call *call, struct str s)
{
	return s.p ? (struct str){arena_strdup(&call->arena, s), s.n} : s;
}

static void take_head(struct api_call *call, const struct http_request *req, enum service_protocol protocol)
{
	call->service_call = (struct service_call){
		.protocol = protocol,
		.method = copy(call, req->method_text),
		.path = copy(call, req->path),
		.query = copy(call, req->query),
		.host = copy(call, req->host),
		.secure = http_conn_secure(call->conn),
		.trace_header = copy(call, http_header(req, STR("X-Amzn-Trace-Id"))),
	};
}

bool api_service_choose(struct api_call *call, const struct http_request *req)
{
	struct str target = http_header(req, STR("X-Amz-Target"));
	for (const struct service_row *row = call->api->deps.services; row && row->name; row++) {
		enum service_protocol protocol = SERVICE_JSON;
		if (row->target && str_starts(target, str_from(row->target)))
			call->operation = copy(call, str_sub(target, strlen(row->target), target.n));
		else if (owns_path(row, req->path))
			protocol = SERVICE_REST;
		else if (is_query_call(row, req))
			protocol = SERVICE_QUERY;
		else
			continue;
		call->row = row;
		if (protocol == SERVICE_REST)
			call->operation = STR(""); /* only the service knows its routes: rights are for all of it */
		take_head(call, req, protocol);
		return true;
	}
	return false;
}

/* ---- the call and its answer ---- */

static struct str form_action(struct str form)
{
	struct str piece, name;
	while (str_split(&form, '&', &piece)) {
		str_split(&piece, '=', &name);
		if (str_eqz(name, "Action"))
			return piece;
	}
	return STR_NULL;
}

static bool find_action(struct api_call *call)
{
	struct str action = form_action((struct str){call->body.data, call->body.len});
	call->operation = action.p ? action : api_query(call, "Action");
	if (call->operation.p)
		return true;
	api_fail_type(call, 400, "MissingAction", "message", "The request must contain the parameter Action.", NULL);
	return false;
}

static void on_answer(void *answer, const struct service_answer *what)
{
	struct api_call *call = answer;
	struct http_header headers[4];
	unsigned n = 0;
	headers[n++] = (struct http_header){STR("Content-Type"), str_from(what->content_type)};
	headers[n++] = (struct http_header){STR("x-amzn-RequestId"), str_from(call->request_id)};
	if (what->error_type)
		headers[n++] = (struct http_header){STR("x-amzn-ErrorType"), str_from(what->error_type)};
	if (what->query_error)
		headers[n++] = (struct http_header){STR("x-amzn-query-error"), str_from(what->query_error)};
	if (call->conn)
		http_reply(call->conn, &(struct http_reply){.status = what->status, .headers = headers, .header_count = n, .body = what->body});
	call->conn = NULL;
	api_call_free(call);
}

void api_service_dispatch(struct api_call *call)
{
	struct service_call *sub = &call->service_call;
	const struct identity *who;
	if (sub->protocol == SERVICE_QUERY && (!find_action(call) || api_authorize(call) < 0))
		return;
	who = identities_find(call->api->deps.identities, call->auth.access_key);
	if (!who) { /* revoked while its request was read */
		api_fail(call, ERR_UNKNOWN_CLIENT, SIGV4_UNKNOWN_KEY);
		return;
	}
	sub->operation = call->operation;
	sub->body = (struct str){call->body.data, call->body.len};
	sub->request_id = str_from(call->request_id);
	sub->caller_arn = copy(call, str_from(who->arn)); /* environments come and go */
	sub->caller_account = str_from(identities_account(call->api->deps.identities));
	sub->root = who->kind == IDENTITY_ROOT;
	if (call->conn)
		http_park(call->conn);
	call->row->answer(call->row->service, sub, on_answer, call);
}

bool api_service_gone(struct api_call *call)
{
	return call->service_call.operation.p && call->row->gone && call->row->gone(call->row->service, call);
}

/* ---- errors of the door, as the service would give them ---- */

static void put_xml(struct buf *out, const char *s)
{
	for (; *s; s++) {
		const char *escaped = *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '&' ? "&amp;" : NULL;
		if (escaped)
			buf_puts(out, escaped);
		else
			buf_putc(out, *s);
	}
}

const char *api_service_error(struct api_call *call, struct buf *body, int status, const char *type, const char *message)
{
	struct json_writer w;
	if (call->service_call.protocol == SERVICE_QUERY) {
		buf_printf(body, "<?xml version=\"1.0\"?><ErrorResponse><Error><Type>%s</Type><Code>%s</Code><Message>",
		           status >= 500 ? "Receiver" : "Sender", type);
		put_xml(body, message);
		buf_printf(body, "</Message><Detail/></Error><RequestId>%s</RequestId></ErrorResponse>", call->request_id);
		return "text/xml";
	}
	json_write_init(&w, body);
	json_write_object(&w);
	if (call->service_call.protocol == SERVICE_JSON)
		json_write_key_z(&w, "__type", type);
	json_write_key_z(&w, "message", message);
	json_write_close(&w);
	return call->row->json_type ? call->row->json_type : "application/json";
}
