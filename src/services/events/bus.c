/* The buses themselves: made, loaded, counted, freed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/events/bus_priv.h"

int64_t bus_wall_ms(const struct bus *b)
{
	return b->deps.wall_ms ? b->deps.wall_ms(b->deps.wall_arg) : clock_wall_ms();
}

struct event_bus *bus_find(const struct bus *b, struct str name)
{
	return HASH_ENTRY(hash_get(&b->buses, name), struct event_bus, node);
}

struct event_bus *bus_add(struct bus *b, struct str name, json_t *record)
{
	struct event_bus *e = calloc(1, sizeof *e);
	if (!e || str_copy(e->name, sizeof e->name, name) < 0 || hash_put(&b->buses, &e->node, str_from(e->name)) < 0) {
		free(e);
		json_decref(record);
		return NULL;
	}
	e->record = record;
	hash_init(&e->rules);
	return e;
}

void bus_drop(struct bus *b, struct event_bus *e)
{
	hash_remove(&b->buses, &e->node);
	HASH_FOREACH(node, &e->rules)
		bus_rule_remove(e, CONTAINER_OF(node, struct bus_rule, node));
	hash_release(&e->rules);
	json_decref(e->record);
	free(e);
}

void bus_arn(const struct bus *b, struct str name, char dst[BUS_ARN_MAX])
{
	snprintf(dst, BUS_ARN_MAX, "arn:aws:events:%s:%s:event-bus/" STR_FMT, b->deps.settings->region, b->deps.settings->account, STR_ARG(name));
}

static void on_clock(void *arg)
{
	bus_timer_run(arg);
}

static int make_parts(struct bus *b, struct error *err)
{
	struct target_queue_deps again = {.loop = b->deps.loop, .queue = b->deps.queue, .name = "fire/rule", .deliverer = &b->deps.deliverer,
	                                  .retry_percent = (unsigned)b->deps.settings->retry_scale};
	if (!bus_add(b, STR("default"), json_pack("{s:i}", "Format", 1)))
		return error_set(err, ERR_NO_MEMORY, "no memory for event buses");
	b->again = target_queue_new(&again, err);
	b->clockset = b->again ? ev_clockset_new(b->deps.loop, on_clock, b, err) : NULL;
	return b->clockset ? 0 : -1;
}

struct bus *bus_new(const struct bus_deps *deps, struct error *err)
{
	struct bus *b = calloc(1, sizeof *b);
	if (!b) {
		error_set(err, ERR_NO_MEMORY, "no memory for event buses");
		return NULL;
	}
	b->deps = *deps;
	b->seed = rand_u64();
	hash_init(&b->buses);
	list_init(&b->changes);
	ev_defer_init(&b->load.ready, NULL);
	if (make_parts(b, err) == 0)
		return b;
	bus_free(b);
	return NULL;
}

void bus_drain(struct bus *b, void (*on_idle)(void *arg), void *arg)
{
	target_queue_drain(b->again, on_idle, arg);
}

bool bus_busy(const struct bus *b)
{
	return target_queue_busy(b->again);
}

void bus_free(struct bus *b)
{
	if (!b)
		return;
	ev_timer_stop(&b->tick);
	ev_clockset_free(b->clockset);
	target_queue_free(b->again);
	HASH_FOREACH(node, &b->buses)
		bus_drop(b, CONTAINER_OF(node, struct event_bus, node));
	hash_release(&b->buses);
	free(b);
}

void bus_count(const struct bus *b, struct bus_counts *out)
{
	*out = b->counts;
}

/* ---- loading: one kind of keys after the other ---- */

static int load_bus(struct bus *b, struct str key, struct str value, struct error *err)
{
	json_t *record = json_value_load_object(value, NULL, err);
	struct event_bus *e = bus_find(b, key);
	if (!record)
		return -1;
	if (e) { /* "default" */
		json_decref(e->record);
		e->record = record;
		return 0;
	}
	return bus_add(b, key, record) ? 0 : error_set(err, ERR_NO_MEMORY, "no memory for event buses");
}

/* "BUS/NAME": a rule's name has no slash, a partner's bus has. */
static struct str cut_rule(struct str *key)
{
	size_t at = key->n;
	while (at > 0 && key->p[at - 1] != '/')
		at--;
	struct str name = str_sub(*key, at, key->n);
	*key = str_sub(*key, 0, at ? at - 1 : 0);
	return name;
}

static int load_rule(struct bus *b, struct str key, struct str value, struct error *err)
{
	struct str bus_name = key, name = cut_rule(&bus_name);
	struct event_bus *e = bus_find(b, bus_name);
	json_t *record = json_value_load_object(value, NULL, err);
	if (!record)
		return -1;
	if (!e) {
		json_decref(record);
		return error_set(err, ERR_IO, "there is no such event bus");
	}
	struct bus_rule *r = bus_rule_new(b, bus_name, name, record, err);
	if (!r)
		return -1;
	bus_rule_put(e, r);
	b->load.rules++;
	return 0;
}

static int load_fired(struct bus *b, struct str key, struct str value, struct error *err)
{
	struct str bus_name = key, name = cut_rule(&bus_name);
	struct event_bus *e = bus_find(b, bus_name);
	struct bus_rule *r = e ? bus_rule_find(e, name) : NULL;
	uint64_t ms;
	if (r && str_to_u64(value, INT64_MAX, &ms) == 0)
		r->fired_ms = (int64_t)ms;
	return 0; /* of a rule that was deleted: its key may outlive it by a crash */
}

static const struct {
	const char *prefix;
	int (*load)(struct bus *b, struct str key, struct str value, struct error *err);
} steps[] = {{BUS_KEY, load_bus}, {BUS_RULE_KEY, load_rule}, {BUS_FIRED_KEY, load_fired}};

static void list_more(struct bus *b);

static void end_load(struct bus *b)
{
	struct error *err = &b->load.err;
	if (err->code == 0 && target_queue_start(b->again, err) == 0)
		bus_timer_start(b);
	b->load.cb(b->load.arg, b->load.rules, err->code ? err : NULL);
}

static void on_end_load(struct ev_defer *defer)
{
	end_load(CONTAINER_OF(defer, struct bus, load.ready));
}

static void on_list(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct bus *b = arg;
	const char *prefix = steps[b->load.step].prefix;
	int rc = err ? -1 : 0;
	if (err)
		b->load.err = *err;
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = steps[b->load.step].load(b, str_sub(entries[i].key, strlen(prefix), entries[i].key.n), entries[i].value, &b->load.err);
		if (rc < 0)
			error_wrap(&b->load.err, "record " STR_FMT, STR_ARG(entries[i].key));
	}
	if (rc < 0) {
		end_load(b);
		return;
	}
	if (more)
		str_copy(b->load.last, sizeof b->load.last, entries[n - 1].key);
	else
		b->load.last[0] = 0;
	b->load.step += !more;
	if (b->load.step == ARRAY_LEN(steps))
		end_load(b);
	else
		list_more(b);
}

static void list_more(struct bus *b)
{
	struct kv_list what = {.prefix = str_from(steps[b->load.step].prefix), .after = str_from(b->load.last)};
	if (kv_list(b->deps.kv, &what, on_list, b, &b->load.err) < 0)
		ev_defer_run(b->deps.loop, &b->load.ready);
}

void bus_load(struct bus *b, bus_ready_cb *cb, void *arg)
{
	b->load.cb = cb;
	b->load.arg = arg;
	ev_defer_init(&b->load.ready, on_end_load);
	list_more(b);
}
