"""What a function must not be able to do or see."""
import os
import socket
import unittest

import rig

SYSCALLS = """
import ctypes, os, errno
libc = ctypes.CDLL(None, use_errno=True)
def call(nr, *args):
    ctypes.set_errno(0)
    r = libc.syscall(nr, *args)
    return errno.errorcode.get(ctypes.get_errno(), '0') if r < 0 else 'WORKED'
for name, nr, args in CALLS:
    print(name, call(nr, *args))
"""

# name, number on x86-64, arguments: each must fail. EPERM: refused by the filter. ENOSYS: does not exist in here.
REFUSED = [
    ("mount", 165, (b"none", b"/tmp", b"tmpfs", 0, 0), "EPERM"),
    ("umount2", 166, (b"/proc", 2), "EPERM"),
    ("pivot_root", 155, (b"/tmp", b"/tmp"), "EPERM"),
    ("chroot", 161, (b"/tmp",), "EPERM"),
    ("unshare user", 272, (0x10000000,), "EPERM"),
    ("unshare net", 272, (0x40000000,), "EPERM"),
    ("setns", 308, (0, 0), "EPERM"),
    ("clone user", 56, (0x10000000 | 17, 0, 0, 0, 0), "EPERM"),
    ("clone pid", 56, (0x20000000 | 17, 0, 0, 0, 0), "EPERM"),
    ("clone3", 435, (0, 0), "ENOSYS"),
    ("landlock_create_ruleset", 444, (0, 0, 1), "ENOSYS"),
    ("ptrace", 101, (0, 0, 0, 0), "EPERM"),
    ("process_vm_readv", 310, (1, 0, 0, 0, 0, 0), "EPERM"),
    ("bpf", 321, (0, 0, 0), "EPERM"),
    ("perf_event_open", 298, (0, 0, 0, 0, 0), "EPERM"),
    ("userfaultfd", 323, (0,), "EPERM"),
    ("keyctl", 250, (0, 0, 0, 0, 0), "EPERM"),
    ("add_key", 248, (b"user", b"a", b"b", 1, -1), "EPERM"),
    ("io_uring_setup", 425, (1, 0), "EPERM"),
    ("open_by_handle_at", 304, (0, 0, 0), "EPERM"),
    ("init_module", 175, (0, 0, b""), "EPERM"),
    ("kexec_load", 246, (0, 0, 0, 0), "EPERM"),
    ("reboot", 169, (0xFEE1DEAD, 672274793, 0x1234567, 0), "EPERM"),
    ("open_tree", 428, (-100, b"/", 1), "EPERM"),
    ("fsopen", 430, (b"tmpfs", 0), "EPERM"),
    ("mount_setattr", 442, (-100, b"/", 0, 0, 0), "EPERM"),
    ("pidfd_getfd", 438, (0, 0, 0), "EPERM"),
    ("sethostname", 170, (b"x", 1), "EPERM"),
    ("setuid 0", 105, (0,), "EINVAL"),
    ("setgid 0", 106, (0,), "EINVAL"),
    ("setuid other", 105, (1000,), "EINVAL"),
    ("raw packets", 41, (17, 3, 0), "EPERM"),
    ("raw ip", 41, (2, 3, 1), "EPERM"),
    ("raw ip6", 41, (10, 3 | 0o2000000, 58), "EPERM"),
    ("netlink audit", 41, (16, 3, 9), "EPERM"),
    ("netlink netfilter", 41, (16, 3, 12), "EPERM"),
    ("vsock", 41, (40, 1, 0), "EPERM"),
    ("alg", 41, (38, 5, 0), "EPERM"),
    ("i386 numbers are not ours", 0x40000000 + 165, (0, 0, 0, 0, 0), "ENOSYS"),
]


