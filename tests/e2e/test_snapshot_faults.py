"""Whatever happens to images, zygotes and processes, no caller sees it; nothing is left behind."""
import os
import signal
import struct
import threading
import unittest

import test_crash
from programs import BY_NAME
from snapshot_case import SINGLE, Caller, SnapshotCase
from support import alive, comm, wait_until
from harness import Server

ANSWER = "import os\nLOADED = os.urandom(8).hex()\ndef handler(e, c):\n    return {'n': e.get('n'), 'loaded': LOADED}\n"
SLOW = "import os, time\nLOADED = os.urandom(8).hex()\ntime.sleep(0.3)\ndef handler(e, c):\n    return {'n': e.get('n'), 'loaded': LOADED}\n"


def flip(path, at):
    """Changes bytes of a file in place."""
    with open(path, "r+b") as f:
        f.seek(at if at >= 0 else os.path.getsize(path) + at)
        old = f.read(64)
        f.seek(-len(old), os.SEEK_CUR)
        f.write(bytes(b ^ 0x5A for b in old))


def truncate(path):
    os.truncate(path, os.path.getsize(path) // 2)


DAMAGES = {"head": lambda p: flip(p, 64), "tables": lambda p: flip(p, 1000), "pages": lambda p: flip(p, -5000), "truncated": truncate,
           "empty": lambda p: os.truncate(p, 0), "gone": os.unlink}


class Faults(SnapshotCase):
    def function(self, source=ANSWER, **settings):
        return self.ready({"app.py": source}, tags=SINGLE, MemorySize=settings.pop("MemorySize", 512), **settings)[0]

    def kill_zygotes(self):
        for pid in self.zygotes():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not [p for p in self.zygotes() if alive(p)], 10, "the zygotes are gone")

    def answers(self, name, count=3):
        kinds = []
        for n in range(count):
            answer = self.call(name, {"n": n})
            self.assertEqual(answer.value["n"], n)
            kinds.append(answer.kind)
        return kinds

    def test_files_belong_to_root(self):
        self.function()
        files = self.image_files()
        self.assertTrue(files)
        for path in files:
            self.assertEqual((os.stat(path).st_uid, os.stat(path).st_mode & 0o077), (0, 0), path)

    def test_damage_while_the_server_runs(self):
        """The next zygote finds it; the invocation gets a plain start, and an image is made again."""
        for what, damage in DAMAGES.items():
            with self.subTest(what):
                before = set(self.image_files())
                name = self.function()
                mine = set(self.image_files()) - before
                self.assertEqual(len(mine), 1)
                damage(mine.pop())
                self.kill_zygotes()
                kinds = self.answers(name)
                self.assertNotIn("warm", kinds)
                self.client.delete_function(FunctionName=name)

    def test_zygote_dies_in_a_burst(self):
        name = self.function(MemorySize=128)
        over, errors, done = threading.Event(), [], [0] * 4

        def work(i):
            caller = Caller(self.server, name)
            try:
                while not over.is_set():
                    value = caller.call({"n": done[i]}).value
                    assert value["n"] == done[i], value
                    done[i] += 1
            except BaseException as e:
                errors.append(e)
            finally:
                caller.close()
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        try:
            for _ in range(5):
                target = sum(done) + 20
                wait_until(lambda: sum(done) >= target or errors, 20, "invocations go on")
                for pid in self.zygotes():
                    os.kill(pid, signal.SIGKILL)
        finally:
            over.set()
            for t in threads:
                t.join()
        self.assertEqual(errors, [])

    def test_control_dies(self):
        """What was an image before is one afterwards."""
        name = self.function()
        for _ in range(3):
            os.kill(self.server.child("mayfly-control"), signal.SIGKILL)
            self.assertEqual(self.answers(name, 1)[0] in ("restored", "plain"), True)
            self.wait_image(name)
            self.assertEqual(self.answers(name, 2), ["restored"] * 2)

    def test_gone_with_the_function(self):
        before = set(self.image_files())
        name = self.function()
        self.client.publish_version(FunctionName=name)
        self.call(name + ":1")
        self.wait_image(name, "1")
        self.assertEqual(self.call(name + ":1").kind, "restored")
        self.client.delete_function(FunctionName=name, Qualifier="1")
        wait_until(lambda: not self.state(name, "1").get("image"), 20, "the version's image is gone")
        self.assertEqual(self.call(name).kind, "restored")
        self.client.delete_function(FunctionName=name)
        wait_until(lambda: set(self.image_files()) <= before, 20, "the function's images are gone")

    def test_new_code_new_image(self):
        from harness import zip_of
        before = set(self.image_files())
        name = self.function()
        old = self.call(name).value["loaded"]
        self.client.update_function_code(FunctionName=name, ZipFile=zip_of({"app.py": ANSWER + "# changed\n"}))
        self.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
        answer = self.call(name)
        self.assertEqual(answer.kind, "plain")
        self.assertNotEqual(answer.value["loaded"], old)
        self.wait_image(name)
        answer = self.call(name)
        self.assertEqual(answer.kind, "restored")
        self.assertNotEqual(answer.value["loaded"], old)
        wait_until(lambda: len(set(self.image_files()) - before) == 1, 20, "the old code's image is gone")


