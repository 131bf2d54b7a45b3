"""The guest of `make test-vm`: Debian's cloud kernel, an initramfs that finds the disk, and a disk made of this machine's files.

Nothing is installed on this machine's own system but packages that are missing; the kernel is unpacked below the build folder.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import sysconfig

# How it is recognised, then the Debian package.
NEEDS = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("/usr/share/qemu/bios-microvm.bin", "seabios"),
    ("busybox", "busybox-static"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("curl", "curl"),
]
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KERNEL_META = "linux-image-cloud-amd64"

# A guest that ends or panics restarts, which ends QEMU (-no-reboot).
KERNEL_ARGUMENTS = "console=ttyS0 loglevel=3 reboot=t panic=-1 mitigations=off random.trust_cpu=on cgroup_no_v1=all"

# What the initramfs needs to see the disk, and what the server needs later; dependencies are added from the files themselves.
BOOT_MODULES = ["virtio_mmio", "virtio_blk"]
# (btrfs asks for its checksums by name while it starts)
LATE_MODULES = ["xxhash_generic", "blake2b_generic", "btrfs", "overlay", "loop", "veth", "nf_tables", "nft_chain_nat", "nft_masq",
                "nft_ct", "nft_reject_inet", "nft_fib_inet"]
# Python without its tests, tools and docs; nothing that a test client does not import.
PYTHON_LEFT_OUT = ("test", "tests", "idlelib", "lib2to3", "pydoc_data", "ensurepip", "distutils", "tkinter", "turtledemo",
                   "__pycache__", os.path.basename(sysconfig.get_config_var("LIBPL")))


class Unavailable(Exception):
    """The guest cannot be made here; the text says why and what would help."""


def find(probe):
    return shutil.which(probe, path=SEARCH)


def run(command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", **more)
    if done.returncode:
        raise Unavailable("%s failed:\n%s" % (" ".join(command[:4]), done.stdout[-2000:]))
    return done.stdout


def missing_packages():
    return [package for probe, package in NEEDS
            if not (os.path.exists(probe) if probe.startswith("/") else find(probe))]


def install(packages):
    if os.geteuid() != 0 or not find("apt-get"):
        raise Unavailable("missing; as root: apt-get install " + " ".join(packages))
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run(["apt-get", "update", "-q"], env=env, timeout=300)
    run(["apt-get", "install", "-y", "-q", "--no-install-recommends"] + packages, env=env, timeout=900)


def kernel_in(cache):
    """Folder with boot/vmlinuz-* and lib/modules/* from an earlier run, or None."""
    have = sorted(glob.glob(os.path.join(cache, "kernel-*", "boot", "vmlinuz-*")))
    return os.path.dirname(os.path.dirname(have[-1])) if have else None


def kernel_package():
    """Name of the package that Debian's meta package points to today; None where apt has no lists, or old ones."""
    said = subprocess.run(["apt-cache", "depends", KERNEL_META], capture_output=True, text=True).stdout
    names = re.findall(r"Depends: (linux-image-\S+-cloud-amd64)\b", said)
    return names[0] if names else None


def fetch_kernel(cache):
    """Downloads and unpacks the kernel, without installing it. Returns its folder."""
    if not find("apt-get") or not find("dpkg"):
        raise Unavailable("Debian's cloud kernel comes by apt-get, which is not here")
    try:
        return unpack_kernel(cache, kernel_package())
    except Unavailable:
        run(["apt-get", "update", "-q"], timeout=300)
    return unpack_kernel(cache, kernel_package())


def unpack_kernel(cache, name):
    if not name:
        raise Unavailable("apt knows no package %s (there is one for amd64 only)" % KERNEL_META)
    download = os.path.join(cache, "download")
    os.makedirs(download, exist_ok=True)
    run(["apt-get", "download", "-q", name], cwd=download, timeout=300)
    package = sorted(glob.glob(os.path.join(download, name + "_*.deb")))[-1]
    folder, half = os.path.join(cache, "kernel-" + name[len("linux-image-"):]), os.path.join(cache, "half")
    shutil.rmtree(half, ignore_errors=True)
    run(["dpkg", "-x", package, half], timeout=120)
    os.rename(half, folder)
    os.unlink(package)
    return folder


def module_files(kernel):
    return {os.path.basename(path)[:-3].replace("-", "_"): path
            for path in glob.glob(os.path.join(kernel, "lib", "modules", "*", "kernel", "**", "*.ko"), recursive=True)}


def in_load_order(names, files, already=()):
    """Paths of the named modules after those they depend on. A module that this kernel has built in or lacks is left out."""
    order = []

    def add(name):
        path = files.get(name)
        if path is None or path in order or path in already:
            return
        with open(path, "rb") as f:
            depends = re.search(rb"\0depends=([^\0]*)\0", f.read())
        for other in depends.group(1).decode().split(",") if depends else []:
            add(other.replace("-", "_"))
        order.append(path)

    for name in names:
        add(name)
    return order


class Tree:
    """A folder that becomes the guest's disk."""

    def __init__(self, root):
        shutil.rmtree(root, ignore_errors=True)
        self.root = root
        for folder in ("usr/bin", "usr/sbin", "usr/lib/x86_64-linux-gnu", "usr/lib64", "etc", "proc", "sys", "dev", "run", "tmp",
                       "var/lib", "root", "opt"):
            os.makedirs(self.at(folder))
        for name in ("bin", "sbin", "lib", "lib64"):
            os.symlink("usr/" + name, self.at(name))

    def at(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    def put(self, source, target, mode=None):
        target = self.at(target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)
        os.chmod(target, mode if mode is not None else os.stat(source).st_mode & 0o777)

    def write(self, target, text, mode=0o644):
        with open(self.at(target), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.at(target), mode)

    def program(self, source, target=None):
        """A program with the libraries it asks for, at the paths where they are here."""
        self.put(source, target or source, 0o755)
        self.libraries(source)

    def libraries(self, source):
        said = subprocess.run(["ldd", source], capture_output=True, text=True).stdout
        for path in re.findall(r"(/\S+\.so\S*) \(0x", said):
            path = "/usr" + path if path.startswith("/lib") else path
            if not os.path.exists(self.at(path)):
                self.put(path, path)

    def folder(self, source, target, left_out=()):
        shutil.copytree(source, self.at(target), symlinks=True, dirs_exist_ok=True, ignore=lambda _, names: set(left_out) & set(names))

    def python(self):
        """The Python that runs this, which is Debian's own."""
        lib, name = sysconfig.get_path("stdlib"), "python%d.%d" % sys.version_info[:2]
        self.program("/usr/bin/" + name)
        os.symlink(name, self.at("/usr/bin/python3"))
        self.folder(lib, lib, PYTHON_LEFT_OUT)
        for extension in glob.glob(lib + "/lib-dynload/*.so"):
            self.libraries(extension)

    def disk(self, path, size_mb):
        """An ext4 image of everything, owned by root as it is here; made without mounting anything."""
        if os.path.exists(path):
            os.unlink(path)
        run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=1,root_owner=0:0", "-m", "0",
             "-d", self.root, path, "%dM" % size_mb], timeout=120, env=dict(os.environ, PATH=SEARCH))


def cpio_entry(name, mode, data=b"", number=[0]):
    number[0] += 1
    fields = (number[0], mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    entry = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    entry += b"\0" * (-len(entry) % 4) + data
    return entry + b"\0" * (-len(entry) % 4)


def initramfs(path, init, modules):
    """The kernel's `newc` archive: busybox, the modules in load order, and `init`."""
    parts = [cpio_entry(folder, 0o40755) for folder in ("bin", "dev", "proc", "mod", "root")]
    with open(find("busybox"), "rb") as f:
        parts.append(cpio_entry("bin/busybox", 0o100755, f.read()))
    parts.append(cpio_entry("bin/sh", 0o120777, b"busybox"))
    for i, module in enumerate(modules):
        with open(module, "rb") as f:
            parts.append(cpio_entry("mod/%02d.ko" % i, 0o100644, f.read()))
    with open(init, "rb") as f:
        parts.append(cpio_entry("init", 0o100755, f.read()))
    parts.append(cpio_entry("TRAILER!!!", 0))
    with open(path, "wb") as f:
        f.write(b"".join(parts))


def command(vmlinuz, initrd, disk, memory_mb):
    """QEMU in software emulation, so that it runs anywhere: one processor, no network, no devices but a disk and a serial
    line. The disk's changes go to a temporary file.

    The guest's clock counts its instructions (2 ns each) and jumps while it sleeps: how busy this machine is changes neither
    what the guest measures nor whether its kernel finds out the speed of its clock, at which it hangs otherwise."""
    return [find("qemu-system-x86_64"), "-M", "microvm,rtc=on", "-accel", "tcg", "-icount", "shift=1,sleep=off", "-cpu", "max", "-smp", "1",
            "-m", str(memory_mb), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-monitor", "none", "-kernel", vmlinuz, "-initrd", initrd, "-append", KERNEL_ARGUMENTS,
            "-drive", "id=disk,file=%s,format=raw,if=none,snapshot=on" % disk, "-device", "virtio-blk-device,drive=disk"]
