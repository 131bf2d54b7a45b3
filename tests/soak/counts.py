"""What a server holds of the machine, as numbers that must not grow: {name: number}."""
import glob
import os
import subprocess
import time


def comm(pid):
    return text("/proc/%d/comm" % pid).strip()


def text(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def descriptors(pid):
    try:
        return len(os.listdir("/proc/%d/fd" % pid))
    except OSError:
        return 0


def pss_kb(pid):
    return next((int(line.split()[1]) for line in text("/proc/%d/smaps_rollup" % pid).splitlines() if line.startswith("Pss:")), 0)


def namespaces(pids):
    """Different network namespaces; one that only a descriptor holds is not among them, but in the slab's count."""
    found = set()
    for pid in pids:
        try:
            found.add(os.stat("/proc/%d/ns/net" % pid).st_ino)
        except OSError:
            pass
    return len(found)


def slab(name):
    return next((int(line.split()[1]) for line in text("/proc/slabinfo").splitlines() if line.split()[0] == name), 0)


def groups(init):
    """Folders of the control groups of an environment's server, in every hierarchy."""
    names = {part for line in text("/proc/%d/cgroup" % init).splitlines() for part in line.split("/") if part.startswith("mayfly-")}
    return sum(len(glob.glob("/sys/fs/cgroup/*/%s/*/" % n)) + len(glob.glob("/sys/fs/cgroup/%s/*/" % n)) for n in names)


def subvolumes(mayflyd, data):
    """Folders for /tmp, as btrfs counts them, where they are subvolumes."""
    for line in text("/proc/%d/mountinfo" % mayflyd).splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "btrfs" and data in fields[4]:
            done = subprocess.run(["nsenter", "-t", str(mayflyd), "-m", "btrfs", "subvolume", "list", fields[4]], capture_output=True, text=True)
            return len(done.stdout.splitlines()) if done.returncode == 0 else None
    return None


def count(server):
    pids = server.children()
    by_name = {}
    for pid in pids:
        by_name[comm(pid)] = by_name.get(comm(pid), 0) + 1
    mayflyd, control = server.process.pid, server.child("mayfly-control")
    found = {"processes": len(pids), **{"  " + name: n for name, n in sorted(by_name.items())},
             "control groups": groups(server.child("mayfly-init")), "mounts of mayflyd": len(text("/proc/%d/mountinfo" % mayflyd).splitlines()),
             "mounts of the machine": len(text("/proc/self/mountinfo").splitlines()),
             "descriptors of mayflyd": descriptors(mayflyd), "descriptors of mayfly-control": descriptors(control),
             "descriptors of zygotes": sum(descriptors(p) for p in pids if comm(p) == "mayfly-restore"),
             "network namespaces": namespaces(pids), "network namespaces of the kernel": slab("net_namespace"),
             "memory of mayflyd, MB": pss_kb(mayflyd) / 1024, "memory of mayfly-control, MB": pss_kb(control) / 1024,
             "memory of zygotes, MB": sum(pss_kb(p) for p in pids if comm(p) == "mayfly-restore") / 1024,
             "image files": len(glob.glob(os.path.join(server.data, "images", "*")))}
    volumes = subvolumes(mayflyd, server.data)
    if volumes is not None:
        found["btrfs subvolumes"] = volumes
    return found


def settled(server, seconds=20):
    """Counted when nothing ends or begins any more: what is being given back takes a moment."""
    end, last = time.monotonic() + seconds, None
    while True:
        now = count(server)
        whole = {k: v for k, v in now.items() if isinstance(v, int)}
        if whole == last or time.monotonic() > end:
            return now
        last = whole
        time.sleep(0.7)


# How much more of each is allowed after a soak, however long it was; nothing where no row says so. Allocators keep what they
# once had; zygotes learn which pages are written, and have them ready; network namespaces and empty folders for /tmp wait to be
# used again, each on a descriptor. The machine's own counts are those of other programs as well.
ALLOWED = {"memory of mayflyd, MB": 2, "memory of mayfly-control, MB": 12, "memory of zygotes, MB": 60, "descriptors of mayflyd": 24,
           "descriptors of mayfly-control": 2, "descriptors of zygotes": 40, "btrfs subvolumes": 16, "network namespaces": 4,
           "network namespaces of the kernel": 128, "mounts of the machine": 64, "control groups": 16}


def grown(before, after):
    """What grew by more than it may."""
    return ["%s: %s, was %s" % (name, show(after[name]), show(before.get(name, 0))) for name in after
            if after[name] - before.get(name, 0) > ALLOWED.get(name, 0)]


def show(value):
    return "-" if value is None else "%.1f" % value if isinstance(value, float) else "%d" % value


def table(before, after):
    lines = ["%-36s %10s %10s" % ("", "before", "after")]
    return "\n".join(lines + ["%-36s %10s %10s" % (n, show(before.get(n)), show(after.get(n))) for n in {**before, **after}])
