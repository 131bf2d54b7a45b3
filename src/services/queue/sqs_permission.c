/* AddPermission and RemovePermission: statements of the queue's Policy. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "services/queue/sqs_priv.h"

#define ACTIONS_MAX 7
#define STATEMENTS_MAX 20
#define PRINCIPALS_MAX 50

static const char *const allowed[] = {"*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl",
                                      "ListDeadLetterSourceQueues", "PurgeQueue", "ReceiveMessage", "SendMessage"};

/* The queue's policy, or an empty one. New reference. */
static json_t *policy_of(const struct sqs_queue *q, const json_t *attributes)
{
	struct str text = sqs_attribute_value(attributes, "Policy");
	json_t *policy = text.p ? json_value_load_object(text, &(struct json_limits){0}, NULL) : NULL;
	char id[SQS_ARN_MAX + 32];
	snprintf(id, sizeof id, "%s/SQSDefaultPolicy", q->arn);
	if (!policy)
		policy = json_pack("{s:s, s:s, s:[]}", "Version", "2008-10-17", "Id", id, "Statement");
	ASSERT(policy);
	json_t *statements = json_object_get(policy, "Statement");
	if (json_is_object(statements)) /* a single one may stand alone */
		json_object_set_new(policy, "Statement", json_pack("[O]", statements));
	else if (!statements)
		json_object_set_new(policy, "Statement", json_array());
	return policy;
}

static size_t find_label(const json_t *statements, struct str label)
{
	size_t i, n = json_array_size(statements);
	for (i = 0; i < n; i++) {
		struct str sid = json_value_text(json_object_get(json_array_get(statements, i), "Sid"));
		if (sid.p && str_eq(sid, label))
			break;
	}
	return i;
}

static void put_policy(json_t *attributes, json_t *policy)
{
	CLEANUP_FREE char *text = json_dumps(policy, JSON_COMPACT);
	ASSERT(text);
	if (json_array_size(json_object_get(policy, "Statement")) > 0)
		json_object_set_new(attributes, "Policy", json_string(text));
	else
		json_object_del(attributes, "Policy");
}

/* ---- what is asked for ---- */

static int read_label(struct sqs_call *call, struct str *label, struct sqs_fault *f)
{
	int got = sqs_in_str(call, call->in, "Label", label, f);
	bool fine = got > 0 && label->n >= 1 && label->n <= 80;
	if (got == 0)
		return sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter Label.");
	for (size_t i = 0; fine && i < label->n; i++)
		fine = isalnum((unsigned char)label->p[i]) || label->p[i] == '-' || label->p[i] == '_';
	if (got > 0 && !fine)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %.*s for parameter Label is invalid. Reason: Can only include alphanumeric "
		                     "characters, hyphens, or underscores. 1 to 80 in length.", (int)(label->n > 200 ? 200 : label->n), label->p);
	return got < 0 ? -1 : 0;
}

/* One stands alone, several are a list. New reference. */
static json_t *one_or_more(json_t *list)
{
	json_t *out = json_array_size(list) == 1 ? json_incref(json_array_get(list, 0)) : json_incref(list);
	json_decref(list);
	return out;
}

static json_t *read_principals(struct sqs_call *call, struct sqs_fault *f)
{
	json_t *v, *ids = NULL, *out;
	size_t i;
	if (sqs_in_array(call, call->in, "AWSAccountIds", &ids, f) < 0)
		return NULL;
	if (json_array_size(ids) == 0) {
		sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter AWSAccountIds.");
		return NULL;
	}
	if (json_array_size(ids) > PRINCIPALS_MAX) {
		sqs_fault_set(f, SQS_OVER_LIMIT, "%zu AWSAccountIds were found, maximum allowed is %d.", json_array_size(ids), PRINCIPALS_MAX);
		return NULL;
	}
	out = json_array();
	json_array_foreach(ids, i, v) {
		struct str id = json_value_text(v);
		uint64_t number;
		if (id.n != 12 || str_to_u64(id, UINT64_MAX, &number) < 0) {
			sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value [%.*s] for parameter PrincipalId is invalid. Reason: Unable to verify.",
			              (int)(id.n > 200 ? 200 : id.n), id.p ? id.p : "");
			json_decref(out);
			return NULL;
		}
		json_array_append_new(out, json_sprintf("arn:aws:iam::%.12s:root", id.p));
	}
	return one_or_more(out);
}

