// Run by test_logs_tail.py, in the folder that has the package: one line of JSON for each check, [name, value].
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const {
  CloudWatchLogsClient, CreateLogGroupCommand, CreateLogStreamCommand, PutLogEventsCommand, GetLogEventsCommand, DeleteLogGroupCommand,
  StartLiveTailCommand, PutRetentionPolicyCommand, ResourceNotFoundException, ResourceAlreadyExistsException,
  paginateDescribeLogGroups, paginateFilterLogEvents, paginateDescribeLogStreams,
} = require("@aws-sdk/client-cloudwatch-logs");

const say = (name, value) => console.log(JSON.stringify([name, value]));
const logs = new CloudWatchLogsClient({ maxAttempts: 1, disableHostPrefix: true });
const logGroupName = process.argv[2], logStreamName = "s";
const put = (...messages) => logs.send(new PutLogEventsCommand({
  logGroupName, logStreamName, logEvents: messages.map((message) => ({ timestamp: Date.now(), message })),
}));

await logs.send(new CreateLogGroupCommand({ logGroupName, tags: { a: "b" } }));
await logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }));
try {
  await logs.send(new CreateLogGroupCommand({ logGroupName }));
} catch (e) {
  say("exists", [e instanceof ResourceAlreadyExistsException, e.message]);
}
await put("one", "two ERROR", "three");
await logs.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays: 7 }));
const groups = [], streams = [], events = [];
for await (const page of paginateDescribeLogGroups({ client: logs, pageSize: 1 }, { logGroupNamePrefix: logGroupName })) groups.push(...page.logGroups);
for await (const page of paginateDescribeLogStreams({ client: logs }, { logGroupName })) streams.push(...page.logStreams);
for await (const page of paginateFilterLogEvents({ client: logs, pageSize: 1 }, { logGroupName, filterPattern: "?ERROR ?one" })) events.push(...page.events);
say("groups", groups.map((g) => [g.logGroupName, g.retentionInDays]));
say("streams", streams.map((s) => s.logStreamName));
say("events", events.map((e) => e.message));
const got = await logs.send(new GetLogEventsCommand({ logGroupName, logStreamName, startFromHead: true }));
say("got", got.events.map((e) => e.message));

const tail = await logs.send(new StartLiveTailCommand({ logGroupIdentifiers: [groups[0].logGroupArn], logEventFilterPattern: "ERROR" }));
const seen = [];
for await (const event of tail.responseStream) {
  if (event.sessionStart) {
    say("session", [event.sessionStart.logGroupIdentifiers, event.sessionStart.logEventFilterPattern]);
    await put("fine", "ERROR live");
  }
  if (event.sessionUpdate) seen.push(...event.sessionUpdate.sessionResults.map((r) => r.message));
  if (seen.length) break;
}
say("tail", seen);
await logs.send(new DeleteLogGroupCommand({ logGroupName }));
try {
  await logs.send(new StartLiveTailCommand({ logGroupIdentifiers: [groups[0].logGroupArn] }));
} catch (e) {
  say("gone", [e instanceof ResourceNotFoundException, e.message]);
}
process.exit(0);
