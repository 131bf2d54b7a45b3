/* Packages for whoever holds a link: signed as a presigned URL, so the door checks it like any request. The file is read
 * piece by piece off the loop, and only as fast as the client takes it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/api/api_priv.h"
#include "core/base/clock.h"
#include "core/base/io.h"

#define PIECE_BYTES (256u << 10)
#define LINK_SECONDS 600

struct download {
	struct api_call *call;
	struct ev_job job;
	int fd;
	uint64_t left;
	char *piece;
	ssize_t got;
	bool waiting; /* for the client to take what it was sent */
};

const char *api_link(struct api_call *call, const struct blob_id *id)
{
	char hex[SHA256_HEX_SIZE];
	struct error err = {0};
	const struct identity *root = identities_root(call->api->deps.identities);
	struct http_request *req = call->conn ? http_conn_request(call->conn) : NULL;
	struct str host = req && req->host.n ? req->host : str_from(call->api->deps.settings->listen);
	blob_id_hex(hex, id);
	const char *path = arena_printf(&call->arena, "/_mayfly/code/%s", hex);
	if (!root || !path)
		return NULL;
	struct sigv4_header headers[] = {{STR("host"), host}};
	struct sigv4_request unsigned_part = {.method = STR("GET"), .path = str_from(path), .headers = headers, .header_count = 1};
	struct sigv4_signer signer = {.access_key = str_from(root->access_key), .secret = str_from(root->secret),
	                              .region = str_from(call->api->deps.settings->region), .service = STR("mayfly"),
	                              .now_s = clock_wall_ms() / 1000};
	const char *query = sigv4_presign(&unsigned_part, &signer, LINK_SECONDS, &call->arena, &err);
	const char *scheme = call->conn && http_conn_secure(call->conn) ? "https" : "http";
	return query ? arena_printf(&call->arena, "%s://" STR_FMT "%s?%s", scheme, STR_ARG(host), path, query) : NULL;
}

/* ---- sending ---- */

static void finish(struct download *d, bool whole)
{
	struct api_call *call = d->call;
	if (call->conn && whole)
		http_reply_end(call->conn, NULL, 0);
	else if (call->conn)
		http_abort(call->conn);
	close(d->fd);
	free(d->piece);
	free(d);
	call->download = NULL;
	call->conn = NULL;
	api_call_free(call);
}

static void read_piece(struct ev_job *job)
{
	struct download *d = CONTAINER_OF(job, struct download, job);
	d->got = io_read_full(d->fd, d->piece, d->left < PIECE_BYTES ? (size_t)d->left : PIECE_BYTES);
}

static void next_piece(struct download *d)
{
	d->waiting = false;
	ev_pool_submit(d->call->api->deps.pool, d->call->api->deps.loop, &d->job);
}

static void on_piece(struct ev_job *job)
{
	struct download *d = CONTAINER_OF(job, struct download, job);
	if (d->got <= 0 || !d->call->conn) {
		finish(d, false);
		return;
	}
	d->left -= (uint64_t)d->got;
	struct http_piece piece = {.bytes = {d->piece, (size_t)d->got}};
	bool more = http_reply_write(d->call->conn, piece);
	if (d->left == 0)
		finish(d, true);
	else if (more)
		next_piece(d);
	else
		d->waiting = true;
}

void api_download_drained(struct api_call *call)
{
	if (call->download && call->download->waiting)
		next_piece(call->download);
}

void api_download_gone(struct api_call *call)
{
	if (call->download && call->download->waiting)
		finish(call->download, false);
}

static void on_open(void *arg, int fd, uint64_t size, const struct error *err)
{
	struct api_call *call = arg;
	if (err) {
		api_fail(call, ERR_NOT_FOUND, "There is no such package.");
		return;
	}
	struct download *d = calloc(1, sizeof *d);
	char *piece = malloc(PIECE_BYTES);
	if (!d || !piece || !call->conn) {
		free(d);
		free(piece);
		close(fd);
		api_fail(call, ERR_NO_MEMORY, "no memory for the package");
		return;
	}
	*d = (struct download){.call = call, .fd = fd, .left = size, .piece = piece,
	                       .job = {.work = read_piece, .done = on_piece}};
	call->download = d;
	struct http_header headers[] = {
		{STR("Content-Type"), STR("application/zip")},
		{STR("x-amzn-RequestId"), str_from(call->request_id)},
	};
	http_reply_start(call->conn, &(struct http_reply){.status = 200, .headers = headers,
	                 .header_count = ARRAY_LEN(headers)}, (int64_t)size);
	next_piece(d);
}

void api_download(struct api_call *call, const struct blob_id *id)
{
	blob_open_async(call->api->deps.blobs, id, on_open, call);
}
