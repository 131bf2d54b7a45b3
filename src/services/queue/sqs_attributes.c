/* Attributes of queues: one table of what there is, what it may be, and what it means. */
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/spec/arn.h"
#include "services/queue/sqs_priv.h"

#define KMS_REUSE_DEFAULT "300"
#define ALLOWED_SOURCES_MAX 10
#define SSE_TEXT "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."

struct row;

/* What is asked for, of which queue. */
struct asked {
	struct sqs *s;
	const char *queue;
	bool creating, fifo;
	struct str value;
};
typedef int check_fn(const struct row *row, const struct asked *a, struct sqs_fault *f);

struct row {
	const char *name;
	check_fn *check;    /* NULL: cannot be set */
	const char *initial; /* in force when it was not set; NULL: none */
	uint64_t min, max;
	const char *choices;
	bool fifo_only, may_be_empty; /* "" takes it away */
	size_t number;      /* of struct sqs_rules, 0: none */
};

static int bad_value(const struct row *row, struct sqs_fault *f)
{
	return sqs_fault_set(f, SQS_INVALID_ATTRIBUTE_VALUE, "Invalid value for the parameter %s.", row->name);
}

static int check_number(const struct row *row, const struct asked *a, struct sqs_fault *f)
{
	uint64_t v;
	return str_to_u64(a->value, row->max, &v) < 0 || v < row->min ? bad_value(row, f) : 0;
}

static int check_choice(const struct row *row, const struct asked *a, struct sqs_fault *f)
{
	struct str rest = str_from(row->choices), choice;
	while (str_split(&rest, '|', &choice)) {
		if (row->choices[0] == 't' ? str_case_eq(choice, a->value) : str_eq(choice, a->value))
			return 0;
	}
	return bad_value(row, f);
}

static int check_fifo(const struct row *row, const struct asked *a, struct sqs_fault *f)
{
	bool wanted = str_case_eq(a->value, STR("true"));
	if (!a->fifo && !wanted)
		return sqs_fault_set(f, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute FifoQueue.");
	if (a->fifo && wanted)
		return 0;
	return sqs_fault_set(f, SQS_INVALID_ATTRIBUTE_VALUE,
	                     "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.");
}

static int check_text(const struct row *row, const struct asked *a, struct sqs_fault *f)
{
	return a->value.n > row->max ? bad_value(row, f) : 0;
}

static int check_policy(const struct row *row, const struct asked *a, struct sqs_fault *f)
{
	struct policy *policy = policy_compile(a->value, NULL);
	bool fine = policy != NULL;
	policy_free(policy);
	return fine ? 0 : bad_value(row, f);
}

/* ---- dead letters ---- */

static int bad_redrive(const struct row *row, const struct asked *a, const char *why, struct sqs_fault *f)
{
	return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %.*s for parameter %s is invalid. Reason: %s", (int)(a->value.n > 700 ? 700 : a->value.n),
	                     a->value.p, row->name, why);
}

/* The count may be a number or its text. */
static int read_count(const json_t *root, uint64_t *out)
{
	const json_t *v = json_object_get(root, "maxReceiveCount");
	if (json_is_string(v))
		return str_to_u64(json_value_text(v), 1000, out);
	int64_t n = 0;
	if (json_value_int(root, "maxReceiveCount", 1, 1000, &n, NULL) <= 0)
		return -1;
	*out = (uint64_t)n;
	return 0;
}

static bool allows(const struct sqs_queue *dead, const char *source_arn)
{
	struct str text = sqs_attribute_value(dead->attributes, "RedriveAllowPolicy");
	CLEANUP_JSON json_t *root = text.p ? json_value_load_object(text, &(struct json_limits){0}, NULL) : NULL;
	struct str permission = json_value_text(json_object_get(root, "redrivePermission"));
	json_t *v, *sources = json_object_get(root, "sourceQueueArns");
	size_t i;
	if (!root || !permission.p || str_eqz(permission, "allowAll"))
		return true;
	json_array_foreach(sources, i, v) {
		if (str_eqz(json_value_text(v), source_arn))
			return str_eqz(permission, "byQueue");
	}
	return false;
}

