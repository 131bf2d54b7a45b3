/* Event source mappings over a source and functions that the test answers for. Delays of seconds are a hundredth of that (--retry-scale 1),
 * but for windows. Included by one program each. */
#ifndef TESTS_UNIT_MAPPING_RIG_H
#define TESTS_UNIT_MAPPING_RIG_H

#include "tests/unit/registry_rig.h"

#include "control/events/mapping_priv.h"
#include "core/json/value.h"

#define QUEUE "arn:aws:sqs:us-east-1:000000000000:jobs"
#define OTHER "arn:aws:sqs:us-east-1:000000000000:more"
#define FUNCTION "arn:aws:lambda:us-east-1:000000000000:function:f"
#define RUNNING_MAX 200
#define ROUNDS 600

/* ---- the source ---- */

struct source_receiving {
	source_received_cb *cb;
	void *arg;
	unsigned max;
	size_t max_bytes;
	bool used;
};

static struct source {
	struct source_info info;
	enum error_code failure; /* of info */
	struct source_receiving receiving;
	struct list waiting;
	struct ev_defer deliver;
	struct ev_loop *loop;
	char removed[400], left[400], at_once[400], buried[400], forgotten[400];
	unsigned receives;
	bool slow; /* it tells of an end only when the test says so */
	struct { source_done_cb *cb; void *arg; } owed[8];
	size_t owed_count;
} source;

struct message {
	struct source_message m;
	char id[16];
};

static inline void on_deliver(struct ev_defer *defer)
{
	struct source_receiving r = source.receiving;
	struct list ring, *link;
	size_t n = 0, bytes = 0;
	if (!r.used || list_empty(&source.waiting))
		return;
	list_init(&ring);
	source.receiving.used = false;
	while (n < r.max && (n == 0 || bytes < r.max_bytes) && (link = list_pop_front(&source.waiting))) {
		list_push_back(&ring, link);
		bytes += CONTAINER_OF(link, struct source_message, link)->body.n;
		n++;
		source.info.waiting--;
	}
	r.cb(r.arg, &ring, n, NULL);
}

static inline int fake_info(void *arg, struct str arn, struct source_info *out, struct error *err)
{
	if (source.failure)
		return error_set(err, source.failure, "The specified queue does not exist.");
	*out = source.info;
	return 0;
}

static inline struct source_receiving *fake_receive(void *arg, struct str arn, unsigned max, size_t max_bytes, uint64_t wait_ms, source_received_cb *cb,
                                             void *cb_arg, struct error *err)
{
	ASSERT(!source.receiving.used && max > 0 && max <= 1000 && wait_ms > 0);
	source.receiving = (struct source_receiving){cb, cb_arg, max, max_bytes, true};
	source.receives++;
	ev_defer_run(source.loop, &source.deliver);
	return &source.receiving;
}

static inline void fake_cancel(void *arg, struct source_receiving *r)
{
	ASSERT(r->used);
	r->used = false;
}

static inline void note(char *into, struct list *messages)
{
	struct list *link;
	while ((link = list_pop_front(messages))) {
		struct message *m = (struct message *)(void *)CONTAINER_OF(link, struct source_message, link);
		strcat(into, m->id);
		strcat(into, " ");
		free((char *)(uintptr_t)m->m.body.p);
		free(m);
	}
}

static inline void tell(source_done_cb *cb, void *arg)
{
	if (!cb)
		return;
	if (!source.slow) {
		cb(arg, NULL);
		return;
	}
	ASSERT(source.owed_count < ARRAY_LEN(source.owed));
	source.owed[source.owed_count].cb = cb;
	source.owed[source.owed_count++].arg = arg;
}

static inline void tell_owed(void)
{
	while (source.owed_count) {
		source.owed_count--;
		source.owed[source.owed_count].cb(source.owed[source.owed_count].arg, NULL);
	}
}

