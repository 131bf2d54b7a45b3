#include "control/runtime/runtime_priv.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/base/cleanup.h"

#define CONFIG(conns) { \
	.limits = {.head_max_bytes = 65536, .target_max_bytes = 2048, .headers_max = 64}, \
	.trailers_max_bytes = 65536, \
	.arena_max_bytes = 65536, \
	.discard_max_bytes = 65536, \
	.queue_high_bytes = 1 << 20, \
	.conns_max = conns, \
	.body_timeout_ms = 0, /* the invocation's own timeout ends it */ \
	.local = true, \
	/* No Date: our bootstraps compare the acknowledgement byte by byte. */ \
}

const struct http_config runtime_api_http_config = CONFIG(8);
const struct http_config runtime_extended_http_config = CONFIG(2 + 3 * EXTENSIONS_MAX);

static struct runtime_api *api_of(struct http_conn *conn)
{
	return http_conn_server(conn)->arg;
}

/* ---- from the server to a route ---- */

void runtime_follow(struct http_conn *conn, const struct runtime_exchange *how)
{
	http_conn_set_data(conn, (void *)how);
}

static void on_request(struct http_conn *conn, struct http_request *req)
{
	struct str rest;
	const struct runtime_route *route = runtime_route_find(req->method, req->path, &rest);
	if (route)
		route->handle(api_of(conn), conn, req, rest);
	else
		runtime_reply_fault(conn, 404, "NotFound", "no such operation");
}

static void on_body(struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	const struct runtime_exchange *how = http_conn_data(conn);
	how->on_body(api_of(conn), conn, req, result);
}

static void on_data(struct http_conn *conn, struct str data)
{
	const struct runtime_exchange *how = http_conn_data(conn);
	how->on_data(api_of(conn), conn, data);
}

static void on_end(struct http_conn *conn, struct http_request *req)
{
	const struct runtime_exchange *how = http_conn_data(conn);
	how->on_end(api_of(conn), conn, req);
}

static void on_gone(struct http_conn *conn, enum http_gone why)
{
	const struct runtime_exchange *how = http_conn_data(conn);
	if (how && how->on_gone)
		how->on_gone(api_of(conn), conn, why);
}

static const struct http_handler handler = {
	.on_request = on_request, .on_body = on_body, .on_data = on_data, .on_end = on_end, .on_gone = on_gone};

/* ---- the listener ---- */

void runtime_api_init(struct runtime_api *api, struct ev_loop *loop, struct http_pool *pool, const struct runtime_api_events *events,
                      void *arg)
{
	*api = (struct runtime_api){.events = events, .arg = arg};
	http_server_init(&api->server, loop, &runtime_api_http_config, &handler, pool, api);
}

int runtime_api_listen(struct runtime_api *api, int listener, struct error *err)
{
	if (http_server_listen(&api->server, &api->listener, listener, err) == 0)
		return 0;
	close(listener);
	return -1;
}

void runtime_api_release(struct runtime_api *api)
{
	http_server_release(&api->server);
	http_blob_release(&api->event_payload);
	free(STEAL_PTR(api->event_context));
	free(STEAL_PTR(api->event_tenant));
	runtime_extensions_release(api);
	api->next = api->answering = NULL;
}
