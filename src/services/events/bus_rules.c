/* Operations on rules and their targets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json/check.h"
#include "core/spec/arn.h"
#include "services/events/bus_priv.h"

static const char *const settings[] = {"EventPattern", "ScheduleExpression", "Description", "RoleArn", NULL};

static void key_of(char key[KV_KEY_MAX + 1], const struct event_bus *e, struct str name)
{
	snprintf(key, KV_KEY_MAX + 1, BUS_RULE_KEY "%s/" STR_FMT, e->name, STR_ARG(name));
}

/* ---- changing ---- */

static void commit_rule(struct bus_request *r)
{
	bus_rule_put(r->bus, bus_rule_ref(r->rule));
	bus_timer_run(r->b);
	bus_reply(r, STEAL_PTR(r->reply));
}

/* Compiles r->record and writes it. */
static void save(struct bus_request *r, struct event_bus *e, struct str name)
{
	char key[KV_KEY_MAX + 1];
	struct error err = {0};
	r->bus = e;
	r->rule = bus_rule_new(r->b, str_from(e->name), name, json_incref(r->record), &err);
	if (!r->rule && err.code == ERR_INVALID) {
		bus_fail(r, "InvalidEventPatternException", "Event pattern is not valid. Reason: %s", err.msg);
	} else if (!r->rule) {
		bus_fail_error(r, &err);
	} else {
		key_of(key, e, name);
		bus_write(r, key, commit_rule);
	}
}


static void fill_rule(struct bus_request *r, const struct bus_rule *old)
{
	json_int_t now = bus_wall_ms(r->b);
	struct str state = bus_in(r, "State");
	const json_t *schedule = json_object_get(r->input, "ScheduleExpression");
	json_int_t created = old ? json_integer_value(json_object_get(old->record, "Created")) : now, enabled = now;
	if (old && old->enabled && json_equal(schedule, json_object_get(old->record, "ScheduleExpression")))
		enabled = old->anchor_ms; /* rates go on as they did */
	r->record = json_pack("{s:i, s:I, s:I, s:s}", "Format", 1, "Created", created, "Enabled", enabled, "State", state.p ? state.p : "ENABLED");
	bus_copy(r->record, r->input, settings);
	if (old)
		bus_copy(r->record, old->record, (const char *const[]){"Targets", "Tags", NULL});
	else
		json_object_set_new(r->record, "Tags", bus_tags_from(json_object_get(r->input, "Tags")));
}

void bus_put_rule(struct bus_request *r)
{
	struct event_bus *e = bus_of(r, "EventBusName");
	struct str name = bus_in(r, "Name"), schedule = bus_in(r, "ScheduleExpression"), pattern = bus_in(r, "EventPattern");
	if (!e)
		return;
	struct bus_rule *old = bus_rule_find(e, name);
	if (schedule.n == 0)
		json_object_del(r->input, "ScheduleExpression");
	if (pattern.n == 0)
		json_object_del(r->input, "EventPattern");
	if (schedule.n == 0 && pattern.n == 0) {
		bus_fail(r, "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.");
	} else if (schedule.n && strcmp(e->name, "default") != 0) {
		bus_fail(r, "ValidationException", "ScheduleExpression is supported only on the default event bus.");
	} else if (!old && e->rules.count >= BUS_RULES_MAX) {
		bus_fail(r, "LimitExceededException", "The requested resource exceeds the maximum number allowed.");
	} else {
		fill_rule(r, old);
		struct error err = {0};
		struct bus_rule *named = bus_rule_new(r->b, str_from(e->name), name, json_incref(r->record), &err);
		if (named)
			r->reply = json_pack("{s:s}", "RuleArn", named->arn);
		bus_rule_unref(named);
		save(r, e, name);
	}
}

static void commit_delete(struct bus_request *r)
{
	bus_rule_remove(r->bus, bus_rule_find(r->bus, r->rule->name));
	bus_reply(r, NULL);
}

static void on_forgotten(void *arg, const struct kv_entry *entry, const struct error *err)
{
}

void bus_delete_rule(struct bus_request *r)
{
	char key[KV_KEY_MAX + 1];
	struct event_bus *e = bus_find(r->b, bus_in(r, "EventBusName").p ? bus_in(r, "EventBusName") : STR("default"));
	if (!e)
		e = bus_of(r, "EventBusName");
	if (!e)
		return;
	struct bus_rule *rule = bus_rule_find(e, bus_in(r, "Name"));
	if (!rule) {
		bus_reply(r, NULL);
	} else if (rule->target_count > 0) {
		bus_fail(r, "ValidationException", "Rule can't be deleted since it has targets.");
	} else {
		r->bus = e;
		r->rule = bus_rule_ref(rule);
		snprintf(key, sizeof key, BUS_FIRED_KEY "%s/" STR_FMT, e->name, STR_ARG(rule->name));
		(void)kv_delete(r->b->deps.kv, str_from(key), KV_ANY, on_forgotten, NULL, NULL);
		key_of(key, e, rule->name);
		bus_write(r, key, commit_delete);
	}
}

