'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const sinkwell = require('..');
const { deferred, events, folder, hmac, run } = require('./helpers');

const { Emitter, part } = sinkwell;

function config(dir, more = {}) {
  return {
    agent: { id: 'a1' },
    lanes: [{ id: 'out', sink: { file: { path: path.join(dir, 'out.ndjson') } } }],
    ...more,
  };
}

test('an event goes into every lane, is delivered, and comes out sealed', async (t) => {
  const dir = folder(t);
  const sw = await Emitter.open(config(dir));
  const receipt = sw.emit(
    'policy.decision',
    { decision: 'deny', rule: 'no-shell' },
    {
      subject: 'tool:shell',
      run: 'r-17',
      severity: 'error',
      time: new Date('2026-01-02T03:04:05.006Z'),
      trace: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', flags: 1 },
      content: [part('tool_arguments', { text: 'rm -rf /' }), part('file', { bytes: Buffer.from([0, 255]) })],
    },
  );
  assert.match(receipt.id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(receipt.lanes, { out: 'enqueued' });
  assert.deepEqual(receipt.evicted, {});
  const { out } = await receipt.delivered();
  assert.equal(out.state, 'delivered');
  assert.equal(out.sequence, 2);
  assert.equal(receipt.salt(0).length, 16);
  assert.equal(receipt.salt(7), undefined);
  const counters = sw.counters().out;
  assert.equal(counters.admitted, 1);
  assert.equal(counters.delivered, 1);
  assert.equal(typeof counters.oldestPendingMs, 'number');
  assert.deepEqual(counters.droppedBy, {});
  assert.equal(sw.health().out.state, 'healthy');
  assert.equal(sw.queued('out'), 0);
  assert.equal(sw.refused, 0);
  sw.ensureReady();
  assert.match(sw.prometheus(), /sinkwell_lane_admitted_total\{lane="out"\} 1/);
  assert.deepEqual(await sw.flush(), { out: { delivered: 1, journaled: 0, pending: 0, where: 'none' } });
  assert.deepEqual(await sw.shutdown(), { out: { delivered: 1, journaled: 0, pending: 0, where: 'none' } });
  const [event] = events(path.join(dir, 'out.ndjson'));
  assert.equal(event.subject, 'tool:shell');
  assert.equal(event.runid, 'r-17');
  assert.equal(event.severitytext, 'ERROR');
  assert.equal(event.time, '2026-01-02T03:04:05.006000000Z');
  assert.equal(event.traceparent, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
  assert.deepEqual(
    event.data.content.map((one) => [one.class, one.size]),
    [
      ['tool_arguments', 8],
      ['file', 2],
    ],
  );
});

test('errors have the class of their kind, its number, and the place', async (t) => {
  const sw = await Emitter.open(config(folder(t)));
  const refused = (call, kind, code, where) =>
    assert.throws(call, (error) => {
      assert.ok(error instanceof sinkwell.SinkwellError && error instanceof Error);
      assert.equal(error.constructor, kind);
      assert.equal(error.code, code);
      assert.equal(error.where, where);
      return true;
    });
  refused(() => sw.emit('tool.invocation', {}), sinkwell.InvalidEventError, 2, 'data.tool');
  refused(() => sw.emit('com.x', null, { severity: 'loud' }), sinkwell.InvalidEventError, 2, 'severity');
  refused(() => sw.emit('com.x', null, { nonsense: 1 }), sinkwell.InvalidEventError, 2, 'nonsense');
  refused(() => sw.queued('nowhere'), sinkwell.InvalidArgumentError, 3, 'nowhere');
  refused(() => sw.addSink({ name: 'x' }), sinkwell.InvalidArgumentError, 3, 'sinks');
  await assert.rejects(sw.flush({ timeout: -1 }), sinkwell.InvalidArgumentError);
  await assert.rejects(sw.drain('out'), sinkwell.InvalidArgumentError);
  await assert.rejects(sw.emit('com.x').journaled(), sinkwell.UnsupportedError);
  await sw.shutdown();
  refused(() => sw.emit('com.x'), sinkwell.ClosedError, 7, undefined);
  refused(() => sw.ensureReady(), sinkwell.ClosedError, 7, undefined);
  await assert.rejects(sw.emitAsync('com.x'), sinkwell.ClosedError);
  await assert.rejects(Emitter.open({ lanez: [] }), (error) => {
    assert.equal(error.kind, 'invalid_config');
    assert.match(error.message, /lanes/);
    return true;
  });
  await assert.rejects(Emitter.open(path.join(__dirname, 'nowhere.yaml')), sinkwell.InvalidConfigError);
  await assert.rejects(
    Emitter.open({ governance: { required_sinks: [{ class: 'audit' }] }, lanes: ['stdout'] }),
    sinkwell.RequiredSinkUnavailableError,
  );
  assert.throws(() => sw.emit(17), sinkwell.InvalidArgumentError);
});

test('ES modules get the same classes', async () => {
  const module = await import('../dist/index.mjs');
  assert.equal(module.Emitter, Emitter);
  assert.equal(module.SinkwellError, sinkwell.SinkwellError);
});

test('a manual emitter delivers when it is drained', async (t) => {
  const dir = folder(t);
  const sw = await Emitter.open(config(dir), { manual: true });
  sw.emit('com.x', { n: 1 });
  sw.emit('com.x', { n: 2 });
  assert.equal(sw.queued('out'), 2);
  const drained = await sw.drain('out');
  assert.equal(drained.count, 2);
  assert.deepEqual(drained.records, []);
  assert.equal(sw.queued('out'), 0);
  await sw.shutdown();
});

test('health has the words of a sink that fails', async () => {
  const sick = {
    name: 'sick',
    emit: () => Promise.reject(new Error('no route')),
    health: async () => ({ healthy: false, detail: 'the cable is out' }),
  };
  const sw = await Emitter.open({ agent: { id: 'a1' }, lanes: [] }, { sinks: [sick], manual: true });
  sw.emit('com.x', { n: 1 });
  await sw.drain('sick');
  assert.match(sw.health().sick.detail, /the cable is out$/);
});

test('emit never waits for room; emitAsync does, first come, first served', async (t) => {
  const gate = deferred();
  const taken = [];
  const sink = {
    name: 'slow',
    emit: async (event) => {
      await gate.promise;
      if (event.origin !== 'core') taken.push(event.data.n);
    },
  };
  const sw = await Emitter.open(config(folder(t)));
  sw.addSink(sink, { overflow: 'block', queue: { events: 4, terminal_reserve: 0 }, batch: { events: 1 } });
  let n = 0;
  assert.throws(() => {
    for (; n < 1000; n++) sw.emit('com.x', { n });
  }, sinkwell.BackpressureError);
  assert.ok(sw.refused >= 1);
  const waiting = Array.from({ length: 50 }, (_, i) => sw.emitAsync('com.x', { n: n + i }));
  gate.resolve();
  const receipts = await Promise.all(waiting);
  await receipts.at(-1).delivered();
  assert.deepEqual(
    taken,
    Array.from({ length: n + 50 }, (_, i) => i),
  );
  await sw.shutdown();
});

test('emitAsync gives up when the lane says so', async (t) => {
  const sw = await Emitter.open(config(folder(t)));
  const gate = deferred();
  t.after(() => gate.resolve());
  const lane = { overflow: 'block', block_timeout: '50ms', queue: { events: 2 }, batch: { events: 1 } };
  sw.addSink({ name: 'hung', emit: () => gate.promise }, lane);
  const all = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => sw.emitAsync('com.x', { n })));
  const refused = all.filter((one) => one.status === 'rejected');
  assert.ok(refused.length > 0);
  for (const { reason } of refused) assert.ok(reason instanceof sinkwell.BackpressureError, String(reason));
  gate.resolve();
  await sw.shutdown();
});

