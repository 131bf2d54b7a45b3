/* Messages of SQS: sent, received, deleted, delayed, deduplicated, dead; and the same from inside the program. */
#include "services/queue/sqs_message.h"
#include "tests/unit/sqs_rig.h"
#include "tests/unit/test.h"

#define URL(name) "'QueueUrl':'" RIG_URL name "'"
#define RECEIVE(queue) ask("ReceiveMessage", "{" URL(queue) ",'MaxNumberOfMessages':10}")

static void make(const char *name, const char *attributes)
{
	ask("CreateQueue", "{'QueueName':'%s','Attributes':{%s}}", name, attributes);
}

TEST(md5s_are_those_the_sdks_compute)
{
	char md5[MD5_HEX_SIZE];
	CLEANUP_JSON json_t *two = json_loads("{\"Hello\":{\"DataType\":\"String\",\"StringValue\":\"There\"},\"General\":{\"DataType\":\"String\","
	                                      "\"StringValue\":\"Kenobi\"}}", 0, NULL);
	/* "traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01" */
	CLEANUP_JSON json_t *binary = json_loads("{\"attr1\":{\"DataType\":\"Binary\",\"BinaryValue\":\"dHJhY2VwYXJlbnQeMDAtNzc0MDYyZDZjMzcwODFhNWEwYjli"
	                                         "NWI4OGUzMDYyN2MtMmQyNDgyMjExZjY0ODlkYS0wMQ==\"}}", 0, NULL);
	sqs_md5_attributes(md5, two);
	CHECK_STR(md5, "fca026605781cb4126a1e9044df24232");
	sqs_md5_attributes(md5, binary);
	CHECK_STR(md5, "8cbe4db156db8a94db8b801b7addb984");
	sqs_md5_attributes(md5, NULL);
	CHECK_STR(md5, "");
	CHECK_INT(sqs_size(STR("abc"), two), 3 + 5 + 6 + 5 + 7 + 6 + 6);
}

TEST(a_message_is_sent_received_and_deleted)
{
	char handle[64];
	CHECK(rig_setup());
	make("q", "");
	const char *sent = ask("SendMessage", "{" URL("q") ",'MessageBody':'message-body-1'}");
	CHECK_STR(at(sent, "MD5OfMessageBody"), "19c9e282d65f9733bc6b35d50062c7ee");
	CHECK_STR(at(sent, "SequenceNumber"), "(none)");
	CHECK_INT(strlen(at(sent, "MessageId")), 36);
	const char *got = RECEIVE("q");
	CHECK_STR(at(got, "Messages.0.Body"), "message-body-1");
	CHECK_STR(at(got, "Messages.0.MD5OfBody"), "19c9e282d65f9733bc6b35d50062c7ee");
	CHECK_STR(at(got, "Messages.0.MessageId"), at(sent, "MessageId"));
	CHECK_STR(at(got, "Messages.0.Attributes"), "(none)");
	snprintf(handle, sizeof handle, "%s", at(got, "Messages.0.ReceiptHandle"));
	CHECK_STR(RECEIVE("q"), "{}");
	CHECK_STR(ask("DeleteMessage", "{" URL("q") ",'ReceiptHandle':'%s'}", handle), "{}");
	CHECK_STR(ask("DeleteMessage", "{" URL("q") ",'ReceiptHandle':'%s'}", handle), "{}");
	CHECK(strstr(refusal("DeleteMessage", "{" URL("q") ",'ReceiptHandle':'nonsense'}"),
	      "ReceiptHandleIsInvalid: The input receipt handle \"nonsense\" is not a valid receipt handle."));
	make("other", "");
	CHECK(strstr(refusal("DeleteMessage", "{" URL("other") ",'ReceiptHandle':'%s'}", handle), "ReceiptHandleIsInvalid"));
	rig.now_ms += 3600000;
	CHECK_STR(RECEIVE("q"), "{}");
	rig_teardown();
}

TEST(it_comes_again_after_its_visibility_and_keeps_its_count_over_a_restart)
{
	CHECK(rig_setup());
	make("q", "'VisibilityTimeout':'10'");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'m'}");
	RECEIVE("q");
	CHECK(rig_reopen());
	CHECK_STR(RECEIVE("q"), "{}");
	rig.now_ms += 10001;
	const char *got = ask("ReceiveMessage", "{" URL("q") ",'AttributeNames':['All'],'VisibilityTimeout':0}");
	CHECK_STR(at(got, "Messages.0.Attributes.ApproximateReceiveCount"), "2");
	CHECK_STR(at(got, "Messages.0.Attributes.SentTimestamp"), "1700000000000");
	CHECK_STR(at(got, "Messages.0.Attributes.ApproximateFirstReceiveTimestamp"), "1700000000000");
	CHECK_STR(at(got, "Messages.0.Attributes.SenderId"), "000000000000");
	got = ask("ReceiveMessage", "{" URL("q") ",'MessageSystemAttributeNames':['ApproximateReceiveCount']}");
	CHECK_STR(at(got, "Messages.0.Attributes"), "{\"ApproximateReceiveCount\":\"3\"}");
	CHECK(strstr(refusal("ReceiveMessage", "{" URL("q") ",'AttributeNames':['Nope']}"), "Unknown Attribute Nope."));
	rig_teardown();
}

