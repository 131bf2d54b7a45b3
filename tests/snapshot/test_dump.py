"""What is not restorable says so, in words that a developer can act on; what is odd but restorable comes back as it was.

Each case is a few lines of Python that a function executes before it waits for its first event."""
import os
import time
import unittest

import rig

HEAD = """
import ctypes, fcntl, mmap, os, signal, socket, struct, sys, tempfile, threading, time
libc = ctypes.CDLL(None, use_errno=True)
check = lambda: "fine"
"""
TAIL = """
import http.client
api = http.client.HTTPConnection("127.0.0.1", 9001)
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    api.getresponse().read()
    try:
        said = check()
    except Exception as e:
        said = repr(e)
    api.request("POST", "/2018-06-01/runtime/invocation/r1/response", str(said))
    api.getresponse().read()
"""

REFUSED = {
    "connection": ("""
server = socket.create_server(("127.0.0.1", 5432))
client = socket.create_connection(("127.0.0.1", 5432))
accepted = server.accept()""", "holds a connection to 127.0.0.1:"),
    "udp": ("""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", 53))""", "a UDP socket connected to 127.0.0.1:53"),
    "datagram": ("""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 5353))
s.sendto(b"x", ("127.0.0.1", 5353))""", "datagrams unread"),
    "unaccepted": ("""
server = socket.create_server(("127.0.0.1", 5432))
client = socket.socket()
client.connect(("127.0.0.1", 5432))
client = None
time.sleep(0.05)""", "has not accepted a connection"),
    "inotify": ("libc.inotify_init()", "inotify"),
    "timer": ("""
timer = ctypes.c_void_p()
assert libc.timer_create(1, None, ctypes.byref(timer)) == 0""", "POSIX timers"),
    "lock": ("""
f = open("/tmp/lock", "w")
fcntl.flock(f, fcntl.LOCK_EX)""", "holds a lock on /tmp/lock"),
    "place": ("""
with open("/tmp/gone", "w") as f:
    f.write("x")
place = os.open("/tmp/gone", os.O_PATH)
os.unlink("/tmp/gone")""", "holds /tmp/gone"),
    "shared_file": ("""
f = open("/tmp/map", "w+b")
f.truncate(8192)
m = mmap.mmap(f.fileno(), 8192)""", "maps /tmp/map shared"),
    "deleted_shared": ("""
f = tempfile.TemporaryFile()
f.truncate(8192)
m = mmap.mmap(f.fileno(), 8192)""", "deleted"),
    "memfd_shared": ("""
f = os.memfd_create("x")
os.ftruncate(f, 8192)
m = mmap.mmap(f, 8192)""", "memory file"),
    "fork_shared": ("""
m = mmap.mmap(-1, 8192)
if os.fork() == 0:
    time.sleep(1000)""", "shares memory with another process"),
    "stopped": ("""
if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(0.1)""", "is stopped by a signal"),
    "zombie": ("""
if os.fork() == 0:
    os._exit(0)
time.sleep(0.1)""", "its parent did not wait for it"),
    "daemon": ("""
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
os.wait()""", "the process that started it has ended"),
    "unix_listener": ("""
s = socket.socket(socket.AF_UNIX)
s.bind("\\0name")
s.listen()""", "listening Unix socket"),
    "unix_file": ("""
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/tmp/name")""", "/tmp/name"),
    "descriptor_in_socket": ("""
a, b = socket.socketpair()
socket.send_fds(a, [b"x"], [0])""", "descriptors unread in a Unix socket"),
    "half_closed": ("""
a, b = socket.socketpair()
a.shutdown(socket.SHUT_WR)""", "closed one way"),
    "named_pipe": ("""
os.mkfifo("/tmp/pipe")
p = os.open("/tmp/pipe", os.O_RDWR)""", "/tmp/pipe, which is a named pipe"),
    "process_file": ("f = open('/proc/1/stat')", "a file of another process"),
    "namespace": ("n = os.open('/proc/self/ns/net', os.O_RDONLY)", "holds a namespace"),
    "epoll_closed": ("""
import select
e = select.epoll()
r, w = os.pipe()
e.register(r, select.EPOLLIN)
keep = os.dup(r)
os.set_inheritable(keep, True)
if os.fork() == 0:
    os.close(e.fileno())
    time.sleep(1000)
os.close(r)
os.close(keep)""", None),
    "signal": ("""
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1)""", "has a signal"),
    "reopened_pipe": ("""
r, w = os.pipe()
again = os.open(f"/proc/self/fd/{r}", os.O_RDONLY)""", "opened one end of a pipe twice"),
    "async": ("""
r, w = os.pipe()
fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)""", "O_ASYNC"),
    "deleted_folder": ("""
os.mkdir("/tmp/gone")
os.chdir("/tmp/gone")
os.rmdir("/tmp/gone")""", "folder that was deleted"),
    "session": ("""
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(1000)
    os.setsid()
    time.sleep(1000)
time.sleep(0.1)""", "session"),
    "opened_twice": ("""
f = tempfile.TemporaryFile()
g = open(f"/proc/self/fd/{f.fileno()}", "w+b")""", "twice"),
    "semaphores": ("assert libc.semget(0, 1, 0o1600) >= 0", "System V semaphores"),
    "queue": ("assert libc.msgget(0, 0o1600) >= 0", "System V message queues"),
    "tmp_socket": ("""
s = socket.socket(socket.AF_UNIX)
s.bind("/tmp/left")
s.close()""", "Unix socket in /tmp"),
    "tmp_size": ("open('/tmp/large', 'wb').truncate(65 << 20)", "more than 64 MB"),
}

