/* What a fire is: its target, its payload with the words put in, its dead letter's attributes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/codec.h"
#include "core/spec/arn.h"
#include "services/events/scheduler_priv.h"

#define UNIVERSAL "arn:aws:scheduler:::aws-sdk:"
#define OWNER_MAX (SCHEDULER_KEY_MAX + 24)

struct firing {
	struct scheduler *s;
	char key[SCHEDULER_KEY_MAX], owner[OWNER_MAX];
	int64_t nominal_ms, fired_before_ms, made_ms;
	bool waiting; /* the store has it: the callback is not from inside the call */
	char arn[SCHEDULER_ARN_MAX], time[32], execution[17], once[40], target[2048];
	char *payload;
	json_t *input; /* of a universal target: its texts are used */
	struct target_fire fire;
};

uint64_t scheduler_age_max_ms(const struct schedule *one)
{
	const json_t *age = json_object_get(json_object_get(json_object_get(one->record, "Target"), "RetryPolicy"), "MaximumEventAgeInSeconds");
	return 1000ull * (age ? (uint64_t)json_integer_value(age) : SCHEDULER_AGE_MAX_S);
}

static struct str target_text(const json_t *target, const char *inner, const char *key)
{
	return json_value_text(json_object_get(inner ? json_object_get(target, inner) : target, key));
}

/* ---- targets ---- */

static int fill_lambda(struct firing *f)
{
	const struct settings *s = f->s->deps.settings;
	struct str name = target_text(f->input, NULL, "FunctionName");
	const json_t *given = json_object_get(f->input, "Payload");
	if (!name.p)
		return -1;
	if (str_starts(name, STR("arn:")))
		snprintf(f->target, sizeof f->target, STR_FMT, STR_ARG(name));
	else
		snprintf(f->target, sizeof f->target, "arn:aws:lambda:%s:%s:function:" STR_FMT, s->region, s->account, STR_ARG(name));
	f->fire.payload = json_is_string(given) ? json_value_text(given) : STR("{}");
	return 0;
}

/* http://host/000000000000/jobs */
static int fill_sqs(struct firing *f)
{
	struct str url = target_text(f->input, NULL, "QueueUrl"), name = url, body = target_text(f->input, NULL, "MessageBody");
	for (size_t at = str_find(name, '/'); at < name.n; at = str_find(name, '/'))
		name = str_sub(name, at + 1, name.n);
	if (name.n == 0 || !body.p)
		return -1;
	snprintf(f->target, sizeof f->target, "arn:aws:sqs:%s:%s:" STR_FMT, f->s->deps.settings->region, f->s->deps.settings->account,
	         STR_ARG(name));
	f->fire.payload = body;
	f->fire.group = target_text(f->input, NULL, "MessageGroupId");
	return 0;
}

static const struct {
	const char *arn;
	const char *wanted[3];
	int (*fill)(struct firing *f);
} universal[] = {
	{UNIVERSAL "lambda:invoke", {"FunctionName", NULL}, fill_lambda},
	{UNIVERSAL "sqs:sendMessage", {"QueueUrl", "MessageBody", NULL}, fill_sqs},
};

static int check_universal(struct str arn, const json_t *target, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(universal); i++) {
		if (!str_eqz(arn, universal[i].arn))
			continue;
		CLEANUP_JSON json_t *input = json_value_load_object(target_text(target, NULL, "Input"), NULL, NULL);
		for (const char *const *key = universal[i].wanted; *key; key++) {
			if (!json_is_string(json_object_get(input, *key)))
				return error_set(err, ERR_VALIDATION, "Invalid RequestJson provided. Reason The field '%s' is required.", *key);
		}
		return 0;
	}
	return error_set(err, ERR_VALIDATION, "%.100s is not an API action that this server has; it has lambda:invoke and sqs:sendMessage.", arn.p);
}

static int check_bus(const json_t *target, struct error *err)
{
	struct str input = target_text(target, NULL, "Input");
	CLEANUP_JSON json_t *detail = input.p ? json_value_load_object(input, NULL, NULL) : json_object();
	if (!json_object_get(target, "EventBridgeParameters"))
		return error_set(err, ERR_VALIDATION, "EventBridgeParameters must be provided for EventBridge targets.");
	return detail ? 0 : error_set(err, ERR_VALIDATION, "Input must be a valid JSON object for EventBridge targets.");
}

