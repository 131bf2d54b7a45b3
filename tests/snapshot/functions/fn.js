// Worker threads, timers, libuv's pool; answers "ping", "check" and "pid".
'use strict';
const { Worker, isMainThread, parentPort } = require('worker_threads');
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');

if (!isMainThread) {
	let n = 0;
	parentPort.on('message', (m) => parentPort.postMessage([m, ++n]));
	return;
}

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const worker = new Worker(__filename);
let ticks = 0, calls = 0;
setInterval(() => ticks++, 20);

const call = (method, path, body) => new Promise((done, failed) => {
	const headers = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
	const request = http.request({ host, port, agent, method, path, headers }, (response) => {
		let text = '';
		response.on('data', (piece) => text += piece).on('end', () => done(text));
	});
	request.on('error', failed);
	request.end(body);
});
const ask = (m) => new Promise((done) => { worker.once('message', done); worker.postMessage(m); });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const hash = () => new Promise((done) => crypto.pbkdf2('a', 'b', 1000, 32, 'sha256', (error, key) => done(key.toString('hex'))));
const hashed = hash();

async function check() {
	const wrong = [], before = ticks, [echo] = await ask('x' + calls);
	if (echo !== 'x' + calls) wrong.push('worker ' + echo);
	if (await hash() !== await hashed) wrong.push('pool');
	if ((await fs.promises.readFile(__filename, 'utf8')).length < 100) wrong.push('file');
	await sleep(30);
	if (ticks === before) wrong.push('timers');
	const junk = [];
	for (let i = 0; i < 50; i++) junk.push(new Array(20000).fill(i));
	if (global.gc) global.gc();
	if (junk[49][19999] !== 49) wrong.push('memory');
	if (require('child_process').execSync('echo child').toString() !== 'child\n') wrong.push('no child');
	return wrong.join(';') || 'fine';
}

(async () => {
	await ask('ready');
	await hashed;
	for (;;) {
		const event = await call('GET', '/2018-06-01/runtime/invocation/next');
		const said = event === 'check' ? await check() : event === 'pid' ? String(process.pid) : 'pong-' + calls;
		calls++;
		await call('POST', '/2018-06-01/runtime/invocation/r1/response', said);
	}
})();
