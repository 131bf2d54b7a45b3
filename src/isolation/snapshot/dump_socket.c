/* Sockets: the connection that waits, idle ones to the platform, the function's own. A live connection to anybody else would be
 * shared by all environments, so it forbids an image. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/spec/limits.h"
#include "isolation/snapshot/dump_priv.h"

enum { STATE_ESTABLISHED = 1, STATE_CLOSED = 7, STATE_LISTEN = 10 };

static const struct {
	int level, name;
} options[] = {
#define S(level, name) {level, name},
#include "isolation/snapshot/image_sockopts.def"
#undef S
};
_Static_assert(ARRAY_LEN(options) <= IMAGE_SOCKOPTS, "room in struct image_object");

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

static int ask(int fd, int level, int name)
{
	int value = 0;
	socklen_t n = sizeof value;
	return getsockopt(fd, level, name, &value, &n) < 0 ? -1 : value;
}

/* Options that differ from those of a fresh socket of the kind. */
static void save_options(int fd, struct image_object *row)
{
	struct timeval limits[2] = {{0}};
	socklen_t n = sizeof limits[0];
	CLEANUP_CLOSE int fresh = socket((int)row->domain, (int)row->type | SOCK_CLOEXEC, (int)row->protocol);
	for (size_t i = 0; fresh >= 0 && i < ARRAY_LEN(options); i++) {
		int value = ask(fd, options[i].level, options[i].name), usual = ask(fresh, options[i].level, options[i].name);
		if (value >= 0 && value != usual)
			row->sockopt[i] = (uint32_t)value + 1;
	}
	getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limits[0], &n);
	n = sizeof limits[0];
	getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limits[1], &n);
	row->receive_timeout_us = (uint64_t)limits[0].tv_sec * 1000000 + (uint64_t)limits[0].tv_usec;
	row->send_timeout_us = (uint64_t)limits[1].tv_sec * 1000000 + (uint64_t)limits[1].tv_usec;
}

static uint32_t port_of(const union address *a)
{
	return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

static bool is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr) && a->v6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
}

static void print_address(char *dst, size_t size, const union address *a)
{
	char text[INET6_ADDRSTRLEN] = "?";
	bool mapped = a->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr);
	if (a->any.sa_family == AF_INET || mapped)
		inet_ntop(AF_INET, mapped ? (const void *)&a->v6.sin6_addr.s6_addr[12] : &a->v4.sin_addr, text, sizeof text);
	else
		inet_ntop(AF_INET6, &a->v6.sin6_addr, text, sizeof text);
	snprintf(dst, size, strchr(text, ':') ? "[%s]:%u" : "%s:%u", text, port_of(a));
}

static int save_address(struct dump *d, int fd, struct image_object *row, struct error *err)
{
	union address own = {0};
	socklen_t n = sizeof own;
	if (getsockname(fd, &own.any, &n) < 0)
		return error_sys(err, "cannot ask for a socket's address");
	row->local_port = port_of(&own);
	if (row->local_port == 0)
		return 0;
	int64_t at = image_add_bytes(&d->image, &own, n, 8, err);
	row->data = (uint32_t)at;
	row->data_bytes = n;
	return at < 0 ? -1 : 0;
}

/* Of a connection to somebody else. */
static int refuse_or_close(struct dump *d, const char *what, const union address *peer, struct image_object *row, struct error *err)
{
	char text[INET6_ADDRSTRLEN + 16];
	row->kind = OBJECT_CLOSED;
	if (d->request->close_connections)
		return 0;
	print_address(text, sizeof text, peer);
	return error_set(err, ERR_UNSUPPORTED, "holds %s to %s that was opened during init", what, text);
}

/* Nothing to read, and nothing half written. What is sent but not yet acknowledged (the other end may take 40 ms) is on its way. */
static bool is_quiet(int fd)
{
	int unread = 0, unsent = 0;
	return ioctl(fd, SIOCINQ, &unread) == 0 && ioctl(fd, SIOCOUTQNSD, &unsent) == 0 && unread == 0 && unsent == 0;
}

/* A request was sent and the answer is not there: a fresh connection would never bring it. */
static bool is_asking(const struct tcp_info *info)
{
	return info->tcpi_bytes_sent > 0 && (info->tcpi_bytes_received == 0 || info->tcpi_last_data_sent < info->tcpi_last_data_recv);
}

