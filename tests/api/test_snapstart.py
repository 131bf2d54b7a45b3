"""SnapStart: versions that are published with it have an image from the start, with Lambda's states and answers."""
import base64
import json
import re
import signal
import time
import unittest

from botocore.exceptions import WaiterError

from api_case import ARN, ApiCase, ROLE, main, needs_current_sdk, needs_server, unique, zip_of
from harness import Server, shell_zip

SNAP = {"ApplyOn": "PublishedVersions"}
PENDING = "The operation cannot be performed at this time. The function is currently in the following state: Pending"
FAILED = "The operation cannot be performed at this time. The function is currently in the following state: Failed"
NOT_READY = "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE."
APP = """
import os, time
time.sleep(%s)
KIND = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
LOADED = time.time_ns()
def handler(event, context):
    return {"kind": KIND, "loaded": LOADED, "version": context.function_version, "key": os.environ["AWS_ACCESS_KEY_ID"],
            "stream": context.log_stream_name}
"""
QUICK, SLOW = zip_of({"app.py": APP % "0"}), zip_of({"app.py": APP % "1.5"})
BROKEN = zip_of({"app.py": "import no_such_module\n"})


class SnapStartCase(ApiCase):
    def publish(self, name, wait=True):
        """A version's number and the answer to PublishVersion."""
        answer = self.client.publish_version(FunctionName=name)
        if wait:
            self.wait_published(name, answer["Version"])
        return answer["Version"], answer

    def wait_published(self, name, version):
        self.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version,
                                                                WaiterConfig={"Delay": 0.05, "MaxAttempts": 600})

    def show(self, name, version):
        return self.client.get_function_configuration(FunctionName=name, Qualifier=version)

    def call(self, name, version, **more):
        answer = self.client.invoke(FunctionName=name, Qualifier=version, **more)
        text = answer["Payload"].read()
        self.assertNotIn("FunctionError", answer, text)
        return json.loads(text), answer

    def wait_failed(self, name, version):
        with self.assertRaises(WaiterError):
            self.wait_published(name, version)
        return self.show(name, version)


