'use strict';
// Errors as Lambda's Node.js runtime reports them to the platform and writes them into the log.

const { types } = require('util');

class RuntimeError extends Error {}
const kinds = {};
for (const kind of ['ImportModuleError', 'HandlerNotFound', 'MalformedHandlerName', 'UserCodeSyntaxError',
  'MalformedStreamingHandler', 'InvalidStreamingOperation', 'UnhandledPromiseRejection']) {
  kinds[kind] = class extends RuntimeError {};
  Object.defineProperty(kinds[kind], 'name', { value: kind });
  kinds[kind].prototype.name = `Runtime.${kind}`;
}

kinds.UnhandledPromiseRejection = class extends kinds.UnhandledPromiseRejection {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
};

function looksLikeError(value) {
  return value && typeof value.name === 'string' && typeof value.message === 'string' && typeof value.stack === 'string'
    && value.name && value.message && value.stack;
}

// DEL is the one ASCII control character that JSON lets through and headers don't.
const noDel = (text) => (typeof text === 'string' ? text.replace(/\x7F/g, '%7F') : text);

function toResponse(error) {
  try {
    if (types.isNativeError(error) || looksLikeError(error)) {
      return { errorType: noDel(error.name), errorMessage: noDel(error.message), trace: noDel(error.stack).split('\n') };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch (_) {
    return {
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

/** Body and header lines of the POST that reports `error`. */
function toRequest(error) {
  const response = toResponse(error);
  const type = String(response.errorType).replace(/[^!-~]/g, '_');
  return { body: JSON.stringify(response), header: `Lambda-Runtime-Function-Error-Type: ${type}\r\n` };
}

function intoError(error) {
  if (error instanceof Error) return error;
  try {
    return new Error(error);
  } catch (_) {
    return new Error(toResponse(error).errorMessage); // an object that has no text
  }
}

function withEnumerable(value) {
  if (!(value instanceof Error)) return value;
  const result = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
  if (typeof value.stack === 'string') result.stack = value.stack.split('\n');
  return result;
}

/** The tab and JSON object that follow `Invoke Error` in a text log. */
function toLogText(error) {
  try {
    return '\t' + JSON.stringify(error, (_, value) => withEnumerable(value));
  } catch (_) {
    return '\t' + JSON.stringify(toResponse(error));
  }
}

module.exports = { ...kinds, toResponse, toRequest, toLogText, intoError };
