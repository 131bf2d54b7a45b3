/* What belongs to a process as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"

#define MAX_AUXV 4096u
#define SIGNALS 64
#define GET_REGISTRATIONS (1u << 9) /* MEMBARRIER_CMD_GET_REGISTRATIONS, since Linux 6.3 */

/* What clone(2) lets processes and threads share beyond what fork and pthread_create do is not restored. */
static int check_sharing(const struct dump *d, struct dump_process *p, struct error *err)
{
	for (uint32_t i = 1; i < p->thread_count; i++) {
		if (syscall(SYS_kcmp, p->pid, p->threads[i].tid, KCMP_FILES, 0, 0) != 0 ||
		    syscall(SYS_kcmp, p->pid, p->threads[i].tid, KCMP_FS, 0, 0) != 0)
			return dump_unsupported(p, err, "has threads with files or a working directory of their own");
	}
	for (const struct dump_process *other = d->processes; other < p; other++) {
		if (syscall(SYS_kcmp, p->pid, other->pid, KCMP_VM, 0, 0) == 0)
			return dump_busy(p, err, "shares its memory with process %u (vfork)", other->inner);
		if (syscall(SYS_kcmp, p->pid, other->pid, KCMP_FILES, 0, 0) == 0 || syscall(SYS_kcmp, p->pid, other->pid, KCMP_FS, 0, 0) == 0)
			return dump_unsupported(p, err, "shares its descriptors with another process");
	}
	return 0;
}

/* Fields of /proc/PID/stat, counted as proc(5) does. */
static int save_layout(struct dump_process *p, struct error *err)
{
	const struct {
		int field;
		uint64_t *to;
	} wanted[] = {
		{26, &p->row.start_code}, {27, &p->row.end_code}, {28, &p->row.start_stack}, {45, &p->row.start_data}, {46, &p->row.end_data},
		{47, &p->row.start_brk}, {48, &p->row.arg_start}, {49, &p->row.arg_end}, {50, &p->row.env_start}, {51, &p->row.env_end},
	};
	uint64_t args[4] = {0};
	long brk;
	CLEANUP_FREE char *stat = dump_read(p->proc, "stat", DUMP_MAX_STATUS, err);
	const char *at = stat ? strrchr(stat, ')') : NULL;
	if (!at)
		return stat ? error_set(err, ERR_SYSTEM, "/proc/PID/stat is not understood") : -1;
	size_t k = 0;
	for (int field = 3; field <= 51 && k < ARRAY_LEN(wanted); field++) {
		at = strchr(at, ' ');
		if (!at)
			return error_set(err, ERR_SYSTEM, "/proc/PID/stat is not understood");
		at++;
		if (field == wanted[k].field)
			*wanted[k++].to = strtoull(at, NULL, 10);
	}
	if (dump_call(p, &p->threads[0], SYS_brk, args, &brk, err) < 0)
		return -1;
	p->row.brk = (uint64_t)brk;
	return 0;
}

static int save_status(struct dump_process *p, struct error *err)
{
	CLEANUP_FREE char *status = dump_read(p->proc, "status", DUMP_MAX_STATUS, err);
	CLEANUP_FREE char *oom = dump_read(p->proc, "oom_score_adj", 64, err);
	CLEANUP_FREE char *personality = dump_read(p->proc, "personality", 64, err);
	if (!status || !oom || !personality)
		return -1;
	p->row.umask = (uint32_t)dump_number(status, "Umask", 8);
	p->row.oom_score_adj = (int32_t)strtol(oom, NULL, 10);
	p->row.personality = (uint32_t)strtoul(personality, NULL, 16);
	return 0;
}

static int check_posix_timers(const struct dump_process *p, struct error *err)
{
	CLEANUP_FREE char *timers = dump_read(p->proc, "timers", 65536, NULL);
	return timers && *timers ? dump_unsupported(p, err, "has POSIX timers (timer_create)") : 0;
}

static int save_places(struct dump *d, struct dump_process *p, struct error *err)
{
	char path[4096];
	struct dump_file exe = {0};
	if (dump_link(p->proc, "cwd", path, sizeof path, err) < 0)
		return -1;
	if (path[0] != '/' || strstr(path, " (deleted)"))
		return dump_unsupported(p, err, "works in a folder that was deleted");
	int64_t cwd = image_add_string(&d->image, path, err);
	if (cwd < 0 || dump_link(p->proc, "exe", path, sizeof path, err) < 0 || dump_file(d, p, "exe", path, &exe, err) < 0)
		return -1;
	if (exe.vanished)
		return dump_unsupported(p, err, "executes %s, which was deleted, replaced or lies in /tmp", path);
	p->row.cwd = (uint32_t)cwd;
	p->row.exe = exe.row;
	return 0;
}

