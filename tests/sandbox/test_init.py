"""How a runtime is started, what it sees, how its end is told."""
import contextlib
import os
import signal
import time
import unittest

import rig


class Init(rig.Case):
    def test_output_environment_and_status(self):
        e = self.server.run(["/var/task/run", "a b"], files={"run": "#!/bin/sh\necho \"$1|$X|$(pwd)\"\necho oops >&2\nexit 7\n"},
                            env={"X": "y z"})
        self.assertEqual(e.finish(), "a b|y z|/var/task\noops\n")
        self.assertEqual((e.how, e.exited.status), ("CODE", 7))
        self.assertGreater(e.exited.peak_bytes, 0)

    def test_runtime_is_process_2_of_its_user(self):
        e = self.server.sh("echo $$ $(id -u) $(id -g); cat /proc/1/comm; ls /proc | grep -c '^[0-9]'")
        self.assertEqual(e.text.split("\n")[:2], ["2 993 990", "mayfly-init"])

    def test_signal_is_told(self):
        e = self.server.sh("kill -SEGV $$")
        self.assertEqual((e.how, e.exited.status), ("SIGNAL", signal.SIGSEGV))

    def test_missing_command(self):
        e = self.server.run(["/var/task/bootstrap", "/opt/bootstrap"], files={"x": ""}, candidates=2)
        self.assertEqual(e.wait(), ("EXEC_FAILED", 2))

    def test_command_without_execute_bit(self):
        e = self.server.run(["/var/task/bootstrap", "/opt/bootstrap"], files={"bootstrap": ("#!/bin/sh\n", 0o644)}, candidates=2)
        self.assertEqual(e.wait(), ("EXEC_FAILED", 13))

    def test_command_that_is_no_program(self):
        e = self.server.run(["/var/task/bootstrap"], files={"bootstrap": "echo no shebang\n"})
        self.assertEqual(e.wait(), ("EXEC_FAILED", 8))

    def test_second_candidate(self):
        layer = self.server.code({"bootstrap": "#!/bin/sh\necho from the layer $0\n"})
        e = self.server.run(["/var/task/bootstrap", "/opt/bootstrap"], candidates=2, layers=[layer])
        self.assertEqual(e.finish(), "from the layer /opt/bootstrap\n")

    def test_layers_are_merged_the_last_on_top(self):
        a = self.server.code({"x": "a", "only-a": "1", "d/a": ""})
        b = self.server.code({"x": "b", "d/b": ""})
        e = self.server.run(["/bin/sh", "-c", "cat /opt/x; ls /opt /opt/d; touch /opt/y || echo read-only"], layers=[a, b])
        text = e.finish()
        self.assertTrue(text.startswith("b"), text)
        for word in ("only-a", "\na\nb\n", "read-only"):
            self.assertIn(word, text)

    def test_exec_wrapper(self):
        e = self.server.run(["/bin/echo", "hello"], files={"wrap": "#!/bin/sh\necho wrapped: \"$@\"\n"},
                            env={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"})
        self.assertEqual(e.finish(), "wrapped: /bin/echo hello\n")

    def test_missing_exec_wrapper(self):
        e = self.server.run(["/bin/echo", "hello"], env={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/none"})
        self.assertEqual(e.wait(), ("CODE", 127))

    def test_kill(self):
        e = self.server.run(["/bin/sh", "-c", "trap '' TERM; echo on; while :; do sleep 1; done"])
        e.read(b"on")
        e.kill()
        self.assertEqual(e.wait()[0], "KILLED")

    def test_kill_with_grace_runs_the_handler(self):
        e = self.server.run(["/bin/bash", "-c", "trap 'echo bye; exit 3' TERM; echo on; while :; do sleep 0.01; done"])
        e.read(b"on")
        e.kill(grace_ms=10000)
        self.assertIn("bye", e.finish())
        self.assertEqual(e.how, "KILLED")

    def test_kill_after_grace(self):
        e = self.server.run(["/bin/bash", "-c", "trap '' TERM; echo on; while :; do sleep 0.01; done"])
        e.read(b"on")
        e.kill(grace_ms=50)
        self.assertEqual(e.wait()[0], "KILLED")

    def test_frozen_environment_is_frozen_and_can_be_killed(self):
        e = self.server.run(["/bin/bash", "-c", "while :; do echo x; sleep 0.005; done"])
        e.read(b"x\nx\n")
        os.write(e.freeze, b"1" if e.started.cgroup_v2 else b"FROZEN")
        time.sleep(0.1)
        with contextlib.suppress(BlockingIOError):
            os.read(e.log, 1 << 20)
        time.sleep(0.1)
        self.assertRaises(BlockingIOError, os.read, e.log, 1)
        e.kill()
        self.assertEqual(e.wait()[0], "KILLED")

    def test_orphans_are_reaped_and_end_with_the_runtime(self):
        e = self.server.run(["/bin/bash", "-c", "(sleep 0.01 &) ; (sleep 1000 &) ; sleep 0.1; grep -l 'State:.Z' /proc/[0-9]*/status; echo over"])
        self.assertEqual(e.finish(), "over\n")

    def test_closed_output_does_not_end_it(self):
        e = self.server.run(["/bin/bash", "-c", "exec >&- 2>&-; sleep 0.1; exit 5"])
        self.assertEqual(e.wait(), ("CODE", 5))

    def test_kill_of_what_is_not_there(self):
        self.server.send("ENV_KILL", rig.struct.pack("<QII", 1 << 40, 0, 0))
        self.assertEqual(self.server.sh("echo still").text, "still\n")

    AGENT = "#!/bin/sh\necho $0 in $(pwd) $X $LAMBDA_TASK_ROOT $_Y.\ntrap '' TERM\nwhile :; do sleep 0.02; done\n"
    RUN = "#!/bin/bash\ntrap 'echo bye; exit 3' TERM\necho on\nwhile :; do sleep 0.01; done\n"

    def extended(self, names, files, run=RUN):
        layer = self.server.code({"extensions/" + name: text for name, text in files.items()})
        return self.server.run(["/var/task/run"], files={"run": run}, layers=[layer], extensions=names,
                               env={"X": "1", "LAMBDA_TASK_ROOT": "/var/task", "_Y": "2"})

    def test_extensions_come_first_and_leave_last(self):
        e = self.extended(["a", "b"], {"a": self.AGENT, "b": self.AGENT})
        for name in "ab":
            self.assertIn(f"/opt/extensions/{name} in / 1 .\n", e.read(f"/{name} in / 1 .\n".encode()))
        self.assertNotIn("on\n", e.out.decode())
        e.begin()
        e.read(b"on\n")
        e.kill(grace_ms=300, leavers=1)
        self.assertEqual(e.ended(), (0, "CODE", 3))
        self.assertEqual(e.ended(), (2, "SIGNAL", signal.SIGKILL))
        self.assertEqual(e.wait()[0], "KILLED")
        self.assertIn("bye\n", e.read())

    def test_all_have_left(self):
        e = self.extended(["a"], {"a": "#!/bin/sh\nexit 4\n"}, run="#!/bin/sh\nexec sleep 100\n")
        self.assertEqual(e.ended(), (1, "CODE", 4))
        e.begin()
        e.begin()
        e.kill(grace_ms=10000, leavers=1)
        self.assertEqual(e.ended(), (0, "SIGNAL", signal.SIGTERM))
        self.assertEqual(e.wait()[0], "KILLED")

    def test_a_runtime_that_does_not_leave(self):
        e = self.extended(["a"], {"a": self.AGENT}, run="#!/bin/bash\ntrap '' TERM\necho on\nwhile :; do sleep 0.01; done\n")
        e.begin()
        e.read(b"on\n")
        e.kill(grace_ms=10000)
        self.assertEqual(e.ended(), (0, "SIGNAL", signal.SIGKILL))
        self.assertEqual(e.wait()[0], "KILLED")

    def test_extensions_outlive_the_runtime(self):
        e = self.extended(["a", "none"], {"a": self.AGENT}, run="#!/bin/sh\nexit 7\n")
        self.assertEqual(e.ended(), (2, "EXEC_FAILED", 2))
        e.begin()
        self.assertEqual(e.ended(), (0, "CODE", 7))
        e.kill(grace_ms=10000)
        self.assertEqual(e.wait()[0], "KILLED")

    def test_extensions_that_nobody_announced(self):
        e = self.server.request(["/var/task/run"], self.server.code({"run": self.RUN}), launch=rig.launch_fd(["/var/task/run"], extensions=["../x"]))
        e.take(self.server.expect("ENV_STARTED", lambda m: m.env_id == e.id))
        self.assertEqual(e.wait()[0], "EXEC_FAILED")
        e.close()

    def test_init_is_small(self):
        """It is part of every environment's memory."""
        e = self.server.run(["/bin/sleep", "100"])
        own = 0
        for line in open(f"/proc/{e.started.pid}/smaps_rollup"):
            if line.startswith(("Private_Dirty", "Private_Clean")):
                own += int(line.split()[1])
        e.kill()
        e.wait()
        self.assertLess(own, 800)

    def test_many_at_once(self):
        code = self.server.code({"run": "#!/bin/sh\necho $$\n"})
        envs = [self.server.request(["/var/task/run"], code) for _ in range(40)]
        for e in envs:
            e.take(self.server.expect("ENV_STARTED", lambda m, e=e: m.env_id == e.id))
        for e in envs:
            self.assertEqual(e.finish(), "2\n")
            e.close()


if __name__ == "__main__":
    unittest.main()
