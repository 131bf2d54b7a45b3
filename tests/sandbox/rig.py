"""A server of the test's own: mayflyd with a driver in place of mayfly-control, and environments that run small scripts.

MAYFLY_BUILD names the build folder (default: build/ of the source tree). Needs root.
"""
import array
import contextlib
import fcntl
import glob
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("MAYFLY_BUILD", os.path.join(SOURCE, "build"))
WAIT_S = 20

SEALS = 0xF  # F_SEAL_SEAL | SHRINK | GROW | WRITE
F_ADD_SEALS = 1033

HOW = ["CODE", "SIGNAL", "OOM", "EXEC_FAILED", "KILLED"]


def _message_numbers():
    text = open(os.path.join(SOURCE, "src/core/ipc/messages.def")).read()
    return re.findall(r"^M\((\w+),", text, re.M)


TYPES = _message_numbers()
BODY = {
    "HELLO": ("<IIQBBHxxxx", ("version", "max_environments", "memory_mb", "loopback", "restarted", "port")),
    "ENV_STARTED": ("<QQIBBBBQQ", ("env_id", "sandbox_ns", "pid", "cgroup_v2", "pooled", "restored", "park", "restore_ns", "image_bytes")),
    "SNAPSHOT_DONE": ("<Q32sQQQI240sxxxx", ("env_id", "key", "file_bytes", "resident_bytes", "dump_ns", "code", "msg")),
    "IMAGE_FOUND": ("<32sQQQIxxxx", ("key", "file_bytes", "resident_bytes", "taken_wall_ms", "park")),
    "IMAGE_GONE": ("<32s240s", ("key", "msg")),
    "ENV_FAILED": ("<QI240sxxxx", ("env_id", "code", "msg")),
    "ENV_SOCKET_MADE": ("<QQI240sxxxx", ("env_id", "number", "code", "msg")),
    "ENV_PROCESS_ENDED": ("<QIIixxxx", ("env_id", "who", "how", "status")),
    "ENV_EXITED": ("<QIiQ", ("env_id", "how", "status", "peak_bytes")),
    "UNPACK_DONE": ("<QQI240sxxxx", ("job_id", "unzipped_bytes", "code", "msg")),
    "DRAIN": ("<8s", ("reserved",)),
}


def errors():
    text = open(os.path.join(SOURCE, "src/core/base/errors.def")).read()
    return ["OK"] + re.findall(r"^X\((\w+),", text, re.M)


ERRORS = errors()


class Gone(AssertionError):
    pass


def children(pid):
    """The children of a process: {number: program}."""
    found = {}
    for child in open(f"/proc/{pid}/task/{pid}/children").read().split():
        with contextlib.suppress(OSError):
            found[int(child)] = open(f"/proc/{child}/comm").read().strip()
    return found


class Message:
    def __init__(self, raw, fds):
        kind, size = struct.unpack_from("<II", raw)
        self.kind = TYPES[kind]
        self.fds = fds
        layout, names = BODY[self.kind]
        assert size == struct.calcsize(layout), (self.kind, size)
        for name, value in zip(names, struct.unpack_from(layout, raw, 8)):
            if isinstance(value, bytes) and name != "key":
                value = value.split(b"\0")[0].decode()
            setattr(self, name, value)


def packet(kind, body):
    return struct.pack("<II", TYPES.index(kind), len(body)) + body


PLAIN, RESTORE, TRIAL = range(3)  # enum ipc_start


def env_start(env_id, memory=128, tmp=512, network=0, layers=0, how=PLAIN, key=b"", extensions=0):
    return packet("ENV_START", struct.pack("<QIIIIII32s", env_id, memory, tmp, network, layers, how, extensions, key))


