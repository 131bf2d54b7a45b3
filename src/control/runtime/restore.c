/* The restore phase: a runtime that waits in restore/next is what an image is taken of, and goes on when that is answered; a
 * restored process's connection is taken over in the middle of its request. Credentials are here too: an image holds none. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/runtime/runtime_priv.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/json/write.h"

#define ANSWER_MAX_BYTES 4096u

void runtime_on_restore_next(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	if (api->state != RUNTIME_INIT && api->state != RUNTIME_RESTORE_READY) {
		runtime_refuse(api, conn, "RestoreReady");
		return;
	}
	if (api->next)
		http_abort(api->next); /* its client has most likely gone, as with invocation/next */
	bool first = api->state == RUNTIME_INIT;
	api->next = conn;
	api->state = RUNTIME_RESTORE_READY;
	http_park(conn);
	runtime_follow(conn, &runtime_parked);
	if (first)
		api->events->on_restore_parked(api);
}

void runtime_api_restore(struct runtime_api *api, const struct runtime_restored *r)
{
	ASSERT(api->state == RUNTIME_RESTORE_READY && api->next);
	struct http_conn *conn = api->next;
	struct buf out;
	struct json_writer w;
	buf_init(&out, ANSWER_MAX_BYTES);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_z(&w, "AWS_ACCESS_KEY_ID", r->credentials.access_key);
	json_write_key_z(&w, "AWS_SECRET_ACCESS_KEY", r->credentials.secret);
	json_write_key_z(&w, "AWS_SESSION_TOKEN", r->credentials.token);
	json_write_key_z(&w, "AWS_LAMBDA_LOG_GROUP_NAME", r->log_group);
	json_write_key_z(&w, "AWS_LAMBDA_LOG_STREAM_NAME", r->log_stream);
	json_write_close(&w);
	api->next = NULL;
	api->state = RUNTIME_RESTORING;
	if (json_write_done(&w) == 0)
		runtime_reply_json(conn, 200, buf_str(&out));
	else
		runtime_reply_fault(conn, 500, "ServiceException", "There is no room for the answer now.");
	explicit_bzero(out.data, out.len);
	buf_release(&out);
}

/* ---- GET credentials ---- */

/* The answer that AWS SDKs expect of AWS_CONTAINER_CREDENTIALS_FULL_URI. */
void runtime_on_credentials(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	struct runtime_credentials c;
	char expires[40];
	struct buf out;
	struct json_writer w;
	api->events->credentials(api, &c);
	clock_format(expires, sizeof expires, "%Y-%m-%dT%H:%M:%SZ", c.expires_wall_ms);
	buf_init(&out, ANSWER_MAX_BYTES);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_z(&w, "AccessKeyId", c.access_key);
	json_write_key_z(&w, "SecretAccessKey", c.secret);
	json_write_key_z(&w, "Token", c.token);
	json_write_key_z(&w, "Expiration", expires);
	json_write_close(&w);
	if (json_write_done(&w) == 0)
		runtime_reply_json(conn, 200, buf_str(&out));
	else
		runtime_reply_fault(conn, 500, "ServiceException", "There is no room for the answer now.");
	explicit_bzero(out.data, out.len);
	buf_release(&out);
}

/* ---- a connection of a restored process ---- */

int runtime_api_adopt(struct runtime_api *api, int fd, bool restore_next, struct error *err)
{
	ASSERT(api->state == RUNTIME_INIT);
	struct str request = restore_next ? STR("GET " RUNTIME_PREFIX "runtime/restore/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n\r\n")
	                                  : STR("GET " RUNTIME_PREFIX "runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n\r\n");
	if (http_server_adopt(&api->server, fd, request, err) == 0)
		return 0;
	close(fd);
	return -1;
}

unsigned runtime_api_next_port(const struct runtime_api *api)
{
	char text[HTTP_PEER_SIZE];
	unsigned port = 0;
	if (api->next)
		http_conn_peer(api->next, text, &port);
	return port;
}
