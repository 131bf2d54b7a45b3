"""Every example, run as its function.json says, answers its own event."""
import base64
import json
import os
import shutil
import subprocess
import unittest

from harness import JAVA, NODE, PYTHON, ROOT, RuntimeCase

EXAMPLES = os.path.join(ROOT, "examples")


class Examples(RuntimeCase):
    def run_example(self, name):
        source = os.path.join(EXAMPLES, name)
        shutil.copytree(source, self.folder, dirs_exist_ok=True)
        with open(os.path.join(source, "function.json"), encoding="utf-8") as f:
            spec = json.load(f)
        if "build" in spec:
            subprocess.run(spec["build"], shell=True, cwd=self.folder, check=True, capture_output=True)
        self.command = {"python": PYTHON, "nodejs": NODE, "java": JAVA}.get(spec["runtime"].rstrip(".x0123456789"),
                                                             [os.path.join(self.folder, "bootstrap")])
        result = self.run_function(None, [spec["event"], spec["event"]], handler=spec["handler"])
        self.assertEqual([i.kind for i in result.invocations], ["response", "response"])
        self.invocation = result.invocations[1]
        return None if self.invocation.answer_headers.get("lambda-runtime-function-response-mode") else self.invocation.json(), spec["event"]

    def test_hello(self):
        self.assertEqual(self.run_example("hello-python")[0]["message"], "Hello, Ada!")

    def test_hello_nodejs(self):
        self.assertEqual(self.run_example("hello-nodejs")[0]["message"], "Hello, Grace!")

    def test_hello_c(self):
        answer, event = self.run_example("hello-c")
        self.assertEqual(answer, {"message": "Hello from C!", "event_bytes": len(json.dumps(event))})

    @unittest.skipUnless(shutil.which("javac"), "no JDK")
    def test_hello_java(self):
        subprocess.run([os.path.join(ROOT, "tools", "build-java-runtime")], check=True)
        answer, _ = self.run_example("hello-java")
        self.assertEqual(answer.pop("message"), "Hello, Margaret! Hello, Margaret!")
        self.assertGreaterEqual(answer.pop("javaVersion"), 17)

    def test_hello_shell(self):
        answer, event = self.run_example("hello-shell")
        self.assertEqual(answer, {"message": "Hello from sh!", "event": event})

    def test_stream_shell(self):
        _, event = self.run_example("stream-shell")
        self.assertEqual(self.invocation.answer, b"hello\nstill here\n%d bytes\n" % len(json.dumps(event)))

    def test_csv_summary(self):
        self.assertEqual(self.run_example("csv-summary")[0], {"rows": 3, "columns": {
            "city": {"kind": "text", "filled": 3, "distinct": 3},
            "people": {"kind": "number", "filled": 3, "min": 709, "max": 2755, "mean": 5567 / 3}}})

    def test_thumbnail(self):
        answer, _ = self.run_example("thumbnail")
        self.assertEqual((answer["width"], answer["height"]), (8, 6))
        self.assertTrue(base64.b64decode(answer["png"]).startswith(b"\x89PNG"))

    def test_wsgi_pages(self):
        answer, _ = self.run_example("wsgi-pages")
        self.assertEqual((answer["statusCode"], answer["cookies"], answer["headers"]), (200, ["seen=1"], {"Content-Type": "text/html; charset=utf-8"}))
        self.assertEqual(base64.b64decode(answer["body"]), b"<h1>Hello, Ada!</h1>\n")

    def test_every_example_has_a_test(self):
        self.assertEqual(sorted(os.listdir(EXAMPLES)),
                         ["csv-summary", "hello-c", "hello-java", "hello-nodejs", "hello-python", "hello-shell", "stream-shell", "thumbnail", "wsgi-pages"])


if __name__ == "__main__":
    unittest.main()
