"""The Python runtime's hot path: Runtime API client, event and answer conversion, invocation loop.

One keep-alive socket carries everything: an invocation's answer and the request for the next invocation leave in
one write, and the server's two answers come back in that order. Start-up time is part of every cold start, so this
file imports built-in modules and the _json accelerator only: `import json` alone costs 12 ms (it brings re and
enum along). Everything that is rarely needed is in the mayfly_* files beside it and imported at its first use.

Nothing read from the environment is kept across invocations, so that a process restored from a checkpoint sees
the values of its new life.
"""
import sys
from _socket import AF_INET, IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, socket
from posix import environ, putenv, unsetenv
from time import time

NEXT = "/2018-06-01/runtime/invocation/next"
RECV_BYTES = 65536
HEAD_MAX_BYTES = 1 << 20
# Above this size the parts of a request are sent as they are instead of being copied together.
GATHER_MIN_BYTES = 32768
RUNTIME_DIR = __file__.rpartition("/")[0]

GENERATOR = type((lambda: (yield))())

request_id = None
tenant_id = None


class Fault(Exception):
    """A failure that has a fixed AWS error type instead of the type of a Python exception."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace or []


class Context:
    def __init__(self, headers):
        get = environ.get
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.log_group_name = _text(get(b"AWS_LAMBDA_LOG_GROUP_NAME"))
        self.log_stream_name = _text(get(b"AWS_LAMBDA_LOG_STREAM_NAME"))
        self.function_name = _text(get(b"AWS_LAMBDA_FUNCTION_NAME"))
        self.memory_limit_in_mb = _text(get(b"AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
        self.function_version = _text(get(b"AWS_LAMBDA_FUNCTION_VERSION"))
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context = _client_context(headers.get("lambda-runtime-client-context"))
        self.identity = CognitoIdentity(_json_header(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity"))
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms") or 0)

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time() * 1000))

    def log(self, msg):
        sys.stdout.write(str(msg))

    def __repr__(self):
        names = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
                 "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id")
        return _describe(self, names, "LambdaContext")


class CognitoIdentity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, source):
        self.cognito_identity_id = source.get("cognitoIdentityId") if source else None
        self.cognito_identity_pool_id = source.get("cognitoIdentityPoolId") if source else None

    def __repr__(self):
        return _describe(self, self.__slots__)


class Client:
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")

    def __repr__(self):
        return _describe(self, self.__slots__)


class ClientContext:
    __slots__ = ("custom", "env", "client")

    def __repr__(self):
        return _describe(self, self.__slots__)


def _describe(obj, names, title=None):
    return "%s([%s])" % (title or type(obj).__name__, ",".join("%s=%s" % (n, getattr(obj, n)) for n in names))


def _text(value):
    return None if value is None else value.decode("utf-8", "surrogateescape")


def _env(name, default=""):
    return _text(environ.get(name)) or default


def _filled(obj, source):
    for name in obj.__slots__:
        setattr(obj, name, source.get(name))
    return obj


def _client_context(header):
    source = _json_header(header, "Client Context")
    if source is None:
        return None
    context = _filled(ClientContext(), source)
    if context.client is not None:
        context.client = _filled(Client(), context.client)
    return context


def _json_header(header, name):
    if not header:
        return None
    import json
    try:
        return json.loads(header)
    except Exception as e:
        raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (name, e))


class ServerGone(Exception):
    pass


class Api:
    """The Runtime API over one socket, reconnected when the server drops it while nothing is being answered."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.peer = (host, int(port or 80))
        self.tail = (" HTTP/1.1\r\nHost: %s\r\nUser-Agent: mayfly-python/%d.%d\r\n"
                     % (address, *sys.version_info[:2])).encode()
        self.get_next = self.request(NEXT)
        self.asked = self.get_next
        self.unanswered_posts = 0
        self.attempts = 0
        self.known_ack = None
        self.connect()

    def request(self, path):
        return b"GET " + path.encode() + self.tail + b"\r\n"

    def ask(self, request):
        """Sends a request whose answer is waited for with `next`."""
        self.asked = request
        self.send((request,))

    def connect(self):
        self.buf = b""
        self.sock = socket(AF_INET, SOCK_STREAM)
        self.sock.connect(self.peer)
        self.sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    def post(self, path, body, headers, and_next):
        """Sends a POST and, when `and_next`, the request for the next invocation behind it."""
        head = b"POST /2018-06-01/runtime/%b%bContent-Length: %d\r\n%b\r\n" % (path, self.tail, len(body), headers)
        tail = self.get_next if and_next else b""
        self.unanswered_posts += 1
        self.send((head, body, tail) if len(body) >= GATHER_MIN_BYTES else (head + body + tail,))

    def send(self, parts):
        # A failed write is not an error yet: the server may have answered (413) and closed; reading will tell. False: it failed.
        try:
            if len(parts) == 1:
                self.sock.sendall(parts[0])
                return True
            sent = self.sock.sendmsg(parts)
            for part in parts:
                if sent < len(part):
                    self.sock.sendall(memoryview(part)[sent:])
                    sent = 0
                else:
                    sent -= len(part)
            return True
        except OSError:
            return False

    def next(self):
        """Waits for what was asked for, the next invocation or a restore; returns (headers, body)."""
        while True:
            try:
                if self.unanswered_posts:
                    self.read_ack()
                status, headers, body = self.read_answer()
            except (ServerGone, OSError):
                self.ask_again()
                continue
            if status != b"200":
                sys.exit("LAMBDA_RUNTIME Failed to get next invocation. Http response code: %s" % status.decode())
            self.attempts = 0
            return headers, body

    def ask_again(self):
        if self.attempts:
            sys.exit("LAMBDA_RUNTIME Failed to get next invocation. The Runtime API closed the connection.")
        self.attempts += 1
        self.sock.close()
        self.unanswered_posts = 0
        try:
            self.connect()
        except OSError as e:
            sys.exit("LAMBDA_RUNTIME Failed to get next invocation. No Runtime API: %s" % e)
        self.send((self.asked,))

    def read_ack(self):
        status = self.read_answer()[0]
        self.unanswered_posts -= 1
        if status[:1] != b"2":
            sys.stderr.write("LAMBDA_RUNTIME Failed to post handler response. Http response code: %s.\n" % status.decode())

    def read_answer(self):
        while True:
            buf = self.buf
            end = buf.find(b"\r\n\r\n")
            while end < 0:
                if len(buf) > HEAD_MAX_BYTES:
                    raise ServerGone
                buf += self.more()
                end = buf.find(b"\r\n\r\n")
            head = buf[:end]
            self.buf = buf[end + 4:]
            # Acknowledgements repeat byte by byte and are half of all answers.
            if head == self.known_ack:
                return b"202", None, b""
            if head[9:10] != b"1":
                return self.read_body(head)

    def read_body(self, head):
        status = head[9:12]
        headers = {}
        for line in head.decode("utf-8", "replace").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length")
        if length is not None:
            body = self.take(int(length))
            if status == b"202" and not body:
                self.known_ack = head
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body = self.read_chunks()
        elif status == b"204":
            body = b""
        else:
            raise ServerGone
        return status, headers, body

    def read_chunks(self):
        body = bytearray()
        while True:
            size = int(self.line().split(b";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return body
            body += self.take(size)
            self.line()

    def line(self):
        end = self.buf.find(b"\r\n")
        while end < 0:
            if len(self.buf) > HEAD_MAX_BYTES:
                raise ServerGone
            self.buf += self.more()
            end = self.buf.find(b"\r\n")
        found, self.buf = self.buf[:end], self.buf[end + 2:]
        return found

    def take(self, size):
        buf = self.buf
        if len(buf) >= size:
            self.buf = buf[size:]
            return buf[:size]
        body = bytearray(size)
        got = len(buf)
        body[:got] = buf
        self.buf = b""
        view = memoryview(body)
        while got < size:
            n = self.sock.recv_into(view[got:])
            if n == 0:
                raise ServerGone
            got += n
        return body

    def more(self):
        data = self.sock.recv(RECV_BYTES)
        if not data:
            raise ServerGone
        return data


class _ScannerOptions:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}.__getitem__


class _NotPlain(Exception):
    """The answer holds what the C encoder can't write as AWS does: Decimal, bytes, or an unknown type."""


def _not_plain(obj):
    raise _NotPlain


_PLAIN = frozenset((str, int, float, bool, type(None)))


def _has_namedtuple(value):
    """AWS writes named tuples as objects, the C encoder as arrays. Called for values known to hold no cycle."""
    todo = [value]
    for item in todo:
        if isinstance(item, dict):
            inner = item.values()
        elif isinstance(item, (list, tuple)):
            if hasattr(item, "_asdict"):
                return True
            inner = item
        else:
            continue
        for v in inner:
            if type(v) not in _PLAIN:
                todo.append(v)
    return False


class Converter:
    """Events in, answers out. `ascii_only` follows the declared runtime: from 3.12 on, AWS writes UTF-8."""

    def __init__(self):
        declared = _env(b"AWS_EXECUTION_ENV").rpartition("python3.")[2]
        self.ascii_only = not declared.isdigit() or int(declared) < 12
        try:
            import _json
            self.scan = _json.make_scanner(_ScannerOptions)
            self.quote = _json.encode_basestring_ascii if self.ascii_only else _json.encode_basestring
            self.make_encoder = _json.make_encoder
        except (ImportError, AttributeError, TypeError):
            self.scan = self.make_encoder = None
        self.encode = self.new_encoder()

    def new_encoder(self):
        if self.make_encoder:
            return self.make_encoder({}, _not_plain, self.quote, None, ": ", ", ", False, False, True)
        import json
        encode = json.JSONEncoder(ensure_ascii=self.ascii_only, default=_not_plain).encode
        return lambda value, level: (encode(value),)

    def read(self, body, content_type):
        if content_type != "application/json":
            return bytes(body)
        if self.scan:
            try:
                text = str(body, "utf-8").strip(" \t\n\r")
                value, end = self.scan(text, 0)
                if end == len(text):
                    return value
            except Exception:
                pass
        # Slow and complete: gives the exact error text for what isn't JSON.
        try:
            import json
            return json.loads(body)
        except Exception as e:
            raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % e)

    def write(self, value):
        """Returns (bytes, content type)."""
        if value is None:
            return b"null", b"application/json"
        if isinstance(value, bytes):
            return value, b"application/unknown"
        try:
            return self.to_json(value), b"application/json"
        except Exception as e:
            raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % e)

    def to_json(self, value):
        try:
            text = "".join(self.encode(value, 0))
            if type(value) in _PLAIN or not _has_namedtuple(value):
                return text.encode()
        except _NotPlain:
            # The encoder's table of open containers is not cleaned up after an exception.
            self.encode = self.new_encoder()
        except Exception:
            self.encode = self.new_encoder()
            raise
        import mayfly_encode
        return mayfly_encode.encode(value, self.ascii_only).encode()


