/* SQS: queues as Amazon's service has them, over core/store/queue (messages) and core/store/kv (queues, tags, move tasks). Stands alone:
 * it knows neither Lambda nor HTTP. Two doors: sqs_answer (sqs_api.h) for clients, and the calls below for other parts of the program.
 *
 * Where things are. kv "sqs/queue/NAME": {"Format":1, "Uid", "Created", "Modified", "Attributes":{}, "Tags":{}}: the truth about
 * which queues there are; kv "sqs/move/HANDLE": a message move task. Messages: store queue "sqs/NAME/UID" (uid: 8 hex digits, new with each creation, so
 * that a deleted queue's messages never show in a new one of the same name). What is stored of a message: sqs_message.h.
 *
 * Semantics that are the store's: visibility = kept lease, ApproximateReceiveCount = receives, RedrivePolicy = max_receives and dead_to
 * of each fetch, MessageRetentionPeriod = retention_ms, FIFO = ordered queues, deduplication = dedup ids (content-based: SHA-256 of the body;
 * scope messageGroup: the group is put before the id). Long polling = wait_ms.
 *
 * Limits as AWS: 1 MiB message and batch, 10 a batch, 120,000 in flight (OverLimit; FIFO queues and long polls get nothing instead), 14 days,
 * 12 h visibility. Not as AWS: a deleted queue's name may be used again at once; KMS keys are kept and shown, nothing is encrypted.
 * A queue without a Policy admits its own account's services and identities; with one, its statements are asked too (core/policy).
 *
 * One loop; callbacks from the loop, never from inside the call, exactly once. */
#ifndef MAYFLY_SERVICES_QUEUE_SQS_H
#define MAYFLY_SERVICES_QUEUE_SQS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/list.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/ev/ev.h"
#include "core/spec/settings.h"
#include "core/store/kv.h"
#include "core/store/queue.h"

#define SQS_NAME_MAX 80
#define SQS_ARN_MAX 160
#define SQS_BODY_MAX (1u << 20)

struct sqs;

struct sqs_deps {
	struct ev_loop *loop;
	struct kv *kv;
	struct queue *queue;
	const struct settings *settings; /* region, account */
	void (*committed)(void *arg, uint64_t ns); /* how long the store took for what was sent; NULL: not asked */
	void *committed_arg;
	uint64_t in_flight_max; /* a queue; for tests alone; 0: 120,000 */
};

struct sqs *sqs_new(const struct sqs_deps *deps, struct error *err);
/* Before the queue store is closed: what kv still tells after that asks nothing of it. NULL is fine. */
void sqs_closing(struct sqs *s);
void sqs_free(struct sqs *s); /* after queue and kv were closed */
/* Reads all queues; before the front end opens. Leftovers of interrupted deletions are swept. */
typedef void sqs_ready_cb(void *arg, size_t queues, const struct error *err);
void sqs_load(struct sqs *s, sqs_ready_cb *cb, void *arg);

/* ---- for other parts of the program: by ARN, one queue of this account and region ---- */

struct sqs_info {
	bool fifo, content_dedup;
	unsigned visibility_s;      /* the queue's default */
	bool has_redrive;
	uint64_t visible, in_flight, delayed;
	const char *stored;      /* the store's queue; texts live until the next call of the loop */
	const char *dead_letter; /* ARN of its dead-letter queue; "": none */
	unsigned max_receives;
};
/* -1: ERR_NOT_FOUND. */
int sqs_info(struct sqs *s, struct str arn, struct sqs_info *out, struct error *err);

/* Every queue, in no order, with its name in the store ("sqs/NAME/UID"). */
struct sqs_row {
	const char *name, *arn, *stored;
	const char *dead_arn;  /* of the redrive policy; "": none */
	unsigned max_receives;
	struct sqs_info info;
};
typedef void sqs_row_cb(void *arg, const struct sqs_row *row);
void sqs_each(struct sqs *s, sqs_row_cb *cb, void *arg);

struct sqs_attribute { /* message attribute; Binary values are not needed from inside. Any text: what SQS cannot hold is sent as '?' */
	const char *name, *type;
	struct str value;
};
struct sqs_send {
	struct str arn, body;
	struct str group, dedup;     /* FIFO; p NULL: none */
	struct str trace_header;     /* p NULL: none */
	struct str sender;           /* SenderId; an identity or a service */
	struct str policy_service, policy_source_arn; /* who asks, when that is a service; p NULL: not asked */
	const struct sqs_attribute *attributes;
	size_t attribute_count;
};
/* The texts live until the callback. ERR_NOT_FOUND, ERR_ACCESS_DENIED, ERR_INVALID, ERR_TOO_LARGE, ERR_DISK_FULL, ERR_THROTTLED. */
typedef void sqs_sent_cb(void *arg, const char message_id[UUID_SIZE], const struct error *err);
void sqs_send(struct sqs *s, const struct sqs_send *what, sqs_sent_cb *cb, void *arg);

/* Receiving for a poller: whole messages, with all attributes. */
struct sqs_message {
	struct list link;
	struct queue_message *stored; /* owns all memory below */
	char message_id[UUID_SIZE], md5_of_body[33];
	struct str body;
	struct str record; /* the rest of a Lambda SQS record as JSON members, without braces: "messageId":..,"receiptHandle":..,"attributes":{..},
	                    * "messageAttributes":{..},"md5OfBody":..,"eventSource":..,"eventSourceARN":..,"awsRegion":.. */
	struct str attributes_json; /* messageAttributes alone, for filters */
	struct str group, trace_header; /* p NULL: none */
};
void sqs_message_free(struct sqs_message *m);

struct sqs_receive {
	struct str arn;
	unsigned max;          /* up to QUEUE_BATCH_MAX: a poller may take more than ten at once */
	size_t max_bytes;
	uint64_t wait_ms;
};
struct sqs_receiving; /* under way */
/* As queue_fetch: the callee takes what it wants out of the ring. */
typedef void sqs_received_cb(void *arg, struct list *messages, size_t n, const struct error *err);
struct sqs_receiving *sqs_receive(struct sqs *s, const struct sqs_receive *what, sqs_received_cb *cb, void *arg, struct error *err);
void sqs_receive_cancel(struct sqs *s, struct sqs_receiving *r);
/* Deletes, or changes the visibility (0: visible at once), of messages that were received, any number of them; those are freed. `cb` may be NULL;
 * it comes once, with the first error of all. */
void sqs_delete_messages(struct sqs *s, struct str arn, struct list *messages, queue_simple_cb *cb, void *arg);
void sqs_return_messages(struct sqs *s, struct str arn, struct list *messages, unsigned visibility_s, queue_simple_cb *cb, void *arg);
/* Straight to the dead-letter queue of the queue's redrive policy; without one they are left to their visibility (recursion). */
void sqs_bury_messages(struct sqs *s, struct str arn, struct list *messages, queue_simple_cb *cb, void *arg);

struct sqs_counts {
	uint64_t sent, received; /* messages, since the start */
};
void sqs_count(const struct sqs *s, struct sqs_counts *out);

/* Told when a queue is made, changed or deleted (arn lives during the call). */
typedef void sqs_changed_cb(void *arg, struct str arn, bool exists);
void sqs_on_change(struct sqs *s, sqs_changed_cb *cb, void *arg);

#endif
