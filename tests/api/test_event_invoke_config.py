"""Event-invoke-configs: put, update, get, list, delete, and what is refused."""
from api_case import ARN, ApiCase, main, unique

SQS = "arn:aws:sqs:us-east-1:000000000000:"


class EventInvokeConfigTest(ApiCase):
    def plain(self, answer):
        answer.pop("ResponseMetadata")
        self.assertGreater(answer.pop("LastModified").timestamp(), 1e9)
        return answer

    def put(self, **arguments):
        return self.plain(self.client.put_function_event_invoke_config(**arguments))

    def test_put_replaces_update_adds(self):
        name = self.create()
        self.assertEqual(self.put(FunctionName=name, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60),
                         {"FunctionArn": ARN + name + ":$LATEST", "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60,
                          "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}}})
        got = self.plain(self.client.update_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnFailure": {"Destination": SQS + "q"}}))
        want = {"FunctionArn": ARN + name + ":$LATEST", "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60,
                "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": SQS + "q"}}}
        self.assertEqual(got, want)
        self.assertEqual(self.plain(self.client.get_function_event_invoke_config(FunctionName=name)), want)
        self.assertEqual(self.plain(self.client.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")), want)
        self.assertEqual(self.put(FunctionName=name, MaximumRetryAttempts=0),
                         {"FunctionArn": ARN + name + ":$LATEST", "MaximumRetryAttempts": 0,
                          "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}}})

    def test_versions_and_aliases_have_their_own(self):
        name = self.create(Publish=True)
        self.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        for qualifier, attempts in (("1", 0), ("live", 1)):
            self.assertEqual(self.put(FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=attempts)["FunctionArn"],
                             ARN + name + ":" + qualifier)
        self.put(FunctionName=name, MaximumRetryAttempts=2)
        page = self.client.list_function_event_invoke_configs(FunctionName=name, MaxItems=2)
        rows = page["FunctionEventInvokeConfigs"]
        self.assertEqual(len(rows), 2)
        page = self.client.list_function_event_invoke_configs(FunctionName=name, MaxItems=2, Marker=page["NextMarker"])
        self.assertNotIn("NextMarker", page)
        rows += page["FunctionEventInvokeConfigs"]
        self.assertEqual(sorted((r["FunctionArn"].split(":")[-1], r["MaximumRetryAttempts"]) for r in rows),
                         [("$LATEST", 2), ("1", 0), ("live", 1)])
        self.client.delete_alias(FunctionName=name, Name="live")
        self.client.delete_function_event_invoke_config(FunctionName=name, Qualifier="1")
        rows = self.client.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
        self.assertEqual([r["FunctionArn"] for r in rows], [ARN + name + ":$LATEST"])

    def test_what_is_not_there(self):
        name = self.create()
        none = "The function %s%s:%s doesn't have an EventInvokeConfig"
        for qualifier in ("$LATEST", "1", "nobody"):
            for call in (self.client.get_function_event_invoke_config, self.client.delete_function_event_invoke_config):
                self.fails(404, "ResourceNotFoundException", none % (ARN, name, qualifier), call, FunctionName=name, Qualifier=qualifier)
        self.fails(404, "ResourceNotFoundException", none % (ARN, name, "$LATEST"), self.client.update_function_event_invoke_config,
                   FunctionName=name, MaximumRetryAttempts=0)
        for call in (self.client.update_function_event_invoke_config, self.client.put_function_event_invoke_config):
            for arguments in ({"FunctionName": unique()}, {"FunctionName": name, "Qualifier": "1"}):
                self.fails(404, "ResourceNotFoundException", "The function doesn't exist.", call, MaximumRetryAttempts=0, **arguments)

    def test_what_is_refused(self):
        name, other = self.create(), self.create()
        put = self.client.put_function_event_invoke_config
        self.fails(400, "InvalidParameterValueException",
                   "You must specify at least one of error handling or destination setting.", put, FunctionName=name)
        for arn, text in ((ARN + name, "You can't specify the function as a destination for itself."),
                          (ARN + "nobody", "The destination ARN %snobody is invalid." % ARN),
                          ("arn:aws:iam:us-east-1:000000000000:x", "The provided destination config DestinationConfig(onSuccess=OnSuccess("
                           "destination=arn:aws:iam:us-east-1:000000000000:x), onFailure=null) is invalid."),
                          ("arn:aws:sqs:us-east-1:000000000000:q.fifo", "The provided destination config DestinationConfig(onSuccess=OnSuccess("
                           "destination=arn:aws:sqs:us-east-1:000000000000:q.fifo), onFailure=null) is invalid.")):
            self.fails(400, "InvalidParameterValueException", text, put, FunctionName=name,
                       DestinationConfig={"OnSuccess": {"Destination": arn}})
        self.fails(400, "ValidationException", "2 validation errors detected: Value '3' at 'maximumRetryAttempts' failed to satisfy "
                   "constraint: Member must have value less than or equal to 2; Value '59' at 'maximumEventAgeInSeconds' failed to "
                   "satisfy constraint: Member must have value greater than or equal to 60", put, FunctionName=name,
                   MaximumRetryAttempts=3, MaximumEventAgeInSeconds=59)
        self.fails(400, "ValidationException", "1 validation error detected: Value 'arn:aws:_-/!lambda:x' at "
                   "'destinationConfig.onFailure.destination' failed to satisfy constraint: Member must satisfy regular expression "
                   r"pattern: $|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}"
                   r"((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)", put, FunctionName=name,
                   DestinationConfig={"OnFailure": {"Destination": "arn:aws:_-/!lambda:x"}})
        fine = {"OnFailure": {"Destination": ARN + other}, "OnSuccess": {"Destination": ""}}
        self.assertEqual(self.put(FunctionName=name, DestinationConfig=fine)["DestinationConfig"],
                         {"OnSuccess": {}, "OnFailure": {"Destination": ARN + other}})
        bus = {"OnSuccess": {"Destination": "arn:aws:events:us-east-1:000000000000:event-bus/b"}}
        self.assertEqual(self.put(FunctionName=name, DestinationConfig=bus)["DestinationConfig"], {**bus, "OnFailure": {}})


if __name__ == "__main__":
    main()