def set_env(name, value):
    """`name` is bytes; a value that is empty or None takes the variable away. os.environ shares this dictionary."""
    if value:
        value = value.encode("utf-8", "surrogateescape")
        putenv(name, value)
        environ[name] = value
    elif name in environ:
        unsetenv(name)
        del environ[name]


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def _invoke(handler, api, converter, headers, body):
    failure = stream = None
    try:
        context = Context(headers)
        event = converter.read(body, headers.get("content-type", "application/json"))
        answer = handler(event, context)
        if type(answer) is GENERATOR:
            import mayfly_stream
            stream = mayfly_stream.begin(answer, converter)
        else:
            answer, content_type = converter.write(answer)
    except Exception as e:
        import mayfly_faults
        failure = mayfly_faults.describe(e, request_id)
        mayfly_faults.log(failure, converter)
    _flush()
    path = b"invocation/" + request_id.encode()
    if failure is None and stream is not None:
        stream.send(api, converter, path + b"/response")
    elif failure is None:
        api.post(path + b"/response", answer, b"Content-Type: %b\r\n" % content_type, True)
    else:
        api.post(path + b"/error", *mayfly_faults.to_request(failure, converter), True)


def _loop(handler, api, converter):
    global request_id, tenant_id
    while True:
        headers, body = api.next()
        request_id = headers["lambda-runtime-aws-request-id"]
        tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        set_env(b"_X_AMZN_TRACE_ID", headers.get("lambda-runtime-trace-id"))
        _invoke(handler, api, converter, headers, body)
        del headers, body


