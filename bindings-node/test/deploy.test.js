'use strict';
// The recipes for Node of docs/DEPLOY.md, as they stand there: requests are being answered when the signal comes, and no
// event of theirs is lost.
const assert = require('node:assert/strict');
const { execFile, spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { promisify } = require('node:util');
const test = require('node:test');
const { verify } = require('..');
const { environment } = require('./environment');
const { events, envelopes, folder, pkg, root } = require('./helpers');

const page = fs.readFileSync(path.join(root, 'docs', 'DEPLOY.md'), 'utf8');
const SIGNALS = ['SIGTERM', 'SIGINT'];

/** The recipe that begins with the name of its file. */
function recipe(name) {
  const [, text] =
    new RegExp(`\`\`\`js\\n// ${name.replaceAll('.', '\\.')}\\n([^]*?)\`\`\``).exec(page) ?? [];
  assert.ok(text, `no recipe ${name}`);
  return text;
}

/** `act`: says that it has begun, and goes on when the signal has come and a file is there. */
const act = `
import { existsSync, watch } from 'node:fs';
globalThis.act = () => new Promise((resolve) => {
  const looking = watch('.', () => {
    if (!existsSync('go')) return;
    looking.close();
    resolve();
  });
  process.stdout.write('begun\\n');
  if (process.send) process.send({ begun: true });
});
`;

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** A folder with the recipes and this package. */
function place(t) {
  const dir = folder(t);
  fs.mkdirSync(path.join(dir, 'node_modules'));
  fs.symlinkSync(pkg, path.join(dir, 'node_modules', 'sinkwell'));
  fs.writeFileSync(path.join(dir, 'act.mjs'), act);
  fs.writeFileSync(path.join(dir, 'server.mjs'), `import './act.mjs';\n${recipe('server.mjs')}`);
  fs.writeFileSync(path.join(dir, 'cluster.mjs'), recipe('cluster.mjs'));
  fs.writeFileSync(path.join(dir, 'ecosystem.config.cjs'), recipe('ecosystem.config.cjs'));
  fs.writeFileSync(path.join(dir, 'key'), Buffer.alloc(32, 'k'), { mode: 0o600 });
  const [, settings] = /```yaml\n(handle_signals: true\n)```/.exec(page);
  const document = `agent: { id: a1 }\nkey: { id: k1, hmac_sha256: { file: key } }\nlanes: [ { sink: { file: { path: out.ndjson } } } ]\n${settings}`;
  fs.writeFileSync(path.join(dir, 'sinkwell.yaml'), document);
  return dir;
}

/** What a program prints, as far as a wanted number of lines of it. */
function lines(stream, wanted) {
  let said = '';
  return new Promise((resolve) => {
    stream.on('data', (chunk) => {
      said += chunk;
      if (said.split('\n').filter((line) => line === 'begun').length >= wanted) resolve();
    });
  });
}

/** Asks; tries again for as long as nobody listens. */
function ask(port, agent) {
  return new Promise((resolve, reject) => {
    const once = () => {
      const request = http.get({ host: '127.0.0.1', port, path: '/act', agent }, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve(text));
      });
      request.on('error', (error) => (error.code === 'ECONNREFUSED' ? setImmediate(once) : reject(error)));
    };
    once();
  });
}

/** Every run that has begun has ended, every stream has been closed, and all of it verifies. */
async function whole(dir, runs, host, end) {
  const files = fs.readdirSync(dir).filter((name) => name.startsWith('out.ndjson'));
  const all = files.flatMap((name) => events(path.join(dir, name)));
  const of = (type) => new Set(all.filter((one) => one.type.endsWith(type)).map((one) => one.runid));
  assert.equal(of('run.started').size, runs);
  assert.deepEqual(of('run.completed'), of('run.started'));
  for (const name of files) assert.equal(envelopes(path.join(dir, name)).at(-1).data.action, 'closed');
  const keys = { k1: `hmac:${path.join(dir, 'key')}` };
  const report = await verify(
    files.map((name) => path.join(dir, name)),
    { keys },
  );
  assert.deepEqual([report.verdict, report.open], ['sound', 0]);
  row(host, end, 'real', 2 * runs, of('run.started').size + of('run.completed').size, report.verdict);
}

/** A line of the table of docs/DEPLOY.md, where scripts/hosts.sh asks for it. */
function row(host, end, ran, emitted, arrived, verdict) {
  const table = process.env.SINKWELL_HOSTS;
  const cells = ['TypeScript', host, end, ran, emitted, arrived, 'closed', verdict];
  if (table) fs.appendFileSync(table, `${cells.join('\t')}\n`);
}

