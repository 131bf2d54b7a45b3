"""Which service a request is for, and whether it may: JSON targets, forms, REST paths, presigned queries, rights of functions."""
import http.client
import json
import time
import unittest
import urllib.parse

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import Server

PATH = "/000000000000/jobs"


class Door(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool", "1")
        cls.addClassCleanup(cls.server.close)
        cls.sqs = cls.server.client("sqs")
        cls.sqs.create_queue(QueueName="jobs")

    def setUp(self):
        self.sqs.receive_message(QueueUrl=self.server.url + PATH, MaxNumberOfMessages=10)

    def signed(self, service, method, path, body=b"", **headers):
        """(status, fields, text) of one request, signed for a service; None: not signed."""
        fields = {"Host": self.server.url.partition("//")[2], **{k.replace("_", "-"): v for k, v in headers.items()}}
        request = AWSRequest(method, self.server.url + path, data=body, headers=fields)
        if service:
            SigV4Auth(Credentials(*self.server.credentials()), service, "us-east-1").add_auth(request)
        return self.send(method, path, body, dict(request.headers.items()))

    def send(self, method, path, body, headers):
        connection = http.client.HTTPConnection(self.server.url.partition("//")[2], timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def json(self, target, body, service="sqs"):
        return self.signed(service, "POST", "/", json.dumps(body).encode(), X_Amz_Target=target, Content_Type="application/x-amz-json-1.0")

    def form(self, path, fields, service="sqs"):
        return self.signed(service, "POST", path, urllib.parse.urlencode(fields).encode(), Content_Type="application/x-www-form-urlencoded")

    def test_json(self):
        status, fields, text = self.json("AmazonSQS.GetQueueUrl", {"QueueName": "jobs"})
        self.assertEqual((status, fields["content-type"]), (200, "application/x-amz-json-1.0"))
        self.assertEqual(json.loads(text), {"QueueUrl": self.server.url + PATH})
        self.assertTrue(fields["x-amzn-requestid"])

    def test_forms_to_the_root_and_to_the_queue(self):
        for path, fields in (("/", {"Action": "GetQueueUrl", "QueueName": "jobs"}), (PATH, {"Action": "GetQueueAttributes", "AttributeName.1": "All"})):
            status, head, text = self.form(path, {"Version": "2012-11-05", **fields})
            self.assertEqual((status, head["content-type"]), (200, "text/xml"), text)
            self.assertIn("jobs", text)

    def test_a_form_without_action(self):
        status, _, text = self.form("/", {"QueueName": "jobs"})
        self.assertEqual(status, 400)
        self.assertIn("<Code>MissingAction</Code>", text)

    def test_a_form_for_another_service_is_not_sqs(self):
        status, _, text = self.form("/", {"Action": "GetCallerIdentity", "Version": "2011-06-15"}, "sts")
        self.assertEqual(status, 200)
        self.assertIn("GetCallerIdentityResult", text)

    def test_presigned_get(self):
        query = urllib.parse.urlencode({"Action": "SendMessage", "MessageBody": "by a link", "Version": "2012-11-05"})
        request = AWSRequest("GET", self.server.url + PATH + "?" + query)
        SigV4QueryAuth(Credentials(*self.server.credentials()), "sqs", "us-east-1", expires=60).add_auth(request)
        url = urllib.parse.urlsplit(request.prepare().url)
        status, _, text = self.send("GET", url.path + "?" + url.query, None, {})
        self.assertEqual(status, 200, text)
        self.assertIn("<MD5OfMessageBody>", text)
        status, _, text = self.send("GET", url.path + "?" + url.query.replace("by", "By"), None, {})
        self.assertEqual(status, 403, text)

    def test_rest(self):
        status, fields, text = self.signed("scheduler", "GET", "/schedules")
        self.assertEqual((status, json.loads(text)), (200, {"Schedules": []}))
        status, fields, text = self.signed("scheduler", "GET", "/schedules/none")
        self.assertEqual((status, fields["x-amzn-errortype"].partition(":")[0]), (404, "ResourceNotFoundException"))

    def test_signed_for_another_service(self):
        status, _, text = self.json("AmazonSQS.ListQueues", {}, "lambda")
        self.assertEqual(status, 403, text)
        status, _, text = self.signed("sqs", "GET", "/schedules")
        self.assertEqual(status, 403, text)

    def test_not_signed(self):
        for call in (lambda: self.json("AmazonSQS.ListQueues", {}, None), lambda: self.signed(None, "GET", "/schedules"),
                     lambda: self.signed(None, "GET", "/_mayfly/queues/"), lambda: self.signed(None, "GET", "/_mayfly/events/f")):
            self.assertEqual(call()[0], 403)

    def test_unknown_targets(self):
        status, fields, text = self.json("AmazonSQS.Nonsense", {})
        self.assertEqual(status, 400, text)
        self.assertIn("UnknownOperation", text + fields.get("x-amzn-errortype", ""))
        status, _, text = self.json("AWSEvents.Nonsense", {}, "events")
        self.assertEqual(status, 400, text)
        self.assertGreaterEqual(self.json("Nonsense.ListQueues", {})[0], 400)

    def test_sizes_of_bodies(self):
        """A form's escapes make a large batch longer than the batch; what is larger than that is refused before it is read."""
        text = "\u20ac" * 100000  # 300,000 bytes, 900,000 escaped
        fields = {"Action": "SendMessage", "Version": "2012-11-05", "MessageBody": text}
        self.assertEqual(self.form(PATH, fields)[0], 200)
        self.assertIn(self.form(PATH, {**fields, "MessageBody": "x" * (5 << 20)})[0], (400, 413))

    def test_a_client_that_goes_in_a_long_poll_takes_no_message(self):
        url = self.server.url + PATH
        body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
        host = self.server.url.partition("//")[2]
        request = AWSRequest("POST", self.server.url + "/", data=body, headers={
            "Host": host, "X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"})
        SigV4Auth(Credentials(*self.server.credentials()), "sqs", "us-east-1").add_auth(request)
        for _ in range(5):
            connection = http.client.HTTPConnection(host, timeout=30)
            connection.request("POST", "/", body, dict(request.headers.items()))
            time.sleep(0.05)
            connection.close()
        time.sleep(0.3)
        self.sqs.send_message(QueueUrl=url, MessageBody="for one who is there")
        got = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, AttributeNames=["ApproximateReceiveCount"])["Messages"]
        self.assertEqual((got[0]["Body"], got[0]["Attributes"]["ApproximateReceiveCount"]), ("for one who is there", "1"))

    def test_a_function_may_use_services_and_not_make_functions(self):
        code = ("import boto3, os\n"
                "def handler(e, c):\n"
                "    client = lambda name: boto3.client(name, endpoint_url=os.environ['AWS_ENDPOINT_URL'])\n"
                "    client('sqs').list_queues(); client('events').list_rules(); client('scheduler').list_schedules()\n"
                "    try:\n"
                "        client('lambda').delete_function(FunctionName='any')\n"
                "    except Exception as e:\n"
                "        return type(e).__name__ + ' ' + str(e)\n")
        name = self.server.deploy({"app.py": code}, Timeout=30, MemorySize=512)
        answer = self.server.client().invoke(FunctionName=name)
        text = answer["Payload"].read().decode()
        self.assertNotIn("FunctionError", answer, text)
        self.assertIn("AccessDenied", text)


if __name__ == "__main__":
    unittest.main()
