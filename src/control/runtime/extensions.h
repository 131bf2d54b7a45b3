/* The extensions of one environment: who registered for what, and what each does now. Pure: no I/O and no clock; the routes are in
 * extension_api.c. Embedded in the Runtime API's object, which allocates it with the first extension.
 *
 * External ones are programs of /opt/extensions, known by their file names before they register; internal ones come from the
 * runtime's process and register under any other name. Lambda's states, by Lambda's names:
 *
 *   Started -> Registered -> Ready <-> Running, and ends: LaunchError, InitError, ExitError, Exited
 *
 * Ready: it waits in event/next, or will come back to it; Running: it has an event and has not asked for the next one. */
#ifndef MAYFLY_RUNTIME_EXTENSIONS_H
#define MAYFLY_RUNTIME_EXTENSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/spec/limits.h"

struct http_conn;

#define EXTENSIONS_MAX LIMIT_EXTENSIONS /* external and internal together */
#define EXTENSION_NAME_MAX 255
#define EXTENSION_ERROR_SIZE 128

enum extension_event { EXTENSION_INVOKE = 1, EXTENSION_SHUTDOWN = 2 }; /* bits */

enum extension_state {
	EXTENSION_STARTED, /* external, and not registered yet */
	EXTENSION_REGISTERED,
	EXTENSION_READY,
	EXTENSION_RUNNING,
	EXTENSION_INIT_ERROR, /* this and below: it takes no events */
	EXTENSION_EXIT_ERROR,
	EXTENSION_LAUNCH_ERROR,
	EXTENSION_EXITED,
	EXTENSION_STATES
};

struct extension {
	char name[EXTENSION_NAME_MAX + 1];
	char id[UUID_SIZE];
	bool external;
	unsigned events;             /* enum extension_event */
	enum extension_state state;
	char error_type[EXTENSION_ERROR_SIZE]; /* as it said with its error, or the platform's; "" */
	unsigned owed;               /* an event (one bit) that goes out as soon as it asks: its connection broke meanwhile */
	struct http_conn *next;      /* parked GET event/next; NULL: none. The routes' */
};

struct extensions {
	struct extension items[EXTENSIONS_MAX];
	unsigned count;
	bool closed; /* init is past the point where extensions may register */
};

enum extension_refusal {
	EXTENSION_OK,
	EXTENSION_CLOSED,      /* too late for an internal one */
	EXTENSION_SAME_NAME,
	EXTENSION_TOO_MANY,
	EXTENSION_WRONG_STATE, /* an external one that registered before */
	EXTENSION_NO_SHUTDOWN, /* internal ones get no such event */
};

/* Before anything of the environment runs; names differ. NULL: too many. */
struct extension *extensions_launch(struct extensions *x, struct str name);
/* *out is set on success, and for EXTENSION_WRONG_STATE. */
enum extension_refusal extensions_register(struct extensions *x, struct str name, unsigned events, struct extension **out);
/* By identifier; NULL: nobody's. Also for x NULL. */
struct extension *extensions_find(struct extensions *x, struct str id);

/* It asks for its next event. False: not from its state, nothing changed. An event that it is `owed` is to be given at once. */
bool extension_ask(struct extension *e);
/* It says why it fails (init/error, exit/error); the first one counts. False: not from its state. */
bool extension_fail(struct extension *e, enum extension_state to, struct str error_type);
/* Its process ended, or could not be started (LAUNCH_ERROR). */
void extension_end(struct extension *e, enum extension_state to, const char *error_type);
/* An event for those that registered for it and take events: they are Running from here on, and are owed it. */
void extensions_owe(struct extensions *x, enum extension_event event);

/* All external ones have registered. The functions below are true, or 0, for x NULL too. */
bool extensions_registered(const struct extensions *x);
/* All wait for the next event. */
bool extensions_ready(const struct extensions *x);
/* How many there are: external ones whether or not they registered. */
unsigned extensions_external(const struct extensions *x);
unsigned extensions_internal(const struct extensions *x);
/* External ones, by place in the order of extensions_launch, that are to be told of the end and have not ended: as bits. */
uint32_t extensions_leavers(const struct extensions *x);
const char *extension_state_name(enum extension_state state);
/* "[INVOKE,SHUTDOWN]", without the brackets. */
const char *extension_events_text(unsigned events);

#endif
