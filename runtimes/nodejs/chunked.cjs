'use strict';
// Decoding of a chunked body; answers of this kind are rare, so they are parsed only once they are complete.

/** Returns {body, end} for the chunked body that begins at `at`, or null while some of it is missing. */
function decode(buffer, at) {
  const parts = [];
  for (;;) {
    const eol = buffer.indexOf('\r\n', at);
    if (eol < 0) return null;
    const size = parseInt(buffer.latin1Slice(at, eol), 16);
    if (!(size >= 0)) throw new Error('The Runtime API sent a malformed chunk');
    at = eol + 2;
    if (size === 0) break;
    if (buffer.length < at + size + 2) return null;
    parts.push(buffer.subarray(at, at + size));
    at += size + 2;
  }
  // Trailers end with an empty line.
  for (;;) {
    const eol = buffer.indexOf('\r\n', at);
    if (eol < 0) return null;
    if (eol === at) return { body: Buffer.concat(parts), end: eol + 2 };
    at = eol + 2;
  }
}

module.exports = { decode };
