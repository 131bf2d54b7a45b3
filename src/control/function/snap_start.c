/* SnapStart: a version that is published with it is Pending until its image is there.
 *
 * The state is part of the version's stored configuration (State, StateReason, StateReasonCode; none of them when it is
 * Active), so that what was Pending when the program ended is taken up again. Who takes the image gets a function_version and
 * answers later; meanwhile the version may have been deleted, or replaced because tags changed: it is looked up again by
 * name, incarnation and number. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

#define REASON_MAX 1024

struct image_wait {
	struct list link;
	struct registry *r;
	unsigned number;
	char incarnation[17];
	char name[];
};

static const struct {
	const char *name;
	enum config_state state;
} states[] = {{"Pending", CONFIG_PENDING}, {"Failed", CONFIG_FAILED}};

bool snap_start_wanted(const json_t *config)
{
	const char *on = json_string_value(json_object_get(json_object_get(config, "SnapStart"), "ApplyOn"));
	return on && strcmp(on, "PublishedVersions") == 0;
}

enum config_state snap_start_state(const json_t *version)
{
	struct str text = json_value_text(json_object_get(version, "State"));
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (str_eqz(text, states[i].name))
			return states[i].state;
	}
	return CONFIG_ACTIVE;
}

static void set_state(json_t *json, const char *state, const char *code, const char *reason)
{
	json_object_set_new(json, "State", json_string(state));
	json_object_set_new(json, "StateReason", json_string(reason));
	json_object_set_new(json, "StateReasonCode", json_string(code));
}

static void clear_state(json_t *json)
{
	json_object_del(json, "State");
	json_object_del(json, "StateReason");
	json_object_del(json, "StateReasonCode");
}

/* A group of its own: what was copied shallowly must not change. */
static void set_optimized(json_t *json, const char *status)
{
	json_t *group = json_copy(json_object_get(json, "SnapStart"));
	if (group && json_object_set_new(group, "OptimizationStatus", json_string(status)) == 0)
		json_object_set(json, "SnapStart", group);
	json_decref(group);
}

void snap_start_mark(const struct registry *r, json_t *version)
{
	if (r->deps.take_image && snap_start_wanted(version))
		set_state(version, "Pending", "Creating", "The function is being created.");
}

void snap_start_strip(json_t *json)
{
	clear_state(json);
	if (snap_start_wanted(json))
		set_optimized(json, "Off");
}

/* ---- what is seen ---- */

void snap_start_show(const struct config *c, json_t *shown)
{
	if (c->state == CONFIG_PENDING && c->restoring)
		set_state(shown, "Pending", "Restoring", "The function is being restored.");
	if (c->state != CONFIG_FAILED)
		return;
	json_object_set_new(shown, "LastUpdateStatus", json_string("Failed"));
	json_object_set(shown, "LastUpdateStatusReason", json_object_get(shown, "StateReason"));
	json_object_set(shown, "LastUpdateStatusReasonCode", json_object_get(shown, "StateReasonCode"));
}

int snap_start_check(const struct config *c, struct error *err)
{
	if (c->state == CONFIG_ACTIVE)
		return 0;
	if (c->restoring)
		return error_set(err, ERR_SNAP_START_NOT_READY, "Lambda is initializing your function. It will be ready to invoke once your "
		                 "function state becomes ACTIVE.");
	return error_set(err, ERR_CONFLICT, "The operation cannot be performed at this time. The function is currently in the following "
	                 "state: %s", c->state == CONFIG_PENDING ? "Pending" : "Failed");
}

/* ---- the end of taking an image ---- */

struct outcome {
	struct op op;
	unsigned number;
	char incarnation[17];
	enum registry_image_outcome outcome;
	char reason[REASON_MAX];
	json_t *json; /* the version as it will be */
};

static struct outcome *outcome_of(struct op *op)
{
	return CONTAINER_OF(op, struct outcome, op);
}

static void release(struct op *op)
{
	json_decref(outcome_of(op)->json);
}

static struct config *find_config(struct function *f, const char *incarnation, unsigned number)
{
	return f && strcmp(f->incarnation, incarnation) == 0 ? function_version_config(f, number) : NULL;
}

static struct config *op_config(struct op *op)
{
	return find_config(op->f, outcome_of(op)->incarnation, outcome_of(op)->number);
}

/* Also when it could not be stored: then the next start takes the image again. */
static void on_stored(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct op *op = arg;
	struct config *c = op_config(op);
	if (config_set_text(c, outcome_of(op)->json, NULL) == 0)
		c->restoring = false;
	if (c->state == CONFIG_FAILED)
		config_drop_version(c);
	op_finish(op, err);
}

