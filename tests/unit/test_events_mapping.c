/* Event source mappings over a source and functions that the test answers for: records, states, batches, limits, ends. Delays of seconds
 * are a hundredth of that (--retry-scale 1), but for windows. */
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
} source;

struct message {
	struct source_message m;
	char id[16];
};

static void on_deliver(struct ev_defer *defer)
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

static int fake_info(void *arg, struct str arn, struct source_info *out, struct error *err)
{
	if (source.failure)
		return error_set(err, source.failure, "The specified queue does not exist.");
	*out = source.info;
	return 0;
}

static struct source_receiving *fake_receive(void *arg, struct str arn, unsigned max, size_t max_bytes, uint64_t wait_ms, source_received_cb *cb,
                                             void *cb_arg, struct error *err)
{
	ASSERT(!source.receiving.used && max > 0 && max <= 1000 && wait_ms > 0);
	source.receiving = (struct source_receiving){cb, cb_arg, max, max_bytes, true};
	source.receives++;
	ev_defer_run(source.loop, &source.deliver);
	return &source.receiving;
}

static void fake_cancel(void *arg, struct source_receiving *r)
{
	ASSERT(r->used);
	r->used = false;
}

static void note(char *into, struct list *messages)
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

static void fake_remove(void *arg, struct str arn, struct list *messages, source_done_cb *cb, void *cb_arg)
{
	note(source.removed, messages);
}

static void fake_leave(void *arg, struct str arn, struct list *messages, bool at_once, source_done_cb *cb, void *cb_arg)
{
	note(at_once ? source.at_once : source.left, messages);
}

static void fake_bury(void *arg, struct str arn, struct list *messages, source_done_cb *cb, void *cb_arg)
{
	note(source.buried, messages);
}

static void fake_forget(void *arg, struct list *messages)
{
	note(source.forgotten, messages);
}

static const struct source_ops fake_ops = {fake_info, fake_receive, fake_cancel, fake_remove, fake_leave, fake_bury, fake_forget};
static const struct source_row fake_rows[] = {{"sqs", &fake_ops, NULL}, {NULL, NULL, NULL}};

/* A message with this body and, where the group is not "", in that group. */
static void send_body(const char *id, char *body, size_t n, const char *group)
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

static void send(const char *ids)
{
	struct str rest = str_from(ids), id;
	while (str_split(&rest, ' ', &id)) {
		char name[16];
		str_copy(name, sizeof name, id);
		send_body(name, strdup(name), id.n, "");
	}
}

static void send_many(unsigned n)
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
static void end_one(enum invoke_outcome outcome, enum error_code code, const char *answered)
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

static void succeed(const char *answered)
{
	end_one(INVOKE_ANSWERED, ERR_OK, answered);
}

/* ---- the whole ---- */

static struct rig rig;
static struct mappings *all;
static struct http_pool memory_pool;
static char uuid[UUID_SIZE];

static void on_ready_count(void *arg, size_t count, const struct error *err)
{
	*(size_t *)arg = err ? 1000 : count;
}

static size_t open_mappings(void)
{
	size_t count = 2000;
	all = mappings_new(&(struct mappings_deps){.loop = rig.loop, .kv = &rig.memory.kv, .registry = rig.r, .http_pool = &memory_pool,
	                   .settings = &rig.settings, .sources = fake_rows}, NULL);
	mappings_load(all, on_ready_count, &count);
	settle(&rig);
	return count;
}

static bool begin(void)
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

static void finish(void)
{
	ev_defer_cancel(&source.deliver);
	while (functions.count)
		end_one(INVOKE_FUNCTION_ERROR, ERR_OK, NULL);
	mappings_free(all);
	note(source.forgotten, &source.waiting);
	stop(&rig);
	http_pool_release(&memory_pool);
}

