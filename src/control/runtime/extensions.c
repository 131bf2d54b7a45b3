#include "control/runtime/extensions.h"

#include <stdio.h>
#include <string.h>

static bool takes_events(const struct extension *e)
{
	return e->state >= EXTENSION_REGISTERED && e->state <= EXTENSION_RUNNING;
}

const char *extension_state_name(enum extension_state state)
{
	static const char *const names[EXTENSION_STATES] = {
		[EXTENSION_STARTED] = "Started",        [EXTENSION_REGISTERED] = "Registered",   [EXTENSION_READY] = "Ready",
		[EXTENSION_RUNNING] = "Running",        [EXTENSION_INIT_ERROR] = "InitError",    [EXTENSION_EXIT_ERROR] = "ExitError",
		[EXTENSION_LAUNCH_ERROR] = "LaunchError", [EXTENSION_EXITED] = "Exited",
	};
	return names[state];
}

const char *extension_events_text(unsigned events)
{
	static const char *const texts[] = {"", "INVOKE", "SHUTDOWN", "INVOKE,SHUTDOWN"};
	return texts[events & 3];
}

/* ---- who there is ---- */

static struct extension *add(struct extensions *x, struct str name, bool external)
{
	if (x->count == EXTENSIONS_MAX)
		return NULL;
	struct extension *e = &x->items[x->count++];
	*e = (struct extension){.external = external};
	snprintf(e->name, sizeof e->name, STR_FMT, STR_ARG(name));
	uuid4(e->id);
	return e;
}

static struct extension *find_name(struct extensions *x, struct str name)
{
	for (unsigned i = 0; i < x->count; i++) {
		if (str_eqz(name, x->items[i].name))
			return &x->items[i];
	}
	return NULL;
}

struct extension *extensions_find(struct extensions *x, struct str id)
{
	for (unsigned i = 0; x && i < x->count; i++) {
		if (str_eqz(id, x->items[i].id))
			return &x->items[i];
	}
	return NULL;
}

struct extension *extensions_launch(struct extensions *x, struct str name)
{
	return add(x, name, true);
}

static enum extension_refusal register_external(struct extension *e, unsigned events)
{
	if (e->state != EXTENSION_STARTED)
		return EXTENSION_WRONG_STATE;
	e->events = events;
	e->state = EXTENSION_REGISTERED;
	return EXTENSION_OK;
}

enum extension_refusal extensions_register(struct extensions *x, struct str name, unsigned events, struct extension **out)
{
	struct extension *e = find_name(x, name);
	if (e && e->external) {
		*out = e;
		return register_external(e, events);
	}
	if (events & EXTENSION_SHUTDOWN)
		return EXTENSION_NO_SHUTDOWN;
	if (x->closed)
		return EXTENSION_CLOSED;
	if (x->count == EXTENSIONS_MAX)
		return EXTENSION_TOO_MANY;
	if (e)
		return EXTENSION_SAME_NAME;
	e = add(x, name, false);
	e->events = events;
	e->state = EXTENSION_REGISTERED;
	*out = e;
	return EXTENSION_OK;
}

/* ---- what it does ---- */

bool extension_ask(struct extension *e)
{
	if (!takes_events(e) || (e->state == EXTENSION_READY && e->next))
		return false;
	if (!e->owed)
		e->state = EXTENSION_READY;
	return true;
}

bool extension_fail(struct extension *e, enum extension_state to, struct str error_type)
{
	if (e->state == to) /* said again: the first one counts */
		return true;
	bool allowed = to == EXTENSION_INIT_ERROR ? e->state == EXTENSION_REGISTERED : takes_events(e);
	if (!allowed)
		return false;
	e->state = to;
	e->owed = 0;
	snprintf(e->error_type, sizeof e->error_type, STR_FMT, STR_ARG(error_type));
	return true;
}

void extension_end(struct extension *e, enum extension_state to, const char *error_type)
{
	if (e->state != EXTENSION_INIT_ERROR && e->state != EXTENSION_EXIT_ERROR)
		e->state = to;
	if (!*e->error_type)
		snprintf(e->error_type, sizeof e->error_type, "%s", error_type);
	e->owed = 0;
}

void extensions_owe(struct extensions *x, enum extension_event event)
{
	for (unsigned i = 0; i < x->count; i++) {
		struct extension *e = &x->items[i];
		if (!(e->events & event) || !takes_events(e))
			continue;
		e->state = EXTENSION_RUNNING;
		e->owed = event; /* an older one is of no use any more */
	}
}

/* ---- all of them ---- */

bool extensions_registered(const struct extensions *x)
{
	for (unsigned i = 0; x && i < x->count; i++) {
		if (x->items[i].state == EXTENSION_STARTED)
			return false;
	}
	return true;
}

bool extensions_ready(const struct extensions *x)
{
	for (unsigned i = 0; x && i < x->count; i++) {
		if (x->items[i].state != EXTENSION_READY)
			return false;
	}
	return true;
}

unsigned extensions_external(const struct extensions *x)
{
	unsigned n = 0;
	for (unsigned i = 0; x && i < x->count; i++)
		n += x->items[i].external;
	return n;
}

unsigned extensions_internal(const struct extensions *x)
{
	return x ? x->count - extensions_external(x) : 0;
}

/* External ones come first: they are there before anybody can register. */
uint32_t extensions_leavers(const struct extensions *x)
{
	uint32_t leavers = 0;
	for (unsigned i = 0; x && i < x->count; i++) {
		const struct extension *e = &x->items[i];
		if (e->external && (e->events & EXTENSION_SHUTDOWN) && takes_events(e))
			leavers |= 1u << i;
	}
	return leavers;
}
