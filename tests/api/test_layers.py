"""Layers: their ten operations, functions that use them, limits."""
import base64
import hashlib
import json
import os
import re
import signal
import threading
import unittest
import urllib.request

from botocore.exceptions import BotoCoreError, ClientError

from api_case import ACCOUNT, ApiCase, REGION, ZIP, ZIP2, main, needs_server, unique
from harness import Server, zip_of

LAYER = "arn:aws:lambda:%s:%s:layer:" % (REGION, ACCOUNT)
NONE = "The resource you requested does not exist."
NAME_PATTERN = r"(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+"
RUNTIMES = ("nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, "
            "java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, "
            "provided.al2, java8.al2")


class LayerCase(ApiCase):
    def publish(self, name=None, content=ZIP, **more):
        answer = self.client.publish_layer_version(LayerName=name or unique("l"), Content={"ZipFile": content}, **more)
        name = answer["LayerArn"].rsplit(":", 1)[1]
        self.addCleanup(self.client.delete_layer_version, LayerName=name, VersionNumber=answer["Version"])
        self.assertEqual(answer.pop("ResponseMetadata")["HTTPStatusCode"], 201)
        return name, answer

    def names(self, **filters):
        pages = self.client.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 2}, **filters)
        return {row["LayerName"]: row["LatestMatchingVersion"]["Version"] for page in pages for row in page["Layers"]}

    def versions(self, name, **filters):
        pages = self.client.get_paginator("list_layer_versions").paginate(LayerName=name, PaginationConfig={"PageSize": 2}, **filters)
        return [row["Version"] for page in pages for row in page["LayerVersions"]]

    def refuses(self, message, call, code="InvalidParameterValueException", status=400, **arguments):
        self.fails(status, code, message, call, **arguments)


