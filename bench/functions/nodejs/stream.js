"use strict";
// As bench-bootstrap streams: stamped pieces 5 ms apart, then megabytes in pieces of 64 KiB.

const { Readable } = require("stream");
const { pipeline } = require("stream/promises");

const PIECE = Buffer.alloc(65536);

function* pieces(mb) {
  for (let i = 0; i < mb * 16; i++) yield PIECE;
}

exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  for (let i = 0; i < (event.stamps || 0); i++) {
    stream.write("T" + process.hrtime.bigint().toString(16).padStart(16, "0"));
    await new Promise((done) => setTimeout(done, 5));
  }
  await pipeline(Readable.from(pieces(event.stream_mb || 0)), stream);
});
