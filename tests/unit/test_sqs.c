/* Queues, attributes, tags, permissions of SQS. */
#include "tests/unit/sqs_rig.h"
#include "tests/unit/test.h"

#define URL(name) "'QueueUrl':'" RIG_URL name "'"

TEST(a_queue_is_made_found_listed_and_deleted)
{
	CHECK(rig_setup());
	CHECK_STR(at(ask("CreateQueue", "{'QueueName':'jobs'}"), "QueueUrl"), RIG_URL "jobs");
	CHECK_STR(at(ask("GetQueueUrl", "{'QueueName':'jobs'}"), "QueueUrl"), RIG_URL "jobs");
	CHECK_STR(at(ask("ListQueues", "{}"), "QueueUrls"), "[\"" RIG_URL "jobs\"]");
	CHECK_STR(ask("DeleteQueue", "{" URL("jobs") "}"), "{}");
	CHECK_STR(ask("ListQueues", "{}"), "{}");
	CHECK_STR(refusal("GetQueueUrl", "{'QueueName':'jobs'}"), "QueueDoesNotExist: The specified queue does not exist.");
	CHECK_STR(refusal("DeleteQueue", "{" URL("jobs") "}"), "QueueDoesNotExist: The specified queue does not exist.");
	rig_teardown();
}

TEST(names_and_urls_are_checked)
{
	const char *plain = "InvalidParameterValueException: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
	CHECK(rig_setup());
	CHECK_STR(refusal("CreateQueue", "{'QueueName':'a.b'}"), plain);
	CHECK_STR(refusal("CreateQueue", "{'QueueName':''}"), plain);
	CHECK_STR(refusal("CreateQueue", "{'QueueName':'a.fifo'}"), plain);
	CHECK_STR(refusal("CreateQueue", "{'QueueName':'%081d'}", 1), plain);
	CHECK_STR(refusal("CreateQueue", "{'QueueName':'%080d'}", 1), "fine");
	CHECK(strstr(refusal("CreateQueue", "{'QueueName':'a','Attributes':{'FifoQueue':'true'}}"), "must end with .fifo suffix"));
	CHECK_STR(refusal("CreateQueue", "{'QueueName':'a.fifo','Attributes':{'FifoQueue':'true'}}"), "fine");
	CHECK_STR(refusal("CreateQueue", "{}"), "MissingRequiredParameterException: The request must contain the parameter QueueName.");
	CHECK_STR(refusal("GetQueueAttributes", "{}"), "MissingRequiredParameterException: The request must contain the parameter QueueUrl.");
	CHECK_STR(refusal("GetQueueAttributes", "{'QueueUrl':'a.fifo'}"), "InvalidAddress: The address a.fifo is not valid for this endpoint.");
	CHECK_STR(refusal("GetQueueAttributes", "{'QueueUrl':'https://sqs.us-east-1.amazonaws.com/000000000000/a.fifo'}"), "fine");
	CHECK_STR(refusal("GetQueueAttributes", "{'QueueUrl':'http://x/111111111111/a.fifo'}"), "QueueDoesNotExist: The specified queue does not exist.");
	CHECK(strstr(refusal("CreateQueue", "{'QueueName':1}"), "SerializationException"));
	CHECK(strstr(refusal("CreateQueue", "{"), "SerializationException"));
	CHECK(strstr(refusal("MakeQueue", "{}"), "UnknownOperationException"));
	rig_teardown();
}

