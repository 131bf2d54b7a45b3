"""Asynchronous invocation: what is accepted; attempts, destinations and dead letters against the whole server, with delays scaled to 1 %."""
import hashlib
import json
import shutil
import subprocess
import time
import unittest

from api_case import ARN, ApiCase, STUB, main, unique
from harness import zip_of

SECONDS = 60
UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
CODE = {"app.py": """
import time

def handler(event, context):
    if event.get("sleep"):
        time.sleep(event["sleep"])
    if event.get("fail"):
        raise ValueError("as wanted")
    return {"id": context.aws_request_id, "arn": context.invoked_function_arn, "event": event}
"""}


class Accepting(ApiCase):
    def test_202_without_a_body(self):
        name = self.create()
        answer = self.client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n":1}')
        self.assertEqual((answer["StatusCode"], answer["Payload"].read()), (202, b""))
        self.assertNotIn("ExecutedVersion", answer)
        self.assertRegex(answer["ResponseMetadata"]["RequestId"], UUID)
        for payload in (b"", b"null", b"[1]", b'"text"', b" {} "):
            self.assertEqual(self.client.invoke(FunctionName=name, InvocationType="Event", Payload=payload)["StatusCode"], 202)

    def test_the_old_operation(self):
        name = self.create()
        status, headers, body = self.request("POST", "/2014-11-13/functions/%s/invoke-async" % name, b'{"n":1}')
        self.assertEqual((status, body), (202, b""))
        self.assertRegex(headers["x-amzn-requestid"], UUID)
        self.assertEqual(self.client.invoke_async(FunctionName=name, InvokeArgs=b"{}")["Status"], 202)
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", self.client.invoke_async, FunctionName="nope",
                   InvokeArgs=b"{}")
        self.assertEqual(self.request("POST", "/2014-11-13/functions/%s/invoke-async" % name, b"{")[0], 400)
        self.assertEqual(self.request("POST", "/2014-11-13/functions/%s/invoke-async" % name, b'"%s"' % (b"x" * (1 << 20)))[0], 413)

    def test_refused(self):
        name = self.create()
        invoke = self.client.invoke
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", invoke, FunctionName="nope",
                   InvocationType="Event")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + name + ":7", invoke, FunctionName=name, Qualifier="7",
                   InvocationType="Event")
        for size in ((1 << 20) + 1, (6 << 20) + 1):
            self.fails(413, "RequestTooLargeException", "%d byte payload is too large for the Event invocation type (limit 1048576 bytes)"
                       % size, invoke, FunctionName=name, InvocationType="Event", Payload=b'"%s"' % (b"x" * (size - 2)))
        largest = b'"%s"' % (b"x" * ((1 << 20) - 2))
        self.assertEqual(invoke(FunctionName=name, InvocationType="Event", Payload=largest)["StatusCode"], 202)
        with self.assertRaises(self.client.exceptions.InvalidRequestContentException):
            invoke(FunctionName=name, InvocationType="Event", Payload=b"{")

    @unittest.skipUnless(STUB, "the stub's disk is full for such names")
    def test_a_full_disk_is_an_error_that_clients_try_again(self):
        self.fails(500, "ServiceException", "the disk is full", self.client.invoke, FunctionName=self.create(unique("full")),
                   InvocationType="Event")

    @unittest.skipUnless(shutil.which("aws"), "no AWS CLI here")
    def test_aws_cli(self):
        name = self.create()
        words = ["aws", "--endpoint-url", self.server.url, "lambda", "invoke", "--function-name", name, "--invocation-type", "Event",
                 "--payload", "e30=" if not self.old_cli() else "{}", "/dev/null"]
        done = subprocess.run(words, env=self.server.environ(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["StatusCode"], 202)

    @staticmethod
    def old_cli():
        return subprocess.run(["aws", "--version"], capture_output=True, text=True, check=True).stdout.startswith("aws-cli/1.")


@unittest.skipIf(STUB, "the stub does not run anything")
class Running(ApiCase):
    OPTIONS = ("--retry-scale", "1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sqs, cls.logs = cls.server.client("sqs"), cls.server.client("logs")

    def create(self, name=None, wait=True, **settings):
        return super().create(name, wait, **{"Code": {"ZipFile": zip_of(CODE)}, **settings})

    def queue(self):
        url = self.sqs.create_queue(QueueName=unique("q"))["QueueUrl"]
        self.addCleanup(self.sqs.delete_queue, QueueUrl=url)
        return url, "arn:aws:sqs:us-east-1:000000000000:" + url.rsplit("/", 1)[1]

    def message(self, url):
        """The next message, which is deleted."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for m in self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"]).get("Messages", []):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
                return m
        raise AssertionError("no message came; log:\n" + self.server.log())

    def event(self, name, payload, **more):
        answer = self.client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(payload), **more)
        self.assertEqual(answer["StatusCode"], 202)
        return answer["ResponseMetadata"]["RequestId"]

    def starts(self, name, request_id):
        events = self.logs.filter_log_events(logGroupName="/aws/lambda/" + name, filterPattern='"START RequestId: %s"' % request_id)
        return len([e for e in events["events"] if e["message"].startswith("START RequestId: " + request_id)])

    def configure(self, name, **config):
        self.client.put_function_event_invoke_config(FunctionName=name, **config)

    def test_success_to_a_queue(self):
        name = self.create(Publish=True)
        url, arn = self.queue()
        self.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        for qualifier, version in (("$LATEST", "$LATEST"), ("1", "1"), ("live", "1")):
            self.configure(name, Qualifier=qualifier, DestinationConfig={"OnSuccess": {"Destination": arn}})
            more = {} if qualifier == "$LATEST" else {"Qualifier": qualifier}
            request_id = self.event(name, {"n": 1.50, "text": "\u00e4"}, **more)
            record = json.loads(self.message(url)["Body"])
            self.assertRegex(record.pop("timestamp"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            invoked = ARN + name + ("" if qualifier == "$LATEST" else ":" + qualifier)
            self.assertEqual(record, {
                "version": "1.0",
                "requestContext": {"requestId": request_id, "functionArn": ARN + name + ":" + qualifier, "condition": "Success",
                                   "approximateInvokeCount": 1},
                "requestPayload": {"n": 1.5, "text": "\u00e4"},
                "responseContext": {"statusCode": 200, "executedVersion": version},
                "responsePayload": {"id": request_id, "arn": invoked, "event": {"n": 1.5, "text": "\u00e4"}}})

    def test_failures_end_at_both(self):
        (failed, failed_arn), (dead, dead_arn) = self.queue(), self.queue()
        name = self.create(DeadLetterConfig={"TargetArn": dead_arn})
        self.configure(name, DestinationConfig={"OnFailure": {"Destination": failed_arn}})
        request_id = self.event(name, {"fail": True})
        record = json.loads(self.message(failed)["Body"])
        self.assertEqual((record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]), ("RetriesExhausted", 3))
        self.assertEqual(record["requestContext"]["requestId"], request_id)
        self.assertEqual(record["responseContext"], {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"})
        self.assertEqual((record["responsePayload"]["errorType"], record["responsePayload"]["errorMessage"]), ("ValueError", "as wanted"))
        letter = self.message(dead)
        self.assertEqual(json.loads(letter["Body"]), {"fail": True})
        attributes = {k: (v["DataType"], v["StringValue"]) for k, v in letter["MessageAttributes"].items()}
        self.assertEqual(attributes, {"RequestID": ("String", request_id), "ErrorCode": ("Number", "200"),
                                      "ErrorMessage": ("String", "as wanted")})
        self.assertEqual(self.starts(name, request_id), 3)

    def test_attempts_and_timeouts(self):
        name = self.create(Timeout=1)
        url, arn = self.queue()
        self.configure(name, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}})
        request_id = self.event(name, {"sleep": 30})
        record = json.loads(self.message(url)["Body"])
        self.assertEqual(record["requestContext"]["approximateInvokeCount"], 2)
        self.assertIn("Task timed out after 1.00 seconds", record["responsePayload"]["errorMessage"])
        self.assertEqual(self.starts(name, request_id), 2)

    def test_to_another_function_and_on(self):
        url, arn = self.queue()
        first, second = self.create(), self.create()
        self.configure(first, DestinationConfig={"OnSuccess": {"Destination": ARN + second}})
        self.configure(second, DestinationConfig={"OnSuccess": {"Destination": arn}})
        request_id = self.event(first, {"n": 1})
        record = json.loads(self.message(url)["Body"])
        self.assertEqual(record["requestPayload"]["requestContext"]["requestId"], request_id)
        self.assertEqual(record["responsePayload"]["event"]["responsePayload"]["event"], {"n": 1})

    def test_to_a_bus(self):
        url, arn = self.queue()
        events, bus = self.server.client("events"), unique("bus")
        bus_arn = events.create_event_bus(Name=bus)["EventBusArn"]
        events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["lambda"]}))
        events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])
        name = self.create()
        self.configure(name, MaximumRetryAttempts=0, DestinationConfig={k: {"Destination": bus_arn} for k in ("OnSuccess", "OnFailure")})
        for payload, word in (({"n": 1}, "Success"), ({"fail": True}, "Failure")):
            request_id = self.event(name, payload)
            event = json.loads(self.message(url)["Body"])
            self.assertEqual((event["source"], event["detail-type"]), ("lambda", "Lambda Function Invocation Result - " + word))
            self.assertEqual(event["resources"], [bus_arn, ARN + name + ":$LATEST"])
            self.assertEqual(event["detail"]["requestContext"]["requestId"], request_id)
        events.remove_targets(Rule="all", EventBusName=bus, Ids=["1"])
        events.delete_rule(Name="all", EventBusName=bus)
        events.delete_event_bus(Name=bus)

    def test_reservation_zero_goes_straight_to_failure(self):
        name = self.create()
        url, arn = self.queue()
        self.configure(name, DestinationConfig={"OnFailure": {"Destination": arn}})
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        self.event(name, {})
        record = json.loads(self.message(url)["Body"])
        self.assertEqual((record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]),
                         ("ZeroReservedConcurrency", 0))
        self.assertNotIn("responseContext", record)

    def test_throttled_events_come_through(self):
        name = self.create()
        url, arn = self.queue()
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        self.configure(name, MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}})
        sent = {self.event(name, {"sleep": 0.05}) for _ in range(20)}
        records = [json.loads(self.message(url)["Body"]) for _ in sent]
        self.assertEqual({r["requestContext"]["requestId"] for r in records}, sent)
        self.assertEqual({r["requestContext"]["condition"] for r in records}, {"Success"})

    def test_a_function_that_invokes_itself_is_stopped(self):
        code = {"app.py": """
import json, os
import boto3

def handler(event, context):
    boto3.client("lambda", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).invoke(
        FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps({"n": event["n"] + 1}))
    return event["n"]
"""}
        name = self.create(Code={"ZipFile": zip_of(code)}, Timeout=20, MemorySize=512)
        url, arn = self.queue()
        self.configure(name, DestinationConfig={"OnFailure": {"Destination": arn}})
        self.event(name, {"n": 1})
        record = json.loads(self.message(url)["Body"])
        self.assertEqual(record["requestContext"]["condition"], "RecursiveInvocation", record)
        self.assertEqual(record["requestPayload"], {"n": 17})

    def test_a_chain_of_callers_is_stopped(self):
        name = self.create()
        mark = hashlib.sha256((ARN + name).encode()).hexdigest()[:8]
        for count, status in ((15, 200), (16, 400)):
            header = {"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=40:%s:%d" % (mark, count)}
            answer = self.request("POST", "/2015-03-31/functions/%s/invocations" % name, b"{}", header)
            self.assertEqual(answer[0], status, answer)
        self.assertEqual(answer[1]["x-amzn-errortype"], "RecursiveInvocationException")
        config = "/2024-08-31/functions/%s/recursion-config" % name  # older SDKs do not have it
        self.assertEqual(self.request_json("PUT", config, {"RecursiveLoop": "Allow"})[0], 200)
        answer = self.request("POST", "/2015-03-31/functions/%s/invocations" % name, b"{}", header)
        self.assertEqual(answer[0], 200)
        self.assertRegex(answer[1]["x-amzn-trace-id"], "^Root=1-5759e988-bd862e3fe1be46a994272793;.*;Lineage=41:%s:17$" % mark)

    def test_events_survive_kill_9(self):
        name = self.create()
        url, arn = self.queue()
        self.configure(name, MaximumRetryAttempts=2, DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}})
        sent = {self.event(name, {"sleep": 0.2}) for _ in range(60)}
        self.server.stop(sig=9)
        self.server.start(listen=self.server.url.split("//")[1])
        seen = set()
        while seen != sent:
            seen.add(json.loads(self.message(url)["Body"])["requestContext"]["requestId"])
            self.assertLessEqual(seen, sent)

    def test_a_function_that_is_made_anew_has_none_of_the_old_events(self):
        name = self.create()
        url, arn = self.queue()
        destinations = {k: {"Destination": arn} for k in ("OnSuccess", "OnFailure")}
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        self.configure(name, DestinationConfig=destinations)
        for _ in range(50):
            self.event(name, {"sleep": 0.3})
        self.client.delete_function(FunctionName=name)
        self.create(name)
        self.configure(name, DestinationConfig=destinations)
        first, last = (self.event(name, {"n": n}) for n in range(2))
        seen = set()
        while not {first, last} <= seen:
            seen.add(json.loads(self.message(url)["Body"])["requestContext"]["requestId"])
        self.assertLessEqual(len(seen), 2 + 10)  # some had ended before
        self.client.delete_function(FunctionName=name)

    def test_a_graceful_end_runs_nothing_twice(self):
        name = self.create()
        url, arn = self.queue()
        self.configure(name, DestinationConfig={"OnSuccess": {"Destination": arn}})
        sent = {self.event(name, {"sleep": 0.5}) for _ in range(5)}
        while sum(self.starts(name, i) for i in sent) < 5:
            time.sleep(0.02)
        self.assertEqual(self.server.stop(), 0)
        self.server.start(listen=self.server.url.split("//")[1])
        seen = [json.loads(self.message(url)["Body"])["requestContext"]["requestId"] for _ in sent]
        self.assertEqual(sorted(seen), sorted(sent))
        self.assertEqual([self.starts(name, i) for i in sent], [1] * 5)


if __name__ == "__main__":
    main()
