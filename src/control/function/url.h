/* Function URLs: kept in the function's own record ("Urls", by qualifier), gone with the function or alias.
 *
 * The id is random, is the URL's as long as its config exists, and never comes again. Which function an id means is kept in memory. */
#ifndef MAYFLY_FUNCTION_URL_H
#define MAYFLY_FUNCTION_URL_H

#include "control/function/registry.h"
#include "core/policy/policy.h"

#define REGISTRY_URL_ID_SIZE 33

/* Views live until the next change of the function. */
struct registry_url {
	struct str id, name, qualifier; /* qualifier p NULL: $LATEST */
	bool iam;      /* AuthType AWS_IAM, else NONE */
	bool stream;   /* InvokeMode RESPONSE_STREAM, else BUFFERED */
	json_t *cors;  /* borrowed; NULL: none */
};
/* Whose URL this is; false: nobody's. */
bool registry_url_find(const struct registry *r, struct str id, struct registry_url *out);
/* The URL of a function or alias; false: it has none. */
bool registry_url_of(const struct registry *r, struct str name, struct str qualifier, struct registry_url *out);

/* What the API shows of a URL; its member FunctionUrl is the id alone. `config`: AuthType, Cors (empty: none), InvokeMode, checked; borrowed.
 * Create: ERR_EXISTS when there is one; its result has no LastModifiedTime. Update changes the members that are there. ERR_NOT_FOUND: no
 * such function or alias, or URL. */
void registry_url_create(struct registry *r, struct str name, struct str qualifier, json_t *config, registry_done_cb *cb, void *arg);
void registry_url_update(struct registry *r, struct str name, struct str qualifier, json_t *config, registry_done_cb *cb, void *arg);
void registry_url_delete(struct registry *r, struct str name, struct str qualifier, registry_done_cb *cb, void *arg);
json_t *registry_url_show(struct registry *r, struct str name, struct str qualifier, struct error *err); /* new reference; NULL: 404 */
int registry_url_list(struct registry *r, struct str name, struct registry_page *page, struct error *err);

/* What the resource-based policy of a function or alias says to this question, whose resource is filled in here. */
enum policy_answer registry_ask_policy(struct registry *r, struct str name, struct str qualifier, struct policy_question *q);

#endif
