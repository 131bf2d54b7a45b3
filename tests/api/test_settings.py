"""Reserved concurrency, tags, account settings."""
from api_case import ARN, ApiCase, main, unique

UNQUALIFIED = ("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify "
               "either a function name or an unqualified function ARN.")


class Concurrency(ApiCase):
    def test_life(self):
        name = self.create()
        self.assertNotIn("ReservedConcurrentExecutions", self.client.get_function_concurrency(FunctionName=name))
        before = self.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        put = self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)
        self.assertEqual(put["ReservedConcurrentExecutions"], 7)
        self.assertEqual(self.client.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"], 7)
        self.assertEqual(self.client.get_function(FunctionName=name)["Concurrency"], {"ReservedConcurrentExecutions": 7})
        after = self.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        self.assertEqual(after, before - 7)
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
        self.assertEqual(self.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"], before - 3)
        self.client.delete_function_concurrency(FunctionName=name)
        self.assertNotIn("Concurrency", self.client.get_function(FunctionName=name))
        self.assertEqual(self.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"], before)

    def test_goes_with_the_function(self):
        before = self.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        name = self.create()
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
        self.client.delete_function(FunctionName=name)
        self.assertEqual(self.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"], before)

    def test_errors(self):
        name = self.create(Publish=True)
        put = self.client.put_function_concurrency
        free = self.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        self.fails(400, "InvalidParameterValueException", "Specified ReservedConcurrentExecutions for function decreases account's "
                   "UnreservedConcurrentExecution below its minimum value of [100].", put, FunctionName=name,
                   ReservedConcurrentExecutions=free - 99)
        put(FunctionName=name, ReservedConcurrentExecutions=free - 100)
        self.fails(400, "InvalidParameterValueException", UNQUALIFIED, put, FunctionName=name + ":1", ReservedConcurrentExecutions=1)
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", put, FunctionName="nope",
                   ReservedConcurrentExecutions=1)
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", self.client.get_function_concurrency,
                   FunctionName="nope")
        self.fails(400, "ValidationException", "1 validation error detected: Value '-1' at 'reservedConcurrentExecutions' failed to satisfy "
                   "constraint: Member must have value greater than or equal to 0", put, FunctionName=name, ReservedConcurrentExecutions=-1)


class Tags(ApiCase):
    def test_life(self):
        name = self.create(Tags={"a": "1"})
        self.client.tag_resource(Resource=ARN + name, Tags={"b": "2", "c": "ü &="})
        self.assertEqual(self.client.list_tags(Resource=ARN + name)["Tags"], {"a": "1", "b": "2", "c": "ü &="})
        self.client.untag_resource(Resource=ARN + name, TagKeys=["a", "b", "unknown"])
        self.assertEqual(self.client.list_tags(Resource=ARN + name)["Tags"], {"c": "ü &="})

    def test_limit(self):
        name = self.create()
        self.client.tag_resource(Resource=ARN + name, Tags={str(i): "x" for i in range(50)})
        self.fails(400, "InvalidParameterValueException", "Number of tags exceeds resource tag limit.", self.client.tag_resource,
                   Resource=ARN + name, Tags={"one more": "x"})

    def test_errors(self):
        name = self.create(Publish=True)
        self.fails(400, "InvalidParameterValueException", "Tags on function aliases and versions are not supported. Please specify a function "
                   "ARN.", self.client.tag_resource, Resource=ARN + name + ":1", Tags={"a": "b"})
        self.fails(404, "ResourceNotFoundException", "Function not found: " + ARN + "nope", self.client.list_tags, Resource=ARN + "nope")
        status, headers, body = self.request_json("DELETE", "/2017-03-31/tags/" + (ARN + name).replace(":", "%3A"), {})
        self.assertEqual((status, body["message"]), (400, "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: "
                                                     "Member must not be null"))
        pattern = (r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST"
                   r"|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-"
                   r"[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)")
        for bad in ("arn:aws:something", "arn:aws:lambda:us-east-1:000000000000:foobar:x",
                    "arn:aws:lambda:us-east-1:000000000000:capacity-provider:x:alias"):
            self.fails(400, "ValidationException", "1 validation error detected: Value '%s' at 'resource' failed to satisfy constraint: Member "
                       "must satisfy regular expression pattern: %s" % (bad, pattern), self.client.list_tags, Resource=bad)


class Account(ApiCase):
    def test_settings(self):
        before = self.client.get_account_settings()
        self.assertEqual(before["AccountLimit"], {"TotalCodeSize": 80530636800, "CodeSizeUnzipped": 262144000, "CodeSizeZipped": 52428800,
                                                  "ConcurrentExecutions": 1000,
                                                  "UnreservedConcurrentExecutions": before["AccountLimit"]["UnreservedConcurrentExecutions"]})
        size = self.client.get_function(FunctionName=self.create(unique()))["Configuration"]["CodeSize"]
        after = self.client.get_account_settings()["AccountUsage"]
        self.assertEqual((after["FunctionCount"] - before["AccountUsage"]["FunctionCount"],
                          after["TotalCodeSize"] - before["AccountUsage"]["TotalCodeSize"]), (1, size))


if __name__ == "__main__":
    main()
