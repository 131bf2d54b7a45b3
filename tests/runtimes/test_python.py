import os
import re
import subprocess
import unittest

from harness import PYTHON, Invocation, RuntimeCase

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ID = "00000001-1111-4222-8333-444455556666"


class PythonCase(RuntimeCase):
    command, module, handler = PYTHON, "app.py", "app.handler"


class Protocol(PythonCase):
    ECHO = "def handler(event, context):\n    return event\n"

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
                self.assertEqual([i.json()["n"] for i in result.invocations], [0, 1, 2, 3, 4])

    def test_six_megabytes_both_ways(self):
        for wire in ("plain", "chunked"):
            text = "0123456789abcdef" * (6 * 65536 - 1)
            result = self.run_function(self.ECHO, [{"t": text}, {"n": 2}], wire=wire)
            self.assertEqual(result.invocations[0].json()["t"], text)
            self.assertEqual(result.invocations[1].json(), {"n": 2})

    def test_too_large_answer_is_refused_and_the_next_invocation_served(self):
        source = "def handler(event, context):\n    return 'x' * event\n"
        result = self.run_function(source, [7 << 20, 3])
        self.assertEqual(result.invocations[0].reason, "RequestEntityTooLarge")
        self.assertEqual(result.invocations[1].json(), "xxx")
        self.assertIn("Http response code: 413", result.stderr)

    def test_reconnects_once_when_the_idle_connection_is_dropped(self):
        result = self.run_function(self.ECHO, [1, 2, 3], drop_after=1)
        self.assertEqual([i.json() for i in result.invocations], [1, 2, 3])
        self.assertEqual(result.server.connections, 2)

    def test_ends_when_the_server_is_gone(self):
        result = subprocess.run(PYTHON, env=self.environment("127.0.0.1:9", "app.handler", {}), capture_output=True, timeout=60)
        self.assertEqual(result.returncode, 1)


class Values(PythonCase):
    def test_raw_bytes_of_common_answers(self):
        source = ("import decimal, collections\nP = collections.namedtuple('P', 'x y')\n"
                  "A = [None, {'a': 1, 'b': [1.5, True, None]}, 'h\\u00e9', P(1, P(2, 3)), {'d': decimal.Decimal('1.10')},\n"
                  "     {'b': b'xy'}, b'\\x00raw', float('nan'), {1: 2, None: 3, 1.5: 4, True: 5}, (1, (2,)), [], {}, '',\n"
                  "     [decimal.Decimal('1E+2'), [], {}, P(1, 2)]]\n"
                  "def handler(event, context):\n    return A[event]\n")
        expected = [b"null", b'{"a": 1, "b": [1.5, true, null]}', b'"h\\u00e9"', b'{"x": 1, "y": {"x": 2, "y": 3}}',
                    b'{"d": 1.10}', b'{"b": "xy"}', b"\x00raw", b"NaN", b'{"1": 5, "null": 3, "1.5": 4}', b"[1, [2]]",
                    b"[]", b"{}", b'""', b'[1E+2, [], {}, {"x": 1, "y": 2}]']
        result = self.run_function(source, list(range(len(expected))))
        self.assertEqual([i.answer for i in result.invocations], expected)
        self.assertEqual(result.invocations[6].answer_headers["content-type"], "application/unknown")
        self.assertEqual(result.invocations[0].answer_headers["content-type"], "application/json")

    def test_from_python_312_on_answers_are_utf8(self):
        source = "def handler(event, context):\n    return {'s': 'h\\u00e9'}\n"
        for runtime, expected in (("python3.11", b'{"s": "h\\u00e9"}'), ("python3.12", b'{"s": "h\xc3\xa9"}')):
            result = self.run_function(source, [{}], env={"AWS_EXECUTION_ENV": "AWS_Lambda_" + runtime})
            self.assertEqual(result.invocations[0].answer, expected)

    def test_events_of_every_json_type(self):
        source = "def handler(event, context):\n    return [type(event).__name__, event]\n"
        for event, name in (({}, "dict"), ([1], "list"), ("s", "str"), (1, "int"), (1.5, "float"), (None, "NoneType")):
            result = self.run_function(source, [Invocation(b" \n" + __import__("json").dumps(event).encode() + b"\n")])
            self.assertEqual(result.invocations[0].json(), [name, event])

    def test_answers_without_json_form(self):
        source = ("class T: pass\na = []\na.append(a)\nimport decimal\nV = [{1, 2}, T(), a, {(1, 2): 3}, [decimal.Decimal(1), T()]]\n"
                  "def handler(event, context):\n    return V[event] if event < 9 else 'fine'\n")
        result = self.run_function(source, [0, 1, 2, 3, 4, 9])
        messages = ["Object of type set is not JSON serializable", "Object of type T is not JSON serializable",
                    "Circular reference detected", "keys must be str, int, float, bool or None, not tuple",
                    "Object of type T is not JSON serializable"]
        for invocation, message in zip(result.invocations, messages):
            self.assertEqual(invocation.json(), {
                "errorMessage": "Unable to marshal response: " + message, "errorType": "Runtime.MarshalError",
                "requestId": invocation.id, "stackTrace": []})
        self.assertEqual(result.invocations[5].json(), "fine")

    def test_event_that_is_not_json(self):
        error, _ = self.failure("def handler(e, c): pass\n", Invocation(b"{nope"))
        self.assertEqual(error["errorType"], "Runtime.UnmarshalError")
        self.assertEqual(error["errorMessage"], "Unable to unmarshal input: Expecting property name enclosed in "
                                                "double quotes: line 1 column 2 (char 1)")
        error, _ = self.failure(None, Invocation(b""))
        self.assertEqual(error["errorMessage"], "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)")


