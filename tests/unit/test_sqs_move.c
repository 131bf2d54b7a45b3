/* Message move tasks of SQS. */
#include "tests/unit/sqs_rig.h"
#include "tests/unit/test.h"

#define URL(name) "'QueueUrl':'" RIG_URL name "'"
#define REDRIVE(dead) "'VisibilityTimeout':'0','RedrivePolicy':'{\\'deadLetterTargetArn\\':\\'" RIG_ARN dead "\\',\\'maxReceiveCount\\':1}'"
#define RECEIVE(queue) ask("ReceiveMessage", "{" URL(queue) ",'MaxNumberOfMessages':10,'AttributeNames':['All']}")
#define LIST(source) ask("ListMessageMoveTasks", "{'SourceArn':'" RIG_ARN source "','MaxResults':10}")

static void make(const char *name, const char *attributes)
{
	ask("CreateQueue", "{'QueueName':'%s','Attributes':{%s}}", name, attributes);
}

/* Sends n messages to each of `a` and `b` and lets them die. */
static void kill_some(int n)
{
	for (int i = 0; i < n; i++) {
		ask("SendMessage", "{" URL("a") ",'MessageBody':'a%d'}", i);
		ask("SendMessage", "{" URL("b") ",'MessageBody':'b%d'}", i);
	}
	for (int i = 0; i < 1000 && (strcmp(RECEIVE("a"), "{}") != 0 || strcmp(RECEIVE("b"), "{}") != 0); i++)
		;
}

static const char *count(const char *queue)
{
	return at(ask("GetQueueAttributes", "{'QueueUrl':'" RIG_URL "%s','AttributeNames':['All']}", queue), "Attributes.ApproximateNumberOfMessages");
}

/* Something that waits for the store, so that the loop runs. */
static void tick(void)
{
	RECEIVE("tick");
}

static const char *status_when_over(void)
{
	for (int i = 0; i < 10000 && strcmp(at(LIST("dead"), "Results.0.Status"), "RUNNING") == 0; i++)
		tick();
	return at(LIST("dead"), "Results.0.Status");
}

static bool setup(void)
{
	if (!rig_setup())
		return false;
	make("tick", "");
	make("dead", "");
	make("a", REDRIVE("dead"));
	make("b", REDRIVE("dead"));
	return true;
}

TEST(messages_go_back_to_where_they_came_from)
{
	CHECK(setup());
	kill_some(3);
	CHECK_STR(count("dead"), "6");
	const char *started = ask("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead'}");
	CHECK(strlen(at(started, "TaskHandle")) > 40);
	CHECK_STR(status_when_over(), "COMPLETED");
	CHECK_STR(at(LIST("dead"), "Results.0.ApproximateNumberOfMessagesMoved"), "6");
	CHECK_STR(at(LIST("dead"), "Results.0.ApproximateNumberOfMessagesToMove"), "6");
	CHECK_STR(at(LIST("dead"), "Results.0.TaskHandle"), "(none)");
	CHECK_STR(count("dead"), "0");
	CHECK_STR(count("a"), "3");
	const char *got = RECEIVE("b");
	CHECK_STR(at(got, "Messages.0.Body"), "b0");
	CHECK_STR(at(got, "Messages.0.Attributes.ApproximateReceiveCount"), "1");
	CHECK_STR(at(got, "Messages.0.Attributes.DeadLetterQueueSourceArn"), "(none)");
	rig_teardown();
}

TEST(or_to_another_queue)
{
	CHECK(setup());
	make("other", "");
	kill_some(1);
	ask("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead','DestinationArn':'" RIG_ARN "other'}");
	CHECK_STR(status_when_over(), "COMPLETED");
	CHECK_STR(count("other"), "2");
	CHECK_STR(at(LIST("dead"), "Results.0.DestinationArn"), RIG_ARN "other");
	rig_teardown();
}