static void set_state(struct bus_request *r, const char *state, bool enabled)
{
	struct event_bus *e = bus_of(r, "EventBusName");
	struct bus_rule *rule = e ? bus_rule_of(r, e, "Name") : NULL;
	if (!rule)
		return;
	r->record = json_deep_copy(rule->record);
	json_object_set_new(r->record, "State", json_string(state));
	if (enabled && !rule->enabled)
		json_object_set_new(r->record, "Enabled", json_integer(bus_wall_ms(r->b)));
	save(r, e, bus_in(r, "Name"));
}

void bus_enable_rule(struct bus_request *r)
{
	set_state(r, "ENABLED", true);
}

void bus_disable_rule(struct bus_request *r)
{
	set_state(r, "DISABLED", false);
}

/* ---- reading ---- */

static json_t *show(const struct bus_rule *rule)
{
	json_t *out = json_pack("{s:s%, s:s, s:s}", "Name", rule->name.p, rule->name.n, "Arn", rule->arn, "EventBusName", rule->bus_name);
	bus_copy(out, rule->record, settings);
	bus_copy(out, rule->record, (const char *const[]){"State", NULL});
	return out;
}

void bus_describe_rule(struct bus_request *r)
{
	struct event_bus *e = bus_of(r, "EventBusName");
	struct bus_rule *rule = e ? bus_rule_of(r, e, "Name") : NULL;
	if (!rule)
		return;
	json_t *out = show(rule);
	json_object_set_new(out, "CreatedBy", json_string(r->b->deps.settings->account));
	bus_reply(r, out);
}

static void list(struct bus_request *r, bool (*fits)(const struct bus_request *r, struct hash_node *node), const char *key,
                 json_t *(*one)(const struct bus_rule *rule))
{
	struct event_bus *e = bus_of(r, "EventBusName");
	json_t *reply, *all;
	struct bus_page page;
	if (!e)
		return;
	reply = json_object();
	json_object_set_new(reply, key, all = json_array());
	if (bus_page(r, &e->rules, fits, reply, &page) < 0) {
		json_decref(reply);
		return;
	}
	for (size_t i = 0; i < page.n; i++)
		json_array_append_new(all, one(CONTAINER_OF(page.nodes[i], struct bus_rule, node)));
	free(page.nodes);
	bus_reply(r, reply);
}

void bus_list_rules(struct bus_request *r)
{
	list(r, NULL, "Rules", show);
}

static bool has_target(const struct bus_request *r, struct hash_node *node)
{
	const struct bus_rule *rule = CONTAINER_OF(node, struct bus_rule, node);
	struct str arn = bus_in(r, "TargetArn");
	for (size_t i = 0; i < rule->target_count; i++) {
		if (str_eq(rule->targets[i].arn, arn))
			return true;
	}
	return false;
}

static json_t *name_of(const struct bus_rule *rule)
{
	return json_stringn(rule->name.p, rule->name.n);
}

void bus_list_rule_names(struct bus_request *r)
{
	list(r, has_target, "RuleNames", name_of);
}

/* ---- targets ---- */

static const char *const reachable[] = {"lambda", "sqs", "events"};

/* True: the request has failed. */
static bool target_fault(struct bus_request *r, const json_t *target)
{
	struct str text = json_value_text(json_object_get(target, "Arn")), id = json_value_text(json_object_get(target, "Id"));
	struct arn arn;
	bool known = false;
	if (!arn_parse(&arn, text)) {
		bus_fail(r, "ValidationException", "Parameter " STR_FMT " is not valid. Reason: Provided Arn is not in correct format.",
		         text.n > 1600 ? 0 : (int)text.n, text.p);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(reachable); i++)
		known |= str_eqz(arn.service, reachable[i]);
	if (!known) {
		bus_fail(r, "ValidationException", "Parameter " STR_FMT " is not valid. Reason: This server has no targets of the service "
		         STR_FMT "; it has lambda, sqs and events.", STR_ARG(text), STR_ARG(arn.service));
		return true;
	}
	if (str_eqz(arn.service, "sqs") && str_ends(text, STR(".fifo")) && !json_object_get(target, "SqsParameters")) {
		bus_fail(r, "ValidationException", "Parameter(s) SqsParameters must be specified for target: " STR_FMT ".", STR_ARG(id));
		return true;
	}
	return false;
}