test('a wait ends when its time is over, and the event is still delivered', async (t) => {
  const gate = deferred();
  const sw = await Emitter.open(config(folder(t)), { sinks: [{ name: 'slow', emit: () => gate.promise }] });
  const receipt = sw.emit('com.x');
  await assert.rejects(receipt.delivered({ timeout: 20 }), sinkwell.TimeoutError);
  gate.resolve();
  assert.equal((await receipt.delivered()).slow.state, 'delivered');
  await sw.shutdown();
});

test('a time longer than a timer of Node takes is no shorter one', async (t) => {
  const warned = [];
  const note = (warning) => warned.push(warning.name);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  const gate = deferred();
  const sw = await Emitter.open(config(folder(t)));
  const lane = { overflow: 'block', block_timeout: '1000h', queue: { events: 2 }, batch: { events: 1 } };
  sw.addSink({ name: 'hung', emit: () => gate.promise }, lane);
  const all = Array.from({ length: 20 }, (_, n) => sw.emitAsync('com.x', { n }));
  const first = await all[0];
  const waiting = first.delivered({ timeout: 1000 * 3_600_000 });
  // A warning comes with the next tick; so does one of ours, of a known name.
  process.emitWarning('', 'Last');
  while (warned.at(-1) !== 'Last') await new Promise(setImmediate);
  assert.ok(!warned.includes('TimeoutOverflowWarning'), warned.join());
  gate.resolve();
  assert.equal((await waiting).hung.state, 'delivered');
  await Promise.all(all);
  await sw.shutdown();
});

