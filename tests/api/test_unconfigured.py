"""Operations on what cannot be made here answer as for a function without any."""
import json

from api_case import ARN, ApiCase, ROLE, ZIP, main

NONE = "The resource you requested does not exist."


class Reads(ApiCase):
    def setUp(self):
        self.name = self.create(Publish=True)

    def test_empty_lists(self):
        for call, key, arguments in (
                ("list_event_source_mappings", "EventSourceMappings", {"FunctionName": self.name}),
                ("list_function_url_configs", "FunctionUrlConfigs", {"FunctionName": self.name}),
                ("list_function_event_invoke_configs", "FunctionEventInvokeConfigs", {"FunctionName": self.name}),
                ("list_provisioned_concurrency_configs", "ProvisionedConcurrencyConfigs", {"FunctionName": self.name}),
                ("list_code_signing_configs", "CodeSigningConfigs", {})):
            with self.subTest(call):
                answer = getattr(self.client, call)(**arguments)
                self.assertEqual((answer["ResponseMetadata"]["HTTPStatusCode"], answer[key]), (200, []))

    def test_defaults(self):
        name = self.name
        signing = self.client.get_function_code_signing_config(FunctionName=name)
        self.assertEqual((signing["FunctionName"], signing.get("CodeSigningConfigArn", "")), (name, ""))
        status, _, body = self.request("GET", "/2021-07-20/functions/%s/runtime-management-config" % name)
        self.assertEqual((status, json.loads(body)), (200, {"UpdateRuntimeOn": "Auto", "FunctionArn": ARN + name}))
        status, _, body = self.request("GET", "/2024-08-31/functions/%s/recursion-config" % name)
        self.assertEqual((status, json.loads(body)), (200, {"RecursiveLoop": "Terminate"}))

    def test_not_there(self):
        name = self.name
        self.fails(404, "ResourceNotFoundException", NONE, self.client.get_policy, FunctionName=name)
        self.fails(404, "ResourceNotFoundException", NONE, self.client.get_function_url_config, FunctionName=name)
        self.fails(404, "ResourceNotFoundException", "The function %s%s:$LATEST doesn't have an EventInvokeConfig" % (ARN, name),
                   self.client.get_function_event_invoke_config, FunctionName=name)
        self.fails(404, "ResourceNotFoundException", "The function %s%s:1 doesn't have an EventInvokeConfig" % (ARN, name),
                   self.client.get_function_event_invoke_config, FunctionName=name, Qualifier="1")
        self.fails(404, "ResourceNotFoundException", "The function doesn't exist.", self.client.list_function_event_invoke_configs,
                   FunctionName="nope")
        self.fails(404, "ResourceNotFoundException", "Function does not exist", self.client.list_function_url_configs, FunctionName="nope")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", self.client.get_policy, FunctionName="nope")

    def test_function_url_qualifiers(self):
        for bad in ("$LATEST", "1", "2"):
            self.fails(400, "ValidationException", r"1 validation error detected: Value '%s' at 'qualifier' failed to satisfy constraint: Member "
                       r"must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)" % bad, self.client.get_function_url_config,
                       FunctionName=self.name, Qualifier=bad)

    def test_provisioned(self):
        get = self.client.get_provisioned_concurrency_config
        self.fails(404, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function", get,
                   FunctionName=self.name, Qualifier="1")
        self.fails(404, "ResourceNotFoundException", "Function not found: %s%s:10" % (ARN, self.name), get, FunctionName=self.name, Qualifier="10")
        self.fails(404, "ResourceNotFoundException", "Cannot find alias arn: %s%s:noalias" % (ARN, self.name), get, FunctionName=self.name,
                   Qualifier="noalias")
        self.fails(400, "InvalidParameterValueException", "The function resource provided must be an alias or a published version.", get,
                   FunctionName=self.name, Qualifier="$LATEST")

    def test_layers(self):
        self.fails(400, "ValidationException", "1 validation error detected: Value 'archdoesnotexist' at 'compatibleArchitecture' failed to "
                   "satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]", self.client.list_layers,
                   CompatibleArchitecture="archdoesnotexist")


    def test_runtimes_of_layers(self):
        with self.assertRaises(self.client.exceptions.ClientError) as caught:
            self.client.list_layers(CompatibleRuntime="runtimedoesnotexist")
        said = caught.exception.response["Error"]["Message"]
        self.assertTrue(said.startswith("1 validation error detected: Value 'runtimedoesnotexist' at 'compatibleRuntime' failed to satisfy "
                                        "constraint: Member must satisfy enum value set: [ruby3.5, ruby2.6, dotnetcore1.0, "), said)
        self.assertTrue(said.endswith(", ruby3.4, ruby2.5, python3.6, python2.7]"), said)

    def test_resources_of_other_kinds(self):
        arn = "arn:aws:lambda:us-east-1:000000000000:"
        mapping, provider = arn + "event-source-mapping:" + "0" * 8 + "-0000" * 3 + "-" + "0" * 12, arn + "capacity-provider:x"
        signing = arn + "code-signing-config:csc-" + "a" * 17
        self.fails(404, "ResourceNotFoundException", "Event source mapping not found: " + mapping, self.client.list_tags, Resource=mapping)
        self.fails(404, "ResourceNotFoundException", "Capacity provider not found: " + provider, self.client.list_tags, Resource=provider)
        self.fails(404, "ResourceNotFoundException", "The Lambda code signing configuration %s can not be found." % signing,
                   self.client.get_code_signing_config, CodeSigningConfigArn=signing)
        self.fails(404, "CodeSigningConfigNotFoundException", "The code signing configuration cannot be found. Check that the provided "
                   "configuration is not deleted: %s." % signing, self.client.create_function, FunctionName="x", Runtime="python3.11",
                   Handler="a.b", Role=ROLE, Code={"ZipFile": ZIP}, CodeSigningConfigArn=signing)


if __name__ == "__main__":
    main()
