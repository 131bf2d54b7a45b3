"""Between initialisation and the first invocation of a process that is saved and restored many times.

The process waits in `GET restore/next`: there it is saved, and what returns from it is a copy that shares all its
memory with others. Each page that a copy writes to costs a page fault, so all that can happen before is done before.
"""
import gc
import sys
from posix import getpid, urandom

import mayfly_loop

RESTORE = "/2018-06-01/runtime/restore/next"
# Python 3.11 and later rewrite bytecode that ran some times; the code is warm after this many rounds.
WARM_ROUNDS = 20
STATUS_BEFORE, STATUS_AFTER = 64, 65
# As many names as will come, so that the environment has room for them.
REHEARSED_IDENTITY = b'{"_MAYFLY_1": "1", "_MAYFLY_2": "2", "_MAYFLY_3": "3", "_MAYFLY_4": "4", "_MAYFLY_5": "5"}'


def park(api, converter):
    """Returns in each restored process, when the next invocation was asked for."""
    try:
        _run(_registered("get_before_snapshot"), -1)
    except Exception as e:
        mayfly_loop.give_up(api, converter, b"init/error", _hook_fault("Runtime.BeforeSnapshotError", e), STATUS_BEFORE)
    mayfly_loop._flush()
    _rehearse(converter)
    saved_pid = getpid()
    gc.collect()
    gc.freeze()  # what lives now isn't looked at by later collections, which would write to all of it
    api.ask(api.request(RESTORE))
    body = api.next()[1]
    if not _registered("get_after_restore"):
        # The server finds the invocation while this process is made its own.
        api.ask(api.get_next)
        _become_oneself(converter, body, saved_pid)
        return
    try:
        _become_oneself(converter, body, saved_pid)
        _run(_registered("get_after_restore"), 0)
    except Exception as e:
        mayfly_loop.give_up(api, converter, b"restore/error", _hook_fault("Runtime.AfterRestoreError", e), STATUS_AFTER)
    mayfly_loop._flush()
    api.ask(api.get_next)


def _become_oneself(converter, body, saved_pid):
    _take_identity(converter, body)
    reseed(saved_pid)


def _registered(getter):
    """The function may bring its own copy of the module; one that was never imported holds nothing."""
    module = sys.modules.get("snapshot_restore_py")
    get = getattr(module, getter, None)
    return get() if get else []


def _run(hooks, end):
    while hooks:
        func, args, kwargs = hooks.pop(end)
        func(*args, **kwargs)


def _hook_fault(kind, error):
    """The platform's error type, with the hook's own message and trace."""
    import mayfly_faults
    told = mayfly_faults.describe(error, "")
    return mayfly_loop.Fault(kind, "%s: %s" % (told["errorType"], told["errorMessage"]), told["stackTrace"])


def _take_identity(converter, body):
    """Credentials and log stream of this environment; an image has none."""
    for name, value in converter.read(body, "application/json").items():
        if isinstance(value, str):
            mayfly_loop.set_env(name.encode(), value)


def reseed(saved_pid):
    """Gives every generator of the standard library a state of its own; os.urandom and secrets have none."""
    if getpid() == saved_pid and "_ssl" in sys.modules:
        # By another process id OpenSSL sees itself that it has to, when it is asked for the first time.
        sys.modules["_ssl"].RAND_add(urandom(32), 32.0)
    for name, renew in _RENEW:
        module = sys.modules.get(name)
        if module is not None:
            try:
                renew(module)
            except AttributeError:
                pass  # another version's module


def _renew_random(random):
    random._inst.seed()


def _renew_uuid(uuid):
    # libuuid's clock sequence and node can't be changed; without it uuid1 draws the former anew each time.
    uuid._generate_time_safe = None
    uuid._node = int.from_bytes(urandom(6), "big") | 1 << 40
    for name in ("_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7"):
        if hasattr(uuid, name):
            setattr(uuid, name, None)


def _renew_tempfile(tempfile):
    tempfile._name_sequence = None


def _renew_numpy(numpy_random):
    numpy_random.seed()


_RENEW = (("random", _renew_random), ("uuid", _renew_uuid), ("tempfile", _renew_tempfile),
          ("numpy.random", _renew_numpy))


class _RehearsedApi(mayfly_loop.Api):
    """Answers itself and sends nothing."""

    ACK = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    EVENT = (b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 0\r\nLambda-Runtime-Deadline-Ms: 1\r\n"
             b"Content-Type: application/json\r\nContent-Length: 33\r\n\r\n"
             b'{"a": ["b", 1, 2.5], "c": null}  ')

    def connect(self):
        self.buf = b""

    def send(self, parts):
        pass

    def more(self):
        return self.ACK + self.EVENT if self.unanswered_posts else self.EVENT


def _rehearse(converter):
    """Runs an invocation's whole path, so that a restored process does none of it for the first time."""
    api = _RehearsedApi("127.0.0.1:9001")
    before = mayfly_loop.request_id
    for _ in range(WARM_ROUNDS):
        headers, body = api.next()
        mayfly_loop.request_id = headers["lambda-runtime-aws-request-id"]
        mayfly_loop._invoke(lambda event, context: event, api, converter, headers, body)
    mayfly_loop.request_id = before
    for _ in range(WARM_ROUNDS):
        _take_identity(converter, REHEARSED_IDENTITY)
    for name in converter.read(REHEARSED_IDENTITY, "application/json"):
        mayfly_loop.set_env(name.encode(), None)
