/* Groups that stay for the slot's next environment, and the descriptors that are kept of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/sandbox/cgroup_priv.h"

#define ROW_FDS (CGROUP_HIERARCHIES_MAX + 1)
/* What a new group would not be charged with. An environment that ended leaves some tens of KB (kernel objects that others
 * still hold) for a while; the next one's limit is at least 128 MB. */
#define LEFT_MAX_BYTES (1ull << 20)

/* A process uses its table either for what joining needs or for what renewing needs. */
struct row {
	uint32_t made; /* 0: nothing is open */
	int n;
	int fds[ROW_FDS];
};

struct cgroup_kept {
	struct row rows[CGROUP_KEPT_SLOTS + 1]; /* the last one: any slot that has none, until the next such */
};

struct cgroup_kept *cgroup_kept_new(void)
{
	return calloc(1, sizeof(struct cgroup_kept));
}

static void row_close(struct row *r)
{
	for (int i = 0; i < r->n; i++)
		cleanup_close(&r->fds[i]);
	*r = (struct row){0};
}

void cgroup_kept_free(struct cgroup_kept *k)
{
	for (size_t i = 0; k && i < ARRAY_LEN(k->rows); i++)
		row_close(&k->rows[i]);
	free(k);
}

static int open_joins(struct row *r, const struct cgroup *cg, unsigned slot, struct error *err)
{
	int group = cgroup_clone_fd(cg, slot);
	if (group >= 0)
		r->fds[r->n++] = group;
	else if (cg->freezer_v2)
		return error_sys(err, "cannot open a control group");
	int tasks = cgroup_task_fds(cg, slot, r->fds + r->n, err);
	r->n += tasks < 0 ? 0 : tasks;
	return tasks < 0 ? -1 : 0;
}

static int open_controls(struct row *r, const struct cgroup *cg, unsigned slot, struct error *err)
{
	for (; r->n < CGROUP_RENEW_FREEZE; r->n++) {
		const struct cgroup_file *f = &cg->ops->renew[r->n];
		const char *name = cg->swap && f->with_swap ? f->with_swap : f->name;
		r->fds[r->n] = cgroup_open_file(cg, slot, f->hierarchy, name, f->flags, err);
		if (r->fds[r->n] < 0)
			return -1;
	}
	r->fds[r->n++] = cgroup_freeze_fd(cg, slot, err);
	return r->fds[CGROUP_RENEW_FREEZE] < 0 ? -1 : 0;
}

typedef int open_fn(struct row *r, const struct cgroup *cg, unsigned slot, struct error *err);

static struct row *row_of(struct cgroup_kept *k, const struct cgroup *cg, unsigned slot, uint32_t made, open_fn *open_row,
                          struct error *err)
{
	struct row *r = &k->rows[slot < CGROUP_KEPT_SLOTS ? slot : CGROUP_KEPT_SLOTS];
	ASSERT(made);
	if (r->made == made && slot < CGROUP_KEPT_SLOTS)
		return r;
	row_close(r);
	if (open_row(r, cg, slot, err) < 0) {
		row_close(r);
		return NULL;
	}
	r->made = made;
	return r;
}

int cgroup_kept_joins(struct cgroup_kept *k, const struct cgroup *cg, unsigned slot, uint32_t made, int fds[CGROUP_JOINS_MAX],
                      struct error *err)
{
	_Static_assert(CGROUP_JOINS_MAX == ROW_FDS, "a row has room for what joining needs");
	struct row *r = row_of(k, cg, slot, made, open_joins, err);
	if (!r)
		return -1;
	memcpy(fds, r->fds, sizeof r->fds);
	return r->n;
}

bool cgroup_can_renew(const struct cgroup *cg, unsigned slot)
{
	return cg->ops->renew && slot < CGROUP_KEPT_SLOTS;
}

static int read_number(int fd, const char *key, uint64_t *value, struct error *err)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	const char *at = n <= 0 ? NULL : key ? strstr(text, key) : text;
	if (!at)
		return error_sys(err, "cannot read a control group's counter");
	*value = strtoull(at + (key ? strlen(key) : 0), NULL, 10);
	return 0;
}

static int write_text(int fd, const char *text, struct error *err)
{
	return pwrite(fd, text, strlen(text), 0) < 0 ? error_sys(err, "cannot renew a control group") : 0;
}

static int check_left(const struct row *r, struct error *err)
{
	uint64_t tasks, killed, bytes;
	if (read_number(r->fds[CGROUP_RENEW_TASKS], NULL, &tasks, err) < 0)
		return -1;
	if (tasks) {
		errno = EBUSY;
		return error_sys(err, "processes are left in a control group");
	}
	if (read_number(r->fds[CGROUP_RENEW_OOM], "oom_kill ", &killed, err) < 0 ||
	    read_number(r->fds[CGROUP_RENEW_USAGE], NULL, &bytes, err) < 0)
		return -1;
	/* The count of killed ones cannot be set back. */
	if (killed || bytes > LEFT_MAX_BYTES)
		return error_set(err, ERR_STALE, "a control group is not as new: %llu bytes in use, %llu killed", (unsigned long long)bytes,
		                 (unsigned long long)killed);
	return 0;
}

int cgroup_renew(struct cgroup_kept *k, const struct cgroup *cg, unsigned slot, uint32_t made, bool cpu_limited, struct error *err)
{
	ASSERT(cgroup_can_renew(cg, slot));
	struct row *r = row_of(k, cg, slot, made, open_controls, err);
	if (!r || check_left(r, err) < 0 || write_text(r->fds[CGROUP_RENEW_FREEZE], cg->freezer_v2 ? "0" : "THAWED", err) < 0 ||
	    write_text(r->fds[CGROUP_RENEW_PEAK], "0", err) < 0)
		return -1;
	return cpu_limited ? cg->ops->cpu_free(cg, slot, err) : 0;
}
