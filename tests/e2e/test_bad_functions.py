"""Functions and runtimes that misbehave: the caller gets Lambda's answer, and the next invocation works again."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
from harness import Server, shell_zip, zip_of  # noqa: E402

# A runtime in Python that does what the event says, with the Runtime API spoken by hand.
RUNTIME = '''#!/usr/bin/python3
import http.client, json, os, signal, socket, sys, time
API = os.environ["AWS_LAMBDA_RUNTIME_API"]
P = "/2018-06-01/runtime/invocation/"
def call(method, path, body=None, headers={}):
    c = http.client.HTTPConnection(API); c.request(method, path, body, headers); r = c.getresponse()
    return r.status, dict(r.getheaders()), r.read()
while True:
    status, head, event = call("GET", P + "next")
    rid = head["Lambda-Runtime-Aws-Request-Id"]
    e = json.loads(event)
    do = e.get("do")
    if do == "exit": os._exit(e.get("code", 0))
    if do == "signal": os.kill(os.getpid(), e["signal"])
    if do == "wrong-id":
        got = call("POST", P + "11111111-2222-3333-4444-555555555555/response", "{}")
        call("POST", P + rid + "/response", json.dumps([got[0], json.loads(got[2])])); continue
    if do == "early-next":
        got = call("GET", P + "next")
        call("POST", P + rid + "/response", json.dumps([got[0], json.loads(got[2])])); continue
    if do == "twice":
        call("POST", P + rid + "/response", '"first"')
        got = call("POST", P + rid + "/response", '"second"')
        print("SECOND", got[0], got[2].decode(), flush=True); continue
    if do == "big":
        got = call("POST", P + rid + "/response", b'"' + b"x" * e["bytes"] + b'"'); continue
    if do == "half":
        s = socket.create_connection(API.split(":"))
        s.sendall(("POST " + P + rid + "/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1000\\r\\n\\r\\nhalf").encode())
        time.sleep(0.2)
        if e.get("exit"): os._exit(3)
        s.close(); time.sleep(60)
    if do == "mode":
        call("POST", P + rid + "/response", "{}", {"Lambda-Runtime-Function-Response-Mode": "odd"}); continue
    if do == "error":
        call("POST", P + rid + "/error", json.dumps({"errorMessage": "m", "errorType": "T"}), {"Lambda-Runtime-Function-Error-Type": "Function.T"}); continue
    if do == "fork":
        if os.fork() == 0:
            time.sleep(600); os._exit(0)
        call("POST", P + rid + "/response", '"forked"'); continue
    if do == "close":
        for fd in range(0, 50):
            try: os.close(fd)
            except OSError: pass
        call("POST", P + rid + "/response", '"closed"'); continue
    if do == "ignore-term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        call("POST", P + rid + "/response", '"ok"'); continue
    if do == "sleep": time.sleep(e["s"])
    if do == "print":
        line = b"y" * 1023 + b"\\n"
        left = e["bytes"]
        while left > 0:
            os.write(1, line * 64); left -= 65536
    if do == "no-next":
        call("POST", P + rid + "/response", '"answered"'); time.sleep(600)
    call("POST", P + rid + "/response", json.dumps({"pid": os.getpid(), "done": do}))
'''


class BadFunctions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server.shared()
        cls.client = cls.server.client()
        cls.name = cls.server.deploy({"bootstrap": (RUNTIME, 0o755)}, "provided.al2023", "x", Timeout=4, MemorySize=256)

    def invoke(self, event, name=None, **more):
        r = self.client.invoke(FunctionName=name or self.name, Payload=json.dumps(event).encode(), **more)
        return r, json.loads(r["Payload"].read())

    def check_works_again(self, name=None):
        r, body = self.invoke({"do": "nothing"}, name)
        self.assertNotIn("FunctionError", r)
        self.assertEqual(body["done"], "nothing")

    def check_error(self, event, kind, message, name=None):
        r, body = self.invoke(event, name)
        self.assertEqual(r["StatusCode"], 200)
        self.assertEqual(r["FunctionError"], "Unhandled")
        self.assertEqual(body["errorType"], kind, body)
        request_id = r["ResponseMetadata"]["RequestId"]
        self.assertEqual(body["errorMessage"], message.replace("<id>", request_id))

    def test_exit_without_reason(self):
        self.check_error({"do": "exit"}, "Runtime.ExitError", "RequestId: <id> Error: Runtime exited without providing a reason")
        self.check_works_again()

    def test_exit_status(self):
        self.check_error({"do": "exit", "code": 7}, "Runtime.ExitError", "RequestId: <id> Error: Runtime exited with error: exit status 7")
        self.check_works_again()

    def test_killed_by_signal(self):
        self.check_error({"do": "signal", "signal": 9}, "Runtime.ExitError", "RequestId: <id> Error: Runtime exited with error: signal: killed")
        self.check_error({"do": "signal", "signal": 11}, "Runtime.ExitError",
                         "RequestId: <id> Error: Runtime exited with error: signal: segmentation fault")
        self.check_works_again()

    def test_timeout(self):
        name = self.server.deploy({"bootstrap": (RUNTIME, 0o755)}, "provided.al2023", "x", Timeout=1)
        self.check_error({"do": "sleep", "s": 30}, "Sandbox.Timedout", "RequestId: <id> Error: Task timed out after 1.00 seconds", name)
        self.check_works_again(name)

    def test_wrong_id_and_wrong_order(self):
        _, body = self.invoke({"do": "wrong-id"})
        self.assertEqual(body, [400, {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}])
        _, body = self.invoke({"do": "early-next"})
        self.assertEqual(body[0], 403)
        self.assertEqual(body[1]["errorType"], "InvalidStateTransition")
        _, body = self.invoke({"do": "twice"})
        self.assertEqual(body, "first")
        self.check_works_again()

    def test_answer_at_and_over_the_limit(self):
        r, body = self.invoke({"do": "big", "bytes": 6291554})
        self.assertNotIn("FunctionError", r)
        self.assertEqual(len(body), 6291554)
        self.check_error({"do": "big", "bytes": 6291555}, "Function.ResponseSizeTooLarge",
                         "Response payload size exceeded maximum allowed payload size (6291556 bytes).")
        self.check_works_again()

    def test_exit_in_the_middle_of_the_answer(self):
        self.check_error({"do": "half", "exit": True}, "Runtime.ExitError", "RequestId: <id> Error: Runtime exited with error: exit status 3")
        self.check_works_again()

    def test_answer_that_breaks_off(self):
        self.check_error({"do": "half"}, "Runtime.TruncatedResponse", "RequestId: <id> Error: Runtime response was truncated")
        self.check_works_again()

    def test_unknown_response_mode(self):
        r, body = self.invoke({"do": "mode"})
        self.assertEqual(body["errorType"], "Runtime.InvalidResponseModeHeader")
        self.check_works_again()

    def test_error_passes_through(self):
        r, body = self.invoke({"do": "error"})
        self.assertEqual((r["FunctionError"], body), ("Unhandled", {"errorMessage": "m", "errorType": "T"}))
        self.check_works_again()

    def test_forks_and_goes_on(self):
        _, body = self.invoke({"do": "fork"})
        self.assertEqual(body, "forked")
        self.check_works_again()

    def test_closes_its_descriptors(self):
        _, body = self.invoke({"do": "close"})
        self.assertEqual(body, "closed")
        self.check_works_again()

    def test_ignores_sigterm(self):
        self.invoke({"do": "ignore-term"})
        self.check_works_again()

    def test_prints_without_end(self):
        r, body = self.invoke({"do": "print", "bytes": 64 << 20}, LogType="Tail")
        self.assertEqual(body["done"], "print")
        self.check_works_again()

    def test_prints_a_gigabyte_within_its_time(self):
        name = self.server.deploy({"bootstrap": (RUNTIME, 0o755)}, "provided.al2023", "x", Timeout=60)
        r, body = self.invoke({"do": "print", "bytes": 1 << 30}, name)
        self.assertEqual(body["done"], "print")
        logs = os.path.join(self.server.data, "logs")
        used = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(logs) for f in fs)
        self.assertLess(used, 600 << 20)

    def test_never_asks_for_the_next(self):
        name = self.server.deploy({"bootstrap": (RUNTIME, 0o755)}, "provided.al2023", "x", Timeout=1)
        _, body = self.invoke({"do": "no-next"}, name)
        self.assertEqual(body, "answered")
        self.check_works_again(name)

    def test_never_reads_its_input(self):
        name = self.server.deploy(shell_zip('''
exec 3<>/dev/null
while :; do sleep 1; done
'''), "provided.al2023", "x", Timeout=1)
        r, body = self.invoke({"a": "x" * 1000000}, name)
        self.assertEqual(r["FunctionError"], "Unhandled")
        self.assertEqual(body["errorType"], "Sandbox.Timedout")

    def test_no_bootstrap(self):
        name = self.server.deploy({"other": "x"}, "provided.al2023", "x")
        self.check_error({}, "Runtime.InvalidEntrypoint",
                         "RequestId: <id> Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]", name)

    def test_bootstrap_without_the_execute_bit(self):
        name = self.server.deploy({"bootstrap": ("#!/bin/sh\n", 0o644)}, "provided.al2023", "x")
        self.check_error({}, "Runtime.InvalidEntrypoint", "RequestId: <id> Error: fork/exec /var/task/bootstrap: permission denied", name)

    def test_out_of_memory(self):
        name = self.server.deploy({"app.py": "def handler(e, c):\n    x = bytearray(400 << 20)\n    return len(x)\n"}, MemorySize=128, Timeout=20)
        r, body = self.invoke({}, name, LogType="Tail")
        self.assertEqual(body["errorType"], "Runtime.ExitError")
        self.assertIn("signal: killed", body["errorMessage"])
        import base64
        self.assertIn("Runtime.OutOfMemory", base64.b64decode(r["LogResult"]).decode())

    def test_handler_that_does_not_exist(self):
        name = self.server.deploy({"app.py": "def other(e, c):\n    return 1\n"})
        r, body = self.invoke({}, name)
        self.assertEqual(r["FunctionError"], "Unhandled")
        self.assertEqual(body["errorType"], "Runtime.HandlerNotFound")
        self.assertEqual(body["errorMessage"], "Handler 'handler' missing on module 'app'")
        self.assertEqual(body["requestId"], "")

    def test_syntax_error(self):
        name = self.server.deploy({"app.py": "def handler(e, c:\n"})
        _, body = self.invoke({}, name)
        self.assertEqual(body["errorType"], "Runtime.UserCodeSyntaxError")

    def test_init_that_takes_too_long_runs_again_inside_the_invocation(self):
        name = self.server.deploy({"app.py": "import time\ntime.sleep(60)\ndef handler(e, c):\n    return 1\n"}, Timeout=1)
        self.check_error({}, "Sandbox.Timedout", "RequestId: <id> Error: Task timed out after 1.00 seconds", name)

    def test_payload_limits_and_json(self):
        from botocore.exceptions import ClientError
        with self.assertRaises(ClientError) as e:
            self.client.invoke(FunctionName=self.name, Payload=b'"' + b"x" * 6291455 + b'"')
        self.assertEqual(e.exception.response["ResponseMetadata"]["HTTPStatusCode"], 413)
        r, body = self.invoke({"do": "none", "x": "y" * (6291456 - 100)})
        self.assertEqual(body["done"], "none")
        with self.assertRaises(ClientError) as e:
            self.client.invoke(FunctionName=self.name, Payload=b"{nonsense")
        self.assertEqual(e.exception.response["Error"]["Code"], "InvalidRequestContentException")
        self.assertIn("Could not parse request body into json", e.exception.response["Error"]["Message"])


if __name__ == "__main__":
    unittest.main()
