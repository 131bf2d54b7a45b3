/* Which files get which values, on folders that look like control groups; tests/sandbox and tests/vm use real ones. */
#include "isolation/sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/io.h"
#include "isolation/sandbox/cgroup_priv.h"
#include "tests/unit/test.h"

struct place {
	char root[64];
};

static void file(const struct place *p, const char *path, const char *text)
{
	char full[256];
	snprintf(full, sizeof full, "%s/%s", p->root, path);
	for (char *c = full + strlen(p->root) + 1; *c; c++) {
		if (*c == '/') {
			*c = '\0';
			mkdir(full, 0755);
			*c = '/';
		}
	}
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (write(fd, text, strlen(text)) < 0 || close(fd) < 0)
		abort();
}

static const char *content(const struct place *p, const char *path)
{
	static char text[128];
	char full[256];
	snprintf(full, sizeof full, "%s/%s", p->root, path);
	int fd = open(full, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	text[n < 0 ? 0 : n] = '\0';
	close(fd);
	return text;
}

static struct place make_place(void)
{
	struct place p;
	snprintf(p.root, sizeof p.root, "%s", "/tmp/mayfly-cgroup-XXXXXX");
	if (!mkdtemp(p.root))
		abort();
	return p;
}

static void remove_place(const struct place *p)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", p->root);
	if (system(command) != 0)
		abort();
}

static const struct cgroup_limits limits = {.memory_bytes = 134217728, .memory_mb_for_cpu = 128};

TEST(v2_limits)
{
	struct place p = make_place();
	struct cgroup cg;
	struct error err = {0};
	file(&p, "cgroup.controllers", "memory cpu pids");
	file(&p, "cgroup.subtree_control", "");
	file(&p, "mayfly-x/cgroup.subtree_control", "");
	file(&p, "mayfly-x/memory.swap.max", "");
	static const char *const names[] = {"memory.max", "memory.oom.group", "memory.swap.max", "memory.peak", "pids.max", "cpu.weight",
	                                    "cpu.max", "cgroup.freeze", "cgroup.kill", "cgroup.procs"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[64];
		snprintf(path, sizeof path, "mayfly-x/e3/%s", names[i]);
		file(&p, path, "");
	}
	CHECK_INT(cgroup_open(&cg, p.root, "mayfly-x", &err), 0);
	CHECK(cg.v2 && cg.freezer_v2 && !cgroup_can_renew(&cg, 0));
	CHECK_STR(content(&p, "cgroup.subtree_control"), "+memory +cpu +pids");
	CHECK_STR(content(&p, "mayfly-x/cgroup.subtree_control"), "+memory +cpu +pids");
	CHECK_INT(cgroup_add(&cg, 3, &err), 0);
	CHECK_INT(cgroup_prepare(&cg, 3, 1024, &err), 0);
	CHECK_INT(cgroup_limit(&cg, 3, &limits, &err), 0);
	CHECK_STR(content(&p, "mayfly-x/e3/memory.max"), "134217728");
	CHECK_STR(content(&p, "mayfly-x/e3/memory.swap.max"), "0");
	CHECK_STR(content(&p, "mayfly-x/e3/memory.oom.group"), "1");
	CHECK_STR(content(&p, "mayfly-x/e3/pids.max"), "1024");
	CHECK_STR(content(&p, "mayfly-x/e3/cpu.weight"), "7");
	CHECK_STR(content(&p, "mayfly-x/e3/cpu.max"), "");
	CHECK_INT(cgroup_cpu(&cg, 3, 1769, &err), 0);
	CHECK_STR(content(&p, "mayfly-x/e3/cpu.max"), "20000 20000");
	CHECK_INT(cgroup_join(&cg, 3, &err), 0);
	int fd = cgroup_clone_fd(&cg, 3);
	CHECK(fd >= 0);
	close(fd);
	cgroup_kill(&cg, 3);
	CHECK_STR(content(&p, "mayfly-x/e3/cgroup.kill"), "1");
	CHECK_STR(content(&p, "mayfly-x/e3/cgroup.freeze"), "0");
	CHECK(!cgroup_oom(&cg, 3));
	file(&p, "mayfly-x/e3/memory.stat", "anon 1000\nfile 900\ninactive_file 500\nactive_file 30\n");
	CHECK_INT(cgroup_cache_bytes(&cg, 3), 530);
	file(&p, "mayfly-x/e3/memory.high", "");
	cgroup_shrink(&cg, 3, 1000, 2000);
	CHECK_STR(content(&p, "mayfly-x/e3/memory.high"), "max0"); /* a control file takes each write by itself */
	CHECK_STR(content(&p, "mayfly-x/e3/memory.max"), "134217728");
	file(&p, "mayfly-x/e3/memory.events", "low 0\nhigh 0\nmax 5\noom 1\noom_kill 0\n");
	CHECK(!cgroup_oom(&cg, 3));
	file(&p, "mayfly-x/e3/memory.events", "low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 1\n");
	CHECK(cgroup_oom(&cg, 3));
	remove_place(&p);
}

