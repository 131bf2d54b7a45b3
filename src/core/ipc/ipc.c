#include "core/ipc/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/packet.h"

#define QUEUE_MAX 8192

struct head {
	uint32_t type, size;
};

struct packet {
	struct head head;
	union ipc_body body;
};

struct queued {
	struct list link;
	struct packet packet;
	size_t size;
	unsigned fd_count;
	int fds[IPC_MAX_FDS];
};

static const struct row {
	const char *name;
	size_t size;
	unsigned fds_min, fds_max;
	enum ipc_side from;
} rows[IPC_TYPE_COUNT] = {
#define M(name, body, fds_min, fds_max, from) [IPC_##name] = {#name, sizeof(struct body), fds_min, fds_max, from},
#include "core/ipc/messages.def"
#undef M
};

const char *ipc_type_name(enum ipc_type type)
{
	return (unsigned)type < IPC_TYPE_COUNT ? rows[type].name : "unknown";
}

void ipc_init(struct ipc *ipc, int fd, enum ipc_side side)
{
	*ipc = (struct ipc){.fd = fd, .side = side};
	list_init(&ipc->queue);
}

static void free_queued(struct queued *q)
{
	list_remove(&q->link);
	for (unsigned i = 0; i < q->fd_count; i++)
		close(q->fds[i]);
	free(q);
}

void ipc_release(struct ipc *ipc)
{
	LIST_FOREACH(l, &ipc->queue)
		free_queued(CONTAINER_OF(l, struct queued, link));
	ipc->queued = 0;
}

static int send_packet(int fd, const struct packet *p, size_t size, const int *fds, unsigned fd_count)
{
	ssize_t r;
	do {
		r = packet_send(fd, p, size, fds, fd_count, MSG_DONTWAIT);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -1 : 0;
}

static bool would_block(void)
{
	/* ETOOMANYREFS: too many descriptors in flight; they drain as the peer reads. */
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ETOOMANYREFS;
}

static int enqueue(struct ipc *ipc, const struct packet *p, size_t size, const int *fds, unsigned fd_count, struct error *err)
{
	struct queued *q = ipc->queued < QUEUE_MAX ? calloc(1, sizeof *q) : NULL;
	if (!q)
		return error_set(err, ERR_NO_MEMORY, "%zu messages wait to be sent", ipc->queued);
	list_init(&q->link);
	q->packet = *p;
	q->size = size;
	for (; q->fd_count < fd_count; q->fd_count++) {
		q->fds[q->fd_count] = fcntl(fds[q->fd_count], F_DUPFD_CLOEXEC, 3);
		if (q->fds[q->fd_count] < 0) {
			error_sys(err, "cannot keep a descriptor for sending");
			free_queued(q);
			return -1;
		}
	}
	list_push_back(&ipc->queue, &q->link);
	ipc->queued++;
	return 0;
}

int ipc_send(struct ipc *ipc, enum ipc_type type, const void *body, const int *fds, unsigned fd_count, struct error *err)
{
	ASSERT((unsigned)type < IPC_TYPE_COUNT);
	const struct row *row = &rows[type];
	ASSERT(row->from == ipc->side && fd_count >= row->fds_min && fd_count <= row->fds_max);
	struct packet p = {.head = {(uint32_t)type, (uint32_t)row->size}};
	memcpy(&p.body, body, row->size);
	size_t size = sizeof p.head + row->size;
	if (list_empty(&ipc->queue) && send_packet(ipc->fd, &p, size, fds, fd_count) == 0)
		return 0;
	if (list_empty(&ipc->queue) && !would_block())
		return error_sys(err, "cannot send %s", row->name);
	return enqueue(ipc, &p, size, fds, fd_count, err);
}

bool ipc_wants_write(const struct ipc *ipc)
{
	return !list_empty(&ipc->queue);
}

int ipc_flush(struct ipc *ipc, struct error *err)
{
	while (!list_empty(&ipc->queue)) {
		struct queued *q = LIST_FIRST(&ipc->queue, struct queued, link);
		if (send_packet(ipc->fd, &q->packet, q->size, q->fds, q->fd_count) < 0)
			return would_block() ? 0 : error_sys(err, "cannot send %s", rows[q->packet.head.type].name);
		free_queued(q);
		ipc->queued--;
	}
	return 0;
}

int ipc_check(const void *packet, size_t n, unsigned fd_count, enum ipc_side sender, struct error *err)
{
	struct head head;
	if (n < sizeof head)
		return error_set(err, ERR_INVALID, "message of %zu bytes", n);
	memcpy(&head, packet, sizeof head);
	if (head.type >= IPC_TYPE_COUNT || rows[head.type].from != sender)
		return error_set(err, ERR_INVALID, "message type %u is not for this side", head.type);
	const struct row *row = &rows[head.type];
	if (head.size != row->size || n != sizeof head + row->size)
		return error_set(err, ERR_INVALID, "%s of %zu bytes, not %zu", row->name, n, sizeof head + row->size);
	if (fd_count < row->fds_min || fd_count > row->fds_max)
		return error_set(err, ERR_INVALID, "%s with %u descriptors", row->name, fd_count);
	return 0;
}

static void take_fds(struct msghdr *msg, struct ipc_message *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		ASSERT(n <= IPC_MAX_FDS - m->fd_count);
		memcpy(m->fds + m->fd_count, CMSG_DATA(c), n * sizeof(int));
		m->fd_count += n;
	}
}

int ipc_recv(struct ipc *ipc, struct ipc_message *m, struct error *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * IPC_MAX_FDS)];
	} control;
	struct packet p;
	struct iovec iov = {&p, sizeof p};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	ssize_t n;
	do {
		n = recvmsg(ipc->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0)
		return error_set(err, ERR_CLOSED, "the other side of the message socket is gone");
	m->fd_count = 0;
	take_fds(&msg, m);
	bool cut = msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	enum ipc_side sender = ipc->side == FROM_CONTROL ? FROM_MAYFLYD : FROM_CONTROL;
	if (cut || ipc_check(&p, (size_t)n, m->fd_count, sender, err) < 0) {
		ipc_message_close(m);
		return cut ? error_set(err, ERR_INVALID, "message too large or with too many descriptors") : -1;
	}
	m->type = (enum ipc_type)p.head.type;
	memcpy(&m->body, &p.body, rows[m->type].size);
	return 1;
}

void ipc_message_close(struct ipc_message *m)
{
	for (unsigned i = 0; i < m->fd_count; i++) {
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	}
	m->fd_count = 0;
}