test('100 000 receipts can be awaited at once', async (t) => {
  const sw = await Emitter.open(config(folder(t), { queue: { events: 200000 } }), {});
  sw.addSink({ name: 'js', emitBatch: async () => {} }, { queue: { events: 200000 } });
  const waiting = [];
  for (let n = 0; n < 100_000; n++) {
    const receipt = await sw.emitAsync('com.x', { n });
    waiting.push(receipt.delivered());
  }
  const endings = await Promise.all(waiting);
  assert.equal(endings.filter((one) => one.js.state === 'delivered').length, 100_000);
  await sw.shutdown();
});

test('a durable lane tells when an event is on disk; the key can be changed', async (t) => {
  const dir = folder(t);
  const key = (id) => ({ id, hmac_sha256: { base64: Buffer.alloc(32, id).toString('base64') } });
  const sw = await Emitter.open(
    config(dir, {
      key: key('k1'),
      journal: { dir: path.join(dir, 'state') },
      lanes: [{ id: 'out', durable: true, sink: { file: { path: path.join(dir, 'out.ndjson') } } }],
    }),
  );
  await sw.emit('com.x').journaled();
  sw.changeKey(key('k2'));
  await sw.emit('com.x').delivered();
  assert.throws(() => sw.changeKey(key('k2')), sinkwell.InvalidArgumentError);
  await sw.shutdown();
  const keys = { k1: hmac(Buffer.alloc(32, 'k1')), k2: { bytes: hmac(Buffer.alloc(32, 'k2')), agent: 'a*' } };
  const report = await sinkwell.verify(path.join(dir, 'out.ndjson'), { keys });
  assert.equal(report.verdict, 'sound', JSON.stringify(report));
  const wrong = await sinkwell.verify([path.join(dir, 'out.ndjson')], {
    keys: { k1: hmac(Buffer.alloc(32, 7)) },
  });
  assert.equal(wrong.verdict, 'findings');
  await assert.rejects(sinkwell.verify('/nowhere', {}), sinkwell.VerificationError);
  await assert.rejects(sinkwell.verify('/nowhere', { keys: { k: '/nowhere' } }), sinkwell.KeyError);
});

