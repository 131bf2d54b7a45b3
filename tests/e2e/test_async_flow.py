"""Many asynchronous events: a backlog that nobody else notices, and a control process that is killed under load.

MAYFLY_EVENTS says how many events wait (10,000 by default, 100,000 in the soak), MAYFLY_KILLS how often control is killed.
"""
import http.client
import json
import os
import random
import signal
import threading
import time
import unittest
import uuid

from support import call, signed
from harness import Server

EVENTS = int(os.environ.get("MAYFLY_EVENTS", "10000"))
KILLS = int(os.environ.get("MAYFLY_KILLS", "4"))
SENDERS = 16
ROUNDS = 3
SLEEPER = {"app.py": "import time\ndef handler(e, c):\n    time.sleep(0.05)\n"}
ECHO = {"app.py": "def handler(e, c):\n    return e\n"}


class Sender(threading.Thread):
    """Sends one signed request again and again over one connection; the signature stays good for minutes."""

    def __init__(self, server, name, body, count):
        super().__init__()
        self.path = "/2015-03-31/functions/%s/invocations" % name
        self.server, self.body, self.count = server, body, count
        self.accepted, self.statuses, self.times = [], set(), []

    def run(self):
        headers = signed(self.server, "POST", self.path, self.body, **{"X-Amz-Invocation-Type": "Event"})
        connection = http.client.HTTPConnection(self.server.url.partition("//")[2], timeout=60)
        while len(self.accepted) < self.count:
            begun = time.monotonic()
            connection.request("POST", self.path, self.body, headers)
            answer = connection.getresponse()
            answer.read()
            self.statuses.add(answer.status)
            if answer.status != 202:
                break
            self.accepted.append(answer.headers["x-amzn-requestid"])
            self.times.append(time.monotonic() - begun)
        connection.close()


def percentile(times, p):
    return sorted(times)[min(len(times) - 1, int(len(times) * p))]


class Backlog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--retry-scale", "1", "--pool", "2")
        cls.addClassCleanup(cls.server.close)

    def memory_mb(self):
        with open("/proc/%d/smaps_rollup" % self.server.child("mayfly-control"), encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("Pss_Anon:")) / 1024

    def invoke_times(self, client, name):
        times = []
        for n in range(200):
            begun = time.monotonic()
            self.assertEqual(call(client, name, {"n": n})[1], {"n": n})
            times.append(time.monotonic() - begun)
        return times

    def test_nobody_else_notices(self):
        client = self.server.client()
        slow, other = self.server.deploy(SLEEPER), self.server.deploy(ECHO)
        client.put_function_concurrency(FunctionName=slow, ReservedConcurrentExecutions=2)
        for _ in range(20):
            call(client, other, {})
        before = self.memory_mb()
        senders = [Sender(self.server, slow, json.dumps({"text": "x" * 1000}).encode(), EVENTS // SENDERS) for _ in range(SENDERS)]
        begun = time.monotonic()
        for s in senders:
            s.start()
        for s in senders:
            s.join()
        seconds = time.monotonic() - begun
        accepted = [i for s in senders for i in s.accepted]
        self.assertEqual({c for s in senders for c in s.statuses}, {202})
        self.assertEqual(len(set(accepted)), EVENTS // SENDERS * SENDERS)
        rounds = [percentile(self.invoke_times(client, other), 0.99) for _ in range(ROUNDS)]
        grown = self.memory_mb() - before
        print("\n%d events accepted in %.1f s (%.0f/s, p99 %.1f ms); another function's p99 %.1f ms; memory %+.1f MB" % (
            len(accepted), seconds, len(accepted) / seconds, 1000 * percentile([t for s in senders for t in s.times], 0.99),
            1000 * min(rounds), grown))
        self.assertLess(min(rounds), 0.1)
        self.assertLess(grown, 50)
        client.delete_function(FunctionName=slow)
        self.assertEqual(call(client, other, {"n": 1})[1], {"n": 1})


class Killed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--retry-scale", "1", "--pool", "2")
        cls.addClassCleanup(cls.server.close)

    def test_nothing_that_was_accepted_is_lost(self):
        client, sqs = (self.server.client(s, retries={"max_attempts": 8}) for s in ("lambda", "sqs"))
        name = self.server.deploy({"app.py": "import time\ndef handler(e, c):\n    time.sleep(0.01)\n    return e\n"})
        queue = "q-" + uuid.uuid4().hex[:12]
        url = sqs.create_queue(QueueName=queue)["QueueUrl"]
        arn = "arn:aws:sqs:us-east-1:000000000000:" + queue
        client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={
            "OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}})
        accepted, refused, over = set(), 0, threading.Event()

        def send():
            nonlocal refused
            own = self.server.client(retries={"max_attempts": 0})
            while not over.is_set():
                try:
                    answer = own.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n":1}')
                    accepted.add(answer["ResponseMetadata"]["RequestId"])
                except Exception:  # pylint: disable=broad-except
                    refused += 1
                    time.sleep(0.05)

        threads = [threading.Thread(target=send) for _ in range(4)]
        for t in threads:
            t.start()
        for _ in range(KILLS):
            time.sleep(random.uniform(0.2, 1.5))
            pid = self.server.child("mayfly-control")
            if pid:
                os.kill(pid, signal.SIGKILL)
        time.sleep(1)
        over.set()
        for t in threads:
            t.join()
        executed, repeated, others = set(), 0, 0
        end = time.monotonic() + 120
        while not accepted <= executed and time.monotonic() < end:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
            for m in messages:
                context = json.loads(m["Body"])["requestContext"]
                repeated += context["requestId"] in executed
                others += context["requestId"] not in accepted
                executed.add(context["requestId"])
                self.assertEqual(context["condition"], "Success")
            if messages:
                sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]}
                                                               for i, m in enumerate(messages)])
        print("\naccepted %d, executed %d, repeated %d, executed without an answer %d, lost %d; refused %d; %d kills" % (
            len(accepted), len(executed & accepted), repeated, others, len(accepted - executed), refused, KILLS))
        self.assertGreater(len(accepted), 20 * KILLS)
        self.assertEqual(accepted - executed, set())


if __name__ == "__main__":
    unittest.main()
