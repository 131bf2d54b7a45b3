/* The queue of bytes to be sent, and sending it: one system call for all that a round has gathered. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/http/conn_priv.h"

#define FLUSH_PIECES 32

static struct http_node *push(struct http_conn *conn, size_t cap)
{
	struct http_node *node = conn->broken ? NULL : http_node_get(conn->pool, cap);
	if (!node) {
		conn->broken = true;
		http_conn_kick(conn);
		return NULL;
	}
	if (conn->out_tail)
		conn->out_tail->next = node;
	else
		conn->out_head = node;
	conn->out_tail = node;
	return node;
}

static size_t tail_room(const struct http_conn *conn)
{
	const struct http_node *tail = conn->out_tail;
	return tail && tail->cap ? (size_t)(tail->data + tail->cap - (tail->p + tail->n)) : 0;
}

char *http_out_reserve(struct http_conn *conn, size_t n)
{
	if (tail_room(conn) < n && !push(conn, n > NODE_DATA_BYTES ? n : NODE_DATA_BYTES))
		return NULL;
	return (char *)conn->out_tail->p + conn->out_tail->n;
}

void http_out_commit(struct http_conn *conn, size_t n)
{
	conn->out_tail->n += n;
	conn->queued += n;
}

/* Small ones and those of streams are pooled; between them, exactly what is needed. */
static size_t node_cap(size_t n)
{
	return n <= NODE_DATA_BYTES ? NODE_DATA_BYTES : n > LARGE_NODE_BYTES / 4 && n < LARGE_NODE_BYTES ? LARGE_NODE_BYTES : n;
}

void http_out_copy(struct http_conn *conn, struct str s)
{
	while (s.n > 0) {
		size_t room = tail_room(conn);
		if (room == 0 && !push(conn, node_cap(s.n)))
			return;
		room = tail_room(conn);
		size_t n = s.n < room ? s.n : room;
		memcpy((char *)conn->out_tail->p + conn->out_tail->n, s.p, n);
		http_out_commit(conn, n);
		s = (struct str){s.p + n, s.n - n};
	}
}

/* Small pieces are cheaper copied than kept as a piece of their own. */
void http_out_ref(struct http_conn *conn, const struct http_piece *piece)
{
	if (!piece->release || piece->bytes.n <= NODE_DATA_BYTES / 2) {
		http_out_copy(conn, piece->bytes);
		if (piece->release)
			piece->release(piece->arg);
		return;
	}
	struct http_node *node = push(conn, 0);
	if (!node) {
		piece->release(piece->arg);
		return;
	}
	node->p = piece->bytes.p;
	node->release = piece->release;
	node->arg = piece->arg;
	http_out_commit(conn, piece->bytes.n);
}

void http_out_blob(struct http_conn *conn, struct http_blob *blob)
{
	struct http_node *node = blob->len > NODE_DATA_BYTES / 2 ? push(conn, 0) : NULL;
	if (!node) {
		http_out_copy(conn, (struct str){blob->data, blob->len});
		http_blob_release(blob);
		return;
	}
	node->p = blob->data;
	node->blob = *blob;
	*blob = (struct http_blob){0};
	http_out_commit(conn, node->blob.len);
}

static void drop_head(struct http_conn *conn)
{
	struct http_node *node = conn->out_head;
	conn->out_head = node->next;
	if (!conn->out_head)
		conn->out_tail = NULL;
	http_node_put(conn->pool, node);
}

void http_out_clear(struct http_conn *conn)
{
	while (conn->out_head)
		drop_head(conn);
	conn->queued = 0;
}

static void sent(struct http_conn *conn, size_t n)
{
	conn->queued -= n;
	conn->progress = true;
	conn->pool->stats.bytes_out += n;
	while (conn->out_head && n >= conn->out_head->n) {
		n -= conn->out_head->n;
		drop_head(conn);
	}
	if (n && conn->out_head) { /* a release may have ended the connection */
		conn->out_head->p += n;
		conn->out_head->n -= n;
	}
}

/* A record carries what fits into it: head and body of a small reply go out as one. */
static ssize_t write_tls(struct http_conn *conn)
{
	char record[TLS_RECORD_BYTES];
	struct http_node *head = conn->out_head;
	if (!head->next || head->n >= sizeof record)
		return http_tls_write(conn->tls, head->p, head->n);
	size_t n = 0;
	for (struct http_node *node = head; node && n < sizeof record; node = node->next) {
		size_t take = node->n < sizeof record - n ? node->n : sizeof record - n;
		memcpy(record + n, node->p, take);
		n += take;
	}
	return http_tls_write(conn->tls, record, n);
}

/* The one place that writes to a connection's socket: the head of the queue, as send(2). */
ssize_t http_conn_write(struct http_conn *conn)
{
	struct iovec iov[FLUSH_PIECES];
	struct msghdr msg = {.msg_iov = iov};
	if (conn->tls)
		return write_tls(conn);
	for (struct http_node *node = conn->out_head; node && msg.msg_iovlen < FLUSH_PIECES; node = node->next)
		iov[msg.msg_iovlen++] = (struct iovec){(void *)node->p, node->n};
	if (msg.msg_iovlen == 1)
		return send(conn->io.fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
	return sendmsg(conn->io.fd, &msg, MSG_NOSIGNAL);
}

void http_flush(struct http_conn *conn)
{
	while (conn->queued && !conn->blocked && !conn->broken) {
		ssize_t n = http_conn_write(conn);
		if (n >= 0)
			sent(conn, (size_t)n);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			conn->blocked = true;
		else if (errno != EINTR)
			conn->broken = true;
	}
}
