'use strict';
// Entry of the managed Node.js runtimes: `node /var/runtime/bootstrap.cjs`. CommonJS, since a module that is started
// as ESM costs 10 ms more; ESM handlers are loaded from here. What many functions never use (streaming, errors, logs)
// is in files of its own, loaded at its first use.

const fs = require('fs');

/** Loads a file of this folder without the search, stat and realpath of require, which cost more than its compilation. */
function part(name) {
  const Module = module.constructor;
  const file = `${__dirname}/${name}`;
  if (Module._cache[file]) return Module._cache[file].exports;
  const loaded = new Module(file, module);
  loaded.filename = file;
  Module._cache[file] = loaded;
  loaded._compile(fs.readFileSync(file, 'utf8'), file);
  loaded.loaded = true;
  return loaded.exports;
}

const { connect } = part('wire.cjs');
const { Api } = part('api.cjs');

const context = () => part('context.cjs');
const logs = () => part('logs.cjs');
const errors = () => part('errors.cjs');

const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const TENANT_ID = Symbol.for('aws.lambda.runtime.tenantId');

/** The state of the one invocation that runs: who reports its end, and what an empty event loop means to it. */
class Runtime {
  constructor(api) {
    this.api = api;
    this.handler = null;
    this.streaming = null;
    this.id = null;          // null: initialising, errors go to errorPath
    this.errorPath = 'init/error';
    this.onEmptyLoop = null; // called once when the function has nothing left to wait for
    this.abandon = null;     // of a streamed answer: ends it with an error
    this.dying = false;
    this.onInvocation = (headers, body) => this.invoke(headers, body);
  }

  start(handler, streaming) {
    if (this.dying) return;
    this.handler = handler;
    this.streaming = streaming;
    this.api.askNext(this.onInvocation);
    this.makeContext = context().makeContext; // loaded while the server answers
  }

  invoke(headers, body) {
    const id = headers['lambda-runtime-aws-request-id'];
    this.id = id;
    globalThis[REQUEST_ID] = id;
    globalThis[TENANT_ID] = headers['lambda-runtime-aws-tenant-id'];
    const trace = headers['lambda-runtime-trace-id'];
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
    if (this.streaming) part('streaming.cjs').invoke(this, headers, body);
    else this.invokeBuffered(id, headers, body);
  }

  invokeBuffered(id, headers, body) {
    const call = new Call(this, id);
    this.onEmptyLoop = () => call.succeed(null);
    try {
      const made = this.makeContext(headers, call);
      const result = this.handler(JSON.parse(body.toString()), made, call.callback);
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
    logs().error('Invoke Error', error);
    this.onEmptyLoop = null;
    const { body, header } = errors().toRequest(error);
    this.api.postAndNext(`invocation/${id}/error`, body, header, this.onInvocation);
  }

  /** Reports what nobody caught and ends the process once the server has it. */
  die(title, error, exitCode) {
    logs().error(title, error);
    if (this.dying) return;
    this.dying = true;
    // Between invocations there is nothing to report an error to.
    if (this.api.onInvocation !== null) process.exit(exitCode);
    if (this.abandon !== null && this.abandon(error, () => process.exit(exitCode))) return;
    const { body, header } = errors().toRequest(error);
    const path = this.id === null ? this.errorPath : `invocation/${this.id}/error`;
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
    const { UnhandledPromiseRejection } = errors();
    runtime.die('Unhandled Promise Rejection', new UnhandledPromiseRejection(reason, promise), 128);
  });
  process.on('beforeExit', () => {
    const action = runtime.onEmptyLoop;
    runtime.onEmptyLoop = null;
    if (action) action();
  });
}

/** Many functions never log: what formats their records is loaded with the first one. */
function patchConsole() {
  let loggers = null;
  const logger = (name) => (...params) => {
    if (loggers === null) loggers = logs().loggers(() => globalThis[REQUEST_ID], () => globalThis[TENANT_ID]);
    loggers[name](...params);
  };
  for (const name of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) console[name] = logger(name);
  console.log = console.info;
}

/** Whether a checkpoint follows; the platform's own variable is none of the function's business. */
function becomesImage() {
  const asked = process.env._MAYFLY_SNAPSHOT;
  if (asked !== undefined) delete process.env._MAYFLY_SNAPSHOT;
  return Boolean(asked) || process.env.AWS_LAMBDA_INITIALIZATION_TYPE === 'snap-start';
}

async function main() {
  patchConsole();
  const runtime = new Runtime(new Api(process.env.AWS_LAMBDA_RUNTIME_API || '', connect));
  installProcessHooks(runtime);
  const loader = part('loader.cjs');
  const snapshot = becomesImage() ? part('snapshot.cjs') : null;
  try {
    if (snapshot) snapshot.prepare();
    const root = process.env.LAMBDA_TASK_ROOT || '/var/task';
    const loaded = loader.load(root, process.argv[2] || process.env._HANDLER || '');
    // Only modules that load asynchronously are awaited: a turn of the event loop is not free.
    const handler = typeof loaded === 'function' ? loaded : await loaded;
    const streaming = loader.streaming(handler);
    // A promise that the module rejected is reported before the next turn; it is a failure of the initialisation.
    const go = () => runtime.start(handler, streaming);
    setImmediate(() => {
      if (snapshot === null) go();
      else if (!runtime.dying) snapshot.park(runtime, Runtime, Api, loader.hooks, go);
    });
  } catch (error) {
    runtime.die('Uncaught Exception', error, 129);
  }
}

main();
