"""CloudWatch Logs by boto3: every operation that answers, its errors, limits and pages."""
import json
import time

from api_case import ACCOUNT, REGION, ROLE, ZIP, ApiCase, main, needs_server, unique, zip_of

ARN = "arn:aws:logs:%s:%s:log-group:" % (REGION, ACCOUNT)
NO_GROUP = "The specified log group does not exist."
NO_STREAM = "The specified log stream does not exist."


def now():
    return int(time.time() * 1000)


@needs_server
class Logs(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = cls.server.client("logs", parameter_validation=False)

    def group(self, *streams, **more):
        name = "/test/" + unique("g")
        self.logs.create_log_group(logGroupName=name, **more)
        self.addCleanup(self.drop, name)
        for stream in streams:
            self.logs.create_log_stream(logGroupName=name, logStreamName=stream)
        return name

    def drop(self, name):
        try:
            self.logs.delete_log_group(logGroupName=name)
        except self.logs.exceptions.ResourceNotFoundException:
            pass

    def put(self, group, stream, *messages, at=None):
        at = at or now()
        return self.logs.put_log_events(logGroupName=group, logStreamName=stream,
                                        logEvents=[{"timestamp": at + i, "message": m} for i, m in enumerate(messages)])

    def refuses(self, code, message, call, **arguments):
        return self.fails(400, code, message, call, **arguments)

    def invalid(self, what, call, **arguments):
        return self.refuses("InvalidParameterException", "1 validation error detected: Value " + what, call, **arguments)


class Groups(Logs):
    def describe(self, **arguments):
        return self.logs.describe_log_groups(**arguments)["logGroups"]

    def test_life(self):
        before = now()
        name = self.group(tags={"team": "a"}, logGroupClass="INFREQUENT_ACCESS", kmsKeyId="arn:aws:kms:us-east-1:000000000000:key/1")
        found, = self.describe(logGroupNamePrefix=name)
        created = found.pop("creationTime")
        self.assertTrue(before - 5 <= created <= now() + 5)
        self.assertLessEqual({"logGroupName": name, "metricFilterCount": 0, "arn": ARN + name + ":*", "storedBytes": 0,
                              "logGroupClass": "INFREQUENT_ACCESS", "logGroupArn": ARN + name,
                              "kmsKeyId": "arn:aws:kms:us-east-1:000000000000:key/1"}.items(), found.items())
        self.assertNotIn("retentionInDays", found)
        self.refuses("ResourceAlreadyExistsException", "The specified log group already exists", self.logs.create_log_group, logGroupName=name)
        self.logs.delete_log_group(logGroupName=name)
        self.assertEqual(self.describe(logGroupNamePrefix=name), [])
        self.refuses("ResourceNotFoundException", NO_GROUP, self.logs.delete_log_group, logGroupName=name)

    def test_names(self):
        self.invalid("'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
                     r"[\.\-_/#A-Za-z0-9]+", self.logs.create_log_group, logGroupName="a b")
        self.invalid("'' at 'logGroupName' failed to satisfy constraint: Member must have length greater than or equal to 1",
                     self.logs.create_log_group, logGroupName="")
        self.invalid("null at 'logGroupName' failed to satisfy constraint: Member must not be null", self.logs.create_log_group)
        self.invalid("'%s' at 'logGroupName' failed to satisfy constraint: Member must have length less than or equal to 512" % ("x" * 60),
                     self.logs.create_log_group, logGroupName="x" * 513)
        long = "/test/" + "#" * 500
        self.logs.create_log_group(logGroupName=long)
        self.assertEqual([g["logGroupName"] for g in self.describe(logGroupNamePrefix=long)], [long])
        self.logs.delete_log_group(logGroupName=long)

    def test_pages_and_choices(self):
        common = unique("pages")
        names = sorted("/test/%s/%02d" % (common, i) for i in range(5))
        for name in names:
            self.logs.create_log_group(logGroupName=name)
            self.addCleanup(self.drop, name)
        pages = list(self.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/test/" + common, PaginationConfig={"PageSize": 2}))
        self.assertEqual([len(p["logGroups"]) for p in pages], [2, 2, 1])
        self.assertEqual([g["logGroupName"] for p in pages for g in p["logGroups"]], names)
        self.assertEqual([g["logGroupName"] for g in self.describe(logGroupNamePattern=common.upper() + "/03")], names[3:4])
        self.assertEqual([g["logGroupName"] for g in self.describe(logGroupIdentifiers=[names[1], ARN + names[2]])], names[1:3])
        self.refuses("InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
                     self.logs.describe_log_groups, logGroupNamePrefix="a", logGroupNamePattern="b")
        self.invalid("'51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50",
                     self.logs.describe_log_groups, limit=51)
        self.refuses("InvalidParameterException", "The specified nextToken is invalid.", self.logs.describe_log_groups, nextToken="zz")
        if hasattr(self.logs, "list_log_groups"):
            listed = self.logs.list_log_groups(logGroupNamePattern="^/test/pages|zzzz", limit=1000)["logGroups"]
            self.assertLessEqual(set(names), {g["logGroupName"] for g in listed})
            self.assertEqual(listed[0].keys(), {"logGroupName", "logGroupArn", "logGroupClass"})

    def test_retention(self):
        name = self.group()
        self.logs.put_retention_policy(logGroupName=name, retentionInDays=30)
        self.assertEqual(self.describe(logGroupNamePrefix=name)[0]["retentionInDays"], 30)
        self.invalid("'2' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, "
                     "120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]",
                     self.logs.put_retention_policy, logGroupName=name, retentionInDays=2)
        self.logs.delete_retention_policy(logGroupName=name)
        self.assertNotIn("retentionInDays", self.describe(logGroupNamePrefix=name)[0])
        for call, more in ((self.logs.put_retention_policy, {"retentionInDays": 1}), (self.logs.delete_retention_policy, {})):
            self.refuses("ResourceNotFoundException", NO_GROUP, call, logGroupName="/none", **more)

    def test_tags(self):
        name = self.group(tags={"team": "a", "stage": "dev"})
        arn = ARN + name
        self.logs.tag_resource(resourceArn=arn, tags={"team": "b", "more": ""})
        self.logs.untag_resource(resourceArn=arn, tagKeys=["stage", "none"])
        self.assertEqual(self.logs.list_tags_for_resource(resourceArn=arn)["tags"], {"team": "b", "more": ""})
        self.logs.tag_log_group(logGroupName=name, tags={"old": "way"})
        self.logs.untag_log_group(logGroupName=name, tags=["team"])
        self.assertEqual(self.logs.list_tags_log_group(logGroupName=name)["tags"], {"more": "", "old": "way"})
        self.fails(400, "TooManyTagsException", "The resource would have more than 50 tags.", self.logs.tag_resource, resourceArn=arn,
                   tags={"k%d" % i: "v" for i in range(49)})
        self.refuses("InvalidParameterException", "aws: prefixed tag key names are not allowed for external use.", self.logs.tag_resource,
                     resourceArn=arn, tags={"aws:x": "y"})
        self.refuses("ResourceNotFoundException", NO_GROUP, self.logs.tag_resource, resourceArn=ARN + "/none", tags={"a": "b"})
        self.refuses("ResourceNotFoundException", NO_GROUP, self.logs.list_tags_for_resource, resourceArn=ARN + "/none")
        self.refuses("ResourceNotFoundException", NO_GROUP, self.logs.untag_log_group, logGroupName="/none", tags=["a"])
        self.invalid("'arn:aws:sqs:us-east-1:000000000000:q' at 'resourceArn' failed to satisfy constraint: Member must be the ARN of a log group",
                     self.logs.list_tags_for_resource, resourceArn="arn:aws:sqs:us-east-1:000000000000:q")

    def test_unknown_operations_say_so(self):
        self.refuses("UnknownOperationException", "Mayfly does not have the operation DescribeQueries of CloudWatch Logs",
                     self.logs.describe_queries)

    def test_a_body_that_is_no_json(self):
        status, headers, body = self.request("POST", "/", b"{", {"X-Amz-Target": "Logs_20140328.DescribeLogGroups"}, service="logs")
        self.assertEqual((status, json.loads(body)["__type"]), (400, "SerializationException"))


class Streams(Logs):
    def test_life(self):
        group = self.group("b", "a")
        at = now()
        self.put(group, "a", "x", "y", at=at)
        a, b = self.logs.describe_log_streams(logGroupName=group)["logStreams"]
        self.assertEqual((a["logStreamName"], a["firstEventTimestamp"], a["lastEventTimestamp"], a["arn"]),
                         ("a", at, at + 1, ARN + group + ":log-stream:a"))
        self.assertNotIn("lastEventTimestamp", b)
        newest = self.logs.describe_log_streams(logGroupIdentifier=ARN + group, orderBy="LastEventTime", descending=True)["logStreams"]
        self.assertEqual([s["logStreamName"] for s in newest], ["a", "b"])
        self.refuses("ResourceAlreadyExistsException", "The specified log stream already exists", self.logs.create_log_stream,
                     logGroupName=group, logStreamName="a")
        self.logs.delete_log_stream(logGroupName=group, logStreamName="a")
        self.assertEqual([s["logStreamName"] for s in self.logs.describe_log_streams(logGroupName=group)["logStreams"]], ["b"])
        self.refuses("ResourceNotFoundException", NO_STREAM, self.logs.delete_log_stream, logGroupName=group, logStreamName="a")
        self.refuses("ResourceNotFoundException", NO_GROUP, self.logs.create_log_stream, logGroupName="/none", logStreamName="a")
        self.invalid("'a:b' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*",
                     self.logs.create_log_stream, logGroupName=group, logStreamName="a:b")

    def test_pages(self):
        group = self.group(*("s%d" % i for i in range(5)))
        pages = list(self.logs.get_paginator("describe_log_streams").paginate(logGroupName=group, logStreamNamePrefix="s", PaginationConfig={"PageSize": 2}))
        self.assertEqual([s["logStreamName"] for p in pages for s in p["logStreams"]], ["s%d" % i for i in range(5)])
        self.refuses("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.", self.logs.describe_log_streams,
                     logGroupName=group, logStreamNamePrefix="s", orderBy="LastEventTime")


class Events(Logs):
    def test_put_and_get(self):
        group = self.group("s")
        at = now()
        answer = self.put(group, "s", "one", "caf\u00e9 \"two\"\n", at=at)
        self.assertTrue(answer["nextSequenceToken"])
        self.assertNotIn("rejectedLogEventsInfo", answer)
        self.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": at + 2, "message": "three"}], sequenceToken="any")
        got = self.logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, limit=2)
        self.assertEqual([(e["timestamp"], e["message"]) for e in got["events"]], [(at, "one"), (at + 1, "caf\u00e9 \"two\"\n")])
        rest = self.logs.get_log_events(logGroupName=group, logStreamName="s", nextToken=got["nextForwardToken"])
        self.assertEqual([e["message"] for e in rest["events"]], ["three"])
        end = self.logs.get_log_events(logGroupName=group, logStreamName="s", nextToken=rest["nextForwardToken"])
        again = self.logs.get_log_events(logGroupName=group, logStreamName="s", nextToken=end["nextForwardToken"])
        self.assertEqual((end["events"], end["nextForwardToken"]), ([], again["nextForwardToken"]))
        self.assertEqual((rest["nextForwardToken"][:2], rest["nextBackwardToken"][:2]), ("f/", "b/"))
        back = self.logs.get_log_events(logGroupName=group, logStreamName="s", nextToken=rest["nextBackwardToken"])
        self.assertEqual([e["message"] for e in back["events"]], ["one", "caf\u00e9 \"two\"\n"])
        part = self.logs.get_log_events(logGroupName=group, logStreamName="s", startTime=at + 1, endTime=at + 2)["events"]
        self.assertEqual([e["timestamp"] for e in part], [at + 1])

    def test_what_is_not_taken(self):
        group = self.group("s")
        day, at = 86400000, now()
        def put(*times, **more):
            return self.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": t, "message": "m"} for t in times], **more)
        self.assertEqual(put(at - 14 * day - 60000, at - 14 * day - 1, at - 14 * day + 60000)["rejectedLogEventsInfo"], {"tooOldLogEventEndIndex": 2})
        self.assertEqual(put(at, at + 2 * 3600000 + 60000)["rejectedLogEventsInfo"], {"tooNewLogEventStartIndex": 1})
        self.assertEqual(len(self.logs.get_log_events(logGroupName=group, logStreamName="s")["events"]), 2)
        with self.assertRaisesRegex(self.logs.exceptions.InvalidParameterException, "must be in chronological order"):
            put(at, at - 1)
        with self.assertRaisesRegex(self.logs.exceptions.InvalidParameterException, "cannot span more than 24 hours"):
            put(at - day - 1, at)
        with self.assertRaisesRegex(self.logs.exceptions.InvalidParameterException, "Upload too large: 1048602 bytes exceeds limit of 1048576"):
            self.put(group, "s", "x" * 524275, "x" * 524275)
        with self.assertRaisesRegex(self.logs.exceptions.InvalidParameterException, "'logEvents' failed .* less than or equal to 10000"):
            put(*[at] * 10001)
        with self.assertRaisesRegex(self.logs.exceptions.InvalidParameterException, "'logEvents.1.member.message' failed"):
            self.put(group, "s", "")
        self.refuses("ResourceNotFoundException", NO_STREAM, self.logs.put_log_events, logGroupName=group, logStreamName="none",
                     logEvents=[{"timestamp": at, "message": "m"}])
        self.refuses("ResourceNotFoundException", NO_GROUP, self.logs.put_log_events, logGroupName="/none", logStreamName="none",
                     logEvents=[{"timestamp": at, "message": "m"}])
        self.assertEqual(len(put(*[at] * 10000)), 2)

    def test_filter(self):
        group = self.group("a1", "a2", "b")
        at = now() - 60000
        self.put(group, "a1", '{"level": "ERROR", "ms": 120}', "plain ERROR", at=at)
        self.put(group, "b", "10.0.0.1 GET 404", "fine", at=at + 10)
        self.put(group, "a2", '{"level": "INFO", "ms": 7}', at=at + 5)
        def found(**arguments):
            pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group, **arguments)
            return [e["message"] for p in pages for e in p["events"]]
        self.assertEqual(found(), ['{"level": "ERROR", "ms": 120}', "plain ERROR", '{"level": "INFO", "ms": 7}', "10.0.0.1 GET 404", "fine"])
        self.assertEqual(found(filterPattern="ERROR"), ['{"level": "ERROR", "ms": 120}', "plain ERROR"])
        self.assertEqual(found(filterPattern='{ $.level = "ERROR" && $.ms > 100 }'), ['{"level": "ERROR", "ms": 120}'])
        self.assertEqual(found(filterPattern="[ip, method, status = 4*]"), ["10.0.0.1 GET 404"])
        self.assertEqual(found(filterPattern="%^10[.]0%"), ["10.0.0.1 GET 404"])
        self.assertEqual(found(logStreamNamePrefix="a", PaginationConfig={"PageSize": 1}),
                         ['{"level": "ERROR", "ms": 120}', "plain ERROR", '{"level": "INFO", "ms": 7}'])
        self.assertEqual(found(logStreamNames=["b"], startTime=at + 11, interleaved=True), ["fine"])
        self.assertEqual(found(endTime=at + 1), ['{"level": "ERROR", "ms": 120}'])
        ids = [e["eventId"] for e in self.logs.filter_log_events(logGroupIdentifier=group)["events"]]
        self.assertEqual(len(set(ids)), 5)
        with self.assertRaisesRegex(self.logs.exceptions.InvalidParameterException, "Invalid filter pattern"):
            found(filterPattern="{ $.a = }")
        self.refuses("ResourceNotFoundException", NO_STREAM, self.logs.filter_log_events, logGroupName=group, logStreamNames=["none"])
        self.refuses("ResourceNotFoundException", NO_GROUP, self.logs.filter_log_events, logGroupName="/none")
        self.refuses("InvalidParameterException", "logStreamNamePrefix and logStreamNames are mutually exclusive parameters.",
                     self.logs.filter_log_events, logGroupName=group, logStreamNames=["b"], logStreamNamePrefix="a")

    def test_patterns_are_tested(self):
        found = self.logs.test_metric_filter(filterPattern="[ip, user, size > 10]", logEventMessages=["1.2.3.4 me 9", "1.2.3.5 you 11"])
        self.assertEqual(found["matches"], [{"eventNumber": 2, "eventMessage": "1.2.3.5 you 11",
                                             "extractedValues": {"$ip": "1.2.3.5", "$user": "you", "$size": "11"}}])
        found = self.logs.test_metric_filter(filterPattern="{ $.a.b = 1 }", logEventMessages=['{"a": {"b": 1}}'])
        self.assertEqual(found["matches"][0]["extractedValues"], {"$.a.b": "1"})
        costly, long = "?%.{0,240}Q% ?%.{0,240}Z%", "a" * 60000
        self.assertEqual(self.logs.test_metric_filter(filterPattern=costly, logEventMessages=[long])["matches"], [])
        with self.assertRaisesRegex(self.logs.exceptions.InvalidParameterException, "too long to be tested together"):
            self.logs.test_metric_filter(filterPattern=costly, logEventMessages=[long] * 50)

    def test_an_event_larger_than_a_calls_work_is_passed(self):
        group = self.group("s")
        self.put(group, "s", '{"a": 1, "b": "%s"}' % ("x" * 1000000))
        self.put(group, "s", '{"a": 2}')
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern="{ $.a >= 1 }", PaginationConfig={"MaxItems": 10})
        found = []
        for _, page in zip(range(10), pages):
            found += [json.loads(e["message"])["a"] for e in page["events"]]
        self.assertEqual(found, [1, 2])


