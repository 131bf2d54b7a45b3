/* The tree is found below mayfly-init and stopped, thread by thread, until a look at all of it shows nothing new: what is
 * stopped cannot start anything. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "isolation/snapshot/dump_priv.h"

#define MAX_LOOKS 50
#define STOP_LIMIT_NS (3 * NS_PER_S)
#define MAX_CHILDREN_TEXT 65536u

/* An injected call must not meet the function's filter. Never before a thread has stopped: what it calls until then is its own. */
#define STOPPED_OPTIONS (PTRACE_O_SUSPEND_SECCOMP)

static struct dump_process *find_process(struct dump *d, pid_t pid)
{
	for (uint32_t i = 0; i < d->count; i++) {
		if (d->processes[i].pid == pid)
			return &d->processes[i];
	}
	return NULL;
}

/* Names and numbers, as far as they are of use in messages; again when it is stopped. */
static char read_status(struct dump_process *p, uint32_t *levels)
{
	CLEANUP_FREE char *status = dump_read(p->proc, "status", DUMP_MAX_STATUS, NULL);
	const char *name = status ? dump_field(status, "Name") : NULL, *state = status ? dump_field(status, "State") : NULL;
	if (!name || !state)
		return 'X';
	snprintf(p->name, sizeof p->name, "%.*s", (int)strcspn(name, "\n"), name);
	p->group = dump_last_number(status, "NSpgid", levels);
	p->session = dump_last_number(status, "NSsid", levels);
	p->inner = dump_last_number(status, "NSpid", levels);
	p->parent = (pid_t)dump_number(status, "PPid", 10);
	return *state;
}

/* Numbers are given out anew: the one that was a child's a moment ago may be a stranger's. */
static bool is_inside(const struct dump *d, const struct dump_process *p)
{
	struct stat ours, its;
	return fstatat(d->init_proc, "ns/pid", &ours, 0) == 0 && fstatat(p->proc, "ns/pid", &its, 0) == 0 && ours.st_ino == its.st_ino;
}

static int open_process(const struct dump *d, struct dump_process *p, struct error *err)
{
	char path[32];
	uint32_t levels;
	snprintf(path, sizeof path, "/proc/%d", p->pid);
	p->proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	/* Last: as long as it is alive, both are the same one. */
	char state = p->proc < 0 || !is_inside(d, p) ? 'X' : read_status(p, &levels);
	if (state == 'Z')
		return dump_busy(p, err, "has ended and its parent did not wait for it");
	if (state == 'X')
		return error_set(err, ERR_BUSY, "a process ended while it was looked at");
	p->mem = openat(p->proc, "mem", O_RDWR | O_CLOEXEC);
	return p->mem < 0 || p->pidfd < 0 ? error_sys(err, "cannot open process %u (%s)", p->inner, p->name) : 0;
}

static int add_process(struct dump *d, pid_t pid, struct error *err)
{
	if (d->count == IMAGE_MAX_PROCESSES)
		return error_set(err, ERR_UNSUPPORTED, "has more than %u processes", IMAGE_MAX_PROCESSES);
	struct dump_process *p = &d->processes[d->count++];
	*p = (struct dump_process){.pid = pid, .proc = -1, .mem = -1, .pidfd = -1};
	return open_process(d, p, err);
}

/* Adds the unknown ones of the children of one thread. *found counts them. */
static int add_children(struct dump *d, int proc, const char *task, unsigned *found, struct error *err)
{
	char path[288];
	snprintf(path, sizeof path, "task/%s/children", task);
	CLEANUP_FREE char *text = dump_read(proc, path, MAX_CHILDREN_TEXT, NULL);
	for (char *at = text; at && *at;) {
		char *end;
		pid_t pid = (pid_t)strtol(at, &end, 10);
		if (end == at)
			break;
		at = end + strspn(end, " \n");
		if (find_process(d, pid))
			continue;
		if (add_process(d, pid, err) < 0)
			return -1;
		++*found;
	}
	return 0;
}

/* Calls add_children for every thread of a process. */
static int add_all_children(struct dump *d, int proc, unsigned *found, struct error *err)
{
	int fd = openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_set(err, ERR_BUSY, "a process ended while it was looked at");
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		if (e->d_name[0] != '.' && add_children(d, proc, e->d_name, found, err) < 0)
			return -1;
	}
	return 0;
}

