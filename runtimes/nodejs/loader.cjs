'use strict';
// Finds and loads the function's module and handler by Lambda's rules.

const fs = require('fs');
const path = require('path');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

// Options of Node.js that run code which may install hooks of the module loaders.
const HOOKING = /(^|[\s"])(-r|--require|--import|--loader|--experimental-loader)\b/;

/** What functions want to be run around a checkpoint. */
const hooks = { before: [], after: [] };

const fault = (kind, message) => new (require('./errors.cjs')[kind])(message);

/** Layers' modules are found by require; the platform or the function's owner may say otherwise. */
function setModulePath(root) {
  const Module = module.constructor; // require('module') would load the ESM loader
  // The sandbox has these for ES modules, which know no NODE_PATH; for require its order counts, layers of one version first.
  const folders = Module._nodeModulePaths;
  Module._nodeModulePaths = (from) => folders(from).filter((path) => path !== '/node_modules' && path !== '/var/node_modules');
  if (process.env.NODE_PATH !== undefined) return;
  const major = process.versions.node.split('.')[0];
  const runtime = process.env.LAMBDA_RUNTIME_DIR || '/var/runtime';
  process.env.NODE_PATH = [`/opt/nodejs/node${major}/node_modules`, '/opt/nodejs/node_modules',
    `${runtime}/node_modules`, runtime, root].join(':');
  Module._initPaths();
}

function split(name) {
  if (name.includes('..')) {
    throw fault('MalformedHandlerName',
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = path.basename(name);
  const match = base.match(/^([^.]*)\.(.*)$/);
  if (!match) throw fault('MalformedHandlerName', 'Bad handler');
  return { folder: name.slice(0, name.indexOf(base)), module: match[1], property: match[2] };
}

/** Whether the nearest package.json says that .js files are ES modules. */
function isModuleFolder(folder) {
  for (;;) {
    if (folder.endsWith('/node_modules')) return false;
    const file = path.join(folder, 'package.json');
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file)).type === 'module';
      } catch (error) {
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    if (folder === '/') return false;
    folder = path.dirname(folder);
  }
}

/**
 * The ES module, or a promise of it. Loading it with require spares the asynchronous loader, 5 ms. Not where that prints
 * a warning (22 before 22.13), and not where the function's owner may have hooks that only imports go through.
 */
function loadEsm(file) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const quiet = process.features.require_module && major !== 23 && (major !== 22 || minor >= 13);
  if (!quiet || process.execArgv.some((option) => HOOKING.test(option)) || HOOKING.test(process.env.NODE_OPTIONS)) return import(file);
  try {
    const loaded = require(file);
    // Something else where the module exports the name 'module.exports'.
    return require('util').types.isModuleNamespaceObject(loaded) ? loaded : import(file);
  } catch (error) {
    if (error && error.code === 'ERR_REQUIRE_ASYNC_MODULE') return import(file);
    throw error;
  }
}

/** The loaded module, or a promise of it. */
function loadModule(root, folder, name) {
  const file = path.resolve(root, folder, name);
  if (fs.existsSync(file)) {
    const loaded = require(file);
    if (loaded) return loaded;
  }
  if (fs.existsSync(`${file}.js`)) {
    return isModuleFolder(path.dirname(file)) ? loadEsm(`${file}.js`) : require(`${file}.js`);
  }
  if (fs.existsSync(`${file}.mjs`)) return loadEsm(`${file}.mjs`);
  if (fs.existsSync(`${file}.cjs`)) return require(`${file}.cjs`);
  return require(require.resolve(name, { paths: [root, folder] }));
}

function translate(error) {
  if (error instanceof SyntaxError) return fault('UserCodeSyntaxError', error);
  if (error && error.code === 'MODULE_NOT_FOUND') return fault('ImportModuleError', error);
  return error;
}

function pick(loaded, name, property) {
  const handler = property.split('.').reduce((nested, key) => nested && nested[key], loaded);
  if (!handler) throw fault('HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw fault('HandlerNotFound', `${name} is not a function`);
  return handler;
}

function defineAwsLambda() {
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (options && typeof options.highWaterMark === 'number') handler[HIGH_WATER_MARK] = parseInt(options.highWaterMark, 10);
      return handler;
    },
    get HttpResponseStream() {
      return require('./streaming.cjs').HttpResponseStream;
    },
    snapshot: {
      beforeCheckpoint(hook) { hooks.before.push(hook); },
      afterRestore(hook) { hooks.after.push(hook); },
    },
  };
}

/** Returns the handler, or a promise of it where its module loads asynchronously. */
function load(root, name) {
  const { folder, module, property } = split(name);
  setModulePath(root);
  const off = process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA;
  if (off !== '1' && off !== 'true') defineAwsLambda();
  let loaded;
  try {
    loaded = loadModule(root, folder, module);
  } catch (error) {
    throw translate(error);
  }
  if (!(loaded instanceof Promise)) return pick(loaded, name, property);
  return loaded.then((found) => pick(found, name, property), (error) => { throw translate(error); });
}

/** null, or how the handler streams its answer. */
function streaming(handler) {
  const mode = handler[STREAMING];
  if (mode === undefined || mode === null || mode === false) return null;
  if (mode !== 'response') throw fault('MalformedStreamingHandler', 'Only response streaming is supported.');
  return { highWaterMark: handler[HIGH_WATER_MARK] };
}

module.exports = { load, streaming, hooks };