test('the default emitter comes from the environment and can be ended', async (t) => {
  const ran = await run(
    t,
    `const { emit, Emitter } = require('sinkwell');
     const receipt = emit('tool.invocation', { tool: 'search', outcome: 'ok' });
     console.error(JSON.stringify(receipt.lanes));
     receipt.delivered().then(() => Emitter.default().shutdown()).then(() => emit('com.y'));`,
    { env: { SINKWELL_LANES: 'stdout' } },
  );
  assert.equal(ran.code, 0, ran.stderr);
  const lines = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.filter((one) => one.origin !== 'core').map((one) => one.type),
    ['dev.sinkwell.tool.invocation', 'com.y'],
  );
  assert.equal(lines[0].agentid, 'urn:sinkwell:agent:main');
});

test('a configuration that is null is none: the environment says which', async (t) => {
  const ran = await run(
    t,
    `const { Emitter } = require('sinkwell');
     for (const none of [null, undefined]) console.log(Object.keys(Emitter.openSync(none).health()).join());`,
    { env: { SINKWELL_LANES: 'null' } },
  );
  assert.equal(ran.stdout, 'null\nnull\n', ran.stderr);
});

test('values that are decided elsewhere', () => {
  assert.deepEqual(sinkwell.authorityBoundary().mayChange, []);
  const data = sinkwell.modelUsage('openai', {
    usage: { prompt_tokens: 3, completion_tokens: 4 },
    model: 'm',
  });
  assert.equal(data.input_tokens, 3);
  assert.equal(data['source.family'], 'model');
  assert.throws(() => sinkwell.modelUsage('nobody', {}), sinkwell.InvalidArgumentError);
});

test('await using shuts down', async (t) => {
  const sw = await Emitter.open(config(folder(t)));
  await sw[Symbol.asyncDispose]();
  assert.throws(() => sw.emit('com.x'), sinkwell.ClosedError);
});

test('the default emitter is configured once, flushed and shut down by the module’s own calls', async (t) => {
  const ran = await run(
    t,
    `import { configure, configureSync, emit, flush, shutdown } from 'sinkwell';
     const config = { agent: { id: 'a1' }, lanes: ['stdout'] };
     console.error(JSON.stringify([await flush(), await shutdown()]));
     const sw = await configure(config);
     emit('com.x', { n: 1 });
     await configure(config).catch((error) => console.error(error.name));
     try { configureSync(config); } catch (error) { console.error(error.name); }
     console.error((await flush()).stdout.pending, (await shutdown()).stdout.where);
     configureSync({ agent: { id: 'a2' }, lanes: ['stdout'] });
     emit('com.x', { n: 2 });`,
    { ext: 'mjs' },
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stderr, '[{},{}]\nInvalidArgumentError\nInvalidArgumentError\n0 none\n');
  const got = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter((one) => one.origin !== 'core');
  assert.deepEqual(
    got.map((one) => [one.agentid, one.data.n]),
    [
      ['a1', 1],
      ['a2', 2],
    ],
  );
});

/** What a script begins with that opens with a sink of its own, in a class that is required: its lanes' time is longer than any test. */
const REQUIRED = `import { configure, configureSync, emit, emitAsync, flush, shutdown, Emitter } from 'sinkwell';
  const got = [];
  const soc = { name: 'soc', classes: ['audit'], emit: async (event) => void got.push(event) };
  const lane = { sink: { host: 'soc' }, classes: ['audit'], timeout: '1h' };
  const file = { id: 'file', classes: ['audit'], timeout: '1h', sink: { file: { path: 'events.ndjson' } } };
  const governance = { required_sinks: [{ class: 'audit' }] };
  const config = { agent: { id: 'a1' }, heartbeat: 'off', governance, lanes: [lane] };
  const say = async (what, act) => {
    try {
      await act();
      console.log(what, 'done');
    } catch (error) {
      console.log(what, error.kind, /await configure/.test(error.message));
    }
  };
  const numbers = () => got.filter((event) => event.type === 'com.x').map((event) => event.data.n).join();`;

