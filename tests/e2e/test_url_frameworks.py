"""Handlers built on frameworks run unmodified behind function URLs, streaming where they can; curl and fetch use the URLs as they are."""
import http.client
import json
import os
import shutil
import unittest
import urllib.parse

from support import npm, package, run
from harness import ROOT, Server

PACKAGES = ("express@5.3.0", "@codegenie/serverless-express@4.17.1", "fastify@5.12.8", "@fastify/aws-lambda@6.4.1", "hono@4.13.19")

NODE_FILES = {
    "web.js": """
const express = require("express"), serverlessExpress = require("@codegenie/serverless-express");
const app = express();
app.use(express.json(), express.urlencoded());
app.post("/items/:id", (req, res) => res.status(201).cookie("a", "1").cookie("b", "2").set("x-own", "yes")
  .json({ id: req.params.id, q: req.query.q, got: req.body, cookie: req.headers.cookie, host: req.hostname }));
app.get("/bytes", (req, res) => res.type("png").send(Buffer.from([0, 255, 1])));
exports.handler = serverlessExpress({ app, binarySettings: { contentTypes: ["image/*"] } });
""",
    "fast.js": """
const fastify = require("fastify"), awsLambdaFastify = require("@fastify/aws-lambda"), { Readable, promises } = require("stream");
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
function make() {
  const app = fastify();
  app.post("/items/:id", (req, reply) => reply.code(201).header("x-own", "yes").header("set-cookie", ["a=1", "b=2"])
    .send({ id: req.params.id, q: req.query.q, got: req.body, cookie: req.headers.cookie }));
  app.get("/stream", (req, reply) => reply.type("text/plain").header("x-own", "yes")
    .send(Readable.from((async function* () { yield "first,"; await pause(300); yield "second"; })())));
  return app;
}
exports.whole = awsLambdaFastify(make());
const proxy = awsLambdaFastify(make(), { payloadAsStream: true });
exports.streamed = awslambda.streamifyResponse(async (event, out, context) => {
  const { meta, stream } = await proxy(event, context);
  await promises.pipeline(stream, awslambda.HttpResponseStream.from(out, meta));
});
""",
    "light.mjs": """
import { Hono } from "hono";
import { handle, streamHandle } from "hono/aws-lambda";
import { streamText } from "hono/streaming";
import { setCookie } from "hono/cookie";
const app = new Hono();
app.post("/items/:id", async (c) => {
  setCookie(c, "a", "1");
  setCookie(c, "b", "2");
  return c.json({ id: c.req.param("id"), q: c.req.query("q"), got: await c.req.json(), cookie: c.req.header("cookie") }, 201, { "x-own": "yes" });
});
app.get("/stream", (c) => { c.header("x-own", "yes"); return streamText(c, async (s) => { await s.write("first,"); await s.sleep(300); await s.write("second"); }); });
export const whole = handle(app);
export const streamed = streamHandle(app);
""",
}

FLASK = '''
import time
from flask import Flask, Response, jsonify, request
import wsgi
app = Flask(__name__)

@app.post("/items/<id>")
def items(id):
    answer = jsonify(id=id, q=request.args.get("q"), got=request.get_json(), cookie=request.headers.get("cookie"))
    answer.headers["x-own"] = "yes"
    answer.set_cookie("a", "1")
    answer.set_cookie("b", "2")
    return answer, 201

@app.get("/stream")
def stream():
    def pieces():
        yield "first,"
        time.sleep(0.3)
        yield "second"
    return Response(pieces(), mimetype="text/plain", headers={"x-own": "yes"})

whole, streamed = wsgi.handler(app), wsgi.handler(app, stream=True)
'''
FLASK_NEEDS = ("flask", "werkzeug", "jinja2", "markupsafe", "click", "itsdangerous")


