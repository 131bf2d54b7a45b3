"""Invoke: answers, headers, qualifiers, limits and refusals."""
import base64
import json

from api_case import ARN, ApiCase, main, needs_server, zip_of


class Invoke(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.name = cls.server.deploy({"app.py": "def handler(event, context):\n    print('hello')\n    return event\n",
                                      "error.py": "def handler(event, context):\n    raise Exception('as wanted')\n"})
        cls.addClassCleanup(cls.client.delete_function, FunctionName=cls.name)

    def test_answer(self):
        answer = self.client.invoke(FunctionName=self.name, Payload=b'{"n": [1, "\\u00e9"]}')
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(json.loads(answer["Payload"].read()), {"n": [1, "é"]})
        self.assertEqual((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
        self.assertEqual((headers["content-type"], headers["x-amzn-remapped-content-length"]), ("application/json", "0"))
        self.assertRegex(headers["x-amzn-requestid"], "^[0-9a-f-]{36}$")
        self.assertRegex(headers["x-amzn-trace-id"], "^[Rr]oot=1-")
        self.assertNotIn("x-amz-log-result", headers)
        self.assertNotIn("FunctionError", answer)

    def test_tail(self):
        answer = self.client.invoke(FunctionName=self.name, Payload=b"1", LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode()
        self.assertIn("START", log)
        self.assertIn("END", log)

    def test_function_error(self):
        name = self.create(Handler="error.handler")
        answer = self.client.invoke(FunctionName=name, Payload=b"{}")
        self.assertEqual((answer["StatusCode"], answer["FunctionError"]), (200, "Unhandled"))

    def test_dry_run(self):
        answer = self.client.invoke(FunctionName=self.name, InvocationType="DryRun")
        self.assertEqual((answer["StatusCode"], answer["Payload"].read()), (204, b""))
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", self.client.invoke, FunctionName="nope",
                   InvocationType="DryRun")

    def test_names(self):
        for form in (self.name, ARN + self.name, "000000000000:function:" + self.name, self.name + ":$LATEST"):
            self.assertEqual(self.client.invoke(FunctionName=form, Payload=b"3")["Payload"].read(), b"3")

    def test_qualifiers(self):
        name = self.create(Publish=True)
        self.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        for arguments, version in (({"Qualifier": "1"}, "1"), ({"Qualifier": "live"}, "1"), ({"Qualifier": "$LATEST"}, "$LATEST"), ({}, "$LATEST")):
            self.assertEqual(self.client.invoke(FunctionName=name, **arguments)["ExecutedVersion"], version)
        for q in ("10", "aliasdoesnotexist"):
            self.fails(404, "ResourceNotFoundException", "Function not found: %s%s:%s" % (ARN, name, q), self.client.invoke,
                       FunctionName=name, Qualifier=q)

    def test_payload_that_is_no_json(self):
        start = "Could not parse request body into json: Could not parse payload into json: "
        source = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: %d]"
        for payload, message in ((b'{"\x87', "Invalid UTF-8 start byte 0x87" + source % 3),
                                 (b"\x99", "Unexpected character ((CTRL-CHAR, code 153)): expected a valid value (JSON String, Number, "
                                  "Array, Object or token 'null', 'true' or 'false')" + source % 1)):
            with self.subTest(payload=payload):
                status, headers, body = self.request("POST", "/2015-03-31/functions/%s/invocations" % self.name, payload)
                said = json.loads(body)["message"]
                self.assertEqual((status, headers["x-amzn-errortype"]), (400, "InvalidRequestContentException"))
                self.assertEqual(said.split("; line")[0], (start + message).split("; line")[0])

    def test_largest_payload(self):
        payload = json.dumps("x" * (6291456 - 2)).encode()
        self.assertEqual(len(payload), 6291456)
        self.assertEqual(self.client.invoke(FunctionName=self.name, Payload=payload)["Payload"].read(), payload)
        self.fails(413, "RequestTooLargeException", "6291457 byte payload is too large for the RequestResponse invocation type (limit "
                   "6291456 bytes)", self.client.invoke, FunctionName=self.name, Payload=payload + b" ")

    def test_large_payload_that_is_no_json(self):
        with self.assertRaises(self.client.exceptions.InvalidRequestContentException):
            self.client.invoke(FunctionName=self.name, Payload=b"[" + b"1," * 100000)

    def test_bad_headers(self):
        self.fails(400, "ValidationException", "1 validation error detected: Value 'Never' at 'invocationType' failed to satisfy constraint: "
                   "Member must satisfy enum value set: [RequestResponse, Event, DryRun]", self.client.invoke, FunctionName=self.name,
                   InvocationType="Never")

    def test_client_context(self):
        context = base64.b64encode(b'{"client": {"app_title": "t"}}').decode()
        self.assertEqual(self.client.invoke(FunctionName=self.name, ClientContext=context, Payload=b"1")["StatusCode"], 200)
        with self.assertRaises(self.client.exceptions.InvalidRequestContentException):
            self.client.invoke(FunctionName=self.name, ClientContext="?")

    @needs_server
    def test_client_context_arrives(self):
        name = self.create(Code={"ZipFile": zip_of(
            {"app.py": "def handler(e, c):\n    return [c.client_context.client.app_title, c.invoked_function_arn]\n"})})
        context = base64.b64encode(b'{"client": {"app_title": "t"}}').decode()
        answer = self.client.invoke(FunctionName=name, ClientContext=context, Qualifier="$LATEST")
        self.assertEqual(json.loads(answer["Payload"].read()), ["t", ARN + name + ":$LATEST"])

    def test_stopped_by_reservation(self):
        name = self.create()
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        answer = self.fails(429, "TooManyRequestsException", "Rate Exceeded.", self.client.invoke, FunctionName=name)
        self.assertEqual(answer["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded")
        self.assertIn("retry-after", answer["ResponseMetadata"]["HTTPHeaders"])

    def test_unknown(self):
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "doesnotexist", self.client.invoke,
                   FunctionName="doesnotexist")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "some-function:$LATEST", self.client.invoke,
                   FunctionName="some-function", Qualifier="$LATEST")


if __name__ == "__main__":
    main()
