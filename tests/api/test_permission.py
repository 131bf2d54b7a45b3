"""A function's policy: statements as AWS writes them, their rules and errors; the recursion config."""
import json
import subprocess

from api_case import ACCOUNT, ARN, ApiCase, main, unique

BUCKET = "arn:aws:s3:::pictures"
RULE = "arn:aws:events:us-east-1:000000000000:rule/tick"


class Permissions(ApiCase):
    def setUp(self):
        self.name = self.create(Publish=True)

    def add(self, sid="s1", name=None, **more):
        given = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "StatementId": sid, **more}
        return json.loads(self.client.add_permission(FunctionName=name or self.name, **given)["Statement"])

    def policy(self, **more):
        return json.loads(self.client.get_policy(FunctionName=self.name, **more)["Policy"])

    def test_a_statement(self):
        statement = self.add(SourceArn=BUCKET, SourceAccount=ACCOUNT)
        self.assertEqual(statement, {
            "Sid": "s1", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction",
            "Resource": ARN + self.name,
            "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": BUCKET}}})
        self.assertEqual(self.policy(), {"Version": "2012-10-17", "Id": "default", "Statement": [statement]})

    def test_principals(self):
        for i, (given, shown) in enumerate((("*", "*"), ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
                                            ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
                                            ("arn:aws:iam::123456789012:role/r", {"AWS": "arn:aws:iam::123456789012:role/r"}))):
            self.assertEqual(self.add("s%d" % i, Principal=given)["Principal"], shown)
        self.assertEqual(len(self.policy()["Statement"]), 4)
        for bad in ("invalid.nonaws.com", "12345", "arn:aws:s3:::bucket"):
            self.fails(400, "InvalidParameterValueException", "The provided principal was invalid. Please check the principal and try again.",
                       self.client.add_permission, FunctionName=self.name, StatementId="bad", Action="lambda:InvokeFunction", Principal=bad)

    def test_conditions(self):
        statement = self.add(Principal="*", PrincipalOrgID="o-1234567890", EventSourceToken="token.1")
        self.assertEqual(statement["Condition"], {"StringEquals": {"lambda:EventSourceToken": "token.1", "aws:PrincipalOrgID": "o-1234567890"}})
        statement = self.add("url", Principal="*", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
        self.assertEqual(statement["Condition"], {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}})

    def test_qualifiers(self):
        self.client.create_alias(FunctionName=self.name, Name="live", FunctionVersion="1")
        self.assertEqual(self.add(Qualifier="live")["Resource"], ARN + self.name + ":live")
        self.assertEqual(self.add(name=self.name + ":1")["Resource"], ARN + self.name + ":1")
        self.assertEqual([len(self.policy(Qualifier=q)["Statement"]) for q in ("live", "1")], [1, 1])
        self.fails(404, "ResourceNotFoundException", "The resource you requested does not exist.", self.client.get_policy, FunctionName=self.name)
        self.fails(400, "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.",
                   self.client.add_permission, FunctionName=self.name, Qualifier="$LATEST", StatementId="x", Action="lambda:InvokeFunction",
                   Principal="*")
        self.client.delete_alias(FunctionName=self.name, Name="live")
        self.fails(404, "ResourceNotFoundException", "Function not found: %s%s:live" % (ARN, self.name), self.client.get_policy,
                   FunctionName=self.name, Qualifier="live")

    def test_removing(self):
        self.add("s1")
        self.add("s2")
        self.client.remove_permission(FunctionName=self.name, StatementId="s1")
        self.assertEqual([s["Sid"] for s in self.policy()["Statement"]], ["s2"])
        self.fails(404, "ResourceNotFoundException", "Statement s1 is not found in resource policy.", self.client.remove_permission,
                   FunctionName=self.name, StatementId="s1")
        self.client.remove_permission(FunctionName=self.name, StatementId="s2")
        self.fails(404, "ResourceNotFoundException", "No policy is associated with the given resource.", self.client.remove_permission,
                   FunctionName=self.name, StatementId="s2")
        self.fails(404, "ResourceNotFoundException", "No policy found for: %snope" % ARN, self.client.remove_permission, FunctionName="nope",
                   StatementId="s2")

    def test_errors(self):
        self.add()
        add = self.client.add_permission
        given = {"FunctionName": self.name, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "StatementId": "s1"}
        self.fails(409, "ResourceConflictException", "The statement id (s1) provided already exists. Please provide a new statement id, or "
                   "remove the existing statement.", add, **given)
        self.fails(404, "ResourceNotFoundException", "Function not found: %snope" % ARN, add, **{**given, "FunctionName": "nope"})
        self.fails(400, "ValidationException", "1 validation error detected: Value 'example.com' at 'statementId' failed to satisfy constraint: "
                   "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)", add, **{**given, "StatementId": "example.com"})
        self.fails(412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to "
                   "retrieve the latest Revision Id", add, **{**given, "StatementId": "s2", "RevisionId": "wrong"})

    def test_revisions(self):
        self.add()
        first = self.client.get_policy(FunctionName=self.name)["RevisionId"]
        self.add("s2", RevisionId=first)
        second = self.client.get_policy(FunctionName=self.name)["RevisionId"]
        self.assertNotEqual(first, second)
        self.fails(412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to "
                   "retrieve the latest Revision Id", self.client.remove_permission, FunctionName=self.name, StatementId="s2", RevisionId=first)
        self.client.remove_permission(FunctionName=self.name, StatementId="s2", RevisionId=second)

    def test_the_size_of_a_policy(self):
        with self.assertRaises(self.client.exceptions.PolicyLengthExceededException) as caught:
            for i in range(200):
                self.add("s%d" % i, SourceArn="arn:aws:s3:::" + "b" * 200)
        self.assertRegex(str(caught.exception), r"The final policy size \(20\d\d\d\) is bigger than the limit \(20480\)\.")
        self.assertGreater(len(self.policy()["Statement"]), 40)

    def test_the_command_line(self):
        def aws(*words):
            return subprocess.run(("aws", "--endpoint-url", self.server.url, "lambda") + words, env=self.server.environ(), capture_output=True, text=True, timeout=60)
        done = aws("add-permission", "--function-name", self.name, "--statement-id", "cli", "--action", "lambda:InvokeFunction",
                   "--principal", "events.amazonaws.com", "--source-arn", RULE)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = aws("get-policy", "--function-name", self.name)
        self.assertEqual(json.loads(json.loads(done.stdout)["Policy"])["Statement"][0]["Condition"], {"ArnLike": {"AWS:SourceArn": RULE}})
        self.assertEqual(aws("remove-permission", "--function-name", self.name, "--statement-id", "cli").returncode, 0)


