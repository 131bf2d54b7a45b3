"""InvokeWithResponseStream: its frames, their order and time, errors before and inside the stream."""
import base64
import json
import time
import unittest

import botocore.session
from botocore.exceptions import ClientError

from api_case import ARN, ApiCase, STUB, needs_server, unique
from harness import zip_of

STREAMING = zip_of({"app.py": '''
import os, time
def handler(event, context):
    if event == "early":
        raise KeyError("early")
    yield "one "
    if event == "late":
        raise ValueError("late")
    if event == "exit":
        time.sleep(0.05)
        os._exit(3)
    if event == "sleep":
        time.sleep(30)
    if event == "pause":
        time.sleep(0.3)
    if event == "large":
        for i in range(100):
            yield bytes([i]) * 100000
    else:
        yield "two"
'''})


knows_streams = unittest.skipUnless(
    "InvokeWithResponseStream" in botocore.session.get_session().get_service_model("lambda").operation_names,
    "this boto3 is too old for streams")


@knows_streams
class Streams(ApiCase):
    def stream(self, name, payload=b"{}", **more):
        """(answer, pieces, the closing event)"""
        answer = self.client.invoke_with_response_stream(FunctionName=name, Payload=payload, **more)
        events = list(answer["EventStream"])
        pieces = [e["PayloadChunk"]["Payload"] for e in events[:-1]]
        return answer, pieces, events[-1]["InvokeComplete"]

    def test_function_that_does_not_stream(self):
        name = self.create()
        answer, pieces, complete = self.stream(name, b'{"a": 1}')
        self.assertEqual((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
        self.assertEqual(answer["ResponseStreamContentType"], "application/vnd.amazon.eventstream")
        self.assertEqual(json.loads(b"".join(pieces)), {"a": 1})
        self.assertEqual(complete, {})
        self.assertRegex(answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"], "^[0-9a-f-]{36}$")

    def test_function_that_fails(self):
        name = self.create(Handler="error.handler")
        _, pieces, complete = self.stream(name, b'{"a": 1}')
        self.assertEqual((pieces, complete["ErrorCode"]), ([], "Unhandled"))
        if not STUB:
            self.assertEqual(json.loads(complete["ErrorDetails"])["errorMessage"], "as wanted")

    def test_tail_of_the_log(self):
        _, _, complete = self.stream(self.create(), LogType="Tail")
        self.assertIn(b"START", base64.b64decode(complete["LogResult"]))

    def test_versions_and_dry_run(self):
        name = self.create()
        version = self.client.publish_version(FunctionName=name)["Version"]
        answer, _, _ = self.stream(name, Qualifier=version)
        self.assertEqual(answer["ExecutedVersion"], version)
        answer, _, _ = self.stream(name + ":" + version)
        self.assertEqual(answer["ExecutedVersion"], version)
        status, _, body = self.request("POST", "/2021-11-15/functions/%s/response-streaming-invocations" % name, b"{}",
                                          {"X-Amz-Invocation-Type": "DryRun"})
        self.assertEqual((status, body), (204, b""))

    def test_errors_before_the_stream(self):
        name = self.create()
        call = self.client.invoke_with_response_stream
        missing = unique("missing")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + missing, call, FunctionName=missing)
        self.fails(400, "ValidationException", "1 validation error detected: Value 'Event' at 'invocationType' failed to satisfy constraint: "
                   "Member must satisfy enum value set: [RequestResponse, DryRun]", call, FunctionName=name, InvocationType="Event")
        with self.assertRaises(ClientError) as caught:
            call(FunctionName=name, Payload=b"{")
        self.assertEqual(caught.exception.response["Error"]["Code"], "InvalidRequestContentException")
        self.fails(413, "RequestTooLargeException", "6291458 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)",
                   call, FunctionName=name, Payload=b'"' + b"x" * 6291456 + b'"')
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        self.fails(429, "TooManyRequestsException", "Rate Exceeded.", call, FunctionName=name)

    @unittest.skipUnless(STUB, "of the stub")
    def test_pieces_of_the_stub(self):
        self.assertEqual(self.stream(self.create(Handler="stream.x"), b"[1]")[1:], ([b"one ", b"[1]"], {}))
        _, pieces, complete = self.stream(self.create(Handler="stream.error"), b"[1]")
        self.assertEqual((pieces, complete), ([b"one ", b"[1]"], {"ErrorCode": "My.Type", "ErrorDetails": '{"errorMessage":"no"}'}))


@knows_streams
@needs_server
class Streaming(ApiCase):
    stream = Streams.stream

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.name = unique("streaming")
        cls.client.create_function(FunctionName=cls.name, Runtime="python3.12", Handler="app.handler", Role="arn:aws:iam::000000000000:role/any",
                                   Code={"ZipFile": STREAMING}, Timeout=1)
        cls.client.get_waiter("function_active_v2").wait(FunctionName=cls.name)
        cls.addClassCleanup(cls.client.delete_function, FunctionName=cls.name)

    def test_each_piece_when_it_is_yielded(self):
        self.stream(self.name)
        answer = self.client.invoke_with_response_stream(FunctionName=self.name, Payload=b'"pause"')
        times = []
        for event in answer["EventStream"]:
            times.append((list(event), time.monotonic()))
        self.assertEqual([t[0] for t in times], [["PayloadChunk"], ["PayloadChunk"], ["InvokeComplete"]])
        self.assertGreater(times[1][1] - times[0][1], 0.2)

    def test_large(self):
        _, pieces, complete = self.stream(self.name, b'"large"')
        self.assertEqual(complete, {})
        self.assertEqual(b"".join(pieces), b"one " + b"".join(bytes([i]) * 100000 for i in range(100)))

    def test_errors_inside_the_stream(self):
        _, pieces, complete = self.stream(self.name, b'"late"', LogType="Tail")
        self.assertEqual((pieces, complete["ErrorCode"]), ([b"one "], "ValueError"))
        self.assertEqual(json.loads(complete["ErrorDetails"])["errorMessage"], "late")
        self.assertIn(b"[ERROR] ValueError: late", base64.b64decode(complete["LogResult"]))
        _, pieces, complete = self.stream(self.name, b'"early"')
        self.assertEqual((pieces, complete["ErrorCode"]), ([], "Unhandled"))
        self.assertEqual(json.loads(complete["ErrorDetails"])["errorType"], "KeyError")

    def test_ends_inside_the_stream(self):
        _, pieces, complete = self.stream(self.name, b'"exit"', LogType="Tail")
        self.assertEqual((pieces, complete["ErrorCode"]), ([b"one "], "Runtime.ExitError"))
        self.assertIn("exit status 3", json.loads(complete["ErrorDetails"])["errorMessage"])
        self.assertIn(b"Status: error\tError Type: Runtime.ExitError", base64.b64decode(complete["LogResult"]))
        _, pieces, complete = self.stream(self.name, b'"sleep"', LogType="Tail")
        self.assertEqual((pieces, complete["ErrorCode"]), ([b"one "], "Sandbox.Timedout"))
        self.assertIn("Task timed out after 1.00 seconds", json.loads(complete["ErrorDetails"])["errorMessage"])
        self.assertIn(b"Status: timeout", base64.b64decode(complete["LogResult"]))

    def test_plain_invoke_is_buffered(self):
        answer = self.client.invoke(FunctionName=self.name, Payload=b"1")
        self.assertEqual((answer["Payload"].read(), answer.get("FunctionError")), (b"one two", None))
        answer = self.client.invoke(FunctionName=self.name, Payload=b'"late"')
        self.assertEqual((json.loads(answer["Payload"].read())["errorType"], answer["FunctionError"]), ("ValueError", "Unhandled"))
        answer = self.client.invoke(FunctionName=self.name, Payload=b'"large"')
        self.assertEqual(json.loads(answer["Payload"].read())["errorType"], "Function.ResponseSizeTooLarge")

    def test_client_that_leaves(self):
        answer = self.client.invoke_with_response_stream(FunctionName=self.name, Payload=b'"pause"')
        next(iter(answer["EventStream"]))
        answer["EventStream"].close()
        self.assertEqual(self.stream(self.name)[1], [b"one ", b"two"])


if __name__ == "__main__":
    unittest.main()
