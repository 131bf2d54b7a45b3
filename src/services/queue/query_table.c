/* Which names of SQS's query protocol are numbers, lists and maps. Source: the service's model of 2012-11-05, in its query form. */
#include "services/queue/query.h"

#include <string.h>

#include "core/base/check.h"

#define TEXT(n) {n, n, SQS_TEXT, NULL, NULL, NULL}
#define INTEGER(n) {n, n, SQS_INTEGER, NULL, NULL, NULL}
#define TEXTS(n, json) {n, json, SQS_TEXTS, NULL, NULL, NULL}
#define MAP(n, json, key, value) {n, json, SQS_MAP, key, value, NULL}
#define ENTRIES(n, json) {n, json, SQS_ENTRIES, NULL, NULL, NULL}

static const struct sqs_member inputs[] = {
	TEXT("QueueUrl"), TEXT("QueueName"), TEXT("QueueNamePrefix"), TEXT("QueueOwnerAWSAccountId"), TEXT("NextToken"), TEXT("Label"),
	TEXT("MessageBody"), TEXT("MessageDeduplicationId"), TEXT("MessageGroupId"), TEXT("ReceiptHandle"), TEXT("ReceiveRequestAttemptId"),
	TEXT("Id"), TEXT("SourceArn"), TEXT("DestinationArn"), TEXT("TaskHandle"),
	INTEGER("DelaySeconds"), INTEGER("VisibilityTimeout"), INTEGER("WaitTimeSeconds"), INTEGER("MaxNumberOfMessages"), INTEGER("MaxResults"),
	INTEGER("MaxNumberOfMessagesPerSecond"),
	TEXTS("AttributeName", "AttributeNames"), TEXTS("MessageAttributeName", "MessageAttributeNames"),
	TEXTS("MessageSystemAttributeName", "MessageSystemAttributeNames"), TEXTS("AWSAccountId", "AWSAccountIds"),
	TEXTS("ActionName", "Actions"), TEXTS("TagKey", "TagKeys"),
	MAP("Attribute", "Attributes", "Name", "Value"),
	MAP("MessageAttribute", "MessageAttributes", "Name", "Value"),
	MAP("MessageSystemAttribute", "MessageSystemAttributes", "Name", "Value"),
	{"Tag", "tags", SQS_MAP, "Key", "Value", "CreateQueue"},
	{"Tags", "tags", SQS_MAP, "Key", "Value", "CreateQueue"},
	MAP("Tag", "Tags", "Key", "Value"), /* the documentation has Tag, SDKs send Tags */
	MAP("Tags", "Tags", "Key", "Value"),
	ENTRIES("SendMessageBatchRequestEntry", "Entries"),
	ENTRIES("DeleteMessageBatchRequestEntry", "Entries"),
	ENTRIES("ChangeMessageVisibilityBatchRequestEntry", "Entries"),
};

/* Texts, numbers and truth values need no row: an element of their own name. */
static const struct sqs_member outputs[] = {
	TEXTS("QueueUrl", "QueueUrls"), TEXTS("QueueUrl", "queueUrls"),
	MAP("Attribute", "Attributes", "Name", "Value"),
	MAP("MessageAttribute", "MessageAttributes", "Name", "Value"),
	MAP("Tag", "Tags", "Key", "Value"),
	ENTRIES("Message", "Messages"),
	ENTRIES("BatchResultErrorEntry", "Failed"),
	{"SendMessageBatchResultEntry", "Successful", SQS_ENTRIES, NULL, NULL, "SendMessageBatch"},
	{"DeleteMessageBatchResultEntry", "Successful", SQS_ENTRIES, NULL, NULL, "DeleteMessageBatch"},
	{"ChangeMessageVisibilityBatchResultEntry", "Successful", SQS_ENTRIES, NULL, NULL, "ChangeMessageVisibilityBatch"},
	ENTRIES("ListMessageMoveTasksResultEntry", "Results"),
};

static const char *const silent[] = {"AddPermission", "ChangeMessageVisibility", "DeleteMessage", "DeleteQueue", "PurgeQueue",
                                     "RemovePermission", "SetQueueAttributes", "TagQueue", "UntagQueue"};

static bool is_for(const struct sqs_member *m, struct str operation)
{
	return !m->operation || str_eqz(operation, m->operation);
}

const struct sqs_member *sqs_query_input(struct str operation, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		if (strcmp(inputs[i].name, name) == 0 && is_for(&inputs[i], operation))
			return &inputs[i];
	}
	return NULL;
}

const struct sqs_member *sqs_query_output(struct str operation, const char *json)
{
	for (size_t i = 0; i < ARRAY_LEN(outputs); i++) {
		if (strcmp(outputs[i].json, json) == 0 && is_for(&outputs[i], operation))
			return &outputs[i];
	}
	return NULL;
}

bool sqs_query_has_result(struct str operation)
{
	for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
		if (str_eqz(operation, silent[i]))
			return false;
	}
	return true;
}
