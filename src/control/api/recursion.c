/* What happens to a function that is invoked in a loop of its own making. */
#include "control/api/api_priv.h"

static void on_put(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_json(arg, 200, result);
}

void api_put_function_recursion_config(struct api_call *call)
{
	struct function_ref ref;
	if (api_unqualified(call, &ref))
		registry_recursion_put(call->api->deps.registry, ref.name, str_eqz(api_text(call, "RecursiveLoop"), "Allow"), on_put, call);
}

void api_get_function_recursion_config(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	bool allow = false;
	if (!api_unqualified(call, &ref))
		return;
	if (registry_recursion(call->api->deps.registry, ref.name, &allow, &err) < 0)
		api_fail_error(call, &err);
	else
		api_reply_new(call, 200, json_pack("{s:s}", "RecursiveLoop", allow ? "Allow" : "Terminate"));
}
