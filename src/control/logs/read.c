/* GetLogEvents and FilterLogEvents. */
#include "control/logs/read.h"

#include <stdlib.h>
#include <string.h>

#include "control/logs/pattern.h"
#include "control/logs/read_priv.h"
#include "core/base/cleanup.h"
#include "core/base/codec.h"

#define EVENT_OVERHEAD 26u /* as CloudWatch counts an event's size */

/* One walk over records. */
struct walk {
	struct view view;
	struct log_page *page;
	struct log_range range;
	unsigned limit;
	uint64_t page_bytes, scanned_bytes, scan_max;
	struct position at; /* where it stopped */
	bool begun;         /* a record was looked at */
	bool stopped;       /* by a limit, not by the end */
	bool (*wants)(struct walk *w, const struct record *r, void *arg);
	void *arg;
	const struct str *names; /* of the segment's streams; NULL: all are `name` */
	struct str name;
};

static int page_begin(struct walk *w, struct log_page *page, unsigned limit, struct error *err)
{
	*page = (struct log_page){0};
	arena_init(&page->memory, PAGE_MEMORY_MAX);
	w->page = page;
	w->limit = limit && limit < LOGS_PAGE_EVENTS ? limit : LOGS_PAGE_EVENTS;
	page->events = arena_alloc(&page->memory, w->limit * sizeof *page->events);
	return page->events ? 0 : error_set(err, ERR_NO_MEMORY, "no memory for log events");
}

static bool in_range(const struct log_range *r, int64_t ms)
{
	return (!r->has_start || ms >= r->start_ms) && (!r->has_end || ms < r->end_ms);
}

/* False when the page is full. */
static bool take(struct walk *w, const struct record *r, uint64_t segment)
{
	struct log_page *p = w->page;
	if (p->count == w->limit || w->page_bytes + r->message.n + EVENT_OVERHEAD > LOGS_PAGE_BYTES)
		return false;
	char *copy = arena_strdup(&p->memory, r->message);
	if (!copy)
		return false;
	w->page_bytes += r->message.n + EVENT_OVERHEAD;
	p->events[p->count++] = (struct log_event){.timestamp_ms = r->timestamp_ms, .ingestion_ms = r->ingestion_ms,
	                                           .stream = w->names ? w->names[r->stream] : w->name, .message = {copy, r->message.n}, .segment = segment,
	                                           .offset = r->offset};
	return true;
}

/* Asked when a record has been read. The first one of a call is always looked at, however large: else no call would pass it. */
static bool spent(struct walk *w, const struct reader *r)
{
	bool first = !w->begun;
	w->begun = true;
	return !first && w->scanned_bytes + r->scanned_bytes >= w->scan_max;
}

static bool is_wanted(struct walk *w, const struct record *rec)
{
	return rec->kind == RECORD_EVENT && in_range(&w->range, rec->timestamp_ms) && w->wants(w, rec, w->arg);
}

/* Records of one segment from w->at.offset up to `end`. */
static void walk_forward(struct walk *w, struct reader *r, uint64_t segment, uint64_t end)
{
	struct record rec;
	while (w->at.offset < end && reader_next(r, w->at.offset, &rec)) {
		if (spent(w, r) || (is_wanted(w, &rec) && !take(w, &rec, segment))) {
			w->stopped = true;
			return;
		}
		w->at.offset = rec.end;
	}
}

/* And back to `begin`. */
static void walk_backward(struct walk *w, struct reader *r, uint64_t segment, uint64_t begin)
{
	struct record rec;
	while (w->at.offset > begin && reader_prev(r, w->at.offset, &rec)) {
		if (spent(w, r) || (is_wanted(w, &rec) && !take(w, &rec, segment))) {
			w->stopped = true;
			return;
		}
		w->at.offset = rec.offset;
	}
}

static bool outside(const struct log_range *r, int64_t first_ms, int64_t last_ms)
{
	return first_ms < 0 || (r->has_start && last_ms < r->start_ms) || (r->has_end && first_ms >= r->end_ms);
}

static void with_reader(struct walk *w, size_t i, uint64_t until,
                        void (*walk)(struct walk *, struct reader *, uint64_t, uint64_t))
{
	struct reader r;
	if (reader_open(&r, w->view.logs->config.dir_fd, w->view.folder, w->view.segments[i].seq, NULL) == 0)
		walk(w, &r, w->view.segments[i].seq, until);
	w->scanned_bytes += r.scanned_bytes;
	reader_close(&r);
}

/* ---- GetLogEvents ---- */

struct one_stream {
	struct str name;
	uint32_t number; /* in the segment that is walked */
	bool seen;
};

static bool wants_number(struct walk *w, const struct record *r, void *arg)
{
	const struct one_stream *s = arg;
	return r->stream == s->number;
}

