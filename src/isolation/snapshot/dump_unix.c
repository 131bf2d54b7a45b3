/* Pairs of Unix sockets within the tree: which belong together is asked of the kernel (sock_diag) in the tree's network
 * namespace. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"

#define STATE_ESTABLISHED 1
#define MAX_UNREAD (16u << 20)

struct answer {
	bool connected;
	uint64_t peer; /* inode; 0: gone */
	uint8_t shut;
};

static struct dump_object *object_of(struct dump *d, uint32_t i)
{
	return (struct dump_object *)(void *)d->objects.data + i;
}

static bool is_unix(struct dump *d, uint32_t i)
{
	const struct image_object *row = image_built_row(&d->image, IMAGE_OBJECTS, i);
	return row->domain == AF_UNIX && row->kind == OBJECT_UNIX_PAIR;
}

/* A socket keeps the namespace that it was made in. */
static int open_diag(const struct dump *d, struct error *err)
{
	CLEANUP_CLOSE int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	CLEANUP_CLOSE int theirs = openat(d->init_proc, "ns/net", O_RDONLY | O_CLOEXEC);
	struct stat a, b;
	if (own < 0 || theirs < 0 || fstat(own, &a) < 0 || fstat(theirs, &b) < 0)
		return error_sys(err, "cannot open the network namespace");
	bool away = a.st_ino != b.st_ino;
	if (away && setns(theirs, CLONE_NEWNET) < 0)
		return error_sys(err, "cannot join the network namespace");
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int why = errno;
	if (away && setns(own, CLONE_NEWNET) < 0) {
		cleanup_close(&fd);
		return error_sys(err, "cannot leave the network namespace");
	}
	errno = why;
	return fd < 0 ? error_sys(err, "cannot ask about Unix sockets") : fd;
}

static void read_attributes(const struct nlmsghdr *head, struct answer *a)
{
	const struct unix_diag_msg *msg = NLMSG_DATA(head);
	int left = (int)(head->nlmsg_len - NLMSG_LENGTH(sizeof *msg));
	a->connected = msg->udiag_state == STATE_ESTABLISHED;
	for (const struct rtattr *at = (const struct rtattr *)(msg + 1); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == UNIX_DIAG_PEER)
			a->peer = *(const uint32_t *)RTA_DATA(at);
		else if (at->rta_type == UNIX_DIAG_SHUTDOWN)
			a->shut = *(const uint8_t *)RTA_DATA(at);
	}
}

static int ask(int diag, uint64_t inode, struct answer *a, struct error *err)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req ask;
	} request = {
		.head = {.nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
		.ask = {.sdiag_family = AF_UNIX, .udiag_states = ~0u, .udiag_ino = (uint32_t)inode, .udiag_show = UDIAG_SHOW_PEER,
			.udiag_cookie = {~0u, ~0u}},
	};
	union {
		struct nlmsghdr head;
		char bytes[4096];
	} reply;
	*a = (struct answer){0};
	if (send(diag, &request, sizeof request, 0) != (ssize_t)sizeof request)
		return error_sys(err, "cannot ask about a Unix socket");
	ssize_t n = recv(diag, &reply, sizeof reply, 0);
	if (n < 0)
		return error_sys(err, "no answer about a Unix socket");
	if (!NLMSG_OK(&reply.head, (size_t)n) || reply.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return error_set(err, ERR_SYSTEM, "the kernel does not know a Unix socket (is CONFIG_UNIX_DIAG there?)");
	read_attributes(&reply.head, a);
	return 0;
}

static int64_t find_by_inode(struct dump *d, uint64_t inode)
{
	for (uint32_t i = 0; i < image_built_count(&d->image, IMAGE_OBJECTS); i++) {
		if (is_unix(d, i) && object_of(d, i)->inode == inode)
			return i;
	}
	return -1;
}

static int save_unread(struct dump *d, const struct dump_process *p, int fd, struct image_object *row, struct error *err)
{
	int unread;
	char control[64];
	if (ioctl(fd, SIOCINQ, &unread) < 0)
		return error_sys(err, "cannot look into a Unix socket");
	if (unread == 0)
		return 0;
	CLEANUP_FREE char *bytes = malloc((size_t)unread);
	struct iovec iov = {bytes, (size_t)unread};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	bool plain = bytes && row->type == SOCK_STREAM && (unsigned)unread <= MAX_UNREAD &&
		     recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == unread && msg.msg_controllen == 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c && msg.msg_controllen; c = CMSG_NXTHDR(&msg, c)) {
		int *fds = (int *)(void *)CMSG_DATA(c);
		for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < (c->cmsg_len - CMSG_LEN(0)) / sizeof *fds; i++)
			close(fds[i]);
	}
	if (!plain)
		return dump_unsupported(p, err, "left messages or descriptors unread in a Unix socket");
	int64_t at = image_add_bytes(&d->image, bytes, (size_t)unread, 1, err);
	row->data = (uint32_t)at;
	row->data_bytes = (uint32_t)unread;
	return at < 0 ? -1 : 0;
}

