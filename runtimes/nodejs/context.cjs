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

// A constructor instead of a literal with accessors: objects of one shape are made faster.
function Context(headers, call) {
  const deadline = headers['lambda-runtime-deadline-ms'];
  const env = process.env;
  Object.defineProperty(this, 'callbackWaitsForEmptyEventLoop', {
    enumerable: true,
    configurable: true,
    get: () => call.waitForEmptyLoop,
    set: (value) => { call.waitForEmptyLoop = value; },
  });
  if (call.succeed) {
    this.succeed = call.succeed;
    this.fail = call.fail;
    this.done = call.done;
  }
  this.functionVersion = env.AWS_LAMBDA_FUNCTION_VERSION;
  this.functionName = env.AWS_LAMBDA_FUNCTION_NAME;
  this.memoryLimitInMB = env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE;
  this.logGroupName = env.AWS_LAMBDA_LOG_GROUP_NAME;
  this.logStreamName = env.AWS_LAMBDA_LOG_STREAM_NAME;
  this.clientContext = parse(headers['lambda-runtime-client-context'], 'ClientContext');
  this.identity = parse(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity');
  this.invokedFunctionArn = headers['lambda-runtime-invoked-function-arn'];
  this.awsRequestId = headers['lambda-runtime-aws-request-id'];
  this.tenantId = headers['lambda-runtime-aws-tenant-id'];
  this.getRemainingTimeInMillis = () => deadline - Date.now();
}
// A plain object to those who look, deepEqual and structured loggers included.
Context.prototype = Object.prototype;

module.exports = { Context };
