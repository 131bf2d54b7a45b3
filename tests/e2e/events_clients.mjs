// Run by test_events_clients.py, in the folder that has the packages: one line of JSON for each check, [name, value].
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const {
  EventBridgeClient, CreateEventBusCommand, DescribeEventBusCommand, DeleteEventBusCommand, ListEventBusesCommand, PutRuleCommand,
  DescribeRuleCommand, ListRulesCommand, DisableRuleCommand, DeleteRuleCommand, PutTargetsCommand, ListTargetsByRuleCommand,
  ListRuleNamesByTargetCommand, RemoveTargetsCommand, PutEventsCommand, TestEventPatternCommand, TagResourceCommand, ListTagsForResourceCommand,
  ResourceNotFoundException, InvalidEventPatternException,
} = require("@aws-sdk/client-eventbridge");
const {
  SchedulerClient, CreateScheduleGroupCommand, GetScheduleGroupCommand, DeleteScheduleGroupCommand, CreateScheduleCommand, GetScheduleCommand,
  UpdateScheduleCommand, DeleteScheduleCommand, paginateListSchedules, ConflictException, ResourceNotFoundException: NoSchedule,
} = require("@aws-sdk/client-scheduler");
const { SQSClient, CreateQueueCommand, ReceiveMessageCommand, DeleteMessageCommand, GetQueueAttributesCommand } = require("@aws-sdk/client-sqs");

const say = (name, value) => console.log(JSON.stringify([name, value]));
const config = { maxAttempts: 1 };
const bridge = new EventBridgeClient(config), scheduler = new SchedulerClient(config), sqs = new SQSClient(config);
const name = process.argv[2], RoleArn = "arn:aws:iam::000000000000:role/any";
const put = (command) => bridge.send(command), plan = (command) => scheduler.send(command);
const failure = (promise, Known) => promise.then(() => "no error",
  (e) => ({ name: e.name, status: e.$metadata.httpStatusCode, known: e instanceof Known, message: e.message }));

const QueueUrl = (await sqs.send(new CreateQueueCommand({
  QueueName: name, Attributes: {
    Policy: JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { Service: "events.amazonaws.com" }, Action: "sqs:SendMessage", Resource: "*" }] }),
  },
}))).QueueUrl;
const QueueArn = (await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }))).Attributes.QueueArn;
const take = async () => {
  for (let i = 0; i < 3; i++) {
    const message = (await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }))).Messages?.[0];
    if (!message) continue;
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
    return message.Body;
  }
  return null;
};

// ---- buses, rules, events

const bus = await put(new CreateEventBusCommand({ Name: name, Description: "grün" }));
say("bus", bus.EventBusArn);
say("description", (await put(new DescribeEventBusCommand({ Name: name }))).Description);
say("buses", (await put(new ListEventBusesCommand({ NamePrefix: name }))).EventBuses.map((b) => b.Name));
const EventPattern = JSON.stringify({ source: ["shop"], detail: { total: [{ numeric: [">", 10] }] } });
const rule = await put(new PutRuleCommand({ Name: "large", EventBusName: name, EventPattern, Tags: [{ Key: "team", Value: "ä b" }] }));
say("rule", rule.RuleArn);
say("tags", (await put(new ListTagsForResourceCommand({ ResourceARN: rule.RuleArn }))).Tags);
say("pattern", JSON.parse((await put(new DescribeRuleCommand({ Name: "large", EventBusName: name }))).EventPattern).source);
const targets = await put(new PutTargetsCommand({
  Rule: "large", EventBusName: name, Targets: [{
    Id: "q", Arn: QueueArn,
    InputTransformer: { InputPathsMap: { total: "$.detail.total", who: "$.detail.who" }, InputTemplate: '{"paid": <total>, "by": "<who>"}' },
  }],
}));
say("targets", [targets.FailedEntryCount, (await put(new ListTargetsByRuleCommand({ Rule: "large", EventBusName: name }))).Targets.map((t) => [t.Id, t.Arn === QueueArn])]);
say("by target", (await put(new ListRuleNamesByTargetCommand({ TargetArn: QueueArn, EventBusName: name }))).RuleNames);
const event = (detail) => ({ EventBusName: name, Source: "shop", DetailType: "order", Detail: detail });
const events = await put(new PutEventsCommand({
  Entries: [event('{"total": 10, "who": "few"}'), event("{broken"), event('{"total": 11, "who": "zoë"}')],
}));
say("put", [events.FailedEntryCount, events.Entries.map((e) => e.ErrorCode ?? typeof e.EventId)]);
say("delivered", JSON.parse(await take()));
const example = (source) => JSON.stringify({ id: "1", source, "detail-type": "order", account: "0", time: "2026-01-01T00:00:00Z", region: "us-east-1", resources: [], detail: { total: 11 } });
say("test", [(await put(new TestEventPatternCommand({ EventPattern, Event: example("shop") }))).Result,
  (await put(new TestEventPatternCommand({ EventPattern, Event: example("other") }))).Result]);
