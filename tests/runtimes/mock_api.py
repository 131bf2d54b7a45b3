"""A strict Runtime API for one runtime process.

It records every request, serves invocations from a list, and refuses what the real server refuses: a second `next`
while an invocation is open, an unknown request id, an answer to an invocation that is over. `Server.violations`
holds whatever broke the protocol.
"""
import json
import socket
import threading
import time

PREFIX = "/2018-06-01/runtime/"
ACCEPTED = (b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n" + b'{"status":"OK"}\n')


class Invocation:
    def __init__(self, body, **headers):
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = headers
        self.deadline_ms = int(time.time() * 1000) + 5000
        self.kind = None        # "response", "error"
        self.answer = None      # bytes
        self.answer_headers = {}
        self.trailers = {}
        self.reason = None      # how the server refused the answer

    def json(self):
        return json.loads(self.answer)


class Request:
    def __init__(self, method, path, headers, body, trailers, pipelined):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.trailers, self.pipelined = trailers, pipelined


class Server:
    """`wire` chooses how answers are written: "plain", "chunked", "joined" (acknowledgement and next invocation in
    one write), "bytes" (a few bytes at a time). With `restore`, an object, a process must ask restore/next first; it
    is what that answers. `drop_restore` closes the connection instead, once."""

    def __init__(self, invocations, wire="plain", max_answer=6291556, drop_after=None, restore=None, drop_restore=False):
        self.invocations = list(invocations)
        self.wire, self.max_answer, self.drop_after = wire, max_answer, drop_after
        self.requests, self.violations = [], []
        self.init_error = self.restore_error = None
        self.restore, self.drop_restore = restore, drop_restore
        self.connections = 0
        self.done = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.close()

    def _serve(self):
        self.served = 0
        self.open = None
        while not self.done.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                with sock:
                    self._connection(_Stream(sock))
            except (ConnectionError, EOFError, ValueError):
                pass

    def _connection(self, stream):
        held = b""
        while True:
            request = stream.request()
            if request is None:
                return
            self.requests.append(request)
            if request.method == "GET":
                if not self._next(stream, request, held):
                    return
                held = b""
            else:
                answer = self._post(request)
                if self.wire == "joined" and stream.has_more() and answer is ACCEPTED:
                    held = answer
                else:
                    self._send(stream, answer)

    def _restore(self, stream):
        if self.drop_restore:
            self.drop_restore = False
            return False
        body = json.dumps(self.restore).encode()
        self.restore = None
        self._send(stream, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    def _next(self, stream, request, held):
        if request.path == PREFIX + "restore/next" and self.restore is not None:
            return self._restore(stream)
        if self.restore is not None:
            self.violations.append("GET " + request.path + " before the restore")
        if request.path != PREFIX + "invocation/next" or self.open:
            self.violations.append("unexpected GET " + request.path)
            stream.sock.sendall(_refusal(403, "InvalidStateTransition"))
            return False
        if self.served == len(self.invocations):
            self.done.set()
            stream.sock.sendall(held)
            stream.wait_closed()
            return False
        if self.drop_after is not None and self.served == self.drop_after:
            self.drop_after = None
            return False
        self.open = self.invocations[self.served]
        self.served += 1
        self.open.id = "%08d-1111-4222-8333-444455556666" % self.served
        self._send(stream, held + self._event(self.open))
        return True

    def _event(self, inv):
        headers = {
            "Lambda-Runtime-Aws-Request-Id": inv.id,
            "Lambda-Runtime-Deadline-Ms": str(inv.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "Content-Type": "application/json",
        }
        headers.update({k.replace("_", "-"): v for k, v in inv.headers.items()})
        lines = "".join("%s: %s\r\n" % (k, v) for k, v in headers.items() if v is not None)
        if self.wire != "chunked":
            head = "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (lines, len(inv.body))
            return head.encode() + inv.body
        head = "HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n" % lines
        step = max(1, len(inv.body) // 3)
        chunks = [inv.body[i:i + step] for i in range(0, len(inv.body), step)]
        return head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"

    def _post(self, request):
        if request.path == PREFIX + "init/error":
            if self.served or self.init_error:
                self.violations.append("late init/error")
            self.init_error = request
            return ACCEPTED
        if request.path == PREFIX + "restore/error":
            if self.served or self.restore is not None or self.restore_error:
                self.violations.append("unexpected restore/error")
            self.restore_error = request
            return ACCEPTED
        parts = request.path[len(PREFIX):].split("/")
        if len(parts) != 3 or parts[0] != "invocation" or not self.open or parts[1] != self.open.id:
            self.violations.append("unexpected POST " + request.path)
            return _refusal(400, "InvalidRequestID")
        inv, self.open = self.open, None
        if len(request.body) > self.max_answer:
            inv.reason = "RequestEntityTooLarge"
            return _refusal(413, "RequestEntityTooLarge")
        inv.kind, inv.answer = parts[2], request.body
        inv.answer_headers, inv.trailers = request.headers, request.trailers
        return ACCEPTED

    def _send(self, stream, data):
        if self.wire == "bytes":
            for i in range(0, len(data), 7):
                stream.sock.sendall(data[i:i + 7])
                time.sleep(0.0002)
        else:
            stream.sock.sendall(data)


def _refusal(status, kind):
    body = json.dumps({"errorMessage": kind, "errorType": kind}).encode()
    return b"HTTP/1.1 %d Refused\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


class _Stream:
    def __init__(self, sock):
        self.sock, self.buf = sock, b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def has_more(self):
        return bool(self.buf)

    def fill(self):
        data = self.sock.recv(1 << 20)
        if not data:
            raise EOFError
        self.buf += data

    def wait_closed(self):
        while True:
            self.fill()

    def line(self):
        while b"\r\n" not in self.buf:
            self.fill()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def take(self, size):
        while len(self.buf) < size:
            self.fill()
        found, self.buf = self.buf[:size], self.buf[size:]
        return found

    def fields(self):
        found = {}
        while True:
            line = self.line().decode("latin-1")
            if not line:
                return found
            name, colon, value = line.partition(":")
            if not colon or name != name.strip() or name.lower() in found:
                raise ValueError("bad header line " + line)
            found[name.lower()] = value.strip()

    def request(self):
        if not self.buf:
            data = self.sock.recv(1 << 20)
            if not data:
                return None
            self.buf = data
            self.boundary = True
        method, path, version = self.line().decode().split(" ")
        headers = self.fields()
        if version != "HTTP/1.1" or "host" not in headers:
            raise ValueError("bad request line")
        trailers = {}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.line(), 16)
                if size == 0:
                    break
                body += self.take(size)
                self.line()
            trailers = self.fields()
        else:
            body = self.take(int(headers.get("content-length", 0)))
        return Request(method, path, headers, body, trailers, bool(self.buf))
