"""Logs as people follow them: aws logs tail, live tails of the CLI and the SDKs, functions that write logs of their own."""
import json
import os
import select
import shutil
import subprocess
import threading
import time
import unittest
import uuid

from support import NodeCase, mayfly, npm, run, wait_until
from harness import Server

PACKAGE = "@aws-sdk/client-cloudwatch-logs@3.1169.0"
DEBIAN_AWS = "/usr/bin/aws"
PRINTS = "def handler(event, context):\n    print('ERROR', event)\n    print('fine', event)\n"
OWN = """
import boto3, time
logs = boto3.client("logs")

def handler(event, context):
    logs.create_log_group(logGroupName=event)
    logs.create_log_stream(logGroupName=event, logStreamName="own")
    logs.put_log_events(logGroupName=event, logStreamName="own", logEvents=[{"timestamp": int(time.time() * 1000), "message": "from inside"}])
    try:
        logs.delete_log_group(logGroupName=event)
    except Exception as e:
        return e.response["Error"]["Code"]
"""


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server.shared()
        cls.logs = cls.server.client("logs")
        cls.functions = cls.server.client()

    def invoke(self, name, event):
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps(event))
        self.assertNotIn("FunctionError", answer)
        return json.loads(answer["Payload"].read())

    def follow(self, command, env, step, wanted):
        """Runs a program that follows logs and calls `step` until it has printed `wanted`; all that it printed."""
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, deadline = b"", time.monotonic() + 30
        try:
            while wanted not in said:
                self.assertLess(time.monotonic(), deadline, said)
                self.assertIsNone(process.poll(), said)
                step()
                if select.select([process.stdout], [], [], 0.3)[0]:
                    said += os.read(process.stdout.fileno(), 65536)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        return said.decode()


class Tail(Case):
    @unittest.skipUnless(os.path.exists(DEBIAN_AWS), "no awscli 2, which has `aws logs tail`")
    def test_aws_logs_tail(self):
        name = self.server.deploy({"app.py": PRINTS})
        group = "/aws/lambda/" + name
        self.invoke(name, "first")
        aws = (DEBIAN_AWS, "--endpoint-url", self.server.url, "logs", "tail", group)
        env = {**self.server.environ(), "PYTHONUNBUFFERED": "1"}
        done = run(*aws, "--since", "5m", "--format", "short", env=env)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = [line.split(" ", 1)[1] for line in done.stdout.splitlines()]
        self.assertLess(lines.index("ERROR first"), lines.index("fine first"))
        said = self.follow((*aws, "--follow", "--filter-pattern", "ERROR"), env, lambda: self.invoke(name, "later"), b"ERROR later")
        self.assertIn("ERROR first", said)
        self.assertNotIn("fine", said)

    def test_live_tail_of_the_cli(self):
        aws = shutil.which("aws")
        if not aws or "start-live-tail" not in run(aws, "logs", "x", env=self.server.environ()).stderr:
            self.skipTest("no awscli that has start-live-tail")
        group = "/live/" + uuid.uuid4().hex[:8]
        self.logs.create_log_group(logGroupName=group)
        self.logs.create_log_stream(logGroupName=group, logStreamName="s")
        exported = mayfly("env", "--data", self.server.data, env=self.server.environ()).stdout
        self.assertIn("export AWS_DISABLE_HOST_PREFIX_INJECTION='true'", exported)
        env = {**self.server.environ(), "AWS_DISABLE_HOST_PREFIX_INJECTION": "true", "PYTHONUNBUFFERED": "1"}

        def put():
            self.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": int(time.time() * 1000), "message": m}
                                                                                        for m in ("an ERROR", "fine")])
        said = self.follow((aws, "logs", "start-live-tail", "--log-group-identifiers", "arn:aws:logs:us-east-1:000000000000:log-group:" + group,
                            "--log-event-filter-pattern", "ERROR"), env, put, b"an ERROR")
        self.assertNotIn("fine", said)

    def test_sessions_end(self):
        """With their client, and when the server stops; not more than 15 at a time."""
        with Server() as server:
            logs = server.client("logs", inject_host_prefix=False)
            logs.create_log_group(logGroupName="/g")
            tails = [logs.start_live_tail(logGroupIdentifiers=["/g"])["responseStream"] for _ in range(15)]
            with self.assertRaises(logs.exceptions.LimitExceededException):
                logs.start_live_tail(logGroupIdentifiers=["/g"])
            tails.pop().close()

            def another():
                try:
                    tails.append(logs.start_live_tail(logGroupIdentifiers=["/g"])["responseStream"])
                    return True
                except logs.exceptions.LimitExceededException:
                    return False
            wait_until(another, 10, "a session free again")
            self.assertIn("sessionStart", next(iter(tails[0])))
            stopper = threading.Thread(target=server.stop)
            stopper.start()
            rest = list(tails[0])
            stopper.join()
            self.assertTrue(all("sessionUpdate" in e for e in rest))


class Inside(Case):
    def test_functions_write_logs_of_their_own(self):
        if not os.path.exists("/usr/bin/python3.11") or run("/usr/bin/python3.11", "-c", "import boto3").returncode:
            self.skipTest("the functions' Python has no boto3")
        name = self.server.deploy({"app.py": OWN}, Timeout=30, MemorySize=512)
        group = "/own/" + uuid.uuid4().hex[:8]
        self.assertEqual(self.invoke(name, group), "AccessDeniedException")
        self.assertEqual([e["message"] for e in self.logs.filter_log_events(logGroupName=group)["events"]], ["from inside"])


class JavaScript(NodeCase, Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.group = "/js/" + uuid.uuid4().hex[:8]
        cls.run_node(cls.server, npm(PACKAGE), "logs_clients.mjs", cls.group)

    def test_sdk(self):
        self.check("exists", [True, "The specified log group already exists"])
        self.check("groups", [[self.group, 7]])
        self.check("streams", ["s"])
        self.check("events", ["one", "two ERROR"])
        self.check("got", ["one", "two ERROR", "three"])
        self.check("session", [["arn:aws:logs:us-east-1:000000000000:log-group:" + self.group], "ERROR"])
        self.check("tail", ["ERROR live"])
        self.check("gone", [True, "The specified log group does not exist."])


if __name__ == "__main__":
    unittest.main()