static void get_segment(struct walk *w, size_t i, bool forward, struct one_stream *s)
{
	struct index own;
	const struct index *x = view_index(&w->view, i, &own);
	int number = x ? index_number(x, s->name) : -1;
	s->seen = s->seen || number >= 0;
	if (number >= 0 && !outside(&w->range, x->streams[number].first_ms, x->streams[number].last_ms)) {
		s->number = (uint32_t)number;
		const struct index_stream *here = &x->streams[number];
		if (forward && w->at.offset < here->first_offset)
			w->at.offset = here->first_offset;
		if (!forward && w->at.offset > here->last_end)
			w->at.offset = here->last_end;
		with_reader(w, i, forward ? here->last_end : here->first_offset, forward ? walk_forward : walk_backward);
	}
	index_release(&own);
}

static void get_all(struct walk *w, bool forward, struct one_stream *s)
{
	const struct view *v = &w->view;
	struct position from = w->at;
	for (size_t k = 0; k < v->count && !w->stopped; k++) {
		size_t i = forward ? k : v->count - 1 - k;
		uint64_t seq = v->segments[i].seq;
		if (forward ? seq < from.segment : seq > from.segment)
			continue;
		w->at.segment = seq;
		w->at.offset = seq == from.segment ? from.offset : forward ? 0 : UINT64_MAX;
		get_segment(w, i, forward, s);
	}
}

/* Functions' lines arrive in order; what was put may be of any time. */
static int by_time(const void *a, const void *b)
{
	const struct log_event *x = a, *y = b;
	if (x->timestamp_ms != y->timestamp_ms)
		return x->timestamp_ms < y->timestamp_ms ? -1 : 1;
	if (x->segment != y->segment)
		return x->segment < y->segment ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

static void order_page(struct log_page *p)
{
	bool ordered = true;
	for (size_t i = 1; i < p->count && ordered; i++)
		ordered = p->events[i].timestamp_ms >= p->events[i - 1].timestamp_ms;
	if (!ordered)
		qsort(p->events, p->count, sizeof *p->events, by_time);
}

static void reverse(struct log_event *e, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct log_event t = e[i];
		e[i] = e[n - 1 - i];
		e[n - 1 - i] = t;
	}
}

static uint64_t end_of(const struct log_event *e)
{
	struct record r = {.message = e->message};
	return e->offset + record_size(&r);
}

/* Tokens lead on from the page's own ends; from where the walk stopped on the side it walked to. */
static void get_tokens(const struct walk *w, bool forward, struct position start, struct str token)
{
	struct log_page *p = w->page;
	struct position before = w->at, after = w->at;
	if (forward)
		before = p->count ? (struct position){p->events[0].segment, p->events[0].offset} : start;
	else
		after = p->count ? (struct position){p->events[p->count - 1].segment, end_of(&p->events[p->count - 1])} : start;
	token_format(p->forward, 'f', after);
	token_format(p->backward, 'b', before);
	if (token.n && !p->count && !w->stopped) /* the end: the same token says so */
		memcpy(forward ? p->forward : p->backward, token.p, token.n);
}

/* At the newest end nothing may stand as "everything from the end of time on": what is appended later must be found. */
static struct position newest(const struct view *v)
{
	if (!v->count)
		return (struct position){0, 0};
	return (struct position){v->segments[v->count - 1].seq, v->segments[v->count - 1].size};
}

static bool stream_known(struct walk *w, struct one_stream *s)
{
	for (size_t i = w->view.count; i-- > 0 && !s->seen;) {
		struct index own;
		const struct index *x = view_index(&w->view, i, &own);
		s->seen = x && index_number(x, s->name) >= 0;
		index_release(&own);
	}
	return s->seen;
}

int logs_get_events(struct logs *l, const struct logs_get *q, struct log_page *out, struct error *err)
{
	struct walk w = {.range = q->range, .wants = wants_number, .scan_max = LOGS_SCAN_BYTES};
	struct one_stream s = {.name = q->stream};
	struct position start = {0, 0};
	char kind = q->from_head ? 'f' : 'b';
	if (q->token.n && token_parse(q->token, "fb", &kind, &start, err) < 0)
		return -1;
	if (view_open(&w.view, l, q->group, err) < 0)
		return -1;
	if (!q->token.n && kind == 'b')
		start = newest(&w.view);
	int result = page_begin(&w, out, q->limit, err);
	if (result == 0) {
		char *kept = arena_strdup(&out->memory, q->stream);
		w.name = (struct str){kept, kept ? q->stream.n : 0};
		w.arg = &s;
		w.at = start;
		get_all(&w, kind == 'f', &s);
		if (kind == 'b')
			reverse(out->events, out->count);
		get_tokens(&w, kind == 'f', start, q->token);
		order_page(out);
		if (!stream_known(&w, &s))
			result = error_set(err, ERR_NOT_FOUND, "The specified log stream does not exist.");
	}
	if (result < 0)
		log_page_release(out);
	view_release(&w.view);
	return result;
}

/* ---- FilterLogEvents ---- */

