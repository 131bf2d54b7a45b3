"""The SDK for JavaScript's clients of EventBridge and Scheduler, as npm has them: eventbridge.mjs does the calls, in order, once."""
import unittest
import uuid

from support import NodeCase, npm
from harness import Server

PACKAGES = ("@aws-sdk/client-eventbridge@3.967.0", "@aws-sdk/client-scheduler@3.967.0", "@aws-sdk/client-sqs@3.967.0")


class JavaScript(NodeCase, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = npm(*PACKAGES)
        cls.prefix = "js-" + uuid.uuid4().hex[:8]
        with Server() as server:
            cls.run_node(server, folder, "eventbridge.mjs", cls.prefix)

    def test_rules(self):
        arn = "arn:aws:events:us-east-1:000000000000:"
        self.check("bus", arn + "event-bus/%s-bus" % self.prefix)
        self.check("rule", arn + "rule/%s-bus/rule" % self.prefix)
        self.check("targets", 0)
        self.check("listed", [{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:000000000000:" + self.prefix,
                               "InputTransformer": {"InputPathsMap": {"t": "$.detail.total"}, "InputTemplate": '"total <t>"'}}])

    def test_events(self):
        self.check("put", [1, [None, None, "InvalidArgument"]])
        self.check("event", '"total 12.50"')
        self.check("pattern", True)
        self.check("bad pattern", {"name": "InvalidEventPatternException", "known": True, "status": 400, "request": True})
        self.check("no rule", {"name": "ResourceNotFoundException", "known": True, "status": 400, "request": True})

    def test_schedules(self):
        self.check("schedule", "arn:aws:scheduler:us-east-1:000000000000:schedule/%s-group/once" % self.prefix)
        self.check("on time", True)
        self.check("kept", ["rate(1 hour)", {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}, True])
        self.check("pages", ["once", "r1", "r2", "r3"])
        self.check("twice", {"name": "ConflictException", "known": True, "status": 409, "request": True})


if __name__ == "__main__":
    unittest.main()
