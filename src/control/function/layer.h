/* Layers: packages that functions share, each version with a number of its own that is never used again, and a policy.
 *
 * A part of the registry, with its rules (registry.h: loop, callbacks, what is durable when). A layer's package is a blob and
 * a folder as a function's is; the same content is stored and unpacked once, whoever brings it. A configuration keeps the
 * contents of its layers: functions that use a version go on after it was deleted, and its content goes with the last of them. */
#ifndef MAYFLY_FUNCTION_LAYER_H
#define MAYFLY_FUNCTION_LAYER_H

#include "control/function/registry.h"

#define LAYER_NAME_MAX 140 /* AWS's, of a name or an ARN */
#define LAYER_ARN_MAX 320  /* with or without a version, with NUL */

/* "name", "arn:aws:lambda:REGION:ACCOUNT:layer:NAME", with ":VERSION" or without. Views into the text. */
struct layer_ref {
	struct str name, region, account; /* p NULL: not said */
	unsigned number;                  /* 0: none; UINT32_MAX: larger than any of ours */
};
bool layer_ref_parse(struct layer_ref *ref, struct str text); /* false: it names no layer */

/* `number` 0: the layer's own ARN. */
void registry_layer_arn(const struct registry *r, char dst[LAYER_ARN_MAX], struct str name, unsigned number);

/* ---- reading; at once, from memory ---- */

/* LayerVersion as the API shows it, but for Content.Location. New reference; NULL: 404. */
json_t *registry_layer(struct registry *r, struct str name, unsigned number, struct error *err);

/* p NULL: any. A version that does not say what it is compatible with is not found by that. */
struct registry_layer_filter {
	struct str runtime, architecture;
};
/* Layers that have a version that fits, each with the newest one that does; by name. */
int registry_layer_list(struct registry *r, const struct registry_layer_filter *f, struct registry_page *page, struct error *err);
/* The newest first. A layer that is not there has none. */
int registry_layer_list_versions(struct registry *r, struct str name, const struct registry_layer_filter *f, struct registry_page *page,
                                 struct error *err);

/* {"Policy": text, "RevisionId"}. New reference; NULL: 404. */
json_t *registry_layer_policy(struct registry *r, struct str name, unsigned number, struct error *err);

bool registry_layer_exists(struct registry *r, struct str name, unsigned number);

/* ---- changing ---- */

struct registry_layer_publish {
	struct str name;
	json_t *about;        /* borrowed: Description, LicenseInfo, CompatibleRuntimes, CompatibleArchitectures: kept as they are */
	struct http_blob zip; /* moved in */
};
/* `result`: as registry_layer shows it. */
void registry_layer_publish(struct registry *r, struct registry_layer_publish *what, registry_done_cb *cb, void *arg);
/* One that is not there is deleted, too. */
void registry_layer_delete(struct registry *r, struct str name, unsigned number, registry_done_cb *cb, void *arg);

/* `statement` as the policy language has it. `result`: {"Statement": text, "RevisionId"}. Errors: as registry_permission_add. */
void registry_layer_permission_add(struct registry *r, struct str name, unsigned number, struct str revision, json_t *statement,
                                   registry_done_cb *cb, void *arg);
void registry_layer_permission_remove(struct registry *r, struct str name, unsigned number, struct str sid, struct str revision,
                                      registry_done_cb *cb, void *arg);

#endif
