"""What is inside an image is there after a restore, and behaves as memory, files and processes do that were never in one."""
import time
import unittest

from programs import text
from snapshot_case import SINGLE, SnapshotCase

TMP = r'''
import hashlib, os, stat
SIZE = 60 << 20
block = os.urandom(1 << 20)
os.makedirs("/tmp/a/b", mode=0o750)
with open("/tmp/a/b/large", "wb") as f:
    for _ in range(SIZE >> 20):
        f.write(block)
os.symlink("b/large", "/tmp/a/link")
os.mkfifo("/tmp/fifo", 0o600)
os.chmod("/tmp/a/b/large", 0o640)
os.utime("/tmp/a/b/large", (1000000000, 1000000000))
SUM = hashlib.sha256(block * (SIZE >> 20)).hexdigest()
def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
def handler(e, c):
    s = os.stat("/tmp/a/b/large")
    seen = sorted(os.listdir("/tmp"))
    with open("/tmp/mine", "a") as f:
        f.write("x")
    return {"sum": SUM, "found": digest("/tmp/a/link"), "mode": oct(s.st_mode), "time": s.st_mtime, "owner": s.st_uid == os.getuid(),
            "folder": oct(os.stat("/tmp/a/b").st_mode), "fifo": stat.S_ISFIFO(os.stat("/tmp/fifo").st_mode), "seen": seen}
'''

CLOCKS = r'''
import time
init = [time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)]
def handler(e, c):
    t, m = time.time(), time.monotonic()
    time.sleep(0.05)
    return {"init": init, "now": [t, m, time.clock_gettime(time.CLOCK_BOOTTIME)], "slept": time.monotonic() - m, "left": c.get_remaining_time_in_millis()}
'''
NODE_CLOCKS = r'''
const init = [Date.now() / 1000, performance.now() / 1000, Number(process.hrtime.bigint()) / 1e9];
let fired = 0;
setTimeout(() => { fired++; }, 300).unref();
exports.handler = async () => {
  const before = performance.now();
  await new Promise((done) => setTimeout(done, 50));
  return { init, now: [Date.now() / 1000, performance.now() / 1000, Number(process.hrtime.bigint()) / 1e9], slept: (performance.now() - before) / 1000,
           age: Date.now() / 1000 - (performance.timeOrigin + performance.now()) / 1000 };
};
'''


RESERVES = r'''
import ctypes, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
block = bytearray(b"x") * (64 << 20)
def handler(e, c):
    for _ in range(e["reserve_tb"]):
        assert libc.mmap(None, 1 << 40, 3, 0x4022, -1, 0) # may be written; private, anonymous, not reserved
    kept = bytearray(b"x") * (e["hog"] << 20)
    for _ in range(e["ticks"]):
        kept += b"x" * 16384 # what uses no more is not measured
        time.sleep(0.05)
    return len(kept) >> 20
'''


# A module with one function, that answers 42.
NODE_WASM = '''
const bytes = Buffer.from("0061736d010000000105016000017f030201000705010166000" + "00a06010400412a0b", "hex");
const made = new WebAssembly.Instance(new WebAssembly.Module(bytes));
exports.handler = async () => made.exports.f();
'''


