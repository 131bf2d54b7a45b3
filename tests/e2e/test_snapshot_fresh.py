"""Environments of one image are not the same: their randomness, identity and log are their own; single ones are never used twice."""
import re
import unittest

from programs import BY_NAME
from snapshot_case import SINGLE, SnapshotCase

COUNT = 50

TRACES = r'''
import os, subprocess, sys
calls, kept = 0, []
def handler(e, c):
    global calls
    calls += 1
    seen = {"calls": calls, "kept": len(kept), "tmp": os.listdir("/tmp"), "variable": os.environ.get("LEFT"), "module": hasattr(sys, "left"),
            "shm": os.listdir("/dev/shm") if os.path.isdir("/dev/shm") else [],
            "pids": len([p for p in os.listdir("/proc") if p.isdigit()])}
    kept.append(bytes(1000))
    os.environ["LEFT"] = sys.left = "behind"
    with open("/tmp/left", "w") as f:
        f.write("behind")
    subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
    if os.path.isdir("/dev/shm"):
        open("/dev/shm/left", "w").close()
    return seen
'''

IDENTITY = r'''
import os, json, urllib.request
at_init = {k: os.environ.get(k) for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_LOG_STREAM_NAME")}
def handler(e, c):
    print("said by", c.aws_request_id)
    uri = os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    given = json.load(urllib.request.urlopen(uri, timeout=5)) if uri else None
    return {"at_init": at_init, "now": {k: os.environ.get(k) for k in at_init}, "given": given, "stream": c.log_stream_name,
            "inner": [k for k in os.environ if k.startswith("_MAYFLY")], "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "listener": urllib.request.urlopen("http://127.0.0.1:4566/_mayfly/health", timeout=5).status if e.get("endpoint") else None}
'''


CONNECTS = r'''
import os, socket
def handler(e, c):
    with open("/proc/net/tcp") as f:
        seen = [line.split()[1:4] for line in f.readlines()[1:]]
    server = socket.socket()
    server.bind(("127.0.0.1", 8080))
    server.listen(8)
    for _ in range(8):
        ours = socket.create_connection(("127.0.0.1", 8080))
        server.accept()[0].close()
        ours.recv(1)
        ours.close()
    # 01: established, 0A: listens
    return {"net": os.readlink("/proc/self/ns/net"), "left": [s for s in seen if s[2] not in ("01", "0A")]}
'''


