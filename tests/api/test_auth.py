"""Who may ask what: signatures, credentials of functions, STS, what needs no signature."""
import base64
import hashlib
import hmac
import http.client
import json
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
from botocore.config import Config

from api_case import ARN, ApiCase, REGION, ROLE, ZIP, main, unique, zip_of

FUNCTIONS = "/2015-03-31/functions"
# With the stub the handler's name makes it answer its credentials.
WHO = ("import os\ndef handler(event, context):\n    return [os.environ.get('AWS_ACCESS_KEY_ID'), os.environ.get('AWS_SECRET_ACCESS_KEY'), "
       "os.environ.get('AWS_SESSION_TOKEN'), context.invoked_function_arn]\n")


def chunked(secret, headers, pieces, spoil=False):
    """The aws-chunked body of a request whose head was signed: each chunk signed after the one before."""
    authorization = headers["Authorization"]
    scope = authorization.split("Credential=")[1].split(",")[0].split("/", 1)[1]
    previous = authorization.rsplit("Signature=", 1)[1]
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    body = b""
    for piece in [*pieces, b""]:
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", headers["X-Amz-Date"], scope, previous, hashlib.sha256(b"").hexdigest(),
                          hashlib.sha256(piece).hexdigest()])
        previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        body += b"%x;chunk-signature=%s\r\n%s\r\n" % (len(piece), previous.encode(), b"X" + piece[1:] if spoil and piece else piece)
    return body


class Chunks(ApiCase):
    """Payloads signed in chunks: every AWS-style operation takes them."""

    def send(self, path, pieces, spoil=False):
        key, secret = self.server.credentials()
        address = urllib.parse.urlsplit(self.server.url).netloc
        request = botocore.awsrequest.AWSRequest("POST", "http://%s%s" % (address, path), headers={
            "X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "Content-Encoding": "aws-chunked",
            "X-Amz-Decoded-Content-Length": str(sum(map(len, pieces)))})
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret), "lambda", REGION).add_auth(request)
        headers = dict(request.headers)
        return self.request("POST", path, chunked(secret, headers, pieces, spoil), headers, sign=False)

    def test_create_and_invoke(self):
        name = unique("chunks")
        self.addCleanup(self.forget, name)
        document = json.dumps({"FunctionName": name, "Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE,
                               "Code": {"ZipFile": base64.b64encode(ZIP).decode()}}).encode()
        status, _, body = self.send(FUNCTIONS, [document[:100], document[100:]])
        self.assertEqual(status, 201, body)
        self.wait(name)
        status, _, body = self.send(FUNCTIONS + "/" + name + "/invocations", [b'{"n":', b"1}"])
        self.assertEqual(status, 200, body)

    def test_a_changed_chunk_is_refused(self):
        status, headers, body = self.send(FUNCTIONS, [b'{"FunctionName":"never"}'], spoil=True)
        self.assertEqual((status, headers["x-amzn-errortype"]), (403, "InvalidSignatureException"), body)


class Signatures(ApiCase):
    def refused(self, status, code, answer):
        self.assertEqual((answer[0], answer[1]["x-amzn-errortype"]), (status, code), answer)
        return json.loads(answer[2])["message"]

    def test_none(self):
        self.refused(403, "MissingAuthenticationTokenException", self.request("GET", FUNCTIONS, sign=False))

    def test_unknown_key(self):
        said = self.refused(403, "UnrecognizedClientException", self.request("GET", FUNCTIONS, key="AKIAUNKNOWN"))
        self.assertEqual(said, "The security token included in the request is invalid.")

    def test_wrong_secret(self):
        said = self.refused(403, "InvalidSignatureException", self.request("GET", FUNCTIONS, secret="wrong"))
        self.assertTrue(said.startswith("The request signature we calculated does not match the signature you provided."), said)

    def test_token_that_was_not_issued(self):
        self.refused(403, "UnrecognizedClientException", self.request("GET", FUNCTIONS, token="x"))

    def test_wrong_service(self):
        self.refused(403, "InvalidSignatureException", self.request("GET", FUNCTIONS, service="s3"))

    def test_changed_body(self):
        body = b'{"FunctionName": "x"}'
        known = self.server.credentials()
        for name in (None, "X-Amz-Content-SHA256"):
            headers = {name: hashlib.sha256(body).hexdigest()} if name else {}
            request = botocore.awsrequest.AWSRequest("POST", self.server.url + FUNCTIONS, data=body, headers=headers)
            botocore.auth.SigV4Auth(botocore.credentials.Credentials(*known), "lambda", REGION).add_auth(request)
            connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.server.url).netloc, timeout=20)
            connection.request("POST", FUNCTIONS, body.replace(b"x", b"y"), dict(request.headers))
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.headers["x-amzn-errortype"]), (403, "InvalidSignatureException"))
            connection.close()

    def test_a_large_body_that_was_not_signed(self):
        status, headers, _ = self.request("POST", FUNCTIONS, b"x" * (1 << 20), secret="wrong")
        self.assertEqual((status, headers["x-amzn-errortype"]), (403, "InvalidSignatureException"))

    def test_unknown_operation(self):
        for method, path in (("GET", "/2015-03-31/nothing"), ("PATCH", FUNCTIONS), ("GET", "/x"), ("GET", FUNCTIONS + "/a/b/c/d")):
            self.assertEqual(self.request(method, path)[0], 404)
        self.assertEqual(self.request("GET", "/x", sign=False)[0], 403)