static char thread_state(const struct dump_process *p, pid_t tid)
{
	char path[64];
	snprintf(path, sizeof path, "task/%d/status", tid);
	CLEANUP_FREE char *status = dump_read(p->proc, path, DUMP_MAX_STATUS, NULL);
	const char *state = status ? dump_field(status, "State") : NULL;
	return state ? *state : 'X';
}

/* What waitpid said of a thread that was asked to stop. 1: it stopped, 0: it is gone. */
static int understand_stop(struct dump_process *p, struct dump_thread *t, int status, struct error *err)
{
	if (!WIFSTOPPED(status))
		return 0;
	if (status >> 16 != PTRACE_EVENT_STOP) {
		t->deliver = WSTOPSIG(status);
		return dump_busy(p, err, "has a signal on its way (%s)", strsignal(WSTOPSIG(status)));
	}
	if (WSTOPSIG(status) != SIGTRAP)
		return dump_unsupported(p, err, "is stopped by a signal (%s)", strsignal(WSTOPSIG(status)));
	return 1;
}

static int cannot_seize(struct dump_process *p, pid_t tid, struct error *err)
{
	int why = errno;
	char state = thread_state(p, tid);
	if (state == 'Z' && tid == p->pid)
		return dump_busy(p, err, "has ended and its parent did not wait for it");
	if (why == ESRCH || state == 'X' || state == 'Z')
		return 0;
	errno = why;
	return why == EPERM ? dump_unsupported(p, err, "is traced by another one") : error_sys(err, "cannot stop process %u", p->inner);
}

/* 1: stopped and known now; 0: it ended. */
static int stop_thread(struct dump_process *p, pid_t tid, struct error *err)
{
	int status;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		return cannot_seize(p, tid, err);
	struct dump_thread *t = &p->threads[p->thread_count];
	*t = (struct dump_thread){.tid = tid};
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0)
		return errno == ESRCH ? 0 : error_sys(err, "cannot interrupt thread %d", tid);
	p->thread_count++; /* to be let go, whatever follows */
	if (dump_wait(tid, &status, STOP_LIMIT_NS) < 0)
		return errno == ETIMEDOUT ? dump_busy(p, err, "is in a call that cannot be interrupted")
					  : error_sys(err, "cannot stop thread %d", tid);
	int rc = understand_stop(p, t, status, err);
	if (rc == 0)
		p->thread_count--;
	if (rc == 1 && ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)(uintptr_t)STOPPED_OPTIONS) < 0)
		return error_sys(err, "cannot look into thread %d", tid);
	return rc;
}

static int room_for_thread(struct dump_process *p, struct error *err)
{
	if (p->thread_count < p->thread_room)
		return 0;
	uint32_t room = p->thread_room ? p->thread_room * 2 : 16;
	if (p->thread_count == IMAGE_MAX_THREADS)
		return error_set(err, ERR_UNSUPPORTED, "has more than %u threads", IMAGE_MAX_THREADS);
	struct dump_thread *more = realloc(p->threads, room * sizeof *more);
	if (!more)
		return error_set(err, ERR_NO_MEMORY, "no memory for %u threads", room);
	p->threads = more;
	p->thread_room = room;
	return 0;
}

static bool knows_thread(const struct dump_process *p, pid_t tid)
{
	for (uint32_t i = 0; i < p->thread_count; i++) {
		if (p->threads[i].tid == tid)
			return true;
	}
	return false;
}

static int stop_threads(struct dump_process *p, unsigned *found, struct error *err)
{
	int fd = openat(p->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return dump_busy(p, err, "ended while it was stopped");
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		pid_t tid = atoi(e->d_name);
		if (tid <= 0 || knows_thread(p, tid))
			continue;
		++*found; /* also one that is gone: another look is due */
		if (room_for_thread(p, err) < 0 || stop_thread(p, tid, err) < 0)
			return -1;
	}
	return 0;
}

static int look(struct dump *d, unsigned *found, struct error *err)
{
	if (add_all_children(d, d->init_proc, found, err) < 0)
		return -1;
	for (uint32_t i = 0; i < d->count; i++) {
		if (stop_threads(&d->processes[i], found, err) < 0 || add_all_children(d, d->processes[i].proc, found, err) < 0)
			return -1;
	}
	return 0;
}

