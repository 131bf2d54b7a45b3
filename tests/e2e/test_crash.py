"""Killed at any time, processes end, clients wait or are told, and the next server sweeps what is left, and serves."""
import contextlib
import glob
import os
import re
import signal
import threading
import time
import unittest
import urllib.request

from support import alive, call, comm, wait_until
from harness import Server

ECHO = "def handler(e, c):\n    return e\n"
SLEEPER = "import os, time\ndef handler(e, c):\n    time.sleep(e['s'])\n    return os.getpid()\n"


def groups_of(pid):
    """The control groups of the process's server, in every hierarchy: mayfly-<id>."""
    with open("/proc/%d/cgroup" % pid) as f:
        names = {part for line in f for part in line.strip().split("/") if part.startswith("mayfly-")}
    assert len(names) == 1, names
    return names.pop()


def group_folders(name):
    return glob.glob("/sys/fs/cgroup/%s/e*" % name) + glob.glob("/sys/fs/cgroup/*/%s/e*" % name)


def slots_in_use(name):
    """Groups of environments with processes in them; empty ones may stay for the slot's next environment."""
    found = set()
    for folder in group_folders(name):
        with contextlib.suppress(OSError), open(folder + "/cgroup.procs") as f:
            if f.read().strip():
                found.add(os.path.basename(folder))
    return found


def slot_of(pid):
    with open("/proc/%d/cgroup" % pid) as f:
        return re.search(r"/mayfly-[^/]+/(e\d+)", f.read())[1]