TEST(visibility_is_changed)
{
	char handle[64];
	CHECK(rig_setup());
	make("q", "");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'m'}");
	snprintf(handle, sizeof handle, "%s", at(RECEIVE("q"), "Messages.0.ReceiptHandle"));
#define CHANGE(s) refusal("ChangeMessageVisibility", "{" URL("q") ",'ReceiptHandle':'%s','VisibilityTimeout':" s "}", handle)
	CHECK_STR(CHANGE("100"), "fine");
	rig.now_ms += 60000;
	CHECK_STR(RECEIVE("q"), "{}");
	CHECK(strstr(CHANGE("43200"), "Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"));
	CHECK(strstr(CHANGE("43201"), "VisibilityTimeout is invalid"));
	CHECK(strstr(CHANGE("-1"), "VisibilityTimeout is invalid"));
	CHECK_STR(CHANGE("0"), "fine");
	CHECK(strstr(CHANGE("5"), "Message does not exist or is not available for visibility timeout change."));
	CHECK_STR(at(RECEIVE("q"), "Messages.0.Body"), "m");
	rig_teardown();
}

TEST(message_attributes_are_kept_checked_and_chosen)
{
	CHECK(rig_setup());
	make("q", "'VisibilityTimeout':'0'");
#define SEND(json) refusal("SendMessage", "{" URL("q") ",'MessageBody':'msg','MessageAttributes':{" json "}}")
	CHECK(strstr(SEND("'AWS.x':{'DataType':'String','StringValue':'a'}"), "You can't use message attribute names beginning with"));
	CHECK(strstr(SEND("'x ':{'DataType':'String','StringValue':'a'}"), "The message attribute name 'x ' is invalid."));
	CHECK(strstr(SEND("'x':{'DataType':'Text','StringValue':'a'}"), "has an invalid message attribute type"));
	CHECK(strstr(SEND("'x':{'DataType':'String','StringValue':''}"), "Message (user) attribute 'x' must contain a non-empty value of type 'String'."));
	CHECK(strstr(SEND("'x':{'StringValue':'a'}"), "must contain non-empty message attribute type"));
	CHECK(strstr(SEND("'x':{'DataType':'Number','StringValue':'12a'}"), "to a number"));
	CHECK(strstr(SEND("'x':{'DataType':'Binary','BinaryValue':'?'}"), "is not base64"));
	CHECK_STR(RECEIVE("q"), "{}");
	const char *sent = ask("SendMessage", "{" URL("q") ",'MessageBody':'msg','MessageAttributes':{'Help.Me':{'DataType':'String','StringValue':'Me'},"
	                       "'Hello':{'DataType':'String','StringValue':'There'},'General':{'DataType':'String','StringValue':'Kenobi'}}}");
	CHECK_STR(at(sent, "MD5OfMessageAttributes"), "4c360f3fdafd970e05fae2f149d997f5");
#define NAMES(json) ask("ReceiveMessage", "{" URL("q") ",'MessageAttributeNames':[" json "]}")
	CHECK_STR(at(RECEIVE("q"), "Messages.0.MessageAttributes"), "(none)");
	CHECK_STR(at(NAMES("'All'"), "Messages.0.MD5OfMessageAttributes"), "4c360f3fdafd970e05fae2f149d997f5");
	CHECK_STR(at(NAMES("'.*'"), "Messages.0.MD5OfMessageAttributes"), "4c360f3fdafd970e05fae2f149d997f5");
	CHECK_STR(at(NAMES("'Hello','General'"), "Messages.0.MD5OfMessageAttributes"), "fca026605781cb4126a1e9044df24232");
	CHECK_STR(at(NAMES("'Hel.*'"), "Messages.0.MD5OfMessageAttributes"), "83fee93c1bcd8b9a5a923ffacdc636c7");
	CHECK_STR(at(NAMES("'Nope'"), "Messages.0.MessageAttributes"), "(none)");
	CHECK_STR(at(NAMES("'Hello'"), "Messages.0.MessageAttributes"), "{\"Hello\":{\"DataType\":\"String\",\"StringValue\":\"There\"}}");
	rig_teardown();
}

