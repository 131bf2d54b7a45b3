'use strict';
// Response streaming: the handler writes into a stream that is the chunked body of the invocation's answer. An error
// after the first byte travels in the trailers.

const { Writable } = require('stream');
const { makeContext } = require('./context.cjs');
const errors = require('./errors.cjs');
const logs = require('./logs.cjs');

const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';

class ResponseStream extends Writable {
  constructor(api, id, highWaterMark) {
    super({ highWaterMark });
    this.api = api;
    this.path = `invocation/${id}/response`;
    this.contentType = 'application/octet-stream';
    this.begun = this.finished = false;
    this.failure = null;
  }

  setContentType(type) {
    if (this.begun) throw new errors.InvalidStreamingOperation('Cannot set content-type, too late.');
    this.contentType = type;
  }

  write(chunk, encoding, callback) {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) chunk = JSON.stringify(chunk);
    this.before();
    return super.write(chunk, encoding, callback);
  }

  /** What comes in front of the first byte, also of an answer without any. */
  before() {
    if (this.begun || this.writableLength || !this._onBeforeFirstWrite) return;
    const prelude = this._onBeforeFirstWrite;
    this._onBeforeFirstWrite = null;
    prelude((part) => super.write(part));
  }

  end(...args) {
    if (!this.destroyed && !this.writableEnded) this.before();
    return super.end(...args);
  }

  begin() {
    if (this.begun) return;
    this.begun = true;
    this.api.beginStream(this.path, 'Lambda-Runtime-Function-Response-Mode: streaming\r\n'
      + `Trailer: ${ERROR_TYPE}, ${ERROR_BODY}\r\nContent-Type: ${String(this.contentType).replace(/[\r\n]/g, '')}\r\n`);
  }

  _write(chunk, _encoding, callback) {
    this.begin();
    if (chunk.length === 0) callback();
    else this.api.sendRaw([`${chunk.length.toString(16)}\r\n`, chunk, '\r\n'], callback);
  }

  /** What was written while an earlier write was under way leaves in one go. */
  _writev(writes, callback) {
    const parts = [];
    this.begin();
    for (const { chunk } of writes) if (chunk.length) parts.push(`${chunk.length.toString(16)}\r\n`, chunk, '\r\n');
    if (parts.length === 0) callback();
    else this.api.sendRaw(parts, callback);
  }

  _final(callback) {
    this.finish(callback);
  }

  /** Ends the chunked body, with the error that there is. */
  finish(callback) {
    this.begin();
    this.finished = true;
    let trailers = '';
    if (this.failure) {
      const body = Buffer.from(JSON.stringify(this.failure)).toString('base64');
      trailers = `${ERROR_TYPE}: ${String(this.failure.errorType).replace(/[^!-~]/g, '_')}\r\n${ERROR_BODY}: ${body}\r\n`;
    }
    this.api.sendRaw([`0\r\n${trailers}\r\n`], callback);
  }
}

/** Puts status and headers of an HTTP answer in front of the body. */
class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType('application/vnd.awslambda.http-integration-response');
    const head = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(head);
      write(new Uint8Array(8));
    };
    return stream;
  }
}

/** Puts the error behind what was written, and ends the answer. */
function settle(stream, error) {
  return new Promise((resolve) => {
    stream.failure = errors.toResponse(error);
    if (stream.finished) resolve();
    else if (stream.destroyed) stream.finish(resolve); // by a pipeline whose source failed
    else stream.end(resolve);
  });
}

async function run(runtime, handler, headers, text, state, stream) {
  const result = handler(JSON.parse(text), stream, makeContext(headers, state));
  if (!result || typeof result.then !== 'function') throw 'Streaming does not support non-async handlers.';
  if (await result !== undefined) console.warn('Streaming handlers ignore return values.');
  if (!stream.writableFinished && stream.writableEnded && !stream.destroyed) {
    await new Promise((resolve) => stream.once('finish', resolve).once('close', resolve));
  }
  if (!stream.writableFinished) throw 'Response stream is not finished.';
}

/** One invocation; it ends once, whatever else its handler says later. */
class Answer {
  constructor(runtime, id) {
    this.runtime = runtime;
    this.id = id;
    this.over = false;
    this.stream = new ResponseStream(runtime.api, id, runtime.streaming.highWaterMark);
    this.stream.on('error', () => {});
  }

  next() {
    this.runtime.onEmptyLoop = this.runtime.abandon = null;
    this.runtime.api.askNext(this.runtime.onInvocation);
  }

  succeed(waitForEmptyLoop) {
    if (this.over) return;
    this.over = true;
    if (waitForEmptyLoop) this.runtime.onEmptyLoop = () => this.next();
    else this.next();
  }

  /** Where nothing was written the error is that of any other function. */
  fail(error) {
    const { runtime, stream } = this;
    if (this.over) return;
    this.over = true;
    if (!stream.begun) {
      stream.destroy();
      runtime.abandon = null;
      runtime.respondError(this.id, error);
      return;
    }
    logs.error('Invoke Error', error);
    settle(stream, error).then(() => this.next());
  }

  /** The process ends in the middle of the answer; false: there is none. */
  abandon(error, exit) {
    const { stream } = this;
    if (!stream.begun || stream.finished || stream.api.wire === null) return false;
    this.over = true;
    stream.api.endWith(exit);
    settle(stream, error);
    return true;
  }
}

function invoke(runtime, headers, body) {
  const state = { waitForEmptyLoop: true };
  const answer = new Answer(runtime, headers['lambda-runtime-aws-request-id']);
  runtime.abandon = (error, exit) => answer.abandon(error, exit);
  // A handler that waits for what can't happen any more: its stream is closed with what it wrote.
  runtime.onEmptyLoop = () => answer.fail('Response stream is not finished.');
  run(runtime, runtime.handler, headers, body.toString(), state, answer.stream)
    .then(() => answer.succeed(state.waitForEmptyLoop), (error) => answer.fail(error));
}

module.exports = { invoke, HttpResponseStream };
