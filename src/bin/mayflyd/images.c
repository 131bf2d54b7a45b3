#include "bin/mayflyd/images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "bin/mayflyd/zygotes.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/codec.h"
#include "core/base/log.h"
#include "isolation/snapshot/image_open.h"

#define FOLDER "images"
#define NEW ".new"
#define HEX_SIZE (2 * IPC_IMAGE_KEY + 1)
#define IMAGES_MAX 65536u
#define TASK_TIMEOUT_MS 60000u
#define SCAN_TIMEOUT_MS 60000u

struct name {
	char text[HEX_SIZE + sizeof NEW];
};

static struct name name_of(const uint8_t *key, const char *suffix)
{
	struct name n;
	hex_encode(n.text, key, IPC_IMAGE_KEY);
	strcat(n.text, suffix);
	return n;
}

/* ---- files are renamed and deleted ---- */

enum task_kind { TASK_KEEP, TASK_REMOVE };

struct task {
	struct list link;
	enum task_kind kind;
	uint8_t key[IPC_IMAGE_KEY];
};

static int task_do(struct server *s, const struct task *t, struct error *err)
{
	struct name kept = name_of(t->key, ""), new = name_of(t->key, NEW);
	int fd = s->images.fd, rc;
	if (t->kind == TASK_KEEP)
		rc = renameat(fd, new.text, fd, kept.text);
	else
		rc = (unlinkat(fd, new.text, 0) < 0 && errno != ENOENT) || (unlinkat(fd, kept.text, 0) < 0 && errno != ENOENT) ? -1 : 0;
	return rc < 0 || fsync(fd) < 0 ? error_sys(err, "image %s", kept.text) : 0;
}

static int task_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	return task_do(s, LIST_FIRST(&s->images.tasks, struct task, link), err);
}

static void pump(struct server *s);

static void task_done(struct server *s, struct helper *h, struct helper_report *report)
{
	struct task *t = LIST_FIRST(&s->images.tasks, struct task, link);
	struct image_entry *image = images_find(s, t->key);
	bool lost = t->kind == TASK_KEEP && image;
	list_remove(&t->link);
	if (report->err.code)
		log_warn("%s", report->err.msg);
	if (report->err.code && lost)
		images_lose(s, image, report->err.msg);
	free(t);
	pump(s);
}

static void pump(struct server *s)
{
	struct images *all = &s->images;
	struct error err = {0};
	while (!all->helper.busy && !list_empty(&all->tasks)) {
		all->helper = (struct helper){.work = task_work, .done = task_done, .timeout_ms = TASK_TIMEOUT_MS};
		if (helper_start(s, &all->helper, -1, &err) == 0)
			return;
		/* The next start of the server finds what is left. */
		struct task *t = CONTAINER_OF(list_pop_front(&all->tasks), struct task, link);
		log_warn("an image's file stays as it is: %s", err.msg);
		free(t);
	}
}

static void add_task(struct server *s, enum task_kind kind, const uint8_t *key)
{
	struct task *t = calloc(1, sizeof *t);
	ASSERT(t);
	t->kind = kind;
	memcpy(t->key, key, sizeof t->key);
	list_init(&t->link);
	list_push_back(&s->images.tasks, &t->link);
	pump(s);
}

/* ---- the table ---- */

struct image_entry *images_find(struct server *s, const uint8_t key[IPC_IMAGE_KEY])
{
	LIST_FOREACH(l, &s->images.all) {
		struct image_entry *image = CONTAINER_OF(l, struct image_entry, link);
		if (memcmp(image->key, key, IPC_IMAGE_KEY) == 0)
			return image;
	}
	return NULL;
}

void images_used(struct server *s, struct image_entry *image)
{
	image->used = ++s->images.uses;
}

static struct image_entry *entry_new(struct server *s, const uint8_t *key)
{
	struct image_entry *image = calloc(1, sizeof *image);
	if (!image)
		return NULL;
	memcpy(image->key, key, sizeof image->key);
	list_init(&image->link);
	list_push_back(&s->images.all, &image->link);
	images_used(s, image);
	return image;
}

static void entry_free(struct server *s, struct image_entry *image)
{
	if (image->zygote)
		zygote_end(s, image->zygote);
	list_remove(&image->link);
	free(image);
}

static void forget(struct server *s, struct image_entry *image)
{
	add_task(s, TASK_REMOVE, image->key);
	entry_free(s, image);
}