static enum error_code ask_create(const char *text)
{
	CLEANUP_JSON json_t *request = json_value_load(str_from(text), NULL, NULL);
	ASSERT(request);
	mapping_create(all, request, on_done, &rig);
	ev_loop_run(rig.loop, NULL);
	if (!rig.err.code)
		str_copy(uuid, sizeof uuid, json_value_text(json_object_get(rig.result, "UUID")));
	return rig.err.code;
}

static enum error_code ask_update(const char *text)
{
	CLEANUP_JSON json_t *request = json_value_load(str_from(text), NULL, NULL);
	ASSERT(request);
	mapping_update(all, str_from(uuid), request, on_done, &rig);
	ev_loop_run(rig.loop, NULL);
	return rig.err.code;
}

static enum error_code ask_delete(void)
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

/* ---- tests ---- */

TEST(defaults_and_states)
{
	CHECK(begin());
	rig.settings.settle_ms = 20;
	CHECK_INT(ask_create(MAP("")), ERR_OK);
	CHECK_STR(json_string_value(json_object_get(rig.result, "State")), "Creating");
	CHECK_STR(shown("BatchSize"), "10");
	CHECK_STR(shown("MaximumBatchingWindowInSeconds"), "0");
	CHECK_STR(shown("FunctionArn"), FUNCTION);
	CHECK_STR(shown("StateTransitionReason"), "USER_INITIATED");
	CHECK_STR(shown("Enabled"), "-");
	CHECK_INT(ask_update("{\"BatchSize\":3}"), ERR_IN_USE);
	CHECK_STR(rig.err.msg, "Cannot update the event source mapping because it is in use.");
	CHECK_INT(ask_delete(), ERR_IN_USE);
	UNTIL(strcmp(shown("State"), "Enabled") == 0);
	CHECK_INT(ask_update("{\"BatchSize\":3}"), ERR_OK);
	CHECK_STR(shown("State"), "Updating");
	UNTIL(strcmp(shown("State"), "Enabled") == 0);
	CHECK_STR(shown("BatchSize"), "3");
	CHECK_INT(ask_update("{\"Enabled\":false}"), ERR_OK);
	CHECK_STR(shown("State"), "Disabling");
	UNTIL(strcmp(shown("State"), "Disabled") == 0);
	CHECK_INT(ask_update("{\"Enabled\":true}"), ERR_OK);
	CHECK_STR(shown("State"), "Enabling");
	UNTIL(strcmp(shown("State"), "Enabled") == 0);
	CHECK_INT(ask_delete(), ERR_OK);
	CHECK_STR(json_string_value(json_object_get(rig.result, "State")), "Deleting");
	CHECK_INT(ask_delete(), ERR_IN_USE);
	UNTIL(strcmp(shown("State"), "none") == 0);
	CHECK_INT(ask_delete(), ERR_NOT_FOUND);
	finish();
}

TEST(rules)
{
	static const struct {
		const char *request;
		enum error_code code;
		const char *text;
	} cases[] = {
		{"{\"FunctionName\":\"f\"}", ERR_INVALID, "Unrecognized event source."},
		{"{\"EventSourceArn\":\"arn:aws:foo:us-east-1:000000000000:q\",\"FunctionName\":\"f\"}", ERR_INVALID, "Unrecognized event source."},
		{MAP(",\"BatchSize\":11"), ERR_INVALID,
		 "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"},
		{MAP(",\"StartingPosition\":\"LATEST\""), ERR_INVALID, "StartingPosition is not valid for SQS event sources."},
		{MAP(",\"DestinationConfig\":{\"OnFailure\":{}}"), ERR_INVALID,
		 "Unsupported DestinationConfig parameter for given event source mapping type."},
		{MAP(",\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{\"}]}"), ERR_INVALID, "Invalid filter pattern definition."},
		{"{\"EventSourceArn\":\"" QUEUE "\",\"FunctionName\":\"g\"}", ERR_NOT_FOUND,
		 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:g"},
	};
	CHECK(begin());
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_INT(ask_create(cases[i].request), cases[i].code);
		CHECK_STR(rig.err.msg, cases[i].text);
	}
	source.info.visibility_s = 4;
	CHECK_INT(ask_create(MAP("")), ERR_INVALID);
	CHECK_STR(rig.err.msg, "Queue visibility timeout: 4 seconds is less than Function timeout: 5 seconds");
	source.failure = ERR_NOT_FOUND;
	CHECK_INT(ask_create(MAP("")), ERR_INVALID);
	CHECK_STR(rig.err.msg, "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: "
	          "The specified queue does not exist.");
	source.failure = ERR_OK;
	source.info = (struct source_info){.visibility_s = 30, .ordered = true};
	CHECK_INT(ask_create(MAP(",\"MaximumBatchingWindowInSeconds\":1")), ERR_INVALID);
	CHECK_STR(rig.err.msg, "Batching window is not supported for FIFO queues");
	CHECK_INT(rig.memory.count, 1); /* the function alone */
	finish();
}

