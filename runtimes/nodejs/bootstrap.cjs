'use strict';
// Entry of the managed Node.js runtimes: `node /var/runtime/bootstrap.cjs`. CommonJS, since a module that is started
// as ESM costs 10 ms more; ESM handlers are imported dynamically. What most functions never use (streaming, error
// formatting, JSON logs) is in files of its own, loaded at its first use.

const { Api } = require('./api.cjs');
const { makeContext } = require('./context.cjs');
const logs = require('./logs.cjs');

const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const TENANT_ID = Symbol.for('aws.lambda.runtime.tenantId');

/** The state of the one invocation that runs: who reports its end, and what an empty event loop means to it. */
class Runtime {
  constructor(api) {
    this.api = api;
    this.handler = null;
    this.streaming = null;
    this.id = null;          // null: initialising, errors go to init/error
    this.onEmptyLoop = null; // called once when the function has nothing left to wait for
    this.dying = false;
    this.onInvocation = (headers, body) => this.invoke(headers, body);
  }

  start(handler, streaming) {
    if (this.dying) return;
    this.handler = handler;
    this.streaming = streaming;
    this.api.askNext(this.onInvocation);
  }

  invoke(headers, body) {
    const id = headers['lambda-runtime-aws-request-id'];
    this.id = id;
    globalThis[REQUEST_ID] = id;
    globalThis[TENANT_ID] = headers['lambda-runtime-aws-tenant-id'];
    const trace = headers['lambda-runtime-trace-id'];
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
    if (this.streaming) require('./streaming.cjs').invoke(this, headers, body);
    else this.invokeBuffered(id, headers, body);
  }

  invokeBuffered(id, headers, body) {
    const call = new Call(this, id);
    this.onEmptyLoop = () => call.succeed(null);
    try {
      const context = makeContext(headers, call);
      const result = this.handler(JSON.parse(body.toString()), context, call.callback);
      if (result && typeof result.then === 'function') result.then(call.succeed, call.fail).catch(call.fail);
    } catch (error) {
      call.callback(error);
    }
  }

  respond(id, result) {
    const body = JSON.stringify(result === undefined ? null : result);
    this.onEmptyLoop = null;
    // What has no JSON form (a function, a symbol) is sent as nothing, as AWS does.
    this.api.postAndNext(`invocation/${id}/response`, body === undefined ? '' : body, '', this.onInvocation);
  }

  respondError(id, error) {
    const errors = require('./errors.cjs');
    logs.error('Invoke Error', error);
    this.onEmptyLoop = null;
    const { body, header } = errors.toRequest(error);
    this.api.postAndNext(`invocation/${id}/error`, body, header, this.onInvocation);
  }

  /** Reports what nobody caught and ends the process once the server has it. */
  die(title, error, exitCode) {
    logs.error(title, error);
    if (this.dying) return;
    this.dying = true;
    // Between invocations there is nothing to report an error to.
    if (this.api.onInvocation !== null) process.exit(exitCode);
    const { body, header } = require('./errors.cjs').toRequest(error);
    const path = this.id === null ? 'init/error' : `invocation/${this.id}/error`;
    this.api.post(path, body, header, () => process.exit(exitCode));
  }
}

/** One invocation's ways to end: callback, context.succeed/fail/done, the promise; the first one counts. */
class Call {
  constructor(runtime, id) {
    this.runtime = runtime;
    this.id = id;
    this.ended = false;
    this.waitForEmptyLoop = true;
    this.succeed = (result) => this.end(null, result);
    this.done = (error, result) => this.end(error, result);
    this.fail = (error) => this.end(error === undefined || error === null ? 'handled' : error);
    this.callback = (error, result) => {
      if (error !== undefined && error !== null) this.end(error);
      else if (!this.waitForEmptyLoop) this.end(null, result);
      else if (!this.ended) this.endWhenIdle(result);
    };
  }

  endWhenIdle(result) {
    this.ended = true;
    this.runtime.onEmptyLoop = () => setImmediate(() => {
      this.ended = false;
      this.end(null, result);
    });
  }

  end(error, result) {
    if (this.ended) return;
    this.ended = true;
    if (error !== undefined && error !== null) {
      this.runtime.respondError(this.id, error);
      return;
    }
    try {
      this.runtime.respond(this.id, result);
    } catch (_) {
      this.runtime.respondError(this.id, new Error('Unable to stringify response body'));
    }
  }
}

function installProcessHooks(runtime) {
  process.on('uncaughtException', (error) => runtime.die('Uncaught Exception', error, 129));
  process.on('unhandledRejection', (reason, promise) => {
    const { UnhandledPromiseRejection } = require('./errors.cjs');
    runtime.die('Unhandled Promise Rejection', new UnhandledPromiseRejection(reason, promise), 128);
  });
  process.on('beforeExit', () => {
    const action = runtime.onEmptyLoop;
    runtime.onEmptyLoop = null;
    if (action) action();
  });
}

async function main() {
  logs.patchConsole(() => globalThis[REQUEST_ID], () => globalThis[TENANT_ID]);
  const runtime = new Runtime(new Api(process.env.AWS_LAMBDA_RUNTIME_API || ''));
  installProcessHooks(runtime);
  const loader = require('./loader.cjs');
  try {
    const root = process.env.LAMBDA_TASK_ROOT || '/var/task';
    const loaded = loader.load(root, process.argv[2] || process.env._HANDLER || '');
    // Only modules that load asynchronously are awaited: a turn of the event loop is not free.
    const handler = typeof loaded === 'function' ? loaded : await loaded;
    const streaming = loader.streaming(handler);
    // A promise that the module rejected is reported before the next turn; it is a failure of the initialisation.
    setImmediate(() => runtime.start(handler, streaming));
  } catch (error) {
    runtime.die('Uncaught Exception', error, 129);
  }
}

main();