struct filter {
	const struct logs_filter *q;
	const struct pattern *pattern;
	bool has_request;
	unsigned char request[16];
	bool *streams; /* by number in this segment */
};

static bool wants_match(struct walk *w, const struct record *r, void *arg)
{
	const struct filter *f = arg;
	return f->streams[r->stream] && (!f->has_request || memcmp(r->request, f->request, sizeof f->request) == 0) &&
	       logs_pattern_matches(f->pattern, r->message);
}

static bool stream_wanted(const struct logs_filter *q, struct str name)
{
	if (!name.n) /* deleted */
		return false;
	for (size_t i = 0; i < q->stream_count; i++) {
		if (str_eq(q->streams[i], name))
			return true;
	}
	return !q->stream_count && str_starts(name, q->stream_prefix);
}

static void choose_streams(const struct walk *w, struct filter *f, const struct index *x, struct str *names)
{
	for (unsigned i = 0; i < x->count; i++) {
		struct str name = str_from(x->streams[i].name);
		f->streams[i] = stream_wanted(f->q, name) && !outside(&w->range, x->streams[i].first_ms, x->streams[i].last_ms);
		names[i] = name;
	}
}

/* Events point at names of the index, which goes: those that are on the page are copied, each once. */
static void keep_names(struct log_page *p, size_t from)
{
	struct str last = STR_NULL;
	const char *last_was = NULL;
	for (size_t i = from; i < p->count; i++) {
		struct log_event *e = &p->events[i];
		if (e->stream.p != last_was) {
			char *copy;
			last_was = e->stream.p;
			copy = arena_strdup(&p->memory, e->stream);
			last = (struct str){copy, copy ? e->stream.n : 0};
		}
		e->stream = last;
	}
}

static int filter_segment(struct walk *w, size_t i, struct filter *f, struct error *err)
{
	struct index own;
	const struct index *x = view_index(&w->view, i, &own);
	size_t from = w->page->count;
	if (!x || outside(&w->range, x->first_ms, x->last_ms)) {
		index_release(&own);
		return 0;
	}
	CLEANUP_FREE struct str *names = calloc(x->count + 1, sizeof *names);
	CLEANUP_FREE bool *streams = calloc(x->count + 1, sizeof *streams);
	int result = names && streams ? 0 : error_set(err, ERR_NO_MEMORY, "no memory to filter log events");
	if (result == 0) {
		f->streams = streams;
		choose_streams(w, f, x, names);
		w->names = names;
		with_reader(w, i, x->covered, walk_forward);
		keep_names(w->page, from);
	}
	index_release(&own);
	return result;
}

static int filter_all(struct walk *w, struct filter *f, struct error *err)
{
	const struct view *v = &w->view;
	struct position from = w->at;
	for (size_t i = 0; i < v->count && !w->stopped; i++) {
		uint64_t seq = v->segments[i].seq;
		if (seq < from.segment)
			continue;
		w->at = (struct position){seq, seq == from.segment ? from.offset : 0};
		if (filter_segment(w, i, f, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_request(struct filter *f, struct str id, struct error *err)
{
	char digits[32];
	size_t n = 0;
	for (size_t i = 0; i < id.n && n <= 32; i++) {
		if (id.p[i] != '-' && n++ < 32)
			digits[n - 1] = id.p[i];
	}
	f->has_request = id.n > 0;
	if (f->has_request && hex_decode(f->request, sizeof f->request, (struct str){digits, n}) < 0)
		return error_set(err, ERR_INVALID, "not a request id: " STR_FMT, STR_ARG(str_sub(id, 0, 64)));
	return 0;
}

static int filter(struct logs *l, struct filter *f, struct log_page *out, struct error *err)
{
	const struct logs_filter *q = f->q;
	struct walk w = {.range = q->range, .wants = wants_match, .arg = f, .scan_max = LOGS_SCAN_BYTES / logs_pattern_cost(f->pattern)};
	char kind;
	if (parse_request(f, q->request_id, err) < 0 || (q->token.n && token_parse(q->token, "n", &kind, &w.at, err) < 0))
		return -1;
	if (view_open(&w.view, l, q->group, err) < 0)
		return -1;
	int result = page_begin(&w, out, q->limit, err);
	if (result == 0)
		result = filter_all(&w, f, err);
	if (result == 0)
		order_page(out);
	if (result == 0)
		token_format(out->end, 'n', w.at);
	if (result == 0 && w.stopped)
		memcpy(out->next, out->end, sizeof out->next);
	if (result < 0)
		log_page_release(out);
	view_release(&w.view);
	return result;
}

int logs_filter_events(struct logs *l, const struct logs_filter *q, struct log_page *out, struct error *err)
{
	struct pattern *own = q->compiled ? NULL : logs_pattern_new(q->pattern, err);
	struct filter f = {.q = q, .pattern = q->compiled ? q->compiled : own};
	int result = f.pattern ? filter(l, &f, out, err) : -1;
	logs_pattern_free(own);
	return result;
}
