"""Real environments of a real mayflyd on a machine with nothing but cgroup v2 (tests/vm/run); the driver of tests/sandbox
stands in for mayfly-control. Needs a machine of its own: it counts control groups and fills memory."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.environ["ROOT"], "tests", "sandbox"))
import rig

MB = 1 << 20
WAIT_S = 90  # a software-emulated processor is slow; nothing waits this long when all is well
SPIN = "echo spinning\nwhile :; do :; done\n"
HOG = "print('begins', flush=True)\nx = b'x' * (%d << 20)\nprint('had it', flush=True)\n"


def group(env):
    """Folder of its control group, by the kernel's word."""
    with open("/proc/%d/cgroup" % env.started.pid, encoding="ascii") as f:
        return "/sys/fs/cgroup" + f.read().strip().split("::")[1]


def control(folder, file, key=None):
    with open(os.path.join(folder, file), encoding="ascii") as f:
        text = f.read()
    return int(dict(line.split() for line in text.splitlines())[key]) if key else text.strip()


def used_us(folder):
    return control(folder, "cpu.stat", "usage_usec")


def wait_until(what, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError("did not come true within %d s" % seconds)
        time.sleep(0.02)


def share(folder, seconds):
    """Part of one processor that the group gets."""
    start, used = time.monotonic(), used_us(folder)
    time.sleep(seconds)
    return (used_us(folder) - used) / 1e6 / (time.monotonic() - start)


class Environments(rig.Case):
    def start(self, script, memory=128):
        env = self.server.run(["/var/task/run"], files={"run": "#!/bin/sh\n" + script}, memory=memory)
        self.addCleanup(env.close)
        return env

    def finish(self, env):
        """Its output, once it has ended."""
        text = env.read(timeout=WAIT_S)
        env.wait(WAIT_S)
        return text

    def hog(self, mb):
        env = self.server.run(["/usr/bin/python3", "/var/task/run.py"], files={"run.py": HOG % mb}, memory=128)
        self.addCleanup(env.close)
        return env, self.finish(env)

    def end(self, env):
        env.kill()
        self.assertEqual(env.wait(WAIT_S)[0], "KILLED")

    def test_limits_are_those_of_the_function(self):
        env = self.start(SPIN, memory=256)
        env.read(until=b"spinning", timeout=WAIT_S)
        folder = group(env)
        self.assertEqual(env.started.cgroup_v2, 1)
        self.assertEqual(control(folder, "memory.max"), str(256 * MB))
        self.assertEqual(control(folder, "pids.max"), "1024")
        self.assertEqual(control(folder, "memory.oom.group"), "1")
        self.end(env)
        wait_until(lambda: not os.path.exists(folder))

    def test_memory_within_the_limit(self):
        env, text = self.hog(64)
        self.assertIn("had it", text)
        self.assertEqual((env.how, env.exited.status), ("CODE", 0))
        self.assertGreaterEqual(env.exited.peak_bytes, 64 * MB)

    def test_out_of_memory_is_reported_and_hurts_nobody_else(self):
        neighbour = self.start("echo here\nread x </dev/null\nwhile :; do sleep 0.2; echo alive; done\n")
        neighbour.read(until=b"here", timeout=WAIT_S)
        env, text = self.hog(300)
        self.assertIn("begins", text)
        self.assertNotIn("had it", text)
        self.assertEqual(env.how, "OOM")
        self.assertLessEqual(env.exited.peak_bytes, 128 * MB)
        self.assertGreater(env.exited.peak_bytes, 100 * MB)
        neighbour.out = b""
        neighbour.read(until=b"alive", timeout=WAIT_S)
        self.end(neighbour)

    def test_its_own_sigkill_is_not_out_of_memory(self):
        env = self.start("kill -KILL $$\n")
        self.finish(env)
        self.assertEqual((env.how, env.exited.status), ("SIGNAL", 9))

    def test_fork_bomb_stays_inside(self):
        env = self.start("n=0\nwhile :; do sleep 1000 & n=$((n + 1)); echo started $n; done\n", memory=512)
        self.full(env)
        other = self.start("echo $(echo a child process answers)\n")
        self.assertIn("a child process answers", self.finish(other))
        if not env.exited:
            env.kill()
            env.wait(WAIT_S)

    def full(self, env):
        """Waits until the kernel refused one: then it printed as many starts as there may be processes, but for the shell and
        process 1."""
        text = env.read(until=b"fork", timeout=WAIT_S)
        started = text.count("started")
        self.assertLessEqual(started, 1023)
        self.assertGreater(started, 900)

    def test_processor_time_is_proportional_once_the_init_phase_is_over(self):
        env = self.start(SPIN, memory=177)
        env.read(until=b"spinning", timeout=WAIT_S)
        folder = group(env)
        self.assertGreater(share(folder, 2), 0.5)
        wait_until(lambda: not control(folder, "cpu.max").startswith("max"))
        got = share(folder, 4)
        print("\n# 177 MB: %.1f %% of a processor" % (100 * got))
        self.assertGreater(got, 0.05)
        self.assertLess(got, 0.16)
        self.assertGreater(control(folder, "cpu.stat", "nr_throttled"), 0)
        self.end(env)

    def test_frozen_and_thawed(self):
        env = self.start(SPIN)
        env.read(until=b"spinning", timeout=WAIT_S)
        folder = group(env)
        os.write(env.freeze, b"1")
        wait_until(lambda: control(folder, "cgroup.events", "frozen") == 1)
        used = used_us(folder)
        time.sleep(0.3)
        self.assertEqual(used_us(folder), used)
        os.write(env.freeze, b"0")
        wait_until(lambda: used_us(folder) > used)
        self.end(env)

    def test_kill_ends_what_is_frozen(self):
        env = self.start(SPIN)
        env.read(until=b"spinning", timeout=WAIT_S)
        folder = group(env)
        os.write(env.freeze, b"1")
        wait_until(lambda: control(folder, "cgroup.events", "frozen") == 1)
        self.end(env)
        wait_until(lambda: not os.path.exists(folder))

    def test_tmp_is_not_charged_to_memory(self):
        env = self.start("dd if=/dev/zero of=/tmp/big bs=1M count=200 2>&1 && echo written\n")
        self.assertIn("written", self.finish(env))
        self.assertEqual((env.how, env.exited.status), ("CODE", 0))


class Restart(unittest.TestCase):
    def test_a_killed_servers_groups_are_swept(self):
        server = rig.Server("--pool", "0")
        try:
            env = server.run(["/var/task/run"], files={"run": "#!/bin/sh\n" + SPIN})
            env.read(until=b"spinning", timeout=WAIT_S)
            folder, name = group(env), rig.group_of(env.started.pid)
            os.write(env.freeze, b"1")
            wait_until(lambda: control(folder, "cgroup.events", "frozen") == 1)
            server.process.kill()
            server.process.wait(WAIT_S)
            env.close()
            server.process.stdout.close()
            server.log.close()
            server.start()
            wait_until(lambda: not os.path.exists(folder) or not control(folder, "cgroup.procs"))
        finally:
            server.remove()
        self.assertEqual(rig.groups(name), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
