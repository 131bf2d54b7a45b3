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
	buf_init(&s->tail, 4 * LOG_TAIL_BYTES);
	name_stream(s);
	return s;
}

void log_stream_close(struct log_stream *s)
{
	if (!s)
		return;
	log_stream_end_line(s);
	log_group_unref(s->group);
	function_version_unref(s->version);
	buf_release(&s->line);
	buf_release(&s->tail);
	free(s->tenant);
	free(s);
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

static void emit(struct log_stream *s, struct str line)
{
	if (s->observer)
		s->observer->line(s->observer_arg, logs_wall_ms(s->group->logs), false, line);
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

static void emit_line(struct log_stream *s)
{
	break_lines(s->line.data, s->line.len);
	emit(s, buf_str(&s->line));
	buf_clear(&s->line);
}

void log_stream_end_line(struct log_stream *s)
{
	if (s->line.len)
		emit_line(s);
	buf_shrink(&s->line);
}

/* The common case, whole lines without carriage returns, is not copied. */
static size_t direct_line(struct log_stream *s, const char *p, size_t n)
{
	const char *end = n > LOG_LINE_MAX ? NULL : memchr(p, '\n', n);
	if (s->line.len || !end || memchr(p, '\r', (size_t)(end - p)))
		return 0;
	emit(s, (struct str){p, (size_t)(end - p) + 1});
	return (size_t)(end - p) + 1;
}

static size_t buffered_line(struct log_stream *s, const char *p, size_t n)
{
	size_t room = LOG_LINE_MAX - s->line.len, take = n < room ? n : room;
	const char *end = memchr(p, '\n', take);
	if (end)
		take = (size_t)(end - p) + 1;
	if (buf_append(&s->line, p, take) < 0) { /* no memory */
		s->group->logs->stats.dropped_events++;
		buf_clear(&s->line);
		return take;
	}
	if (end || s->line.len == LOG_LINE_MAX)
		emit_line(s);
	return take;
}

void log_stream_output(struct log_stream *s, const void *data, size_t n)
{
	const char *p = data;
	while (n > 0) {
		size_t took = direct_line(s, p, n);
		if (!took)
			took = buffered_line(s, p, n);
		p += took;
		n -= took;
	}
	if (!s->line.len)
		buf_shrink(&s->line);
}

char *log_stream_take_tail(struct log_stream *s, size_t *len)
{
	if (!s->tail.len)
		return NULL;
	if (s->tail.len > LOG_TAIL_BYTES)
		buf_consume(&s->tail, s->tail.len - LOG_TAIL_BYTES);
	return buf_steal(&s->tail, len);
}