class Sts(ApiCase):
    def test_root(self):
        who = self.server.client("sts").get_caller_identity()
        self.assertEqual((who["Account"], who["UserId"], who["Arn"]), ("000000000000", "000000000000", "arn:aws:iam::000000000000:root"))

    def test_others(self):
        sts = self.server.client("sts")
        with self.assertRaises(sts.exceptions.ClientError) as caught:
            sts.get_session_token()
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 501)


class Functions(ApiCase):
    """Credentials that an environment was given."""

    def setUp(self):
        self.name = self.create(Handler="identity.handler", Code={"ZipFile": zip_of({"identity.py": WHO})})
        answer = json.loads(self.client.invoke(FunctionName=self.name)["Payload"].read())
        self.key, self.secret, self.token = answer[:3]

    def own(self, service="lambda"):
        return boto3.client(service, endpoint_url=self.server.url, region_name=REGION, aws_access_key_id=self.key,
                            aws_secret_access_key=self.secret, aws_session_token=self.token, config=Config(retries={"max_attempts": 0}))

    def test_who(self):
        who = self.own("sts").get_caller_identity()
        self.assertEqual(who["Arn"], "arn:aws:sts::000000000000:assumed-role/any/" + self.name)
        self.assertRegex(who["UserId"], "^AROA[A-Z2-7]{17}:" + self.name + "$")

    def test_may_invoke(self):
        other = self.create()
        self.assertEqual(self.own().invoke(FunctionName=other, Payload=b"5")["Payload"].read(), b"5")

    def test_may_not_change(self):
        arn = "arn:aws:sts::000000000000:assumed-role/any/" + self.name
        own = self.own()
        for call, arguments, action, resource in (
                (own.update_function_configuration, {"FunctionName": self.name, "Timeout": 5}, "UpdateFunctionConfiguration", ARN + self.name),
                (own.delete_function, {"FunctionName": self.name}, "DeleteFunction", ARN + self.name),
                (own.get_function, {"FunctionName": self.name}, "GetFunction", ARN + self.name),
                (own.create_function, {"FunctionName": "x", "Role": ROLE, "Code": {"ZipFile": ZIP}}, "CreateFunction", "*")):
            self.fails(403, "AccessDeniedException", "User: %s is not authorized to perform: lambda:%s on resource: %s because no identity-based "
                       "policy allows the lambda:%s action" % (arn, action, resource, action), call, **arguments)

    def test_token_is_needed(self):
        for token in (None, self.token[:-1], self.token + "x"):
            status, headers, _ = self.request("GET", FUNCTIONS, key=self.key, secret=self.secret, token=token)
            self.assertEqual((status, headers["x-amzn-errortype"]), (403, "UnrecognizedClientException"))


class Own(ApiCase):
    """What lives under /_mayfly/."""

    def test_health_and_metrics_are_open_on_loopback(self):
        status, headers, body = self.request("GET", "/_mayfly/health", sign=False)
        self.assertEqual((status, json.loads(body)["status"]), (200, "ok"))
        status, headers, body = self.request("GET", "/_mayfly/metrics", sign=False)
        self.assertEqual((status, headers["content-type"].split(";")[0]), (200, "text/plain"))
        self.assertIn(b"mayfly_", body)

    def test_others_are_signed(self):
        self.assertEqual(self.request("GET", "/_mayfly/environments", sign=False)[0], 403)
        status, _, body = self.request("GET", "/_mayfly/environments", service="mayfly")
        self.assertEqual((status, json.loads(body)["account"]), (200, "000000000000"))
        self.assertEqual(self.request("GET", "/_mayfly/nothing", service="mayfly")[0], 404)

    def test_logs_are_another_service(self):
        logs = self.server.client("logs")
        with self.assertRaises(logs.exceptions.ResourceNotFoundException) as caught:
            logs.get_log_events(logGroupName="/aws/lambda/nope", logStreamName="x")
        self.assertEqual(caught.exception.response["Error"]["Message"], "The specified log group does not exist.")


if __name__ == "__main__":
    main()
