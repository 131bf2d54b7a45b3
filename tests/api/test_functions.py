"""CreateFunction, GetFunction, GetFunctionConfiguration, ListFunctions, DeleteFunction, updates and their errors."""
import base64
import hashlib
import io
import json
import re
import urllib.error
import urllib.request
import zipfile

from api_case import ARN, ApiCase, REGION, ROLE, ZIP, ZIP2, main, needs_server, unique, zip_of, needs_current_sdk

RUNTIMES = ("nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, "
            "java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, "
            "nodejs18.x, provided.al2, java8.al2")


class Create(ApiCase):
    @needs_current_sdk
    def test_answer_has_awss_defaults(self):
        name = unique()
        self.addCleanup(self.forget, name)
        answer = self.client.create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE,
                                             Code={"ZipFile": ZIP})
        meta = answer.pop("ResponseMetadata")
        self.assertEqual(meta["HTTPStatusCode"], 201)
        self.assertRegex(answer.pop("RevisionId"), r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$")
        self.assertRegex(answer.pop("LastModified"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")
        self.assertRegex(answer.pop("RuntimeVersionConfig")["RuntimeVersionArn"], r"^arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}$")
        self.assertEqual(len(base64.b64decode(answer.pop("ConfigSha256"))), 32)
        self.assertEqual(answer, {
            "FunctionName": name, "FunctionArn": ARN + name, "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler",
            "CodeSize": len(ZIP), "CodeSha256": base64.b64encode(hashlib.sha256(ZIP).digest()).decode(), "Description": "",
            "Timeout": 3, "MemorySize": 128, "Version": "$LATEST", "TracingConfig": {"Mode": "PassThrough"}, "State": "Pending",
            "StateReason": "The function is being created.", "StateReasonCode": "Creating", "PackageType": "Zip",
            "Architectures": ["x86_64"], "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/" + name}})
        self.wait(name)
        now = self.client.get_function_configuration(FunctionName=name)
        self.assertEqual((now["State"], now["LastUpdateStatus"]), ("Active", "Successful"))
        self.assertNotIn("StateReason", now)

    @needs_current_sdk
    def test_given_settings_come_back(self):
        given = {"Description": "d", "Timeout": 900, "MemorySize": 10240, "Environment": {"Variables": {"A_B": "1", "long": "é"}},
                 "EphemeralStorage": {"Size": 1024}, "TracingConfig": {"Mode": "Active"}, "Architectures": ["arm64"],
                 "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/my/group"}, "KMSKeyArn": "arn:aws:kms:us-east-1:0:key/x",
                 "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}}
        name = self.create(**given)
        shown = self.client.get_function_configuration(FunctionName=name)
        given["LoggingConfig"].update(ApplicationLogLevel="INFO", SystemLogLevel="INFO")
        self.assertEqual({k: shown[k] for k in given}, given)

    def test_unknown_newer_members_are_kept(self):
        name = unique()
        self.addCleanup(self.forget, name)
        status, _, answer = self.request_json("POST", "/2015-03-31/functions", {
            "FunctionName": name, "Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE,
            "Code": {"ZipFile": base64.b64encode(ZIP).decode()}, "FutureConfig": {"Deep": [1, {"x": None}]}, "Flag": True})
        self.assertEqual((status, answer["FutureConfig"], answer["Flag"]), (201, {"Deep": [1, {"x": None}]}, True))
        self.assertNotIn("Code", answer)
        self.wait(name)
        self.client.update_function_configuration(FunctionName=name, Timeout=9)
        shown = json.loads(self.request("GET", "/2015-03-31/functions/%s/configuration" % name)[2])
        self.assertEqual((shown["FutureConfig"], shown["Timeout"]), ({"Deep": [1, {"x": None}]}, 9))

    def test_base64_with_escapes(self):
        name = unique()
        self.addCleanup(self.forget, name)
        text = base64.b64encode(ZIP).decode().replace("/", "\\/").replace("=", "\\u003d")
        body = '{"Code": {"S3Key": null, "ZipFile" : "%s"}, "FunctionName": "%s", "Runtime": "python3.11", "Handler": "app.h", ' \
               '"Role": "%s"}' % (text, name, ROLE)
        status, _, answer = self.request("POST", "/2015-03-31/functions", body.encode())
        self.assertEqual((status, json.loads(answer)["CodeSize"]), (201, len(ZIP)), answer)

    def test_by_arn_and_trailing_slash(self):
        name = self.create(ARN + unique())
        self.assertEqual(self.request("GET", "/2015-03-31/functions/")[0], 200)
        self.assertTrue(name)

    def test_publish_at_once(self):
        name = unique()
        self.addCleanup(self.forget, name)
        answer = self.client.create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE,
                                             Code={"ZipFile": ZIP}, Publish=True)
        self.assertEqual(answer["Version"], "1")

    def test_exists(self):
        name = self.create()
        self.fails(409, "ResourceConflictException", "Function already exist: " + name, self.client.create_function,
                   FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": ZIP})


class CreateErrors(ApiCase):
    def refused(self, code, message, status=400, **settings):
        given = {"FunctionName": unique(), "Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": ZIP}}
        given.update(settings)
        self.fails(status, code, message, self.client.create_function, **{k: v for k, v in given.items() if v is not None})
        if status != 409 and isinstance(given["FunctionName"], str):
            self.assertNotIn(given["FunctionName"], [f["FunctionName"] for f in self.client.list_functions()["Functions"]])

    def invalid(self, message, **settings):
        self.refused("InvalidParameterValueException", message, **settings)

    def validation(self, message, **settings):
        self.refused("ValidationException", message, **settings)

    def test_names(self):
        self.invalid("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length "
                     "less than or equal to 64" % ("a" * 65), FunctionName="a" * 65)
        long = ARN + "a" * 100
        self.validation("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have "
                        "length less than or equal to 140" % long, FunctionName=long)
        pattern = (r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
                   r"([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?")
        for bad in ("invalid:function:name", "a b", "a.b", "a/b", "é"):
            self.validation("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must "
                            "satisfy regular expression pattern: %s" % (bad, pattern), FunctionName=bad)

    def test_runtimes(self):
        for bad in ("non-existent-runtime", "PYTHON3.9"):
            self.invalid("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid "
                         "ARN" % (bad, RUNTIMES), Runtime=bad)
        for old in ("dotnetcore3.1", "go1.x", "java8", "nodejs12.x", "nodejs14.x", "provided", "python3.7", "ruby2.7"):
            self.invalid("The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We "
                         "recommend you use a supported runtime while creating or updating functions." % old, Runtime=old)

    def test_mandatory(self):
        for missing in ("Runtime", "Handler"):
            self.invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.",
                         **{missing: None})
        self.validation("1 validation error detected: Value null at 'role' failed to satisfy constraint: Member must not be null",
                        Role=None)

    def test_role(self):
        self.validation(r"1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular "
                        r"expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+", Role="r1")

    def test_sizes(self):
        at = "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have value %s than or equal to %d"
        self.validation(at % (0, "timeout", "greater", 1), Timeout=0)
        self.validation(at % (901, "timeout", "less", 900), Timeout=901)
        self.validation(at % (127, "memorySize", "greater", 128), MemorySize=127)
        self.validation(at % (10241, "memorySize", "less", 10240), MemorySize=10241)
        self.validation(at % (511, "ephemeralStorage.size", "greater", 512), EphemeralStorage={"Size": 511})
        self.validation("1 validation error detected: Value null at 'ephemeralStorage.size' failed to satisfy constraint: Member must "
                        "not be null", EphemeralStorage={})

    def test_several_at_once_in_the_models_order(self):
        self.validation(
            "3 validation errors detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression "
            r"pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+; Value '0' at 'timeout' failed to satisfy "
            "constraint: Member must have value greater than or equal to 1; Value '1' at 'memorySize' failed to satisfy constraint: "
            "Member must have value greater than or equal to 128", MemorySize=1, Timeout=0, Role="r1")

    def test_architectures(self):
        at = "1 validation error detected: Value '%s' at 'architectures' failed to satisfy constraint: Member must "
        self.validation(at % "[X86_64]" + "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be "
                        "null]", Architectures=["X86_64"])
        self.validation(at % "[x86_64, arm64]" + "have length less than or equal to 1", Architectures=["x86_64", "arm64"])

    def test_network(self):
        at = ("1 validation error detected: Value '[x_1]' at 'vpcConfig.%s' failed to satisfy constraint: Member must satisfy "
              "constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, "
              "Member must satisfy regular expression pattern: %s]")
        self.validation(at % ("subnetIds", "subnet-[0-9a-z]*"), VpcConfig={"SubnetIds": ["x_1"]})
        self.validation(at % ("securityGroupIds", "sg-[0-9a-zA-Z]*"), VpcConfig={"SecurityGroupIds": ["x_1"]})
        self.validation("1 validation error detected: Value 'invalidOption' at 'snapStart.applyOn' failed to satisfy constraint: Member "
                        "must satisfy enum value set: [PublishedVersions, None]", SnapStart={"ApplyOn": "invalidOption"})

    def test_layers(self):
        layer = "arn:aws:lambda:%s:000000000000:layer:%s"
        self.invalid("Cannot reference more than 5 layers.", Layers=[layer % (REGION, "l:%d" % i) for i in range(6)])
        self.invalid("Layer version %s does not exist." % (layer % (REGION, "doesnotexist:1")),
                     Layers=[layer % (REGION, "doesnotexist:1")])
        self.invalid("Layers are not in the same region as the function. Layers are expected to be in region us-east-1.",
                     Layers=[layer % ("eu-west-1", "l:1")])
        bad = layer % (REGION, "l")
        self.validation(
            "1 validation error detected: Value '[%s]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: "
            "[Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must "
            r"satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:"
            r"\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+), Member must not be null]" % bad,
            Layers=[bad])

    def test_variables(self):
        measured = '{"SMALL_VAR":"ok","LARGE_VAR":"%s"}' % ("x" * 4096)
        self.invalid("Lambda was unable to configure your environment variables because the environment variables you have provided "
                     "exceeded the 4KB limit. String measured: " + measured, Environment={"Variables": json.loads(measured)})
        room = 4096 - len('{"V":""}')
        self.create(Environment={"Variables": {"VV": "x" * (room - 1)}})
        self.invalid('Lambda was unable to configure your environment variables because the environment variables you have provided '
                     'exceeded the 4KB limit. String measured: {"VV":"%s"}' % ("x" * room), Environment={"Variables": {"VV": "x" * room}})

    def test_reserved_variables(self):
        self.invalid("Lambda was unable to configure your environment variables because the environment variables you have provided "
                     "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
                     "AWS_REGION, AWS_SESSION_TOKEN", Environment={"Variables": {"AWS_REGION": "x", "OK_1": "y", "AWS_SESSION_TOKEN": "z"}})

    def test_tags(self):
        self.invalid("Number of tags exceeds resource tag limit.", Tags={str(i): "x" for i in range(51)})
        self.invalid("Tag mayfly:network takes the values none and outbound, not all.", Tags={"mayfly:network": "all"})

    def test_code(self):
        self.validation("1 validation error detected: Value null at 'code' failed to satisfy constraint: Member must not be null", Code=None)
        self.invalid("Please provide a source for function code.", Code={})
        self.fails(501, "NotImplementedException", "Code from S3 is not implemented by this server: it holds no buckets. Send the package as "
                   "ZipFile.", self.client.create_function, FunctionName=unique(), Runtime="python3.11", Handler="app.handler", Role=ROLE,
                   Code={"S3Bucket": "bucket", "S3Key": "key"})
        self.invalid("Could not unzip uploaded file. Please check your file, then try to upload again.", Code={"ZipFile": b"no zip"})
        self.invalid("Uploaded file must be a non-empty zip", Code={"ZipFile": b""})

    @needs_server
    def test_unzipped_size(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
            for i in range(26):
                z.writestr("zeros%d" % i, bytes(10 << 20))
        self.invalid("Unzipped size must be smaller than 262144000 bytes", Code={"ZipFile": out.getvalue()})

    @needs_server
    def test_names_that_leave_the_package(self):
        for bad, why in (("../x", "names a file outside of itself"), ("/etc/x", "has an absolute or empty path"),
                         ("a/../../x", "names a file outside of itself")):
            self.invalid("Could not unzip uploaded file. Please check your file, then try to upload again. (the package %s: %s)" % (why, bad),
                         Code={"ZipFile": zip_of({bad: "x"})})

    def test_zipped_size(self):
        self.refused("RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes", 413,
                     Code={"ZipFile": b"PK" + bytes(52428800 - 1)})

    def test_request_size(self):
        self.refused("RequestEntityTooLargeException", "Request must be smaller than 70167211 bytes for the CreateFunction operation",
                     413, Code={"ZipFile": bytes(53 << 20)})

    def test_bodies_that_are_no_json(self):
        for bad in (b"{", b"[]", b'{"FunctionName": }', b'\xff'):
            status, headers, body = self.request("POST", "/2015-03-31/functions", bad)
            self.assertEqual((status, headers["x-amzn-errortype"]), (400, "InvalidRequestContentException"))
            self.assertTrue(json.loads(body)["message"].startswith("Could not parse request body into json: "), body)
        status, headers, body = self.request("POST", "/2015-03-31/functions", b'{"Timeout": "x"}')
        self.assertEqual((status, headers["x-amzn-errortype"]), (400, "SerializationException"))

    def test_empty_body(self):
        self.assertEqual(self.request("POST", "/2015-03-31/functions", b"")[0], 400)


class Read(ApiCase):
    def test_get_function(self):
        name = self.create(Tags={"a": "b"})
        got = self.client.get_function(FunctionName=name)
        self.assertEqual((got["Configuration"]["FunctionName"], got["Tags"]), (name, {"a": "b"}))
        self.assertNotIn("Concurrency", got)
        self.assertEqual(got["Code"]["RepositoryType"], "S3")
        with urllib.request.urlopen(got["Code"]["Location"]) as answer:
            self.assertEqual(answer.read(), ZIP)

    def test_link_cannot_be_changed(self):
        name = self.create()
        link = self.client.get_function(FunctionName=name)["Code"]["Location"]
        for bad in (link[:-1] + ("0" if link[-1] != "0" else "1"), link.replace("X-Amz-Expires=600", "X-Amz-Expires=6000"),
                    re.sub("/code/.", "/code/" + ("a" if "/code/b" in link else "b"), link), link.split("?")[0]):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(bad)
            self.assertEqual(caught.exception.code, 403)

    def test_large_package_comes_back(self):
        name = unique()
        self.addCleanup(self.forget, name)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
            z.writestr("app.py", "x")
            z.writestr("blob", hashlib.shake_256(b"seed").digest(3 << 20))
        package = out.getvalue()
        self.create(name, Code={"ZipFile": package})
        with urllib.request.urlopen(self.client.get_function(FunctionName=name)["Code"]["Location"]) as answer:
            self.assertEqual(hashlib.sha256(answer.read()).digest(), hashlib.sha256(package).digest())

    def test_name_forms(self):
        name = self.create(Publish=True)
        self.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        get = self.client.get_function_configuration
        for form in (name, "%s:function:%s" % ("000000000000", name), ARN + name):
            self.assertEqual(get(FunctionName=form)["FunctionArn"], ARN + name)
            self.assertEqual(get(FunctionName=form, Qualifier="1")["FunctionArn"], ARN + name + ":1")
            self.assertEqual(get(FunctionName=form + ":live")["FunctionArn"], ARN + name + ":live")
        self.assertEqual(get(FunctionName=name, Qualifier="$LATEST")["FunctionArn"], ARN + name + ":$LATEST")
        self.assertEqual(get(FunctionName=name + ":live")["Version"], "1")
        self.fails(400, "InvalidParameterValueException",
                   "The derived qualifier from the function name does not match the specified qualifier.", get,
                   FunctionName=name + ":live", Qualifier="1")

    def test_not_found(self):
        get = self.client.get_function
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "doesnotexist", get, FunctionName="doesnotexist")
        for q in ("$LATEST", "1", "noalias", "valid-with-$-but-doesnotexist"):
            self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "doesnotexist:" + q, get,
                       FunctionName="doesnotexist", Qualifier=q)
        name = self.create()
        for q in ("42", "non-existent-alias"):
            self.fails(404, "ResourceNotFoundException", "Function not found: %s%s:%s" % (ARN, name, q), get, FunctionName=name, Qualifier=q)
        self.fails(404, "ResourceNotFoundException", "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')",
                   get, FunctionName="arn:aws:lambda:ap-southeast-1:000000000000:function:" + name)

    def test_other_account(self):
        answer = self.request("GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af")
        self.assertEqual((answer[0], answer[1]["x-amzn-errortype"]), (403, "AccessDeniedException"))

    def test_bad_names(self):
        get = self.client.get_function
        self.fails(400, "ValidationException", "1 validation error detected: Value 'invalid-qualifier-with-?-char' at 'qualifier' failed "
                   r"to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+",
                   get, FunctionName="f", Qualifier="invalid-qualifier-with-?-char")
        bad = "arn:aws:lambda:us-east-1:123400000000@function:myfn"
        self.fails(400, "ValidationException", "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: "
                   r"Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso"
                   r"([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?" % bad,
                   get, FunctionName=bad)

    def test_list_pages(self):
        names = sorted(self.create(unique("page")) for _ in range(5))
        seen, arguments = [], {}
        while True:
            page = self.client.list_functions(MaxItems=2, **arguments)
            self.assertLessEqual(len(page["Functions"]), 2)
            seen += [f["FunctionName"] for f in page["Functions"]]
            if "NextMarker" not in page:
                break
            arguments = {"Marker": page["NextMarker"]}
        self.assertEqual([n for n in seen if n.startswith("page-")], names)
        self.assertEqual(len(seen), len(set(seen)))
        self.fails(400, "ValidationException", "1 validation error detected: Value 'invalid' at 'functionVersion' failed to satisfy "
                   "constraint: Member must satisfy enum value set: [ALL]", self.client.list_functions, FunctionVersion="invalid")
        self.fails(400, "ValidationException", "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member "
                   "must have value greater than or equal to 1", self.client.list_functions, MaxItems=0)

    def test_list_all_versions(self):
        name = self.create(unique("aaa"), Publish=True)
        seen, marker = [], {}
        while True:
            page = self.client.list_functions(FunctionVersion="ALL", MaxItems=1, **marker)
            seen += [f["FunctionArn"] for f in page["Functions"]]
            if "NextMarker" not in page:
                break
            marker = {"Marker": page["NextMarker"]}
        self.assertEqual([a for a in seen if name in a], [ARN + name + ":$LATEST", ARN + name + ":1"])

    def test_fifty_a_page(self):
        for _ in range(51):
            self.create(wait=False)
        page = self.client.list_functions(MaxItems=10000)
        self.assertEqual(len(page["Functions"]), 50)
        self.assertIn("NextMarker", page)