int scheduler_check_target(const json_t *target, struct error *err)
{
	struct str text = target_text(target, NULL, "Arn");
	struct arn arn;
	if (str_starts(text, STR(UNIVERSAL)))
		return check_universal(text, target, err);
	if (!arn_parse(&arn, text))
		return error_set(err, ERR_VALIDATION, "Provided Arn is not in correct format.");
	if (str_eqz(arn.service, "events") && str_starts(arn.resource, STR("event-bus/")))
		return check_bus(target, err);
	if (str_eqz(arn.service, "sqs") && str_ends(text, STR(".fifo")) && !target_text(target, "SqsParameters", "MessageGroupId").p)
		return error_set(err, ERR_VALIDATION, "MessageGroupId must be provided for FIFO queues.");
	if (str_eqz(arn.service, "sqs") || str_eqz(arn.service, "lambda"))
		return 0;
	return error_set(err, ERR_VALIDATION, "This server has no targets of the service " STR_FMT "; it has lambda, sqs and events.",
	                 (int)(arn.service.n < 60 ? arn.service.n : 60), arn.service.p);
}

/* ---- payloads ---- */

static char *default_input(const struct firing *f)
{
	const struct settings *s = f->s->deps.settings;
	CLEANUP_JSON json_t *event = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[s], s:s}", "version", "0", "id", f->execution,
	                                       "detail-type", "Scheduled Event", "source", "aws.scheduler", "account", s->account, "time",
	                                       f->time, "region", s->region, "resources", f->arn, "detail", "{}");
	return json_dumps(event, JSON_COMPACT);
}

static char *put_words(const struct firing *f, struct str input)
{
	const struct {
		struct str word, value;
	} words[] = {
		{STR("<aws.scheduler.schedule-arn>"), str_from(f->arn)},
		{STR("<aws.scheduler.scheduled-time>"), str_from(f->time)},
		{STR("<aws.scheduler.execution-id>"), str_from(f->execution)},
	};
	struct buf out;
	buf_init(&out, 2 * SCHEDULER_INPUT_MAX);
	while (input.n) {
		size_t plain = str_find(input, '<'), used = plain + (plain < input.n), i = 0;
		struct str rest = str_sub(input, plain, input.n);
		buf_append(&out, input.p, plain);
		while (i < ARRAY_LEN(words) && !str_starts(rest, words[i].word))
			i++;
		if (i < ARRAY_LEN(words))
			buf_put(&out, words[i].value);
		else if (rest.n)
			buf_putc(&out, '<');
		input = str_sub(input, i < ARRAY_LEN(words) ? plain + words[i].word.n : used, input.n);
	}
	char *text = out.overflow ? NULL : buf_steal(&out, NULL);
	buf_release(&out);
	return text;
}

static int fill_target(struct firing *f, const json_t *target)
{
	struct str arn = target_text(target, NULL, "Arn"), input = target_text(target, NULL, "Input");
	f->payload = input.p ? put_words(f, input) : default_input(f);
	f->fire.payload = str_from(f->payload);
	f->fire.group = target_text(target, "SqsParameters", "MessageGroupId");
	f->fire.bus_source = target_text(target, "EventBridgeParameters", "Source");
	f->fire.bus_detail_type = target_text(target, "EventBridgeParameters", "DetailType");
	if (!input.p && f->fire.bus_source.p)
		f->fire.payload = STR("{}");
	for (size_t i = 0; i < ARRAY_LEN(universal) && f->payload; i++) {
		if (!str_eqz(arn, universal[i].arn))
			continue;
		f->input = json_value_load_object(f->fire.payload, NULL, NULL);
		int rc = f->input ? universal[i].fill(f) : -1;
		f->fire.target = rc == 0 ? str_from(f->target) : arn;
		return rc;
	}
	f->fire.target = arn;
	return f->payload ? 0 : -1;
}

/* ---- storing ---- */

static void firing_free(struct firing *f)
{
	free(f->payload);
	json_decref(f->input);
	free(f);
}

static void on_remembered(void *arg, const struct kv_entry *entry, const struct error *err)
{
}

/* The schedule may have been changed, or deleted and made again, meanwhile. */
static struct schedule *same_schedule(struct scheduler *s, struct str key, int64_t made_ms)
{
	struct schedule *one = HASH_ENTRY(hash_get(&s->schedules, key), struct schedule, node);
	return one && json_integer_value(json_object_get(one->record, "Created")) == made_ms ? one : NULL;
}

static void remember(struct firing *f)
{
	char key[KV_KEY_MAX], value[24];
	snprintf(key, sizeof key, SCHEDULER_FIRED_PREFIX "%s", f->key);
	snprintf(value, sizeof value, "%lld", (long long)f->nominal_ms);
	(void)kv_put(f->s->deps.kv, str_from(key), str_from(value), KV_ANY, on_remembered, NULL, NULL);
}

