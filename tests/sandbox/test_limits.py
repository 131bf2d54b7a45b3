"""Memory, processes, disk, descriptors, CPU: what is too much ends (or refuses) that environment only."""
import time
import unittest

import rig

HOG = """
import sys
a = []
try:
    while True:
        a.append(bytearray(b'x') * (8 << 20))
except MemoryError:
    print('no')
"""

FILL = """
import os
b = b'x' * (1 << 20)
n = 0
try:
    with open('/tmp/big', 'wb', buffering=0) as f:
        for _ in range(600):
            n += f.write(b)
        os.fsync(f.fileno())
except OSError as e:
    print(n >> 20, e.errno)
else:
    print('never full')
os.unlink('/tmp/big')
open('/tmp/again', 'wb').write(b)
print('usable again')
"""


class Limits(rig.Case):
    def test_memory_hog_is_told_as_out_of_memory(self):
        witness = self.server.run(["/bin/sleep", "100"])
        e = self.server.python(HOG, memory=128)
        self.assertEqual(e.how, "OOM")
        self.assertGreater(e.exited.peak_bytes, 100 << 20)
        self.assertLessEqual(e.exited.peak_bytes, 129 << 20)
        witness.kill()
        self.assertEqual(witness.wait()[0], "KILLED")

    def test_sigkill_alone_is_not_out_of_memory(self):
        e = self.server.sh("kill -9 $$")
        self.assertEqual((e.how, e.exited.status), ("SIGNAL", 9))

    def test_fork_bomb_is_held_and_ends(self):
        e = self.server.run(["/var/task/run"], files={
            "run": "#!/bin/bash\necho on\nb() { b | b & }; b 2>/dev/null\nsleep 1000\n"}, memory=512)
        e.read(b"on")
        time.sleep(0.5)
        self.assertEqual(self.server.sh("echo others live").text, "others live\n")
        e.kill()
        self.assertEqual(e.wait()[0], "KILLED")

    def test_processes_are_counted(self):
        e = self.server.python("""
import os, time
n = 0
try:
    while n < 3000:
        if os.fork() == 0:
            time.sleep(100)
            os._exit(0)
        n += 1
except OSError as e:
    print(n, e.errno)
""", memory=2048)
        n, errno = map(int, e.text.split())
        self.assertEqual(errno, 11)
        self.assertTrue(1000 <= n <= 1024, n)

    def test_tmp_takes_its_size_at_little_memory_then_is_full(self):
        e = self.server.python(FILL, memory=128)
        mb, errno = map(int, e.text.split("\n")[0].split())
        self.assertTrue(512 <= mb < 520, mb)
        self.assertIn(errno, (28, 122))
        self.assertIn("usable again", e.text)
        self.assertEqual(e.how, "CODE")

    def test_tmp_is_new_each_time_and_private(self):
        self.assertEqual(self.server.sh("echo x >/tmp/x; ls /tmp").text, "x\n")
        for _ in range(4):
            self.assertEqual(self.server.sh("ls -A /tmp; stat -c %a:%u /tmp").text, "700:993\n")

    def test_open_files(self):
        e = self.server.python("""
f = []
try:
    while True:
        f.append(open('/dev/null'))
except OSError as e:
    print(len(f), e.errno)
""")
        n, errno = map(int, e.text.split())
        self.assertEqual(errno, 24)
        self.assertTrue(1000 < n < 1024, n)

    def test_cpu_is_limited_once_initialized(self):
        # 442 MB is a quarter of a CPU.
        e = self.server.run(["/usr/bin/python3", "/var/task/run.py"], memory=442, files={"run.py": """
import time, sys
def use(s):
    c, t = time.process_time(), time.monotonic()
    while time.monotonic() - t < s:
        pass
    return (time.process_time() - c) / (time.monotonic() - t)
print('ready', flush=True)
while True:
    print('share', use(0.3), flush=True)
"""})
        e.read(b"share")
        self.server.send("ENV_INITIALIZED", rig.struct.pack("<Q", e.id))
        before = len(e.out)
        time.sleep(0.4)
        deadline = time.monotonic() + 10
        while e.out[before:].count(b"share") < 4 and time.monotonic() < deadline:
            e.out += rig.os.read(e.log, 65536) if rig.select.select([e.log], [], [], 0.5)[0] else b""
        e.kill()
        e.wait()
        shares = [float(line.split()[1]) for line in e.out[before:].decode().split("\n") if line.startswith("share ")]
        self.assertLess(shares[-1], 0.35)

    def test_output_that_nobody_reads_does_not_grow(self):
        e = self.server.run(["/bin/sh", "-c", "exec head -c 100000000 /dev/zero"])
        time.sleep(0.1)
        e.kill()
        self.assertEqual(e.wait()[0], "KILLED")


class TmpInMemory(rig.Case):
    """Where there is no btrfs: a tmpfs, whose size is added to the memory limit."""

    options = ("--tmp-disk", "512")

    @classmethod
    def setUpClass(cls):
        # An image that no file system fits on cannot be made: as on a machine without loop devices.
        cls.server = rig.Server(prefix=["/usr/bin/unshare", "-m", "/bin/sh", "-c",
                                        "mount -t tmpfs none /mnt && touch /mnt/x && for f in /usr/sbin/mkfs.btrfs /sbin/mkfs.btrfs; do "
                                        "mount --bind /mnt/x $f 2>/dev/null; done; exec \"$@\"", "sh"])

    def test_size_and_memory(self):
        e = self.server.python(FILL, memory=128)
        self.assertTrue(e.text.startswith("512 28\n"), e.text)
        self.assertIn("/tmp of environments is kept in memory", self.server.logged())


if __name__ == "__main__":
    unittest.main()
