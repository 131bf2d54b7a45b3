/* Events on their way: PutEvents, matching, deliveries to targets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/json/check.h"
#include "core/json/write.h"
#include "core/spec/arn.h"
#include "services/events/bus_priv.h"
#include "services/events/event_time.h"

/* An event with all its deliveries; gone when the last of them is. */
struct event {
	struct bus *b;
	unsigned pending; /* deliveries, and whoever still adds some */
	unsigned visits;  /* of buses */
	uint64_t work;    /* left for matching */
	struct buf text;
	char id[UUID_SIZE], ingested[32];
	char *trace_header;
	uint64_t source_hash;
	struct error err; /* of a delivery that could not be stored */
	bus_sent_cb *cb;
	void *arg;
};

struct sending {
	struct event *event;
	struct bus_rule *rule; /* a reference */
	const struct bus_target *target;
	struct buf payload;
	char once[UUID_SIZE + 20];
	struct delivery d;
};

/* ---- ends ---- */

static void event_unref(struct event *e)
{
	if (--e->pending > 0)
		return;
	e->cb(e->arg, e->err.code ? &e->err : NULL);
	buf_release(&e->text);
	free(e->trace_header);
	free(e);
}

static void sending_end(struct sending *s)
{
	struct event *e = s->event;
	e->b->held_bytes -= s->payload.len;
	bus_rule_unref(s->rule);
	buf_release(&s->payload);
	free(s);
	event_unref(e);
}

static void on_stored(void *arg, const struct error *err)
{
	struct sending *s = arg;
	if (err)
		s->event->err = *err;
	sending_end(s);
}

/* What a target did not take: to the store, which tries again or brings it to the dead letters. */
static void store(struct sending *s, const struct error *failed)
{
	const struct bus_target *t = s->target;
	struct target_fire fire = {.target = t->arn, .payload = buf_str(&s->payload), .role = s->d.role, .group = t->group,
	                           .service = s->d.service, .source_arn = s->d.source_arn, .source_account = s->d.source_account,
	                           .once = s->d.once, .trace_header = s->d.trace_header, .dead_letter = t->dead_letter,
	                           .dead_body = buf_str(&s->event->text), .attempts = 1, .attempts_max = t->attempts_max,
	                           .age_max_ms = t->age_max_ms, .failed = delivery_is_final(failed) ? failed : NULL,
	                           .marks = {{"RULE_ARN", "String", str_from(s->rule->arn)}}, .mark_count = 1};
	struct bus *b = s->event->b;
	struct error err = {0};
	uint64_t delay_ms = fire.failed ? 0 : target_queue_delay_ms(b->again, 0);
	if (target_queue_put(b->again, &fire, STR_NULL, delay_ms, on_stored, s, &err) < 0)
		on_stored(s, &err);
}

static void on_delivered(void *arg, const struct error *err)
{
	struct sending *s = arg;
	struct bus_counts *counts = &s->event->b->counts;
	counts->delivered += !err;
	counts->failed += err != NULL;
	bool again = err && !delivery_is_final(err) && s->target->attempts_max > 0;
	if (err && (again || s->target->dead_letter.p))
		store(s, err);
	else
		sending_end(s);
}

/* ---- deliveries ---- */

/* A few rules may turn one small event into gigabytes: then it is refused as a whole, to be sent again; some targets have it twice. */
static bool has_room(struct event *e)
{
	if (e->b->held_bytes <= BUS_HELD_BYTES)
		return true;
	e->b->counts.failed++;
	error_set(&e->err, ERR_THROTTLED, "too many events are on their way to targets; send it again");
	return false;
}

static void send(struct event *e, struct bus_rule *rule, const struct bus_target *t)
{
	if (!has_room(e))
		return;
	const struct transform_context context = {buf_str(&e->text), str_from(rule->arn), rule->name, str_from(e->ingested)};
	struct sending *s = calloc(1, sizeof *s);
	struct error err = {0};
	ASSERT(s);
	*s = (struct sending){.event = e, .rule = bus_rule_ref(rule), .target = t};
	e->pending++;
	snprintf(s->once, sizeof s->once, "%s/%s", e->id, t->mark);
	buf_init(&s->payload, BUS_PAYLOAD_BYTES);
	s->d = (struct delivery){.target = t->arn, .service = STR("events.amazonaws.com"), .source_arn = str_from(rule->arn),
	                         .source_account = str_from(e->b->deps.settings->account), .role = t->role, .once = str_from(s->once),
	                         .trace_header = str_from(e->trace_header), .group = t->group};
	int rc = transform_apply(t->transform, &context, &s->payload, &err);
	e->b->held_bytes += s->payload.len;
	if (rc < 0) {
		on_delivered(s, &err);
		return;
	}
	s->d.payload = buf_str(&s->payload);
	e->b->deps.deliverer.deliver(e->b->deps.deliverer.arg, &s->d, on_delivered, s);
}

