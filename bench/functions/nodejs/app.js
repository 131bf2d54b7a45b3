"use strict";

exports.handler = async (event) => {
  if (event.sleep_ms) await new Promise((done) => setTimeout(done, event.sleep_ms));
  return { answer: event.n + 1 };
};
