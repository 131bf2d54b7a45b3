"""Whatever was sent comes back, also what nothing here acts on; a change of one member leaves all others as they are."""
import json

from api_case import ACCOUNT, ARN, ApiCase, REGION, ROLE, ZIP, main, needs_current_sdk, needs_server, unique

KEY = "arn:aws:kms:us-east-1:000000000000:key/k"
ENV = {"Variables": {"AA": "1", "BB": "ü"}}
FILES = [{"Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-" + "0" * 17, "LocalMountPath": "/mnt/x"}]
FUNCTION = {
    "Runtime": "python3.12", "Role": ROLE, "Handler": "app.handler", "Description": "what it is", "Timeout": 7, "MemorySize": 200,
    "VpcConfig": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"], "Ipv6AllowedForDualStack": True}, "PackageType": "Zip",
    "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}, "Environment": ENV, "KMSKeyArn": KEY,
    "TracingConfig": {"Mode": "Active"}, "FileSystemConfigs": FILES, "Architectures": ["x86_64"], "EphemeralStorage": {"Size": 600},
    "SnapStart": {"ApplyOn": "PublishedVersions"},
    "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN", "LogGroup": "my/group"}}
CHANGES = {
    "Runtime": "python3.11", "Role": ROLE + "2", "Handler": "app.other", "Description": "", "Timeout": 8, "MemorySize": 256,
    "VpcConfig": {"SubnetIds": ["subnet-3"], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": False},
    "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:other"}, "Environment": {"Variables": {"CC": ""}}, "KMSKeyArn": KEY + "2",
    "TracingConfig": {"Mode": "PassThrough"}, "FileSystemConfigs": [{**FILES[0], "LocalMountPath": "/mnt/y"}], "EphemeralStorage": {"Size": 700},
    "SnapStart": {"ApplyOn": "None"}, "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "DEBUG", "LogGroup": "g"}}
MOVES = {"RevisionId", "LastModified", "ConfigSha256", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "ResponseMetadata",
         "State", "StateReason", "StateReasonCode", "UpdatedAt", "LastModifiedTime"}


def within(sent, shown, path=""):
    """What of `sent` is not in `shown`."""
    if isinstance(sent, dict) and isinstance(shown, dict):
        return [w for key in sent for w in within(sent[key], shown.get(key), path + "." + key)]
    return [] if sent == shown else ["%s: sent %r, shown %r" % (path, sent, shown)]


@needs_current_sdk
class Drift(ApiCase):
    def comes_back(self, sent, shown):
        self.assertEqual(within(sent, shown), [])

    def only_changed(self, key, before, after):
        changed = {k for k in set(before) | set(after) if before.get(k) != after.get(k)} - MOVES
        self.assertLessEqual(changed, {key} | ({"RuntimeVersionConfig"} if key == "Runtime" else set()), "changing %s" % key)

    def test_functions(self):
        name = self.create(**FUNCTION, Tags={"a": "b"})
        of = {"FunctionName": name}
        show = lambda: self.client.get_function_configuration(**of)
        before = show()
        self.comes_back(FUNCTION, before)
        self.assertEqual(self.client.get_function(**of)["Tags"], {"a": "b"})
        for key, value in CHANGES.items():
            with self.subTest(key):
                answer = self.client.update_function_configuration(**{key: value}, **of)
                self.wait(name)
                earlier, before = before, show()
                self.comes_back({key: value}, before)
                self.comes_back({key: value}, answer)
                self.only_changed(key, earlier, before)
        self.client.update_function_code(ZipFile=ZIP, SourceKMSKeyArn=KEY, **of)
        self.wait(name)
        self.only_changed("CodeSha256", before, show())
        self.comes_back({"SourceKMSKeyArn": KEY}, self.client.get_function(**of)["Code"])
        self.assertNotIn("SourceKMSKeyArn", show())
        version = self.client.publish_version(Description="v", **of)["Version"]
        shown = self.client.get_function_configuration(Qualifier=version, **of)
        self.comes_back({**CHANGES, "Description": "v", "Version": version}, shown)
        self.assertEqual(self.client.get_function(**of)["Code"]["RepositoryType"], "S3")

    def test_members_that_are_taken_away(self):
        name = self.create(**FUNCTION)
        empty = {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}, "DeadLetterConfig": {"TargetArn": ""}, "Environment": {"Variables": {}},
                 "KMSKeyArn": "", "FileSystemConfigs": [], "Layers": []}
        shown = self.client.update_function_configuration(FunctionName=name, ImageConfig={}, DurableConfig={}, **empty)
        self.assertEqual(shown["VpcConfig"]["SubnetIds"], [])
        for key in ("DeadLetterConfig", "KMSKeyArn", "FileSystemConfigs", "Layers", "ImageConfigResponse", "DurableConfig"):
            self.assertNotIn(key, shown)
        self.comes_back({k: FUNCTION[k] for k in FUNCTION if k not in empty}, shown)

    def test_what_is_not_offered_is_named(self):
        name, new = self.create(), {"FunctionName": unique(), "Runtime": "python3.11", "Handler": "a.b", "Role": ROLE, "Code": {"ZipFile": ZIP}}
        provider = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "arn:aws:lambda:us-east-1:000000000000:capacity-provider:c"}}
        for word, sent in (("Durable functions", {"DurableConfig": {"ExecutionTimeout": 60}}), ("Capacity providers", {"CapacityProviderConfig": provider}),
                           ("Container images", {"PackageType": "Image", "Code": {"ImageUri": "x"}}), ("Code from S3", {"Code": {"S3Bucket": "bbb", "S3Key": "k"}}),
                           ("Publishing to", {"PublishTo": "LATEST_PUBLISHED"})):
            with self.assertRaises(self.client.exceptions.ClientError) as caught:
                self.client.create_function(**{**new, **sent})
            error = caught.exception.response["Error"]
            self.assertEqual((error["Code"], error["Message"].startswith(word)), ("NotImplementedException", True), error)
            self.assertIn("not implemented by this server", error["Message"])
        self.fails(400, "InvalidParameterValueException", "ImageConfig is only supported for functions created with container images.",
                   self.client.update_function_configuration, FunctionName=name, ImageConfig={"Command": ["x"]})

    def test_aliases(self):
        name = self.create(Publish=True)
        self.client.update_function_code(FunctionName=name, ZipFile=ZIP, Publish=True)
        self.wait(name)
        self.client.update_function_configuration(FunctionName=name, Timeout=5)
        self.wait(name)
        self.client.publish_version(FunctionName=name)
        of = {"FunctionName": name, "Name": "live"}
        sent = {"FunctionVersion": "1", "Description": "d", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}}
        self.client.create_alias(**of, **sent)
        before = self.client.get_alias(**of)
        self.comes_back({**sent, "Name": "live", "AliasArn": ARN + name + ":live"}, before)
        for key, value in {"Description": "other", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}, "FunctionVersion": "1"}.items():
            self.comes_back({key: value}, self.client.update_alias(**of, **{key: value}))
            after = self.client.get_alias(**of)
            self.only_changed(key, before, after)
            before = after

    def test_settings_of_functions(self):
        name = self.create(Publish=True)
        of = {"FunctionName": name}
        runtime = {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": "arn:aws:lambda:us-east-1::runtime:" + "a" * 64}
        self.comes_back(runtime, self.client.put_runtime_management_config(Qualifier="1", **runtime, **of))
        self.comes_back({**runtime, "FunctionArn": ARN + name + ":1"}, self.client.get_runtime_management_config(Qualifier="1", **of))
        self.comes_back({"UpdateRuntimeOn": "Auto", "FunctionArn": ARN + name}, self.client.get_runtime_management_config(**of))
        self.client.put_runtime_management_config(UpdateRuntimeOn="FunctionUpdate", **of)
        self.comes_back({"UpdateRuntimeOn": "FunctionUpdate"}, self.client.get_runtime_management_config(Qualifier="$LATEST", **of))
        self.comes_back(runtime, self.client.get_runtime_management_config(Qualifier="1", **of))
        sizes = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 9}
        self.client.put_function_scaling_config(Qualifier="1", FunctionScalingConfig=sizes, **of)
        self.comes_back({"RequestedFunctionScalingConfig": sizes, "AppliedFunctionScalingConfig": sizes, "FunctionArn": ARN + name + ":1"},
                        self.client.get_function_scaling_config(Qualifier="1", **of))
        self.client.delete_function(Qualifier="1", **of)
        self.client.update_function_configuration(Timeout=9, **of)
        self.wait(name)
        self.client.publish_version(**of)
        self.assertEqual(self.client.get_runtime_management_config(Qualifier="2", **of)["UpdateRuntimeOn"], "Auto")

    def test_event_invoke_configs(self):
        name, other = self.create(), self.create()
        of = {"FunctionName": name}
        sent = {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 90, "DestinationConfig": {
            "OnSuccess": {"Destination": ARN + other}, "OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:q"}}}
        self.comes_back(sent, self.client.put_function_event_invoke_config(**sent, **of))
        before = self.client.get_function_event_invoke_config(**of)
        self.comes_back(sent, before)
        for key, value in {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 120}.items():
            self.client.update_function_event_invoke_config(**{key: value}, **of)
            after = self.client.get_function_event_invoke_config(**of)
            self.comes_back({key: value}, after)
            self.only_changed(key, {**before, "LastModified": 0}, {**after, "LastModified": 0})
            before = after

    def test_urls(self):
        name = self.create()
        of = {"FunctionName": name}
        cors = {"AllowCredentials": True, "AllowHeaders": ["x-a"], "AllowMethods": ["GET", "PUT"], "AllowOrigins": ["https://a.b"],
                "ExposeHeaders": ["x-b"], "MaxAge": 5}
        sent = {"AuthType": "AWS_IAM", "Cors": cors, "InvokeMode": "RESPONSE_STREAM"}
        self.comes_back(sent, self.client.create_function_url_config(**sent, **of))
        before = self.client.get_function_url_config(**of)
        self.comes_back(sent, before)
        for key, value in {"AuthType": "NONE", "InvokeMode": "BUFFERED", "Cors": {"AllowOrigins": ["*"]}}.items():
            self.client.update_function_url_config(**{key: value}, **of)
            after = self.client.get_function_url_config(**of)
            self.comes_back({key: value}, after)
            self.only_changed(key, before, after)
            before = after

    def test_layers(self):
        sent = {"Description": "d", "CompatibleRuntimes": ["python3.11", "nodejs20.x"], "LicenseInfo": "MIT", "CompatibleArchitectures": ["arm64"]}
        name = unique("l")
        self.comes_back(sent, self.client.publish_layer_version(LayerName=name, Content={"ZipFile": ZIP}, **sent))
        self.comes_back(sent, self.client.get_layer_version(LayerName=name, VersionNumber=1))
        self.comes_back(sent, self.client.list_layer_versions(LayerName=name)["LayerVersions"][0])

    def test_permissions(self):
        name = self.create()
        sent = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b",
                "SourceAccount": ACCOUNT, "PrincipalOrgID": "o-1234567890", "EventSourceToken": "t"}
        made = json.loads(self.client.add_permission(FunctionName=name, **sent)["Statement"])
        kept = json.loads(self.client.get_policy(FunctionName=name)["Policy"])["Statement"]
        self.assertEqual(kept, [made])
        for value in sent.values():
            self.assertIn(json.dumps(value), json.dumps(made))

    @needs_server
    def test_mappings(self):
        name, queue = self.create(), unique("q")
        self.server.client("sqs").create_queue(QueueName=queue)
        sent = {"BatchSize": 20, "MaximumBatchingWindowInSeconds": 2, "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": 4}, "FilterCriteria": {"Filters": [{"Pattern": '{"body": ["x"]}'}]},
                "MetricsConfig": {"Metrics": ["EventCount"]}, "KMSKeyArn": KEY}
        made = self.client.create_event_source_mapping(FunctionName=name, EventSourceArn="arn:aws:sqs:%s:%s:%s" % (REGION, ACCOUNT, queue),
                                                       Enabled=False, Tags={"a": "b"}, **sent)
        self.comes_back(sent, made)
        of = {"UUID": made["UUID"]}
        self.addCleanup(self.client.delete_event_source_mapping, **of)

        def show():
            shown = self.client.get_event_source_mapping(**of)
            while shown["State"] not in ("Enabled", "Disabled"):
                shown = self.client.get_event_source_mapping(**of)
            return shown
        before = show()
        self.comes_back(sent, before)
        for key, value in {"BatchSize": 12, "MaximumBatchingWindowInSeconds": 3, "ScalingConfig": {"MaximumConcurrency": 5}, "KMSKeyArn": KEY + "2",
                           "FilterCriteria": {"Filters": [{"Pattern": '{"body": ["y"]}'}]}, "MetricsConfig": {"Metrics": []},
                           "FunctionResponseTypes": []}.items():
            with self.subTest(key):
                self.client.update_event_source_mapping(**{key: value}, **of)
                after = show()
                self.comes_back({key: value}, after)
                self.only_changed(key, {**before, "LastModified": 0}, {**after, "LastModified": 0})
                before = after
        self.assertEqual(self.client.list_tags(Resource=made["EventSourceMappingArn"])["Tags"], {"a": "b"})


if __name__ == "__main__":
    main()
