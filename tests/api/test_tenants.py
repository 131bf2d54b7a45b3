"""Tenant isolation: what may name a tenant, and that what one tenant leaves behind is never another's."""
import concurrent.futures
import json
import time

from api_case import ApiCase, REGION, ROLE, ZIP, main, needs_current_sdk, needs_server, unique, zip_of

CODE = zip_of({
    "app.py": "import logging, os\nseen = []\ndef handler(event, context):\n    seen.append(context.tenant_id)\n    path = '/tmp/left'\n"
              "    before = open(path).read() if os.path.exists(path) else ''\n    open(path, 'a').write(str(context.tenant_id) + ';')\n"
              "    logging.warning('for ' + str(context.tenant_id))\n"
              "    if event.get('fail'):\n        raise Exception('for ' + context.tenant_id)\n"
              "    return {'tenant': context.tenant_id, 'seen': seen, 'left': before, 'env': id(seen)}\n",
    "index.js": "const seen = [];\nexports.handler = async (event, context) => { seen.push(context.tenantId); return {tenant: context.tenantId, seen}; };\n"})
PER_TENANT = {"TenantIsolationMode": "PER_TENANT"}
WITHOUT = "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again."
WITH = "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."


@needs_current_sdk
class Configuration(ApiCase):
    def test_is_for_good(self):
        name = self.create(TenancyConfig=PER_TENANT)
        self.assertEqual(self.client.get_function_configuration(FunctionName=name)["TenancyConfig"], PER_TENANT)
        self.client.update_function_configuration(FunctionName=name, Timeout=7)
        self.wait(name)
        status, _, _ = self.request_json("PUT", "/2015-03-31/functions/%s/configuration" % name, {"TenancyConfig": None, "Timeout": 8})
        self.assertEqual(status, 200)
        self.wait(name)
        self.assertEqual(self.client.get_function_configuration(FunctionName=name)["TenancyConfig"], PER_TENANT)
        self.assertEqual(self.client.publish_version(FunctionName=name)["TenancyConfig"], PER_TENANT)
        other = self.create()
        self.request_json("PUT", "/2015-03-31/functions/%s/configuration" % other, {"TenancyConfig": PER_TENANT})
        self.wait(other)
        self.assertNotIn("TenancyConfig", self.client.get_function_configuration(FunctionName=other))

    def test_not_together_with(self):
        name = self.create(TenancyConfig=PER_TENANT)
        snap = "SnapStart is not supported for functions with tenancy configuration."
        self.fails(400, "InvalidParameterValueException", snap, self.client.create_function, FunctionName=unique(), Runtime="python3.12",
                   Handler="a.b", Role=ROLE, Code={"ZipFile": ZIP}, TenancyConfig=PER_TENANT, SnapStart={"ApplyOn": "PublishedVersions"})
        self.fails(400, "InvalidParameterValueException", snap, self.client.update_function_configuration, FunctionName=name,
                   SnapStart={"ApplyOn": "PublishedVersions"})
        self.fails(400, "InvalidParameterValueException", "Function URLs are not supported for functions with tenancy configuration.",
                   self.client.create_function_url_config, FunctionName=name, AuthType="NONE")

    @needs_server
    def test_no_mappings(self):
        name = self.create(TenancyConfig=PER_TENANT)
        self.fails(400, "InvalidParameterValueException", "Event source mappings are not supported for functions with tenancy configuration.",
                   self.client.create_event_source_mapping, FunctionName=name, EventSourceArn="arn:aws:sqs:us-east-1:000000000000:q")

    def test_who_may_name_one(self):
        with_tenants, plain = self.create(TenancyConfig=PER_TENANT), self.create()
        for kind in ("RequestResponse", "Event", "DryRun"):
            self.fails(400, "InvalidParameterValueException", WITHOUT, self.client.invoke, FunctionName=with_tenants, InvocationType=kind)
            self.fails(400, "InvalidParameterValueException", WITH, self.client.invoke, FunctionName=plain, TenantId="a", InvocationType=kind)
        self.fails(400, "InvalidParameterValueException", WITHOUT, self.client.invoke_with_response_stream, FunctionName=with_tenants)
        self.fails(400, "InvalidParameterValueException", WITH, self.client.invoke_with_response_stream, FunctionName=plain, TenantId="a")
        self.fails(400, "ValidationException", "1 validation error detected: Value 'a#b' at 'tenantId' failed to satisfy constraint: Member must "
                   r"satisfy regular expression pattern: [a-zA-Z0-9\._:\/=+\-@ ]+", self.client.invoke, FunctionName=with_tenants, TenantId="a#b")
        self.assertEqual(self.client.invoke(FunctionName=with_tenants, TenantId="a", InvocationType="DryRun")["StatusCode"], 204)
        status, _, body = self.request("POST", "/2014-11-13/functions/%s/invoke-async" % with_tenants, b"{}")
        self.assertEqual((status, json.loads(body)["message"]), (400, WITHOUT))