/* Name of one of our buses; p NULL: the ARN is of something else. */
static struct str bus_name_in(struct str arn_text)
{
	struct arn arn;
	if (!arn_parse(&arn, arn_text) || !str_eqz(arn.service, "events") || !str_starts(arn.resource, STR("event-bus/")))
		return STR_NULL;
	return str_sub(arn.resource, strlen("event-bus/"), arn.resource.n);
}

static void dispatch(struct event *e, struct event_bus *bus, unsigned hops);

static void dispatch_target(struct event *e, struct bus_rule *rule, const struct bus_target *t, unsigned hops)
{
	struct str name = bus_name_in(t->arn);
	struct event_bus *next = name.p ? bus_find(e->b, name) : NULL;
	if (next && hops < BUS_HOPS_MAX && e->visits < BUS_VISITS_MAX) {
		e->visits++;
		e->b->counts.delivered++;
		dispatch(e, next, hops + 1);
	} else if (next) {
		e->b->counts.failed++; /* buses that send to each other */
	} else {
		send(e, rule, t);
	}
}

static void dispatch_rule(struct event *e, struct bus_rule *rule, unsigned hops)
{
	e->b->counts.matched++;
	for (size_t i = 0; i < rule->target_count; i++)
		dispatch_target(e, rule, &rule->targets[i], hops);
}

static void dispatch(struct event *e, struct event_bus *bus, unsigned hops)
{
	HASH_FOREACH(node, &bus->rules) {
		struct bus_rule *rule = CONTAINER_OF(node, struct bus_rule, node);
		if (e->work > 0 && bus_rule_matches(rule, e->source_hash, buf_str(&e->text), &e->work))
			dispatch_rule(e, rule, hops);
	}
	if (e->work == 0 && !e->err.code) {
		e->b->counts.failed++;
		error_set(&e->err, ERR_TOO_LARGE, "the event is too large for the rules of the bus: matching it takes too long");
	}
}

/* ---- making events ---- */

/* JSON text without the blanks between its tokens; `text` is valid. */
static void put_compact(struct buf *out, struct str text)
{
	bool quoted = false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
			continue;
		buf_putc(out, c);
		if (quoted && c == '\\' && i + 1 < text.n)
			buf_putc(out, text.p[++i]);
		quoted ^= c == '"';
	}
}

