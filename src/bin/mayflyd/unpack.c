#include "bin/mayflyd/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/codec.h"
#include "isolation/sandbox/confine.h"
#include "isolation/sandbox/filter.h"
#include "isolation/unpack/result.h"

#define RUNNING_MAX 2u
#define WAITING_MAX 256u
#define TIMEOUT_MS 120000u
#define MEMORY_BYTES (1ull << 30)
#define CPU_S 60u
#define FILES 64u

struct job {
	struct list link;
	struct helper helper;
	struct ipc_unpack ask;
	unsigned life; /* of control, which asked */
	int zip_fd, folder_fd;
};

void unpacks_init(struct unpacks *u)
{
	list_init(&u->waiting);
	list_init(&u->working);
}

static void job_free(struct job *j)
{
	close(j->zip_fd);
	close(j->folder_fd);
	list_remove(&j->link);
	free(j);
}

static void answer(struct server *s, struct job *j, int64_t bytes, const struct error *err)
{
	struct ipc_unpack_done body = {.job_id = j->ask.job_id, .unzipped_bytes = (uint64_t)bytes, .code = err->code};
	memcpy(body.msg, err->msg, sizeof body.msg);
	if (j->life == s->control.lives)
		control_send(s, IPC_UNPACK_DONE, &body, NULL, 0);
}

static int limit_resources(struct error *err)
{
	static const struct {
		int what;
		rlim_t most;
	} rows[] = {
#if !defined(__SANITIZE_ADDRESS__) /* whose shadow memory is larger than any sensible limit */
		{RLIMIT_AS, MEMORY_BYTES},
#endif
		{RLIMIT_CPU, CPU_S}, {RLIMIT_NOFILE, FILES}, {RLIMIT_CORE, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rlimit limit = {rows[i].most, rows[i].most};
		if (setrlimit((__rlimit_resource_t)rows[i].what, &limit) < 0)
			return error_sys(err, "cannot limit mayfly-unpack");
	}
	return 0;
}

/* Rights kept: control's user, the two folders and the pipe. No network: its namespace is a new, empty one. */
static int become_unpacker(struct server *s, struct job *j, int result_fd, struct error *err)
{
	char sha[SHA256_HEX_SIZE], max[24];
	char *const argv[] = {(char *)(uintptr_t) "mayfly-unpack", sha, max, NULL};
	static char *const none[] = {NULL};
	size_t filter_bytes;
	const void *filter = filter_program(&filter_bytes);
	hex_encode(sha, j->ask.sha256, sizeof j->ask.sha256);
	snprintf(max, sizeof max, "%llu", (unsigned long long)j->ask.max_bytes);
	if (unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0)
		return error_sys(err, "cannot take the network away from mayfly-unpack");
	int zip = fcntl(j->zip_fd, F_DUPFD_CLOEXEC, 16), folder = fcntl(j->folder_fd, F_DUPFD_CLOEXEC, 16);
	int result = fcntl(result_fd, F_DUPFD_CLOEXEC, 16), exe = fcntl(s->unpack_exe, F_DUPFD_CLOEXEC, 16);
	if (zip < 0 || folder < 0 || result < 0 || exe < 0 || dup2(zip, UNPACK_ZIP_FD) < 0 || dup2(folder, UNPACK_FOLDER_FD) < 0 ||
	    dup2(result, UNPACK_RESULT_FD) < 0 || syscall(SYS_close_range, UNPACK_RESULT_FD + 1, ~0u, 1u << 2) < 0)
		return error_sys(err, "cannot arrange descriptors");
	if (limit_resources(err) < 0 || confine_bound(err) < 0 || confine_identity(s->control_uid, s->control_gid, 0, err) < 0 || confine_no_rights(err) < 0 ||
	    confine_die_with_parent(err) < 0 || confine_filter(filter, filter_bytes, err) < 0)
		return -1;
	syscall(SYS_execveat, exe, "", argv, none, AT_EMPTY_PATH);
	return error_sys(err, "cannot start mayfly-unpack");
}

static int unpack_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	struct job *j = CONTAINER_OF(h, struct job, helper);
	struct unpack_result result;
	int channel[2];
	if (pipe2(channel, O_CLOEXEC) < 0)
		return error_sys(err, "cannot make a pipe");
	pid_t pid = fork();
	if (pid == 0) {
		struct error why = {0};
		become_unpacker(s, j, channel[1], &why);
		result = (struct unpack_result){.code = why.code};
		memcpy(result.msg, why.msg, sizeof result.msg);
		_exit(write(channel[1], &result, sizeof result) < 0);
	}
	close(channel[1]);
	ssize_t n = pid < 0 ? -1 : read(channel[0], &result, sizeof result);
	if (n != (ssize_t)sizeof result || result.code >= ERR_COUNT)
		return error_set(err, ERR_INTERNAL, "mayfly-unpack ended without an answer");
	result.msg[sizeof result.msg - 1] = '\0';
	report->value = (int64_t)result.unzipped_bytes;
	return result.code ? error_set(err, (enum error_code)result.code, "%s", result.msg) : 0;
}

