"""External extensions from layers and internal ones in the function's process: the order of their lives, what they are told, what
their failures mean."""
import concurrent.futures
import json
import os
import time
import unittest

from support import call, tail
from harness import Server, zip_of

AGENT = r'''#!/usr/bin/python3 -S
import json, os, socket, sys, time
name = os.path.basename(sys.argv[0])
do = json.loads(os.environ.get("AGENT", "{}")).get(name, {})
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")

def say(*words):
    print(name + ":", *words, flush=True)

def api(method, path, headers={}, body=""):
    s = socket.create_connection((host, int(port)))
    head = "".join("%s: %s\r\n" % h for h in headers.items())
    s.sendall(("%s /2020-01-01/extension/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s" % (
        method, path, len(body), head, body)).encode())
    got = b""
    while piece := s.recv(65536):
        got += piece
    head, _, body = got.decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    return int(lines[0].split()[1]), dict(l.lower().split(": ", 1) for l in lines[1:]), json.loads(body)

say("started in", os.getcwd(), "with", sorted(k for k in ("_HANDLER", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_FUNCTION_NAME", "XX") if k in os.environ))
if "exit" in do:
    sys.exit(do["exit"])
status, headers, body = api("POST", "register", {"Lambda-Extension-Name": name}, json.dumps({"events": do.get("events", ["INVOKE", "SHUTDOWN"])}))
say("registered", status, body.get("functionName", body))
mine = {"Lambda-Extension-Identifier": headers["lambda-extension-identifier"]}
if "init_error" in do:
    say("error", api("POST", "init/error", {**mine, "Lambda-Extension-Function-Error-Type": do["init_error"]})[0])
    sys.exit(9)
while True:
    status, headers, event = api("GET", "event/next", mine)
    say(event["eventType"], event.get("requestId", event.get("shutdownReason")))
    if event["eventType"] == "SHUTDOWN":
        time.sleep(do.get("leave", 0))
        say("left")
        sys.exit(0)
    time.sleep(do.get("work", 0))
    if "crash" in do:
        sys.exit(do["crash"])
    say("done")
'''

FUNCTION = r'''
import os, signal, time
print("function: loaded", flush=True)
signal.signal(signal.SIGTERM, lambda *_: (print("function: TERM", flush=True), os._exit(0)))
def handler(event, context):
    print("function:", context.aws_request_id, flush=True)
    time.sleep(event.get("sleep", 0))
    if event.get("exit"):
        os._exit(1)
    return os.getpid()
'''

INTERNAL = r'''
import http.client, json, os, threading
def agent(ready):
    c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    c.request("POST", "/2020-01-01/extension/register", json.dumps({"events": ["INVOKE"]}), {"Lambda-Extension-Name": "within"})
    r = c.getresponse()
    r.read()
    mine = {"Lambda-Extension-Identifier": r.headers["Lambda-Extension-Identifier"]}
    ready.set()
    while True:
        c.request("GET", "/2020-01-01/extension/event/next", headers=mine)
        print("within:", json.loads(c.getresponse().read())["eventType"], flush=True)
ready = threading.Event()
threading.Thread(target=agent, args=(ready,), daemon=True).start()
ready.wait()
''' + FUNCTION