static void write_event(struct event *e, const struct bus_event_in *in)
{
	const struct settings *s = e->b->deps.settings;
	struct json_writer w;
	struct buf detail;
	char time[32];
	buf_init(&detail, in->detail.n + 1);
	put_compact(&detail, in->detail);
	json_write_init(&w, &e->text);
	json_write_object(&w);
	json_write_key_z(&w, "version", "0");
	json_write_key_z(&w, "id", e->id);
	json_write_key_str(&w, "detail-type", in->detail_type);
	json_write_key_str(&w, "source", in->source);
	json_write_key_z(&w, "account", s->account);
	json_write_key_z(&w, "time", clock_format(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", in->time_ms));
	json_write_key_z(&w, "region", s->region);
	json_write_key(&w, "resources");
	json_write_array(&w);
	for (size_t i = 0; i < in->resource_count; i++)
		json_write_str(&w, in->resources[i]);
	json_write_close(&w);
	json_write_key(&w, "detail");
	json_write_raw(&w, buf_str(&detail));
	json_write_close(&w);
	buf_release(&detail);
}

void bus_send_event(struct bus *b, struct event_bus *bus, struct bus_rule *only, const struct bus_event_in *in, char id[UUID_SIZE],
                    bus_sent_cb *cb, void *arg)
{
	struct event *e = calloc(1, sizeof *e);
	ASSERT(e);
	*e = (struct event){.b = b, .pending = 1, .work = BUS_WORK_MAX, .cb = cb, .arg = arg, .source_hash = hash_bytes(b->seed, in->source)};
	uuid4(e->id);
	if (in->id)
		str_copy(e->id, sizeof e->id, str_from(in->id));
	memcpy(id, e->id, UUID_SIZE);
	clock_format(e->ingested, sizeof e->ingested, "%Y-%m-%dT%H:%M:%SZ", bus_wall_ms(b));
	e->trace_header = in->trace_header.p ? str_dup(in->trace_header) : NULL;
	buf_init(&e->text, 8 * BUS_EVENT_BYTES); /* escapes make texts longer */
	write_event(e, in);
	if (e->text.overflow)
		error_set(&e->err, ERR_TOO_LARGE, "the event is too large");
	else if (only)
		dispatch_rule(e, only, 0);
	else
		dispatch(e, bus, 0);
	event_unref(e);
}

/* ---- PutEvents ---- */

struct put {
	struct bus_request *request;
	unsigned pending, failed;
	size_t n;
	struct put_entry {
		struct put *put;
		char id[UUID_SIZE];
		const char *code, *message; /* of an error; constant texts */
	} entries[];
};

static void put_unref(struct put *p)
{
	if (--p->pending > 0)
		return;
	json_t *reply = json_object(), *entries = json_array();
	for (size_t i = 0; i < p->n; i++) {
		const struct put_entry *e = &p->entries[i];
		json_array_append_new(entries, e->code ? json_pack("{s:s, s:s}", "ErrorCode", e->code, "ErrorMessage", e->message)
		                                       : json_pack("{s:s}", "EventId", e->id));
	}
	json_object_set_new(reply, "FailedEntryCount", json_integer(p->failed));
	json_object_set_new(reply, "Entries", entries);
	bus_reply(p->request, reply);
	free(p);
}

static void entry_fails(struct put_entry *e, const char *code, const char *message)
{
	e->code = code;
	e->message = message;
	e->put->failed++;
}

static void on_entry(void *arg, const struct error *err)
{
	struct put_entry *e = arg;
	if (err)
		entry_fails(e, "InternalFailure", err->code == ERR_TOO_LARGE ? "The event is too large for the rules of its bus."
		                                                             : "The event could not be stored. Send it again.");
	put_unref(e->put);
}

static const struct {
	const char *key, *message;
} wanted[] = {
	{"Source", "Parameter Source is not valid. Reason: Source is a required argument."},
	{"DetailType", "Parameter DetailType is not valid. Reason: DetailType is a required argument."},
	{"Detail", "Parameter Detail is not valid. Reason: Detail is a required argument."},
};

static bool is_object(struct str text)
{
	struct json_check check;
	size_t at = 0;
	while (at < text.n && strchr(" \t\r\n", text.p[at]))
		at++;
	return at < text.n && text.p[at] == '{' && json_check_all(&check, text.p, text.n) == 0;
}

static bool entry_is_fine(struct put_entry *e, const json_t *entry, int64_t *time_ms)
{
	const json_t *time = json_object_get(entry, "Time");
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		if (json_string_length(json_object_get(entry, wanted[i].key)) == 0) {
			entry_fails(e, "InvalidArgument", wanted[i].message);
			return false;
		}
	}
	if (str_starts(json_value_text(json_object_get(entry, "Source")), STR("aws.")))
		entry_fails(e, "NotAuthorizedForSourceException", "Not authorized for the source.");
	else if (!is_object(json_value_text(json_object_get(entry, "Detail"))))
		entry_fails(e, "MalformedDetail", "Detail is malformed.");
	else if (time && !json_is_null(time) && events_time_read(time, time_ms) < 0)
		entry_fails(e, "InvalidArgument", "Parameter Time is not valid.");
	return e->code == NULL;
}

static void put_entry(struct put_entry *e, const json_t *entry)
{
	struct bus_request *r = e->put->request;
	struct bus *b = r->b;
	struct str name = json_value_text(json_object_get(entry, "EventBusName")),
	           trace = json_value_text(json_object_get(entry, "TraceHeader"));
	const json_t *given = json_object_get(entry, "Resources");
	CLEANUP_FREE struct str *resources = calloc(json_array_size(given) + 1, sizeof *resources);
	size_t n = 0;
	int64_t time_ms = bus_wall_ms(b);
	b->counts.put++;
	if (!entry_is_fine(e, entry, &time_ms))
		return;
	ASSERT(resources);
	for (; n < json_array_size(given); n++)
		resources[n] = json_value_text(json_array_get(given, n));
	struct str in_arn = bus_name_in(name);
	struct event_bus *bus = name.p ? bus_find(b, in_arn.p ? in_arn : name) : bus_find(b, STR("default"));
	if (!bus) { /* as AWS: accepted, and gone */
		uuid4(e->id);
		return;
	}
	e->put->pending++;
	bus_send_event(b, bus, NULL, &(struct bus_event_in){.source = json_value_text(json_object_get(entry, "Source")),
	               .detail_type = json_value_text(json_object_get(entry, "DetailType")),
	               .detail = json_value_text(json_object_get(entry, "Detail")), .trace_header = trace.p ? trace : r->call.trace_header,
	               .time_ms = time_ms, .resources = resources, .resource_count = n}, e->id, on_entry, e);
}

/* As AWS counts: 14 bytes for a time, then the UTF-8 of source, type, detail and resources. */
static size_t entry_size(const json_t *entry)
{
	size_t n = json_object_get(entry, "Time") ? 14 : 0, i;
	json_t *one;
	n += json_string_length(json_object_get(entry, "Source")) + json_string_length(json_object_get(entry, "DetailType")) +
	     json_string_length(json_object_get(entry, "Detail"));
	json_array_foreach(json_object_get(entry, "Resources"), i, one)
		n += json_string_length(one);
	return n;
}

void bus_put_events(struct bus_request *r)
{
	json_t *entries = json_object_get(r->input, "Entries"), *entry;
	size_t n = json_array_size(entries), size = 0, i;
	json_array_foreach(entries, i, entry)
		size += entry_size(entry);
	if (size > BUS_ENTRIES_BYTES) {
		bus_fail(r, "ValidationException", "Total size of the entries in the request is over the limit.");
		return;
	}
	struct put *p = calloc(1, sizeof *p + n * sizeof p->entries[0]);
	ASSERT(p);
	*p = (struct put){.request = r, .pending = 1, .n = n};
	json_array_foreach(entries, i, entry) {
		p->entries[i].put = p;
		put_entry(&p->entries[i], entry);
	}
	put_unref(p);
}

/* ---- from inside ---- */

struct inside {
	delivery_cb *cb;
	void *arg;
	struct ev_defer defer;
	struct error err;
	bool returned, answered;
	struct bus *b;
};

static void on_inside_later(struct ev_defer *defer)
{
	struct inside *in = CONTAINER_OF(defer, struct inside, defer);
	struct inside copy = *in;
	free(in);
	copy.cb(copy.arg, copy.err.code ? &copy.err : NULL);
}

static void on_inside(void *arg, const struct error *err)
{
	struct inside *in = arg;
	if (err)
		in->err = *err;
	in->answered = true;
	if (in->returned)
		on_inside_later(&in->defer);
}

void bus_deliver(struct bus *b, const struct delivery *d, delivery_cb *cb, void *arg)
{
	struct inside *in = calloc(1, sizeof *in);
	struct str name = bus_name_in(d->target);
	struct event_bus *bus = name.p ? bus_find(b, name) : NULL;
	char id[UUID_SIZE];
	ASSERT(in);
	*in = (struct inside){.cb = cb, .arg = arg, .b = b};
	ev_defer_init(&in->defer, on_inside_later);
	b->counts.put++;
	if (!bus)
		on_inside(in, &(struct error){.code = ERR_NOT_FOUND, .msg = "There is no such event bus."});
	else if (!is_object(d->payload))
		on_inside(in, &(struct error){.code = ERR_INVALID, .msg = "An event's detail is a JSON object."});
	else
		bus_send_event(b, bus, NULL, &(struct bus_event_in){.source = d->bus_source, .detail_type = d->bus_detail_type,
		               .detail = d->payload, .trace_header = d->trace_header, .time_ms = bus_wall_ms(b), .resources = d->bus_resources,
		               .resource_count = d->bus_resource_count}, id, on_inside, in);
	in->returned = true;
	if (in->answered)
		ev_defer_run(b->deps.loop, &in->defer);
}