def _init(name):
    """Everything of the function's own initialisation; its failure is described, logged and sent by main."""
    import mayfly_setup
    mayfly_setup.prepare(RUNTIME_DIR)
    return mayfly_setup.load_handler(name)


def give_up(api, converter, path, error, status):
    """Reports what `error` is to `path`, and ends the process when that was heard."""
    import mayfly_faults
    failure = mayfly_faults.describe(error, "")
    mayfly_faults.log(failure, converter)
    _flush()
    api.post(path, *mayfly_faults.to_request(failure, converter), False)
    try:
        api.read_ack()
    except (ServerGone, OSError):
        pass
    sys.exit(status)


def _becomes_image():
    """Whether a checkpoint follows; the platform's own variable is none of the function's business."""
    asked = environ.get(b"_MAYFLY_SNAPSHOT")
    set_env(b"_MAYFLY_SNAPSHOT", None)
    return bool(asked) or environ.get(b"AWS_LAMBDA_INITIALIZATION_TYPE") == b"snap-start"


def main():
    api = Api(_env(b"AWS_LAMBDA_RUNTIME_API"))
    converter = Converter()
    image = _becomes_image()
    try:
        handler = _init(sys.argv[1] if len(sys.argv) > 1 else _env(b"_HANDLER"))
    except Exception as e:
        give_up(api, converter, b"init/error", e, 1)
    if image:
        import mayfly_snapshot
        mayfly_snapshot.park(api, converter)
    else:
        api.ask(api.get_next)
    _loop(handler, api, converter)
