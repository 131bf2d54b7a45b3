"""A tiny Lambda of its own for the command line's tests: keeps functions in memory, checks every signature itself."""
import base64
import hashlib
import hmac
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY, SECRET, REGION = "AKIATEST", "secret/of+the=test", "us-east-1"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def canonical_query(query):
    pairs = sorted(tuple((part + "=").split("=")[:2]) for part in query.split("&")) if query else []
    return "&".join("%s=%s" % pair for pair in pairs)


def signature_fault(method, target, headers, body):
    """None when the request is signed as AWS says, else what is wrong."""
    found = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8}/[^/]+/([a-z]+)/aws4_request), ?SignedHeaders=([^,]+), ?Signature=(\w+)$",
                     headers.get("Authorization", ""))
    if not found:
        return "no signature"
    key, scope, _, names, signature = found.groups()
    path, _, query = target.partition("?")
    lines = "".join("%s:%s\n" % (n, " ".join(headers[n].split())) for n in names.split(";"))
    canonical = "\n".join([method, urllib.parse.quote(path, "/-_.~"), canonical_query(query), lines, names, sha256(body)])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", headers["X-Amz-Date"], scope, sha256(canonical.encode())])
    secret = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    if key != KEY or "host" not in names.split(";"):
        return "another key, or no host"
    return None if hmac.compare_digest(hmac.new(secret, to_sign.encode(), hashlib.sha256).hexdigest(), signature) else "it differs"


class Fault(Exception):
    def __init__(self, status, kind, text):
        super().__init__(text)
        self.status, self.kind = status, kind


class Function:
    def __init__(self, ask):
        self.config = {"Timeout": 3, "MemorySize": 128, "Description": "", "EphemeralStorage": {"Size": 512}, "Architectures": ["x86_64"]}
        self.set({k: v for k, v in ask.items() if k not in ("Code", "Tags")})
        name = self.config["FunctionName"]
        self.config["FunctionArn"] = "arn:aws:lambda:us-east-1:000000000000:function:" + name
        self.tags, self.versions, self.aliases, self.polls = ask.get("Tags", {}), [], {}, 0
        self.url, self.policy = None, {}
        self.set_code(ask["Code"]["ZipFile"])
        self.config.update(State="Pending", Version="$LATEST")
        self.version_state, self.version_end, self.polls_of_versions = "Active", "Active", 0

    def set(self, members):
        self.config.update(members)
        if "Layers" in members:
            self.config["Layers"] = [{"Arn": arn, "CodeSize": 1} for arn in members["Layers"]]

    def set_code(self, text):
        self.zip = base64.b64decode(text)
        self.config.update(CodeSha256=base64.b64encode(hashlib.sha256(self.zip).digest()).decode(), CodeSize=len(self.zip),
                           LastModified="2026-01-02T03:04:05.678+0000")

    def begin_update(self):
        self.config["LastUpdateStatus"], self.polls = "InProgress", 0

    def poll(self):
        """Ready when asked for the third time, so that a client that does not wait is found out."""
        self.polls += 1
        if self.polls >= 3:
            self.config.update(State="Active", LastUpdateStatus="Successful")
        return self.config


