/* What is Mayfly's own: health, metrics, what runs now, packages. */
#include <stdio.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "core/base/clock.h"
#include "core/json/write.h"

#define TEXT_MAX_BYTES (16u << 20)

static void reply_health(struct api_call *call)
{
	struct api_deps *deps = &call->api->deps;
	char why[240] = "", text[512];
	bool well = !deps->healthy || deps->healthy(deps->healthy_arg, why, sizeof why) == 0;
	struct buf out;
	struct json_writer w;
	buf_init(&out, sizeof text);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_z(&w, "status", well ? "ok" : "unhealthy");
	json_write_key_z(&w, "version", MAYFLY_VERSION);
	if (!well)
		json_write_key_z(&w, "reason", why);
	json_write_close(&w);
	api_reply_text(call, well ? 200 : 503, "application/json", buf_str(&out));
	buf_release(&out);
}

static void reply_metrics(struct api_call *call)
{
	struct api_deps *deps = &call->api->deps;
	struct buf out;
	if (!deps->metrics_text) {
		api_fail(call, ERR_UNSUPPORTED, "This server was built without metrics.");
		return;
	}
	buf_init(&out, TEXT_MAX_BYTES);
	deps->metrics_text(deps->metrics_arg, &out);
	api_reply_text(call, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
	buf_release(&out);
}

static bool same_text(struct str a, struct str b)
{
	unsigned char different = a.n != b.n;
	for (size_t i = 0; i < a.n && i < b.n; i++)
		different |= (unsigned char)(a.p[i] ^ b.p[i]);
	return !different;
}

/* Loopback, but not that of an environment's network; or the token. */
static bool trusted(struct api_call *call, const struct http_request *req)
{
	char peer[HTTP_PEER_SIZE];
	unsigned port;
	struct str sent = http_header(req, STR("Authorization")), token = str_from(call->api->deps.settings->metrics_token);
	http_conn_peer(call->conn, peer, &port);
	if (http_conn_server(call->conn)->handler != &api_inside_http_handler &&
	    (str_starts(str_from(peer), STR("127.")) || strcmp(peer, "::1") == 0))
		return true;
	return token.n && str_starts(sent, STR("Bearer ")) && same_text(str_sub(sent, 7, sent.n), token);
}

bool api_mayfly_open(struct api_call *call, const struct http_request *req)
{
	bool health = str_eqz(req->path, "/_mayfly/health");
	if (!health && !str_eqz(req->path, "/_mayfly/metrics"))
		return false;
	if (req->method != HTTP_GET && req->method != HTTP_HEAD)
		api_fail_type(call, 405, "MethodNotAllowedException", "message", "Only GET is allowed here.", NULL);
	else if (!trusted(call, req))
		api_fail(call, ERR_ACCESS_DENIED, "From other addresses than loopback this page needs the header \"Authorization: "
		         "Bearer TOKEN\" with the token of --metrics-token.");
	else if (health)
		reply_health(call);
	else
		reply_metrics(call);
	return true;
}

/* ---- signed pages ---- */

static void reply_environments(struct api_call *call)
{
	struct api_deps *deps = &call->api->deps;
	struct registry_totals totals;
	struct json_writer w;
	struct buf out, runs;
	buf_init(&out, TEXT_MAX_BYTES);
	buf_init(&runs, TEXT_MAX_BYTES);
	registry_total(deps->registry, &totals);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_z(&w, "version", MAYFLY_VERSION);
	json_write_key_z(&w, "region", deps->settings->region);
	json_write_key_z(&w, "account", deps->settings->account);
	json_write_key_int(&w, "time_ms", clock_wall_ms());
	json_write_key_int(&w, "functions", (int64_t)totals.functions);
	json_write_key_int(&w, "code_bytes", (int64_t)totals.code_bytes);
	json_write_key_int(&w, "concurrency", (int64_t)deps->settings->concurrency);
	json_write_key_int(&w, "unreserved", registry_unreserved(deps->registry));
	if (deps->environments_json)
		deps->environments_json(deps->environments_arg, &runs);
	json_write_key(&w, "running");
	json_write_raw(&w, runs.len ? buf_str(&runs) : STR("null"));
	json_write_close(&w);
	api_reply_text(call, 200, "application/json", buf_str(&out));
	buf_release(&out);
	buf_release(&runs);
}

static void reply_snapshots(struct api_call *call)
{
	struct api_deps *deps = &call->api->deps;
	struct buf out;
	if (!deps->snapshots_json) {
		api_fail(call, ERR_UNSUPPORTED, "This server was built without snapshots.");
		return;
	}
	buf_init(&out, TEXT_MAX_BYTES);
	deps->snapshots_json(deps->snapshots_arg, &out);
	api_reply_text(call, 200, "application/json", buf_str(&out));
	buf_release(&out);
}

static const struct {
	const char *path, *operation;
	void (*reply)(struct api_call *call);
} pages[] = {
	{"/_mayfly/environments", "ListEnvironments", reply_environments},
	{"/_mayfly/snapshots", "ListSnapshots", reply_snapshots},
};

/* Pages that other parts of the program answer. */
static bool find_page(struct api_call *call, const struct http_request *req)
{
	for (const struct api_page *p = call->api->deps.pages; p && p->path; p++) {
		struct str path = str_from(p->path);
		bool below = path.p[path.n - 1] == '/';
		if (!(below ? str_starts(req->path, path) : str_eq(req->path, path)))
			continue;
		struct str rest = str_sub(req->path, path.n, req->path.n);
		char *text = arena_alloc(&call->arena, rest.n + 1);
		size_t n;
		if (!text || percent_decode(text, &n, rest, false) < 0)
			return false;
		call->own_page = p;
		call->operation = str_from(p->operation);
		call->page = (struct str){text, n};
		call->service_call.query = (struct str){arena_strdup(&call->arena, req->query), req->query.n};
		return true;
	}
	return false;
}

static void on_page(void *answer, int status, const char *type, struct str body)
{
	struct api_call *call = answer;
	if (!type) {
		api_reply_text(call, status, "application/json", body);
		return;
	}
	const char *message = arena_strdup(&call->arena, body);
	api_fail_type(call, status, type, "message", message ? message : "", NULL);
}

bool api_mayfly_known(struct api_call *call, const struct http_request *req)
{
	struct str code = STR("/_mayfly/code/");
	call->page = (struct str){arena_strdup(&call->arena, req->path), req->path.n};
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		if (str_eqz(req->path, pages[i].path)) {
			call->operation = str_from(pages[i].operation);
			return true;
		}
	}
	if (str_starts(req->path, code)) {
		call->operation = STR("GetPackage");
		return true;
	}
	if (find_page(call, req) || api_domains_known(call, req))
		return true;
	api_fail_type(call, 404, "UnknownOperationException", "message", "There is no such page below /_mayfly/.", NULL);
	return false;
}

void api_mayfly(struct api_call *call)
{
	struct blob_id id;
	struct str hex = str_sub(call->page, strlen("/_mayfly/code/"), call->page.n);
	if (call->own_page) {
		call->own_page->answer(call->own_page->arg, call->page, call->service_call.query, on_page, call);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		if (str_eqz(call->operation, pages[i].operation)) {
			pages[i].reply(call);
			return;
		}
	}
	if (api_domains(call))
		return;
	if (blob_id_parse(&id, hex) < 0)
		api_fail(call, ERR_NOT_FOUND, "There is no such package.");
	else
		api_download(call, &id);
}