static void on_put(void *arg, const struct error *err)
{
	struct firing *f = arg;
	struct schedule *one = same_schedule(f->s, str_from(f->key), f->made_ms);
	struct scheduler *s = f->s;
	if (one) {
		one->putting = false;
		if (err) {
			one->under_way--;
			one->fired_ms = f->fired_before_ms;
		} else {
			remember(f);
		}
		scheduler_plan(s, one);
		if (err) /* not at once: the disk is full, or too much waits */
			scheduler_postpone(s, one);
	}
	s->counts.fired += !err;
	bool run = f->waiting && !(err && err->code == ERR_CLOSED);
	firing_free(f);
	if (run)
		scheduler_run(s);
}

static void name_firing(struct firing *f, const struct schedule *one)
{
	char text[SCHEDULER_ARN_MAX + 64], hex[SHA256_HEX_SIZE];
	int n = snprintf(text, sizeof text, "%s@%lld@%lld", f->arn, (long long)f->made_ms, (long long)f->nominal_ms);
	sha256_hex(hex, text, (size_t)n);
	snprintf(f->execution, sizeof f->execution, "%.16s", hex);
	snprintf(f->once, sizeof f->once, "%.32s", hex);
	clock_format(f->time, sizeof f->time, "%Y-%m-%dT%H:%M:%SZ", f->nominal_ms);
	snprintf(f->owner, sizeof f->owner, "%lld %s", (long long)f->made_ms, one->key);
}

void scheduler_fire(struct scheduler *s, struct schedule *one, int64_t nominal_ms, uint64_t age_max_ms)
{
	const json_t *target = json_object_get(one->record, "Target"), *retry = json_object_get(target, "RetryPolicy"),
	             *attempts = json_object_get(retry, "MaximumRetryAttempts");
	struct firing *f = calloc(1, sizeof *f);
	struct error err = {0};
	ASSERT(f);
	*f = (struct firing){.s = s, .nominal_ms = nominal_ms, .fired_before_ms = one->nominal_ms - 1,
	                     .made_ms = json_integer_value(json_object_get(one->record, "Created"))};
	memcpy(f->key, one->key, sizeof f->key);
	scheduler_arn(s, one, f->arn);
	name_firing(f, one);
	one->putting = true;
	one->under_way++;
	f->fire = (struct target_fire){
		.role = target_text(target, NULL, "RoleArn"), .source_arn = str_from(f->arn), .once = str_from(f->once),
		.source_account = str_from(s->deps.settings->account), .owner = str_from(f->owner),
		.dead_letter = target_text(target, "DeadLetterConfig", "Arn"),
		.marks = {{"SCHEDULE_ARN", "String", str_from(f->arn)}, {"SCHEDULED_TIME", "String", str_from(f->time)},
		          {"EXECUTION_ID", "String", str_from(f->execution)}},
		.mark_count = 3, .age_max_ms = age_max_ms,
		.attempts_max = attempts ? (unsigned)json_integer_value(attempts) : SCHEDULER_ATTEMPTS_MAX};
	int rc = fill_target(f, target);
	if (rc < 0)
		error_set(&err, ERR_INVALID, "the target's input is not what its action takes");
	f->fire.failed = rc < 0 ? &err : NULL;
	f->fire.has_attempt_word = f->fire.payload.p && memmem(f->fire.payload.p, f->fire.payload.n, TARGET_ATTEMPT_WORD, strlen(TARGET_ATTEMPT_WORD));
	f->waiting = target_queue_put(s->fires, &f->fire, str_from(f->once), 0, on_put, f, &err) == 0;
	if (!f->waiting)
		on_put(f, &err);
}

/* ---- ends ---- */

void scheduler_over(void *arg, struct str owner, enum target_end end, unsigned attempts)
{
	struct scheduler *s = arg;
	struct str made;
	uint64_t made_ms;
	s->counts.dead += end != TARGET_DELIVERED;
	s->counts.retried += attempts > 1 ? attempts - 1 : 0;
	if (!str_split(&owner, ' ', &made) || str_to_u64(made, INT64_MAX, &made_ms) < 0)
		return;
	struct schedule *one = same_schedule(s, owner, (int64_t)made_ms);
	if (!one)
		return;
	if (one->under_way > 0) /* else from before a restart */
		one->under_way--;
	if (one->deletes && scheduler_is_complete(one) && !s->current) /* a change that is being written may be of it: the next look */
		scheduler_delete_complete(s, one);
}
