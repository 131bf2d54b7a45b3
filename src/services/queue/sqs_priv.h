/* What the files of SQS share: queues in memory, operations and their calls, errors.
 *
 * An operation takes the JSON of its request and gives the JSON of its answer, or an error row; the protocols (sqs_api.c: JSON;
 * query.c: forms and XML) stand around it. It may be waiting for the store between the two. */
#ifndef MAYFLY_SERVICES_QUEUE_SQS_PRIV_H
#define MAYFLY_SERVICES_QUEUE_SQS_PRIV_H

#include "core/base/buf.h"
#include "core/base/hash.h"
#include "core/json/value.h"
#include "core/json/write.h"
#include "core/policy/policy.h"
#include "core/spec/service.h"
#include "services/queue/sqs.h"

/* ---- errors ---- */

enum sqs_code {
#define X(name, type, space, query, status, code) SQS_##name,
#include "services/queue/sqs_errors.def"
#undef X
	SQS_CODES
};

struct sqs_code_info {
	const char *type;  /* "QueueDoesNotExist" */
	const char *space; /* "com.amazonaws.sqs" */
	const char *query; /* "AWS.SimpleQueueService.NonExistentQueue" */
	int status;
	bool sender;       /* whose fault it is */
	enum error_code code;
};
const struct sqs_code_info *sqs_code_info(enum sqs_code code);