class Fresh(SnapshotCase):
    options = ("--pool", "8")

    def distinct(self, which):
        """Of so many environments restored from one image, no two draw the same."""
        program = BY_NAME[which]
        name = program.deploy(self.server, tags=SINGLE)
        self.assertEqual(self.call(name, {"n": 0}).kind, "plain")
        self.wait_image(name)

        def some(i):
            caller = self.caller(name)
            return [caller.call({"n": i, "unique": True}).value for _ in range(COUNT // 2)]
        answers = [a for some_ in self.parallel(2, some) for a in some_]
        self.assertEqual(len({a["loaded"] for a in answers}), 1, "one image, made once")
        self.assertEqual({a["calls"] for a in answers}, {1})
        for source in answers[0]["unique"]:
            values = [a["unique"][source] for a in answers]
            self.assertEqual(len(set(values)), COUNT, "%s: %s" % (source, sorted(values)[:4]))
        self.assertEqual(self.state(name)["restores"], COUNT)

    def test_python_randomness(self):
        self.distinct("python")

    def test_nodejs_randomness(self):
        self.distinct("nodejs")

    def test_java_randomness(self):
        self.distinct("java-serial")

    def test_nothing_of_an_earlier_invocation_is_visible(self):
        name, first = self.ready({"app.py": TRACES}, tags=SINGLE, MemorySize=512)
        expected = {**first}
        self.assertEqual((first["calls"], first["kept"], first["tmp"], first["variable"], first["module"], first["shm"]), (1, 0, [], None, False, []))
        seen = self.parallel(4, lambda i: [self.call(name).value for _ in range(10)])
        self.assertEqual([s for some in seen for s in some], [expected] * 40)
        self.assertEqual(self.state(name)["restores"], 40)

    def test_closed_connections_of_others_are_not_visible(self):
        """Network namespaces are used again, also by other functions: their ports are free."""
        names = [self.ready({"app.py": CONNECTS + "# %d" % i}, tags=SINGLE)[0] for i in range(2)]
        seen = [self.call(names[i % 2]).value for i in range(30)]
        self.assertEqual([s["left"] for s in seen], [[]] * 30)

    def test_single_use_without_an_image(self):
        """Fresh all the same: each invocation is a plain start."""
        name = self.server.deploy({"app.py": TRACES}, Tags={**SINGLE, "mayfly:snapshot": "off"}, MemorySize=512)
        for _ in range(4):
            answer = self.call(name)
            self.assertEqual((answer.kind, answer.value["calls"], answer.value["tmp"]), ("plain", 1, []))

    def test_identity(self):
        """No credentials and no log stream are in an image; each restored environment has its own."""
        name, first = self.ready({"app.py": IDENTITY}, tags=SINGLE, MemorySize=512)
        self.assertTrue(all(first["at_init"].values()), "a plain start has them from its beginning")
        answers = [self.call(name) for _ in range(5)]
        values = [a.value for a in answers]
        for answer, value in zip(answers, values):
            self.assertEqual(answer.kind, "restored")
            self.assertEqual(value["at_init"], dict.fromkeys(value["at_init"]), "in the image")
            self.assertTrue(all(value["now"].values()), value["now"])
            self.assertEqual(value["now"]["AWS_LAMBDA_LOG_STREAM_NAME"], value["stream"])
            self.assertEqual((value["inner"], value["type"]), ([], "on-demand"))
            self.assertIn("said by", answer.log)
            if value["given"]:
                self.assertEqual(sorted(value["given"]), ["AccessKeyId", "Expiration", "SecretAccessKey", "Token"])
        self.assertEqual(len({v["stream"] for v in values}), 5)
        logs = self.server.client("logs")
        for value in values:
            events = logs.get_log_events(logGroupName="/aws/lambda/" + name, logStreamName=value["stream"])["events"]
            self.assertEqual(len([e for e in events if "said by" in e["message"]]), 1)

    def test_credentials_work(self):
        source = ("import os\ndef handler(e, c):\n    if e.get('exit'):\n        os._exit(3)\n"
                  "    return {k: os.environ[k] for k in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')}\n")
        name, _ = self.ready({"app.py": source})
        self.call(name, {"exit": True})
        import boto3
        answer = self.call(name)
        self.assertEqual(answer.kind, "restored")
        e = answer.value
        sts = boto3.client("sts", endpoint_url=self.server.url, region_name="us-east-1", aws_access_key_id=e["AWS_ACCESS_KEY_ID"],
                           aws_secret_access_key=e["AWS_SECRET_ACCESS_KEY"], aws_session_token=e["AWS_SESSION_TOKEN"])
        self.assertEqual(sts.get_caller_identity()["Account"], "000000000000")

    def test_faults_and_timeouts_of_restored_ones(self):
        """They are the function's, as anywhere else; the next invocation is restored again."""
        source = ("import os, time\ndef handler(e, c):\n    do = e.get('do')\n    if do == 'raise':\n        raise ValueError('as asked')\n"
                  "    if do == 'exit':\n        os._exit(5)\n    if do == 'sleep':\n        time.sleep(30)\n    return 'fine'\n")
        name, _ = self.ready({"app.py": source}, tags=SINGLE, Timeout=1)
        for do, pattern in (("raise", "as asked"), ("exit", "exit status 5"), ("sleep", r"timed out|Timed out|Task timed out")):
            answer = self.call(name, {"do": do})
            self.assertEqual((answer.kind, answer.error), ("restored", "Unhandled"), answer.log)
            self.assertRegex(answer.raw.decode(), pattern)
            answer = self.call(name)
            self.assertEqual((answer.kind, answer.value), ("restored", "fine"))
        self.assertEqual(self.state(name)["failed_restores"], 0)

    def test_log_lines(self):
        name, _ = self.ready({"app.py": "def handler(e, c):\n    print('hello')\n"}, tags=SINGLE)
        log = self.call(name).log
        self.assertNotIn("INIT_START", log)
        self.assertRegex(log, re.compile(r"^START RequestId: \S+ Version: \$LATEST\nhello\nEND RequestId: \S+\nREPORT RequestId: \S+\tDuration: [0-9.]+ ms\t"
                                         r"Billed Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tRestore Duration: [0-9.]+ ms\t"
                                         r"Billed Restore Duration: [0-9.]+ ms", re.M))


if __name__ == "__main__":
    unittest.main()