static int save_platform(struct dump *d, const struct dump_open *o, const struct tcp_info *info, bool quiet, struct image_object *row,
	struct error *err)
{
	bool open = info->tcpi_state == STATE_ESTABLISHED, next = row->local_port == d->request->next_port;
	row->kind = next ? OBJECT_NEXT : OBJECT_CONNECTION;
	if (next)
		return open && quiet ? 0 : error_set(err, ERR_BUSY, "the connection that waits for work moves");
	if (!quiet || (open && is_asking(info)))
		return dump_busy(o->process, err, "is talking to the platform (127.0.0.1:%u)", row->port);
	if (!open)
		row->kind = OBJECT_CLOSED;
	return 0;
}

static int save_connection(struct dump *d, const struct dump_open *o, int fd, const struct tcp_info *info, struct image_object *row,
	struct error *err)
{
	union address own = {0}, peer = {0};
	socklen_t own_n = sizeof own, peer_n = sizeof peer;
	row->kind = OBJECT_CLOSED;
	/* It was one, and is reset. */
	if (getsockname(fd, &own.any, &own_n) < 0 || getpeername(fd, &peer.any, &peer_n) < 0)
		return 0;
	row->local_port = port_of(&own);
	row->port = port_of(&peer);
	bool platform = row->port == RUNTIME_API_PORT || row->port == ENDPOINT_PORT || row->local_port == d->request->next_port;
	if (platform && is_loopback(&peer))
		return save_platform(d, o, info, is_quiet(fd), row, err);
	if (info->tcpi_state == STATE_ESTABLISHED)
		return refuse_or_close(d, "a connection", &peer, row, err);
	if (is_quiet(fd) || d->request->close_connections)
		return 0;
	return dump_unsupported(o->process, err, "left bytes of a closed connection unread");
}

static int save_tcp(struct dump *d, const struct dump_open *o, int fd, struct image_object *row, struct error *err)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof info;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
		return error_sys(err, "cannot ask about a connection");
	if (info.tcpi_state == STATE_LISTEN) {
		row->kind = OBJECT_LISTENER;
		row->backlog = info.tcpi_sacked;
		if (info.tcpi_unacked)
			return dump_unsupported(o->process, err, "has not accepted a connection that waits");
		return save_address(d, fd, row, err);
	}
	if (info.tcpi_state == STATE_CLOSED && info.tcpi_segs_in == 0) {
		row->kind = OBJECT_SOCKET;
		return save_address(d, fd, row, err);
	}
	return save_connection(d, o, fd, &info, row, err);
}

static int save_udp(struct dump *d, const struct dump_open *o, int fd, struct image_object *row, struct error *err)
{
	union address peer = {0};
	socklen_t n = sizeof peer;
	int unread = 0;
	row->kind = OBJECT_SOCKET;
	if (getpeername(fd, &peer.any, &n) == 0)
		return refuse_or_close(d, "a UDP socket connected", &peer, row, err);
	if (ioctl(fd, SIOCINQ, &unread) < 0 || unread)
		return dump_unsupported(o->process, err, "left datagrams unread");
	return save_address(d, fd, row, err);
}

int dump_socket(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	CLEANUP_CLOSE int fd = dump_copy_fd(o->process, o->fd, err);
	if (fd < 0)
		return -1;
	row->position = 0;
	row->domain = (uint32_t)ask(fd, SOL_SOCKET, SO_DOMAIN);
	row->type = (uint32_t)ask(fd, SOL_SOCKET, SO_TYPE);
	row->protocol = (uint32_t)ask(fd, SOL_SOCKET, SO_PROTOCOL);
	save_options(fd, row);
	bool ip = row->domain == AF_INET || row->domain == AF_INET6;
	if (row->domain == AF_UNIX && ask(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0) {
		row->kind = OBJECT_UNIX_PAIR; /* until dump_unix_pairs knows more */
		return 0;
	}
	if (ip && row->type == SOCK_STREAM && row->protocol == IPPROTO_TCP)
		return save_tcp(d, o, fd, row, err);
	if (ip && row->type == SOCK_DGRAM && row->protocol == IPPROTO_UDP)
		return save_udp(d, o, fd, row, err);
	return dump_unsupported(o->process, err, "uses a socket of a kind that is not kept (%s)",
		row->domain == AF_UNIX ? "a listening Unix socket" : row->domain == AF_NETLINK ? "netlink" : ip ? "raw" : "unknown");
}