TEST(the_same_queue_again_is_fine_another_is_not)
{
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q','Attributes':{'DelaySeconds':'7'}}");
	CHECK_STR(refusal("CreateQueue", "{'QueueName':'q'}"), "fine");
	CHECK_STR(refusal("CreateQueue", "{'QueueName':'q','Attributes':{'DelaySeconds':'7','VisibilityTimeout':'30'}}"), "fine");
	struct rig_ask *a = start("CreateQueue", "{'QueueName':'q','Attributes':{'DelaySeconds':'8'}}");
	rig_await(a);
	CHECK_STR(a->type, "QueueNameExists");
	CHECK_STR(a->query, "QueueAlreadyExists;Sender");
	CHECK_STR(at(a->body, "message"), "A queue already exists with the same name and a different value for attribute DelaySeconds");
	CHECK_STR(at(a->body, "__type"), "com.amazonaws.sqs#QueueNameExists");
	struct rig_ask *first = start("CreateQueue", "{'QueueName':'twice'}"), *second = start("CreateQueue", "{'QueueName':'twice'}");
	CHECK_STR(at(rig_await(second), "QueueUrl"), RIG_URL "twice");
	CHECK_STR(at(rig_await(first), "QueueUrl"), RIG_URL "twice");
	struct rig_ask *gone = start("DeleteQueue", "{" URL("twice") "}"), *third = start("CreateQueue", "{'QueueName':'twice'}");
	CHECK_STR(at(rig_await(third), "QueueUrl"), RIG_URL "twice");
	CHECK_INT(gone->status, 200);
	CHECK_STR(refusal("GetQueueUrl", "{'QueueName':'twice'}"), "fine");
	rig_teardown();
}

static const char *attribute(const char *queue, const char *name)
{
	char path[100];
	snprintf(path, sizeof path, "Attributes.%s", name);
	return at(ask("GetQueueAttributes", "{'QueueUrl':'" RIG_URL "%s','AttributeNames':['%s']}", queue, name), path);
}

TEST(attributes_have_defaults_and_are_checked)
{
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q'}");
	CHECK_STR(attribute("q", "VisibilityTimeout"), "30");
	CHECK_STR(attribute("q", "MessageRetentionPeriod"), "345600");
	CHECK_STR(attribute("q", "MaximumMessageSize"), "1048576");
	CHECK_STR(attribute("q", "SqsManagedSseEnabled"), "true");
	CHECK_STR(attribute("q", "QueueArn"), RIG_ARN "q");
	CHECK_STR(attribute("q", "ApproximateNumberOfMessages"), "0");
	CHECK_STR(attribute("q", "Policy"), "(none)");
	CHECK_STR(attribute("q", "FifoQueue"), "(none)");
	CHECK_STR(attribute("q", "DeduplicationScope"), "(none)");
	CHECK_STR(ask("GetQueueAttributes", "{" URL("q") "}"), "{}");
	CHECK_STR(refusal("GetQueueAttributes", "{" URL("q") ",'AttributeNames':['Nope']}"), "InvalidAttributeName: Unknown Attribute Nope.");
	CHECK(strstr(ask("GetQueueAttributes", "{" URL("q") ",'AttributeNames':['All']}"), "LastModifiedTimestamp"));
#define SET(json) refusal("SetQueueAttributes", "{" URL("q") ",'Attributes':{" json "}}")
	CHECK_STR(SET("'VisibilityTimeout':'43201'"), "InvalidAttributeValue: Invalid value for the parameter VisibilityTimeout.");
	CHECK_STR(SET("'VisibilityTimeout':'x'"), "InvalidAttributeValue: Invalid value for the parameter VisibilityTimeout.");
	CHECK_STR(SET("'MaximumMessageSize':'1023'"), "InvalidAttributeValue: Invalid value for the parameter MaximumMessageSize.");
	CHECK_STR(SET("'Nope':'1'"), "InvalidAttributeName: Unknown Attribute Nope.");
	CHECK_STR(SET("'QueueArn':'1'"), "InvalidAttributeName: Unknown Attribute QueueArn.");
	CHECK_STR(SET("'FifoQueue':'false'"), "InvalidAttributeName: Unknown Attribute FifoQueue.");
	CHECK(strstr(SET("'FifoQueue':'true'"), "Modifying queue type is not supported."));
	CHECK_STR(SET("'DeduplicationScope':'queue'"), "InvalidAttributeName: You can specify the DeduplicationScope only when FifoQueue is set to true.");
	CHECK_STR(SET("'Policy':'{'"), "InvalidAttributeValue: Invalid value for the parameter Policy.");
	CHECK_STR(SET("'VisibilityTimeout':'5','DelaySeconds':'6'"), "fine");
	CHECK_STR(attribute("q", "VisibilityTimeout"), "5");
	CHECK_STR(SET("'KmsMasterKeyId':'k'"), "fine");
	CHECK_STR(attribute("q", "SqsManagedSseEnabled"), "false");
	CHECK_STR(attribute("q", "KmsDataKeyReusePeriodSeconds"), "300");
	CHECK(strstr(SET("'SqsManagedSseEnabled':'true'"), "You can use one type of server-side encryption"));
	CHECK_STR(SET("'KmsMasterKeyId':''"), "fine");
	CHECK_STR(attribute("q", "SqsManagedSseEnabled"), "true");
	CHECK(rig_reopen());
	CHECK_INT(rig.loaded, 1);
	CHECK_STR(attribute("q", "DelaySeconds"), "6");
	rig_teardown();
}

