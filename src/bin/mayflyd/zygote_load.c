/* How a child of mayflyd becomes a zygote: it enters the file tree that its environments will see, checks the image, opens
 * the image's files there, and executes mayfly-restore, which gives up further rights itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "bin/mayflyd/zygotes.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/sandbox/confine.h"
#include "isolation/snapshot/image_open.h"
#include "isolation/snapshot/restore_wire.h"

static int learn(const struct image *image, struct image_facts *facts, struct error *err)
{
	const struct image_process *leader = image_row(image, IMAGE_PROCESSES, 0);
	facts->leader_pid = (int32_t)leader->new_pid;
	facts->park = image->head.park;
	facts->resident_bytes = image->head.page_count * IMAGE_PAGE;
	facts->tmp_bytes = image->head.tables[IMAGE_TMP].count;
	facts->next = IMAGE_NONE;
	for (uint32_t i = 0; i < image->head.tables[IMAGE_OBJECTS].count; i++) {
		const struct image_object *o = image_row(image, IMAGE_OBJECTS, i);
		if (o->kind != OBJECT_NEXT && o->kind != OBJECT_CONNECTION)
			continue;
		if (facts->connections == RESTORE_MAX_CONNECTIONS)
			return error_set(err, ERR_UNSUPPORTED, "the image has more than %u connections", RESTORE_MAX_CONNECTIONS);
		if (o->kind == OBJECT_NEXT)
			facts->next = facts->connections;
		facts->connection[facts->connections].port = (uint16_t)o->port;
		facts->connection[facts->connections++].local_port = (uint16_t)o->local_port;
	}
	return facts->next == IMAGE_NONE ? error_set(err, ERR_INVALID, "the image has no connection that waits for work") : 0;
}

/* 3: requests, 4: the image, then its files; nothing else but /dev/null in the standard places. */
static int arrange(int sock, int image_fd, const int *files, uint32_t count, int *exe, struct error *err)
{
	int beyond = RESTORE_FILES_FD + (int)count;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* First out of the way, then to the places. */
	sock = fcntl(sock, F_DUPFD_CLOEXEC, beyond);
	image_fd = fcntl(image_fd, F_DUPFD_CLOEXEC, beyond);
	*exe = fcntl(*exe, F_DUPFD_CLOEXEC, beyond);
	if (null < 0 || sock < 0 || image_fd < 0 || *exe < 0)
		return error_sys(err, "cannot arrange descriptors");
	CLEANUP_FREE int *away = malloc((count + 1) * sizeof *away);
	for (uint32_t i = 0; away && i < count; i++)
		away[i] = fcntl(files[i], F_DUPFD_CLOEXEC, beyond);
	if (!away || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || dup2(sock, RESTORE_SOCKET_FD) < 0 ||
	    dup2(image_fd, RESTORE_IMAGE_FD) < 0)
		return error_sys(err, "cannot arrange descriptors");
	for (uint32_t i = 0; i < count; i++) {
		if (away[i] < 0 || dup2(away[i], RESTORE_FILES_FD + (int)i) < 0)
			return error_sys(err, "cannot arrange descriptors");
	}
	return syscall(SYS_close_range, beyond, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ? error_sys(err, "cannot arrange descriptors") : 0;
}

int zygote_become(struct server *s, const struct zygote *z, const struct sandbox_attach *code, int sock, int image_fd, struct error *err)
{
	static char *const argv[] = {(char *)(uintptr_t) "mayfly-restore", NULL};
	static char *const none[] = {NULL};
	struct zygote_word word = {0};
	struct image image;
	int exe = s->restore_exe;
	/* The image is of this machine: what says so lies in the host's /proc. */
	if (cgroup_join(&s->base.cgroup, ZYGOTE_GROUP, err) < 0 || image_open(&image, image_fd, err) < 0)
		return -1;
	if (sandbox_enter_code(&s->base, code, err) < 0 || image_check_pages(&image, err) < 0 || learn(&image, &word.facts, err) < 0)
		return -1;
	uint32_t count = image.head.tables[IMAGE_FILES].count;
	CLEANUP_FREE int *files = malloc((count + 1) * sizeof *files);
	if (!files)
		return error_set(err, ERR_NO_MEMORY, "no memory for the image's files");
	if (image_open_files(&image, files, err) < 0)
		return -1;
	image_release(&image);
	if (arrange(sock, image_fd, files, count, &exe, err) < 0 || confine_die_with_parent(err) < 0)
		return -1;
	if (send(RESTORE_SOCKET_FD, &word, sizeof word, MSG_NOSIGNAL) < 0)
		return error_sys(err, "mayflyd is gone");
	syscall(SYS_execveat, exe, "", argv, none, AT_EMPTY_PATH);
	return error_sys(err, "cannot start mayfly-restore");
}
