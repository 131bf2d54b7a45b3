#include "core/http/answer.h"

#include "core/base/check.h"
#include "core/http/request.h"

#define TRAILERS_MAX 4096u

enum state { STATUS, FIELDS, LENGTH, CHUNKS, UNTIL_END, DONE };

void http_answer_init(struct http_answer *a)
{
	*a = (struct http_answer){.state = STATUS};
}

static void finish(struct http_answer *a, bool reusable)
{
	a->state = DONE;
	a->done = true;
	a->keep_alive = reusable && !a->close;
}

/* "HTTP/1.1 200 OK"; the reason may be missing, with its blank. */
static int take_status(struct http_answer *a, struct str line)
{
	uint64_t status;
	bool shape = line.n >= 12 && str_starts(line, STR("HTTP/1.")) && (line.p[7] == '0' || line.p[7] == '1') && line.p[8] == ' ' &&
	             (line.n == 12 || line.p[12] == ' ');
	if (!shape || str_to_u64(str_sub(line, 9, 12), 999, &status) < 0 || status < 100)
		return -1;
	a->minor = line.p[7] == '1';
	a->status = (int)status;
	a->close = a->minor == 0;
	a->chunked = a->has_length = false;
	a->state = FIELDS;
	return 0;
}

static void take_connection(struct http_answer *a, struct str value)
{
	struct str rest = value, option;
	while (str_split(&rest, ',', &option)) {
		option = str_trim(option);
		if (str_case_eq(option, STR("close")))
			a->close = true;
		else if (str_case_eq(option, STR("keep-alive")) && a->minor == 0)
			a->close = false;
	}
}

static int take_field(struct http_answer *a, struct str line)
{
	struct http_header h;
	uint64_t length;
	if (!http_parse_field(line, &h))
		return -1;
	if (str_case_eq(h.name, STR("Connection"))) {
		take_connection(a, h.value);
	} else if (str_case_eq(h.name, STR("Transfer-Encoding"))) {
		if (!str_case_eq(h.value, STR("chunked")) || a->chunked)
			return -1;
		a->chunked = true;
	} else if (str_case_eq(h.name, STR("Content-Length"))) {
		if (str_to_u64(h.value, HTTP_ANSWER_BODY_MAX, &length) < 0 || (a->has_length && a->length != length))
			return -1;
		a->has_length = true;
		a->length = length;
	}
	return 0;
}

/* The empty line. Which rule frames the body: RFC 9112 6.3, for an answer to a POST. */
static int end_head(struct http_answer *a)
{
	if (a->chunked && a->has_length)
		return -1;
	if (a->status == 101)
		return -1;
	if (a->status < 200)
		a->state = STATUS;
	else if (a->status == 204 || a->status == 304 || (a->has_length && a->length == 0))
		finish(a, true);
	else
		a->state = a->chunked ? CHUNKS : a->has_length ? LENGTH : UNTIL_END;
	return 0;
}

static int take_line(struct http_answer *a)
{
	struct str line = {a->line, a->line_len};
	a->line_len = 0;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (http_find_control(line.p, line.n) < line.n)
		return -1;
	if (a->state == STATUS)
		return take_status(a, line);
	return line.n ? take_field(a, line) : end_head(a);
}

static long feed_head(struct http_answer *a, const char *data, size_t n)
{
	size_t at = 0;
	while (at < n && a->state <= FIELDS) {
		char c = data[at++];
		if (++a->head_bytes > HTTP_ANSWER_HEAD_MAX)
			return -1;
		if (c == '\n') {
			if (take_line(a) < 0)
				return -1;
			continue;
		}
		if (a->line_len == sizeof a->line)
			return -1;
		a->line[a->line_len++] = c;
	}
	return (long)at;
}

static bool count_body(struct http_answer *a, size_t n)
{
	a->body_bytes += n;
	return a->body_bytes <= HTTP_ANSWER_BODY_MAX;
}

static long feed_chunks(struct http_answer *a, const char *data, size_t n)
{
	char room[TRAILERS_MAX];
	size_t left = sizeof room - a->trailer_bytes;
	struct buf trailers = {.data = room, .cap = left, .max = left}; /* never grows */
	size_t at = 0, used = 0;
	struct str piece;
	for (;;) {
		enum http_chunk_step step = http_chunk_next(&a->chunks, (struct str){data + at, n - at}, &trailers, &used, &piece);
		at += used;
		a->trailer_bytes = sizeof room - left + trailers.len;
		/* What frames the pieces counts too: a body of single bytes is as long as it is on the wire. */
		if (step == HTTP_CHUNK_BAD || !count_body(a, used))
			return -1;
		if (step == HTTP_CHUNK_END)
			finish(a, true);
		if (step != HTTP_CHUNK_DATA)
			return (long)at;
	}
}

static long feed_body(struct http_answer *a, const char *data, size_t n)
{
	if (a->state == CHUNKS)
		return feed_chunks(a, data, n);
	if (a->state == LENGTH && n > a->length - a->body_bytes)
		n = (size_t)(a->length - a->body_bytes);
	if (!count_body(a, n))
		return -1;
	if (a->state == LENGTH && a->body_bytes == a->length)
		finish(a, true);
	return (long)n;
}

long http_answer_feed(struct http_answer *a, const char *data, size_t n)
{
	size_t at = 0;
	while (at < n && a->state != DONE) {
		long took = a->state <= FIELDS ? feed_head(a, data + at, n - at) : feed_body(a, data + at, n - at);
		if (took < 0)
			return -1;
		at += (size_t)took;
	}
	return (long)at;
}

int http_answer_end(struct http_answer *a)
{
	if (a->state == UNTIL_END)
		finish(a, false);
	return a->done ? 0 : -1;
}
