"""Schedules over kill -9: what was missed while the server was down fires late and once; what waits for a retry is tried on."""
import datetime
import signal
import time
import unittest

from support import known
from harness import ROLE, Server

QUEUE = "arn:aws:sqs:us-east-1:000000000000:"


def soon(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def receive(server, url, seconds):
    """Bodies of all that comes in that time; each is deleted."""
    found, deadline, sqs = [], time.monotonic() + seconds, server.client("sqs")
    while time.monotonic() < deadline:
        for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            found.append(m["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
    return found


class Down(unittest.TestCase):
    def test_missed_and_retried(self):
        with Server("--retry-scale", "10") as server:
            url = server.client("sqs").create_queue(QueueName="in")["QueueUrl"]
            scheduler, events = server.client("scheduler"), server.client("events")
            at = soon(3)
            once = known(scheduler, "CreateSchedule", ActionAfterCompletion="DELETE")
            for name, target in (("once", "in"), ("later", "not-yet")):
                scheduler.create_schedule(Name=name, ScheduleExpression="at(%s)" % at, FlexibleTimeWindow={"Mode": "OFF"},
                                          **once, Target={"Arn": QUEUE + target, "RoleArn": ROLE, "Input": name,
                                                                                 "DeadLetterConfig": {"Arn": QUEUE + "in"}})
            events.put_rule(Name="tick", ScheduleExpression="rate(1 day)")
            events.put_targets(Rule="tick", Targets=[{"Id": "1", "Arn": QUEUE + "in"}])
            server.stop(signal.SIGKILL)
            time.sleep(4)
            server.start()
            url = server.client("sqs").get_queue_url(QueueName="in")["QueueUrl"]
            self.assertCountEqual(receive(server, url, 4), ["once", "later"]) # the second one as a dead letter
            self.assertEqual(len(server.client("scheduler").list_schedules()["Schedules"]), 0 if once else 2)
            server.stop(signal.SIGKILL)
            server.start()
            url = server.client("sqs").get_queue_url(QueueName="in")["QueueUrl"]
            self.assertEqual(receive(server, url, 2), [])
            self.assertEqual(server.client("events").describe_rule(Name="tick")["State"], "ENABLED")


if __name__ == "__main__":
    unittest.main()