static bool is_allowed(const char *action)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		if (strcmp(action, allowed[i]) == 0)
			return true;
	}
	return false;
}

static int check_action(const char *action, struct sqs_fault *f)
{
	if (action && is_allowed(action))
		return 0;
	if (action && sqs_operation_find(str_from(action)))
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value SQS:%s for parameter ActionName is invalid. Reason: Only the queue owner is "
		                     "allowed to invoke this action.", action);
	return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value SQS:%.100s for parameter ActionName is invalid. Reason: Please refer to the "
	                     "appropriate WSDL for a list of valid actions. ", action ? action : "");
}

static json_t *read_actions(struct sqs_call *call, struct sqs_fault *f)
{
	json_t *v, *actions = NULL, *out;
	size_t i;
	if (sqs_in_array(call, call->in, "Actions", &actions, f) < 0)
		return NULL;
	if (json_array_size(actions) == 0) {
		sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter Actions.");
		return NULL;
	}
	if (json_array_size(actions) > ACTIONS_MAX) {
		sqs_fault_set(f, SQS_OVER_LIMIT, "%zu Actions were found, maximum allowed is %d.", json_array_size(actions), ACTIONS_MAX);
		return NULL;
	}
	out = json_array();
	json_array_foreach(actions, i, v) {
		if (check_action(json_string_value(v), f) < 0) {
			json_decref(out);
			return NULL;
		}
		json_array_append_new(out, json_sprintf("SQS:%s", json_string_value(v)));
	}
	return one_or_more(out);
}

/* ---- the operations ---- */

static int add(struct sqs_call *call, json_t *attributes, json_t *tags, struct sqs_fault *f)
{
	struct str label;
	if (read_label(call, &label, f) < 0)
		return -1;
	CLEANUP_JSON json_t *policy = policy_of(call->queue, attributes);
	json_t *statements = json_object_get(policy, "Statement");
	if (find_label(statements, label) < json_array_size(statements))
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value " STR_FMT " for parameter Label is invalid. Reason: Already exists.", STR_ARG(label));
	if (json_array_size(statements) >= STATEMENTS_MAX)
		return sqs_fault_set(f, SQS_OVER_LIMIT, "%zu Statements were found, maximum allowed is %d.", json_array_size(statements) + 1, STATEMENTS_MAX);
	CLEANUP_JSON json_t *principals = read_principals(call, f);
	CLEANUP_JSON json_t *actions = principals ? read_actions(call, f) : NULL;
	if (!actions)
		return -1;
	json_array_append_new(statements, json_pack("{s:s%, s:s, s:{s:O}, s:O, s:s}", "Sid", label.p, label.n, "Effect", "Allow", "Principal",
	                                            "AWS", principals, "Action", actions, "Resource", call->queue->arn));
	put_policy(attributes, policy);
	return 0;
}

void sqs_add_permission(struct sqs_call *call)
{
	sqs_change(call, add);
}

static int take_away(struct sqs_call *call, json_t *attributes, json_t *tags, struct sqs_fault *f)
{
	struct str label;
	if (read_label(call, &label, f) < 0)
		return -1;
	CLEANUP_JSON json_t *policy = policy_of(call->queue, attributes);
	json_t *statements = json_object_get(policy, "Statement");
	size_t at = find_label(statements, label);
	if (at >= json_array_size(statements))
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value " STR_FMT " for parameter Label is invalid. Reason: can't find label.",
		                     STR_ARG(label));
	json_array_remove(statements, at);
	put_policy(attributes, policy);
	return 0;
}

void sqs_remove_permission(struct sqs_call *call)
{
	sqs_change(call, take_away);
}