TEST(names_of_attributes_have_a_maximum)
{
	char names[4096] = "'a'";
	CHECK(rig_setup());
	make("q", "");
	for (size_t n = 3, i = 1; i < 1001; i++)
		n += (size_t)snprintf(names + n, sizeof names - n, ",''");
	CHECK_STR(refusal("ReceiveMessage", "{" URL("q") ",'MessageAttributeNames':[%s]}", names),
	          "InvalidParameterValueException: MessageAttributeNames has 1001 names: at most 1000.");
	rig_teardown();
}

TEST(bodies_are_checked)
{
	CHECK(rig_setup());
	make("q", "'MaximumMessageSize':'1024'");
	CHECK(strstr(refusal("SendMessage", "{" URL("q") "}"), "The request must contain the parameter MessageBody."));
	CHECK(strstr(refusal("SendMessage", "{" URL("q") ",'MessageBody':''}"), "The request must contain the parameter MessageBody."));
	CHECK(strstr(refusal("SendMessage", "{" URL("q") ",'MessageBody':'\\u0002'}"), "InvalidMessageContents: Invalid characters found."));
	CHECK(strstr(refusal("SendMessage", "{" URL("q") ",'MessageBody':'\\uffff'}"), "InvalidMessageContents"));
	CHECK(strstr(refusal("SendMessage", "{" URL("q") ",'MessageBody':'%01025d'}", 1),
	      "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."));
	CHECK_STR(refusal("SendMessage", "{" URL("q") ",'MessageBody':'%01024d'}", 1), "fine");
	CHECK(strstr(refusal("SendMessage", "{" URL("q") ",'MessageBody':'x','DelaySeconds':901}"), "DelaySeconds must be >= 0 and <= 900."));
	CHECK(strstr(refusal("SendMessage", "{" URL("q") ",'MessageBody':'x','MessageDeduplicationId':'a'}"), "not valid for this queue type"));
	CHECK_STR(refusal("SendMessage", "{" URL("q") ",'MessageBody':'x','MessageGroupId':'fair'}"), "fine");
	rig_teardown();
}

TEST(delays)
{
	CHECK(rig_setup());
	make("q", "'DelaySeconds':'5'");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'queue'}");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'none','DelaySeconds':0}");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'own','DelaySeconds':20}");
	const char *counts = ask("GetQueueAttributes", "{" URL("q") ",'AttributeNames':['All']}");
	CHECK_STR(at(counts, "Attributes.ApproximateNumberOfMessagesDelayed"), "2");
	CHECK_STR(at(counts, "Attributes.ApproximateNumberOfMessages"), "1");
	CHECK_STR(at(RECEIVE("q"), "Messages.0.Body"), "none");
	counts = ask("GetQueueAttributes", "{" URL("q") ",'AttributeNames':['All']}");
	CHECK_STR(at(counts, "Attributes.ApproximateNumberOfMessagesNotVisible"), "1");
	rig.now_ms += 5000;
	CHECK_STR(at(RECEIVE("q"), "Messages.0.Body"), "queue");
	rig.now_ms += 15000;
	CHECK_STR(at(RECEIVE("q"), "Messages.0.Body"), "own");
	rig_teardown();
}

