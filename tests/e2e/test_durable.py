"""Killed, or cut off from power, again and again while functions are made, changed and deleted: nothing acknowledged is
lost, nothing half-made stays. The power cut is a real file system's: ext4 is told to forget what was not synced."""
import contextlib
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

from storm import Storm
from support import wait_until
from harness import Server

ROUNDS = int(os.environ.get("E2E_ROUNDS", "3"))
EXT4_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2  # neither the journal nor data goes to the disk any more


def kill_all(server):
    for pid in server.children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.stop(signal.SIGKILL)


def silence(pid):
    """Stopped, with what it asked of the kernel still under way: none of its threads says anything from here on."""
    def quiet():
        states = []
        for task in os.listdir("/proc/%d/task" % pid):
            with contextlib.suppress(OSError), open("/proc/%d/task/%s/stat" % (pid, task)) as f:
                states.append(f.read().rsplit(")", 1)[1].split()[0])
        return set(states) <= set("TtD")
    os.kill(pid, signal.SIGSTOP)
    wait_until(quiet, 10, "mayfly-control stands still")


class Killed(unittest.TestCase):
    def setUp(self):
        self.server = Server("--pool", "1")
        self.addCleanup(self.server.close)

    def test_control_killed(self):
        Storm(self, self.server).run(lambda: os.kill(self.server.child("mayfly-control"), signal.SIGKILL), ROUNDS)

    def test_everything_killed(self):
        def kill():
            kill_all(self.server)
            self.server.start()
        Storm(self, self.server).run(kill, ROUNDS)

    def test_terminated(self):
        def end():
            self.assertEqual(self.server.stop(), 0)
            self.server.start()
        Storm(self, self.server).run(end, ROUNDS)


class PowerCut(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mayfly-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.disk, self.image = os.path.join(self.folder, "disk"), os.path.join(self.folder, "image")
        os.mkdir(self.disk)
        with open(self.image, "wb") as f:
            f.truncate(192 << 20)
        try:
            subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True, capture_output=True)
            self.mount()
        except (OSError, subprocess.CalledProcessError) as e:
            self.skipTest("no ext4 on a loop device here: %s" % (getattr(e, "stderr", None) or e))
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], capture_output=True)
        os.chmod(self.disk, 0o755)

    def mount(self):
        # The longest pause between commits, so that only what is synced is safe.
        subprocess.run(["mount", "-o", "loop,commit=300", self.image, self.disk], check=True, capture_output=True)

    def cut(self):
        fd = os.open(self.disk, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(fd)

    def replace_disk(self, *command):
        """Another process may still hold the old file system, so what is on its disk goes on as another disk."""
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], capture_output=True)
        subprocess.run(["umount", "-l", self.disk], check=True)
        image = self.image + "-"
        subprocess.run([*command, self.image, image], check=True, capture_output=True)
        os.unlink(self.image)
        self.image = image
        self.mount()

    def power_cut(self):
        # ext4 that is shut down may call an fdatasync done that was under way: with a real cut nobody could hear of it.
        silence(self.server.child("mayfly-control"))
        self.cut()
        kill_all(self.server)
        self.replace_disk("cp", "--sparse=always")
        self.server.start()

    def test_power_cut(self):
        self.server = Server("--pool", "1", data=self.disk)
        self.addCleanup(self.server.stop)
        Storm(self, self.server).run(self.power_cut, ROUNDS)

    def test_power_cut_during_the_first_start(self):
        """Whatever the first start had written, the next one makes a whole folder of it."""
        self.server = Server("--pool", "0", data=self.disk)
        self.addCleanup(self.server.stop)
        self.power_cut()
        Storm(self, self.server).run(self.power_cut, 1)


if __name__ == "__main__":
    unittest.main()
