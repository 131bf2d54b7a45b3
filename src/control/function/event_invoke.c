/* Event-invoke-configs and recursion config: what the end of asynchronous events is decided by. */
#include "control/function/registry_priv.h"

static const struct error not_yet = {.code = ERR_UNSUPPORTED, .msg = "not implemented by this server"};

int registry_async(struct registry *r, struct str name, struct str qualifier, struct registry_async *out, struct error *err)
{
	struct function *f = function_find(r, name);
	if (!f)
		return function_not_found(r, name, qualifier, err);
	*out = (struct registry_async){.max_retries = 2, .max_age_s = 21600, .reserved = f->truth.reserved,
	                                 .incarnation = str_from(f->incarnation)};
	return 0;
}

void registry_event_invoke_put(struct registry *r, struct str name, struct str qualifier, json_t *config, bool replace,
                               registry_done_cb *cb, void *arg)
{
	cb(arg, NULL, &not_yet);
}

void registry_event_invoke_delete(struct registry *r, struct str name, struct str qualifier, registry_done_cb *cb, void *arg)
{
	cb(arg, NULL, &not_yet);
}

json_t *registry_event_invoke(struct registry *r, struct str name, struct str qualifier, struct error *err)
{
	error_set(err, ERR_UNSUPPORTED, "%s", not_yet.msg);
	return NULL;
}

int registry_event_invoke_list(struct registry *r, struct str name, struct registry_page *page, struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "%s", not_yet.msg);
}

void registry_recursion_put(struct registry *r, struct str name, bool allow, registry_done_cb *cb, void *arg)
{
	cb(arg, NULL, &not_yet);
}

int registry_recursion(struct registry *r, struct str name, bool *allow, struct error *err)
{
	if (!function_find(r, name))
		return function_not_found(r, name, STR_NULL, err);
	*allow = false;
	return 0;
}