void images_lose(struct server *s, struct image_entry *image, const char *why)
{
	struct ipc_image_gone body = {0};
	memcpy(body.key, image->key, sizeof body.key);
	snprintf(body.msg, sizeof body.msg, "%s", why);
	log_info("image %.16s... is deleted: %s", name_of(image->key, "").text, why);
	forget(s, image);
	control_send(s, IPC_IMAGE_GONE, &body, NULL, 0);
}

bool images_busy(struct server *s, const uint8_t key[IPC_IMAGE_KEY])
{
	LIST_FOREACH(l, &s->images.tasks) {
		if (memcmp(CONTAINER_OF(l, struct task, link)->key, key, IPC_IMAGE_KEY) == 0)
			return true;
	}
	return images_find(s, key) != NULL;
}

int images_open_file(struct server *s, struct image_entry *image, struct error *err)
{
	/* Keeping renames it at a moment of the helper's. */
	struct name kept = name_of(image->key, ""), new = name_of(image->key, NEW);
	for (int i = 0; i < 2; i++) {
		int fd = openat(s->images.fd, new.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		fd = fd < 0 ? openat(s->images.fd, kept.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : fd;
		if (fd >= 0)
			return fd;
	}
	return error_sys(err, "cannot open image %s", kept.text);
}

int images_create_file(struct server *s, const uint8_t key[IPC_IMAGE_KEY], struct error *err)
{
	struct name name = name_of(key, NEW);
	int fd = openat(s->images.fd, name.text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? error_sys(err, "cannot make image %s", name.text) : fd;
}

void images_discard(struct server *s, const uint8_t key[IPC_IMAGE_KEY])
{
	if (s->images.fd >= 0)
		add_task(s, TASK_REMOVE, key);
}

static void make_room(struct server *s, const struct image_entry *but)
{
	uint64_t limit = s->settings.snapshot_disk_mb << 20;
	for (;;) {
		struct image_entry *oldest = NULL;
		uint64_t bytes = 0;
		LIST_FOREACH(l, &s->images.all) {
			struct image_entry *image = CONTAINER_OF(l, struct image_entry, link);
			bytes += image->file_bytes;
			if (image != but && (!oldest || image->used < oldest->used))
				oldest = image;
		}
		if (bytes <= limit || !oldest)
			return;
		images_lose(s, oldest, "no room: all images together are larger than --snapshot-disk, and it was not used for the longest time");
	}
}

struct image_entry *images_add(struct server *s, const struct ipc_snapshot_done *done, uint32_t park)
{
	struct image_entry *image = entry_new(s, done->key);
	if (!image) {
		images_discard(s, done->key);
		return NULL;
	}
	image->file_bytes = done->file_bytes;
	image->resident_bytes = done->resident_bytes;
	image->park = park;
	make_room(s, image);
	return image;
}

/* ---- messages ---- */

int images_on_keep(struct server *s, struct ipc_message *m, struct error *err)
{
	struct image_entry *image = images_find(s, m->body.ipc_image_keep.key);
	if (!image || image->kept) /* it may have gone while the message was on its way */
		return 0;
	image->kept = true;
	add_task(s, TASK_KEEP, image->key);
	return 0;
}

int images_on_drop(struct server *s, struct ipc_message *m, struct error *err)
{
	struct image_entry *image = images_find(s, m->body.ipc_image_drop.key);
	if (image)
		forget(s, image);
	return 0;
}

void images_tell(struct server *s)
{
	LIST_FOREACH(l, &s->images.all) {
		struct image_entry *image = CONTAINER_OF(l, struct image_entry, link);
		struct ipc_image_found body = {.file_bytes = image->file_bytes, .resident_bytes = image->resident_bytes,
		                               .taken_wall_ms = image->taken_wall_ms, .park = image->park};
		memcpy(body.key, image->key, sizeof body.key);
		if (image->kept)
			control_send(s, IPC_IMAGE_FOUND, &body, NULL, 0);
	}
}

void images_orphan(struct server *s)
{
	LIST_FOREACH(l, &s->images.all) {
		struct image_entry *image = CONTAINER_OF(l, struct image_entry, link);
		if (!image->kept)
			forget(s, image);
	}
}

/* ---- start ---- */

static bool is_kept_name(const char *name, uint8_t key[IPC_IMAGE_KEY])
{
	return hex_decode(key, IPC_IMAGE_KEY, str_from(name)) == 0;
}

/* Damaged or stale: -1. */
static int read_found(int folder, const char *name, struct ipc_image_found *out)
{
	struct image_head head;
	struct stat st;
	CLEANUP_CLOSE int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022))
		return -1;
	if (image_read_head(fd, &head, NULL) < 0 || memcmp(head.key, out->key, sizeof out->key) != 0)
		return -1;
	out->file_bytes = head.file_bytes;
	out->resident_bytes = head.page_count * IMAGE_PAGE;
	out->taken_wall_ms = head.taken_wall_ms;
	out->park = head.park;
	return 0;
}

/* Reading heads is a helper's work: what is found comes as rows in a memory file. */
static int scan_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	int copy = openat(s->images.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	report->fds[0] = memfd_create("images", MFD_CLOEXEC);
	report->fd_count = 1;
	if (!dir || report->fds[0] < 0)
		return error_sys(err, "cannot read the folder");
	for (struct dirent *e; (e = readdir(dir)) && report->value < IMAGES_MAX;) {
		struct ipc_image_found row = {0};
		if (e->d_name[0] == '.')
			continue;
		if (!is_kept_name(e->d_name, row.key) || read_found(s->images.fd, e->d_name, &row) < 0)
			unlinkat(s->images.fd, e->d_name, 0);
		else if (write(report->fds[0], &row, sizeof row) == (ssize_t)sizeof row)
			report->value++;
	}
	return 0;
}

static void take_rows(struct server *s, const struct helper_report *report)
{
	CLEANUP_CLOSE int fd = report->fds[0];
	struct ipc_image_found row;
	for (int64_t i = 0; i < report->value; i++) {
		struct image_entry *image = NULL;
		if (pread(fd, &row, sizeof row, (off_t)(i * (int64_t)sizeof row)) == (ssize_t)sizeof row)
			image = entry_new(s, row.key);
		if (!image)
			return;
		image->kept = true;
		image->file_bytes = row.file_bytes;
		image->resident_bytes = row.resident_bytes;
		image->taken_wall_ms = row.taken_wall_ms;
		image->park = row.park;
		/* Older than whatever is used from now on, the oldest first. */
		image->used = row.taken_wall_ms;
		s->images.uses = s->images.uses > row.taken_wall_ms ? s->images.uses : row.taken_wall_ms;
	}
}

static int open_folder(struct server *s, struct error *err)
{
	struct stat st;
	if (mkdirat(s->data_fd, FOLDER, 0700) < 0 && errno != EEXIST)
		return error_sys(err, "cannot make %s/" FOLDER, s->data_path);
	CLEANUP_CLOSE int fd = openat(s->data_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, "cannot open %s/" FOLDER, s->data_path);
	if (st.st_uid != 0 || (st.st_mode & 022) || fchmod(fd, 0700) < 0)
		return error_set(err, ERR_CONFLICT, "%s/" FOLDER " is not root's alone (user %u, mode %o)", s->data_path, st.st_uid, st.st_mode & 0777);
	return STEAL_FD(fd);
}

static void turn_off(struct server *s, const struct error *why)
{
	snprintf(s->images.off, sizeof s->images.off, "%s", why->msg);
	log_warn("functions are not started from images: %s", why->msg);
}

void images_open(struct server *s)
{
	struct helper scan = {.work = scan_work, .timeout_ms = SCAN_TIMEOUT_MS};
	struct helper_report report;
	struct error err = {0};
	list_init(&s->images.all);
	list_init(&s->images.tasks);
	s->images.fd = -1;
	if (s->restore_exe < 0) {
		error_set(&err, ERR_NOT_FOUND, "mayfly-restore is not beside mayflyd");
		turn_off(s, &err);
		return;
	}
	s->images.fd = open_folder(s, &err);
	if (s->images.fd < 0 || helper_run(s, &scan, &report, &err) < 0) {
		cleanup_close(&s->images.fd);
		s->images.fd = -1;
		turn_off(s, &err);
		return;
	}
	take_rows(s, &report);
	make_room(s, NULL);
}

void images_release(struct server *s)
{
	helper_forget(&s->images.helper);
	LIST_FOREACH(l, &s->images.all)
		entry_free(s, CONTAINER_OF(l, struct image_entry, link));
	/* What was promised is done; once more what the helper was at. */
	LIST_FOREACH(l, &s->images.tasks) {
		struct task *t = CONTAINER_OF(l, struct task, link);
		task_do(s, t, NULL);
		free(t);
	}
	cleanup_close(&s->images.fd);
}
