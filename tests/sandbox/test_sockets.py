"""Sockets of an environment's own network, which control asks for: whose port they reach, and how many there are."""
import os
import socket
import struct
import unittest

import rig

# Answers each connection with its argument, at a port that every environment has for itself.
LISTENS = """
import socket, sys
s = socket.create_server(("127.0.0.1", 8080))
print("on", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(sys.argv[1].encode())
    c.close()
"""


class Sockets(rig.Case):
    options = ("--pool", "1")

    def ask(self, env_id, number=7):
        self.server.send("ENV_SOCKET", struct.pack("<QQ", env_id, number))
        m = self.server.expect("ENV_SOCKET_MADE", lambda m: m.env_id == env_id)
        self.assertEqual(m.number, number)
        return m

    def listening(self, word, **more):
        e = self.server.run(["/usr/bin/python3", "/var/task/run.py", word], files={"run.py": LISTENS}, **more)
        self.addCleanup(e.close)
        self.addCleanup(e.wait)
        self.addCleanup(e.kill)
        e.read(b"on\n")
        return e

    def test_each_reaches_its_own_environment(self):
        for word, network in (("one", 0), ("two", 0)):
            e = self.listening(word, network=network)
            m = self.ask(e.id)
            self.assertEqual((m.code, m.msg, len(m.fds)), (0, "", 1))
            self.assertFalse(os.get_blocking(m.fds[0]))
            with socket.socket(fileno=m.fds[0]) as s:
                s.settimeout(rig.WAIT_S)
                s.connect(("127.0.0.1", 8080))
                self.assertEqual(s.recv(100).decode(), word)

    def test_nobody_elses(self):
        self.assertEqual(rig.ERRORS[self.ask(12345).code], "NOT_FOUND")
        e = self.server.run(["/bin/true"])
        e.wait()
        e.close()
        m = self.ask(e.id)
        self.assertEqual((rig.ERRORS[m.code], m.fds), ("NOT_FOUND", []))

    def test_a_bounded_number(self):
        e = self.listening("x")
        codes = []
        for number in range(40):
            m = self.ask(e.id, number)
            codes.append(rig.ERRORS[m.code])
            for fd in m.fds:
                os.close(fd)
        self.assertEqual(codes, ["OK"] * 32 + ["THROTTLED"] * 8)

    def test_many_at_once(self):
        """More than may be under way: the rest is refused, all are answered, and nothing is lost in mayflyd."""
        environments = [self.listening("x") for _ in range(3)]
        before = len(os.listdir(f"/proc/{self.server.process.pid}/fd"))
        for e in environments:
            for number in range(30):
                self.server.send("ENV_SOCKET", struct.pack("<QQ", e.id, number))
        made = 0
        for e in environments:
            numbers = set()
            for _ in range(30):
                m = self.server.expect("ENV_SOCKET_MADE", lambda m: m.env_id == e.id)
                numbers.add(m.number)
                made += len(m.fds)
                self.assertEqual(len(m.fds), m.code == 0)
                for fd in m.fds:
                    os.close(fd)
            self.assertEqual(numbers, set(range(30)))
        self.assertGreaterEqual(made, 64)
        self.assertLessEqual(len(os.listdir(f"/proc/{self.server.process.pid}/fd")), before + 2)  # the hand, when it began here


if __name__ == "__main__":
    unittest.main()
