/* The cgroup v2 table of isolation/sandbox with real processes, on a machine of its own (tests/vm/run): root, pure cgroup v2
 * at /sys/fs/cgroup, one processor. Each test has a group, and processes cloned into it as mayflyd does. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/spec/limits.h"
#include "isolation/sandbox/cgroup.h"
#include "tests/unit/test.h"

#define ROOT "/sys/fs/cgroup"
#define NAME "mayfly-test"
#define SLOT 7u
#define MB 1048576ull
#define WAIT_MS 20000u /* a software-emulated processor may be slow; nothing waits this long when all is well */

typedef int body_fn(void *arg);

static void nap_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Number after `key ` in a control file of the group, or the file's only number without a key; -1 when it is not there. */
static long long value_of(unsigned slot, const char *file, const char *key)
{
	char path[256];
	snprintf(path, sizeof path, ROOT "/" NAME "/e%u/%s", slot, file);
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, path, 4096, NULL, NULL);
	const char *at = text;
	if (text && key) {
		size_t n = strlen(key);
		while (at && !(strncmp(at, key, n) == 0 && at[n] == ' '))
			at = (at = strchr(at, '\n')) ? at + 1 : NULL;
		at = at ? at + n + 1 : NULL;
	}
	return at ? atoll(at) : -1;
}

static bool reaches(unsigned slot, const char *file, const char *key, long long want)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms += 5) {
		if (value_of(slot, file, key) == want)
			return true;
		nap_ms(5);
	}
	return false;
}

static pid_t start_in(const struct cgroup *cg, unsigned slot, body_fn *body, void *arg)
{
	CLEANUP_CLOSE int group = cgroup_clone_fd(cg, slot);
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
	fflush(stdout);
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		_exit(body(arg));
	return pid;
}

/* Wait status, or -1 when it does not end. */
static int end_of(pid_t pid)
{
	int status;
	for (unsigned ms = 0; ms < WAIT_MS; ms += 5) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		nap_ms(5);
	}
	return -1;
}

