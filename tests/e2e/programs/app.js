"use strict";
// The contract of plain.py, with a worker thread, timers and the thread pool in use when the image is taken.
const { Worker } = require("node:worker_threads");
const crypto = require("node:crypto");
const fs = require("node:fs");
const v8 = require("node:v8");
const vm = require("node:vm");

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc");
const loaded = crypto.randomBytes(8).toString("hex");
const table = new Map(Array.from({ length: 20000 }, (_, n) => [n, { text: `${n}${n}` }]));
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
let calls = 0, ticks = 0;
setInterval(() => { ticks++; }, 5).unref();

const worker = new Worker(`
  const { parentPort } = require("node:worker_threads");
  let served = 0;
  parentPort.on("message", (n) => parentPort.postMessage([2 * n, ++served]));
`, { eval: true });
worker.unref();
const inWorker = (n) => new Promise((done) => { worker.once("message", done); worker.postMessage(n); });
fs.writeFileSync("/tmp/from-init", loaded);
const pooled = new Promise((done) => fs.readFile("/proc/self/stat", done)); // the thread pool's threads are there

exports.handler = async (event) => {
  calls++;
  if (event.exit) process.exit(3);
  if (event.s) await wait(event.s * 1000);
  await pooled;
  const kept = Array.from({ length: event.n % 50 }, (_, i) => Buffer.alloc(1000 + i));
  const [twice, served] = await inWorker(event.n);
  if (served !== calls) throw new Error(`the worker served ${served} of ${calls}`);
  const text = await fs.promises.readFile("/tmp/from-init", "utf8");
  if (text !== loaded) throw new Error(`/tmp holds ${text}, not ${loaded}`);
  const key = await new Promise((done, no) => crypto.pbkdf2("a", "b", 10, 16, "sha256", (e, k) => (e ? no(e) : done(k.length))));
  if (event.gc) {
    const before = ticks;
    collect();
    await wait(6);
    if (ticks === before) throw new Error("the timer stands");
  }
  if (table.get(event.n % 20000).text !== `${event.n % 20000}`.repeat(2) || key !== 16 || kept.length !== event.n % 50) throw new Error("lost data");
  const answer = { n: event.n, twice, loaded, calls };
  if (event.unique) answer.unique = { random: Math.random(), uuid: crypto.randomUUID(), bytes: crypto.randomBytes(8).toString("hex"),
    int: crypto.randomInt(2 ** 47), web: [...crypto.webcrypto.getRandomValues(new Uint8Array(8))].join() };
  return answer;
};
