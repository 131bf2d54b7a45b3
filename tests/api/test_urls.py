"""Function URLs: the five operations, and what arrives at a URL: events, answers, CORS, who may, limits, names of one's own."""
import base64
import http.client
import json
import os
import re
import socket
import unittest
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from api_case import ARN, REGION, ApiCase, needs_server, unique

GONE = "The resource you requested does not exist."
CORS = {"AllowCredentials": True, "AllowHeaders": ["X-A", "Date"], "AllowMethods": ["GET", "PUT"],
        "AllowOrigins": ["https://a.example", "https://b.example"], "ExposeHeaders": ["X-E"], "MaxAge": 300}
FORBIDDEN = ("Forbidden. For troubleshooting Function URL authorization issues, see: "
             "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html")

CODE = """
import json, os, time
def handler(event, context):
    if event.get("rawPath") == "/answer":
        return json.loads(event["body"])
    if event.get("rawPath") == "/fail":
        raise ValueError("as wanted")
    if event.get("rawPath") == "/slow":
        time.sleep(5)
    if event.get("rawPath") == "/length":
        return len(event["body"]), event["isBase64Encoded"]
    if event.get("rawPath") == "/keys":
        return [os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["AWS_SESSION_TOKEN"]]
    if event.get("rawPath") == "/exit":
        os._exit(3)
    if event.get("rawPath") == "/long":
        return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "x" * 3000000}
    return {"statusCode": 200, "headers": {"content-type": "application/json", "access-control-allow-origin": "https://own.example"},
            "body": json.dumps({"event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn})}
"""
STREAM = r"""
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
exports.handler = awslambda.streamifyResponse(async (event, out) => {
  const path = event.rawPath;
  if (path === "/early") throw new Error("early");
  if (path === "/prelude") {
    out = awslambda.HttpResponseStream.from(out, { statusCode: 201, headers: { "X-Own": "yes", "content-type": "text/plain" }, cookies: ["a=1", "b=2"] });
  } else out.setContentType("text/plain");
  out.write("first,");
  await pause(path === "/wait" ? 400 : 1);
  if (path === "/broken") { await pause(20); throw new Error("in mid-stream"); }
  if (path === "/much") { for (let i = 0; i < 64; i++) if (!out.write(Buffer.alloc(65536, 120))) await new Promise((d) => out.once("drain", d)); }
  if (path === "/flood") { for (let i = 0; i < 512; i++) if (!out.write(Buffer.alloc(65536, 120))) await new Promise((d) => out.once("drain", d)); }
  out.write("second");
  out.end();
});
"""


