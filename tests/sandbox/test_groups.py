"""Control groups that stay for the slot's next environment: it suffers from nothing of the one before, nor do the reports."""
import os
import re
import signal
import subprocess
import time
import unittest

import rig

MB = 1 << 20
HOG = "a = []\nwhile True:\n    a.append(bytearray(b'x') * (8 << 20))\n"


def use(mb):
    return f"a = bytearray(b'x') * ({mb} << 20)\nprint(len(a) >> 20)\n"


class Group:
    """The groups of a process."""

    def __init__(self, pid):
        self.slot = int(re.search(r"/mayfly-[0-9a-f]+/e(\d+)", open(f"/proc/{pid}/cgroup").read())[1])
        name = rig.group_of(pid)
        self.folders = [f"{g}/e{self.slot}" for g in rig.groups(name)]
        self.inodes = {f: os.stat(f).st_ino for f in self.folders}

    def read(self, *names):
        """Of the first file of these that there is."""
        for name in names:
            for folder in self.folders:
                if os.path.exists(f"{folder}/{name}"):
                    return open(f"{folder}/{name}").read().strip()
        return None

    def limit(self):
        return int(self.read("memory.limit_in_bytes", "memory.max"))

    def quota(self):
        return self.read("cpu.cfs_quota_us", "cpu.max").split()[0].replace("max", "-1")

    def used(self):
        return int(self.read("memory.usage_in_bytes", "memory.current"))

    @property
    def stays(self):
        """Counters of cgroup2 cannot be set back: groups are made anew there."""
        return any(os.path.exists(f"{f}/memory.max_usage_in_bytes") for f in self.folders)