/* Neither connected nor ever: a plain socket, unless it has a name in the file system. */
static int save_single(struct dump *d, const struct dump_process *p, int fd, struct image_object *row, struct error *err)
{
	struct sockaddr_un own = {0};
	socklen_t n = sizeof own;
	row->kind = OBJECT_SOCKET;
	if (getsockname(fd, (struct sockaddr *)&own, &n) < 0)
		return error_sys(err, "cannot ask for a socket's address");
	if (n <= sizeof own.sun_family)
		return 0;
	if (own.sun_path[0])
		return dump_unsupported(p, err, "bound a Unix socket to %s", own.sun_path);
	int64_t at = image_add_bytes(&d->image, &own, n, 8, err);
	row->data = (uint32_t)at;
	row->data_bytes = n;
	return at < 0 ? -1 : 0;
}

static int save_unix(struct dump *d, int diag, uint32_t i, struct error *err)
{
	struct image_object row = *(struct image_object *)image_built_row(&d->image, IMAGE_OBJECTS, i);
	const struct dump_object *o = object_of(d, i);
	const struct dump_process *p = &d->processes[o->process];
	struct answer a;
	CLEANUP_CLOSE int fd = dump_copy_fd(p, o->fd, err);
	if (fd < 0 || ask(diag, o->inode, &a, err) < 0)
		return -1;
	int64_t peer = a.peer ? find_by_inode(d, a.peer) : -1;
	int rc = 0;
	if (peer >= 0) {
		row.peer = (uint32_t)peer;
		rc = a.shut ? dump_unsupported(p, err, "closed one way of a Unix socket pair") : save_unread(d, p, fd, &row, err);
	} else if (a.peer) {
		rc = d->request->close_connections ? 0 : dump_unsupported(p, err, "holds a Unix socket that leads out of the environment");
		row.kind = OBJECT_CLOSED;
	} else if (a.connected || a.shut) {
		row.kind = OBJECT_CLOSED;
		rc = save_unread(d, p, fd, &row, err);
		if (rc == 0 && row.data_bytes)
			rc = dump_unsupported(p, err, "left bytes of a closed Unix socket unread");
	} else {
		rc = save_single(d, p, fd, &row, err);
	}
	*(struct image_object *)image_built_row(&d->image, IMAGE_OBJECTS, i) = row;
	return rc;
}

/* A pair names each other; a datagram socket that is only connected to one is not a pair. */
static int check_pairs(struct dump *d, struct error *err)
{
	for (uint32_t i = 0; i < image_built_count(&d->image, IMAGE_OBJECTS); i++) {
		const struct image_object *row = image_built_row(&d->image, IMAGE_OBJECTS, i);
		if (row->kind != OBJECT_UNIX_PAIR)
			continue;
		const struct image_object *peer = image_built_row(&d->image, IMAGE_OBJECTS, row->peer);
		if (peer->kind != OBJECT_UNIX_PAIR || peer->peer != i)
			return dump_unsupported(&d->processes[object_of(d, i)->process], err, "holds a Unix socket that is connected one way");
	}
	return 0;
}

int dump_unix_pairs(struct dump *d, struct error *err)
{
	CLEANUP_CLOSE int diag = -1;
	for (uint32_t i = 0; i < image_built_count(&d->image, IMAGE_OBJECTS); i++) {
		if (!is_unix(d, i))
			continue;
		if (diag < 0)
			diag = open_diag(d, err);
		if (diag < 0 || save_unix(d, diag, i, err) < 0)
			return -1;
	}
	return check_pairs(d, err);
}
