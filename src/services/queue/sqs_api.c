#include "services/queue/sqs_api.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "services/queue/sqs_priv.h"

#define DEPTH_MAX 16
#define ACTION_MAX 64

const char sqs_target[] = "AmazonSQS.";

static const struct sqs_operation operations[] = {
#define X(name, function, on_queue) {#name, function, on_queue},
#include "services/queue/sqs_operations.def"
#undef X
};

const struct sqs_operation *sqs_operation_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		if (str_eqz(name, operations[i].name))
			return &operations[i];
	}
	return NULL;
}

/* ---- which queue, and may the caller ---- */

/* The last two parts of the path count, whatever the host is. */
static int queue_of_url(struct sqs_call *call, struct str url, struct sqs_fault *f)
{
	size_t name_at = url.n, account_at;
	while (name_at > 0 && url.p[name_at - 1] != '/')
		name_at--;
	account_at = name_at > 0 ? name_at - 1 : 0;
	while (account_at > 0 && url.p[account_at - 1] != '/')
		account_at--;
	struct str name = str_sub(url, name_at, url.n), account = str_sub(url, account_at, name_at > 0 ? name_at - 1 : 0);
	bool digits = account.n == 12 && account_at > 0;
	for (size_t i = 0; digits && i < account.n; i++)
		digits = isdigit((unsigned char)account.p[i]);
	if (!digits || name.n == 0)
		return sqs_fault_set(f, SQS_INVALID_ADDRESS, "The address " STR_FMT " is not valid for this endpoint.", STR_ARG(url));
	call->queue = str_eqz(account, call->sqs->deps.settings->account) ? sqs_queue_find(call->sqs, name) : NULL;
	if (!call->queue)
		return sqs_fault_no_queue(f, call->from);
	sqs_queue_ref(call->queue);
	return 0;
}

int sqs_fault_no_queue(struct sqs_fault *f, const struct service_call *from)
{
	return sqs_fault_set(f, SQS_QUEUE_DOES_NOT_EXIST, "The specified queue does not exist%s.",
	                     from && from->protocol == SERVICE_QUERY ? " for this wsdl version" : "");
}

/* The front end has checked the identity's own rights; the queue's policy can only take away from identities of its account. */
int sqs_check_right(const struct sqs_call *call, const struct sqs_queue *q, struct str right, struct sqs_fault *f)
{
	const struct service_call *from = call->from;
	char action[ACTION_MAX + 8];
	snprintf(action, sizeof action, "sqs:" STR_FMT, STR_ARG(right));
	struct policy_question question = {.principal = from->caller_arn, .account = from->caller_account, .action = str_from(action),
	                                   .resource = str_from(q->arn)};
	if (from->root || policy_ask(q->policy, &question) != POLICY_DENY)
		return 0;
	for (char *c = action; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return sqs_fault_set(f, SQS_ACCESS_DENIED,
	                     "User: " STR_FMT " is not authorized to perform: %s on resource: %s with an explicit deny in a resource-based policy",
	                     STR_ARG(from->caller_arn), action, q->arn);
}

/* A batch has no action of its own in policies: it is the right of its single operation. */
static struct str right_of(const struct sqs_operation *operation)
{
	struct str name = str_from(operation->name);
	return str_ends(name, STR("Batch")) ? str_sub(name, 0, name.n - strlen("Batch")) : name;
}

static int find_queue(struct sqs_call *call, struct sqs_fault *f)
{
	struct str url;
	int got = sqs_in_str(call, call->in, "QueueUrl", &url, f);
	if (got == 0 || (got > 0 && url.n == 0))
		return sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter QueueUrl.");
	return got < 0 || queue_of_url(call, url, f) < 0 ? -1 : sqs_check_right(call, call->queue, right_of(call->operation), f);
}

void sqs_run(struct sqs *s, const struct service_call *from, json_t *in, sqs_told_fn *told, service_answer_cb *cb, void *answer)
{
	struct sqs_call *call = calloc(1, sizeof *call);
	ASSERT(call && json_is_object(in));
	*call = (struct sqs_call){.sqs = s, .from = from, .in = in, .told = told, .cb = cb, .answer = answer,
	                          .operation = sqs_operation_find(from->operation)};
	buf_init(&call->out, SQS_ANSWER_MAX);
	list_init(&call->link);
	if (s->closing) {
		sqs_call_error(call, &SQS_CLOSED);
	} else if (!call->operation) {
		sqs_fault_set(&call->fault, SQS_UNKNOWN_OPERATION, "The action " STR_FMT " is not valid for this endpoint.",
		              (int)(from->operation.n > ACTION_MAX ? ACTION_MAX : from->operation.n), from->operation.p);
		sqs_call_fail(call);
	} else if (call->operation->on_queue && find_queue(call, &call->fault) < 0) {
		sqs_call_fail(call);
	} else {
		call->operation->run(call);
	}
}

/* ---- JSON ---- */

static void json_error(const struct sqs_code_info *error, const char *message, service_answer_cb *cb, void *answer)
{
	struct buf body;
	struct json_writer w;
	char type[128], query[128];
	buf_init(&body, 16384);
	snprintf(type, sizeof type, "%s#%s", error->space, error->type);
	snprintf(query, sizeof query, "%s;%s", error->query, error->sender ? "Sender" : "Receiver");
	json_write_init(&w, &body);
	json_write_object(&w);
	json_write_key_z(&w, "__type", type);
	json_write_key_z(&w, "message", message);
	json_write_close(&w);
	cb(answer, &(struct service_answer){.status = error->status, .content_type = "application/x-amz-json-1.0", .error_type = error->type,
	                                    .query_error = query, .body = buf_str(&body)});
	buf_release(&body);
}

static void json_told(const struct sqs_result *result, service_answer_cb *cb, void *answer)
{
	if (result->error)
		json_error(result->error, result->message, cb, answer);
	else
		cb(answer, &(struct service_answer){.status = 200, .content_type = "application/x-amz-json-1.0", .body = result->json});
}

static void json_answer(struct sqs *s, const struct service_call *call, service_answer_cb *cb, void *answer)
{
	struct error err;
	json_t *in = call->body.n == 0 ? json_object() : json_value_load_object(call->body, &(struct json_limits){.max_depth = DEPTH_MAX}, &err);
	if (in)
		sqs_run(s, call, in, json_told, cb, answer);
	else
		json_error(sqs_code_info(SQS_SERIALIZATION), err.msg, cb, answer);
}

void sqs_answer(void *service, const struct service_call *call, service_answer_cb *cb, void *answer)
{
	if (call->protocol == SERVICE_QUERY)
		sqs_query_answer(service, call, cb, answer);
	else
		json_answer(service, call, cb, answer);
}

/* ---- clients that go ---- */

bool sqs_gone(void *service, void *answer)
{
	struct sqs *s = service;
	struct hash_node *node = hash_get(&s->waiting, (struct str){(const char *)&answer, sizeof answer});
	if (!node)
		return false;
	struct sqs_call *call = CONTAINER_OF(node, struct sqs_call, by_answer);
	hash_remove(&s->waiting, node);
	sqs_receive_cancel(s, call->receiving);
	sqs_call_free(call);
	return true;
}