await put(new PutRuleCommand({ Name: name, ScheduleExpression: "rate(5 minutes)" }));
await put(new DisableRuleCommand({ Name: name }));
say("scheduled", (await put(new ListRulesCommand({ NamePrefix: name }))).Rules.map((r) => [r.ScheduleExpression, r.State]));
say("no rule", await failure(put(new DescribeRuleCommand({ Name: "nothing", EventBusName: name })), ResourceNotFoundException));
say("bad pattern", await failure(put(new PutRuleCommand({ Name: "bad", EventPattern: '{"source": "text"}' })), InvalidEventPatternException));
say("removed", (await put(new RemoveTargetsCommand({ Rule: "large", EventBusName: name, Ids: ["q"] }))).FailedEntryCount);
await put(new DeleteRuleCommand({ Name: "large", EventBusName: name }));
await put(new DeleteRuleCommand({ Name: name }));
await put(new DeleteEventBusCommand({ Name: name }));
say("bus gone", await failure(put(new DescribeEventBusCommand({ Name: name })), ResourceNotFoundException));

// ---- schedules

await plan(new CreateScheduleGroupCommand({ Name: name }));
const group = await plan(new GetScheduleGroupCommand({ Name: name }));
say("group", [group.State, group.CreationDate instanceof Date, group.Arn]);
const Target = { Arn: QueueArn, RoleArn, Input: '{"from": "scheduler"}' }, FlexibleTimeWindow = { Mode: "OFF" };
const soon = new Date(Date.now() + 2000).toISOString().slice(0, 19);
const once = { Name: "once", GroupName: name, ScheduleExpression: `at(${soon})`, FlexibleTimeWindow, Target, ActionAfterCompletion: "DELETE" };
say("once", (await plan(new CreateScheduleCommand(once))).ScheduleArn);
const nightly = {
  Name: "nightly", GroupName: name, ScheduleExpression: "cron(30 2 ? * MON-FRI *)", ScheduleExpressionTimezone: "Europe/Berlin", Target,
  FlexibleTimeWindow: { Mode: "FLEXIBLE", MaximumWindowInMinutes: 15 }, StartDate: new Date("2030-01-01T00:00:00Z"),
};
await plan(new CreateScheduleCommand(nightly));
const got = await plan(new GetScheduleCommand({ Name: "nightly", GroupName: name }));
say("nightly", [got.ScheduleExpression, got.ScheduleExpressionTimezone, got.FlexibleTimeWindow, got.State, got.StartDate.toISOString(), got.Target.Input]);
say("conflict", await failure(plan(new CreateScheduleCommand(nightly)), ConflictException));
await plan(new UpdateScheduleCommand({ ...nightly, ScheduleExpression: "rate(2 hours)", State: "DISABLED" }));
const changed = await plan(new GetScheduleCommand({ Name: "nightly", GroupName: name }));
say("changed", [changed.ScheduleExpression, changed.State, changed.LastModificationDate >= changed.CreationDate]);
say("bad expression", (await failure(plan(new CreateScheduleCommand({ ...nightly, Name: "bad", ScheduleExpression: "rate(0 minutes)" })), Error)).name);
say("fired", JSON.parse(await take()));
const names = [];
for (let i = 0; i < 50 && names.join() !== "nightly"; i++) {
  names.length = 0;
  for await (const page of paginateListSchedules({ client: scheduler, pageSize: 1 }, { GroupName: name })) names.push(...page.Schedules.map((s) => s.Name));
  await new Promise((resolve) => setTimeout(resolve, 100));
}
say("schedules", names);
say("once gone", await failure(plan(new GetScheduleCommand({ Name: "once", GroupName: name })), NoSchedule));
await plan(new DeleteScheduleCommand({ Name: "nightly", GroupName: name }));
await plan(new DeleteScheduleGroupCommand({ Name: name }));
say("end", true);