class Streaming(PythonCase):
    def test_pieces_leave_as_they_are_yielded(self):
        source = ("def handler(event, context):\n    for i in range(event):\n        yield '\\u00e9' if i == 1 else b'\\x00' * i\n"
                  "    yield memoryview(bytearray(b'v'))\n")
        result = self.run_function(source, [4, 0, 1])
        self.assertEqual([i.answer for i in result.invocations], [b"\xc3\xa9\0\0\0\0\0v", b"v", b"v"])
        headers = result.invocations[0].answer_headers
        self.assertEqual((headers["lambda-runtime-function-response-mode"], headers["content-type"], headers["transfer-encoding"]),
                         ("streaming", "application/octet-stream", "chunked"))
        self.assertEqual(result.invocations[0].trailers, {})
        self.assertEqual(result.server.connections, 1)

    def test_http_head_first(self):
        source = ("def pieces(head):\n    yield head\n    yield 'body'\n"
                  "def handler(event, context):\n    return pieces(event)\n")
        head = {"statusCode": 201, "headers": {"x": "1"}, "cookies": ["a=b"]}
        result = self.run_function(source, [head])
        prelude, _, body = result.invocations[0].answer.partition(bytes(8))
        import json
        self.assertEqual((json.loads(prelude), body), (head, b"body"))
        self.assertEqual(result.invocations[0].answer_headers["content-type"], "application/vnd.awslambda.http-integration-response")

    def test_errors_before_and_after_the_first_piece(self):
        source = ("def handler(event, context):\n    if event == 'early': raise KeyError('k')\n    yield 'some'\n"
                  "    if event == 'late': raise ValueError('v')\n    if event == 'odd': yield 5\n")
        result = self.run_function(source, ["early", "late", "odd", ""])
        early, late, odd, good = result.invocations
        self.assertEqual((early.kind, early.json()["errorType"]), ("error", "KeyError"))
        import base64
        import json
        self.assertEqual((late.kind, late.answer, late.trailers["lambda-runtime-function-error-type"]), ("response", b"some", "ValueError"))
        failure = json.loads(base64.b64decode(late.trailers["lambda-runtime-function-error-body"]))
        self.assertEqual((failure["errorMessage"], failure["errorType"]), ("v", "ValueError"))
        self.assertEqual(odd.trailers["lambda-runtime-function-error-type"], "Runtime.MarshalError")
        self.assertEqual((good.answer, good.trailers), (b"some", {}))
        self.assertIn("[ERROR] ValueError: v", result.stdout)

    def test_large_pieces(self):
        source = "def handler(event, context):\n    for i in range(100):\n        yield bytes([97 + i % 26]) * 80000\n"
        result = self.run_function(source, [1, 2], max_answer=1 << 30)
        self.assertEqual(result.invocations[1].answer, b"".join(bytes([97 + i % 26]) * 80000 for i in range(100)))

    def test_other_answers_are_as_before(self):
        self.assertEqual(self.failure("def handler(event, context):\n    return iter([1])\n")[0]["errorType"], "Runtime.MarshalError")