RESTORED = {
    "membarrier": """
MEMBARRIER, EXPEDITED, REGISTER = 324, 8, 16
assert libc.syscall(MEMBARRIER, REGISTER, 0, 0) == 0
def check():
    return "fine" if libc.syscall(MEMBARRIER, EXPEDITED, 0, 0) == 0 else "not registered"
""",
    "unix_pair": """
a, b = socket.socketpair()
a.sendall(b"first")
a.sendall(b"second")
def check():
    assert b.recv(100) == b"firstsecond"
    b.sendall(b"back")
    assert a.recv(100) == b"back"
    return "fine"
""",
    "closed_pair": """
a, b = socket.socketpair()
b.close()
def check():
    assert a.recv(1) == b""
    try:
        a.send(b"x")
    except BrokenPipeError:
        return "fine"
""",
    "full_pipe": """
r, w = os.pipe()
os.set_blocking(w, False)
fcntl.fcntl(w, 1031, 1 << 17)
n = os.write(w, b"x" * (1 << 20))
def check():
    assert fcntl.fcntl(w, 1032) == 1 << 17
    got = os.read(r, 1 << 20)
    while len(got) < n:
        got += os.read(r, 1 << 20)
    assert got == b"x" * n
    return "fine"
""",
    "lone_pipe_ends": """
r, w = os.pipe()
os.write(w, b"rest")
os.close(w)
r2, w2 = os.pipe()
os.close(r2)
def check():
    assert os.read(r, 10) == b"rest" and os.read(r, 10) == b""
    try:
        os.write(w2, b"x")
    except BrokenPipeError:
        return "fine"
""",
    "deleted_file": """
f = tempfile.TemporaryFile()
f.write(b"0123456789")
f.flush()
f.seek(4)
def check():
    assert f.read() == b"456789"
    return "fine"
""",
    "deleted_mapping": """
f = open("/tmp/map", "w+b")
f.write(b"a" * 5000)
f.flush()
m = mmap.mmap(f.fileno(), 5000, mmap.MAP_PRIVATE)
f.close()
os.unlink("/tmp/map")
m[0:2] = b"zz"
def check():
    assert m[:] == b"zz" + b"a" * 4998
    return "fine"
""",
    "private_tmp_mapping": """
with open("/tmp/map", "w+b") as f:
    f.write(b"b" * 70000)
    f.flush()
    m = mmap.mmap(f.fileno(), 70000, mmap.MAP_PRIVATE)
def check():
    assert m[:] == b"b" * 70000 and open("/tmp/map", "rb").read() == m[:]
    return "fine"
""",
    "sparse_memory": """
m = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for i in range(0, 64 << 20, 7 * 4096):
    m[i:i + 4] = struct.pack("I", i)
def check():
    for i in range(0, 64 << 20, 7 * 4096):
        assert m[i:i + 5] == struct.pack("I", i) + b"\\0"
        assert m[i + 4096:i + 4100] == b"\\0" * 4
    return "fine"
""",
    "shared_memory": """
m = mmap.mmap(-1, 1 << 20)
m[5000:5005] = b"hello"
def check():
    assert m[5000:5005] == b"hello" and m[0:3] == b"\\0\\0\\0"
    if os.fork() == 0:
        m[0:3] = b"kid"
        os._exit(0)
    os.wait()
    assert m[0:3] == b"kid"
    return "fine"
""",
    "proc_file": """
f = open("/proc/self/status")
def check():
    assert f"Pid:\\t{os.getpid()}\\n" in f.read()
    return "fine"
""",
    "tmp_tree": """
os.makedirs("/tmp/a/b")
os.symlink("b/c", "/tmp/a/link")
open("/tmp/a/b/c", "w").write("text")
os.chmod("/tmp/a/b/c", 0o400)
f = open("/tmp/a/b/c")
f.read(1)
def check():
    assert f.read() == "ext" and open("/tmp/a/link").read() == "text" and os.stat("/tmp/a/b/c").st_mode & 0o777 == 0o400
    open("/tmp/a/b/d", "w").close()
    return "fine"
""",
    "shared_position": """
f = os.open("/tmp/f", os.O_RDWR | os.O_CREAT)
g = os.dup(f)
h = os.open("/tmp/f", os.O_RDWR)
os.write(f, b"abc")
def check():
    os.write(g, b"def")
    assert os.pread(f, 10, 0) == b"abcdef" and os.lseek(f, 0, 1) == 6 and os.lseek(h, 0, 1) == 0
    return "fine"
""",
    "waits": """
done = []
def wait(how):
    how()
    done.append(how)
r, w = os.pipe()
import select
e = select.epoll()
e.register(r, select.EPOLLIN)
waits = [lambda: select.select([r], [], []), lambda: select.select([r], [], [], 3600), lambda: os.read(r2, 1), lambda: e.poll(), lambda: e.poll(3600),
         lambda: signal.sigtimedwait([signal.SIGUSR2], 3600), lambda: time.sleep(0.3), lambda: lock.acquire(timeout=3600)]
r2, w2 = os.pipe()
lock = threading.Lock()
lock.acquire()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
threads = [threading.Thread(target=wait, args=(how,)) for how in waits]
for t in threads:
    t.start()
time.sleep(0.1)
def check():
    assert waits[6] in done or not done, done
    os.write(w, b"x")
    os.write(w2, b"x")
    lock.release()
    signal.pthread_kill(threads[5].ident, signal.SIGUSR2)
    for t in threads:
        t.join(5)
        assert not t.is_alive(), threads.index(t)
    assert len(done) == len(waits)
    return "fine"
""",
    "child": """
r, w = os.pipe()
r2, w2 = os.pipe()
pid = os.fork()
if pid == 0:
    while True:
        os.write(w2, os.read(r, 100).upper())
def check():
    os.write(w, b"abc")
    assert os.read(r2, 100) == b"ABC"
    os.kill(pid, signal.SIGTERM)
    assert os.waitpid(pid, 0)[1] == signal.SIGTERM
    return "fine"
""",
}