TEST(batches_fail_in_part_or_as_a_whole)
{
	CHECK(rig_setup());
	make("q", "");
	CHECK(strstr(refusal("SendMessageBatch", "{" URL("q") ",'Entries':[]}"),
	      "EmptyBatchRequest: There should be at least one SendMessageBatchRequestEntry in the request."));
	CHECK(strstr(refusal("SendMessageBatch", "{" URL("q") ",'Entries':[{},{},{},{},{},{},{},{},{},{},{}]}"),
	      "TooManyEntriesInBatchRequest: Maximum number of entries per request are 10. You have sent 11."));
	CHECK(strstr(refusal("SendMessageBatch", "{" URL("q") ",'Entries':[{'Id':'a','MessageBody':'x'},{'Id':'a','MessageBody':'y'}]}"),
	      "BatchEntryIdsNotDistinct: Id a repeated."));
	CHECK(strstr(refusal("DeleteMessageBatch", "{" URL("q") ",'Entries':[{'Id':'a:b','ReceiptHandle':'x'}]}"), "InvalidBatchEntryId: A batch entry id"));
	CHECK(strstr(refusal("SendMessageBatch", "{" URL("q") ",'Entries':[{'Id':'a','MessageBody':'%0600000d'},{'Id':'b','MessageBody':'%0500000d'}]}", 1, 2),
	      "BatchRequestTooLong: Batch requests cannot be longer than 1048576 bytes. You have sent 1100000 bytes."));
	const char *sent = ask("SendMessageBatch", "{" URL("q") ",'Entries':[{'Id':'good','MessageBody':'x'},{'Id':'bad','MessageBody':'y','DelaySeconds':901},"
	                       "{'Id':'fine','MessageBody':'z'}]}");
	CHECK_STR(at(sent, "Successful.0.Id"), "good");
	CHECK_STR(at(sent, "Successful.1.Id"), "fine");
	CHECK_STR(at(sent, "Successful.1.MD5OfMessageBody"), "fbade9e36a3f36d3d676c1b808451dd7");
	CHECK_STR(at(sent, "Failed.0.Id"), "bad");
	CHECK_STR(at(sent, "Failed.0.Code"), "InvalidParameterValue");
	CHECK_STR(at(sent, "Failed.0.SenderFault"), "true");
	char handles[2][64];
	const char *got = RECEIVE("q");
	for (int i = 0; i < 2; i++)
		snprintf(handles[i], sizeof handles[i], "%s", at(got, i ? "Messages.1.ReceiptHandle" : "Messages.0.ReceiptHandle"));
	const char *changed = ask("ChangeMessageVisibilityBatch", "{" URL("q") ",'Entries':[{'Id':'1','ReceiptHandle':'%s','VisibilityTimeout':0},"
	                          "{'Id':'2','ReceiptHandle':'none','VisibilityTimeout':0}]}", handles[0]);
	CHECK_STR(at(changed, "Successful"), "[{\"Id\":\"1\"}]");
	CHECK_STR(at(changed, "Failed.0.Code"), "ReceiptHandleIsInvalid");
	CHECK_STR(at(RECEIVE("q"), "Messages.0.Body"), "x");
	const char *gone = ask("DeleteMessageBatch", "{" URL("q") ",'Entries':[{'Id':'1','ReceiptHandle':'none'},{'Id':'2','ReceiptHandle':'%s'}]}", handles[1]);
	CHECK_STR(at(gone, "Successful"), "[{\"Id\":\"2\"}]");
	CHECK_STR(at(gone, "Failed.0.Id"), "1");
	rig_teardown();
}

TEST(a_long_poll_ends_with_a_message_with_its_client_or_with_its_queue)
{
	CHECK(rig_setup());
	make("q", "");
	struct rig_ask *first = start("ReceiveMessage", "{" URL("q") ",'WaitTimeSeconds':20}");
	struct rig_ask *second = start("ReceiveMessage", "{" URL("q") ",'WaitTimeSeconds':20}");
	struct rig_ask *third = start("ReceiveMessage", "{" URL("q") ",'WaitTimeSeconds':20}");
	ask("GetQueueUrl", "{'QueueName':'q'}");
	CHECK(!first->answered && !second->answered);
	CHECK(sqs_gone(rig.sqs, first));
	CHECK(!sqs_gone(rig.sqs, first));
	ask("SendMessage", "{" URL("q") ",'MessageBody':'for the second'}");
	CHECK_STR(at(rig_await(second), "Messages.0.Body"), "for the second");
	CHECK(!first->answered && !third->answered);
	ask("DeleteQueue", "{" URL("q") "}");
	CHECK_STR(at(rig_await(third), "message"), "The specified queue does not exist.");
	CHECK(strstr(refusal("ReceiveMessage", "{" URL("q") "}"), "QueueDoesNotExist"));
	make("r", "'ReceiveMessageWaitTimeSeconds':'20'");
	struct rig_ask *waits = start("ReceiveMessage", "{" URL("r") "}");
	CHECK_STR(ask("ReceiveMessage", "{" URL("r") ",'WaitTimeSeconds':0}"), "{}");
	CHECK(!waits->answered);
	CHECK(strstr(refusal("ReceiveMessage", "{" URL("r") ",'WaitTimeSeconds':21}"),
	      "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."));
	CHECK(strstr(refusal("ReceiveMessage", "{" URL("r") ",'MaxNumberOfMessages':11}"),
	      "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."));
	rig_teardown(); /* ends the one that waits */
}

TEST(a_poison_message_dies_after_max_receive_count)
{
	CHECK(rig_setup());
	make("dead", "");
	make("q", "'VisibilityTimeout':'0','RedrivePolicy':'{\\'deadLetterTargetArn\\':\\'" RIG_ARN "dead\\',\\'maxReceiveCount\\':2}'");
	const char *sent = ask("SendMessage", "{" URL("q") ",'MessageBody':'poison'}");
	CHECK_STR(at(RECEIVE("q"), "Messages.0.Body"), "poison");
	CHECK_STR(at(RECEIVE("q"), "Messages.0.Body"), "poison");
	CHECK_STR(RECEIVE("q"), "{}");
	const char *got = ask("ReceiveMessage", "{" URL("dead") ",'AttributeNames':['All']}");
	CHECK_STR(at(got, "Messages.0.MessageId"), at(sent, "MessageId"));
	CHECK_STR(at(got, "Messages.0.Attributes.DeadLetterQueueSourceArn"), RIG_ARN "q");
	CHECK_STR(RECEIVE("q"), "{}");
	rig_teardown();
}

