"""The zygote itself, and who the restored process is."""
import os
import time
import unittest

import rig

FN = "/var/task/fn-dynamic"
KEPT = 1 << 21 | 1 << 18 | 1 << 19  # SYS_ADMIN, SYS_CHROOT, SYS_PTRACE


def read(path):
    with open(path) as f:
        return f.read()


def children(pid):
    return [int(p) for p in read(f"/proc/{pid}/task/{pid}/children").split()]


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come about")
        time.sleep(0.01)


def gone(pid):
    try:
        return read(f"/proc/{pid}/stat").rsplit(") ", 1)[1][0] == "Z"
    except OSError:
        return True


class Zygote(rig.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        d = cls.driver
        d.start(0, FN)
        cls.parked_fds = cls.fds(d.pid(0))
        cls.parked_tids = cls.tids(d.pid(0))
        cls.made = d.dump(0, "fn")

    @staticmethod
    def fds(pid):
        """Numbers, and what they stand for without the numbers of sockets and pipes."""
        folder = f"/proc/{pid}/fd"
        return {int(n): os.readlink(f"{folder}/{n}").split(":")[0] for n in os.listdir(folder)}

    @staticmethod
    def tids(pid):
        """Thread ids inside, but for the leader's, and names."""
        found = {}
        for tid in os.listdir(f"/proc/{pid}/task"):
            status = read(f"/proc/{pid}/task/{tid}/status")
            inner = status.split("NSpid:")[1].split("\n")[0].split()[-1]
            found["leader" if int(tid) == pid else inner] = status.split("\n")[0]
        return found

    def setUp(self):
        self.zygote = self.driver.zygote(0, "fn")
        self.addCleanup(self.driver.do, "end", 0)

    def restore(self, box):
        self.driver.restore(0, box)
        self.addCleanup(self.driver.do, "kill", box)
        return self.driver.pid(box)

    def test_restored_process_has_no_rights(self):
        pid = self.restore(1)
        self.assertEqual(self.driver.answer(1, "check"), "fine")  # then every thread has run
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/status") as f:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
            for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[field], 16), 0, field)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"], status["Groups"].strip()), ("1", "2", ""))
            self.assertEqual(len(set(status["Uid"].split())), 1)
            self.assertNotEqual(status["Uid"].split()[0], "0")
        self.assertEqual(self.driver.answer(1, "check"), "fine")

    def test_restored_process_is_as_parked(self):
        pid = self.restore(1)
        self.driver.answer(1, "ping")
        self.assertEqual(self.fds(pid), self.parked_fds)
        wait_until(lambda: self.tids(pid) == self.parked_tids)  # threads name themselves when they run
        # Another pid than the parked one, so that libraries notice; a child of process 1 of its pid namespace.
        self.assertNotEqual(self.driver.answer(1, "pid"), "2")
        parent = int(self.driver.status(pid)["PPid"])
        wait_until(lambda: read(f"/proc/{parent}/comm") == "mayfly-init\n")  # it may be on its way to its program

    def test_nothing_of_the_host_is_left_in_it(self):
        pid = self.restore(1)
        self.driver.answer(1, "check")
        for link in os.listdir(f"/proc/{pid}/ns"):
            if link in ("time", "time_for_children"):
                continue
            init = int(self.driver.status(pid)["PPid"])
            self.assertEqual(os.readlink(f"/proc/{pid}/ns/{link}"), os.readlink(f"/proc/{init}/ns/{link}"), link)
        self.assertEqual(read(f"/proc/{pid}/cgroup"), read(f"/proc/{int(self.driver.status(pid)['PPid'])}/cgroup"))

    def test_memory_that_a_fork_empties_is_empty(self):
        self.restore(1)
        self.assertEqual(self.driver.answer(1, "wiped"), "0")

    def test_zygote_keeps_few_rights(self):
        for pid in [self.zygote] + children(self.zygote):
            status = self.driver.status(pid)
            self.assertEqual(int(status["CapEff"], 16) & ~KEPT, 0)
            self.assertEqual(int(status["CapPrm"], 16) & ~KEPT, 0)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))

    def test_many_restores_leave_nothing_behind(self):
        self.restore(1)
        wait_until(lambda: len(children(self.zygote)) == 1)
        before = len(os.listdir(f"/proc/{self.zygote}/fd"))
        mappings = read(f"/proc/{self.zygote}/maps").count("\n")
        for _ in range(20):
            self.driver.restore(0, 2)
            self.assertEqual(self.driver.answer(2, "check"), "fine")
            self.driver.do("kill", 2)
        wait_until(lambda: len(children(self.zygote)) == 1 and len(os.listdir(f"/proc/{self.zygote}/fd")) <= before)
        self.assertEqual(read(f"/proc/{self.zygote}/maps").count("\n"), mappings)

    def test_failed_restore_ends_nothing_else(self):
        empty = os.path.join(self.driver.folder, "empty")
        os.makedirs(empty, exist_ok=True)
        for _ in range(3):
            self.driver.do("make", 2)
            self.driver.do("attach", 2, empty)
            with self.assertRaisesRegex(rig.Failed, "step"):
                self.driver.do("restore", 0, 2)  # its program is missing
            wait_until(lambda: self.driver.pid(2) == 0)
            self.driver.do("kill", 2)
        self.restore(1)
        self.assertEqual(self.driver.answer(1, "check"), "fine")

    def test_nonsense_is_refused(self):
        self.driver.do("nonsense", 0)
        self.restore(1)
        self.assertEqual(self.driver.answer(1, "check"), "fine")

    def test_killed_spare_is_replaced(self):
        wait_until(lambda: len(children(self.zygote)) == 1)
        spare = children(self.zygote)[0]
        os.kill(spare, 9)
        wait_until(lambda: len(children(self.zygote)) == 1 and children(self.zygote) != [spare])
        self.restore(1)
        self.assertEqual(self.driver.answer(1, "check"), "fine")

    def test_pages_that_the_first_ones_used_are_made_ready(self):
        def faults(box):
            pid = self.restore(box)
            self.driver.answer(box, "check")
            return int(read(f"/proc/{pid}/stat").rsplit(") ", 1)[1].split()[7])
        plain, box = faults(1), 2
        # The zygote looks at some a moment after their start; who comes later has it better.
        end = time.monotonic() + 10
        while faults(box) > plain - 500:
            self.assertLess(time.monotonic(), end)
            box += 1
            time.sleep(0.2)


class End(rig.Case):
    def test_zygote_ends_with_its_socket(self):
        d = self.driver
        d.start(0, FN, "plain")
        d.dump(0, "plain")
        zygote = d.zygote(0, "plain")
        wait_until(lambda: len(children(zygote)) == 1)
        spare = children(zygote)[0]
        d.restore(0, 1)
        d.do("end", 0)
        wait_until(lambda: gone(zygote) and gone(spare))
        # What was restored from it lives on.
        self.assertEqual(d.answer(1, "ping"), "pong-0")
        d.do("kill", 1)

    def test_damaged_image_is_refused(self):
        d = self.driver
        d.start(0, FN, "plain")
        d.dump(0, "damaged")
        with open(d.image("damaged"), "r+b") as f:
            f.seek(700)
            f.write(b"\xff" * 64)
        with self.assertRaises(rig.Failed):
            d.zygote(0, "damaged")


if __name__ == "__main__":
    unittest.main()
