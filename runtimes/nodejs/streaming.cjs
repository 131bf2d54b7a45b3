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
    this.begun = false;
    this.failure = null;
  }

  setContentType(type) {
    if (this.begun) throw new errors.InvalidStreamingOperation('Cannot set content-type, too late.');
    this.contentType = type;
  }

  write(chunk, encoding, callback) {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) chunk = JSON.stringify(chunk);
    if (!this.begun && !this.writableLength && this._onBeforeFirstWrite) {
      const prelude = this._onBeforeFirstWrite;
      this._onBeforeFirstWrite = null;
      prelude((part) => super.write(part));
    }
    return super.write(chunk, encoding, callback);
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

  _final(callback) {
    this.begin();
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

function fail(stream, error) {
  logs.error('Invoke Error', error);
  return new Promise((resolve) => {
    stream.failure = errors.toResponse(error);
    if (stream.destroyed || stream.writableFinished) resolve();
    else stream.end(resolve);
  });
}

async function run(runtime, handler, headers, text, state, stream) {
  const result = handler(JSON.parse(text), stream, makeContext(headers, state));
  if (!result || typeof result.then !== 'function') throw 'Streaming does not support non-async handlers.';
  if (await result !== undefined) console.warn('Streaming handlers ignore return values.');
  if (!stream.writableFinished && stream.writableEnded) await new Promise((resolve) => stream.once('finish', resolve));
  if (!stream.writableFinished) throw 'Response stream is not finished.';
}

function invoke(runtime, headers, body) {
  const state = { waitForEmptyLoop: true };
  const stream = new ResponseStream(runtime.api, headers['lambda-runtime-aws-request-id'], runtime.streaming.highWaterMark);
  const next = () => {
    runtime.onEmptyLoop = null;
    runtime.api.askNext(runtime.onInvocation);
  };
  // A handler that waits for what can't happen any more: its stream is closed with what it wrote.
  runtime.onEmptyLoop = () => fail(stream, 'Response stream is not finished.').then(next);
  stream.on('error', () => {});
  run(runtime, runtime.handler, headers, body.toString(), state, stream)
    .catch((error) => fail(stream, error))
    .then(() => {
      if (state.waitForEmptyLoop) runtime.onEmptyLoop = next;
      else next();
    });
}

module.exports = { invoke, HttpResponseStream };