class Versions(LayerCase):
    def test_publish_and_get(self):
        about = {"Description": "what it is", "LicenseInfo": "MIT", "CompatibleRuntimes": ["python3.12", "nodejs12.x", "provided"],
                 "CompatibleArchitectures": ["arm64", "x86_64"]}
        name, made = self.publish(**about)
        location, created = made["Content"].pop("Location"), made.pop("CreatedDate")
        self.assertRegex(created, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")
        sum_ = base64.b64encode(hashlib.sha256(ZIP).digest()).decode()
        self.assertEqual(made, {**about, "LayerArn": LAYER + name, "LayerVersionArn": LAYER + name + ":1", "Version": 1,
                                "Content": {"CodeSha256": sum_, "CodeSize": len(ZIP)}})
        with urllib.request.urlopen(location) as answer:
            self.assertEqual(answer.read(), ZIP)
        by_name = self.client.get_layer_version(LayerName=name, VersionNumber=1)
        for got in (by_name, self.client.get_layer_version(LayerName=LAYER + name, VersionNumber=1),
                    self.client.get_layer_version_by_arn(Arn=LAYER + name + ":1")):
            self.assertEqual(got.pop("ResponseMetadata")["HTTPStatusCode"], 200)
            self.assertTrue(got["Content"].pop("Location").startswith(self.server.url))
            self.assertEqual(got, {**made, "CreatedDate": created})
        rows = self.client.list_layer_versions(LayerName=name)["LayerVersions"]
        self.assertEqual(rows, [{**about, "LayerVersionArn": LAYER + name + ":1", "Version": 1, "CreatedDate": created}])
        row = [r for r in self.client.list_layers()["Layers"] if r["LayerName"] == name][0]
        self.assertEqual(row, {"LayerName": name, "LayerArn": LAYER + name, "LatestMatchingVersion": rows[0]})

    def test_what_was_not_said_is_not_shown(self):
        name, made = self.publish()
        self.assertEqual(sorted(made), ["Content", "CreatedDate", "Description", "LayerArn", "LayerVersionArn", "Version"])
        self.assertEqual(made["Description"], "")
        _, again = self.publish(LAYER + name, CompatibleRuntimes=[], LicenseInfo="")
        self.assertEqual((again["Version"], again["LayerArn"], sorted(again)), (2, LAYER + name, sorted(made)))

    def test_numbers_are_not_used_again(self):
        name, _ = self.publish()
        self.publish(name, ZIP2)
        self.assertEqual(self.versions(name), [2, 1])
        for number in (1, 2, 2, 9):
            answer = self.client.delete_layer_version(LayerName=name, VersionNumber=number)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.assertEqual(self.versions(name), [])
        self.assertNotIn(name, self.names())
        self.refuses(NONE, self.client.get_layer_version, "ResourceNotFoundException", 404, LayerName=name, VersionNumber=2)
        self.assertEqual(self.publish(name)[1]["Version"], 3)

    def test_lists_and_filters(self):
        name, _ = self.publish(CompatibleRuntimes=["python3.11"], CompatibleArchitectures=["x86_64"])
        self.publish(name, CompatibleRuntimes=["nodejs20.x", "python3.11"])
        self.publish(name, CompatibleRuntimes=["nodejs20.x"], CompatibleArchitectures=["arm64"])
        other, _ = self.publish()
        self.assertEqual((self.names()[name], self.names()[other]), (3, 1))
        self.assertEqual(self.versions(name), [3, 2, 1])
        for filters, newest, all_ in (({"CompatibleRuntime": "python3.11"}, 2, [2, 1]), ({"CompatibleRuntime": "nodejs20.x"}, 3, [3, 2]),
                                      ({"CompatibleArchitecture": "x86_64"}, 1, [1]), ({"CompatibleRuntime": "java21"}, None, []),
                                      ({"CompatibleRuntime": "nodejs20.x", "CompatibleArchitecture": "arm64"}, 3, [3])):
            with self.subTest(filters):
                listed = self.names(**filters)
                self.assertEqual((listed.get(name), self.versions(name, **filters)), (newest, all_))
                self.assertNotIn(other, listed)
        page = self.client.list_layer_versions(LayerName=name, MaxItems=1)
        self.assertEqual([r["Version"] for r in page["LayerVersions"]], [3])
        page = self.client.list_layer_versions(LayerName=name, MaxItems=2, Marker=page["NextMarker"])
        self.assertEqual(([r["Version"] for r in page["LayerVersions"]], "NextMarker" in page), ([2, 1], False))
        self.refuses("Invalid Marker: !", self.client.list_layers, Marker="!")
        self.assertEqual(self.versions("never-published"), [])

    def test_packages_that_are_none(self):
        publish = self.client.publish_layer_version
        self.refuses("Uploaded file must be a non-empty zip", publish, LayerName="l", Content={"ZipFile": b""})
        self.refuses("Could not unzip uploaded file. Please check your file, then try to upload again.", publish, LayerName="l",
                     Content={"ZipFile": b"no zip"})
        self.refuses("Please provide a source for layer content.", publish, LayerName="l", Content={})
        self.refuses("Layers from S3 are not implemented by this server: it holds no buckets. Send the package as ZipFile.", publish,
                     "NotImplementedException", 501, LayerName="l", Content={"S3Bucket": "bucket", "S3Key": "k"})
        self.assertEqual(self.versions("l"), [])
        self.refuses("Request must be smaller than 70167211 bytes for the PublishLayerVersion operation", publish,
                     "RequestEntityTooLargeException", 413, LayerName="l", Content={"ZipFile": b"x" * 52700000})

    def test_constraints(self):
        publish = self.client.publish_layer_version
        what = {"LayerName": "l", "Content": {"ZipFile": ZIP}}
        at = "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must "

        def validation(message, call=publish, **arguments):
            self.fails(400, "ValidationException", message, call, **{**(what if call is publish else {}), **arguments})
        validation("2 validation errors detected: Value '[invalidruntime]' at 'compatibleRuntimes' failed to satisfy constraint: Member must "
                   "satisfy enum value set: [" + RUNTIMES + "]; Value '[invalidarch]' at 'compatibleArchitectures' failed to satisfy "
                   "constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be "
                   "null]", CompatibleRuntimes=["invalidruntime"], CompatibleArchitectures=["invalidarch"])
        many = ["python3.11"] * 16
        validation(at % ("[%s]" % ", ".join(many), "compatibleRuntimes") + "have length less than or equal to 15", CompatibleRuntimes=many)
        validation(at % ("x" * 257, "description") + "have length less than or equal to 256", Description="x" * 257)
        validation(at % ("x" * 513, "licenseInfo") + "have length less than or equal to 512", LicenseInfo="x" * 513)
        validation(at % ("a.b", "layerName") + "satisfy regular expression pattern: " + NAME_PATTERN, LayerName="a.b")
        validation(at % ("l" * 141, "layerName") + "have length less than or equal to 140", LayerName="l" * 141)
        validation("1 validation error detected: Value null at 'content' failed to satisfy constraint: Member must not be null", Content=None)
        validation(at % (LAYER + "l", "arn") + r"satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|"
                   r"(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)",
                   self.client.get_layer_version_by_arn, Arn=LAYER + "l")
        self.assertEqual(self.publish("l" * 100, CompatibleRuntimes=many[1:], Description="x" * 256, LicenseInfo="x" * 512)[1]["Version"], 1)

    def test_numbers_and_names_of_none(self):
        for call in (self.client.get_layer_version, self.client.delete_layer_version, self.client.get_layer_version_policy):
            self.refuses("Layer Version Cannot be less than 1", call, LayerName="l", VersionNumber=0)
            self.refuses("Layer Version Cannot be less than 1", call, LayerName="l", VersionNumber=-3)
        self.refuses(NONE, self.client.get_layer_version, "ResourceNotFoundException", 404, LayerName="nope", VersionNumber=1)
        self.refuses(NONE, self.client.get_layer_version_by_arn, "ResourceNotFoundException", 404, Arn=LAYER + "nope:1")
        theirs = LAYER.replace(ACCOUNT, "123456789012") + "l"
        self.refuses("User: arn:aws:iam::%s:root is not authorized to perform: lambda:GetLayerVersion on resource: %s:1 because no "
                     "resource-based policy allows the lambda:GetLayerVersion action" % (ACCOUNT, theirs), self.client.get_layer_version_by_arn,
                     "AccessDeniedException", 403, Arn=theirs + ":1")
        self.refuses("User: arn:aws:iam::%s:root is not authorized to perform: lambda:PublishLayerVersion on resource: %s because no "
                     "resource-based policy allows the lambda:PublishLayerVersion action" % (ACCOUNT, theirs), self.client.publish_layer_version,
                     "AccessDeniedException", 403, LayerName=theirs, Content={"ZipFile": ZIP})

    def test_account_settings_count_layers(self):
        before = self.client.get_account_settings()["AccountUsage"]["TotalCodeSize"]
        self.publish()
        self.assertEqual(self.client.get_account_settings()["AccountUsage"]["TotalCodeSize"], before + len(ZIP))


class Policies(LayerCase):
    def setUp(self):
        self.name, _ = self.publish()
        self.at = {"LayerName": self.name, "VersionNumber": 1}

    def add(self, sid="s1", **more):
        given = {"StatementId": sid, "Action": "lambda:GetLayerVersion", "Principal": "*", **self.at, **more}
        answer = self.client.add_layer_version_permission(**given)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 201)
        return json.loads(answer["Statement"]), answer["RevisionId"]

    def policy(self):
        answer = self.client.get_layer_version_policy(**self.at)
        return json.loads(answer["Policy"]), answer["RevisionId"]

    def test_life(self):
        self.refuses("No policy is associated with the given resource.", self.client.get_layer_version_policy, "ResourceNotFoundException", 404,
                     **self.at)
        one, first = self.add()
        self.assertEqual(one, {"Sid": "s1", "Effect": "Allow", "Principal": "*", "Action": "lambda:GetLayerVersion",
                               "Resource": LAYER + self.name + ":1"})
        self.assertEqual(self.policy(), ({"Version": "2012-10-17", "Id": "default", "Statement": [one]}, first))
        two, second = self.add("s2", Principal="123456789012", RevisionId=first)
        self.assertEqual(two["Principal"], {"AWS": "arn:aws:iam::123456789012:root"})
        three, third = self.add("s3", Principal="arn:aws:iam::123456789012:root")
        self.assertEqual(three["Principal"], {"AWS": "arn:aws:iam::123456789012:root"})
        four, fourth = self.add("s4", OrganizationId="o-1234567890")
        self.assertEqual(four["Condition"], {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}})
        self.assertEqual(len({first, second, third, fourth}), 4)
        self.assertEqual(self.policy()[0]["Statement"], [one, two, three, four])
        for sid in ("s2", "s1", "s3"):
            answer = self.client.remove_layer_version_permission(StatementId=sid, RevisionId=self.policy()[1], **self.at)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.assertEqual(self.policy()[0]["Statement"], [four])
        self.client.remove_layer_version_permission(StatementId="s4", **self.at)
        self.refuses("No policy is associated with the given resource.", self.client.get_layer_version_policy, "ResourceNotFoundException", 404,
                     **self.at)

    def test_errors(self):
        add, remove = self.client.add_layer_version_permission, self.client.remove_layer_version_permission
        given = {"StatementId": "s1", "Action": "lambda:GetLayerVersion", "Principal": "*", **self.at}
        stale = ("The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision "
                 "Id")
        self.refuses(stale, add, "PreconditionFailedException", 412, **given, RevisionId="x")
        self.add()
        self.refuses("The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement.", add,
                     "ResourceConflictException", 409, **given)
        self.refuses(stale, remove, "PreconditionFailedException", 412, StatementId="s1", RevisionId="x", **self.at)
        self.refuses("Statement other is not found in resource policy.", remove, "ResourceNotFoundException", 404, StatementId="other", **self.at)
        for call, more in ((add, {**given}), (remove, {"StatementId": "s1"}), (self.client.get_layer_version_policy, {})):
            for name, number in ((self.name, 2), ("nope", 1)):
                self.refuses("Layer version %s%s:%d does not exist." % (LAYER, name, number), call, "ResourceNotFoundException", 404,
                             **{**more, "LayerName": name, "VersionNumber": number})
        at = "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s"
        for key, value, pattern in (("Action", "*", "lambda:GetLayerVersion"), ("StatementId", "example.com", "([a-zA-Z0-9-_]+)"),
                                    ("Principal", "me", r"\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root"),
                                    ("OrganizationId", "o-1", "o-[a-z0-9]{10,32}")):
            self.fails(400, "ValidationException", at % (value, key[0].lower() + key[1:], pattern), add, **{**given, key: value})

    def test_a_policy_has_a_limit(self):
        with self.assertRaises(self.client.exceptions.PolicyLengthExceededException) as caught:
            for i in range(200):
                self.add("s" * 90 + str(i))
        said = caught.exception.response["Error"]["Message"]
        self.assertTrue(re.fullmatch(r"The final policy size \(\d+\) is bigger than the limit \(20480\)\.", said), said)
        self.assertEqual(len(self.policy()[0]["Statement"]), i)


