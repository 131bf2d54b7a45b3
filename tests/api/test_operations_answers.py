"""Every operation of the SDK's own model is called: answers have the model's status and shape, every modelled error that this server
can raise is raised, and what it cannot is listed with the reason."""
import json
import unittest

import botocore

from api_case import ACCOUNT, ARN, ApiCase, REGION, ROLE, ZIP, ZIP2, main, needs_current_sdk, needs_server, unique
from test_operations import MODEL, value_of

LAMBDA = "arn:aws:lambda:%s:%s:" % (REGION, ACCOUNT)
NOWHERE = "nothing-of-this-name"
SIGNING = LAMBDA + "code-signing-config:csc-" + "a" * 17
EVERYWHERE = {"ServiceException", "TooManyRequestsException"}  # faults of the server; test_invoke and test_async raise the other
REFUSED = {"PutProvisionedConcurrencyConfig", "CreateCodeSigningConfig", "CreateCapacityProvider"}
# No code signing configuration, capacity provider or durable execution can be made: never a success.
NEVER_THERE = {
    "GetCodeSigningConfig", "UpdateCodeSigningConfig", "DeleteCodeSigningConfig", "ListFunctionsByCodeSigningConfig",
    "PutFunctionCodeSigningConfig", "GetCapacityProvider", "UpdateCapacityProvider", "DeleteCapacityProvider",
    "ListFunctionVersionsByCapacityProvider", "GetProvisionedConcurrencyConfig", "GetDurableExecution", "GetDurableExecutionHistory",
    "GetDurableExecutionState", "StopDurableExecution", "CheckpointDurableExecution", "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat", "SendDurableExecutionCallbackSuccess"}

# Errors that never happen here: of all operations, or of one.
CANNOT = {
    "no code signing": {"InvalidCodeSignatureException", "CodeVerificationFailedException"},
    "no capacity providers": {"CapacityProviderLimitExceededException", "FunctionVersionsPerCapacityProviderLimitExceededException",
                              "NoPublishedVersionException"},
    "no durable executions": {"DurableExecutionAlreadyStartedException", "CallbackTimeoutException"},
    "no VPC, KMS, EFS or S3 behind a function": {
        "EC2AccessDeniedException", "EC2ThrottledException", "EC2UnexpectedException", "ENILimitReachedException",
        "InvalidSecurityGroupIDException", "InvalidSubnetIDException", "SubnetIPAddressLimitReachedException", "KMSAccessDeniedException",
        "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException", "EFSIOException", "EFSMountConnectivityException",
        "EFSMountFailureException", "EFSMountTimeoutException", "S3FilesMountConnectivityException", "S3FilesMountFailureException",
        "S3FilesMountTimeoutException"},
    "a package is unpacked, and its runtime known, before the function is": {"InvalidZipFileException", "InvalidRuntimeException"},
    "raised by test_snapstart, test_invoke, test_async_flow and the end-to-end tests": {
        "SnapStartException", "SnapStartTimeoutException", "SnapStartNotReadyException", "RecursiveInvocationException", "RequestTooLargeException"},
    "the door takes any content type, and one size for all": {"UnsupportedMediaTypeException", "SerializedRequestEntityTooLargeException"},
    "75 GB of packages": {"CodeStorageExceededException"},
    "said as ResourceConflictException": {"ResourceNotReadyException"},
    "a matter of moments: test_mappings": {"ResourceInUseException"},
}
CANNOT_HERE = {
    # the answer is the same whatever the request says
    "InvalidParameterValueException": {
        "ListFunctions", "ListLayers", "ListCapacityProviders", "ListCodeSigningConfigs", "GetCapacityProvider", "UpdateCapacityProvider",
        "DeleteCapacityProvider", "ListFunctionVersionsByCapacityProvider", "GetCodeSigningConfig", "UpdateCodeSigningConfig",
        "DeleteCodeSigningConfig", "ListFunctionsByCodeSigningConfig", "CreateCapacityProvider", "CreateCodeSigningConfig",
        "PutProvisionedConcurrencyConfig", "GetEventSourceMapping", "DeleteEventSourceMapping", "GetDurableExecution",
        "GetDurableExecutionHistory", "GetDurableExecutionState", "StopDurableExecution", "ListLayerVersions", "GetLayerVersionByArn", "ListProvisionedConcurrencyConfigs", "PutFunctionCodeSigningConfig",
        "GetFunctionCodeSigningConfig", "DeleteFunctionCodeSigningConfig"},
    # nothing of the kind can be made, so nothing is in the way; a Pending function takes these at once
    "ResourceConflictException": {
        "CreateCapacityProvider", "UpdateCapacityProvider", "DeleteCapacityProvider", "DeleteCodeSigningConfig",
        "PutFunctionCodeSigningConfig", "DeleteFunctionCodeSigningConfig", "PutProvisionedConcurrencyConfig",
        "DeleteProvisionedConcurrencyConfig", "PutFunctionScalingConfig", "PutRuntimeManagementConfig", "PutFunctionRecursionConfig",
        "PutFunctionConcurrency", "DeleteFunctionConcurrency", "PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig",
        "DeleteFunctionEventInvokeConfig", "TagResource", "UntagResource", "DeleteAlias", "UpdateAlias", "DeleteFunctionUrlConfig",
        "UpdateFunctionUrlConfig", "DeleteEventSourceMapping", "UpdateEventSourceMapping", "DeleteFunction"},
    "ResourceNotFoundException": {"CreateFunction", "PublishLayerVersion", "PutProvisionedConcurrencyConfig", "ListEventSourceMappings",
                                  "ListLayerVersions", "GetDurableExecutionState"},
    "CodeSigningConfigNotFoundException": {"UpdateFunctionCode", "UpdateFunctionConfiguration", "DeleteFunctionCodeSigningConfig"},
    "PolicyLengthExceededException": {"AddLayerVersionPermission"},  # test_layers
}