class Escape(rig.Case):
    def test_system_calls(self):
        calls = [(n, nr, args) for n, nr, args, _ in REFUSED]
        e = self.server.python(SYSCALLS.replace("CALLS", repr(calls)))
        got = dict(line.rsplit(" ", 1) for line in e.text.strip().split("\n"))
        self.assertEqual(got, {n: want for n, _, _, want in REFUSED})

    def test_ordinary_sockets_work(self):
        e = self.server.python("""
import socket
for f, t in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_INET6, socket.SOCK_STREAM),
             (socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_NETLINK, socket.SOCK_RAW)):
    socket.socket(f, t)
import threading, subprocess, os
threading.Thread(target=print, args=('thread',)).start()
print(subprocess.check_output(['echo', 'child']))
print(os.sched_getaffinity(0) != set(), [i for _, i in socket.if_nameindex()])
""")
        self.assertIn("thread", e.text)
        self.assertIn("child", e.text)
        self.assertIn("['lo']", e.text)

    def test_no_rights(self):
        e = self.server.sh("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
        for line in e.text.strip().split("\n"):
            name, value = line.split(":")
            self.assertEqual(int(value, 16), {"NoNewPrivs": 1, "Seccomp": 2}.get(name, 0), line)

    def test_set_user_id_programs_give_nothing(self):
        e = self.server.sh("for p in /bin/su /usr/bin/passwd /bin/mount /usr/bin/newgrp; do [ -u $p ] && echo found; done; "
                           "su -c id </dev/null; true")
        self.assertNotIn("uid=0", e.text)

    def test_nothing_of_the_host_is_visible(self):
        secret = os.path.join(self.server.folder, "secret")
        with open(secret, "w") as f:
            f.write("s")
        e = self.server.sh(f"""
for p in /etc/shadow /etc/ssh /etc/hostname.host /root /home /var/lib /var/log /boot /sys /run /mnt /srv /data {self.server.data} {secret} {rig.SOURCE}/src; do
    [ -e $p ] && echo visible: $p
done
cat /proc/1/environ /proc/1/maps /proc/1/mem /proc/kcore /proc/kmsg >/dev/null && echo read
ls /proc/1/fd /proc/1/root /proc/1/cwd && echo listed
echo end""")
        self.assertNotIn("visible", e.text)
        self.assertNotIn("read\n", e.text.replace("read: ", ""))
        self.assertNotIn("listed", e.text)
        self.assertTrue(e.text.endswith("end\n"))

    def test_names_of_host_users_do_not_leak(self):
        e = self.server.sh("cut -d: -f1 /etc/passwd /etc/group | sort -u | tr '\\n' ' '")
        self.assertEqual(e.text.split(), ["nobody", "nogroup", "root", "sbx_user1051"])

    def test_everything_but_tmp_is_read_only(self):
        e = self.server.sh("""
for d in / /usr /usr/bin /usr/local /etc /etc/ssl/certs /var /var/task /var/runtime /opt /dev /proc /lib; do
    (touch $d/x) 2>/dev/null && echo "written: $d"
done
(echo x >>/var/task/run) 2>/dev/null && echo written: code
(echo 1 >/proc/sys/kernel/ns_last_pid) 2>/dev/null && echo written: sysctl
(echo 1 >/proc/sys/net/ipv4/ip_forward) 2>/dev/null && echo written: sysctl net
(echo c >/proc/sysrq-trigger) 2>/dev/null && echo written: sysrq
mknod /tmp/null c 1 3 2>/dev/null && echo written: device
touch /tmp/x && echo fine""")
        self.assertEqual(e.text, "fine\n")

    def test_no_device_but_the_five(self):
        e = self.server.sh("find / -xdev -type b -o -xdev -type c 2>/dev/null; find /dev -type b -o -type c | sort | tr '\\n' ' '")
        self.assertEqual(e.text.split(), ["/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"])

    def test_output_can_be_opened_again(self):
        self.assertEqual(self.server.sh("echo a >/dev/stderr; echo b >/dev/stdout; echo c >/proc/self/fd/1; cat /dev/stdin").text, "a\nb\nc\n")

    def test_other_environments_are_out_of_reach(self):
        marker = "mayfly-witness-of-this-test"
        other = self.server.run(["/bin/bash", "-c", f"echo secret >/tmp/{marker}; echo on; exec -a {marker} sleep 100"])
        other.read(b"on")
        e = self.server.python(f"""
import os
names = []
for p in os.listdir('/proc'):
    if p.isdigit():
        names.append(open('/proc/' + p + '/cmdline').read())
print(any({marker!r} in n for n in names if 'run.py' not in n), os.path.exists('/tmp/{marker}'))
for pid in [{other.started.pid}, {other.started.pid + 1}, {os.getpid()}]:
    try:
        os.kill(pid, 0)
        print('reached', pid)
    except OSError:
        pass
n = 0
for pid in range(3, 500):
    try:
        os.kill(pid, 9)
        n += pid != os.getpid()
    except OSError:
        pass
print(n)
try:
    os.kill(1, 9)
except OSError:
    pass
print('alive', open('/proc/1/comm').read())
""")
        self.assertEqual(e.text, "False False\n0\nalive mayfly-init\n\n")
        other.kill()
        other.wait()

    def test_init_cannot_be_written_to(self):
        e = self.server.python("""
for name in ('mem', 'environ', 'maps', 'auxv'):
    try:
        open('/proc/1/' + name, 'rb').read(1)
        print('read', name)
    except OSError as e:
        pass
try:
    open('/proc/1/mem', 'r+b')
    print('written')
except OSError:
    print('refused')
""")
        self.assertEqual(e.text, "refused\n")

    def test_shared_memory_and_queues_are_apart(self):
        make = "import ctypes; print(ctypes.CDLL(None).shmget(0x1234, 4096, 0o1666))"
        find = "import ctypes; print(ctypes.CDLL(None).shmget(0x1234, 0, 0))"
        holder = self.server.run(["/usr/bin/python3", "-c", make + "\nimport time; print('on', flush=True); time.sleep(100)"])
        holder.read(b"on")
        self.assertEqual(self.server.python(find).text, "-1\n")
        holder.kill()
        holder.wait()

    def test_host_users_differ(self):
        a = self.server.run(["/bin/sleep", "100"])
        b = self.server.run(["/bin/sleep", "100"])
        uids = {os.stat(f"/proc/{e.started.pid}/cmdline").st_uid for e in (a, b)}
        status = [open(f"/proc/{e.started.pid}/status").read() for e in (a, b)]
        ids = {[line for line in s.split("\n") if line.startswith("Uid:")][0] for s in status}
        for e in (a, b):
            e.kill()
            e.wait()
        self.assertEqual(len(ids), 2)
        self.assertTrue(all("\t0" not in i for i in ids), ids)
        self.assertEqual(uids, {0})  # init cannot be looked into

    def test_networks_are_apart(self):
        service = socket.create_server(("127.0.0.1", 0))
        port = service.getsockname()[1]
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind("\0mayfly-test-abstract")
        abstract.listen()
        a = self.server.run(["/usr/bin/python3", "-c", "import socket; s = socket.create_server(('127.0.0.1', 7777)); print('on', flush=True); s.accept()"])
        a.read(b"on")
        e = self.server.python(f"""
import socket
for at in (('127.0.0.1', {port}), ('127.0.0.1', 7777), ('8.8.8.8', 53), ('169.254.169.254', 80)):
    try:
        socket.create_connection(at, timeout=1)
        print('reached', at)
    except OSError:
        pass
try:
    s = socket.socket(socket.AF_UNIX); s.connect('\\0mayfly-test-abstract'); print('reached abstract')
except OSError:
    print('apart')
""")
        self.assertEqual(e.text, "apart\n")
        a.kill()
        a.wait()
        service.close()
        abstract.close()

    def test_the_two_ports_are_there(self):
        e = self.server.run(["/usr/bin/python3", "-c", """
import socket
for port in (9001, 4566):
    s = socket.create_connection(('127.0.0.1', port)); s.sendall(b'hi %d' % port); print(s.recv(10).decode())
"""])
        for fd in (e.api, e.endpoint):
            listener = socket.socket(fileno=os.dup(fd))
            listener.setblocking(True)
            connection, _ = listener.accept()
            connection.sendall(connection.recv(10).upper())
            connection.close()
            listener.close()
        self.assertEqual(e.finish(), "HI 9001\nHI 4566\n")

    def test_real_runtimes_start(self):
        if os.path.exists("/usr/bin/node"):
            e = self.server.run(["/usr/bin/node", "-e", """
const { Worker } = require('worker_threads');
new Worker('require("worker_threads").parentPort.postMessage(6*7)', {eval: true}).on('message', m => console.log(m, require('os').cpus().length > 0));
"""], memory=512)
            self.assertEqual(e.finish(), "42 true\n")
        e = self.server.python("import ssl, sqlite3, ctypes, json, urllib.request, asyncio; print(asyncio.run(asyncio.sleep(0, 5)), "
                               "len(ssl.create_default_context().get_ca_certs()) > 10)")
        self.assertEqual(e.text, "5 True\n")


if __name__ == "__main__":
    unittest.main()
