'use strict';
// What survives each way in which a process ends: the table of README.md, row by row.
const assert = require('node:assert/strict');
const path = require('node:path');
const test = require('node:test');
const { envelopes, events, run } = require('./helpers');

const N = 500;

/** Emits N events to a file and to a sink in JavaScript, then ends as `how` says. */
const script = (how, more = '') => `
  const fs = require('node:fs');
  const { Emitter } = require('sinkwell');
  const js = { name: 'js', async emit(event) {
    await new Promise(setImmediate);
    if (event.origin !== 'core') fs.appendFileSync('js.ndjson', event.bytes + '\\n');
  } };
  const sw = Emitter.openSync(
    { agent: { id: 'a1' }, lanes: [{ id: 'out', sink: { file: { path: 'out.ndjson' } } }] ${more} },
    { sinks: [js] });
  for (let n = 0; n < ${N}; n++) sw.emit('com.x', { n });
  ${how}
`;

const counts = ({ dir }) => ({
  file: events(path.join(dir, 'out.ndjson')).length,
  js: events(path.join(dir, 'js.ndjson')).length,
  closed: envelopes(path.join(dir, 'out.ndjson')).some((one) => one.data.action === 'closed'),
});

test('await shutdown(): everything', async (t) => {
  const ran = await run(t, script('sw.shutdown().then((report) => console.log(report.js.delivered));'));
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout.trim(), String(N));
  assert.deepEqual(counts(ran), { file: N, js: N, closed: true });
});

test('the program simply ends: everything', async (t) => {
  const ran = await run(t, script(''));
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(counts(ran), { file: N, js: N, closed: true });
});

test('a module that awaits a receipt goes on', async (t) => {
  const ran = await run(
    t,
    `import { Emitter } from 'sinkwell';
     const sw = await Emitter.open({ agent: { id: 'a1' }, lanes: [{ id: 'out', sink: { file: { path: 'out.ndjson' } } }] });
     for (let n = 0; n < 3; n++) await sw.emit('com.x', { n }).delivered();
     console.log('went on');`,
    { ext: 'mjs' },
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, 'went on\n');
  assert.deepEqual(counts(ran), { file: 3, js: 0, closed: true });
});

test('process.exit(): what built-in sinks take; sinks in JavaScript get no more, and delay nothing', async (t) => {
  const ran = await run(t, script('process.exit(3);'));
  assert.equal(ran.code, 3, ran.stderr);
  assert.deepEqual(counts(ran), { file: N, js: 0, closed: true });
  assert.ok(ran.ms < 4000, `${ran.ms} ms`);
});

for (const [what, how] of [
  ['an uncaught exception', "throw new Error('the program failed');"],
  ['a rejection that nobody handles', "Promise.reject(new Error('the program failed'));"],
]) {
  test(`${what}: like process.exit()`, async (t) => {
    const ran = await run(t, script(how));
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /the program failed/);
    const { js: _, ...builtIn } = counts(ran);
    assert.deepEqual(builtIn, { file: N, closed: true });
  });
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  const killed = { onStart: (child) => child.stdout.once('data', () => child.kill(signal)) };
  const waiting = 'setInterval(() => {}, 1000); console.log("ready");';

  test(`${signal} with handle_signals: everything, then the default action`, async (t) => {
    const ran = await run(t, script(waiting, ', handle_signals: true'), killed);
    assert.equal(ran.signal, signal, ran.stderr);
    assert.deepEqual(counts(ran), { file: N, js: N, closed: true });
  });

  test(`${signal} without: what sinks have by then, and no stream is closed`, async (t) => {
    // Nothing leaves on its own: the lane would linger for an hour.
    const ran = await run(
      t,
      script(waiting).replace("id: 'out',", "id: 'out', batch: { linger: '1h' },"),
      killed,
    );
    assert.equal(ran.signal, signal, ran.stderr);
    const { file, closed } = counts(ran);
    assert.deepEqual({ file, closed }, { file: 0, closed: false });
  });
}

test('SIGTERM with handle_signals and a handler of the program: both run', async (t) => {
  const how = `process.on('SIGTERM', () => { console.log('mine'); process.exit(7); });
    setInterval(() => {}, 1000); sw.flush().then(() => console.log('ready'));`;
  const ran = await run(
    t,
    script(how).replace('openSync(\n    {', 'openSync(\n    { handle_signals: true,'),
    {
      onStart: (child) => child.stdout.once('data', () => child.kill('SIGTERM')),
    },
  );
  assert.equal(ran.code, 7, ran.stderr);
  assert.match(ran.stdout, /mine/);
  assert.deepEqual(counts(ran), { file: N, js: N, closed: true });
});

