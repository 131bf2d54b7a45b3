/* One batch at a time to one subscriber, over a socket of its environment's network: an HTTP request that must be answered with 2xx, or
 * bytes on a TCP connection that stays open.
 *
 * The socket is the owner's to get (`want_socket`, answered by telemetry_delivery_socket): the only one, which is connected again when
 * a connection ends. A batch is tried again, with growing pauses, until its time is over. Nobody vouches for the other side: what it
 * says is bounded, and that it says nothing costs one batch's memory. Everything on the loop's thread; `done` and `want_socket` are
 * also called from inside telemetry_delivery_send. */
#ifndef MAYFLY_TELEMETRY_DELIVERY_H
#define MAYFLY_TELEMETRY_DELIVERY_H

#include "control/telemetry/subscription.h"
#include "core/base/buf.h"
#include "core/ev/ev.h"
#include "core/http/answer.h"

struct telemetry_delivery;

struct telemetry_delivery_events {
	void (*want_socket)(struct telemetry_delivery *d);
	void (*done)(struct telemetry_delivery *d, bool delivered);
};

enum telemetry_delivery_state {
	DELIVERY_IDLE,
	DELIVERY_SOCKET,     /* waits for its descriptor */
	DELIVERY_CONNECTING,
	DELIVERY_SENDING,
	DELIVERY_ANSWERING,  /* HTTP: all was sent */
	DELIVERY_RESTING     /* until the next attempt */
};

struct telemetry_delivery {
	struct buf body; /* filled by the owner while idle; kept until done */

	/* Private. */
	const struct telemetry_delivery_events *events;
	const struct telemetry_subscription *to;
	struct ev_loop *loop;
	struct ev_io io;
	struct ev_timer timer;
	enum telemetry_delivery_state state;
	bool connected, reused, answered; /* reused: an older connection; answered: something came back in this attempt */
	unsigned attempts;
	uint64_t until_ns;    /* of the batch */
	bool suspended;
	uint64_t suspended_ns, timer_left_ns;
	char head[TELEMETRY_PATH_SIZE + TELEMETRY_HOST_SIZE + 160];
	size_t head_len, sent;
	struct http_answer answer;
};

/* `to` must outlive it. body_max_bytes: of one batch. */
void telemetry_delivery_init(struct telemetry_delivery *d, struct ev_loop *loop, const struct telemetry_subscription *to,
                             size_t body_max_bytes, const struct telemetry_delivery_events *events);
void telemetry_delivery_release(struct telemetry_delivery *d); /* closes the socket */
bool telemetry_delivery_busy(const struct telemetry_delivery *d);
/* Sends the body. Only while idle, and not suspended. */
void telemetry_delivery_send(struct telemetry_delivery *d);
/* A TCP socket of the environment's network, not connected, close-on-exec and non-blocking; taken over. -1: there is none, and the
 * batch is lost. Without a batch that waits for it, it is kept for the next. */
void telemetry_delivery_socket(struct telemetry_delivery *d, int fd);
/* The socket, for a successor; -1: none. Its connection is ended. */
int telemetry_delivery_take_socket(struct telemetry_delivery *d);
/* The environment is frozen: no time passes, nothing is sent or read. And goes on. */
void telemetry_delivery_suspend(struct telemetry_delivery *d);
void telemetry_delivery_resume(struct telemetry_delivery *d);

#endif
