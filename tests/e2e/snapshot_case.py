"""What the tests of checkpoint and restore share: signed calls over one kept connection, and what the server says of its images."""
import glob
import http.client
import json
import os
import re
import threading
import unittest
import urllib.request

from support import comm, signed, wait_until
from harness import Server

RESTORED = re.compile(r"^REPORT .*\tRestore Duration: ([0-9.]+) ms\tBilled Restore Duration: ([0-9.]+) ms", re.M)
PLAIN = re.compile(r"^REPORT .*\tInit Duration: ([0-9.]+) ms", re.M)
IMAGE_SECONDS = 30
SINGLE = {"mayfly:isolation": "invocation"}


class Answer:
    def __init__(self, status, headers, body):
        import base64
        self.status, self.headers, self.raw = status, headers, body
        self.error = headers.get("X-Amz-Function-Error")
        self.log = base64.b64decode(headers.get("X-Amz-Log-Result", "")).decode(errors="replace")

    @property
    def value(self):
        if self.status != 200 or self.error:
            raise AssertionError("status %d, %s: %s\n%s" % (self.status, self.error, self.raw[:600], self.log))
        return json.loads(self.raw)

    @property
    def kind(self):
        """plain, restored, or warm; of a call with its log."""
        assert "REPORT" in self.log, self.log
        return "restored" if RESTORED.search(self.log) else "plain" if PLAIN.search(self.log) else "warm"


class Caller:
    """Calls of one function on one connection; cheap enough for thousands."""

    def __init__(self, server, name, seconds=60):
        self.server, self.path = server, "/2015-03-31/functions/%s/invocations" % name
        self.connection = http.client.HTTPConnection(server.url.partition("//")[2], timeout=seconds)
        self.signed = {}

    def call(self, event, log=False):
        body = json.dumps(event).encode()
        extra = {"X-Amz-Log-Type": "Tail"} if log else {}
        headers = signed(self.server, "POST", self.path, body, **extra)
        self.connection.request("POST", self.path, body, headers)
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def close(self):
        self.connection.close()


class SnapshotCase(unittest.TestCase):
    """`options` start the class's own server."""
    options = ("--pool", "4")

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)
        cls.addClassCleanup(cls.server.close)
        cls.client = cls.server.client()

    def caller(self, name):
        caller = Caller(self.server, name)
        self.addCleanup(caller.close)
        return caller

    def call(self, name, event=None):
        """One call with its log, on a connection of its own."""
        caller = Caller(self.server, name)
        try:
            return caller.call(event or {}, log=True)
        finally:
            caller.close()

    def parallel(self, count, work, *args):
        """work(index, *args) in so many threads; their results, or the first exception."""
        results, errors = [None] * count, []

        def one(i):
            try:
                results[i] = work(i, *args)
            except BaseException as e:
                errors.append(e)
        threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if errors:
            raise errors[0]
        return results

    # ---- images

    def snapshots(self):
        return snapshots(self.server)

    def state(self, name, version="$LATEST"):
        """What is known of this version's image, {} when nothing is."""
        for one in self.snapshots()["versions"]:
            if (one["function"], one["version"]) == (name, version):
                return one
        return {}

    def wait_image(self, name, version="$LATEST"):
        """Until the image is proved; fails at once with the reason when there will be none."""
        def there():
            state = self.state(name, version)
            if state.get("state") == "unusable":
                raise AssertionError("%s: no image: %s" % (name, state.get("reason")))
            return "image" in state and state["state"] == "ready"
        wait_until(there, IMAGE_SECONDS, "an image of %s: %s" % (name, self.state(name, version)))
        return self.state(name, version)

    def wait_unusable(self, name, version="$LATEST"):
        wait_until(lambda: self.state(name, version).get("state") == "unusable", IMAGE_SECONDS,
                   "a reason why %s has no image: %s" % (name, self.state(name, version)))
        state = self.state(name, version)
        self.assertNotIn("image", state)
        return state["reason"]

    def ready(self, files, tags=None, event=None, **settings):
        """A deployed function whose first call was plain, and which has its image; (name, first answer)."""
        if tags:
            settings["Tags"] = tags
        name = self.server.deploy(files, **settings)
        first = self.call(name, event)
        self.assertEqual(first.kind, "plain", first.log)
        self.wait_image(name)
        return name, first.value

    def image_files(self):
        return [p for p in glob.glob(os.path.join(self.server.data, "images", "*")) if os.path.isfile(p)]

    # ---- processes

    def comm(self, pid):
        return comm(pid)

    def zygotes(self):
        """Those of mayflyd; what they have forked ahead of requests is theirs."""
        return [p for p in self.server.children() if comm(p) == "mayfly-restore" and parent(p) == self.server.process.pid]


def parent(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def snapshots(server):
    """GET /_mayfly/snapshots."""
    path = "/_mayfly/snapshots"
    request = urllib.request.Request(server.url + path, headers=signed(server, "GET", path))
    with urllib.request.urlopen(request, timeout=20) as r:
        return json.loads(r.read())


def metric(server, name, **labels):
    """Sum of the samples of a metric that have these labels."""
    with urllib.request.urlopen(server.url + "/_mayfly/metrics", timeout=20) as r:
        lines = r.read().decode().splitlines()
    wanted = ['%s="%s"' % pair for pair in labels.items()]
    return sum(float(line.split()[-1]) for line in lines
               if re.match(re.escape(name) + r"[{ ]", line) and all(w in line for w in wanted))
