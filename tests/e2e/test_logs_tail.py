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

    def follow(self, commands, step):
        """Runs programs that follow logs, {command: text that ends it}, side by side, calling `step`; what each of them printed."""
        env = {**self.server.environ(), "AWS_DISABLE_HOST_PREFIX_INJECTION": "true", "PYTHONUNBUFFERED": "1"}
        running = {c: subprocess.Popen(c, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for c in commands}
        said, deadline = {c: b"" for c in commands}, time.monotonic() + 40
        try:
            while any(wanted not in said[c] for c, wanted in commands.items()):
                self.assertLess(time.monotonic(), deadline, said)
                step()
                for c, process in running.items():
                    self.assertIsNone(process.poll(), said)
                    if select.select([process.stdout], [], [], 0.1)[0]:
                        said[c] += os.read(process.stdout.fileno(), 65536)
        finally:
            for process in running.values():
                process.kill()
                process.wait()
                process.stdout.close()
        return {c: text.decode() for c, text in said.items()}


class Tail(Case):
    def test_aws(self):
        """Debian's awscli 2 has `aws logs tail`; the current awscli has start-live-tail, and asks for a host that `mayfly env` tells it to leave."""
        name = self.server.deploy({"app.py": PRINTS})
        group = "/aws/lambda/" + name
        self.invoke(name, "first")
        self.assertIn("export AWS_DISABLE_HOST_PREFIX_INJECTION='true'", mayfly("env", "--data", self.server.data, env=self.server.environ()).stdout)
        commands, current = {}, shutil.which("aws")
        if os.path.exists(DEBIAN_AWS):
            tail = (DEBIAN_AWS, "--endpoint-url", self.server.url, "logs", "tail", group)
            done = run(*tail, "--since", "5m", "--format", "short", env=self.server.environ())
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            lines = [line.split(" ", 1)[1] for line in done.stdout.splitlines()]
            self.assertLess(lines.index("ERROR first"), lines.index("fine first"))
            commands[(*tail, "--follow", "--filter-pattern", "ERROR")] = b"ERROR later"
        if current and "start-live-tail" in run(current, "logs", "x", env=self.server.environ()).stderr:
            commands[(current, "logs", "start-live-tail", "--log-group-identifiers", "arn:aws:logs:us-east-1:000000000000:log-group:" + group,
                      "--log-event-filter-pattern", "ERROR")] = b"ERROR later"
        if not commands:
            self.skipTest("no awscli that follows logs")
        for said in self.follow(commands, lambda: self.invoke(name, "later")).values():
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