TEST(one_mapping_a_pair)
{
	BEGIN("");
	char first[UUID_SIZE];
	memcpy(first, uuid, sizeof first);
	CHECK_INT(ask_create(MAP("")), ERR_EXISTS);
	CHECK_STR(rig.err.msg, first);
	CHECK_INT(ask_create("{\"EventSourceArn\":\"" QUEUE "\",\"FunctionName\":\"" FUNCTION ":$LATEST\",\"Enabled\":false}"), ERR_OK);
	CHECK_INT(ask_create("{\"EventSourceArn\":\"" OTHER "\",\"FunctionName\":\"f\",\"Enabled\":false}"), ERR_OK);
	settle(&rig);
	struct mapping_list list = {.source_arn = STR(QUEUE), .max = 1, .rows = json_array(), .next = (char[UUID_SIZE]){0}};
	mapping_list(all, &list);
	CHECK_INT(json_array_size(list.rows), 1);
	CHECK_INT(strlen(list.next), UUID_SIZE - 1);
	list.marker = str_from(strdup(list.next));
	mapping_list(all, &list);
	CHECK_INT(json_array_size(list.rows), 2);
	CHECK_STR(list.next, "");
	free((char *)(uintptr_t)list.marker.p);
	list = (struct mapping_list){.function = STR("f"), .rows = list.rows, .next = list.next};
	json_array_clear(list.rows);
	mapping_list(all, &list);
	CHECK_INT(json_array_size(list.rows), 2);
	json_decref(list.rows);
	finish();
}

TEST(restart)
{
	BEGIN(",\"BatchSize\":7,\"Tags\":{\"a\":\"1\"},\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{\\\"body\\\":[\\\"x\\\"]}\"}]}");
	mappings_free(all);
	source.receiving.used = false;
	CHECK_INT(open_mappings(), 1);
	CHECK_STR(shown("BatchSize"), "7");
	CHECK_STR(shown("State"), "Enabled");
	CLEANUP_JSON json_t *tags = mapping_tags(all, str_from(uuid), NULL);
	CHECK_STR(json_string_value(json_object_get(tags, "a")), "1");
	send("x y");
	UNTIL(functions.count == 1);
	CHECK_STR(source.removed, "y ");
	finish();
}

TEST(writes_that_fail)
{
	BEGIN("");
	rig.memory.writes_left = 0;
	CHECK_INT(ask_update("{\"BatchSize\":3}"), ERR_DISK_FULL);
	CHECK_STR(shown("State"), "Enabled");
	CHECK_STR(shown("BatchSize"), "10");
	CHECK_INT(ask_delete(), ERR_DISK_FULL);
	CHECK_STR(shown("State"), "Enabled");
	CHECK_INT(ask_create("{\"EventSourceArn\":\"" OTHER "\",\"FunctionName\":\"f\"}"), ERR_DISK_FULL);
	rig.memory.writes_left = -1;
	CHECK_INT(ask_create("{\"EventSourceArn\":\"" OTHER "\",\"FunctionName\":\"f\"}"), ERR_OK);
	finish();
}