class Delete(ApiCase):
    def test_delete(self):
        name = self.create(Publish=True)
        self.assertIn(self.client.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"], (200, 204))
        for call in (self.client.get_function, self.client.delete_function):
            self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + name, call, FunctionName=name)
        # Version numbers go on where they were.
        self.create(name, Publish=True)
        self.assertEqual([v["Version"] for v in self.client.list_versions_by_function(FunctionName=name)["Versions"]], ["$LATEST", "2"])

    def test_versions(self):
        name = self.create(Publish=True)
        self.fails(400, "InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function.",
                   self.client.delete_function, FunctionName=name, Qualifier="$LATEST")
        self.fails(404, "ResourceNotFoundException", "Function not found: %s%s:1221" % (ARN, name), self.client.delete_function,
                   FunctionName=name, Qualifier="1221")
        self.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        self.fails(409, "ResourceConflictException", "Unable to delete version because the following aliases reference it: [live]",
                   self.client.delete_function, FunctionName=name, Qualifier="1")
        self.client.delete_alias(FunctionName=name, Name="live")
        self.client.delete_function(FunctionName=name, Qualifier="1")
        self.fails(404, "ResourceNotFoundException", "Function not found: %s%s:1" % (ARN, name), self.client.get_function,
                   FunctionName=name, Qualifier="1")
        self.assertEqual(self.client.get_function(FunctionName=name)["Configuration"]["Version"], "$LATEST")