// The thread would wait for itself, for as long as the lane's time is.
test('a thread is refused at once what only its own event loop could answer', async (t) => {
  const ran = await run(
    t,
    `${REQUIRED}
     await say('openSync', () => Emitter.openSync(config, { sinks: [soc] }));
     await say('configureSync', () => configureSync(config, { sinks: [soc] }));
     const signs = { ...config, lanes: [file], key: { id: 'k', alg: 'hmac-sha256', signer: 'host' } };
     await say('a signer', () => Emitter.openSync(signs, { signer: (inputs) => inputs }));
     const opened = configure(config, { sinks: [soc] });
     await say('emit', () => emit('com.x', { n: 0 }));
     await say('emitAsync', () => emitAsync('com.x', { n: 0 }));
     await say('configureSync again', () => configureSync({ agent: { id: 'a2' }, lanes: [] }));
     console.log(JSON.stringify([await flush(), await shutdown()]));
     await opened;
     emit('com.x', { n: 1 });
     await shutdown();
     await say('after shutdown', () => emit('com.x', { n: 0 }));
     await configure(config, { sinks: [soc] });
     emit('com.x', { n: 2 });
     await shutdown();
     console.log(numbers());`,
    { ext: 'mjs' },
  );
  assert.equal(ran.signal, null, ran.stdout);
  assert.equal(
    ran.stdout,
    `openSync required_sink_unavailable true
configureSync required_sink_unavailable true
a signer required_sink_unavailable true
emit closed true
emitAsync closed true
configureSync again closed true
[{},{}]
after shutdown required_sink_unavailable true
1,2
`,
  );
});

test('what can be opened without this event loop is opened here, whatever sinks it runs', async (t) => {
  const ran = await run(
    t,
    `${REQUIRED}
     const both = { ...config, lanes: [lane, file] };
     await say('another sink of the class', () => Emitter.openSync(both, { sinks: [soc] }).shutdown());
     const free = { ...config, governance: undefined };
     await say('nothing required', () => Emitter.openSync(free, { sinks: [soc] }).shutdown());
     process.env.SINKWELL_DISABLED = 'true';
     const off = Emitter.openSync(free, { sinks: [soc] });
     delete process.env.SINKWELL_DISABLED;
     await off.shutdown();
     const opened = configure(both, { sinks: [soc] });
     emit('com.x', { n: 1 });
     await opened;
     await shutdown();
     // With the sink that it was configured with.
     emit('com.x', { n: 2 });
     await shutdown();
     await configure(free, { sinks: [soc] });
     emit('com.x', { n: 3 });
     await Promise.all([shutdown(), configure(free, { sinks: [soc] })]);
     emit('com.x', { n: 4 });
     await shutdown();
     console.log(numbers());`,
    { ext: 'mjs' },
  );
  assert.equal(ran.signal, null, ran.stdout);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, 'another sink of the class done\nnothing required done\n1,2,3,4\n');
});

test('a default emitter that another thread has shut down opens again on its next use', async (t) => {
  const ran = await run(
    t,
    `import { once } from 'node:events';
     import { Worker } from 'node:worker_threads';
     import { configure, emit, emitAsync, Emitter, flush } from 'sinkwell';
     const got = [];
     const mine = { name: 'mine', emit: (event) => void got.push(event.data.n) };
     await configure({ agent: { id: 'a1' }, heartbeat: 'off', lanes: [{ sink: { host: 'mine' } }] }, { sinks: [mine] });
     const uses = [(data) => emit('com.x', data), (data) => emitAsync('com.x', data), (data) => Emitter.default().emit('com.x', data)];
     for (const [n, use] of uses.entries()) {
       await use({ n: 2 * n });
       const ends = "import { emit, shutdown } from 'sinkwell'; await emit('com.y').delivered(); await shutdown();";
       await once(new Worker(new URL('data:text/javascript,' + ends.replace("'sinkwell'", "'" + import.meta.resolve('sinkwell') + "'"))), 'exit');
       await use({ n: 2 * n + 1 });
     }
     await flush();
     console.log(got.filter((n) => n !== undefined).join());`,
    { ext: 'mjs' },
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, '0,1,2,3,4,5\n');
});