TEST(redrive_policies_are_checked)
{
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q'}");
	ask("CreateQueue", "{'QueueName':'dead'}");
	ask("CreateQueue", "{'QueueName':'dead.fifo','Attributes':{'FifoQueue':'true'}}");
#define REDRIVE(arn, count) refusal("SetQueueAttributes", "{" URL("q") ",'Attributes':{'RedrivePolicy':'{\\'deadLetterTargetArn\\':\\'" arn \
	"\\',\\'maxReceiveCount\\':" count "}'}}")
	CHECK(strstr(REDRIVE("nothing", "3"), "Reason: Invalid value for deadLetterTargetArn."));
	CHECK(strstr(REDRIVE(RIG_ARN "nope", "3"), "Reason: Dead letter target does not exist."));
	CHECK(strstr(REDRIVE(RIG_ARN "dead.fifo", "3"), "Reason: Dead-letter queue must be same type of queue as the source."));
	CHECK(strstr(REDRIVE(RIG_ARN "dead", "0"), "Reason: Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive."));
	CHECK(strstr(REDRIVE(RIG_ARN "dead", "1001"), "Invalid value for maxReceiveCount: 1001"));
	CHECK_STR(REDRIVE(RIG_ARN "dead", "\\'5\\'"), "fine");
	CHECK_STR(REDRIVE(RIG_ARN "dead", "3"), "fine");
	CHECK(strstr(refusal("SetQueueAttributes", "{" URL("q") ",'Attributes':{'RedrivePolicy':'x'}}"), "unsupported format"));
	CHECK(strstr(refusal("SetQueueAttributes", "{" URL("q") ",'Attributes':{'RedrivePolicy':'{}'}}"), "mandatory attribute: deadLetterTargetArn"));
	CHECK_STR(at(ask("ListDeadLetterSourceQueues", "{" URL("dead") "}"), "queueUrls.0"), RIG_URL "q");
	CHECK_STR(at(ask("ListDeadLetterSourceQueues", "{" URL("q") "}"), "queueUrls"), "[]");
	CHECK_STR(refusal("SetQueueAttributes", "{" URL("dead") ",'Attributes':{'RedriveAllowPolicy':'{\\'redrivePermission\\':\\'denyAll\\'}'}}"), "fine");
	CHECK(strstr(REDRIVE(RIG_ARN "dead", "4"), "does not permit this source queue"));
	CHECK_STR(refusal("SetQueueAttributes", "{" URL("q") ",'Attributes':{'RedrivePolicy':''}}"), "fine");
	CHECK_STR(at(ask("ListDeadLetterSourceQueues", "{" URL("dead") "}"), "queueUrls"), "[]");
	rig_teardown();
}

