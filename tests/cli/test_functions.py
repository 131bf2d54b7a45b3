"""deploy, invoke, list, info, publish, rollback, delete."""
import base64
import io
import json
import os
import stat
import struct
import unittest
import zipfile
import zlib

from cli_case import CliCase


class Deploy(CliCase):
    def test_creates_waits_and_prints_the_arn(self):
        self.assertEqual(self.deploy(), "arn:aws:lambda:us-east-1:000000000000:function:thumb\n")
        f = self.server.functions["thumb"]
        self.assertEqual(f.config["State"], "Active")
        self.assertEqual((f.config["Runtime"], f.config["Handler"]), ("python3.11", "app.handler"))
        self.assertEqual(f.config["Role"], "arn:aws:iam::000000000000:role/thumb-role")

    def test_the_package(self):
        self.write("thumb/bin/run", "#!/bin/sh\n", 0o755)
        self.write("thumb/.git/HEAD", "no")
        self.write("thumb/a.log", "no")
        self.write("thumb/.mayflyignore", "*.log\n")
        self.write("thumb/big", "abc" * 100000)
        self.write("thumb/näme", "utf-8")
        os.symlink("bin/run", os.path.join(self.folder, "thumb/link"))
        self.deploy()
        z = zipfile.ZipFile(io.BytesIO(self.server.functions["thumb"].zip))
        self.assertIsNone(z.testzip())
        self.assertEqual(z.namelist(), ["app.py", "big", "bin/", "bin/run", "link", "näme"])
        self.assertEqual(z.read("big"), b"abc" * 100000)
        modes = {i.filename: i.external_attr >> 16 for i in z.infolist()}
        self.assertEqual(modes["bin/run"], stat.S_IFREG | 0o755)
        self.assertEqual(modes["app.py"], stat.S_IFREG | 0o644)
        self.assertTrue(stat.S_ISLNK(modes["link"]))
        self.assertEqual(z.read("link"), b"bin/run")

    def test_every_setting(self):
        self.deploy("thumb", "x", "--memory", "256", "--timeout", "9", "--ephemeral", "1024", "-e", "AB=1", "-e", "CD=x=y", "--tag", "t=1",
                    "--description", "d", "--arch", "arm64", "--role", "arn:aws:iam::000000000000:role/r", "--name", "other")
        f = self.server.functions["other"]
        want = {"MemorySize": 256, "Timeout": 9, "EphemeralStorage": {"Size": 1024}, "Environment": {"Variables": {"AB": "1", "CD": "x=y"}},
                "Description": "d", "Architectures": ["arm64"], "Role": "arn:aws:iam::000000000000:role/r"}
        self.assertEqual({k: f.config[k] for k in want}, want)
        self.assertEqual(f.tags, {"t": "1"})

    def test_how_environments_are_made(self):
        self.deploy("thumb", "x", "--snapshot", "always", "--isolation", "invocation", "--tag", "t=1")
        f = self.server.functions["thumb"]
        self.assertEqual(f.tags, {"t": "1", "mayfly:snapshot": "always", "mayfly:isolation": "invocation"})
        self.out("deploy", "thumb", "--snapshot", "off")
        self.assertEqual((f.tags["mayfly:snapshot"], f.tags["mayfly:isolation"]), ("off", "invocation"))
        self.write("other/app.py", "")
        self.write("other/function.json", json.dumps({"runtime": "python3.11", "handler": "app.h", "tags": {"t": "2"}, "isolation": "environment"}))
        self.out("deploy", "other", "--snapshot", "auto")
        self.assertEqual(self.server.functions["other"].tags, {"t": "2", "mayfly:snapshot": "auto", "mayfly:isolation": "environment"})
        self.assertIn("auto|always|off", self.failure("deploy", "thumb", "--snapshot", "never", status=2))

    def test_says_what_environments_share(self):
        shared = "what a module computes once at load is shared"
        self.write("thumb/app.py", "")
        create = ["thumb", "--runtime", "python3.11", "--handler", "app.handler"]
        self.assertIn(shared, self.run_cli("deploy", *create).stderr)
        self.assertNotIn(shared, self.run_cli("deploy", *create).stderr)     # said once
        self.assertNotIn(shared, self.run_cli("deploy", *create, "--name", "two", "--snapshot", "off").stderr)
        self.server.snapshot_default = "off"
        self.assertNotIn(shared, self.run_cli("deploy", *create, "--name", "three").stderr)
        self.assertIn(shared, self.run_cli("deploy", *create, "--name", "four", "--snapshot", "auto").stderr)
        self.assertNotIn(shared, self.run_cli("deploy", *create, "--name", "five", "--snapshot", "auto", "--quiet").stderr)

    def test_publish_waits_for_the_image(self):
        self.deploy()
        f = self.server.functions["thumb"]
        f.version_state, f.polls_of_versions = "Pending", 0
        self.assertTrue(self.out("deploy", "thumb", "--publish").endswith(":thumb:1\n"))
        self.assertGreaterEqual(f.polls_of_versions, 3)
        f.version_state, f.polls_of_versions, f.version_end = "Pending", 0, "Failed"
        said = self.failure("publish", "thumb", "--alias", "live")
        self.assertIn("version 2 of thumb could not be made ready: ImportError: no x", said)
        self.assertEqual(f.aliases, {})

    def test_settings_of_the_folder(self):
        self.write("thumb/function.json", json.dumps({"runtime": "nodejs20.x", "handler": "index.handler", "memory": 512, "env": {"AB": "1"}}))
        self.write("thumb/index.js", "")
        self.out("deploy", "thumb", "--memory", "128", "--env", "CD=2")
        config = self.server.functions["thumb"].config
        self.assertEqual((config["Runtime"], config["MemorySize"]), ("nodejs20.x", 128))
        self.assertEqual(config["Environment"], {"Variables": {"AB": "1", "CD": "2"}})

    def test_layers(self):
        a, b = ("arn:aws:lambda:us-east-1:000000000000:layer:%s:1" % n for n in "ab")
        self.deploy("thumb", "x", "--layer", a, "--layer", b)
        f = self.server.functions["thumb"]
        self.assertEqual([row["Arn"] for row in f.config["Layers"]], [a, b])
        self.assertIn("up to date", self.run_cli("deploy", "thumb", "--layer", a, "--layer", b).stderr)
        self.assertIn("up to date", self.run_cli("deploy", "thumb").stderr)
        self.out("deploy", "thumb", "--layer", b)
        self.assertEqual([row["Arn"] for row in f.config["Layers"]], [b])
        self.out("deploy", "thumb", "--layer", "")
        self.assertEqual(f.config["Layers"], [])
        self.write("own/readme", "its bootstrap is in a layer")
        self.write("own/function.json", json.dumps({"runtime": "provided.al2023", "layers": [a]}))
        self.out("deploy", "own")
        self.assertEqual(self.server.functions["own"].config["Layers"][0]["Arn"], a)

    def test_updates_only_what_differs(self):
        self.deploy()
        done = self.run_cli("deploy", "thumb")
        self.assertIn("up to date", done.stderr)
        self.assertEqual(self.called("PUT", "thumb"), [])
        self.deploy("thumb", "x = 2\n")
        self.assertEqual([c[1].split("/")[-1] for c in self.called("PUT", "thumb")], ["code"])
        self.out("deploy", "thumb", "--memory", "256")
        self.assertEqual(json.loads(self.called("PUT", "configuration")[0][2]), {"MemorySize": 256})
        self.assertEqual(self.server.functions["thumb"].config["LastUpdateStatus"], "Successful")

    def test_publish(self):
        self.assertTrue(self.deploy("thumb", "x", "--publish").endswith(":function:thumb:1\n"))

    def test_a_bootstrap_needs_no_options(self):
        self.write("tool/bootstrap", "#!/bin/sh\n", 0o755)
        self.out("deploy", "tool")
        config = self.server.functions["tool"].config
        self.assertEqual((config["Runtime"], config["Handler"]), ("provided.al2023", "bootstrap"))

    def test_build(self):
        self.write("tool/function.json", '{"build": "echo compiling; printf \'#!/bin/sh\' >bootstrap; chmod +x bootstrap"}')
        done = self.run_cli("deploy", "tool", "--build")
        self.assertIn("compiling", done.stderr)
        self.assertNotIn("compiling", done.stdout)
        self.write("tool/function.json", '{"build": "exit 3"}')
        self.assertIn("the build of tool failed: exit 3", self.failure("deploy", "tool", "-b"))

    def test_failures_say_what_to_do(self):
        self.write("thumb/app.py", "")
        for arguments, said in [
                (["thumb"], "--runtime python3.11 --handler app.handler"),
                (["thumb", "--runtime", "provided.al2023"], "executable file named bootstrap"),
                (["nowhere"], "cannot deploy nowhere: No such file"),
                (["thumb/app.py"], "is no folder"),
                (["thumb", "-e", "=x"], "--env takes NAME=VALUE"),
                (["thumb", "--build"], 'there is no "build"')]:
            self.assertIn(said, self.failure("deploy", *arguments))
        self.write("thumb/function.json", "{nonsense")
        self.assertIn("function.json, line 1", self.failure("deploy", "thumb"))
        self.assertEqual(self.server.functions, {})

    def test_a_failed_update_is_told(self):
        self.deploy()
        f = self.server.functions["thumb"]
        f.poll = lambda: dict(f.config, LastUpdateStatus="Failed", LastUpdateStatusReason="the disk is full")
        self.write("thumb/app.py", "x = 3\n")
        self.assertIn("the disk is full", self.failure("deploy", "thumb"))