@needs_server
@needs_current_sdk
class Isolation(ApiCase):
    def invoke(self, name, tenant, event=None, **more):
        answer = self.client.invoke(FunctionName=name, TenantId=tenant, Payload=json.dumps(event or {}), **more)
        return json.loads(answer["Payload"].read())

    def test_each_has_environments_of_its_own(self):
        name = self.create(Code={"ZipFile": CODE}, TenancyConfig=PER_TENANT, MemorySize=256)
        tenants = ["blue", "a b/c:d=e+f-g@h.i_j" + "x" * 237]
        for round_ in (1, 2):
            for tenant in tenants:
                said = self.invoke(name, tenant)
                self.assertEqual((said["tenant"], said["seen"], said["left"]), (tenant, [tenant] * round_, (tenant + ";") * (round_ - 1)))

    def test_many_at_once(self):
        """Every environment answers one tenant alone, whichever order they come and go in."""
        name = self.create(Code={"ZipFile": CODE}, TenancyConfig=PER_TENANT)
        tenants = ["t%d" % (i % 4) for i in range(24)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda tenant: self.invoke(name, tenant), tenants))
        for tenant, said in zip(tenants, answers):
            self.assertEqual((said["tenant"], set(said["seen"]), set(filter(None, said["left"].split(";"))) - {tenant}), (tenant, {tenant}, set()))

    def test_node(self):
        name = self.create(Code={"ZipFile": CODE}, TenancyConfig=PER_TENANT, Runtime="nodejs20.x", Handler="index.handler")
        self.assertEqual(self.invoke(name, "green"), {"tenant": "green", "seen": ["green"]})

    def messages(self, name, wanted):
        logs, deadline = self.server.client("logs"), time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                found = [e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/" + name)["events"]]
            except logs.exceptions.ResourceNotFoundException:
                found = []
            hits = [json.loads(m) for m in found if wanted in m]
            if hits:
                return hits
            time.sleep(0.05)
        self.fail("no %s in %s" % (wanted, found))

    def test_logs_name_it(self):
        name = self.create(Code={"ZipFile": CODE}, TenancyConfig=PER_TENANT, LoggingConfig={"LogFormat": "JSON"})
        self.invoke(name, "blue")
        self.assertEqual({m["record"].get("tenantId") for m in self.messages(name, "platform.start")}, {"blue"})
        self.assertEqual(self.messages(name, "for blue")[0]["tenantId"], "blue")

    def test_events_keep_it(self):
        queue = self.server.client("sqs").create_queue(QueueName=unique("q"))["QueueUrl"]
        name = self.create(Code={"ZipFile": CODE}, TenancyConfig=PER_TENANT)
        self.client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={
            "OnSuccess": {"Destination": "arn:aws:sqs:%s:000000000000:%s" % (REGION, queue.rsplit("/", 1)[1])},
            "OnFailure": {"Destination": "arn:aws:sqs:%s:000000000000:%s" % (REGION, queue.rsplit("/", 1)[1])}})
        for event in ({}, {"fail": True}):
            self.assertEqual(self.client.invoke(FunctionName=name, TenantId="late", InvocationType="Event", Payload=json.dumps(event))["StatusCode"], 202)
            said = self.server.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=15)["Messages"][0]
            self.server.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=said["ReceiptHandle"])
            record = json.loads(said["Body"])["responsePayload"]
            self.assertEqual(record.get("tenant", record.get("errorMessage")), "for late" if event else "late")

    def test_changes_and_versions(self):
        name = self.create(Code={"ZipFile": CODE}, TenancyConfig=PER_TENANT, Publish=True)
        self.assertEqual(self.invoke(name, "a", Qualifier="1")["seen"], ["a"])
        self.assertEqual(self.invoke(name, "a")["seen"], ["a"])
        self.client.update_function_configuration(FunctionName=name, Timeout=9)
        self.wait(name)
        self.assertEqual(self.invoke(name, "a")["seen"], ["a"])
        self.assertEqual(self.invoke(name, "a", Qualifier="1")["seen"], ["a", "a"])
        self.assertEqual(self.invoke(name, "b", Qualifier="1")["seen"], ["b"])
        self.client.delete_function(FunctionName=name)
        self.client.create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": CODE})
        self.wait(name)
        self.assertEqual(json.loads(self.client.invoke(FunctionName=name)["Payload"].read())["seen"], [None])


if __name__ == "__main__":
    main()
