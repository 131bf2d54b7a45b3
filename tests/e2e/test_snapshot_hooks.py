"""Hooks around the image in every managed runtime, and SnapStart as the SDK knows it."""
import shutil
import threading
import unittest

from snapshot_case import SINGLE, SnapshotCase
from support import call, compiled, tail, wait_until
from harness import ROOT

PYTHON = r'''
import os, time
from snapshot_restore_py import register_after_restore, register_before_snapshot
ran = []
@register_before_snapshot
def first():
    ran.append("before 1")
register_before_snapshot(lambda word: ran.append("before " + word), "2")
@register_after_restore
def again():
    ran.append("after 1")
    if os.environ.get("HOOK") == "raise":
        raise ValueError("the hook's")
    if os.environ.get("HOOK") == "sleep":
        time.sleep(30)
register_after_restore(lambda: ran.append("after 2"))
time.sleep(float(os.environ.get("INIT_S", "0")))
if os.environ.get("HOOK") == "init":
    raise KeyError("at init")
def handler(e, c):
    return {"ran": ran, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "key": bool(os.environ.get("AWS_ACCESS_KEY_ID"))}
'''
NODE = r'''
const ran = [];
awslambda.snapshot.beforeCheckpoint(async () => { ran.push("before"); });
awslambda.snapshot.afterRestore(async () => { await new Promise((done) => setTimeout(done, 5)); ran.push("after"); });
exports.handler = async () => ({ ran, type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE });
'''
JAVA = r'''
import java.util.*;
public class Hooked implements org.crac.Resource {
    private static final List<String> RAN = new ArrayList<>();
    private static final Hooked KEPT = new Hooked();
    static { org.crac.Core.getGlobalContext().register(KEPT); }
    public void beforeCheckpoint(org.crac.Context<? extends org.crac.Resource> c) { RAN.add("before"); }
    public void afterRestore(org.crac.Context<? extends org.crac.Resource> c) { RAN.add("after"); }
    public Map<String, Object> handle(Map<String, Object> event) { return Map.of("ran", RAN, "type", System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE")); }
}
'''
WAIT = {"Delay": 0.05, "MaxAttempts": 400}


def java_hooks():
    jar = ROOT + "/runtimes/java/runtime.jar"
    return compiled("Hooked.java", JAVA, ["sh", "-c", "mkdir {out}.c && javac -cp %s -d {out}.c {source} && jar cf {out} -C {out}.c . && rm -r {out}.c" % jar])


class Hooks(SnapshotCase):
    def test_python(self):
        name, first = self.ready({"app.py": PYTHON}, tags=SINGLE)
        self.assertEqual(first["ran"], [], "a plain start runs no hooks")
        for _ in range(3):
            answer = self.call(name)
            self.assertEqual((answer.kind, answer.value["ran"], answer.value["type"]),
                             ("restored", ["before 2", "before 1", "after 1", "after 2"], "on-demand"))

    def test_nodejs(self):
        name, first = self.ready({"app.js": NODE}, tags=SINGLE, runtime="nodejs20.x")
        self.assertEqual(first["ran"], [])
        for _ in range(3):
            answer = self.call(name)
            self.assertEqual((answer.kind, answer.value), ("restored", {"ran": ["before", "after"], "type": "on-demand"}))

    def test_java(self):
        if not shutil.which("javac"):
            self.skipTest("javac is not installed")
        name = self.server.deploy(java_hooks(), "java17", "Hooked::handle", MemorySize=1769, Timeout=20, Tags=SINGLE)
        self.assertEqual(self.call(name).value["ran"], [])
        self.wait_image(name)
        answer = self.call(name)
        self.assertEqual((answer.kind, answer.value), ("restored", {"ran": ["before", "after"], "type": "on-demand"}))


