"""Images and environments restored from them, as mayflyd makes and ends them; the engine's own tests are tests/snapshot."""
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import rig

# A runtime that executes what it is sent, and prints what that says.
LOOP = """
import os, socket, sys
%s
def loop():
    while True:
        s.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        got = b""
        while b"\\r\\n\\r\\n" not in got:
            piece = s.recv(65536)
            if not piece:
                sys.exit(7)
            got += piece
        exec(got.partition(b"\\r\\n\\r\\n")[2].decode(), globals())
        sys.stdout.flush()
s = socket.create_connection(("127.0.0.1", 9001))
loop()
"""


def runtime(init=""):
    return {"run.py": LOOP % init}


def until(test, what, timeout=10):
    end = time.monotonic() + timeout
    while not test():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.005)


class Restore(rig.Case):
    def zygotes(self):
        return [p for p, name in rig.children(self.server.process.pid).items() if name == "mayfly-restore"]

    def files(self):
        return sorted(os.listdir(os.path.join(self.server.data, "images")))

    def tell(self, env, text, answer):
        env.say(text)
        env.read(answer)

    def end(self, env):
        env.kill()
        env.wait()
        env.close()

    def test_an_image_and_what_comes_of_it(self):
        s = self.server
        before = set(self.zygotes())
        key, code = s.image(runtime("value = os.getpid() * 1000"))
        name = key.hex()
        until(lambda: name in self.files(), "it is kept")
        self.assertNotIn(name + ".new", self.files())
        st = os.stat(os.path.join(s.data, "images", name))
        self.assertEqual((st.st_uid, st.st_mode & 0o777), (0, 0o600))
        self.assertEqual(os.stat(os.path.join(s.data, "images")).st_mode & 0o777, 0o700)
        for n in range(3):
            e = s.restore(key, code)
            self.assertEqual((e.started.restored, e.started.park), (1, 0))
            self.assertGreater(e.started.image_bytes, 1 << 20)
            self.assertGreaterEqual(e.started.sandbox_ns, e.started.restore_ns)
            self.tell(e, "print('value', value, 'is', %d)" % n, b"value 2000 is %d" % n)
            self.tell(e, "print('pid', os.getpid(), os.getppid(), os.getuid())", b" 1 993\n")
            # The end is the runtime's own, as a started one's.
            e.say("os._exit(3)")
            e.read()
            self.assertEqual(e.wait(), ("CODE", 3))
            e.close()
        self.assertEqual(len(set(self.zygotes()) - before), 1)

    def test_a_runtime_that_is_killed_or_ended(self):
        s = self.server
        key, code = s.image(runtime())
        e = s.restore(key, code)
        e.say("os.kill(os.getpid(), 9)")
        e.read()
        self.assertEqual(e.wait(), ("SIGNAL", 9))
        e.close()
        e = s.restore(key, code)
        e.kill(grace_ms=5000)
        self.assertEqual(e.wait()[0], "KILLED")
        e.close()
        e = s.restore(key, code)
        e.connection.close()
        e.close()
        self.assertEqual(e.wait(), ("CODE", 7))

    def test_a_trial(self):
        s = self.server
        key, code = s.image(runtime(), keep=False)
        self.assertEqual(s.refused(key, code)[0], "NOT_FOUND", "it is not proved")
        before = set(self.zygotes())
        e = s.restore(key, code, how=rig.TRIAL)
        inner = socket.socket(fileno=os.dup(e.inner))
        self.assertEqual(inner.getpeername(), ("127.0.0.1", 9001))
        self.assertEqual(e.connection.getpeername(), inner.getsockname())
        inner.close()
        self.tell(e, "print('trial')", b"trial")
        self.end(e)
        s.send("IMAGE_DROP", key)
        until(lambda: self.files().count(key.hex() + ".new") == 0, "it is deleted")
        until(lambda: set(self.zygotes()) <= before, "its zygote ends")
        self.assertEqual(s.refused(key, code)[0], "NOT_FOUND")

    def test_dropping_ends_the_zygote(self):
        s = self.server
        key, code = s.image(runtime())
        before = set(self.zygotes())
        self.end(s.restore(key, code))
        mine = set(self.zygotes()) - before
        self.assertEqual(len(mine), 1)
        s.send("IMAGE_DROP", key)
        until(lambda: not mine & set(self.zygotes()), "it ends")
        until(lambda: key.hex() not in self.files(), "it is deleted")

    def test_many_wait_for_one_zygote(self):
        s = self.server
        key, code = s.image(runtime())
        envs = [s.request(["none"], code, how=rig.RESTORE, key=key) for _ in range(12)]
        for e in envs:
            e.take(s.expect("ENV_STARTED", lambda m, e=e: m.env_id == e.id))
        for e in envs:
            self.end(e)

    def test_a_zygote_that_dies_is_loaded_again(self):
        s = self.server
        key, code = s.image(runtime())
        before = set(self.zygotes())
        self.end(s.restore(key, code))
        for _ in range(4):  # more often than failed loads are allowed
            mine = set(self.zygotes()) - before
            for pid in mine:
                os.kill(pid, signal.SIGKILL)
            until(lambda: not mine & set(self.zygotes()), "it is dead")
            e = s.restore(key, code)
            self.tell(e, "print('again')", b"again")
            self.end(e)

    def test_control_restarts(self):
        s = rig.Server("--pool", "2")
        try:
            key, code = s.image(runtime())
            trial, _ = s.image(runtime(), keep=False)
            e = s.restore(key, code)
            zygote = [p for p, name in rig.children(s.process.pid).items() if name == "mayfly-restore"]
            e.close()
            s.order(b"X9")
            s.connect()
            found = s.expect("IMAGE_FOUND")
            self.assertEqual(found.key, key)
            self.assertGreater(found.file_bytes, 1 << 20)
            s.send("READY", bytes(8))
            folder = os.path.join(s.data, "images")
            until(lambda: os.listdir(folder) == [key.hex()], "the unproved one is deleted")
            e = s.restore(key, code)
            e.close()
            self.assertEqual([p for p, name in rig.children(s.process.pid).items() if name == "mayfly-restore"], zygote)
        finally:
            s.remove()

    def test_the_server_restarts(self):
        s = rig.Server("--pool", "2")
        try:
            key, code = s.image(runtime())
            s.image(runtime(), keep=False)
            damaged, _ = s.image(runtime())
            folder = os.path.join(s.data, "images")
            until(lambda: damaged.hex() in os.listdir(folder), "kept")
            last, _ = s.image(runtime())
            s.stop()
            self.assertIn(last.hex(), os.listdir(folder), "told to keep it, and to end")
            os.unlink(os.path.join(folder, last.hex()))
            with open(os.path.join(folder, damaged.hex()), "r+b") as f:
                f.seek(100)
                f.write(b"damage")
            with open(os.path.join(folder, "stranger"), "w"):
                pass
            s.process.stdout.close()
            s.start()
            self.assertEqual(s.expect("IMAGE_FOUND").key, key)
            self.assertEqual(os.listdir(folder), [key.hex()])
            e = s.restore(key, code)
            e.say("print('after')")
            e.read(b"after")
            e.close()
        finally:
            s.remove()

    def test_damage_is_found_when_it_is_loaded(self):
        s = self.server
        key, code = s.image(runtime())
        path = os.path.join(s.data, "images", key.hex())
        until(lambda: os.path.exists(path), "kept")
        with open(path, "r+b") as f:
            f.seek(-100, os.SEEK_END)
            f.write(b"damage")
        s.refused(key, code)
        self.assertEqual(s.expect("IMAGE_GONE").key, key)
        until(lambda: not os.path.exists(path), "it is deleted")

    def test_refused_with_a_reason(self):
        s = self.server
        code = s.code(runtime("import threading\nlistener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"))
        env = s.run(["/usr/bin/python3", "/var/task/run.py"], code)
        done, key = s.snapshot(env)
        env.close()
        self.assertEqual(rig.ERRORS[done.code], "UNSUPPORTED", done.msg)
        self.assertTrue(done.msg)
        until(lambda: not [f for f in self.files() if f.startswith(key.hex())], "its file is deleted")

    def test_snapshot_of_nobody(self):
        s = self.server
        s.send("SNAPSHOT", struct.pack("<Q32sIIII", 1 << 40, b"k" * 32, 0, 1, 0, 0))
        self.assertEqual(rig.ERRORS[s.expect("SNAPSHOT_DONE").code], "NOT_FOUND")

    def test_snapshot_while_one_is_taken(self):
        """A second order for the same environment is refused, and harms nobody."""
        s = self.server
        env = s.run(["/usr/bin/python3", "/var/task/run.py"], s.code(runtime("kept = bytes(1) * (50 << 20)")))
        with socket.socket(fileno=os.dup(env.api)) as listener:
            listener.settimeout(rig.WAIT_S)
            peer, at = listener.accept()
        peer.settimeout(rig.WAIT_S)
        self.assertTrue(peer.recv(4096))
        for key in (b"1" * 32, b"2" * 32):
            s.send("SNAPSHOT", struct.pack("<Q32sIIII", env.id, key, 0, at[1], 0, 0))
        refused = s.expect("SNAPSHOT_DONE", lambda m: m.key == b"2" * 32)
        self.assertNotEqual(refused.code, 0)
        s.expect("SNAPSHOT_DONE", lambda m: m.key == b"1" * 32)
        peer.close()
        env.wait()
        env.close()
        self.assertEqual(s.sh("echo fine").text, "fine\n")

    def test_folder_is_limited(self):
        s = rig.Server("--pool", "2", "--snapshot-disk", "16")
        try:
            keys = [s.image(runtime("x = os.urandom(2 << 20)"))[0] for _ in range(4)]
            gone = s.expect("IMAGE_GONE")
            self.assertEqual(gone.key, keys[0], "the oldest goes first")
            self.assertIn("--snapshot-disk", gone.msg)
        finally:
            s.remove()

    def test_memory_of_zygotes_is_limited(self):
        s = rig.Server("--pool", "2", "--snapshot-memory", "12")
        try:
            count = lambda: sum(name == "mayfly-restore" for name in rig.children(s.process.pid).values())
            pairs = [s.image(runtime()) for _ in range(4)]
            for key, code in pairs:
                e = s.restore(key, code)
                self.assertLess(2 * e.started.image_bytes, 12 << 20)
                self.assertGreater(4 * e.started.image_bytes, 12 << 20)
                e.kill()
                e.wait()
                e.close()
            until(lambda: count() <= 3, "the oldest end")
            self.assertGreaterEqual(count(), 1)
            large, code = s.image(runtime("x = os.urandom(40 << 20)"))
            for _ in range(2):
                e = s.restore(large, code)
                e.say("print(len(x))")
                e.read(b"%d" % (40 << 20))
                until(lambda: count() <= 3, "one that is too large is for one use")
                e.kill()
                e.wait()
                e.close()
        finally:
            s.remove()

    def test_tmp_is_restored(self):
        s = self.server
        key, code = s.image(runtime("open('/tmp/x', 'w').write('kept'); os.mkdir('/tmp/d')"))
        for _ in range(2):
            e = s.restore(key, code)
            self.tell(e, "print(sorted(os.listdir('/tmp')), open('/tmp/x').read(), os.stat('/tmp/x').st_uid); open('/tmp/x', 'w').write('mine')",
                      b"['d', 'x'] kept 993")
            self.end(e)

    def test_layers_and_outbound_network(self):
        s = self.server
        layer = s.code({"in-a-layer": "yes"})
        key, code = s.image(runtime(), layers=[layer], network=1)
        e = s.restore(key, code, layers=[layer], network=1)
        self.tell(e, "print(os.listdir('/opt'), os.listdir('/sys/class/net') if os.path.exists('/sys') else open('/proc/net/dev').read().count('eth0'))",
                  b"['in-a-layer'] 1")
        self.end(e)

    def test_nothing_is_left(self):
        s = self.server
        key, code = s.image(runtime())
        count = lambda: (len(os.listdir(f"/proc/{s.process.pid}/fd")), len(open(f"/proc/{s.process.pid}/mounts").read().split("\n")))
        for n in range(40):
            e = s.restore(key, code)
            name = rig.group_of(e.started.pid)
            self.end(e)
            if n == 9:
                time.sleep(0.3)
                before, slots = count(), rig.slots(name)[0]
        until(lambda: count() <= before, f"{before} grows to {count()}")
        until(lambda: rig.slots(name)[1] <= 5, "control groups are empty")  # pool, ready, one more
        self.assertLessEqual(rig.slots(name)[0], slots + 5, "they are used again")

    def test_disk_full(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=0755", "none", folder], check=True)
            try:
                s = rig.Server("--pool", "1", data=os.path.join(folder, "data"))
                try:
                    code = s.code(runtime("x = os.urandom(60 << 20)"))
                    e = s.run(["/usr/bin/python3", "/var/task/run.py"], code)
                    done, _ = s.snapshot(e)
                    e.close()
                    self.assertEqual(rig.ERRORS[done.code], "DISK_FULL", done.msg)
                    until(lambda: os.listdir(os.path.join(s.data, "images")) == [], "nothing is left")
                    until(lambda: os.statvfs(folder).f_bfree * os.statvfs(folder).f_bsize > 20 << 20, "its room is free")
                    key, code = s.image(runtime())
                    s.restore(key, code).close()
                finally:
                    s.remove()
            finally:
                subprocess.run(["umount", "-l", folder], check=True)

    def test_loads_that_fail_again_and_again(self):
        s = rig.Server("--pool", "1", start=False)
        try:
            shutil.copy2("/bin/false", os.path.join(s.bin, "mayfly-restore"))
            s.start()
            key, code = s.image(runtime())
            for _ in range(3):
                self.assertEqual(s.refused(key, code)[0], "INTERNAL")
            self.assertEqual(s.expect("IMAGE_GONE").key, key)
            self.assertEqual(s.refused(key, code)[0], "NOT_FOUND")
            self.assertEqual(s.sh("echo plain").text, "plain\n")
        finally:
            s.remove()

    def test_without_the_program_there_are_no_images(self):
        s = rig.Server("--pool", "1", start=False)
        try:
            os.unlink(os.path.join(s.bin, "mayfly-restore"))
            s.start()
            e = s.run(["/usr/bin/python3", "/var/task/run.py"], s.code(runtime()))
            done, _ = s.snapshot(e)
            e.close()
            self.assertEqual(rig.ERRORS[done.code], "UNSUPPORTED")
            self.assertIn("mayfly-restore", done.msg)
        finally:
            s.remove()

    def test_hands_that_die(self):
        s = rig.Server("--pool", "2")
        try:
            key, code = s.image(runtime())
            s.restore(key, code).close()
            for _ in range(2):
                hands = [p for p, name in rig.children(s.process.pid).items() if name == "mayflyd"]
                self.assertGreaterEqual(len(hands), 5)
                for pid in hands:
                    with contextlib.suppress(ProcessLookupError):  # a maker's child, which looks like one
                        os.kill(pid, signal.SIGKILL)
                until(lambda: not set(hands) & set(rig.children(s.process.pid)), "they are dead")
                until(lambda: sum(n == "mayflyd" for n in rig.children(s.process.pid).values()) >= 5, "they are started again")
                e = s.restore(key, code)
                e.say("print('restored')")
                e.read(b"restored")
                e.kill()
                e.wait()
                e.close()
                self.assertEqual(s.sh("echo plain").text, "plain\n")
        finally:
            s.remove()

    def test_the_server_ends_its_zygotes(self):
        s = rig.Server("--pool", "1")
        key, code = s.image(runtime())
        e = s.restore(key, code)
        zygotes = [p for p, name in rig.children(s.process.pid).items() if name == "mayfly-restore"]
        e.close()
        self.assertEqual(len(zygotes), 1)
        s.process.kill()
        s.process.wait()
        until(lambda: not os.path.exists(f"/proc/{zygotes[0]}") or "Z" in open(f"/proc/{zygotes[0]}/stat").read().split(") ")[1][:1], "it ends")
        s.remove()


class Ready(rig.Case):
    """Sandboxes that are made ready ahead for images that are restored."""

    AHEAD = 2  # enum ipc_ahead: all but the processes was there

    def ready(self, s=None):
        """The mayfly-init of each: it has code, and nothing runs in it."""
        found = []
        for pid, name in rig.children((s or self.server).process.pid).items():
            with contextlib.suppress(OSError):
                if name == "mayfly-init" and os.listdir(f"/proc/{pid}/root/var/task") and not rig.children(pid):
                    found.append(pid)
        return found

    def end(self, env):
        env.kill()
        env.wait()
        env.close()

    def taken(self, s, key, code, **more):
        """A restore that took what was made ready: the next one, or one soon after."""
        for _ in range(50):
            until(lambda: self.ready(s), "one is made ready")
            e = s.restore(key, code, **more)
            if e.started.pooled == self.AHEAD:
                return e
            self.end(e)
        raise AssertionError("what was made ready is never taken")

    def image(self, init="", **more):
        key, code = self.server.image(runtime(init), **more)
        self.addCleanup(self.drop, key)
        return key, code

    def drop(self, key):
        """Each test begins without any."""
        self.server.send("IMAGE_DROP", key)
        until(lambda: not self.ready(), "it ends with its image")

    def tell(self, env, text, answer):
        env.say(text)
        env.read(answer)

    def test_the_next_restore_takes_it(self):
        s = self.server
        key, code = self.image(init="open('/tmp/x', 'w').write('kept'); value = 5")
        e = s.restore(key, code)
        self.assertLess(e.started.pooled, self.AHEAD, "nobody knew")
        self.end(e)
        for n in range(5):
            e = self.taken(s, key, code)
            self.assertEqual((e.started.restored, e.started.park), (1, 0))
            self.assertGreaterEqual(e.started.sandbox_ns, e.started.restore_ns)
            self.tell(e, "print(value, open('/tmp/x').read(), os.listdir('/var/task'), os.getppid()); open('/tmp/x', 'w').write('mine')", b"5 kept ['run.py'] 1\n")
            e.say("os._exit(%d)" % n)
            e.read()
            self.assertEqual(e.wait(), ("CODE", n))
            e.close()

    def test_many_at_once(self):
        """One has it, the others are served as ever."""
        s = self.server
        key, code = self.image()
        self.end(s.restore(key, code))
        until(self.ready, "one is made ready")
        envs = [s.request(["none"], code, how=rig.RESTORE, key=key) for _ in range(6)]
        for e in envs:
            e.take(s.expect("ENV_STARTED", lambda m, e=e: m.env_id == e.id))
        self.assertEqual(len({e.started.pid for e in envs}), len(envs))
        for n, e in enumerate(envs):
            e.connection = socket.socket(fileno=os.dup(e.parked))
            self.tell(e, f"print('this is', {n}, os.listdir('/tmp')); open('/tmp/x', 'w')", b"this is %d []\n" % n)
        for e in envs:
            self.end(e)

    def test_other_settings_never_get_it(self):
        s = self.server
        other, layer, layer2 = (s.code({name: "x"}) for name in ("other", "layer", "layer2"))
        key, code = self.image()
        show = ("f = os.open('/tmp/x', os.O_RDWR | os.O_CREAT)\nroom = True\ntry: os.posix_fallocate(f, 0, 700 << 20)\nexcept OSError: room = False\n"
                "os.unlink('/tmp/x'); os.close(f); print(os.listdir('/var/task'), os.listdir('/opt'), room)")
        plain = dict(code=code)
        changed = [(dict(code=other), b"['other'] [] False\n"), (dict(code=code, memory=256), b"['run.py'] [] False\n"),
                   (dict(code=code, tmp=1024), b"['run.py'] [] True\n"), (dict(code=code, layers=[layer]), b"['run.py'] ['layer'] False\n")]
        for settings, answer in changed:
            self.end(s.restore(key, **plain))
            self.end(self.taken(s, key, **plain))
            until(self.ready, "one is made ready")
            e = s.restore(key, **settings)
            self.assertLess(e.started.pooled, self.AHEAD, settings)
            self.tell(e, show, answer)
            self.end(e)
            # From now on it is made ready for these.
            e = self.taken(s, key, **settings)
            self.tell(e, show, answer)
            limit = [g for g in rig.groups(rig.group_of(e.started.pid)) if "memory" in g or os.path.exists(g + "/memory.max")]
            number = re.search(r"/(e\d+)", open(f"/proc/{e.started.pid}/cgroup").read())[1]
            name = next(n for n in ("memory.limit_in_bytes", "memory.max") if os.path.exists(f"{limit[0]}/{number}/{n}"))
            bytes_ = int(open(f"{limit[0]}/{number}/{name}").read())
            self.assertEqual(bytes_ >> 27, settings.get("memory", 128) >> 7)
            self.end(e)
        e = s.restore(key, code, layers=[layer2])
        self.assertLess(e.started.pooled, self.AHEAD)
        self.tell(e, show, b"['run.py'] ['layer2'] False\n")
        self.end(e)

    def test_outbound_network_is_not_made_ready(self):
        s = self.server
        key, code = self.image(network=1)
        for _ in range(3):
            e = s.restore(key, code, network=1)
            self.assertLess(e.started.pooled, self.AHEAD)
            self.end(e)
            time.sleep(0.05)
        self.assertEqual(self.ready(), [])

    def test_its_zygote_dies(self):
        s = self.server
        key, code = self.image()
        before = {p for p, name in rig.children(s.process.pid).items() if name == "mayfly-restore"}
        self.end(s.restore(key, code))
        self.end(self.taken(s, key, code))
        until(self.ready, "one is made ready")
        ready = set(self.ready())
        for pid, name in rig.children(s.process.pid).items():
            if name == "mayfly-restore" and pid not in before:
                os.kill(pid, signal.SIGKILL)
        until(lambda: not ready & set(self.ready()), "it ends with its zygote")
        self.end(s.restore(key, code))
        self.end(self.taken(s, key, code))

    def test_it_dies_itself(self):
        s = self.server
        key, code = self.image()
        self.end(s.restore(key, code))
        for _ in range(3):
            until(self.ready, "one is made ready")
            for pid in self.ready():
                os.kill(pid, signal.SIGKILL)
            until(lambda: not self.ready(), "it is dead")
            self.end(s.restore(key, code))
        self.end(self.taken(s, key, code))

    def test_control_dies(self):
        s = rig.Server("--pool", "2")
        try:
            key, code = s.image(runtime())
            self.end(s.restore(key, code))
            e = self.taken(s, key, code)
            name = rig.group_of(e.started.pid)
            self.end(e)
            # Environments and their groups, descriptors, mounts.
            inits = lambda: sum(n == "mayfly-init" for n in rig.children(s.process.pid).values())
            count = lambda: (inits(), rig.slots(name)[1], len(os.listdir(f"/proc/{s.process.pid}/fd")),
                             len(open(f"/proc/{s.process.pid}/mounts").read().split("\n")))
            until(lambda: self.ready(s) and inits() == 3, "one is made ready, and the pool is full")
            before = None
            for _ in range(4):
                until(lambda: self.ready(s) and inits() == 3, "one is made ready, and the pool is full")
                os.kill(next(p for p, n in rig.children(s.process.pid).items() if n == "mayfly-control"), signal.SIGKILL)
                until(lambda: not self.ready(s), "it ends with control")
                s.connect()
                s.send("READY", bytes(8))
                until(lambda: inits() == 2, "the pool is full")
                time.sleep(0.2)
                before = before or count()
                until(lambda: count() <= before, f"{before} grows to {count()}")
                self.end(s.restore(key, code))
                self.end(self.taken(s, key, code))
        finally:
            s.remove()

    def test_as_many_as_the_pool_has(self):
        s = rig.Server("--pool", "2")
        try:
            images = [s.image(runtime()) for _ in range(4)]
            for key, code in images + images:
                self.end(s.restore(key, code))
                time.sleep(0.1)
                self.assertLessEqual(len(self.ready(s)), 2)
            until(lambda: len(self.ready(s)) == 2, "those used last have one")
            e = s.restore(*images[0])
            self.assertLess(e.started.pooled, self.AHEAD, "the longest unused went")
            self.end(e)
        finally:
            s.remove()

    def test_they_give_way_when_the_machine_is_full(self):
        s = rig.Server("--pool", "1", "--max-environments", "1")
        try:
            key, code = s.image(runtime())
            self.end(s.restore(key, code))
            until(lambda: self.ready(s), "one is made ready")
            files = {"run": "#!/bin/sh\nsleep 100"}
            envs = [s.run(["/var/task/run"], files=files) for _ in range(2)]
            until(lambda: len(self.ready(s)) == 1, "it stays, and what was started runs")
            envs.append(s.run(["/var/task/run"], files=files))
            until(lambda: not self.ready(s), "there is no room for it")
            for e in envs:
                self.end(e)
        finally:
            s.remove()

    def test_the_server_stops(self):
        s = rig.Server("--pool", "1")
        try:
            key, code = s.image(runtime())
            e = s.restore(key, code)
            name = rig.group_of(e.started.pid)
            self.end(e)
            until(lambda: self.ready(s), "one is made ready")
            all_ = list(rig.children(s.process.pid))
            self.assertEqual(s.stop(), 0)
            self.assertEqual([p for p in all_ if os.path.exists(f"/proc/{p}")], [])
            self.assertEqual(rig.groups(name), [])
        finally:
            s.remove()


class Memory(rig.Case):
    """What is counted and limited: an environment's own pages, and those of its image that it still shares."""

    MB = 1 << 20
    # Every page of so many MB, once.
    TAKE = "def take(mb):\n    b = bytearray(mb << 20)\n    for i in range(0, len(b), 4096): b[i] = 1\n    return b\nimport time\n"

    def start(self, image_mb, memory):
        key, code = self.server.image(runtime(f"x = bytearray(os.urandom({image_mb} << 20))"), memory=memory)
        e = self.server.restore(key, code, memory=memory)
        self.assertGreater(e.started.image_bytes, image_mb * self.MB)
        return e

    def test_writing_to_its_own_pages_is_free(self):
        e = self.start(60, 128)
        e.say("for i in range(0, len(x), 4096): x[i] = 1\n" + self.TAKE + "y = take(40)\ntime.sleep(1)\nprint('alive', x[8192])")
        e.read(b"alive 1")
        self.assertGreater(int(os.pread(e.peak, 32, 0)), 100 * self.MB)
        e.kill()
        e.wait()
        e.close()

    def test_the_image_counts(self):
        e = self.start(60, 128)
        # 60 + 90 are too much, though the kernel's count stays below 128.
        e.say(self.TAKE + "y = take(90)\ntime.sleep(10)\nprint('alive')")
        e.read()
        self.assertEqual(e.wait()[0], "OOM")
        self.assertNotIn(b"alive", e.out)
        self.assertLess(e.exited.peak_bytes, 125 * self.MB)
        e.close()

    def test_below_the_limit_nothing_happens(self):
        e = self.start(60, 128)
        e.say(self.TAKE + "y = take(45)\ntime.sleep(1.5)\nprint('alive')")
        e.read(b"alive")
        e.kill()
        e.wait()
        e.close()

    def test_children_share_too(self):
        e = self.start(60, 128)
        e.say(self.TAKE + "y = take(40)\nfor _ in range(3):\n    if os.fork() == 0: time.sleep(10)\ntime.sleep(1.5)\nprint('alive')")
        e.read(b"alive")
        e.kill()
        e.wait()
        e.close()

    def test_pages_of_files_give_way(self):
        e = self.start(60, 128)
        e.say("f = open('/tmp/f', 'wb')\nfor _ in range(300): f.write(bytes(1 << 20))\nf.close()\nopen('/tmp/f', 'rb').read(1)\n"
              "import time\nt = time.monotonic()\nwhile time.monotonic() < t + 1:\n    g = open('/tmp/f', 'rb')\n    while g.read(1 << 20): pass\nprint('alive')")
        e.read(b"alive")
        e.kill()
        e.wait()
        e.close()


if __name__ == "__main__":
    unittest.main()
