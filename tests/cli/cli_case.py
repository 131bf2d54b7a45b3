"""Runs the program against a fake server of the test's own, in an environment without AWS settings."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MAYFLY = os.environ.get("MAYFLY_BIN", os.path.join(ROOT, os.environ.get("BUILD", "build"), "mayfly"))
LIMIT_SECONDS = 30

sys.path.insert(0, HERE)
from fake_server import FakeServer, KEY, SECRET  # noqa: E402


class CliCase(unittest.TestCase):
    def setUp(self):
        self.server = FakeServer()
        self.addCleanup(self.server.close)
        self.folder = tempfile.mkdtemp(prefix="cli-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.env = {"PATH": "/usr/bin:/bin", "HOME": self.folder, "AWS_ENDPOINT_URL": self.server.url, "AWS_ACCESS_KEY_ID": KEY,
                    "AWS_SECRET_ACCESS_KEY": SECRET}

    def write(self, path, text, mode=0o644):
        whole = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(whole, mode)
        return whole

    def start(self, *arguments, **more):
        return subprocess.Popen([MAYFLY, *arguments], env=self.env, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, **more)

    def run_cli(self, *arguments, text="", status=0):
        done = subprocess.run([MAYFLY, *arguments], env=self.env, cwd=self.folder, input=text, capture_output=True, text=True,
                              timeout=LIMIT_SECONDS)
        self.assertEqual(done.returncode, status, "%s\n%s%s" % (arguments, done.stdout, done.stderr))
        return done

    def out(self, *arguments, **more):
        return self.run_cli(*arguments, **more).stdout

    def failure(self, *arguments, status=1, **more):
        return self.run_cli(*arguments, status=status, **more).stderr

    def deploy(self, name="thumb", text="x = 1\n", *more):
        self.write(name + "/app.py", text)
        return self.out("deploy", name, "--runtime", "python3.11", "--handler", "app.handler", *more)

    def called(self, method, part):
        return [c for c in self.server.calls if c[0] == method and part in c[1]]
