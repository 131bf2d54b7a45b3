#include <linux/fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bin/mayfly-restore/zygote.h"

#define MOST_BACKLOG 4096u

static const struct {
	int level, name;
} options[] = {
#define S(level, name) {level, name},
#include "isolation/snapshot/image_sockopts.def"
#undef S
};

static void set_options(struct zygote *z, long fd, const struct image_object *o, uint32_t row)
{
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		int value = (int)o->sockopt[i] - 1;
		if (o->sockopt[i])
			need(z, RESTORE_OBJECTS, SYS(setsockopt, fd, options[i].level, options[i].name, &value, sizeof value), row);
	}
	const uint64_t timeouts[][2] = {{SO_RCVTIMEO, o->receive_timeout_us}, {SO_SNDTIMEO, o->send_timeout_us}};
	for (int i = 0; i < 2; i++) {
		struct timeval t = {(long)(timeouts[i][1] / 1000000), (long)(timeouts[i][1] % 1000000)};
		if (timeouts[i][1])
			need(z, RESTORE_OBJECTS, SYS(setsockopt, fd, SOL_SOCKET, timeouts[i][0], &t, sizeof t), row);
	}
}

/* Those of the request come in the order of the image's objects. */
long object_connection(struct zygote *z, const struct image_object *o, uint32_t row)
{
	uint32_t before = 0;
	for (uint32_t i = 0; i < row; i++)
		before += z->objects[i].kind == OBJECT_NEXT || z->objects[i].kind == OBJECT_CONNECTION;
	long fd = SYS(fcntl, z->request.connections[before], F_DUPFD_CLOEXEC, z->low);
	if (fd >= 0)
		set_options(z, fd, o, row);
	return fd;
}

static bool is_path(const void *address, uint32_t bytes)
{
	const struct sockaddr_un *un = address;
	return bytes > offsetof(struct sockaddr_un, sun_path) && un->sun_family == AF_UNIX && un->sun_path[0];
}

long object_socket(struct zygote *z, const struct image_object *o, uint32_t row)
{
	const void *address = z->blob + o->data;
	long fd = SYS(socket, o->domain, o->type | SOCK_CLOEXEC, o->protocol);
	if (fd < 0)
		return fd;
	set_options(z, fd, o, row);
	if (!o->data_bytes)
		return fd;
	/* Its name came with /tmp. */
	if (is_path(address, o->data_bytes))
		SYS(unlink, ((const struct sockaddr_un *)address)->sun_path);
	need(z, RESTORE_OBJECTS, SYS(bind, fd, address, o->data_bytes), row);
	return fd;
}

long object_listener(struct zygote *z, const struct image_object *o, uint32_t row)
{
	long fd = object_socket(z, o, row);
	if (fd >= 0)
		need(z, RESTORE_OBJECTS, SYS(listen, fd, o->backlog < MOST_BACKLOG ? o->backlog : MOST_BACKLOG), row);
	return fd;
}

/* Over loopback, whatever it was to: what is left of a connection is how reads and writes end. */
static long closed_tcp(struct zygote *z, uint32_t row)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {__builtin_bswap32(INADDR_LOOPBACK)}};
	uint32_t size = sizeof at;
	int listener = (int)need(z, RESTORE_OBJECTS, SYS(socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), row);
	need(z, RESTORE_OBJECTS, SYS(bind, listener, &at, sizeof at), row);
	need(z, RESTORE_OBJECTS, SYS(listen, listener, 1), row);
	need(z, RESTORE_OBJECTS, SYS(getsockname, listener, &at, &size), row);
	int fd = (int)need(z, RESTORE_OBJECTS, SYS(socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), row);
	need(z, RESTORE_OBJECTS, SYS(connect, fd, &at, sizeof at), row);
	SYS(close, need(z, RESTORE_OBJECTS, SYS(accept4, listener, 0, 0, SOCK_CLOEXEC), row));
	SYS(close, listener);
	return fd;
}

static long closed_unix(const struct image_object *o)
{
	int ends[2];
	long result = SYS(socketpair, AF_UNIX, o->type | SOCK_CLOEXEC, 0, ends);
	if (result < 0)
		return result;
	SYS(close, ends[1]);
	return ends[0];
}

long object_closed(struct zygote *z, const struct image_object *o, uint32_t row)
{
	if (o->domain == AF_UNIX)
		return closed_unix(o);
	if (o->type != SOCK_STREAM)
		return SYS(socket, o->domain, o->type | SOCK_CLOEXEC, o->protocol);
	return closed_tcp(z, row);
}
