"""What a function, or a stranger, may do at the wrong moment: the server goes on, and everybody else is answered."""
import json
import os
import socket
import sys
import threading
import time
import unittest
import urllib.request
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
from harness import Server, zip_of  # noqa: E402
from support import call, tail  # noqa: E402

# A runtime by hand. `raw` leaves its connection open.
HEAD = '''#!/usr/bin/python3
import binascii, http.client, json, os, socket, time, urllib.request, urllib.error
API, R = os.environ["AWS_LAMBDA_RUNTIME_API"], "/2018-06-01/runtime/"
LIFE = binascii.hexlify(os.urandom(8)).decode()
def raw(path, length, body=""):
    s = socket.create_connection(API.split(":"))
    s.sendall(("POST " + R + path + " HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n" % length + body).encode())
    return s
def ask(method, path, body=None, head={}):
    c = http.client.HTTPConnection(API); c.request(method, R + path, body, head); r = c.getresponse()
    return r.status, dict(r.getheaders()), r.read()
def take():
    status, head, event = ask("GET", "invocation/next")
    return (head["Lambda-Runtime-Aws-Request-Id"], json.loads(event)) if status == 200 else (status, None)
def give(rid, answer):
    return ask("POST", "invocation/" + rid + "/response", json.dumps(answer))[0]
def echo():
    while True:
        rid, event = take()
        give(rid, event)
'''


def runtime(text):
    return zip_of({"bootstrap": (HEAD + text, 0o755)})


