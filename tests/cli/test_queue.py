"""queue and events."""
import json
import unittest

from cli_case import CliCase

ARN = "arn:aws:sqs:us-east-1:000000000000:"
NOW = 1780000000000
QUEUES = [
    {"name": "async/thumb", "kind": "internal", "visible": 3, "delayed": 1, "in_flight": 0, "oldest_ms": NOW - 4000},
    {"name": "jobs", "kind": "standard", "visible": 7, "delayed": 0, "in_flight": 2, "oldest_ms": NOW - 600000, "dead_letter": ARN + "lost",
     "max_receives": 5},
    {"name": "lost", "kind": "fifo", "visible": 0, "delayed": 0, "in_flight": 0},
]
MESSAGES = [
    {"sequence": 5, "id": "id-5", "sent_ms": NOW - 3000, "visible_ms": NOW - 1, "receives": 0, "body": "plain"},
    {"sequence": 9, "id": "id-9", "sent_ms": NOW - 3000, "visible_ms": NOW + 2500, "receives": 2, "group": "g", "note": "was\x1b[31m bad",
     "body": "esc\x1b[2J"},
]
EVENTS = {
    "now_ms": NOW, "function": "thumb",
    "waiting": [
        {"requestId": "r-1", "accepted": NOW - 60000, "attempts": 1, "throttles": 0, "nextAttempt": NOW + 60000, "lastError": "ValueError: no",
         "running": False},
        {"requestId": "r-2", "accepted": NOW - 1000, "attempts": 0, "throttles": 0, "running": True}],
    "history": [
        {"at": NOW, "requestId": "r-1", "function": "thumb", "step": "failed", "attempt": 1, "text": "ValueError: no"},
        {"at": NOW, "requestId": "r-1", "function": "thumb", "step": "retry", "attempt": 1, "next": NOW + 60000}]}


class Queue(CliCase):
    def setUp(self):
        super().setUp()
        self.server.pages["/_mayfly/queues/"] = {"now_ms": NOW, "queues": QUEUES}
        self.server.pages["/_mayfly/queues/jobs"] = {"now_ms": NOW, "messages": MESSAGES}

    def test_ls(self):
        for words in (["ls"], []):
            lines = self.out("queue", *words).splitlines()
            self.assertEqual(lines[0].split()[:3], ["QUEUE", "KIND", "VISIBLE"])
            self.assertEqual(lines[1].split(), ["async/thumb", "internal", "3", "0", "1", "4", "s", "ago", "-"])
            self.assertEqual(lines[2].split(), ["jobs", "standard", "7", "2", "0", "10", "min", "ago", "lost", "after", "5", "receives"])
            self.assertEqual(lines[3].split(), ["lost", "fifo", "0", "0", "0", "-", "-"])
        self.assertEqual(json.loads(self.out("queue", "ls", "--output", "json")), QUEUES)

    def test_ls_of_none(self):
        self.server.pages["/_mayfly/queues/"]["queues"] = []
        done = self.run_cli("queue", "ls")
        self.assertEqual(done.stdout, "")
        self.assertIn("create-queue", done.stderr)

    def test_peek(self):
        text = self.out("queue", "peek", "jobs", "--max", "2", "--after", "4")
        self.assertIn("id-5  sequence 5, sent 3 s ago, received 0 times\nplain\n", text)
        self.assertIn("id-9  sequence 9, sent 3 s ago, received 2 times, group g, visible in 2.5 s\n", text)
        self.assertNotIn("\x1b", text)
        self.assertTrue(self.called("GET", "/_mayfly/queues/jobs?max=2&after=4"))
        self.assertEqual(json.loads(self.out("queue", "peek", "jobs", "--output", "json")), MESSAGES)

    def test_peek_says_that_there_may_be_more(self):
        self.assertIn("--after 9", self.run_cli("queue", "peek", "jobs", "--max", "2").stderr)
        self.assertNotIn("--after", self.run_cli("queue", "peek", "jobs", "--max", "3").stderr)

    def test_names_are_escaped(self):
        self.server.pages["/_mayfly/queues/async/a b"] = {"now_ms": NOW, "messages": []}
        self.assertIn("is empty", self.run_cli("queue", "peek", "async/a b").stderr)

    def test_no_such_queue(self):
        self.assertIn("no such page", self.failure("queue", "peek", "other"))
        self.assertIn("does not exist", self.failure("queue", "purge", "other", "--yes"))

    def test_redrive(self):
        self.server.queues = {"lost", "other"}
        self.assertEqual(self.out("queue", "redrive", "lost"), "4 messages moved\n")
        self.assertEqual(self.server.moves, [{"SourceArn": ARN + "lost"}])
        self.assertGreaterEqual(self.server.move_polls, 3)
        self.out("queue", "redrive", "lost", "--to", "other", "--rate", "50")
        self.assertEqual(self.server.moves[1], {"SourceArn": ARN + "lost", "DestinationArn": ARN + "other", "MaxNumberOfMessagesPerSecond": 50})

    def test_redrive_that_fails(self):
        self.server.queues, self.server.move_end = {"lost"}, {"Status": "FAILED", "FailureReason": "it is gone"}
        self.assertIn("it is gone", self.failure("queue", "redrive", "lost"))

    def test_purge(self):
        self.server.queues = {"jobs"}
        self.assertIn("--yes", self.failure("queue", "purge", "jobs"))
        self.assertEqual(self.server.purged, [])
        self.out("queue", "purge", "jobs", "--yes")
        self.assertEqual(self.server.purged, ["http://anywhere/000000000000/jobs"])

    def test_wrong_words(self):
        self.assertIn("no 'mayfly queue look'", self.failure("queue", "look"))
        self.assertIn("which queue", self.failure("queue", "peek"))


