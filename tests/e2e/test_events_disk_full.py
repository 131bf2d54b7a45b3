"""A full disk: new events and messages are refused with an error after which clients try again, what was acknowledged stays and is executed,
and everything works again by itself as soon as there is room."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from botocore.exceptions import ClientError

from support import wait_until
from harness import Server

DISK_MB = 96
BODY = "x" * 100000
BEFORE = 20
TAKEN_MAX = 2000
PREFIX = "arn:aws:sqs:us-east-1:000000000000:"
ANSWER = "def handler(e, c):\n    return {'id': e['id']}\n"


class Full(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mayfly-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.disk, image = os.path.join(self.folder, "disk"), os.path.join(self.folder, "image")
        os.mkdir(self.disk)
        with open(image, "wb") as f:
            f.truncate(DISK_MB << 20)
        try:
            subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True, capture_output=True)
            subprocess.run(["mount", "-o", "loop", image, self.disk], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as e:
            self.skipTest("no ext4 on a loop device here: %s" % (getattr(e, "stderr", None) or e))
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], capture_output=True)
        os.chmod(self.disk, 0o755)
        os.rmdir(os.path.join(self.disk, "lost+found"))
        self.server = Server("--pool", "1", "--retry-scale", "1", "--snapshot-default", "off", data=self.disk)
        self.addCleanup(self.server.stop)
        self.sqs, self.client = self.server.client("sqs"), self.server.client()
        self.done = self.sqs.create_queue(QueueName="done")["QueueUrl"]
        self.url = self.sqs.create_queue(QueueName="jobs")["QueueUrl"]
        self.name = self.server.deploy({"app.py": ANSWER})
        self.client.put_function_event_invoke_config(FunctionName=self.name,
                                                     DestinationConfig={"OnSuccess": {"Destination": PREFIX + "done"}})

    def fill(self):
        """Until not a byte more fits."""
        with open(os.path.join(self.disk, "filler"), "ab", buffering=0) as f:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        f.write(b"f" * size)
            with contextlib.suppress(OSError):
                os.fsync(f.fileno())

    def refused(self, call):
        """Calls, BEFORE of them with room, until one is refused; how many were taken before."""
        taken = 0
        while True:
            if taken >= BEFORE:
                self.fill()
            try:
                call(taken)
            except ClientError as e:
                status = e.response["ResponseMetadata"]["HTTPStatusCode"]
                self.assertGreaterEqual(status, 500, "a client tries again: %s" % e)
                self.assertIn("full", str(e).lower() + json.dumps(e.response).lower())
                return taken
            taken += 1
            self.assertLess(taken, TAKEN_MAX, "nothing is refused on a full disk")

    def send(self, n):
        self.sqs.send_message(QueueUrl=self.url, MessageBody="%d %s" % (n, BODY))

    def invoke(self, n):
        self.client.invoke(FunctionName=self.name, InvocationType="Event", Payload=json.dumps({"id": n, "fill": BODY}).encode())

    def received(self, url):
        got = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for m in got:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
        return [m["Body"] for m in got]

    def drain(self, url, count):
        bodies = []
        def all_there():
            bodies.extend(self.received(url))
            return len(bodies) >= count
        wait_until(all_there, 60, "%d messages are there" % count)
        return bodies

    def test_full(self):
        self.invoke(-1)
        sent = self.refused(self.send)
        os.unlink(os.path.join(self.disk, "filler"))
        invoked = self.refused(self.invoke)
        self.assertEqual(self.client.get_function(FunctionName=self.name)["Configuration"]["State"], "Active")
        # What was acknowledged can be taken out of a full disk.
        kept = self.drain(self.url, sent)
        self.assertEqual(sorted(int(b.split()[0]) for b in kept), list(range(sent)))
        os.unlink(os.path.join(self.disk, "filler"))
        wait_until(self.works, 30, "it works again by itself")
        ids = {json.loads(b)["responsePayload"]["id"] for b in self.drain(self.done, invoked + 2)}
        self.assertEqual(ids - {"again"}, set(range(-1, invoked)))

    def works(self):
        try:
            self.client.invoke(FunctionName=self.name, InvocationType="Event", Payload=b'{"id": "again"}')
        except ClientError:
            return False
        return True


if __name__ == "__main__":
    unittest.main()