class UrlCase(ApiCase):
    """Of functions that several tests use, URLs and permissions go with the test."""
    def url(self, name, **settings):
        made = self.client.create_function_url_config(FunctionName=name, **{"AuthType": "NONE", **settings})
        self.addCleanup(self.gone, self.client.delete_function_url_config, FunctionName=name, Qualifier=settings.get("Qualifier"))
        return made

    def allow(self, name, auth="NONE", **more):
        statement = unique("s")
        self.client.add_permission(**{"FunctionName": name, "StatementId": statement, "Action": "lambda:InvokeFunctionUrl", "Principal": "*",
                                      "FunctionUrlAuthType": auth, **more})
        self.addCleanup(self.gone, self.client.remove_permission, FunctionName=name, StatementId=statement)
        return statement

    def gone(self, call, **arguments):
        try:
            call(**{k: v for k, v in arguments.items() if v})
        except self.client.exceptions.ResourceNotFoundException:
            pass

    def send(self, url, path="", method="GET", body=None, headers=None):
        """(status, headers as a message, body): to a URL, as a browser that resolves the name would."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.server.url).netloc, timeout=30)
        try:
            fields = {"Host": parts.netloc, **(headers or {})}
            connection.request(method, path or "/", body, fields, encode_chunked="Transfer-Encoding" in fields)
            answer = connection.getresponse()
            return answer.status, answer.msg, answer.read()
        finally:
            connection.close()

    def signed(self, url, path="/", method="GET", body=b"", headers=None, key=None, secret=None, token=None, query=False, **more):
        known = self.server.credentials()
        host = urllib.parse.urlsplit(url).netloc
        request = botocore.awsrequest.AWSRequest(method, "http://%s%s" % (host, path), data=body, headers=headers or {})
        credentials = botocore.credentials.Credentials(key or known[0], secret or known[1], token)
        kind = botocore.auth.SigV4QueryAuth if query else botocore.auth.SigV4Auth
        kind(credentials, more.get("service", "lambda"), REGION).add_auth(request)
        at = urllib.parse.urlsplit(request.url)
        target = at.path + ("?" + at.query if at.query else "")
        return self.send(url, target, method, body or None, dict(request.headers))


class Configs(UrlCase):
    def test_create_get_update_and_read_again(self):
        name = self.create()
        made = self.url(name, Cors=CORS, InvokeMode="BUFFERED")
        self.assertEqual(made["ResponseMetadata"]["HTTPStatusCode"], 201)
        port = urllib.parse.urlsplit(self.server.url).port
        self.assertRegex(made["FunctionUrl"], r"^http://[0-9a-z]{32}\.lambda-url\.us-east-1\.localhost:%d/$" % port)
        self.assertEqual((made["FunctionArn"], made["AuthType"], made["Cors"], made["InvokeMode"]), (ARN + name, "NONE", CORS, "BUFFERED"))
        self.assertRegex(made["CreationTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertNotIn("LastModifiedTime", made)
        got = self.client.get_function_url_config(FunctionName=name)
        self.assertEqual((got["FunctionUrl"], got["CreationTime"], got["Cors"]), (made["FunctionUrl"], made["CreationTime"], CORS))
        self.assertGreaterEqual(got["LastModifiedTime"], got["CreationTime"])
        new = self.client.update_function_url_config(FunctionName=name, AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM")
        self.assertEqual((new["AuthType"], new["InvokeMode"], new["Cors"], new["FunctionUrl"]), ("AWS_IAM", "RESPONSE_STREAM", CORS, made["FunctionUrl"]))
        same = self.client.update_function_url_config(FunctionName=name)
        self.assertEqual((same["AuthType"], same["InvokeMode"], same["Cors"]), ("AWS_IAM", "RESPONSE_STREAM", CORS))
        less = self.client.update_function_url_config(FunctionName=name, Cors={"AllowOrigins": ["*"]})
        self.assertEqual(less["Cors"], {"AllowOrigins": ["*"]})
        self.assertNotIn("Cors", self.client.update_function_url_config(FunctionName=name, Cors={}))
        gone = self.client.delete_function_url_config(FunctionName=name)
        self.assertEqual(gone["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.fails(404, "ResourceNotFoundException", GONE, self.client.get_function_url_config, FunctionName=name)
        self.assertNotEqual(self.url(name)["FunctionUrl"], made["FunctionUrl"])

    def test_errors(self):
        name, none = self.create(), unique("none")
        calls = self.client
        self.fails(404, "ResourceNotFoundException", "Function does not exist", calls.create_function_url_config, FunctionName=none, AuthType="NONE")
        self.fails(404, "ResourceNotFoundException", "Function does not exist", calls.create_function_url_config, FunctionName=name,
                   AuthType="NONE", Qualifier="nobody")
        self.fails(404, "ResourceNotFoundException", "Function does not exist", calls.list_function_url_configs, FunctionName=none)
        for call in (calls.get_function_url_config, calls.delete_function_url_config, calls.update_function_url_config):
            self.fails(404, "ResourceNotFoundException", GONE, call, FunctionName=name)
        self.url(name)
        self.fails(409, "ResourceConflictException", "Failed to create function url config for [functionArn = %s]. Error message:  "
                   "FunctionUrlConfig exists for this Lambda function" % (ARN + name), calls.create_function_url_config, FunctionName=name, AuthType="NONE")
        for qualifier in ("$LATEST", "1"):
            text = ("1 validation error detected: Value '%s' at 'qualifier' failed to satisfy constraint: Member must satisfy regular "
                    "expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)" % qualifier)
            self.fails(400, "ValidationException", text, calls.create_function_url_config, FunctionName=name, AuthType="NONE", Qualifier=qualifier)
            self.fails(400, "ValidationException", text, calls.get_function_url_config, FunctionName="%s:%s" % (name, qualifier))

    def test_limits(self):
        name = self.create()
        for settings, part in (({"AuthType": "SOME"}, "authType"), ({"InvokeMode": "OFTEN"}, "invokeMode"),
                               ({"Cors": {"MaxAge": 86401}}, "cors.maxAge"), ({"Cors": {"MaxAge": -1}}, "cors.maxAge"),
                               ({"Cors": {"AllowMethods": ["A"] * 7}}, "cors.allowMethods"), ({"Cors": {"AllowMethods": ["OPTIONS"]}}, "cors.allowMethods"),
                               ({"Cors": {"AllowOrigins": ["x" * 254]}}, "cors.allowOrigins"), ({"Cors": {"AllowOrigins": [""]}}, "cors.allowOrigins"),
                               ({"Cors": {"AllowHeaders": ["x"] * 101}}, "cors.allowHeaders"), ({"Cors": {"ExposeHeaders": ["x" * 1025]}}, "cors.exposeHeaders")):
            with self.subTest(part=part), self.assertRaises(self.client.exceptions.ClientError) as caught:
                self.url(name, **settings)
            self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationException")
            self.assertIn("'%s'" % part, caught.exception.response["Error"]["Message"])
        most = {"MaxAge": 86400, "AllowOrigins": ["x" * 253], "AllowHeaders": ["h" * 1024] * 100, "AllowMethods": ["DELETE"] * 6}
        self.assertEqual(self.url(name, Cors=most)["Cors"], most)

    def test_aliases_and_pages(self):
        name = self.create()
        for alias in ("blue", "green"):
            self.client.create_alias(FunctionName=name, Name=alias, FunctionVersion="$LATEST")
            made = self.url(name, Qualifier=alias)
            self.assertEqual(made["FunctionArn"], ARN + name + ":" + alias)
        self.url(name)
        pages = list(self.client.get_paginator("list_function_url_configs").paginate(FunctionName=name, PaginationConfig={"PageSize": 1}))
        self.assertEqual([[c["FunctionArn"] for c in p["FunctionUrlConfigs"]] for p in pages],
                         [[ARN + name], [ARN + name + ":blue"], [ARN + name + ":green"]])
        self.assertEqual(self.client.get_function_url_config(FunctionName=name, Qualifier="blue")["FunctionArn"], ARN + name + ":blue")
        self.client.delete_alias(FunctionName=name, Name="blue")
        self.fails(404, "ResourceNotFoundException", GONE, self.client.get_function_url_config, FunctionName=name, Qualifier="blue")
        self.assertEqual(len(self.client.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]), 2)


class Doors(UrlCase):
    """Who may, and who means what: nothing here runs a function."""
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.name = cls.server.deploy({"app.py": CODE})

    def test_unknown_urls(self):
        port = urllib.parse.urlsplit(self.server.url).port
        for host, path in (("%s.lambda-url.us-east-1.localhost:%d" % ("0" * 32, port), "/"), ("127.0.0.1:%d" % port, "/_mayfly/url/none/x")):
            status, headers, body = self.send("http://" + host, path)
            self.assertEqual((status, headers["x-amzn-ErrorType"], headers["Content-Type"], body),
                             (403, "AccessDeniedException", "application/json", b'{"Message":null}'))

    def test_other_names_are_the_apis(self):
        """A page that gives this server a name of its own does not reach a function by it."""
        url = self.url(self.name)["FunctionUrl"]
        status, headers, body = self.send(url.replace(".localhost", ".evil.example"))
        self.assertEqual((status, headers["x-amzn-ErrorType"]), (403, "MissingAuthenticationTokenException"))

    def test_without_a_permission(self):
        name = self.name
        url = self.url(name)["FunctionUrl"]
        status, headers, body = self.send(url)
        self.assertEqual((status, headers["x-amzn-ErrorType"], json.loads(body)), (403, "AccessDeniedException", {"Message": FORBIDDEN}))
        self.allow(name, "AWS_IAM")
        self.assertEqual(self.send(url)[0], 403)

    def test_signature_is_needed(self):
        name = self.name
        url = self.url(name, AuthType="AWS_IAM")["FunctionUrl"]
        self.allow(name)
        self.assertEqual(json.loads(self.send(url)[2]), {"Message": FORBIDDEN})
        self.assertEqual(json.loads(self.send(url, headers={"Authorization": "Bearer x"})[2]), {"Message": FORBIDDEN})
        status, headers, _ = self.signed(url, secret="wrong")
        self.assertEqual((status, headers["x-amzn-ErrorType"]), (403, "InvalidSignatureException"))
        status, headers, _ = self.signed(url, service="s3")
        self.assertEqual((status, headers["x-amzn-ErrorType"]), (403, "InvalidSignatureException"))
        status, headers, _ = self.signed(url, key="AKIANOBODY")
        self.assertEqual((status, headers["x-amzn-ErrorType"]), (403, "UnrecognizedClientException"))

    def test_preflight_runs_nothing_and_needs_nobody(self):
        name = self.name
        url = self.url(name, AuthType="AWS_IAM", Cors=CORS)["FunctionUrl"]
        ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-a"}
        status, headers, body = self.send(url, method="OPTIONS", headers=ask)
        self.assertEqual((status, body, headers["Content-Length"]), (200, b"", "0"))
        self.assertEqual({k: v for k, v in headers.items() if k.startswith("Access")},
                         {"Access-Control-Allow-Origin": "https://a.example", "Access-Control-Allow-Credentials": "true",
                          "Access-Control-Allow-Methods": "GET,PUT", "Access-Control-Allow-Headers": "X-A,Date", "Access-Control-Max-Age": "300"})
        status, headers, _ = self.send(url, method="OPTIONS", headers={**ask, "Origin": "https://c.example"})
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, None))
        self.assertEqual(self.send(url, method="OPTIONS")[0], 403)

    def test_too_large(self):
        name = self.name
        url = self.url(name)["FunctionUrl"]
        self.allow(name)
        status, headers, body = self.send(url, method="POST", body=b"x" * (6291456 + 1), headers={"Content-Type": "text/plain"})
        self.assertEqual((status, headers["x-amzn-ErrorType"]), (413, "RequestEntityTooLargeException"))
        self.assertEqual(json.loads(body), {"Message": "Request must be smaller than 6291456 bytes for the InvokeFunction operation"})


class Domains(UrlCase):
    def test_names_are_kept_listed_and_removed(self):
        name, host = self.create(), unique("shop") + ".example.org"
        status, _, body = self.request_json("PUT", "/_mayfly/domains/" + host.upper(), {"function": name}, service="mayfly")
        self.assertEqual((status, body), (204, None))
        status, _, body = self.request("GET", "/_mayfly/domains", service="mayfly")
        self.assertIn({"host": host, "function": name}, json.loads(body)["domains"])
        self.assertEqual(self.send("http://" + host)[2], b'{"Message":null}')  # the function has no URL yet
        self.url(name)
        self.assertEqual(json.loads(self.send("http://" + host + ":99")[2]), {"Message": FORBIDDEN})
        self.assertEqual(self.request("DELETE", "/_mayfly/domains/" + host, service="mayfly")[0], 204)
        self.assertEqual(self.request("DELETE", "/_mayfly/domains/" + host, service="mayfly")[0], 404)
        self.assertIn(b"Missing Authentication Token", self.send("http://" + host)[2])

    def test_what_is_refused(self):
        name = self.create()
        for host in ("localhost", "127.0.0.1", "a..b", "x:1", "-a.b", "0" * 32 + ".lambda-url.us-east-1.localhost"):
            self.assertEqual(self.request_json("PUT", "/_mayfly/domains/" + host, {"function": name}, service="mayfly")[0], 400, host)
        for function, status in (("none", 404), (name + ":1", 400), (name + ":$LATEST", 400), ("", 400), ("a b", 400)):
            self.assertEqual(self.request_json("PUT", "/_mayfly/domains/a.b", {"function": function}, service="mayfly")[0], status, function)
        self.assertEqual(self.request("PUT", "/_mayfly/domains/a.b", b"{", service="mayfly")[0], 400)
        self.assertEqual(self.request("POST", "/_mayfly/domains/a.b", b"{}", service="mayfly")[0], 404)
        self.assertEqual(self.request("GET", "/_mayfly/domains", sign=False)[0], 403)


@needs_server
class Calls(UrlCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.name = cls.server.deploy({"app.py": CODE}, Timeout=20, MemorySize=256)
        cls.other = cls.server.deploy({"app.py": CODE}, Timeout=20, Tags={"mayfly:snapshot": "off"})
        cls.client.create_alias(FunctionName=cls.name, Name="live", FunctionVersion="$LATEST")
        cls.address = cls.client.create_function_url_config(FunctionName=cls.name, AuthType="NONE", Cors={"AllowOrigins": ["https://a.example"]})["FunctionUrl"]
        cls.of_alias = cls.client.create_function_url_config(FunctionName=cls.name, AuthType="AWS_IAM", Qualifier="live")["FunctionUrl"]
        cls.client.add_permission(FunctionName=cls.name, StatementId="all", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")

    def echo(self, path="/", **more):
        status, headers, body = self.send(self.address, path, **more)
        self.assertEqual(status, 200, body)
        return json.loads(body)["event"], headers, json.loads(body)

    def answer(self, value):
        return self.send(self.address, "/answer", "POST", json.dumps(value), {"Content-Type": "application/json"})

    def test_event(self):
        event, headers, seen = self.echo("/a%2Fb/?x=1&x=2&y=%C3%A4", headers={"Cookie": "a=1; b=2", "X-Two": "v", "User-Agent": "test/1"})
        host = urllib.parse.urlsplit(self.address)
        self.assertEqual((event["version"], event["routeKey"], event["rawPath"], event["rawQueryString"]), ("2.0", "$default", "/a%2Fb/", "x=1&x=2&y=%C3%A4"))
        self.assertEqual(event["queryStringParameters"], {"x": "1,2", "y": "ä"})
        self.assertEqual((event["cookies"], event["isBase64Encoded"]), (["a=1", "b=2"], False))
        self.assertNotIn("body", event)
        self.assertEqual({k: event["headers"][k] for k in ("host", "x-two", "x-forwarded-proto", "x-forwarded-for", "x-forwarded-port")},
                         {"host": host.netloc, "x-two": "v", "x-forwarded-proto": "http", "x-forwarded-for": "127.0.0.1", "x-forwarded-port": str(host.port)})
        self.assertRegex(event["headers"]["x-amzn-trace-id"], r"^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$")
        self.assertTrue(headers["X-Amzn-Trace-Id"].startswith(event["headers"]["x-amzn-trace-id"]))
        context = event["requestContext"]
        self.assertEqual((context["accountId"], context["apiId"], context["domainName"], context["stage"]),
                         ("anonymous", host.hostname.partition(".")[0], host.hostname, "$default"))
        self.assertEqual(context["http"], {"method": "GET", "path": "/a%2Fb/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test/1"})
        self.assertEqual((context["requestId"], seen["id"]), (headers["x-amzn-RequestId"],) * 2)
        self.assertEqual(seen["arn"], ARN + self.name)

    def test_path_form(self):
        path = "/_mayfly/url/%s" % urllib.parse.urlsplit(self.address).hostname.partition(".")[0]
        for rest, raw in (("/x/y?z=1", "/x/y"), ("", "/")):
            status, _, body = self.send(self.server.url, path + rest)
            event = json.loads(body)["event"]
            self.assertEqual((status, event["rawPath"], event["requestContext"]["domainName"]), (200, raw, urllib.parse.urlsplit(self.address).hostname))

    def test_own_name(self):
        host = unique("shop") + ".example.org"
        self.request_json("PUT", "/_mayfly/domains/" + host, {"function": self.name}, service="mayfly")
        status, _, body = self.send("http://" + host, "/_mayfly/health")
        event = json.loads(body)["event"]
        self.assertEqual((status, event["rawPath"], event["requestContext"]["domainName"]), (200, "/_mayfly/health", host))
        self.assertEqual(event["requestContext"]["domainPrefix"], host.partition(".")[0])
        self.request("DELETE", "/_mayfly/domains/" + host, service="mayfly")

    def test_methods_and_bodies(self):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            event, _, _ = self.echo(method=method, body='{"a": 1}', headers={"Content-Type": "application/json"})
            self.assertEqual((event["requestContext"]["http"]["method"], event["body"], event["isBase64Encoded"]), (method, '{"a": 1}', False))
        self.assertEqual(self.send(self.address, method="HEAD")[2], b"")
        event, _, _ = self.echo(method="POST", body=b"\xff\x00", headers={"Content-Type": "image/png"})
        self.assertEqual((base64.b64decode(event["body"]), event["isBase64Encoded"]), (b"\xff\x00", True))
        big = os.urandom(300000)
        event, _, _ = self.echo(method="POST", body=iter([big[:100], big[100:]]), headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(base64.b64decode(event["body"]), big)

    def test_long_text_body_and_answer(self):
        text = "ä\n" * 400000
        status, headers, body = self.send(self.address, "/answer", "POST", json.dumps({"statusCode": 200, "body": text}).encode(), {"Content-Type": "application/json"})
        self.assertTrue(status == 200 and body.decode() == text, (status, body[:200]))
        self.assertEqual(len(self.send(self.address, "/long")[2]), 3000000)

    def test_largest_body(self):
        for kind, length, base64_encoded in (("image/png", 8388608, True), ("text/plain", 6291456, False)):
            status, _, body = self.send(self.address, "/length", "POST", b"x" * 6291456, {"Content-Type": kind})
            self.assertEqual((status, json.loads(body)), (200, [length, base64_encoded]))

    def test_answers(self):
        for value, status, body in (({"hello": 1}, 200, b'{"hello":1}'), ([1, True], 200, b"[1,true]"), ("text", 200, b"text"), (7, 200, b"7"), (None, 200, b"null"),
                                    ({"statusCode": "418", "body": "tea"}, 418, b"tea"), ({"statusCode": 201, "body": {"a": 1}}, 201, b'{"a":1}'),
                                    ({"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}, 200, b"hi"), ({"statusCode": 204}, 204, b"")):
            got = self.answer(value)
            self.assertEqual((got[0], got[2], got[1]["Content-Type"]), (status, body, "application/json"))
        got = self.answer({"statusCode": 302, "headers": {"Location": "/x", "X-N": 3, "X-B": False, "Content-Length": "1", "X-Split": "a\r\nX-Evil: b"},
                           "cookies": ["a=1; Path=/", "b=2"]})
        self.assertEqual((got[0], got[1]["Location"], got[1]["X-N"], got[1]["X-B"], got[1]["X-Evil"]), (302, "/x", "3", "false", None))
        self.assertEqual(got[1].get_all("Set-Cookie"), ["a=1; Path=/", "b=2"])

    def test_what_becomes_502(self):
        bad = [self.answer({"statusCode": 99}), self.answer({"statusCode": 200, "headers": {"a b": "c"}}), self.answer({"statusCode": 200, "headers": 1})]
        name = self.server.deploy({"app.py": CODE}, Timeout=1)
        short = self.url(name)["FunctionUrl"]
        self.allow(name)
        for status, headers, body in bad + [self.send(self.address, "/fail"), self.send(self.address, "/exit"), self.send(short, "/slow")]:
            self.assertEqual((status, body, headers["Content-Type"]), (502, b"Internal Server Error", "application/json"))
            self.assertTrue(headers["x-amzn-RequestId"])

    def test_cors_of_answers(self):
        _, headers, _ = self.echo(headers={"Origin": "https://a.example"})
        self.assertEqual(headers.get_all("Access-Control-Allow-Origin"), ["https://a.example"])
        self.assertIn("Origin", headers.get_all("Vary"))
        _, headers, _ = self.echo(headers={"Origin": "https://b.example"})
        self.assertIsNone(headers["Access-Control-Allow-Origin"])

    def test_signed(self):
        for query in (False, True):
            status, _, body = self.signed(self.of_alias, "/p?q=1", query=query)
            self.assertEqual(status, 200, body)
            seen = json.loads(body)
            who = seen["event"]["requestContext"]["authorizer"]["iam"]
            self.assertEqual((who["accountId"], who["accessKey"], who["userArn"]), ("000000000000", self.server.credentials()[0], "arn:aws:iam::000000000000:root"))
            self.assertEqual((seen["event"]["requestContext"]["accountId"], seen["arn"]), ("000000000000", ARN + self.name + ":live"))
            self.assertNotIn("authorization", seen["event"]["headers"])
        status, _, body = self.signed(self.of_alias, method="POST", body=b"x" * 100000, headers={"Content-Type": "text/plain"})
        self.assertEqual((status, len(json.loads(body)["event"]["body"])), (200, 100000))
        hashed = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
        self.assertEqual(self.signed(self.of_alias, method="POST", body=b"x", headers=hashed)[0], 403)

    def test_functions_call_each_other(self):
        """With the credentials of their environment, which the event then names."""
        url = self.url(self.other)["FunctionUrl"]
        self.allow(self.other)
        key, secret, token = json.loads(self.send(url, "/keys")[2])
        status, _, body = self.signed(self.of_alias, key=key, secret=secret, token=token)
        self.assertEqual(status, 200, body)
        event = json.loads(body)["event"]
        self.assertEqual(event["requestContext"]["authorizer"]["iam"]["userArn"], "arn:aws:sts::000000000000:assumed-role/any/" + self.other)
        self.assertNotIn("x-amz-security-token", event["headers"])
        self.assertEqual(self.signed(self.of_alias, key=key, secret=secret)[0], 403)

    def test_policy_conditions(self):
        name = self.other
        url = self.url(name)["FunctionUrl"]
        self.assertEqual(self.send(url)[0], 403)
        self.allow(name, Principal="000000000000")  # somebody, not everybody
        self.assertEqual(self.send(url)[0], 403)
        statement = self.allow(name)
        self.assertEqual(self.send(url)[0], 200)
        self.client.remove_permission(FunctionName=name, StatementId=statement)
        self.assertEqual(self.send(url)[0], 403)

    def test_throttled(self):
        name = self.other
        url = self.url(name)["FunctionUrl"]
        self.allow(name)
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        self.addCleanup(self.client.delete_function_concurrency, FunctionName=name)
        status, headers, body = self.send(url)
        self.assertEqual((status, headers["x-amzn-ErrorType"], json.loads(body)),
                         (429, "TooManyRequestsException", {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."}))

    def test_a_buffered_function_behind_a_stream(self):
        name = self.other
        url = self.url(name, InvokeMode="RESPONSE_STREAM")["FunctionUrl"]
        self.allow(name)
        status, _, body = self.send(url)
        self.assertEqual((status, json.loads(body)["statusCode"]), (200, 200))  # as it stands, like AWS
        self.assertEqual(self.send(url, "/fail")[0], 502)

    def test_metrics(self):
        self.send(self.address, "/fail")
        _, _, text = self.request("GET", "/_mayfly/metrics", sign=False)
        self.assertRegex(text.decode(), r'mayfly_url_requests_total\{function="%s"\} [1-9]' % re.escape(self.name))
        self.assertRegex(text.decode(), r'mayfly_url_5xx_total\{function="%s"\} [1-9]' % re.escape(self.name))


@needs_server
class Streams(UrlCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.name = cls.server.deploy({"i.js": STREAM}, "nodejs20.x", "i.handler", MemorySize=256, Timeout=10)
        cls.address = cls.client.create_function_url_config(FunctionName=cls.name, AuthType="NONE", InvokeMode="RESPONSE_STREAM")["FunctionUrl"]
        cls.client.add_permission(FunctionName=cls.name, StatementId="all", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")

    def test_pieces_come_as_they_are_written(self):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.server.url).netloc, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/wait", headers={"Host": urllib.parse.urlsplit(self.address).netloc})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.getheader("Content-Type"), answer.getheader("Transfer-Encoding")), (200, "text/plain", "chunked"))
        self.assertEqual(answer.read1(), b"first,")
        self.assertEqual(answer.read(), b"second")

    def test_prelude(self):
        status, headers, body = self.send(self.address, "/prelude")
        self.assertEqual((status, headers["X-Own"], headers["Content-Type"], body), (201, "yes", "text/plain", b"first,second"))
        self.assertEqual(headers.get_all("Set-Cookie"), ["a=1", "b=2"])

    def test_error_before_the_first_byte(self):
        status, _, body = self.send(self.address, "/early")
        self.assertEqual((status, body), (502, b"Internal Server Error"))

    def test_error_in_mid_stream_breaks_the_answer(self):
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            self.send(self.address, "/broken")

    def test_much(self):
        self.assertEqual(len(self.send(self.address, "/much")[2]), 64 * 65536 + 12)

    def buffered(self):
        text = self.request("GET", "/_mayfly/metrics", sign=False)[2].decode()
        return int(re.search(r"^mayfly_buffered_bytes (\d+)", text, re.M)[1])

    def test_slow_client_slows_the_function_down(self):
        at = urllib.parse.urlsplit(self.server.url)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            s.settimeout(30)
            s.connect((at.hostname, at.port))
            s.sendall(b"GET /flood HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % urllib.parse.urlsplit(self.address).netloc.encode())
            self.assertTrue(s.recv(1))
            most = max(self.buffered() for _ in range(20))
            got = 1
            while True:
                piece = s.recv(1 << 20)
                if not piece:
                    break
                got += len(piece)
        self.assertGreater(got, 512 * 65536)
        self.assertLess(most, 8 << 20)

    def test_client_that_goes(self):
        for _ in range(3):
            with socket.create_connection((urllib.parse.urlsplit(self.server.url).hostname, urllib.parse.urlsplit(self.server.url).port)) as s:
                s.sendall(b"GET /much HTTP/1.1\r\nHost: %s\r\n\r\n" % urllib.parse.urlsplit(self.address).netloc.encode())
                self.assertTrue(s.recv(10))
        self.assertEqual(self.send(self.address)[2], b"first,second")

    def test_through_a_url_that_does_not_stream(self):
        self.client.update_function_url_config(FunctionName=self.name, InvokeMode="BUFFERED")
        try:
            status, headers, body = self.send(self.address, "/prelude")
            self.assertEqual((status, headers["X-Own"], body), (201, "yes", b"first,second"))
            self.assertEqual(self.send(self.address)[2], b"first,second")
        finally:
            self.client.update_function_url_config(FunctionName=self.name, InvokeMode="RESPONSE_STREAM")


if __name__ == "__main__":
    unittest.main()
