"""EventBridge Scheduler as boto3 and the AWS CLI see it."""
import datetime
import json
import subprocess
import unittest

import botocore.session

from api_case import ACCOUNT, ARN, REGION, main, needs_server, unique
from harness import ROLE
from test_events import EventsCase

SCHEDULE = "arn:aws:scheduler:%s:%s:schedule/" % (REGION, ACCOUNT)
OFF = {"Mode": "OFF"}
KNOWN = botocore.session.get_session().get_service_model("scheduler").shape_for("CreateScheduleInput").members


def soon(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("at(%Y-%m-%dT%H:%M:%S)")


class SchedulerCase(EventsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.scheduler = cls.server.client("scheduler", parameter_validation=False)

    def schedule(self, expression, target, name=None, **settings):
        name = name or unique("s")
        self.addCleanup(self.forget_schedule, name, settings.get("GroupName", "default"))
        answer = self.scheduler.create_schedule(Name=name, ScheduleExpression=expression, FlexibleTimeWindow=settings.pop("Window", OFF),
                                                Target={"RoleArn": ROLE, **target}, **settings)
        return name, answer["ScheduleArn"]

    def forget_schedule(self, name, group):
        try:
            self.scheduler.delete_schedule(Name=name, GroupName=group)
        except self.scheduler.exceptions.ResourceNotFoundException:
            pass


class Schedules(SchedulerCase):
    @unittest.skipUnless("ActionAfterCompletion" in KNOWN, "this boto3 is too old to know ActionAfterCompletion")
    def test_one_time(self):
        url, arn = self.queue()
        expression = soon(2)
        name, schedule_arn = self.schedule(expression, {"Arn": arn, "Input": "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time>"},
                                           ActionAfterCompletion="DELETE")
        self.assertEqual(schedule_arn, SCHEDULE + "default/" + name)
        self.assertEqual(self.receive(url)[0]["Body"], "%s %sZ" % (schedule_arn, expression[3:-1]))
        for _ in range(100):
            if not self.scheduler.list_schedules(NamePrefix=name)["Schedules"]:
                break
        self.fails(404, "ResourceNotFoundException", "Schedule %s does not exist." % name, self.scheduler.get_schedule, Name=name)

    def test_a_rate_begins_at_once(self):
        url, arn = self.queue()
        self.schedule("rate(1 hour)", {"Arn": arn, "Input": "tick"})
        self.assertEqual([m["Body"] for m in self.receive(url)], ["tick"])

    def test_to_a_bus(self):
        url, arn = self.queue()
        source = unique("s")
        self.rule({"source": [source]}, {"Arn": arn})
        self.schedule(soon(1), {"Arn": "arn:aws:events:%s:%s:event-bus/default" % (REGION, ACCOUNT), "Input": '{"k":1}',
                                "EventBridgeParameters": {"DetailType": "tick", "Source": source}})
        event = json.loads(self.receive(url)[0]["Body"])
        self.assertEqual((event["detail-type"], event["detail"]), ("tick", {"k": 1}))

    def test_a_dead_letter(self):
        url, arn = self.queue()
        missing = "arn:aws:sqs:%s:%s:%s" % (REGION, ACCOUNT, unique("none"))
        _, schedule_arn = self.schedule(soon(1), {"Arn": missing, "Input": "lost", "DeadLetterConfig": {"Arn": arn}})
        dead = self.receive(url)[0]
        said = {k: v["StringValue"] for k, v in dead["MessageAttributes"].items()}
        self.assertEqual((dead["Body"], said["SCHEDULE_ARN"], said["TARGET_ARN"]), ("lost", schedule_arn, missing))

    def test_it_is_kept_and_changed(self):
        _, arn = self.queue()
        start = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=1)
        target = {"Arn": arn, "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 300}}
        name, _ = self.schedule("cron(0 9 ? * MON-FRI *)", target, ScheduleExpressionTimezone="Europe/Berlin", StartDate=start,
                                Window={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15})
        got = self.scheduler.get_schedule(Name=name)
        self.assertEqual((got["ScheduleExpressionTimezone"], got["StartDate"], got["State"]), ("Europe/Berlin", start, "ENABLED"))
        self.assertEqual(got["Target"], {"RoleArn": ROLE, **target})
        self.scheduler.update_schedule(Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow=OFF, State="DISABLED",
                                       Target={"RoleArn": ROLE, **target})
        got = self.scheduler.get_schedule(Name=name)
        self.assertEqual((got["ScheduleExpression"], got["State"], got["FlexibleTimeWindow"]), ("rate(1 day)", "DISABLED", OFF))
        self.assertNotIn("StartDate", got)

    def test_errors(self):
        _, arn = self.queue()
        name, _ = self.schedule("rate(1 day)", {"Arn": arn}, State="DISABLED")
        good = {"FlexibleTimeWindow": OFF, "Target": {"Arn": arn, "RoleArn": ROLE}, "ScheduleExpression": "rate(1 day)"}
        fails = self.scheduler.create_schedule
        self.fails(409, "ConflictException", "Schedule %s already exists." % name, fails, Name=name, **good)
        self.fails(400, "ValidationException", "Invalid Schedule Expression rate(1).", fails, Name="x", **{**good, "ScheduleExpression": "rate(1)"})
        self.fails(404, "ResourceNotFoundException", "Schedule group no does not exist.", fails, Name="x", GroupName="no", **good)
        self.fails(400, "ValidationException", "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must "
                   "satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$", fails, Name="a b", **good)

    def test_groups(self):
        _, arn = self.queue()
        group = unique("g")
        group_arn = self.scheduler.create_schedule_group(Name=group, Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
        self.schedule("rate(1 day)", {"Arn": arn}, name="in", GroupName=group, State="DISABLED")
        self.assertEqual([s["Name"] for s in self.scheduler.list_schedules(GroupName=group)["Schedules"]], ["in"])
        self.scheduler.tag_resource(ResourceArn=group_arn, Tags=[{"Key": "b", "Value": "2"}])
        self.scheduler.untag_resource(ResourceArn=group_arn, TagKeys=["a"])
        self.assertEqual(self.scheduler.list_tags_for_resource(ResourceArn=group_arn)["Tags"], [{"Key": "b", "Value": "2"}])
        self.assertIn(group, [g["Name"] for g in self.scheduler.list_schedule_groups(NamePrefix=group)["ScheduleGroups"]])
        self.scheduler.delete_schedule_group(Name=group)
        for _ in range(100):  # its schedules go first
            if group not in [g["Name"] for g in self.scheduler.list_schedule_groups()["ScheduleGroups"]]:
                break
        self.fails(404, "ResourceNotFoundException", "Schedule group %s does not exist." % group, self.scheduler.list_schedules, GroupName=group)

    def test_the_command_line(self):
        def aws(*words):
            run = subprocess.run(["aws", "--endpoint-url", self.server.url, "scheduler", *words], env=self.server.environ(), capture_output=True, text=True, timeout=60)
            self.assertEqual(run.returncode, 0, run.stderr)
            return json.loads(run.stdout or "null")
        url, arn = self.queue()
        name = unique("s")
        self.addCleanup(self.forget_schedule, name, "default")
        aws("create-schedule", "--name", name, "--schedule-expression", "rate(1 hour)", "--flexible-time-window", "Mode=OFF", "--target",
            json.dumps({"Arn": arn, "RoleArn": ROLE, "Input": "hello"}))
        self.assertEqual(aws("get-schedule", "--name", name)["Target"]["Arn"], arn)
        self.assertEqual(self.receive(url)[0]["Body"], "hello")


@needs_server
class Functions(SchedulerCase):
    def test_a_function(self):
        url, arn = self.queue()
        name = self.create()
        self.client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}})
        self.schedule(soon(1), {"Arn": ARN + name, "Input": '{"a":<aws.scheduler.attempt-number>}'})
        self.schedule(soon(1), {"Arn": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
                                "Input": json.dumps({"FunctionName": name, "InvocationType": "Event", "Payload": '{"b":2}'})})
        payloads = [json.loads(m["Body"])["requestPayload"] for m in self.receive(url, 2)]
        self.assertCountEqual(payloads, [{"a": 1}, {"b": 2}])


if __name__ == "__main__":
    main()
