"""The wire itself, over raw sockets: what a strict HTTP/1.1 server refuses, and what it must do right (RFC 9112)."""
import socket
import time
import unittest

from harness import Server

HOST = "Host: localhost\r\n"

# Each is refused at once with this status, and the connection closes.
REFUSED = {
    "two lengths": (400, "POST / HTTP/1.1\r\n" + HOST + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nab"),
    "two equal lengths": (400, "POST / HTTP/1.1\r\n" + HOST + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
    "list of lengths": (400, "POST / HTTP/1.1\r\n" + HOST + "Content-Length: 2, 2\r\n\r\nab"),
    "length and chunked": (400, "POST / HTTP/1.1\r\n" + HOST + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "plus sign": (400, "POST / HTTP/1.1\r\n" + HOST + "Content-Length: +2\r\n\r\nab"),
    "minus sign": (400, "POST / HTTP/1.1\r\n" + HOST + "Content-Length: -2\r\n\r\nab"),
    "hex length": (400, "POST / HTTP/1.1\r\n" + HOST + "Content-Length: 0x2\r\n\r\nab"),
    "blank in length": (400, "POST / HTTP/1.1\r\n" + HOST + "Content-Length: 2 2\r\n\r\nab"),
    "huge length": (400, "POST / HTTP/1.1\r\n" + HOST + "Content-Length: 99999999999999999999\r\n\r\n"),
    "bare LF": (400, "GET / HTTP/1.1\n" + "Host: localhost\n\n"),
    "bare LF in a header": (400, "GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n"),
    "bare CR": (400, "GET / HTTP/1.1\r\n" + HOST + "X: a\rb\r\n\r\n"),
    "folded header": (400, "GET / HTTP/1.1\r\n" + HOST + "X: a\r\n b\r\n\r\n"),
    "NUL": (400, "GET / HTTP/1.1\r\n" + HOST + "X: a\0b\r\n\r\n"),
    "control character": (400, "GET / HTTP/1.1\r\n" + HOST + "X: a\x01b\r\n\r\n"),
    "space before colon": (400, "GET / HTTP/1.1\r\n" + HOST + "X : y\r\n\r\n"),
    "header without colon": (400, "GET / HTTP/1.1\r\n" + HOST + "nonsense\r\n\r\n"),
    "no host": (400, "GET / HTTP/1.1\r\n\r\n"),
    "two hosts": (400, "GET / HTTP/1.1\r\n" + HOST + HOST + "\r\n"),
    "two blanks in the line": (400, "GET  / HTTP/1.1\r\n" + HOST + "\r\n"),
    "no version": (400, "GET /\r\n" + HOST + "\r\n"),
    "method with control": (400, "G\tT / HTTP/1.1\r\n" + HOST + "\r\n"),
    "path with NUL": (400, "GET /\0 HTTP/1.1\r\n" + HOST + "\r\n"),
    "unknown coding": (400, "POST / HTTP/1.1\r\n" + HOST + "Transfer-Encoding: gzip\r\n\r\n"),
    "coding after chunked": (400, "POST / HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked, gzip\r\n\r\n"),
    "HTTP/2 preface version": (505, "GET / HTTP/2.0\r\n" + HOST + "\r\n"),
    "long target": (414, "GET /" + "a" * 70000 + " HTTP/1.1\r\n" + HOST + "\r\n"),
    "too many headers": (431, "GET / HTTP/1.1\r\n" + HOST + "X: y\r\n" * 2000 + "\r\n"),
    "too large a head": (431, "GET / HTTP/1.1\r\n" + HOST + "X: " + "y" * 100000 + "\r\n\r\n"),
}


class Wire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server.shared()
        host, port = cls.server.url.split("//")[1].split(":")
        cls.address = (host, int(port))

    def connect(self):
        s = socket.create_connection(self.address, timeout=20)
        self.addCleanup(s.close)
        return s

    def read_all(self, s):
        data = b""
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                return data
            if not piece:
                return data
            data += piece

    def test_refused_at_once_and_closed(self):
        for name, (status, request) in REFUSED.items():
            with self.subTest(name):
                s = self.connect()
                try:
                    s.sendall(request.encode("latin-1"))
                except (ConnectionResetError, BrokenPipeError):
                    pass  # the server had seen enough
                answer = self.read_all(s)
                line = answer.split(b"\r\n", 1)[0].decode()
                self.assertEqual(int(line.split()[1]) if line else None, status, line)

    def test_nothing_after_a_refused_request_is_served(self):
        s = self.connect()
        s.sendall(("GET / HTTP/1.1\r\nX : y\r\n" + HOST + "\r\nGET /_mayfly/health HTTP/1.1\r\n" + HOST + "\r\n").encode())
        answer = self.read_all(s)
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)

    def test_pipelined_requests_are_answered_in_order(self):
        s = self.connect()
        health = "GET /_mayfly/health HTTP/1.1\r\n" + HOST + "\r\n"
        unsigned = "GET /2015-03-31/functions HTTP/1.1\r\n" + HOST + "\r\n"
        s.sendall((health + unsigned + health.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).encode())
        statuses = [part[:3] for part in self.read_all(s).split(b"HTTP/1.1 ")[1:]]
        self.assertEqual(statuses, [b"200", b"403", b"200"])

    def test_byte_by_byte(self):
        s = self.connect()
        for byte in ("GET /_mayfly/health HTTP/1.1\r\n" + HOST + "Connection: close\r\n\r\n").encode():
            s.sendall(bytes([byte]))
        self.assertTrue(self.read_all(s).startswith(b"HTTP/1.1 200"))

    def test_expect_is_refused_without_a_body(self):
        """An unsigned upload hears 403, not 100, before it has sent its megabytes."""
        s = self.connect()
        s.sendall(("POST /2015-03-31/functions HTTP/1.1\r\n" + HOST + "Content-Length: 50000000\r\nExpect: 100-continue\r\n\r\n").encode())
        self.assertTrue(self.read_all(s).startswith(b"HTTP/1.1 403"))

    def test_http_1_0_closes(self):
        s = self.connect()
        s.sendall(b"GET /_mayfly/health HTTP/1.0\r\n\r\n")
        answer = self.read_all(s)
        self.assertIn(b" 200 ", answer.split(b"\r\n", 1)[0])

    def test_head_has_no_body(self):
        s = self.connect()
        s.sendall(("HEAD /_mayfly/health HTTP/1.1\r\n" + HOST + "Connection: close\r\n\r\n").encode())
        answer = self.read_all(s)
        self.assertEqual(answer.split(b"\r\n\r\n", 1)[1], b"")

    def test_a_slow_head_does_not_hold_others_up(self):
        slow = [self.connect() for _ in range(200)]
        for s in slow:
            s.sendall(b"GET /_mayfly/health HTTP/1.1\r\nHo")
        start = time.monotonic()
        s = self.connect()
        s.sendall(("GET /_mayfly/health HTTP/1.1\r\n" + HOST + "Connection: close\r\n\r\n").encode())
        self.assertTrue(self.read_all(s).startswith(b"HTTP/1.1 200"))
        self.assertLess(time.monotonic() - start, 15)  # the slow ones' own limit is 20 s


if __name__ == "__main__":
    unittest.main()
