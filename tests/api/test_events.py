"""EventBridge as boto3 and the AWS CLI see it: buses, rules, targets, events that reach queues and functions."""
import json
import subprocess
import time
import unittest

from api_case import ACCOUNT, ARN, REGION, STUB, ApiCase, main, needs_server, unique

EVENTS = "arn:aws:events:%s:%s:" % (REGION, ACCOUNT)


@unittest.skipIf(STUB, "the stub has no services")
class EventsCase(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.events = cls.server.client("events", parameter_validation=False)
        cls.sqs = cls.server.client("sqs")

    def queue(self, **attributes):
        name = unique("q") + (".fifo" if "FifoQueue" in attributes else "")
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.addCleanup(self.sqs.delete_queue, QueueUrl=url)
        return url, "arn:aws:sqs:%s:%s:%s" % (REGION, ACCOUNT, name)

    def receive(self, url, n=1, seconds=20):
        """n messages, deleted; fewer when they do not come."""
        found, deadline = [], time.monotonic() + seconds
        while len(found) < n and time.monotonic() < deadline:
            got = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2, AttributeNames=["All"],
                                           MessageAttributeNames=["All"]).get("Messages", [])
            for m in got:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
            found += got
        return found

    def rule(self, pattern, *targets, bus="default", **settings):
        name = unique("r")
        arn = self.events.put_rule(Name=name, EventPattern=json.dumps(pattern), EventBusName=bus, **settings)["RuleArn"]
        self.addCleanup(self.forget_rule, name, bus)
        for i, target in enumerate(targets):
            answer = self.events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": str(i), **target}])
            self.assertEqual((answer["FailedEntryCount"], answer["FailedEntries"]), (0, []))
        return name, arn

    def forget_rule(self, name, bus):
        ids = [t["Id"] for t in self.events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]]
        if ids:
            self.events.remove_targets(Rule=name, EventBusName=bus, Ids=ids)
        self.events.delete_rule(Name=name, EventBusName=bus)

    def put(self, source, detail, **more):
        answer = self.events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": json.dumps(detail), **more}])
        self.assertEqual(answer["FailedEntryCount"], 0, answer)
        return answer["Entries"][0]["EventId"]