class Events(CliCase):
    def setUp(self):
        super().setUp()
        self.deploy()
        self.server.pages["/_mayfly/events/thumb"] = EVENTS

    def test_of_a_function(self):
        lines = self.out("events", "thumb").splitlines()
        self.assertEqual(lines[0].split()[:3], ["REQUEST", "ACCEPTED", "ATTEMPTS"])
        self.assertEqual(lines[1].split(), ["r-1", "60", "s", "ago", "1", "0", "in", "60.0", "s", "ValueError:", "no"])
        self.assertEqual(lines[2].split(), ["r-2", "1", "s", "ago", "0", "0", "runs", "now", "-"])
        self.assertIn("r-1  failed  attempt 1  ValueError: no", lines[4])
        self.assertRegex(lines[5], r"r-1  retry  attempt 1  again at \d\d:\d\d:40.000Z$")
        self.assertTrue(self.called("GET", "/_mayfly/events/thumb?failed=0&max=20"))
        self.assertEqual(json.loads(self.out("events", "thumb", "--output", "json")), EVENTS)

    def test_failures(self):
        text = self.out("events", "thumb", "--failed", "--max", "5")
        self.assertNotIn("r-2", text)
        self.assertTrue(self.called("GET", "/_mayfly/events/thumb?failed=1&max=5"))
        self.server.pages["/_mayfly/events/"] = {"now_ms": NOW, "waiting": [], "history": EVENTS["history"]}
        self.assertIn("failed  thumb  attempt 1", self.out("events", "--failed"))

    def test_one_request(self):
        self.server.pages["/_mayfly/events"] = EVENTS
        text = self.out("events", "--request", "r-1")
        self.assertEqual(len(text.splitlines()), 2)
        self.assertTrue(self.called("GET", "/_mayfly/events?request=r-1"))
        self.server.pages["/_mayfly/events"] = {"now_ms": NOW, "waiting": [], "history": []}
        self.assertIn("nothing is known of an event r-9", self.failure("events", "--request", "r-9"))

    def test_whose(self):
        self.assertIn("whose events", self.failure("events"))
        self.assertIn("leave the name out", self.failure("events", "thumb", "--request", "r"))
        self.assertIn("Function not found", self.failure("events", "other"))


if __name__ == "__main__":
    unittest.main()
