'use strict';
// The context object of an invocation: the members and the order of Lambda's, all enumerable.

function parse(text, name) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

/** `call` carries waitForEmptyLoop and, unless the answer is streamed, the ways to end the invocation. */
function makeContext(headers, call) {
  const deadline = headers['lambda-runtime-deadline-ms'];
  const env = process.env;
  const context = {
    get callbackWaitsForEmptyEventLoop() { return call.waitForEmptyLoop; },
    set callbackWaitsForEmptyEventLoop(value) { call.waitForEmptyLoop = value; },
    succeed: call.succeed,
    fail: call.fail,
    done: call.done,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parse(headers['lambda-runtime-client-context'], 'ClientContext'),
    identity: parse(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  if (call.succeed === undefined) for (const name of ['succeed', 'fail', 'done']) delete context[name];
  return context;
}

module.exports = { makeContext };
