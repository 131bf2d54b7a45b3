#include "control/telemetry/early.h"

#include <string.h>

#include "core/base/check.h"

/* Strings of an event that are borrowed. */
#define TEXT(member) offsetof(struct platform_event, member)
static const size_t texts[] = {
	TEXT(initialization_type), TEXT(phase), TEXT(runtime_version), TEXT(runtime_version_arn), TEXT(function_name),
	TEXT(function_version), TEXT(function_arn), TEXT(tenant_id), TEXT(instance_id), TEXT(request_id), TEXT(version), TEXT(status), TEXT(error_type),
	TEXT(span_id), TEXT(trace), TEXT(name), TEXT(state), TEXT(reason), TEXT(text),
};

void early_init(struct early_list *l, bool open)
{
	*l = (struct early_list){.open = open};
	arena_init(&l->memory, EARLY_MAX_BYTES);
}

void early_close(struct early_list *l)
{
	arena_release(&l->memory);
	*l = (struct early_list){.open = false};
}

static void append(struct early_list *l, struct early *e)
{
	if (l->last)
		l->last->next = e;
	else
		l->first = e;
	l->last = e;
}

/* The first that found no room: those that come after it are lost too, though smaller, so that no hole is in the middle. */
static bool has_room(struct early_list *l, size_t bytes)
{
	if (l->open && l->memory.overflow) {
		l->lost_records++;
		l->lost_bytes += bytes;
	}
	return l->open && !l->memory.overflow;
}

static const char *copy_text(struct arena *a, const char *text)
{
	return text ? arena_strdup(a, str_from(text)) : NULL;
}

static void copy_lists(struct arena *a, struct platform_event *e)
{
	struct platform_span *spans = e->span_count ? arena_alloc(a, e->span_count * sizeof *spans) : NULL;
	for (size_t i = 0; spans && i < e->span_count; i++) {
		spans[i] = e->spans[i];
		spans[i].name = copy_text(a, spans[i].name);
	}
	const char **list = e->list_count ? arena_alloc(a, e->list_count * sizeof *list) : NULL;
	for (size_t i = 0; list && i < e->list_count; i++)
		list[i] = copy_text(a, e->list[i]);
	e->spans = spans;
	e->list = list;
}

void early_keep_event(struct early_list *l, const struct platform_event *e)
{
	struct early *kept = has_room(l, 0) ? ARENA_NEW(&l->memory, struct early) : NULL;
	if (!kept)
		return;
	kept->event = *e;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char **at = (const char **)(void *)((char *)&kept->event + texts[i]);
		*at = copy_text(&l->memory, *at);
	}
	copy_lists(&l->memory, &kept->event);
	if (l->memory.overflow)
		l->lost_records++;
	else
		append(l, kept);
}

void early_keep_line(struct early_list *l, int64_t wall_ms, bool extension, bool json, struct str text)
{
	struct early *kept = has_room(l, text.n) ? ARENA_NEW(&l->memory, struct early) : NULL;
	char *copy = kept ? arena_strdup(&l->memory, text) : NULL;
	if (!kept)
		return;
	kept->is_line = true;
	kept->line.wall_ms = wall_ms;
	kept->line.extension = extension;
	kept->line.json = json;
	kept->line.text = (struct str){copy, text.n};
	if (copy) {
		append(l, kept);
		return;
	}
	l->lost_records++;
	l->lost_bytes += text.n;
}