static int check_dead(const struct row *row, const struct asked *a, struct str text, struct sqs_fault *f)
{
	const struct settings *set = a->s->deps.settings;
	struct arn arn;
	char source[SQS_ARN_MAX];
	if (!arn_parse(&arn, text) || !arn_is(&arn, "sqs", set->region, set->account) || text.n >= SQS_ARN_MAX)
		return bad_redrive(row, a, "Invalid value for deadLetterTargetArn.", f);
	const struct sqs_queue *dead = sqs_queue_of_arn(a->s, text);
	if (!dead)
		return bad_redrive(row, a, "Dead letter target does not exist.", f);
	if (dead->rules.fifo != a->fifo)
		return bad_redrive(row, a, "Dead-letter queue must be same type of queue as the source.", f);
	snprintf(source, sizeof source, "arn:aws:sqs:%.40s:%.12s:%s", set->region, set->account, a->queue);
	if (!allows(dead, source))
		return bad_redrive(row, a, "The dead-letter queue's RedriveAllowPolicy does not permit this source queue.", f);
	return 0;
}

static int check_redrive(const struct row *row, const struct asked *a, struct sqs_fault *f)
{
	CLEANUP_JSON json_t *root = json_value_load_object(a->value, &(struct json_limits){0}, NULL);
	uint64_t count = 0;
	const char *key;
	json_t *v;
	if (!root)
		return bad_redrive(row, a, "Amazon SQS can't create the redrive policy, as it's in an unsupported format.", f);
	json_object_foreach(root, key, v) {
		if (strcmp(key, "deadLetterTargetArn") != 0 && strcmp(key, "maxReceiveCount") != 0)
			return bad_redrive(row, a, "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].", f);
	}
	struct str dead = json_value_text(json_object_get(root, "deadLetterTargetArn"));
	if (!dead.p)
		return bad_redrive(row, a, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.", f);
	if (!json_object_get(root, "maxReceiveCount"))
		return bad_redrive(row, a, "Redrive policy does not contain mandatory attribute: maxReceiveCount.", f);
	if (read_count(root, &count) < 0 || count < 1) {
		CLEANUP_FREE char *given = json_dumps(json_object_get(root, "maxReceiveCount"), JSON_ENCODE_ANY);
		char why[160];
		snprintf(why, sizeof why, "Invalid value for maxReceiveCount: %.40s, valid values are from 1 to 1000 both inclusive.", given ? given : "");
		return bad_redrive(row, a, why, f);
	}
	return check_dead(row, a, dead, f);
}

static int check_allow(const struct row *row, const struct asked *a, struct sqs_fault *f)
{
	CLEANUP_JSON json_t *root = json_value_load_object(a->value, &(struct json_limits){0}, NULL);
	struct str permission = json_value_text(json_object_get(root, "redrivePermission"));
	json_t *v, *sources = json_object_get(root, "sourceQueueArns");
	size_t i;
	if (!root || !permission.p)
		return bad_redrive(row, a, "Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.", f);
	bool by_queue = str_eqz(permission, "byQueue");
	if (!by_queue && !str_eqz(permission, "allowAll") && !str_eqz(permission, "denyAll"))
		return bad_redrive(row, a, "Invalid value for redrivePermission.", f);
	if (by_queue != (json_array_size(sources) > 0) || json_array_size(sources) > ALLOWED_SOURCES_MAX)
		return bad_redrive(row, a, "sourceQueueArns has 1 to 10 ARNs with redrivePermission byQueue, and none with any other.", f);
	json_array_foreach(sources, i, v) {
		struct arn arn;
		if (!arn_parse(&arn, json_value_text(v)) || !str_eqz(arn.service, "sqs"))
			return bad_redrive(row, a, "Invalid value for sourceQueueArns.", f);
	}
	return 0;
}

/* ---- the table ---- */

#define BOOLEAN .check = check_choice, .choices = "true|false"
#define NUMBER(field) .check = check_number, .number = offsetof(struct sqs_rules, field) + 1

static const struct row rows[] = {
	{"VisibilityTimeout", NUMBER(visibility_s), .initial = "30", .max = SQS_VISIBILITY_MAX_S},
	{"DelaySeconds", NUMBER(delay_s), .initial = "0", .max = SQS_DELAY_MAX_S},
	{"MaximumMessageSize", NUMBER(max_bytes), .initial = "1048576", .min = 1024, .max = SQS_BODY_MAX},
	{"MessageRetentionPeriod", NUMBER(retention_s), .initial = "345600", .min = 60, .max = 1209600},
	{"ReceiveMessageWaitTimeSeconds", NUMBER(wait_s), .initial = "0", .max = SQS_WAIT_MAX_S},
	{"Policy", .check = check_policy, .may_be_empty = true},
	{"RedrivePolicy", .check = check_redrive, .may_be_empty = true},
	{"RedriveAllowPolicy", .check = check_allow, .may_be_empty = true},
	{"KmsMasterKeyId", .check = check_text, .max = 2048, .may_be_empty = true},
	{"KmsDataKeyReusePeriodSeconds", .check = check_number, .min = 60, .max = 86400},
	{"SqsManagedSseEnabled", BOOLEAN, .initial = "true"},
	{"FifoQueue", .check = check_fifo},
	{"ContentBasedDeduplication", BOOLEAN, .initial = "false", .fifo_only = true},
	{"DeduplicationScope", .check = check_choice, .choices = "queue|messageGroup", .initial = "queue", .fifo_only = true},
	{"FifoThroughputLimit", .check = check_choice, .choices = "perQueue|perMessageGroupId", .initial = "perQueue", .fifo_only = true},
	{"QueueArn"},
	{"ApproximateNumberOfMessages"},
	{"ApproximateNumberOfMessagesNotVisible"},
	{"ApproximateNumberOfMessagesDelayed"},
	{"CreatedTimestamp"},
	{"LastModifiedTimestamp"},
};

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

static bool is_fifo(const json_t *attributes)
{
	return json_object_get(attributes, "FifoQueue") != NULL;
}

struct str sqs_attribute_value(const json_t *attributes, const char *name)
{
	const struct row *row = find_row(name);
	struct str set = json_value_text(json_object_get(attributes, name));
	if (set.p || !row)
		return set;
	if (strcmp(name, "SqsManagedSseEnabled") == 0 && json_object_get(attributes, "KmsMasterKeyId"))
		return STR("false");
	if (strcmp(name, "KmsDataKeyReusePeriodSeconds") == 0 && json_object_get(attributes, "KmsMasterKeyId"))
		return STR(KMS_REUSE_DEFAULT);
	return row->fifo_only && !is_fifo(attributes) ? STR_NULL : str_from(row->initial);
}

void sqs_rules_read(const json_t *attributes, struct sqs_rules *out)
{
	*out = (struct sqs_rules){.fifo = is_fifo(attributes)};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;
		if (rows[i].number > 0 && str_to_u64(sqs_attribute_value(attributes, rows[i].name), rows[i].max, &v) == 0)
			memcpy((char *)out + rows[i].number - 1, &v, sizeof v);
	}
	out->content_dedup = str_eqz(sqs_attribute_value(attributes, "ContentBasedDeduplication"), "true");
	out->dedup_by_group = str_eqz(sqs_attribute_value(attributes, "DeduplicationScope"), "messageGroup");
	struct str redrive = sqs_attribute_value(attributes, "RedrivePolicy");
	CLEANUP_JSON json_t *root = redrive.p ? json_value_load_object(redrive, &(struct json_limits){0}, NULL) : NULL;
	uint64_t count = 0;
	if (root && read_count(root, &count) == 0 &&
	    str_copy(out->dead, sizeof out->dead, json_value_text(json_object_get(root, "deadLetterTargetArn"))) == 0)
		out->max_receives = (unsigned)count;
}

