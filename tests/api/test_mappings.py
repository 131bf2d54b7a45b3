"""Event source mappings: operations, states, rules, texts and tags."""
import json
import subprocess
import time

from api_case import ACCOUNT, ARN, REGION, ApiCase, main, needs_current_sdk, needs_server, unique

QUEUES = "arn:aws:sqs:%s:%s:" % (REGION, ACCOUNT)
GONE = "The resource you requested does not exist."


@needs_server
class Mappings(ApiCase):
    OPTIONS = ("--settle-ms", "150")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sqs = cls.server.client("sqs")

    def setUp(self):
        self.function = self.create()
        self.queue = self.make_queue()

    def make_queue(self, name=None, **attributes):
        name = name or unique("q")
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.addCleanup(self.sqs.delete_queue, QueueUrl=url)
        return QUEUES + name

    def map(self, wait=True, **more):
        made = self.client.create_event_source_mapping(**{"EventSourceArn": self.queue, "FunctionName": self.function, **more})
        self.addCleanup(self.unmap, made["UUID"])
        if wait:
            self.until(made["UUID"], "Enabled", "Disabled")
        return made

    def state(self, uuid):
        try:
            return self.client.get_event_source_mapping(UUID=uuid)["State"]
        except self.client.exceptions.ResourceNotFoundException:
            return "none"

    def until(self, uuid, *states):
        for _ in range(500):
            state = self.state(uuid)
            if state in states:
                return
            time.sleep(0.02)
        self.fail("%s is %s, not one of %s" % (uuid, state, states))

    def unmap(self, uuid):
        for _ in range(500):
            try:
                self.client.delete_event_source_mapping(UUID=uuid)
            except self.client.exceptions.ResourceInUseException:
                time.sleep(0.02)
                continue
            except self.client.exceptions.ResourceNotFoundException:
                return
            self.until(uuid, "none")
            return

    def test_life(self):
        made = self.map(wait=False)
        self.assertEqual(made["ResponseMetadata"]["HTTPStatusCode"], 202)
        uuid = made["UUID"]
        shown = {k: v for k, v in made.items() if k not in ("ResponseMetadata", "LastModified", "UUID", "EventSourceMappingArn")}
        self.assertEqual(shown, {"BatchSize": 10, "EventSourceArn": self.queue, "FunctionArn": ARN + self.function, "FunctionResponseTypes": [],
                                 "MaximumBatchingWindowInSeconds": 0, "State": "Creating", "StateTransitionReason": "USER_INITIATED"})
        self.assertLess(abs(made["LastModified"].timestamp() - time.time()), 60)
        self.fails(400, "ResourceInUseException", "Cannot update the event source mapping because it is in use.",
                   self.client.update_event_source_mapping, UUID=uuid, BatchSize=5)
        self.until(uuid, "Enabled")
        changed = self.client.update_event_source_mapping(UUID=uuid, BatchSize=5)
        self.assertEqual((changed["ResponseMetadata"]["HTTPStatusCode"], changed["State"], changed["BatchSize"]), (202, "Updating", 5))
        self.fails(400, "ResourceInUseException", "Cannot delete the event source mapping because it is in use.",
                   self.client.delete_event_source_mapping, UUID=uuid)
        self.until(uuid, "Enabled")
        self.assertEqual(self.client.update_event_source_mapping(UUID=uuid, Enabled=False)["State"], "Disabling")
        self.until(uuid, "Disabled")
        self.assertEqual(self.client.update_event_source_mapping(UUID=uuid, Enabled=True)["State"], "Enabling")
        self.until(uuid, "Enabled")
        deleted = self.client.delete_event_source_mapping(UUID=uuid)
        self.assertEqual((deleted["ResponseMetadata"]["HTTPStatusCode"], deleted["State"]), (202, "Deleting"))
        self.until(uuid, "none")
        self.fails(404, "ResourceNotFoundException", GONE, self.client.delete_event_source_mapping, UUID=uuid)
        self.fails(404, "ResourceNotFoundException", GONE, self.client.get_event_source_mapping, UUID=uuid)
        self.fails(404, "ResourceNotFoundException", GONE, self.client.update_event_source_mapping, UUID=uuid, BatchSize=1)

    @needs_current_sdk
    def test_all_settings(self):
        pattern = '{"body":{"kind":["a"]}}'
        made = self.map(BatchSize=50, MaximumBatchingWindowInSeconds=3, FilterCriteria={"Filters": [{"Pattern": pattern}]}, Enabled=False,
                        FunctionResponseTypes=["ReportBatchItemFailures"], ScalingConfig={"MaximumConcurrency": 7})
        shown = self.client.get_event_source_mapping(UUID=made["UUID"])
        self.assertEqual((shown["BatchSize"], shown["MaximumBatchingWindowInSeconds"], shown["FilterCriteria"], shown["FunctionResponseTypes"],
                          shown["ScalingConfig"], shown["State"]),
                         (50, 3, {"Filters": [{"Pattern": pattern}]}, ["ReportBatchItemFailures"], {"MaximumConcurrency": 7}, "Disabled"))
        changed = self.client.update_event_source_mapping(UUID=made["UUID"], FilterCriteria={}, ScalingConfig={}, FunctionResponseTypes=[])
        self.assertNotIn("FilterCriteria", changed)
        self.assertNotIn("ScalingConfig", changed)
        self.assertEqual(changed["FunctionResponseTypes"], [])

    def test_other_functions(self):
        made = self.map(FunctionName=ARN + self.function)
        other = self.create(Publish=True)
        changed = self.client.update_event_source_mapping(UUID=made["UUID"], FunctionName=other + ":1")
        self.assertEqual(changed["FunctionArn"], ARN + other + ":1")
        self.until(made["UUID"], "Enabled")
        self.fails(404, "ResourceNotFoundException", "Function not found: %snope" % ARN, self.client.update_event_source_mapping,
                   UUID=made["UUID"], FunctionName="nope")

    def test_rules(self):
        create = self.client.create_event_source_mapping
        given = {"EventSourceArn": self.queue, "FunctionName": self.function}
        bad = [
            ({"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"),
            ({"StartingPosition": "LATEST"}, "StartingPosition is not valid for SQS event sources."),
            ({"DestinationConfig": {"OnFailure": {"Destination": self.queue}}},
             "Unsupported DestinationConfig parameter for given event source mapping type."),
            ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "Invalid filter pattern definition."),
            ({"FilterCriteria": {"Filters": [{"Pattern": '{"body": "x"}'}]}}, "Invalid filter pattern definition."),
            ({"EventSourceArn": "arn:aws:unknown:us-east-1:000000000000:x"}, "Unrecognized event source."),
            ({"EventSourceArn": QUEUES + "nope"}, "Error occurred while ReceiveMessage. SQS Error Code: "
             "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."),
            ({"EventSourceArn": self.make_queue(VisibilityTimeout="2")},
             "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds"),
            ({"EventSourceArn": self.make_queue(unique() + ".fifo", FifoQueue="true"), "MaximumBatchingWindowInSeconds": 1},
             "Batching window is not supported for FIFO queues"),
        ]
        for more, text in bad:
            with self.subTest(more):
                self.fails(400, "InvalidParameterValueException", text, create, **{**given, **more})
        self.fails(400, "InvalidParameterValueException", "Unrecognized event source.", create, FunctionName=self.function)
        self.fails(404, "ResourceNotFoundException", "Function not found: %snope" % ARN, create, EventSourceArn=self.queue, FunctionName="nope")

    @needs_current_sdk
    def test_constraints(self):
        for more, text in (
                ({"BatchSize": 10001}, "Value '10001' at 'batchSize' failed to satisfy constraint: Member must have value less than or equal to 10000"),
                ({"BatchSize": 0}, "Value '0' at 'batchSize' failed to satisfy constraint: Member must have value greater than or equal to 1"),
                ({"MaximumBatchingWindowInSeconds": 301}, "Value '301' at 'maximumBatchingWindowInSeconds' failed to satisfy constraint: Member must "
                 "have value less than or equal to 300"),
                ({"ScalingConfig": {"MaximumConcurrency": 1}}, "Value '1' at 'scalingConfig.maximumConcurrency' failed to satisfy constraint: Member "
                 "must have value greater than or equal to 2"),
                ({"EventSourceArn": "queue"}, r"Value 'queue' at 'eventSourceArn' failed to satisfy constraint: Member must satisfy regular "
                 r"expression pattern: arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:([a-z]{2}(-gov)?-[a-z]+-\d{1})?:(\d{12})?:(.*)")):
            self.fails(400, "ValidationException", "1 validation error detected: " + text, self.client.create_event_source_mapping,
                       **{"EventSourceArn": self.queue, "FunctionName": self.function, **more})

    def test_one_mapping_a_pair(self):
        made = self.map()
        self.fails(409, "ResourceConflictException", 'An event source mapping with SQS arn (" %s ") and function (" %s ") already exists. Please '
                   "update or delete the existing mapping with UUID %s" % (self.queue, self.function, made["UUID"]),
                   self.client.create_event_source_mapping, EventSourceArn=self.queue, FunctionName=self.function)

    def test_lists(self):
        made = [self.map(EventSourceArn=self.make_queue(), Enabled=False)["UUID"] for _ in range(5)]
        other = self.map(FunctionName=self.create())["UUID"]

        def listed(**more):
            pages = self.client.get_paginator("list_event_source_mappings").paginate(PaginationConfig={"PageSize": 2}, **more)
            return [m["UUID"] for page in pages for m in page["EventSourceMappings"]]
        self.assertEqual(sorted(listed(FunctionName=self.function)), sorted(made))
        self.assertEqual(listed(EventSourceArn=self.queue), [other])
        self.assertEqual(listed(FunctionName="nope"), [])
        self.assertLessEqual(set(made + [other]), set(listed()))

    @needs_current_sdk
    def test_tags(self):
        made = self.map(Tags={"a": "1"})
        arn = made["EventSourceMappingArn"] if "EventSourceMappingArn" in made else \
            "arn:aws:lambda:%s:%s:event-source-mapping:%s" % (REGION, ACCOUNT, made["UUID"])
        self.client.tag_resource(Resource=arn, Tags={"b": "2"})
        self.client.untag_resource(Resource=arn, TagKeys=["a"])
        self.assertEqual(self.client.list_tags(Resource=arn)["Tags"], {"b": "2"})
        missing = arn[:-4] + "0000"
        for call, more in ((self.client.list_tags, {}), (self.client.tag_resource, {"Tags": {"x": "y"}}), (self.client.untag_resource, {"TagKeys": ["x"]})):
            self.fails(404, "ResourceNotFoundException", "Event source mapping not found: " + missing, call, Resource=missing, **more)

    def test_it_outlives_both_ends(self):
        name = unique("q")
        queue = QUEUES + name
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        made = self.map(EventSourceArn=queue)
        self.sqs.delete_queue(QueueUrl=url)
        for _ in range(500):
            shown = self.client.get_event_source_mapping(UUID=made["UUID"])
            if "LastProcessingResult" in shown:
                break
            time.sleep(0.02)
        self.assertRegex(shown["LastProcessingResult"], "^PROBLEM: ")
        self.assertEqual(shown["State"], "Enabled")

    def test_the_command_line(self):
        def aws(*words):
            done = subprocess.run(("aws", "--endpoint-url", self.server.url, "lambda") + words, env=self.server.environ(), capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)
        made = aws("create-event-source-mapping", "--function-name", self.function, "--event-source-arn", self.queue, "--batch-size", "10")
        self.addCleanup(self.unmap, made["UUID"])
        self.until(made["UUID"], "Enabled")
        self.assertEqual(aws("list-event-source-mappings", "--function-name", self.function)["EventSourceMappings"][0]["UUID"], made["UUID"])
        self.assertEqual(aws("update-event-source-mapping", "--uuid", made["UUID"], "--no-enabled")["State"], "Disabling")
        self.until(made["UUID"], "Disabled")
        self.assertEqual(aws("delete-event-source-mapping", "--uuid", made["UUID"])["State"], "Deleting")


if __name__ == "__main__":
    main()
