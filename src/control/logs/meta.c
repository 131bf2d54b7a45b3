#include "control/logs/meta.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/logs/segment.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define META_MAX_BYTES 262144u

static void meta_path(char dst[SEGMENT_PATH_SIZE], const char *folder, const char *file)
{
	snprintf(dst, SEGMENT_PATH_SIZE, "%s/%s", folder, file);
}

static void take_text(const json_t *root, const char *key, char *dst, size_t size)
{
	struct str s = STR_NULL;
	if (json_value_str(root, key, &s, NULL) > 0)
		str_copy(dst, size, s);
}

int group_meta_load(struct group_meta *m, int dir_fd, const char *folder)
{
	char path[SEGMENT_PATH_SIZE];
	size_t n = 0;
	int64_t days = 0;
	json_t *tags = NULL;
	*m = (struct group_meta){0};
	meta_path(path, folder, META_FILE);
	CLEANUP_FREE char *text = io_read_file(dir_fd, path, META_MAX_BYTES, &n, NULL);
	CLEANUP_JSON json_t *root = text ? json_value_load_object((struct str){text, n}, NULL, NULL) : NULL;
	if (!root)
		return 0;
	take_text(root, "name", m->name, sizeof m->name);
	take_text(root, "class", m->class_name, sizeof m->class_name);
	take_text(root, "kmsKeyId", m->kms_key, sizeof m->kms_key);
	json_value_int(root, "created", 0, INT64_MAX, &m->created_ms, NULL);
	json_value_int(root, "retentionInDays", 0, 36500, &days, NULL);
	m->retention_days = (unsigned)days;
	json_value_bool(root, "protected", &m->protected, NULL);
	if (json_value_str_map(root, "tags", &tags, NULL) > 0)
		m->tags = json_incref(tags);
	return 1;
}

void group_meta_release(struct group_meta *m)
{
	json_decref(m->tags);
	m->tags = NULL;
}

static int write_text(struct buf *out, const struct group_meta *m)
{
	struct json_writer w;
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_z(&w, "name", m->name);
	json_write_key_int(&w, "created", m->created_ms);
	json_write_key_int(&w, "retentionInDays", m->retention_days);
	if (*m->class_name)
		json_write_key_z(&w, "class", m->class_name);
	if (*m->kms_key)
		json_write_key_z(&w, "kmsKeyId", m->kms_key);
	json_write_key_bool(&w, "protected", m->protected);
	if (m->tags) {
		const char *key;
		json_t *value;
		json_write_key(&w, "tags");
		json_write_object(&w);
		json_object_foreach(m->tags, key, value)
			json_write_key_str(&w, key, json_value_text(value));
		json_write_close(&w);
	}
	json_write_close(&w);
	return json_write_done(&w);
}

static int replace(int dir_fd, const char *folder, struct str text, struct error *err)
{
	char path[SEGMENT_PATH_SIZE], temporary[SEGMENT_PATH_SIZE];
	meta_path(path, folder, META_FILE);
	meta_path(temporary, folder, "group.tmp");
	CLEANUP_CLOSE int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	CLEANUP_CLOSE int at = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || at < 0 || io_write_full(fd, text.p, text.n) < 0 || fdatasync(fd) < 0 || renameat(dir_fd, temporary, dir_fd, path) < 0 ||
	    fsync(at) < 0) {
		error_sys(err, "cannot write %s", path);
		unlinkat(dir_fd, temporary, 0);
		return -1;
	}
	return 0;
}

int group_meta_save(const struct group_meta *m, int dir_fd, const char *folder, struct error *err)
{
	struct buf out;
	buf_init(&out, META_MAX_BYTES);
	int result = write_text(&out, m) < 0 ? error_set(err, ERR_NO_MEMORY, "no memory for a log group's settings")
	                                     : replace(dir_fd, folder, buf_str(&out), err);
	buf_release(&out);
	return result;
}

int group_name_of(char name[LOG_GROUP_NAME_MAX + 1], int dir_fd, const char *folder)
{
	char again[256];
	struct group_meta m;
	if (folder_decode(name, LOG_GROUP_NAME_MAX + 1, folder) == 0)
		return 0;
	if (!folder_is_hash(folder))
		return -1;
	int known = group_meta_load(&m, dir_fd, folder);
	group_meta_release(&m);
	if (!known || folder_encode(again, str_from(m.name)) < 0 || strcmp(again, folder) != 0)
		return -1;
	memcpy(name, m.name, sizeof m.name);
	return 0;
}
