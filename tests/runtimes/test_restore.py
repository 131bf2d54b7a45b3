"""What the bootstraps do around a checkpoint; the checkpoint itself is played by the mock, which answers restore/next."""
import json
import random
import unittest

from harness import NODE, PYTHON, RuntimeCase
from test_java import JavaCase

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


class Nodejs(RestoreCase):
    command, module, handler = NODE, "index.js", "index.handler"

    SOURCE = """
const early = { ...process.env };
exports.handler = async (event, context) => ({
  early: '_MAYFLY_SNAPSHOT' in early, log: context.logStreamName, group: context.logGroupName,
  key: process.env.AWS_ACCESS_KEY_ID, id: context.awsRequestId, trace: '_X_AMZN_TRACE_ID' in process.env,
  child: require('child_process').execSync('printf %s "$AWS_SESSION_TOKEN"').toString(),
});
"""

    def test_identity_comes_with_the_restore(self):
        for env in (TEMPLATE, {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}):
            result = self.run_restored(self.SOURCE, env=env)
            self.assertEqual(result.invocations[0].json(), {
                "early": False, "log": IDENTITY["AWS_LAMBDA_LOG_STREAM_NAME"], "group": "/aws/lambda/new",
                "key": "AKIA1", "child": "t\u00e9", "id": result.invocations[0].id, "trace": False})
            self.assertEqual(self.gets(result)[:2], ["restore/next", "invocation/next"])
            self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_a_dropped_connection_is_made_again(self):
        result = self.run_restored(self.SOURCE, [1, 2], drop_restore=True)
        self.assertEqual([i.kind for i in result.invocations], ["response", "response"])
        self.assertEqual(result.server.connections, 2)

    def test_other_starts_do_not_ask(self):
        source = ("const { snapshot } = awslambda;\nsnapshot.beforeCheckpoint(() => console.log('b'));\n"
                  "snapshot.afterRestore(() => console.log('a'));\n"
                  "exports.handler = async () => Math.random.toString();\n")
        result = self.run_function(source)
        self.assertEqual((self.gets(result)[0], result.stdout), ("invocation/next", ""))
        self.assertIn("native code", result.invocations[0].json())

    def test_hooks(self):
        source = """
const { snapshot } = awslambda;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const say = (word) => process.stdout.write(`${word} ${process.env.AWS_ACCESS_KEY_ID}\\n`);
snapshot.beforeCheckpoint(() => say('b1'));
snapshot.beforeCheckpoint(async () => { await wait(10); say('b2'); });
snapshot.afterRestore(async () => { await wait(10); say('a1'); });
snapshot.afterRestore(() => say('a2'));
exports.handler = async () => {};
"""
        result = self.run_restored(source)
        self.assertEqual(result.stdout, "b2 undefined\nb1 undefined\na1 AKIA1\na2 AKIA1\n")

    def test_a_failing_hook_before_the_checkpoint(self):
        source = "awslambda.snapshot.beforeCheckpoint(function hook() { throw new TypeError('t'); });\nexports.handler = async () => {};\n"
        result = self.run_restored(source, exits=True)
        error, kind = self.reported(result.init_error)
        self.assertEqual((result.code, kind, error["errorMessage"]), (64, "Runtime.BeforeSnapshotError", "TypeError: t"))
        self.assertIn("hook", error["trace"][1])
        self.assertIn("Before Snapshot Error", result.stdout)

    def test_a_failing_hook_after_the_restore(self):
        for hook in ("async () => { throw 'text'; }", "() => new Promise(() => setTimeout(() => { throw new Error('text'); }))"):
            result = self.run_restored("awslambda.snapshot.afterRestore(%s);\nexports.handler = async () => {};\n" % hook, exits=True)
            error, kind = self.reported(result.restore_error)
            self.assertIn((result.code, kind, error["errorMessage"]), [(65, "Runtime.AfterRestoreError", "text"), (129, "Error", "text")])

    def test_random_numbers_start_anew(self):
        # V8 draws the same numbers in both runs; a kept reference is renewed as well.
        source = ("const { random } = Math;\nconst early = Math.random();\nexports.handler = async () => "
                  "[early, random(), Math.random(), Math.random.name, Math.random.length, 'prototype' in Math.random];\n")
        self.command = [NODE[0], "--random-seed=5", NODE[1]]
        first, second = [self.run_restored(source).invocations[0].json() for _ in range(2)]
        self.assertEqual(len(set(first[:3] + second[:3])), 6)
        self.assertEqual(first[3:], ["random", 0, False])
        self.assertTrue(all(0 <= n < 1 for n in first[:3]))

    def test_contexts_of_their_own(self):
        source = ("import { runInNewContext, createContext, Script } from 'vm';\nconst script = new Script('Math.random()');\n"
                  "export const handler = async () => [runInNewContext('Math.random()'), runInNewContext('Math.random()'), "
                  "script.runInNewContext(), script.runInContext(createContext({}))];\n")
        self.module = "index.mjs"
        self.command = [NODE[0], "--random-seed=5", NODE[1]]
        drawn = [n for _ in range(2) for n in self.run_restored(source).invocations[0].json()]
        self.assertEqual(len(set(drawn)), 8)

    def test_random_numbers_are_even(self):
        source = """exports.handler = async () => {
          const parts = new Array(16).fill(0);
          let sum = 0, bits = 0;
          for (let i = 0; i < 160000; i++) {
            const n = Math.random();
            parts[Math.floor(n * 16)]++;
            sum += n;
            if (n * 2 ** 53 % 2) bits++;
          }
          return { low: Math.min(...parts), high: Math.max(...parts), mean: sum / 160000, bits: bits / 160000 };
        };"""
        found = self.run_restored(source).invocations[0].json()
        self.assertTrue(9400 < found["low"] and found["high"] < 10600 and 0.49 < found["mean"] < 0.51 and 0.49 < found["bits"] < 0.51, found)

    def test_crypto_s_stock_is_used_up_before_the_checkpoint(self):
        # When the first number after the restore is drawn, the bytes for it are fetched.
        source = """
const crypto = require('crypto');
crypto.randomUUID();
for (let i = 0; i < 5; i++) crypto.randomInt(10);
const view = Object.getPrototypeOf(Uint8Array.prototype);
exports.handler = async () => {
  const sizes = [], offsets = [];
  const byteLength = Object.getOwnPropertyDescriptor(view, 'byteLength');
  const { readUIntBE } = Buffer.prototype;
  Object.defineProperty(view, 'byteLength', { ...byteLength, get() { sizes.push(this.length); return byteLength.get.call(this); } });
  Buffer.prototype.readUIntBE = function (at, n) { offsets.push(at); return readUIntBE.call(this, at, n); };
  crypto.randomUUID();
  crypto.randomInt(10);
  Object.defineProperty(view, 'byteLength', byteLength);
  Buffer.prototype.readUIntBE = readUIntBE;
  return { refilled: sizes.includes(2048), offset: offsets[0] };
};
"""
        self.assertEqual(self.run_restored(source).invocations[0].json(), {"refilled": True, "offset": 0})

    def test_streaming_and_modules(self):
        self.module = "index.mjs"
        source = "export const handler = awslambda.streamifyResponse(async (event, out) => { out.write('s'); out.end(); });\n"
        result = self.run_restored(source)
        self.assertEqual(result.invocations[0].answer, b"s")


