/* Rules in memory: a record, and what was compiled of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/codec.h"
#include "services/events/bus_priv.h"

static void release_target(struct bus_target *t)
{
	transform_free(t->transform);
}

void bus_rule_unref(struct bus_rule *r)
{
	if (!r || --r->refs > 0)
		return;
	for (size_t i = 0; i < r->target_count; i++)
		release_target(&r->targets[i]);
	match_free(r->match);
	when_free(r->when);
	json_decref(r->record);
	free(r->sources);
	free(r);
}

struct bus_rule *bus_rule_ref(struct bus_rule *r)
{
	r->refs++;
	return r;
}

static void set_mark(struct bus_target *t, const struct bus_rule *r)
{
	char text[BUS_ARN_MAX + 80], hex[SHA256_HEX_SIZE];
	int n = snprintf(text, sizeof text, "%s/" STR_FMT, r->arn, STR_ARG(t->id));
	sha256_hex(hex, text, (size_t)n);
	memcpy(t->mark, hex, 16);
}

static int add_target(struct bus_rule *r, const json_t *json, struct error *err)
{
	struct bus_target *t = &r->targets[r->target_count];
	const json_t *retry = json_object_get(json, "RetryPolicy"), *attempts = json_object_get(retry, "MaximumRetryAttempts"),
	             *age = json_object_get(retry, "MaximumEventAgeInSeconds");
	*t = (struct bus_target){
		.id = json_value_text(json_object_get(json, "Id")),
		.arn = json_value_text(json_object_get(json, "Arn")),
		.role = json_value_text(json_object_get(json, "RoleArn")),
		.group = json_value_text(json_object_get(json_object_get(json, "SqsParameters"), "MessageGroupId")),
		.dead_letter = json_value_text(json_object_get(json_object_get(json, "DeadLetterConfig"), "Arn")),
		.attempts_max = attempts ? (unsigned)json_integer_value(attempts) : BUS_ATTEMPTS_MAX,
		.age_max_ms = 1000ull * (age ? (uint64_t)json_integer_value(age) : BUS_AGE_MAX_S),
		.transform = transform_compile(json, err),
	};
	set_mark(t, r);
	if (!t->transform)
		return -1;
	r->target_count++;
	return 0;
}

static int add_targets(struct bus_rule *r, struct error *err)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(r->record, "Targets"), i, one) {
		if (r->target_count == BUS_TARGETS_MAX)
			return error_set(err, ERR_INVALID, "rule %s has more targets than are allowed", r->arn);
		if (add_target(r, one, err) < 0)
			return -1;
	}
	return 0;
}

/* Where a pattern has "source" as plain texts, only those can match. */
static int add_sources(struct bus *b, struct bus_rule *r, const char *pattern)
{
	CLEANUP_JSON json_t *p = json_loads(pattern, 0, NULL);
	json_t *sources = json_object_get(p, "source"), *one;
	size_t i;
	json_array_foreach(sources, i, one) {
		if (!json_is_string(one))
			return 0;
	}
	if (json_array_size(sources) == 0)
		return 0;
	r->sources = calloc(json_array_size(sources), sizeof *r->sources);
	if (!r->sources)
		return -1;
	json_array_foreach(sources, i, one)
		r->sources[r->source_count++] = hash_bytes(b->seed, json_value_text(one));
	return 0;
}

static int compile(struct bus *b, struct bus_rule *r, struct error *err)
{
	struct str pattern = json_value_text(json_object_get(r->record, "EventPattern")),
	           schedule = json_value_text(json_object_get(r->record, "ScheduleExpression"));
	if (pattern.p) {
		r->match = match_compile(pattern, MATCH_EVENT, err);
		if (!r->match)
			return -1;
		if (add_sources(b, r, pattern.p) < 0)
			return error_set(err, ERR_NO_MEMORY, "no memory for a rule");
	}
	if (schedule.p) {
		r->when = when_parse(b->deps.zones, schedule, STR_NULL, WHEN_RULE, err);
		if (!r->when)
			return -1;
	}
	return add_targets(r, err);
}

struct bus_rule *bus_rule_new(struct bus *b, struct str bus_name, struct str name, json_t *record, struct error *err)
{
	struct bus_rule *r = calloc(1, sizeof *r);
	const struct settings *s = b->deps.settings;
	bool is_default = str_eqz(bus_name, "default");
	if (!r) {
		json_decref(record);
		error_set(err, ERR_NO_MEMORY, "no memory for a rule");
		return NULL;
	}
	*r = (struct bus_rule){.refs = 1, .record = record, .due_ms = INT64_MIN, .fired_ms = -1};
	snprintf(r->arn, sizeof r->arn, "arn:aws:events:%s:%s:rule/" STR_FMT "%s" STR_FMT, s->region, s->account,
	         is_default ? 0 : (int)bus_name.n, bus_name.p, is_default ? "" : "/", STR_ARG(name));
	str_copy(r->bus_name, sizeof r->bus_name, bus_name);
	r->name = str_sub(str_from(r->arn), strlen(r->arn) - name.n, strlen(r->arn));
	r->enabled = !str_eqz(json_value_text(json_object_get(record, "State")), "DISABLED");
	r->anchor_ms = json_integer_value(json_object_get(record, "Enabled"));
	if (compile(b, r, err) == 0)
		return r;
	bus_rule_unref(r);
	return NULL;
}

struct bus_rule *bus_rule_find(const struct event_bus *e, struct str name)
{
	return HASH_ENTRY(hash_get(&e->rules, name), struct bus_rule, node);
}

void bus_rule_put(struct event_bus *e, struct bus_rule *r)
{
	struct bus_rule *old = bus_rule_find(e, r->name);
	if (old) {
		r->fired_ms = old->fired_ms;
		bus_rule_remove(e, old);
	}
	ASSERT(hash_put(&e->rules, &r->node, r->name) == 0);
}

void bus_rule_remove(struct event_bus *e, struct bus_rule *r)
{
	hash_remove(&e->rules, &r->node);
	bus_rule_unref(r);
}

bool bus_rule_matches(const struct bus_rule *r, uint64_t source_hash, struct str event, uint64_t *work)
{
	bool may = r->source_count == 0;
	for (size_t i = 0; i < r->source_count && !may; i++)
		may = r->sources[i] == source_hash;
	return may && r->enabled && r->match && match_event_within(r->match, event, work);
}