class ContextObject(PythonCase):
    SOURCE = """
import os
def handler(event, context):
    c = {k: v for k, v in vars(context).items() if isinstance(v, (str, type(None)))}
    c["remaining"] = context.get_remaining_time_in_millis()
    c["identity"] = [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]
    cc = context.client_context
    c["client"] = cc and [cc.custom, cc.env, cc.client.app_title, cc.client.installation_id]
    c["trace"] = os.environ.get("_X_AMZN_TRACE_ID")
    c["child"] = os.popen("printf %s \\"$_X_AMZN_TRACE_ID\\"").read()
    c["repr"] = repr(context)
    context.log("logged")
    context.log(7)
    return c
"""

    def test_members(self):
        full = Invocation({}, Lambda_Runtime_Client_Context='{"custom":{"k":"\u00e9"},"env":{"e":1},"client":{"app_title":"t"}}',
                          Lambda_Runtime_Cognito_Identity='{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}',
                          Lambda_Runtime_Trace_Id="Root=1-2-3", Lambda_Runtime_Aws_Tenant_Id="ten")
        result = self.run_function(self.SOURCE, [full, {}])
        first, second = (i.json() for i in result.invocations)
        for name, value in {
                "aws_request_id": ID, "function_name": "f", "function_version": "$LATEST", "memory_limit_in_mb": "128",
                "log_group_name": "/aws/lambda/f", "log_stream_name": "2026/01/01/[$LATEST]abc", "tenant_id": "ten",
                "invoked_function_arn": "arn:aws:lambda:us-east-1:000000000000:function:f", "identity": ["i", "p"],
                "client": [{"k": "\u00e9"}, {"e": 1}, "t", None], "trace": "Root=1-2-3", "child": "Root=1-2-3"}.items():
            self.assertEqual(first[name], value, name)
        self.assertTrue(0 < first["remaining"] <= 5000)
        self.assertTrue(first["repr"].startswith("LambdaContext([aws_request_id=" + ID))
        self.assertEqual([second[k] for k in ("identity", "client", "trace", "child", "tenant_id")],
                         [[None, None], None, None, "", None])
        self.assertEqual(result.stdout, "logged7logged7")

    def test_remaining_time_is_never_negative(self):
        late = Invocation({})
        late.deadline_ms = 1000
        result = self.run_function("def handler(e, c):\n    return c.get_remaining_time_in_millis()\n", [late])
        self.assertEqual(result.invocations[0].json(), 0)

    def test_broken_client_context(self):
        error, _ = self.failure("def handler(e, c): pass\n", Invocation({}, Lambda_Runtime_Client_Context="{x"))
        self.assertEqual(error["errorType"], "Runtime.LambdaContextUnmarshalError")
        self.assertTrue(error["errorMessage"].startswith("Unable to parse Client Context JSON: "))


class Errors(PythonCase):
    def test_exception(self):
        source = "def inner():\n    raise ValueError('b\u00e4d')\n\ndef handler(event, context):\n    inner()\n"
        error, result = self.failure(source)
        self.assertEqual(list(error), ["errorMessage", "errorType", "requestId", "stackTrace"])
        path = os.path.join(self.folder, "app.py")
        self.assertEqual(error, {
            "errorMessage": "b\u00e4d", "errorType": "ValueError", "requestId": ID,
            "stackTrace": ['  File "%s", line 5, in handler\n    inner()\n' % path,
                           "  File \"%s\", line 2, in inner\n    raise ValueError('b\u00e4d')\n" % path]})
        self.assertEqual(result.invocations[0].answer_headers["lambda-runtime-function-error-type"], "ValueError")
        space = "\u00a0"
        self.assertEqual(result.stdout, (
            "[ERROR] ValueError: b\u00e4d\rTraceback (most recent call last):\r" + space * 2 + 'File "%s", line 5, in handler\r'
            + space * 4 + "inner()\r" + space * 2 + 'File "%s", line 2, in inner\r' + space * 4
            + "raise ValueError('b\u00e4d')\n") % (path, path))

    def test_serves_on_after_an_exception(self):
        source = "def handler(event, context):\n    return 1 // event\n"
        result = self.run_function(source, [0, 1, 0, 1])
        self.assertEqual([i.kind for i in result.invocations], ["error", "response"] * 2)
        self.assertEqual(result.invocations[2].json()["requestId"], result.invocations[2].id)

    def test_exception_with_odd_names_and_texts(self):
        source = ("class \u00dcbel(Exception):\n    def __str__(self):\n        raise KeyError\n"
                  "def handler(event, context):\n    raise \u00dcbel if event else Exception('\\ud800\\r\\nX: y')\n")
        result = self.run_function(source, [0, 1])
        self.assertEqual(result.invocations[0].json()["errorMessage"], "\ud800\r\nX: y")
        self.assertEqual(result.invocations[1].json()["errorType"], "\u00dcbel")
        self.assertEqual(result.invocations[1].answer_headers["lambda-runtime-function-error-type"], "_bel")

    def test_wrong_number_of_parameters(self):
        error, _ = self.failure("def handler(event):\n    pass\n")
        self.assertEqual(error["errorType"], "TypeError")
        self.assertIn("takes 1 positional argument but 2 were given", error["errorMessage"])

    def test_leaving_the_process_is_not_an_error_report(self):
        for statement, code in (("sys.exit(3)", 3), ("sys.exit()", 0), ("os._exit(4)", 4), ("exit(5)", 5), ("quit()", 0),
                                ("raise KeyboardInterrupt", -2), ("os.abort()", -6)):
            with self.subTest(statement):
                source = "import os, sys\ndef handler(event, context):\n    print('last')\n    %s\n" % statement
                result = self.run_function(source, exits=True)
                self.assertEqual(result.code, code, repr(result))
                self.assertIsNone(result.invocations[0].kind)
                self.assertIn("last\n", result.stdout)


