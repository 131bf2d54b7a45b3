#include "isolation/sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
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
#include "core/base/io.h"
#include "core/spec/limits.h"
#include "isolation/sandbox/cgroup_priv.h"

#define FILE_MAX 16384

struct path {
	char text[CGROUP_PATH_MAX + 128];
};

/* <base>/<hierarchy>/<name>/e<slot>/<file>; slot < 0 leaves that part and the file out. */
static struct path join(const struct cgroup *cg, const char *base, const char *hierarchy, int slot, const char *file)
{
	struct path p;
	const char *slash = *hierarchy ? "/" : "";
	int zygote = slot - (int)CGROUP_ZYGOTES;
	if (slot < 0)
		snprintf(p.text, sizeof p.text, "%s%s%s/%s", base, slash, hierarchy, cg->name);
	else
		snprintf(p.text, sizeof p.text, "%s%s%s/%s/%c%d/%s", base, slash, hierarchy, cg->name, zygote < 0 ? 'e' : 'z',
		         zygote < 0 ? slot : zygote, file);
	return p;
}

static struct path in_freezer(const struct cgroup *cg, int slot, const char *file)
{
	return join(cg, cg->freezer, "", slot, file);
}

int cgroup_put_text(const struct cgroup *cg, unsigned slot, const char *hierarchy, const char *file, const char *text,
                    struct error *err)
{
	struct path p = join(cg, cg->root, hierarchy, (int)slot, file);
	return io_put(AT_FDCWD, p.text, text, err);
}

int cgroup_put(const struct cgroup *cg, unsigned slot, const char *hierarchy, const char *file, uint64_t value,
               struct error *err)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	return cgroup_put_text(cg, slot, hierarchy, file, text, err);
}

uint64_t cgroup_quota_us(uint32_t memory_mb)
{
	uint64_t us = (uint64_t)CGROUP_PERIOD_US * memory_mb / MEMORY_MB_PER_VCPU;
	return us < 1000 ? 1000 : us; /* the kernel's least */
}

static bool exists(const char *root, const char *rest)
{
	char path[sizeof(struct path) + 64];
	snprintf(path, sizeof path, "%s/%s", root, rest);
	return access(path, F_OK) == 0;
}

static int find_v1(struct cgroup *cg, struct error *err)
{
	for (const char *const *h = cgroup_v1.hierarchies; *h; h++) {
		char file[64];
		snprintf(file, sizeof file, "%s/cgroup.procs", *h);
		if (!exists(cg->root, file))
			return error_set(err, ERR_UNSUPPORTED, "no control group hierarchy at %.100s/%s; mount cgroup2 at %.100s (or the v1 "
			                 "controllers memory, cpu and pids), or name another place with --cgroup-root", cg->root, *h, cg->root);
	}
	cg->ops = &cgroup_v1;
	cg->freezer_v2 = exists(cg->root, "unified/cgroup.procs");
	const char *freezer = cg->freezer_v2 ? "unified" : "freezer";
	if (!cg->freezer_v2 && !exists(cg->root, "freezer/cgroup.procs"))
		return error_set(err, ERR_UNSUPPORTED, "no cgroup2 hierarchy at %.100s/unified and no v1 freezer: environments could "
		                 "not be frozen", cg->root);
	if ((size_t)snprintf(cg->freezer, sizeof cg->freezer, "%s/%s", cg->root, freezer) >= sizeof cg->freezer)
		return error_set(err, ERR_USAGE, "--cgroup-root is too long");
	return 0;
}

/* cgroup2: the controllers must be handed down twice, to our own group and from it to the environments'. */
static int find_v2(struct cgroup *cg, struct error *err)
{
	cg->ops = &cgroup_v2;
	cg->v2 = cg->freezer_v2 = true;
	memcpy(cg->freezer, cg->root, sizeof cg->freezer);
	char path[CGROUP_PATH_MAX + 64];
	snprintf(path, sizeof path, "%s/cgroup.subtree_control", cg->root);
	if (io_put(AT_FDCWD, path, "+memory +cpu +pids", err) < 0)
		return error_wrap(err, "the memory, cpu and pids controllers cannot be used");
	return 0;
}

