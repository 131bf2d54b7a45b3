/* SQS's query protocol: forms as boto3 1.26 and the documentation have them, XML as SDKs read it. */
#include "tests/unit/test.h"

#include "core/json/value.h"
#include "services/queue/query.h"

static char shown[65536];

static const char *form_of(const char *operation, const char *path, const char *query, const char *form)
{
	struct error err = {0};
	struct buf out;
	CLEANUP_JSON json_t *json = sqs_form_read(str_from(operation), str_from(path), str_from(query), str_from(form), &err);
	if (!json) {
		snprintf(shown, sizeof shown, "%s: %s", error_info(err.code)->name, err.msg);
		return shown;
	}
	buf_init(&out, sizeof shown);
	json_value_dump(json, &out, NULL);
	snprintf(shown, sizeof shown, "%.*s", (int)out.len, out.data);
	buf_release(&out);
	return shown;
}

static const char *xml_of(const char *operation, const char *json)
{
	struct buf out;
	CLEANUP_JSON json_t *result = json ? json_value_load(str_from(json), NULL, NULL) : NULL;
	buf_init(&out, sizeof shown);
	int rc = sqs_xml_write(&out, str_from(operation), result, STR("r-1"));
	snprintf(shown, sizeof shown, "%.*s", rc < 0 ? 0 : (int)out.len, out.data);
	buf_release(&out);
	return shown;
}

TEST(scalars)
{
	CHECK_STR(form_of("SendMessage", "/", "", "Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2Fh%2F0%2Fq&MessageBody=a+b%26c%C3%A9&DelaySeconds=5"),
	          "{\"QueueUrl\":\"http://h/0/q\",\"MessageBody\":\"a b&c\xc3\xa9\",\"DelaySeconds\":5}");
	CHECK_STR(form_of("ReceiveMessage", "/", "Action=ReceiveMessage&QueueUrl=u&WaitTimeSeconds=0&X-Amz-Signature=00", ""),
	          "{\"QueueUrl\":\"u\",\"WaitTimeSeconds\":0}");
	CHECK_STR(form_of("ChangeMessageVisibility", "/", "", "VisibilityTimeout=-1"), "{\"VisibilityTimeout\":-1}");
	CHECK_STR(form_of("SendMessage", "/", "", "MessageBody="), "{\"MessageBody\":\"\"}");
}

TEST(queue_of_the_path)
{
	CHECK_STR(form_of("DeleteQueue", "/000000000000/jobs", "", "Action=DeleteQueue"), "{\"QueueUrl\":\"/000000000000/jobs\"}");
	CHECK_STR(form_of("DeleteQueue", "/000000000000/jobs", "", "QueueUrl=u"), "{\"QueueUrl\":\"u\"}");
}

TEST(lists)
{
	CHECK_STR(form_of("GetQueueAttributes", "/", "", "AttributeName.2=b&AttributeName.1=a&AttributeName.10=c"),
	          "{\"AttributeNames\":[\"a\",\"b\",\"c\"]}");
	CHECK_STR(form_of("GetQueueAttributes", "/", "", "AttributeName=All"), "{\"AttributeNames\":[\"All\"]}");
	CHECK_STR(form_of("AddPermission", "/", "", "AWSAccountId.1=1&ActionName.1=SendMessage&ActionName.2=*"),
	          "{\"AWSAccountIds\":[\"1\"],\"Actions\":[\"SendMessage\",\"*\"]}");
	CHECK_STR(form_of("UntagQueue", "/", "", "TagKey.1=x"), "{\"TagKeys\":[\"x\"]}");
}

