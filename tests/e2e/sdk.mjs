// Run by test_javascript_sdk.py, in the folder that has the packages: one line of JSON for each check, [name, value].
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const everything = require("@aws-sdk/client-lambda");
const {
  LambdaClient, CreateFunctionCommand, InvokeCommand, GetFunctionCommand, DeleteFunctionCommand, UpdateFunctionCodeCommand,
  PublishVersionCommand, CreateAliasCommand, TagResourceCommand, ListTagsCommand, PutFunctionConcurrencyCommand,
  PublishLayerVersionCommand, GetLayerVersionByArnCommand, AddLayerVersionPermissionCommand, GetLayerVersionPolicyCommand,
  DeleteLayerVersionCommand, paginateListLayers, paginateListLayerVersions,
  paginateListFunctions, paginateListVersionsByFunction, waitUntilFunctionActiveV2, waitUntilFunctionUpdatedV2,
} = everything;
const { STSClient, GetCallerIdentityCommand } = require("@aws-sdk/client-sts");
const { CloudWatchLogsClient, DescribeLogStreamsCommand, GetLogEventsCommand, FilterLogEventsCommand } = require("@aws-sdk/client-cloudwatch-logs");

const say = (name, value) => console.log(JSON.stringify([name, value]));
const config = { maxAttempts: 1 };
const lambda = new LambdaClient(config);
const FunctionName = process.argv[3], ZipFile = readFileSync(process.argv[2]);
const waiting = { client: lambda, maxWaitTime: 30, minDelay: 1, maxDelay: 1 };
const json = (payload) => JSON.parse(new TextDecoder().decode(payload));
const failure = async (command) => {
  try {
    await lambda.send(command);
    return "no error";
  } catch (e) {
    return { name: e.name, fault: e.$fault, status: e.$metadata.httpStatusCode, request: Boolean(e.$metadata.requestId), Type: e.Type, Reason: e.Reason, message: e.message };
  }
};

const make = { FunctionName, Runtime: "nodejs20.x", Handler: "index.handler", Role: "arn:aws:iam::000000000000:role/any", Code: { ZipFile }, Environment: { Variables: { WORD: "grün" } } };
const made = await lambda.send(new CreateFunctionCommand(make));
say("create", [made.$metadata.httpStatusCode, made.State, made.FunctionArn]);
say("active", (await waitUntilFunctionActiveV2(waiting, { FunctionName })).state);
say("exists", await failure(new CreateFunctionCommand(make)));

const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify({ n: 41 }), LogType: "Tail" }));
say("invoke", [answer.StatusCode, answer.ExecutedVersion, json(answer.Payload), Buffer.from(answer.LogResult, "base64").toString().includes("said by the function")]);
const thrown = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify({ fail: true }) }));
say("thrown", [thrown.StatusCode, thrown.FunctionError, json(thrown.Payload).errorType]);
say("dry run", (await lambda.send(new InvokeCommand({ FunctionName, InvocationType: "DryRun" }))).StatusCode);

await lambda.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile }));
say("updated", (await waitUntilFunctionUpdatedV2(waiting, { FunctionName })).state);
say("version", (await lambda.send(new PublishVersionCommand({ FunctionName }))).Version);
say("alias", (await lambda.send(new CreateAliasCommand({ FunctionName, Name: "live", FunctionVersion: "1" }))).AliasArn);
say("by alias", (await lambda.send(new InvokeCommand({ FunctionName, Qualifier: "live", Payload: "{}" }))).ExecutedVersion);
await lambda.send(new TagResourceCommand({ Resource: made.FunctionArn, Tags: { team: "ä b" } }));
say("tags", (await lambda.send(new ListTagsCommand({ Resource: made.FunctionArn }))).Tags);
const got = await lambda.send(new GetFunctionCommand({ FunctionName }));
const bytes = Buffer.from(await (await fetch(got.Code.Location)).arrayBuffer());
say("download", Buffer.compare(bytes, ZipFile));

const others = Array.from({ length: 6 }, (_, n) => `${FunctionName}-${n}`);
for (const name of others) await lambda.send(new CreateFunctionCommand({ ...make, FunctionName: name }));
const pages = [];
for await (const page of paginateListFunctions({ client: lambda, pageSize: 4 }, {})) pages.push(page.Functions.map((f) => f.FunctionName));
say("pages", [pages.every((p) => p.length <= 4), pages.flat().filter((n) => n.startsWith(FunctionName)).length]);
const versions = [];
for await (const page of paginateListVersionsByFunction({ client: lambda, pageSize: 1 }, { FunctionName })) versions.push(...page.Versions.map((v) => v.Version));
say("versions", versions);