class FakeServer:
    def __init__(self):
        self.functions, self.calls, self.events, self.answers = {}, [], [], {}
        self.metrics, self.environments, self.images, self.snapshot_default = "", [], [], "auto"
        self.pages = {}                        # below /_mayfly/, signed: path -> answer
        self.queues, self.moves, self.move_polls, self.purged = set(), [], 0, []
        self.domains = {}
        self.move_end = {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 4}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1                       # one write an answer
            disable_nagle_algorithm = True

            def do(self):
                outer.handle(self)
            do_GET = do_POST = do_PUT = do_DELETE = do

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.http.server_port
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def handle(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path, _, query = request.path.partition("?")
        self.calls.append((request.command, request.path, body))
        extra = {}
        try:
            status, answer = self.route(request, path, dict(urllib.parse.parse_qsl(query)), body, extra)
        except Fault as fault:
            status, answer = fault.status, {"message": str(fault)}
            extra["x-amzn-ErrorType"] = fault.kind + ":http://internal.amazon.com/coral/"
        data = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
        request.send_response(status)
        for name, value in extra.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def route(self, request, path, query, body, extra):
        if path == "/_mayfly/health":
            return 200, {"status": "ok", "version": "test"}
        if path == "/_mayfly/metrics":
            return 200, self.metrics.encode()
        if path.startswith("/download/"):
            return 200, self.functions[path.split("/")[2]].versions[int(path.split("/")[3]) - 1]["zip"]
        fault = signature_fault(request.command, request.path, request.headers, body)
        if fault:
            raise Fault(403, "InvalidSignatureException", "The signature: " + fault)
        if path == "/_mayfly/environments":
            return 200, {"version": "test", "running": {"counts": {}, "environments": self.environments, "stand_ins": {"python3.9": "/usr/bin/python3.11"}}}
        if path == "/_mayfly/snapshots":
            return 200, {"default": self.snapshot_default, "images": 1, "file_bytes": 3 << 20, "resident_bytes": 5 << 20, "versions": self.images}
        if path.startswith("/_mayfly/domains"):
            return self.route_domains(request.command, path.partition("/_mayfly/domains")[2][1:], body)
        if urllib.parse.unquote(path) in self.pages:
            return 200, self.pages[urllib.parse.unquote(path)]
        if path.startswith("/_mayfly/"):
            raise Fault(404, "UnknownOperationException", "There is no such page below /_mayfly/.")
        if path == "/":
            return self.route_root(request, json.loads(body) if body[:1] == b"{" else body)
        return self.route_lambda(request, path, query, body, extra)

    def route_domains(self, method, host, body):
        if method == "GET":
            return 200, {"domains": [{"host": h, "function": f} for h, f in sorted(self.domains.items())]}
        if method == "DELETE" and host not in self.domains:
            raise Fault(404, "ResourceNotFoundException", "There is no host name %s in the table." % host)
        if method == "PUT":
            self.domains[host] = json.loads(body)["function"]
        else:
            del self.domains[host]
        return 204, None

    def route_root(self, request, ask):
        if isinstance(ask, bytes):
            return 200, b"<GetCallerIdentityResponse><Account>000000000000</Account></GetCallerIdentityResponse>"
        if request.headers["X-Amz-Target"].startswith("AmazonSQS."):
            return 200, self.route_sqs(request.headers["X-Amz-Target"].partition(".")[2], ask)
        if request.headers["X-Amz-Target"] != "Logs_20140328.FilterLogEvents":
            raise Fault(400, "UnknownOperationException", "")
        if ask["logGroupName"] != "/aws/lambda/thumb":
            raise Fault(400, "ResourceNotFoundException", "The specified log group does not exist.")
        first = int(ask.get("nextToken", 0))
        events = [e for e in self.events if e["timestamp"] >= ask["startTime"] and
                  ask.get("mayflyRequestId", "") in e["message"]]
        more = {"nextToken": str(first + 2)} if len(events) > first + 2 else {}
        return 200, {"events": events[first:first + 2], **more}

    def route_sqs(self, operation, ask):
        if operation == "GetQueueUrl":
            if ask["QueueName"] not in self.queues:
                raise Fault(400, "QueueDoesNotExist", "The specified queue does not exist.")
            return {"QueueUrl": "http://anywhere/000000000000/" + ask["QueueName"]}
        if operation == "GetQueueAttributes":
            return {"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:000000000000:" + ask["QueueUrl"].rpartition("/")[2]}}
        if operation == "StartMessageMoveTask":
            self.moves.append(ask)
            self.move_polls = 0
            return {"TaskHandle": "h"}
        if operation == "ListMessageMoveTasks":
            self.move_polls += 1
            return {"Results": [self.move_end if self.move_polls >= 3 else {"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 1}]}
        if operation == "PurgeQueue":
            self.purged.append(ask["QueueUrl"])
            return {}
        raise Fault(400, "UnknownOperationException", operation)

    def route_lambda(self, request, path, query, body, extra):
        method, parts = request.command, [urllib.parse.unquote(p) for p in path.strip("/").split("/")]
        if parts[1] == "tags":
            self.functions[parts[2].split(":")[-1]].tags.update(json.loads(body)["Tags"])
            return 204, None
        if len(parts) == 2 and method == "POST":
            ask = json.loads(body)
            self.functions[ask["FunctionName"]] = Function(ask)
            return 201, self.functions[ask["FunctionName"]].config
        if len(parts) == 2:
            names, first = sorted(self.functions), int(query.get("Marker", 0))
            more = {"NextMarker": str(first + 2)} if len(names) > first + 2 else {}
            return 200, {"Functions": [self.functions[n].config for n in names[first:first + 2]], **more}
        name = parts[2].split(":")[-1]
        if name not in self.functions:
            raise Fault(404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:" + name)
        return self.route_function(self.functions[name], method, parts[3:], query, body, extra)

    def route_function(self, f, method, rest, query, body, extra):
        what = "%s %s" % (method, rest[0] if rest else "")
        if what in ("POST invocations", "POST response-streaming-invocations"):
            return self.invoke(f, body, extra)
        ask = json.loads(body) if body else {}
        if what == "GET ":
            number = query.get("Qualifier")
            location = "%s/download/%s/%s" % (self.url, f.config["FunctionName"], number)
            return 200, {"Configuration": dict(f.poll()), "Code": {"Location": location}, "Tags": f.tags}
        if what == "GET configuration" and query.get("Qualifier"):
            f.polls_of_versions += 1
            state = f.version_end if f.polls_of_versions >= 3 else f.version_state
            return 200, {"State": state, "StateReason": "ImportError: no x"}
        if what == "GET configuration":
            return 200, f.poll()
        if what == "DELETE ":
            del self.functions[f.config["FunctionName"]]
            return 204, None
        if what == "PUT code":
            f.set_code(ask["ZipFile"])
            f.begin_update()
            return 200, f.config
        if what == "PUT configuration":
            f.set(ask)
            f.begin_update()
            return 200, f.config
        if rest[0] in ("url", "policy"):
            return self.route_url(f, what, ask)
        return self.route_versions(f, what, rest, ask)

    def route_url(self, f, what, ask):
        if what == "POST policy":
            if ask["StatementId"] in f.policy:
                raise Fault(409, "ResourceConflictException", "The statement id provided already exists.")
            f.policy[ask.pop("StatementId")] = ask
            return 201, {"Statement": "{}"}
        if what == "POST url" and f.url:
            raise Fault(409, "ResourceConflictException", "FunctionUrlConfig exists for this Lambda function")
        f.url = {**ask, "FunctionUrl": "http://id.lambda-url.us-east-1.localhost:1/"}
        return 201 if what == "POST url" else 200, f.url

    def route_versions(self, f, what, rest, ask):
        if what == "POST versions":
            number = str(len(f.versions) + 1)
            f.versions.append({"config": dict(f.config, Version=number, FunctionArn=f.config["FunctionArn"] + ":" + number,
                                             State=f.version_state), "zip": f.zip})
            return 201, f.versions[-1]["config"]
        if what == "GET versions":
            return 200, {"Versions": [f.config] + [v["config"] for v in f.versions]}
        if what == "GET concurrency":
            return 200, {}
        if what == "POST aliases":
            f.aliases[ask["Name"]] = {"Name": ask["Name"], "FunctionVersion": ask["FunctionVersion"], "RevisionId": "r1"}
            return 201, f.aliases[ask["Name"]]
        if what == "GET aliases" and len(rest) == 1:
            return 200, {"Aliases": list(f.aliases.values())}
        if rest[1] not in f.aliases:
            raise Fault(404, "ResourceNotFoundException", "Cannot find alias arn: " + rest[1])
        if what == "PUT aliases":
            f.aliases[rest[1]].update(ask)
        return 200, f.aliases[rest[1]]

    def invoke(self, f, body, extra):
        answer = self.answers.get(f.config["FunctionName"], b'{"ok": true}')
        status, data, headers = answer if isinstance(answer, tuple) else (200, answer, {})
        extra.update(headers)
        extra.setdefault("X-Amz-Executed-Version", "$LATEST")
        return status, data if data is not None else body
