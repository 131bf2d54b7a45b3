"""Queues that drive functions: order, partial failures, poison messages, kill -9 in the middle. What a function has done it says by a
message to a queue of its own, before it answers: what is there was executed."""
import json
import os
import signal
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
from harness import Server  # noqa: E402

# Its own small client, since the SDK takes seconds to start on a busy machine: the query protocol, signed by hand.
CODE = """
import datetime, hashlib, hmac, http.client, json, os, urllib.parse

ADDRESS = os.environ["AWS_ENDPOINT_URL"].split("/")[2]

def sign(form):
    stamp = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
    scope = [stamp[:8], os.environ["AWS_REGION"], "sqs", "aws4_request"]
    headers = {"content-type": "application/x-www-form-urlencoded", "host": ADDRESS, "x-amz-date": stamp,
               "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"]}
    names = ";".join(sorted(headers))
    canonical = "\\n".join(["POST", "/", "", *("%s:%s" % (k, headers[k]) for k in sorted(headers)), "", names,
                            hashlib.sha256(form).hexdigest()])
    text = "\\n".join(["AWS4-HMAC-SHA256", stamp, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope:
        key = hmac.new(key, part.encode(), "sha256").digest()
    if "_X_AMZN_TRACE_ID" in os.environ:
        headers["x-amzn-trace-id"] = os.environ["_X_AMZN_TRACE_ID"]
    headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        os.environ["AWS_ACCESS_KEY_ID"], "/".join(scope), names, hmac.new(key, text.encode(), "sha256").hexdigest())
    return headers

def send(body, **more):
    form = urllib.parse.urlencode({"Action": "SendMessage", "Version": "2012-11-05", "QueueUrl": os.environ["OUT"], "MessageBody": body,
                                   **more}).encode()
    connection = http.client.HTTPConnection(ADDRESS, timeout=20)
    connection.request("POST", "/", form, sign(form))
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200 or "<MessageId>" not in text:
        raise Exception("%d %s" % (answer.status, text))
    connection.close()

def handler(event, context):
    failures = []
    for i, record in enumerate(event["Records"]):
        body = json.loads(record["body"])
        count = int(record["attributes"]["ApproximateReceiveCount"])
        note = {"id": body["id"], "count": count, "group": record["attributes"].get("MessageGroupId")}
        failed = body.get("fail", 0) >= count
        if failed:
            note["failed"] = True
            failures.append({"itemIdentifier": record["messageId"]})
        if body.get("show"):
            note["record"] = record
        send(json.dumps(note))
        if failed and os.environ.get("STRICT"):
            failures += [{"itemIdentifier": r["messageId"]} for r in event["Records"][i + 1:]]
            break
    return {"batchItemFailures": failures}
"""


def patient(call, **arguments):
    """Until the server is there again."""
    for _ in range(600):
        try:
            return call(**arguments)
        except Exception as e:  # connection refused, closed in the middle, 5xx
            answer = getattr(e, "response", None) or {}
            if answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) < 500:
                raise
            time.sleep(0.1)
    raise AssertionError("the server did not come back")