static inline void fake_remove(void *arg, struct str arn, struct list *messages, source_done_cb *cb, void *cb_arg)
{
	note(source.removed, messages);
	tell(cb, cb_arg);
}

static inline void fake_leave(void *arg, struct str arn, struct list *messages, bool at_once, source_done_cb *cb, void *cb_arg)
{
	ASSERT(at_once || !cb);
	note(at_once ? source.at_once : source.left, messages);
	tell(cb, cb_arg);
}

static inline void fake_bury(void *arg, struct str arn, struct list *messages, source_done_cb *cb, void *cb_arg)
{
	note(source.buried, messages);
	tell(cb, cb_arg);
}

static inline void fake_forget(void *arg, struct list *messages)
{
	note(source.forgotten, messages);
}

static const struct source_ops fake_ops = {fake_info, fake_receive, fake_cancel, fake_remove, fake_leave, fake_bury, fake_forget};
static const struct source_row fake_rows[] = {{"sqs", &fake_ops, NULL}, {NULL, NULL, NULL}};

/* A message with this body and, where the group is not "", in that group. */
static inline void send_body(const char *id, char *body, size_t n, const char *group)
{
	struct message *m = calloc(1, sizeof *m);
	snprintf(m->id, sizeof m->id, "%s", id);
	m->m = (struct source_message){.id = str_from(m->id), .body = {body, n}, .record = STR("\"messageId\":\"x\"")};
	if (*group)
		m->m.group = str_from(group);
	list_init(&m->m.link);
	list_push_back(&source.waiting, &m->m.link);
	source.info.waiting++;
	ev_defer_run(source.loop, &source.deliver);
}

static inline void send_traced(const char *id, const char *trace)
{
	send_body(id, strdup(id), strlen(id), "");
	CONTAINER_OF(source.waiting.prev, struct source_message, link)->trace_header = str_from(trace);
}

static inline void send(const char *ids)
{
	struct str rest = str_from(ids), id;
	while (str_split(&rest, ' ', &id)) {
		char name[16];
		str_copy(name, sizeof name, id);
		send_body(name, strdup(name), id.n, "");
	}
}

static inline void send_many(unsigned n)
{
	while (n--)
		send_body("m", strdup("{}"), 2, "");
}

/* ---- functions ---- */

static struct functions {
	struct invocation *running[RUNNING_MAX];
	unsigned count, most, begun;
	enum error_code failure;
	char payload[2000], trace[200];
} functions;

int invoke_internal(struct invoke *invoke, struct registry *registry, const struct function_ref *ref, char *arn_room, struct invocation *inv,
                    struct error *err)
{
	functions.begun++;
	if (functions.failure)
		return error_set(err, functions.failure, "not now");
	ASSERT(functions.count < RUNNING_MAX && inv->payload.data[inv->payload.len] == '\0');
	snprintf(functions.payload, sizeof functions.payload, "%.*s", inv->payload.len < 1500 ? (int)inv->payload.len : 1500, inv->payload.data);
	snprintf(functions.trace, sizeof functions.trace, STR_FMT, STR_ARG(inv->trace_header));
	functions.running[functions.count++] = inv;
	functions.most = functions.most > functions.count ? functions.most : functions.count;
	return 0;
}

int invoke_check_recursion(struct registry *registry, struct str function, struct str trace_header, struct error *err)
{
	return 0;
}

enum invoke_verdict invoke_verdict(const struct invocation *inv)
{
	if (inv->outcome == INVOKE_REFUSED)
		return inv->refusal.code == ERR_THROTTLED ? VERDICT_THROTTLE : inv->refusal.code == ERR_NOT_FOUND ? VERDICT_GONE : VERDICT_SYSTEM;
	return inv->outcome == INVOKE_ANSWERED ? VERDICT_SUCCESS : VERDICT_FUNCTION;
}