# As AWS answers, whatever its model says.
AS_RECORDED = ("DeleteFunction: status 204", "GetFunctionCodeSigningConfig.CodeSigningConfigArn is missing", "UpdateFunctionConfiguration.LastUpdateStatusReasonCode: 'Creating'",
               "UpdateFunctionCode.LastUpdateStatusReasonCode: 'Creating'", "GetFunctionConfiguration.LastUpdateStatusReasonCode: 'Creating'",
               "GetFunction.Configuration.LastUpdateStatusReasonCode: 'Creating'")
# Members that say something of what there is not here, or that are said only when something failed.
NEVER_ANSWERED = {
    "EnvironmentResponse": {"Error"}, "RuntimeVersionConfig": {"Error"}, "GetFunctionResponse": {"TagsError"},
    "GetFunctionCodeSigningConfigResponse": {"CodeSigningConfigArn"},
    "FunctionCodeLocation": {"ImageUri", "ResolvedImageUri"},
    "FunctionConfiguration": {"CapacityProviderConfig", "DurableConfig", "ImageConfigResponse", "MasterArn", "SigningJobArn", "SigningProfileVersionArn"},
    "Layer": {"SigningJobArn", "SigningProfileVersionArn"}, "LayerVersionContentOutput": {"SigningJobArn", "SigningProfileVersionArn"},
    "EventSourceMappingConfiguration": {  # of queues; of streams, Kafka and databases there are none
        "AmazonManagedKafkaEventSourceConfig", "BisectBatchOnFunctionError", "DestinationConfig", "DocumentDBEventSourceConfig", "FilterCriteriaError",
        "LastProcessingResult", "LoggingConfig", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "ParallelizationFactor",
        "ProvisionedPollerConfig", "Queues", "SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig", "SourceAccessConfigurations",
        "StartingPosition", "StartingPositionTimestamp", "Topics", "TumblingWindowInSeconds"}}
PAGES = {"NextMarker"}  # test_pages_of_sdks


