#include "control/events/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/io.h"
#include "core/base/list.h"
#include "core/json/write.h"

#define BUFFER_MAX (4u << 20) /* lines that wait for the disk */
#define FLUSH_NS (10 * NS_PER_MS)
#define TEXT_MAX 512
#define SEGMENTS 16u          /* of max_bytes: one is dropped at a time */
#define SEGMENT_MIN_BYTES 65536u
#define SEGMENT_MAX_BYTES (4u << 20)
#define ANSWER_MAX (8u << 20)
#define NAME_SIZE 16

/* What the pool's thread works on: one job at a time, or none and then the loop. */
struct segments {
	int dirfd, fd;          /* fd: the newest, -1: none is open */
	unsigned first, last;   /* numbers; last 0: none */
	uint64_t max_bytes, segment_bytes, written; /* written: into the newest */
	struct buf text;        /* to be appended */
	uint64_t lines, dropped; /* of text; dropped: those that could not be written */
};

struct history {
	struct ev_loop *loop;
	struct ev_pool *pool;
	struct segments segments;
	struct ev_job job;
	bool writing;
	struct buf buffer;
	uint64_t lines, dropped;  /* in the buffer; lost, in all */
	uint64_t noted, flushed;  /* lines ever; that the disk was given */
	struct ev_timer timer;
	struct list searches;     /* struct search, until what was noted before is written */
};

static const struct {
	const char *name;
	bool failure;
} steps[] = {
	[HISTORY_ACCEPTED] = {"accepted", false}, [HISTORY_STARTED] = {"started", false}, [HISTORY_SUCCEEDED] = {"succeeded", false},
	[HISTORY_FAILED] = {"failed", true}, [HISTORY_RETRY] = {"retry", false}, [HISTORY_THROTTLED] = {"throttled", true},
	[HISTORY_DEAD] = {"dead", true}, [HISTORY_DELIVERED] = {"delivered", false}, [HISTORY_UNDELIVERED] = {"undelivered", true},
	[HISTORY_DROPPED] = {"dropped", true},
};

/* ---- segments: on the pool ---- */

static void segment_name(char name[NAME_SIZE], unsigned number)
{
	snprintf(name, NAME_SIZE, "%08u", number);
}

