"""What was acknowledged is there after an end of any kind, and nothing half-made stays."""
import os
import signal
import threading
import unittest
import urllib.request

from botocore.exceptions import BotoCoreError, ClientError

from api_case import ROLE, ZIP, ZIP2, main, zip_of
from harness import Server

ROUNDS = 6


def package(i):
    return zip_of({"app.py": "def handler(event, context):\n    return %d\n" % i})


def state(client, name):
    """All that can be read of a function, without what changes with each request."""
    def clean(answer):
        answer.pop("ResponseMetadata")
        return answer
    function = clean(client.get_function(FunctionName=name))
    function["Code"].pop("Location")
    return [function, clean(client.list_versions_by_function(FunctionName=name)), clean(client.list_aliases(FunctionName=name))]


class Restart(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)

    def wait(self, name):
        self.server.client().get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 500})

    def fill(self):
        client = self.server.client()
        name = self.server.deploy({"app.py": "x"}, Tags={"a": "b"}, Environment={"Variables": {"AA": "1"}})
        client.publish_version(FunctionName=name, Description="one")
        client.update_function_code(FunctionName=name, ZipFile=ZIP2)
        self.wait(name)
        client.publish_version(FunctionName=name)
        client.create_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=11)
        client.delete_function(FunctionName=self.server.deploy({"app.py": "gone"}, name="gone", Publish=True))
        return name

    def check_survives(self, how):
        name = self.fill()
        before = state(self.server.client(), name)
        packages = sorted(os.listdir(os.path.join(self.server.data, "code")))
        self.server.stop(how)
        self.server.start()
        client = self.server.client()
        self.assertEqual(state(client, name), before)
        self.assertEqual([f["FunctionName"] for f in client.list_functions()["Functions"]], [name])
        self.assertEqual(client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"], 989)
        self.assertEqual(sorted(os.listdir(os.path.join(self.server.data, "code"))), packages)
        with urllib.request.urlopen(client.get_function(FunctionName=name)["Code"]["Location"]) as answer:
            self.assertEqual(answer.read(), ZIP2)
        # Numbers go on: of a function that lived on, and of one that was deleted.
        client.update_function_configuration(FunctionName=name, Timeout=9)
        self.wait(name)
        self.assertEqual(client.publish_version(FunctionName=name)["Version"], "3")
        self.assertEqual(client.create_function(FunctionName="gone", Runtime="python3.11", Handler="app.handler", Role=ROLE,
                                                Code={"ZipFile": ZIP}, Publish=True)["Version"], "2")

    def test_stop(self):
        self.check_survives(signal.SIGTERM)

    def test_kill(self):
        self.check_survives(signal.SIGKILL)

    def test_unused_packages_go(self):
        client = self.server.client()
        folder = os.path.join(self.server.data, "code")
        names = [self.server.deploy(package(i % 2)) for i in range(4)]
        self.assertEqual(len(os.listdir(folder)), 2)
        client.delete_function(FunctionName=names[0])
        client.delete_function(FunctionName=names[1])
        self.assertEqual(len(os.listdir(folder)), 2)
        client.update_function_code(FunctionName=names[2], ZipFile=package(1))
        self.wait(names[2])
        for _ in range(200):  # the old one goes off the loop, after the answer
            if len(os.listdir(folder)) == 1:
                break
            threading.Event().wait(0.02)
        self.assertEqual(len(os.listdir(folder)), 1)
        # Brought again while or after it is deleted, it is made again.
        for _ in range(10):
            client.delete_function(FunctionName=self.server.deploy(package(7), name="again"))
        self.server.deploy(package(7), name="again")
        self.assertEqual(len(os.listdir(folder)), 2)


class Killed(unittest.TestCase):
    def test_killed_while_functions_are_created(self):
        with Server() as server:
            acknowledged = set()
            for round_ in range(ROUNDS):
                self.create_until_killed(server, acknowledged, round_)
                server.start()
                self.check(server, acknowledged)

    def create_until_killed(self, server, acknowledged, round_):
        client = server.client()
        enough = threading.Event()

        def create():
            for i in range(100000):
                name = "f-%d-%d" % (round_, i)
                try:
                    client.create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE,
                                           Code={"ZipFile": package(round_ * 100000 + i)}, Publish=True)
                except (BotoCoreError, ClientError):
                    return
                acknowledged.add(name)
                if i == 5 + 3 * round_:
                    enough.set()

        thread = threading.Thread(target=create)
        thread.start()
        self.assertTrue(enough.wait(60))
        server.stop(signal.SIGKILL)
        thread.join(60)
        self.assertFalse(thread.is_alive())

    def check(self, server, acknowledged):
        client = server.client()
        found, sums = set(), set()
        for page in client.get_paginator("list_functions").paginate():
            found.update(f["FunctionName"] for f in page["Functions"])
        self.assertLessEqual(acknowledged, found)
        self.assertLessEqual(len(found - acknowledged), ROUNDS)  # done, but the answer did not arrive: one each time at most
        for name in found:
            versions = client.list_versions_by_function(FunctionName=name)["Versions"]
            self.assertEqual([v["Version"] for v in versions], ["$LATEST", "1"])
            self.assertEqual({v["State"] for v in versions}, {"Active"})
            sums.add(versions[0]["CodeSha256"])
        self.assertEqual(len(os.listdir(os.path.join(server.data, "code"))), len(sums))
        self.assertEqual(client.invoke(FunctionName=max(found), Payload=b"1")["StatusCode"], 200)


if __name__ == "__main__":
    main()