def launch_fd(argv, env=None, candidates=1, seal=True, extensions=()):
    strings = b"".join(s.encode() + b"\0" for s in argv) + b"".join(
        f"{k}={v}".encode() + b"\0" for k, v in (env or {}).items())
    strings += b"".join(e.encode() + b"\0" for e in extensions)
    data = struct.pack("<IIHHHH", 0x4D61794C, 16 + len(strings), candidates, len(argv), len(env or {}), len(extensions)) + strings
    fd = os.memfd_create("launch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seal:
        fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
    return fd


class Env:
    """One environment; `out` collects what it wrote."""

    def __init__(self, server, env_id):
        self.server, self.id, self.out = server, env_id, b""
        self.api = self.endpoint = self.log = self.freeze = self.peak = self.parked = self.inner = self.extension_log = -1
        self.exited = None
        self.started = None

    def take(self, m):
        self.started = m
        self.api, self.endpoint, self.log, self.freeze, self.peak = m.fds[:5]
        if m.restored:
            self.parked, self.inner = (m.fds[5:] + [-1, -1])[:2]
        elif len(m.fds) > 5:
            self.extension_log = m.fds[5]

    def say(self, text):
        """Answers the request that a restored runtime is parked in."""
        body = text.encode()
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def read(self, until=None, timeout=WAIT_S):
        """Reads the log (and the extensions') until `until` is in it, or its end."""
        end = time.monotonic() + timeout
        sources = [fd for fd in (self.log, self.extension_log) if fd >= 0]
        while sources and (until is None or until not in self.out):
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"nothing with {until!r} within {timeout} s, but {self.out[-2000:]!r}")
            for fd in select.select(sources, [], [], left)[0]:
                piece = os.read(fd, 65536)
                if not piece:
                    sources.remove(fd)
                self.out += piece
        return self.out.decode(errors="replace")

    def finish(self, timeout=WAIT_S):
        text = self.read(timeout=timeout)
        self.wait(timeout)
        return text

    def wait(self, timeout=WAIT_S):
        if not self.exited:
            self.exited = self.server.expect("ENV_EXITED", lambda m: m.env_id == self.id, timeout)
        self.how = HOW[self.exited.how]
        return self.how, self.exited.status

    def kill(self, grace_ms=0, leavers=0):
        self.server.send("ENV_KILL", struct.pack("<QII", self.id, grace_ms, leavers))

    def begin(self):
        self.server.send("ENV_BEGIN", struct.pack("<Q", self.id))

    def ended(self):
        """The next end of a process that the environment outlives: (who, how, status)."""
        m = self.server.expect("ENV_PROCESS_ENDED", lambda m: m.env_id == self.id)
        return m.who, HOW[m.how], m.status

    def close(self):
        for fd in (self.api, self.endpoint, self.log, self.freeze, self.peak, self.parked, self.inner, self.extension_log):
            if fd >= 0:
                os.close(fd)
        self.api = self.endpoint = self.log = self.freeze = self.peak = self.parked = self.inner = self.extension_log = -1


