/* Operations on buses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/events/bus_priv.h"

static const char *const settings[] = {"Description", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig", NULL};

static void key_of(char key[KV_KEY_MAX + 1], const char *name)
{
	snprintf(key, KV_KEY_MAX + 1, BUS_KEY "%s", name);
}

/* Name and ARN, and what is said of a bus everywhere. */
static json_t *show(const struct bus_request *r, const struct event_bus *e)
{
	char arn[BUS_ARN_MAX];
	json_t *out = json_pack("{s:s}", "Name", e->name), *policy = json_object_get(e->record, "Policy");
	static const struct {
		const char *stored, *shown;
	} times[] = {{"Created", "CreationTime"}, {"Modified", "LastModifiedTime"}};
	bus_arn(r->b, str_from(e->name), arn);
	json_object_set_new(out, "Arn", json_string(arn));
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		const json_t *ms = json_object_get(e->record, times[i].stored);
		if (ms)
			json_object_set_new(out, times[i].shown, json_real((double)json_integer_value(ms) / 1000));
	}
	if (policy) {
		CLEANUP_FREE char *text = json_dumps(policy, JSON_COMPACT);
		json_object_set_new(out, "Policy", json_string(text));
	}
	return out;
}

json_t *bus_tags_from(const json_t *list)
{
	json_t *tags = json_object(), *one;
	size_t i;
	json_array_foreach((json_t *)list, i, one)
		json_object_set(tags, json_string_value(json_object_get(one, "Key")), json_object_get(one, "Value"));
	return tags;
}

/* ---- create, update, delete ---- */

static void commit_record(struct bus_request *r)
{
	json_decref(r->bus->record);
	r->bus->record = json_incref(r->record);
	bus_reply(r, STEAL_PTR(r->reply));
}

static void commit_create(struct bus_request *r)
{
	if (!bus_add(r->b, str_from(r->name), json_incref(r->record)))
		bus_fail_error(r, &(struct error){.code = ERR_NO_MEMORY, .msg = "no memory for an event bus"});
	else
		bus_reply(r, STEAL_PTR(r->reply));
}

static const char *creation_fault(struct bus_request *r, struct str name)
{
	struct str source = bus_in(r, "EventSourceName");
	if (bus_find(r->b, name))
		bus_fail(r, "ResourceAlreadyExistsException", "Event bus " STR_FMT " already exists.", STR_ARG(name));
	else if (source.p)
		bus_fail(r, "ResourceNotFoundException", "Event source " STR_FMT " does not exist.", STR_ARG(source));
	else if (str_find(name, '/') < name.n)
		bus_fail(r, "ValidationException", "Event bus name must not contain '/'.");
	else if (r->b->buses.count >= BUS_COUNT_MAX)
		bus_fail(r, "LimitExceededException", "The requested resource exceeds the maximum number allowed.");
	else
		return NULL;
	return "refused";
}

void bus_create(struct bus_request *r)
{
	char arn[BUS_ARN_MAX], key[KV_KEY_MAX + 1];
	struct str name = bus_in(r, "Name");
	json_int_t now = bus_wall_ms(r->b);
	if (creation_fault(r, name))
		return;
	str_copy(r->name, sizeof r->name, name);
	bus_arn(r->b, name, arn);
	r->record = json_pack("{s:i, s:I, s:I, s:o}", "Format", 1, "Created", now, "Modified", now, "Tags",
	                      bus_tags_from(json_object_get(r->input, "Tags")));
	bus_copy(r->record, r->input, settings);
	r->reply = json_pack("{s:s}", "EventBusArn", arn);
	bus_copy(r->reply, r->input, settings);
	key_of(key, r->name);
	bus_write(r, key, commit_create);
}

/* A new version of the bus's record, to be changed before bus_save. */
static void begin_change(struct bus_request *r, struct event_bus *e)
{
	r->bus = e;
	r->record = json_deep_copy(e->record);
	json_object_set_new(r->record, "Modified", json_integer(bus_wall_ms(r->b)));
}

static void save(struct bus_request *r)
{
	char key[KV_KEY_MAX + 1];
	key_of(key, r->bus->name);
	bus_write(r, key, commit_record);
}

void bus_update(struct bus_request *r)
{
	struct event_bus *e = bus_of(r, "Name");
	char arn[BUS_ARN_MAX];
	if (!e)
		return;
	begin_change(r, e);
	bus_copy(r->record, r->input, settings);
	bus_arn(r->b, str_from(e->name), arn);
	r->reply = json_pack("{s:s, s:s}", "Arn", arn, "Name", e->name);
	bus_copy(r->reply, r->record, settings);
	save(r);
}

static void commit_delete(struct bus_request *r)
{
	bus_drop(r->b, r->bus);
	bus_reply(r, NULL);
}

void bus_delete(struct bus_request *r)
{
	char key[KV_KEY_MAX + 1];
	struct str name = bus_in(r, "Name");
	r->bus = bus_find(r->b, name);
	if (str_eqz(name, "default")) {
		bus_fail(r, "ValidationException", "Cannot delete event bus default.");
	} else if (!r->bus) {
		bus_reply(r, NULL);
	} else if (r->bus->rules.count > 0) {
		bus_fail(r, "ValidationException", "Event bus " STR_FMT " can't be deleted since it has rules.", STR_ARG(name));
	} else {
		key_of(key, r->bus->name);
		bus_write(r, key, commit_delete);
	}
}

/* ---- reading ---- */

