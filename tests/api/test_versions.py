"""PublishVersion, ListVersionsByFunction, the five operations on aliases."""
from api_case import ARN, ApiCase, ZIP2, main, unique

REVISION = ("The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest "
            "Revision Id")


class Versions(ApiCase):
    def test_publish(self):
        name = self.create(Description="own")
        one = self.client.publish_version(FunctionName=name, Description="first")
        self.assertEqual((one["ResponseMetadata"]["HTTPStatusCode"], one["Version"], one["FunctionArn"], one["Description"], one["State"]),
                         (201, "1", ARN + name + ":1", "first", "Active"))
        again = self.client.publish_version(FunctionName=name)
        self.assertEqual((again["Version"], again["RevisionId"]), ("1", one["RevisionId"]))
        self.client.update_function_code(FunctionName=name, ZipFile=ZIP2)
        self.wait(name)
        two = self.client.publish_version(FunctionName=name)
        self.assertEqual((two["Version"], two["Description"]), ("2", "own"))
        self.assertEqual(self.client.get_function_configuration(FunctionName=name, Qualifier="1")["CodeSha256"], one["CodeSha256"])
        self.assertNotEqual(one["CodeSha256"], two["CodeSha256"])
        self.client.delete_function(FunctionName=name, Qualifier="2")
        self.assertEqual(self.client.publish_version(FunctionName=name)["Version"], "3")

    def test_publish_errors(self):
        name = self.create()
        now = self.client.get_function_configuration(FunctionName=name)
        publish = self.client.publish_version
        for bad in ("a" * 32, "somenonexistentsha256"):
            self.fails(400, "InvalidParameterValueException", "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please "
                       "try again with the CodeSHA256 in $LATEST." % (bad, now["CodeSha256"]), publish, FunctionName=name, CodeSha256=bad)
        self.fails(412, "PreconditionFailedException", REVISION, publish, FunctionName=name, RevisionId="unknown")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", publish, FunctionName="nope")
        self.assertEqual(publish(FunctionName=name, CodeSha256=now["CodeSha256"], RevisionId=now["RevisionId"])["Version"], "1")

    def test_list(self):
        name = self.create(Publish=True)
        for seconds in (4, 5):
            self.client.update_function_configuration(FunctionName=name, Timeout=seconds)
            self.wait(name)
            self.client.publish_version(FunctionName=name)
        seen, marker = [], {}
        while True:
            page = self.client.list_versions_by_function(FunctionName=name, MaxItems=3, **marker)
            seen.append([v["Version"] for v in page["Versions"]])
            if "NextMarker" not in page:
                break
            marker = {"Marker": page["NextMarker"]}
        self.assertEqual(seen, [["$LATEST", "1", "2"], ["3"]])
        self.assertEqual(page["Versions"][0]["FunctionArn"], ARN + name + ":3")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", self.client.list_versions_by_function,
                   FunctionName="nope")


