"""Many clients at once, updates under load, limits with their reasons, and connections that only take up room."""
import concurrent.futures
import json
import resource
import select
import socket
import threading
import time
import unittest
import urllib.parse

from support import call, signed
from harness import Server, zip_of

CLIENTS = 64
INVOCATIONS = 2000
IDLE = 10000


def source(version):
    return {"app.py": "def handler(e, c):\n    return {'version': %d, 'n': e['n']}\n" % version}


SLEEPER = {"app.py": "import time\ndef handler(e, c):\n    time.sleep(e['s'])\n    return e\n"}


class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool", "8", "--wait-ms", "30000")  # of a busy machine no call is refused

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_no_invocation_fails_because_of_an_update(self):
        client = self.server.client()
        name = self.server.deploy(source(0), MemorySize=1769)
        seen, done = set(), threading.Event()

        def update():
            version = 0
            while not done.is_set() and version < 200:
                version += 1
                client.update_function_code(FunctionName=name, ZipFile=zip_of(source(version)))
                client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
                if version % 3 == 0:
                    client.update_function_configuration(FunctionName=name, Environment={"Variables": {"VERSION": str(version)}})
                    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
            return version

        def invoke(worker):
            for n in range(worker, INVOCATIONS, CLIENTS):
                got, body = call(client, name, {"n": n})
                self.assertNotIn("FunctionError", got, body)
                self.assertEqual(body["n"], n)
                seen.add(body["version"])
            return True

        with concurrent.futures.ThreadPoolExecutor(CLIENTS + 1) as pool:
            updating = pool.submit(update)
            try:
                results = [f.result() for f in [pool.submit(invoke, worker) for worker in range(CLIENTS)]]
            finally:
                done.set()
            updates = updating.result()
        self.assertEqual(len(results), CLIENTS)
        self.assertGreater(len(seen), 1, "all %d updates went unnoticed" % updates)
        self.assertEqual(call(client, name, {"n": 1})[1], {"version": updates, "n": 1})

    def test_fifty_at_once_from_zero(self):
        name = self.server.deploy(SLEEPER)
        client = self.server.client()
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            start = time.monotonic()
            results = list(pool.map(lambda n: call(client, name, {"s": 0.2, "n": n}), range(50)))
            took = time.monotonic() - start
        for n, (got, body) in enumerate(results):
            self.assertNotIn("FunctionError", got, body)
            self.assertEqual(body["n"], n)
        print("50 calls of 200 ms from zero: %.0f ms" % (took * 1000))

    def test_reserved_concurrency(self):
        name = self.server.deploy(SLEEPER)
        client = self.server.client()
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)

        def attempt(_):
            try:
                return call(client, name, {"s": 1})[1]
            except client.exceptions.TooManyRequestsException as e:
                return e.response
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            results = list(pool.map(attempt, range(6)))
        refused = [r for r in results if "Error" in r]
        self.assertEqual(len(refused), 4, results)
        for r in refused:
            self.assertEqual(r["ResponseMetadata"]["HTTPStatusCode"], 429)
            self.assertEqual((r["Reason"], r["Error"]["Message"]), ("ReservedFunctionConcurrentInvocationLimitExceeded", "Rate Exceeded."))
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        with self.assertRaises(client.exceptions.TooManyRequestsException) as e:
            call(client, name, {"s": 0})
        self.assertEqual(e.exception.response["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded")
        client.delete_function_concurrency(FunctionName=name)
        self.assertEqual(call(client, name, {"s": 0})[1], {"s": 0})

    def test_account_concurrency(self):
        with Server("--concurrency", "2", "--pool", "0") as server:
            name = server.deploy(SLEEPER)
            client = server.client()

            def attempt(_):
                try:
                    return call(client, name, {"s": 1})[1]
                except client.exceptions.TooManyRequestsException as e:
                    return e.response
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                refused = [r for r in pool.map(attempt, range(4)) if "Error" in r]
            self.assertEqual([r["Reason"] for r in refused], ["ConcurrentInvocationLimitExceeded"] * 2)

    def test_full_machine(self):
        """Room for two environments: others wait for one; what waits longer than it may is refused."""
        with Server("--memory", "256", "--wait-ms", "700", "--pool", "0") as server:
            name, other = server.deploy(SLEEPER), server.deploy(SLEEPER)
            client = server.client()
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                results = list(pool.map(lambda n: call(client, name, {"s": 0.1, "n": n})[1], range(8)))
                self.assertEqual([r["n"] for r in results], list(range(8)))
                # Idle environments of one function make room for another's.
                self.assertEqual(call(client, other, {"s": 0})[1], {"s": 0})
                long = [pool.submit(call, client, name, {"s": 2.5}) for _ in range(2)]
                time.sleep(0.7)
                with self.assertRaises(client.exceptions.TooManyRequestsException):
                    call(client, other, {"s": 0})
                self.assertEqual([f.result()[1] for f in long], [{"s": 2.5}] * 2)


class Connections(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # More connections than the default share of the descriptors.
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        cls.idle = min(IDLE, limit // 2 - 500)
        cls.server = Server("--connections", str(cls.idle + 500), "--max-environments", "32", "--pool", "1")
        url = urllib.parse.urlsplit(cls.server.url)
        cls.address = (url.hostname, url.port)
        cls.name = cls.server.deploy({"app.py": "def handler(e, c):\n    return e\n"})

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def memory_kb(self):
        with open("/proc/%d/smaps_rollup" % self.server.child("mayfly-control")) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))

    def read_all(self, s, seconds=10):
        s.settimeout(seconds)
        data = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                return data
            data += piece

    def test_ten_thousand_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        client = self.server.client()
        call(client, self.name)
        before, idle = self.memory_kb(), []
        try:
            for _ in range(self.idle):
                idle.append(socket.create_connection(self.address, 10))
            for s in (idle[0], idle[-1]):
                s.sendall(b"GET /_mayfly/health HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 200 "))
            self.assertEqual(call(self.server.client(), self.name, {"n": 1})[1], {"n": 1})
            each = (self.memory_kb() - before) / self.idle
            self.assertLessEqual(each, 4, "KiB for an idle connection")
        finally:
            for s in idle:
                s.close()
        self.assertEqual(call(self.server.client(), self.name, {"n": 2})[1], {"n": 2})

    def test_slow_loris(self):
        """Heads that never end take nothing from others, and are given up."""
        slow = [socket.create_connection(self.address, 10) for _ in range(200)]
        try:
            for n in range(5):
                for s in slow:
                    s.sendall(b"GET / HT"[n:n + 1])
                self.assertEqual(call(self.server.client(), self.name, {"n": n})[1], {"n": n})
            ready, _, _ = select.select([slow[0]], [], [], 40)
            self.assertTrue(ready, "still open after 40 s")
            self.assertRegex(self.read_all(slow[0]), b"^(HTTP/1.1 408 |$)")
        finally:
            for s in slow:
                s.close()

    def test_pipelining(self):
        with socket.create_connection(self.address, 10) as s:
            s.sendall(b"".join(b"GET /_mayfly/health?n=%d HTTP/1.1\r\nHost: x\r\n%s\r\n" % (n, b"Connection: close\r\n" if n == 49 else b"")
                               for n in range(50)))
            data = self.read_all(s)
        self.assertEqual(data.count(b"HTTP/1.1 200 "), 50)

    def test_pipelined_signed_invocations(self):
        """Answers come in the order of the requests, also when the first takes longest."""
        name = self.server.deploy(SLEEPER)
        wire = b""
        for s, n in ((0.5, 0), (0, 1), (0.1, 2)):
            body = json.dumps({"s": s, "n": n}).encode()
            path = "/2015-03-31/functions/%s/invocations" % name
            close = "Connection: close\r\n" if n == 2 else ""
            head = "".join("%s: %s\r\n" % h for h in signed(self.server, "POST", path, body).items())
            wire += ("POST %s HTTP/1.1\r\n%s%s\r\n" % (path, head, close)).encode() + body
        with socket.create_connection(self.address, 10) as s:
            s.sendall(wire)
            data = self.read_all(s)
        self.assertEqual(data.count(b"HTTP/1.1 200 "), 3, data)
        places = [data.index(b'"n": %d}' % n) for n in range(3)]
        self.assertEqual(places, sorted(places))

    def test_client_that_leaves(self):
        """Nobody waits for the answer any more; the environment serves the next one."""
        name = self.server.deploy(SLEEPER)
        client = self.server.client(read_timeout=1)
        from botocore.exceptions import ReadTimeoutError
        with self.assertRaises(ReadTimeoutError):
            call(client, name, {"s": 1.5})
        self.assertEqual(call(self.server.client(), name, {"s": 0})[1], {"s": 0})


if __name__ == "__main__":
    unittest.main()