static int make_dir(const char *path, struct error *err)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_sys(err, "cannot make control group %s", path);
	return 0;
}

static int make_all(const struct cgroup *cg, int slot, struct error *err)
{
	for (const char *const *h = cg->ops->hierarchies; *h; h++) {
		struct path p = join(cg, cg->root, *h, slot, "");
		if (make_dir(p.text, err) < 0)
			return -1;
	}
	return make_dir(in_freezer(cg, slot, "").text, err);
}

/* The server's own group has the files that those of environments will have. */
static bool accounts_swap(const struct cgroup *cg)
{
	struct path p = join(cg, cg->root, cg->ops->swap_hierarchy, -1, "");
	return exists(p.text, cg->ops->swap_file);
}

int cgroup_open(struct cgroup *cg, const char *root, const char *name, struct error *err)
{
	*cg = (struct cgroup){0};
	if ((size_t)snprintf(cg->root, sizeof cg->root, "%s", root) >= sizeof cg->root - 16 ||
	    (size_t)snprintf(cg->name, sizeof cg->name, "%s", name) >= sizeof cg->name)
		return error_set(err, ERR_USAGE, "--cgroup-root is too long");
	if ((exists(root, "cgroup.controllers") ? find_v2(cg, err) : find_v1(cg, err)) < 0 || make_all(cg, -1, err) < 0)
		return -1;
	struct path p = join(cg, cg->root, "", -1, "");
	strncat(p.text, "/cgroup.subtree_control", sizeof p.text - strlen(p.text) - 1);
	if (cg->v2 && io_put(AT_FDCWD, p.text, "+memory +cpu +pids", err) < 0)
		return -1;
	cg->swap = accounts_swap(cg);
	return 0;
}

int cgroup_add(const struct cgroup *cg, unsigned slot, struct error *err)
{
	return make_all(cg, (int)slot, err);
}

