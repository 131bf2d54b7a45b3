"""Functions that use the server's services with the SDKs of their runtime: their packages hold nothing but their own code.
Each makes its clients when it is loaded, and is called in a plain environment and in one restored from the image of that state."""
import json
import os
import unittest
import uuid

from support import ROOT
from snapshot_case import SINGLE, SnapshotCase

SDKS = os.path.join(ROOT, "runtimes", "node_modules", "@aws-sdk", "client-sqs")

# Every function answers this, for the queue of the event's url and one that it makes: what came back from each service.
PYTHON = """
import boto3
from botocore.exceptions import ClientError

def refused(call):
    try:
        call()
    except ClientError as e:
        return e.response["Error"]["Code"]

sqs, events, scheduler = boto3.client("sqs"), boto3.client("events"), boto3.client("scheduler")

def handler(event, context):
    if "echo" in event:
        return event["echo"]
    sqs.send_message(QueueUrl=event["url"], MessageBody="grüße")
    own = sqs.create_queue(QueueName=event["own"])["QueueUrl"]
    sqs.send_message_batch(QueueUrl=own, Entries=[{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "2"}])
    got = sqs.receive_message(QueueUrl=event["url"], WaitTimeSeconds=5)["Messages"]
    sqs.delete_message(QueueUrl=event["url"], ReceiptHandle=got[0]["ReceiptHandle"])
    put = events.put_events(Entries=[{"Source": "inside", "DetailType": "t", "Detail": "{}"}])
    scheduler.create_schedule_group(Name=event["own"])
    answer = boto3.client("lambda").invoke(FunctionName=context.function_name, Payload=b'{"echo": 7}')
    return {"own": own, "bodies": [m["Body"] for m in got], "put": put["FailedEntryCount"],
            "group": scheduler.get_schedule_group(Name=event["own"])["State"],
            "bus": events.describe_event_bus()["Name"],
            "echo": answer["Payload"].read().decode(),
            "account": boto3.client("sts").get_caller_identity()["Account"],
            "logs": refused(lambda: boto3.client("logs").describe_log_groups()),
            "create": refused(lambda: boto3.client("lambda").list_functions())}
"""
BODY = """
async function refused(call) {
  try { await call(); return "allowed"; } catch (e) { return e.name; }
}
const sqs = new SQS(), events = new EventBridge(), scheduler = new Scheduler(), lambda = new Lambda();
const HANDLER = async (event, context) => {
  if ("echo" in event) return event.echo;
  await sqs.sendMessage({ QueueUrl: event.url, MessageBody: "grüße" });
  const own = (await sqs.createQueue({ QueueName: event.own })).QueueUrl;
  await sqs.sendMessageBatch({ QueueUrl: own, Entries: [{ Id: "a", MessageBody: "1" }, { Id: "b", MessageBody: "2" }] });
  const got = (await sqs.receiveMessage({ QueueUrl: event.url, WaitTimeSeconds: 5 })).Messages;
  await sqs.deleteMessage({ QueueUrl: event.url, ReceiptHandle: got[0].ReceiptHandle });
  const put = await events.putEvents({ Entries: [{ Source: "inside", DetailType: "t", Detail: "{}" }] });
  await scheduler.createScheduleGroup({ Name: event.own });
  const answer = await lambda.invoke({ FunctionName: context.functionName, Payload: '{"echo": 7}' });
  return { own, bodies: got.map((m) => m.Body), put: put.FailedEntryCount,
    group: (await scheduler.getScheduleGroup({ Name: event.own })).State,
    bus: (await events.describeEventBus({})).Name,
    echo: answer.Payload.transformToString(),
    account: (await new STS().getCallerIdentity({})).Account,
    logs: await refused(() => new CloudWatchLogs().describeLogGroups({})),
    create: await refused(() => lambda.listFunctions({})) };
};
"""
CLIENTS = {"SQS": "sqs", "EventBridge": "eventbridge", "Scheduler": "scheduler", "Lambda": "lambda", "STS": "sts",
           "CloudWatchLogs": "cloudwatch-logs"}
COMMONJS = "".join("const { %s } = require('@aws-sdk/client-%s');\n" % c for c in CLIENTS.items()) + BODY + "exports.handler = HANDLER;\n"
MODULE = "".join("import { %s } from '@aws-sdk/client-%s';\n" % c for c in CLIENTS.items()) + BODY + "export { HANDLER as handler };\n"


class SdkInside(SnapshotCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sqs = cls.server.client("sqs")

    def use(self, files, runtime, handler):
        name = self.server.deploy(files, runtime, handler, MemorySize=512, Timeout=60, Tags=SINGLE)
        self.use_once(name, "plain")
        self.wait_image(name)
        self.use_once(name, "restored")

    def use_once(self, name, kind):
        outside, own = "q-" + uuid.uuid4().hex[:8], "own-" + uuid.uuid4().hex[:8]
        url = self.sqs.create_queue(QueueName=outside)["QueueUrl"]
        answer = self.call(name, {"url": url, "own": own})
        said = answer.value
        self.assertEqual(answer.kind, kind)
        made = said.pop("own")
        self.assertEqual(made.rpartition("/")[2], own)
        self.assertEqual(said, {"bodies": ["grüße"], "put": 0, "group": "ACTIVE", "bus": "default", "echo": "7", "account": "000000000000",
                                "logs": "AccessDeniedException", "create": "AccessDeniedException"})
        # The URL made inside is as good outside, though its host is another.
        got = [m["Body"] for _ in range(2) for m in self.sqs.receive_message(QueueUrl=made, WaitTimeSeconds=2).get("Messages", ())]
        self.assertEqual(sorted(got), ["1", "2"])
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=url))

    def test_python(self):
        self.use({"app.py": PYTHON}, "python3.11", "app.handler")

    def need_sdks(self):
        if not os.path.exists(SDKS):
            self.skipTest("the AWS SDK for JavaScript could not be installed: see tools/build-sdks")

    def test_commonjs(self):
        self.need_sdks()
        self.use({"index.js": COMMONJS}, "nodejs20.x", "index.handler")

    def test_es_module(self):
        self.need_sdks()
        self.use({"index.mjs": MODULE}, "nodejs20.x", "index.handler")

    def test_own_packages_come_first(self):
        self.need_sdks()
        own = {"node_modules/@aws-sdk/client-sqs/package.json": json.dumps({"main": "i.js"}),
               "node_modules/@aws-sdk/client-sqs/i.js": "exports.own = 42;"}
        for file, text in (("index.js", "const s = require('@aws-sdk/client-sqs'); exports.handler = async () => s.own;"),
                           ("index.mjs", "import s from '@aws-sdk/client-sqs'; export const handler = async () => s.own;")):
            name = self.server.deploy({**own, file: text}, "nodejs20.x", "index.handler", MemorySize=256)
            self.assertEqual(self.call(name).value, 42)
        name = self.server.deploy({"app.py": "import boto3\ndef handler(e, c):\n    return boto3.own\n", "boto3/__init__.py": "own = 42\n"})
        self.assertEqual(self.call(name).value, 42)


if __name__ == "__main__":
    unittest.main()