class Events(EventsCase):
    def test_an_event_reaches_a_queue(self):
        url, arn = self.queue()
        source = unique("s")
        self.rule({"source": [source], "detail": {"n": [{"numeric": [">", 5]}]}}, {"Arn": arn})
        self.put(source, {"n": 3})
        event_id = self.put(source, {"n": 7.5, "s": "é"}, Resources=["arn:x"], Time=1700000000)
        body = json.loads(self.receive(url)[0]["Body"])
        self.assertEqual(body, {"version": "0", "id": event_id, "detail-type": "t", "source": source, "account": ACCOUNT,
                                "time": "2023-11-14T22:13:20Z", "region": REGION, "resources": ["arn:x"], "detail": {"n": 7.5, "s": "é"}})
        self.assertEqual(self.receive(url, 1, 1), [])

    def test_inputs(self):
        url, arn = self.queue()
        source = unique("s")
        name, rule_arn = self.rule(
            {"source": [source]}, {"Arn": arn, "Input": '{"fixed":1}'}, {"Arn": arn, "InputPath": "$.detail.a"},
            {"Arn": arn, "InputTransformer": {"InputPathsMap": {"a": "$.detail.a", "src": "$.source"},
                                              "InputTemplate": '{"a":<a>,"text":"<src>: <a>","rule":"<aws.events.rule-arn>"}'}})
        self.put(source, {"a": [1, "x"]})
        bodies = {m["Body"] for m in self.receive(url, 3)}
        self.assertEqual(bodies, {'{"fixed":1}', '[1,"x"]', '{"a":[1,"x"],"text":"%s: [1,x]","rule":"%s"}' % (source, rule_arn)})

    def test_a_fifo_queue(self):
        url, arn = self.queue(FifoQueue="true", ContentBasedDeduplication="true")
        source = unique("s")
        self.rule({"source": [source]}, {"Arn": arn, "SqsParameters": {"MessageGroupId": "g1"}})
        self.put(source, {})
        self.assertEqual(self.receive(url)[0]["Attributes"]["MessageGroupId"], "g1")

    def test_a_dead_letter(self):
        dead_url, dead_arn = self.queue()
        source = unique("s")
        missing = "arn:aws:sqs:%s:%s:%s" % (REGION, ACCOUNT, unique("none"))
        _, rule_arn = self.rule({"source": [source]}, {"Arn": missing, "DeadLetterConfig": {"Arn": dead_arn}})
        event_id = self.put(source, {"k": 1})
        dead = self.receive(dead_url)[0]
        said = {k: v["StringValue"] for k, v in dead["MessageAttributes"].items()}
        self.assertEqual(json.loads(dead["Body"])["id"], event_id)
        self.assertEqual((said["RULE_ARN"], said["TARGET_ARN"], said["ERROR_CODE"]), (rule_arn, missing, "NO_RESOURCE"))

    def test_another_bus(self):
        url, arn = self.queue()
        bus = unique("bus")
        self.assertEqual(self.events.create_event_bus(Name=bus)["EventBusArn"], EVENTS + "event-bus/" + bus)
        self.addCleanup(self.events.delete_event_bus, Name=bus)
        source = unique("s")
        self.rule({"source": [source]}, {"Arn": EVENTS + "event-bus/" + bus})
        self.rule({"source": [source]}, {"Arn": arn}, bus=bus)
        event_id = self.put(source, {})
        direct = self.put(source, {}, EventBusName=EVENTS + "event-bus/" + bus)
        self.assertEqual({json.loads(m["Body"])["id"] for m in self.receive(url, 2)}, {event_id, direct})
        self.fails(400, "ValidationException", "Event bus %s can't be deleted since it has rules." % bus, self.events.delete_event_bus, Name=bus)

    def test_entries_fail_one_by_one(self):
        answer = self.events.put_events(Entries=[
            {"Source": "a", "DetailType": "t", "Detail": "{}"}, {"DetailType": "t", "Detail": "{}"}, {"Source": "a", "Detail": "{}"},
            {"Source": "a", "DetailType": "t"}, {"Source": "a", "DetailType": "t", "Detail": "{"},
            {"Source": "aws.x", "DetailType": "t", "Detail": "{}"}])
        self.assertEqual(answer["FailedEntryCount"], 5)
        self.assertEqual([e.get("ErrorCode") for e in answer["Entries"]],
                         [None, "InvalidArgument", "InvalidArgument", "InvalidArgument", "MalformedDetail", "NotAuthorizedForSourceException"])
        self.fails(400, "ValidationException", "Total size of the entries in the request is over the limit.", self.events.put_events,
                   Entries=[{"Source": "a", "DetailType": "t", "Detail": '"%s"' % ("x" * 530000)}] * 2)
        with self.assertRaisesRegex(Exception, "at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10"):
            self.events.put_events(Entries=[{}] * 11)

    def test_patterns(self):
        event = json.dumps({"id": "1", "account": "1", "source": "s", "time": "2026-01-01T00:00:00Z", "region": "r", "resources": [],
                            "detail-type": "t", "detail": {"a": "xyz"}})
        for pattern, result in (({"detail": {"a": [{"prefix": "x"}]}}, True), ({"detail": {"a": ["y"]}}, False)):
            self.assertEqual(self.events.test_event_pattern(EventPattern=json.dumps(pattern), Event=event)["Result"], result)
        with self.assertRaisesRegex(self.events.exceptions.InvalidEventPatternException, "Event pattern is not valid. Reason: "):
            self.events.put_rule(Name="x", EventPattern='{"a":1}')
        self.fails(400, "ValidationException", "Parameter ScheduleExpression is not valid.", self.events.put_rule, Name="x",
                   ScheduleExpression="rate(1 minutes)")

    def test_rules(self):
        url, arn = self.queue()
        name, rule_arn = self.rule({"source": ["x"]}, {"Arn": arn}, Description="d", State="DISABLED", Tags=[{"Key": "k", "Value": "v"}])
        got = self.events.describe_rule(Name=name)
        self.assertEqual((got["Arn"], got["State"], got["Description"], got["EventBusName"]), (rule_arn, "DISABLED", "d", "default"))
        self.events.enable_rule(Name=name)
        self.assertEqual(self.events.list_rules(NamePrefix=name)["Rules"][0]["State"], "ENABLED")
        self.assertEqual(self.events.list_rule_names_by_target(TargetArn=arn)["RuleNames"], [name])
        self.assertEqual(self.events.list_tags_for_resource(ResourceARN=rule_arn)["Tags"], [{"Key": "k", "Value": "v"}])
        self.fails(400, "ValidationException", "Rule can't be deleted since it has targets.", self.events.delete_rule, Name=name)
        self.fails(400, "ResourceNotFoundException", "Rule no does not exist on EventBus default.", self.events.describe_rule, Name="no")
        self.fails(400, "ResourceNotFoundException", "Event bus no does not exist.", self.events.put_rule, Name="x", EventBusName="no",
                   EventPattern='{"source":["a"]}')

    def test_the_command_line(self):
        def aws(*words):
            run = subprocess.run(["aws", "--endpoint-url", self.server.url, "events", *words], env=self.server.environ(), capture_output=True, text=True, timeout=60)
            self.assertEqual(run.returncode, 0, run.stderr)
            return json.loads(run.stdout or "null")
        url, arn = self.queue()
        name, source = unique("r"), unique("s")
        aws("put-rule", "--name", name, "--event-pattern", json.dumps({"source": [source]}))
        self.addCleanup(self.forget_rule, name, "default")
        aws("put-targets", "--rule", name, "--targets", "Id=1,Arn=" + arn)
        answer = aws("put-events", "--entries", json.dumps([{"Source": source, "DetailType": "t", "Detail": "{\"a\":1}"}]))
        self.assertEqual(json.loads(self.receive(url)[0]["Body"])["id"], answer["Entries"][0]["EventId"])
        self.assertEqual(aws("list-targets-by-rule", "--rule", name)["Targets"], [{"Id": "1", "Arn": arn}])
        tick = unique("tick")
        aws("put-rule", "--name", tick, "--schedule-expression", "rate(1 minute)")
        self.assertEqual(aws("describe-rule", "--name", tick)["ScheduleExpression"], "rate(1 minute)")
        aws("delete-rule", "--name", tick)
        self.assertIn("default", [b["Name"] for b in aws("list-event-buses")["EventBuses"]])


@needs_server
class Functions(EventsCase):
    """A function is invoked when its policy lets the rule do it."""

    def test_permission_is_asked(self):
        url, queue_arn = self.queue()
        dead_url, dead_arn = self.queue()
        name, source = self.create(), unique("s")
        self.client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": queue_arn}})
        _, rule_arn = self.rule({"source": [source]}, {"Arn": ARN + name, "DeadLetterConfig": {"Arn": dead_arn}})
        refused = self.put(source, {"n": 1})
        said = self.receive(dead_url)[0]
        self.assertEqual(json.loads(said["Body"])["id"], refused)
        self.assertEqual(said["MessageAttributes"]["ERROR_CODE"]["StringValue"], "NO_PERMISSIONS")
        self.client.add_permission(FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com",
                                   SourceArn=rule_arn)
        event_id = self.put(source, {"n": 2})
        record = json.loads(self.receive(url)[0]["Body"])
        self.assertEqual((record["requestPayload"]["id"], record["requestPayload"]["detail"]), (event_id, {"n": 2}))


if __name__ == "__main__":
    main()
