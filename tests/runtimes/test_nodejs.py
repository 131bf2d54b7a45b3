import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import LIMIT_SECONDS, NODE, Invocation, RuntimeCase

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ID = "00000001-1111-4222-8333-444455556666"


class NodeCase(RuntimeCase):
    command, module, handler = NODE, "index.js", "index.handler"
    uses_net = False


class Protocol(NodeCase):
    ECHO = "exports.handler = async (event) => event;\n"

    def test_answer_and_next_request_leave_in_one_write(self):
        result = self.run_function(self.ECHO, [{"n": n} for n in range(20)])
        self.assertEqual([i.json() for i in result.invocations], [{"n": n} for n in range(20)])
        kinds = [(r.method, r.pipelined) for r in result.server.requests]
        self.assertEqual(kinds, [("GET", False)] + [("POST", True), ("GET", False)] * 20)
        self.assertEqual(result.server.connections, 1)

    def test_all_ways_to_write_answers(self):
        for wire in ("plain", "chunked", "joined", "bytes"):
            with self.subTest(wire):
                result = self.run_function(self.ECHO, [{"n": n, "s": "\u00e9\U0001f600"} for n in range(5)], wire=wire)
                self.assertEqual([i.json() for i in result.invocations],
                                 [{"n": n, "s": "\u00e9\U0001f600"} for n in range(5)])

    def test_six_megabytes_both_ways(self):
        for wire in ("plain", "chunked"):
            text = "0123456789abcd\u00e9" * (6 * 61000)
            result = self.run_function(self.ECHO, [{"t": text}, {"n": 2}], wire=wire)
            self.assertEqual(result.invocations[0].json()["t"], text)
            self.assertEqual(result.invocations[1].json(), {"n": 2})

    def test_too_large_answer_is_refused_and_the_next_invocation_served(self):
        result = self.run_function("exports.handler = async (n) => 'x'.repeat(n);\n", [7 << 20, 3])
        self.assertEqual(result.invocations[0].reason, "RequestEntityTooLarge")
        self.assertEqual(result.invocations[1].json(), "xxx")
        self.assertIn("Http response code: 413", result.stderr)

    def test_reconnects_once_when_the_idle_connection_is_dropped(self):
        result = self.run_function(self.ECHO, [1, 2, 3], drop_after=1)
        self.assertEqual([i.json() for i in result.invocations], [1, 2, 3])
        self.assertEqual(result.server.connections, 2)

    def test_ends_when_the_server_is_gone(self):
        self.put("index.js", self.ECHO)
        result = subprocess.run(NODE, env=self.environment("127.0.0.1:9", "index.handler", {}), capture_output=True, timeout=60)
        self.assertEqual(result.returncode, 1)


    def test_answers_whose_connection_breaks_off_in_the_middle(self):
        self.put("index.js", "exports.handler = async (n) => 'x'.repeat(n);\n")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(LIMIT_SECONDS)
            address = "127.0.0.1:%d" % listener.getsockname()[1]
            process = subprocess.Popen(self.command, env=self.environment(address, "index.handler", {}), stderr=subprocess.DEVNULL)
            try:
                for size in (6000000, 5):
                    connection = listener.accept()[0]
                    with connection:
                        connection.settimeout(LIMIT_SECONDS)
                        self.assertTrue(connection.recv(65536).startswith(b"GET /2018-06-01/runtime/invocation/next "))
                        connection.sendall(b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: %d\r\nContent-Length: %d\r\n\r\n%d"
                                           % (size, len(str(size)), size))
                        answer = connection.recv(65536)
                        self.assertTrue(answer.startswith(b"POST /2018-06-01/runtime/invocation/%d/response " % size))
                        # What is left unread makes the kernel reset the connection.
                listener.accept()[0].close()
                listener.close()
                self.assertEqual(process.wait(LIMIT_SECONDS), 1)
            finally:
                process.kill()
                process.wait()

    def test_stream_whose_connection_breaks_off(self):
        source = ("exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n"
                  "  for (let i = 0; i < 400; i++) await new Promise((r) => stream.write(Buffer.alloc(40000, 97), r)); stream.end(); });\n")
        self.put("index.js", source)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(LIMIT_SECONDS)
            address = "127.0.0.1:%d" % listener.getsockname()[1]
            process = subprocess.Popen(self.command, env=self.environment(address, "index.handler", {}),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                connection = listener.accept()[0]
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\nContent-Length: 1\r\n\r\n1")
                    self.assertTrue(connection.recv(65536).startswith(b"POST /2018-06-01/runtime/invocation/1/response "))
                connection = listener.accept()[0]
                with connection:
                    connection.settimeout(LIMIT_SECONDS)
                    self.assertTrue(connection.recv(65536).startswith(b"GET /2018-06-01/runtime/invocation/next "))
            finally:
                process.kill()
                process.wait()

    def test_net_is_loaded_only_where_it_is_needed(self):
        source = "exports.handler = async () => process.moduleLoadList.includes('NativeModule net');\n"
        self.assertEqual(self.answer(source), self.uses_net)


class Handlers(NodeCase):
    def test_kinds_of_handlers(self):
        for source in (
                "exports.handler = async () => 'x';",
                "exports.handler = () => Promise.resolve('x');",
                "exports.handler = (event, context, callback) => callback(null, 'x');",
                "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, 'x'), 5); };",
                "exports.handler = (event, context) => context.succeed('x');",
                "exports.handler = (event, context) => { setTimeout(context.done, 1, null, 'x'); };",
                "exports.handler = async (event, context) => { context.succeed('x'); return 'late'; };",
                "exports.handler = (event, context, callback) => { callback(null, 'x'); callback(null, 'y'); context.done(null, 'z'); };",
                "exports.handler = () => ({ then(done) { done('x'); } });"):
            with self.subTest(source):
                result = self.run_function(source, [1, 2])
                self.assertEqual([i.json() for i in result.invocations], ["x", "x"])

    def test_answers_null_when_nothing_is_left_to_wait_for(self):
        for source in ("exports.handler = () => 'ignored';", "exports.handler = () => {};",
                       "exports.handler = async () => {};", "exports.handler = () => new Promise(() => {});",
                       "exports.handler = () => { setTimeout(() => {}, 3); };"):
            with self.subTest(source):
                result = self.run_function(source, [1, 2])
                self.assertEqual([i.answer for i in result.invocations], [b"null", b"null"])

    def test_callback_waits_for_an_empty_event_loop(self):
        source = ("let log = []; exports.handler = (event, context, callback) => {\n"
                  "  context.callbackWaitsForEmptyEventLoop = event.wait;\n"
                  "  const t = setTimeout(() => { log.push('timer'); }, 40);\n"
                  "  callback(null, log); };\n")
        result = self.run_function(source, [{"wait": True}, {"wait": True}])
        self.assertEqual([i.json() for i in result.invocations], [["timer"], ["timer", "timer"]])
        result = self.run_function(source.replace("40", "4000"), [{"wait": False}, {"wait": False}])
        self.assertEqual([i.json() for i in result.invocations], [[], []])

    def test_module_systems_and_paths(self):
        esm = "import { basename } from 'node:path';\nexport const handler = async () => basename(import.meta.url);\n"
        top = "const x = await Promise.resolve(1);\nexport const handler = async () => x;\n"
        cjs = "exports.handler = async () => require('path').basename(__filename);\nexports.a = { b: { c: exports.handler } };\n"
        for files, handler, expected in (
                ({"index.mjs": esm}, "index.handler", "index.mjs"),
                ({"index.mjs": top}, "index.handler", 1),
                ({"index.js": esm, "package.json": '{"type":"module"}'}, "index.handler", "index.js"),
                ({"index.js": cjs, "package.json": '{"type":"commonjs"}'}, "index.handler", "index.js"),
                ({"index.cjs": cjs}, "index.handler", "index.cjs"),
                ({"src/deep/file.js": cjs}, "src/deep/file.handler", "file.js"),
                ({"src/file.js": cjs}, "src/file.a.b.c", "file.js"),
                ({"dir/index.js": cjs}, "dir.handler", "index.js")):
            with self.subTest(str(files)[:60]):
                for name in os.listdir(self.folder):
                    path = os.path.join(self.folder, name)
                    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
                self.assertEqual(self.answer(None, files=files, handler=handler), expected)

    def test_answers_as_raw_bytes(self):
        source = ("const V = [undefined, null, 'h\u00e9', { a: 1, b: undefined }, [1.5, NaN], new Date(0), 0, false, ''];\n"
                  "exports.handler = async (n) => V[n];\n")
        expected = [b"null", b"null", '"h\u00e9"'.encode(), b'{"a":1}', b"[1.5,null]", b'"1970-01-01T00:00:00.000Z"', b"0", b"false", b'""']
        result = self.run_function(source, list(range(len(expected))))
        self.assertEqual([i.answer for i in result.invocations], expected)

    def test_context(self):
        source = ("exports.handler = async (event, context) => ({ ...context, names: Object.keys(context), left: context.getRemainingTimeInMillis(),\n"
                  "  trace: process.env._X_AMZN_TRACE_ID, plain: Object.getPrototypeOf(context) === Object.prototype });\n")
        full = Invocation({}, Lambda_Runtime_Client_Context='{"custom":{"k":"\u00e9"}}', Lambda_Runtime_Trace_Id="Root=1",
                          Lambda_Runtime_Cognito_Identity='{"cognitoIdentityId":"i"}')
        first, second = (i.json() for i in self.run_function(source, [full, {}]).invocations)
        left = first.pop("left")
        self.assertTrue(0 < left <= 5000)
        self.assertEqual(first.pop("names"), [
            "callbackWaitsForEmptyEventLoop", "succeed", "fail", "done", "functionVersion", "functionName", "memoryLimitInMB",
            "logGroupName", "logStreamName", "clientContext", "identity", "invokedFunctionArn", "awsRequestId", "tenantId",
            "getRemainingTimeInMillis"])
        self.assertEqual(first, {
            "callbackWaitsForEmptyEventLoop": True, "functionVersion": "$LATEST", "functionName": "f", "memoryLimitInMB": "128",
            "logGroupName": "/aws/lambda/f", "logStreamName": "2026/01/01/[$LATEST]abc", "clientContext": {"custom": {"k": "\u00e9"}},
            "identity": {"cognitoIdentityId": "i"}, "invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "awsRequestId": ID, "trace": "Root=1", "plain": True})
        self.assertEqual([second.get(k) for k in ("clientContext", "identity", "trace")], [None, None, None])


class Errors(NodeCase):
    def test_kinds_of_failures(self):
        for source in ("exports.handler = async () => { throw new TypeError('b\u00e4d'); };",
                       "exports.handler = () => { throw new TypeError('b\u00e4d'); };",
                       "exports.handler = (e, c, callback) => callback(new TypeError('b\u00e4d'));",
                       "exports.handler = (e, context) => context.fail(new TypeError('b\u00e4d'));",
                       "exports.handler = (e, context) => { setTimeout(context.done, 1, new TypeError('b\u00e4d')); };"):
            with self.subTest(source):
                result = self.run_function(source, [1, 2])
                for invocation in result.invocations:
                    error = invocation.json()
                    self.assertEqual(list(error), ["errorType", "errorMessage", "trace"])
                    self.assertEqual((invocation.kind, error["errorType"], error["errorMessage"], error["trace"][0]),
                                     ("error", "TypeError", "b\u00e4d", "TypeError: b\u00e4d"))
                    self.assertIn("index.js:1:", error["trace"][1])
                    self.assertEqual(invocation.answer_headers["lambda-runtime-function-error-type"], "TypeError")

    def test_log_record_of_a_failure(self):
        source = "exports.handler = async () => { throw Object.assign(new RangeError('no'), { code: 'E1', extra: { a: 1 } }); };"
        _, result = self.failure(source)
        head, _, text = result.stdout.partition("\tERROR\tInvoke Error \t")
        self.assertRegex(head, "^%s\t%s$" % (STAMP, ID))
        record = json.loads(text)
        self.assertEqual(record.pop("stack")[0], "RangeError: no")
        self.assertEqual(record, {"errorType": "RangeError", "errorMessage": "no", "code": "E1", "extra": {"a": 1}})

    def test_thrown_values_that_are_not_errors(self):
        for thrown, expected in (
                ("'text'", ("string", "text")), ("7", ("number", "7")), ("{ a: 1 }", ("object", "[object Object]")),
                ("undefined", ("string", "handled")), ("Object.create(null)", ("handled", None))):
            with self.subTest(thrown):
                error, _ = self.failure("exports.handler = async () => { throw %s; };" % thrown)
                self.assertEqual(error["errorType"], expected[0])
                if expected[1] is not None:
                    self.assertEqual(error, {"errorType": expected[0], "errorMessage": expected[1], "trace": []})

    def test_answers_without_json_form(self):
        error, _ = self.failure("exports.handler = async () => { const a = {}; a.a = a; return a; };")
        self.assertEqual((error["errorType"], error["errorMessage"]), ("Error", "Unable to stringify response body"))
        error, _ = self.failure("exports.handler = async () => 1n;")
        self.assertEqual(error["errorMessage"], "Unable to stringify response body")

    def test_event_that_is_not_json(self):
        error, _ = self.failure("exports.handler = async () => 1;", Invocation(b"{nope"))
        self.assertEqual(error["errorType"], "SyntaxError")

    def test_names_that_are_no_header(self):
        error, result = self.failure("exports.handler = async () => { const e = new Error('a\\r\\nb'); e.name = 'A\\r\\nX: \u00dc'; throw e; };")
        self.assertEqual(error["errorType"], "A\r\nX: \u00dc")
        self.assertEqual(result.invocations[0].answer_headers["lambda-runtime-function-error-type"], "A__X:__")

    def test_uncaught_exception_ends_the_process(self):
        source = "exports.handler = (e, c, callback) => { setTimeout(() => { throw new Error('late'); }, 1); };"
        result = self.run_function(source, exits=True)
        self.assertEqual(result.code, 129)
        self.assertEqual(result.invocations[0].json()["errorMessage"], "late")
        self.assertIn("\tERROR\tUncaught Exception \t{", result.stdout)

    def test_unhandled_rejection_ends_the_process(self):
        source = "exports.handler = (e, c, callback) => { Promise.reject(new Error('lost')); setTimeout(callback, 1000); };"
        result = self.run_function(source, exits=True)
        self.assertEqual(result.code, 128)
        error = result.invocations[0].json()
        self.assertEqual((error["errorType"], error["errorMessage"]), ("Runtime.UnhandledPromiseRejection", "Error: lost"))
        self.assertEqual(error["trace"][0], "Runtime.UnhandledPromiseRejection: Error: lost")
        self.assertIn("\tERROR\tUnhandled Promise Rejection \t{", result.stdout)

    def test_leaving_the_process_is_not_an_error_report(self):
        for statement, code in (("process.exit(3)", 3), ("process.exit()", 0), ("process.abort()", -6), ("process.kill(process.pid, 9)", -9)):
            with self.subTest(statement):
                result = self.run_function("exports.handler = () => { console.log('last'); %s; };" % statement, exits=True)
                self.assertEqual(result.code, code)
                self.assertIsNone(result.invocations[0].kind)
                self.assertTrue(result.stdout.endswith("\tINFO\tlast\n"))

    def test_background_failure_between_invocations(self):
        source = "exports.handler = async () => { setTimeout(() => { throw new Error('bg'); }, 20); return 1; };"
        result = self.run_function(source, [1], exits=True)
        self.assertEqual((result.code, result.invocations[0].json()), (129, 1))


class Init(NodeCase):
    def check(self, source, kind, message, code=129, **options):
        error, result = self.init_failure(source, **options)
        self.assertEqual(error["errorType"], kind)
        self.assertEqual(error["errorMessage"].split("\n")[0], message)
        self.assertTrue(error["trace"][0].startswith(kind + ": " + message), error["trace"])
        self.assertEqual(result.init_error.headers["lambda-runtime-function-error-type"], kind)
        self.assertEqual(result.code, code)
        self.assertRegex(result.stdout, r"\A%s\tundefined\tERROR\tU[a-z]+ (Exception|Promise Rejection) \t\{" % STAMP)
        self.assertEqual(len(result.server.requests), 1)

    def test_no_such_module(self):
        self.check(None, "Runtime.ImportModuleError", "Error: Cannot find module 'nope'", handler="nope.handler")

    def test_require_of_a_missing_package(self):
        self.check("require('not-there');", "Runtime.ImportModuleError", "Error: Cannot find module 'not-there'")

    def test_no_such_handler(self):
        self.check("exports.x = 1;", "Runtime.HandlerNotFound", "index.handler is undefined or not exported")
        self.check("exports.handler = 1;", "Runtime.HandlerNotFound", "index.handler is not a function")

    def test_handler_names(self):
        self.check("", "Runtime.MalformedHandlerName", "Bad handler", handler="index")
        self.check("", "Runtime.MalformedHandlerName", "'../index.handler' is not a valid handler name. Use absolute paths when "
                   "specifying root directories in handler names.", handler="../index.handler")

    def test_syntax_error(self):
        self.check("exports.handler = async () => { retrun 1 };", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected number")
        self.check(None, "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected number", handler="esm.handler",
                   files={"esm.mjs": "export const handler = async () => { retrun 1 };"})

    def test_exception_while_loading(self):
        self.check("throw new RangeError('early');", "RangeError", "early")
        self.check(None, "RangeError", "early", handler="esm.handler", files={"esm.mjs": "throw new RangeError('early');"})

    def test_rejection_while_loading(self):
        self.check("Promise.reject(new Error('lost')); exports.handler = async () => 1;\n"
                   "const end = Date.now() + 50; process.nextTick(() => { while (Date.now() < end); });",
                   "Runtime.UnhandledPromiseRejection", "Error: lost", code=128)

    def test_exit_while_loading(self):
        result = self.run_function("process.exit(7);", exits=True)
        self.assertEqual((result.code, result.init_error), (7, None))


class Logs(NodeCase):
    def test_text_records(self):
        source = ("console.log('early');\nexports.handler = async () => { console.log('a %s', 'b', { c: 1 }); console.debug('d');\n"
                  "  console.warn('w'); console.error('e\\nf'); console.trace('t'); console.info(1, [2]); console.log();\n"
                  "  process.stdout.write('raw\\n'); console.fatal('x'); };\n")
        lines = self.run_function(source).stdout.splitlines(keepends=True)
        expected = ["INFO\ta b { c: 1 }\n", "DEBUG\td\n", "WARN\tw\n", "ERROR\te\r", "f\n", "TRACE\tt\n", "INFO\t1 [ 2 ]\n",
                    "INFO\tundefined\n", "raw\n", "FATAL\tx\n"]
        self.assertRegex(lines[0], "^%s\tundefined\tINFO\tearly\n$" % STAMP)
        for line, text in zip(lines[1:], expected):
            if "\t" in text:
                self.assertRegex(line, "^%s\t%s\t" % (STAMP, ID))
                line = line.split("\t", 2)[2]
            self.assertEqual(line, text)
        self.assertEqual(len(lines), 11)

    def test_json_records(self):
        source = ("exports.handler = async () => { console.log({ a: 1 }); console.log('x', 2); console.debug('no');\n"
                  "  console.warn('w', new RangeError('r')); console.error(new TypeError('t')); throw new Error('end'); };\n")
        result = self.run_function(source, env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"})
        records = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertRegex(records[0].pop("timestamp"), STAMP)
        self.assertEqual(records[0], {"level": "INFO", "requestId": ID, "message": {"a": 1}})
        self.assertEqual(records[1]["message"], "x 2")
        self.assertEqual((records[2]["errorType"], records[2]["errorMessage"]), ("RangeError", "r"))
        self.assertEqual(records[3]["message"]["errorType"], "TypeError")
        self.assertEqual((records[4]["level"], records[4]["message"]["errorMessage"]), ("ERROR", "end"))
        self.assertEqual(len(records), 5)

    def test_much_output(self):
        source = "exports.handler = async () => { for (let i = 0; i < 2000; i++) console.log('x'.repeat(1000)); };"
        self.assertEqual(self.run_function(source).stdout.count("x" * 1000 + "\n"), 2000)


class Streaming(NodeCase):
    def test_chunks_and_prelude(self):
        source = ("exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {\n"
                  "  if (event.http) stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });\n"
                  "  else stream.setContentType('text/plain');\n"
                  "  for (let i = 0; i < event.n; i++) { stream.write('part' + i); await new Promise((r) => setTimeout(r, 2)); }\n"
                  "  stream.end(); });\n")
        result = self.run_function(source, [{"n": 3}, {"n": 1, "http": True}, {"n": 0}])
        self.assertEqual([i.answer for i in result.invocations], [b"part0part1part2", b'{"statusCode":201}' + bytes(8) + b"part0", b""])
        first = result.invocations[0].answer_headers
        self.assertEqual((first["lambda-runtime-function-response-mode"], first["content-type"], first["transfer-encoding"]),
                         ("streaming", "text/plain", "chunked"))
        self.assertEqual(result.invocations[1].answer_headers["content-type"], "application/vnd.awslambda.http-integration-response")
        self.assertEqual(result.invocations[0].trailers, {})

    def test_error_in_mid_stream(self):
        source = ("exports.handler = awslambda.streamifyResponse(async (event, stream) => { stream.write('some');\n"
                  "  if (event) throw new RangeError('mid'); stream.end(); });\n")
        import base64
        result = self.run_function(source, [1, 0])
        self.assertEqual([i.answer for i in result.invocations], [b"some", b"some"])
        trailers = result.invocations[0].trailers
        self.assertEqual(trailers["lambda-runtime-function-error-type"], "RangeError")
        self.assertEqual(json.loads(base64.b64decode(trailers["lambda-runtime-function-error-body"]))["errorMessage"], "mid")

    def test_unfinished_stream(self):
        source = "exports.handler = awslambda.streamifyResponse(async (event, stream) => { stream.write('some'); });\n"
        result = self.run_function(source, [1, 2])
        self.assertIn("Response stream is not finished.", result.stdout)
        self.assertEqual(result.invocations[1].trailers["lambda-runtime-function-error-type"], "string")

    def test_large_stream_through_a_pipeline(self):
        source = ("const { pipeline } = require('stream/promises'), { Readable } = require('stream');\n"
                  "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n"
                  "  await pipeline(Readable.from((function* () { for (let i = 0; i < 200; i++) yield Buffer.alloc(40000, 97); })()), stream); });\n")
        result = self.run_function(source, [1], max_answer=1 << 30)
        self.assertEqual(result.invocations[0].answer, b"a" * 8000000)


    def stream_errors(self, body, events=(1, 0)):
        source = ("const { pipeline } = require('stream/promises'), { Readable } = require('stream');\n"
                  "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n" + body + "\n});\n")
        result = self.run_function(source, list(events))
        self.assertEqual(result.invocations[1].answer, b"some")
        return result.invocations[0], result

    def test_error_before_the_first_byte_is_an_ordinary_one(self):
        failed, result = self.stream_errors("if (event) throw new RangeError('early'); stream.end('some');")
        self.assertEqual((failed.kind, failed.json()["errorType"], failed.trailers), ("error", "RangeError", {}))
        self.assertEqual(result.server.connections, 1)

    def test_pipeline_whose_source_fails(self):
        failed, result = self.stream_errors(
            "await pipeline(Readable.from((async function* () { yield 'some'; await new Promise((r) => setTimeout(r, 5));"
            " if (event) throw new TypeError('source'); })()), stream);")
        self.assertEqual((failed.kind, failed.answer), ("response", b"some"))
        self.assertEqual(failed.trailers["lambda-runtime-function-error-type"], "TypeError")
        self.assertEqual(result.server.connections, 1)

    def test_handler_that_waits_for_its_own_stream(self):
        failed, _ = self.stream_errors("stream.write('some'); if (!event) stream.end(); await new Promise((r) => stream.on('finish', r));")
        self.assertEqual((failed.answer, failed.trailers["lambda-runtime-function-error-type"]), (b"some", "string"))

    def test_head_of_an_answer_that_is_only_ended(self):
        source = ("exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n"
                  "  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 204 }); stream.end(event || undefined); });\n")
        result = self.run_function(source, ["", "body"])
        self.assertEqual([i.answer for i in result.invocations], [b'{"statusCode":204}' + bytes(8) + part for part in (b"", b"body")])

    def test_what_nobody_caught_in_mid_stream(self):
        source = ("exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n"
                  "  stream.write('some'); setTimeout(() => { throw new RangeError('loose'); }, 5); await new Promise(() => {}); });\n")
        result = self.run_function(source, [1], exits=True)
        self.assertEqual(result.code, 129)
        self.assertEqual((result.invocations[0].answer, result.invocations[0].trailers["lambda-runtime-function-error-type"]),
                         (b"some", "RangeError"))

    def test_small_writes_leave_together_and_in_order(self):
        source = ("exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n"
                  "  for (let i = 0; i < 5000; i++) stream.write(i + ','); stream.end(); });\n")
        result = self.run_function(source, [1])
        self.assertEqual(result.invocations[0].answer, b"".join(b"%d," % i for i in range(5000)))


class WithoutHandles:
    """Where process.binding isn't what it was, connections are made by `net`."""
    uses_net = True
    preload = "process.binding = undefined;"

    def setUp(self):
        super().setUp()
        folder = tempfile.mkdtemp(prefix="runtime-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        preload = os.path.join(folder, "preload.cjs")
        with open(preload, "w", encoding="utf-8") as f:
            f.write(self.preload)
        self.command = [NODE[0], "--require", preload, *NODE[1:]]


class ProtocolWithoutHandles(WithoutHandles, Protocol):
    pass


class HandlersWithoutHandles(WithoutHandles, Handlers):
    pass


class StreamingWithoutHandles(WithoutHandles, Streaming):
    pass


class ProtocolWithOtherHandles(WithoutHandles, Protocol):
    preload = "const { binding } = process; process.binding = (name) => (name === 'stream_wrap' ? {} : binding(name));"


class ProtocolByName(Protocol):
    uses_net = True

    def environment(self, address, *rest):
        return super().environment(address.replace("127.0.0.1", "localhost"), *rest)


class Quiet(NodeCase):
    def test_no_deprecation_is_printed_but_the_functions_own(self):
        self.put("hello.mjs", "export const handler = async () => 1;")
        for handler in ("index.handler", "hello.handler"):
            result = self.run_function("exports.handler = async () => 1;", env={"NODE_PENDING_DEPRECATION": "1"}, handler=handler)
            self.assertEqual(result.stdout + result.stderr, "")
        result = self.run_function("new Buffer(1); exports.handler = async () => 1;")
        self.assertIn("DEP0005", result.stdout + result.stderr)


class EsModules(NodeCase):
    def test_name_that_require_would_unwrap(self):
        source = "const handler = async () => 1, other = { handler: async () => 2 };\nexport { handler, other as 'module.exports' };\n"
        self.assertEqual(self.answer(None, files={"esm.mjs": source}, handler="esm.handler"), 1)

    def test_runs_once_whether_it_waits_or_not(self):
        for first in ("", "await 1;"):
            source = first + "console.log('ran'); globalThis.n = (globalThis.n || 0) + 1;\nexport const handler = async () => globalThis.n;\n"
            result = self.run_function(None, files={"esm.mjs": source}, handler="esm.handler")
            self.assertEqual((result.invocations[0].json(), result.stdout.count("ran")), (1, 1))

    def test_module_that_waits_and_fails(self):
        error, result = self.init_failure(None, files={"esm.mjs": "await 1; throw new RangeError('late');"}, handler="esm.handler")
        self.assertEqual((error["errorType"], error["errorMessage"], result.code), ("RangeError", "late", 129))

    def test_missing_import(self):
        error, _ = self.init_failure(None, files={"esm.mjs": "import 'not-there';"}, handler="esm.handler")
        self.assertEqual(error["errorType"], "Error")
        self.assertIn("Cannot find package 'not-there' imported from", error["errorMessage"])

    def test_hooks_of_imports_see_the_handler(self):
        hook = ("export async function load(url, context, next) { const found = await next(url, context);\n"
                "  return url.endsWith('esm.mjs') ? { ...found, source: String(found.source).replace('old', 'new') } : found; }\n")
        self.put("hook.mjs", hook)
        self.put("register.mjs", "import { register } from 'node:module'; register('./hook.mjs', import.meta.url);\n")
        source = "export const handler = async () => 'old';\n"
        answer = self.answer(None, files={"esm.mjs": source}, handler="esm.handler",
                             env={"NODE_OPTIONS": "--import " + os.path.join(self.folder, "register.mjs")})
        self.assertEqual(answer, "new")


class Packages(NodeCase):
    def test_npm_package_from_commonjs_and_esm(self):
        if not shutil.which("npm"):
            self.skipTest("npm is not installed")
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--cache", cache, "uuid@9", "lodash@4"],
                                  cwd=self.folder, capture_output=True, text=True, timeout=300)
        if done.returncode:
            self.skipTest("npm install failed (no registry?): " + done.stderr[-300:])
        cjs = "const { v5 } = require('uuid'), _ = require('lodash');\nexports.handler = async (e) => [v5('x', v5.DNS), _.chunk(e, 2)];\n"
        esm = "import { v5 } from 'uuid';\nimport _ from 'lodash';\nexport const handler = async (e) => [v5('x', v5.DNS), _.chunk(e, 2)];\n"
        expected = [str(__import__("uuid").uuid5(__import__("uuid").NAMESPACE_DNS, "x")), [[1, 2], [3]]]
        self.assertEqual(self.answer(cjs, [1, 2, 3]), expected)
        self.assertEqual(self.answer(None, [1, 2, 3], files={"esm.mjs": esm}, handler="esm.handler"), expected)

    def test_modules_of_node_path(self):
        self.put("shared/thing/index.js", "module.exports = 42;")
        source = "exports.handler = async () => [require('thing'), process.env.NODE_PATH];"
        path = os.path.join(self.folder, "shared")
        self.assertEqual(self.answer(source, env={"NODE_PATH": path}), [42, path])

    def test_default_node_path_has_the_layers(self):
        path = self.answer("exports.handler = async () => process.env.NODE_PATH;").split(":")
        self.assertRegex(path[0], r"^/opt/nodejs/node\d+/node_modules$")
        self.assertEqual((path[1], path[-1]), ("/opt/nodejs/node_modules", self.folder))

    def test_the_sandbox_links_for_es_modules_do_not_precede_node_path(self):
        paths = self.answer("exports.handler = async () => [...module.paths, ...require.resolve.paths('x')];")
        self.assertIn(os.path.join(self.folder, "node_modules"), paths)
        self.assertFalse({"/node_modules", "/var/node_modules"} & set(paths), paths)

    def test_children_threads_and_fetch(self):
        source = ("const { Worker } = require('worker_threads'), { execFileSync } = require('child_process');\n"
                  "exports.handler = async () => { const w = new Worker('require(\"worker_threads\").parentPort.postMessage(5)', { eval: true });\n"
                  "  const n = await new Promise((r) => w.once('message', r)); return [n, execFileSync('echo', ['x']).toString(), typeof fetch]; };\n")
        self.assertEqual(self.answer(source), [5, "x\n", "function"])


if __name__ == "__main__":
    unittest.main()