TEST(fifo_queues_keep_order_and_know_repetitions)
{
	CHECK(rig_setup());
	make("q.fifo", "'FifoQueue':'true'");
#define FIFO(body, group, more) ask("SendMessage", "{" URL("q.fifo") ",'MessageBody':'" body "','MessageGroupId':'" group "'" more "}")
	CHECK(strstr(refusal("SendMessage", "{" URL("q.fifo") ",'MessageBody':'x'}"), "The request must contain the parameter MessageGroupId."));
	CHECK(strstr(FIFO("x", "g", ""), "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"));
	CHECK(strstr(FIFO("x", "g", ",'MessageDeduplicationId':'d','DelaySeconds':1"), "not valid for this queue type"));
	CHECK(strstr(FIFO("x", "g g", ",'MessageDeduplicationId':'d'"), "MessageGroupId can only include alphanumeric and punctuation characters."));
	const char *one = FIFO("1", "g", ",'MessageDeduplicationId':'d1'"), *again = FIFO("other", "h", ",'MessageDeduplicationId':'d1'");
	CHECK_STR(at(again, "MessageId"), at(one, "MessageId"));
	CHECK_STR(at(again, "SequenceNumber"), at(one, "SequenceNumber"));
	CHECK_INT(strlen(at(one, "SequenceNumber")), 20);
	FIFO("2", "g", ",'MessageDeduplicationId':'d2'");
	FIFO("3", "h", ",'MessageDeduplicationId':'d3'");
	const char *got = ask("ReceiveMessage", "{" URL("q.fifo") ",'AttributeNames':['All']}");
	CHECK_STR(at(got, "Messages.0.Body"), "1");
	CHECK_STR(at(got, "Messages.0.Attributes.MessageGroupId"), "g");
	CHECK_STR(at(got, "Messages.0.Attributes.MessageDeduplicationId"), "d1");
	CHECK_STR(at(got, "Messages.0.Attributes.SequenceNumber"), at(one, "SequenceNumber"));
	CHECK_STR(at(ask("ReceiveMessage", "{" URL("q.fifo") "}"), "Messages.0.Body"), "3");
	CHECK_STR(RECEIVE("q.fifo"), "{}");
	ask("DeleteMessage", "{" URL("q.fifo") ",'ReceiptHandle':'%s'}", at(got, "Messages.0.ReceiptHandle"));
	CHECK_STR(at(RECEIVE("q.fifo"), "Messages.0.Body"), "2");
	rig_teardown();
}

TEST(deduplication_by_content_and_by_group)
{
	CHECK(rig_setup());
	make("c.fifo", "'FifoQueue':'true','ContentBasedDeduplication':'true'");
	make("g.fifo", "'FifoQueue':'true','DeduplicationScope':'messageGroup','FifoThroughputLimit':'perMessageGroupId'");
#define CONTENT(body) ask("SendMessage", "{" URL("c.fifo") ",'MessageBody':'" body "','MessageGroupId':'g'}")
	const char *one = CONTENT("same");
	CHECK_STR(at(CONTENT("same"), "MessageId"), at(one, "MessageId"));
	CHECK(strcmp(at(CONTENT("other"), "MessageId"), at(one, "MessageId")) != 0);
	rig.now_ms += 300001;
	CHECK(strcmp(at(CONTENT("same"), "MessageId"), at(one, "MessageId")) != 0);
	const char *got = ask("ReceiveMessage", "{" URL("c.fifo") ",'AttributeNames':['MessageDeduplicationId']}");
	CHECK_STR(at(got, "Messages.0.Attributes.MessageDeduplicationId"), "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5");
#define GROUP(group) ask("SendMessage", "{" URL("g.fifo") ",'MessageBody':'m','MessageGroupId':'" group "','MessageDeduplicationId':'d'}")
	one = GROUP("a");
	CHECK_STR(at(GROUP("a"), "MessageId"), at(one, "MessageId"));
	CHECK(strcmp(at(GROUP("b"), "MessageId"), at(one, "MessageId")) != 0);
	rig_teardown();
}