class SnapStart(SnapshotCase):
    def published(self, files, runtime="python3.11", wait=True, **settings):
        """A function with SnapStart, and its version 1."""
        name = self.server.deploy(files, runtime, SnapStart={"ApplyOn": "PublishedVersions"}, MemorySize=512, **settings)
        said = self.client.publish_version(FunctionName=name)
        self.assertEqual((said["Version"], said["State"]), ("1", "Pending"))
        if wait:
            self.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=WAIT)
        return name

    def invoke(self, name):
        return call(self.client, name, Qualifier="1", LogType="Tail")

    def test_published_version(self):
        name = self.published({"app.py": PYTHON})
        found = self.client.get_function_configuration(FunctionName=name, Qualifier="1")
        self.assertEqual(found["SnapStart"], {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"})
        latest = self.client.get_function_configuration(FunctionName=name)
        self.assertEqual(latest["SnapStart"], {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"})
        got, body = self.invoke(name)
        self.assertEqual(body, {"ran": ["before 2", "before 1", "after 1", "after 2"], "type": "snap-start", "key": True})
        self.assertRegex(tail(got), r"\tRestore Duration: [0-9.]+ ms\tBilled Restore Duration: [0-9.]+ ms")
        self.assertNotIn("Init Duration", tail(got))
        events = self.server.client("logs").filter_log_events(logGroupName="/aws/lambda/" + name)["events"]
        text = "".join(e["message"] for e in events)
        self.assertRegex(text, r"RESTORE_START Runtime Version: \S+")
        self.assertRegex(text, r"RESTORE_REPORT Restore Duration: [0-9.]+ ms")

    def test_nodejs_and_a_custom_runtime(self):
        name = self.published({"app.js": NODE}, "nodejs20.x")
        self.assertEqual(self.invoke(name)[1], {"ran": ["before", "after"], "type": "snap-start"})
        script = ("#!/bin/sh\napi=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime\nwhile :; do\n  curl -sS -D /tmp/head -o /dev/null $api/invocation/next\n"
                  "  id=$(tr -d '\\r' </tmp/head | sed -n 's/^lambda-runtime-aws-request-id: *//Ip')\n"
                  "  curl -sS -o /dev/null -d \"\\\"$AWS_LAMBDA_INITIALIZATION_TYPE\\\"\" $api/invocation/$id/response\ndone\n")
        name = self.published({"bootstrap": (script, 0o755)}, "provided.al2023")
        self.assertEqual(self.invoke(name)[1], "snap-start")

    def test_not_ready(self):
        name = self.published({"app.py": PYTHON}, wait=False, Environment={"Variables": {"INIT_S": "1"}})
        with self.assertRaises(self.client.exceptions.ClientError) as e:
            self.invoke(name)
        self.assertEqual(e.exception.response["Error"]["Code"], "ResourceConflictException")  # as every Pending function
        self.assertEqual(e.exception.response["ResponseMetadata"]["HTTPStatusCode"], 409)
        self.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=WAIT)
        self.assertEqual(self.invoke(name)[1]["type"], "snap-start")

    def test_init_that_fails(self):
        name = self.published({"app.py": PYTHON}, wait=False, Environment={"Variables": {"HOOK": "init"}})
        wait_until(lambda: self.client.get_function_configuration(FunctionName=name, Qualifier="1")["State"] == "Failed", 20, "State Failed")
        found = self.client.get_function_configuration(FunctionName=name, Qualifier="1")
        self.assertTrue(found["StateReason"])
        with self.assertRaises(self.client.exceptions.ClientError):
            self.invoke(name)

    def test_hook_that_fails(self):
        name = self.published({"app.py": PYTHON}, Environment={"Variables": {"HOOK": "raise"}})
        with self.assertRaises(self.client.exceptions.ClientError) as e:
            self.invoke(name)
        self.assertEqual(e.exception.response["Error"]["Code"], "SnapStartException")
        self.assertEqual(e.exception.response["ResponseMetadata"]["HTTPStatusCode"], 400)

    def test_hook_that_takes_too_long(self):
        name = self.published({"app.py": PYTHON}, Environment={"Variables": {"HOOK": "sleep"}}, Timeout=20)
        with self.assertRaises(self.client.exceptions.ClientError) as e:
            self.invoke(name)
        self.assertEqual(e.exception.response["Error"]["Code"], "SnapStartTimeoutException")
        self.assertEqual(e.exception.response["ResponseMetadata"]["HTTPStatusCode"], 408)

    def test_calls_at_once(self):
        name = self.published({"app.py": PYTHON})
        answers, threads = [], [threading.Thread(target=lambda: answers.append(self.call(name + ":1"))) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([a.value["type"] for a in answers], ["snap-start"] * 8)
        self.assertNotIn("plain", [a.kind for a in answers])

    def test_unpublished_version_is_as_ever(self):
        name = self.published({"app.py": PYTHON})
        answer = self.call(name)
        self.assertEqual((answer.kind, answer.value["type"]), ("plain", "on-demand"))


if __name__ == "__main__":
    unittest.main()
