"""What a function sees: variables, context, user, folders; what lives from one invocation to the next; its log."""
import errno
import json
import os
import re
import socket
import unittest

from support import call, request, tail
from harness import Server, shell_zip

PROBE = r'''
import os, socket, sys
starts = 0
def refused(path):
    try:
        with open(path, "w"):
            return 0
    except OSError as e:
        return e.errno
def handler(event, context):
    global starts
    starts += 1
    do = event.get("do")
    if do == "environ":
        return dict(os.environ)
    if do == "context":
        return {"names": [context.function_name, context.function_version, context.memory_limit_in_mb, context.log_group_name],
                "arn": context.invoked_function_arn, "id": context.aws_request_id, "stream": context.log_stream_name,
                "left": context.get_remaining_time_in_millis(), "identity": context.identity.cognito_identity_id,
                "client": context.client_context and [context.client_context.custom, context.client_context.env,
                                                      context.client_context.client.app_title]}
    if do == "place":
        return {"cwd": os.getcwd(), "ids": [os.getuid(), os.getgid(), os.geteuid()], "groups": os.getgroups(), "host": socket.gethostname(),
                "refused": [refused(p) for p in ("/var/task/x", "/var/runtime/x", "/usr/x", "/etc/x", "/x")],
                "files": sorted(os.listdir("/var/task")),
                "pids": sorted(int(p) for p in os.listdir("/proc") if p.isdigit()), "argv": sys.argv[:1],
                "interfaces": [name for _, name in socket.if_nameindex()],
                "status": {l.split(":")[0]: l.split()[1] for l in open("/proc/self/status") if l.startswith(("CapEff", "CapBnd", "NoNewPrivs", "Seccomp:"))}}
    if do == "fill":
        with open("/tmp/big", "wb", buffering=0) as f:
            for n in range(1000):
                try:
                    f.write(bytes(1 << 20))
                except OSError as e:
                    return [n, e.errno]
    if do == "keep":
        with open("/tmp/kept", "a+") as f:
            f.write("x"); f.seek(0)
            return [starts, f.read(), os.getpid()]
    if do == "log":
        print("to stdout")
        print("to stderr", file=sys.stderr)
        import logging
        logging.getLogger().warning("through logging")
    return None
'''