/* Ends the oldest invocation. */
static inline void end_one(enum invoke_outcome outcome, enum error_code code, const char *answered)
{
	struct invocation *inv = functions.running[0];
	ASSERT(functions.count);
	memmove(functions.running, functions.running + 1, --functions.count * sizeof *functions.running);
	http_blob_release(&inv->payload);
	inv->outcome = outcome;
	if (code)
		error_set(&inv->refusal, code, "Rate Exceeded.");
	if (answered)
		inv->answer = (struct http_blob){.data = strdup(answered), .len = strlen(answered)};
	inv->done(inv);
}

static inline void succeed(const char *answered)
{
	end_one(INVOKE_ANSWERED, ERR_OK, answered);
}

/* ---- the whole ---- */

static struct rig rig;
static struct mappings *all;
static struct http_pool memory_pool;
static char uuid[UUID_SIZE];

static inline void on_ready_count(void *arg, size_t count, const struct error *err)
{
	*(size_t *)arg = err ? 1000 : count;
}

static inline size_t open_mappings(void)
{
	size_t count = 2000;
	all = mappings_new(&(struct mappings_deps){.loop = rig.loop, .kv = &rig.memory.kv, .registry = rig.r, .http_pool = &memory_pool,
	                   .settings = &rig.settings, .sources = fake_rows}, NULL);
	mappings_load(all, on_ready_count, &count);
	settle(&rig);
	return count;
}

static inline bool begin(void)
{
	source = (struct source){.info = {.visibility_s = 30}};
	functions = (struct functions){0};
	list_init(&source.waiting);
	ev_defer_init(&source.deliver, on_deliver);
	start(&rig);
	rig.settings.retry_scale = 1;
	source.loop = rig.loop;
	http_pool_init(&memory_pool, 64u << 20);
	return create(&rig, "f", "code", false) == ERR_OK && open_mappings() == 0;
}

static inline void finish(void)
{
	ev_defer_cancel(&source.deliver);
	while (functions.count)
		end_one(INVOKE_FUNCTION_ERROR, ERR_OK, NULL);
	mappings_free(all);
	note(source.forgotten, &source.waiting);
	stop(&rig);
	http_pool_release(&memory_pool);
}

static inline enum error_code ask_create(const char *text)
{
	CLEANUP_JSON json_t *request = json_value_load(str_from(text), NULL, NULL);
	ASSERT(request);
	mapping_create(all, request, on_done, &rig);
	ev_loop_run(rig.loop, NULL);
	if (!rig.err.code)
		str_copy(uuid, sizeof uuid, json_value_text(json_object_get(rig.result, "UUID")));
	return rig.err.code;
}

static inline enum error_code ask_update(const char *text)
{
	CLEANUP_JSON json_t *request = json_value_load(str_from(text), NULL, NULL);
	ASSERT(request);
	mapping_update(all, str_from(uuid), request, on_done, &rig);
	ev_loop_run(rig.loop, NULL);
	return rig.err.code;
}

static inline enum error_code ask_delete(void)
{
	mapping_delete(all, str_from(uuid), on_done, &rig);
	ev_loop_run(rig.loop, NULL);
	return rig.err.code;
}

static const char *shown(const char *key)
{
	static char text[300];
	CLEANUP_JSON json_t *view = mapping_show(all, str_from(uuid), NULL);
	json_t *v = json_object_get(view, key);
	if (json_is_integer(v))
		snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
	else
		snprintf(text, sizeof text, "%s", v ? json_string_value(v) : view ? "-" : "none");
	return text;
}

#define MAP(more) "{\"EventSourceArn\":\"" QUEUE "\",\"FunctionName\":\"f\"" more "}"
#define BEGIN(more) CHECK(begin()); CHECK_INT(ask_create(MAP(more)), ERR_OK); settle(&rig)
#define UNTIL(condition) \
	for (unsigned round_ = 0; round_ < ROUNDS && !(condition); round_++) \
		settle(&rig); \
	CHECK(condition)

#endif
