"""Drives tests/snapshot/driver.c. MAYFLY_BUILD names the build folder. Needs root."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(SOURCE, "tests/snapshot")
BUILD = os.environ.get("MAYFLY_BUILD", os.path.join(SOURCE, "build"))


class Failed(Exception):
    pass


class Driver:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mayfly-snapshot-")
        os.chmod(self.folder, 0o755)
        self.code = os.path.join(self.folder, "code")
        os.makedirs(os.path.join(self.folder, "root"))
        os.mkdir(self.code)
        for name in ("fn-dynamic", "fn-static"):
            shutil.copy2(os.path.join(BUILD, "tests/snapshot", name), self.code)
        for name in os.listdir(os.path.join(HERE, "functions")):
            shutil.copy2(os.path.join(HERE, "functions", name), self.code)
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/snapshot/snapshot-driver"), BUILD, os.path.join(self.folder, "root")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hear()

    def hear(self):
        line = self.process.stdout.readline()
        if not line.startswith("ok"):
            raise Failed(line.strip() or "the driver ended")
        return line[3:].rstrip("\n")

    def do(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        return self.hear()

    def image(self, name):
        return os.path.join(self.folder, name + ".image")

    def dump(self, box, name):
        """An image of what runs in the box, which ends with it. A runtime that just answered may still move."""
        end = time.monotonic() + 10
        while True:
            try:
                said = self.do("dump", box, self.image(name))
                break
            except Failed as e:
                if "moves" not in str(e) or time.monotonic() > end:
                    raise
        self.do("kill", box)
        return dict(zip(("file_bytes", "resident_bytes", "us", "processes", "threads"), map(int, said.split())))

    def zygote(self, z, name):
        pid, us, resident = map(int, self.do("zygote", z, self.image(name), self.code).split())
        return pid

    def start(self, box, *argv):
        """A plain start, up to the parked GET."""
        self.do("make", box)
        self.do("attach", box, self.code)
        self.do("start", box, *argv)
        try:
            self.do("park", box)
        except Failed as e:
            raise Failed(f"{e}; log: {self.do('log', box)}") from None

    def answer(self, box, event):
        try:
            return self.do("answer", box, event).split(" ", 1)[1]
        except Failed as e:
            raise Failed(f"{e}; log: {self.do('log', box)}") from None

    def restore(self, zygote, box):
        self.do("make", box)
        self.do("attach", box, self.code)
        return int(self.do("restore", zygote, box))

    def pid(self, box):
        return int(self.do("pid", box))

    def status(self, pid):
        """/proc/PID/status."""
        with open(f"/proc/{pid}/status") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root")
        cls.driver = Driver()
        cls.addClassCleanup(cls.driver.close)