static int open_segment(struct segments *s, unsigned number)
{
	char name[NAME_SIZE];
	segment_name(name, number);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = openat(s->dirfd, name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct stat st;
	char last = '\n';
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return -1;
	/* A line that the end of the program cut: nothing is joined to it. */
	if (st.st_size > 0 && pread(s->fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
		st.st_size += io_write_full(s->fd, "\n", 1) == 0;
	s->last = number;
	s->first = s->first ? s->first : number;
	s->written = (uint64_t)st.st_size;
	return 0;
}

static void drop_oldest(struct segments *s)
{
	char name[NAME_SIZE];
	while ((uint64_t)(s->last - s->first + 1) * s->segment_bytes > s->max_bytes && s->first < s->last) {
		segment_name(name, s->first++);
		unlinkat(s->dirfd, name, 0);
	}
}

/* A line that is cut by a full disk is taken back. */
static int append(struct segments *s)
{
	if ((s->fd < 0 && open_segment(s, s->last ? s->last : 1) < 0) ||
	    (s->written && s->written + s->text.len > s->segment_bytes && open_segment(s, s->last + 1) < 0))
		return -1;
	drop_oldest(s);
	if (io_write_full(s->fd, s->text.data, s->text.len) < 0) {
		if (ftruncate(s->fd, (off_t)s->written) < 0) {
			close(s->fd);
			s->fd = -1;
		}
		return -1;
	}
	s->written += s->text.len;
	return 0;
}

static void write_text(struct segments *s)
{
	if (s->text.len && append(s) < 0)
		s->dropped += s->lines;
	buf_release(&s->text);
}

static void find_segments(struct segments *s)
{
	int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	for (struct dirent *e; dir && (e = readdir(dir));) {
		uint64_t number;
		if (strlen(e->d_name) != 8 || str_to_u64(str_from(e->d_name), 99999999, &number) < 0 || number == 0)
			continue;
		s->first = s->first && s->first < number ? s->first : (unsigned)number;
		s->last = s->last > number ? s->last : (unsigned)number;
	}
}

/* ---- searching: on the pool ---- */

struct search {
	struct list link;
	struct history *history;
	struct ev_job job;
	uint64_t after; /* lines that are to be written before */
	int dirfd;
	unsigned first, last, max;
	bool failures;
	char want[200]; /* what a line has to contain */
	bool all;       /* oldest first, all of them; else the latest `max` */
	struct buf found;
	history_cb *cb;
	void *arg;
};

static bool is_failure(struct str line)
{
	static const char key[] = "\"step\":\"";
	const char *at = memmem(line.p, line.n, key, strlen(key));
	if (!at)
		return false;
	struct str step = {at + strlen(key), (size_t)(line.p + line.n - at) - strlen(key)};
	step = str_sub(step, 0, str_find(step, '"'));
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (str_eqz(step, steps[i].name))
			return steps[i].failure;
	}
	return false;
}

static bool fits(const struct search *s, struct str line)
{
	return memmem(line.p, line.n, s->want, strlen(s->want)) && (!s->failures || is_failure(line));
}

/* malloc'd; NULL: none. */
static char *read_segment(const struct search *s, unsigned number, size_t *n)
{
	char name[NAME_SIZE];
	struct stat st;
	segment_name(name, number);
	CLEANUP_CLOSE int fd = openat(s->dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > (off_t)(SEGMENT_MAX_BYTES + BUFFER_MAX))
		return NULL;
	char *text = malloc((size_t)st.st_size);
	ssize_t got = text ? pread(fd, text, (size_t)st.st_size, 0) : -1;
	if (got <= 0) {
		free(text);
		return NULL;
	}
	*n = (size_t)got;
	return text;
}

static void add_line(struct search *s, struct str line)
{
	buf_putc(&s->found, s->found.len > 1 ? ',' : ' ');
	if (buf_put(&s->found, line) < 0)
		s->found.len--; /* the comma */
}

static void search_forward(struct search *s)
{
	for (unsigned i = s->first; i && i <= s->last; i++) {
		size_t n = 0;
		CLEANUP_FREE char *text = read_segment(s, i, &n);
		struct str rest = {text, n}, line;
		while (rest.n && rest.p[rest.n - 1] != '\n') /* an unfinished last line */
			rest.n--;
		while (text && str_split(&rest, '\n', &line)) {
			if (line.n && fits(s, line))
				add_line(s, line);
		}
	}
}

/* Places of the lines that fit in one segment, newest first, put before those that were found. */
struct match {
	struct match *next;
	size_t n;
	char text[];
};

static unsigned match_segment(struct search *s, unsigned number, unsigned left, struct match **head)
{
	size_t n = 0;
	unsigned count = 0;
	CLEANUP_FREE char *text = read_segment(s, number, &n);
	while (text && n && text[n - 1] != '\n')
		n--;
	while (text && n && count < left) {
		const char *begin = memrchr(text, '\n', n - 1);
		size_t at = begin ? (size_t)(begin - text) + 1 : 0;
		struct str line = {text + at, n - 1 - at};
		n = at;
		if (!line.n || !fits(s, line))
			continue;
		struct match *m = malloc(sizeof *m + line.n);
		if (!m)
			break;
		*m = (struct match){.next = *head, .n = line.n};
		memcpy(m->text, line.p, line.n);
		*head = m;
		count++;
	}
	return count;
}

static void search_backward(struct search *s)
{
	struct match *head = NULL;
	unsigned left = s->max;
	for (unsigned i = s->last; i && i >= s->first && left; i--)
		left -= match_segment(s, i, left, &head);
	while (head) {
		struct match *next = head->next;
		add_line(s, (struct str){head->text, head->n});
		free(head);
		head = next;
	}
}

static void search_work(struct ev_job *job)
{
	struct search *s = CONTAINER_OF(job, struct search, job);
	buf_init(&s->found, ANSWER_MAX);
	buf_putc(&s->found, '[');
	if (s->all)
		search_forward(s);
	else
		search_backward(s);
	if (buf_putc(&s->found, ']') < 0)
		s->found.data[s->found.len - 1] = ']';
}

static void search_free(struct search *s)
{
	buf_release(&s->found);
	close(s->dirfd);
	free(s);
}

static void search_done(struct ev_job *job)
{
	struct search *s = CONTAINER_OF(job, struct search, job);
	s->cb(s->arg, buf_str(&s->found), NULL);
	search_free(s);
}

/* ---- the loop's side ---- */

static void flush(struct history *h);

static void run_searches(struct history *h)
{
	LIST_FOREACH(link, &h->searches) {
		struct search *s = CONTAINER_OF(link, struct search, link);
		if (s->after > h->flushed)
			continue;
		list_remove(link);
		s->first = h->segments.first;
		s->last = h->segments.last;
		ev_pool_submit(h->pool, h->loop, &s->job);
	}
}

static void on_written(struct ev_job *job)
{
	struct history *h = CONTAINER_OF(job, struct history, job);
	h->writing = false;
	h->flushed += h->segments.lines;
	h->dropped += h->segments.dropped;
	h->segments.dropped = 0;
	run_searches(h);
	if (h->buffer.len && !list_empty(&h->searches))
		flush(h);
	else if (h->buffer.len)
		ev_timer_after(h->loop, &h->timer, FLUSH_NS);
}

static void write_job(struct ev_job *job)
{
	write_text(&CONTAINER_OF(job, struct history, job)->segments);
}

static void hand_over(struct history *h)
{
	h->segments.text = h->buffer;
	h->segments.lines = h->lines;
	h->lines = 0;
	buf_init(&h->buffer, BUFFER_MAX);
}

static void flush(struct history *h)
{
	ev_timer_stop(&h->timer);
	hand_over(h);
	h->writing = true;
	h->job = (struct ev_job){.work = write_job, .done = on_written};
	ev_pool_submit(h->pool, h->loop, &h->job);
}

static void on_timer(struct ev_timer *timer)
{
	struct history *h = CONTAINER_OF(timer, struct history, timer);
	if (!h->writing && h->buffer.len)
		flush(h);
}

struct history *history_new(struct ev_loop *loop, struct ev_pool *pool, int dirfd, uint64_t max_bytes, struct error *err)
{
	struct history *h = calloc(1, sizeof *h);
	if (!h) {
		error_set(err, ERR_NO_MEMORY, "no memory for the history of events");
		return NULL;
	}
	uint64_t segment = max_bytes / SEGMENTS;
	segment = segment < SEGMENT_MIN_BYTES ? SEGMENT_MIN_BYTES : segment > SEGMENT_MAX_BYTES ? SEGMENT_MAX_BYTES : segment;
	*h = (struct history){.loop = loop, .pool = pool, .timer = {.cb = on_timer},
	                      .segments = {.dirfd = dirfd, .fd = -1, .max_bytes = max_bytes, .segment_bytes = segment}};
	buf_init(&h->buffer, BUFFER_MAX);
	list_init(&h->searches);
	find_segments(&h->segments);
	return h;
}

void history_free(struct history *h)
{
	struct list *link;
	if (!h)
		return;
	ev_timer_stop(&h->timer);
	hand_over(h); /* the pool has ended, or is not at work for us */
	write_text(&h->segments);
	while ((link = list_pop_front(&h->searches)))
		search_free(CONTAINER_OF(link, struct search, link));
	buf_release(&h->buffer);
	if (h->segments.fd >= 0)
		close(h->segments.fd);
	free(h);
}

static int write_line(struct buf *out, const struct history_line *line)
{
	struct json_writer w;
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_int(&w, "at", clock_wall_ms());
	json_write_key_str(&w, "requestId", line->request_id);
	json_write_key_str(&w, "function", line->function);
	json_write_key_z(&w, "step", steps[line->step].name);
	if (line->sequence)
		json_write_key_int(&w, "sequence", (int64_t)line->sequence);
	if (line->attempt)
		json_write_key_int(&w, "attempt", line->attempt);
	if (line->next_ms)
		json_write_key_int(&w, "next", line->next_ms);
	if (line->text.n)
		json_write_key_str(&w, "text", str_sub(line->text, 0, TEXT_MAX));
	json_write_close(&w);
	return json_write_done(&w) < 0 ? -1 : buf_putc(out, '\n');
}

void history_note(struct history *h, const struct history_line *line)
{
	size_t before = h->buffer.len;
	ASSERT(line->step < HISTORY_STEPS);
	if (write_line(&h->buffer, line) < 0) {
		h->buffer.len = before; /* the disk does not keep up */
		h->buffer.overflow = false;
		h->dropped++;
		return;
	}
	h->lines++;
	h->noted++;
	if (!h->writing && !h->timer.loop)
		ev_timer_after(h->loop, &h->timer, FLUSH_NS);
}

void history_find(struct history *h, const struct history_query *q, history_cb *cb, void *arg)
{
	struct search *s = calloc(1, sizeof *s);
	ASSERT(s && (q->request_id.p || q->function.p));
	*s = (struct search){.history = h, .after = h->noted, .max = q->max, .failures = q->failures, .all = q->request_id.p != NULL,
	                     .job = {.work = search_work, .done = search_done}, .cb = cb, .arg = arg};
	s->dirfd = fcntl(h->segments.dirfd, F_DUPFD_CLOEXEC, 0);
	struct str value = s->all ? q->request_id : q->function;
	if (value.n) /* "": every line */
		snprintf(s->want, sizeof s->want, "\"%s\":\"" STR_FMT "\"", s->all ? "requestId" : "function", STR_ARG(str_sub(value, 0, 150)));
	list_init(&s->link);
	list_push_back(&h->searches, &s->link);
	if (!h->writing && h->buffer.len)
		flush(h);
	else if (!h->writing)
		run_searches(h);
}

uint64_t history_dropped(const struct history *h)
{
	return h->dropped;
}