class Settings(SnapStartCase):
    def test_of_a_function(self):
        name = unique()
        self.addCleanup(self.forget, name)
        answer = self.client.create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, SnapStart=SNAP,
                                             Code={"ZipFile": QUICK}, EphemeralStorage={"Size": 1024})
        self.assertEqual(answer["SnapStart"], {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"})
        self.wait(name)
        shown = self.client.get_function(FunctionName=name)["Configuration"]
        self.assertEqual((shown["SnapStart"], shown["State"]), ({"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}, "Active"))
        answer = self.client.update_function_configuration(FunctionName=name, SnapStart={"ApplyOn": "None"})
        self.assertEqual(answer["SnapStart"], {"ApplyOn": "None", "OptimizationStatus": "Off"})
        self.wait(name)
        self.assertEqual(self.client.update_function_configuration(FunctionName=name, Description="x")["SnapStart"]["ApplyOn"], "None")
        self.wait(name)
        version, answer = self.publish(name, wait=False)
        self.assertEqual((answer["State"], answer["SnapStart"]), ("Active", {"ApplyOn": "None", "OptimizationStatus": "Off"}))

    def test_values(self):
        said = ("1 validation error detected: Value 'All' at 'snapStart.applyOn' failed to satisfy constraint: Member must satisfy enum "
                "value set: [PublishedVersions, None]")
        name = self.create()
        self.fails(400, "ValidationException", said, self.client.update_function_configuration, FunctionName=name, SnapStart={"ApplyOn": "All"})
        self.fails(400, "ValidationException", said, self.client.create_function, FunctionName=unique(), Runtime="python3.11",
                   Handler="app.handler", Role=ROLE, Code={"ZipFile": QUICK}, SnapStart={"ApplyOn": "All"})


@needs_server
class Life(SnapStartCase):
    def test_pending_then_active(self):
        name = self.create(SnapStart=SNAP, Code={"ZipFile": SLOW})
        version, answer = self.publish(name, wait=False)
        self.assertEqual((answer["State"], answer["StateReasonCode"], answer["StateReason"]),
                         ("Pending", "Creating", "The function is being created."))
        self.assertNotIn("LastUpdateStatus", answer)
        self.assertEqual(answer["SnapStart"]["OptimizationStatus"], "Off")
        self.fails(409, "ResourceConflictException", PENDING, self.client.invoke, FunctionName=name, Qualifier=version)
        listed = {v["Version"]: v["State"] for v in self.client.list_versions_by_function(FunctionName=name)["Versions"]}
        self.assertEqual(listed, {"$LATEST": "Active", version: "Pending"})
        self.assertEqual(self.client.get_function(FunctionName=name, Qualifier=version)["Configuration"]["State"], "Pending")
        self.assertEqual(self.call(name, "$LATEST")[0]["kind"], "on-demand")     # goes on meanwhile
        self.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        self.wait_published(name, version)
        shown = self.show(name, version)
        self.assertEqual((shown["State"], shown["LastUpdateStatus"], shown["SnapStart"]),
                         ("Active", "Successful", {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}))
        self.assertNotIn("StateReason", shown)
        self.assertEqual(self.show(name, "live")["SnapStart"]["OptimizationStatus"], "On")
        self.assertEqual(self.show(name, "$LATEST")["SnapStart"]["OptimizationStatus"], "Off")
        if "ConfigSha256" in answer:
            self.assertEqual(shown["ConfigSha256"], answer["ConfigSha256"])
        self.assertEqual(self.publish(name)[0], version)                         # nothing has changed
        started = time.monotonic()
        got, _ = self.call(name, "live")
        self.assertLess(time.monotonic() - started, 1.2)                         # its init of 1.5 s is over
        self.assertEqual((got["kind"], got["version"]), ("snap-start", version))

    def test_restores(self):
        name = self.create(SnapStart=SNAP, Code={"ZipFile": QUICK}, Tags={"mayfly:isolation": "invocation"})
        version, _ = self.publish(name)
        seen = [self.call(name, version, LogType="Tail") for _ in range(5)]
        self.assertEqual(len({got["loaded"] for got, _ in seen}), 1)             # one init for all
        self.assertEqual(len({got["key"] for got, _ in seen}), 5)                # but nobody's identity
        self.assertEqual(len({got["stream"] for got, _ in seen}), 5)
        log = base64.b64decode(seen[0][1]["LogResult"]).decode()
        self.assertRegex(log, r"REPORT .*\tRestore Duration: \d+\.\d\d ms\tBilled Restore Duration: \d+ ms")
        self.assertNotIn("Init Duration", log)

    def test_published_with_the_code(self):
        name = self.create(SnapStart=SNAP, Code={"ZipFile": QUICK}, Publish=True)
        self.wait_published(name, "1")
        self.assertEqual(self.call(name, "1")[0]["kind"], "snap-start")
        answer = self.client.update_function_code(FunctionName=name, ZipFile=SLOW, Publish=True)
        self.assertEqual((answer["Version"], answer["State"]), ("2", "Pending"))
        self.wait_published(name, "2")
        self.assertEqual([self.call(name, v)[0]["version"] for v in ("1", "2")], ["1", "2"])

    def test_of_every_kind_of_runtime(self):
        loop = ('while :; do\n  H=$(mktemp)\n  E=$(curl -sS -D "$H" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")\n'
                '  I=$(grep -i lambda-runtime-aws-request-id "$H" | tr -d "[:space:]" | cut -d: -f2)\n'
                '  curl -sS -o /dev/null -d "\\"$KIND\\"" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$I/response"\ndone\n')
        name = self.create(Runtime="provided.al2023", Handler="x", SnapStart=SNAP, Timeout=20,
                           Code={"ZipFile": shell_zip("KIND=$AWS_LAMBDA_INITIALIZATION_TYPE\n" + loop)})
        version, _ = self.publish(name)
        self.assertEqual(self.call(name, version)[0], "snap-start")

    def test_failed_init(self):
        name = self.create(SnapStart=SNAP, Code={"ZipFile": BROKEN})
        version, _ = self.publish(name, wait=False)
        shown = self.wait_failed(name, version)
        self.assertEqual((shown["State"], shown["StateReasonCode"], shown["LastUpdateStatus"]), ("Failed", "FunctionError", "Failed"))
        self.assertIn("no_such_module", shown["StateReason"])
        self.assertEqual(shown["SnapStart"]["OptimizationStatus"], "Off")
        self.fails(409, "ResourceConflictException", FAILED, self.client.invoke, FunctionName=name, Qualifier=version)
        self.fails(409, "ResourceConflictException", FAILED, self.client.create_alias, FunctionName=name, Name="live", FunctionVersion=version)
        self.client.delete_function(FunctionName=name, Qualifier=version)
        self.client.update_function_code(FunctionName=name, ZipFile=QUICK)
        self.wait(name)
        good, _ = self.publish(name)
        self.assertNotEqual(good, version)
        self.assertEqual(self.call(name, good)[0]["kind"], "snap-start")

    def test_process_that_cannot_be_restored(self):
        watch = "import ctypes\nWATCH = ctypes.CDLL(None).inotify_init()\n" + APP % "0"
        name = self.create(SnapStart=SNAP, Code={"ZipFile": zip_of({"app.py": watch})})
        version, _ = self.publish(name)
        self.assertEqual(self.show(name, version)["SnapStart"], {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"})
        self.assertEqual(self.call(name, version)[0]["kind"], "snap-start")      # by a plain start
        _, _, report = self.request_json("GET", "/_mayfly/snapshots", None)
        row = [v for v in report["versions"] if (v["function"], v["version"]) == (name, version)][0]
        self.assertEqual((row["state"], row["snap_start"], "image" in row), ("unusable", True, False))
        self.assertIn("inotify", row["reason"])

    def test_goes_before_the_tag(self):
        name = self.create(SnapStart=SNAP, Code={"ZipFile": QUICK}, Tags={"mayfly:snapshot": "off"})
        version, _ = self.publish(name)
        self.assertEqual(self.show(name, version)["SnapStart"]["OptimizationStatus"], "On")

    def test_published_by_several_at_once(self):
        names = [self.create(SnapStart=SNAP, Code={"ZipFile": QUICK}) for _ in range(4)]
        versions = [self.publish(name, wait=False)[0] for name in names]
        self.client.delete_function(FunctionName=names[0])
        for name, version in list(zip(names, versions))[1:]:
            self.wait_published(name, version)
            self.assertEqual(self.call(name, version)[0]["kind"], "snap-start")

    def test_deleted_while_pending(self):
        name = self.create(SnapStart=SNAP, Code={"ZipFile": SLOW})
        version, _ = self.publish(name, wait=False)
        self.client.delete_function(FunctionName=name, Qualifier=version)
        self.fails(404, "ResourceNotFoundException", "Function not found: %s%s:%s" % (ARN, name, version), self.client.invoke,
                   FunctionName=name, Qualifier=version)
        self.client.update_function_configuration(FunctionName=name, Description="another")
        self.wait(name)
        other, _ = self.publish(name, wait=False)
        self.client.delete_function(FunctionName=name)
        name = self.create(SnapStart=SNAP, Code={"ZipFile": QUICK}, name=name)
        again, _ = self.publish(name)
        self.assertGreater(int(again), int(other))
        self.assertEqual(self.call(name, again)[0]["version"], again)

    def test_tags_that_change_while_pending(self):
        name = self.create(SnapStart=SNAP, Code={"ZipFile": SLOW})
        version, _ = self.publish(name, wait=False)
        self.client.tag_resource(Resource=ARN + name, Tags={"mayfly:isolation": "invocation"})
        self.wait_published(name, version)
        self.assertEqual(self.show(name, version)["SnapStart"]["OptimizationStatus"], "On")
        self.assertEqual(self.call(name, version)[0]["kind"], "snap-start")


@needs_server
class Restarts(SnapStartCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.client = cls.server.client(parameter_validation=False)

    def restart(self):
        self.server.stop(signal.SIGKILL)
        self.server.start()
        type(self).client = self.server.client(parameter_validation=False)

    def test_pending_is_taken_up_again(self):
        name = self.create(SnapStart=SNAP, Code={"ZipFile": zip_of({"app.py": APP % "3"})})
        version, _ = self.publish(name, wait=False)
        self.restart()
        shown = self.show(name, version)
        self.assertEqual((shown["State"], shown["StateReasonCode"]), ("Pending", "Restoring"))
        self.fails(409, "SnapStartNotReadyException", NOT_READY, self.client.invoke, FunctionName=name, Qualifier=version)
        self.wait_published(name, version)
        self.assertEqual(self.call(name, version)[0]["kind"], "snap-start")
        self.restart()
        self.assertEqual(self.show(name, version)["SnapStart"]["OptimizationStatus"], "On")
        self.assertEqual(self.call(name, version)[0]["version"], version)

    def test_failed_stays_failed(self):
        name = self.create(SnapStart=SNAP, Code={"ZipFile": BROKEN})
        version, _ = self.publish(name, wait=False)
        self.wait_failed(name, version)
        self.restart()
        self.assertEqual(self.show(name, version)["State"], "Failed")
        self.fails(409, "ResourceConflictException", FAILED, self.client.invoke, FunctionName=name, Qualifier=version)


if __name__ == "__main__":
    main()
