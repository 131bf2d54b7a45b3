/* Streams: lines out of bytes, and the tail of an invocation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/logs/logs_priv.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/base/rand.h"

static void name_stream(struct log_stream *s)
{
	const struct function_version *v = s->version;
	unsigned char id[16];
	char hex[33], day[32], own[LOG_GROUP_NAME_MAX + 1];
	rand_bytes(id, sizeof id);
	hex_encode(hex, id, sizeof id);
	clock_format(day, sizeof day, "%Y/%m/%d", s->created_ms);
	snprintf(own, sizeof own, "/aws/lambda/%s", v->name);
	snprintf(s->name, sizeof s->name, "%s/%s[%s]%s", day, strcmp(own, s->group->name) == 0 ? "" : v->name, v->version, hex);
}

struct log_stream *logs_open_stream(struct logs *l, struct function_version *version, struct error *err)
{
	struct log_stream *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(err, ERR_NO_MEMORY, "no memory for a log stream");
		return NULL;
	}
	s->group = logs_group(l, str_from(version->log_group), err);
	if (!s->group) {
		free(s);
		return NULL;
	}
	s->version = function_version_ref(version);
	s->created_ms = logs_wall_ms(l);
	buf_init(&s->line, LOG_LINE_MAX);
	buf_init(&s->extension_line, LOG_LINE_MAX);
	buf_init(&s->tail, 4 * LOG_TAIL_BYTES);
	name_stream(s);
	return s;
}

void log_stream_tenant(struct log_stream *s, struct str tenant)
{
	ASSERT(!s->tenant);
	s->tenant = str_dup(tenant);
}

const char *log_stream_name(const struct log_stream *s)
{
	return s->name;
}

static void keep_tail(struct log_stream *s, struct str message)
{
	message = str_sub(message, message.n > LOG_TAIL_BYTES ? message.n - LOG_TAIL_BYTES : 0, message.n);
	if (s->tail.len + message.n > s->tail.max) /* seldom: half of it is old by then */
		buf_consume(&s->tail, s->tail.len + message.n - LOG_TAIL_BYTES < s->tail.len ? s->tail.len + message.n - LOG_TAIL_BYTES
		                                                                              : s->tail.len);
	buf_put(&s->tail, message);
}

void log_stream_event(struct log_stream *s, struct str message)
{
	log_group_append(s->group, s, logs_wall_ms(s->group->logs), message);
	if (s->active && s->wants_tail)
		keep_tail(s, message);
}

static void emit(struct log_stream *s, bool extension, struct str line)
{
	if (s->observer)
		s->observer->line(s->observer_arg, logs_wall_ms(s->group->logs), extension, line);
	if (extension || log_line_wanted(s->version, line))
		log_stream_event(s, line);
}

void log_stream_observe(struct log_stream *s, const struct log_observer *observer, void *arg)
{
	s->observer = observer;
	s->observer_arg = arg;
}

/* A carriage return within a line is the runtimes' way to keep several lines in one event; before a newline it stays. */
static void break_lines(char *p, size_t n)
{
	for (char *at = p; (at = memchr(at, '\r', n - (size_t)(at - p))); at++) {
		if (at + 1 < p + n && at[1] != '\n')
			*at = '\n';
	}
}

/* Where bytes come from: each has an unfinished line of its own. */
struct source {
	struct log_stream *stream;
	struct buf *line;
	bool extension;
};

static struct source source_of(struct log_stream *s, bool extension)
{
	return (struct source){s, extension ? &s->extension_line : &s->line, extension};
}

static void emit_line(struct source from)
{
	break_lines(from.line->data, from.line->len);
	emit(from.stream, from.extension, buf_str(from.line));
	buf_clear(from.line);
}

static void end_line(struct source from)
{
	if (from.line->len)
		emit_line(from);
	buf_shrink(from.line);
}

void log_stream_end_line(struct log_stream *s)
{
	end_line(source_of(s, false));
}

/* The common case, whole lines without carriage returns, is not copied. */
static size_t direct_line(struct source from, const char *p, size_t n)
{
	const char *end = n > LOG_LINE_MAX ? NULL : memchr(p, '\n', n);
	if (from.line->len || !end || memchr(p, '\r', (size_t)(end - p)))
		return 0;
	emit(from.stream, from.extension, (struct str){p, (size_t)(end - p) + 1});
	return (size_t)(end - p) + 1;
}

static size_t buffered_line(struct source from, const char *p, size_t n)
{
	size_t room = LOG_LINE_MAX - from.line->len, take = n < room ? n : room;
	const char *end = memchr(p, '\n', take);
	if (end)
		take = (size_t)(end - p) + 1;
	if (buf_append(from.line, p, take) < 0) { /* no memory */
		from.stream->group->logs->stats.dropped_events++;
		buf_clear(from.line);
		return take;
	}
	if (end || from.line->len == LOG_LINE_MAX)
		emit_line(from);
	return take;
}

static void output(struct source from, const char *p, size_t n)
{
	while (n > 0) {
		size_t took = direct_line(from, p, n);
		if (!took)
			took = buffered_line(from, p, n);
		p += took;
		n -= took;
	}
	if (!from.line->len)
		buf_shrink(from.line);
}

void log_stream_output(struct log_stream *s, const void *data, size_t n)
{
	output(source_of(s, false), data, n);
}

void log_stream_extension_output(struct log_stream *s, const void *data, size_t n)
{
	output(source_of(s, true), data, n);
}

void log_stream_close(struct log_stream *s)
{
	if (!s)
		return;
	end_line(source_of(s, false));
	end_line(source_of(s, true));
	log_group_unref(s->group);
	function_version_unref(s->version);
	buf_release(&s->line);
	buf_release(&s->extension_line);
	buf_release(&s->tail);
	free(s->tenant);
	free(s);
}

char *log_stream_take_tail(struct log_stream *s, size_t *len)
{
	if (!s->tail.len)
		return NULL;
	if (s->tail.len > LOG_TAIL_BYTES)
		buf_consume(&s->tail, s->tail.len - LOG_TAIL_BYTES);
	return buf_steal(&s->tail, len);
}
