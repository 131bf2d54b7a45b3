'use strict';
// The connection of wire.cjs on the public `net`.

const net = require('net');

const RECV_BYTES = 65536;

class NetWire {
  constructor(host, port, onData, onClose) {
    this.socket = net.connect({
      host,
      port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(RECV_BYTES),
        callback: (size, buffer) => {
          onData(buffer.subarray(0, size));
          return true;
        },
      },
    });
    this.socket.on('error', () => {});
    this.socket.on('close', onClose);
  }

  write(text, ascii) {
    this.socket.write(text, ascii ? 'latin1' : 'utf8');
  }

  writeParts(parts, done) {
    const { socket } = this;
    const last = parts.length - 1;
    socket.cork();
    for (let i = 0; i < last; i++) if (parts[i].length) socket.write(parts[i]);
    socket.write(parts[last], done || undefined);
    socket.uncork();
  }

  ref() {
    this.socket.ref();
  }

  unref() {
    this.socket.unref();
  }

  destroy() {
    this.socket.destroy();
  }
}

module.exports = { connect: (...args) => new NetWire(...args) };
