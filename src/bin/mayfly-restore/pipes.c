/* Objects that are made two at a time: the first of a pair makes both. */
#include <linux/fcntl.h>
#include <sys/socket.h>

#include "bin/mayfly-restore/zygote.h"

/* Never waits: what does not fit is an error. Flags are set for good afterwards (objects.c). */
static void fill(struct zygote *z, int into, uint32_t row)
{
	const struct image_object *o = &z->objects[row];
	if (!o->data_bytes)
		return;
	need(z, RESTORE_OBJECTS, SYS(fcntl, into, F_SETFL, O_NONBLOCK), row);
	if (need(z, RESTORE_OBJECTS, SYS(write, into, z->blob + o->data, o->data_bytes), row) != (long)o->data_bytes)
		fail(z, RESTORE_OBJECTS, -28, row);
	need(z, RESTORE_OBJECTS, SYS(fcntl, into, F_SETFL, 0), row);
}

/* Ends that nobody holds are closed again when low numbers and everything else are: fds_place. */
long object_pipe(struct zygote *z, const struct image_object *o, uint32_t row)
{
	int ends[2];
	bool reads = o->kind == OBJECT_PIPE_READ;
	long result = SYS(pipe2, ends, O_CLOEXEC | (o->flags & O_DIRECT));
	if (result < 0)
		return result;
	uint32_t reader = reads ? row : o->peer;
	if (o->pipe_bytes)
		need(z, RESTORE_OBJECTS, SYS(fcntl, ends[0], F_SETPIPE_SZ, o->pipe_bytes), row);
	if (reader != IMAGE_NONE)
		fill(z, ends[1], reader);
	if (o->peer != IMAGE_NONE)
		z->object_fds[o->peer] = ends[reads];
	return ends[!reads];
}

long object_pair(struct zygote *z, const struct image_object *o, uint32_t row)
{
	int ends[2];
	long result = SYS(socketpair, AF_UNIX, o->type | SOCK_CLOEXEC, o->protocol, ends);
	if (result < 0)
		return result;
	fill(z, ends[1], row);
	fill(z, ends[0], o->peer);
	z->object_fds[o->peer] = ends[1];
	return ends[0];
}
