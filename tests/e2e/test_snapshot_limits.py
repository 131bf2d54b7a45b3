"""Images and zygotes have limits: the longest unused goes first, and whoever is without starts plainly or from the file."""
import os
import unittest

from snapshot_case import SINGLE, SnapshotCase
from support import wait_until
from harness import Server

SIZED = "import os\nblock = os.urandom(%d << 20)\ndef handler(e, c):\n    return {'n': e.get('n'), 'sum': block[0] + block[-1]}\n"


class Limits(SnapshotCase):
    @classmethod
    def setUpClass(cls):
        pass

    def start(self, *options):
        self.server = Server("--pool", "2", *options)
        self.addCleanup(self.server.close)
        self.client = self.server.client()

    def sized(self, mb):
        return self.ready({"app.py": SIZED % mb}, tags=SINGLE, MemorySize=1024, Timeout=20)[0]

    def restores(self, name, count=2):
        for n in range(count):
            answer = self.call(name, {"n": n})
            self.assertEqual((answer.kind, answer.value["n"]), ("restored", n), answer.log)

    def used_mb(self):
        return sum(os.stat(p).st_blocks for p in self.image_files()) / 2048

    def test_disk(self):
        self.start("--snapshot-disk", "100")
        names = [self.sized(30) for _ in range(4)]
        self.restores(names[-1])
        self.assertLessEqual(self.used_mb(), 100)
        there = [n for n in names if "image" in self.state(n)]
        self.assertNotIn(names[0], there, "the longest unused one went")
        self.assertIn(names[-1], there)
        self.assertLessEqual(self.snapshots()["file_bytes"], 100 << 20)
        for n in names:
            self.assertEqual(self.call(n, {"n": 7}).value["n"], 7)

    def test_image_that_never_fits(self):
        self.start("--snapshot-disk", "16")
        name = self.server.deploy({"app.py": SIZED % 30}, MemorySize=1024, Tags=SINGLE)
        for n in range(3):
            self.assertEqual(self.call(name, {"n": n}).kind, "plain")
        reason = self.wait_unusable(name)
        self.assertRegex(reason, r"16 MB|--snapshot-disk|disk")
        self.assertEqual(self.image_files(), [])

    def test_memory(self):
        """Zygotes are evicted; what has none is loaded again for the next restore."""
        self.start("--snapshot-memory", "100")
        names = [self.sized(30) for _ in range(5)]
        for _ in range(2):
            for name in names:
                self.restores(name, 1)
        wait_until(lambda: 1 <= len(self.zygotes()) <= 3, 10, "so many zygotes as fit: %s" % self.zygotes())
        self.assertEqual([self.state(n)["failed_restores"] for n in names], [0] * 5)

    def test_no_memory_for_zygotes_at_all(self):
        self.start("--snapshot-memory", "1")
        name = self.sized(30)
        self.restores(name, 3)
        self.assertEqual(self.state(name)["failed_restores"], 0)

    def test_renewal(self):
        """After so many restores the image is taken anew, with another address layout; meanwhile the old one serves."""
        self.start("--snapshot-renew-restores", "5")
        name = self.ready({"app.py": "def handler(e, c):\n    return id(handler)\n"}, tags=SINGLE)[0]
        key, seen = self.state(name)["image"]["key"], set()
        for _ in range(7):
            answer = self.call(name)
            self.assertEqual(answer.kind, "restored")
            seen.add(answer.value)
        wait_until(lambda: self.state(name)["image"]["key"] != key, 20, "a new image")
        self.wait_image(name)
        seen.add(self.call(name).value)
        self.assertGreaterEqual(len(seen), 2, "the same layout")
        self.assertLessEqual(len(self.image_files()), 2)


if __name__ == "__main__":
    unittest.main()
