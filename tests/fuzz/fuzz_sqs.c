/* Operations of SQS with any JSON, over real stores: each is answered once, with JSON, and by no failure of the server's own. The first line
 * names the operation ("SendMessage"), the rest is its body; "HANDLE" stands for a receipt handle that is good. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/sqs_rig.h"

#define INPUTS_A_RIG 2000 /* then begin anew: queues pile up */
#define URL(name) "'QueueUrl':'" RIG_URL name "'"

static char handle[64];

static void begin(void)
{
	ASSERT(rig_setup());
	ask("CreateQueue", "{'QueueName':'dead'}");
	ask("CreateQueue", "{'QueueName':'q','Attributes':{'RedrivePolicy':'{\\'deadLetterTargetArn\\':\\'" RIG_ARN "dead\\',\\'maxReceiveCount\\':3}'}}");
	ask("CreateQueue", "{'QueueName':'q.fifo','Attributes':{'FifoQueue':'true','ContentBasedDeduplication':'true'}}");
	ask("SendMessage", "{" URL("q") ",'MessageBody':'m'}");
	snprintf(handle, sizeof handle, "%s", at(ask("ReceiveMessage", "{" URL("q") "}"), "Messages.0.ReceiptHandle"));
}

/* The body with every HANDLE replaced. */
static char *body_of(const uint8_t *data, size_t n, size_t *len)
{
	CLEANUP(buf_release) struct buf b;
	buf_init(&b, 16 * n + 64);
	for (size_t i = 0; i < n; i++) {
		bool is_word = n - i >= 6 && memcmp(data + i, "HANDLE", 6) == 0;
		if (is_word)
			buf_puts(&b, handle);
		else
			buf_putc(&b, (char)data[i]);
		i += is_word ? 5 : 0;
	}
	return buf_steal(&b, len);
}

static void check(const struct rig_ask *a)
{
	CLEANUP_JSON json_t *answer = json_loads(a->body, JSON_ALLOW_NUL, NULL);
	ASSERT(json_is_object(answer) && a->status < 500);
	ASSERT((a->status == 200) == (json_object_get(answer, "__type") == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static unsigned inputs;
	const uint8_t *end = memchr(data, '\n', n);
	struct rig_ask a = {0};
	size_t len = 0;
	if (!end || end - data > 64)
		return 0;
	if (inputs++ % INPUTS_A_RIG == 0) {
		if (inputs > 1)
			rig_teardown();
		else
			atexit(rig_teardown);
		begin();
	}
	CLEANUP_FREE char *operation = strndup((const char *)data, (size_t)(end - data));
	CLEANUP_FREE char *body = body_of(end + 1, n - (size_t)(end + 1 - data), &len);
	struct service_call call = {.protocol = SERVICE_JSON, .operation = str_from(operation), .body = {body, len},
	                            .host = STR("h:1"), .caller_arn = STR("arn:aws:iam::000000000000:root"), .caller_account = STR("000000000000"),
	                            .root = true};
	sqs_answer(rig.sqs, &call, rig_on_answer, &a);
	if (!a.answered && sqs_gone(rig.sqs, &a)) /* a long poll */
		return 0;
	rig_await(&a);
	check(&a);
	free(a.body);
	return 0;
}
