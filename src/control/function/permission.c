/* Resource-based policies of functions. */
#include "control/function/registry_priv.h"
#include "core/policy/policy.h"

static const struct error not_yet = {.code = ERR_UNSUPPORTED, .msg = "not implemented by this server"};

void registry_permission_add(struct registry *r, struct str name, struct str qualifier, struct str revision, json_t *statement,
                             registry_done_cb *cb, void *arg)
{
	cb(arg, NULL, &not_yet);
}

void registry_permission_remove(struct registry *r, struct str name, struct str qualifier, struct str sid, struct str revision,
                                registry_done_cb *cb, void *arg)
{
	cb(arg, NULL, &not_yet);
}

json_t *registry_policy(struct registry *r, struct str name, struct str qualifier, struct error *err)
{
	error_set(err, ERR_UNSUPPORTED, "%s", not_yet.msg);
	return NULL;
}

bool registry_permits(struct registry *r, struct str name, struct str qualifier, struct str action, struct str service,
                      struct str source_arn, struct str source_account)
{
	return false;
}