class Checked(ApiCase):
    """Each answer is compared with the model; what was called and raised is kept for the last class."""
    done, raised, wrong, seen = set(), set(), [], {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client.meta.events.register("after-call.lambda", cls.on_answer)

    @classmethod
    def on_answer(cls, http_response, parsed, model, **_):
        status, name = http_response.status_code, model.name
        if status >= 300:
            kind = http_response.headers.get("x-amzn-errortype", "")
            body = json.loads(http_response.content)
            cls.raised.add((name, kind))
            if kind != parsed["Error"]["Code"] or body.get("Type") != ("Service" if status >= 500 else "User") or not (body.get("message") or body.get("Message")):
                cls.wrong.append("%s: error %d %s %s" % (name, status, kind, body))
            return
        cls.done.add(name)
        want = model.http.get("responseCode", 200)
        if status != want and name not in ("Invoke",):
            cls.wrong.append("%s: status %d, the model says %d" % (name, status, want))
        shape = model.output_shape
        payload = shape.serialization.get("payload") if shape is not None else None
        body = b"" if payload or shape is None or model.has_streaming_output else http_response.content
        if body:
            cls.compare(name, shape, json.loads(body))

    @classmethod
    def compare(cls, path, shape, value):
        kinds = {"string": str, "integer": int, "long": int, "boolean": bool, "double": (int, float), "float": (int, float), "timestamp": (int, float, str),
                 "structure": dict, "map": dict, "list": list, "blob": str}
        if not isinstance(value, kinds[shape.type_name]) or (shape.type_name == "integer" and isinstance(value, bool)):
            cls.wrong.append("%s: %r is no %s" % (path, value, shape.type_name))
        elif shape.type_name == "structure":
            members = {m.serialization.get("name", n): m for n, m in shape.members.items() if m.serialization.get("location") is None}
            cls.seen.setdefault(shape.name, set()).update(value)
            for key in set(value) - set(members):
                cls.wrong.append("%s.%s is not in the model" % (path, key))
            for key in set(shape.required_members) & set(members) - set(value):
                cls.wrong.append("%s.%s is missing" % (path, key))
            for key in set(value) & set(members):
                cls.compare(path + "." + key, members[key], value[key])
        elif shape.type_name == "list":
            for one in value:
                cls.compare(path + "[]", shape.member, one)
        elif shape.type_name == "map":
            for key, one in value.items():
                cls.compare(path + "{}", shape.value, one)
        elif shape.type_name == "string" and shape.metadata.get("enum") and value not in shape.metadata["enum"]:
            cls.wrong.append("%s: %r is none of %s" % (path, value, shape.metadata["enum"]))

    def call(self, operation, **given):
        return getattr(self.client, botocore.xform_name(operation))(**given)

    def raises(self, status, code, operation, **given):
        with self.assertRaises(self.client.exceptions.ClientError, msg="%s %s" % (operation, given)) as caught:
            self.call(operation, **given)
        answer = caught.exception.response
        self.assertEqual((answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]), (status, code), (operation, answer["Error"]))