class Invoke(CliCase):
    def setUp(self):
        super().setUp()
        self.deploy()

    def payload(self, *arguments, **more):
        self.out("invoke", "thumb", *arguments, **more)
        return self.called("POST", "invocations")[-1][2]

    def test_answer(self):
        self.assertEqual(self.out("invoke", "thumb"), '{"ok": true}\n')

    def test_events(self):
        self.assertEqual(self.payload(), b"{}")
        self.assertEqual(self.payload("-d", '{"n":1}'), b'{"n":1}')
        self.assertEqual(self.payload("-d", "-", text='{"in":1}'), b'{"in":1}')
        self.assertEqual(self.payload("-d", "@" + self.write("event.json", "[1,2]")), b"[1,2]")

    def test_function_error(self):
        error = {"errorMessage": "no such bucket\u001b[31m", "errorType": "KeyError", "stackTrace": ["  File app.py, line 1\n    raise\n"]}
        self.server.answers["thumb"] = (200, json.dumps(error).encode(), {"X-Amz-Function-Error": "Unhandled"})
        done = self.run_cli("invoke", "thumb", status=1)
        self.assertEqual(json.loads(done.stdout), error)
        self.assertIn("thumb failed: KeyError: no such bucket?[31m", done.stderr)
        self.assertIn("File app.py, line 1", done.stderr)

    def test_log_and_phases(self):
        log = base64.b64encode(b"START x\nREPORT RequestId: x\tDuration: 3.50 ms\tBilled Duration: 24 ms\tInit Duration: 20.10 ms\t\n").decode()
        self.server.answers["thumb"] = (200, b"1", {"X-Amz-Log-Result": log})
        self.server.environments = [{"function": "thumb", "age_ms": 900, "sandbox_ms": 99}, {"function": "thumb", "age_ms": 30, "sandbox_ms": 2.5},
                                    {"function": "other", "age_ms": 1, "sandbox_ms": 77}]
        done = self.run_cli("invoke", "thumb", "--tail", "--phases")
        self.assertEqual(done.stdout, "1\n")
        for said in ("START x", "cold start", "sandbox        2.5 ms", "init          20.1 ms", "function       3.5 ms"):
            self.assertIn(said, done.stderr)

    def test_phases_of_a_restore(self):
        log = base64.b64encode(b"REPORT RequestId: x\tDuration: 3.50 ms\tBilled Duration: 5 ms\tRestore Duration: 1.20 ms\tBilled Restore Duration: 1 ms\t\n").decode()
        self.server.answers["thumb"] = (200, b"1", {"X-Amz-Log-Result": log})
        self.server.environments = [{"function": "thumb", "kind": "restored", "age_ms": 30, "sandbox_ms": 0.4},
                                    {"function": "thumb", "kind": "trial", "age_ms": 2, "sandbox_ms": 77}]
        done = self.run_cli("invoke", "thumb", "--phases")
        for said in ("cold start by restore", "sandbox        0.4 ms", "restore        1.2 ms", "function       3.5 ms"):
            self.assertIn(said, done.stderr)
        self.assertNotIn("init", done.stderr)

    def test_out_file(self):
        self.assertEqual(self.out("invoke", "thumb", "-o", "answer.json"), "")
        with open(os.path.join(self.folder, "answer.json"), encoding="utf-8") as f:
            self.assertEqual(f.read(), '{"ok": true}')

    def test_json(self):
        got = json.loads(self.out("invoke", "thumb", "--output", "json"))
        self.assertEqual((got["StatusCode"], got["ExecutedVersion"], got["Payload"]), (200, "$LATEST", {"ok": True}))

    def streams(self, *events):
        """The answer is made of these events; a dictionary is the closing one."""
        def frame(kind, payload):
            names = {":event-type": kind, ":message-type": "event"}
            headers = b"".join(bytes([len(k)]) + k.encode() + b"\7" + struct.pack(">H", len(v)) + v.encode() for k, v in names.items())
            head = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
            message = head + struct.pack(">I", zlib.crc32(head)) + headers + payload
            return message + struct.pack(">I", zlib.crc32(message))
        data = b"".join(frame("InvokeComplete", json.dumps(e).encode()) if isinstance(e, dict) else frame("PayloadChunk", e) for e in events)
        self.server.answers["thumb"] = (200, data, {"Content-Type": "application/vnd.amazon.eventstream"})

    def test_stream(self):
        self.streams(b"one ", b"two", {"LogResult": base64.b64encode(b"START x\n").decode()})
        done = self.run_cli("invoke", "thumb", "--stream", "--tail")
        self.assertEqual(done.stdout, "one two\n")
        self.assertIn("START x", done.stderr)
        self.assertIn("response-streaming-invocations", self.called("POST", "invocations")[-1][1])
        self.assertEqual(self.out("invoke", "thumb", "--stream", "-o", "answer"), "")
        with open(os.path.join(self.folder, "answer"), "rb") as f:
            self.assertEqual(f.read(), b"one two")
        self.assertEqual(json.loads(self.out("invoke", "thumb", "--stream", "--output", "json"))["Payload"], "one two")

    def test_stream_that_fails(self):
        self.streams(b"some", {"ErrorCode": "KeyError", "ErrorDetails": '{"errorType": "KeyError", "errorMessage": "late"}'})
        done = self.run_cli("invoke", "thumb", "--stream", status=1)
        self.assertEqual(done.stdout, "some\n")
        self.assertIn("thumb failed: KeyError: late", done.stderr)
        self.streams({"ErrorCode": "Odd", "ErrorDetails": "no object"})
        self.assertIn("thumb failed: Odd: no object", self.failure("invoke", "thumb", "--stream"))
        self.streams(b"some")
        self.assertIn("the answer ended in the middle", self.failure("invoke", "thumb", "--stream"))
        self.server.answers["thumb"] = b"this is no stream of events at all"
        self.assertIn("no event stream", self.failure("invoke", "thumb", "--stream"))
        self.assertIn("Function not found: arn:aws", self.failure("invoke", "nobody", "--stream"))
        self.assertIn("leave --async away", self.failure("invoke", "thumb", "--stream", "--async"))

    def test_refusals(self):
        self.assertIn("Function not found: arn:aws", self.failure("invoke", "nobody"))
        self.assertIn("(ResourceNotFoundException)", self.failure("invoke", "nobody"))
        self.assertIn("cannot read the event from nothing.json", self.failure("invoke", "thumb", "-d", "@nothing.json"))