class Crash(unittest.TestCase):
    def setUp(self):
        self.server = Server("--pool", "1")
        self.addCleanup(self.server.close)

    def environments(self):
        """Pids of every mayfly-init, those of empty sandboxes too."""
        return [p for p in self.server.children() if comm(p) == "mayfly-init"]

    def only_its_own(self, group):
        """In the server's groups are the environments that it knows, and nobody else."""
        with contextlib.suppress(OSError, TypeError):  # one that ends meanwhile
            return slots_in_use(group) <= {slot_of(p) for p in self.environments()}
        return False

    def kill_control(self):
        pid = self.server.child("mayfly-control")
        os.kill(pid, signal.SIGKILL)
        return pid

    def test_processes_have_names(self):
        """In ps and top an administrator sees which process has which rights."""
        self.server.deploy({"app.py": ECHO})
        names = {}
        for pid in self.server.children():
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as f:
                    names.setdefault(comm(pid), os.path.basename(f.read().split(b"\0")[0].decode()))
            except FileNotFoundError:
                pass  # a helper that has ended
        self.assertEqual(names, {"mayflyd": "mayflyd", "mayfly-control": "mayfly-control", "mayfly-init": "mayfly-init"})

    def test_control_dies(self):
        """A request made meanwhile waits and succeeds; what the dead one had started ends."""
        client = self.server.client()
        name = self.server.deploy({"app.py": ECHO})
        call(client, name)
        before = self.environments()
        group = groups_of(before[0])
        self.assertTrue(group_folders(group))
        for n in range(3):
            old = self.kill_control()
            fresh = self.server.client()
            self.assertEqual(call(fresh, name, {"n": n})[1], {"n": n})
            new = self.server.child("mayfly-control")
            self.assertNotIn(new, (None, old))
        wait_until(lambda: len([p for p in before if alive(p)]) <= 1, 10, "the dead control's environments ended")
        # One environment serves, one sandbox is kept ready.
        wait_until(lambda: self.only_its_own(group), 10, "nobody is left in the dead ones' groups")

    def test_control_dies_under_running_invocations(self):
        client = self.server.client()
        name = self.server.deploy({"app.py": SLEEPER}, Timeout=20)
        call(client, name, {"s": 0})
        outcome = []
        def invoke():
            try:
                outcome.append(call(self.server.client(), name, {"s": 15})[1])
            except Exception as e:
                outcome.append(type(e).__name__)
        thread = threading.Thread(target=invoke)
        thread.start()
        wait_until(lambda: self.running() == 1, 10, "an invocation runs")
        self.kill_control()
        thread.join(10)
        self.assertFalse(thread.is_alive(), "the caller was left waiting")
        self.assertEqual(len(outcome), 1)
        self.assertIsInstance(outcome[0], str, "connection error expected")
        self.assertIsInstance(call(self.server.client(), name, {"s": 0})[1], int)

    def running(self):
        with urllib.request.urlopen(self.server.url + "/_mayfly/metrics", timeout=10) as r:
            for line in r.read().decode().splitlines():
                if line.startswith("mayfly_environments{") and 'state="busy"' in line:
                    return int(float(line.split()[-1]))
        return 0

    def test_runtime_dies(self):
        client = self.server.client()
        name = self.server.deploy({"app.py": "import os\ndef handler(e, c):\n    return os.getpid()\n"})
        for _ in range(3):
            call(client, name)
            victims = []
            for init in self.environments():
                with open("/proc/%d/task/%d/children" % (init, init)) as f:
                    victims += [int(p) for p in f.read().split()]
            self.assertTrue(victims)
            os.kill(victims[0], signal.SIGKILL)
            wait_until(lambda: not alive(victims[0]), 5, "the runtime is gone")
            got, body = call(client, name)
            if "FunctionError" in got:  # it may have been chosen before its end was known
                self.assertEqual(body["errorType"], "Runtime.ExitError")
                got, body = call(client, name)
            self.assertNotIn("FunctionError", got)

    def test_mayflyd_dies(self):
        """Everything ends by itself; the next start sweeps what is left, and serves."""
        client = self.server.client()
        name = self.server.deploy({"app.py": ECHO})
        call(client, name)
        for _ in range(2):
            everyone = self.server.children()
            self.assertGreater(len(everyone), 3)
            group = groups_of(self.environments()[0])
            self.server.stop(signal.SIGKILL)
            wait_until(lambda: not [p for p in everyone if alive(p)], 10, "everything ended: %s" % [comm(p) for p in everyone])
            self.server.start()
            self.assertEqual(call(self.server.client(), name, {"again": 1})[1], {"again": 1})
            wait_until(lambda: self.only_its_own(group), 10, "leftovers swept")
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(group_folders(group), [])

    def test_everything_dies_at_once(self):
        name = self.server.deploy({"app.py": SLEEPER}, Timeout=30)
        threads = [threading.Thread(target=self.ignore_errors, args=(name,)) for _ in range(4)]
        for t in threads:
            t.start()
        wait_until(lambda: self.running() == 4, 20, "four invocations run")
        everyone = self.server.children()
        for pid in everyone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for t in threads:
            t.join(20)
        self.server.stop(signal.SIGKILL)
        wait_until(lambda: not [p for p in everyone if alive(p)], 10, "everything ended")
        self.server.start()
        self.assertIsInstance(call(self.server.client(), name, {"s": 0})[1], int)

    def ignore_errors(self, name):
        try:
            call(self.server.client(), name, {"s": 20})
        except Exception:
            pass

    def test_terminated_while_an_invocation_runs(self):
        name = self.server.deploy({"app.py": SLEEPER}, Timeout=20)
        call(self.server.client(), name, {"s": 0})
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(call(self.server.client(), name, {"s": 1.5})))
        thread.start()
        wait_until(lambda: self.running() == 1, 10, "an invocation runs")
        self.server.process.send_signal(signal.SIGTERM)
        refused = None
        for _ in range(100):
            try:
                call(self.server.client(connect_timeout=2, read_timeout=5), name, {"s": 0})
            except Exception as e:
                refused = e
                break
            time.sleep(0.01)
        self.assertIsNotNone(refused, "new work was taken while draining")
        thread.join(20)
        self.assertEqual(len(outcome), 1)
        self.assertIsInstance(outcome[0][1], int)
        self.assertEqual(self.server.stop(), 0)

    def test_drain_has_an_end(self):
        self.server.close()
        with Server("--drain-seconds", "1") as self.server:
            name = self.server.deploy({"app.py": SLEEPER}, Timeout=100)
            thread = threading.Thread(target=self.ignore_errors, args=(name,))
            thread.start()
            wait_until(lambda: self.running() == 1, 10, "an invocation runs")
            self.assertEqual(self.server.stop(seconds=15), 0)
            thread.join(10)
            self.assertFalse(thread.is_alive())


if __name__ == "__main__":
    unittest.main()
