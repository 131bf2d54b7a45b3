/* Private to async*.c.
 *
 * An *item* is a message of the store in memory: an event (or a record on its way to a destination that could not take it yet). It is in one
 * of its function's lists: waiting -> running -> ending -> acks or naks, and then no longer in memory.
 *
 *   async.c        life, accepting, deliveries to functions, reports of the registry
 *   async_poll.c   which functions are active, what is fetched and started, limits
 *   async_end.c    verdicts: ack, put off, or over
 *   async_send.c   records to destinations and dead-letter queues
 *   async_note.c   texts of heads and notes
 *   async_list.c   what people are shown */
#ifndef MAYFLY_EVENTS_ASYNC_PRIV_H
#define MAYFLY_EVENTS_ASYNC_PRIV_H

#include <jansson.h>

#include "control/events/async.h"
#include "control/events/history.h"
#include "control/events/outcome.h"
#include "control/metrics/metrics.h"
#include "core/base/hash.h"
#include "core/spec/settings.h"

#define ASYNC_ERROR_MAX 512 /* of a note's text */

struct async_note {
	unsigned attempts;  /* that ran and failed */
	unsigned throttles; /* since the latest attempt: refusals, or deliveries that did not go through */
	char error[ASYNC_ERROR_MAX];
};

struct async_function {
	struct hash_node by_name;
	struct async *async;
	struct list link; /* in async.active, blocked or later; or nowhere */
	struct list waiting, running, ending, acks, naks;
	unsigned waiting_count, running_count, ending_count;
	unsigned limit;   /* of invocations in flight, when none is reserved */
	int reserved;     /* -1: none */
	unsigned metric;  /* index in metrics */
	size_t bytes;     /* of its items that were not started */
	struct queue_wait *fetch;
	size_t fetch_bytes;
	unsigned fetch_max;
	bool more;        /* there may be visible messages that were not fetched */
	bool delete_due;  /* its queue could not be told yet that the function is gone */
	char queue[sizeof ASYNC_PREFIX + FUNCTION_NAME_MAX];
	char name[FUNCTION_NAME_MAX + 1];
};

struct async_sending;

struct async_item {
	struct list link;
	struct async_function *f;
	struct queue_message *m; /* its body is in `body` */
	json_t *head;
	struct str qualifier;    /* p NULL: none; of head, as all texts here */
	char request_id[UUID_SIZE];
	struct async_note note;
	struct http_blob body;   /* moved into the invocation when it is started */
	size_t bytes;            /* counted in f->bytes and async.bytes */
	bool gone;               /* its function was deleted while it ran: forgotten when it comes back */
	bool done;               /* the invocation has come back: version and answer are ours to give back */
	struct invocation inv;
	char arn[FUNCTION_ARN_MAX];
	struct async_sending *sending;
	uint64_t delay_ms;       /* of the nak */
};

struct async {
	struct async_deps deps;
	struct queue_watch *watch;
	struct hash functions;
	struct list active;  /* functions that have something to do */
	struct list blocked; /* until bytes are given back */
	struct list later;   /* until the timer */
	struct list untold;  /* struct async_tell: acks and naks that failed, until the timer */
	struct ev_defer turn;
	struct ev_timer retry;
	size_t bytes;
	unsigned running;
	unsigned settling; /* items whose attempt is over, until the store was told */
	unsigned calls;    /* acks and naks that are not durable yet */
	void (*on_idle)(void *arg);
	void *idle_arg;
	bool started, draining, closing;
};

/* ---- async_poll.c ---- */
struct async_function *async_function_get(struct async *a, struct str name); /* makes it */
void async_function_free(struct async_function *f);
void async_wake(struct async_function *f);
void async_item_free(struct async_item *item); /* in no list's count any more */
void async_item_uncount(struct async_item *item); /* its payload is the invocation's: no part of the window */
void async_init_poll(struct async *a);
void async_untold_free(struct async *a);
void async_settled(struct async *a); /* one item less is settling */

/* ---- async_end.c ---- */
void async_item_start(struct async_item *item); /* taken out of `waiting`; running, or ending */
/* Taken out of its list: what becomes of it at the end of the round. */
void async_item_ack(struct async_item *item);
void async_item_put_off(struct async_item *item, uint64_t delay_ms);
uint64_t async_backoff_ms(const struct async *a, unsigned times); /* 1 s doubling to 300 s, scaled */
uint64_t async_scaled_ms(const struct async *a, uint64_t ms);
struct history_line;
void async_history(const struct async_item *item, enum history_step step, struct str text);

/* ---- async_send.c ---- */
/* Delivers the records of an event that is over, then acks. */
void async_send(struct async_item *item, enum outcome_condition condition, const struct registry_async *config);
/* `item` is a record that waited for its destination. */
void async_send_again(struct async_item *item);
bool async_is_record(const struct async_item *item);
void async_sending_free(struct async_sending *s); /* NULL is fine */

/* ---- async_note.c ---- */
int async_head_write(struct buf *out, const struct async_event *event, struct str incarnation);
int async_note_write(struct buf *out, const struct async_note *note); /* the error only where there is room: escaped it may be long */
void async_note_read(struct async_note *note, struct str text);
void async_id_text(char dst[UUID_SIZE], const unsigned char id[QUEUE_ID_SIZE]);
int async_id_parse(unsigned char id[QUEUE_ID_SIZE], const char *text);
/* "Type: message" of an error object, or the beginning of what it is instead; cut to size. */
void async_error_text(char *dst, size_t size, struct str answer);

#endif
