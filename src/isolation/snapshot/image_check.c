/* Every row of an image whose sums are right: nothing in it is believed. */
#include <string.h>

#include "core/base/check.h"
#include "isolation/snapshot/image_priv.h"
#include "isolation/snapshot/tmp_tree.h"

int image_bad(struct error *err, const char *what, uint32_t row, const char *field)
{
	return error_set(err, ERR_INVALID, "the image is damaged: %s %u: %s", what, row, field);
}

bool image_blob_fits(const struct image *image, uint32_t offset, uint32_t bytes)
{
	uint32_t all = image_count(image, IMAGE_BLOB);
	return offset <= all && bytes <= all - offset;
}

bool image_string_fits(const struct image *image, uint32_t offset, bool absolute_path)
{
	uint32_t all = image_count(image, IMAGE_BLOB);
	if (offset >= all)
		return false;
	const char *s = image_row(image, IMAGE_BLOB, offset);
	return memchr(s, '\0', all - offset) && (!absolute_path || s[0] == '/');
}

/* Rows of a process (or of a mapping) follow those of the one before: each row has one owner. */
static bool follows(uint32_t *next, uint32_t first, uint32_t count, uint32_t all)
{
	if (first != *next || count > all - first)
		return false;
	*next += count;
	return true;
}

static bool pid_fits(uint32_t pid)
{
	return pid > 1 && pid < IMAGE_MAX_PID;
}

static bool span_fits(uint64_t start, uint64_t end)
{
	return start <= end && end <= IMAGE_ADDRESS_END;
}

static bool layout_fits(const struct image_process *p)
{
	return span_fits(p->start_code, p->end_code) && span_fits(p->start_data, p->end_data) && span_fits(p->start_brk, p->brk) &&
	       p->start_stack < IMAGE_ADDRESS_END && span_fits(p->arg_start, p->arg_end) && span_fits(p->env_start, p->env_end);
}

static bool attributes_fit(const struct image_process *p)
{
	for (size_t i = 0; i < ARRAY_LEN(p->limits); i++) {
		if (p->limits[i].soft > p->limits[i].hard)
			return false;
	}
	return p->umask <= 0777 && p->dumpable <= 2 && p->subreaper <= 1 && p->thp_disabled <= 1 &&
	       !(p->membarrier & ~IMAGE_MEMBARRIERS) && p->oom_score_adj >= -1000 && p->oom_score_adj <= 1000;
}

static bool pid_is_free(const struct image *image, uint32_t pid)
{
	for (uint32_t i = 0; i < image_count(image, IMAGE_THREADS); i++) {
		const struct image_thread *t = image_row(image, IMAGE_THREADS, i);
		if (t->tid == pid)
			return false;
	}
	return true;
}

static bool pids_fit(const struct image *image, const struct image_process *p, uint32_t i)
{
	if (!pid_fits(p->pid) || !pid_fits(p->new_pid))
		return false;
	/* Children and groups know the leader by its number. */
	return p->new_pid == p->pid || (i == 0 && image_count(image, IMAGE_PROCESSES) == 1 && pid_is_free(image, p->new_pid));
}

static int check_process(const struct image *image, uint32_t i, uint32_t next[3], struct error *err)
{
	const struct image_process *p = image_row(image, IMAGE_PROCESSES, i);
	if (i == 0 ? p->parent != IMAGE_NONE : p->parent >= i)
		return image_bad(err, "process", i, "parent");
	if (!pids_fit(image, p, i))
		return image_bad(err, "process", i, "number");
	if (p->thread_count == 0 || !follows(&next[0], p->thread, p->thread_count, image_count(image, IMAGE_THREADS)) ||
	    !follows(&next[1], p->vma, p->vma_count, image_count(image, IMAGE_VMAS)) ||
	    !follows(&next[2], p->fd, p->fd_count, image_count(image, IMAGE_FDS)))
		return image_bad(err, "process", i, "rows");
	if (p->exe >= image_count(image, IMAGE_FILES))
		return image_bad(err, "process", i, "program");
	if (!image_string_fits(image, p->cwd, true))
		return image_bad(err, "process", i, "working directory");
	if (p->auxv_bytes > IMAGE_PAGE || p->auxv_bytes % 16 || p->auxv % 8 || !image_blob_fits(image, p->auxv, p->auxv_bytes))
		return image_bad(err, "process", i, "auxiliary vector");
	if (!attributes_fit(p))
		return image_bad(err, "process", i, "attributes");
	if (!layout_fits(p))
		return image_bad(err, "process", i, "layout");
	const struct image_thread *leader = image_row(image, IMAGE_THREADS, p->thread);
	return leader->tid == p->pid ? 0 : image_bad(err, "process", i, "first thread");
}

static int check_thread(const struct image *image, uint32_t i, struct error *err)
{
	const struct image_thread *t = image_row(image, IMAGE_THREADS, i);
	for (uint32_t j = 0; j < i; j++) {
		const struct image_thread *other = image_row(image, IMAGE_THREADS, j);
		if (other->tid == t->tid)
			return image_bad(err, "thread", i, "number twice");
	}
	if (!pid_fits(t->tid))
		return image_bad(err, "thread", i, "number");
	if (t->ip >= IMAGE_ADDRESS_END || t->sp > IMAGE_ADDRESS_END || t->fs_base >= IMAGE_ADDRESS_END ||
	    t->gs_base >= IMAGE_ADDRESS_END || t->tid_address >= IMAGE_ADDRESS_END || t->robust >= IMAGE_ADDRESS_END ||
	    t->rseq >= IMAGE_ADDRESS_END || t->altstack > IMAGE_ADDRESS_END || t->altstack_bytes > IMAGE_ADDRESS_END)
		return image_bad(err, "thread", i, "address");
	if (t->xstate % 64 || t->xstate_bytes < 576 || t->xstate_bytes % 8 || t->xstate_bytes > IMAGE_MAX_XSTATE ||
	    !image_blob_fits(image, t->xstate, t->xstate_bytes))
		return image_bad(err, "thread", i, "extended state");
	if (t->priority >= 40 || t->death_signal > 64 || t->rseq_bytes > IMAGE_PAGE || t->robust_bytes > IMAGE_PAGE ||
	    memchr(t->name, '\0', sizeof t->name) == NULL)
		return image_bad(err, "thread", i, "attributes");
	return 0;
}

int image_check_processes(const struct image *image, struct error *err)
{
	uint32_t next[3] = {0}, threads = image_count(image, IMAGE_THREADS);
	if (image_count(image, IMAGE_PROCESSES) == 0)
		return error_set(err, ERR_INVALID, "the image is damaged: it has no process");
	for (uint32_t i = 0; i < threads; i++) {
		if (check_thread(image, i, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < image_count(image, IMAGE_PROCESSES); i++) {
		if (check_process(image, i, next, err) < 0)
			return -1;
	}
	if (next[0] != threads || next[1] != image_count(image, IMAGE_VMAS) || next[2] != image_count(image, IMAGE_FDS))
		return error_set(err, ERR_INVALID, "the image is damaged: rows without a process");
	return 0;
}

int image_check_rows(const struct image *image, struct error *err)
{
	uint32_t n = image_count(image, IMAGE_TMP);
	if (image_check_processes(image, err) < 0 || image_check_memory(image, err) < 0 || image_check_objects(image, err) < 0)
		return -1;
	return n ? tmp_check(image_row(image, IMAGE_TMP, 0), n, err) : 0;
}
