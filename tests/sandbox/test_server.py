"""mayflyd itself: starting, refusing, restarting control, hostile messages, ending, and what a dead one leaves."""
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import unittest

import rig


def refused(*options, prefix=(), data=None, prepare=None):
    """Starts a server that must not start; its exit status and what it says."""
    s = rig.Server(*options, start=False, prefix=prefix, data=data)
    try:
        if prepare:
            prepare(s)
        s.spawn()
        status = s.process.wait(rig.WAIT_S)
        return status, s.logged(), s.process.stdout.read()
    finally:
        s.remove()


def gone(pid):
    try:
        return open(f"/proc/{pid}/stat").read().split(") ")[1][0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(true, what, timeout=rig.WAIT_S):
    end = time.monotonic() + timeout
    while not true():
        if time.monotonic() > end:
            raise AssertionError("not within time: " + what)
        time.sleep(0.005)


class Refusals(unittest.TestCase):
    def test_bad_options(self):
        for options, word in ((["--nonsense", "1"], "--nonsense"), (["--pool", "x"], "--pool"), (["--account", "12"], "--account"),
                              (["--memory", "64"], "--memory"), (["--listen", "1.2.3.4"], "--listen"), (["stray"], "stray"),
                              (["--max-environments", "20000"], "--max-environments"), (["--user", "root"], "--user"),
                              (["--cgroup-root", "/nowhere"], "--cgroup-root")):
            status, log, out = refused(*options)
            self.assertNotEqual(status, 0, options)
            self.assertIn(word, log)
            self.assertEqual(out, b"")

    def test_not_root(self):
        status, log, _ = refused(prefix=["/usr/bin/setpriv", "--reuid=65534", "--clear-groups"])
        self.assertEqual(status, 2)
        self.assertIn("needs root", log)

    def test_port_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            status, log, _ = refused("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        self.assertEqual(status, 1)
        self.assertRegex(log, "uses the port.*--listen")

    def test_address_that_is_not_ours(self):
        status, log, _ = refused("--listen", "192.0.2.1:4566")
        self.assertEqual(status, 1)
        self.assertIn("192.0.2.1", log)

    def test_data_folder_that_cannot_be_written(self):
        status, log, _ = refused("--data", "/proc/mayfly")
        self.assertEqual(status, 1)
        self.assertIn("/proc/mayfly", log)

    def test_data_folder_on_a_read_only_disk(self):
        status, log, _ = refused("--data", "/mnt", prefix=["/usr/bin/unshare", "-m", "/bin/sh", "-c",
                                                            "mount -t tmpfs -o ro none /mnt; exec \"$@\"", "sh"])
        self.assertEqual(status, 1)
        self.assertIn("Read-only", log)

    def test_data_folder_that_is_a_file(self):
        status, log, _ = refused("--data", "/etc/passwd")
        self.assertEqual(status, 1)
        self.assertIn("/etc/passwd", log)

    def test_other_format(self):
        def prepare(s):
            os.mkdir(s.data)
            open(os.path.join(s.data, "format"), "w").write("mayfly 99\n")
        status, log, _ = refused(prepare=prepare)
        self.assertEqual(status, 1)
        self.assertIn("mayfly 99", log)

    def test_folder_of_something_else(self):
        def prepare(s):
            os.mkdir(s.data)
            open(os.path.join(s.data, "thesis.txt"), "w").write("x")
        status, log, _ = refused(prepare=prepare)
        self.assertEqual(status, 1)
        self.assertIn("not a data folder", log)

    def test_control_that_never_gets_ready(self):
        s = rig.Server(start=False, driver=False)
        try:
            s.spawn()
            self.assertEqual(s.process.wait(rig.WAIT_S), 1)
            self.assertIn("without becoming ready", s.logged())
            self.assertEqual(s.process.stdout.read(), b"")
        finally:
            s.remove()

    def test_too_few_descriptors(self):
        status, log, _ = refused(prefix=["/bin/sh", "-c", "ulimit -n 200; exec \"$@\"", "sh"])
        self.assertEqual(status, 2)
        self.assertIn("LimitNOFILE", log)


class Server(unittest.TestCase):
    def setUp(self):
        self.server = rig.Server("--pool", "2")

    def tearDown(self):
        self.server.remove()

    def test_ready_line_and_hello(self):
        s = self.server
        self.assertRegex(s.ready_line, r"^mayfly: ready on http://127\.0\.0\.1:\d+\n$")
        self.assertEqual(s.ready_line.strip().rsplit(":")[-1], str(s.hello.port))
        self.assertEqual((s.hello.version, s.hello.loopback, s.hello.restarted), (3, 1, 0))
        self.assertGreater(s.hello.max_environments, 0)
        with socket.create_connection(("127.0.0.1", s.hello.port)) as client:
            listener = socket.socket(fileno=os.dup(s.listener))
            listener.setblocking(True)
            listener.accept()[0].sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
        self.assertEqual(s.stop(), 0)
        self.assertEqual(s.process.stdout.read(), b"")

    def test_data_folder(self):
        s = self.server
        self.assertEqual(sorted(os.listdir(s.data)),
                         ["blobs", "code", "config", "credentials", "events", "format", "images", "lock", "logs", "run", "spool", "store"])
        control = os.stat(os.path.join(s.data, "code")).st_uid
        self.assertNotEqual(control, 0)
        for name in ("credentials", "config"):
            st = os.stat(os.path.join(s.data, name))
            self.assertEqual((st.st_mode & 0o777, st.st_uid), (0o600, control))
        for name in ("store", "code", "blobs", "logs", "spool"):
            st = os.stat(os.path.join(s.data, name))
            self.assertEqual((st.st_mode & 0o777, st.st_uid), (0o700, control))
        text = open(os.path.join(s.data, "credentials")).read()
        self.assertRegex(text, r"^\[default\]\naws_access_key_id = AKIA[A-Z2-7]{16}\naws_secret_access_key = [A-Za-z0-9+/]{40}\n$")
        self.assertIn(f"endpoint_url = http://127.0.0.1:{s.hello.port}\n", open(os.path.join(s.data, "config")).read())
        s.stop()
        s.start()
        self.assertEqual(open(os.path.join(s.data, "credentials")).read(), text)

    def test_second_server_on_the_folder(self):
        status, log, _ = refused(data=self.server.data)
        self.assertEqual(status, 1)
        self.assertIn("in use by another server", log)
        self.assertIn(str(self.server.process.pid), log)
        self.assertEqual(self.server.sh("echo unharmed").text, "unharmed\n")

    def child(self, name):
        return next((pid for pid, program in rig.children(self.server.process.pid).items() if program == name), None)

    def control_pid(self):
        return self.child("mayfly-control")

    def any_env(self):
        return self.child("mayfly-init") or 0

    def test_control_has_no_rights(self):
        status = open(f"/proc/{self.control_pid()}/status").read()
        for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertIn(f"{field}:\t0000000000000000\n", status)
        self.assertIn("NoNewPrivs:\t1\n", status)
        self.assertNotIn("Uid:\t0", status)
        self.assertIn("Groups:\t \n", status)
        root = f"/proc/{self.control_pid()}/root"
        self.assertEqual(sorted(os.listdir(root + "/data")), sorted(os.listdir(self.server.data)))
        self.assertEqual([n for n in ("home", "root", "sys", "run", "srv", "boot") if os.path.exists(f"{root}/{n}")], [])
        fds = os.listdir(f"/proc/{self.control_pid()}/fd")
        self.assertLessEqual({int(n) for n in fds}, set(range(8)))

    def test_control_is_started_again_and_clients_wait(self):
        s = self.server
        e = s.run(["/bin/sleep", "100"])
        init = e.started.pid
        client = None
        began = time.monotonic()
        s.order(b"X9")
        client = socket.create_connection(("127.0.0.1", s.hello.port))
        s.connect()
        self.assertLess(time.monotonic() - began, 4.0)  # RESTART_MAX_MS is for who ends again and again
        self.assertEqual(s.hello.restarted, 1)
        listener = socket.socket(fileno=os.dup(s.listener))
        listener.setblocking(True)
        listener.accept()[0].sendall(b"y")
        self.assertEqual(client.recv(1), b"y")
        client.close()
        until(lambda: gone(init), "environments of a dead control end")
        s.send("READY", bytes(8))
        self.assertEqual(s.sh("echo again").text, "again\n")
        self.assertEqual(s.stop(), 0)
        self.assertEqual(s.process.stdout.read(), b"", "the ready line comes once")

    def test_killed_control(self):
        before = self.control_pid()
        os.kill(before, signal.SIGKILL)
        self.server.connect()
        self.assertNotEqual(self.control_pid(), before)

    def hostile(self, raw, fds=()):
        """Control that says this is ended, and mayflyd lives on."""
        s, before = self.server, self.control_pid()
        s.order(b"M" + raw, fds)
        until(lambda: gone(before), f"control ends after {raw[:60]!r}")
        s.connect()
        s.send("READY", bytes(8))

    def test_hostile_messages(self):
        s = self.server
        code = s.code({"x": ""})
        start = rig.env_start
        good = rig.launch_fd(["/bin/true"])
        loose = rig.launch_fd(["/bin/true"], seal=False)
        host = os.open("/etc", os.O_PATH | os.O_DIRECTORY)
        file = os.open("/etc/passwd", os.O_RDONLY)
        null = os.open("/dev/null", os.O_RDWR)
        folder = lambda: s.open(code)
        cases = [
            (lambda: (b"", ())), (lambda: (b"x", ())), (lambda: (b"\xff" * 64, ())), (lambda: (b"\0" * 60000, ())),
            (lambda: (rig.packet("HELLO", bytes(32)), ())),
            (lambda: (rig.packet("ENV_EXITED", bytes(24)), ())),
            (lambda: (rig.packet("ENV_START", bytes(20)), ())),
            (lambda: (start(1, 128, 512, 0, 0), ())),
            (lambda: (start(1, how=3), (good, folder()))),
            (lambda: (rig.packet("SNAPSHOT", struct.pack("<Q32sIIII", 1, b"k", 2, 0, 0, 0)), ())),
            (lambda: (start(1, 128, 512, 0, 0), (good,))),
            (lambda: (start(0, 128, 512, 0, 0), (good, folder()))),
            (lambda: (start(1, 127, 512, 0, 0), (good, folder()))),
            (lambda: (start(1, 20000, 512, 0, 0), (good, folder()))),
            (lambda: (start(1, 128, 511, 0, 0), (good, folder()))),
            (lambda: (start(1, 128, 512, 2, 0), (good, folder()))),
            (lambda: (start(1, 128, 512, 0, 6), (good, folder()))),
            (lambda: (start(1, 128, 512, 0, 1), (good, folder()))),
            (lambda: (start(1, 128, 512, 0, 0), (good, folder(), folder()))),
            (lambda: (start(1, 128, 512, 0, 0), (loose, folder()))),
            (lambda: (start(1, 128, 512, 0, 0), (file, folder()))),
            (lambda: (start(1, 128, 512, 0, 0), (good, host))),
            (lambda: (start(1, 128, 512, 0, 0), (good, file))),
            (lambda: (start(1, 128, 512, 0, 0), (good, null))),
            (lambda: (start(1, 128, 512, 0, 0), [good] * 9)),
            (lambda: (rig.packet("ENV_KILL", struct.pack("<QII", 1, 1 << 30, 0)), ())),
            (lambda: (rig.packet("UNPACK", struct.pack("<Q32sQ", 1, b"", 1000)), (host, folder()))),
            (lambda: (rig.packet("UNPACK", struct.pack("<Q32sQ", 1, b"", 1000)), (file, host))),
            (lambda: (rig.packet("UNPACK", struct.pack("<Q32sQ", 1, b"", 1000)), (null, folder()))),
            (lambda: (rig.packet("UNPACK", struct.pack("<Q32sQ", 1, b"", 1 << 40)), (file, folder()))),
        ]
        pid = s.process.pid
        fds_before = None
        for make in cases:
            self.hostile(*make())
            if fds_before is None:
                fds_before = len(os.listdir(f"/proc/{pid}/fd"))
            # It would take 5 s to be started again if each end counted as a crash in a row: the rest in a new server.
            if cases.index(make) % 5 == 4:
                s.remove()
                s.__init__("--pool", "0")
                pid, fds_before = s.process.pid, None
                code = s.code({"x": ""})
        self.assertEqual(s.sh("echo fine").text, "fine\n")
        for fd in (good, loose, host, file, null):
            os.close(fd)

    def test_the_same_id_twice(self):
        s = self.server
        e = s.run(["/bin/sleep", "100"])
        code = s.code({"x": ""})
        self.hostile(rig.env_start(e.id), (rig.launch_fd(["/bin/true"]), s.open(code)))

    def test_settings_that_are_no_settings(self):
        """Sealed, but garbage: mayfly-init refuses, nobody else reads it."""
        fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
        os.write(fd, b"garbage" * 100)
        rig.fcntl.fcntl(fd, rig.F_ADD_SEALS, rig.SEALS)
        e = self.server.run(["x"], launch=fd)
        self.assertEqual(e.wait(), ("EXEC_FAILED", 22))

    def test_no_descriptor_is_lost(self):
        s = self.server
        fds = lambda: len(os.listdir(f"/proc/{s.process.pid}/fd"))
        for _ in range(3):
            s.sh("true")
        time.sleep(0.3)
        before = fds()
        for _ in range(20):
            s.sh("true")
        until(lambda: fds() <= before, "descriptors are closed")

    def test_drain(self):
        s = self.server
        s.process.terminate()
        s.expect("DRAIN")
        self.assertIsNone(s.process.poll())
        e = s.request(["/bin/true"], s.code({"x": ""}))
        m = s.expect("ENV_FAILED", lambda m: m.env_id == e.id)
        self.assertIn("stopping", m.msg)
        s.order(b"X0")
        self.assertEqual(s.process.wait(rig.WAIT_S), 0)

    def test_second_signal_ends_at_once(self):
        s = self.server
        e = s.run(["/bin/sleep", "100"])
        s.process.terminate()
        s.expect("DRAIN")
        s.process.terminate()
        self.assertEqual(s.process.wait(5), 0)
        self.assertTrue(gone(e.started.pid))

    def test_nothing_is_left_after_the_end(self):
        s = self.server
        name = rig.group_of(s.run(["/bin/sleep", "100"]).started.pid)
        self.assertTrue(rig.groups(name))
        self.assertEqual(s.stop(), 0)
        self.assertEqual(rig.groups(name), [])
        self.assertNotIn(s.data, open("/proc/mounts").read())

    def loops(self):
        out = subprocess.run(["/sbin/losetup", "-a"], capture_output=True, text=True).stdout
        return [line for line in out.splitlines() if self.server.folder in line]

    def test_kill_9_of_mayflyd_ends_everything_and_the_next_start_sweeps(self):
        s = self.server
        envs = [s.run(["/bin/bash", "-c", "(sleep 1000 &) ; echo on; sleep 1000"]) for _ in range(3)]
        for e in envs:
            e.read(b"on")
        os.write(envs[0].freeze, b"1" if envs[0].started.cgroup_v2 else b"FROZEN")
        pids = [e.started.pid for e in envs] + [self.control_pid()]
        name = rig.group_of(pids[0])
        inner = [int(p) for e in envs for p in self.below(e.started.pid)]
        self.assertGreaterEqual(len(inner), 6)
        for e in envs:
            e.close()
        s.process.kill()
        s.process.wait()
        until(lambda: all(map(gone, pids + inner)), "all processes of a killed server end")
        self.assertTrue(rig.groups(name))
        s.process.stdout.close()
        s.start()
        self.assertIn("had left were ended and removed", s.logged())
        self.assertEqual(s.sh("echo new").text, "new\n")
        self.assertEqual(s.stop(), 0)
        until(lambda: not self.loops(), "loop devices are gone")

    def below(self, pid):
        try:
            children = open(f"/proc/{pid}/task/{pid}/children").read().split()
        except OSError:  # a helper that has ended
            return []
        return children + [c for child in children for c in self.below(child)]

    def test_kill_9_of_everything_leaves_what_a_start_can_sweep(self):
        s = self.server
        e = s.run(["/bin/sleep", "1000"])
        name = rig.group_of(e.started.pid)
        for pid in (s.process.pid, self.control_pid(), e.started.pid):
            os.kill(pid, signal.SIGKILL)
        s.process.wait()
        s.process.stdout.close()
        # A stray process in a group, as if one had not died: it is ended by the sweep.
        stray = subprocess.Popen(["/bin/sleep", "1000"])
        for g in rig.groups(name):
            for top, _, files in os.walk(g):
                if re.search(r"/e\d+$", top) and "cgroup.procs" in files and "unified" in top:
                    open(os.path.join(top, "cgroup.procs"), "w").write(str(stray.pid))
        s.start()
        self.assertIsNotNone(stray.wait(rig.WAIT_S))
        self.assertEqual(s.sh("echo new").text, "new\n")

    def test_unfinished_packages_are_swept(self):
        s = self.server
        s.stop()
        os.makedirs(os.path.join(s.data, "code/.new-0123/deep/er"))
        s.process.stdout.close()
        s.start()
        until(lambda: not os.path.exists(os.path.join(s.data, "code/.new-0123")), "sweeping")

    def test_runs_below_a_folder_that_control_cannot_enter(self):
        parent = os.path.dirname(self.server.data)
        self.assertEqual(os.stat(parent).st_mode & 0o777, 0o700)
        self.assertEqual(self.server.sh("echo here").text, "here\n")

    def test_memory_of_all_processes(self):
        pid = self.server.process.pid
        if "libasan" in open(f"/proc/{pid}/maps").read():
            self.skipTest("sanitizers have memory of their own")
        until(lambda: self.any_env(), "the pool")
        total = 0
        for child, name in [(pid, "mayflyd")] + list(rig.children(pid).items()):
            if name not in ("mayflyd", "mayfly-init"):
                continue
            with contextlib.suppress(OSError):  # a helper that has ended
                total += int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{child}/smaps_rollup").read(), re.M)[1])
        self.assertLess(total, 4096)


if __name__ == "__main__":
    unittest.main()