class Java(JavaCase, RestoreCase):
    source = """
static final Map<String, String> EARLY = new HashMap<>(System.getenv());
public static class Identity implements RequestHandler<Object, Map<String, Object>> {
    public Map<String, Object> handleRequest(Object event, Context context) {
        try {
            ProcessBuilder builder = new ProcessBuilder("sh", "-c", "printf %s \\"$AWS_SESSION_TOKEN\\"");
            builder.environment(); // without it a child inherits what the process itself began with
            Process child = builder.start();
            return Map.of("early", EARLY.containsKey("_MAYFLY_SNAPSHOT"), "log", context.getLogStreamName(), "group", context.getLogGroupName(),
                "key", System.getenv("AWS_ACCESS_KEY_ID"), "id", context.getAwsRequestId(),
                "child", new String(child.getInputStream().readAllBytes()), "trace", System.getProperties().containsKey("com.amazonaws.xray.traceHeader"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
public static class Hooks implements RequestHandler<Object, Object> {
    static class One implements org.crac.Resource {
        final String name;
        One(String name) { this.name = name; org.crac.Core.getGlobalContext().register(this); }
        public void beforeCheckpoint(org.crac.Context<? extends org.crac.Resource> c) throws Exception { say("b"); fail("before"); }
        public void afterRestore(org.crac.Context<? extends org.crac.Resource> c) throws Exception { say("a"); fail("after"); }
        void say(String what) { System.out.println(what + name + " " + System.getenv("AWS_ACCESS_KEY_ID")); }
        void fail(String when) throws Exception { if (when.equals(System.getenv("FAIL"))) throw new IOException(when + name); }
    }
    static final One FIRST = new One("1"), SECOND = new One("2");
    public Object handleRequest(Object event, Context context) { return null; }
}
public static class Numbers implements RequestHandler<Object, List<Object>> {
    static final SplittableRandom SPLIT = new SplittableRandom();
    static { Math.random(); UUID.randomUUID(); ThreadLocalRandom.current().nextInt(); Collections.shuffle(new ArrayList<>(List.of(1, 2))); }
    public List<Object> handleRequest(Object event, Context context) {
        List<Integer> shuffled = new ArrayList<>();
        for (int i = 0; i < 30; i++) shuffled.add(i);
        Collections.shuffle(shuffled);
        return List.of(Math.random(), new Random().nextLong(), ThreadLocalRandom.current().nextLong(), new SplittableRandom().nextLong(),
            UUID.randomUUID(), shuffled.toString());
    }
}
"""

    def run_java(self, name, events=({},), env=(), **options):
        return self.run_restored(None, events, handler="app.F$" + name, env={**TEMPLATE, **dict(env)}, **options)

    def test_identity_comes_with_the_restore(self):
        for env in ({}, {"_MAYFLY_SNAPSHOT": None, "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}):
            result = self.run_java("Identity", env=env)
            self.assertEqual(result.invocations[0].json(), {
                "early": False, "log": IDENTITY["AWS_LAMBDA_LOG_STREAM_NAME"], "group": "/aws/lambda/new",
                "key": "AKIA1", "child": "t\u00e9", "id": result.invocations[0].id, "trace": False})
            self.assertEqual(self.gets(result)[:2], ["restore/next", "invocation/next"])
            self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_a_dropped_connection_is_made_again(self):
        result = self.run_java("Numbers", [1, 2], drop_restore=True)
        self.assertEqual([i.kind for i in result.invocations], ["response", "response"])
        self.assertEqual(result.server.connections, 2)

    def test_hooks(self):
        self.assertEqual(self.run_java("Hooks").stdout, "b2 null\nb1 null\na1 AKIA1\na2 AKIA1\n")
        self.assertEqual(self.call("Hooks").stdout, "")

    def test_failing_hooks(self):
        for when, kind in (("before", "Runtime.BeforeCheckpointError"), ("after", "Runtime.AfterRestoreError")):
            result = self.run_java("Hooks", env={"FAIL": when}, exits=True)
            error, header = self.reported(result.init_error if when == "before" else result.restore_error)
            self.assertEqual((result.code, header), (64, kind))
            self.assertIn("java.io.IOException: " + when, error["errorMessage"])
            self.assertIn("Suppressed: java.io.IOException: %s2" % when, result.stdout)

    def test_random_numbers(self):
        first, second = [self.run_java("Numbers").invocations[0].json() for _ in range(2)]
        self.assertEqual([a == b for a, b in zip(first, second)], [False] * 6)


if __name__ == "__main__":
    unittest.main()
