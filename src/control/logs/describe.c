/* DescribeLogGroups and DescribeLogStreams. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/logs/meta.h"
#include "control/logs/read_priv.h"
#include "core/base/cleanup.h"

static unsigned page_size(unsigned limit, unsigned most)
{
	return limit && limit < most ? limit : most;
}

/* Pages are pieces of the sorted list: a token holds where the next one begins. */
static int page_of(struct str token, char kind, size_t n, unsigned page, size_t *from, size_t *to, struct log_page *out,
                   struct error *err)
{
	struct position p = {0, 0};
	char got;
	if (token.n && token_parse(token, (char[]){kind, '\0'}, &got, &p, err) < 0)
		return -1;
	*from = p.offset < n ? p.offset : n;
	*to = n - *from > page ? *from + page : n;
	*out = (struct log_page){.count = *to - *from};
	arena_init(&out->memory, PAGE_MEMORY_MAX);
	if (*to < n)
		token_format(out->next, kind, (struct position){0, *to});
	return 0;
}

static struct str keep(struct log_page *p, const char *name)
{
	char *copy = arena_strdup(&p->memory, str_from(name));
	return (struct str){copy, copy ? strlen(copy) : 0};
}

/* ---- groups ---- */

struct names {
	char **list;
	size_t count, cap;
};

static void names_release(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->list[i]);
	free(n->list);
}

static int names_add(struct names *n, const char *name)
{
	if (n->count == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 64;
		char **grown = reallocarray(n->list, cap, sizeof(char *));
		if (!grown)
			return -1;
		n->list = grown;
		n->cap = cap;
	}
	n->list[n->count] = strdup(name);
	if (!n->list[n->count])
		return -1;
	n->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool group_wanted(const struct logs_describe_groups *q, const char *name)
{
	char pattern[LOG_GROUP_NAME_MAX + 1];
	bool named = !q->name_count;
	for (size_t i = 0; i < q->name_count && !named; i++)
		named = str_eqz(q->names[i], name);
	if (!named || !str_starts(str_from(name), q->prefix) || (q->wants && !q->wants(q->arg, name)))
		return false;
	return !q->pattern.n || (str_copy(pattern, sizeof pattern, q->pattern) == 0 && strcasestr(name, pattern));
}

static const char *class_of(const struct group_meta *m)
{
	return *m->class_name ? m->class_name : "STANDARD";
}

static bool class_wanted(const struct logs *l, const struct logs_describe_groups *q, const char *folder)
{
	struct group_meta m;
	if (!q->class_name.n)
		return true;
	group_meta_load(&m, l->config.dir_fd, folder);
	group_meta_release(&m);
	return str_eqz(q->class_name, class_of(&m));
}

static int list_groups(struct logs *l, const struct logs_describe_groups *q, struct names *names, struct error *err)
{
	char name[LOG_GROUP_NAME_MAX + 1];
	CLEANUP_CLOSE int fd = openat(l->config.dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_sys(err, "cannot list log groups");
	fd = -1; /* the stream's */
	const struct dirent *e;
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.' || group_name_of(name, l->config.dir_fd, e->d_name) < 0 || !group_wanted(q, name) ||
		    !class_wanted(l, q, e->d_name))
			continue;
		if (names_add(names, name) < 0)
			return error_set(err, ERR_NO_MEMORY, "no memory to list log groups");
	}
	if (names->count)
		qsort(names->list, names->count, sizeof(char *), by_name);
	return 0;
}

static void describe_group(struct logs *l, const char *name, struct log_page *page, struct log_group_info *g)
{
	char folder[256];
	struct statx st;
	struct group_meta m;
	CLEANUP_FREE struct segment *list = NULL;
	size_t n = 0;
	if (logs_prepare_read(l, str_from(name), folder, NULL) < 0)
		return;
	group_meta_load(&m, l->config.dir_fd, folder);
	group_meta_release(&m);
	g->class_name = keep(page, class_of(&m));
	g->kms_key = keep(page, m.kms_key);
	g->retention_days = m.retention_days;
	g->protected = m.protected;
	g->created_ms = m.created_ms;
	if (!m.created_ms && statx(l->config.dir_fd, folder, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_CTIME, &st) == 0) {
		const struct statx_timestamp *t = st.stx_mask & STATX_BTIME ? &st.stx_btime : &st.stx_ctime;
		g->created_ms = t->tv_sec * 1000 + t->tv_nsec / 1000000;
	}
	segments_list(l->config.dir_fd, folder, &list, &n, NULL);
	for (size_t i = 0; i < n; i++)
		g->stored_bytes += list[i].size;
}

int logs_describe_groups(struct logs *l, const struct logs_describe_groups *q, struct log_page *out, struct error *err)
{
	struct names names = {0};
	size_t from, to;
	int result = list_groups(l, q, &names, err);
	if (result == 0)
		result = page_of(q->token, 'g', names.count, page_size(q->limit, q->most ? q->most : LOGS_DESCRIBE_MAX), &from, &to, out, err);
	if (result == 0) {
		out->groups = arena_alloc(&out->memory, (out->count + 1) * sizeof *out->groups);
		for (size_t i = 0; i < out->count && out->groups; i++) {
			out->groups[i].name = keep(out, names.list[from + i]);
			describe_group(l, names.list[from + i], out, &out->groups[i]);
		}
		if (out->memory.overflow) {
			log_page_release(out);
			result = error_set(err, ERR_NO_MEMORY, "no memory to list log groups");
		}
	}
	names_release(&names);
	return result;
}

