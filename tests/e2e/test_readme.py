"""The commands that people are told to type, as they are written, with every AWS CLI that is installed.

README.md's shell blocks that follow a line `<!-- tested -->` are run one after the other, in one folder, by one bash each;
the block that creates a function with the AWS CLI is run with each AWS CLI.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import zipfile

from support import MAYFLY, ROOT, run, wait_until
from harness import Server

APP = "def handler(event, context):\n    print('got', event)\n    return {'n': event.get('n', 0) + 1}\n"


def readme_blocks(before=""):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        return re.findall(r"^%s```(?:sh|shell|bash)\n(.*?)^```" % before, f.read(), re.M | re.S)


def aws_version(path):
    done = run(path, "--version")
    found = re.search(r"aws-cli/(\d+)\.(\d+)", done.stdout + done.stderr)
    return (int(found[1]), int(found[2])) if found else None


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        """A folder as the README's reader has it, and a shell environment without anything of ours."""
        self.folder = tempfile.mkdtemp(prefix="mayfly-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.symlink(os.path.dirname(MAYFLY), os.path.join(self.folder, "build"))
        os.symlink(os.path.join(ROOT, "examples"), os.path.join(self.folder, "examples"))
        os.mkdir(os.path.join(self.folder, "thumb"))
        with open(os.path.join(self.folder, "thumb", "app.py"), "w", encoding="utf-8") as f:
            f.write(APP)
        with zipfile.ZipFile(os.path.join(self.folder, "app.zip"), "w") as z:
            z.writestr("app.py", APP)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MAYFLY_"))}
        self.env.update(HOME=self.folder, MAYFLY_DATA=self.server.data, AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="")
        client = self.server.client()
        for function in client.list_functions()["Functions"]:
            client.delete_function(FunctionName=function["FunctionName"])

    def shell(self, script, status=0):
        done = run("bash", "-euo", "pipefail", "-c", script, env=self.env, cwd=self.folder, seconds=90)
        self.assertEqual(done.returncode, status, "%s\n%s\n%s" % (script, done.stdout, done.stderr))
        return done

    def use_aws(self, path):
        folder = os.path.join(self.folder, "bin")
        os.mkdir(folder)
        with open(os.path.join(folder, "aws"), "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nHOME=%s exec %s "$@"\n' % (os.environ.get("HOME", "/"), path))
        os.chmod(f.name, 0o755)
        self.env["PATH"] = folder + ":" + self.env["PATH"]

    def check_create(self, env_command, version):
        create = next(b for b in readme_blocks() if "aws lambda create-function" in b)
        self.assertIn('eval "$(build/mayfly env)"', create)
        create = create.replace("build/mayfly env", env_command)
        if version < (2, 0):  # it always takes the payload as it is, and has no such option
            create = create.replace(" --cli-binary-format raw-in-base64-out", "")
        said = self.shell(create + "cat out.json").stdout
        self.assertEqual(said[said.rindex("{"):].strip(), '{"n": 2}')
        answer = json.loads(re.search(r'\{[^{}]*"LogResult"[^{}]*\}', said)[0])
        self.assertEqual((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
        self.assertTrue(answer["LogResult"])

    def test_current_aws(self):
        path = shutil.which("aws")
        version = path and aws_version(path)
        if not version or not ((1, 29) <= version < (2, 0) or version >= (2, 13)):
            self.skipTest("no aws here that knows AWS_ENDPOINT_URL (%s)" % (version,))
        self.use_aws(path)
        self.check_create("build/mayfly env", version)

    def test_events_and_queues(self):
        path = shutil.which("aws")
        version = path and aws_version(path)
        if not version or not ((1, 29) <= version < (2, 0) or version >= (2, 13)):
            self.skipTest("no aws here that knows AWS_ENDPOINT_URL (%s)" % (version,))
        self.use_aws(path)
        block = next(b for b in readme_blocks() if "create-event-source-mapping" in b)
        if version < (2, 0):
            block = block.replace("--cli-binary-format raw-in-base64-out", "")
        # awscli 1 ignores the endpoint variable for SQS alone
        said = self.shell('eval "$(build/mayfly env%s)"\n' % (" --alias" if version < (2, 0) else "") + block).stdout
        self.assertIn('"StatusCode": 202', said)
        self.assertRegex(said, r"(?m)^jobs +standard ")
        wanted = {"got {'n': 1}", "'body': 'hello'"}
        wait_until(lambda: all(w in self.shell("build/mayfly logs show").stdout for w in wanted), 30, "event and message are executed")
        self.assertIn("succeeded", self.shell("build/mayfly events show").stdout)

    def test_older_aws_by_alias(self):
        version = os.path.exists("/usr/bin/aws") and aws_version("/usr/bin/aws")
        if not version:
            self.skipTest("Debian's awscli is not installed")
        self.use_aws("/usr/bin/aws")
        self.check_create("build/mayfly env --alias", version)

    def test_life_of_a_function(self):
        self.assertEqual(self.shell("build/mayfly deploy ./thumb --runtime python3.11 --handler app.handler").stdout,
                         "arn:aws:lambda:us-east-1:000000000000:function:thumb\n")
        self.assertEqual(json.loads(self.shell("""build/mayfly invoke thumb -d '{"n":1}'""").stdout), {"n": 2})
        self.assertIn("got {'n': 1}", self.shell("build/mayfly logs thumb").stdout)
        self.assertIn("thumb", self.shell("build/mayfly list").stdout)
        self.assertIn("app.handler", self.shell("build/mayfly info thumb").stdout)
        self.assertIn("thumb", self.shell("build/mayfly top --once").stdout)
        for command in ("list", "info thumb", "logs thumb", "top --once", "doctor"):
            for line in self.shell("build/mayfly %s --output json" % command).stdout.strip().split("\n" if "logs" in command else "\0"):
                json.loads(line)
        self.shell("build/mayfly publish thumb\nsed -i 's/+ 1/+ 10/' thumb/app.py\nbuild/mayfly deploy ./thumb --publish")
        self.assertEqual(json.loads(self.shell("build/mayfly invoke thumb -d '{}'").stdout), {"n": 10})
        self.shell("build/mayfly rollback thumb")
        self.assertEqual(json.loads(self.shell("build/mayfly invoke thumb -d '{}'").stdout), {"n": 1})
        self.shell("build/mayfly delete thumb --yes")
        self.assertIn("Function not found", self.shell("build/mayfly invoke thumb", status=1).stderr)

    def test_logs_follow(self):
        self.shell("build/mayfly deploy ./thumb --runtime python3.11 --handler app.handler")
        follow = subprocess.Popen(["build/mayfly", "logs", "-f", "thumb"], cwd=self.folder, env=self.env, stdout=subprocess.PIPE, text=True)
        try:
            self.shell("""build/mayfly invoke thumb -d '{"n":77}'""")
            for line in follow.stdout:
                if "got {'n': 77}" in line:
                    break
            else:
                self.fail("logs -f ended")
        finally:
            follow.terminate()
            follow.wait(10)
            follow.stdout.close()

    def test_doctor(self):
        done = run(MAYFLY, "doctor", env=self.env)
        self.assertIn(done.returncode, (0, 1))
        for word in ("namespaces", "seccomp", "python"):
            self.assertIn(word, done.stdout)

    def test_bad_uses(self):
        for command, words in (("nonsense", "nonsense"), ("invoke", "NAME"), ("deploy", "DIR"), ("list --nonsense", "--nonsense"),
                               ("env extra words", "too many")):
            said = self.shell("build/mayfly " + command, status=2)
            self.assertIn(words, said.stderr)
            self.assertEqual(said.stdout, "")
        for command, words in (("deploy ./nowhere --runtime python3.11 --handler a.b", "nowhere"),
                               ("deploy ./thumb", "runtime"), ("invoke nobody", "nobody"), ("logs nobody", "nobody"),
                               ("delete nobody --yes", "nobody"), ("info nobody", "nobody"),
                               ("list --endpoint http://127.0.0.1:1", "127.0.0.1:1"), ("list --data /nowhere", "/nowhere"),
                               ("deploy ./thumb --runtime cobol85 --handler a.b", "cobol85")):
            self.assertIn(words, self.shell("build/mayfly " + command, status=1).stderr)

    def test_readme(self):
        blocks = readme_blocks("<!-- tested -->\n+")
        self.assertTrue(blocks, "README.md has no block after a line <!-- tested -->")
        for block in blocks:
            self.shell(block)


if __name__ == "__main__":
    unittest.main()