TEST(an_old_handle_does_not_delete_what_was_received_again)
{
	char handle[64];
	CHECK(rig_setup());
	make("q", "'VisibilityTimeout':'1'");
	make("q.fifo", "'FifoQueue':'true','ContentBasedDeduplication':'true','VisibilityTimeout':'1'");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'m'}");
	ask("SendMessage", "{" URL("q.fifo") ",'MessageBody':'m','MessageGroupId':'g'}");
	snprintf(handle, sizeof handle, "%s", at(RECEIVE("q"), "Messages.0.ReceiptHandle"));
	rig.now_ms += 1001;
	CHECK_STR(at(RECEIVE("q"), "Messages.0.Body"), "m");
	CHECK_STR(refusal("DeleteMessage", "{" URL("q") ",'ReceiptHandle':'%s'}", handle), "fine");
	rig.now_ms += 1001;
	CHECK_STR(at(RECEIVE("q"), "Messages.0.Body"), "m");
	snprintf(handle, sizeof handle, "%s", at(RECEIVE("q.fifo"), "Messages.0.ReceiptHandle"));
	rig.now_ms += 1001;
	CHECK(strstr(refusal("DeleteMessage", "{" URL("q.fifo") ",'ReceiptHandle':'%s'}", handle), "Reason: The receipt handle has expired."));
	CHECK_STR(at(RECEIVE("q.fifo"), "Messages.0.Body"), "m");
	CHECK(strstr(refusal("DeleteMessage", "{" URL("q.fifo") ",'ReceiptHandle':'%s'}", handle), "Reason: The receipt handle has expired."));
	rig_teardown();
}

TEST(purging_and_retention)
{
	CHECK(rig_setup());
	make("q", "'MessageRetentionPeriod':'60'");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'old'}");
	rig.now_ms += 61000;
	for (int i = 0; i < 1000 && strcmp(ask("ReceiveMessage", "{" URL("q") ",'VisibilityTimeout':0}"), "{}") != 0; i++)
		; /* they are dropped behind other calls */
	CHECK_STR(RECEIVE("q"), "{}");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'m'}");
	CHECK_STR(refusal("PurgeQueue", "{" URL("q") "}"), "fine");
	CHECK_STR(RECEIVE("q"), "{}");
	CHECK_STR(refusal("PurgeQueue", "{" URL("q") "}"), "PurgeQueueInProgress: Only one PurgeQueue operation on q is allowed every 60 seconds.");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'m'}");
	ask("DeleteQueue", "{" URL("q") "}");
	make("q", "");
	CHECK_STR(RECEIVE("q"), "{}");
	rig_teardown();
}

TEST(too_much_in_flight)
{
	char handle[64];
	CHECK(rig_setup());
	rig.in_flight_max = 1;
	CHECK(rig_reopen());
	make("q", "");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'1'}");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'2'}");
	snprintf(handle, sizeof handle, "%s", at(ask("ReceiveMessage", "{" URL("q") "}"), "Messages.0.ReceiptHandle"));
	CHECK_STR(refusal("ReceiveMessage", "{" URL("q") "}"), "OverLimit: Too many messages are in flight: at most 1.");
	CHECK_STR(ask("ReceiveMessage", "{" URL("q") ",'WaitTimeSeconds':1}"), "{}");
	struct rig_ask *waits = start("ReceiveMessage", "{" URL("q") ",'WaitTimeSeconds':20}");
	ask("DeleteMessage", "{" URL("q") ",'ReceiptHandle':'%s'}", handle);
	CHECK_STR(at(rig_await(waits), "Messages.0.Body"), "2");
	struct rig_ask *left = start("ReceiveMessage", "{" URL("q") ",'WaitTimeSeconds':20}");
	CHECK(sqs_gone(rig.sqs, left));
	start("ReceiveMessage", "{" URL("q") ",'WaitTimeSeconds':20}");
	rig_teardown();
}

/* ---- from inside ---- */

static struct list received;
static char outcome[128];

static void on_received(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct list *link;
	while ((link = list_pop_front(messages)) != NULL)
		list_push_back(&received, link);
	snprintf(outcome, sizeof outcome, "%zu %s", n, err ? error_info(err->code)->name : "fine");
	ev_loop_stop(rig.loop);
}

static void on_simple(void *arg, const struct error *err)
{
	snprintf(outcome, sizeof outcome, "%s", err ? error_info(err->code)->name : "fine");
	ev_loop_stop(rig.loop);
}

static void on_sent(void *arg, const char message_id[UUID_SIZE], const struct error *err)
{
	snprintf(outcome, sizeof outcome, "%zu %s", strlen(message_id), err ? error_info(err->code)->name : "fine");
	ev_loop_stop(rig.loop);
}

static const char *send_inside(const struct sqs_send *what)
{
	sqs_send(rig.sqs, what, on_sent, NULL);
	outcome[0] = 0;
	ev_loop_run(rig.loop, NULL);
	return outcome;
}

