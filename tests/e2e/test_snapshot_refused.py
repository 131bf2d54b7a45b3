"""What cannot be restored starts plainly every time, and `mayfly info` says why."""
import ctypes
import os
import subprocess
import unittest

from snapshot_case import SnapshotCase
from support import mayfly

ANSWER = "\nimport os\ndef handler(e, c):\n    return {'pid': os.getpid(), 'seen': globals().get('seen')}\n"
INOTIFY = "import ctypes\nfd = ctypes.CDLL(None).inotify_init1(0)\nassert fd > 0\n"
SIGNAL = "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\nos.kill(os.getpid(), signal.SIGUSR1)\n"
FULL_TMP = "with open('/tmp/big', 'wb') as f:\n    for _ in range(70):\n        f.write(bytes(1 << 20))\n"
DELETED_MAP = ("import mmap, os\nwith open('/tmp/x', 'w+b') as f:\n    f.write(bytes(4096)); f.flush()\n"
               "    m = mmap.mmap(f.fileno(), 4096)\nos.unlink('/tmp/x')\n")
IO_URING = ("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "seen = [libc.syscall(425, 8, ctypes.create_string_buffer(120)), ctypes.get_errno()]\n")
CONNECTED = "import socket\ns = socket.create_connection(('203.0.113.7', 8080), 5)\nseen = s.recv(100).decode()\n"

HOST, INTERNET = "mfs%dh" % os.getpid(), "mfs%di" % os.getpid()
CLONE_NEWNET = 0x40000000

# Greets whoever connects, and keeps the connection open until its own input ends.
SERVICE = """
import socket, sys, threading
s = socket.create_server(('203.0.113.7', 8080))
kept = []
def serve():
    while True:
        c, _ = s.accept()
        c.sendall(b'hello')
        kept.append(c)
threading.Thread(target=serve, daemon=True).start()
print('on', flush=True)
sys.stdin.read()
"""


class ReasonCase(SnapshotCase):
    def plain_because(self, source, pattern, **settings):
        name = self.server.deploy({"app.py": source + ANSWER}, MemorySize=512, **settings)
        self.assertEqual(self.call(name).kind, "plain")
        reason = self.wait_unusable(name)
        self.assertRegex(reason, pattern)
        answers = self.parallel(2, lambda i: self.call(name))
        self.assertNotIn("restored", [a.kind for a in answers])
        said = mayfly("info", name, env=self.server.environ())
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn(reason, " ".join(said.stdout.split()), "mayfly info gives the reason")
        return reason


class Refused(ReasonCase):
    def test_inotify(self):
        self.plain_because(INOTIFY, "inotify")

    def test_signal_that_waits(self):
        self.plain_because(SIGNAL, "signal")

    def test_more_than_64_mb_in_tmp(self):
        self.plain_because(FULL_TMP, "/tmp")

    def test_deleted_file_that_is_mapped(self):
        self.plain_because(DELETED_MAP, "/tmp/x|deleted")

    def test_io_uring_is_not_there_at_all(self):
        """The sandbox's filter refuses it: a library then does without, and the function is restorable."""
        name, first = self.ready({"app.py": IO_URING + ANSWER}, tags={"mayfly:isolation": "invocation"})
        self.assertEqual(first["seen"][0], -1)
        answer = self.call(name)
        self.assertEqual((answer.kind, answer.value["seen"]), ("restored", first["seen"]))

    def test_off(self):
        """By the function's tag, and by the server's default, which a tag overrules."""
        name = self.server.deploy({"app.py": ANSWER}, Tags={"mayfly:snapshot": "off"})
        self.call(name)
        answers = self.parallel(3, lambda i: self.call(name))
        self.assertNotIn("restored", [a.kind for a in answers])
        self.assertNotIn("image", self.state(name))
        self.assertEqual(self.state(name).get("mode", "off"), "off")

    def test_mayfly_info_tells_of_an_image(self):
        name, _ = self.ready({"app.py": ANSWER}, tags={"mayfly:isolation": "invocation"})
        for _ in range(3):
            self.assertEqual(self.call(name).kind, "restored")
        said = mayfly("info", name, env=self.server.environ())
        self.assertRegex(said.stdout, r"(?is)image.*restored 3 times.*median.*p99")
        listed = mayfly("images", env=self.server.environ())
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertRegex(listed.stdout, r"%s\s" % name)


class Default(SnapshotCase):
    options = ("--pool", "2", "--snapshot-default", "off")

    def test_off_by_default(self):
        name = self.server.deploy({"app.py": ANSWER})
        self.call(name)
        self.assertNotIn("restored", [a.kind for a in self.parallel(3, lambda i: self.call(name))])
        chosen = self.server.deploy({"app.py": ANSWER}, Tags={"mayfly:snapshot": "auto", "mayfly:isolation": "invocation"})
        self.call(chosen)
        self.wait_image(chosen)
        self.assertEqual(self.call(chosen).kind, "restored")


def ip(*words, ns=None):
    subprocess.run(["/sbin/ip"] + (["-n", ns] if ns else []) + list(words), check=True)


def enter(file):
    """This thread, and what it starts, threads too, moves into a network namespace."""
    with file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Outbound(ReasonCase):
    """In a network of the test's own: a host in which the server runs, and an internet beyond."""
    options = ("--pool", "1", "--network", "outbound")

    @classmethod
    def setUpClass(cls):
        for ns in (HOST, INTERNET):
            ip("netns", "add", ns)
            cls.addClassCleanup(ip, "netns", "del", ns)
            ip("link", "set", "lo", "up", ns=ns)
        ip("link", "add", "up0", "netns", HOST, "type", "veth", "peer", "name", "down0", "netns", INTERNET)
        for ns, interface, address in ((HOST, "up0", "10.77.0.2/24"), (INTERNET, "down0", "10.77.0.1/24")):
            ip("addr", "add", address, "dev", interface, ns=ns)
            ip("link", "set", interface, "up", ns=ns)
        ip("route", "add", "default", "via", "10.77.0.1", ns=HOST)
        ip("addr", "add", "203.0.113.7/32", "dev", "lo", ns=INTERNET)
        service = subprocess.Popen(["/sbin/ip", "netns", "exec", INTERNET, "/usr/bin/python3", "-c", SERVICE],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        service.stdout.readline()
        cls.addClassCleanup(cls.stop, service)
        cls.addClassCleanup(enter, open("/proc/thread-self/ns/net"))
        enter(open("/run/netns/" + HOST))
        super().setUpClass()

    @staticmethod
    def stop(service):
        service.stdin.close()
        service.wait()
        service.stdout.close()

    def test_connection_to_elsewhere(self):
        reason = self.plain_because(CONNECTED, r"203\.0\.113\.7:8080")
        self.assertRegex(reason, "connection")

    def test_connection_to_elsewhere_is_closed_when_always(self):
        source = CONNECTED + ("\ndef handler(e, c):\n    s.settimeout(0.1)\n    try:\n        rest = s.recv(10).decode()\n"
                              "    except TimeoutError:\n        rest = 'open'\n    return {'seen': seen, 'rest': rest}\n")
        name = self.server.deploy({"app.py": source}, MemorySize=512, Tags={"mayfly:snapshot": "always", "mayfly:isolation": "invocation"})
        self.call(name)
        self.wait_image(name)
        answer = self.call(name)
        self.assertEqual((answer.kind, answer.value), ("restored", {"seen": "hello", "rest": ""}))

    def test_network_works_after_a_restore(self):
        source = "import socket\ndef handler(e, c):\n    with socket.create_connection(('203.0.113.7', 8080), 5) as s:\n        return s.recv(100).decode()\n"
        name, first = self.ready({"app.py": source}, tags={"mayfly:isolation": "invocation"})
        answer = self.call(name)
        self.assertEqual((answer.kind, answer.value, first), ("restored", "hello", "hello"))


if __name__ == "__main__":
    unittest.main()