@needs_server
@needs_current_sdk
class Answers(Checked):
    def test_1_successes(self):
        self.functions()
        self.layers()
        self.mappings()
        self.the_rest()
        self.assertEqual(set(MODEL.operation_names) - self.done, REFUSED | NEVER_THERE)

    def functions(self):
        call, name = self.call, self.create(Publish=True, Tags={"a": "b"}, Description="d", Environment={"Variables": {"AA": "b"}},
                                            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}, KMSKeyArn="arn:aws:kms:x",
                                            DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"},
                                            FileSystemConfigs=[{"Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-" + "0" * 17,
                                                                "LocalMountPath": "/mnt/x"}], LoggingConfig={"LogFormat": "JSON"},
                                            Code={"ZipFile": ZIP, "SourceKMSKeyArn": "arn:aws:kms:x"}, TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
        of = {"FunctionName": name}
        for operation in ("GetFunction", "GetFunctionConfiguration", "ListVersionsByFunction", "GetFunctionCodeSigningConfig",
                          "DeleteFunctionCodeSigningConfig", "ListProvisionedConcurrencyConfigs", "ListDurableExecutionsByFunction",
                          "GetRuntimeManagementConfig", "GetFunctionRecursionConfig"):
            call(operation, **of)
        call("CreateAlias", Name="live", FunctionVersion="1", **of)
        call("UpdateAlias", Name="live", Description="d", **of)
        call("GetAlias", Name="live", **of)
        call("ListAliases", **of)
        call("AddPermission", StatementId="s", Action="lambda:InvokeFunction", Principal="*", Qualifier="live", **of)
        call("GetPolicy", Qualifier="live", **of)
        call("RemovePermission", StatementId="s", Qualifier="live", **of)
        call("PutFunctionConcurrency", ReservedConcurrentExecutions=1, **of)
        call("GetFunctionConcurrency", **of)
        call("GetFunction", **of)
        call("DeleteFunctionConcurrency", **of)
        queue = {"Destination": "arn:aws:sqs:us-east-1:000000000000:q"}
        call("PutFunctionEventInvokeConfig", MaximumRetryAttempts=1, DestinationConfig={"OnSuccess": queue, "OnFailure": queue}, **of)
        call("UpdateFunctionEventInvokeConfig", MaximumEventAgeInSeconds=60, **of)
        call("GetFunctionEventInvokeConfig", **of)
        call("ListFunctionEventInvokeConfigs", **of)
        call("DeleteFunctionEventInvokeConfig", **of)
        call("PutFunctionRecursionConfig", RecursiveLoop="Allow", **of)
        call("PutRuntimeManagementConfig", UpdateRuntimeOn="FunctionUpdate", Qualifier="1", **of)
        call("PutFunctionScalingConfig", Qualifier="1", FunctionScalingConfig={"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 2}, **of)
        call("GetFunctionScalingConfig", Qualifier="1", **of)
        call("DeleteProvisionedConcurrencyConfig", Qualifier="1", **of)
        call("TagResource", Resource=ARN + name, Tags={"c": "d"})
        call("ListTags", Resource=ARN + name)
        call("UntagResource", Resource=ARN + name, TagKeys=["c"])
        call("UpdateFunctionConfiguration", Timeout=4, **of)
        self.wait(name)
        call("UpdateFunctionCode", ZipFile=ZIP2, **of)
        self.wait(name)
        call("PublishVersion", **of)
        call("UpdateAlias", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}, **of)
        call("PutRuntimeManagementConfig", UpdateRuntimeOn="Manual", RuntimeVersionArn="arn:aws:lambda:us-east-1::runtime:x", Qualifier="1", **of)
        call("GetRuntimeManagementConfig", Qualifier="1", **of)
        call("ListFunctions", FunctionVersion="ALL")
        call("GetAccountSettings")
        call("DeleteAlias", Name="live", **of)

    def layers(self):
        name = unique("l")
        made = self.call("PublishLayerVersion", LayerName=name, Description="d", Content={"ZipFile": ZIP}, CompatibleRuntimes=["python3.11"],
                         CompatibleArchitectures=["x86_64"], LicenseInfo="MIT")
        of = {"LayerName": name, "VersionNumber": made["Version"]}
        self.call("GetLayerVersion", **of)
        self.call("GetLayerVersionByArn", Arn=made["LayerVersionArn"])
        self.call("ListLayers")
        self.call("ListLayerVersions", LayerName=name)
        self.call("AddLayerVersionPermission", StatementId="s", Action="lambda:GetLayerVersion", Principal="*", **of)
        self.call("GetLayerVersionPolicy", **of)
        self.call("RemoveLayerVersionPermission", StatementId="s", **of)
        self.create(Layers=[made["LayerVersionArn"]])
        self.call("ListFunctions")
        self.call("DeleteLayerVersion", **of)

    def mappings(self):
        queue = unique("q")
        self.server.client("sqs").create_queue(QueueName=queue)
        arn = "arn:aws:sqs:%s:%s:%s" % (REGION, ACCOUNT, queue)
        made = self.call("CreateEventSourceMapping", FunctionName=self.create(), EventSourceArn=arn, BatchSize=3, Enabled=False, Tags={"a": "b"},
                         MaximumBatchingWindowInSeconds=1, ScalingConfig={"MaximumConcurrency": 2}, FunctionResponseTypes=["ReportBatchItemFailures"],
                         MetricsConfig={"Metrics": ["EventCount"]}, KMSKeyArn="arn:aws:kms:x", FilterCriteria={"Filters": [{"Pattern": '{"body": ["x"]}'}]})
        of = {"UUID": made["UUID"]}
        for operation, given in (("GetEventSourceMapping", of), ("ListEventSourceMappings", {}), ("UpdateEventSourceMapping", {**of, "BatchSize": 4}),
                                 ("DeleteEventSourceMapping", of)):
            while self.client.get_event_source_mapping(**of)["State"] not in ("Enabled", "Disabled"):
                pass
            self.call(operation, **given)

    def the_rest(self):
        name = self.create()
        of = {"FunctionName": name}
        self.call("CreateFunctionUrlConfig", AuthType="NONE", Cors={
            "AllowCredentials": True, "AllowHeaders": ["a"], "AllowMethods": ["GET"], "AllowOrigins": ["https://a.b"], "ExposeHeaders": ["b"], "MaxAge": 1}, **of)
        self.call("UpdateFunctionUrlConfig", InvokeMode="BUFFERED", **of)
        self.call("GetFunctionUrlConfig", **of)
        self.call("ListFunctionUrlConfigs", **of)
        self.call("DeleteFunctionUrlConfig", **of)
        self.assertEqual(self.call("Invoke", **of)["Payload"].read(), b"{}")
        self.call("InvokeAsync", InvokeArgs=b"{}", **of)
        events = list(self.call("InvokeWithResponseStream", **of)["EventStream"])
        self.assertIn("InvokeComplete", events[-1])
        for operation in ("ListCodeSigningConfigs", "ListCapacityProviders"):
            self.call(operation)
        self.call("DeleteFunction", FunctionName=name)

    def test_2_not_found(self):
        """Whatever names something that is not there."""
        special = {"PutFunctionScalingConfig": {"Qualifier": "1"}, "UntagResource": {"TagKeys": ["x"]},
                   "PutRuntimeManagementConfig": {"UpdateRuntimeOn": "Auto"}, "PutFunctionEventInvokeConfig": {"MaximumRetryAttempts": 1},
                   "UpdateFunctionEventInvokeConfig": {"MaximumRetryAttempts": 1}, "AddPermission": {"Action": "lambda:InvokeFunction", "Principal": "*"},
                   "CreateAlias": {"FunctionVersion": "1"}, "UpdateFunctionCode": {"ZipFile": ZIP}, "CreateEventSourceMapping": {"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:" + NOWHERE}}
        for name in MODEL.operation_names:
            model = MODEL.operation_model(name)
            if "ResourceNotFoundException" not in {e.name for e in model.error_shapes} or name in CANNOT_HERE["ResourceNotFoundException"]:
                continue
            given = value_of(model.input_shape)
            for key in ("FunctionName", "LayerName", "CapacityProviderName"):
                if key in given:
                    given[key] = NOWHERE
            if "UUID" in given:
                given["UUID"] = "00000000-0000-0000-0000-000000000000"
            if "Resource" in given:
                given["Resource"] = ARN + NOWHERE
            given.update(special.get(name, {}))
            with self.subTest(name):
                self.raises(404, "ResourceNotFoundException", name, **given)

    def test_3_wrong_parameters(self):
        name = self.create(Publish=True)
        contradiction = {"FunctionName": name + ":1", "Qualifier": "2"}
        for operation in MODEL.operation_names:
            model = MODEL.operation_model(operation)
            members = model.input_shape.members if model.input_shape is not None else {}
            if "InvalidParameterValueException" not in {e.name for e in model.error_shapes} or "FunctionName" not in members:
                continue
            given = {**value_of(model.input_shape), "FunctionName": name + ":1"}
            if "Qualifier" in members:
                given.update(contradiction)
            given.update({"PutRuntimeManagementConfig": {"UpdateRuntimeOn": "Manual"}, "AddPermission": {"Action": "lambda:InvokeFunction"},
                          "PutFunctionEventInvokeConfig": {"MaximumRetryAttempts": 1}, "UpdateFunctionCode": {"ZipFile": ZIP},
                          "UpdateFunctionEventInvokeConfig": {"MaximumRetryAttempts": 1}}.get(operation, {}))
            special = {"CreateEventSourceMapping": {"FunctionName": name, "EventSourceArn": "arn:aws:s3:us-east-1:000000000000:x"},
                       "CreateFunction": {"FunctionName": "new", "Runtime": "none", "Handler": "a.b", "Role": ROLE, "Code": {"ZipFile": ZIP}},
                       "ListFunctionUrlConfigs": {"FunctionName": name, "Marker": "~"}, "ListEventSourceMappings": {"Marker": "~"},
                       "ListFunctionEventInvokeConfigs": {"FunctionName": name, "Marker": "~"},
                       "ListVersionsByFunction": {"FunctionName": name, "Marker": "~"},
                       "ListDurableExecutionsByFunction": {"FunctionName": name + ":1", "Qualifier": "2"},
                       "CreateFunctionUrlConfig": {"FunctionName": name + ":live", "Qualifier": "other", "AuthType": "NONE"},
                       "UpdateFunctionUrlConfig": {"FunctionName": name + ":live", "Qualifier": "other"},
                       "GetFunctionUrlConfig": {"FunctionName": name + ":live", "Qualifier": "other"},
                       "CreateAlias": {"FunctionName": name + ":1", "Name": "live", "FunctionVersion": "1"},
                       "PutFunctionScalingConfig": {"FunctionName": name, "Qualifier": "1", "FunctionScalingConfig": {
                           "MinExecutionEnvironments": 2, "MaxExecutionEnvironments": 1}}}
            if operation in CANNOT_HERE["InvalidParameterValueException"] or operation == "UpdateEventSourceMapping":
                continue
            with self.subTest(operation):
                self.raises(400, "InvalidParameterValueException", operation, **special.get(operation, given))
        arn = ARN + name + ":1"
        for operation, given in (
                ("TagResource", {"Resource": arn, "Tags": {"a": "b"}}), ("UntagResource", {"Resource": arn, "TagKeys": ["a"]}),
                ("ListTags", {"Resource": arn}), ("GetLayerVersion", {"LayerName": "l", "VersionNumber": 0}),
                ("GetLayerVersionPolicy", {"LayerName": "l", "VersionNumber": 0}), ("PublishLayerVersion", {"LayerName": "l", "Content": {}}),
                ("AddLayerVersionPermission", {"LayerName": "l", "VersionNumber": 0, "StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*"}),
                ("RemoveLayerVersionPermission", {"LayerName": "l", "VersionNumber": 0, "StatementId": "s"}),
                ("CheckpointDurableExecution", value_of(MODEL.operation_model("CheckpointDurableExecution").input_shape)),
                ("SendDurableExecutionCallbackFailure", {"CallbackId": "AAAA"}), ("SendDurableExecutionCallbackHeartbeat", {"CallbackId": "AAAA"}),
                ("SendDurableExecutionCallbackSuccess", {"CallbackId": "AAAA"})):
            with self.subTest(operation):
                self.raises(400, "InvalidParameterValueException", operation, **given)

    def test_4_conflicts_and_others(self):
        name = self.create(Publish=True)
        of, stale = {"FunctionName": name}, {"RevisionId": "11111111-1111-1111-1111-111111111111"}
        statement = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}
        layer = {"LayerName": unique("l"), "VersionNumber": 1}
        share = {"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*"}
        self.call("CreateAlias", Name="live", FunctionVersion="1", **of)
        self.call("AddPermission", **statement, **of)
        self.call("CreateFunctionUrlConfig", AuthType="NONE", **of)
        self.call("PublishLayerVersion", LayerName=layer["LayerName"], Content={"ZipFile": ZIP})
        self.call("AddLayerVersionPermission", **share, **layer)
        queue = unique("q")
        self.server.client("sqs").create_queue(QueueName=queue)
        mapping = {"FunctionName": name, "EventSourceArn": "arn:aws:sqs:%s:%s:%s" % (REGION, ACCOUNT, queue), "Enabled": False}
        made = self.call("CreateEventSourceMapping", **mapping)
        for status, code, operation, given in (
                (409, "ResourceConflictException", "CreateFunction", {"Runtime": "python3.11", "Handler": "a.b", "Role": ROLE, "Code": {"ZipFile": ZIP}, **of}),
                (409, "ResourceConflictException", "CreateAlias", {"Name": "live", "FunctionVersion": "1", **of}),
                (409, "ResourceConflictException", "AddPermission", {**statement, **of}),
                (409, "ResourceConflictException", "CreateFunctionUrlConfig", {"AuthType": "NONE", **of}),
                (409, "ResourceConflictException", "AddLayerVersionPermission", {**share, **layer}),
                (409, "ResourceConflictException", "CreateEventSourceMapping", mapping),
                (412, "PreconditionFailedException", "AddPermission", {**statement, "StatementId": "t", **stale, **of}),
                (412, "PreconditionFailedException", "RemovePermission", {"StatementId": "s", **stale, **of}),
                (412, "PreconditionFailedException", "AddLayerVersionPermission", {**share, "StatementId": "t", **stale, **layer}),
                (412, "PreconditionFailedException", "RemoveLayerVersionPermission", {"StatementId": "s", **stale, **layer}),
                (412, "PreconditionFailedException", "UpdateAlias", {"Name": "live", **stale, **of}),
                (412, "PreconditionFailedException", "PublishVersion", {**stale, **of}),
                (412, "PreconditionFailedException", "UpdateFunctionCode", {"ZipFile": ZIP, **stale, **of}),
                (412, "PreconditionFailedException", "UpdateFunctionConfiguration", {"Timeout": 3, **stale, **of}),
                (400, "InvalidParameterValueException", "UpdateEventSourceMapping", {"UUID": made["UUID"], "BatchSize": 11}),
                (404, "ProvisionedConcurrencyConfigNotFoundException", "GetProvisionedConcurrencyConfig", {"Qualifier": "1", **of}),
                (404, "CodeSigningConfigNotFoundException", "PutFunctionCodeSigningConfig", {"CodeSigningConfigArn": SIGNING, **of}),
                (404, "CodeSigningConfigNotFoundException", "CreateFunction", {
                    "FunctionName": "new", "Runtime": "python3.11", "Handler": "a.b", "Role": ROLE, "Code": {"ZipFile": ZIP}, "CodeSigningConfigArn": SIGNING}),
                (400, "InvalidRequestContentException", "Invoke", {"Payload": b"{", **of}),
                (400, "InvalidRequestContentException", "InvokeWithResponseStream", {"Payload": b"{", **of}),
                (400, "InvalidRequestContentException", "InvokeAsync", {"InvokeArgs": b"{", **of})):
            with self.subTest(operation=operation, code=code):
                self.raises(status, code, operation, **given)
        for i in range(200):  # 20,480 bytes of policy
            try:
                self.call("AddPermission", **{**statement, "StatementId": "%s%d" % ("x" * 90, i)}, **of)
            except self.client.exceptions.PolicyLengthExceededException:
                break
        for operation in sorted(REFUSED):
            given = value_of(MODEL.operation_model(operation).input_shape)
            given.update({"FunctionName": name, "Qualifier": "1"} if "FunctionName" in given else {})
            self.raises(501, "NotImplementedException", operation, **given)