class Update(ApiCase):
    def test_code(self):
        name = self.create()
        before = self.client.get_function_configuration(FunctionName=name)
        answer = self.client.update_function_code(FunctionName=name, ZipFile=ZIP2)
        self.assertEqual((answer["State"], answer["LastUpdateStatus"], answer["LastUpdateStatusReasonCode"]),
                         ("Active", "InProgress", "Creating"))
        self.assertEqual(answer["CodeSha256"], base64.b64encode(hashlib.sha256(ZIP2).digest()).decode())
        self.assertNotEqual(answer["RevisionId"], before["RevisionId"])
        self.wait(name)
        after = self.client.get_function_configuration(FunctionName=name)
        self.assertEqual((after["RevisionId"], after["LastUpdateStatus"]), (answer["RevisionId"], "Successful"))

    def test_code_dry_run(self):
        name = self.create()
        before = self.client.get_function_configuration(FunctionName=name)
        answer = self.client.update_function_code(FunctionName=name, ZipFile=ZIP2, DryRun=True)
        self.assertEqual(answer["CodeSha256"], base64.b64encode(hashlib.sha256(ZIP2).digest()).decode())
        after = self.client.get_function_configuration(FunctionName=name)
        self.assertEqual((after["CodeSha256"], after["RevisionId"]), (before["CodeSha256"], before["RevisionId"]))

    def test_code_publish(self):
        name = self.create()
        answer = self.client.update_function_code(FunctionName=name, ZipFile=ZIP2, Publish=True)
        self.assertEqual((answer["Version"], answer["FunctionArn"]), ("1", ARN + name + ":1"))

    def test_code_errors(self):
        name = self.create()
        update = self.client.update_function_code
        self.fails(412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the "
                   "GetFunction/GetAlias API to retrieve the latest Revision Id", update, FunctionName=name, ZipFile=ZIP2, RevisionId="x")
        self.fails(400, "InvalidParameterValueException", "Please don't provide ImageUri when updating a function with packageType Zip.",
                   update, FunctionName=name, ImageUri="x")
        self.fails(400, "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload "
                   "again.", update, FunctionName=name, ZipFile=b"no zip")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", update, FunctionName="nope", ZipFile=ZIP2)
        self.fails(400, "InvalidParameterValueException", "This operation is permitted on Lambda functions only. Aliases and versions do "
                   "not support this operation. Please specify either a function name or an unqualified function ARN.", update,
                   FunctionName=name + ":1", ZipFile=ZIP2)
        self.assertEqual(self.client.get_function_configuration(FunctionName=name)["CodeSize"], len(ZIP))

    @needs_current_sdk
    def test_configuration(self):
        name = self.create(Environment={"Variables": {"AA": "1"}}, LoggingConfig={"LogFormat": "JSON"})
        before = self.client.get_function_configuration(FunctionName=name)
        answer = self.client.update_function_configuration(FunctionName=name, Timeout=7, Environment={"Variables": {"BB": "2"}},
                                                           LoggingConfig={"ApplicationLogLevel": "DEBUG"}, RevisionId=before["RevisionId"])
        self.assertEqual((answer["Timeout"], answer["Environment"], answer["LastUpdateStatus"]), (7, {"Variables": {"BB": "2"}}, "InProgress"))
        self.assertEqual(answer["LoggingConfig"], {"LogFormat": "JSON", "LogGroup": "/aws/lambda/" + name,
                                                   "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "INFO"})
        self.assertEqual((answer["MemorySize"], answer["Handler"], answer["CodeSha256"]),
                         (before["MemorySize"], before["Handler"], before["CodeSha256"]))

    def test_configuration_takes_away(self):
        name = self.create(DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}, KMSKeyArn="arn:aws:kms:us-east-1:0:key/x")
        answer = self.client.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": ""}, KMSKeyArn="")
        self.assertNotIn("DeadLetterConfig", answer)
        self.assertNotIn("KMSKeyArn", answer)

    def test_configuration_errors(self):
        name = self.create()
        update = self.client.update_function_configuration
        self.fails(412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the "
                   "GetFunction/GetAlias API to retrieve the latest Revision Id", update, FunctionName=name, Timeout=7, RevisionId="x")
        self.fails(400, "ValidationException", "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: Member "
                   "must have value greater than or equal to 1", update, FunctionName=name, Timeout=0)
        self.fails(400, "InvalidParameterValueException", "The runtime parameter of go1.x is no longer supported for creating or updating "
                   "AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", update,
                   FunctionName=name, Runtime="go1.x")
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", update, FunctionName="nope", Timeout=5)


class States(ApiCase):
    """With states that last long enough to be met."""
    OPTIONS = ("--settle-ms", "1500")

    def test_pending_then_in_progress(self):
        name = self.create(wait=False)
        busy = "The operation cannot be performed at this time. An update is in progress for resource: " + ARN + name
        self.assertEqual(self.client.get_function_configuration(FunctionName=name)["State"], "Pending")
        self.fails(409, "ResourceConflictException", "The operation cannot be performed at this time. The function is currently in the "
                   "following state: Pending", self.client.invoke, FunctionName=name)
        self.fails(409, "ResourceConflictException", busy, self.client.delete_function, FunctionName=name)
        self.wait(name)
        self.client.update_function_code(FunctionName=name, ZipFile=ZIP2)
        for call, arguments in ((self.client.update_function_code, {"ZipFile": ZIP}), (self.client.publish_version, {}),
                                (self.client.update_function_configuration, {"Timeout": 5}), (self.client.delete_function, {})):
            self.fails(409, "ResourceConflictException", busy, call, FunctionName=name, **arguments)
        shown = self.client.get_function_configuration(FunctionName=name)
        self.assertEqual((shown["State"], shown["LastUpdateStatus"]), ("Active", "InProgress"))
        # The old code serves on; with the new one the answer would be a list.
        self.assertEqual(json.loads(self.client.invoke(FunctionName=name, Payload=b"7")["Payload"].read()), 7)
        self.wait(name)


if __name__ == "__main__":
    main()