class Init(PythonCase):
    def check(self, source, kind, message, trace=None, **options):
        error, result = self.init_failure(source, **options)
        self.assertEqual((error["errorType"], error["errorMessage"], error["requestId"]), (kind, message, ""))
        self.assertEqual(error["stackTrace"], trace or [])
        self.assertEqual(result.init_error.headers["lambda-runtime-function-error-type"], kind)
        self.assertEqual(result.code, 1)
        self.assertTrue(result.stdout.startswith("[ERROR] %s: %s\rTraceback (most recent call last):" % (kind, message)))
        self.assertEqual(len(result.server.requests), 1)

    def test_no_such_module(self):
        self.check(None, "Runtime.ImportModuleError", "Unable to import module 'nope': No module named 'nope'",
                   handler="nope.handler")

    def test_import_of_a_missing_package(self):
        self.check("import not_there\n", "Runtime.ImportModuleError",
                   "Unable to import module 'app': No module named 'not_there'")

    def test_no_such_handler(self):
        self.check("x = 1\n", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'")

    def test_handler_without_a_dot(self):
        self.check("", "Runtime.MalformedHandlerName",
                   "Bad handler 'handler': not enough values to unpack (expected 2, got 1)", handler="handler")

    def test_builtin_module(self):
        self.check("", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module",
                   handler="sys.exit")

    def test_syntax_error(self):
        path = os.path.join(self.folder, "app.py")
        self.check("def handler(e, c):\n    retrun 1\n", "Runtime.UserCodeSyntaxError",
                   "Syntax error in module 'app': invalid syntax (app.py, line 2)",
                   ['  File "%s" Line 2\n        retrun 1\n' % path])

    def test_exception_while_importing(self):
        path = os.path.join(self.folder, "app.py")
        self.check("raise ValueError('early')\n", "ValueError", "early",
                   ["  File \"%s\", line 1, in <module>\n    raise ValueError('early')\n" % path])

    def test_exit_while_importing(self):
        result = self.run_function("import sys\nsys.exit(7)\n", exits=True)
        self.assertEqual((result.code, result.init_error), (7, None))


class Modules(PythonCase):
    SOURCE = "def handler(event, context):\n    return __name__\n"

    def test_nested_handlers(self):
        for name, handler in (("a/b.py", "a/b.handler"), ("a/c/d.py", "a.c.d.handler"), ("e/__init__.py", "e.handler")):
            self.assertEqual(self.answer(None, files={name: self.SOURCE}, handler=handler),
                             name.replace("/__init__", "")[:-3].replace("/", "."))

    def test_module_path(self):
        path = self.answer("import sys\ndef handler(event, context):\n    return sys.path\n")
        self.assertEqual(path[:4], [self.folder, "/opt/python/lib/python3.11/site-packages", "/opt/python",
                                    os.path.dirname(PYTHON[-1])])
        self.assertIn("/usr/lib/python3.11", path)
        self.assertEqual(len(path), len(set(path)))

    def test_package_in_the_folder_pth_files_and_own_path(self):
        files = {"vendored/__init__.py": "from .sub import value\n", "vendored/sub.py": "value = 41\n",
                 "extra.pth": "hidden\n", "hidden/secret.py": "value = 1\n", "own/mine.py": "value = 100\n",
                 "own/sitecustomize.py": "import builtins\nbuiltins.customized = 1000\n"}
        source = "import vendored, secret\ndef handler(event, context):\n    return vendored.value + secret.value\n"
        self.assertEqual(self.answer(source, files=files), 42)
        source = "import vendored, mine\ndef handler(event, context):\n    return vendored.value + mine.value + customized\n"
        self.assertEqual(self.answer(source, env={"PYTHONPATH": os.path.join(self.folder, "own")}), 1141)

    def test_safe_path_setting(self):
        self.assertEqual(self.answer(self.SOURCE, env={"PYTHONSAFEPATH": "1"}), "app")

    def test_native_module(self):
        """A C extension built for this interpreter, found in the function's folder."""
        self.put("fast.c", """
#include <Python.h>
static PyObject *add(PyObject *self, PyObject *args) {
    long a, b;
    (void)self;
    if (!PyArg_ParseTuple(args, "ll", &a, &b)) return NULL;
    return PyLong_FromLong(a + b);
}
static PyMethodDef methods[] = {{"add", add, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
""")
        include = subprocess.run(["/usr/bin/python3", "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
                                 capture_output=True, text=True, check=True).stdout.strip()
        if not os.path.exists(include + "/Python.h"):
            self.skipTest("python3-dev is not installed")
        subprocess.run(["cc", "-shared", "-fPIC", "-I", include, "-o", self.folder + "/fast.so", self.folder + "/fast.c"],
                       check=True)
        self.assertEqual(self.answer("import fast\ndef handler(e, c):\n    return fast.add(e['a'], 2)\n", {"a": 40}), 42)

    def test_standard_library_and_builtins_work_without_site(self):
        source = ("import os, ssl, sqlite3, asyncio, multiprocessing, urllib.request, ctypes, zoneinfo, logging\n"
                  "def handler(event, context):\n"
                  "    return [asyncio.run(asyncio.sleep(0, 'x')), callable(help), 'json' in __import__('sys').modules]\n")
        self.assertEqual(self.answer(source), ["x", True, True])

    def test_unused_modules_are_not_imported(self):
        source = "import sys\nM = sorted(sys.modules)\ndef handler(event, context):\n    return M\n"
        loaded = self.answer(source)
        for name in ("json", "re", "os", "logging", "socket", "traceback", "enum", "site", "importlib", "botocore", "mayfly_endpoint"):
            self.assertNotIn(name, loaded)


class Endpoint(PythonCase):
    """A botocore of the function's own: what its clients are made with. The real one is used in tests/e2e/test_sdk_inside.py."""
    URL = "http://127.0.0.1:1"
    SOURCE = ("def handler(event, context):\n    import botocore.session\n    session = botocore.session.Session()\n"
              "    return [session.create_client('sqs'), session.create_client('sqs', 'r', None, True, None, 'http://own:1'),\n"
              "            session.create_client('sqs', endpoint_url='http://own:2')]\n")
    SESSION = ("class Model:\n    service_id = 'Made Up'\nclass Session:\n    def get_service_model(self, name):\n        return Model\n"
               "    def create_client(self, name, region_name=None, api_version=None, use_ssl=True, verify=None, endpoint_url=None):\n"
               "        return endpoint_url\n")

    def clients(self, version, **env):
        files = {"botocore/__init__.py": "__version__ = '%s'\n" % version, "botocore/session.py": self.SESSION}
        return self.answer(self.SOURCE, files=files, env=env)

    def test_older_ones_get_it_from_the_environment(self):
        self.assertEqual(self.clients("1.29.27", AWS_ENDPOINT_URL=self.URL), [self.URL, "http://own:1", "http://own:2"])
        self.assertEqual(self.clients("1.29.27", AWS_ENDPOINT_URL=self.URL, AWS_ENDPOINT_URL_MADE_UP="http://x:3")[0], "http://x:3")
        self.assertEqual(self.clients("1.29.27", AWS_ENDPOINT_URL=self.URL, AWS_ENDPOINT_URL_S3="http://x:3")[0], self.URL)

    def test_others_are_left_alone(self):
        self.assertIsNone(self.clients("1.31.0", AWS_ENDPOINT_URL=self.URL)[0])
        self.assertIsNone(self.clients("2.0.0dev1", AWS_ENDPOINT_URL=self.URL)[0])
        self.assertIsNone(self.clients("1.29.27")[0])
        self.assertIsNone(self.clients("1.29.27", AWS_ENDPOINT_URL=self.URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="True")[0])

    def test_a_copy_whose_path_comes_later(self):
        files = {"late/botocore/__init__.py": "__version__ = '1.20.0'\n", "late/botocore/session.py": self.SESSION}
        source = ("import sys\nsys.modules['botocore'] = None\ntry:\n    import botocore.session\nexcept ImportError:\n    pass\n"
                  "del sys.modules['botocore']\nsys.path.insert(0, __file__.rpartition('/')[0] + '/late')\n") + self.SOURCE
        self.assertEqual(self.answer(source, files=files, env={"AWS_ENDPOINT_URL": self.URL})[0], self.URL)


class Logs(PythonCase):
    def test_text_records(self):
        source = ("import logging\nlogging.getLogger().setLevel('INFO')\nlogging.info('early %d', 1)\n"
                  "def handler(event, context):\n    logging.info('one %s', event)\n    logging.getLogger('x').error('two')\n"
                  "    logging.debug('no')\n    logging.basicConfig(level='DEBUG')\n    logging.debug('no')\n")
        result = self.run_function(source, [{"a": 1}])
        self.assertRegex(result.stdout, r"\A\[INFO\]\t%s\t\tearly 1\n\[INFO\]\t%s\t%s\tone {'a': 1}\n\[ERROR\]\t%s\t%s\ttwo\n\Z"
                         % (STAMP, STAMP, ID, STAMP, ID))

    def test_text_level_is_warning(self):
        source = "def handler(event, context):\n    import logging\n    logging.info('no')\n    logging.warning('yes')\n"
        self.assertRegex(self.run_function(source).stdout, r"\A\[WARNING\]\t%s\t%s\tyes\n\Z" % (STAMP, ID))

    def test_json_records(self):
        source = ("import logging\ndef handler(event, context):\n    log = logging.getLogger('mine')\n"
                  "    log.debug('shown %s', 'x', extra={'k': {'v': 1}})\n    try:\n        1 / 0\n"
                  "    except Exception:\n        log.exception('caught')\n    raise ValueError('end')\n")
        env = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "TRACE"}
        import json
        result = self.run_function(source, env=env)
        first, second, third = (json.loads(line) for line in result.stdout.splitlines())
        self.assertRegex(first.pop("timestamp"), STAMP)
        self.assertEqual(first, {"level": "DEBUG", "message": "shown x", "logger": "mine", "requestId": ID, "k": {"v": 1}})
        self.assertEqual((second["level"], second["errorType"], second["errorMessage"]),
                         ("ERROR", "ZeroDivisionError", "division by zero"))
        self.assertRegex(second["location"], r"app\.py:handler:8$")
        self.assertEqual((third["level"], third["errorType"], third["requestId"]), ("ERROR", "ValueError", ID))

    def test_json_level_filters(self):
        source = "import logging\ndef handler(event, context):\n    logging.warning('no')\n    logging.error('yes')\n"
        result = self.run_function(source, env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "ERROR"})
        self.assertEqual(len(result.stdout.splitlines()), 1)

    def test_prints_are_written_before_the_answer(self):
        """Lines leave at once, the rest at the end of the invocation: the process is killed after the answer."""
        source = ("import sys, os\ndef handler(event, context):\n    print('line')\n    print('more', end='')\n"
                  "    sys.stderr.write('err')\n")
        result = self.run_function(source)
        self.assertEqual((result.stdout, result.stderr), ("line\nmore", "err"))

    def test_closed_or_replaced_output(self):
        source = "import sys\ndef handler(event, context):\n    sys.stdout.close()\n    sys.stderr = None\n    return 'ok'\n"
        self.assertEqual(self.answer(source), "ok")


class Processes(PythonCase):
    def test_threads_and_children(self):
        source = ("import threading, subprocess, multiprocessing\nL = []\n"
                  "def handler(event, context):\n    t = threading.Thread(target=L.append, args=(event,))\n    t.start()\n    t.join()\n"
                  "    p = multiprocessing.get_context('fork').Process(target=print, args=('child',))\n    p.start()\n    p.join()\n"
                  "    return [L, p.exitcode, subprocess.check_output(['echo', 'x']).decode()]\n")
        result = self.run_function(source, [1, 2])
        self.assertEqual(result.invocations[1].json(), [[1, 2], 0, "x\n"])
        self.assertEqual(result.stdout, "child\nchild\n")


if __name__ == "__main__":
    unittest.main()