class Aliases(ApiCase):
    def setUp(self):
        self.name = self.create(Publish=True)
        self.client.update_function_code(FunctionName=self.name, ZipFile=ZIP2)
        self.wait(self.name)
        self.client.publish_version(FunctionName=self.name)

    def arn(self, qualifier):
        return "%s%s:%s" % (ARN, self.name, qualifier)

    def test_life(self):
        made = self.client.create_alias(FunctionName=self.name, Name="live", FunctionVersion="1", Description="d")
        meta = made.pop("ResponseMetadata")
        revision = made.pop("RevisionId")
        self.assertEqual(meta["HTTPStatusCode"], 201)
        self.assertEqual(made, {"AliasArn": self.arn("live"), "Name": "live", "FunctionVersion": "1", "Description": "d"})
        got = self.client.get_alias(FunctionName=self.name, Name="live")
        self.assertEqual((got["RevisionId"], got["FunctionVersion"]), (revision, "1"))
        changed = self.client.update_alias(FunctionName=self.name, Name="live", FunctionVersion="2", RevisionId=revision,
                                           RoutingConfig={"AdditionalVersionWeights": {"1": 0.25}})
        self.assertEqual((changed["Description"], changed["RoutingConfig"]), ("d", {"AdditionalVersionWeights": {"1": 0.25}}))
        self.assertNotEqual(changed["RevisionId"], revision)
        changed = self.client.update_alias(FunctionName=self.name, Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
        self.assertNotIn("RoutingConfig", changed)
        self.assertEqual(self.client.delete_alias(FunctionName=self.name, Name="live")["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.client.delete_alias(FunctionName=self.name, Name="live")  # as AWS: no error

    def test_list(self):
        for name, version in (("b", "1"), ("a", "2"), ("c", "$LATEST")):
            self.client.create_alias(FunctionName=self.name, Name=name, FunctionVersion=version)
        first = self.client.list_aliases(FunctionName=self.name, MaxItems=2)
        self.assertEqual([a["Name"] for a in first["Aliases"]], ["a", "b"])
        rest = self.client.list_aliases(FunctionName=self.name, Marker=first["NextMarker"])
        self.assertEqual([a["Name"] for a in rest["Aliases"]], ["c"])
        only = self.client.list_aliases(FunctionName=self.name, FunctionVersion="2")
        self.assertEqual([a["Name"] for a in only["Aliases"]], ["a"])

    def test_not_found(self):
        self.fails(404, "ResourceNotFoundException", "Cannot find alias arn: " + self.arn("non-existent"), self.client.get_alias,
                   FunctionName=self.name, Name="non-existent")
        self.fails(404, "ResourceNotFoundException", "Cannot find alias arn: %sdoesnotexist:noalias" % ARN, self.client.get_alias,
                   FunctionName="doesnotexist", Name="noalias")
        self.fails(404, "ResourceNotFoundException", "Alias not found: " + self.arn("non-existent"), self.client.update_alias,
                   FunctionName=self.name, Name="non-existent", FunctionVersion="1")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + self.arn("42"), self.client.create_alias,
                   FunctionName=self.name, Name="x", FunctionVersion="42")

    def test_conflicts(self):
        self.client.create_alias(FunctionName=self.name, Name="custom", FunctionVersion="1")
        self.fails(409, "ResourceConflictException", "Alias already exists: " + self.arn("custom"), self.client.create_alias,
                   FunctionName=self.name, Name="custom", FunctionVersion="1")
        self.fails(412, "PreconditionFailedException", REVISION, self.client.update_alias, FunctionName=self.name, Name="custom",
                   RevisionId="wrong")

    def test_weights(self):
        def refused(message, weights, version="1", code="InvalidParameterValueException"):
            self.fails(400, code, message, self.client.create_alias, FunctionName=self.name, Name=unique("a"), FunctionVersion=version,
                       RoutingConfig={"AdditionalVersionWeights": weights})
        at = "1 validation error detected: Value '%s' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map "
        value = ("value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or "
                 "equal to 0.0, Member must not be null]")
        refused("Number of items in AdditionalVersionWeights cannot be greater than 1", {"1": 0.1, "2": 0.1})
        refused("$LATEST is not supported for an alias pointing to more than 1 version", {"1": 0.1}, "$LATEST")
        refused("Invalid function version 1. Function version 1 is already included in routing configuration.", {"1": 0.1})
        refused(at % "{2=2.0}" + value, {"2": 2}, code="ValidationException")
        refused(at % "{2=-1.0}" + value, {"2": -1}, code="ValidationException")
        refused(at % "{$LATEST=0.5}" + "keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must "
                "have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]", {"$LATEST": 0.5},
                code="ValidationException")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + self.arn("9"), self.client.create_alias,
                   FunctionName=self.name, Name="x", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"9": 0.5}})

    def test_names(self):
        self.fails(400, "ValidationException", "1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must "
                   "satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)", self.client.create_alias, FunctionName=self.name,
                   Name="2024", FunctionVersion="1")

    def test_choice_follows_the_weights(self):
        self.client.create_alias(FunctionName=self.name, Name="mix", FunctionVersion="1",
                                 RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
        seen = {self.client.invoke(FunctionName=self.name, Qualifier="mix", Payload=b"1")["ExecutedVersion"] for _ in range(60)}
        self.assertEqual(seen, {"1", "2"})  # one in 2^59 histories has but one
        self.client.update_alias(FunctionName=self.name, Name="mix", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
        self.assertEqual(self.client.invoke(FunctionName=self.name, Qualifier="mix", Payload=b"1")["ExecutedVersion"], "2")


if __name__ == "__main__":
    main()