const layer = { LayerName: FunctionName, VersionNumber: 1 };
for (let n = 0; n < 3; n++) await lambda.send(new PublishLayerVersionCommand({ ...layer, Content: { ZipFile }, CompatibleRuntimes: ["nodejs20.x"] }));
const layers = [], layerVersions = [];
for await (const page of paginateListLayers({ client: lambda, pageSize: 1 }, {})) layers.push(...page.Layers.map((l) => l.LatestMatchingVersion.Version));
for await (const page of paginateListLayerVersions({ client: lambda, pageSize: 2 }, layer)) layerVersions.push(...page.LayerVersions.map((v) => v.Version));
say("layers", [layers, layerVersions]);
const { Statement } = await lambda.send(new AddLayerVersionPermissionCommand({ ...layer, StatementId: "s", Action: "lambda:GetLayerVersion", Principal: "*" }));
say("layer policy", JSON.parse((await lambda.send(new GetLayerVersionPolicyCommand(layer))).Policy).Statement.map((s) => JSON.stringify(s) === Statement));
const first = await lambda.send(new GetLayerVersionByArnCommand({ Arn: JSON.parse(Statement).Resource }));
say("layer download", Buffer.compare(Buffer.from(await (await fetch(first.Content.Location)).arrayBuffer()), ZipFile));
await lambda.send(new DeleteLayerVersionCommand(layer));
say("layer gone", await failure(new GetLayerVersionByArnCommand({ Arn: first.LayerVersionArn })));

// Every paginator and waiter that the SDK has; lists of what cannot be made here are empty, or what holds it is not found.
const account = "arn:aws:lambda:us-east-1:000000000000:", durable = account + "function:f:1/durable-execution/a/b";
const given = {
  FunctionName, LayerName: layer.LayerName, CodeSigningConfigArn: account + "code-signing-config:csc-" + "a".repeat(17), CapacityProviderName: "c",
  DurableExecutionArn: durable, CheckpointToken: "AAAA",
};
const paged = {};
for (const name of Object.keys(everything).filter((n) => n.startsWith("paginate"))) {
  try {
    let count = 0;
    for await (const page of everything[name]({ client: lambda, pageSize: 1 }, given)) count += page.$metadata.httpStatusCode === 200;
    paged[name.slice(8)] = count > 0;
  } catch (error) {
    paged[name.slice(8)] = error.name;
  }
}
say("all paginators", paged);
const waited = {};
for (const name of Object.keys(everything).filter((n) => /^waitUntil/.test(n)))
  waited[name.slice(9)] = (await everything[name](waiting, { FunctionName, Qualifier: name.includes("Version") ? "1" : undefined })).state;
say("all waiters", waited);

say("not found", await failure(new InvokeCommand({ FunctionName: "nobody" })));
say("invalid", await failure(new CreateFunctionCommand({ ...make, FunctionName: "x".repeat(141) })));
say("not json", await failure(new InvokeCommand({ FunctionName, Payload: "{nope" })));
await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }));
say("throttled", await failure(new InvokeCommand({ FunctionName })));
const stranger = new LambdaClient({ ...config, credentials: { accessKeyId: "AKIAAAAAAAAAAAAAAAAA", secretAccessKey: "x" } });
say("stranger", await stranger.send(new InvokeCommand({ FunctionName })).catch((e) => [e.name, e.$metadata.httpStatusCode]));

say("identity", (await new STSClient(config).send(new GetCallerIdentityCommand({}))).Account);
const logs = new CloudWatchLogsClient(config), logGroupName = "/aws/lambda/" + FunctionName;
const streams = (await logs.send(new DescribeLogStreamsCommand({ logGroupName }))).logStreams;
const logStreamName = streams[0].logStreamName;
const events = (await logs.send(new GetLogEventsCommand({ logGroupName, logStreamName, startFromHead: true }))).events;
const filtered = (await logs.send(new FilterLogEventsCommand({ logGroupName, filterPattern: '"said by the function"' }))).events;
say("logs", [streams.length > 0, events.length > 0, filtered.length > 0]);
say("deleted", (await lambda.send(new DeleteFunctionCommand({ FunctionName }))).$metadata.httpStatusCode);
say("gone", (await failure(new GetFunctionCommand({ FunctionName }))).name);
