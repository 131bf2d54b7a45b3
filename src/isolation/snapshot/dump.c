#include "isolation/snapshot/dump.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "isolation/snapshot/dump_priv.h"
#include "isolation/snapshot/image_open.h"
#include "isolation/snapshot/image_priv.h"
#include "isolation/snapshot/tmp_tree.h"

/* Something on the move mostly comes to rest at once; all pauses together take a second. */
#define TRIES 8
#define FIRST_PAUSE_NS (4 * 1000000)

static int start(struct dump *d, struct error *err)
{
	char path[32];
	snprintf(path, sizeof path, "/proc/%d", d->request->init_pid);
	d->processes = calloc(IMAGE_MAX_PROCESSES, sizeof *d->processes);
	if (!d->processes)
		return error_set(err, ERR_NO_MEMORY, "no memory for processes");
	d->init_proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d->root = d->init_proc < 0 ? -1 : openat(d->init_proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->root < 0)
		return error_sys(err, "the environment is gone");
	CLEANUP_FREE char *status = dump_read(d->init_proc, "status", DUMP_MAX_STATUS, err);
	if (!status)
		return -1;
	dump_last_number(status, "NSpid", &d->pid_levels);
	return image_machine_now(&d->image.head.machine, err);
}

static int save_processes(struct dump *d, struct error *err)
{
	for (uint32_t i = 0; i < d->count; i++) {
		if (dump_maps(d, i, err) < 0 || dump_threads(d, i, err) < 0 || dump_process(d, i, err) < 0)
			return -1;
	}
	return dump_new_pid(d, err);
}

static int count_connections(struct dump *d, struct error *err)
{
	uint32_t next = 0, all = 0;
	for (uint32_t i = 0; i < image_built_count(&d->image, IMAGE_OBJECTS); i++) {
		const struct image_object *o = image_built_row(&d->image, IMAGE_OBJECTS, i);
		next += o->kind == OBJECT_NEXT;
		all += o->kind == OBJECT_NEXT || o->kind == OBJECT_CONNECTION;
	}
	d->image.head.connections = all;
	if (next != 1)
		return error_set(err, ERR_BUSY, "there is no connection that waits for work (port %u)", d->request->next_port);
	return all <= IMAGE_MAX_CONNECTIONS ? 0 : error_set(err, ERR_UNSUPPORTED, "holds more than %u connections", IMAGE_MAX_CONNECTIONS);
}

/* An environment's /tmp is a mount of its own, in a mount namespace of its own. Elsewhere it is the machine's. */
static int save_tmp(struct dump *d, struct error *err)
{
	struct stat own, theirs, root, st;
	CLEANUP_CLOSE int tmp = image_file_open(d->root, "/tmp", O_RDONLY | O_DIRECTORY, NULL);
	if (stat("/proc/self/ns/mnt", &own) < 0 || fstatat(d->init_proc, "ns/mnt", &theirs, 0) < 0 || fstat(d->root, &root) < 0)
		return error_sys(err, "cannot look at the environment's mounts");
	if (tmp < 0 || fstat(tmp, &st) < 0 || own.st_ino == theirs.st_ino || st.st_dev == root.st_dev)
		return 0;
	return tmp_pack(tmp, &d->image.tables[IMAGE_TMP], err);
}

static int save_all(struct dump *d, int out_fd, uint64_t begin, struct error *err)
{
	if (dump_freeze(d, err) < 0 || save_processes(d, err) < 0 || dump_fds(d, err) < 0 || count_connections(d, err) < 0 ||
	    dump_ipc(d, err) < 0 || save_tmp(d, err) < 0)
		return -1;
	for (uint32_t i = 0; i < d->count; i++) {
		if (image_add(&d->image, IMAGE_PROCESSES, &d->processes[i].row, err) < 0)
			return -1;
	}
	if (dump_pages(d, out_fd, err) < 0)
		return -1;
	struct image_head *h = &d->image.head;
	memcpy(h->key, d->request->key, sizeof h->key);
	h->park = d->request->park;
	h->memory_mb = d->request->memory_mb;
	h->taken_wall_ms = (uint64_t)clock_wall_ms();
	h->dump_ns = clock_mono_ns() - begin;
	if (image_write_tables(&d->image, out_fd, err) < 0)
		return -1;
	return fsync(out_fd) < 0 ? error_sys(err, "cannot write the image to disk") : 0;
}

static int dump_once(const struct dump_request *request, int out_fd, struct dump_result *result, struct error *err)
{
	uint64_t begin = clock_mono_ns();
	struct dump d CLEANUP(dump_release) = {.request = request, .init_proc = -1, .root = -1};
	image_builder_init(&d.image);
	buf_init(&d.memory, IMAGE_MAX_VMAS * sizeof(struct dump_memory));
	buf_init(&d.objects, IMAGE_MAX_OBJECTS * sizeof(struct dump_object));
	buf_init(&d.files, 4 * IMAGE_MAX_FILES * sizeof(struct dump_file));
	if (start(&d, err) < 0)
		return -1;
	int rc = save_all(&d, out_fd, begin, err);
	/* What is busy has to go on to come to rest. */
	dump_thaw(&d, request->resume || (rc < 0 && err->code == ERR_BUSY));
	if (rc < 0)
		return -1;
	*result = (struct dump_result){.file_bytes = d.image.head.file_bytes, .resident_bytes = d.image.head.page_count * IMAGE_PAGE,
		.dump_ns = clock_mono_ns() - begin, .processes = image_built_count(&d.image, IMAGE_PROCESSES),
		.threads = image_built_count(&d.image, IMAGE_THREADS), .connections = d.image.head.connections};
	return 0;
}

int dump_tree(const struct dump_request *request, int out_fd, struct dump_result *result, struct error *err)
{
	struct error why = {0};
	sigset_t child, before;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &child, &before); /* dump_wait waits for it */
	int rc = dump_once(request, out_fd, result, &why);
	for (int i = 0; rc < 0 && why.code == ERR_BUSY && i < TRIES; i++) {
		struct timespec pause = {.tv_nsec = FIRST_PAUSE_NS << i};
		nanosleep(&pause, NULL);
		rc = dump_once(request, out_fd, result, &why);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc < 0 ? error_set(err, why.code, "%s", why.msg) : 0;
}
