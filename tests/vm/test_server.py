"""The whole server on a machine with nothing but cgroup v2 (tests/vm/run): functions deployed and invoked by the command
line, among them ones that take more memory, processor time and processes than they may."""
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import unittest

ROOT, BUILD = os.environ["ROOT"], os.environ["MAYFLY_BUILD"]
WAIT_S = 120  # a software-emulated processor is slow; nothing waits this long when all is well

GREEDY = """
import os, time

def handler(event, context):
    return globals()[event["do"]](event)

def memory(event):
    return len(b"x" * (event["mb"] << 20)) >> 20

def processor(event):
    began, used = time.monotonic(), time.process_time()
    while time.monotonic() < began + event["seconds"]:
        pass
    return (time.process_time() - used) / (time.monotonic() - began)

def processes(event):
    children = 0
    try:
        while children < 5000:
            os.posix_spawn("/bin/sleep", ["sleep", "1000"], {})
            children += 1
    except BlockingIOError:
        pass
    return children
"""


class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mayfly-vm-")
        cls.errors = open(os.path.join(cls.folder, "errors"), "w+", encoding="utf-8")
        # More memory than there is: idle environments may stay, and nothing here waits for the end of a fork bomb's processes.
        command = [os.path.join(BUILD, "mayfly"), "server", "--data", cls.folder + "/data", "--listen", "127.0.0.1:0",
                   "--memory", "4096"]
        cls.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=cls.errors, text=True)
        line = cls.process.stdout.readline() if select.select([cls.process.stdout], [], [], WAIT_S)[0] else ""
        if "ready on" not in line:
            cls.tearDownClass()
            raise AssertionError("the server is not ready: " + cls.said)
        data = cls.folder + "/data/"
        cls.env = dict(os.environ, AWS_ENDPOINT_URL=line.split()[-1], AWS_SHARED_CREDENTIALS_FILE=data + "credentials",
                       AWS_CONFIG_FILE=data + "config")

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        try:
            cls.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            cls.process.kill()
            cls.process.wait()
        cls.errors.seek(0)
        cls.said = cls.errors.read()
        cls.errors.close()
        cls.process.stdout.close()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def mayfly(self, *arguments):
        return subprocess.run([os.path.join(BUILD, "mayfly"), *arguments], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=WAIT_S)

    def deploy(self, folder, name, *more):
        done = self.mayfly("deploy", folder, "--name", name, *more)
        self.assertEqual(done.returncode, 0, done.stderr)

    def greedy(self, name, memory_mb):
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        with open(folder + "/app.py", "w", encoding="utf-8") as f:
            f.write(GREEDY)
        self.deploy(folder, name, "--runtime", "python3.11", "--handler", "app.handler", "--memory", str(memory_mb),
                    "--timeout", "100")

    def invoke(self, name, event):
        return self.mayfly("invoke", name, "--tail", "-d", json.dumps(event))

    def answer(self, name, event):
        done = self.invoke(name, event)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_examples_answer(self):
        for name in ("hello-python", "hello-shell"):
            self.deploy(os.path.join(ROOT, "examples", name), name, "--timeout", "100")
            self.assertIn("Hello", self.answer(name, {"name": "Ada"})["message"])

    def test_out_of_memory_is_the_callers_answer_and_the_next_call_works(self):
        self.greedy("memory", 128)
        self.assertEqual(self.answer("memory", {"do": "memory", "mb": 40}), 40)
        done = self.invoke("memory", {"do": "memory", "mb": 300})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("Runtime.OutOfMemory", done.stdout + done.stderr)
        again = self.invoke("memory", {"do": "memory", "mb": 40})
        self.assertEqual(again.stdout.strip(), "40", again.stderr)
        used = int(re.search(r"Max Memory Used: (\d+) MB", again.stdout + again.stderr).group(1))
        self.assertTrue(40 <= used <= 128, used)

    def test_processor_time_is_proportional_to_memory(self):
        self.greedy("processor", 177)
        share = self.answer("processor", {"do": "processor", "seconds": 4})
        print("\n# 177 MB: %.1f %% of a processor" % (100 * share))
        self.assertTrue(0.05 < share < 0.16, share)

    def test_fork_bomb_ends_at_the_limit_and_others_go_on(self):
        self.deploy(os.path.join(ROOT, "examples", "hello-python"), "beside", "--timeout", "100")
        self.greedy("processes", 512)
        children = self.answer("processes", {"do": "processes"})
        self.assertTrue(900 < children < 1024, children)
        self.assertIn("Hello", self.answer("beside", {"name": "Ada"})["message"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
