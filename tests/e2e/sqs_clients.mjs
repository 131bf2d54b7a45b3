// Run by test_sqs_clients.py, in the folder that has the packages: one line of JSON for each check, [name, value].
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const {
  SQSClient, CreateQueueCommand, DeleteQueueCommand, GetQueueUrlCommand, GetQueueAttributesCommand, SendMessageCommand, SendMessageBatchCommand,
  ReceiveMessageCommand, DeleteMessageCommand, DeleteMessageBatchCommand, ChangeMessageVisibilityCommand, QueueDoesNotExist, paginateListQueues,
} = require("@aws-sdk/client-sqs");
const { Consumer } = require("sqs-consumer");

const say = (name, value) => console.log(JSON.stringify([name, value]));
const sqs = new SQSClient({ maxAttempts: 1 });
const prefix = process.argv[2];
const make = async (name, Attributes) => (await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes }))).QueueUrl;
const failure = async (command) => {
  try {
    await sqs.send(command);
    return "no error";
  } catch (e) {
    return { name: e.name, status: e.$metadata.httpStatusCode, known: e instanceof QueueDoesNotExist, message: e.message };
  }
};

const QueueUrl = await make(`${prefix}-plain`, { VisibilityTimeout: "30" });
say("same", (await sqs.send(new GetQueueUrlCommand({ QueueName: `${prefix}-plain` }))).QueueUrl === QueueUrl);
// The SDK compares the MD5s of body and attributes itself, and throws.
const sent = await sqs.send(new SendMessageCommand({
  QueueUrl, MessageBody: "grün & <b>",
  MessageAttributes: { Text: { DataType: "String", StringValue: "ä" }, Bytes: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255, 7]) } },
}));
const got = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"] }));
const message = got.Messages[0];
say("received", [message.Body, message.MessageId === sent.MessageId, message.MessageAttributes.Text.StringValue,
  [...message.MessageAttributes.Bytes.BinaryValue], message.Attributes.ApproximateReceiveCount]);
await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 60 }));
await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
const batch = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: "a", MessageBody: "1" }, { Id: "b", MessageBody: "2", DelaySeconds: 901 }] }));
say("batch", [batch.Successful.map((s) => s.Id), batch.Failed.map((f) => [f.Id, f.Code])]);
const one = (await sqs.send(new ReceiveMessageCommand({ QueueUrl }))).Messages[0];
const gone = await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: [{ Id: "x", ReceiptHandle: one.ReceiptHandle }] }));
say("gone", gone.Successful.map((s) => s.Id));
say("empty", (await sqs.send(new ReceiveMessageCommand({ QueueUrl }))).Messages ?? null);
say("no queue", await failure(new SendMessageCommand({ QueueUrl: `${QueueUrl}-not`, MessageBody: "x" })));
say("bad value", await failure(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 11 })));
const pages = [];
for await (const page of paginateListQueues({ client: sqs, pageSize: 1 }, { QueueNamePrefix: prefix })) pages.push(...(page.QueueUrls ?? []));
say("pages", pages.length);

// sqs-consumer: until it has handled `count` messages; the first attempt at "fails" throws.
const consume = async (queueUrl, count, options = {}) => {
  const bodies = [];
  let failed = false;
  await new Promise((resolve, reject) => {
    const seen = (body) => {
      if (body === "fails" && !failed) {
        failed = true;
        throw new Error("as wanted");
      }
      bodies.push(body);
      if (bodies.length >= count) setImmediate(() => consumer.stop());
    };
    const consumer = Consumer.create({
      queueUrl, sqs, waitTimeSeconds: 5, visibilityTimeout: 30, terminateVisibilityTimeout: true, pollingCompleteWaitTimeMs: 10000,
      ...(options.batch ? { batchSize: 10, handleMessageBatch: async (all) => { all.forEach((m) => seen(m.Body)); return all; } }
        : { handleMessage: async (m) => { seen(m.Body); return m; } }),
    });
    consumer.on("stopped", resolve);
    consumer.on("error", reject);
    setTimeout(() => { consumer.stop({ abort: true }); reject(new Error(`only ${bodies}`)); }, 60000).unref();
    consumer.start();
  });
  return bodies;
};
const left = async (url) => {
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] }));
  return Number(Attributes.ApproximateNumberOfMessages) + Number(Attributes.ApproximateNumberOfMessagesNotVisible);
};

for (const body of ["a", "fails", "b"]) await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: body }));
say("consumer", (await consume(QueueUrl, 3)).sort());
say("consumer left", await left(QueueUrl));
await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: Array.from({ length: 10 }, (_, i) => ({ Id: `${i}`, MessageBody: `${i}` })) }));
say("consumer batch", (await consume(QueueUrl, 10, { batch: true })).sort());

const fifo = await make(`${prefix}.fifo`, { FifoQueue: "true", ContentBasedDeduplication: "true" });
for (const body of ["1", "fails", "3", "3", "4"]) await sqs.send(new SendMessageCommand({ QueueUrl: fifo, MessageBody: body, MessageGroupId: "g" }));
say("consumer fifo", await consume(fifo, 4));
say("consumer fifo left", await left(fifo));
for (const url of [QueueUrl, fifo]) await sqs.send(new DeleteQueueCommand({ QueueUrl: url }));
say("deleted", await failure(new GetQueueUrlCommand({ QueueName: `${prefix}.fifo` })));