TEST(lists_come_in_pages)
{
	char next[200];
	CHECK(rig_setup());
	for (int i = 0; i < 5; i++)
		ask("CreateQueue", "{'QueueName':'p%d'}", i);
	ask("CreateQueue", "{'QueueName':'other'}");
	const char *page = ask("ListQueues", "{'QueueNamePrefix':'p','MaxResults':3}");
	CHECK_STR(at(page, "QueueUrls.2"), RIG_URL "p2");
	CHECK_STR(at(page, "QueueUrls.3"), "(none)");
	snprintf(next, sizeof next, "%s", at(page, "NextToken"));
	page = ask("ListQueues", "{'QueueNamePrefix':'p','MaxResults':3,'NextToken':'%s'}", next);
	CHECK_STR(at(page, "QueueUrls"), "[\"" RIG_URL "p3\",\"" RIG_URL "p4\"]");
	CHECK_STR(at(page, "NextToken"), "(none)");
	CHECK_STR(at(ask("ListQueues", "{}"), "QueueUrls.5"), RIG_URL "p4");
	CHECK(strstr(refusal("ListQueues", "{'MaxResults':0}"), "MaxResults is invalid"));
	rig_teardown();
}

TEST(tags_and_permissions)
{
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q','tags':{'a':'1'}}");
	CHECK_STR(ask("TagQueue", "{" URL("q") ",'Tags':{'b':'2'}}"), "{}");
	CHECK_STR(ask("ListQueueTags", "{" URL("q") "}"), "{\"Tags\":{\"a\":\"1\",\"b\":\"2\"}}");
	CHECK_STR(ask("UntagQueue", "{" URL("q") ",'TagKeys':['a','z']}"), "{}");
	CHECK_STR(ask("ListQueueTags", "{" URL("q") "}"), "{\"Tags\":{\"b\":\"2\"}}");
	CHECK(strstr(refusal("TagQueue", "{" URL("q") ",'Tags':{'aws:x':'2'}}"), "reserved"));
	CHECK_STR(refusal("AddPermission", "{" URL("q") ",'Label':'l','AWSAccountIds':['111111111111'],'Actions':['SendMessage']}"), "fine");
	CHECK_STR(attribute("q", "Policy"), "{\"Version\":\"2008-10-17\",\"Id\":\"" RIG_ARN "q/SQSDefaultPolicy\",\"Statement\":[{\"Sid\":\"l\","
	          "\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111111111111:root\"},\"Action\":\"SQS:SendMessage\",\"Resource\":\"" RIG_ARN
	          "q\"}]}");
	CHECK(strstr(refusal("AddPermission", "{" URL("q") ",'Label':'l','AWSAccountIds':['111111111111'],'Actions':['SendMessage']}"),
	      "Value l for parameter Label is invalid. Reason: Already exists."));
	CHECK(strstr(refusal("AddPermission", "{" URL("q") ",'Label':'m','AWSAccountIds':['111111111111'],'Actions':['CreateQueue']}"),
	      "Only the queue owner is allowed to invoke this action."));
	CHECK(strstr(refusal("AddPermission", "{" URL("q") ",'Label':'m','AWSAccountIds':['1'],'Actions':['SendMessage']}"), "Unable to verify."));
	CHECK_STR(refusal("RemovePermission", "{" URL("q") ",'Label':'l'}"), "fine");
	CHECK_STR(attribute("q", "Policy"), "(none)");
	CHECK(strstr(refusal("RemovePermission", "{" URL("q") ",'Label':'l'}"), "Reason: can't find label."));
	rig_teardown();
}

static void on_change(void *arg, struct str arn, bool exists)
{
	size_t n = strlen(rig.name);
	snprintf(rig.name + n, sizeof rig.name - n, "%.*s%s ", (int)(arn.n - strlen(RIG_ARN)), arn.p + strlen(RIG_ARN), exists ? "+" : "-");
}

TEST(others_are_told_of_changes)
{
	struct sqs_info info;
	CHECK(rig_setup());
	sqs_on_change(rig.sqs, on_change, NULL);
	ask("CreateQueue", "{'QueueName':'q','Attributes':{'VisibilityTimeout':'9'}}");
	CHECK_INT(sqs_info(rig.sqs, STR(RIG_ARN "q"), &info, NULL), 0);
	CHECK_INT(info.visibility_s, 9);
	CHECK_INT(sqs_info(rig.sqs, STR("arn:aws:sqs:eu-west-1:000000000000:q"), &info, NULL), -1);
	ask("TagQueue", "{" URL("q") ",'Tags':{'b':'2'}}");
	ask("DeleteQueue", "{" URL("q") "}");
	CHECK_STR(rig.name, "q+ q+ q- ");
	rig_teardown();
}

