"""./run: builds, starts, deploys and invokes every example, shows where the time went, stays until Ctrl-C, leaves nothing."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from support import MAYFLY, ROOT, alive, run

LIMIT_SECONDS = 120
STREAMS = ("stream-shell",)  # their answers are text


class Run(unittest.TestCase):
    def test_from_start_to_ctrl_c(self):
        data = tempfile.mkdtemp(prefix="mayfly-test-")
        self.addCleanup(shutil.rmtree, data)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MAYFLY_"))}
        env["BUILD"] = os.path.relpath(os.path.dirname(MAYFLY), ROOT)
        process = subprocess.Popen(["./run", "--data", data, "--listen", "127.0.0.1:0"], cwd=ROOT, env=env, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        watch = threading.Timer(LIMIT_SECONDS, process.kill)
        watch.start()
        said = ""
        try:
            for line in process.stdout:
                said += line
                if line.startswith("Ctrl-C ends"):
                    break
            self.assertIn("\nWhat to try next", said)
            self.assertNotIn("failed", said)
            with open(os.path.join(data, "lock"), encoding="utf-8") as f:
                server = int(f.read())
            listed = run(MAYFLY, "list", "--names", "--data", data, env=env).stdout.split()
            # As a terminal does it: the signal goes to every process of the group.
            os.killpg(process.pid, signal.SIGINT)
            self.assertEqual(process.wait(60), 130)
        finally:
            watch.cancel()
            if process.poll() is None:
                process.terminate()
                process.wait(60)
            process.stdout.close()
        self.assertFalse(alive(server))
        names = sorted(d.name for d in os.scandir(os.path.join(ROOT, "examples")) if d.is_dir())
        self.assertEqual(sorted(listed), names)
        for name in names:
            with self.subTest(name):
                # The server's own lines may stand anywhere.
                said = re.sub(r"(?m)^\d{4}-\d\d-\d\dT.*\n", "", said)
                part = re.search(r"^%s:?\n(.*?)(?=^$|^What to try)" % re.escape(name), said, re.M | re.S)[1]
                answer = part.split("\n")[0]
                self.assertTrue(answer == "hello" if name in STREAMS else json.loads(answer), answer)
                self.assertRegex(part, r"(?m)^cold start, .*\n  sandbox .*\n  init .*\n  function ")

    def test_help(self):
        done = run("./run", "--help", cwd=ROOT, env=dict(os.environ, BUILD=os.path.relpath(os.path.dirname(MAYFLY), ROOT)))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--data", done.stdout)


if __name__ == "__main__":
    unittest.main()
