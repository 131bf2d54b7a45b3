#include "control/logs/manage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/logs/meta.h"
#include "control/logs/read_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

#define NO_GROUP "The specified log group does not exist."

static int find_folder(struct logs *l, struct str group, char folder[256], struct error *err)
{
	if (logs_prepare_read(l, group, folder, err) < 0)
		return -1;
	if (faccessat(l->config.dir_fd, folder, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? error_set(err, ERR_NOT_FOUND, NO_GROUP) : error_sys(err, "cannot open log folder %s", folder);
	return 0;
}

/* ---- groups ---- */

static json_t *copy_tags(const json_t *tags)
{
	return tags && json_object_size(tags) ? json_deep_copy(tags) : NULL;
}

static int sync_folders(struct logs *l, struct error *err)
{
	return fsync(l->config.dir_fd) < 0 ? error_sys(err, "cannot sync the folder of logs") : 0;
}

/* A folder that nobody had time to say whose it is. */
static bool is_orphan(const struct logs *l, const char *folder)
{
	struct group_meta m;
	bool known = group_meta_load(&m, l->config.dir_fd, folder);
	group_meta_release(&m);
	errno = EEXIST;
	return folder_is_hash(folder) && !known;
}

int logs_create_group(struct logs *l, const struct logs_new_group *q, struct error *err)
{
	char folder[256];
	struct group_meta m = {.created_ms = logs_wall_ms(l), .protected = q->protected};
	if (str_copy(m.name, sizeof m.name, q->name) < 0 || folder_encode(folder, q->name) < 0)
		return error_set(err, ERR_INVALID, "The log group's name is too long.");
	if (mkdirat(l->config.dir_fd, folder, 0700) < 0 && !(errno == EEXIST && is_orphan(l, folder)))
		return errno == EEXIST ? error_set(err, ERR_EXISTS, "The specified log group already exists")
		                       : error_sys(err, "cannot make log folder %s", folder);
	str_copy(m.class_name, sizeof m.class_name, q->class_name);
	str_copy(m.kms_key, sizeof m.kms_key, q->kms_key);
	m.tags = copy_tags(q->tags);
	int result = group_meta_save(&m, l->config.dir_fd, folder, err);
	if (result == 0)
		result = sync_folders(l, err);
	else
		unlinkat(l->config.dir_fd, folder, AT_REMOVEDIR);
	group_meta_release(&m);
	return result;
}

/* What says whose the folder is goes last. */
static int delete_folder(struct logs *l, const char *folder, struct error *err)
{
	CLEANUP_CLOSE int fd = openat(l->config.dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	CLEANUP_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_sys(err, "cannot open log folder %s", folder);
	int at = STEAL_FD(fd);
	const struct dirent *e;
	while ((e = readdir(dir))) {
		if (e->d_name[0] != '.' && strcmp(e->d_name, META_FILE) != 0 && unlinkat(at, e->d_name, 0) < 0 && errno != ENOENT)
			return error_sys(err, "cannot delete %s/%s", folder, e->d_name);
	}
	if ((unlinkat(at, META_FILE, 0) < 0 && errno != ENOENT) || unlinkat(l->config.dir_fd, folder, AT_REMOVEDIR) < 0)
		return error_sys(err, "cannot delete log folder %s", folder);
	return sync_folders(l, err);
}

int logs_delete_group(struct logs *l, struct str group, struct error *err)
{
	char folder[256];
	struct group_meta m;
	if (find_folder(l, group, folder, err) < 0)
		return -1;
	group_meta_load(&m, l->config.dir_fd, folder);
	group_meta_release(&m);
	if (m.protected)
		return error_set(err, ERR_CONFLICT, "The log group is protected against deletion: disable its deletion protection first.");
	struct log_group *g = logs_group_in_memory(l, group);
	if (g)
		log_group_forget(g);
	return delete_folder(l, folder, err);
}

/* Changes what is said about a group. */
static int change_meta(struct logs *l, struct str group, int (*change)(struct group_meta *m, const void *arg, struct error *err),
                       const void *arg, struct error *err)
{
	char folder[256];
	struct group_meta m;
	if (find_folder(l, group, folder, err) < 0)
		return -1;
	group_meta_load(&m, l->config.dir_fd, folder);
	str_copy(m.name, sizeof m.name, group);
	int result = change(&m, arg, err);
	if (result == 0)
		result = group_meta_save(&m, l->config.dir_fd, folder, err);
	group_meta_release(&m);
	return result;
}

static int change_retention(struct group_meta *m, const void *arg, struct error *err)
{
	(void)err;
	m->retention_days = *(const unsigned *)arg;
	return 0;
}

int logs_set_retention(struct logs *l, struct str group, unsigned days, struct error *err)
{
	char folder[256];
	if (change_meta(l, group, change_retention, &days, err) < 0)
		return -1;
	struct log_group *g = logs_group_in_memory(l, group);
	if (g)
		g->retention_days = days;
	if (folder_encode(folder, group) == 0)
		logs_sweep_group(l, folder);
	return 0;
}

static int change_protected(struct group_meta *m, const void *arg, struct error *err)
{
	(void)err;
	m->protected = *(const bool *)arg;
	return 0;
}

int logs_set_protected(struct logs *l, struct str group, bool protected, struct error *err)
{
	return change_meta(l, group, change_protected, &protected, err);
}

/* ---- tags ---- */

json_t *logs_tags(struct logs *l, struct str group, struct error *err)
{
	char folder[256];
	struct group_meta m;
	if (find_folder(l, group, folder, err) < 0)
		return NULL;
	group_meta_load(&m, l->config.dir_fd, folder);
	json_t *tags = m.tags ? json_incref(m.tags) : json_object();
	group_meta_release(&m);
	if (!tags)
		error_set(err, ERR_NO_MEMORY, "no memory for tags");
	return tags;
}

struct tag_change {
	const json_t *tags, *keys;
};

static int change_tags(struct group_meta *m, const void *arg, struct error *err)
{
	const struct tag_change *c = arg;
	json_t *key;
	size_t i;
	if (!m->tags)
		m->tags = json_object();
	if (!m->tags || (c->tags && json_object_update(m->tags, (json_t *)c->tags) < 0))
		return error_set(err, ERR_NO_MEMORY, "no memory for tags");
	json_array_foreach(c->keys, i, key)
		json_object_del(m->tags, json_string_value(key));
	if (json_object_size(m->tags) > LOGS_TAGS_MAX)
		return error_set(err, ERR_CODE_STORAGE, "The resource would have more than %u tags.", LOGS_TAGS_MAX);
	return 0;
}

int logs_change_tags(struct logs *l, struct str group, const json_t *tags, const json_t *keys, struct error *err)
{
	return change_meta(l, group, change_tags, &(struct tag_change){tags, keys}, err);
}

/* ---- streams ---- */

int logs_find_stream(struct logs *l, struct str group, struct str name, int64_t *created_ms, struct error *err)
{
	struct view v;
	int found = 0;
	if (view_open(&v, l, group, err) < 0)
		return -1;
	for (size_t i = v.count; i-- > 0 && !found;) {
		struct index own;
		const struct index *x = view_index(&v, i, &own);
		const struct index_stream *s = x ? index_find(x, name) : NULL;
		found = s != NULL;
		*created_ms = s ? s->created_ms : 0;
		index_release(&own);
	}
	view_release(&v);
	return found;
}

int logs_create_stream(struct logs *l, struct str group, struct str stream, struct error *err)
{
	int64_t before_ms;
	struct log_stream s = {.created_ms = logs_wall_ms(l)};
	int found = logs_find_stream(l, group, stream, &before_ms, err);
	if (found)
		return found < 0 ? -1 : error_set(err, ERR_EXISTS, "The specified log stream already exists");
	if (str_copy(s.name, sizeof s.name, stream) < 0)
		return error_set(err, ERR_INVALID, "The log stream's name is too long.");
	struct log_group *g = logs_group(l, group, err);
	if (!g)
		return -1;
	bool named = log_group_name_stream(g, &s);
	log_group_flush(g);
	log_group_unref(g);
	return named ? 0 : error_set(err, ERR_NO_MEMORY, "no memory for a log stream");
}

int logs_delete_stream(struct logs *l, struct str group, struct str stream, struct error *err)
{
	int64_t created_ms;
	struct view v;
	int found = logs_find_stream(l, group, stream, &created_ms, err);
	if (found <= 0)
		return found < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "The specified log stream does not exist.");
	struct log_group *g = logs_group(l, group, err);
	if (!g)
		return -1;
	int result = view_open(&v, l, group, err);
	for (size_t i = 0; result == 0 && i < v.count; i++) {
		if (v.segments[i].seq != g->seq)
			result = segment_drop_stream(l->config.dir_fd, v.folder, v.segments[i].seq, stream, err);
	}
	if (result == 0 && !log_group_drop_stream(g, stream))
		result = error_set(err, ERR_NO_MEMORY, "no memory to delete a log stream");
	log_group_flush(g);
	log_group_unref(g);
	view_release(&v);
	return result;
}