class Manage(CliCase):
    def test_list(self):
        self.assertIn("mayfly deploy", self.run_cli("list").stderr)
        for name in ("one", "two", "three"):
            self.deploy(name)
        lines = self.out("list").splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["NAME", "one", "three", "two"])
        self.assertEqual(self.out("list", "--names"), "one\nthree\ntwo\n")
        self.assertEqual(len(json.loads(self.out("list", "--output=json"))), 3)

    def test_info(self):
        self.deploy("thumb", "x", "-e", "LEVEL=debug", "--tag", "team=a")
        self.out("publish", "thumb", "--alias", "live")
        self.server.environments = [{"id": "e1", "function": "thumb", "version": "$LATEST", "state": "frozen", "age_ms": 1500, "peak_bytes": 1048576,
                                     "sandbox_ms": 2, "init_ms": 19},
                                    {"id": "e2", "function": "thumb", "version": "1", "kind": "restored", "state": "idle", "age_ms": 10,
                                     "peak_bytes": 1048576, "sandbox_ms": 0.3, "restore_ms": 1.7}]
        text = self.out("info", "thumb")
        for said in ("LEVEL=debug", "team=a", "Active, last update Successful", "live", "frozen", "1.5 s", "19.0 ms", "restored", "1.7 ms"):
            self.assertIn(said, text)
        self.assertEqual(json.loads(self.out("info", "thumb", "--output", "json"))["Aliases"][0]["Name"], "live")
        self.assertNotIn("not installed", text)

    IMAGE = {"key": "ab", "taken_ms": 1, "file_bytes": 12 << 20, "resident_bytes": 20 << 20, "dump_ms": 21.4, "park": "restore"}

    def report(self, *rows):
        same = {"mode": "auto", "snap_start": False, "single_use": False, "state": "none", "restores": 0, "failed_restores": 0}
        self.server.images = [{**same, **row} for row in rows]

    def test_info_tells_of_images(self):
        self.deploy()
        self.assertIn("snapshot (auto): no image yet: one is taken after the first invocation that succeeds", self.out("info", "thumb"))
        self.report({"function": "thumb", "version": "$LATEST", "state": "ready", "image": self.IMAGE, "restores": 1234,
                     "restore_ms": {"median": 1.9, "p99": 5.8}},
                    {"function": "thumb", "version": "1", "state": "unusable", "reason": "holds a connection to 10.0.0.5:5432 that was opened during init"},
                    {"function": "other", "version": "$LATEST", "state": "unusable", "reason": "of another function"})
        text = self.out("info", "thumb")
        self.assertIn("snapshot of $LATEST (auto): image of 12 MB, taken ", text)
        self.assertIn(" days ago in 21.4 ms; restored 1234 times, median 1.9 ms, p99 5.8 ms\n", text)
        self.assertIn("snapshot of 1 (auto): plain starts: holds a connection to 10.0.0.5:5432 that was opened during init\n", text)
        self.assertIn("what a module computes once at load is shared by all environments of a version", text)
        self.assertNotIn("another function", text)
        self.assertEqual(json.loads(self.out("info", "thumb", "--output", "json"))["Images"][0]["restores"], 1234)

    def test_info_of_functions_without_images(self):
        self.deploy("thumb", "x", "--snapshot", "off", "--isolation", "invocation")
        text = self.out("info", "thumb")
        self.assertIn("snapshot (off): plain starts: images are switched off", text)
        self.assertIn("Each invocation gets an environment of its own", text)
        self.assertNotIn("is shared by", text)
        self.report({"function": "thumb", "version": "$LATEST", "state": "ready", "image": self.IMAGE, "plain_until_ms": 9e15, "reason": "it died: signal 11"})
        self.assertIn("; plain starts for now: it died: signal 11", self.out("info", "thumb"))
        self.report({"function": "thumb", "version": "$LATEST", "state": "unusable", "reason": "watches files"})
        self.assertIn("snapshot of $LATEST (auto): plain starts: watches files", self.out("info", "thumb"))
        self.assertNotIn("is shared by", self.out("info", "thumb"))
        self.report({"function": "thumb", "version": "$LATEST", "state": "wanted", "reason": "a trial failed"})
        text = self.out("info", "thumb")
        self.assertIn("no image yet: one will be taken soon; the last attempt failed: a trial failed", text)
        self.assertIn("is shared by", text)

    def test_images(self):
        self.assertIn("there is no image yet", self.run_cli("images").stderr)
        self.deploy()
        self.report({"function": "thumb", "version": "10", "state": "trial", "snap_start": True},
                    {"function": "thumb", "version": "9", "state": "ready", "image": self.IMAGE, "restores": 3, "restore_ms": {"median": 2, "p99": 3}},
                    {"function": "other", "version": "$LATEST", "state": "unusable", "reason": "the function says \x1b[31m"})
        lines = self.out("images").splitlines()
        self.assertEqual([line.split()[:4] for line in lines[1:4]], [["other", "$LATEST", "auto", "unusable"], ["thumb", "9", "auto", "ready"],
                                                                      ["thumb", "10", "SnapStart", "trial"]])
        self.assertIn("the function says ?[31m", lines[1])
        self.assertIn("12 MB   20 MB", lines[2])
        self.assertEqual(lines[-1], "1 images: 3.0 MB on disk, 5.0 MB of memory if all were held ready")
        self.assertEqual(len(self.out("images", "thumb").splitlines()), 3)
        self.assertEqual([v["version"] for v in json.loads(self.out("images", "thumb", "--output", "json"))], ["9", "10"])
        self.assertIn("Function not found", self.failure("images", "nobody"))

    def test_info_says_what_runs_instead_of_a_missing_version(self):
        self.write("old/app.py", "x = 1\n")
        self.out("deploy", "old", "--runtime", "python3.9", "--handler", "app.handler")
        self.assertIn("not installed on the server; runs on /usr/bin/python3.11", self.out("info", "old"))
        self.assertEqual(json.loads(self.out("info", "old", "--output", "json"))["StandIn"], "/usr/bin/python3.11")

    def test_rollback(self):
        self.deploy("thumb", "x = 1\n", "--publish")
        first = self.server.functions["thumb"].zip
        self.deploy("thumb", "x = 2\n", "--publish")
        self.out("publish", "thumb", "--alias", "live")
        self.assertIn("code of version 1 again", self.out("rollback", "thumb"))
        self.assertEqual(self.server.functions["thumb"].zip, first)
        self.assertIn("points at version 2 now (it was 3)", self.out("rollback", "thumb", "--alias", "live"))
        self.out("rollback", "thumb", "--alias", "live", "--to", "1")
        self.assertIn("no earlier version", self.failure("rollback", "thumb", "--alias", "live"))
        self.assertIn("no version 9", self.failure("rollback", "thumb", "--to", "9"))

    def test_rollback_restores_runtime_and_handler(self):
        self.deploy("thumb", "x = 1\n", "--publish")
        self.write("thumb/app.py", "x = 2\n")
        self.out("deploy", "thumb", "--handler", "app.other")
        self.out("rollback", "thumb")
        self.assertEqual(self.server.functions["thumb"].config["Handler"], "app.handler")

    def test_delete(self):
        self.deploy()
        self.assertIn("--yes", self.failure("delete", "thumb"))
        self.assertIn("thumb", self.server.functions)
        self.out("delete", "thumb", "-y")
        self.assertNotIn("thumb", self.server.functions)
        self.assertIn("Function not found", self.failure("delete", "thumb", "-y"))


if __name__ == "__main__":
    unittest.main()
