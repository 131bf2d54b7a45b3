/* The telemetry of one environment: its subscribers (extensions that asked for it by the Telemetry or the older Logs API), what each is
 * still to get, and its delivery inside the environment.
 *
 * The owner makes one when an environment may have subscribers, and tells what happens by telemetry_platform and telemetry_line; both
 * cost a walk over the subscribers, each of which takes what it wants in its own schema's form. What happens while the subscription is
 * open (init) is kept, bounded, so that one who subscribes hears it from the beginning. A subscriber that is slow or gone costs
 * bounded memory, and loses the oldest. Everything on the loop's thread; no event is told from inside a call but want_socket. */
#ifndef MAYFLY_TELEMETRY_TELEMETRY_H
#define MAYFLY_TELEMETRY_TELEMETRY_H

#include "control/logs/platform_json.h"
#include "control/telemetry/subscription.h"
#include "core/ev/ev.h"

struct telemetry;

#define TELEMETRY_SUBSCRIBERS_MAX 10u /* as many as extensions */
#define TELEMETRY_NAME_SIZE 256

struct telemetry_events {
	/* A TCP socket of the environment's network is wanted: telemetry_socket answers, with the same number, later. */
	void (*want_socket)(void *arg, uint32_t number);
};

/* `early`: extensions are known to be there; what happens before the first subscribes is kept for it. NULL: no memory. */
struct telemetry *telemetry_new(struct ev_loop *loop, const struct telemetry_events *events, void *arg, bool early);
void telemetry_free(struct telemetry *t); /* NULL is fine */

/* Of the extension `name`; a second one replaces its first. ERR_INVALID: what is wrong with the body, or it has subscribed by the other
 * API; ERR_ACCESS_DENIED: subscriptions are closed. */
int telemetry_subscribe(struct telemetry *t, const char *name, enum telemetry_api api, struct str body, struct error *err);
/* Init is over: nobody may subscribe any more. */
void telemetry_close(struct telemetry *t);
bool telemetry_has_subscribers(const struct telemetry *t);
/* fd is taken; -1: there is none. */
void telemetry_socket(struct telemetry *t, uint32_t number, int fd);

void telemetry_platform(struct telemetry *t, const struct platform_event *e);
/* A line of the function's, or of an extension's. json: the function's log format is JSON; what is a JSON object then stays one for the
 * schemas that have that. */
void telemetry_line(struct telemetry *t, int64_t wall_ms, bool extension, bool json, struct str line);

/* The environment is about to end: what is there, and what comes from now on, is sent at once. Nobody may subscribe any more. */
void telemetry_end(struct telemetry *t);
/* While the environment is frozen nothing is sent, and no time passes. */
void telemetry_suspend(struct telemetry *t);
void telemetry_resume(struct telemetry *t);

#endif