class Reused(rig.Case):
    @classmethod
    def setUpClass(cls):
        cls.server = rig.Server("--pool", "0")
        cls.server.python("print()")  # whoever reads the interpreter's files first is charged with them

    def wait_clean(self):
        """The lowest slot is free again."""
        inits = lambda: [p for p, n in rig.children(self.server.process.pid).items() if n == "mayfly-init"]
        end = time.monotonic() + rig.WAIT_S
        while inits():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)
        time.sleep(0.1)

    def hold(self, memory=128):
        """One that only sleeps, and its groups."""
        self.wait_clean()
        e = self.server.run(["/bin/sleep", "1000"], memory=memory)
        self.addCleanup(e.kill)  # a failed test holds up no other
        return e, Group(e.started.pid)

    def runtime(self, e):
        """Its process, which mayfly-init may still have to start."""
        end = time.monotonic() + rig.WAIT_S
        while not rig.children(e.started.pid):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)
        return next(iter(rig.children(e.started.pid)))

    def end(self, e):
        e.kill()
        self.assertEqual(e.wait()[0], "KILLED")
        e.close()

    def first(self, script, **more):
        """Runs to its end in the slot that the next one will have; its groups are as `hold` finds them before it."""
        e, g = self.hold()
        self.end(e)
        self.wait_clean()
        return g, self.server.python(script, **more)

    def next(self, before, kept=None, **more):
        e, g = self.hold(**more)
        self.assertEqual(g.slot, before.slot)
        if kept and g.stays:
            self.assertEqual(g.inodes, before.inodes)
        if kept is False:
            memory = [f for f in g.folders if os.path.exists(f"{f}/memory.stat")]
            self.assertNotEqual([g.inodes[f] for f in memory], [before.inodes[f] for f in memory])
        return e, g

    def test_who_had_to_be_killed_in_them_is_the_last(self):
        """Kernels end what is cloned into a group in which cgroup.kill was used: such a group must not stay."""
        e, g = self.hold()
        lingers = subprocess.Popen(["sleep", "100"])
        try:
            for folder in g.folders:
                with open(f"{folder}/cgroup.procs", "w") as f:
                    f.write(str(lingers.pid))
            self.end(e)
            self.assertEqual(lingers.wait(10), -signal.SIGKILL)
        finally:
            lingers.kill()
        for _ in range(2):
            self.wait_clean()
            e = self.server.python("print('fine')")
            self.assertEqual((e.how, e.text), ("CODE", "fine\n"))

    def test_peak_and_limit_are_its_own(self):
        kept = False
        # Page tables are given back a moment after their process: then, rarely, they are too much to stay.
        for _ in range(3):
            before, e = self.first(use(60), memory=512)
            self.assertEqual(e.text, "60\n")
            self.assertGreater(e.exited.peak_bytes, 60 * MB)
            e, g = self.next(before)
            kept = kept or g.inodes == before.inodes
            self.check_own(e, g)
        self.assertEqual(kept, g.stays)
        self.wait_clean()
        self.assertEqual(self.server.python(use(200)).how, "OOM")
        self.wait_clean()
        e = self.server.python(use(200), memory=512)
        self.assertEqual((e.how, e.text), ("CODE", "200\n"))

    def check_own(self, e, g):
        self.assertEqual(g.limit(), 128 * MB)
        self.assertEqual(g.read("memory.memsw.limit_in_bytes") or "134217728", "134217728")
        self.assertEqual(g.read("pids.max"), "1024")
        self.end(e)
        self.assertLess(e.exited.peak_bytes, 30 * MB)

    def test_limits_go_up_and_down(self):
        for memory in (128, 128, 1024, 256, 256, 3008, 128):
            e, g = self.hold(memory=memory)
            self.assertEqual(g.limit(), memory * MB)
            self.assertEqual(int(g.read("memory.memsw.limit_in_bytes") or memory * MB), memory * MB)
            shares = g.read("cpu.shares")
            self.assertEqual(shares or "", str(2 + 1024 * memory // 1769) if shares else "")
            self.end(e)

    def test_one_killed_for_memory_leaves_no_trace(self):
        for _ in range(2):
            before, e = self.first(HOG)
            self.assertEqual(e.how, "OOM")
            self.assertGreater(e.exited.peak_bytes, 100 * MB)
            e, _ = self.next(before, kept=False)
            os.kill(self.runtime(e), 9)
            self.assertEqual(e.wait(), ("SIGNAL", 9))
            self.assertLess(e.exited.peak_bytes, 30 * MB)
            e.close()

    def test_cpu_is_whole_again(self):
        e, g = self.hold()
        self.server.send("ENV_INITIALIZED", rig.struct.pack("<Q", e.id))
        end = time.monotonic() + rig.WAIT_S
        while g.quota() == "-1" and time.monotonic() < end:
            time.sleep(0.005)
        self.assertEqual(g.quota(), str(20000 * 128 // 1769))
        self.end(e)
        e, g = self.next(g, kept=True)
        self.assertEqual(g.quota(), "-1")
        self.end(e)

    def test_one_that_ended_frozen(self):
        e, g = self.hold()
        os.write(e.freeze, b"1" if e.started.cgroup_v2 else b"FROZEN")
        time.sleep(0.05)
        self.end(e)
        self.assertEqual(self.next_says(g), "on\n")

    def next_says(self, before):
        e, _ = self.next(before, kept=True)
        self.end(e)
        self.wait_clean()
        return self.server.sh("echo on").text

    def test_pages_of_files_are_not_the_next_ones(self):
        code = self.server.code({"run.py": "print(len(open('/var/task/big', 'rb').read()) >> 20)\n", "big": b"x" * (40 * MB)})
        with open(os.path.join(self.server.data, "code", os.path.basename(code), "big"), "rb") as f:
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        before, _ = self.first("print()")
        self.wait_clean()
        e = self.server.run(["/usr/bin/python3", "/var/task/run.py"], code=code)
        self.assertEqual(e.finish(), "40\n")
        e.close()
        e, g = self.next(before, kept=False)
        self.assertLess(g.used(), 20 * MB)
        self.end(e)

    def test_groups_vanish(self):
        e, g = self.hold()
        self.end(e)
        self.wait_clean()
        for folder in g.folders:
            if os.path.exists(folder):
                os.rmdir(folder)
        e, g = self.next(g, kept=False, memory=256)
        self.assertEqual((g.limit(), g.read("pids.max")), (256 * MB, "1024"))
        self.end(e)

    def hand(self, files):
        """The child of the server's that keeps such a file open."""
        for pid, name in rig.children(self.server.process.pid).items():
            if name != "mayflyd":
                continue
            for fd in os.listdir(f"/proc/{pid}/fd"):
                try:
                    if re.search(files, os.readlink(f"/proc/{pid}/fd/{fd}")):
                        return pid
                except OSError:
                    pass
        return None

    def test_who_keeps_them_dies(self):
        e, g = self.hold()
        self.end(e)
        self.wait_clean()
        cleaner = self.hand(r"/e\d+/pids\.current$")
        self.assertEqual(bool(cleaner), g.stays)
        if cleaner:
            os.kill(cleaner, 9)
        self.test_peak_and_limit_are_its_own()
        self.test_limits_go_up_and_down()

    def test_descriptors_do_not_grow(self):
        counts = []
        for _ in range(30):
            e, _ = self.hold()
            self.end(e)
            self.wait_clean()
            counts.append(sum(len(os.listdir(f"/proc/{p}/fd")) for p, n in rig.children(self.server.process.pid).items() if n == "mayflyd")
                          + len(os.listdir(f"/proc/{self.server.process.pid}/fd")))
        self.assertLessEqual(counts[-1], counts[9])


if __name__ == "__main__":
    unittest.main()
