"""Third-party handlers and programs in several languages run unmodified; what a function sees of its environment."""
import glob
import json
import os
import re
import shutil
import unittest

from support import call, compiled, npm, package, tail
from harness import Server

PACKAGES = ("lodash@4.18.1", "uuid@14.0.3", "express@5.3.0", "@codegenie/serverless-express@4.17.1", "@middy/core@6.4.5",
            "@node-rs/crc32@1.10.8")

NODE_FILES = {
    "dash.js": """
const _ = require("lodash");
exports.handler = (event, context, callback) => callback(null, _.groupBy(event.words, "length"));
""",
    "web.js": """
const express = require("express"), serverlessExpress = require("@codegenie/serverless-express");
const app = express();
app.use(express.json());
app.post("/items/:id", (req, res) => res.status(201).set("x-own", "yes").json({ id: req.params.id, q: req.query.q, got: req.body }));
exports.handler = serverlessExpress({ app });
""",
    "mid.mjs": """
import middy from "@middy/core";
import { v5 } from "uuid";
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const prepared = await wait(5).then(() => "prepared");
export const handler = middy(async (event) => ({ prepared, id: v5(event.name, v5.URL), before: event.before }))
  .before((request) => { request.event.before = true; })
  .after((request) => { request.response.after = true; });
""",
    "native.js": """
const { crc32 } = require("@node-rs/crc32");
exports.handler = async (event) => crc32(event.text);
""",
}

EXPRESS_EVENT = {
    "version": "2.0", "routeKey": "$default", "rawPath": "/items/7", "rawQueryString": "q=x", "headers":
    {"content-type": "application/json", "host": "h"}, "queryStringParameters": {"q": "x"}, "isBase64Encoded": False,
    "body": '{"a":[1]}', "requestContext": {"http": {"method": "POST", "path": "/items/7", "sourceIp": "127.0.0.1"},
                                            "stage": "$default", "accountId": "1", "requestId": "r"}}

PYTHON_NATIVE = r'''
#include <Python.h>
static PyObject *twice(PyObject *self, PyObject *arg) { return PyLong_FromLong(2 * PyLong_AsLong(arg)); }
static PyMethodDef methods[] = {{"twice", twice, METH_O, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "quick", 0, -1, methods};
PyMODINIT_FUNC PyInit_quick(void) { return PyModule_Create(&module); }
'''

# A bootstrap in each language: answers {"language": ..., "event": <the event>}, and keeps its connection.
GO = r'''package main
import ("bytes"; "io"; "net/http"; "os")
func main() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		r, err := http.Get(base + "next")
		if err != nil { panic(err) }
		event, _ := io.ReadAll(r.Body)
		r.Body.Close()
		answer := []byte(`{"language":"go","event":` + string(event) + `}`)
		p, err := http.Post(base+r.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", bytes.NewReader(answer))
		if err != nil { panic(err) }
		io.Copy(io.Discard, p.Body)
		p.Body.Close()
	}
}
'''
RUST = r'''use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
fn read(r: &mut BufReader<TcpStream>) -> (String, String) {
    let (mut id, mut length, mut line) = (String::new(), 0, String::new());
    loop {
        line.clear();
        r.read_line(&mut line).unwrap();
        let low = line.trim().to_ascii_lowercase();
        if low.is_empty() { break; }
        if let Some(v) = low.strip_prefix("content-length:") { length = v.trim().parse().unwrap(); }
        if let Some(v) = low.strip_prefix("lambda-runtime-aws-request-id:") { id = v.trim().to_string(); }
    }
    let mut body = vec![0; length];
    r.read_exact(&mut body).unwrap();
    (id, String::from_utf8(body).unwrap())
}
fn main() {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let mut r = BufReader::new(TcpStream::connect(&api).unwrap());
    loop {
        write!(r.get_mut(), "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {}\r\n\r\n", api).unwrap();
        let (id, event) = read(&mut r);
        let answer = format!("{{\"language\":\"rust\",\"event\":{}}}", event);
        write!(r.get_mut(), "POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{}",
               id, api, answer.len(), answer).unwrap();
        read(&mut r);
    }
}
'''
SHELL = r'''
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while :; do
  event=$(curl -sS -D /tmp/head "$api/next")
  id=$(tr -d '\r' </tmp/head | sed -n 's/^lambda-runtime-aws-request-id: *//Ip')
  curl -sS -o /dev/null -d "{\"language\":\"shell\",\"event\":$event}" "$api/$id/response"
done
'''
WRAPPER = '#!/bin/sh\nexport WRAPPED="$(basename "$1")"\nexec "$@"\n'


