"""Killed again and again while functions are made, changed and deleted: nothing acknowledged is lost, nothing half-made
stays."""
import base64
import contextlib
import glob
import os
import signal
import threading
import unittest
import uuid

from support import call, wait_until
from harness import ROLE, Server, zip_of


class NothingLost(unittest.TestCase):
    def setUp(self):
        self.server = Server("--pool", "1")
        self.addCleanup(self.server.close)
        self.made, self.doubtful, self.deleted = {}, {}, set()

    def storm(self, seed, stop):
        """Until stopped: creates, updates and deletes; doubtful has what each may answer now."""
        n = 0
        while not stop.is_set():
            n += 1
            name, text = "storm-%s-%d" % (seed, n), uuid.uuid4().hex
            package = zip_of({"app.py": "def handler(e, c):\n    return '%s'\n" % text})
            self.doubtful.setdefault(name, set()).add(text)
            try:
                client = self.server.client(connect_timeout=2, read_timeout=10)
                client.create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": package})
                self.acknowledged(name, text)
                if n % 3 == 0:
                    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 200})
                    text += "-2"
                    self.doubtful[name].add(text)
                    client.update_function_code(FunctionName=name, ZipFile=zip_of({"app.py": "def handler(e, c):\n    return '%s'\n" % text}))
                    self.acknowledged(name, text)
                if n % 5 == 0:
                    self.deleted.add(name)
                    client.delete_function(FunctionName=name)
                    self.made.pop(name)
                    self.doubtful.pop(name)
            except Exception:
                if n > 1000:
                    raise

    def acknowledged(self, name, text):
        self.made[name] = text
        self.doubtful[name] = {text}

    def check(self):
        client = self.server.client()
        listed = {f["FunctionName"]: f for page in client.get_paginator("list_functions").paginate() for f in page["Functions"]}
        for name in self.made:
            self.assertTrue(name in listed or name in self.deleted, "%s was acknowledged, and is lost" % name)
        for name, function in listed.items():
            self.assertIn(name, self.doubtful, "deleted, and there again")
            client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
            client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
            got = client.get_function(FunctionName=name)
            self.assertEqual(got["Configuration"]["State"], "Active")
            said = call(client, name)[1]
            self.assertIn(said, self.doubtful[name])
            self.made.setdefault(name, said)
        wait_until(self.no_orphans, 20, "blobs/ and code/ hold what functions use, and no more: %s" % self.last_orphans())

    def no_orphans(self):
        return self.last_orphans() == []

    def last_orphans(self):
        client = self.server.client()
        used = set()
        for page in client.get_paginator("list_functions").paginate(FunctionVersion="ALL"):
            used |= {base64.b64decode(f["CodeSha256"]).hex() for f in page["Functions"]}
        found = [("blobs", os.path.basename(p)) for p in glob.glob(os.path.join(self.server.data, "blobs", "*", "*"))]
        found += [("code", p) for p in os.listdir(os.path.join(self.server.data, "code"))]
        return sorted(f for f in found if f[1] not in used)

    def run_storm(self, kill, rounds):
        for n in range(rounds):
            stop = threading.Event()
            threads = [threading.Thread(target=self.storm, args=("%d-%d" % (n, t), stop)) for t in range(2)]
            for t in threads:
                t.start()
            enough = len(self.made) + 4 + 3 * n
            wait_until(lambda: len(self.made) >= enough, 20, "functions are being made")
            kill()
            stop.set()
            for t in threads:
                t.join(30)
            self.check()

    def test_control_killed(self):
        self.run_storm(lambda: os.kill(self.server.child("mayfly-control"), signal.SIGKILL), 3)

    def test_everything_killed(self):
        def kill():
            for pid in self.server.children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.server.stop(signal.SIGKILL)
            self.server.start()
        self.run_storm(kill, 3)


if __name__ == "__main__":
    unittest.main()
