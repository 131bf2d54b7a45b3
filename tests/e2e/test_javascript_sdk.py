"""The AWS SDK for JavaScript, version 3, as npm has it, against the server: sdk.mjs does the calls, in order, once."""
import tempfile
import unittest
import uuid

from support import NodeCase, npm
from harness import Server, zip_of

PACKAGES = ("@aws-sdk/client-lambda@3.1164.0", "@aws-sdk/client-sts@3.1173.0", "@aws-sdk/client-cloudwatch-logs@3.1169.0")
FUNCTION = """
exports.handler = async (event) => {
  console.log("said by the function");
  if (event.fail) throw new TypeError("as asked");
  return { n: event.n + 1, word: process.env.WORD };
};
"""


class JavaScriptSdk(NodeCase, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = npm(*PACKAGES)
        cls.name = "js-" + uuid.uuid4().hex[:8]
        with Server() as server, tempfile.NamedTemporaryFile(suffix=".zip") as package:
            package.write(zip_of({"index.js": FUNCTION}))
            package.flush()
            cls.run_node(server, folder, "sdk.mjs", package.name, cls.name, seconds=120)

    def check_error(self, case, **expected):
        self.assertIn(case, self.said, "not reached: %s" % self.failure)
        got = self.said[case]
        self.assertIsInstance(got, dict)
        self.assertEqual({k: got.get(k) for k in expected}, expected)
        self.assertTrue(got["request"], "no request id")

    def test_create_and_wait(self):
        self.check("create", [201, "Pending", "arn:aws:lambda:us-east-1:000000000000:function:" + self.name])
        self.check("active", "SUCCESS")
        self.check("updated", "SUCCESS")

    def test_invoke(self):
        self.check("invoke", [200, "$LATEST", {"n": 42, "word": "grün"}, True])
        self.check("thrown", [200, "Unhandled", "TypeError"])
        self.check("dry run", 204)

    def test_versions_aliases_tags(self):
        self.check("version", "1")
        self.check("alias", "arn:aws:lambda:us-east-1:000000000000:function:%s:live" % self.name)
        self.check("by alias", "1")
        self.check("tags", {"team": "ä b"})

    def test_download_of_the_code(self):
        self.check("download", 0)

    def test_paginators(self):
        self.check("pages", [True, 7])
        self.check("versions", ["$LATEST", "1"])

    def test_every_paginator_and_waiter(self):
        none = {"ListFunctionsByCodeSigningConfig", "ListFunctionVersionsByCapacityProvider", "GetDurableExecutionHistory", "GetDurableExecutionState"}
        pages = self.said["all paginators"]
        self.assertEqual({name for name, came in pages.items() if came is not True}, none)
        self.assertEqual({pages[name] for name in none}, {"ResourceNotFoundException"})
        self.assertEqual(len(pages), 16)
        waited = self.said["all waiters"]
        self.assertEqual((set(waited.values()), len(waited)), ({"SUCCESS"}, 6))

    def test_layers(self):
        self.check("layers", [[3], [3, 2, 1]])
        self.check("layer policy", [True])
        self.check("layer download", 0)
        self.check_error("layer gone", name="ResourceNotFoundException", status=404, message="The resource you requested does not exist.")

    def test_errors(self):
        arn = "arn:aws:lambda:us-east-1:000000000000:function:"
        self.check_error("exists", name="ResourceConflictException", status=409, fault="client", Type="User",
                         message="Function already exist: " + self.name)
        self.check_error("not found", name="ResourceNotFoundException", status=404, message="Function not found: %snobody" % arn)
        self.check_error("invalid", name="ValidationException", status=400)
        self.check_error("not json", name="InvalidRequestContentException", status=400)
        self.check_error("throttled", name="TooManyRequestsException", status=429, message="Rate Exceeded.",
                         Reason="ReservedFunctionConcurrentInvocationLimitExceeded")
        self.check("stranger", ["UnrecognizedClientException", 403])
        self.check("gone", "ResourceNotFoundException")

    def test_other_services(self):
        self.check("identity", "000000000000")
        self.check("logs", [True, True, True])
        self.check("deleted", 204)


if __name__ == "__main__":
    unittest.main()