TEST(tags)
{
	BEGIN("");
	json_t *add = json_pack("{s:s, s:s}", "a", "1", "b", "2"), *gone = json_pack("[s]", "a");
	mapping_tag(all, str_from(uuid), add, NULL, on_done, &rig);
	ev_loop_run(rig.loop, NULL);
	mapping_tag(all, str_from(uuid), NULL, gone, on_done, &rig);
	ev_loop_run(rig.loop, NULL);
	CHECK_INT(rig.err.code, ERR_OK);
	CLEANUP_JSON json_t *tags = mapping_tags(all, str_from(uuid), NULL);
	CHECK_INT(json_object_size(tags), 1);
	CHECK_STR(json_string_value(json_object_get(tags, "b")), "2");
	CHECK_STR(shown("Tags"), "-");
	json_decref(add);
	json_decref(gone);
	finish();
}

TEST(batches_end)
{
	BEGIN("");
	send("a b");
	UNTIL(functions.count == 1);
	CHECK_STR(functions.payload, "{\"Records\":[{\"messageId\":\"x\",\"body\":\"a\"},{\"messageId\":\"x\",\"body\":\"b\"}]}");
	succeed("\"anything\"");
	CHECK_STR(source.removed, "a b ");
	send("c");
	UNTIL(functions.count == 1);
	end_one(INVOKE_FUNCTION_ERROR, ERR_OK, "{}");
	CHECK_STR(source.left, "c ");
	CHECK_STR(source.removed, "a b ");
	struct mappings_counts counts;
	mappings_count(all, &counts);
	CHECK_INT(counts.batches, 2);
	CHECK_INT(counts.messages, 3);
	CHECK_INT(counts.failed, 1);
	CHECK_INT(counts.in_flight, 0);
	CHECK_INT(memory_pool.used_bytes, 0);
	finish();
}

TEST(partial_answers)
{
	BEGIN(",\"FunctionResponseTypes\":[\"ReportBatchItemFailures\"]");
	send("a b c");
	UNTIL(functions.count == 1);
	succeed("{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"}]}");
	CHECK_STR(source.removed, "a c ");
	CHECK_STR(source.left, "b ");
	send("d e");
	UNTIL(functions.count == 1);
	succeed("{\"batchItemFailures\":[{\"itemIdentifier\":\"zz\"}]}");
	CHECK_STR(source.removed, "a c ");
	CHECK_STR(source.left, "b d e ");
	finish();
}

TEST(partial_answers_keep_the_order_of_groups)
{
	CHECK(begin());
	source.info.ordered = true;
	CHECK_INT(ask_create(MAP(",\"FunctionResponseTypes\":[\"ReportBatchItemFailures\"]")), ERR_OK);
	send_body("a", strdup("1"), 1, "x");
	send_body("b", strdup("2"), 1, "y");
	send_body("c", strdup("3"), 1, "x");
	UNTIL(functions.count == 1);
	succeed("{\"batchItemFailures\":[{\"itemIdentifier\":\"a\"}]}");
	CHECK_STR(source.removed, "b ");
	CHECK_STR(source.left, "a c ");
	finish();
}

TEST(filters_delete)
{
	BEGIN(",\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{\\\"body\\\":{\\\"n\\\":[1]}}\"},{\"Pattern\":\"{\\\"body\\\":[\\\"plain\\\"]}\"}]}");
	send_body("a", strdup("{\"n\":1}"), 7, "");
	send_body("b", strdup("{\"n\":2}"), 7, "");
	send_body("c", strdup("plain"), 5, "");
	send_body("d", strdup("{\"n\":"), 5, "");
	UNTIL(functions.count == 1);
	CHECK_STR(source.removed, "b d ");
	succeed("null");
	CHECK_STR(source.removed, "b d a c ");
	struct mappings_counts counts;
	mappings_count(all, &counts);
	CHECK_INT(counts.filtered, 2);
	finish();
}

