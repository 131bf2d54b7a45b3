#include "control/logs/live_tail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/logs/logs_api_priv.h"
#include "control/logs/pattern.h"
#include "control/logs/read_priv.h"

#define GROUPS_MAX 10u
#define STREAMS_MAX 100u

struct live_group {
	char name[LOG_GROUP_NAME_MAX + 1];
	char at[LOGS_TOKEN_SIZE]; /* up to here it was looked at */
};

struct live_tail {
	struct logs *logs;
	json_t *body; /* the names below point into it */
	struct live_group groups[GROUPS_MAX];
	unsigned group_count;
	struct str names[STREAMS_MAX], prefixes[STREAMS_MAX], pattern;
	unsigned name_count, prefix_count;
	struct pattern *compiled;
};

/* ---- the beginning ---- */

static int to_end(struct live_tail *t, struct live_group *g, struct error *err)
{
	struct view v;
	if (view_open(&v, t->logs, str_from(g->name), err) < 0)
		return -1;
	struct position end = {0, 0};
	if (v.count)
		end = (struct position){v.segments[v.count - 1].seq, v.segments[v.count - 1].size};
	token_format(g->at, 'n', end);
	view_release(&v);
	return 0;
}

static int take_groups(struct live_tail *t, const struct logs_request *q)
{
	struct str ids[GROUPS_MAX];
	int n = logs_need(q, "logGroupIdentifiers") < 0 ? -1 : logs_member_texts(q, "logGroupIdentifiers", 1, GROUPS_MAX, 2048, ids);
	for (int i = 0; i < n; i++) {
		struct live_group *g = &t->groups[i];
		if (str_copy(g->name, sizeof g->name, logs_identifier_group(ids[i])) < 0)
			return error_set(q->err, ERR_NOT_FOUND, "The specified log group does not exist.");
		if (to_end(t, g, q->err) < 0)
			return -1;
		t->group_count++;
	}
	return n < 0 ? -1 : 0;
}

static int take_request(struct live_tail *t, struct error *err)
{
	const struct logs_request q = {.logs = t->logs, .body = t->body, .err = err};
	int names = logs_member_texts(&q, "logStreamNames", 1, STREAMS_MAX, 512, t->names);
	int prefixes = names < 0 ? -1 : logs_member_texts(&q, "logStreamNamePrefixes", 1, STREAMS_MAX, 512, t->prefixes);
	if (prefixes < 0 || logs_member_text(&q, "logEventFilterPattern", 0, LOGS_PATTERN_MAX, LOGS_TEXT_ANY, &t->pattern) < 0 ||
	    take_groups(t, &q) < 0)
		return -1;
	if (names && prefixes)
		return error_set(err, ERR_INVALID, "logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.");
	if (names + prefixes && t->group_count > 1)
		return error_set(err, ERR_INVALID, "Log streams can only be given with a single log group.");
	t->name_count = (unsigned)names;
	t->prefix_count = (unsigned)prefixes;
	t->compiled = logs_pattern_new(t->pattern, err); /* now, so that it is refused now */
	return t->compiled ? 0 : -1;
}

struct live_tail *live_tail_new(struct logs *l, const json_t *body, struct error *err)
{
	struct live_tail *t = calloc(1, sizeof *t);
	if (t) {
		t->logs = l;
		t->body = body ? json_deep_copy(body) : json_object();
	}
	if (t && t->body && take_request(t, err) == 0)
		return t;
	if (!t || !t->body)
		error_set(err, ERR_NO_MEMORY, "no memory for a live tail");
	live_tail_free(t);
	return NULL;
}

void live_tail_free(struct live_tail *t)
{
	if (!t)
		return;
	logs_pattern_free(t->compiled);
	json_decref(t->body);
	free(t);
}

/* ---- answers ---- */

static void write_list(struct json_writer *w, const char *key, const json_t *array)
{
	size_t i;
	json_t *one;
	json_write_key(w, key);
	json_write_array(w);
	json_array_foreach(array, i, one)
		json_write_str(w, json_value_text(one));
	json_write_close(w);
}

int live_tail_start(const struct live_tail *t, const char *request_id, const char *session_id, struct buf *out)
{
	struct json_writer w;
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_z(&w, "requestId", request_id);
	json_write_key_z(&w, "sessionId", session_id);
	write_list(&w, "logGroupIdentifiers", json_object_get(t->body, "logGroupIdentifiers"));
	write_list(&w, "logStreamNames", json_object_get(t->body, "logStreamNames"));
	write_list(&w, "logStreamNamePrefixes", json_object_get(t->body, "logStreamNamePrefixes"));
	json_write_key_str(&w, "logEventFilterPattern", t->pattern);
	json_write_close(&w);
	return json_write_done(&w);
}

static bool stream_wanted(const struct live_tail *t, struct str stream)
{
	for (unsigned i = 0; i < t->name_count; i++) {
		if (str_eq(t->names[i], stream))
			return true;
	}
	for (unsigned i = 0; i < t->prefix_count; i++) {
		if (str_starts(stream, t->prefixes[i]))
			return true;
	}
	return !t->name_count && !t->prefix_count;
}

static void write_event(const struct live_tail *t, const struct live_group *g, const struct log_event *e, struct json_writer *w)
{
	json_write_object(w);
	json_write_key_str(w, "logStreamName", e->stream);
	json_write_key(w, "logGroupIdentifier");
	char id[LOG_GROUP_NAME_MAX + 40];
	int n = snprintf(id, sizeof id, "%s:%s", t->logs->account, g->name);
	json_write_str(w, (struct str){id, (size_t)n});
	json_write_key_str(w, "message", e->message);
	json_write_key_int(w, "timestamp", e->timestamp_ms);
	json_write_key_int(w, "ingestionTime", e->ingestion_ms);
	json_write_close(w);
}

/* True when something was passed over. */
static bool write_new(struct live_tail *t, struct live_group *g, unsigned *left, struct json_writer *w)
{
	struct log_page page;
	struct error err = {0};
	bool sampled = false;
	struct logs_filter f = {.group = str_from(g->name), .compiled = t->compiled, .token = str_from(g->at), .limit = LIVE_TAIL_EVENTS};
	if (logs_filter_events(t->logs, &f, &page, &err) < 0) {
		if (err.code == ERR_NOT_FOUND) /* it may be made again */
			token_format(g->at, 'n', (struct position){0, 0});
		return false;
	}
	for (size_t i = 0; i < page.count; i++) {
		if (!stream_wanted(t, page.events[i].stream))
			continue;
		if (*left) {
			write_event(t, g, &page.events[i], w);
			--*left;
		} else {
			sampled = true;
		}
	}
	memcpy(g->at, page.end, sizeof g->at);
	if (*page.next) {
		sampled = true;
		to_end(t, g, NULL);
	}
	log_page_release(&page);
	return sampled;
}

int live_tail_update(struct live_tail *t, struct buf *out)
{
	struct json_writer w;
	unsigned left = LIVE_TAIL_EVENTS;
	bool sampled = false;
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key(&w, "sessionResults");
	json_write_array(&w);
	for (unsigned i = 0; i < t->group_count; i++)
		sampled |= write_new(t, &t->groups[i], &left, &w);
	json_write_close(&w);
	json_write_key(&w, "sessionMetadata");
	json_write_object(&w);
	json_write_key_bool(&w, "sampled", sampled);
	json_write_close(&w);
	json_write_close(&w);
	return json_write_done(&w);
}
