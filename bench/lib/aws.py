"""A Lambda client of a few lines: signed requests over one kept connection, standard library only."""
import base64
import configparser
import datetime
import hashlib
import hmac
import http.client
import io
import json
import re
import socket
import time
import urllib.parse
import zipfile

FUNCTIONS = "/2015-03-31/functions"
ROLE = "arn:aws:iam::000000000000:role/bench"


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Signer:
    def __init__(self, credentials, region="us-east-1"):
        parser = configparser.ConfigParser()
        if not parser.read(credentials):
            raise RuntimeError(f"{credentials}: cannot be read; the server should have written it")
        section = parser[parser.sections()[0]]
        self.access, self.secret = section["aws_access_key_id"], section["aws_secret_access_key"]
        self.region = region

    def headers(self, method, host, path, query, body, extra, service="lambda"):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": host, "x-amz-date": now, **{k.lower(): v for k, v in extra.items()}}
        names = ";".join(sorted(headers))
        canonical = "\n".join([
            method, urllib.parse.quote(path, safe="/-_.~%"), query,
            *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, hashlib.sha256(body).hexdigest()])
        scope = f"{now[:8]}/{self.region}/{service}/aws4_request"
        key = _hmac(("AWS4" + self.secret).encode(), now[:8])
        for part in (self.region, service, "aws4_request"):
            key = _hmac(key, part)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = _hmac(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}").hex()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, "
                                    f"SignedHeaders={names}, Signature={signature}")
        return headers


KEEP_S = 30


class ApiError(RuntimeError):
    def __init__(self, what, status, body):
        super().__init__(f"{what}: HTTP {status}: {body[:400].decode(errors='replace')}")
        self.status = status


class Client:
    def __init__(self, port, credentials):
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.signer = Signer(credentials)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.used = time.monotonic()

    def call(self, method, path, body=None, query="", want=(200, 201, 202, 204)):
        if time.monotonic() - self.used > KEEP_S:
            self.connection.close()  # the server may have closed it; the next request opens another one
        self.used = time.monotonic()
        data = b"" if body is None else json.dumps(body).encode()
        extra = {} if body is None else {"content-type": "application/json"}
        headers = self.signer.headers(method, self.host, path, query, data, extra)
        self.connection.request(method, path + ("?" + query if query else ""), data or None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in want:
            raise ApiError(f"{method} {path}", answer.status, text)
        return json.loads(text) if text else {}

    def target(self, service, target, body, version="1.0"):
        """A call of a service that names its operation in X-Amz-Target."""
        data = json.dumps(body).encode()
        extra = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}
        self.connection.request("POST", "/", data, self.signer.headers("POST", self.host, "/", "", data, extra, service))
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ApiError(target, answer.status, text)
        return json.loads(text) if text else {}

    def form(self, service, fields):
        """A call of the query protocol; its answer is not looked at."""
        data = urllib.parse.urlencode(fields).encode()
        extra = {"content-type": "application/x-www-form-urlencoded"}
        self.connection.request("POST", "/", data, self.signer.headers("POST", self.host, "/", "", data, extra, service))
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ApiError(fields["Action"], answer.status, text)

    def create(self, name, runtime, handler, package, memory_mb, timeout_s=30, **more):
        """CreateFunction; see wait() for when it can be called."""
        return self.call("POST", FUNCTIONS, {
            "FunctionName": name, "Runtime": runtime, "Handler": handler, "Role": ROLE, "MemorySize": memory_mb,
            "Timeout": timeout_s, "Code": {"ZipFile": base64.b64encode(package).decode()}, **more})

    def wait(self, name, timeout_s=30):
        """Until the function is active and its last update is done."""
        end = time.monotonic() + timeout_s
        while True:
            config = self.call("GET", f"{FUNCTIONS}/{name}/configuration")
            state, update = config.get("State"), config.get("LastUpdateStatus")
            if state == "Active" and update == "Successful":
                return config
            if "Failed" in (state, update) or time.monotonic() > end:
                raise RuntimeError(f"{name}: State {state}, LastUpdateStatus {update}: "
                                   f"{config.get('StateReason') or config.get('LastUpdateStatusReason')}")
            time.sleep(0.005)

    def image(self, name):
        """What the server says of the image of a function's $LATEST; {} when nothing yet."""
        versions = self.call("GET", "/_mayfly/snapshots")["versions"]
        return next((one for one in versions if (one["function"], one["version"]) == (name, "$LATEST")), {})

    def wait_image(self, name, timeout_s=60):
        """Until the environments of a function, which must have been called once, start from an image."""
        end = time.monotonic() + timeout_s
        while True:
            found = self.image(name)
            if found.get("state") == "ready" and "image" in found:
                return found
            if found.get("state") == "unusable" or time.monotonic() > end:
                raise RuntimeError(f"{name}: no image: {found}")
            time.sleep(0.02)

    def renew(self, name, value):
        """Changes a variable of the function: no environment that runs serves it any more."""
        self.call("PUT", f"{FUNCTIONS}/{name}/configuration", {"Environment": {"Variables": {"BENCH": value}}})
        self.wait(name)

    def invoke(self, name, event, tail=False):
        """(ms until the answer, payload, headers, log tail) of one call on a connection opened and signed before."""
        body = json.dumps(event).encode()
        path = f"{FUNCTIONS}/{name}/invocations"
        extra = {"content-type": "application/json", **({"x-amz-log-type": "Tail"} if tail else {})}
        headers = self.signer.headers("POST", self.host, path, "", body, extra)
        head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        request = f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        with socket.create_connection(("127.0.0.1", self.port), 60) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            elapsed_ms, status, fields, payload = exchange(sock, request)
        if status != 200 or "x-amz-function-error" in fields:
            raise ApiError(f"invoke {name}", status, payload)
        log = base64.b64decode(fields.get("x-amz-log-result", "")).decode(errors="replace")
        return elapsed_ms, payload, fields, log


def exchange(sock, request):
    """Sends a request as it is; (ms, status, header fields, body) of its answer."""
    start = time.perf_counter()
    sock.sendall(request)
    data = b""
    while True:
        head, blank, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *(\d+)", head) if blank else None
        chunked = blank and not length
        if blank and (len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")):
            break
        part = sock.recv(1 << 16)
        if not part:
            raise RuntimeError(f"connection closed in an answer: {data[:200]!r}")
        data += part
    elapsed_ms = (time.perf_counter() - start) * 1e3
    lines = head.decode("latin-1").split("\r\n")
    fields = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
    return elapsed_ms, int(lines[0].split()[1]), fields, _unchunk(body) if chunked else body


def _unchunk(body):
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            break
        out, body = out + body[:length], body[length + 2:]
    return out


def package(files):
    """A zip of {name: (bytes, mode)}."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (data, mode) in files.items():
            info = zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100000 | mode) << 16
            archive.writestr(info, data)
    return out.getvalue()
