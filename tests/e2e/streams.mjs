// Run by test_streaming.py, in the folder that has the packages: one line of JSON for each check, [name, value].
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const { LambdaClient, InvokeWithResponseStreamCommand } = require("@aws-sdk/client-lambda");

const say = (name, value) => console.log(JSON.stringify([name, value]));
const lambda = new LambdaClient({ maxAttempts: 1 });
const FunctionName = process.argv[2];

async function stream(event) {
  const answer = await lambda.send(new InvokeWithResponseStreamCommand({ FunctionName, Payload: JSON.stringify(event) }));
  const pieces = [];
  let complete;
  for await (const one of answer.EventStream) {
    if (one.PayloadChunk) pieces.push(Buffer.from(one.PayloadChunk.Payload));
    if (one.InvokeComplete) complete = one.InvokeComplete;
  }
  return { answer, pieces, complete, all: Buffer.concat(pieces) };
}

const words = await stream({ words: ["one ", "two ", "three"], pieces: 0 });
say("answer", [words.answer.StatusCode, words.answer.ExecutedVersion, words.answer.ResponseStreamContentType]);
say("words", words.pieces.map(String));
say("complete", words.complete);
const http = await stream({ http: true, words: ["body"], pieces: 0 });
const head = http.all.indexOf(Buffer.alloc(8));
say("prelude", [JSON.parse(http.all.subarray(0, head)), http.all.subarray(head + 8).toString()]);
const failed = await stream({ pieces: 2, fail: true });
say("failed", [failed.complete.ErrorCode, JSON.parse(failed.complete.ErrorDetails).errorMessage, failed.all.length]);
say("large", (await stream({ pieces: 320 })).all.length);
try {
  await lambda.send(new InvokeWithResponseStreamCommand({ FunctionName: "nobody" }));
} catch (e) {
  say("missing", [e.name, e.$metadata.httpStatusCode]);
}