struct sqs_fault {
	enum sqs_code code;
	char msg[1024];
};
/* Fills and returns -1. Too long a message is cut, at a character's end. */
int sqs_fault_set(struct sqs_fault *f, enum sqs_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int sqs_fault_from(struct sqs_fault *f, const struct error *err); /* the store's error, as SQS would say it */
int sqs_fault_no_queue(struct sqs_fault *f, const struct service_call *from); /* each protocol has its words; from NULL: JSON's */
int sqs_fault_error(const struct sqs_fault *f, struct error *err); /* for callers inside; -1 */

/* ---- for the protocols ---- */

struct sqs_operation;

/* How a call ended. Texts live during the callback. */
struct sqs_result {
	const struct service_call *call;
	struct str json;                   /* success: one JSON object ("{}" where the operation answers nothing), else p NULL */
	const struct sqs_code_info *error; /* NULL: success */
	const char *message;               /* with an error */
};
/* The protocol's end: makes the answer of it and gives it to `cb`. */
typedef void sqs_told_fn(const struct sqs_result *result, service_answer_cb *cb, void *answer);

/* Runs call->operation ("SendMessage") over `in`, an object that is taken over. `told` is called exactly once, at once or later, or not at all when
 * sqs_gone ended a long poll. Members have the names and shapes of the service's model (QueueUrl, Entries:[{Id,..}], Attributes:{}, tags/Tags:{},
 * TagKeys:[], MessageAttributes:{name:{DataType,StringValue|BinaryValue (base64)}}, ...). With SERVICE_QUERY numbers may be texts ("10"). */
void sqs_run(struct sqs *s, const struct service_call *call, json_t *in, sqs_told_fn *told, service_answer_cb *cb, void *answer);

/* NULL: there is none. */
const struct sqs_operation *sqs_operation_find(struct str name);

/* The query protocol: query.c. From a form, or the query part of a GET, to an answer in XML; QueueUrl from the path where the form has none. */
service_answer_fn sqs_query_answer;

/* ---- operations ---- */

struct sqs_call;

/* Ends with sqs_call_done or sqs_call_fail, exactly once, at once or later. call->queue is there when the row says so. */
typedef void sqs_operation_fn(struct sqs_call *call);

struct sqs_operation {
	const char *name;
	sqs_operation_fn *run;
	bool on_queue; /* QueueUrl is required: call->queue is the queue it names */
};

struct sqs_call {
	struct sqs *sqs;
	const struct service_call *from; /* lives until the answer */
	const struct sqs_operation *operation;
	json_t *in;
	struct sqs_queue *queue; /* referenced; NULL: none */
	struct buf out;          /* the answer's JSON; empty: {} */
	struct sqs_fault fault;
	void *work;              /* the operation's own, freed by `drop` with the call */
	void (*drop)(void *work);

	/* private */
	sqs_told_fn *told;
	service_answer_cb *cb;
	void *answer;
	struct list link;        /* of the queue's turns */
	sqs_operation_fn *on_turn;
	struct hash_node by_answer;
	struct sqs_receiving *receiving; /* a long poll that sqs_gone may end */
};
void sqs_call_done(struct sqs_call *call);
void sqs_call_fail(struct sqs_call *call);
void sqs_call_error(struct sqs_call *call, const struct error *err); /* sqs_fault_from, then fail */

void sqs_call_free(struct sqs_call *call); /* without an answer */

/* Whether q's policy lets the caller: -1 where it denies `right` ("SendMessage"). Asked before the operation for call->queue; for other queues it
 * is the operation's to ask. */
int sqs_check_right(const struct sqs_call *call, const struct sqs_queue *q, struct str right, struct sqs_fault *f);

/* Members of requests. 1 found, 0 absent or null, -1 fault. `object` is call->in or an entry of a batch. */
int sqs_in_str(struct sqs_call *call, const json_t *object, const char *key, struct str *out, struct sqs_fault *f);
int sqs_in_int(struct sqs_call *call, const json_t *object, const char *key, int64_t *out, struct sqs_fault *f);
int sqs_in_array(struct sqs_call *call, const json_t *object, const char *key, json_t **out, struct sqs_fault *f);
int sqs_in_object(struct sqs_call *call, const json_t *object, const char *key, json_t **out, struct sqs_fault *f);

#define X(name, function, on_queue) sqs_operation_fn function;
#include "services/queue/sqs_operations.def"
#undef X

/* ---- queues ---- */

enum {
	SQS_UID_SIZE = 9,      /* 8 hex digits and NUL */
	SQS_STORED_SIZE = SQS_NAME_MAX + 16, /* "sqs/NAME/UID" */
	SQS_BATCH_MAX = 10,
	SQS_IN_FLIGHT_MAX = 120000,
	SQS_VISIBILITY_MAX_S = 43200,
	SQS_DELAY_MAX_S = 900,
	SQS_WAIT_MAX_S = 20,
	SQS_TAGS_MAX = 50
};
#define SQS_ANSWER_MAX (72u << 20) /* ten bodies of 1 MiB, each character escaped */

/* What a queue's attributes mean. */
struct sqs_rules {
	uint64_t visibility_s, delay_s, wait_s, retention_s, max_bytes;
	bool fifo, content_dedup, dedup_by_group;
	unsigned max_receives;   /* 0: no redrive policy */
	char dead[SQS_ARN_MAX];  /* of the dead-letter queue */
};

/* Told apart by name; a deleted one lives on while calls hold it. */
struct sqs_queue {
	struct sqs *sqs;
	struct hash_node by_name;
	char name[SQS_NAME_MAX + 1], uid[SQS_UID_SIZE], arn[SQS_ARN_MAX], stored[SQS_STORED_SIZE];
	unsigned refs;
	bool live;               /* its record is durable, and it was not deleted */
	int64_t created_s, modified_s;
	uint64_t purged_ns;      /* 0: never */
	json_t *attributes, *tags; /* as they were set; texts only */
	struct sqs_rules rules;
	struct policy *policy;   /* NULL: none */
	bool turn, turning;      /* a change of the record is under way; next_turn is at work */
	struct list turns;       /* sqs_call.link: changes that wait for theirs */
	struct list receives;    /* struct sqs_receiving */
	struct list attempts;    /* sqs_attempt.h */
	size_t attempt_count;
};

struct sqs {
	struct sqs_deps deps;
	struct hash queues;      /* struct sqs_queue.by_name; holds a reference of each */
	struct hash waiting;     /* struct sqs_call.by_answer: long polls of clients */
	struct list listeners;   /* struct sqs_listener */
	struct list moves;       /* struct sqs_move */
	struct list laters;      /* sqs_later.h */
	struct sqs_counts counts;
	struct sqs_loading *loading;
	bool closing;            /* the queue store may be gone */
};
#define SQS_CLOSED ((struct error){.code = ERR_CLOSED, .msg = "the server is about to end"})

/* Only live ones. */
struct sqs_queue *sqs_queue_find(struct sqs *s, struct str name);
struct sqs_queue *sqs_queue_of_arn(struct sqs *s, struct str arn);
struct sqs_queue *sqs_queue_new(struct sqs *s, struct str name, const char *uid); /* one reference; uid NULL: a new one */
void sqs_queue_ref(struct sqs_queue *q);
void sqs_queue_unref(struct sqs_queue *q); /* NULL is fine */
void sqs_queue_told(struct sqs_queue *q, bool exists); /* listeners */

/* Its record in kv, and back. */
int sqs_record_key(const struct sqs_queue *q, char *dst, size_t size);
json_t *sqs_record_make(const struct sqs_queue *q, int64_t modified_s, const json_t *attributes, const json_t *tags);
struct sqs_queue *sqs_record_load(struct sqs *s, struct str name, struct str text, struct error *err);
void sqs_config_of(const struct sqs_rules *rules, struct queue_config *out);

/* Changes of one record happen one after the other: `run` is called when it is this call's turn, perhaps with queue->live false by then; it
 * calls sqs_turn_end before it ends the call. */
void sqs_turn(struct sqs_call *call, sqs_operation_fn *run);
void sqs_turn_end(struct sqs_queue *q);

/* Changes `attributes` and `tags` (copies of the queue's), or says why not. */
typedef int sqs_change_fn(struct sqs_call *call, json_t *attributes, json_t *tags, struct sqs_fault *f);
/* Waits for its turn, changes, writes, and ends the call with {}. */
void sqs_change(struct sqs_call *call, sqs_change_fn *change);

/* Checks what was asked for, and merges it into `attributes`; "" takes one away. */
int sqs_attributes_merge(struct sqs *s, const char *name, bool creating, bool fifo, const json_t *asked, json_t *attributes,
                         struct sqs_fault *f);
/* The value that is in force, of an attribute that can be set; p NULL: none. */
struct str sqs_attribute_value(const json_t *attributes, const char *name);
void sqs_rules_read(const json_t *attributes, struct sqs_rules *out);

/* Adds `given` to `tags` (NULL: only checks). */
int sqs_tags_merge(json_t *tags, const json_t *given, struct sqs_fault *f);

/* Lists of queues in pages. */
struct sqs_page {
	int64_t max;
	bool asked; /* MaxResults was given: only then there is a NextToken */
	char after[128];
};
int sqs_page_read(struct sqs_call *call, struct sqs_page *page, struct sqs_fault *f);
void sqs_page_write(struct sqs_call *call, struct sqs_page *page, struct sqs_queue **found, size_t n, const char *key); /* sorts */

void sqs_loading_free(struct sqs *s);
/* Message move tasks of the last run, and what is left of them at the end. */
typedef void sqs_moves_cb(void *arg, const struct error *err);
void sqs_moves_load(struct sqs *s, sqs_moves_cb *cb, void *arg);
void sqs_moves_free(struct sqs *s);

/* Ends the long polls of a queue that is no more. */
void sqs_receives_end(struct sqs_queue *q);
/* Those that the store knows nothing of, and so cannot end when it is closed. */
void sqs_receives_close(struct sqs_queue *q);

void sqs_write_url(struct sqs_call *call, const struct sqs_queue *q, struct json_writer *w); /* a JSON text */

#endif
