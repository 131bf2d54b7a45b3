/* Rules with schedules: when they are due, and what they then send. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/codec.h"
#include "services/events/bus_priv.h"

struct firing {
	struct bus *b;
	struct bus_rule *rule; /* a reference */
	int64_t at_ms;
};

static void firing_free(struct firing *f)
{
	bus_rule_unref(f->rule);
	free(f);
}

static void on_remembered(void *arg, const struct kv_entry *entry, const struct error *err)
{
}

static void on_fired(void *arg, const struct error *err)
{
	struct firing *f = arg;
	char key[KV_KEY_MAX + 1], value[24];
	snprintf(key, sizeof key, BUS_FIRED_KEY "%s/" STR_FMT, f->rule->bus_name, STR_ARG(f->rule->name));
	snprintf(value, sizeof value, "%lld", (long long)f->at_ms);
	if (!err) /* one that is not written is no harm: `once` holds as long as such a time may still be fired */
		(void)kv_put(f->b->deps.kv, str_from(key), str_from(value), KV_ANY, on_remembered, NULL, NULL);
	firing_free(f);
}

/* The same for the same time of the same rule: a fire after a crash is seen to be the one before it. */
static void event_id(char id[UUID_SIZE], const struct bus_rule *r, int64_t at_ms)
{
	char text[BUS_ARN_MAX + 32], hex[SHA256_HEX_SIZE];
	int n = snprintf(text, sizeof text, "%s@%lld", r->arn, (long long)at_ms);
	sha256_hex(hex, text, (size_t)n);
	snprintf(id, UUID_SIZE, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15, hex + 18);
}

static void fire(struct bus *b, struct bus_rule *r, int64_t at_ms)
{
	struct firing *f = calloc(1, sizeof *f);
	struct str arn = str_from(r->arn);
	char id[UUID_SIZE], made[UUID_SIZE];
	ASSERT(f);
	*f = (struct firing){.b = b, .rule = bus_rule_ref(r), .at_ms = at_ms};
	event_id(id, r, at_ms);
	b->counts.scheduled++;
	bus_send_event(b, NULL, r, &(struct bus_event_in){.id = id, .source = STR("aws.events"), .detail_type = STR("Scheduled Event"),
	               .detail = STR("{}"), .time_ms = at_ms, .resources = &arn, .resource_count = 1}, made, on_fired, f);
}

static int64_t after(const struct bus_rule *r, int64_t now_ms)
{
	return when_next(r->when, r->anchor_ms, r->fired_ms > now_ms ? r->fired_ms : now_ms);
}

void bus_timer_plan(struct bus *b, struct bus_rule *r)
{
	r->due_ms = r->when && r->enabled ? after(r, bus_wall_ms(b)) : WHEN_NEVER;
}

/* What was due since the last look: fired when it is the minute's, else missed, as AWS's rules do not make up for it. */
static void look(struct bus *b, struct bus_rule *r, int64_t now_ms)
{
	b->counts.looked++;
	int64_t latest = r->when && r->enabled ? when_previous(r->when, r->anchor_ms, now_ms) : -1;
	if (latest > r->fired_ms && latest > r->anchor_ms) {
		bool late = latest < now_ms - BUS_LATE_MS;
		r->fired_ms = latest;
		b->counts.missed += late;
		if (!late)
			fire(b, r, latest);
	}
	bus_timer_plan(b, r);
}

void bus_timer_run(struct bus *b)
{
	int64_t now_ms = bus_wall_ms(b), next_ms = now_ms + BUS_TICK_MS;
	bool all = now_ms < b->looked_ms;
	b->looked_ms = now_ms;
	HASH_FOREACH(node, &b->buses) {
		struct event_bus *e = CONTAINER_OF(node, struct event_bus, node);
		HASH_FOREACH(rule, &e->rules) {
			struct bus_rule *r = CONTAINER_OF(rule, struct bus_rule, node);
			if (all || r->due_ms <= now_ms)
				look(b, r, now_ms);
			next_ms = r->due_ms < next_ms ? r->due_ms : next_ms;
		}
	}
	ev_timer_after(b->deps.loop, &b->tick, (uint64_t)(next_ms > now_ms ? next_ms - now_ms : 1) * NS_PER_MS);
}

static void on_tick(struct ev_timer *timer)
{
	bus_timer_run(CONTAINER_OF(timer, struct bus, tick));
}

void bus_timer_start(struct bus *b)
{
	b->tick.cb = on_tick;
	bus_timer_run(b);
}