TEST(what_is_wrong_is_refused)
{
	CHECK(setup());
	CHECK(strstr(refusal("StartMessageMoveTask", "{'SourceArn':'dead'}"), "You must use this format to specify the SourceArn"));
	CHECK_STR(refusal("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "none'}"),
	          "ResourceNotFoundException: The resource that you specified for the SourceArn parameter doesn't exist.");
	CHECK(strstr(refusal("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "a'}"), "Source queue must be configured as a Dead Letter Queue."));
	CHECK(strstr(refusal("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead','DestinationArn':'" RIG_ARN "none'}"), "DestinationArn parameter"));
	CHECK(strstr(refusal("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead','MaxNumberOfMessagesPerSecond':501}"), "MaxNumberOfMessagesPerSecond"));
	CHECK_STR(refusal("CancelMessageMoveTask", "{'TaskHandle':'x'}"), "InvalidParameterValueException: Value for parameter TaskHandle is invalid.");
	CHECK_STR(at(LIST("dead"), "Results"), "[]");
	rig_teardown();
}

TEST(what_was_sent_to_the_dead_letter_queue_itself_came_from_nowhere)
{
	CHECK(setup());
	ask("SendMessage", "{" URL("dead") ",'MessageBody':'m'}");
	ask("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead'}");
	CHECK_STR(status_when_over(), "FAILED");
	CHECK_STR(at(LIST("dead"), "Results.0.FailureReason"), "CouldNotDetermineMessageSource");
	CHECK_STR(count("dead"), "0");
	rig_teardown();
}

TEST(a_task_goes_on_after_a_restart_and_can_be_cancelled)
{
	char handle[600];
	CHECK(setup());
	kill_some(3);
	snprintf(handle, sizeof handle, "%s", at(ask("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead','MaxNumberOfMessagesPerSecond':1}"), "TaskHandle"));
	CHECK(strstr(refusal("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead'}"), "There is already a task running."));
	CHECK(rig_reopen());
	CHECK_STR(at(LIST("dead"), "Results.0.Status"), "RUNNING");
	CHECK_STR(at(LIST("dead"), "Results.0.TaskHandle"), handle);
	for (int i = 0; i < 10000 && strcmp(count("dead"), "6") == 0; i++)
		tick();
	CHECK_STR(refusal("CancelMessageMoveTask", "{'TaskHandle':'%s'}", handle), "fine");
	for (int i = 0; i < 10000 && strcmp(at(LIST("dead"), "Results.0.Status"), "CANCELLED") != 0; i++)
		tick();
	CHECK_STR(at(LIST("dead"), "Results.0.Status"), "CANCELLED");
	CHECK(strstr(refusal("CancelMessageMoveTask", "{'TaskHandle':'%s'}", handle), "Only a running task can be cancelled"));
	CHECK(strcmp(count("dead"), "0") != 0);
	rig_teardown();
}

/* A store whose answer to a task's fetch does not come. */
static const struct queue_ops *real_ops;
static int stuck;
static unsigned fetches_cancelled;

static struct queue_wait *stuck_fetch(struct queue *q, const struct queue_fetch *what, queue_fetch_cb *cb, void *arg, struct error *err)
{
	return str_starts(what->queue, STR("sqs/dead/")) ? (struct queue_wait *)&stuck : real_ops->fetch(q, what, cb, arg, err);
}

static void stuck_cancel(struct queue *q, struct queue_wait *wait)
{
	if (wait == (struct queue_wait *)&stuck)
		fetches_cancelled++;
	else
		real_ops->fetch_cancel(q, wait);
}

TEST(a_cancelled_task_waits_for_no_fetch)
{
	char handle[600];
	CHECK(setup());
	real_ops = rig.queue->ops;
	struct queue_ops ops = *real_ops;
	ops.fetch = stuck_fetch;
	ops.fetch_cancel = stuck_cancel;
	rig.queue->ops = &ops;
	snprintf(handle, sizeof handle, "%s", at(ask("StartMessageMoveTask", "{'SourceArn':'" RIG_ARN "dead'}"), "TaskHandle"));
	tick();
	tick();
	CHECK_STR(refusal("CancelMessageMoveTask", "{'TaskHandle':'%s'}", handle), "fine");
	for (int i = 0; i < 10000 && strcmp(at(LIST("dead"), "Results.0.Status"), "CANCELLED") != 0; i++)
		tick();
	CHECK_STR(at(LIST("dead"), "Results.0.Status"), "CANCELLED");
	CHECK_INT(fetches_cancelled, 1);
	rig.queue->ops = real_ops;
	rig_teardown();
}

TESTS(T(messages_go_back_to_where_they_came_from), T(or_to_another_queue), T(what_is_wrong_is_refused),
      T(what_was_sent_to_the_dead_letter_queue_itself_came_from_nowhere), T(a_task_goes_on_after_a_restart_and_can_be_cancelled),
      T(a_cancelled_task_waits_for_no_fetch))