static const char *receive_inside(const char *arn, unsigned max)
{
	list_init(&received);
	if (!sqs_receive(rig.sqs, &(struct sqs_receive){.arn = str_from(arn), .max = max}, on_received, NULL, &rig.err))
		return error_info(rig.err.code)->name;
	ev_loop_run(rig.loop, NULL);
	return outcome;
}

TEST(the_program_sends_receives_and_deletes)
{
	const struct sqs_attribute attributes[] = {{"Kind", "String", STR("a\"b")}};
	CHECK(rig_setup());
	make("q", "");
	CHECK_STR(send_inside(&(struct sqs_send){.arn = STR(RIG_ARN "nope"), .body = STR("m")}), "0 NOT_FOUND");
	CHECK_STR(send_inside(&(struct sqs_send){.arn = STR(RIG_ARN "q"), .body = STR("")}), "0 INVALID");
	CHECK_STR(send_inside(&(struct sqs_send){.arn = STR(RIG_ARN "q"), .body = STR("{\"a\":1}"), .trace_header = STR("Root=1"), .sender = STR("events"),
	          .attributes = attributes, .attribute_count = 1}), "36 fine");
	for (int i = 0; i < 3; i++)
		ask("SendMessage", "{" URL("q") ",'MessageBody':'%d'}", i);
	CHECK_STR(receive_inside(RIG_ARN "nope", 1), "NOT_FOUND");
	CHECK_STR(receive_inside(RIG_ARN "q", 100), "4 fine");
	struct sqs_message *m = LIST_FIRST(&received, struct sqs_message, link);
	CHECK(str_eqz(m->body, "{\"a\":1}"));
	CHECK(str_eqz(m->trace_header, "Root=1"));
	CHECK(str_eqz(m->attributes_json, "{\"Kind\":{\"stringValue\":\"a\\\"b\",\"stringListValues\":[],\"binaryListValues\":[],\"dataType\":\"String\"}}"));
	char record[2048];
	snprintf(record, sizeof record, "{" STR_FMT "}", STR_ARG(m->record));
	CHECK_STR(at(record, "eventSourceARN"), RIG_ARN "q");
	CHECK_STR(at(record, "attributes.AWSTraceHeader"), "Root=1");
	CHECK_STR(at(record, "attributes.ApproximateReceiveCount"), "1");
	CHECK_STR(at(record, "md5OfBody"), m->md5_of_body);
	CHECK_STR(at(record, "awsRegion"), "us-east-1");
	list_remove(&m->link);
	sqs_return_messages(rig.sqs, STR(RIG_ARN "q"), &received, 0, on_simple, NULL);
	ev_loop_run(rig.loop, NULL);
	list_push_back(&received, &m->link);
	sqs_delete_messages(rig.sqs, STR(RIG_ARN "q"), &received, on_simple, NULL);
	ev_loop_run(rig.loop, NULL);
	CHECK_STR(outcome, "fine");
	CHECK_STR(receive_inside(RIG_ARN "q", 100), "3 fine");
	sqs_delete_messages(rig.sqs, STR(RIG_ARN "q"), &received, NULL, NULL);
	CHECK_STR(receive_inside(RIG_ARN "q", 100), "0 fine");
	rig_teardown();
}

TEST(any_text_may_be_an_attribute_of_what_the_program_sends)
{
	const struct sqs_attribute attributes[] = {{"Colour", "String", STR("\x1b[31mr\xc3\xb6t\tx")},
	                                           {"Cut", "String", STR("\xc3\xb6\xef\xbf\xbf \xc3")}};
	CHECK(rig_setup());
	make("q", "");
	CHECK_STR(send_inside(&(struct sqs_send){.arn = STR(RIG_ARN "q"), .body = STR("m"), .attributes = attributes, .attribute_count = 2}), "36 fine");
	const char *got = ask("ReceiveMessage", "{" URL("q") ",'MessageAttributeNames':['All']}");
	CHECK_STR(at(got, "Messages.0.MessageAttributes.Colour.StringValue"), "?[31mr\xc3\xb6t\tx");
	CHECK_STR(at(got, "Messages.0.MessageAttributes.Cut.StringValue"), "\xc3\xb6??? ?");
	rig_teardown();
}

