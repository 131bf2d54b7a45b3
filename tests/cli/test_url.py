"""deploy --url, domain."""
import json
import unittest

from cli_case import CliCase

URL = "http://id.lambda-url.us-east-1.localhost:1/"


class Url(CliCase):
    def test_deploy_makes_a_url_that_everybody_may_call(self):
        arn = "arn:aws:lambda:us-east-1:000000000000:function:thumb\n"
        self.assertEqual(self.deploy("thumb", "x = 1\n", "--url", "none"), arn + URL + "\n")
        f = self.server.functions["thumb"]
        self.assertEqual(f.url["AuthType"], "NONE")
        self.assertEqual(sorted((s["Action"], s["Principal"], s.get("FunctionUrlAuthType"), s.get("InvokedViaFunctionUrl")) for s in f.policy.values()),
                         [("lambda:InvokeFunction", "*", None, True), ("lambda:InvokeFunctionUrl", "*", "NONE", None)])
        self.assertEqual(self.out("deploy", "thumb", "--url", "none"), arn + URL + "\n")     # again: all is there
        self.assertEqual(json.loads(self.out("deploy", "thumb", "--url", "none", "--output", "json"))["FunctionUrl"], URL)
        self.out("deploy", "thumb", "--url", "iam")
        self.assertEqual(f.url["AuthType"], "AWS_IAM")
        self.assertEqual(self.out("deploy", "thumb"), arn)

    def test_a_signed_url_needs_no_permission(self):
        self.deploy("thumb", "x = 1\n", "--url", "iam")
        self.assertEqual((self.server.functions["thumb"].url["AuthType"], self.server.functions["thumb"].policy), ("AWS_IAM", {}))
        self.assertIn("none|iam", self.failure("deploy", "thumb", "--url", "all", status=2))

    def test_domains(self):
        self.assertIn("no host name", self.run_cli("domain").stderr)
        self.assertIn("shop:live", self.run_cli("domain", "add", "shop.example.org", "shop:live").stderr)
        self.assertRegex(self.out("domain", "ls"), r"HOST +FUNCTION\nshop\.example\.org +shop:live\n")
        self.assertEqual(json.loads(self.out("domain", "--output", "json")), [{"host": "shop.example.org", "function": "shop:live"}])
        self.out("domain", "rm", "shop.example.org")
        self.assertIn("no host name shop.example.org", self.failure("domain", "rm", "shop.example.org"))
        for words in (("add", "a.b"), ("rm",), ("ls", "x"), ("move", "x")):
            self.assertIn("mayfly domain " + words[0], self.failure("domain", *words))


if __name__ == "__main__":
    unittest.main()