class Extensions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.client, cls.logs = cls.server.client(), cls.server.client("logs")
        cls.layers = {}

    def layer(self, *names, mode=0o755, text=AGENT):
        key = (names, mode, text)
        if key not in self.layers:
            content = zip_of({"extensions/" + name: (text, mode) for name in names})
            self.layers[key] = self.client.publish_layer_version(LayerName="l%d" % len(self.layers), Content={"ZipFile": content})["LayerVersionArn"]
        return self.layers[key]

    def deploy(self, layers, agent=None, function=FUNCTION, **settings):
        variables = {"AGENT": json.dumps(agent or {}), "XX": "1"}
        return self.server.deploy({"app.py": function}, Layers=layers, Environment={"Variables": variables}, **settings)

    def lines(self, name):
        got = self.logs.filter_log_events(logGroupName="/aws/lambda/" + name)["events"]
        return "".join(e["message"] if e["message"].endswith("\n") else e["message"] + "\n" for e in got)

    def until(self, name, *texts):
        end = time.monotonic() + 20
        while True:
            log = self.lines(name)
            if all(t in log for t in texts):
                return log
            if time.monotonic() > end:
                self.fail("no %r in\n%s" % (texts, log))
            time.sleep(0.05)

    def in_order(self, log, *texts):
        at = -1
        for text in texts:
            next_at = log.find(text, at + 1)
            self.assertGreater(next_at, at, "%r is not where it should be in\n%s" % (text, log))
            at = next_at

    def test_lives(self):
        name = self.deploy([self.layer("agent"), self.layer("second")], {"second": {"events": ["INVOKE"]}})
        answer, _ = call(self.client, name, LogType="Tail")
        self.assertNotIn("FunctionError", answer)
        log, request = tail(answer), answer["ResponseMetadata"]["RequestId"]
        self.assertIn("agent: INVOKE " + request, log)
        self.in_order(log, "START ", "agent: done", "END ", "REPORT ")
        log = self.lines(name)
        self.in_order(log, "INIT_START", "agent: started in / with ['AWS_LAMBDA_FUNCTION_NAME', 'XX']", "agent: registered 200 " + name,
                      "function: loaded", "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\n",
                      "EXTENSION\tName: second\tState: Ready\tEvents: [INVOKE]\n", "START ")
        self.assertIn("second: INVOKE " + request, log)
        self.client.update_function_configuration(FunctionName=name, Description="other")
        log = self.until(name, "agent: left")
        self.in_order(log, "REPORT ", "function: TERM", "agent: SHUTDOWN spindown", "agent: left")
        self.assertNotIn("second: SHUTDOWN", log)

    def test_the_answer_does_not_wait(self):
        name = self.deploy([self.layer("agent")], {"agent": {"work": 0.8}})
        answer, pid = call(self.client, name)
        self.assertIsInstance(pid, int)
        self.assertNotIn("REPORT ", self.lines(name))
        log = self.until(name, "REPORT ")
        self.in_order(log, "agent: done", "END ", "REPORT ")
        self.assertGreater(float(log.split("\tDuration: ")[1].split(" ")[0]), 790)

    def test_out_of_time(self):
        during = self.deploy([self.layer("agent")], Timeout=1)
        behind = self.deploy([self.layer("agent", "watch")], {"agent": {"work": 30}, "watch": {"events": ["SHUTDOWN"]}}, Timeout=1)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waits = pool.submit(call, self.client, during, {"sleep": 30})
            self.assertIsInstance(call(self.client, behind)[1], int)
            self.assertEqual(waits.result()[1]["errorType"], "Sandbox.Timedout")
        log = self.until(behind, "Status: timeout", "watch: left")
        self.in_order(log, "REPORT ", "watch: SHUTDOWN timeout")
        self.until(during, "agent: SHUTDOWN timeout", "agent: left")

    def test_a_runtime_that_ends(self):
        name = self.deploy([self.layer("agent")])
        answer, body = call(self.client, name, {"exit": 1})
        self.assertEqual((answer["FunctionError"], body["errorType"]), ("Unhandled", "Runtime.ExitError"))
        log = self.until(name, "agent: SHUTDOWN failure", "agent: left")
        self.in_order(log, "Error Type: Runtime.ExitError", "agent: SHUTDOWN failure")

    def test_a_crash_in_mid_invocation(self):
        name = self.deploy([self.layer("agent", "watch")], {"agent": {"crash": 3, "work": 0.2}})
        answer, body = call(self.client, name, {"sleep": 20}, LogType="Tail")
        request = answer["ResponseMetadata"]["RequestId"]
        self.assertEqual(body, {"errorType": "Extension.Crash", "errorMessage": "RequestId: %s Error: exit status 3" % request})
        self.in_order(tail(answer), "exit status 3\nExtension.Crash\n", "END ", "Status: error\tError Type: Extension.Crash")
        self.until(name, "watch: SHUTDOWN failure", "watch: left")

    def test_inits_that_fail(self):
        for layer, agent, kind, text, state in (
                (self.layer("agent"), {"agent": {"exit": 0}}, "Extension.Crash", "exit code 0", "State: Started\tEvents: []"),
                (self.layer("agent"), {"agent": {"init_error": "Extension.Mine"}}, "Extension.InitError", "exit status 9",
                 "State: InitError\tEvents: [INVOKE,SHUTDOWN]\tError Type: Extension.Mine"),
                (self.layer("agent", mode=0o644), {}, "Extension.LaunchError", "fork/exec /opt/extensions/agent: permission denied",
                 "State: LaunchError\tEvents: []\tError Type: PermissionDenied"),
                (self.layer("agent", text="no program"), {}, "Extension.LaunchError", "fork/exec /opt/extensions/agent: exec format error",
                 "State: LaunchError\tEvents: []\tError Type: UnknownError")):
            with self.subTest(kind=kind, text=text):
                name = self.deploy([layer], agent)
                answer, body = call(self.client, name)
                self.assertEqual(answer.get("FunctionError"), "Unhandled")
                self.assertEqual((body["errorType"], body["errorMessage"].partition("Error: ")[2]), (kind, text))
                log = self.lines(name)
                self.assertIn("EXTENSION\tName: agent\t" + state, log)
                self.assertIn("INIT_REPORT Init Duration:", log)
                self.assertIn("Status: error\tError Type: " + kind, log)
                self.assertNotIn("function: loaded", log)

    def test_eleven_are_too_many(self):
        name = self.deploy([self.layer(*("a%02d" % i for i in range(11)))])
        answer, body = call(self.client, name)
        self.assertEqual(body["errorType"], "Extension.LaunchError")
        self.assertIn("EXTENSION\tName: a10\tState: LaunchError\tEvents: []\tError Type: TooManyExtensions\n", self.lines(name))

    def test_a_layer_above_hides_one(self):
        quiet = self.layer("agent", text="#!/bin/sh\nexit 5\n")
        name = self.deploy([quiet, self.layer("agent")])
        self.assertNotIn("FunctionError", call(self.client, name)[0])

    def test_internal(self):
        name = self.deploy([], function=INTERNAL)
        answer, pid = call(self.client, name, LogType="Tail")
        self.in_order(tail(answer), "START ", "within: INVOKE", "END ")
        self.assertEqual(call(self.client, name)[1], pid)
        self.assertIn("EXTENSION\tName: within\tState: Ready\tEvents: [INVOKE]\n", self.lines(name))
        self.client.update_function_configuration(FunctionName=name, Description="other")
        self.until(name, "function: TERM")


    def test_an_environment_for_each_invocation(self):
        name = self.deploy([self.layer("agent")], Tags={"mayfly:isolation": "invocation"})
        for _ in range(2):
            self.assertNotIn("FunctionError", call(self.client, name)[0])
        for _ in range(400):
            log = self.lines(name)
            if log.count("agent: left") == 2:
                break
            time.sleep(0.05)
        self.assertEqual((log.count("agent: SHUTDOWN spindown"), log.count("function: loaded")), (2, 2))


class Server2(unittest.TestCase):
    """Of its own, since it is stopped."""

    def test_the_server_leaves_them_time(self):
        server = Server()
        self.addCleanup(server.close)
        content = zip_of({"extensions/agent": (AGENT, 0o755)})
        layer = server.client().publish_layer_version(LayerName="l", Content={"ZipFile": content})["LayerVersionArn"]
        name = server.deploy({"app.py": FUNCTION}, Layers=[layer], Environment={"Variables": {"AGENT": '{"agent": {"leave": 0.2}}'}})
        call(server.client(), name)
        self.assertEqual(server.stop(), 0)
        server.start()
        log = "".join(e["message"] for e in server.client("logs").filter_log_events(logGroupName="/aws/lambda/" + name)["events"])
        self.assertIn("agent: SHUTDOWN spindown", log)
        self.assertIn("agent: left", log)


if __name__ == "__main__":
    unittest.main()
