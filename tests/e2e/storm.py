"""Clients that make, change and delete functions without pause, and what must be true whenever the server was stopped."""
import base64
import glob
import os
import random
import threading
import uuid

from support import call, wait_until
from harness import ROLE, zip_of

SAMPLE = 10  # of the functions that were invoked after an earlier interruption
WAIT = {"Delay": 0.05, "MaxAttempts": 200}


def package(text):
    return zip_of({"app.py": "def handler(e, c):\n    return '%s'\n" % text})


class Storm:
    """`allowed` says what each function may answer: what was acknowledged last, and what was asked for since."""

    def __init__(self, test, server):
        self.test, self.server = test, server
        self.acknowledged, self.allowed, self.deleting, self.seen, self.rounds = set(), {}, set(), set(), 0

    def run(self, interrupt, rounds):
        """`interrupt` stops the server while functions are made, and starts it again."""
        for _ in range(rounds):
            self.rounds += 1
            stop = threading.Event()
            threads = [threading.Thread(target=self.work, args=("r%dt%d" % (self.rounds, t), stop)) for t in range(2)]
            for t in threads:
                t.start()
            enough = len(self.acknowledged) + 4 + 3 * (self.rounds % 4)
            try:
                wait_until(lambda: len(self.acknowledged) >= enough, 20, "functions are being made")
                interrupt()
            finally:
                stop.set()
                for t in threads:
                    t.join(30)
            self.check()

    def work(self, prefix, stop):
        n = 0
        while not stop.is_set() and n < 1000:
            n += 1
            try:
                self.one(self.server.client(connect_timeout=2, read_timeout=10), "%s-%d" % (prefix, n), n)
            except Exception:  # the server went away: whatever was asked for is in doubt
                stop.wait(0.02)

    def ask(self, name, text):
        self.allowed.setdefault(name, set()).add(text)
        return package(text)

    def one(self, client, name, n):
        text = uuid.uuid4().hex
        client.create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE,
                               Code={"ZipFile": self.ask(name, text)})
        self.acknowledged.add(name)
        if n % 3 == 0:
            client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAIT)
            client.update_function_code(FunctionName=name, ZipFile=self.ask(name, text + "-2"))
            self.allowed[name] = {text + "-2"}
        if n % 5 == 0:
            self.deleting.add(name)
            client.delete_function(FunctionName=name)
            self.acknowledged.remove(name)
            self.allowed.pop(name)

    def functions(self, client, **more):
        return [f for page in client.get_paginator("list_functions").paginate(**more) for f in page["Functions"]]

    def check(self):
        client, test = self.server.client(), self.test
        listed = {f["FunctionName"] for f in self.functions(client)}
        test.assertEqual(self.acknowledged - listed - self.deleting, set(), "acknowledged, and lost")
        test.assertEqual(listed - set(self.allowed), set(), "deleted, and there again")
        known = sorted(n for n in listed & self.seen if len(self.allowed[n]) == 1)
        random.Random(self.rounds).shuffle(known)
        for name in listed - set(known[SAMPLE:]):
            client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAIT)
            client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=WAIT)
            got, said = call(client, name)
            test.assertNotIn("FunctionError", got, said)
            test.assertIn(said, self.allowed[name])
            self.allowed[name] = {said}
        self.seen |= listed
        self.acknowledged |= listed
        self.deleting -= listed
        for name in set(self.allowed) - listed:
            self.allowed.pop(name)
            self.acknowledged.discard(name)
        wait_until(lambda: not self.orphans(client), 20, "blobs/ and code/ hold what functions use, and no more")
        missing = self.used(client) - {name for _, name in self.stored()}
        test.assertEqual(missing, set(), "packages of functions that are there")

    def used(self, client):
        return {base64.b64decode(f["CodeSha256"]).hex() for f in self.functions(client, FunctionVersion="ALL")}

    def stored(self):
        blobs = [("blobs", os.path.basename(p)) for p in glob.glob(os.path.join(self.server.data, "blobs", "*", "*"))]
        return blobs + [("code", p) for p in os.listdir(os.path.join(self.server.data, "code"))]

    def orphans(self, client):
        used = self.used(client)
        return [s for s in self.stored() if s[1] not in used]
