"""What waits and what became of events, as /_mayfly/ and the command line show it, against a server at work."""
import json
import subprocess
import time
import unittest

from harness import MAYFLY, Server

ARN = "arn:aws:sqs:us-east-1:000000000000:"
FAILING = "def handler(e, c):\n    if e.get('bad'):\n        raise ValueError('no luck')\n    return e\n"


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool", "1", "--retry-scale", "1")
        cls.addClassCleanup(cls.server.close)
        cls.sqs = cls.server.client("sqs")

    def cli(self, *words, status=0):
        done = subprocess.run([MAYFLY, *words], env=self.server.environ(), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def rows(self):
        return {row["name"]: row for row in json.loads(self.cli("queue", "ls", "--output", "json"))}

    def until(self, condition, what):
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.05)

    def queue(self, name, **attributes):
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def test_queues(self):
        self.queue("lost")
        redrive = json.dumps({"deadLetterTargetArn": ARN + "lost", "maxReceiveCount": "1"})
        url = self.queue("jobs", RedrivePolicy=redrive, VisibilityTimeout="0")
        self.assertEqual({k: self.rows()["jobs"][k] for k in ("kind", "visible", "in_flight", "delayed", "dead_letter", "max_receives")},
                         {"kind": "standard", "visible": 0, "in_flight": 0, "delayed": 0, "dead_letter": ARN + "lost", "max_receives": 1})
        for text in ("one", "two"):
            self.sqs.send_message(QueueUrl=url, MessageBody=text)
        self.assertEqual(self.rows()["jobs"]["visible"], 2)
        messages = json.loads(self.cli("queue", "peek", "jobs", "--output", "json"))
        self.assertEqual([(m["body"], m["receives"]) for m in messages], [("one", 0), ("two", 0)])
        rest = json.loads(self.cli("queue", "peek", "jobs", "--after", str(messages[0]["sequence"]), "--output", "json"))
        self.assertEqual([m["id"] for m in rest], [messages[1]["id"]])
        for _ in range(6):  # received once too often: into "lost"
            self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        self.until(lambda: self.rows()["lost"]["visible"] == 2, "both are dead letters")
        self.assertEqual(self.cli("queue", "redrive", "lost"), "2 messages moved\n")
        self.assertEqual((self.rows()["jobs"]["visible"], self.rows()["lost"]["visible"]), (2, 0))
        self.cli("queue", "purge", "jobs", "--yes")
        self.until(lambda: self.rows()["jobs"]["visible"] == 0, "it is purged")
        self.sqs.delete_queue(QueueUrl=url)
        self.assertNotIn("jobs", self.rows())
        self.assertIn("no such queue", self.cli("queue", "peek", "jobs", status=1))

    def test_events(self):
        name = self.server.deploy({"app.py": FAILING})
        client = self.server.client()
        def send(event):
            got = client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode())
            self.assertEqual(got["StatusCode"], 202)
            return got["ResponseMetadata"]["RequestId"]
        good, bad = send({}), send({"bad": 1})
        def steps(request):
            page = json.loads(self.cli("events", "--request", request, "--output", "json"))
            self.assertEqual(page["function"], name)
            return [line["step"] for line in page["history"]]
        self.until(lambda: "succeeded" in steps(good), "the good one has succeeded")
        self.until(lambda: "dead" in steps(bad), "the bad one is dead")
        self.assertEqual(steps(good), ["accepted", "started", "succeeded"])
        self.assertEqual(steps(bad), ["accepted"] + ["started", "failed", "retry"] * 2 + ["started", "failed", "dead"])
        failed = json.loads(self.cli("events", name, "--failed", "--output", "json"))
        self.assertEqual({line["requestId"] for line in failed["history"]}, {bad})
        self.assertIn("ValueError: no luck", self.cli("events", "--failed"))
        self.assertIn("nothing is known", self.cli("events", "--request", "00000000-0000-4000-8000-000000000000", status=1))

    def test_an_event_that_waits(self):
        name = self.server.deploy({"app.py": FAILING})
        client = self.server.client()
        # A function that sleeps holds the only place.
        client.update_function_code(FunctionName=name, ZipFile=self.sleeper())
        client.get_waiter("function_updated_v2").wait(FunctionName=name)
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        for _ in range(3):
            client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
        waiting = []
        def one_runs():
            waiting[:] = json.loads(self.cli("events", name, "--output", "json"))["waiting"]
            return [w["running"] for w in waiting].count(True) == 1
        self.until(one_runs, "one runs")
        self.assertEqual(len(waiting), 3)
        self.assertIn("runs now", self.cli("events", name))
        self.assertEqual(self.rows()["async/" + name]["kind"], "internal")
        client.delete_function(FunctionName=name)
        self.until(lambda: "async/" + name not in self.rows(), "its events went with it")

    def sleeper(self):
        from harness import zip_of
        return zip_of({"app.py": "import time\ndef handler(e, c):\n    time.sleep(2.5)\n"})


if __name__ == "__main__":
    unittest.main()
