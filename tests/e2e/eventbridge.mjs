// Run by test_eventbridge_js.py, in the folder that has the packages: one line of JSON for each check, [name, value].
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const {
  EventBridgeClient, CreateEventBusCommand, DeleteEventBusCommand, DescribeRuleCommand, DeleteRuleCommand, ListTargetsByRuleCommand, PutEventsCommand,
  PutRuleCommand, PutTargetsCommand, RemoveTargetsCommand, TestEventPatternCommand, InvalidEventPatternException, ResourceNotFoundException,
} = require("@aws-sdk/client-eventbridge");
const {
  SchedulerClient, CreateScheduleCommand, CreateScheduleGroupCommand, DeleteScheduleGroupCommand, GetScheduleCommand, ConflictException, paginateListSchedules,
} = require("@aws-sdk/client-scheduler");
const { SQSClient, CreateQueueCommand, ReceiveMessageCommand, DeleteMessageCommand } = require("@aws-sdk/client-sqs");

const say = (name, value) => console.log(JSON.stringify([name, value]));
const config = { maxAttempts: 1 };
const events = new EventBridgeClient(config), scheduler = new SchedulerClient(config), sqs = new SQSClient(config);
const prefix = process.argv[2], arn = `arn:aws:sqs:us-east-1:000000000000:${prefix}`, role = "arn:aws:iam::000000000000:role/any";
const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: prefix }));
const receive = async () => {
  for (let tries = 0; tries < 10; tries++) {
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 2 }));
    if (Messages?.length) {
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle }));
      return Messages[0].Body;
    }
  }
  return null;
};
const failure = async (client, command, kind) => {
  try {
    await client.send(command);
    return "no error";
  } catch (e) {
    return { name: e.name, known: e instanceof kind, status: e.$metadata.httpStatusCode, request: Boolean(e.$metadata.requestId) };
  }
};

const EventBusName = `${prefix}-bus`, Name = "rule", EventPattern = JSON.stringify({ source: ["shop"], detail: { total: [{ numeric: [">=", 10] }] } });
say("bus", (await events.send(new CreateEventBusCommand({ Name: EventBusName }))).EventBusArn);
say("rule", (await events.send(new PutRuleCommand({ Name, EventBusName, EventPattern }))).RuleArn);
const Targets = [{ Id: "1", Arn: arn, InputTransformer: { InputPathsMap: { t: "$.detail.total" }, InputTemplate: '"total <t>"' } }];
say("targets", (await events.send(new PutTargetsCommand({ Rule: Name, EventBusName, Targets }))).FailedEntryCount);
say("listed", (await events.send(new ListTargetsByRuleCommand({ Rule: Name, EventBusName }))).Targets);
const Entries = [{ EventBusName, Source: "shop", DetailType: "order", Detail: '{"total":9}', Time: new Date() },
                 { EventBusName, Source: "shop", DetailType: "order", Detail: '{"total":12.50}', Time: new Date() }, { EventBusName, Source: "shop" }];
const put = await events.send(new PutEventsCommand({ Entries }));
say("put", [put.FailedEntryCount, put.Entries.map((e) => e.ErrorCode ?? null)]);
say("event", await receive());
const Event = JSON.stringify({ id: "1", account: "1", source: "shop", time: "2026-01-01T00:00:00Z", region: "r", resources: [], "detail-type": "x", detail: { total: 10 } });
say("pattern", (await events.send(new TestEventPatternCommand({ EventPattern, Event }))).Result);
say("bad pattern", await failure(events, new PutRuleCommand({ Name: "bad", EventPattern: "{" }), InvalidEventPatternException));
say("no rule", await failure(events, new DescribeRuleCommand({ Name: "none" }), ResourceNotFoundException));
await events.send(new RemoveTargetsCommand({ Rule: Name, EventBusName, Ids: ["1"] }));
await events.send(new DeleteRuleCommand({ Name, EventBusName }));
await events.send(new DeleteEventBusCommand({ Name: EventBusName }));

const GroupName = `${prefix}-group`, at = new Date(Date.now() + 2000).toISOString().slice(0, 19);
await scheduler.send(new CreateScheduleGroupCommand({ Name: GroupName }));
const make = (name, ScheduleExpression) => new CreateScheduleCommand({
  Name: name, GroupName, ScheduleExpression, ScheduleExpressionTimezone: "UTC", FlexibleTimeWindow: { Mode: "OFF" },
  StartDate: ScheduleExpression.startsWith("rate") ? new Date(Date.now() + 86400000) : undefined,
  Target: { Arn: arn, RoleArn: role, Input: "<aws.scheduler.scheduled-time>" },
});
say("schedule", (await scheduler.send(make("once", `at(${at})`))).ScheduleArn);
for (const n of [1, 2, 3]) await scheduler.send(make(`r${n}`, "rate(1 hour)"));
say("on time", (await receive()) === `${at}Z`);
const got = await scheduler.send(new GetScheduleCommand({ Name: "r1", GroupName }));
say("kept", [got.ScheduleExpression, got.Target.RetryPolicy, got.StartDate > new Date()]);
const names = [];
for await (const page of paginateListSchedules({ client: scheduler, pageSize: 2 }, { GroupName })) names.push(...page.Schedules.map((s) => s.Name));
say("pages", names);
say("twice", await failure(scheduler, make("r1", "rate(1 hour)"), ConflictException));
await scheduler.send(new DeleteScheduleGroupCommand({ Name: GroupName }));
