'use strict';
// Between initialisation and the first invocation of a process that is saved and restored many times.
//
// The process waits in `GET restore/next`: there it is saved, and what goes on from it is a copy that shares all its
// memory with others. Each page that a copy writes to costs a page fault, so all that can happen before is done before.

const { openSync, readSync, closeSync } = require('fs');

const STATUS_BEFORE = 64;
const STATUS_AFTER = 65;
const ROUNDS = 30; // after which V8 has compiled what an invocation runs, and keeps its types
const UUID_BATCH = 128;
const INT_BYTES = 6;

/** Math.random's state; native code keeps its own where nothing can renew it, and functions keep references to it. */
let s0 = 0;
let s1 = 0;
let s2 = 0;
let s3 = 1;

/** xoshiro128**: 32 bits. */
function next() {
  const product = Math.imul(s1, 5);
  const shifted = s1 << 9;
  s2 ^= s0;
  s3 ^= s1;
  s1 ^= s2;
  s0 ^= s3;
  s2 ^= shifted;
  s3 = (s3 << 11) | (s3 >>> 21);
  return Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
}

// A method, since those are no constructors either.
const { random } = { random() { return ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992; } };

function reseed() {
  const seed = Buffer.alloc(16);
  const file = openSync('/dev/urandom', 'r');
  readSync(file, seed, 0, 16, null);
  closeSync(file);
  s0 = seed.readInt32LE(0);
  s1 = seed.readInt32LE(4);
  s2 = seed.readInt32LE(8);
  s3 = seed.readInt32LE(12) | 1; // all zero would stay so
}

/** Before the function is loaded: it may keep Math.random for later. */
function prepare() {
  reseed();
  plainPages();
  Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true, enumerable: false });
  seedContexts();
}

/** Until Node.js 22 V8 puts WebAssembly's code (fetch's parser is some) behind memory protection keys, which no image can hold. */
function plainPages() {
  if (Number(process.versions.node.split('.')[0]) < 22) require('v8').setFlagsFromString('--no-wasm-memory-protection-keys');
}

/** V8 seeds the Math.random of a new context from a generator that all copies share, unless it is told a seed. */
function seedContexts() {
  const vm = require('vm');
  const { setFlagsFromString } = require('v8');
  const seeded = (inner) => function (...args) {
    setFlagsFromString(`--random-seed=${(next() >>> 1) || 1}`);
    return Reflect.apply(inner, this, args);
  };
  for (const [owner, name] of [[vm, 'createContext'], [vm, 'runInNewContext'], [vm.Script.prototype, 'runInNewContext']]) {
    const inner = owner[name];
    owner[name] = Object.defineProperties(seeded(inner), Object.getOwnPropertyDescriptors(inner));
  }
}

/** Runs `work` while `look` is called before each call of the method, or reading of the getter, `name` of `target`. */
function watching(target, name, look, work) {
  const found = Object.getOwnPropertyDescriptor(target, name);
  if (!found || !found.configurable) return;
  const watched = (inner) => function (...args) {
    look(this, args);
    return Reflect.apply(inner, this, args);
  };
  Object.defineProperty(target, name, found.get ? { ...found, get: watched(found.get) } : { ...found, value: watched(found.value) });
  try {
    work();
  } finally {
    Object.defineProperty(target, name, found);
  }
}

/**
 * crypto draws UUIDs and small numbers from bytes that it got in advance, which all copies would share. Uses them up,
 * so that a copy begins with bytes of its own. Returns false if it can't be seen when they are used up.
 */
function exhaustCrypto(crypto) {
  let filled = false;
  watching(Object.getPrototypeOf(Uint8Array.prototype), 'byteLength', (bytes) => { filled = filled || bytes.length === UUID_BATCH * 16; }, () => {
    for (let i = 0; i <= UUID_BATCH && !filled; i++) crypto.randomUUID();
  });
  if (filled) for (let i = 1; i < UUID_BATCH; i++) crypto.randomUUID();
  let last = false;
  watching(Buffer.prototype, 'readUIntBE', (cache, [at]) => { last = at + 2 * INT_BYTES > cache.length; }, () => {
    for (let i = 0; i < 4096 && !last; i++) crypto.randomInt(2);
  });
  return filled && last;
}

function useUpCrypto() {
  const list = process.moduleLoadList;
  if (Array.isArray(list) && !list.includes('NativeModule internal/crypto/random')) return true;
  const crypto = require('crypto');
  return typeof crypto.randomUUID !== 'function' || typeof crypto.randomInt !== 'function' || exhaustCrypto(crypto);
}

/** After a restore, where the caches could not be emptied before: more than they hold. */
function burnCrypto() {
  const crypto = require('crypto');
  for (let i = 0; i < UUID_BATCH; i++) crypto.randomUUID();
  for (let i = 0; i < 1024; i++) crypto.randomInt(2);
}

/** A whole collection; the function needs not have been started with --expose-gc. */
function collectGarbage() {
  if (typeof globalThis.gc === 'function') {
    globalThis.gc();
    return;
  }
  try {
    const { setFlagsFromString } = require('v8');
    setFlagsFromString('--expose-gc');
    const gc = require('vm').runInNewContext('gc');
    setFlagsFromString('--no-expose-gc');
    gc();
  } catch (_) {
    // Only the image is larger.
  }
}

/** Invocations that lead nowhere, so that a restored process runs nothing for the first time. */
async function rehearse(Runtime, Api) {
  const silent = { ref() {}, unref() {}, write() {}, writeParts() {}, destroy() {} };
  const api = new Api('127.0.0.1:9001', () => silent);
  const runtime = new Runtime(api);
  const event = Buffer.from('HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 0\r\nLambda-Runtime-Deadline-Ms: 1\r\n'
    + 'Content-Type: application/json\r\nContent-Length: 31\r\n\r\n{"a":["b",1,2.5],"c":null}     ');
  const answer = Buffer.concat([Buffer.from('HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n'), event]);
  runtime.start(async (value) => value, null);
  for (let i = 0; i < ROUNDS; i++) {
    api.onData(i ? answer : event);
    while (api.onInvocation === null) await null;
    require('./logs.cjs').rehearse();
  }
}

async function run(hooks) {
  for (const hook of hooks) await hook();
}

/** The platform's error type, with the hook's own message and trace. */
function hookError(name, error) {
  const wrapped = new Error(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  wrapped.name = name;
  if (error instanceof Error && error.stack) wrapped.stack = error.stack;
  return wrapped;
}

function takeIdentity(body) {
  const identity = JSON.parse(body.toString());
  for (const name of Object.keys(identity)) {
    if (typeof identity[name] === 'string') process.env[name] = identity[name];
  }
}

/** Has the process saved; `go` is called in each restored one. */
async function park(runtime, Runtime, Api, hooks, go) {
  try {
    await run(hooks.before.reverse());
  } catch (error) {
    runtime.die('Before Snapshot Error', hookError('Runtime.BeforeSnapshotError', error), STATUS_BEFORE);
    return;
  }
  await rehearse(Runtime, Api);
  const fresh = useUpCrypto();
  reseed();
  collectGarbage();
  runtime.api.askRestore((_, body) => {
    runtime.errorPath = 'restore/error';
    // Without hooks the server finds the invocation while this process is made its own.
    if (hooks.after.length === 0) go();
    takeIdentity(body);
    reseed();
    if (!fresh) burnCrypto();
    if (hooks.after.length === 0) return;
    run(hooks.after).then(go, (error) => runtime.die('After Restore Error', hookError('Runtime.AfterRestoreError', error), STATUS_AFTER));
  });
}

module.exports = { prepare, park };