static void start(struct op *op)
{
	struct outcome *o = outcome_of(op);
	struct error err = {0};
	char key[RECORD_KEY_SIZE];
	if (!op_begin(op))
		return;
	struct config *c = op_config(op);
	if (!c) {
		op_finish(op, NULL); /* deleted */
		return;
	}
	o->json = config_load(c, &err);
	if (o->outcome == REGISTRY_IMAGE_INIT_FAILED) {
		set_state(o->json, "Failed", "FunctionError", o->reason);
	} else {
		clear_state(o->json);
		set_optimized(o->json, o->outcome == REGISTRY_IMAGE_READY ? "On" : "Off");
	}
	buf_init(&op->text, RECORD_LIMIT_BYTES);
	record_version_key(key, sizeof key, op->f, c->number);
	if (!o->json || json_value_dump(o->json, &op->text, &err) < 0 ||
	    kv_put(op->r->deps.kv, str_from(key), buf_str(&op->text), KV_ANY, on_stored, op, &err) < 0)
		op_finish(op, &err);
}

static void ignore(void *arg, json_t *result, const struct error *err)
{
}

/* A character that was cut in two would make the text none that JSON can hold. */
static void trim(char *text)
{
	size_t n = strlen(text);
	json_t *held;
	while (!(held = json_value_new_str(str_from(text))) && n > 0)
		text[--n] = '\0';
	json_decref(held);
}

/* "ImportError: no module named x" of an error object; else what the platform said. */
static void explain(char dst[REASON_MAX], const struct registry_image *image)
{
	CLEANUP_JSON json_t *object = image->answer.p ? json_value_load_object(image->answer, &(struct json_limits){0}, NULL) : NULL;
	const char *type = json_string_value(json_object_get(object, "errorType"));
	const char *message = json_string_value(json_object_get(object, "errorMessage"));
	if (type || message)
		snprintf(dst, REASON_MAX, "%s%s%.*s", type ? type : "", type && message ? ": " : "", REASON_MAX / 2, message ? message : "");
	else
		snprintf(dst, REASON_MAX, "%s", image->reason ? image->reason : "The function's init failed.");
	trim(dst);
}

static void finish(struct config *c, const struct registry_image *image)
{
	struct outcome *o = calloc(1, sizeof *o);
	ASSERT(o);
	o->number = c->number;
	memcpy(o->incarnation, c->function->incarnation, sizeof o->incarnation);
	o->outcome = image->outcome;
	explain(o->reason, image);
	o->op.start = start;
	o->op.release = release;
	op_submit(&o->op, c->function->registry, str_from(c->function->name), ignore, NULL);
}

/* ---- taking ---- */

static void take(struct config *c);

static void on_image(void *arg, struct function_version *v, const struct registry_image *image)
{
	struct image_wait *w = arg;
	struct config *c = find_config(function_find(w->r, str_from(w->name)), w->incarnation, w->number);
	list_remove(&w->link);
	free(w);
	if (!c || c->state != CONFIG_PENDING)
		return;
	if (c->version == v)
		finish(c, image);
	else
		take(c); /* tags have changed how it is run */
}

static struct image_wait *wait_new(const struct config *c)
{
	struct function *f = c->function;
	size_t n = strlen(f->name) + 1;
	struct image_wait *w = calloc(1, sizeof *w + n);
	ASSERT(w);
	w->r = f->registry;
	w->number = c->number;
	memcpy(w->incarnation, f->incarnation, sizeof w->incarnation);
	memcpy(w->name, f->name, n);
	list_init(&w->link);
	list_push_back(&w->r->image_waits, &w->link);
	return w;
}

static void take(struct config *c)
{
	const struct registry_deps *deps = &c->function->registry->deps;
	struct error err = {0};
	struct function_version *v = config_version(c, &err);
	if (v && deps->take_image)
		deps->take_image(deps->take_image_arg, v, on_image, wait_new(c));
	else
		finish(c, &(struct registry_image){v ? REGISTRY_IMAGE_NONE : REGISTRY_IMAGE_INIT_FAILED, STR_NULL, err.msg});
}

void snap_start_begin(struct config *c)
{
	if (c->state == CONFIG_PENDING)
		take(c);
}

void registry_resume_images(struct registry *r)
{
	for (size_t i = 0; i < r->count; i++) {
		struct function *f = r->sorted[i];
		for (size_t k = 0; k < f->version_count; k++) {
			f->versions[k]->restoring = f->versions[k]->state == CONFIG_PENDING;
			snap_start_begin(f->versions[k]);
		}
	}
}

void snap_start_release(struct registry *r)
{
	for (struct list *l; (l = list_pop_front(&r->image_waits));)
		free(CONTAINER_OF(l, struct image_wait, link));
}