TEST(it_ends_in_the_middle_of_changes)
{
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q'}");
	ask("CreateQueue", "{'QueueName':'r'}");
	struct rig_ask *asks[] = {
		start("DeleteQueue", "{" URL("q") "}"), start("CreateQueue", "{'QueueName':'q'}"), start("CreateQueue", "{'QueueName':'new'}"),
		start("SetQueueAttributes", "{" URL("r") ",'Attributes':{'MessageRetentionPeriod':'60'}}"), start("TagQueue", "{" URL("r") ",'Tags':{'a':'b'}}"),
		start("SendMessage", "{" URL("r") ",'MessageBody':'m'}"), start("ReceiveMessage", "{" URL("r") ",'WaitTimeSeconds':20}"),
	};
	CHECK(rig_reopen());
	for (size_t i = 0; i < sizeof asks / sizeof *asks; i++)
		CHECK(asks[i]->answered && (asks[i]->status == 200 || asks[i]->status == 503));
	CHECK_STR(refusal("GetQueueAttributes", "{" URL("r") "}"), "fine");
	CHECK_STR(refusal("CreateQueue", "{'QueueName':'q'}"), "fine");
	rig_teardown();
}

/* ---- policies ---- */

static void on_sent(void *arg, const char message_id[UUID_SIZE], const struct error *err)
{
	snprintf(rig.name, sizeof rig.name, "%s", err ? error_info(err->code)->name : "fine");
	ev_loop_stop(rig.loop);
}

static const char *send_for(const char *source)
{
	sqs_send(rig.sqs, &(struct sqs_send){.arn = STR(RIG_ARN "q"), .body = STR("m"), .policy_service = STR("events.amazonaws.com"),
	         .policy_source_arn = str_from(source)}, on_sent, NULL);
	ev_loop_run(rig.loop, NULL);
	return rig.name;
}

TEST(a_policy_says_which_service_may_send_and_who_may_not)
{
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q'}");
	CHECK_STR(send_for("arn:aws:events:us-east-1:000000000000:rule/r"), "fine");
	CHECK_STR(refusal("SetQueueAttributes", "{" URL("q") ",'Attributes':{'Policy':'{\\'Version\\':\\'2012-10-17\\',\\'Statement\\':[{\\'Effect\\':\\'Allow\\',"
	          "\\'Principal\\':{\\'Service\\':\\'events.amazonaws.com\\'},\\'Action\\':\\'sqs:SendMessage\\',\\'Resource\\':\\'" RIG_ARN "q\\',"
	          "\\'Condition\\':{\\'ArnEquals\\':{\\'aws:SourceArn\\':\\'arn:aws:events:us-east-1:000000000000:rule/r\\'}}},"
	          "{\\'Effect\\':\\'Deny\\',\\'Principal\\':\\'*\\',\\'Action\\':\\'sqs:PurgeQueue\\',\\'Resource\\':\\'*\\'}]}'}}"), "fine");
	CHECK_STR(send_for("arn:aws:events:us-east-1:000000000000:rule/r"), "fine");
	CHECK_STR(send_for("arn:aws:events:us-east-1:000000000000:rule/other"), "ACCESS_DENIED");
	CHECK_STR(refusal("PurgeQueue", "{" URL("q") "}"), "fine"); /* root */
	rig.as_role = true;
	CHECK_STR(refusal("PurgeQueue", "{" URL("q") "}"), "AccessDeniedException: User: arn:aws:sts::000000000000:assumed-role/r/s is not authorized to "
	          "perform: sqs:purgequeue on resource: " RIG_ARN "q with an explicit deny in a resource-based policy");
	CHECK_STR(refusal("SendMessage", "{" URL("q") ",'MessageBody':'m'}"), "fine");
	rig_teardown();
}