class Functions(LayerCase):
    def test_a_function_shows_its_layers(self):
        names = [self.publish(content=content)[0] for content in (ZIP, ZIP2)]
        arns = [LAYER + n + ":1" for n in names]
        shown = [{"Arn": a, "CodeSize": len(c)} for a, c in zip(arns, (ZIP, ZIP2))]
        name = self.create(Layers=arns)
        get = self.client.get_function_configuration
        now = get(FunctionName=name)
        self.assertEqual(now["Layers"], shown)
        self.client.update_function_configuration(FunctionName=name, Timeout=4)
        self.wait(name)
        self.assertEqual(get(FunctionName=name)["Layers"], shown)
        self.client.update_function_code(FunctionName=name, ZipFile=ZIP2)
        self.wait(name)
        self.assertEqual(self.client.publish_version(FunctionName=name)["Layers"], shown)
        self.client.update_function_configuration(FunctionName=name, Layers=arns[1:])
        self.wait(name)
        self.client.delete_layer_version(LayerName=names[1], VersionNumber=1)
        self.assertEqual(get(FunctionName=name)["Layers"], shown[1:])
        self.client.update_function_configuration(FunctionName=name, Layers=[])
        self.wait(name)
        self.assertNotIn("Layers", get(FunctionName=name))
        self.assertEqual(get(FunctionName=name, Qualifier="1")["Layers"], shown)
        listed = [f for f in self.client.list_functions(FunctionVersion="ALL", MaxItems=50)["Functions"] if f["FunctionName"] == name]
        self.assertEqual([f.get("Layers") for f in listed], [None, shown])

    def test_what_a_function_cannot_use(self):
        name, _ = self.publish()
        self.publish(name)
        function = self.create()
        update = self.client.update_function_configuration
        for layers, message in (
                ([LAYER + name + ":%d" % i for i in range(6)], "Cannot reference more than 5 layers."),
                ([LAYER + name + ":9"], "Layer version %s%s:9 does not exist." % (LAYER, name)),
                ([LAYER + "nope:1"], "Layer version %snope:1 does not exist." % LAYER),
                ([LAYER.replace(REGION, "eu-west-1") + name + ":1"],
                 "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."),
                ([LAYER + name + ":1", LAYER + name + ":2"],
                 "Two different versions of the same layer are not allowed to be referenced in the same function. %s:1 and %s:2 are versions of "
                 "the same layer." % (LAYER + name, LAYER + name)),
                ([LAYER + name + ":1", LAYER + name + ":1"],
                 "Two different versions of the same layer are not allowed to be referenced in the same function. %s:1 and %s:1 are versions of "
                 "the same layer." % (LAYER + name, LAYER + name)),
                (["arn:aws:lambda:::awslayer:x"], "Layer version arn:aws:lambda:::awslayer:x does not exist.")):
            with self.subTest(message):
                self.refuses(message, update, FunctionName=function, Layers=layers)
        theirs = LAYER.replace(ACCOUNT, "123456789012") + "l:1"
        self.refuses("User: arn:aws:iam::%s:root is not authorized to perform: lambda:GetLayerVersion on resource: %s because no "
                     "resource-based policy allows the lambda:GetLayerVersion action" % (ACCOUNT, theirs), update, "AccessDeniedException", 403,
                     FunctionName=function, Layers=[theirs])
        self.assertNotIn("Layers", self.client.get_function_configuration(FunctionName=function))

    @needs_server
    def test_code_and_layers_together_have_a_limit(self):
        half = zip_of({"zeros": bytes(131072000), "one": b"1"})
        name, _ = self.publish(content=half)
        self.refuses("Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 262144002 "
                     "bytes.", self.client.create_function, FunctionName=unique(), Runtime="python3.11", Handler="a.b", Code={"ZipFile": half},
                     Role="arn:aws:iam::000000000000:role/any", Layers=[LAYER + name + ":1"])