static int save_auxv(struct dump *d, struct dump_process *p, struct error *err)
{
	char auxv[MAX_AUXV];
	CLEANUP_CLOSE int fd = openat(p->proc, "auxv", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, auxv, sizeof auxv);
	if (n < 0)
		return error_sys(err, "cannot read the auxiliary vector of process %u", p->inner);
	int64_t at = image_add_bytes(&d->image, auxv, (size_t)n, 8, err);
	p->row.auxv = (uint32_t)at;
	p->row.auxv_bytes = (uint32_t)n;
	return at < 0 ? -1 : 0;
}

/* By the process itself: for others the kernel wants a right that containers often take from root. */
static int save_limits(struct dump_process *p, struct error *err)
{
	_Static_assert(sizeof(struct rlimit) == sizeof p->row.limits[0], "as getrlimit has it");
	for (unsigned i = 0; i < ARRAY_LEN(p->row.limits); i++) {
		uint64_t args[4] = {i};
		if (dump_call_read(p, &p->threads[0], SYS_getrlimit, args, 1, &p->row.limits[i], sizeof p->row.limits[i], err) < 0)
			return -1;
	}
	return 0;
}

/* SIGCHLD may carry a flag although it has no handler; all others are as at the start when they are neither caught nor ignored. */
static int save_actions(struct dump_process *p, struct error *err)
{
	CLEANUP_FREE char *status = dump_read(p->proc, "status", DUMP_MAX_STATUS, err);
	if (!status)
		return -1;
	uint64_t set = dump_number(status, "SigCgt", 16) | dump_number(status, "SigIgn", 16) | 1ull << (SIGCHLD - 1);
	for (unsigned s = 1; s <= SIGNALS; s++) {
		uint64_t args[4] = {s, 0, 0, sizeof(uint64_t)};
		if (s == SIGKILL || s == SIGSTOP || !(set & 1ull << (s - 1)))
			continue;
		if (dump_call_read(p, &p->threads[0], SYS_rt_sigaction, args, 2, &p->row.actions[s - 1], sizeof p->row.actions[0], err) < 0)
			return -1;
	}
	return 0;
}

static int save_own(struct dump_process *p, struct error *err)
{
	struct dump_thread *t = &p->threads[0];
	uint64_t dumpable[4] = {PR_GET_DUMPABLE}, thp[4] = {PR_GET_THP_DISABLE}, subreaper[4] = {PR_GET_CHILD_SUBREAPER};
	uint64_t barriers[4] = {GET_REGISTRATIONS};
	long result[2];
	_Static_assert(sizeof(struct itimerval) == sizeof p->row.timers[0], "as setitimer has it");
	for (unsigned i = 0; i < 3; i++) {
		uint64_t args[4] = {i};
		if (dump_call_read(p, t, SYS_getitimer, args, 1, &p->row.timers[i], sizeof p->row.timers[i], err) < 0)
			return -1;
	}
	if (dump_call(p, t, SYS_prctl, dumpable, &result[0], err) < 0 || dump_call(p, t, SYS_prctl, thp, &result[1], err) < 0 ||
	    dump_call_read(p, t, SYS_prctl, subreaper, 1, &p->row.subreaper, sizeof p->row.subreaper, err) < 0)
		return -1;
	p->row.dumpable = result[0] < 0 ? 1 : (uint32_t)result[0];
	p->row.thp_disabled = result[1] > 0;
	if (dump_call(p, t, SYS_membarrier, barriers, &result[0], err) < 0)
		return -1;
	p->row.membarrier = result[0] > 0 ? (uint32_t)result[0] & IMAGE_MEMBARRIERS : 0;
	return 0;
}

/* A restored process can begin a session, or stay in its parent's; groups are those of processes that are there. */
static int check_session(const struct dump *d, const struct dump_process *p, struct error *err)
{
	if (p->row.parent == IMAGE_NONE)
		return 0;
	if (p->session != p->inner && p->session != d->processes[p->row.parent].session)
		return dump_unsupported(p, err, "belongs to a session (setsid) that its parent left");
	for (uint32_t i = 0; i < d->count; i++) {
		if (d->processes[i].inner == p->group)
			return 0;
	}
	return p->group == d->processes[0].group ? 0 : dump_unsupported(p, err, "belongs to a process group whose leader has ended");
}

int dump_process(struct dump *d, uint32_t process, struct error *err)
{
	struct dump_process *p = &d->processes[process];
	p->row.pid = p->row.new_pid = p->inner;
	p->row.pgid = p->group;
	p->row.sid = p->session;
	if (check_session(d, p, err) < 0 || check_sharing(d, p, err) < 0 || check_posix_timers(p, err) < 0)
		return -1;
	if (save_status(p, err) < 0 || save_places(d, p, err) < 0 || save_auxv(d, p, err) < 0 || save_limits(p, err) < 0)
		return -1;
	if (save_layout(p, err) < 0 || save_actions(p, err) < 0 || save_own(p, err) < 0)
		return -1;
	return dump_call_done(&p->threads[0], err);
}
