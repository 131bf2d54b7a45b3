/* /_mayfly/domains: host names of one's own for function URLs.
 *
 *   GET /_mayfly/domains             {"domains": [{"host", "function"}]}
 *   PUT /_mayfly/domains/HOST        {"function": "NAME[:ALIAS]"}
 *   DELETE /_mayfly/domains/HOST */
#include <ctype.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/function/domain.h"
#include "control/url/host.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define PATH "/_mayfly/domains"
#define LIST_MAX_BYTES (8u << 20)

static bool list_one(void *arg, struct str host, const struct function_ref *f)
{
	struct json_writer *w = arg;
	char text[FUNCTION_NAME_MAX + FUNCTION_QUALIFIER_MAX + 2];
	snprintf(text, sizeof text, STR_FMT "%s" STR_FMT, STR_ARG(f->name), f->qualifier.n ? ":" : "", STR_ARG(f->qualifier));
	json_write_object(w);
	json_write_key_str(w, "host", host);
	json_write_key_z(w, "function", text);
	json_write_close(w);
	return true;
}

static void list(struct api_call *call)
{
	struct json_writer w;
	struct buf out;
	buf_init(&out, LIST_MAX_BYTES);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key(&w, "domains");
	json_write_array(&w);
	domains_each(call->api->deps.domains, list_one, &w);
	json_write_close(&w);
	json_write_close(&w);
	api_reply_text(call, 200, "application/json", buf_str(&out));
	buf_release(&out);
}

static void on_changed(void *arg, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_empty(arg, 204);
}

/* The host that the path names, in lower case; p NULL: answered. */
static struct str host_of(struct api_call *call)
{
	struct str host = call->page, id;
	for (size_t i = 0; i < host.n; i++)
		((char *)host.p)[i] = (char)tolower((unsigned char)host.p[i]); /* a copy in the arena */
	if (url_host_valid(host) && !str_eqz(host, "localhost") && !url_host_parse(host, call->api->deps.settings->region, &id))
		return host;
	api_fail(call, ERR_INVALID, "'" STR_FMT "' cannot be a host name of a function: it takes a name as in the DNS, without port, that is not "
	         "this server's own.", STR_ARG(host));
	return STR_NULL;
}

static void put(struct api_call *call)
{
	struct function_ref f;
	struct str host = host_of(call), text = api_text(call, "function");
	unsigned number;
	if (!host.p)
		return;
	if (!function_ref_parse(&f, text) || f.region.p || f.account.p || function_qualifier_kind(f.qualifier, &number) == QUALIFIER_NUMBER ||
	    function_qualifier_kind(f.qualifier, &number) == QUALIFIER_LATEST)
		api_fail(call, ERR_INVALID, "The body names the function and, if need be, its alias: {\"function\": \"NAME:ALIAS\"}.");
	else if (!registry_exists(call->api->deps.registry, f.name))
		api_not_found(call, &(struct function_ref){.name = f.name});
	else
		domains_put(call->api->deps.domains, host, &f, on_changed, call);
}

static void delete(struct api_call *call)
{
	struct str host = host_of(call);
	if (host.p)
		domains_delete(call->api->deps.domains, host, on_changed, call);
}

static const struct {
	enum http_method method;
	bool named; /* a host is behind the path */
	const char *operation;
	void (*answer)(struct api_call *call);
} rows[] = {
	{HTTP_GET, false, "ListDomains", list},
	{HTTP_PUT, true, "PutDomain", put},
	{HTTP_DELETE, true, "DeleteDomain", delete},
};

bool api_domains_known(struct api_call *call, const struct http_request *req)
{
	struct str rest = str_sub(req->path, strlen(PATH), req->path.n);
	bool named = rest.n > 1 && rest.p[0] == '/';
	if (!call->api->deps.domains || !str_starts(req->path, STR(PATH)) || (rest.n && rest.p[0] != '/'))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].method != req->method || rows[i].named != named)
			continue;
		rest = str_sub(rest, 1, rest.n);
		call->operation = str_from(rows[i].operation);
		call->page = (struct str){arena_strdup(&call->arena, rest), rest.n};
		return true;
	}
	return false;
}

bool api_domains(struct api_call *call)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (call->api->deps.domains && str_eqz(call->operation, rows[i].operation)) {
			if (call->bad_body.code)
				api_fail(call, ERR_INVALID, "The body is not JSON: %s", call->bad_body.msg);
			else
				rows[i].answer(call);
			return true;
		}
	}
	return false;
}
