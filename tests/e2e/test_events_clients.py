"""The SDK for JavaScript as npm has it against buses, rules and schedules: events_clients.mjs does the calls, in order, once."""
import unittest
import uuid

from support import NodeCase, npm
from harness import Server

# The version of runtimes/package.json, which npm has kept: the latest that runs on Node.js 18.
PACKAGES = ("@aws-sdk/client-eventbridge@3.967.0", "@aws-sdk/client-scheduler@3.967.0", "@aws-sdk/client-sqs@3.967.0")
ACCOUNT = "us-east-1:000000000000:"


class JavaScript(NodeCase, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = npm(*PACKAGES)
        cls.name = "js-" + uuid.uuid4().hex[:8]
        with Server() as server:
            cls.run_node(server, folder, "events_clients.mjs", cls.name)

    def check_error(self, case, name, status, message=None):
        self.assertIn(case, self.said, "not reached: %s" % self.failure)
        got = self.said[case]
        self.assertEqual((got["name"], got["status"], got["known"]), (name, status, True), got)
        if message:
            self.assertEqual(got["message"], message)

    def test_ran_to_its_end(self):
        super().test_ran_to_its_end()
        self.check("end", True)

    def test_buses_and_rules(self):
        self.check("bus", "arn:aws:events:%sevent-bus/%s" % (ACCOUNT, self.name))
        self.check("description", "grün")
        self.check("buses", [self.name])
        self.check("rule", "arn:aws:events:%srule/%s/large" % (ACCOUNT, self.name))
        self.check("tags", [{"Key": "team", "Value": "ä b"}])
        self.check("pattern", ["shop"])
        self.check("targets", [0, [["q", True]]])
        self.check("by target", ["large"])
        self.check("scheduled", [["rate(5 minutes)", "DISABLED"]])
        self.check("removed", 0)

    def test_events(self):
        self.check("put", [1, ["string", "MalformedDetail", "string"]])
        self.check("delivered", {"paid": 11, "by": "zoë"})
        self.check("test", [True, False])

    def test_errors(self):
        self.check_error("no rule", "ResourceNotFoundException", 400, "Rule nothing does not exist on EventBus %s." % self.name)
        self.check_error("bad pattern", "InvalidEventPatternException", 400)
        self.check_error("bus gone", "ResourceNotFoundException", 400, "Event bus %s does not exist." % self.name)

    def test_schedules(self):
        self.check("group", ["ACTIVE", True, "arn:aws:scheduler:%sschedule-group/%s" % (ACCOUNT, self.name)])
        self.check("once", "arn:aws:scheduler:%sschedule/%s/once" % (ACCOUNT, self.name))
        self.check("nightly", ["cron(30 2 ? * MON-FRI *)", "Europe/Berlin", {"MaximumWindowInMinutes": 15, "Mode": "FLEXIBLE"}, "ENABLED",
                               "2030-01-01T00:00:00.000Z", '{"from": "scheduler"}'])
        self.check("changed", ["rate(2 hours)", "DISABLED", True])
        self.check("fired", {"from": "scheduler"})
        self.check("schedules", ["nightly"])

    def test_errors_of_schedules(self):
        self.check_error("conflict", "ConflictException", 409)
        self.check("bad expression", "ValidationException")
        self.check_error("once gone", "ResourceNotFoundException", 404)


if __name__ == "__main__":
    unittest.main()