static bool was_killed(pid_t pid)
{
	int status = end_of(pid);
	return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool is_running(pid_t pid)
{
	int status;
	return waitpid(pid, &status, WNOHANG) == 0;
}

static bool open_group(struct cgroup *cg, unsigned slot, uint64_t memory_mb, uint32_t pids)
{
	struct error err = {0};
	struct cgroup_limits limits = {.memory_bytes = memory_mb * MB, .memory_mb_for_cpu = 1769};
	bool ok = cgroup_open(cg, ROOT, NAME, &err) == 0 && cgroup_add(cg, slot, &err) == 0 &&
	          cgroup_prepare(cg, slot, pids, &err) == 0 && cgroup_limit(cg, slot, &limits, &err) == 0;
	if (!ok)
		printf("%s\n", err.msg);
	return ok;
}

/* Whatever the test left is ended here too; false when something stays. */
static bool close_group(const struct cgroup *cg)
{
	cgroup_sweep(cg, 5000);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	cgroup_close(cg);
	return access(ROOT "/" NAME, F_OK) < 0;
}

/* A test that fails does not reach its close_group; the next one is to find nothing of it. */
static void drop_group(struct cgroup *cg)
{
	if (cg->ops)
		close_group(cg);
}
#define CGROUP struct cgroup CLEANUP(drop_group)

/* ---- what the processes in the groups do ---- */

static int spin(void *arg)
{
	for (volatile unsigned n = 0;; n++)
		;
	return 0;
}

static int doze(void *arg)
{
	while (pause() < 0)
		;
	return 0;
}

/* Touches *mb megabytes, then ends well. */
static int hog(void *arg)
{
	size_t bytes = *(const unsigned *)arg * MB;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 2;
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
	return 0;
}

/* Starts children until the kernel refuses; exit status is how many there were, 255 when it is not EAGAIN that stopped it. */
static int fork_bomb(void *arg)
{
	int n = 0;
	for (; n < 200; n++) {
		pid_t pid = fork();
		if (pid == 0)
			doze(NULL);
		if (pid < 0)
			return errno == EAGAIN ? n : 255;
	}
	return n;
}

/* ---- the tests ---- */

TEST(machine_is_pure_v2)
{
	CGROUP cg = {0};
	CHECK(open_group(&cg, SLOT, 64, 16));
	CHECK(cg.v2);
	CHECK(cg.freezer_v2);
	CHECK_INT(value_of(SLOT, "memory.max", NULL), 64 * MB);
	CHECK_INT(value_of(SLOT, "pids.max", NULL), 16);
	CHECK(close_group(&cg));
}

TEST(memory_within_the_limit_is_no_oom)
{
	CGROUP cg = {0};
	unsigned mb = 32;
	CHECK(open_group(&cg, SLOT, 64, 16));
	pid_t pid = start_in(&cg, SLOT, hog, &mb);
	CHECK(pid > 0);
	CHECK_INT(end_of(pid), 0);
	CHECK(!cgroup_oom(&cg, SLOT));
	CHECK(close_group(&cg));
}

TEST(memory_hog_is_ended_and_reported)
{
	CGROUP cg = {0};
	unsigned mb = 128;
	CHECK(open_group(&cg, SLOT, 64, 16));
	CHECK(!cgroup_oom(&cg, SLOT));
	pid_t pid = start_in(&cg, SLOT, hog, &mb);
	CHECK(pid > 0);
	CHECK(was_killed(pid));
	CHECK(cgroup_oom(&cg, SLOT));
	CHECK(close_group(&cg));
}

TEST(oom_ends_the_whole_group_and_no_other)
{
	CGROUP cg = {0};
	unsigned mb = 128;
	CHECK(open_group(&cg, SLOT + 1, 64, 16));
	CHECK(open_group(&cg, SLOT, 64, 16));
	pid_t neighbour = start_in(&cg, SLOT + 1, doze, NULL), sibling = start_in(&cg, SLOT, doze, NULL);
	pid_t pid = start_in(&cg, SLOT, hog, &mb);
	CHECK(was_killed(pid));
	CHECK(was_killed(sibling));
	CHECK(is_running(neighbour));
	CHECK(!cgroup_oom(&cg, SLOT + 1));
	CHECK(close_group(&cg));
}

TEST(peak_memory_is_read)
{
	CGROUP cg = {0};
	char text[32] = "";
	unsigned mb = 48;
	CHECK(open_group(&cg, SLOT, 64, 16));
	CLEANUP_CLOSE int fd = cgroup_peak_fd(&cg, SLOT, NULL);
	CHECK(fd >= 0);
	CHECK_INT(end_of(start_in(&cg, SLOT, hog, &mb)), 0);
	CHECK(read(fd, text, sizeof text - 1) > 0);
	/* What was freed again counts: it is the peak, not what is in use now. */
	CHECK((unsigned long long)atoll(text) >= 48 * MB);
	CHECK((unsigned long long)atoll(text) <= 64 * MB);
	CHECK(close_group(&cg));
}

/* Share of one processor that a spinning process got, in percent, after a warm-up. */
static double share_percent(const struct cgroup *cg, unsigned slot)
{
	pid_t pid = start_in(cg, slot, spin, NULL);
	nap_ms(300);
	double start = now_s();
	long long used = value_of(slot, "cpu.stat", "usage_usec");
	nap_ms(2000);
	double share = (double)(value_of(slot, "cpu.stat", "usage_usec") - used) / ((now_s() - start) * 1e4);
	cgroup_kill(cg, slot);
	return was_killed(pid) ? share : -1;
}

TEST(cpu_without_a_quota_is_whole)
{
	CGROUP cg = {0};
	CHECK(open_group(&cg, SLOT, 64, 16));
	double share = share_percent(&cg, SLOT);
	printf("# no quota: %.1f %% of a processor\n", share);
	CHECK(share > 50);
	CHECK_INT(value_of(SLOT, "cpu.stat", "nr_throttled"), 0);
	CHECK(close_group(&cg));
}

TEST(cpu_quota_is_proportional_to_memory)
{
	/* A tenth and a quarter of what is one processor. */
	static const struct {
		uint32_t memory_mb;
		double least, most;
	} rows[] = {{MEMORY_MB_PER_VCPU / 10, 5, 16}, {MEMORY_MB_PER_VCPU / 4, 16, 36}};
	CGROUP cg = {0};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK(open_group(&cg, SLOT, 64, 16));
		CHECK_INT(cgroup_cpu(&cg, SLOT, rows[i].memory_mb, NULL), 0);
		double share = share_percent(&cg, SLOT);
		printf("# %u MB: %.1f %% of a processor\n", rows[i].memory_mb, share);
		CHECK(share > rows[i].least && share < rows[i].most);
		CHECK(value_of(SLOT, "cpu.stat", "nr_throttled") > 0);
		CHECK(close_group(&cg));
	}
}