static void deny(const char *name, const char *action)
{
	ask("SetQueueAttributes", "{'QueueUrl':'" RIG_URL "%s','Attributes':{'Policy':'{\\'Version\\':\\'2012-10-17\\',\\'Statement\\':"
	          "[{\\'Effect\\':\\'Deny\\',\\'Principal\\':\\'*\\',\\'Action\\':\\'sqs:%s\\',\\'Resource\\':\\'*\\'}]}'}}", name, action);
}

static bool denied(const char *answer, const char *action)
{
	return strstr(answer, "AccessDeniedException: ") && strstr(answer, action) && strstr(answer, "explicit deny");
}

TEST(batches_are_the_right_of_their_single_operation)
{
	static const struct {
		const char *right, *lower, *entry;
	} rows[] = {{"SendMessage", ": sqs:sendmessage on", "'MessageBody':'m'"}, {"DeleteMessage", ": sqs:deletemessage on", "'ReceiptHandle':'h'"},
	            {"ChangeMessageVisibility", ": sqs:changemessagevisibility on", "'ReceiptHandle':'h','VisibilityTimeout':1"}};
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q'}");
	rig.as_role = true;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char operation[64];
		snprintf(operation, sizeof operation, "%sBatch", rows[i].right);
		CHECK_STR(refusal(operation, "{" URL("q") ",'Entries':[{'Id':'1',%s}]}", rows[i].entry), "fine");
		deny("q", rows[i].right);
		CHECK(denied(refusal(operation, "{" URL("q") ",'Entries':[{'Id':'1',%s}]}", rows[i].entry), rows[i].lower));
		CHECK_STR(refusal("SetQueueAttributes", "{" URL("q") ",'Attributes':{'Policy':''}}"), "fine");
	}
	deny("q", "GetQueueUrl");
	CHECK(denied(refusal("GetQueueUrl", "{'QueueName':'q'}"), "sqs:getqueueurl"));
	rig_teardown();
}

TEST(a_move_task_is_denied_what_its_caller_is_denied)
{
	static const struct {
		const char *right, *lower;
	} of_source[] = {{"StartMessageMoveTask", "sqs:startmessagemovetask"}, {"ReceiveMessage", "sqs:receivemessage"}, {"DeleteMessage", "sqs:deletemessage"}};
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'dead'}");
	ask("CreateQueue", "{'QueueName':'to'}");
	ask("CreateQueue", "{'QueueName':'q','Attributes':{'RedrivePolicy':'{\\'deadLetterTargetArn\\':\\'" RIG_ARN "dead\\',\\'maxReceiveCount\\':1}'}}");
	rig.as_role = true;
	for (size_t i = 0; i < sizeof of_source / sizeof *of_source; i++) {
		deny("dead", of_source[i].right);
		CHECK(denied(refusal("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead'}"), of_source[i].lower));
	}
	deny("dead", "PurgeQueue");
	deny("to", "SendMessage");
	CHECK(denied(refusal("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead','DestinationArn':'" RIG_ARN "to'}"), "sqs:sendmessage"));
	deny("q", "SendMessage");
	CHECK(denied(refusal("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead'}"), "sqs:sendmessage"));
	deny("q", "PurgeQueue");
	char handle[600];
	snprintf(handle, sizeof handle, "%s", at(ask("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead'}"), "TaskHandle"));
	CHECK(strlen(handle) > 40);
	deny("dead", "CancelMessageMoveTask");
	CHECK(denied(refusal("CancelMessageMoveTask", "{'TaskHandle':'%s'}", handle), "sqs:cancelmessagemovetask"));
	deny("dead", "ListMessageMoveTasks");
	CHECK(denied(refusal("ListMessageMoveTasks", "{'SourceArn':'" RIG_ARN "dead'}"), "sqs:listmessagemovetasks"));
	rig_teardown();
}

