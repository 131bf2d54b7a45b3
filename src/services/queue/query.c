/* The older protocol of SQS: a form with an Action, answered in XML. */
#include "services/queue/query.h"
#include "services/queue/sqs_priv.h"

#define ANSWER_MAX (16u << 20) /* ten messages of 1 MiB in all, escaped */

static void answer_error(const struct service_call *call, const struct sqs_code_info *code, const char *message, service_answer_cb *cb,
                         void *answer)
{
	struct buf out;
	buf_init(&out, ANSWER_MAX);
	sqs_xml_error(&out, code->query, code->sender, str_from(message), call->request_id);
	cb(answer, &(struct service_answer){.status = code->status, .content_type = SQS_XML_TYPE, .error_type = code->type,
	   .body = buf_str(&out)});
	buf_release(&out);
}

static void answer_result(const struct sqs_result *r, service_answer_cb *cb, void *answer)
{
	struct buf out;
	CLEANUP_JSON json_t *json = json_value_load_object(r->json, NULL, NULL);
	buf_init(&out, ANSWER_MAX);
	if (!json || sqs_xml_write(&out, r->call->operation, json, r->call->request_id) < 0)
		answer_error(r->call, sqs_code_info(SQS_INTERNAL), "The answer could not be written.", cb, answer);
	else
		cb(answer, &(struct service_answer){.status = 200, .content_type = SQS_XML_TYPE, .body = buf_str(&out)});
	buf_release(&out);
}

static void told(const struct sqs_result *r, service_answer_cb *cb, void *answer)
{
	if (r->error)
		answer_error(r->call, r->error, r->message, cb, answer);
	else
		answer_result(r, cb, answer);
}

void sqs_query_answer(void *service, const struct service_call *call, service_answer_cb *cb, void *answer)
{
	struct error err = {0};
	json_t *in = sqs_form_read(call->operation, call->path, call->query, call->body, &err);
	if (in)
		sqs_run(service, call, in, told, cb, answer);
	else
		answer_error(call, sqs_code_info(err.code == ERR_NO_MEMORY ? SQS_INTERNAL : SQS_INVALID_PARAMETER), err.msg, cb, answer);
}