/* Of a stopped process; its first thread becomes the first row. */
static int identify(struct dump *d, struct dump_process *p, struct error *err)
{
	uint32_t levels;
	CLEANUP_FREE char *status = dump_read(p->proc, "status", DUMP_MAX_STATUS, err);
	if (!status || read_status(p, &levels) == 'X')
		return status ? error_set(err, ERR_SYSTEM, "/proc/PID/status is not understood") : -1;
	if (levels != d->pid_levels)
		return dump_unsupported(p, err, "lives in a process namespace of its own");
	for (uint32_t i = 0; i < p->thread_count; i++) {
		if (p->threads[i].tid != p->pid)
			continue;
		struct dump_thread leader = p->threads[i];
		memmove(&p->threads[1], &p->threads[0], i * sizeof leader);
		p->threads[0] = leader;
		return dump_same_world(d, p, status, err);
	}
	return dump_unsupported(p, err, "has lost its first thread, while others go on");
}

static void swap(struct dump_process *a, struct dump_process *b)
{
	struct dump_process c = *a;
	*a = *b;
	*b = c;
}

/* The runtime is the oldest child of mayfly-init; then each process behind its parent. */
static int order(struct dump *d, struct error *err)
{
	uint32_t leader = IMAGE_NONE;
	for (uint32_t i = 0; i < d->count; i++) {
		const struct dump_process *p = &d->processes[i];
		if (p->parent == d->request->init_pid && (leader == IMAGE_NONE || p->inner < d->processes[leader].inner))
			leader = i;
	}
	if (leader == IMAGE_NONE)
		return error_set(err, ERR_BUSY, "there is no runtime in the environment");
	swap(&d->processes[0], &d->processes[leader]);
	d->processes[0].row.parent = IMAGE_NONE;
	for (uint32_t done = 1; done < d->count; done++) {
		uint32_t next = done, parent = IMAGE_NONE;
		for (; next < d->count && parent == IMAGE_NONE; next++) {
			for (uint32_t k = 0; k < done; k++) {
				if (d->processes[k].pid == d->processes[next].parent)
					parent = k;
			}
		}
		if (parent == IMAGE_NONE)
			return dump_unsupported(&d->processes[done], err, "runs on its own: the process that started it has ended");
		swap(&d->processes[done], &d->processes[next - 1]);
		d->processes[done].row.parent = parent;
	}
	return 0;
}

int dump_freeze(struct dump *d, struct error *err)
{
	unsigned found = 1;
	for (int i = 0; found; i++) {
		found = 0;
		if (i == MAX_LOOKS)
			return error_set(err, ERR_BUSY, "starts threads or processes all the time");
		if (look(d, &found, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < d->count; i++) {
		if (identify(d, &d->processes[i], err) < 0)
			return -1;
	}
	return order(d, err);
}

/* A stop signal first, so that not one instruction is executed after the detach. */
static void thaw_process(struct dump_process *p, bool go_on)
{
	if (!go_on)
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGSTOP, NULL, 0);
	for (uint32_t i = 0; i < p->thread_count; i++) {
		struct dump_thread *t = &p->threads[i];
		dump_call_done(t, NULL);
		ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(uintptr_t)(go_on ? t->deliver : 0));
	}
}

void dump_thaw(struct dump *d, bool go_on)
{
	for (uint32_t i = 0; i < d->count; i++)
		thaw_process(&d->processes[i], go_on);
}

void dump_release(struct dump *d)
{
	for (uint32_t i = 0; i < d->count; i++) {
		struct dump_process *p = &d->processes[i];
		cleanup_close(&p->proc);
		cleanup_close(&p->mem);
		cleanup_close(&p->pidfd);
		free(p->threads);
	}
	for (size_t i = 0; i < d->memory.len / sizeof(struct dump_memory); i++)
		cleanup_close(&((struct dump_memory *)(void *)d->memory.data)[i].shared_fd);
	cleanup_close(&d->init_proc);
	cleanup_close(&d->root);
	image_builder_release(&d->image);
	buf_release(&d->memory);
	buf_release(&d->objects);
	buf_release(&d->files);
	free(d->processes);
}