class Mappings(unittest.TestCase):
    def setUp(self):
        self.server = Server("--retry-scale", "10")
        self.addCleanup(self.server.close)
        self.sqs = self.server.client("sqs")
        self.client = self.server.client("lambda")

    def queue(self, name, **attributes):
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def arn(self, url):
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def function(self, **variables):
        self.out = self.queue("out-" + uuid.uuid4().hex[:8])
        return self.server.deploy({"app.py": CODE}, Timeout=5, MemorySize=1769, Environment={"Variables": {"OUT": self.out, **variables}})

    def map(self, url, function, **more):
        made = self.client.create_event_source_mapping(EventSourceArn=self.arn(url), FunctionName=function,
                                                       FunctionResponseTypes=["ReportBatchItemFailures"], **more)
        for _ in range(500):
            if self.client.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled":
                return made["UUID"]
            time.sleep(0.02)
        self.fail("the mapping is not enabled")

    def notes(self, enough, seconds=60):
        """What the function has said, until `enough` of it says so."""
        found = []
        deadline = time.monotonic() + seconds
        while not enough(found) and time.monotonic() < deadline:
            answer = patient(self.sqs.receive_message, QueueUrl=self.out, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                patient(self.sqs.delete_message, QueueUrl=self.out, ReceiptHandle=message["ReceiptHandle"])
        return found

    def left(self, url):
        shown = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(shown["ApproximateNumberOfMessages"]) + int(shown["ApproximateNumberOfMessagesNotVisible"])

    def until_left(self, url, count, seconds=30):
        deadline = time.monotonic() + seconds
        while self.left(url) != count and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.left(url), count)

    def test_a_record(self):
        url = self.queue("jobs", VisibilityTimeout="6")
        self.map(url, self.function())
        sent = self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"id": 1, "show": True}),
                                     MessageAttributes={"n": {"DataType": "Number", "StringValue": "7"}})
        record = self.notes(lambda n: n)[0]["record"]
        self.assertEqual((record["messageId"], record["md5OfBody"], record["eventSource"], record["eventSourceARN"], record["awsRegion"]),
                         (sent["MessageId"], sent["MD5OfMessageBody"], "aws:sqs", self.arn(url), "us-east-1"))
        self.assertEqual(record["messageAttributes"]["n"]["stringValue"], "7")
        self.assertEqual(record["messageAttributes"]["n"]["dataType"], "Number")
        self.assertLessEqual({"ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"},
                             set(record["attributes"]))
        self.assertTrue(record["receiptHandle"])
        self.until_left(url, 0)

    def test_exactly_the_failed_come_again(self):
        url = self.queue("jobs", VisibilityTimeout="6")
        function = self.function()
        for i in range(0, 40, 10):
            self.sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(k), "MessageBody": json.dumps({"id": k, "fail": k % 4 == 0})}
                                                               for k in range(i, i + 10)])
        self.map(url, function)
        notes = self.notes(lambda n: len(n) >= 50)
        self.until_left(url, 0)
        counts = {}
        for note in notes:
            counts.setdefault(note["id"], []).append(note["count"])
        self.assertEqual({k: sorted(v) for k, v in counts.items()}, {k: [1, 2] if k % 4 == 0 else [1] for k in range(40)})

    def test_poison_goes_to_the_dead_letter_queue(self):
        dead = self.queue("dead")
        url = self.queue("jobs", VisibilityTimeout="6", RedrivePolicy=json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": "2"}))
        self.map(url, self.function(), BatchSize=1)
        self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"id": "poison", "fail": 99}))
        self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"id": "fine"}))
        answer = None
        for _ in range(15):
            answer = self.sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=2)
            if answer.get("Messages"):
                break
        self.assertEqual(json.loads(answer["Messages"][0]["Body"])["id"], "poison")
        notes = self.notes(lambda n: len(n) >= 3)
        self.assertEqual(sorted((n["id"], n["count"]) for n in notes), [("fine", 1), ("poison", 1), ("poison", 2)])
        self.until_left(url, 0)

    def test_recursion_ends(self):
        """A function that sends to its own queue: stopped after 16 turns, and the message is dead."""
        dead = self.queue("dead")
        url = self.queue("jobs", VisibilityTimeout="6", RedrivePolicy=json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": "5"}))
        code = CODE.split("def handler")[0] + "def handler(event, context):\n    for record in event['Records']:\n        send(record['body'])\n"
        function = self.server.deploy({"app.py": code}, Timeout=5, MemorySize=1769, Environment={"Variables": {"OUT": url}})
        self.map(url, function, BatchSize=1)
        self.sqs.send_message(QueueUrl=url, MessageBody="round and round")
        self.until_left(dead, 1, 60)
        time.sleep(0.5)
        events = self.server.client("logs").filter_log_events(logGroupName="/aws/lambda/" + function, filterPattern="REPORT")["events"]
        self.assertEqual(len([e for e in events if e["message"].startswith("REPORT")]), 16)
        self.until_left(url, 0)

    def test_filters_delete(self):
        url = self.queue("jobs", VisibilityTimeout="6")
        self.map(url, self.function(), FilterCriteria={"Filters": [{"Pattern": '{"body":{"id":[{"numeric":[">",5]}]}}'}]})
        for k in range(10):
            self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"id": k}))
        self.assertEqual(sorted(n["id"] for n in self.notes(lambda n: len(n) >= 4)), [6, 7, 8, 9])
        self.until_left(url, 0)

    def send_groups(self, url, producers, each):
        """Each producer is a group and sends in its order."""
        def produce(group):
            client = self.server.client("sqs")
            for k in range(each):
                body = json.dumps({"id": "%d/%d" % (group, k), "fail": int(k % 7 == 3)})
                patient(client.send_message, QueueUrl=url, MessageBody=body, MessageGroupId=str(group), MessageDeduplicationId="%d/%d" % (group, k))
        threads = [threading.Thread(target=produce, args=(g,)) for g in range(producers)]
        for t in threads:
            t.start()
        return threads

    def assert_order(self, notes, producers, each):
        """In each group, every message succeeds; none is begun before those in front of it have succeeded."""
        for group in range(producers):
            mine = [n for n in notes if n["group"] == str(group)]
            done = -1
            for note in sorted(mine, key=lambda n: n["at"]):
                k = int(note["id"].split("/")[1])
                self.assertLessEqual(k, done + 1, "group %d: %d after %d" % (group, k, done))
                if not note.get("failed"):
                    done = max(done, k)
            self.assertEqual(done, each - 1)

    def ordered_notes(self, wanted, seconds):
        """Notes with their place: the queue of notes is a FIFO queue of one group for each group."""
        found, succeeded = [], set()
        deadline = time.monotonic() + seconds
        while len(succeeded) < wanted and time.monotonic() < deadline:
            answer = patient(self.sqs.receive_message, QueueUrl=self.out, MaxNumberOfMessages=10, WaitTimeSeconds=1, AttributeNames=["All"])
            for message in answer.get("Messages", []):
                note = json.loads(message["Body"])
                note["at"] = int(message["Attributes"]["SequenceNumber"])
                found.append(note)
                if not note.get("failed"):
                    succeeded.add(note["id"])
                patient(self.sqs.delete_message, QueueUrl=self.out, ReceiptHandle=message["ReceiptHandle"])
        return found

    def fifo(self, kills, producers=8, each=12):
        url = self.queue("jobs.fifo", FifoQueue="true", VisibilityTimeout="6")
        self.out = self.queue("notes.fifo", FifoQueue="true")
        code = CODE.replace("send(json.dumps(note))", "send(json.dumps(note), MessageGroupId=note['group'], "
                            "MessageDeduplicationId=context.aws_request_id + note['id'])")
        function = self.server.deploy({"app.py": code}, Timeout=5, MemorySize=1769,
                                      Environment={"Variables": {"OUT": self.out, "STRICT": "1"}})
        self.map(url, function)
        threads = self.send_groups(url, producers, each)
        for _ in range(kills):
            time.sleep(1.5)
            os.kill(self.server.child("mayfly-control"), signal.SIGKILL)
        notes = self.ordered_notes(producers * each, 150)
        for t in threads:
            t.join()
        self.assert_order(notes, producers, each)
        return notes

    def test_order_of_groups(self):
        notes = self.fifo(0)
        print("fifo: %d messages, %d executions" % (8 * 12, len(notes)))

    def test_order_of_groups_over_kills(self):
        notes = self.fifo(2)
        print("fifo, 2 kills: %d messages, %d executions" % (8 * 12, len(notes)))

    def test_kill_loses_nothing(self):
        url = self.queue("jobs", VisibilityTimeout="6")
        self.map(url, self.function())
        accepted = []

        def produce():
            client = self.server.client("sqs")
            for k in range(300):
                body = json.dumps({"id": k})
                patient(client.send_message, QueueUrl=url, MessageBody=body)
                accepted.append(k)
        thread = threading.Thread(target=produce)
        thread.start()
        for _ in range(3):
            time.sleep(1)
            os.kill(self.server.child("mayfly-control"), signal.SIGKILL)
        thread.join()
        notes = self.notes(lambda n: len({note["id"] for note in n}) == 300, 90)
        executed = {note["id"] for note in notes}
        print("kill: accepted %d, executed %d, repeated %d, lost %d" % (len(accepted), len(executed), len(notes) - len(executed),
                                                                        len(set(accepted) - executed)))
        self.assertEqual(set(accepted) - executed, set())

    def test_latency_is_shown(self):
        url = self.queue("jobs", VisibilityTimeout="6")
        function = self.server.deploy({"app.py": "import time\ndef handler(e, c):\n    print('STAMP', repr(time.time()), e['Records'][0]['body'])\n"},
                                      Timeout=5)
        self.map(url, function)
        for k in range(20):
            self.sqs.send_message(QueueUrl=url, MessageBody=repr(time.time()))
            time.sleep(0.1)
        self.until_left(url, 0)
        time.sleep(0.5)
        events = self.server.client("logs").filter_log_events(logGroupName="/aws/lambda/" + function, filterPattern="STAMP")["events"]
        times = sorted(float(e["message"].split()[1]) - float(e["message"].split()[2]) for e in events if e["message"].startswith("STAMP"))
        self.assertEqual(len(times), 20)
        print("send-message to function start: p50 %.1f ms, worst %.1f ms" % (1000 * times[10], 1000 * times[-1]))


if __name__ == "__main__":
    unittest.main()
