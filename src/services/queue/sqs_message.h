/* Messages: what is checked and computed of one on its way in, how it is stored, and what is read of it on its way out.
 *
 * Stored: id = MessageId (16 bytes), body = the body, head = JSON: "M" MD5 of the body, "S" sender, "Q" name of the queue it was sent to; and
 * where there are: "A" message attributes, "N" their MD5, "T" trace header, "D" deduplication id, "G" group of a standard queue. The group of a
 * FIFO queue is the store's.
 *
 * A receipt handle is base64 of 24 bytes: uid of the queue, receipt, second of receiving. */
#ifndef MAYFLY_SERVICES_QUEUE_SQS_MESSAGE_H
#define MAYFLY_SERVICES_QUEUE_SQS_MESSAGE_H

#include "core/base/md5.h"
#include "core/base/rand.h"
#include "services/queue/sqs_priv.h"

enum { SQS_HANDLE_SIZE = 33, SQS_ATTRIBUTES_MAX = 10, SQS_DEDUP_SIZE = QUEUE_DEDUP_MAX + 1, SQS_GROUP_MAX = 128 };

/* ---- in ---- */

/* What is asked for; texts and values are the request's. */
struct sqs_asked {
	struct str body, group, dedup;
	struct str trace_header; /* of the request; a system attribute counts more */
	struct str sender;
	const json_t *attributes, *system; /* NULL: none */
	int64_t delay_s;
	bool has_delay;
};

struct sqs_draft {
	unsigned char id[QUEUE_ID_SIZE];
	char md5_body[MD5_HEX_SIZE], md5_attributes[MD5_HEX_SIZE], md5_system[MD5_HEX_SIZE]; /* "": none */
	char dedup[SQS_DEDUP_SIZE]; /* the store's; "": none */
	struct buf head;
	size_t size;     /* that counts against the limits */
	uint64_t delay_ms;
	struct str body, group; /* the store's; group.p NULL: none */
};
/* All checks of one message but those of its batch; on -1 nothing is held. */
int sqs_draft_init(struct sqs_draft *d, const struct sqs_queue *q, const struct sqs_asked *a, struct sqs_fault *f);
void sqs_draft_release(struct sqs_draft *d); /* also fine on a zeroed struct */
void sqs_draft_publish(const struct sqs_draft *d, const struct sqs_queue *q, struct queue_publish *out); /* views of `d` and the request */
/* Groups, deduplication ids and the like: printable, 1 to 128 long; p NULL is fine. */
int sqs_check_token(struct str token, const char *parameter, struct sqs_fault *f);
/* New reference: the text, with '?' for each byte of what messages cannot hold. */
json_t *sqs_content_json(struct str s);
/* Bytes of body and attributes: names, types and values. */
size_t sqs_size(struct str body, const json_t *attributes);

void sqs_id_text(char dst[UUID_SIZE], const unsigned char id[QUEUE_ID_SIZE]);
void sqs_id_new(unsigned char id[QUEUE_ID_SIZE]); /* UUID, version 4 */

/* As the SDKs compute it. Only names that `wanted` has (NULL: all). "" when there is none. */
void sqs_md5_attributes(char dst[MD5_HEX_SIZE], const json_t *attributes);

/* ---- out ---- */

/* A stored message's head, taken apart. */
struct sqs_view {
	const struct sqs_queue *queue;
	const struct queue_message *m;
	json_t *head;
	struct str md5_body;
	json_t *attributes; /* NULL: none */
};
void sqs_view_init(struct sqs_view *v, const struct sqs_queue *q, const struct queue_message *m);
void sqs_view_release(struct sqs_view *v);
/* System attributes by number, 0..sqs_system_count() - 1; `value` p NULL: this message has none. */
size_t sqs_system_count(void);
const char *sqs_system_name(size_t i);
struct str sqs_system_value(const struct sqs_view *v, size_t i, char text[QUEUE_NAME_MAX]);

void sqs_handle_make(char dst[SQS_HANDLE_SIZE], const struct sqs_queue *q, const struct queue_receipt *receipt, int64_t received_ms);
int sqs_handle_read(struct str handle, const struct sqs_queue *q, struct queue_receipt *receipt, int64_t *received_ms, struct sqs_fault *f);

#endif
