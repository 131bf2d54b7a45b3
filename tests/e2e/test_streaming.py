"""Streamed answers between real functions and clients that are slow, leave, or are the AWS SDK for JavaScript."""
import base64
import json
import re
import socket
import time
import unittest
import urllib.request

from support import NodeCase, comm, npm, signed, wait_until
from harness import ROLE, Server, zip_of

SDK = "@aws-sdk/client-lambda@3.1164.0"
NODE = """
const { Readable } = require('stream'), { pipeline } = require('stream/promises');
const piece = Buffer.alloc(65536, 97);
function* pieces(event) { for (let i = 0; i < event.pieces; i++) yield piece; if (event.fail) throw new RangeError('in the middle'); }
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.http) stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'x-a': 'b' }, cookies: ['c=d'] });
  if (event.words) for (const word of event.words) { stream.write(word); await new Promise((done) => setTimeout(done, 20)); }
  await pipeline(Readable.from(pieces(event)), stream);
  console.log('wrote it all');
});
"""
PYTHON = "def handler(event, context):\n    for word in event['words']:\n        yield word\n    print('wrote it all')\n"
MB = 1 << 20


class Streams(NodeCase, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool", "4")
        cls.addClassCleanup(cls.server.close)
        cls.client = cls.server.client()
        cls.create("node", "nodejs20.x", {"index.js": NODE}, "index.handler", Timeout=20)
        cls.create("short", "nodejs20.x", {"index.js": NODE}, "index.handler", Timeout=1)
        cls.create("restored-node", "nodejs20.x", {"index.js": NODE}, "index.handler", Tags={"mayfly:isolation": "invocation"})
        cls.create("restored-python", "python3.11", {"app.py": PYTHON}, "app.handler", Tags={"mayfly:isolation": "invocation"})
        cls.run_node(cls.server, npm(SDK), "streams.mjs", "node")

    @classmethod
    def create(cls, name, runtime, files, handler, **more):
        cls.client.create_function(FunctionName=name, Runtime=runtime, Handler=handler, Role=ROLE, MemorySize=256, Code={"ZipFile": zip_of(files)}, **more)
        cls.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 500})

    def open(self, name, event, **headers):
        """A connection on which the answer to this invocation comes."""
        path, body = "/2021-11-15/functions/%s/response-streaming-invocations" % name, json.dumps(event).encode()
        host, _, port = self.server.url.partition("//")[2].partition(":")
        lines = "".join("%s: %s\r\n" % pair for pair in signed(self.server, "POST", path, body, **headers).items())
        sock = socket.create_connection((host, int(port)), 60)
        self.addCleanup(sock.close)
        sock.sendall(("POST %s HTTP/1.1\r\n%s\r\n" % (path, lines)).encode() + body)
        return sock

    def rest(self, sock, found=b""):
        """(bytes of the whole answer, its last 4 KB): read to its end."""
        size = len(found)
        while not found.endswith(b"\r\n0\r\n\r\n"):
            piece = sock.recv(MB)
            self.assertTrue(piece, "the connection ended: %r" % found[-200:])
            size += len(piece)
            found = (found + piece)[-4096:]
        return size, found

    def control_kb(self):
        pid = next(pid for pid in self.server.children() if comm(pid) == "mayfly-control")
        with open("/proc/%d/status" % pid) as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def logged(self, name, text):
        events = self.server.client("logs").filter_log_events(logGroupName="/aws/lambda/" + name)["events"]
        return sum(text in e["message"] for e in events)

    def test_slow_client_and_the_limit_of_200_mb(self):
        self.rest(self.open("node", {"pieces": 1}))
        before = self.control_kb()
        sock = self.open("node", {"pieces": 3300})
        first = sock.recv(4096)
        time.sleep(0.7)
        self.assertLess(self.control_kb() - before, 24 * 1024)
        size, end = self.rest(sock, first)
        self.assertGreater(size, 200 * MB)
        self.assertLess(size, 202 * MB)
        self.assertIn(b'"ErrorCode":"Function.ResponseSizeTooLarge"', end)
        self.assertIn(b"maximum allowed payload size (209715200 bytes)", end)
        self.assertLess(self.control_kb() - before, 24 * 1024)

    def test_error_in_mid_stream(self):
        _, end = self.rest(self.open("node", {"pieces": 20, "fail": True}))
        self.assertIn(b'"ErrorCode":"RangeError"', end)
        self.assertIn(rb'\"errorMessage\":\"in the middle\"', end)

    def test_client_that_does_not_read_until_the_time_is_over(self):
        sock = self.open("short", {"pieces": 3000}, **{"X-Amz-Log-Type": "Tail"})
        wait_until(lambda: self.logged("short", "Status: timeout"), 10, "ended by its time")
        size, end = self.rest(sock)
        self.assertLess(size, 190 * MB)
        self.assertIn(b'"ErrorCode":"Sandbox.Timedout"', end)
        self.assertIn(b"Task timed out after 1.00 seconds", end)

    def test_client_that_leaves(self):
        """The function is not held up, and not ended: it writes all of it to nobody."""
        seen = self.logged("node", "wrote it all")
        sock = self.open("node", {"pieces": 1000})
        self.assertIn(b"HTTP/1.1 200", sock.recv(4096))
        sock.close()
        wait_until(lambda: self.logged("node", "wrote it all") > seen, 10, "written to its end")
        self.assertEqual(self.rest(self.open("node", {"pieces": 0}))[1].count(b"InvokeComplete"), 1)

    def test_restored_from_an_image(self):
        for name in ("restored-node", "restored-python"):
            with self.subTest(name):
                event = {"words": ["one", "two"], "pieces": 0}
                self.rest(self.open(name, event))
                wait_until(lambda: self.image(name) == "ready", 30, "an image of " + name)
                _, answer = self.rest(self.open(name, event, **{"X-Amz-Log-Type": "Tail"}))
                self.assertRegex(answer, rb"(?s)one.*two")
                log = base64.b64decode(re.search(rb'"LogResult":"([^"]+)"', answer)[1]).decode()
                self.assertIn("Restore Duration", log)
                if name == "restored-python":  # Node.js goes on when its last byte has left: too late for the tail
                    self.assertIn("wrote it all", log)

    def image(self, name):
        path = "/_mayfly/snapshots"
        with urllib.request.urlopen(urllib.request.Request(self.server.url + path, headers=signed(self.server, "GET", path))) as answer:
            return next((v["state"] for v in json.load(answer)["versions"] if v["function"] == name), None)

    def test_javascript_sdk(self):
        self.check("answer", [200, "$LATEST", "application/vnd.amazon.eventstream"])
        self.check("words", ["one ", "two ", "three"])
        self.check("complete", {})
        self.check("prelude", [{"statusCode": 201, "headers": {"x-a": "b"}, "cookies": ["c=d"]}, "body"])
        self.check("failed", ["RangeError", "in the middle", 131072])
        self.check("large", 20 * MB)
        self.check("missing", ["ResourceNotFoundException", 404])


if __name__ == "__main__":
    unittest.main()