TEST(maps)
{
	CHECK_STR(form_of("CreateQueue", "/", "", "QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=3&Tag.1.Key=k&Tag.1.Value=v"),
	          "{\"QueueName\":\"q\",\"Attributes\":{\"DelaySeconds\":\"3\"},\"tags\":{\"k\":\"v\"}}");
	CHECK_STR(form_of("SetQueueAttributes", "/", "", "Attribute.Name=DelaySeconds&Attribute.Value=3"), "{\"Attributes\":{\"DelaySeconds\":\"3\"}}");
	CHECK_STR(form_of("TagQueue", "/", "", "Tags.1.Key=a&Tags.1.Value=1&Tags.2.Key=b&Tags.2.Value="), "{\"Tags\":{\"a\":\"1\",\"b\":\"\"}}");
	CHECK_STR(form_of("TagQueue", "/", "", "Tag.1.Key=a&Tag.1.Value=1"), "{\"Tags\":{\"a\":\"1\"}}");
	CHECK_STR(form_of("SendMessage", "/", "", "MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=Binary&MessageAttribute.1.Value.BinaryValue=AAE%3D"
	                  "&MessageSystemAttribute.1.Name=AWSTraceHeader&MessageSystemAttribute.1.Value.StringValue=Root%3D1"),
	          "{\"MessageAttributes\":{\"n\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AAE=\"}},"
	          "\"MessageSystemAttributes\":{\"AWSTraceHeader\":{\"StringValue\":\"Root=1\"}}}");
}

TEST(entries)
{
	CHECK_STR(form_of("SendMessageBatch", "/", "", "SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=2"
	                  "&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=1&SendMessageBatchRequestEntry.1.DelaySeconds=4"
	                  "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String"),
	          "{\"Entries\":[{\"Id\":\"a\",\"MessageBody\":\"1\",\"DelaySeconds\":4,\"MessageAttributes\":{\"n\":{\"DataType\":\"String\"}}},"
	          "{\"Id\":\"b\",\"MessageBody\":\"2\"}]}");
	CHECK_STR(form_of("ChangeMessageVisibilityBatch", "/", "", "ChangeMessageVisibilityBatchRequestEntry.1.Id=a"
	                  "&ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout=9"), "{\"Entries\":[{\"Id\":\"a\",\"VisibilityTimeout\":9}]}");
}

TEST(malformed_forms)
{
	CHECK_STR(form_of("ReceiveMessage", "/", "", "VisibilityTimeout=soon"),
	          "INVALID: Value soon for parameter VisibilityTimeout is invalid. Reason: Must be an integer.");
	CHECK(strstr(form_of("SendMessage", "/", "", "MessageBody=%zz"), "INVALID: The request is not a well-formed form."));
	CHECK(strstr(form_of("SendMessage", "/", "", "MessageBody=%ff"), "INVALID: The value of the parameter MessageBody is not UTF-8."));
	CHECK(strstr(form_of("SendMessage", "/", "", "A..B=1"), "malformed name"));
	CHECK(strstr(form_of("SendMessage", "/", "", "=1"), "malformed name"));
	CHECK(strstr(form_of("SendMessage", "/", "", "A.B.C.D.E.F.G=1"), "malformed name"));
	CHECK_STR(form_of("SendMessage", "/", "", "&&MessageBody=x&"), "{\"MessageBody\":\"x\"}");
	/* A name that is a text and a list at once: the later one counts. */
	CHECK_STR(form_of("GetQueueAttributes", "/", "", "AttributeName=a&AttributeName.1=b"), "{\"AttributeNames\":[\"b\"]}");
}

TEST(too_many_parameters)
{
	static char form[SQS_FORM_PAIRS_MAX * 2 + 64];
	for (size_t i = 0; i <= SQS_FORM_PAIRS_MAX; i++)
		memcpy(form + 2 * i, "a&", 2);
	CHECK(strstr(form_of("SendMessage", "/", "", form), "TOO_LARGE"));
	form[2 * SQS_FORM_PAIRS_MAX] = '\0';
	CHECK_STR(form_of("SendMessage", "/", "", form), "{}");
}

#define HEAD(op) "<?xml version=\"1.0\"?><" op "Response xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">"
#define TAIL(op) "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></" op "Response>"