TEST(v1_with_its_own_freezer)
{
	struct place p = make_place();
	struct cgroup cg;
	struct error err = {0};
	static const char *const names[] = {"memory/cgroup.procs", "cpu/cgroup.procs", "pids/cgroup.procs", "freezer/cgroup.procs",
		"memory/mayfly-x/e0/memory.limit_in_bytes", "memory/mayfly-x/e0/memory.swappiness", "pids/mayfly-x/e0/pids.max",
		"cpu/mayfly-x/e0/cpu.shares", "cpu/mayfly-x/e0/cpu.cfs_period_us", "cpu/mayfly-x/e0/cpu.cfs_quota_us",
		"freezer/mayfly-x/e0/freezer.state", "freezer/mayfly-x/e0/cgroup.procs"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		file(&p, names[i], "");
	CHECK_INT(cgroup_open(&cg, p.root, "mayfly-x", &err), 0);
	CHECK(!cg.v2 && !cg.freezer_v2);
	CHECK_INT(cgroup_prepare(&cg, 0, 1024, &err), 0);
	CHECK_INT(cgroup_limit(&cg, 0, &limits, &err), 0);
	CHECK_STR(content(&p, "memory/mayfly-x/e0/memory.limit_in_bytes"), "134217728");
	CHECK_STR(content(&p, "memory/mayfly-x/e0/memory.swappiness"), "0");
	CHECK_STR(content(&p, "cpu/mayfly-x/e0/cpu.shares"), "76");
	CHECK_INT(cgroup_cpu(&cg, 0, 128, &err), 0);
	CHECK_STR(content(&p, "cpu/mayfly-x/e0/cpu.cfs_quota_us"), "1447");
	CHECK_STR(content(&p, "cpu/mayfly-x/e0/cpu.cfs_period_us"), "20000");
	CHECK_INT(cgroup_clone_fd(&cg, 0), -1);
	cgroup_kill(&cg, 0);
	CHECK_STR(content(&p, "freezer/mayfly-x/e0/freezer.state"), "THAWED");
	file(&p, "memory/mayfly-x/e0/memory.stat", "cache 7\ninactive_file 1\nactive_file 2\ntotal_inactive_file 500\ntotal_active_file 30\n");
	CHECK_INT(cgroup_cache_bytes(&cg, 0), 530);
	cgroup_shrink(&cg, 0, 100000000, 134217728);
	CHECK_STR(content(&p, "memory/mayfly-x/e0/memory.limit_in_bytes"), "134217728");
	CHECK(cgroup_memory_number(&cg, 0) != 0);
	CHECK_INT(cgroup_memory_number(&cg, CGROUP_ZYGOTES), 0);
	file(&p, "memory/mayfly-x/e0/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	CHECK(cgroup_oom(&cg, 0));
	remove_place(&p);
}

/* A v1 machine with cgroup2 for freezing, and the groups of slot 2. */
static void make_v1(const struct place *p, struct cgroup *cg)
{
	static const char *const names[] = {"memory/cgroup.procs", "cpu/cgroup.procs", "pids/cgroup.procs", "unified/cgroup.procs",
		"memory/mayfly-x/e2/memory.max_usage_in_bytes", "cpu/mayfly-x/e2/cpu.cfs_quota_us", "unified/mayfly-x/e2/cgroup.freeze",
		"memory/mayfly-x/e2/tasks", "cpu/mayfly-x/e2/tasks", "pids/mayfly-x/e2/tasks",
		"memory/mayfly-x/memory.memsw.limit_in_bytes"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		file(p, names[i], "");
	file(p, "pids/mayfly-x/e2/pids.current", "0\n");
	file(p, "memory/mayfly-x/e2/memory.memsw.usage_in_bytes", "8192\n");
	file(p, "memory/mayfly-x/e2/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
	if (cgroup_open(cg, p->root, "mayfly-x", NULL) < 0)
		abort();
}

TEST(v1_is_renewed)
{
	struct place p = make_place();
	struct cgroup cg;
	struct error err = {0};
	make_v1(&p, &cg);
	CHECK(cg.swap && cgroup_can_renew(&cg, 2) && !cgroup_can_renew(&cg, CGROUP_KEPT_SLOTS));
	struct cgroup_kept *k = cgroup_kept_new();
	CHECK_INT(cgroup_renew(k, &cg, 2, 1, false, &err), 0);
	CHECK_STR(content(&p, "memory/mayfly-x/e2/memory.max_usage_in_bytes"), "0");
	CHECK_STR(content(&p, "unified/mayfly-x/e2/cgroup.freeze"), "0");
	CHECK_STR(content(&p, "cpu/mayfly-x/e2/cpu.cfs_quota_us"), "");
	CHECK_INT(cgroup_renew(k, &cg, 2, 1, true, &err), 0);
	CHECK_STR(content(&p, "cpu/mayfly-x/e2/cpu.cfs_quota_us"), "-1");
	file(&p, "pids/mayfly-x/e2/pids.current", "1\n");
	CHECK(cgroup_renew(k, &cg, 2, 1, false, &err) < 0 && err.sys == EBUSY);
	file(&p, "pids/mayfly-x/e2/pids.current", "0\n");
	file(&p, "memory/mayfly-x/e2/memory.memsw.usage_in_bytes", "2000000\n");
	err = (struct error){0};
	CHECK(cgroup_renew(k, &cg, 2, 1, false, &err) < 0 && err.sys != EBUSY);
	file(&p, "memory/mayfly-x/e2/memory.memsw.usage_in_bytes", "0\n");
	file(&p, "memory/mayfly-x/e2/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
	err = (struct error){0};
	CHECK(cgroup_renew(k, &cg, 2, 1, false, &err) < 0 && err.sys != EBUSY);
	file(&p, "memory/mayfly-x/e2/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
	CHECK_INT(cgroup_renew(k, &cg, 2, 1, false, &err), 0);
	/* Others under the same name are not taken for those that are open. */
	remove_place(&p);
	CHECK(cgroup_renew(k, &cg, 2, 2, false, &err) < 0);
	cgroup_kept_free(k);
}

TEST(what_joining_needs_stays_open)
{
	struct place p = make_place();
	struct cgroup cg;
	int a[CGROUP_JOINS_MAX], b[CGROUP_JOINS_MAX], before = dup(0);
	close(before);
	make_v1(&p, &cg);
	struct cgroup_kept *k = cgroup_kept_new();
	CHECK_INT(cgroup_kept_joins(k, &cg, 2, 1, a, NULL), 4);
	CHECK_INT(cgroup_kept_joins(k, &cg, 2, 1, b, NULL), 4);
	CHECK(memcmp(a, b, 4 * sizeof *a) == 0);
	struct stat st;
	CHECK(fstat(a[0], &st) == 0 && S_ISDIR(st.st_mode));
	CHECK_INT(write(a[1], "0", 1), 1);
	CHECK_STR(content(&p, "memory/mayfly-x/e2/tasks"), "0");
	remove_place(&p);
	CHECK_INT(cgroup_kept_joins(k, &cg, 2, 2, b, NULL), -1);
	CHECK(fstat(a[0], &st) < 0);
	cgroup_kept_free(k);
	int after = dup(0);
	close(after);
	CHECK_INT(after, before);
}

TEST(what_is_missing_is_named)
{
	struct place p = make_place();
	struct cgroup cg;
	struct error err = {0};
	CHECK_INT(cgroup_open(&cg, p.root, "mayfly-x", &err), -1);
	CHECK(strstr(err.msg, "memory") && strstr(err.msg, "--cgroup-root"));
	file(&p, "memory/cgroup.procs", "");
	file(&p, "cpu/cgroup.procs", "");
	file(&p, "pids/cgroup.procs", "");
	CHECK_INT(cgroup_open(&cg, p.root, "mayfly-x", &err), -1);
	CHECK(strstr(err.msg, "freezer"));
	remove_place(&p);
}

TEST(cpu_is_proportional)
{
	CHECK_INT(cgroup_quota_us(1769), CGROUP_PERIOD_US);
	CHECK_INT(cgroup_quota_us(3538), 2 * CGROUP_PERIOD_US);
	CHECK_INT(cgroup_quota_us(1), 1000);
}

TESTS(T(v2_limits), T(v1_with_its_own_freezer), T(v1_is_renewed), T(what_joining_needs_stays_open), T(what_is_missing_is_named), T(cpu_is_proportional))