test('a server that finishes its requests loses nothing and is refused nothing', async (t) => {
  // One listener that stays, one for once: whichever the program has, it is in charge of the end.
  for (const on of ['on', 'once']) {
    const how = `const busy = setInterval(() => {}, 1000);
      process.${on}('SIGTERM', () => setTimeout(() => {
        sw.emit('run.completed', { outcome: 'ok' }, { run: 'r1' });
        console.log('finished');
        clearInterval(busy);
      }, 200));
      sw.flush().then(() => console.log('ready'));`;
    const ran = await run(
      t,
      script(how).replace('openSync(\n    {', 'openSync(\n    { handle_signals: true,'),
      { onStart: (child) => child.stdout.once('data', () => child.kill('SIGTERM')) },
    );
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /finished/);
    assert.deepEqual(counts(ran), { file: N + 1, js: N + 1, closed: true });
  }
});

test('SIGKILL: what was journaled is sent by the next process', async (t) => {
  const durable = `
    const { Emitter } = require('sinkwell');
    const sink = { name: 'js', emit: (event) => (process.argv[2] === 'hang' ? new Promise(() => {}) : undefined) };
    const sw = Emitter.openSync(
      { agent: { id: 'a1' }, journal: { dir: 'state' }, lanes: [{ sink: { host: 'js' }, durable: true }] },
      { sinks: [sink] });
    if (process.argv[2] === 'hang') {
      setInterval(() => {}, 1000);
      const all = Array.from({ length: 20 }, (_, n) => sw.emit('com.x', { n }).journaled());
      Promise.all(all).then(() => process.kill(process.pid, 'SIGKILL'));
    }`;
  const first = await run(t, durable, { args: ['hang'] });
  assert.equal(first.signal, 'SIGKILL', first.stderr);
  const journal = path.join(first.dir, 'state');
  const second = await run(
    t,
    `const { Emitter } = require('sinkwell');
     const got = [];
     const sink = { name: 'js', emit: (event) => { if (event.origin !== 'core') got.push(event.data.n); } };
     Emitter.open({ agent: { id: 'a1' }, journal: { dir: ${JSON.stringify(journal)} }, lanes: [{ sink: { host: 'js' }, durable: true }] },
       { sinks: [sink] }).then((sw) => sw.shutdown()).then(() => console.log(JSON.stringify(got)));`,
  );
  assert.equal(second.code, 0, second.stderr);
  assert.deepEqual(
    JSON.parse(second.stdout),
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test('waiting keeps no process alive', async (t) => {
  const ran = await run(
    t,
    `const { Emitter } = require('sinkwell');
     const sw = Emitter.openSync({ agent: { id: 'a1' } }, { sinks: [{ name: 'js', emit: () => new Promise(() => {}) }] });
     sw.addSink({ name: 'full', emit: () => new Promise(() => {}) }, { overflow: 'block', queue: { events: 2 } });
     sw.emit('com.x').delivered().then(() => console.log('never'));
     sw.emitAsync('com.x'); sw.emitAsync('com.x');
     process.on('beforeExit', () => process.exit(5));`,
  );
  assert.equal(ran.code, 5, ran.stderr);
  assert.equal(ran.stdout, '');
});

test('a worker thread that ends leaves the default emitter to the others', async (t) => {
  const ran = await run(
    t,
    `const { Worker, isMainThread } = require('node:worker_threads');
     const { emit } = require('sinkwell');
     emit('com.x', { from: isMainThread ? 'main' : 'worker' });
     if (isMainThread) new Worker(__filename).once('exit', () => emit('com.x', { from: 'main, later' }));`,
    { env: { SINKWELL_LANES: 'stdout' } },
  );
  assert.equal(ran.code, 0, ran.stderr);
  const lines = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map((one) => one.data.from ?? one.data.action),
    ['opened', 'main', 'worker', 'main, later', 'closed'],
  );
});

test('what an `exit` listener emits that was added later is taken, however the process ends', async (t) => {
  for (const how of ['', 'process.exit();', "process.nextTick(() => { throw new Error('uncaught'); });"]) {
    const source = `
      const { Emitter, emit } = require('sinkwell');
      const sw = Emitter.openSync({ agent: { id: 'a1' }, lanes: [{ id: 'out', sink: { file: { path: 'out.ndjson' } } }] });
      sw.emit('com.x', { n: 1 });
      process.on('exit', () => { sw.emit('com.x', { n: 2 }); emit('com.x', { n: 3 }); });
      ${how}`;
    const ran = await run(t, source, { env: { SINKWELL_LANES: 'stdout' } });
    assert.equal(ran.code, how.includes('throw') ? 1 : 0, ran.stderr);
    const file = path.join(ran.dir, 'out.ndjson');
    assert.deepEqual(
      events(file).map((one) => one.data.n),
      [1, 2],
      how,
    );
    assert.ok(
      envelopes(file).some((one) => one.data.action === 'closed'),
      how,
    );
    assert.match(ran.stdout, /"n":3/);
    assert.match(ran.stdout, /"action":"closed"/);
  }
});

test('a later `exit` listener that ends the process on the spot loses nothing', async (t) => {
  const ran = await run(
    t,
    script(`process.on('exit', () => process.exit(3)); process.exit(0);`).replace('sinks: [js]', 'sinks: []'),
  );
  assert.equal(ran.code, 3, ran.stderr);
  assert.equal(counts(ran).file, N);
});

test('the package loaded again and again has one listener of each kind', async (t) => {
  const ran = await run(
    t,
    `const before = ['exit', 'beforeExit', 'SIGTERM'].map((name) => process.listenerCount(name));
     const config = { agent: { id: 'a1' }, handle_signals: true, lanes: [{ id: 'out', sink: { file: { path: 'out.ndjson' } } }] };
     for (let i = 0; i < 15; i++) {
       for (const file of Object.keys(require.cache)) if (!file.endsWith('.node') && !file.endsWith('main.cjs')) delete require.cache[file];
       require('sinkwell').Emitter.openSync(config).emit('com.x', { i });
     }
     console.log(['exit', 'beforeExit', 'SIGTERM'].map((name, i) => process.listenerCount(name) - before[i]).join());`,
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, '1,1,1\n');
  assert.doesNotMatch(ran.stderr, /MaxListeners/);
  assert.equal(events(path.join(ran.dir, 'out.ndjson')).length >= 1, true);
});

/** What a worker thread emitted to standard output is there, and its stream is closed. */
function endedWell(ran) {
  assert.equal(ran.code, 0, ran.stderr);
  const lines = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map((one) => one.data.from ?? one.data.action),
    ['opened', 'worker', 'closed'],
  );
}

test('what only a worker thread has emitted ends well, too', async (t) => {
  const ran = await run(
    t,
    `const { Worker, isMainThread } = require('node:worker_threads');
     const { emit } = require('sinkwell');
     if (isMainThread) new Worker(__filename);
     else emit('com.x', { from: 'worker' });`,
    { env: { SINKWELL_LANES: 'stdout' } },
  );
  endedWell(ran);
});

for (const [how, main] of Object.entries({
  'ends by itself': '',
  'calls process.exit': `worker.once('exit', () => process.exit(0));`,
  'calls process.exit while the worker lives': `worker.once('message', () => process.exit(0));`,
})) {
  test(`where the main thread never loads the package, and ${how}, the default emitter ends, too`, async (t) => {
    const ran = await run(
      t,
      `const { Worker, isMainThread, parentPort } = require('node:worker_threads');
       if (isMainThread) {
         const worker = new Worker(__filename);
         ${main}
       } else {
         require('sinkwell').emit('com.x', { from: 'worker' });
         parentPort.postMessage('emitted');
         ${how.endsWith('lives') ? 'setInterval(() => {}, 1000);' : ''}
       }`,
      { env: { SINKWELL_LANES: 'stdout' } },
    );
    endedWell(ran);
  });
}

test('worker threads load the addon, share the default emitter, and end alone', async (t) => {
  const ran = await run(
    t,
    `const { Worker, isMainThread, parentPort } = require('node:worker_threads');
     const { Emitter, emit } = require('sinkwell');
     if (isMainThread) {
       const workers = Array.from({ length: 4 }, () => new Worker(__filename));
       emit('com.x', { from: 'main' });
       const ended = workers.map((worker) => new Promise((done) => worker.once('exit', done)));
       workers[3].once('message', () => workers[3].terminate());
       Promise.all(ended).then(() => Emitter.default().shutdown());
     } else {
       const own = Emitter.openSync({ agent: { id: 'w' } }, { sinks: [{ name: 'js', emit: () => new Promise(() => {}) }] });
       own.emit('com.x');
       emit('com.x', { from: 'worker' }).delivered().then(async () => {
         await own.shutdown({ timeout: 50 });
         parentPort.postMessage('done');
       });
     }`,
    { env: { SINKWELL_LANES: 'stdout' } },
  );
  assert.equal(ran.code, 0, ran.stderr);
  const lines = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(new Set(lines.map((one) => one.streamid)).size, 1);
  assert.equal(lines.filter((one) => one.data.from === 'worker').length, 4);
  assert.ok(lines.some((one) => one.data.action === 'closed'));
});
