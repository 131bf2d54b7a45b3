/* STS: the query protocol, of which GetCallerIdentity is there. */
#include <string.h>

#include "control/api/api_priv.h"

static struct str find_action(struct str form, struct str fallback)
{
	struct str piece, name;
	while (str_split(&form, '&', &piece)) {
		str_split(&piece, '=', &name);
		if (str_eqz(name, "Action"))
			return piece;
	}
	return fallback;
}

void api_sts(struct api_call *call)
{
	struct str action = find_action((struct str){call->body.data, call->body.len}, api_query(call, "Action"));
	const struct identity *who = identities_find(call->api->deps.identities, call->auth.access_key);
	struct buf text;
	if (!str_eqz(action, "GetCallerIdentity")) {
		if (action.p)
			api_fail_type(call, 501, "NotImplementedException", "message",
			              arena_printf(&call->arena, "The operation " STR_FMT " is not implemented by this server.",
			                           STR_ARG(str_sub(action, 0, 64))), NULL);
		else
			api_fail_type(call, 400, "MissingAction", "message", "Missing Action", NULL);
		return;
	}
	if (!who) { /* revoked while its request was read */
		api_fail(call, ERR_UNKNOWN_CLIENT, SIGV4_UNKNOWN_KEY);
		return;
	}
	buf_init(&text, 4096);
	buf_printf(&text, "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>"
	           "<Arn>%s</Arn><UserId>%s</UserId><Account>%s</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>%s"
	           "</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
	           who->arn, who->user_id, identities_account(call->api->deps.identities), call->request_id);
	api_reply_text(call, 200, "text/xml", buf_str(&text));
	buf_release(&text);
}
