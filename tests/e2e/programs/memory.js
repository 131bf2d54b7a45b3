"use strict";
// A large heap made at init, which then grows, is collected and shrinks.
const v8 = require("node:v8");
const vm = require("node:vm");

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc");
const objects = Array.from({ length: 200000 }, (_, n) => ({ n, text: `text ${n}`, next: [n + 1] }));
const blocks = Array.from({ length: 32 }, (_, n) => Buffer.alloc(1 << 20, n + 1));
let churned = [];

exports.handler = async (event) => {
  if (event.exit) process.exit(3);
  for (let i = 0; i < 20000; i++) churned.push({ i, text: String(i).repeat(3) });
  if (event.n % 5 === 4) churned = [];
  for (let i = event.n % 8; i < blocks.length; i += 8) {
    if (blocks[i].some((b) => b !== i + 1)) throw new Error(`block ${i} is lost`);
    blocks[i] = Buffer.alloc(1 << 20, i + 1);
  }
  const more = Array.from({ length: 20 }, () => Buffer.alloc(1 << 20, 9));
  if (more.some((b) => b[1000] !== 9)) throw new Error("fresh memory is wrong");
  if (event.gc) collect();
  const at = (event.n * 7919) % objects.length;
  if (objects[at].text !== `text ${at}` || objects[at].next[0] !== at + 1) throw new Error("lost objects");
  return event.n;
};
