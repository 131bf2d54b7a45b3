"""Runs a bootstrap as a plain process against the mock Runtime API."""
import os
import shutil
import subprocess
import tempfile
import unittest

from mock_api import Invocation, Server

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUNTIMES = os.path.join(ROOT, "runtimes")
PYTHON = ["/usr/bin/python3", "-S", "-X", "utf8", os.path.join(RUNTIMES, "python", "bootstrap.py")]
NODE = ["/usr/bin/node", os.path.join(RUNTIMES, "nodejs", "bootstrap.cjs")]
JAR = os.path.join(RUNTIMES, "java", "runtime.jar")
# As src/control/worker/launch_env.c has them.
JAVA = ["/usr/bin/java", "-Xmx72m", "-Xms16m", "-XX:+NeverActAsServerClassMachine", "-XX:-UsePerfData",
        "-XX:+UnlockDiagnosticVMOptions", "-XX:ArchiveRelocationMode=0", "-cp", JAR, "mayfly.runtime.Main"]
LIMIT_SECONDS = 20


class Result:
    def __init__(self, server, code, stdout, stderr):
        self.server, self.code, self.stdout, self.stderr = server, code, stdout, stderr
        self.init_error, self.restore_error = server.init_error, server.restore_error

    def __repr__(self):
        return "exit %s\n--- stdout\n%s\n--- stderr\n%s\n--- protocol %s" % (
            self.code, self.stdout[-3000:], self.stderr[-3000:], self.server.violations)


class RuntimeCase(unittest.TestCase):
    command = None
    module = None       # file name of a function's source

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="runtime-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def environment(self, address, handler, extra):
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC", "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": self.folder, "AWS_LAMBDA_RUNTIME_API": address, "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f", "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]abc",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        env.update(extra)
        return {k: v for k, v in env.items() if v is not None}

    def run_function(self, source, events=({},), handler=None, env=None, exits=False, files=None, **server_options):
        """Serves `events`; the process is ended when it asks for one more, unless it is expected to exit itself."""
        if source is not None:
            self.put(self.module, source)
        for name, text in (files or {}).items():
            self.put(name, text)
        invocations = [e if isinstance(e, Invocation) else Invocation(e) for e in events]
        server = Server(invocations, **server_options)
        self.addCleanup(server.close)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env=self.environment(server.address, handler or self.handler, env or {}))
            try:
                code = self.wait(process, server, exits)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
            out.seek(0)
            err.seek(0)
            result = Result(server, code, out.read().decode(), err.read().decode())
        if not exits:
            self.assertTrue(server.done.is_set(), "the function ended early or hung: %r" % result)
        self.assertEqual(server.violations, [], repr(result))
        result.invocations = invocations
        return result

    def wait(self, process, server, exits):
        if exits:
            return process.wait(LIMIT_SECONDS)
        for _ in range(LIMIT_SECONDS * 20):
            if server.done.wait(0.05) or process.poll() is not None:
                break
        return process.poll()

    def answer(self, source, event=None, **options):
        """The JSON answer of one successful invocation."""
        result = self.run_function(source, [{} if event is None else event], **options)
        self.assertEqual(result.invocations[0].kind, "response", repr(result) + str(result.invocations[0].answer))
        return result.invocations[0].json()

    def failure(self, source, event=None, **options):
        """(error object, result) of one failed invocation."""
        result = self.run_function(source, [{} if event is None else event], **options)
        self.assertEqual(result.invocations[0].kind, "error", repr(result) + str(result.invocations[0].answer))
        return result.invocations[0].json(), result

    def init_failure(self, source, **options):
        result = self.run_function(source, exits=True, **options)
        self.assertIsNotNone(result.init_error, repr(result))
        import json
        return json.loads(result.init_error.body), result