TEST(window)
{
	BEGIN(",\"BatchSize\":20,\"MaximumBatchingWindowInSeconds\":1");
	send("a");
	UNTIL(source.receives == 2);
	send("b");
	UNTIL(source.receives == 3);
	CHECK_INT(functions.begun, 0);
	UNTIL(functions.count == 1);
	succeed("null");
	CHECK_STR(source.removed, "a b ");
	finish();
}

TEST(full_batch_ends_the_window)
{
	BEGIN(",\"BatchSize\":2,\"MaximumBatchingWindowInSeconds\":300");
	send("a");
	UNTIL(source.receives == 2);
	send("b c");
	UNTIL(functions.count == 1);
	succeed("null");
	CHECK_STR(source.removed, "a b ");
	CHECK_INT(functions.begun, 1);
	finish();
	CHECK_STR(source.forgotten, "c ");
}

TEST(batches_have_room)
{
	BEGIN("");
	for (unsigned i = 0; i < 7; i++) {
		char *body = malloc(1u << 20);
		memset(body, 'x', 1u << 20);
		send_body("m", body, 1u << 20, "");
	}
	UNTIL(functions.count == 3);
	CHECK(functions.running[0]->payload.len <= 6291456);
	succeed("null");
	CHECK_STR(source.removed, "m m m m m ");
	succeed("null");
	succeed("null");
	CHECK_STR(source.removed, "m m m m m m m ");
	finish();
}

TEST(concurrency_grows)
{
	BEGIN(",\"BatchSize\":1");
	send_many(100);
	UNTIL(functions.count == 5);
	UNTIL(functions.count >= 20);
	CHECK_INT(functions.count % 5, 0);
	finish();
}

TEST(concurrency_is_limited)
{
	BEGIN(",\"BatchSize\":1,\"ScalingConfig\":{\"MaximumConcurrency\":2}");
	send_many(30);
	for (unsigned i = 0; i < 20; i++) {
		UNTIL(functions.count == 2);
		succeed("null");
	}
	settle(&rig);
	CHECK_INT(functions.most, 2);
	finish();
}

TEST(throttled_batches_wait)
{
	BEGIN("");
	send("a");
	UNTIL(functions.count == 1);
	end_one(INVOKE_REFUSED, ERR_THROTTLED, NULL);
	CHECK_STR(source.left, "");
	UNTIL(functions.count == 1); /* again, with the same messages */
	CHECK_STR(functions.payload, "{\"Records\":[{\"messageId\":\"x\",\"body\":\"a\"}]}");
	end_one(INVOKE_REFUSED, ERR_INTERNAL, NULL);
	UNTIL(functions.count == 1);
	succeed("null");
	CHECK_STR(source.removed, "a ");
	send("b");
	for (unsigned i = 0; i < 10 && !*source.left; i++) {
		UNTIL(functions.count == 1 || *source.left);
		if (functions.count)
			end_one(INVOKE_REFUSED, ERR_THROTTLED, NULL);
	}
	CHECK_STR(source.left, "b "); /* a third of the visibility is over */
	finish();
}

TEST(no_memory_for_the_event)
{
	BEGIN("");
	memory_pool.max_bytes = 10;
	send("a");
	UNTIL(source.receives == 2);
	settle(&rig);
	CHECK_INT(functions.begun, 0);
	memory_pool.max_bytes = 64u << 20;
	UNTIL(functions.count == 1);
	finish();
}

TEST(recursion)
{
	BEGIN("");
	functions.failure = ERR_RECURSION;
	send("a");
	UNTIL(*source.buried);
	CHECK_STR(source.buried, "a ");
	CHECK_STR(source.left, "");
	finish();
}

TEST(deletion_waits_for_batches)
{
	BEGIN("");
	send("a");
	UNTIL(functions.count == 1);
	CHECK_INT(ask_delete(), ERR_OK);
	send("b");
	settle(&rig);
	settle(&rig);
	CHECK_STR(shown("State"), "Deleting");
	CHECK_INT(functions.begun, 1);
	succeed("null");
	CHECK_STR(source.removed, "a ");
	CHECK_STR(shown("State"), "none");
	finish();
}