static void unpack_done(struct server *s, struct helper *h, struct helper_report *report)
{
	struct job *j = CONTAINER_OF(h, struct job, helper);
	answer(s, j, report->value, &report->err);
	job_free(j);
	s->unpacks.running--;
	s->unpacks.count--;
	unpack_pump(s);
}

void unpack_pump(struct server *s)
{
	while (!s->sweep_helper.busy && s->unpacks.running < RUNNING_MAX && !list_empty(&s->unpacks.waiting)) {
		struct error err = {0};
		struct job *j = CONTAINER_OF(list_pop_front(&s->unpacks.waiting), struct job, link);
		j->helper = (struct helper){.work = unpack_work, .done = unpack_done, .timeout_ms = TIMEOUT_MS};
		if (helper_start(s, &j->helper, -1, &err) == 0) {
			list_push_back(&s->unpacks.working, &j->link);
			s->unpacks.running++;
			continue;
		}
		answer(s, j, 0, &err);
		job_free(j);
		s->unpacks.count--;
	}
}

static int check(struct server *s, const struct ipc_message *m, struct error *err)
{
	struct stat zip, folder;
	uint64_t max = m->body.ipc_unpack.max_bytes;
	int zip_mode = fcntl(m->fds[0], F_GETFL);
	if (zip_mode < 0 || (zip_mode & O_ACCMODE) != O_RDONLY || (zip_mode & O_PATH) || fstat(m->fds[0], &zip) < 0 || !S_ISREG(zip.st_mode))
		return error_set(err, ERR_INVALID, "the package is not a file opened for reading only");
	if (fstat(m->fds[1], &folder) < 0 || !S_ISDIR(folder.st_mode) || folder.st_uid != s->control_uid)
		return error_set(err, ERR_INVALID, "the folder to unpack into is not a folder of control's user");
	if (max == 0 || max > LIMIT_UNZIPPED_BYTES)
		return error_set(err, ERR_INVALID, "the limit of %llu unzipped bytes is out of range", (unsigned long long)max);
	return 0;
}

int unpack_on_message(struct server *s, struct ipc_message *m, struct error *err)
{
	if (check(s, m, err) < 0)
		return -1;
	struct job *j = calloc(1, sizeof *j);
	if (!j)
		return error_set(err, ERR_NO_MEMORY, "no memory to unpack");
	*j = (struct job){.ask = m->body.ipc_unpack, .life = s->control.lives, .zip_fd = STEAL_FD(m->fds[0]), .folder_fd = STEAL_FD(m->fds[1])};
	list_init(&j->link);
	list_push_back(&s->unpacks.waiting, &j->link);
	s->unpacks.count++;
	if (s->unpacks.count > WAITING_MAX) {
		struct error full = {0};
		error_set(&full, ERR_THROTTLED, "%u packages wait to be unpacked", WAITING_MAX);
		answer(s, j, 0, &full);
		job_free(j);
		s->unpacks.count--;
	}
	unpack_pump(s);
	return 0;
}

void unpack_orphan(struct server *s)
{
	LIST_FOREACH(l, &s->unpacks.waiting) {
		job_free(CONTAINER_OF(l, struct job, link));
		s->unpacks.count--;
	}
}

void unpacks_release(struct server *s)
{
	unpack_orphan(s);
	LIST_FOREACH(l, &s->unpacks.working) {
		struct job *j = CONTAINER_OF(l, struct job, link);
		helper_forget(&j->helper);
		job_free(j);
	}
}
