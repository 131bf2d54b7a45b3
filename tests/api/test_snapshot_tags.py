"""Tags that say how environments are made: mayfly:snapshot and mayfly:isolation; names and texts that cannot be taken."""
import base64
import json
import time

from api_case import ARN, ApiCase, ROLE, ZIP, main, needs_current_sdk, needs_server, unique, zip_of

COUNTS = zip_of({"app.py": """
import os, random
COUNT = 0
def handler(event, context):
    global COUNT
    COUNT += 1
    with open("/tmp/seen", "a") as f:
        f.write("x")
    return {"count": COUNT, "files": os.path.getsize("/tmp/seen"), "stream": context.log_stream_name}
"""})


class Values(ApiCase):
    BAD = (({"mayfly:snapshot": "yes"}, "Tag mayfly:snapshot takes the values auto, always and off, not yes."),
           ({"mayfly:snapshot": ""}, "Tag mayfly:snapshot takes the values auto, always and off, not ."),
           ({"mayfly:isolation": "function"}, "Tag mayfly:isolation takes the values environment and invocation, not function."),
           ({"mayfly:isolation": "invocation", "mayfly:network": "all"}, "Tag mayfly:network takes the values none and outbound, not all."))

    def test_of_new_functions(self):
        for tags, said in self.BAD:
            name = unique()
            self.fails(400, "InvalidParameterValueException", said, self.client.create_function, FunctionName=name, Runtime="python3.11",
                       Handler="app.handler", Role=ROLE, Code={"ZipFile": ZIP}, Tags=tags)
            self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + name, self.client.get_function, FunctionName=name)
        for tags in ({"mayfly:snapshot": v} for v in ("auto", "always", "off")):
            self.assertEqual(self.client.get_function(FunctionName=self.create(Tags=tags))["Tags"], tags)

    def test_of_functions_that_are_there(self):
        name = self.create(Tags={"mayfly:snapshot": "off", "colour": "red"})
        for tags, said in self.BAD:
            self.fails(400, "InvalidParameterValueException", said, self.client.tag_resource, Resource=ARN + name, Tags={"colour": "blue", **tags})
        self.assertEqual(self.client.list_tags(Resource=ARN + name)["Tags"], {"mayfly:snapshot": "off", "colour": "red"})
        self.client.tag_resource(Resource=ARN + name, Tags={"mayfly:snapshot": "always", "mayfly:isolation": "environment"})
        self.client.untag_resource(Resource=ARN + name, TagKeys=["colour"])
        self.assertEqual(self.client.list_tags(Resource=ARN + name)["Tags"], {"mayfly:snapshot": "always", "mayfly:isolation": "environment"})


@needs_server
class Effect(ApiCase):
    OPTIONS = ("--snapshot-default", "off")

    def call(self, name, **more):
        answer = self.client.invoke(FunctionName=name, **more)
        self.assertNotIn("FunctionError", answer)
        return json.loads(answer["Payload"].read())

    def rows(self, name):
        status, _, report = self.request_json("GET", "/_mayfly/snapshots", None)
        self.assertEqual(status, 200)
        return {v["version"]: v for v in report["versions"] if v["function"] == name}

    def test_isolation_of_invocations(self):
        name = self.create(Code={"ZipFile": COUNTS}, Publish=True)
        self.assertEqual([self.call(name)["count"] for _ in range(3)], [1, 2, 3])
        self.client.tag_resource(Resource=ARN + name, Tags={"mayfly:isolation": "invocation"})
        for qualifier in ({}, {"Qualifier": "1"}):
            seen = [self.call(name, **qualifier) for _ in range(4)]
            self.assertEqual([(s["count"], s["files"]) for s in seen], [(1, 1)] * 4)
            self.assertEqual(len({s["stream"] for s in seen}), 4)
        self.client.untag_resource(Resource=ARN + name, TagKeys=["mayfly:isolation"])
        self.assertEqual([self.call(name)["count"] for _ in range(2)], [1, 2])

    def test_the_report_tells_the_mode(self):
        name = self.create(Publish=True)
        self.call(name)
        self.assertEqual((self.rows(name)["$LATEST"]["mode"], self.rows(name)["$LATEST"]["single_use"]), ("off", False))
        self.client.tag_resource(Resource=ARN + name, Tags={"mayfly:isolation": "invocation", "mayfly:snapshot": "off", "x": "y"})
        self.call(name, Qualifier="1")
        self.call(name)
        rows = self.rows(name)
        self.assertEqual([(rows[v]["mode"], rows[v]["single_use"], rows[v]["state"], "image" in rows[v]) for v in ("$LATEST", "1")],
                         [("off", True, "none", False)] * 2)

    def test_report_is_signed_and_for_administrators(self):
        status, _, body = self.request("GET", "/_mayfly/snapshots", sign=False)
        self.assertEqual(status, 403, body)
        status, _, report = self.request_json("GET", "/_mayfly/snapshots", None)
        self.assertEqual((status, report["default"]), (200, "off"))

    def test_change_of_other_tags_keeps_environments(self):
        name = self.create(Code={"ZipFile": COUNTS}, Tags={"a": "1", "mayfly:snapshot": "off"})
        self.assertEqual(self.call(name)["count"], 1)
        self.client.tag_resource(Resource=ARN + name, Tags={"a": "2", "mayfly:isolation": "environment"})
        self.client.untag_resource(Resource=ARN + name, TagKeys=["a", "mayfly:snapshot"])
        self.assertEqual(self.call(name)["count"], 2)


class Texts(ApiCase):
    @needs_current_sdk
    def test_log_groups_with_long_names(self):
        for group in ("/g/" + "x" * 509, "#" * 90):
            name = self.create(LoggingConfig={"LogGroup": group})
            self.assertEqual(self.client.get_function_configuration(FunctionName=name)["LoggingConfig"]["LogGroup"], group)

    def test_nesting(self):
        deep = base = {"FunctionName": unique(), "Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE,
                       "Code": {"ZipFile": base64.b64encode(ZIP).decode()}}
        for _ in range(65):
            deep["x"] = deep = {}
        status, headers, answer = self.request_json("POST", "/2015-03-31/functions", base)
        self.assertEqual((status, headers["x-amzn-errortype"], answer["message"]), (400, "InvalidRequestContentException",
                         "Could not parse request body into json: Document nesting depth exceeds the maximum allowed (64)"))


if __name__ == "__main__":
    main()