test('a promise of the default emitter is rejected where it cannot be opened; nothing is thrown', async (t) => {
  const ran = await run(
    t,
    `const { deed, emitAsync } = require('sinkwell');
     const refused = (promise) => promise.catch((error) => console.log(error.kind));
     refused(emitAsync('com.x')).then(() => refused(deed('com.x', {}, {}, () => console.log('it ran'))));`,
    { env: { SINKWELL_CONFIG: 'none.yaml' } },
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, 'invalid_config\ninvalid_config\n');
});

test('a type that is nearly built in is a warning, once', async (t) => {
  const ran = await run(
    t,
    `const { Emitter } = require('sinkwell');
     const sw = Emitter.openSync({ agent: { id: 'a1' }, lanes: ['null'] });
     for (let i = 0; i < 3; i++) sw.emit('tool.invoked');
     sw.emit('com.example.tool');`,
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stderr.match(/did you mean tool\.invocation\?/g).length, 1, ran.stderr);
});

test('errors keep their names where classes lost theirs', () => {
  class X extends sinkwell.InvalidEventError {}
  Object.defineProperty(X, 'name', { value: 'a' });
  assert.equal(new X('m').name, 'InvalidEventError');
  assert.equal(String(new X('m')), 'InvalidEventError: m');
});

test('errors say what to do: no emitter, no sink, no end in time', async () => {
  assert.throws(() => new Emitter(), { kind: 'invalid_argument', message: /await Emitter\.open/ });
  class Defender {
    emit() {}
  }
  const sinks = [
    [Defender, /new Defender\(\)/],
    [{ name: 'x' }, /x has neither function/],
    [{ emit() {} }, /has no name/],
    [undefined, /has no name/],
  ];
  for (const [sink, message] of sinks) {
    const wrong = { kind: 'invalid_argument', where: 'sinks', message };
    assert.throws(() => Emitter.openSync({ agent: { id: 'a1' } }, { sinks: [sink] }), wrong);
  }
  const held = { name: 'held', emit: () => new Promise(() => {}) };
  const sw = Emitter.openSync({ agent: { id: 'a1' }, lanes: ['null'] }, { sinks: [held] });
  const receipt = sw.emit('com.x');
  await assert.rejects(receipt.delivered({ timeout: 200 }), {
    kind: 'timeout',
    message: /not delivered within 200 ms in lane "held"; .*health/,
  });
  await sw.shutdown({ timeout: 10 });
});

test('a public key is none to seal with', (t) => {
  const file = path.join(folder(t), 'agent.pem.pub');
  const der = 'MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='; // RFC 8032, test 1
  fs.writeFileSync(file, `-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`);
  const key = { id: 'k1', ed25519: { file } };
  assert.throws(() => Emitter.openSync({ agent: { id: 'a1' }, key }), {
    kind: 'key',
    message: /this is a public key.*without \.pub/,
  });
});

test('two emitters on one file are a warning, and verify names the other file', async (t) => {
  const file = path.join(folder(t), 'events.ndjson');
  const config = { agent: { id: 'a1' }, lanes: [{ sink: { file: { path: file } } }] };
  const warned = once(process, 'warning');
  const both = [Emitter.openSync(config), Emitter.openSync(config)];
  for (const sw of both) await sw.emit('com.x').delivered();
  for (const sw of both) await sw.shutdown();
  const [{ message }] = await warned;
  assert.ok(message.startsWith(`another emitter of this process writes ${file}`), message);
  const { beside, open } = await sinkwell.verify(file);
  assert.deepEqual([beside, open], [[`${file}.${process.pid}`], 0]);
});