class Killed(unittest.TestCase):
    def test_killed_while_layers_are_published(self):
        """What was acknowledged is there, under its number, and what was not is there whole or not at all."""
        acknowledged = {}
        with Server() as server:
            for _ in range(2):
                self.publish_until_killed(server, acknowledged)
                server.start()
                client = server.client()
                found = {row["Version"]: client.get_layer_version_by_arn(Arn=row["LayerVersionArn"])["Content"]["CodeSha256"]
                         for page in client.get_paginator("list_layer_versions").paginate(LayerName="l") for row in page["LayerVersions"]}
                self.assertEqual({n: found.get(n) for n in acknowledged}, acknowledged)
                self.assertLessEqual(len(found) - len(acknowledged), 2)
                self.assertEqual(len(os.listdir(os.path.join(server.data, "code"))), len(set(found.values())))

    def publish_until_killed(self, server, acknowledged):
        client, enough = server.client(), threading.Event()

        def publish():
            for i in range(100000):
                try:
                    content = zip_of({"n": "%d %d" % (len(acknowledged), i)})
                    made = client.publish_layer_version(LayerName="l", Content={"ZipFile": content})
                except (BotoCoreError, ClientError):
                    return
                acknowledged[made["Version"]] = made["Content"]["CodeSha256"]
                if i == 5:
                    enough.set()
        thread = threading.Thread(target=publish)
        thread.start()
        self.assertTrue(enough.wait(60))
        server.stop(signal.SIGKILL)
        thread.join(60)
        self.assertFalse(thread.is_alive())


if __name__ == "__main__":
    main()
