/* Groups: appending, flushing, rotation. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/logs/logs_priv.h"
#include "control/logs/meta.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/io.h"

#define PENDING_MAX (2u << 20)
#define SEGMENTS_KEPT 16u
#define SEGMENTS_A_LIFE 8 /* at least, in the time that events are kept */
#define DAY_MS 86400000ll
#define SEGMENT_BYTES_MIN (128u * 1024)
#define SEGMENT_BYTES_MAX (64u << 20)

uint64_t logs_segment_bytes(const struct logs *l)
{
	uint64_t n = l->config.max_group_bytes / SEGMENTS_KEPT;
	return n < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : n > SEGMENT_BYTES_MAX ? SEGMENT_BYTES_MAX : n;
}

static void close_file(struct log_group *g)
{
	if (g->fd < 0)
		return;
	close(g->fd);
	g->fd = -1;
	list_remove(&g->file_link);
	g->logs->file_count--;
}

static void use_file(struct log_group *g)
{
	struct logs *l = g->logs;
	if (list_empty(&g->file_link))
		l->file_count++;
	list_remove(&g->file_link);
	list_push_back(&l->files, &g->file_link);
	if (l->file_count > FILES_KEPT)
		close_file(LIST_FIRST(&l->files, struct log_group, file_link));
}

/* A folder whose name is a hash says whose it is before anything is in it. */
static int make_folder(struct log_group *g)
{
	int dir_fd = g->logs->config.dir_fd;
	struct group_meta m;
	if (mkdirat(dir_fd, g->folder, 0700) < 0 && errno != EEXIST)
		return -1;
	if (!folder_is_hash(g->folder))
		return 0;
	int known = group_meta_load(&m, dir_fd, g->folder);
	group_meta_release(&m);
	if (known)
		return 0;
	m = (struct group_meta){.created_ms = logs_wall_ms(g->logs)};
	str_copy(m.name, sizeof m.name, str_from(g->name));
	return group_meta_save(&m, dir_fd, g->folder, NULL);
}