TEST(fork_bomb_stops_at_the_limit)
{
	CGROUP cg = {0};
	CHECK(open_group(&cg, SLOT, 64, 16));
	int status = end_of(start_in(&cg, SLOT, fork_bomb, NULL));
	CHECK(status != -1 && WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 15); /* and itself */
	CHECK(value_of(SLOT, "pids.events", "max") > 0);
	pid_t outside = fork();
	if (outside == 0)
		_exit(0);
	CHECK(outside > 0);
	CHECK_INT(end_of(outside), 0);
	CHECK(close_group(&cg));
}

TEST(frozen_does_not_run_and_thawed_does)
{
	CGROUP cg = {0};
	CHECK(open_group(&cg, SLOT, 64, 16));
	pid_t pid = start_in(&cg, SLOT, spin, NULL);
	CHECK(pid > 0);
	CLEANUP_CLOSE int freeze = cgroup_freeze_fd(&cg, SLOT, NULL);
	CHECK(freeze >= 0);
	CHECK_INT(write(freeze, "1", 1), 1);
	CHECK(reaches(SLOT, "cgroup.events", "frozen", 1));
	long long used = value_of(SLOT, "cpu.stat", "usage_usec");
	nap_ms(300);
	CHECK_INT(value_of(SLOT, "cpu.stat", "usage_usec"), used);
	CHECK_INT(cgroup_thaw(&cg, SLOT), 0);
	CHECK(reaches(SLOT, "cgroup.events", "frozen", 0));
	for (unsigned ms = 0; ms < WAIT_MS && value_of(SLOT, "cpu.stat", "usage_usec") <= used; ms += 5)
		nap_ms(5);
	CHECK(value_of(SLOT, "cpu.stat", "usage_usec") > used);
	CHECK(close_group(&cg));
}

TEST(kill_ends_also_what_is_frozen)
{
	CGROUP cg = {0};
	struct error err = {0};
	CHECK(open_group(&cg, SLOT, 64, 16));
	pid_t a = start_in(&cg, SLOT, spin, NULL), b = start_in(&cg, SLOT, doze, NULL);
	CLEANUP_CLOSE int freeze = cgroup_freeze_fd(&cg, SLOT, NULL);
	CHECK_INT(write(freeze, "1", 1), 1);
	CHECK(reaches(SLOT, "cgroup.events", "frozen", 1));
	CHECK(cgroup_remove(&cg, SLOT, &err) < 0);
	CHECK_INT(err.sys, EBUSY);
	cgroup_kill(&cg, SLOT);
	CHECK(was_killed(a));
	CHECK(was_killed(b));
	CHECK(reaches(SLOT, "cgroup.events", "populated", 0));
	CHECK_INT(cgroup_remove(&cg, SLOT, &err), 0);
	CHECK(!cgroup_oom(&cg, SLOT));
	CHECK(close_group(&cg));
}

TEST(sweep_ends_what_a_predecessor_left)
{
	CGROUP cg = {0};
	struct cgroup successor;
	CHECK(open_group(&cg, SLOT, 64, 16));
	CHECK(open_group(&cg, SLOT + 1, 64, 16));
	pid_t a = start_in(&cg, SLOT, spin, NULL), b = start_in(&cg, SLOT + 1, doze, NULL);
	CLEANUP_CLOSE int freeze = cgroup_freeze_fd(&cg, SLOT + 1, NULL);
	CHECK_INT(write(freeze, "1", 1), 1);
	CHECK_INT(cgroup_open(&successor, ROOT, NAME, NULL), 0);
	CHECK_INT(cgroup_sweep(&successor, 5000), 2);
	CHECK(was_killed(a));
	CHECK(was_killed(b));
	CHECK_INT(cgroup_sweep(&successor, 5000), 0);
	CHECK(close_group(&successor));
}

TESTS(T(machine_is_pure_v2), T(memory_within_the_limit_is_no_oom), T(memory_hog_is_ended_and_reported),
      T(oom_ends_the_whole_group_and_no_other), T(peak_memory_is_read), T(cpu_without_a_quota_is_whole),
      T(cpu_quota_is_proportional_to_memory), T(fork_bomb_stops_at_the_limit), T(frozen_does_not_run_and_thawed_does),
      T(kill_ends_also_what_is_frozen), T(sweep_ends_what_a_predecessor_left))
