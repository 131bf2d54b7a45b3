#include "services/queue/sqs_api.h"

const char sqs_target[] = "AmazonSQS.";

void sqs_answer(void *service, const struct service_call *call, service_answer_cb *cb, void *answer)
{
	cb(answer, &(struct service_answer){.status = 501, .content_type = "application/x-amz-json-1.0",
	   .error_type = "NotImplementedException",
	   .body = STR("{\"__type\":\"NotImplementedException\",\"message\":\"This operation is not implemented by this server.\"}")});
}

bool sqs_gone(void *service, void *answer)
{
	return false;
}