TEST(what_is_held_is_given_back)
{
	BEGIN(",\"BatchSize\":20,\"MaximumBatchingWindowInSeconds\":300");
	send("a b");
	UNTIL(source.receives == 2);
	CHECK_INT(ask_update("{\"Enabled\":false}"), ERR_OK);
	CHECK_STR(source.at_once, "a b ");
	CHECK(!source.receiving.used);
	settle(&rig);
	CHECK_INT(ask_update("{\"Enabled\":true,\"BatchSize\":1,\"MaximumBatchingWindowInSeconds\":0}"), ERR_OK);
	send("c d");
	UNTIL(functions.count == 2);
	mappings_drain(all);
	CHECK(!source.receiving.used);
	send("e");
	succeed("null");
	succeed("null");
	CHECK_STR(source.removed, "c d ");
	settle(&rig);
	CHECK_INT(functions.begun, 2);
	finish();
}

TEST(a_throttled_batch_is_given_back_when_it_is_disabled)
{
	BEGIN("");
	send("a");
	UNTIL(functions.count == 1);
	rig.settings.settle_ms = 0;
	all->second_ns = NS_PER_S; /* its next turn is far away */
	end_one(INVOKE_REFUSED, ERR_THROTTLED, NULL);
	CHECK_INT(ask_update("{\"Enabled\":false}"), ERR_OK);
	CHECK_STR(source.at_once, "a ");
	finish();
}

TEST(sources_that_fail)
{
	BEGIN("");
	source.failure = ERR_NOT_FOUND;
	struct list none;
	list_init(&none);
	source.receiving.used = false;
	source.receiving.cb(source.receiving.arg, &none, 0, &(struct error){.code = ERR_NOT_FOUND, .msg = "The specified queue does not exist."});
	settle(&rig);
	CHECK_STR(shown("LastProcessingResult"), "PROBLEM: The specified queue does not exist.");
	CHECK_STR(shown("State"), "Enabled");
	all->second_ns = 1000 * NS_PER_S;
	mapping_poll_pause(mapping_find(all, str_from(uuid)), "The specified queue does not exist.");
	source.failure = ERR_OK;
	mappings_source_changed(all, STR(QUEUE));
	send("a");
	UNTIL(functions.count == 1);
	CHECK_STR(shown("LastProcessingResult"), "-");
	finish();
}

TEST(functions_that_are_gone)
{
	BEGIN("");
	send("a");
	UNTIL(functions.count == 1);
	CHECK_INT(delete(&rig, "f", STR_NULL), ERR_OK);
	end_one(INVOKE_REFUSED, ERR_NOT_FOUND, NULL);
	CHECK_STR(source.left, "a ");
	source.receives = 0;
	if (source.receiving.used)
		fake_cancel(NULL, &source.receiving);
	struct mapping *m = mapping_find(all, str_from(uuid));
	m->poll.receiving = NULL;
	UNTIL(strstr(shown("LastProcessingResult"), "Function not found") != NULL);
	send("b");
	settle(&rig);
	CHECK_INT(source.receives, 0);
	CHECK_INT(create(&rig, "f", "code", false), ERR_OK);
	UNTIL(functions.count == 1);
	finish();
}

TESTS(T(defaults_and_states), T(rules), T(one_mapping_a_pair), T(restart), T(writes_that_fail), T(tags), T(batches_end), T(partial_answers),
      T(partial_answers_keep_the_order_of_groups), T(filters_delete), T(window), T(full_batch_ends_the_window), T(batches_have_room),
      T(concurrency_grows), T(concurrency_is_limited), T(throttled_batches_wait), T(no_memory_for_the_event), T(recursion),
      T(deletion_waits_for_batches), T(what_is_held_is_given_back), T(a_throttled_batch_is_given_back_when_it_is_disabled),
      T(sources_that_fail), T(functions_that_are_gone))
