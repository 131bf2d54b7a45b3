'use strict';
// One TCP connection on libuv's bare handle. `net` with its streams takes 5 ms to load, a fifth of the start of
// Node.js; the handle is what `net` itself stands on. It isn't a public interface, so wherever it isn't the known one
// (see bindings) connections are made by net.cjs, which has the same methods.

const RECV_BYTES = 65536;
// The interface was tried with every even release from the first to the last; others are served by `net`.
const FIRST_MAJOR = 18;
const LAST_MAJOR = 26;
const METHODS = ['connect', 'setNoDelay', 'readStart', 'useUserBuffer', 'writeLatin1String', 'writeUtf8String', 'writev',
  'ref', 'unref', 'close'];

/** The classes and the shared state of the handles, or null where they aren't the known ones. */
function bindings() {
  const major = parseInt(process.versions.node, 10);
  if (major < FIRST_MAJOR || major > LAST_MAJOR) return null;
  const noDeprecation = process.noDeprecation;
  try {
    // What a function's owner asked to be warned of is his own use of process.binding, not this one.
    process.noDeprecation = true;
    const { TCP, TCPConnectWrap, constants } = process.binding('tcp_wrap');
    const { WriteWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = process.binding('stream_wrap');
    const known = METHODS.every((name) => typeof TCP.prototype[name] === 'function')
      && typeof TCPConnectWrap === 'function' && typeof WriteWrap === 'function' && typeof constants.SOCKET === 'number'
      && streamBaseState.length > Math.max(kReadBytesOrError, kLastWriteWasAsync);
    return known ? { TCP, TCPConnectWrap, WriteWrap, constants, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } : null;
  } catch (_) {
    return null;
  } finally {
    process.noDeprecation = noDeprecation;
  }
}

const uv = bindings();

/** `onData` gets a view of the receive buffer, valid during the call; `onClose` comes once, never within a method. */
class Wire {
  constructor(host, port, onData, onClose) {
    this.onClose = onClose;
    this.closed = false;
    this.spare = null;
    this.handle = new uv.TCP(uv.constants.SOCKET);
    this.handle.setNoDelay(true);
    this.listen(onData);
    const request = new uv.TCPConnectWrap();
    // Writes before the end of connect are queued by libuv.
    request.oncomplete = (status) => {
      if (this.closed) return;
      if (status < 0 || this.handle.readStart() < 0) this.destroy();
    };
    if (this.handle.connect(request, host, port) < 0) this.destroy();
  }

  listen(onData) {
    const { streamBaseState: state, kReadBytesOrError } = uv;
    const buffer = Buffer.allocUnsafeSlow(RECV_BYTES);
    this.handle.useUserBuffer(buffer);
    // Must not return anything: it would be taken for the next buffer.
    this.handle.onread = () => {
      const size = state[kReadBytesOrError];
      if (this.closed || size === 0) return;
      if (size > 0) onData(buffer.subarray(0, size));
      else this.destroy();
    };
  }

  /** Writes one string; `ascii` saves looking for anything else in it. */
  write(text, ascii) {
    if (this.closed) return;
    const request = this.request();
    const error = ascii ? this.handle.writeLatin1String(request, text) : this.handle.writeUtf8String(request, text);
    this.written(request, error, null, null);
  }

  /** Writes strings and buffers in one go. `done`, if any, is called once: with an error, or when all was written. */
  writeParts(parts, done) {
    if (this.closed) {
      if (done) process.nextTick(done, new Error('The connection is closed'));
      return;
    }
    const chunks = [];
    for (const part of parts) if (part.length) chunks.push(part, typeof part === 'string' ? 'utf8' : 'buffer');
    const request = this.request();
    this.written(request, this.handle.writev(request, chunks, false), chunks, done);
  }

  /** A write that ends at once, as nearly all do, leaves its request as it was. */
  request() {
    const request = this.spare || new uv.WriteWrap();
    this.spare = null;
    return request;
  }

  written(request, error, chunks, done) {
    if (error === 0 && uv.streamBaseState[uv.kLastWriteWasAsync]) {
      request.chunks = chunks; // libuv reads from the buffers until oncomplete
      request.oncomplete = (status) => {
        request.chunks = null;
        if (status < 0) this.destroy();
        if (done) done(status < 0 ? new Error('The connection is closed') : null);
      };
      return;
    }
    this.spare = request;
    if (error) this.destroy();
    if (done) process.nextTick(done, error ? new Error('The connection is closed') : null);
  }

  ref() {
    if (!this.closed) this.handle.ref();
  }

  unref() {
    if (!this.closed) this.handle.unref();
  }

  destroy() {
    if (this.closed) return;
    this.closed = true;
    this.handle.close(() => this.onClose());
  }
}

/** Connects to `host`; names, IPv6 and platforms without the known handles are left to `net`. */
function connect(host, port, onData, onClose) {
  if (uv === null || !/^\d+\.\d+\.\d+\.\d+$/.test(host)) return require('./net.cjs').connect(host, port, onData, onClose);
  return new Wire(host, port, onData, onClose);
}

module.exports = { connect };
