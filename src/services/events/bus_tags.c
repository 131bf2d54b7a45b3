/* Tags of buses and rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/spec/arn.h"
#include "services/events/bus_priv.h"

#define TAGS_MAX 50u

/* Fills r->bus, and r->rule (a reference) when the ARN is a rule's. False: the request has failed. */
static bool find_resource(struct bus_request *r)
{
	struct str text = bus_in(r, "ResourceARN"), name = STR_NULL, bus_name = STR("default");
	struct arn arn;
	bool is_bus = false;
	if (arn_parse(&arn, text) && str_starts(arn.resource, STR("event-bus/"))) {
		is_bus = true;
		bus_name = str_sub(arn.resource, 10, arn.resource.n);
	} else if (arn_parse(&arn, text) && str_starts(arn.resource, STR("rule/"))) {
		struct str rest = str_sub(arn.resource, 5, arn.resource.n);
		size_t at = rest.n;
		while (at > 0 && rest.p[at - 1] != '/')
			at--;
		name = str_sub(rest, at, rest.n);
		bus_name = at ? str_sub(rest, 0, at - 1) : bus_name;
	} else {
		bus_fail(r, "ValidationException", "Parameter ResourceARN is not valid. Reason: Provided Arn is not in correct format.");
		return false;
	}
	r->bus = bus_find(r->b, bus_name);
	struct bus_rule *rule = r->bus && !is_bus ? bus_rule_find(r->bus, name) : NULL;
	r->rule = rule ? bus_rule_ref(rule) : NULL;
	if (!r->bus || (is_bus && !r->bus))
		bus_fail(r, "ResourceNotFoundException", "Event bus " STR_FMT " does not exist.", STR_ARG(bus_name));
	else if (!is_bus && !rule)
		bus_fail(r, "ResourceNotFoundException", "Rule " STR_FMT " does not exist on EventBus " STR_FMT ".", STR_ARG(name), STR_ARG(bus_name));
	else
		return true;
	return false;
}

/* The tags of the new record; made when there are none yet. */
static json_t *begin(struct bus_request *r)
{
	r->record = json_deep_copy(r->rule ? r->rule->record : r->bus->record);
	json_t *tags = json_object_get(r->record, "Tags");
	if (!tags) {
		tags = json_object();
		json_object_set_new(r->record, "Tags", tags);
	}
	return tags;
}

/* Tags change nothing that was compiled: the record is exchanged under the rule. */
static void commit(struct bus_request *r)
{
	json_t *now = r->rule ? r->rule->record : r->bus->record;
	json_object_set(now, "Tags", json_object_get(r->record, "Tags"));
	bus_reply(r, NULL);
}

static void save(struct bus_request *r)
{
	char key[KV_KEY_MAX + 1];
	if (r->rule)
		snprintf(key, sizeof key, BUS_RULE_KEY "%s/" STR_FMT, r->rule->bus_name, STR_ARG(r->rule->name));
	else
		snprintf(key, sizeof key, BUS_KEY "%s", r->bus->name);
	bus_write(r, key, commit);
}

void bus_tag(struct bus_request *r)
{
	size_t i;
	json_t *one;
	if (!find_resource(r))
		return;
	json_t *tags = begin(r);
	json_array_foreach(json_object_get(r->input, "Tags"), i, one)
		json_object_set(tags, json_string_value(json_object_get(one, "Key")), json_object_get(one, "Value"));
	if (json_object_size(tags) > TAGS_MAX)
		bus_fail(r, "ValidationException", "The number of tags exceeds the maximum of %u.", TAGS_MAX);
	else
		save(r);
}

void bus_untag(struct bus_request *r)
{
	size_t i;
	json_t *key;
	if (!find_resource(r))
		return;
	json_t *tags = begin(r);
	json_array_foreach(json_object_get(r->input, "TagKeys"), i, key)
		json_object_del(tags, json_string_value(key));
	save(r);
}

void bus_list_tags(struct bus_request *r)
{
	const char *key;
	json_t *value, *list = json_array();
	if (!find_resource(r)) {
		json_decref(list);
		return;
	}
	json_object_foreach(json_object_get(r->rule ? r->rule->record : r->bus->record, "Tags"), key, value)
		json_array_append_new(list, json_pack("{s:s, s:O}", "Key", key, "Value", value));
	bus_reply(r, json_pack("{s:o}", "Tags", list));
}
