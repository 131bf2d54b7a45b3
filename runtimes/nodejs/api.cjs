'use strict';
// The Runtime API over one keep-alive connection: an invocation's answer and the request for the next invocation
// leave in one write, and the server's two answers come back in that order.
//
// While a function runs the connection is unreferenced: only then can the event loop become empty, which is what
// callbackWaitsForEmptyEventLoop is about.

const PREFIX = '/2018-06-01/runtime/';
const HEAD_MAX_BYTES = 1 << 20;
// Up to this length header and body are joined as one string.
const JOIN_MAX_CHARS = 16384;
const EMPTY = Buffer.alloc(0);

class Api {
  /** `connect` is wire.cjs' way to make a connection. */
  constructor(address, connect) {
    this.dial = connect;
    const colon = address.lastIndexOf(':');
    this.host = colon < 0 ? address : address.slice(0, colon);
    this.port = colon < 0 ? 80 : Number(address.slice(colon + 1));
    this.tail = ` HTTP/1.1\r\nHost: ${address}\r\nUser-Agent: mayfly-nodejs/${process.versions.node}\r\n`;
    this.getNext = `GET ${PREFIX}invocation/next${this.tail}\r\n`;
    this.asked = this.getNext;
    this.wire = null;
    this.waiting = [];       // who gets the next answers, in their order
    this.onInvocation = null; // set while the next invocation, or a restore, is awaited
    this.attempts = 0;       // connections made since the last answer
    this.lastWords = null;   // called when the connection closes before the process' last report was answered
  }

  askNext(onInvocation) {
    this.asked = this.getNext;
    this.ask(onInvocation);
  }

  /** Waits to be saved; `onRestored` gets the headers and the body of each restored process' answer. */
  askRestore(onRestored) {
    this.asked = `GET ${PREFIX}restore/next${this.tail}\r\n`;
    this.ask(onRestored);
  }

  ask(receiver) {
    this.onInvocation = receiver;
    this.waiting.push(this.onNextAnswer);
    this.send([this.asked], true);
  }

  /** Sends an answer and asks for the next invocation in one write. */
  postAndNext(path, body, headers, onInvocation) {
    this.onInvocation = onInvocation;
    this.waiting.push(this.onAck, this.onNextAnswer);
    this.sendPost(path, body, headers, this.getNext);
  }

  /** What is being sent is the process' last report: `done` is called when it was answered, or can't be. */
  endWith(done) {
    this.waiting = [done];
    this.onInvocation = null;
    this.lastWords = done;
    if (this.wire !== null) this.wire.ref(); // the process must not end by an empty event loop before
  }

  /** Sends a POST alone, as the last report. */
  post(path, body, headers, done) {
    this.endWith(done);
    this.sendPost(path, body, headers, '');
  }

  /** Begins an answer whose body is sent by hand, in chunks, with sendRaw. */
  beginStream(path, headers) {
    this.waiting.push(this.onAck);
    this.send([`POST ${PREFIX}${path}${this.tail}Transfer-Encoding: chunked\r\n${headers}\r\n`], false);
    this.wire.unref();
  }

  sendRaw(parts, done) {
    if (this.wire === null) done(new Error('The Runtime API closed the connection'));
    else this.wire.writeParts(parts, done);
  }

  sendPost(path, body, headers, tail) {
    const length = Buffer.byteLength(body);
    const head = `POST ${PREFIX}${path}${this.tail}Content-Type: application/json\r\nContent-Length: ${length}\r\n${headers}\r\n`;
    if (length <= JOIN_MAX_CHARS) this.send([head + body + tail], length === body.length);
    else this.send([head, body, tail], false);
  }

  send(parts, ascii) {
    const connection = this.wire || this.connect();
    connection.ref();
    if (parts.length === 1) connection.write(parts[0], ascii);
    else connection.writeParts(parts, null);
  }

  connect() {
    this.attempts++;
    this.pending = EMPTY;
    this.partial = null;
    const connection = this.dial(this.host, this.port, (chunk) => this.onData(chunk), () => {
      if (this.wire === connection) this.onClose();
    });
    this.wire = connection;
    return connection;
  }

