"""A large heap made at init, which then grows, is freed and reused in every way that allocators do it."""
import ctypes
import gc
import mmap
import os
import struct

PAGE, MB = 4096, 1 << 20
HEAP_MB = int(os.environ.get("HEAP_MB", "64"))
libc = ctypes.CDLL(None, use_errno=True)
libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

blocks = [bytearray(struct.pack("<I", n) * (MB // 4)) for n in range(HEAP_MB)]
objects = {n: ("text %d" % n, [n, n + 1]) for n in range(50000)}
raw = mmap.mmap(-1, 32 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, 32 * MB, PAGE):
    raw[at:at + 8] = struct.pack("<Q", at + 1)
heap = libc.malloc(100000)  # on the break
ctypes.memset(heap, 77, 100000)


def resident_mb():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * PAGE // MB


def grow_and_shrink(mb):
    """Back to where it was, and by then really gone."""
    before = resident_mb()
    more = [bytearray(b"x" * MB) for _ in range(mb)]
    high = resident_mb()
    assert all(m[0] == m[-1] == 120 for m in more)
    del more
    gc.collect()
    assert high - before > mb * 0.9, ("did not grow", before, high)
    assert resident_mb() - before < mb * 0.3, ("did not shrink", before, high, resident_mb())


def break_moves():
    start = libc.sbrk(0)
    assert libc.sbrk(MB) == start
    ctypes.memset(start, 5, MB)
    assert libc.sbrk(0) == start + MB
    assert libc.sbrk(-MB) == start + MB and libc.sbrk(0) == start


def give_back(n):
    """Advice on pages of the image: zeros afterwards, or the old contents, and writable again."""
    low = n % 16 * MB
    raw.madvise(mmap.MADV_DONTNEED, low, MB // 2)
    assert not any(raw[at] for at in range(low, low + MB // 2, PAGE)), "MADV_DONTNEED brought contents back"
    raw.madvise(mmap.MADV_FREE, low + MB // 2, MB // 2)
    for at in range(low, low + MB, PAGE):
        raw[at:at + 8] = struct.pack("<Q", at + 1)
    high = 16 * MB
    assert all(raw[at:at + 8] == struct.pack("<Q", at + 1) for at in range(high, 32 * MB, PAGE * 7)), "lost pages"


def deep(n):
    """Frames of C between frames of Python: the stack grows."""
    return n if n == 0 else sorted([n], key=lambda _: deep(n - 1)) and n


def handler(event, context):
    if event.get("exit"):
        os._exit(3)
    n = event["n"]
    assert all(struct.unpack_from("<I", block, n % 200 * 4)[0] == i for i, block in enumerate(blocks)), "lost blocks"
    assert objects[n % 50000] == ("text %d" % (n % 50000), [n % 50000, n % 50000 + 1])
    assert ctypes.string_at(heap, 100000) == b"M" * 100000
    if event.get("hog"):
        hog = [bytearray(b"y" * MB) for _ in range(event["hog"])]
        return len(hog)
    give_back(n)
    break_moves()
    grow_and_shrink(event.get("mb", 40))
    if n == 0:
        deep(300)
        raw.resize(48 * MB)
        raw[47 * MB] = 1
        raw.resize(32 * MB)
    for i in range(n % 8, HEAP_MB, 8):  # frees blocks of the image, and makes new ones in their place
        blocks[i] = None
        blocks[i] = bytearray(struct.pack("<I", i) * (MB // 4))
    if event.get("gc"):
        gc.collect()
    return n