/* ---- setting ---- */

static int check_row(const struct row *row, const char *key, const struct asked *a, struct sqs_fault *f)
{
	if (!row || !row->check)
		return sqs_fault_set(f, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.100s.", key);
	if (row->fifo_only && !a->fifo)
		return sqs_fault_set(f, SQS_INVALID_ATTRIBUTE_NAME, row->choices && row->choices[0] != 't'
		                     ? "You can specify the %s only when FifoQueue is set to true." : "Unknown Attribute %s.", row->name);
	if (a->value.n == 0 && row->may_be_empty)
		return 0;
	return row->check(row, a, f);
}

/* What one attribute says may need another. */
static int check_together(const json_t *asked, const json_t *attributes, struct sqs_fault *f)
{
	bool kms = json_object_get(attributes, "KmsMasterKeyId") != NULL;
	if (kms && str_eqz(json_value_text(json_object_get(asked, "SqsManagedSseEnabled")), "true"))
		return sqs_fault_set(f, SQS_INVALID_ATTRIBUTE_NAME, SSE_TEXT);
	if (str_eqz(sqs_attribute_value(attributes, "FifoThroughputLimit"), "perMessageGroupId") &&
	    !str_eqz(sqs_attribute_value(attributes, "DeduplicationScope"), "messageGroup"))
		return sqs_fault_set(f, SQS_INVALID_ATTRIBUTE_VALUE, "Invalid value for the parameter FifoThroughputLimit. Reason: "
		                     "perMessageGroupId is allowed only when DeduplicationScope is messageGroup.");
	return 0;
}

/* Truth is kept in lower case. */
static json_t *kept(const struct row *row, const struct asked *a, json_t *v)
{
	if (row->check != check_fifo && !(row->choices && row->choices[0] == 't'))
		return json_incref(v);
	return json_string(str_case_eq(a->value, STR("true")) ? "true" : "false");
}

int sqs_attributes_merge(struct sqs *s, const char *name, bool creating, bool fifo, const json_t *asked, json_t *attributes,
                         struct sqs_fault *f)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)asked, key, v) {
		const struct row *row = find_row(key);
		struct asked a = {s, name, creating, fifo, json_value_text(v)};
		if (!a.value.p)
			return sqs_fault_set(f, SQS_SERIALIZATION, "the value of attribute %.100s can not be converted to a String", key);
		if (check_row(row, key, &a, f) < 0)
			return -1;
		if (a.value.n == 0)
			json_object_del(attributes, key);
		else
			json_object_set_new(attributes, key, kept(row, &a, v));
	}
	if (json_object_get(asked, "KmsMasterKeyId") && !json_object_get(asked, "SqsManagedSseEnabled"))
		json_object_del(attributes, "SqsManagedSseEnabled");
	return check_together(asked, attributes, f);
}