TEST(permissions_have_a_maximum_and_a_policy_that_is_not_understood_denies)
{
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q'}");
	for (int i = 0; i < 20; i++)
		CHECK_STR(refusal("AddPermission", "{" URL("q") ",'Label':'l%d','AWSAccountIds':['111122223333'],'Actions':['SendMessage']}", i), "fine");
	CHECK_STR(refusal("AddPermission", "{" URL("q") ",'Label':'more','AWSAccountIds':['111122223333'],'Actions':['SendMessage']}"),
	          "OverLimit: 21 Statements were found, maximum allowed is 20.");
	const char *record = "{\"Format\":1,\"Uid\":\"00112233\",\"Created\":1,\"Modified\":1,\"Attributes\":{\"Policy\":\"{\\\"Statement\\\":7}\"},\"Tags\":{}}";
	struct sqs_queue *q = sqs_record_load(rig.sqs, STR("odd"), str_from(record), NULL);
	CHECK(q != NULL);
	struct policy_question question = {.principal = STR("arn:aws:iam::000000000000:role/r"), .account = STR("000000000000"),
	                                   .action = STR("sqs:SendMessage"), .resource = str_from(q->arn)};
	CHECK_INT(policy_ask(q->policy, &question), POLICY_DENY);
	sqs_queue_unref(q);
	rig_teardown();
}

static int full_configure(struct queue *q, struct str queue, const struct queue_config *config, queue_simple_cb *cb, void *arg, struct error *err)
{
	return error_set(err, ERR_DISK_FULL, "full");
}

TEST(a_change_that_the_store_refuses_changes_nothing)
{
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q'}");
	const struct queue_ops *ops = rig.queue->ops;
	struct queue_ops full = *ops;
	full.configure = full_configure;
	rig.queue->ops = &full;
	const char *asked = "{" URL("q") ",'Attributes':{'MessageRetentionPeriod':'60','VisibilityTimeout':'7'}}";
	struct rig_ask *refused = start("SetQueueAttributes", "%s", asked);
	rig_await(refused);
	CHECK_INT(refused->status, 503);
	const char *got = ask("GetQueueAttributes", "{" URL("q") ",'AttributeNames':['All']}");
	CHECK_STR(at(got, "Attributes.MessageRetentionPeriod"), "345600");
	CHECK_STR(at(got, "Attributes.VisibilityTimeout"), "30");
	rig.queue->ops = ops;
	CHECK_STR(refusal("SetQueueAttributes", "%s", asked), "fine");
	CHECK(rig_reopen());
	got = ask("GetQueueAttributes", "{" URL("q") ",'AttributeNames':['All']}");
	CHECK_STR(at(got, "Attributes.MessageRetentionPeriod"), "60");
	CHECK_STR(at(got, "Attributes.VisibilityTimeout"), "7");
	rig_teardown();
}

static void on_row(void *arg, const struct sqs_row *row)
{
	size_t n = strlen(rig.name);
	snprintf(rig.name + n, sizeof rig.name - n, "%s %s %s %llu ", row->name, row->dead_arn, row->info.fifo ? "fifo" : "standard",
	         (unsigned long long)row->info.visible);
}

TEST(all_queues_are_told_with_their_counts)
{
	CHECK(rig_setup());
	ask("CreateQueue", "{'QueueName':'q.fifo','Attributes':{'FifoQueue':'true','ContentBasedDeduplication':'true'}}");
	ask("SendMessage", "{" URL("q.fifo") ",'MessageBody':'m','MessageGroupId':'g'}");
	sqs_each(rig.sqs, on_row, NULL);
	CHECK_STR(rig.name, "q.fifo  fifo 1 ");
	rig_teardown();
}

TESTS(T(a_queue_is_made_found_listed_and_deleted), T(names_and_urls_are_checked), T(the_same_queue_again_is_fine_another_is_not),
      T(attributes_have_defaults_and_are_checked), T(redrive_policies_are_checked), T(lists_come_in_pages), T(tags_and_permissions),
      T(others_are_told_of_changes), T(it_ends_in_the_middle_of_changes), T(a_policy_says_which_service_may_send_and_who_may_not),
      T(batches_are_the_right_of_their_single_operation), T(a_move_task_is_denied_what_its_caller_is_denied),
      T(permissions_have_a_maximum_and_a_policy_that_is_not_understood_denies),
      T(a_change_that_the_store_refuses_changes_nothing), T(all_queues_are_told_with_their_counts))
