"""What the bootstraps do around a checkpoint; the checkpoint itself is played by the mock, which answers restore/next."""
import json
import random
import unittest

from harness import NODE, PYTHON, RuntimeCase

IDENTITY = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t\u00e9",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/02/02/[$LATEST]new", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/new"}
TEMPLATE = {"_MAYFLY_SNAPSHOT": "1", "AWS_LAMBDA_LOG_STREAM_NAME": None}


class RestoreCase(RuntimeCase):
    def run_restored(self, source, events=({},), **options):
        options.setdefault("env", TEMPLATE)
        options.setdefault("restore", IDENTITY)
        return self.run_function(source, events, **options)

    def gets(self, result):
        return [r.path.rsplit("/runtime/")[1] for r in result.server.requests if r.method == "GET"]

    def reported(self, request):
        return json.loads(request.body), request.headers["lambda-runtime-function-error-type"]


class Python(RestoreCase):
    command, module, handler = PYTHON, "app.py", "app.handler"

    SOURCE = """
import os, subprocess
EARLY = dict(os.environ)
def handler(event, context):
    return {"early": "_MAYFLY_SNAPSHOT" in EARLY, "log": context.log_stream_name, "group": context.log_group_name,
            "key": os.environ["AWS_ACCESS_KEY_ID"], "id": context.aws_request_id,
            "child": subprocess.check_output("printf %s \\"$AWS_SESSION_TOKEN\\"", shell=True).decode()}
"""

    def test_identity_comes_with_the_restore(self):
        for env in (TEMPLATE, {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}):
            result = self.run_restored(self.SOURCE, env=env)
            self.assertEqual(result.invocations[0].json(), {
                "early": False, "log": IDENTITY["AWS_LAMBDA_LOG_STREAM_NAME"], "group": "/aws/lambda/new",
                "key": "AKIA1", "child": "t\u00e9", "id": result.invocations[0].id})
            self.assertEqual(self.gets(result)[:2], ["restore/next", "invocation/next"])
            self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_a_dropped_connection_is_made_again(self):
        result = self.run_restored(self.SOURCE, [1, 2], drop_restore=True)
        self.assertEqual([i.kind for i in result.invocations], ["response", "response"])
        self.assertEqual(result.server.connections, 2)

    def test_other_starts_do_not_ask(self):
        hooks = "import snapshot_restore_py as s\ns.register_before_snapshot(print, 'b')\ns.register_after_restore(print, 'a')\n"
        result = self.run_function(hooks + "def handler(e, c): pass\n")
        self.assertEqual((self.gets(result)[0], result.stdout), ("invocation/next", ""))

    HOOKS = """
import os
from snapshot_restore_py import register_before_snapshot, register_after_restore
def say(*words, end="x"):
    print(*words, os.environ.get("AWS_ACCESS_KEY_ID"), end)
register_before_snapshot(say, "b1")
register_after_restore(say, "a1", end="y")
@register_before_snapshot
def b2(): say("b2")
@register_after_restore
def a2(): say("a2")
def handler(event, context):
    b2()
    a2()
"""

    def test_hooks(self):
        result = self.run_restored(self.HOOKS)
        self.assertEqual(result.stdout.split("\n"), ["b2 None x", "b1 None x", "a1 AKIA1 y", "a2 AKIA1 x",
                                                     "b2 AKIA1 x", "a2 AKIA1 x", ""])

    def test_hooks_of_the_function_s_own_copy(self):
        with open(PYTHON[-1].replace("bootstrap", "snapshot_restore_py"), encoding="utf-8") as f:
            result = self.run_restored(self.HOOKS, files={"snapshot_restore_py/__init__.py": f.read()})
        self.assertEqual(len(result.stdout.split("\n")), 7)

    def test_a_failing_hook_before_the_checkpoint(self):
        source = ("import snapshot_restore_py as s\ndef hook(): raise KeyError('k')\ns.register_before_snapshot(hook)\n"
                  "def handler(e, c): pass\n")
        result = self.run_restored(source, exits=True)
        error, kind = self.reported(result.init_error)
        self.assertEqual((result.code, kind, error["errorType"]), (64, "Runtime.BeforeSnapshotError", "Runtime.BeforeSnapshotError"))
        self.assertEqual(error["errorMessage"], "KeyError: 'k'")
        self.assertIn("in hook", error["stackTrace"][0])
        self.assertIn("[ERROR] Runtime.BeforeSnapshotError: KeyError: 'k'", result.stdout)

    def test_a_failing_hook_after_the_restore(self):
        source = ("import snapshot_restore_py as s\ndef hook(n): raise ValueError(n)\ns.register_after_restore(hook, 7)\n"
                  "def handler(e, c): pass\n")
        result = self.run_restored(source, exits=True)
        error, kind = self.reported(result.restore_error)
        self.assertEqual((result.code, kind, error["errorMessage"]), (65, "Runtime.AfterRestoreError", "ValueError: 7"))

    def test_generators_start_anew(self):
        source = """
import random, uuid, ssl, tempfile, numpy.random
random.seed(7)
uuid._last_timestamp = 1 << 62   # a clock that went back: uuid1 would count on from here
name_sequence = tempfile._get_candidate_names()
def handler(event, context):
    return [random.random(), uuid.uuid1().hex != uuid.uuid1().hex, uuid.getnode() >> 40 & 1, uuid.uuid1().time < 1 << 62,
            tempfile._get_candidate_names() is not name_sequence, numpy.random.seeds]
"""
        stand_in = {"numpy/__init__.py": "", "numpy/random.py": "seeds = []\ndef seed(*a): seeds.append(a)\n"}
        values = [self.run_restored(source, files=stand_in).invocations[0].json() for _ in range(2)]
        self.assertEqual(values[0][1:], [True, 1, True, True, [[]]])
        self.assertEqual(len({values[0][0], values[1][0], random.Random(7).random()}), 3)

    def test_what_the_initialisation_made_is_not_collected_again(self):
        source = ("import gc\nKEEP = [[i] for i in range(1000)]\ndef handler(e, c):\n"
                  "    return [gc.get_freeze_count() > 1000, len(gc.get_objects()) < 1000, gc.isenabled()]\n")
        self.assertEqual(self.run_restored(source).invocations[0].json(), [True, True, True])


if __name__ == "__main__":
    unittest.main()