class Functions(Logs):
    def test_a_deleted_group_is_made_again(self):
        name = self.create()
        group = "/aws/lambda/" + name
        self.client.invoke(FunctionName=name)
        self.logs.put_retention_policy(logGroupName=group, retentionInDays=5)
        self.logs.delete_log_group(logGroupName=group)
        self.refuses("ResourceNotFoundException", NO_GROUP, self.logs.filter_log_events, logGroupName=group)
        self.client.invoke(FunctionName=name)
        messages = [e["message"] for e in self.logs.filter_log_events(logGroupName=group, filterPattern="hello")["events"]]
        self.assertEqual(messages, ["hello\n"])
        self.assertNotIn("retentionInDays", self.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0])

    def test_functions_share_a_group_of_their_own(self):
        group = self.group(tags={"made": "before"})
        names = [self.create(LoggingConfig={"LogGroup": group}) for _ in range(2)]
        for name in names:
            self.assertEqual(self.client.get_function_configuration(FunctionName=name)["LoggingConfig"], {"LogFormat": "Text", "LogGroup": group})
            self.client.invoke(FunctionName=name)
        streams = [s["logStreamName"] for s in self.logs.describe_log_streams(logGroupName=group)["logStreams"]]
        for name in names:
            self.assertTrue([s for s in streams if "/%s[$LATEST]" % name in s])
        self.assertEqual(self.logs.list_tags_log_group(logGroupName=group)["tags"], {"made": "before"})

    def test_levels_need_json(self):
        said = ('LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to '
                '"Json" and try again.')
        plain = self.create()
        for level in ({"ApplicationLogLevel": "DEBUG"}, {"SystemLogLevel": "WARN", "LogFormat": "Text"}):
            self.refuses("InvalidParameterValueException", said, self.client.create_function, FunctionName=unique(), Runtime="python3.11",
                         Handler="app.handler", Role=ROLE, Code={"ZipFile": ZIP}, LoggingConfig=level)
            self.refuses("InvalidParameterValueException", said, self.client.update_function_configuration, FunctionName=plain, LoggingConfig=level)
        name = self.create(LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"})
        wanted = {"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "INFO", "LogGroup": "/aws/lambda/" + name}
        self.assertEqual(self.client.get_function_configuration(FunctionName=name)["LoggingConfig"], wanted)
        self.client.update_function_configuration(FunctionName=name, LoggingConfig={"SystemLogLevel": "WARN"})
        self.wait(name)
        self.assertEqual(self.client.get_function_configuration(FunctionName=name)["LoggingConfig"], {**wanted, "SystemLogLevel": "WARN"})
        self.client.update_function_configuration(FunctionName=name, LoggingConfig={"LogFormat": "Text"})
        self.wait(name)
        self.assertEqual(self.client.get_function_configuration(FunctionName=name)["LoggingConfig"], {"LogFormat": "Text", "LogGroup": "/aws/lambda/" + name})

    def records(self, name, needle):
        """The log of one invocation as JSON, when the line that holds `needle` is there."""
        group = self.client.get_function_configuration(FunctionName=name)["LoggingConfig"]["LogGroup"]
        self.client.invoke(FunctionName=name)
        lines = [e["message"] for e in self.logs.filter_log_events(logGroupName=group)["events"]]
        self.assertTrue([line for line in lines if needle in line], lines)
        return [json.loads(line) for line in lines]

    def test_json_of_python(self):
        code = ("import logging\nlog = logging.getLogger('app')\ndef handler(event, context):\n    log.info('quiet')\n"
                "    log.warning('loud %s', 1, extra={'more': [2]})\n    try:\n        1 / 0\n    except Exception:\n        log.exception('broken')\n")
        name = self.create(Code={"ZipFile": zip_of({"app.py": code})}, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "DEBUG"})
        found = self.records(name, "loud")
        loud, broken = [r for r in found if "level" in r]
        self.assertRegex(loud.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        start, = [r for r in found if r.get("type") == "platform.start"]
        self.assertEqual(loud, {"level": "WARNING", "message": "loud 1", "logger": "app", "requestId": start["record"]["requestId"], "more": [2]})
        self.assertEqual((broken["level"], broken["errorType"], broken["errorMessage"]), ("ERROR", "ZeroDivisionError", "division by zero"))
        types = [r["type"] for r in found if "type" in r]
        self.assertLessEqual({"platform.initStart", "platform.start", "platform.runtimeDone", "platform.report"}, set(types))
        report, = [r["record"] for r in found if r.get("type") == "platform.report"]
        self.assertEqual((report["status"], report["metrics"]["memorySizeMB"]), ("success", 128))
        done, = [r["record"] for r in found if r.get("type") == "platform.runtimeDone"]
        self.assertEqual((done["requestId"], done["status"]), (start["record"]["requestId"], "success"))

    def test_json_of_nodejs(self):
        code = ("exports.handler = async () => { console.debug('hidden'); console.info('shown', { a: 1 }); console.warn({ b: [2] });"
                " console.error('bad', new TypeError('x')); };")
        name = self.create(Runtime="nodejs20.x", Handler="index.handler", Code={"ZipFile": zip_of({"index.js": code})},
                           LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "WARN"})
        found = self.records(name, "shown")
        self.assertEqual([(r["level"], r["message"]) for r in found][:2], [("INFO", "shown { a: 1 }"), ("WARN", {"b": [2]})])
        self.assertEqual((found[2]["level"], found[2]["errorType"], found[2]["errorMessage"]), ("ERROR", "TypeError", "x"))
        self.assertEqual(len(found), 3) # no platform record at this level
        self.assertEqual(len({r["requestId"] for r in found}), 1)


if __name__ == "__main__":
    main()