void bus_describe(struct bus_request *r)
{
	struct event_bus *e = bus_of(r, "Name");
	if (!e)
		return;
	json_t *out = show(r, e);
	bus_copy(out, e->record, settings);
	bus_reply(r, out);
}

void bus_list(struct bus_request *r)
{
	json_t *reply = json_object(), *all = json_array();
	struct bus_page page;
	json_object_set_new(reply, "EventBuses", all);
	if (bus_page(r, &r->b->buses, NULL, reply, &page) < 0) {
		json_decref(reply);
		return;
	}
	for (size_t i = 0; i < page.n; i++) {
		const struct event_bus *e = CONTAINER_OF(page.nodes[i], struct event_bus, node);
		json_t *one = show(r, e);
		bus_copy(one, e->record, (const char *const[]){"Description", NULL});
		json_array_append_new(all, one);
	}
	free(page.nodes);
	bus_reply(r, reply);
}

/* ---- permissions: kept and shown; who else's account could ask is not there ---- */

static json_t *statements(json_t *record)
{
	json_t *policy = json_object_get(record, "Policy");
	if (!policy) {
		policy = json_pack("{s:s, s:[]}", "Version", "2012-10-17", "Statement");
		json_object_set_new(record, "Policy", policy);
	}
	return json_object_get(policy, "Statement");
}

static bool is_sid(const json_t *statement, struct str sid)
{
	return str_eq(json_value_text(json_object_get(statement, "Sid")), sid);
}

/* False: there was none. */
static bool drop_statement(json_t *all, struct str sid)
{
	for (size_t i = 0; i < json_array_size(all); i++) {
		if (is_sid(json_array_get(all, i), sid)) {
			json_array_remove(all, i);
			return true;
		}
	}
	return false;
}

static bool permission_fault(struct bus_request *r)
{
	struct str principal = bus_in(r, "Principal"), action = bus_in(r, "Action");
	if (!principal.p)
		bus_fail(r, "ValidationException", "Parameter Principal must be specified.");
	else if (json_object_get(r->input, "Condition") && !str_eqz(principal, "*"))
		bus_fail(r, "ValidationException", "Value of the parameter 'principal' must be '*' when the parameter 'condition' is set.");
	else if (!str_eqz(action, "events:PutEvents"))
		bus_fail(r, "ValidationException", "Provided value in parameter 'action' is not supported.");
	else if (!bus_in(r, "StatementId").p)
		bus_fail(r, "ValidationException", "Parameter StatementId must be specified.");
	else
		return false;
	return true;
}

static void add_statement(struct bus_request *r)
{
	struct str principal = bus_in(r, "Principal"), sid = bus_in(r, "StatementId");
	const json_t *condition = json_object_get(r->input, "Condition");
	char arn[BUS_ARN_MAX];
	json_t *all = statements(r->record), *who;
	bus_arn(r->b, str_from(r->bus->name), arn);
	who = str_eqz(principal, "*") ? json_string("*")
	                              : json_pack("{s:o}", "AWS", json_sprintf("arn:aws:iam::" STR_FMT ":root", STR_ARG(principal)));
	json_t *one = json_pack("{s:s%, s:s, s:o, s:s, s:s}", "Sid", sid.p, sid.n, "Effect", "Allow", "Principal", who, "Action",
	                        "events:PutEvents", "Resource", arn);
	if (condition)
		json_object_set_new(one, "Condition", json_pack("{s:{s:O}}", json_string_value(json_object_get(condition, "Type")),
		                    json_string_value(json_object_get(condition, "Key")), json_object_get(condition, "Value")));
	drop_statement(all, sid);
	json_array_append_new(all, one);
}

static int set_policy(struct bus_request *r, struct str text)
{
	json_t *policy = json_value_load_object(text, NULL, NULL);
	if (!policy || !json_is_array(json_object_get(policy, "Statement"))) {
		json_decref(policy);
		bus_fail(r, "ValidationException", "This policy contains invalid Json");
		return -1;
	}
	json_object_set_new(r->record, "Policy", policy);
	return 0;
}

void bus_put_permission(struct bus_request *r)
{
	struct event_bus *e = bus_of(r, "EventBusName");
	struct str policy = bus_in(r, "Policy");
	if (!e || (!policy.p && permission_fault(r)))
		return;
	begin_change(r, e);
	if (!policy.p)
		add_statement(r);
	else if (set_policy(r, policy) < 0)
		return;
	CLEANUP_FREE char *text = json_dumps(json_object_get(r->record, "Policy"), JSON_COMPACT);
	if (!text || strlen(text) > BUS_POLICY_MAX)
		bus_fail(r, "PolicyLengthExceededException", "The resource policy exceeds the maximum length of %u bytes.", BUS_POLICY_MAX);
	else
		save(r);
}

void bus_remove_permission(struct bus_request *r)
{
	struct event_bus *e = bus_of(r, "EventBusName");
	bool all = json_is_true(json_object_get(r->input, "RemoveAllPermissions"));
	if (!e)
		return;
	begin_change(r, e);
	if (!all && !json_object_get(e->record, "Policy")) {
		bus_fail(r, "ResourceNotFoundException", "EventBus does not have a policy.");
		return;
	}
	if (!all && !drop_statement(statements(r->record), bus_in(r, "StatementId"))) {
		bus_fail(r, "ResourceNotFoundException", "Statement with the provided id does not exist.");
		return;
	}
	if (all || json_array_size(statements(r->record)) == 0)
		json_object_del(r->record, "Policy");
	save(r);
}