class Environment(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server.shared()
        cls.client = cls.server.client()
        cls.name = cls.server.deploy({"app.py": PROBE, "data.txt": "x"}, Environment={"Variables": {"OWN": "ä=1", "LANG": "C"}},
                                     Timeout=10, MemorySize=192)

    def answer(self, do, name=None, **more):
        got, body = call(self.client, name or self.name, {"do": do}, **more)
        self.assertNotIn("FunctionError", got, body)
        return body

    def test_variables(self):
        e = self.answer("environ")
        stream = e.pop("AWS_LAMBDA_LOG_STREAM_NAME")
        self.assertRegex(stream, r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$")
        for secret in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            self.assertTrue(e.pop(secret), secret)
        self.assertRegex(e.pop("_X_AMZN_TRACE_ID"), r"^Root=1-[0-9a-f]{8}-[0-9a-f]{24};")
        self.assertIn("/usr/bin", e.pop("PATH").replace("/usr/bin/", "/usr/bin").split(":"))
        for folder in ("/var/task", "/var/task/lib", "/opt/lib"):
            self.assertIn(folder, e["LD_LIBRARY_PATH"].split(":"))
        expected = {
            "_HANDLER": "app.handler", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11", "AWS_LAMBDA_FUNCTION_NAME": self.name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "192", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + self.name, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
            "LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime", "TZ": ":UTC", "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000", "OWN": "ä=1", "LANG": "C"}
        self.assertEqual({k: e.get(k) for k in expected}, expected)
        # LC_CTYPE is Python's own doing where the machine lacks a locale.
        strangers = [k for k in e if k in os.environ and k not in expected and k not in ("HOME", "PWD", "SHLVL", "_", "AWS_ENDPOINT_URL", "LC_CTYPE")]
        self.assertEqual(strangers, [], "variables of the host's")

    def test_own_credentials_reach_the_api(self):
        import boto3
        e = self.answer("environ")
        sts = boto3.client("sts", endpoint_url=self.server.url, region_name="us-east-1", aws_access_key_id=e["AWS_ACCESS_KEY_ID"],
                           aws_secret_access_key=e["AWS_SECRET_ACCESS_KEY"], aws_session_token=e["AWS_SESSION_TOKEN"])
        self.assertEqual(sts.get_caller_identity()["Account"], "000000000000")

    def test_context(self):
        import base64
        custom = base64.b64encode(json.dumps({"custom": {"a": "b"}, "env": {"locale": "de"}, "client": {"app_title": "t"}}).encode()).decode()
        got, body = call(self.client, self.name, {"do": "context"}, ClientContext=custom)
        self.assertEqual(body["names"], [self.name, "$LATEST", "192", "/aws/lambda/" + self.name])
        self.assertEqual(body["arn"], "arn:aws:lambda:us-east-1:000000000000:function:" + self.name)
        self.assertEqual(body["id"], got["ResponseMetadata"]["RequestId"])
        self.assertEqual((body["client"], body["identity"]), ([{"a": "b"}, {"locale": "de"}, "t"], None))
        self.assertTrue(0 < body["left"] <= 10000, body["left"])

    def test_place(self):
        p = self.answer("place")
        self.assertEqual((p["cwd"], p["files"]), ("/var/task", ["app.py", "data.txt"]))
        self.assertNotEqual(p["ids"][0], 0)
        self.assertEqual(p["ids"][0], p["ids"][2])
        self.assertNotEqual(p["host"], socket.gethostname())
        for code in p["refused"]:
            self.assertIn(code, (13, 30), p["refused"])
        self.assertLess(len(p["pids"]), 6)
        self.assertEqual(p["interfaces"], ["lo"])
        self.assertEqual({k: int(v, 16) for k, v in p["status"].items()}, {"CapEff": 0, "CapBnd": 0, "NoNewPrivs": 1, "Seccomp": 2})

    def test_tmp_and_globals_live_between_invocations(self):
        name = self.server.deploy({"app.py": PROBE})
        first, second, third = (self.answer("keep", name) for _ in range(3))
        self.assertEqual(second, [2, "xx", first[2]])
        self.assertEqual(third, [3, "xxx", first[2]])
        other = self.server.deploy({"app.py": PROBE})
        self.assertEqual(self.answer("keep", other)[:2], [1, "x"])

    def test_tmp_is_full_at_its_size(self):
        name = self.server.deploy({"app.py": PROBE}, Timeout=60, MemorySize=1769)
        written, code = self.answer("fill", name)
        self.assertTrue(508 <= written <= 516, written)
        self.assertIn(code, (errno.ENOSPC, errno.EDQUOT))

    def test_cold_then_warm(self):
        name = self.server.deploy({"app.py": PROBE})
        cold, _ = call(self.client, name, {}, LogType="Tail")
        warm, _ = call(self.client, name, {}, LogType="Tail")
        report = (r"REPORT RequestId: %s\tDuration: [0-9.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t%s\n$")
        self.assertRegex(tail(cold), report % (cold["ResponseMetadata"]["RequestId"], r"Init Duration: [0-9.]+ ms\t"))
        self.assertRegex(tail(warm), report % (warm["ResponseMetadata"]["RequestId"], ""))

    def test_log_lines(self):
        got, _ = call(self.client, self.name, {"do": "log"}, LogType="Tail")
        request = got["ResponseMetadata"]["RequestId"]
        lines = tail(got).split("\n")
        start = lines.index("START RequestId: %s Version: $LATEST" % request)
        end = lines.index("END RequestId: %s" % request)
        said = lines[start + 1:end]
        self.assertEqual(sorted(l for l in said if l.startswith("to ")), ["to stderr", "to stdout"])
        self.assertEqual(len([l for l in said if re.match(r"\[WARNING\]\t\d{4}-\d\d-\d\dT\S+Z\t%s\tthrough logging$" % request, l)]), 1, said)
        events = self.server.client("logs").filter_log_events(logGroupName="/aws/lambda/" + self.name, filterPattern='"%s"' % request)["events"]
        self.assertTrue([e for e in events if e["message"].startswith("REPORT RequestId: " + request)], events)

    def test_json_log_format(self):
        name = self.server.deploy({"app.py": PROBE})
        status, got = request(self.server, "PUT", "/2015-03-31/functions/%s/configuration" % name, {"LoggingConfig": {"LogFormat": "JSON"}})
        self.assertEqual((status, got["LoggingConfig"]["LogFormat"]), (200, "JSON"))
        self.client.get_waiter("function_updated").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 100})
        got, _ = call(self.client, name, {"do": "log"}, LogType="Tail")
        lines = [json.loads(l) for l in tail(got).splitlines() if l.startswith("{")]
        types = [l.get("type") for l in lines]
        self.assertIn("platform.start", types)
        self.assertIn("platform.report", types)
        said = [l for l in lines if l.get("message") == "through logging"]
        self.assertEqual([(l["level"], l["requestId"]) for l in said], [("WARNING", got["ResponseMetadata"]["RequestId"])])

    def test_shell_sees_the_same_place(self):
        name = self.server.deploy(shell_zip(r'''
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while :; do
  curl -sS -D /tmp/head -o /dev/null "$api/next"
  id=$(tr -d '\r' </tmp/head | sed -n 's/^lambda-runtime-aws-request-id: *//Ip')
  curl -sS -o /dev/null -d "[\"$PWD\",\"$_HANDLER\",\"$(id -u)\",\"$(test -w /var/task && echo writable)\",\"$AWS_EXECUTION_ENV\"]" "$api/$id/response"
done
'''), "provided.al2023", "x.y")
        _, body = call(self.client, name)
        self.assertEqual([body[0], body[1], body[3], body[4]], ["/var/task", "x.y", "", ""])
        self.assertNotEqual(body[2], "0")

    def test_slow_init_runs_again_inside_the_invocation(self):
        """10 s for the init phase; then again, within the function's own time."""
        source = ("import time\n"
                  "time.sleep(10.5)\n"
                  "def handler(e, c):\n    return c.get_remaining_time_in_millis()\n")
        name = self.server.deploy({"app.py": source}, Timeout=14)
        got, left = call(self.client, name, LogType="Tail")
        self.assertNotIn("FunctionError", got, left)
        self.assertLess(left, 3600, "the second init counts towards the function's time")
        events = self.server.client("logs").filter_log_events(logGroupName="/aws/lambda/" + name)["events"]
        self.assertRegex("".join(e["message"] for e in events), r"INIT_REPORT Init Duration: [0-9.]+ ms\tPhase: init\tStatus: timeout")


if __name__ == "__main__":
    unittest.main()