class Server:
    def __init__(self, *options, data=None, start=True, driver=True, prefix=()):
        self.prefix = list(prefix)
        self.folder = tempfile.mkdtemp(prefix="mayfly-test-")
        os.chmod(self.folder, 0o755)
        self.data = data or os.path.join(self.folder, "private", "data")
        os.makedirs(os.path.dirname(self.data), mode=0o700, exist_ok=True)
        self.bin = os.path.join(self.folder, "bin")
        os.mkdir(self.bin)
        for name in ("mayflyd", "mayfly-init", "mayfly-unpack", "mayfly-restore"):
            shutil.copy2(os.path.join(BUILD, name), self.bin)
        shutil.copy2(os.path.join(BUILD, "tests/sandbox/sandbox-driver") if driver else "/bin/false",
                     os.path.join(self.bin, "mayfly-control"))
        os.symlink(os.path.join(SOURCE, "runtimes"), os.path.join(self.bin, "runtimes"))
        self.options = list(options)
        self.process = self.sock = None
        self.next_id = 0
        self.inbox = []
        self.codes = 0
        if start:
            self.start()

    def spawn(self):
        # The ready line is the only thing on standard output.
        self.log = open(os.path.join(self.folder, "log"), "ab+")
        self.process = subprocess.Popen(
            self.prefix + [os.path.join(self.bin, "mayflyd"), "--data", self.data, "--listen", "127.0.0.1:0"] + self.options,
            stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL)
        return self

    def logged(self):
        self.log.seek(0)
        return self.log.read().decode()

    def start(self, ready=True):
        self.spawn()
        self.connect()
        if ready:
            self.send("READY", bytes(8))
            self.ready_line = self.process.stdout.readline().decode()
        return self

    def connect(self, timeout=WAIT_S):
        """Joins the driver that runs now."""
        if self.sock:
            self.sock.close()
        self.inbox = []
        place = os.path.join(self.data, "spool/driver.sock")
        end = time.monotonic() + timeout
        while True:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                self.sock.connect(place)
                self.hello = self.expect("HELLO")
                break
            except (OSError, Gone):  # not there yet, or the dead one's
                self.sock.close()
                if time.monotonic() > end or self.process.poll() is not None:
                    raise AssertionError("no driver: " + self.logged())
                time.sleep(0.002)
        self.listener = self.hello.fds[0]

    def order(self, raw, fds=()):
        self.sock.sendmsg([raw], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def send(self, kind, body, fds=()):
        self.order(b"M" + packet(kind, body), fds)

    def receive(self, timeout=WAIT_S):
        self.sock.settimeout(timeout)
        raw, control, _, _ = self.sock.recvmsg(65536, 1024)
        fds = array.array("i")
        for _, _, data in control:
            fds.frombytes(data[: len(data) - len(data) % 4])
        if not raw:
            raise Gone("the driver is gone: " + self.logged())
        return raw, list(fds)

    def expect(self, kind, which=lambda m: True, timeout=WAIT_S):
        for m in self.inbox:
            if m.kind == kind and which(m):
                self.inbox.remove(m)
                return m
        end = time.monotonic() + timeout
        while True:
            raw, fds = self.receive(max(0.01, end - time.monotonic()))
            m = Message(raw[1:], fds)
            if m.kind == kind and which(m):
                return m
            self.inbox.append(m)

    def open(self, path, kind="O"):
        """A folder (or, with R, a file) of the data folder, as control opens it."""
        self.order(kind.encode() + path.encode())
        while True:
            raw, fds = self.receive()
            if raw[:1] == b"O":
                return fds[0]
            self.inbox.append(Message(raw[1:], fds))

    def code(self, files, name=None):
        """A code folder with these files (name: text, or (text, mode)); its path in control."""
        self.codes += 1
        name = name or f"c{self.codes}"
        top = os.path.join(self.data, "code", name)
        os.makedirs(top)
        for path, content in files.items():
            text, mode = content if isinstance(content, tuple) else (content, 0o755)
            at = os.path.join(top, path)
            os.makedirs(os.path.dirname(at), exist_ok=True)
            with open(at, "wb") as f:
                f.write(text if isinstance(text, bytes) else text.encode())
            os.chmod(at, mode)
        uid = os.stat(os.path.join(self.data, "code")).st_uid
        os.chmod(top, 0o755)
        subprocess.run(["chown", "-R", f"{uid}:{uid}", top], check=True)
        return "/data/code/" + name

    def request(self, argv, code, env=None, memory=128, tmp=512, network=0, layers=(), candidates=1, launch=None,
                how=PLAIN, key=b"", extensions=()):
        self.next_id += 1
        fds = [launch if launch is not None else launch_fd(argv, env, candidates, extensions=extensions), self.open(code)] + [self.open(p) for p in layers]
        self.order(b"M" + env_start(self.next_id, memory, tmp, network, len(layers), how, key, len(extensions)), fds)
        for fd in fds:
            os.close(fd)
        return Env(self, self.next_id)

    def run(self, argv, code=None, files=None, **more):
        code = code or self.code(files or {"empty": ""})
        env = self.request(argv, code, **more)
        m = self.expect_any(("ENV_STARTED", "ENV_FAILED"), lambda m: m.env_id == env.id)
        if m.kind == "ENV_FAILED":
            raise AssertionError(f"{ERRORS[m.code]}: {m.msg}")
        env.take(m)
        return env

    def expect_any(self, kinds, which, timeout=WAIT_S):
        for m in self.inbox:
            if m.kind in kinds and which(m):
                self.inbox.remove(m)
                return m
        end = time.monotonic() + timeout
        while True:
            raw, fds = self.receive(max(0.01, end - time.monotonic()))
            m = Message(raw[1:], fds)
            if m.kind in kinds and which(m):
                return m
            self.inbox.append(m)

    def sh(self, script, **more):
        """Runs a shell script to its end; the environment, with its output in .text."""
        env = self.run(["/var/task/run"], files={"run": "#!/bin/sh\n" + script}, **more)
        env.text = env.finish()
        env.close()
        return env

    def python(self, script, **more):
        env = self.run(["/usr/bin/python3", "/var/task/run.py"], files={"run.py": script}, **more)
        env.text = env.finish()
        env.close()
        return env

    # ---- images

    def snapshot(self, env, park=0, close=0, key=None):
        """Parked in a GET on the connection that comes now: SNAPSHOT; the answer, and the key."""
        listener = socket.socket(fileno=os.dup(env.api))
        listener.settimeout(WAIT_S)
        peer, at = listener.accept()
        peer.settimeout(WAIT_S)
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += peer.recv(4096)
        key = key or os.urandom(32)
        self.send("SNAPSHOT", struct.pack("<Q32sIIII", env.id, key, park, at[1], close, 0))
        done = self.expect("SNAPSHOT_DONE", lambda m: m.env_id == env.id)
        peer.close()
        listener.close()
        env.wait()
        return done, key

    def image(self, files, argv=("/usr/bin/python3", "/var/task/run.py"), keep=True, **more):
        """Key and code folder of a new image."""
        code = self.code(files)
        env = self.run(list(argv), code, **more)
        done, key = self.snapshot(env)
        env.close()
        assert done.code == 0, f"{ERRORS[done.code]}: {done.msg}"
        if keep:
            self.send("IMAGE_KEEP", key)
        return key, code

    def restore(self, key, code, how=RESTORE, **more):
        env = self.run(["none"], code, how=how, key=key, **more)
        env.connection = socket.socket(fileno=os.dup(env.parked))
        env.connection.settimeout(WAIT_S)
        return env

    def refused(self, key, code, how=RESTORE, **more):
        """The message of ENV_FAILED."""
        env = self.request(["none"], code, how=how, key=key, **more)
        m = self.expect("ENV_FAILED", lambda m: m.env_id == env.id)
        return ERRORS[m.code], m.msg

    def stop(self, timeout=WAIT_S):
        """Ends it as an operator does; its exit status."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(AssertionError, OSError, TimeoutError):
                self.expect("DRAIN", timeout=5)
                self.order(b"X0")
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.sock:
            self.sock.close()
            self.sock = None
        return self.process.returncode if self.process else None

    def remove(self):
        self.stop()
        if self.process:
            self.process.stdout.close()
            self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def group_of(pid):
    """Name of the server's control groups that a process of an environment is in: mayfly-<id>."""
    return re.search(r"/(mayfly-[0-9a-f]+)/e\d+", open(f"/proc/{pid}/cgroup").read())[1]


def groups(name):
    """The folders of these control groups, in every hierarchy."""
    found = []
    for top, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(top, f) for f in folders if f == name]
        folders[:] = [f for f in folders if top.count("/") < 4 and not f.startswith("mayfly-")]
    return found


def slots(name):
    """Most slots that have a folder of these control groups, and most that have a process in it."""
    all_ = [glob.glob(g + "/e*/cgroup.procs") for g in groups(name)]

    def busy(path):
        with contextlib.suppress(OSError):
            return bool(open(path).read())
        return False
    return max(map(len, all_)), max(sum(map(busy, paths)) for paths in all_)


class Case(unittest.TestCase):
    """Tests that share one server."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool", "2", *cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()
