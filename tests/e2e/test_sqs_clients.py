"""SQS's clients as they are: the AWS CLI, the SDK for JavaScript, the npm package sqs-consumer; and FIFO queues under kill -9."""
import json
import os
import shutil
import signal
import threading
import time
import unittest
import uuid

import botocore.exceptions

from support import NodeCase, npm, run, wait_until
from harness import Server

PACKAGES = ("@aws-sdk/client-sqs@3.1169.0", "sqs-consumer@11.6.0")
NO_QUEUE = "The specified queue does not exist."


class JavaScript(NodeCase, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = npm(*PACKAGES)
        with Server() as server:
            cls.run_node(server, folder, "sqs_clients.mjs", "js-" + uuid.uuid4().hex[:8])

    def test_sdk(self):
        self.check("same", True)
        self.check("received", ["grün & <b>", True, "ä", [0, 255, 7], "1"])
        self.check("batch", [["a"], [["b", "InvalidParameterValue"]]])
        self.check("gone", ["x"])
        self.check("empty", None)
        self.check("pages", 1)

    def test_errors(self):
        self.check("no queue", {"name": "QueueDoesNotExist", "status": 400, "known": True, "message": NO_QUEUE})
        self.assertEqual(self.said["bad value"]["status"], 400)
        self.check("deleted", {"name": "QueueDoesNotExist", "status": 400, "known": True, "message": NO_QUEUE})

    def test_sqs_consumer(self):
        self.check("consumer", ["a", "b", "fails"])
        self.check("consumer left", 0)
        self.check("consumer batch", [str(i) for i in range(10)])
        self.check("consumer fifo", ["1", "fails", "3", "4"])
        self.check("consumer fifo left", 0)


@unittest.skipUnless(shutil.which("aws"), "no AWS CLI here")
class Cli(unittest.TestCase):
    def test_life_of_a_queue(self):
        with Server() as server:
            def aws(*words):
                done = run("aws", "--endpoint-url", server.url, "--output", "json", "sqs", *words, env=server.environ())
                self.assertEqual(done.returncode, 0, done.stderr)
                return json.loads(done.stdout or "null")
            url = aws("create-queue", "--queue-name", "jobs", "--attributes", "VisibilityTimeout=5")["QueueUrl"]
            self.assertEqual(aws("get-queue-url", "--queue-name", "jobs")["QueueUrl"], url)
            aws("send-message", "--queue-url", url, "--message-body", "hello", "--message-attributes", '{"a":{"DataType":"Number","StringValue":"1"}}')
            got, = aws("receive-message", "--queue-url", url, "--attribute-names", "All", "--message-attribute-names", "All")["Messages"]
            self.assertEqual((got["Body"], got["MessageAttributes"]["a"]["StringValue"]), ("hello", "1"))
            aws("delete-message", "--queue-url", url, "--receipt-handle", got["ReceiptHandle"])
            self.assertEqual(aws("list-queues")["QueueUrls"], [url])
            aws("delete-queue", "--queue-url", url)
            gone = run("aws", "--endpoint-url", server.url, "sqs", "get-queue-url", "--queue-name", "jobs", env=server.environ())
            self.assertIn("The specified queue does not exist", gone.stderr)


class Fifo(unittest.TestCase):
    PRODUCERS, MESSAGES, KILLS = 8, 60, 3

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        self.url = self.server.client("sqs").create_queue(QueueName="order.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "3"})["QueueUrl"]
        self.received = {str(g): [] for g in range(self.PRODUCERS)}
        self.lock = threading.Lock()
        self.deadline = time.monotonic() + 150

    def insist(self, call, **arguments):
        """Until it is answered: a server that is killed answers nothing, or not in time."""
        while time.monotonic() < self.deadline:
            try:
                return call(**arguments)
            except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError):
                time.sleep(0.05)
            except botocore.exceptions.ClientError as e:
                if e.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                    raise
                time.sleep(0.05)
        raise AssertionError("not answered in time")

    def produce(self, group):
        client = self.server.client("sqs")
        for n in range(self.MESSAGES):
            self.insist(client.send_message, QueueUrl=self.url, MessageBody=str(n), MessageGroupId=group, MessageDeduplicationId="%s-%d" % (group, n))

    def is_complete(self):
        return all(len(set(numbers)) == self.MESSAGES for numbers in self.received.values())

    def consume(self):
        client = self.server.client("sqs")
        while time.monotonic() < self.deadline and not self.is_complete():
            answer = self.insist(client.receive_message, QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1, AttributeNames=["MessageGroupId"])
            for m in answer.get("Messages", []):
                with self.lock:
                    self.received[m["Attributes"]["MessageGroupId"]].append(int(m["Body"]))
            for m in answer.get("Messages", []):
                try:
                    self.insist(client.delete_message, QueueUrl=self.url, ReceiptHandle=m["ReceiptHandle"])
                except botocore.exceptions.ClientError as e:
                    self.assertIn("has expired", str(e)) # it took longer than its visibility, and will come again

    def kill(self):
        pid = self.server.child("mayfly-control")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.server.child("mayfly-control") not in (None, pid), 20, "a new control")

    def test_order_with_eight_producers_and_kill(self):
        threads = [threading.Thread(target=self.produce, args=(g,)) for g in self.received] + [threading.Thread(target=self.consume) for _ in range(3)]
        for t in threads:
            t.start()
        for _ in range(self.KILLS):
            time.sleep(0.7)
            self.kill()
        for t in threads:
            t.join(160)
        for group, numbers in self.received.items():
            first = list(dict.fromkeys(numbers))
            self.assertEqual(first, list(range(self.MESSAGES)), "group %s: %s" % (group, numbers))
        repeated = sum(len(numbers) - len(set(numbers)) for numbers in self.received.values())
        print("\nfifo: %d sent, %d repeated, 0 lost, %d kills" % (self.PRODUCERS * self.MESSAGES, repeated, self.KILLS))


if __name__ == "__main__":
    unittest.main()