@needs_server
@needs_current_sdk
class Becoming(Checked):
    OPTIONS = ("--settle-ms", "60000")

    def test_while_it_is_made(self):
        name = self.create(wait=False)
        for operation, given in (("UpdateFunctionCode", {"ZipFile": ZIP2}), ("UpdateFunctionConfiguration", {"Timeout": 9}), ("PublishVersion", {}),
                                 ("Invoke", {}), ("InvokeWithResponseStream", {}), ("InvokeAsync", {"InvokeArgs": b"{}"})):
            with self.subTest(operation):
                self.raises(409, "ResourceConflictException", operation, FunctionName=name, **given)

    def forget(self, name):
        pass


@needs_server
@needs_current_sdk
class Coverage(unittest.TestCase):
    """Last: of what the classes before it saw."""
    maxDiff = None
    raised, wrong, seen = Checked.raised, Checked.wrong, Checked.seen

    def test_nothing_is_left_out(self):
        """Every modelled error was raised, or is known to be impossible; no answer differed from the model."""
        self.assertEqual([w for w in self.wrong if not w.startswith(AS_RECORDED)], [])
        impossible = set().union(*CANNOT.values()) | EVERYWHERE
        for name in MODEL.operation_names:
            for error in MODEL.operation_model(name).error_shapes:
                if error.name == "ResourceInUseException":
                    continue
                known = error.name in impossible or name in CANNOT_HERE.get(error.name, ())
                with self.subTest(operation=name, error=error.name):
                    self.assertNotEqual(known, (name, error.name) in self.raised, "it was %s raised" % ("never" if not known else "listed, but"))

    def missing(self, shape):
        members = MODEL.shape_for(shape).members.items()
        return {m.serialization.get("name", n) for n, m in members if m.serialization.get("location") is None} - self.seen[shape] - PAGES

    def test_every_member_is_answered(self):
        self.assertEqual({shape: self.missing(shape) for shape in self.seen if self.missing(shape)}, NEVER_ANSWERED)


if __name__ == "__main__":
    main()