class Snapshot(rig.Case):
    def write(self, name, code):
        with open(os.path.join(self.driver.code, "case_" + name + ".py"), "w") as f:
            f.write(HEAD + code + TAIL)

    def started(self, name, code):
        self.write(name, code)
        self.driver.start(0, "/usr/bin/python3", f"/var/task/case_{name}.py")
        self.addCleanup(self.driver.do, "kill", 0)

    def test_refused(self):
        for name, (code, says) in REFUSED.items():
            with self.subTest(name):
                self.write(name, code)
                self.driver.start(0, "/usr/bin/python3", f"/var/task/case_{name}.py")
                try:
                    if says is None:
                        self.driver.do("dump", 0, self.driver.image(name))
                    else:
                        with self.assertRaises(rig.Failed) as raised:
                            self.driver.do("dump", 0, self.driver.image(name))
                        self.assertIn(says, str(raised.exception))
                finally:
                    self.driver.do("kill", 0)

    def test_restored(self):
        for name, code in RESTORED.items():
            with self.subTest(name):
                self.write(name, code)
                self.driver.start(0, "/usr/bin/python3", f"/var/task/case_{name}.py")
                try:
                    self.driver.do("dump", 0, self.driver.image(name))
                finally:
                    self.driver.do("kill", 0)
                self.driver.do("zygote", 0, self.driver.image(name), self.driver.code)
                try:
                    for box in (1, 2):
                        self.driver.restore(0, box)
                    for box in (1, 2):
                        self.assertEqual(self.driver.answer(box, "check"), "fine")
                finally:
                    self.driver.do("end", 0)
                    for box in (1, 2):
                        self.driver.do("kill", box)

    def test_goes_on(self):
        """A tree that is to go on after its image was taken does not notice, whatever it waited in."""
        self.started("on", RESTORED["waits"])
        for _ in range(3):
            self.driver.do("dump", 0, self.driver.image("on"), "resume")
        self.assertEqual(self.driver.answer(0, "check"), "fine")

    def test_filter_holds(self):
        """While it is stopped for an image and goes on, what the filter refuses stays refused."""
        self.started("filter", """
GET_MEMPOLICY = 239
passed = []
def forbidden():
    while True:
        if libc.syscall(GET_MEMPOLICY, None, None, 0, None, 0) == 0:
            passed.append(1)
for _ in range(2):
    threading.Thread(target=forbidden, daemon=True).start()
def check():
    return "%d passed" % len(passed)
""")
        for _ in range(20):
            self.driver.do("dump", 0, self.driver.image("filter"), "resume")
        self.assertEqual(self.driver.answer(0, "check"), "0 passed")

    def test_closed_connections(self):
        """Where live connections do not forbid an image, they are found closed."""
        self.started("closed", """
server = socket.create_server(("127.0.0.1", 5432))
client = socket.create_connection(("127.0.0.1", 5432))
accepted = server.accept()[0]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect(("127.0.0.1", 53))
def check():
    client.settimeout(5)
    try:
        left = client.recv(10)
    except ConnectionError:
        left = b""
    assert left == b""
    again = socket.create_connection(("127.0.0.1", 5432))
    other = server.accept()[0]
    again.sendall(b"x")
    assert other.recv(1) == b"x"
    return "fine"
""")
        self.driver.do("dump", 0, self.driver.image("closed"), "close")
        self.driver.do("zygote", 0, self.driver.image("closed"), self.driver.code)
        self.addCleanup(self.driver.do, "end", 0)
        self.driver.restore(0, 1)
        self.addCleanup(self.driver.do, "kill", 1)
        self.assertEqual(self.driver.answer(1, "check"), "fine")

    def test_stopped(self):
        """Not one instruction after the image was taken: the file would grow."""
        self.started("stop", """
def count():
    while True:
        with open("/tmp/ticks", "a") as f:
            f.write("x")
threading.Thread(target=count, daemon=True).start()
""")
        self.driver.do("dump", 0, self.driver.image("stop"))
        pid = self.driver.do("pid", 0).split()[0]
        path = f"/proc/{pid}/root/tmp/ticks"
        size = os.stat(path).st_size

        def states():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/stat") as f:
                    yield f.read().rsplit(")", 1)[1].split()[0]

        end = time.monotonic() + 5
        while set(states()) != {"T"} and time.monotonic() < end:
            time.sleep(0.001)
        self.assertEqual(set(states()), {"T"})
        self.assertEqual(os.stat(path).st_size, size)


if __name__ == "__main__":
    unittest.main()
