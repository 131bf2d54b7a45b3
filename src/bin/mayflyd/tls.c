#include "bin/mayflyd/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#define LOOK_EVERY_NS NS_PER_S
#define FILE_MAX_BYTES (1 << 20)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const char *path_of(const struct server *s, int which)
{
	return which == TLS_CERT ? s->settings.tls_cert : s->settings.tls_key;
}

/* ---- copies ---- */

/* Through the kernel: the key's bytes never are in this program's memory. */
static int copy_file(int from, off_t size, struct error *err)
{
	CLEANUP_CLOSE int to = memfd_create("tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (to < 0)
		return error_sys(err, "no memory for a copy");
	while (size > 0) {
		ssize_t n = sendfile(to, from, NULL, (size_t)size);
		if (n < 0)
			return error_sys(err, "cannot be read");
		if (n == 0)
			break;
		size -= n;
	}
	if (fcntl(to, F_ADD_SEALS, SEALS) < 0)
		return error_sys(err, "its copy cannot be sealed");
	return STEAL_FD(to);
}

/* A sealed copy. Nothing that could make us wait is opened: a plain file is asked for. */
static int take_file(const struct server *s, int which, struct error *err)
{
	struct stat st;
	struct error why = {0};
	CLEANUP_CLOSE int fd = open(path_of(s, which), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int copy = -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		error_sys(&why, "cannot be opened");
	else if (!S_ISREG(st.st_mode))
		error_set(&why, ERR_USAGE, "is no file");
	else if (st.st_size == 0 || st.st_size > FILE_MAX_BYTES)
		error_set(&why, ERR_USAGE, "has %lld bytes, not 1 to %d", (long long)st.st_size, FILE_MAX_BYTES);
	else
		copy = copy_file(fd, st.st_size, &why);
	return copy < 0 ? error_set(err, ERR_USAGE, "--tls-%s %.100s: %s", which == TLS_CERT ? "cert" : "key", path_of(s, which), why.msg) : copy;
}

static void close_pair(int pair[TLS_FILE_COUNT])
{
	for (int i = 0; i < TLS_FILE_COUNT; i++) {
		if (pair[i] >= 0)
			close(pair[i]);
		pair[i] = -1;
	}
}

static int take_pair(const struct server *s, int pair[TLS_FILE_COUNT], struct error *err)
{
	CLEANUP_CLOSE int cert = take_file(s, TLS_CERT, err);
	int key = cert < 0 ? -1 : take_file(s, TLS_KEY, err);
	if (key < 0)
		return -1;
	pair[TLS_CERT] = STEAL_FD(cert);
	pair[TLS_KEY] = key;
	return 0;
}

/* ---- changes ---- */

static void stamp(const struct server *s, struct tls_stamp out[TLS_FILE_COUNT])
{
	memset(out, 0, TLS_FILE_COUNT * sizeof *out);
	for (int i = 0; i < TLS_FILE_COUNT; i++) {
		struct stat st;
		if (stat(path_of(s, i), &st) == 0)
			out[i] = (struct tls_stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
	}
}

static bool same_file(const struct tls_stamp *a, const struct tls_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec;
}

static bool same(const struct tls_stamp a[TLS_FILE_COUNT], const struct tls_stamp b[TLS_FILE_COUNT])
{
	return same_file(&a[TLS_CERT], &b[TLS_CERT]) && same_file(&a[TLS_KEY], &b[TLS_KEY]);
}

void tls_tell(struct server *s)
{
	struct ipc_tls_files body = {.generation = s->tls.generation};
	if (s->tls.offered[TLS_CERT] >= 0)
		control_send(s, IPC_TLS_FILES, &body, s->tls.offered, TLS_FILE_COUNT);
}

void tls_reload(struct server *s)
{
	struct tls_files *t = &s->tls;
	struct error err = {0};
	int pair[TLS_FILE_COUNT] = {-1, -1};
	if (!t->on)
		return;
	stamp(s, t->tried);
	if (take_pair(s, pair, &err) < 0) {
		log_warn("%s; the certificate in use stays", err.msg);
		return;
	}
	close_pair(t->offered);
	memcpy(t->offered, pair, sizeof pair);
	t->generation++;
	tls_tell(s);
}

/* A change counts once nothing changed between two looks: certificate and key are rarely written in the same moment. */
static void on_look(struct ev_timer *timer)
{
	struct server *s = CONTAINER_OF(timer, struct server, tls.look);
	struct tls_files *t = &s->tls;
	struct tls_stamp now[TLS_FILE_COUNT];
	stamp(s, now);
	if (same(now, t->seen) && !same(now, t->tried))
		tls_reload(s);
	memcpy(t->seen, now, sizeof now);
	ev_timer_after(s->loop, timer, LOOK_EVERY_NS);
}

int tls_on_done(struct server *s, struct ipc_message *m, struct error *err)
{
	struct tls_files *t = &s->tls;
	if (m->body.ipc_tls_done.generation != t->generation || t->offered[TLS_CERT] < 0)
		return 0; /* newer files are on their way */
	if (m->body.ipc_tls_done.good) {
		close_pair(t->good);
		memcpy(t->good, t->offered, sizeof t->good);
		t->offered[TLS_CERT] = t->offered[TLS_KEY] = -1;
	} else {
		close_pair(t->offered);
	}
	return 0;
}

/* ---- life ---- */

int tls_open(struct server *s, struct error *err)
{
	struct tls_files *t = &s->tls;
	*t = (struct tls_files){.on = *s->settings.tls_cert, .good = {-1, -1}, .offered = {-1, -1}, .look = {.cb = on_look}};
	if (!t->on)
		return 0;
	stamp(s, t->seen);
	memcpy(t->tried, t->seen, sizeof t->tried);
	return take_pair(s, t->good, err);
}

void tls_watch(struct server *s)
{
	if (s->tls.on)
		ev_timer_after(s->loop, &s->tls.look, LOOK_EVERY_NS);
}

void tls_release(struct server *s)
{
	ev_timer_stop(&s->tls.look);
	close_pair(s->tls.good);
	close_pair(s->tls.offered);
}