class Restarts(SnapshotCase):
    """Each with a server of its own."""

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.server = Server("--pool", "2")
        self.addCleanup(self.server.close)
        self.client = self.server.client()

    def test_images_outlive_the_server(self):
        name, _ = self.ready({"app.py": ANSWER}, tags=SINGLE)
        loaded = self.call(name).value["loaded"]
        for sig in (signal.SIGTERM, signal.SIGKILL):
            everyone = self.server.children()
            self.server.stop(sig)
            wait_until(lambda: not [p for p in everyone if alive(p)], 10, "everything ended: %s" % [comm(p) for p in everyone if alive(p)])
            self.server.start()
            answer = self.call(name)
            self.assertEqual((answer.kind, answer.value["loaded"]), ("restored", loaded), "after signal %d" % sig)

    def test_damage_while_the_server_is_down(self):
        name, _ = self.ready({"app.py": ANSWER}, tags=SINGLE)
        for what, damage in DAMAGES.items():
            with self.subTest(what):
                self.server.stop()
                files = self.image_files()
                self.assertEqual(len(files), 1)
                damage(files[0])
                self.server.start()
                self.assertEqual(self.call(name).value["n"], None)
                self.wait_image(name)
                self.assertEqual(self.call(name).kind, "restored")

    def test_rebuilt_when_the_machine_has_changed(self):
        """As after an upgrade of the kernel: plain starts serve until there is a new image."""
        name, _ = self.ready({"app.py": SLOW}, tags=SINGLE)
        old = self.call(name).value["loaded"]
        self.server.stop()
        for path in self.image_files():
            restamp(path)
        self.server.start()
        answer = self.call(name)
        self.assertEqual(answer.kind, "plain")
        self.wait_image(name)
        answer = self.call(name)
        self.assertEqual(answer.kind, "restored")
        self.assertNotEqual(answer.value["loaded"], old)
        self.assertEqual(len(self.image_files()), 1, "the stale one is gone")

    def test_everything_dies_while_images_are_taken(self):
        names = [BY_NAME[p].deploy(self.server, tags=SINGLE) for p in ("python", "nodejs", "c")]
        for round_ in range(4):
            for name in names:
                self.assertEqual(self.call(name, {"n": 3}).value["twice"], 6)
            wait_until(lambda: any(s.get("state") in ("template", "dump", "trial") for s in map(self.state, names))
                       or all(self.state(n).get("image") for n in names), 20, "images are being taken")
            everyone = self.server.children()
            for pid in everyone:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.server.stop(signal.SIGKILL)
            wait_until(lambda: not [p for p in everyone if alive(p)], 10, "everything ended")
            self.server.start()
        for name in names:
            self.call(name, {"n": 1})
            self.wait_image(name)
            self.assertEqual(self.call(name, {"n": 5}).kind, "restored")
        self.assertEqual(len(self.image_files()), len(names), "%s: halves of images are left" % self.image_files())
        self.nothing_is_left()

    def nothing_is_left(self):
        everyone, data = self.server.children(), self.server.data
        group = test_crash.groups_of(self.server.child("mayfly-init"))
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual([p for p in everyone if alive(p)], [])
        self.assertEqual(test_crash.group_folders(group), [])
        with open("/proc/self/mountinfo") as f:
            self.assertEqual([line for line in f if data in line], [])


# struct image_head of image.h: magic, format, head_bytes; file_bytes; three sums; key; image_machine {boot, kernel, cpu, build}
HEAD_BYTES, HEAD_SUM, KERNEL = 12, 40, 48 + 32 + 16
WORD = 2**64 - 1
PRIME1, PRIME2, PRIME3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9


def rotate(x, by):
    return (x << by | x >> (64 - by)) & WORD


def lane(value, x):
    return rotate((value + x * PRIME2) & WORD, 31) * PRIME1 & WORD


def mix(value, x):
    return (rotate(value ^ lane(0, x), 27) * PRIME1 + PRIME3) & WORD


def image_sum(data):
    """As image.c has it."""
    lanes, value = [(PRIME1 + PRIME2) & WORD, PRIME2, 0, -PRIME1 & WORD], len(data)
    whole = len(data) // 32 * 32
    words = struct.unpack("<%dQ" % (whole // 8), data[:whole])
    for i, x in enumerate(words):
        lanes[i % 4] = lane(lanes[i % 4], x)
    for x in lanes:
        value = mix(value, x)
    rest = data[whole:]
    for x in struct.unpack_from("<%dQ" % (len(rest) // 8), rest):
        value = mix(value, x)
    for x in rest[len(rest) // 8 * 8:]:
        value = mix(value, x)
    value = (value ^ value >> 33) * PRIME2 & WORD
    return value ^ value >> 29


def restamp(path):
    """Makes it the image of another kernel, with a head that is whole: stale, not damaged."""
    with open(path, "r+b") as f:
        size, = struct.unpack_from("<I", f.read(16), HEAD_BYTES)
        f.seek(0)
        head = bytearray(f.read(size))
        known, = struct.unpack_from("<Q", head, HEAD_SUM)
        struct.pack_into("<Q", head, HEAD_SUM, 0)
        assert image_sum(bytes(head)) == known, "the head is not as this test knows it"
        struct.pack_into("<Q", head, KERNEL, struct.unpack_from("<Q", head, KERNEL)[0] ^ 1)
        struct.pack_into("<Q", head, HEAD_SUM, image_sum(bytes(head)))
        f.seek(0)
        f.write(head)


if __name__ == "__main__":
    unittest.main()