static int change_attributes(struct sqs_call *call, json_t *attributes, json_t *tags, struct sqs_fault *f)
{
	json_t *asked = NULL;
	int got = sqs_in_object(call, call->in, "Attributes", &asked, f);
	if (got == 0)
		return sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter Attributes.");
	return got < 0 ? -1 : sqs_attributes_merge(call->sqs, call->queue->name, false, call->queue->rules.fifo, asked, attributes, f);
}

void sqs_set_attributes(struct sqs_call *call)
{
	sqs_change(call, change_attributes);
}

/* ---- getting ---- */

static struct str shown(const struct sqs_queue *q, const struct queue_stats *stats, const char *name, char text[32])
{
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{"ApproximateNumberOfMessages", stats->visible},
		{"ApproximateNumberOfMessagesNotVisible", stats->leased},
		{"ApproximateNumberOfMessagesDelayed", stats->delayed},
		{"CreatedTimestamp", (uint64_t)q->created_s},
		{"LastModifiedTimestamp", (uint64_t)q->modified_s},
	};
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		if (strcmp(counts[i].name, name) == 0) {
			snprintf(text, 32, "%llu", (unsigned long long)counts[i].value);
			return str_from(text);
		}
	}
	return strcmp(name, "QueueArn") == 0 ? str_from(q->arn) : sqs_attribute_value(q->attributes, name);
}

static int check_names(const json_t *names, bool *all, struct sqs_fault *f)
{
	size_t i;
	json_t *v;
	*all = false;
	json_array_foreach((json_t *)(uintptr_t)names, i, v) {
		const char *name = json_string_value(v);
		if (!name)
			return sqs_fault_set(f, SQS_SERIALIZATION, "an attribute's name can not be converted to a String");
		if (strcmp(name, "All") == 0)
			*all = true;
		else if (!find_row(name))
			return sqs_fault_set(f, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.100s.", name);
	}
	return 0;
}

static bool is_asked(const json_t *names, const char *name)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
			return true;
	}
	return false;
}

void sqs_get_attributes(struct sqs_call *call)
{
	json_t *names = NULL;
	struct json_writer w;
	struct queue_stats stats;
	bool all, any = false;
	if (sqs_in_array(call, call->in, "AttributeNames", &names, &call->fault) < 0 || check_names(names, &all, &call->fault) < 0) {
		sqs_call_fail(call);
		return;
	}
	queue_stat(call->sqs->deps.queue, str_from(call->queue->stored), &stats);
	json_write_init(&w, &call->out);
	json_write_object(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[32];
		struct str value = all || is_asked(names, rows[i].name) ? shown(call->queue, &stats, rows[i].name, text) : STR_NULL;
		if (!value.p)
			continue;
		if (!any) {
			json_write_key(&w, "Attributes");
			json_write_object(&w);
		}
		any = true;
		json_write_key_str(&w, rows[i].name, value);
	}
	if (any)
		json_write_close(&w);
	json_write_close(&w);
	sqs_call_done(call);
}