class Races(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.client = cls.server.client(read_timeout=30)
        cls.control = cls.server.child("mayfly-control")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def tearDown(self):
        self.assertEqual(self.server.child("mayfly-control"), self.control, "control ended:\n" + self.server.log())

    def deploy(self, text, **settings):
        return self.server.deploy(runtime(text), runtime="provided.al2023", **{"Timeout": 5, **settings})

    def test_too_large_init_error_then_work(self):
        name = self.deploy('s = raw("init/error", 7000000)\nassert b"413" in s.recv(1000)\necho()\n')
        for n in range(2):
            self.assertEqual(call(self.client, name, n)[1], n)

    def test_work_asked_for_while_the_init_error_is_sent(self):
        name = self.deploy('s = raw("init/error", 2)\nstatus = take()[0]\n'
                           's.sendall(b"{}" if status == 403 else b"[]")\ntime.sleep(60)\n')
        for _ in range(2):
            answer, body = call(self.client, name)
            self.assertEqual((answer["FunctionError"], body), ("Unhandled", {}))

    def test_work_asked_for_after_half_an_answer(self):
        name = self.deploy('rid, event = take()\ns = raw("invocation/" + rid + "/response", 1000, "half")\n'
                           'time.sleep(0.05)\ns.close()\necho()\n')
        for _ in range(2):
            answer, body = call(self.client, name)
            self.assertEqual(body["errorType"], "Runtime.TruncatedResponse")

    def test_who_breaks_the_rules_is_replaced_though_it_goes_on(self):
        name = self.deploy('''
while True:
    rid, event = take()
    if event == "large": raw("invocation/" + rid + "/response", 7000000)
    elif event == "mode": ask("POST", "invocation/" + rid + "/response", "1", {"Lambda-Runtime-Function-Response-Mode": "odd"})
    else: give(rid, LIFE)
''')
        lives = set()
        for bad in "large", "mode", "last":
            lives.add(call(self.client, name)[1])
            call(self.client, name, bad)
        self.assertEqual(len(lives), 3)

    def test_what_an_environment_sees_of_the_server(self):
        name = self.server.deploy({"app.py": '''
import os, urllib.request, urllib.error
def handler(event, context):
    out = {}
    for page in "health", "metrics", "environments", "code/" + "0" * 64:
        try:
            out[page[:4]] = urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_mayfly/" + page).status
        except urllib.error.HTTPError as e:
            out[page[:4]] = e.code
    return out
'''})
        self.assertEqual(call(self.client, name)[1], {"heal": 403, "metr": 403, "envi": 403, "code": 403})

    def test_an_environment_that_takes_all_connections_takes_its_own(self):
        with Server("--connections", "40") as server:
            client = server.client()
            name = server.deploy(runtime('''
rid, event = take()
mine = []
try:
    while len(mine) < 200:
        s = socket.create_connection(("127.0.0.1", 4566), 0.5); s.sendall(b"GET /x HTTP/1.1\\r\\n"); mine.append(s)
except OSError: pass
give(rid, "held")
time.sleep(600)
'''), runtime="provided.al2023", Timeout=60)
            self.assertEqual(call(client, name)[1], "held")
            with urllib.request.urlopen(server.url + "/_mayfly/health", timeout=5) as r:
                self.assertEqual(r.status, 200)

    def test_an_invocation_whose_init_fails_is_logged(self):
        for code, kind, said in (("import nothing_here\n", "Runtime.ImportModuleError", ""),
                                 ("import os\nos._exit(7)\n", "Runtime.ExitError", "exited with error: exit status 7")):
            name = self.server.deploy({"app.py": code})
            for _ in range(2):
                answer, body = call(self.client, name, LogType="Tail")
                self.assertEqual(body["errorType"], kind)
                rid, text = answer["ResponseMetadata"]["RequestId"], tail(answer)
                self.assertRegex(text, r"\ASTART RequestId: %s Version: \$LATEST\n" % rid)
                self.assertIn(said, text)
                self.assertRegex(text, r"END RequestId: %s\nREPORT RequestId: %s\tDuration: [0-9.]+ ms\t.*\tStatus: error\t"
                                       r"Error Type: %s\n\Z" % (rid, rid, kind))

    def test_as_many_variables_as_fit(self):
        names = [a + b for a in "ABCDEFGHIJKLMNOPQRST" for b in "ABCDEFGHIJKLMNOPQRSTUVWXY"]
        name = self.server.deploy({"app.py": "import os\ndef handler(e, c):\n    return sum(len(k) == 2 for k in os.environ)\n"},
                                  Environment={"Variables": dict.fromkeys(names, "")})
        self.assertGreaterEqual(call(self.client, name)[1], 500)

    def test_answers_that_find_no_room(self):
        """More than fits: each caller gets all of his answer, or is told why not."""
        with Server("--buffer-max", "16") as server:
            client = server.client()
            name = server.deploy({"app.py": "def handler(e, c):\n    return 'x' * 6000000\n"}, Timeout=30)
            with ThreadPoolExecutor(8) as pool:
                for answer in pool.map(lambda _: call(client, name), range(8)):
                    if "FunctionError" in answer[0]:
                        self.assertEqual(answer[1]["errorType"], "Sandbox.Failure")
                    else:
                        self.assertEqual(len(answer[1]), 6000000)
            self.assertEqual(len(call(client, name)[1]), 6000000)

    def test_updates_that_come_faster_than_a_start(self):
        name = self.server.deploy({"app.py": "import time\ntime.sleep(0.5)\ndef handler(e, c):\n    return 1\n"})
        answered = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            caller = pool.submit(lambda: (call(self.client, name)[1], answered.set()))
            updates = 0
            while updates < 100 and not answered.is_set():
                updates += 1
                self.client.update_function_configuration(FunctionName=name, Description=str(updates))
                time.sleep(0.1)
            self.assertLess(updates, 100)
            self.assertEqual(caller.result()[0], 1)

    def test_an_answered_invocation_counts_no_more(self):
        """A client that calls one after the other needs a concurrency of one, however slow the runtime asks for more."""
        name = self.deploy('while True:\n    rid, event = take()\n    give(rid, event)\n    time.sleep(0.02)\n')
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        for n in range(50):
            self.assertEqual(call(self.client, name, n)[1], n)

    def test_a_stranger_is_refused_before_his_body(self):
        host, port = self.server.url[len("http://"):].split(":")
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        with socket.create_connection((host, int(port)), timeout=10) as s:
            s.sendall(("POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 70000000\r\nX-Amz-Date: %s\r\n"
                       "Authorization: AWS4-HMAC-SHA256 Credential=AKIDNOBODY/%s/us-east-1/lambda/aws4_request, "
                       "SignedHeaders=host;x-amz-date, Signature=%s\r\n\r\n" % (now, now[:8], "0" * 64)).encode())
            self.assertIn(b"HTTP/1.1 403", s.recv(4096))

    def test_one_who_sends_without_end_does_not_stop_the_others(self):
        """Refused, but talking on: more than one such client at a time used to keep the loop to themselves."""
        host, port = self.server.url[len("http://"):].split(":")
        talkers = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                try:
                    while True:
                        with socket.create_connection((host, int(port))) as s:
                            s.sendall(b"BAD\r\n\r\n")
                            try:
                                while True:
                                    s.sendall(b"x" * 1048576)
                            except OSError:
                                pass
                finally:
                    os._exit(0)
            talkers.append(pid)
        try:
            for _ in range(100):
                with urllib.request.urlopen(self.server.url + "/_mayfly/health", timeout=30) as r:
                    self.assertEqual(json.load(r)["status"], "ok")
        finally:
            for pid in talkers:
                os.kill(pid, 9)
                os.waitpid(pid, 0)


if __name__ == "__main__":
    unittest.main()