function start(t, dir, script, port, options = {}) {
  const child = spawn(process.execPath, [script], {
    cwd: dir,
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
  t.after(() => child.kill('SIGKILL'));
  return { child, ended: new Promise((resolve) => child.once('exit', (...how) => resolve(how))) };
}

for (const signal of SIGNALS) {
  test(`a server: requests that are being answered at ${signal} are finished, with their events`, async (t) => {
    const dir = place(t);
    const port = await freePort();
    const { child, ended } = start(t, dir, 'server.mjs', port);
    const begun = lines(child.stdout, 5);
    const answers = Array.from({ length: 5 }, () => ask(port, new http.Agent()));
    await begun;
    child.kill(signal);
    fs.writeFileSync(path.join(dir, 'go'), '');
    assert.deepEqual(await Promise.all(answers), Array(5).fill('done\n'));
    assert.deepEqual(await ended, [0, null]);
    await whole(dir, 5, 'Node, http', `${signal} within requests`);
  });
}

for (const group of [false, true]) {
  test(`a cluster: SIGTERM to ${group ? 'all of it' : 'the primary'}`, async (t) => {
    const dir = place(t);
    const port = await freePort();
    const { child, ended } = start(t, dir, 'cluster.mjs', port, { detached: group });
    const begun = lines(child.stdout, 6);
    const answers = Array.from({ length: 6 }, () => ask(port, new http.Agent()));
    await begun;
    process.kill(group ? -child.pid : child.pid, 'SIGTERM');
    fs.writeFileSync(path.join(dir, 'go'), '');
    assert.deepEqual(await Promise.all(answers), Array(6).fill('done\n'));
    assert.deepEqual(await ended, [0, null]);
    await whole(dir, 6, 'Node cluster', `SIGTERM to ${group ? 'all' : 'the primary'}`);
  });
}

test('pm2: stopping loses nothing', async (t) => {
  const { place: tools, missing } = environment();
  if (missing) {
    assert.notEqual(process.env.SINKWELL_REQUIRE, 'all', missing);
    t.skip(missing);
    return;
  }
  const dir = place(t);
  const port = await freePort();
  const run = promisify(execFile);
  const pm2 = (...args) =>
    run(process.execPath, [path.join(tools, 'node_modules', 'pm2', 'bin', 'pm2'), ...args], {
      cwd: dir,
      env: { ...process.env, PM2_HOME: path.join(dir, '.pm2'), PORT: String(port) },
    });
  try {
    await pm2('start', 'ecosystem.config.cjs');
    const log = path.join(dir, '.pm2', 'logs', 'agent-out.log');
    const answers = Array.from({ length: 3 }, () => ask(port, new http.Agent()));
    const count = () => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('begun').length - 1 : 0);
    while (count() < 3) await new Promise(setImmediate);
    const stopped = pm2('stop', 'agent');
    // When the signal has come, nobody listens any more.
    await new Promise((resolve) => {
      const once = () =>
        net
          .connect(port, '127.0.0.1')
          .on('connect', function () {
            this.destroy();
            setImmediate(once);
          })
          .on('error', resolve);
      once();
    });
    fs.writeFileSync(path.join(dir, 'go'), '');
    assert.deepEqual(await Promise.all(answers), Array(3).fill('done\n'));
    await stopped;
  } finally {
    // Its daemon would stay.
    await pm2('kill');
  }
  await whole(dir, 3, 'pm2, fork mode', 'pm2 stop (SIGINT)');
});

test('process 1 ends with 128 and the number of the signal', async (t) => {
  const can = spawnSync('unshare', ['--pid', '--fork', '--kill-child', 'true']);
  if (can.status !== 0) {
    t.skip('no right to make a namespace for processes');
    return;
  }
  const dir = place(t);
  fs.writeFileSync(
    path.join(dir, 'one.mjs'),
    `import { configure, emit } from 'sinkwell';
     await configure('sinkwell.yaml');
     emit('com.example.one', { pid: process.pid });
     setInterval(() => {}, 1000);
     // To itself: no process 1 is shown a signal by default from within.
     process.kill(process.pid, 'SIGTERM');`,
  );
  const args = ['--pid', '--fork', '--kill-child', process.execPath, 'one.mjs'];
  const ran = spawnSync('unshare', args, { cwd: dir, encoding: 'utf8', timeout: 60_000 });
  assert.equal(ran.status, 143, ran.stderr);
  const all = envelopes(path.join(dir, 'out.ndjson'));
  assert.deepEqual(
    all.map((one) => one.data.pid ?? one.data.action),
    ['opened', 1, 'closed'],
  );
  const keys = { k1: `hmac:${path.join(dir, 'key')}` };
  const { verdict } = await verify(path.join(dir, 'out.ndjson'), { keys });
  row('Node as process 1', 'SIGTERM', 'double (unshare --pid)', 1, 1, verdict);
});
