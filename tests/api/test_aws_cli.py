"""The AWS CLI that is installed, as users type it."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from api_case import ARN, ApiCase, ROLE, ZIP, ZIP2, main, unique

AWS = shutil.which("aws")


@unittest.skipUnless(AWS, "no AWS CLI here")
class Cli(ApiCase):
    def aws(self, *words, fails=False):
        """Runs `aws lambda WORDS`; older ones ignore the endpoint variable, so it is said."""
        result = subprocess.run([AWS, "--endpoint-url", self.server.url, "--output", "json", *words], cwd=self.folder, timeout=60,
                                env=self.server.environ(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode != 0, fails, result.stderr)
        return result.stderr if fails else json.loads(result.stdout or "null")

    def test_life_of_a_function(self):
        with tempfile.TemporaryDirectory() as self.folder:
            for name, content in (("app.zip", ZIP), ("app2.zip", ZIP2)):
                with open(os.path.join(self.folder, name), "wb") as f:
                    f.write(content)
            name = unique("cli")
            self.addCleanup(self.forget, name)
            made = self.aws("lambda", "create-function", "--function-name", name, "--runtime", "python3.11", "--handler", "app.handler",
                            "--role", ROLE, "--zip-file", "fileb://app.zip")
            self.assertEqual((made["FunctionArn"], made["State"]), (ARN + name, "Pending"))
            self.aws("lambda", "wait", "function-active-v2", "--function-name", name)
            version = subprocess.run([AWS, "--version"], capture_output=True, text=True, check=True).stdout
            raw = [] if version.startswith("aws-cli/1.") else ["--cli-binary-format", "raw-in-base64-out"]
            said = self.aws("lambda", "invoke", "--function-name", name, *raw, "--payload", '{"n":1}', "--log-type", "Tail", "out.json")
            self.assertEqual((said["StatusCode"], said["ExecutedVersion"]), (200, "$LATEST"))
            with open(os.path.join(self.folder, "out.json"), encoding="utf-8") as f:
                self.assertEqual(json.load(f), {"n": 1})
            self.aws("lambda", "update-function-code", "--function-name", name, "--zip-file", "fileb://app2.zip", "--publish")
            self.aws("lambda", "wait", "function-updated-v2", "--function-name", name)
            self.aws("lambda", "create-alias", "--function-name", name, "--name", "live", "--function-version", "1")
            self.assertIn(name, [f["FunctionName"] for f in self.aws("lambda", "list-functions")["Functions"]])
            self.aws("lambda", "delete-function", "--function-name", name)
            self.assertIn("(ResourceNotFoundException) when calling the GetFunction operation: Function not found: " + ARN + name,
                          self.aws("lambda", "get-function", "--function-name", name, fails=True))

    def test_who(self):
        with tempfile.TemporaryDirectory() as self.folder:
            self.assertEqual(self.aws("sts", "get-caller-identity")["Arn"], "arn:aws:iam::000000000000:root")


if __name__ == "__main__":
    main()