int cgroup_clone_fd(const struct cgroup *cg, unsigned slot)
{
	return cg->freezer_v2 ? open(in_freezer(cg, (int)slot, "").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

int cgroup_join(const struct cgroup *cg, unsigned slot, struct error *err)
{
	/* "tasks", not "cgroup.procs": the latter waits for a grace period, 5-13 ms after an idle time. */
	for (const char *const *h = cg->ops->hierarchies; *h; h++) {
		if (cgroup_put(cg, slot, *h, "tasks", 0, err) < 0)
			return -1;
	}
	return cg->freezer_v2 ? 0 : io_put(AT_FDCWD, in_freezer(cg, (int)slot, "tasks").text, "0", err);
}

int cgroup_prepare(const struct cgroup *cg, unsigned slot, uint32_t pids, struct error *err)
{
	return cg->ops->prepare(cg, slot, pids, err);
}

int cgroup_limit(const struct cgroup *cg, unsigned slot, const struct cgroup_limits *limits, struct error *err)
{
	return cg->ops->limit(cg, slot, limits, err);
}

int cgroup_cpu(const struct cgroup *cg, unsigned slot, uint32_t memory_mb, struct error *err)
{
	return cg->ops->cpu(cg, slot, memory_mb, err);
}

static int open_file(const char *path, int flags, struct error *err)
{
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? error_sys(err, "cannot open %s", path) : fd;
}

int cgroup_open_file(const struct cgroup *cg, unsigned slot, const char *hierarchy, const char *file, int flags, struct error *err)
{
	return open_file(join(cg, cg->root, hierarchy, (int)slot, file).text, flags, err);
}

int cgroup_task_fds(const struct cgroup *cg, unsigned slot, int fds[CGROUP_HIERARCHIES_MAX], struct error *err)
{
	int n = 0;
	for (const char *const *h = cg->ops->hierarchies; *h; h++)
		fds[n++] = open(join(cg, cg->root, *h, (int)slot, "tasks").text, O_WRONLY | O_CLOEXEC);
	if (!cg->freezer_v2)
		fds[n++] = open(in_freezer(cg, (int)slot, "tasks").text, O_WRONLY | O_CLOEXEC);
	int missing = 0;
	for (int i = 0; i < n; i++)
		missing += fds[i] < 0;
	if (!missing)
		return n;
	error_sys(err, "cannot open a control group's tasks");
	for (int i = 0; i < n; i++)
		cleanup_close(&fds[i]);
	return -1;
}

int cgroup_freeze_fd(const struct cgroup *cg, unsigned slot, struct error *err)
{
	return open_file(in_freezer(cg, (int)slot, cg->freezer_v2 ? "cgroup.freeze" : "freezer.state").text, O_WRONLY, err);
}

int cgroup_peak_fd(const struct cgroup *cg, unsigned slot, struct error *err)
{
	struct path p = join(cg, cg->root, cg->ops->peak_hierarchy, (int)slot, cg->ops->peak_file);
	if (cg->v2 && access(p.text, F_OK) < 0) /* memory.peak came with Linux 5.19 */
		p = join(cg, cg->root, "", (int)slot, "memory.current");
	return open_file(p.text, O_RDONLY, err);
}

int cgroup_usage_fd(const struct cgroup *cg, unsigned slot, struct error *err)
{
	return open_file(join(cg, cg->root, cg->ops->memory_hierarchy, (int)slot, cg->ops->usage_file).text, O_RDONLY, err);
}

static uint64_t stat_value(const char *text, const char *prefix, const char *name)
{
	char line[64];
	int n = snprintf(line, sizeof line, "\n%s%s ", prefix, name);
	const char *at = text ? strstr(text, line) : NULL;
	return at ? strtoull(at + n, NULL, 10) : 0;
}

uint64_t cgroup_cache_bytes(const struct cgroup *cg, unsigned slot)
{
	struct path p = join(cg, cg->root, cg->ops->memory_hierarchy, (int)slot, "memory.stat");
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, p.text, FILE_MAX, NULL, NULL);
	const char *prefix = cg->ops->stat_prefix;
	return stat_value(text, prefix, "inactive_file") + stat_value(text, prefix, "active_file");
}

void cgroup_shrink(const struct cgroup *cg, unsigned slot, uint64_t bytes, uint64_t limit_bytes)
{
	const struct cgroup_ops *ops = cg->ops;
	cgroup_put(cg, slot, ops->memory_hierarchy, ops->shrink_file, bytes, NULL);
	if (ops->shrink_is_limit)
		cgroup_put(cg, slot, ops->memory_hierarchy, ops->shrink_file, limit_bytes, NULL);
	else
		cgroup_put_text(cg, slot, ops->memory_hierarchy, ops->shrink_file, "max", NULL);
}

uint64_t cgroup_memory_number(const struct cgroup *cg, unsigned slot)
{
	struct stat st;
	return stat(join(cg, cg->root, cg->ops->memory_hierarchy, (int)slot, "").text, &st) < 0 ? 0 : st.st_ino;
}

char *cgroup_processes(const struct cgroup *cg, unsigned slot)
{
	struct path p = join(cg, cg->root, cg->ops->memory_hierarchy, (int)slot, "cgroup.procs");
	return io_read_file(AT_FDCWD, p.text, 1 << 20, NULL, NULL);
}

static int put_freezer(const struct cgroup *cg, unsigned slot, const char *text)
{
	CLEANUP_CLOSE int fd = cgroup_freeze_fd(cg, slot, NULL);
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

int cgroup_freeze(const struct cgroup *cg, unsigned slot)
{
	return put_freezer(cg, slot, cg->freezer_v2 ? "1" : "FROZEN");
}

int cgroup_thaw(const struct cgroup *cg, unsigned slot)
{
	return put_freezer(cg, slot, cg->freezer_v2 ? "0" : "THAWED");
}

bool cgroup_oom(const struct cgroup *cg, unsigned slot)
{
	struct path p = join(cg, cg->root, cg->ops->oom_hierarchy, (int)slot, cg->ops->oom_file);
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, p.text, FILE_MAX, NULL, NULL);
	const char *at = text ? strstr(text, "oom_kill ") : NULL;
	return at && strtoul(at + strlen("oom_kill "), NULL, 10) > 0;
}

/* Where the kernel cannot kill a group at once (before 5.14, or v1): signal each, again for those that were forking. */
static void signal_all(const char *procs)
{
	for (int round = 0; round < 16; round++) {
		CLEANUP_FREE char *text = io_read_file(AT_FDCWD, procs, 1 << 20, NULL, NULL);
		if (!text || !*text)
			return;
		for (char *at = text; *at;) {
			char *end;
			long pid = strtol(at, &end, 10);
			if (end == at)
				break;
			if (pid > 0)
				kill((pid_t)pid, SIGKILL);
			at = *end ? end + 1 : end;
		}
	}
}

void cgroup_kill(const struct cgroup *cg, unsigned slot)
{
	if (!cg->freezer_v2 || io_put(AT_FDCWD, in_freezer(cg, (int)slot, "cgroup.kill").text, "1", NULL) < 0)
		signal_all(in_freezer(cg, (int)slot, "cgroup.procs").text);
	/* Also when it is not frozen: a v1-frozen process ignores even SIGKILL until it is thawed. */
	cgroup_thaw(cg, slot);
}

int cgroup_remove(const struct cgroup *cg, unsigned slot, struct error *err)
{
	int rc = 0;
	for (const char *const *h = cg->ops->hierarchies; *h; h++) {
		struct path p = join(cg, cg->root, *h, (int)slot, "");
		if (rmdir(p.text) < 0 && errno != ENOENT)
			rc = error_sys(err, "cannot remove control group %s", p.text);
	}
	struct path p = in_freezer(cg, (int)slot, "");
	if (rmdir(p.text) < 0 && errno != ENOENT)
		rc = error_sys(err, "cannot remove control group %s", p.text);
	return rc;
}

static void nap_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

static int slot_of(const char *name)
{
	char *end;
	long n = name[0] == 'e' || name[0] == 'z' ? strtol(name + 1, &end, 10) : -1;
	if (n < 0 || n >= (long)CGROUP_ZYGOTES || end == name + 1 || *end)
		return -1;
	return (int)n + (name[0] == 'z' ? (int)CGROUP_ZYGOTES : 0);
}

/* Groups are the same in every hierarchy, but a crash may have left some in one only: all are looked through. */
static unsigned sweep_one(const struct cgroup *cg, const char *folder, unsigned *wait_ms)
{
	CLEANUP_DIR DIR *dir = opendir(folder);
	unsigned found = 0;
	for (struct dirent *e; dir && (e = readdir(dir));) {
		int slot = slot_of(e->d_name);
		if (slot < 0)
			continue;
		found++;
		cgroup_kill(cg, (unsigned)slot);
		while (cgroup_remove(cg, (unsigned)slot, NULL) < 0 && *wait_ms > 0) {
			nap_ms(1);
			(*wait_ms)--;
		}
	}
	return found;
}

unsigned cgroup_sweep(const struct cgroup *cg, unsigned wait_ms)
{
	unsigned found = sweep_one(cg, in_freezer(cg, -1, "").text, &wait_ms);
	for (const char *const *h = cg->ops->hierarchies; *h; h++)
		found += sweep_one(cg, join(cg, cg->root, *h, -1, "").text, &wait_ms);
	return found;
}

void cgroup_close(const struct cgroup *cg)
{
	for (const char *const *h = cg->ops->hierarchies; *h; h++)
		rmdir(join(cg, cg->root, *h, -1, "").text);
	rmdir(in_freezer(cg, -1, "").text);
}
