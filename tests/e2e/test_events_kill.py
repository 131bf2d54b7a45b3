"""kill -9 of every kind of process at random moments under 500 events a second: half are asynchronous invocations, half SQS messages that
a mapping hands to a function. What was answered with success is executed at least once; the counts are printed.

What was executed is known by messages in the queue "done": for asynchronous events their OnSuccess destination sends them, for messages the function
itself does, from inside, before it answers.

E2E_KILLS (10), E2E_EVENTS_PER_S (500) and E2E_SEED change the run; make soak kills 200 times.
"""
import collections
import contextlib
import json
import os
import random
import signal
import threading
import time
import unittest

from support import comm, known, wait_until
from harness import Server

KILLS = int(os.environ.get("E2E_KILLS", "10"))
RATE = int(os.environ.get("E2E_EVENTS_PER_S", "500"))
SEED = int(os.environ.get("E2E_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
THREADS = 4          # that invoke
SEND_BATCH = 10
END_SECONDS = 180    # for what is left when nothing is killed any more
PREFIX = "arn:aws:sqs:us-east-1:000000000000:"

ANSWER = "def handler(e, c):\n    return {'id': e['id']}\n"
WORK = """
import boto3, json, os
sqs = boto3.client('sqs', endpoint_url=os.environ['AWS_ENDPOINT_URL'])
URL = os.environ['AWS_ENDPOINT_URL'] + '/000000000000/done'

def handler(e, c):
    for at in range(0, len(e['Records']), 10):
        part = e['Records'][at:at + 10]
        got = sqs.send_message_batch(QueueUrl=URL, Entries=[
            {'Id': str(i), 'MessageBody': json.dumps({'id': r['body']})} for i, r in enumerate(part)])
        if got.get('Failed'):
            raise RuntimeError(str(got['Failed']))
"""


def children_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


class Load:
    """Clients that send at a steady rate, and note what was acknowledged."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.accepted, self.refused = [], collections.Counter()
        self.stop = threading.Event()
        jobs = [(self.invoke, "e%d" % n, RATE / 2 / THREADS) for n in range(THREADS)] + [(self.send, "m", RATE / 2 / SEND_BATCH)]
        self.threads = [threading.Thread(target=self.work, args=job) for job in jobs]
        for t in self.threads:
            t.start()

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join(60)

    def client(self, service):
        return self.server.client(service, connect_timeout=5, read_timeout=20)

    def work(self, one, prefix, per_second):
        state, n, due = {}, 0, time.monotonic()
        while not self.stop.is_set():
            n += 1
            try:
                self.accepted += one(state, "%s-%d" % (prefix, n))
            except Exception as e:  # the server went away: in doubt
                self.refused[type(e).__name__] += 1
                state.clear()
                self.stop.wait(0.02)
            due = max(due + 1 / per_second, time.monotonic() - 0.2)
            self.stop.wait(max(0, due - time.monotonic()))

    def invoke(self, state, text):
        client = state.get("client") or state.setdefault("client", self.client("lambda"))
        client.invoke(FunctionName=self.name, InvocationType="Event", Payload=json.dumps({"id": text}).encode())
        return [text]

    def send(self, state, text):
        client = state.get("client") or state.setdefault("client", self.client("sqs"))
        ids = ["%s-%d" % (text, i) for i in range(SEND_BATCH)]
        got = client.send_message_batch(QueueUrl=self.server.url + "/000000000000/jobs",
                                        Entries=[{"Id": str(i), "MessageBody": id} for i, id in enumerate(ids)])
        return [ids[int(one["Id"])] for one in got.get("Successful", [])]


class Drain:
    """Takes what was executed out of "done", all the time."""

    def __init__(self, server):
        self.server, self.executed = server, collections.Counter()
        self.stop = threading.Event()
        self.seen = set()  # message ids: a receive whose delete was lost comes again, and is no second execution
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def end(self):
        self.stop.set()
        self.thread.join(60)

    def work(self):
        client = None
        while not self.stop.is_set():
            try:
                client = client or self.server.client("sqs", connect_timeout=5, read_timeout=20)
                self.some(client, self.server.url + "/000000000000/done")
            except Exception:
                client = None
                self.stop.wait(0.05)

    def some(self, client, url):
        got = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for m in got:
            if m["MessageId"] not in self.seen:
                self.seen.add(m["MessageId"])
                body = json.loads(m["Body"])
                self.executed[body["id"] if "id" in body else body["responsePayload"]["id"]] += 1
        if got:
            client.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)])


class Killed(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.server = Server("--pool", "1", "--retry-scale", "1", "--max-environments", "12")
        self.addCleanup(self.server.close)
        self.sqs, self.client = self.server.client("sqs"), self.server.client()
        self.sqs.create_queue(QueueName="done")
        self.sqs.create_queue(QueueName="dead")
        self.sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "12"})
        self.name = self.server.deploy({"app.py": ANSWER}, Timeout=5)
        self.client.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=4)
        self.client.put_function_event_invoke_config(
            FunctionName=self.name, DestinationConfig={"OnSuccess": {"Destination": PREFIX + "done"}, "OnFailure": {"Destination": PREFIX + "dead"}})
        worker = self.server.deploy({"app.py": WORK}, Timeout=10, MemorySize=512)
        self.client.create_event_source_mapping(FunctionName=worker, EventSourceArn=PREFIX + "jobs", BatchSize=10,
                                                **known(self.client, "CreateEventSourceMapping", ScalingConfig={"MaximumConcurrency": 4}))

    def environments(self):
        return [p for p in self.server.children() if comm(p) == "mayfly-init"]

    def kill(self, pids):
        """One of them; whether there was one."""
        if not pids:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.random.choice(pids), signal.SIGKILL)
        return True

    def kill_control(self):
        return self.kill([p for p in self.server.children() if comm(p) == "mayfly-control"])

    def kill_init(self):
        return self.kill(self.environments())

    def kill_runtime(self):
        return self.kill([p for init in self.environments() for p in children_of(init)])

    def kill_mayflyd(self):
        self.server.stop(signal.SIGKILL)
        deadline = time.monotonic() + 30
        while True:  # the dead one's processes may hold the data folder for a moment
            try:
                self.server.start()
                return True
            except AssertionError:
                if time.monotonic() > deadline:
                    raise

    def test_nothing_accepted_is_lost(self):
        kinds = [self.kill_control, self.kill_init, self.kill_runtime, self.kill_mayflyd]
        killed, begin = collections.Counter(), time.monotonic()
        load, drain = Load(self.server, self.name), Drain(self.server)
        try:
            wait_until(lambda: len(load.accepted) > 100 and drain.executed, 60, "events are accepted and executed")
            while sum(killed.values()) < KILLS:
                time.sleep(self.random.uniform(0.2, 2.5))
                before = len(load.accepted)
                kind = kinds[sum(killed.values())] if sum(killed.values()) < len(kinds) else self.random.choice(kinds)
                killed[kind.__name__[5:]] += kind()
                wait_until(lambda: len(load.accepted) > before + 20, 60, "events are accepted again after %s" % dict(killed))
            load.end()
            seconds, accepted = time.monotonic() - begin, set(load.accepted)
            self.finish(accepted, drain)
        finally:
            load.end()
            drain.end()
            lost = set(load.accepted) - set(drain.executed)
            repeated = sum(n - 1 for n in drain.executed.values())
            print("\nevents: %s; %d accepted in %.0f s (%.0f/s), %d executed, %d repeated, lost = %d; in doubt %s; seed %d" % (
                dict(killed), len(load.accepted), time.monotonic() - begin, len(load.accepted) / max(seconds, 1) if "seconds" in locals() else 0,
                len(drain.executed), repeated, len(lost), dict(load.refused), SEED), flush=True)
        self.assertEqual(sorted(lost)[:10], [], "accepted, and lost")

    def finish(self, accepted, drain):
        """Until all has come, or nothing more comes."""
        deadline = time.monotonic() + END_SECONDS
        while accepted - set(drain.executed) and time.monotonic() < deadline:
            time.sleep(0.2)


if __name__ == "__main__":
    unittest.main()