class Runtimes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server.shared()
        cls.client = cls.server.client()

    def answer(self, name, event=None, **more):
        got, body = call(self.client, name, event, **more)
        self.assertNotIn("FunctionError", got, body)
        return body

    def node(self, handler, event):
        if not hasattr(Runtimes, "node_package"):
            Runtimes.node_package = package(NODE_FILES, [(os.path.join(npm(*PACKAGES), "node_modules"), "node_modules")])
        name = self.server.deploy(self.node_package, "nodejs20.x", handler, MemorySize=256, Timeout=20)
        first = self.answer(name, event)
        self.assertEqual(self.answer(name, event), first)
        return first

    def test_npm_common_module_with_callback(self):
        self.assertEqual(self.node("dash.handler", {"words": ["one", "two", "four"]}), {"3": ["one", "two"], "4": ["four"]})

    def test_npm_express_through_serverless_express(self):
        got = self.node("web.handler", EXPRESS_EVENT)
        self.assertEqual(got["statusCode"], 201, got)
        self.assertEqual(json.loads(got["body"]), {"id": "7", "q": "x", "got": {"a": [1]}})
        self.assertEqual(got["headers"]["x-own"], "yes")

    def test_npm_module_middleware_and_top_level_await(self):
        self.assertEqual(self.node("mid.handler", {"name": "https://example.org"}),
                         {"prepared": "prepared", "id": "0d092af3-c9f8-531f-9cc3-9db40a0750ef", "before": True, "after": True})

    def test_npm_native_module(self):
        self.assertEqual(self.node("native.handler", {"text": "hello"}), 0x3610A686)

    def test_python_packages_in_the_zip(self):
        """Debian's own packages, copied as pip would have put them there."""
        folders, names = [], ("requests", "urllib3", "idna", "chardet", "certifi", "charset_normalizer", "jmespath", "dateutil")
        for name in names:
            path = os.path.join("/usr/lib/python3/dist-packages", name)
            if os.path.isdir(path):
                folders.append((path, name))
        if "requests" not in [name for _, name in folders]:
            self.skipTest("python3-requests is not installed")
        source = ("import os, requests\n"
                  "def handler(e, c):\n"
                  "    r = requests.get(os.environ['AWS_ENDPOINT_URL'] + '/2015-03-31/functions', timeout=5)\n"
                  "    return [requests.__file__, r.status_code, r.headers['x-amzn-errortype'], requests.utils.quote('a b')]\n")
        name = self.server.deploy(package({"app.py": source}, folders), MemorySize=256, Timeout=20)
        self.assertEqual(self.answer(name), ["/var/task/requests/__init__.py", 403, "MissingAuthenticationTokenException", "a%20b"])

    def test_python_native_modules(self):
        found = glob.glob("/usr/include/python3.11/Python.h")
        if not found:
            self.skipTest("python3-dev is not installed")
        native = compiled("quick.c", PYTHON_NATIVE, ["gcc", "-shared", "-fPIC", "-O1", "-I/usr/include/python3.11", "-o", "{out}", "{source}"])
        plain = compiled("plain.c", "int thrice(int n) { return 3 * n; }\n", ["gcc", "-shared", "-fPIC", "-o", "{out}", "{source}"])
        source = ("import ctypes, quick\n"
                  "plain = ctypes.CDLL('libplain.so')\n"
                  "def handler(e, c):\n    return [quick.twice(21), plain.thrice(5)]\n")
        name = self.server.deploy(package({"app.py": source, "quick.so": native, "lib/libplain.so": plain}))
        self.assertEqual(self.answer(name), [42, 15])

    def bootstrap(self, language, program):
        name = self.server.deploy({"bootstrap": (program, 0o755)}, "provided.al2023", "any")
        for n in range(3):
            self.assertEqual(self.answer(name, {"n": n, "text": "ä"}), {"language": language, "event": {"n": n, "text": "ä"}})

    def test_go(self):
        self.bootstrap("go", compiled("main.go", GO, ["go", "build", "-o", "{out}", "{source}"]))

    def test_rust(self):
        self.bootstrap("rust", compiled("main.rs", RUST, ["rustc", "-O", "-C", "target-feature=+crt-static", "-o", "{out}", "{source}"]))

    def test_shell(self):
        if not shutil.which("curl"):
            self.skipTest("curl is not installed")
        self.bootstrap("shell", "#!/bin/sh\n" + SHELL)

    def test_c_example(self):
        """The example as it is delivered; the static and the dynamic program."""
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "examples", "hello-c", "bootstrap.c"), encoding="utf-8") as f:
            source = f.read()
        for flags in (["-static"], []):
            program = compiled("bootstrap.c", source, ["gcc", "-O2", *flags, "-o", "{out}", "{source}"])
            name = self.server.deploy({"bootstrap": (program, 0o755)}, "provided.al2", "any")
            self.assertEqual(self.answer(name, {"a": 1})["message"], "Hello from C!")

    def test_exec_wrapper(self):
        files = {"app.py": "import os\ndef handler(e, c):\n    return os.environ.get('WRAPPED')\n", "wrap": (WRAPPER, 0o755)}
        variables = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}}
        name = self.server.deploy(files, Environment=variables)
        self.assertRegex(self.answer(name) or "nothing", r"^python3(\.\d+)?$")
        got, body = call(self.client, self.server.deploy({"app.py": "def handler(e, c): pass\n"}, Environment=variables))
        self.assertEqual(body["errorType"], "Runtime.ExitError")
        self.assertRegex(body["errorMessage"], "Runtime exited with error: exit status 127$")

    def test_error_shapes(self):
        python = self.server.deploy({"app.py": "def handler(e, c):\n    raise ValueError('bad')\n"})
        got, body = call(self.client, python, LogType="Tail")
        self.assertEqual(got["FunctionError"], "Unhandled")
        self.assertEqual(body, {"errorMessage": "bad", "errorType": "ValueError", "requestId": got["ResponseMetadata"]["RequestId"],
                                "stackTrace": ['  File "/var/task/app.py", line 2, in handler\n    raise ValueError(\'bad\')\n']})
        self.assertIn("[ERROR] ValueError: bad", tail(got))
        node = self.server.deploy({"i.js": "exports.handler = async () => { throw new RangeError('far') }\n"}, "nodejs20.x", "i.handler")
        got, body = call(self.client, node, LogType="Tail")
        self.assertEqual((body["errorType"], body["errorMessage"]), ("RangeError", "far"))
        self.assertEqual(body["trace"][0], "RangeError: far")
        self.assertRegex(tail(got), re.compile(r"^\S+Z\t%s\tERROR\tInvoke Error \t" % got["ResponseMetadata"]["RequestId"], re.M))


if __name__ == "__main__":
    unittest.main()