/* ---- streams: the same one may be in several segments ---- */

struct found {
	struct hash_node by_name;
	struct index_stream s; /* its own name */
};

struct founds {
	struct hash by_name;
	struct found **list;
	size_t count;
};

static void founds_release(struct founds *f)
{
	HASH_FOREACH(node, &f->by_name) {
		struct found *one = HASH_ENTRY(node, struct found, by_name);
		free(one->s.name);
		free(one);
	}
	hash_release(&f->by_name);
	free(f->list);
}

static void merge(struct index_stream *to, const struct index_stream *s)
{
	if (s->first_ms >= 0 && (to->first_ms < 0 || s->first_ms < to->first_ms))
		to->first_ms = s->first_ms;
	to->last_ms = s->last_ms > to->last_ms ? s->last_ms : to->last_ms;
	to->last_ingestion_ms = s->last_ingestion_ms > to->last_ingestion_ms ? s->last_ingestion_ms : to->last_ingestion_ms;
}

static int add_found(struct founds *f, const struct index_stream *s)
{
	struct found *one = HASH_ENTRY(hash_get(&f->by_name, str_from(s->name)), struct found, by_name);
	if (one) {
		merge(&one->s, s);
		return 0;
	}
	one = calloc(1, sizeof *one);
	if (!one)
		return -1;
	one->s = *s;
	one->s.name = strdup(s->name);
	if (!one->s.name || hash_put(&f->by_name, &one->by_name, str_from(one->s.name)) < 0) {
		free(one->s.name);
		free(one);
		return -1;
	}
	return 0;
}

static int find_streams(const struct view *v, struct str prefix, struct founds *f)
{
	int result = 0;
	for (size_t i = 0; i < v->count && result == 0; i++) {
		struct index own;
		const struct index *x = view_index(v, i, &own);
		for (unsigned k = 0; x && k < x->count && result == 0; k++) {
			if (*x->streams[k].name && str_starts(str_from(x->streams[k].name), prefix))
				result = add_found(f, &x->streams[k]);
		}
		index_release(&own);
	}
	return result;
}

static int by_stream_name(const void *a, const void *b)
{
	return strcmp((*(struct found *const *)a)->s.name, (*(struct found *const *)b)->s.name);
}

static int by_last_event(const void *a, const void *b)
{
	const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
	return x->s.last_ms != y->s.last_ms ? (x->s.last_ms > y->s.last_ms) - (x->s.last_ms < y->s.last_ms) : by_stream_name(a, b);
}

static int sort_founds(struct founds *f, bool by_time)
{
	f->list = calloc(f->by_name.count + 1, sizeof(struct found *));
	if (!f->list)
		return -1;
	HASH_FOREACH(node, &f->by_name)
		f->list[f->count++] = HASH_ENTRY(node, struct found, by_name);
	qsort(f->list, f->count, sizeof(struct found *), by_time ? by_last_event : by_stream_name);
	return 0;
}

static void fill_streams(const struct founds *f, size_t from, bool descending, struct log_page *out)
{
	out->streams = arena_alloc(&out->memory, (out->count + 1) * sizeof *out->streams);
	for (size_t i = 0; i < out->count && out->streams; i++) {
		size_t k = from + i;
		const struct index_stream *s = &f->list[descending ? f->count - 1 - k : k]->s;
		out->streams[i] = (struct log_stream_info){.name = keep(out, s->name), .created_ms = s->created_ms,
		                                           .first_event_ms = s->first_ms, .last_event_ms = s->last_ms,
		                                           .last_ingestion_ms = s->last_ingestion_ms};
	}
}

int logs_describe_streams(struct logs *l, const struct logs_describe_streams *q, struct log_page *out, struct error *err)
{
	struct view v;
	struct founds f = {0};
	size_t from, to;
	if (q->by_time && q->prefix.n)
		return error_set(err, ERR_INVALID, "Cannot order by LastEventTime with a logStreamNamePrefix.");
	if (view_open(&v, l, q->group, err) < 0)
		return -1;
	hash_init(&f.by_name);
	int result = find_streams(&v, q->prefix, &f) < 0 || sort_founds(&f, q->by_time) < 0
	                     ? error_set(err, ERR_NO_MEMORY, "no memory to list log streams") : 0;
	if (result == 0)
		result = page_of(q->token, 's', f.count, page_size(q->limit, LOGS_DESCRIBE_MAX), &from, &to, out, err);
	if (result == 0) {
		fill_streams(&f, from, q->descending, out);
		if (out->memory.overflow) {
			log_page_release(out);
			result = error_set(err, ERR_NO_MEMORY, "no memory to list log streams");
		}
	}
	founds_release(&f);
	view_release(&v);
	return result;
}
