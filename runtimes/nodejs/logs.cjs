'use strict';
// console.* as Lambda writes it: one record a call, `<time>\t<request id>\t<LEVEL>\t<text>` or a JSON object.

const { format } = require('util');
const { writeSync } = require('fs');

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const asJson = (process.env.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON';

function write(line) {
  // Carriage returns keep a record of several lines in one piece.
  const text = line.replace(/\n/g, '\r') + '\n';
  let bytes = Buffer.from(text);
  try {
    while (bytes.length) bytes = bytes.subarray(writeSync(1, bytes));
  } catch (error) {
    // A pipe that somebody made non-blocking, and full: the stream waits for it.
    if (error.code === 'EAGAIN') process.stdout.write(bytes);
    else if (error.code !== 'EPIPE' && error.code !== 'EBADF') throw error;
  }
}

function errorFields(error) {
  return {
    errorType: (error.constructor && error.constructor.name) || 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : error.stack,
  };
}

const replacer = (_, value) => (value instanceof Error ? { ...errorFields(value), ...value } : value);

function jsonRecord(level, requestId, tenantId, params) {
  const record = { timestamp: new Date().toISOString(), level, requestId };
  if (tenantId !== undefined && tenantId !== null) record.tenantId = tenantId;
  if (params.length === 1) {
    record.message = params[0];
    try {
      return JSON.stringify(record, replacer);
    } catch (_) {
      record.message = format(record.message);
      return JSON.stringify(record);
    }
  }
  record.message = format(...params);
  const error = params.find((param) => param instanceof Error);
  if (error) Object.assign(record, errorFields(error));
  return JSON.stringify(record);
}

/** The console's functions by name. */
function loggers(requestId, tenantId) {
  const lowest = Math.max(0, LEVELS.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase()));
  const logger = (level) => {
    // FATAL is never filtered out.
    if (level !== 'FATAL' && LEVELS.indexOf(level) < lowest) return () => {};
    if (asJson) return (...params) => write(jsonRecord(level, requestId(), tenantId(), params.length ? params : [undefined]));
    return (message, ...params) => write(`${new Date().toISOString()}\t${requestId()}\t${level}\t${format(message, ...params)}`);
  };
  return Object.fromEntries(LEVELS.map((level) => [level.toLowerCase(), logger(level)]));
}

/** Logs an error of the invocation or of the process with its title. */
function error(title, problem) {
  const errors = require('./errors.cjs');
  if (asJson) console.error(errors.intoError(problem));
  else console.error(title, errors.toLogText(errors.intoError(problem)));
}

/** Formats records of the usual kinds and writes none, so that it isn't done for the first time in a restored process. */
function rehearse() {
  let length = 0;
  for (const params of [['text'], ['%s %d %j', 'a', 1, { b: 1 }], ['object', { a: [1, 'b', null], c: new Map([['d', 1.5]]) }], [new Error('e')]]) {
    length += `${new Date().toISOString()}\t0\tINFO\t${format(...params)}`.replace(/\n/g, '\r').length;
    length += Buffer.from(jsonRecord('INFO', '0', undefined, params)).length;
  }
  return length;
}

module.exports = { loggers, error, rehearse };