static int open_file(struct log_group *g)
{
	char path[SEGMENT_PATH_SIZE];
	if (g->fd < 0) {
		segment_path(path, g->folder, g->seq, "log");
		if (make_folder(g) < 0)
			return -1;
		g->fd = openat(g->logs->config.dir_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (g->fd < 0)
			return -1;
		/* A torn end of an earlier life goes. Not by truncating always: ext4 then writes a new file out when it is closed. */
		struct stat st;
		if (fstat(g->fd, &st) < 0 || (st.st_size != (off_t)g->written && ftruncate(g->fd, (off_t)g->written) < 0)) {
			close(g->fd);
			g->fd = -1;
			return -1;
		}
	}
	use_file(g);
	return lseek(g->fd, (off_t)g->written, SEEK_SET) < 0 ? -1 : 0;
}

/* What could not be written is lost, and with it perhaps the names of streams: a new segment names them again. */
static void drop_pending(struct log_group *g)
{
	g->logs->stats.dropped_events += g->pending_events;
	if (g->fd >= 0 && ftruncate(g->fd, (off_t)g->written) < 0) {
		/* A torn record stays at its end, which readers skip. */
	}
	close_file(g);
	if (g->written)
		g->older_bytes += g->written;
	else
		segment_delete(g->logs->config.dir_fd, g->folder, g->seq);
	g->seq++;
	g->written = 0;
	g->since_ms = 0;
	index_release(&g->index);
}

void log_group_flush(struct log_group *g)
{
	list_remove(&g->dirty_link);
	if (!g->pending.len)
		return;
	if (open_file(g) < 0 || io_write_full(g->fd, g->pending.data, g->pending.len) < 0)
		drop_pending(g);
	else
		g->written += g->pending.len;
	buf_clear(&g->pending);
	buf_shrink(&g->pending);
	g->pending_events = 0;
}

/* Oldest segments go until a full new one has room. */
static void make_room(struct log_group *g)
{
	struct logs *l = g->logs;
	uint64_t room = logs_segment_bytes(l);
	if (g->older_bytes + room <= l->config.max_group_bytes)
		return;
	CLEANUP_FREE struct segment *list = NULL;
	size_t n = 0;
	if (segments_list(l->config.dir_fd, g->folder, &list, &n, NULL) < 0)
		return;
	g->older_bytes = 0;
	for (size_t i = 0; i < n; i++)
		g->older_bytes += list[i].seq < g->seq ? list[i].size : 0;
	for (size_t i = 0; i < n && list[i].seq < g->seq && g->older_bytes + room > l->config.max_group_bytes; i++) {
		segment_delete(l->config.dir_fd, g->folder, list[i].seq);
		g->older_bytes -= list[i].size;
	}
}

static void rotate(struct log_group *g)
{
	log_group_flush(g);
	if (!g->written)
		return;
	index_save(&g->index, g->logs->config.dir_fd, g->folder, g->seq, NULL);
	index_release(&g->index);
	close_file(g);
	g->older_bytes += g->written;
	g->seq++;
	g->written = 0;
	g->since_ms = 0;
	make_room(g);
}

static bool put(struct log_group *g, struct record *r)
{
	r->offset = g->written + g->pending.len;
	r->end = r->offset + record_size(r);
	if (!record_put(&g->pending, r))
		return false;
	if (index_add(&g->index, r) < 0) {
		g->pending.len -= record_size(r);
		return false;
	}
	return true;
}

static void mark_dirty(struct log_group *g)
{
	struct logs *l = g->logs;
	if (!list_empty(&g->dirty_link))
		return;
	list_push_back(&l->dirty, &g->dirty_link);
	if (l->config.loop && !l->flush_timer.loop)
		ev_timer_after(l->config.loop, &l->flush_timer, LOGS_FLUSH_NS);
}

static int64_t retention_ms(const struct log_group *g)
{
	unsigned days = g->retention_days ? g->retention_days : g->logs->config.retention_days;
	return (int64_t)days * DAY_MS;
}

/* Retention deletes whole segments: a segment must not go on for long. */
static bool is_due(const struct log_group *g, size_t more_bytes, int64_t now_ms)
{
	return g->written + g->pending.len + more_bytes > logs_segment_bytes(g->logs) ||
	       (g->since_ms && now_ms - g->since_ms > retention_ms(g) / SEGMENTS_A_LIFE);
}

bool log_group_name_stream(struct log_group *g, struct log_stream *s)
{
	if (s->segment == g->seq && s->number < g->index.count && *g->index.streams[s->number].name)
		return true;
	struct record r = {.kind = RECORD_STREAM, .stream = g->index.count, .timestamp_ms = s->created_ms,
	                   .ingestion_ms = s->created_ms, .message = str_from(s->name)};
	if (!put(g, &r))
		return false;
	s->segment = g->seq;
	s->number = r.stream;
	mark_dirty(g);
	return true;
}

bool log_group_drop_stream(struct log_group *g, struct str name)
{
	struct record r = {.kind = RECORD_GONE, .message = name};
	if (index_number(&g->index, name) < 0)
		return true;
	mark_dirty(g);
	return put(g, &r);
}

void log_group_append(struct log_group *g, struct log_stream *s, int64_t timestamp_ms, struct str message)
{
	struct logs *l = g->logs;
	struct record r = {.kind = RECORD_EVENT, .timestamp_ms = timestamp_ms, .ingestion_ms = logs_wall_ms(l), .message = message};
	memcpy(r.request, s->request, sizeof r.request);
	if (is_due(g, record_size(&r), r.ingestion_ms))
		rotate(g);
	if (!g->since_ms)
		g->since_ms = r.ingestion_ms;
	if (!log_group_name_stream(g, s)) {
		l->stats.dropped_events++;
		return;
	}
	r.stream = s->number;
	if (!put(g, &r)) {
		l->stats.dropped_events++;
		return;
	}
	l->stats.events++;
	l->stats.bytes += message.n;
	g->pending_events++;
	mark_dirty(g);
	if (g->pending.len >= FLUSH_BYTES)
		log_group_flush(g);
}

/* ---- life ---- */

void log_group_forget(struct log_group *g)
{
	list_remove(&g->dirty_link);
	buf_clear(&g->pending);
	buf_shrink(&g->pending);
	g->pending_events = 0;
	close_file(g);
	index_release(&g->index);
	g->seq++; /* so that streams know that their numbers are void */
	g->written = g->older_bytes = 0;
	g->since_ms = 0;
	g->retention_days = 0;
}

static void free_group(struct log_group *g)
{
	log_group_flush(g);
	if (g->written && g->index.covered == g->written)
		index_save(&g->index, g->logs->config.dir_fd, g->folder, g->seq, NULL);
	close_file(g);
	list_remove(&g->unused_link);
	list_remove(&g->dirty_link);
	hash_remove(&g->logs->groups, &g->by_name);
	index_release(&g->index);
	buf_release(&g->pending);
	free(g);
}

/* Goes on where the newest segment ends; a folder that cannot be read is written as a new one. */
static void find_end(struct log_group *g)
{
	int dir_fd = g->logs->config.dir_fd;
	CLEANUP_FREE struct segment *list = NULL;
	size_t n = 0;
	g->seq = 1;
	if (make_folder(g) < 0)
		return;
	struct group_meta m;
	group_meta_load(&m, dir_fd, g->folder);
	g->retention_days = m.retention_days;
	group_meta_release(&m);
	if (segments_list(dir_fd, g->folder, &list, &n, NULL) < 0 || n == 0)
		return;
	for (size_t i = 0; i + 1 < n; i++)
		g->older_bytes += list[i].size;
	g->seq = list[n - 1].seq;
	if (index_load(&g->index, dir_fd, g->folder, g->seq, NULL) < 0) {
		index_release(&g->index);
		g->older_bytes += list[n - 1].size;
		g->seq++;
	}
	g->written = g->index.covered;
	g->since_ms = g->index.count ? g->index.streams[0].created_ms : 0;
}

static struct log_group *new_group(struct logs *l, struct str name, struct error *err)
{
	CLEANUP_FREE struct log_group *g = calloc(1, sizeof *g);
	if (!g) {
		error_set(err, ERR_NO_MEMORY, "no memory for a log group");
		return NULL;
	}
	if (str_copy(g->name, sizeof g->name, name) < 0 || folder_encode(g->folder, name) < 0) {
		error_set(err, ERR_INVALID, "log group name is too long: " STR_FMT, STR_ARG(str_sub(name, 0, 100)));
		return NULL;
	}
	g->logs = l;
	g->fd = -1;
	list_init(&g->dirty_link);
	list_init(&g->file_link);
	list_init(&g->unused_link);
	buf_init(&g->pending, PENDING_MAX);
	index_init(&g->index);
	if (hash_put(&l->groups, &g->by_name, str_from(g->name)) < 0) {
		error_set(err, ERR_NO_MEMORY, "no memory for a log group");
		return NULL;
	}
	find_end(g);
	return STEAL_PTR(g);
}

struct log_group *logs_group_in_memory(const struct logs *l, struct str name)
{
	return HASH_ENTRY(hash_get(&l->groups, name), struct log_group, by_name);
}

struct log_group *logs_group(struct logs *l, struct str name, struct error *err)
{
	struct log_group *g = logs_group_in_memory(l, name);
	if (!g)
		g = new_group(l, name, err);
	if (!g)
		return NULL;
	if (!list_empty(&g->unused_link)) {
		list_remove(&g->unused_link);
		l->unused_count--;
	}
	g->streams++;
	return g;
}

void log_group_unref(struct log_group *g)
{
	struct logs *l = g->logs;
	ASSERT(g->streams > 0);
	if (--g->streams > 0)
		return;
	list_push_back(&l->unused, &g->unused_link);
	if (++l->unused_count > GROUPS_KEPT) {
		l->unused_count--;
		free_group(LIST_FIRST(&l->unused, struct log_group, unused_link));
	}
}

/* ---- all of them ---- */

#define SWEEP_STEP 64u
#define SWEEP_EVERY_NS (3600 * NS_PER_S)
#define SWEEP_STEP_NS (100 * NS_PER_MS)

int64_t logs_wall_ms(const struct logs *l)
{
	return l->config.wall_ms ? l->config.wall_ms() : clock_wall_ms();
}

static void on_flush(struct ev_timer *timer)
{
	logs_flush(CONTAINER_OF(timer, struct logs, flush_timer));
}

static void on_sweep(struct ev_timer *timer)
{
	struct logs *l = CONTAINER_OF(timer, struct logs, sweep_timer);
	ev_timer_after(l->config.loop, timer, logs_sweep(l) ? SWEEP_EVERY_NS : SWEEP_STEP_NS);
}

struct logs *logs_new(const struct logs_config *config, struct error *err)
{
	struct logs *l = calloc(1, sizeof *l);
	if (!l) {
		error_set(err, ERR_NO_MEMORY, "no memory for function logs");
		return NULL;
	}
	l->config = *config;
	str_copy(l->region, sizeof l->region, str_from(config->region));
	str_copy(l->account, sizeof l->account, str_from(config->account));
	hash_init(&l->groups);
	list_init(&l->dirty);
	list_init(&l->files);
	list_init(&l->unused);
	l->flush_timer.cb = on_flush;
	l->sweep_timer.cb = on_sweep;
	if (config->loop)
		ev_timer_after(config->loop, &l->sweep_timer, SWEEP_STEP_NS);
	return l;
}

void logs_free(struct logs *l)
{
	if (!l)
		return;
	ev_timer_stop(&l->flush_timer);
	ev_timer_stop(&l->sweep_timer);
	HASH_FOREACH(node, &l->groups)
		free_group(HASH_ENTRY(node, struct log_group, by_name));
	hash_release(&l->groups);
	if (l->sweep)
		closedir(l->sweep);
	free(l);
}

void logs_flush(struct logs *l)
{
	LIST_FOREACH(pos, &l->dirty)
		log_group_flush(CONTAINER_OF(pos, struct log_group, dirty_link));
}

void logs_get_stats(const struct logs *l, struct logs_stats *out)
{
	*out = l->stats;
}

/* A group that is not in use goes from memory first, so that its newest segment can go too. */
void logs_sweep_group(struct logs *l, const char *folder)
{
	char name[LOG_GROUP_NAME_MAX + 1];
	struct group_meta m;
	CLEANUP_FREE struct segment *list = NULL;
	size_t n = 0;
	if (group_name_of(name, l->config.dir_fd, folder) < 0 || segments_list(l->config.dir_fd, folder, &list, &n, NULL) < 0)
		return;
	group_meta_load(&m, l->config.dir_fd, folder);
	int64_t oldest_ms = logs_wall_ms(l) - (int64_t)(m.retention_days ? m.retention_days : l->config.retention_days) * DAY_MS;
	group_meta_release(&m);
	if (!n || list[0].modified_ms >= oldest_ms)
		return;
	struct log_group *g = logs_group_in_memory(l, str_from(name));
	if (g && !g->streams) {
		l->unused_count--;
		free_group(g);
		g = NULL;
	}
	for (size_t i = 0; i < n && list[i].modified_ms < oldest_ms && (!g || list[i].seq < g->seq); i++) {
		segment_delete(l->config.dir_fd, folder, list[i].seq);
		if (g)
			g->older_bytes -= list[i].size < g->older_bytes ? list[i].size : g->older_bytes;
	}
}

bool logs_sweep(struct logs *l)
{
	if (!l->sweep) {
		int fd = openat(l->config.dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		l->sweep = fd < 0 ? NULL : fdopendir(fd);
		if (!l->sweep) {
			if (fd >= 0)
				close(fd);
			return true;
		}
	}
	for (unsigned i = 0; i < SWEEP_STEP; i++) {
		const struct dirent *e = readdir(l->sweep);
		if (!e) {
			closedir(l->sweep);
			l->sweep = NULL;
			return true;
		}
		logs_sweep_group(l, e->d_name);
	}
	return false;
}

int logs_prepare_read(struct logs *l, struct str group, char folder[256], struct error *err)
{
	struct log_group *g = logs_group_in_memory(l, group);
	if (g)
		log_group_flush(g);
	if (group.n > LOG_GROUP_NAME_MAX || folder_encode(folder, group) < 0)
		return error_set(err, ERR_NOT_FOUND, "The specified log group does not exist.");
	return 0;
}