class Contents(SnapshotCase):
    def restored(self, name):
        answer = self.call(name)
        self.assertEqual(answer.kind, "restored", answer.log)
        return answer.value

    def test_objects_of_every_kind(self):
        files = {"app.py": "from objects import handler\n", "objects.py": text("objects.py")}
        name, first = self.ready(files, tags=SINGLE, MemorySize=512, Timeout=20)
        self.assertEqual(first["wrong"], [])
        for _ in range(3):
            answer = self.call(name)
            self.assertEqual((answer.kind, answer.value["wrong"], answer.value["count"]), ("restored", [], first["count"]), answer.log)
            self.assertNotEqual(answer.value["started"], first["started"])

    def grows(self, name, calls, **more):
        self.assertEqual(self.call(name, {"n": 1, "exit": True}).error, "Unhandled")
        self.assertEqual(self.call(name, {"n": 0, **more}).kind, "restored")
        caller = self.caller(name)
        for n in range(calls):
            self.assertEqual(caller.call({"n": n, "gc": n % 10 == 0, **more}).value, n)
        self.assertEqual(self.state(name)["restores"], 1)

    def test_python_heap_grows_and_is_given_back(self):
        name, _ = self.ready({"app.py": text("memory.py")}, event={"n": 0}, MemorySize=1769, Timeout=20)
        self.grows(name, 25)

    def test_nodejs_heap_grows_and_is_given_back(self):
        name, _ = self.ready({"app.js": text("memory.js")}, event={"n": 0}, runtime="nodejs20.x", MemorySize=1769, Timeout=20)
        self.grows(name, 25)

    def test_webassembly_of_nodejs(self):
        """Compiled before the image is taken, as whatever calls fetch() has it."""
        name, _ = self.ready({"app.js": NODE_WASM}, tags=SINGLE, runtime="nodejs20.x", MemorySize=512, Timeout=10)
        self.assertEqual([self.restored(name) for _ in range(2)], [42, 42])

    def test_huge_heap(self):
        """More than a small page each would be cheap for: 400 MB."""
        name, _ = self.ready({"app.py": text("memory.py")}, event={"n": 0}, MemorySize=1769, Timeout=30, Environment={"Variables": {"HEAP_MB": "400"}})
        self.grows(name, 3, mb=200)
        self.assertGreater(self.state(name)["image"]["resident_bytes"], 400 << 20)

    def test_memory_of_the_image_counts(self):
        """Shared pages are the function's memory as well: reported, and part of its limit."""
        name, _ = self.ready({"app.py": text("memory.py")}, tags=SINGLE, event={"n": 0}, MemorySize=256, Timeout=20)
        answer = self.call(name, {"n": 0})
        self.assertEqual(answer.kind, "restored")
        used = int(answer.log.partition("Max Memory Used: ")[2].split()[0])
        self.assertGreaterEqual(used, 64 + 32 + 40)
        self.assertLessEqual(used, 256)
        self.assertEqual(self.call(name, {"n": 0, "hog": 80}).value, 80)
        answer = self.call(name, {"n": 0, "hog": 300})
        self.assertEqual(answer.error, "Unhandled", "more than its limit of 256 MB")
        self.assertRegex(answer.raw.decode(), "Runtime.(ExitError|OutOfMemory)|MemoryError")
        self.assertEqual(self.call(name, {"n": 0}).kind, "restored")

    def test_reserved_memory_does_not_hold_up_who_measures(self):
        """However much there is to look through: beyond its memory it ends."""
        name, _ = self.ready({"app.py": RESERVES}, tags=SINGLE, event={"reserve_tb": 0, "hog": 1, "ticks": 1}, MemorySize=256, Timeout=30)
        answer = self.call(name, {"reserve_tb": 100, "hog": 100, "ticks": 1})
        self.assertEqual((answer.kind, answer.value), ("restored", 100))
        answer = self.call(name, {"reserve_tb": 100, "hog": 210, "ticks": 80})
        self.assertEqual((answer.kind, answer.error), ("restored", "Unhandled"))

    def test_tmp_comes_along(self):
        name, first = self.ready({"app.py": TMP}, tags=SINGLE, MemorySize=1769, Timeout=30)
        second = self.restored(name)
        self.assertEqual((second["found"], first["found"]), (second["sum"], first["sum"]))
        self.assertNotEqual(second["sum"], first["sum"])
        same = ("mode", "time", "owner", "folder", "fifo")
        self.assertEqual({k: second[k] for k in same}, {k: first[k] for k in same})
        self.assertEqual(second["seen"], ["a", "fifo"])

    def check_clocks(self, answer):
        now, init = answer["now"], answer["init"]
        self.assertAlmostEqual(now[0], time.time(), delta=2)
        gone = now[0] - init[0]
        for clock in (1, 2):
            self.assertAlmostEqual(now[clock] - init[clock], gone, delta=0.1)
        self.assertGreater(gone, 0.5)
        self.assertGreaterEqual(answer["slept"], 0.049)
        self.assertLess(answer["slept"], 1)

    def test_clocks(self):
        name, _ = self.ready({"app.py": CLOCKS}, tags=SINGLE, MemorySize=1769, Timeout=10)
        time.sleep(0.5)
        answer = self.restored(name)
        self.check_clocks(answer)
        self.assertLessEqual(answer["left"], 10000)
        self.assertGreater(answer["left"], 8000)

    def test_clocks_of_nodejs(self):
        name, _ = self.ready({"app.js": NODE_CLOCKS}, tags=SINGLE, runtime="nodejs20.x", MemorySize=1769, Timeout=10)
        time.sleep(0.5)
        answer = self.restored(name)
        self.check_clocks(answer)
        self.assertLess(abs(answer["age"]), 0.1)


if __name__ == "__main__":
    unittest.main()