class Recursion(ApiCase):
    def config(self, method, name, document=None):
        body = b"" if document is None else json.dumps(document).encode()
        status, _, body = self.request(method, "/2024-08-31/functions/%s/recursion-config" % name, body)
        return status, json.loads(body)

    def test_the_config(self):
        name = self.create()
        self.assertEqual(self.config("PUT", name, {"RecursiveLoop": "Allow"}), (200, {"RecursiveLoop": "Allow"}))
        self.assertEqual(self.config("GET", name), (200, {"RecursiveLoop": "Allow"}))
        self.assertEqual(self.config("PUT", name, {"RecursiveLoop": "Terminate"}), (200, {"RecursiveLoop": "Terminate"}))
        self.assertEqual(self.config("GET", name), (200, {"RecursiveLoop": "Terminate"}))

    def test_errors(self):
        name = self.create()
        status, body = self.config("PUT", name, {"RecursiveLoop": "InvalidValue"})
        self.assertEqual((status, body["message"]), (400, "1 validation error detected: Value 'InvalidValue' at 'recursiveLoop' failed to satisfy "
                                                     "constraint: Member must satisfy enum value set: [Terminate, Allow]"))
        missing = unique()
        for method, document in (("GET", None), ("PUT", {"RecursiveLoop": "Allow"})):
            status, body = self.config(method, missing, document)
            self.assertEqual((status, body["Message"]), (404, "Function not found: %s%s" % (ARN, missing)))


if __name__ == "__main__":
    main()
