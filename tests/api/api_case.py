"""What the API tests share: a server for the module, small packages, checks of AWS's errors, requests signed by hand."""
import http.client
import json
import os
import unittest
import urllib.parse
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
from botocore.exceptions import ClientError, WaiterError

from harness import MAYFLY, ROLE, Server, zip_of

# Debian 12's SDK (1.26) leaves out of requests and answers what Lambda has got since.
_MEMBERS = botocore.session.get_session().get_service_model("lambda").shape_for("FunctionConfiguration").members
needs_current_sdk = unittest.skipUnless("ConfigSha256" in _MEMBERS, "this boto3 is too old to know the newer members")

STUB = os.path.basename(MAYFLY) == "stub_server"
ACCOUNT, REGION = "000000000000", "us-east-1"
ARN = "arn:aws:lambda:%s:%s:function:" % (REGION, ACCOUNT)
ZIP = zip_of({"app.py": "def handler(event, context):\n    print('hello')\n    return event\n",
              "error.py": "def handler(event, context):\n    raise Exception('as wanted')\n"})
ZIP2 = zip_of({"app.py": "def handler(event, context):\n    return [event]\n"})

needs_server = unittest.skipIf(STUB, "the stub does not unpack or run anything")


def unique(prefix="f"):
    return "%s-%s" % (prefix, uuid.uuid4().hex[:12])


class ApiCase(unittest.TestCase):
    OPTIONS = ()
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.OPTIONS) if cls.OPTIONS else Server.shared()
        if cls.OPTIONS:
            cls.addClassCleanup(cls.server.close)
        # Our server's constraints are to be tested, not the SDK's own check of parameters.
        cls.client = cls.server.client(parameter_validation=False)

    def create(self, name=None, wait=True, **settings):
        """A function that the test ends with; gives its name."""
        name = name or unique()
        given = {"FunctionName": name, "Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": ZIP}}
        self.client.create_function(**{**given, **settings})
        self.addCleanup(self.forget, name)
        if wait:
            self.wait(name)
        return name

    def forget(self, name):
        try:
            self.wait(name)
            self.client.delete_function(FunctionName=name)
        except (ClientError, WaiterError) as e:
            if "ResourceNotFoundException" not in str(e):
                raise

    def wait(self, name):
        """Until it is Active and its last update is through."""
        self.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 500})
        self.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 500})

    def fails(self, status, code, message, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        answer = caught.exception.response
        said = answer["Error"].get("Message") or answer.get("Message") or answer.get("message")
        self.assertEqual((answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], said), (status, code, message))
        self.assertTrue(answer["ResponseMetadata"]["RequestId"])
        return answer

    def request(self, method, path, body=b"", headers=None, service="lambda", sign=True, key=None, secret=None, token=None,
                host=None):
        """A request signed by botocore, sent by hand: (status, headers, body)."""
        known = self.server.credentials()
        address = urllib.parse.urlsplit(self.server.url).netloc
        request = botocore.awsrequest.AWSRequest(method, "http://%s%s" % (host or address, path), data=body, headers=headers or {})
        if sign:
            credentials = botocore.credentials.Credentials(key or known[0], secret or known[1], token)
            botocore.auth.SigV4Auth(credentials, service, REGION).add_auth(request)
        connection = http.client.HTTPConnection(address, timeout=60)
        try:
            connection.request(method, path, body, dict(request.headers))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def request_json(self, method, path, document, **more):
        status, headers, body = self.request(method, path, json.dumps(document).encode(), **more)
        return status, headers, json.loads(body or b"null")


def main():
    unittest.main(verbosity=1)