  /** The server dropped the connection: what was asked for is asked for again, once. */
  onClose() {
    this.wire = null;
    const asked = this.onInvocation !== null;
    this.waiting = [];
    if (this.lastWords) this.lastWords();
    if (!asked) return;
    if (this.attempts > 1) {
      process.stderr.write('LAMBDA_RUNTIME Failed to get next invocation. The Runtime API closed the connection.\n');
      process.exit(1);
    }
    this.ask(this.onInvocation);
  }

  onData(chunk) {
    if (this.partial !== null) {
      chunk = this.fillBody(chunk);
      if (chunk === null) return;
    }
    let buffer = this.pending.length ? Buffer.concat([this.pending, chunk]) : chunk;
    while (buffer.length) {
      const rest = this.takeAnswer(buffer);
      if (rest === null) break;
      buffer = rest;
    }
    // The receive buffer is used again, so what is kept has to be copied.
    this.pending = buffer.length ? Buffer.from(buffer) : EMPTY;
  }

  /** Takes one answer off the front of `buffer`; null when it isn't complete. Returns what is left. */
  takeAnswer(buffer) {
    const end = buffer.indexOf('\r\n\r\n');
    if (end < 0) {
      if (buffer.length > HEAD_MAX_BYTES) this.wire.destroy();
      return null;
    }
    const start = end + 4;
    const status = Number(buffer.latin1Slice(9, 12));
    if (status < 200) return buffer.subarray(start);
    const headers = parseHeaders(buffer.utf8Slice(0, end));
    const length = headers['content-length'];
    if (length === undefined) return this.takeChunked(buffer, start, status, headers);
    const size = Number(length);
    if (buffer.length - start >= size) {
      this.dispatch(status, headers, buffer.subarray(start, start + size));
      return buffer.subarray(start + size);
    }
    const body = Buffer.allocUnsafeSlow(size);
    this.partial = { status, headers, body, filled: buffer.copy(body, 0, start) };
    return EMPTY;
  }

  /** Collects the rest of a body that came in pieces; returns what follows it, or null when it isn't complete. */
  fillBody(chunk) {
    const partial = this.partial;
    const used = chunk.copy(partial.body, partial.filled);
    partial.filled += used;
    if (partial.filled < partial.body.length) return null;
    this.partial = null;
    this.dispatch(partial.status, partial.headers, partial.body);
    return chunk.subarray(used);
  }

  takeChunked(buffer, start, status, headers) {
    if (status === 204) {
      this.dispatch(status, headers, EMPTY);
      return buffer.subarray(start);
    }
    if (!/chunked/i.test(headers['transfer-encoding'] || '')) {
      this.wire.destroy();
      return null;
    }
    const parsed = require('./chunked.cjs').decode(buffer, start);
    if (parsed === null) return null;
    this.dispatch(status, headers, parsed.body);
    return buffer.subarray(parsed.end);
  }

  dispatch(status, headers, body) {
    const receiver = this.waiting.shift();
    if (receiver) receiver.call(this, status, headers, body);
  }

  onAck(status) {
    if (status >= 300) {
      process.stderr.write(`LAMBDA_RUNTIME Failed to post handler response. Http response code: ${status}.\n`);
    }
  }

  onNextAnswer(status, headers, body) {
    if (status !== 200) {
      process.stderr.write(`LAMBDA_RUNTIME Failed to get next invocation. Http response code: ${status}\n`);
      process.exit(1);
    }
    const onInvocation = this.onInvocation;
    this.onInvocation = null;
    this.attempts = 0;
    this.wire.unref();
    onInvocation(headers, body);
  }
}

function parseHeaders(head) {
  const headers = {};
  let at = head.indexOf('\r\n');
  while (at >= 0) {
    const begin = at + 2;
    at = head.indexOf('\r\n', begin);
    const colon = head.indexOf(':', begin);
    headers[head.slice(begin, colon).toLowerCase()] = head.slice(colon + 1, at < 0 ? undefined : at).trim();
  }
  return headers;
}

module.exports = { Api };