TEST(what_the_program_buries_is_a_dead_letter)
{
	CHECK(rig_setup());
	make("dead", "");
	make("q", "'RedrivePolicy':'{\\'deadLetterTargetArn\\':\\'" RIG_ARN "dead\\',\\'maxReceiveCount\\':2}'");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'m'}");
	CHECK_STR(receive_inside(RIG_ARN "q", 10), "1 fine");
	sqs_bury_messages(rig.sqs, STR(RIG_ARN "q"), &received, on_simple, NULL);
	ev_loop_run(rig.loop, NULL);
	CHECK_STR(outcome, "fine");
	CHECK_STR(at(RECEIVE("dead"), "Messages.0.Body"), "m");
	struct sqs_receiving *waits = sqs_receive(rig.sqs, &(struct sqs_receive){.arn = STR(RIG_ARN "q"), .max = 1, .wait_ms = 20000}, on_received, NULL, NULL);
	CHECK(waits);
	ask("GetQueueUrl", "{'QueueName':'q'}");
	sqs_receive_cancel(rig.sqs, waits);
	rig_teardown();
}

/* `n` messages into `received`: one receive gives QUEUE_BATCH_MAX at most. */
static void receive_all(const char *arn, int n)
{
	struct list all, *link;
	list_init(&all);
	for (int i = 0; i < n; i += QUEUE_BATCH_MAX) {
		receive_inside(arn, QUEUE_BATCH_MAX);
		while ((link = list_pop_front(&received)) != NULL)
			list_push_back(&all, link);
	}
	while ((link = list_pop_front(&all)) != NULL)
		list_push_back(&received, link);
}

static const char *stats_of(const char *arn)
{
	static char text[64];
	struct sqs_info info;
	if (sqs_info(rig.sqs, str_from(arn), &info, &rig.err) < 0)
		return rig.err.msg;
	snprintf(text, sizeof text, "%llu %llu", (unsigned long long)info.visible, (unsigned long long)info.in_flight);
	return text;
}

typedef void end_fn(struct list *messages);

static void give_back(struct list *messages)
{
	sqs_return_messages(rig.sqs, STR(RIG_ARN "q"), messages, 0, on_simple, NULL);
}

static void bury(struct list *messages)
{
	sqs_bury_messages(rig.sqs, STR(RIG_ARN "q"), messages, on_simple, NULL);
}

static void delete_dead(struct list *messages)
{
	sqs_delete_messages(rig.sqs, STR(RIG_ARN "dead"), messages, on_simple, NULL);
}

static const char *end_all(const char *arn, int n, end_fn *end)
{
	receive_all(arn, n);
	end(&received);
	if (!list_empty(&received))
		return "some are left";
	ev_loop_run(rig.loop, NULL);
	return outcome;
}

TEST(batches_larger_than_the_stores_end_as_a_whole)
{
	enum { N = QUEUE_BATCH_MAX + 1 };
	char all[16];
	CHECK(rig_setup());
	snprintf(all, sizeof all, "%d 0", N);
	make("dead", "");
	make("q", "'RedrivePolicy':'{\\'deadLetterTargetArn\\':\\'" RIG_ARN "dead\\',\\'maxReceiveCount\\':9}'");
	for (int i = 0; i < N; i++)
		CHECK_STR(send_inside(&(struct sqs_send){.arn = STR(RIG_ARN "q"), .body = STR("m")}), "36 fine");
	CHECK_STR(end_all(RIG_ARN "q", N, give_back), "fine");
	CHECK_STR(stats_of(RIG_ARN "q"), all);
	CHECK_STR(end_all(RIG_ARN "q", N, bury), "fine");
	CHECK_STR(stats_of(RIG_ARN "q"), "0 0");
	CHECK_STR(stats_of(RIG_ARN "dead"), all);
	CHECK_STR(end_all(RIG_ARN "dead", N, delete_dead), "fine");
	CHECK_STR(stats_of(RIG_ARN "dead"), "0 0");
	receive_all(RIG_ARN "dead", 1);
	CHECK(list_empty(&received));
	delete_dead(&received);
	ev_loop_run(rig.loop, NULL);
	CHECK_STR(outcome, "fine");
	rig_teardown();
}

TESTS(T(md5s_are_those_the_sdks_compute), T(a_message_is_sent_received_and_deleted),
      T(it_comes_again_after_its_visibility_and_keeps_its_count_over_a_restart), T(visibility_is_changed),
      T(message_attributes_are_kept_checked_and_chosen), T(names_of_attributes_have_a_maximum), T(bodies_are_checked), T(delays), T(batches_fail_in_part_or_as_a_whole),
      T(a_long_poll_ends_with_a_message_with_its_client_or_with_its_queue), T(a_poison_message_dies_after_max_receive_count),
      T(fifo_queues_keep_order_and_know_repetitions), T(deduplication_by_content_and_by_group),
      T(an_old_handle_does_not_delete_what_was_received_again), T(purging_and_retention), T(too_much_in_flight), T(the_program_sends_receives_and_deletes),
      T(any_text_may_be_an_attribute_of_what_the_program_sends),
      T(what_the_program_buries_is_a_dead_letter), T(batches_larger_than_the_stores_end_as_a_whole))