TEST(xml_results)
{
	CHECK_STR(xml_of("DeleteQueue", NULL), HEAD("DeleteQueue") TAIL("DeleteQueue"));
	CHECK_STR(xml_of("DeleteQueue", "{}"), HEAD("DeleteQueue") TAIL("DeleteQueue"));
	CHECK_STR(xml_of("ReceiveMessage", "{}"), HEAD("ReceiveMessage") "<ReceiveMessageResult></ReceiveMessageResult>" TAIL("ReceiveMessage"));
	CHECK_STR(xml_of("ListQueues", "{\"QueueUrls\":[\"a\",\"b\"],\"NextToken\":\"t\"}"), HEAD("ListQueues") "<ListQueuesResult><QueueUrl>a</QueueUrl>"
	          "<QueueUrl>b</QueueUrl><NextToken>t</NextToken></ListQueuesResult>" TAIL("ListQueues"));
	CHECK_STR(xml_of("GetQueueAttributes", "{\"Attributes\":{\"DelaySeconds\":\"0\"}}"), HEAD("GetQueueAttributes") "<GetQueueAttributesResult>"
	          "<Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute></GetQueueAttributesResult>" TAIL("GetQueueAttributes"));
	CHECK_STR(xml_of("SendMessageBatch", "{\"Successful\":[{\"Id\":\"a\"}],\"Failed\":[{\"Id\":\"b\",\"SenderFault\":true}]}"),
	          HEAD("SendMessageBatch") "<SendMessageBatchResult><SendMessageBatchResultEntry><Id>a</Id></SendMessageBatchResultEntry>"
	          "<BatchResultErrorEntry><Id>b</Id><SenderFault>true</SenderFault></BatchResultErrorEntry></SendMessageBatchResult>"
	          TAIL("SendMessageBatch"));
	CHECK(strstr(xml_of("DeleteMessageBatch", "{\"Successful\":[{\"Id\":\"a\"}]}"), "<DeleteMessageBatchResultEntry><Id>a</Id>"));
	CHECK(strstr(xml_of("ListQueueTags", "{\"Tags\":{\"k\":\"<&>\"}}"), "<Tag><Key>k</Key><Value>&lt;&amp;&gt;</Value></Tag>"));
}

TEST(xml_messages)
{
	CHECK_STR(xml_of("ReceiveMessage", "{\"Messages\":[{\"MessageId\":\"m\",\"Body\":\"a\\r\\n\\u0001\\ufffe<\",\"Attributes\":{\"SenderId\":\"s\"},"
	                 "\"MessageAttributes\":{\"n\":{\"DataType\":\"String\",\"StringValue\":\"v\"}}}]}"),
	          HEAD("ReceiveMessage") "<ReceiveMessageResult><Message><MessageId>m</MessageId><Body>a&#xD;\n\xef\xbf\xbd\xef\xbf\xbd&lt;</Body>"
	          "<Attribute><Name>SenderId</Name><Value>s</Value></Attribute><MessageAttribute><Name>n</Name><Value><DataType>String</DataType>"
	          "<StringValue>v</StringValue></Value></MessageAttribute></Message></ReceiveMessageResult>" TAIL("ReceiveMessage"));
}

TEST(xml_errors)
{
	struct buf out;
	buf_init(&out, sizeof shown);
	CHECK_INT(sqs_xml_error(&out, "AWS.SimpleQueueService.NonExistentQueue", true, STR("no <queue>"), STR("r-2")), 0);
	snprintf(shown, sizeof shown, "%.*s", (int)out.len, out.data);
	buf_release(&out);
	CHECK_STR(shown, "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error><Type>Sender</Type>"
	          "<Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>no &lt;queue&gt;</Message><Detail/></Error><RequestId>r-2</RequestId>"
	          "</ErrorResponse>");
	buf_init(&out, 100);
	CHECK_INT(sqs_xml_error(&out, "X", false, STR("m"), STR("r")), -1);
	buf_release(&out);
}

TESTS(T(scalars), T(queue_of_the_path), T(lists), T(maps), T(entries), T(malformed_forms), T(too_many_parameters), T(xml_results),
      T(xml_messages), T(xml_errors))