class Frameworks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server.shared()
        cls.client = cls.server.client()

    def url(self, files, runtime, handler, stream=False):
        name = self.server.deploy(files, runtime, handler, MemorySize=512, Timeout=20)
        made = self.client.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode="RESPONSE_STREAM" if stream else "BUFFERED")
        self.client.add_permission(FunctionName=name, StatementId="all", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
        return made["FunctionUrl"]

    @classmethod
    def node_package(cls):
        if not hasattr(Frameworks, "packed"):
            Frameworks.packed = package(NODE_FILES, [(os.path.join(npm(*PACKAGES), "node_modules"), "node_modules")])
        return Frameworks.packed

    def flask_package(self):
        folders = [("/usr/lib/python3/dist-packages/" + name, name) for name in FLASK_NEEDS]
        if not all(os.path.isdir(path) for path, _ in folders):
            self.skipTest("python3-flask is not installed")
        with open(os.path.join(ROOT, "examples", "wsgi-pages", "wsgi.py"), encoding="utf-8") as f:
            return package({"app.py": FLASK, "wsgi.py": f.read()}, folders)

    def ask(self, url, method, path, body=None, headers=None):
        at = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.server.url).netloc, timeout=30)
        self.addCleanup(connection.close)
        connection.request(method, path, body, {"Host": at.netloc, **(headers or {})})
        return connection.getresponse()

    def check_items(self, url):
        answer = self.ask(url, "POST", "/items/a%20b?q=x%26y", b'{"a": [1, "\xc3\xa4"]}', {"Content-Type": "application/json", "Cookie": "c=3; d=4"})
        body = answer.read()
        self.assertEqual(answer.status, 201, body)
        seen = json.loads(body)
        self.assertEqual((seen["id"], seen["q"], seen["got"]), ("a b", "x&y", {"a": [1, "ä"]}))
        self.assertEqual(seen["cookie"].replace(";", "; ").split(), ["c=3;", "d=4"])
        self.assertEqual((answer.getheader("x-own"), [c.partition(";")[0] for c in answer.msg.get_all("Set-Cookie")]), ("yes", ["a=1", "b=2"]))
        return seen

    def check_stream(self, url):
        """The first piece is here before the second is written."""
        answer = self.ask(url, "GET", "/stream")
        self.assertEqual((answer.status, answer.getheader("x-own"), answer.getheader("Transfer-Encoding")), (200, "yes", "chunked"))
        self.assertTrue(answer.getheader("Content-Type").startswith("text/plain"))
        self.assertEqual((answer.read1(), answer.read()), (b"first,", b"second"))

    def test_express(self):
        url = self.url(self.node_package(), "nodejs20.x", "web.handler")
        self.assertEqual(self.check_items(url)["host"], urllib.parse.urlsplit(url).hostname)
        self.assertEqual(self.ask(url, "GET", "/bytes").read(), b"\x00\xff\x01")
        form = self.ask(url, "POST", "/items/1", b"x=1&y=%20", {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(json.loads(form.read())["got"], {"x": "1", "y": " "})

    def test_fastify(self):
        self.check_items(self.url(self.node_package(), "nodejs20.x", "fast.whole"))
        url = self.url(self.node_package(), "nodejs20.x", "fast.streamed", True)
        self.check_items(url)
        self.check_stream(url)

    def test_hono(self):
        self.check_items(self.url(self.node_package(), "nodejs20.x", "light.whole"))
        url = self.url(self.node_package(), "nodejs20.x", "light.streamed", True)
        self.check_items(url)
        self.check_stream(url)

    def test_flask_through_wsgi(self):
        files = self.flask_package()
        self.check_items(self.url(files, "python3.11", "app.whole"))
        url = self.url(files, "python3.11", "app.streamed", True)
        self.check_items(url)
        self.check_stream(url)

    def test_curl_and_fetch(self):
        url = self.url({"app.py": "def handler(event, context):\n    return {'path': event['rawPath'], 'method': event['requestContext']['http']['method']}\n"},
                       "python3.11", "app.handler")
        at = urllib.parse.urlsplit(url)
        if shutil.which("curl"):
            got = run("curl", "-sS", "--fail", "-X", "PATCH", url + "some/page")  # *.localhost is this machine, without any help
            self.assertEqual((got.returncode, json.loads(got.stdout)), (0, {"path": "/some/page", "method": "PATCH"}), got.stderr)
        got = run("node", "-e", "require('dns').lookup = (n, o, f) => f(null, o.all ? [{address: '127.0.0.1', family: 4}] : '127.0.0.1', 4);"
                  "fetch(%s).then(async (r) => console.log(r.status, await r.text()))" % json.dumps(url + "some/page"))
        self.assertEqual(got.stdout.strip(), '200 {"path":"/some/page","method":"GET"}', got.stderr)


if __name__ == "__main__":
    unittest.main()