static size_t place_of(const json_t *targets, struct str id)
{
	size_t i = 0;
	while (i < json_array_size(targets) && !str_eq(json_value_text(json_object_get(json_array_get(targets, i), "Id")), id))
		i++;
	return i;
}

/* r->record becomes a copy of the rule's; its Targets. NULL: the request has failed. */
static json_t *begin_targets(struct bus_request *r, struct event_bus *e)
{
	struct bus_rule *rule = bus_rule_of(r, e, "Rule");
	if (!rule)
		return NULL;
	r->record = json_deep_copy(rule->record);
	json_t *targets = json_object_get(r->record, "Targets");
	if (!targets) {
		targets = json_array();
		json_object_set_new(r->record, "Targets", targets);
	}
	return targets;
}

void bus_put_targets(struct bus_request *r)
{
	struct event_bus *e = bus_of(r, "EventBusName");
	json_t *targets = e ? begin_targets(r, e) : NULL, *one;
	size_t i;
	if (!targets)
		return;
	json_array_foreach(json_object_get(r->input, "Targets"), i, one) {
		if (target_fault(r, one))
			return;
		size_t at = place_of(targets, json_value_text(json_object_get(one, "Id")));
		if (at < json_array_size(targets))
			json_array_set(targets, at, one);
		else
			json_array_append(targets, one);
	}
	if (json_array_size(targets) > BUS_TARGETS_MAX) {
		bus_fail(r, "LimitExceededException", "The requested resource exceeds the maximum number allowed.");
		return;
	}
	r->reply = json_pack("{s:i, s:[]}", "FailedEntryCount", 0, "FailedEntries");
	save(r, e, bus_in(r, "Rule"));
}

void bus_remove_targets(struct bus_request *r)
{
	struct event_bus *e = bus_of(r, "EventBusName");
	json_t *targets = e ? begin_targets(r, e) : NULL, *id, *failed;
	struct str rule = bus_in(r, "Rule");
	size_t i;
	if (!targets)
		return;
	failed = json_array();
	json_array_foreach(json_object_get(r->input, "Ids"), i, id) {
		size_t at = place_of(targets, json_value_text(id));
		if (at < json_array_size(targets))
			json_array_remove(targets, at);
		else
			json_array_append_new(failed, json_pack("{s:O, s:s, s:o}", "TargetId", id, "ErrorCode", "ResourceNotFoundException",
			                      "ErrorMessage", json_sprintf("Rule " STR_FMT " does not have a target with the Id %s.",
			                      STR_ARG(rule), json_string_value(id))));
	}
	r->reply = json_pack("{s:i, s:o}", "FailedEntryCount", (int)json_array_size(failed), "FailedEntries", failed);
	save(r, e, rule);
}

void bus_list_targets(struct bus_request *r)
{
	struct event_bus *e = bus_of(r, "EventBusName");
	struct bus_rule *rule = e ? bus_rule_of(r, e, "Rule") : NULL;
	json_t *targets;
	if (!rule)
		return;
	targets = json_object_get(rule->record, "Targets");
	bus_reply(r, json_pack("{s:o}", "Targets", targets ? json_incref(targets) : json_array()));
}

/* ---- TestEventPattern ---- */

void bus_test_pattern(struct bus_request *r)
{
	static const char *const wanted[] = {"id", "account", "source", "time", "region", "resources", "detail-type"};
	struct error err = {0};
	struct str text = bus_in(r, "Event");
	CLEANUP_JSON json_t *event = text.n <= BUS_EVENT_BYTES ? json_value_load_object(text, NULL, NULL) : NULL;
	uint64_t work = BUS_WORK_MAX;
	bool fine = event != NULL;
	for (size_t i = 0; i < ARRAY_LEN(wanted) && fine; i++)
		fine = json_object_get(event, wanted[i]) != NULL;
	if (!fine) {
		bus_fail(r, "ValidationException", "Parameter Event is not valid.");
		return;
	}
	struct match *m = match_compile(bus_in(r, "EventPattern"), MATCH_EVENT, &err);
	if (!m) {
		bus_fail(r, "InvalidEventPatternException", "Event pattern is not valid. Reason: %s", err.msg);
		return;
	}
	bool result = match_event_within(m, text, &work);
	match_free(m);
	if (work == 0) {
		bus_fail(r, "ValidationException", "Parameter Event is not valid.");
		return;
	}
	bus_reply(r, json_pack("{s:b}", "Result", result));
}
