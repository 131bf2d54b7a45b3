"""One of everything that an image holds: made at init, looked at in each invocation. Answers with what is wrong."""
import ctypes
import fcntl
import mmap
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
PAGE = 4096
LIMIT = (700, 900)
caught = []


def page(n):
    return struct.pack("<Q", n) * (PAGE // 8)


# Memory: private, shared between forks, one with holes, a mapped file, a protected page, some that forks must not see.
area = mmap.mmap(-1, 512 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for n in range(0, 512, 2):
    area[n * PAGE:(n + 1) * PAGE] = page(n)
shared = mmap.mmap(-1, 4 * PAGE)
shared[:8] = b"together"
with open(__file__, "rb") as own:
    mapped = mmap.mmap(own.fileno(), 0, prot=mmap.PROT_READ)

# Descriptors.
with open("/tmp/kept", "wb") as f:
    f.write(b"0123456789")
position = os.open("/tmp/kept", os.O_RDWR)
os.read(position, 4)
same = os.dup(position)
appended = os.open("/tmp/kept", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
task = os.open("/var/task/objects.py", os.O_RDONLY)
folder = os.open("/var/task", os.O_RDONLY | os.O_DIRECTORY)
null, zero, random = (os.open("/dev/" + d, os.O_RDWR) for d in ("null", "zero", "urandom"))
reading, writing = os.pipe()
os.write(writing, b"waits in the pipe")
fcntl.fcntl(writing, fcntl.F_SETFL, fcntl.fcntl(writing, fcntl.F_GETFL) | os.O_NONBLOCK)
one, other = socket.socketpair()
one.sendall(b"waits in the pair")
packets = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
counter = os.eventfd(5, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)
memory = os.memfd_create("own")
os.write(memory, b"in memory")
listener = socket.create_server(("127.0.0.1", 8099))
unconnected = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
libc.timerfd_create.argtypes = [ctypes.c_int, ctypes.c_int]
ticking = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
libc.timerfd_settime(ticking, 0, struct.pack("qqqq", 0, 20000000, 0, 20000000), None)
signals = libc.signalfd(-1, struct.pack("Q", 1 << (signal.SIGUSR2 - 1)), os.O_NONBLOCK)
poller = select.epoll()
poller.register(counter, select.EPOLLIN | select.EPOLLET)
poller.register(reading, select.EPOLLIN)

# The process.
os.chdir("/tmp")
os.umask(0o027)
resource.setrlimit(resource.RLIMIT_NOFILE, LIMIT)
signal.signal(signal.SIGUSR1, lambda number, frame: caught.append(number))
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.nice(3)
libc.prctl(15, b"own-name", 0, 0, 0)
child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
started = time.monotonic()


def memory_checks(first):
    yield "private pages", all(area[n * PAGE:(n + 1) * PAGE] == page(n) for n in range(8, 512, 2))
    yield "holes", not any(area[9 * PAGE:10 * PAGE])
    area.madvise(mmap.MADV_DONTNEED, 0, 4 * PAGE)
    yield "MADV_DONTNEED gives zeros", not any(area[:4 * PAGE])
    area.madvise(mmap.MADV_FREE, 4 * PAGE, 4 * PAGE)
    area[4 * PAGE:5 * PAGE] = page(4)
    yield "after MADV_FREE", area[4 * PAGE:5 * PAGE] == page(4)
    if first:
        yield "shared memory", shared[:8] == b"together"
        if os.fork() == 0:
            shared[:8] = b"by child"
            os._exit(0)
        os.wait3(0)
        yield "shared memory of forks", shared[:8] == b"by child"
    with open(__file__, "rb") as own:
        yield "mapped file", mapped[:] == own.read()


def file_checks(first):
    yield "two descriptors, one position", os.lseek(same, 0, os.SEEK_CUR) == 4 and os.read(position, 2) == b"45" and os.read(same, 2) == b"67"
    os.lseek(position, 4, os.SEEK_SET)
    os.write(appended, b"+")
    yield "O_APPEND", os.stat(position).st_size == (11 if first else os.stat("/tmp/kept").st_size)
    yield "close-on-exec", fcntl.fcntl(appended, fcntl.F_GETFD) == 1 and not os.get_inheritable(task)
    yield "code", os.pread(task, 6, 3) == b"One of"
    yield "folder", "objects.py" in os.listdir(folder)
    yield "devices", os.read(null, 1) == b"" and os.read(zero, 2) == b"\0\0" and len(os.read(random, 8)) == 8
    if first:
        yield "pipe", os.read(reading, 100) == b"waits in the pipe"
        yield "pair", other.recv(100) == b"waits in the pair"
        yield "semaphore", [os.eventfd_read(counter) for _ in range(5)] == [1] * 5
    yield "non-blocking", bool(fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK)
    packets[0].send(b"packet")
    yield "packets", packets[1].recv(10) == b"packet"
    yield "memfd", os.pread(memory, 100, 0) == b"in memory"


def waiting_checks(first):
    os.eventfd_write(counter, 1)
    yield "epoll", dict(poller.poll(0)).get(counter) == select.EPOLLIN
    yield "epoll, edge", counter not in dict(poller.poll(0))
    os.eventfd_read(counter)
    time.sleep(0.05)
    ticks, = struct.unpack("Q", os.read(ticking, 8))
    yield "timerfd: %d" % ticks, ticks >= 2
    os.kill(os.getpid(), signal.SIGUSR2)
    yield "signalfd", struct.unpack_from("I", os.read(signals, 128))[0] == signal.SIGUSR2
    with socket.create_connection(("127.0.0.1", 8099), 2) as client:
        accepted, _ = listener.accept()
        accepted.sendall(b"hello")
        yield "listener", client.recv(10) == b"hello"
        accepted.close()


def process_checks(first):
    os.kill(os.getpid(), signal.SIGUSR1)
    yield "handler", caught.pop() == signal.SIGUSR1
    yield "ignored", signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    yield "blocked", signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield "folder", os.getcwd() == "/tmp"
    mask = os.umask(0)
    os.umask(mask)
    yield "umask", mask == 0o027
    yield "limit", resource.getrlimit(resource.RLIMIT_NOFILE) == LIMIT
    yield "nice", os.nice(0) == 3
    with open("/proc/self/comm") as f:
        yield "name", f.read() == "own-name\n"
    child.stdin.write(b"line\n")
    child.stdin.flush()
    yield "child", child.poll() is None and child.stdout.readline() == b"line\n"
    yield "new child", subprocess.run(["/bin/echo", "new"], capture_output=True).stdout == b"new\n"
    with open("/proc/self/cmdline", "rb") as f:
        yield "arguments", f.read().rstrip(b"\0").split(b"\0")[-1].decode() == sys.orig_argv[-1]
    yield "exe", os.path.realpath("/proc/self/exe") == os.path.realpath(sys.executable or "/usr/bin/python3")


calls = 0


def handler(event, context):
    global calls
    calls += 1
    wrong, count = [], 0
    for checks in (memory_checks, file_checks, waiting_checks, process_checks):
        try:
            for name, good in checks(calls == 1):
                count += 1
                if not good:
                    wrong.append(name)
        except Exception as e:
            wrong.append("%s: %s: %s" % (checks.__name__, type(e).__name__, e))
    return {"wrong": wrong, "count": count, "started": started}
