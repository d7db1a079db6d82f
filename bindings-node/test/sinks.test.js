'use strict';
// Whatever a sink written in JavaScript does, its own lane contains it.
const assert = require('node:assert/strict');
const path = require('node:path');
const test = require('node:test');
const { runInNewContext } = require('node:vm');
const { Emitter, Rejected, SignedGovernanceEvent, verify, RequiredSinkUnavailableError } = require('..');
const { deferred, events, folder, hmac } = require('./helpers');

const fast = { retry: { initial: '1ms', cap: '2ms' } };

async function opened(t, sink, lane = {}) {
  const dir = folder(t);
  const out = path.join(dir, 'out.ndjson');
  const key = { id: 'k1', hmac_sha256: { base64: Buffer.alloc(32, 1).toString('base64') } };
  const sw = await Emitter.open({
    agent: { id: 'a1' },
    key,
    lanes: [{ id: 'out', sink: { file: { path: out } } }],
  });
  if (sink) sw.addSink(sink, { ...fast, ...lane });
  return { sw, out };
}

const host = (event) => event.origin !== 'core';

/** To the letter of the interface. */
class Defender {
  name = 'defender';
  classes = new Set(['siem']);
  events = [];
  async emit(event) {
    this.events.push(event);
  }
  async health() {
    return { healthy: true };
  }
}

test('a sink of the interface gets the event as an object, and its bytes verify', async (t) => {
  const sink = new Defender();
  const { sw } = await opened(t, sink);
  assert.deepEqual(sw.health().defender.classes, ['siem']);
  await sw.emit('tool.invocation', { tool: 'x' }, { subject: 's', run: 'r', turn: 't' }).delivered();
  await sw.shutdown();
  const event = sink.events.find(host);
  assert.ok(event instanceof SignedGovernanceEvent);
  assert.equal(event.type, 'dev.sinkwell.tool.invocation');
  assert.equal(event.agentId, 'a1');
  assert.equal(event.subject, 's');
  assert.equal(event.runId, 'r');
  assert.equal(event.turnId, 't');
  assert.equal(event.attemptId, undefined);
  assert.equal(event.sequence, 2);
  assert.ok(event.time instanceof Date && event.recordedTime instanceof Date);
  assert.deepEqual(event.data, { tool: 'x' });
  assert.equal(event.sigAlg, 'hmac-sha256');
  assert.equal(event.keyId, 'k1');
  assert.equal(event.severityNumber, 9);
  assert.match(event.idempotencyKey, /^[0-9a-f]{64}$/);
  const next = sink.events[sink.events.indexOf(event) + 1];
  assert.equal(next.prevHash, event.idempotencyKey);
  assert.ok(Buffer.isBuffer(event.bytes));
  assert.equal(event.verify({ k1: hmac(Buffer.alloc(32, 1)) }), true);
  assert.equal(event.verify({ k1: hmac(Buffer.alloc(32, 2)) }), false);
  assert.equal(event.verify({}), false);
});

const failing = {
  'throws at once': () => {
    throw new TypeError('secret words');
  },
  rejects: () => Promise.reject(new TypeError('secret words')),
  'throws what is no error': () => {
    throw 'secret words';
  },
  'throws nothing': () => {
    throw undefined;
  },
};

for (const [name, emit] of Object.entries(failing)) {
  test(`a sink that ${name} is tried again, and nobody else notices`, async (t) => {
    let failures = 3;
    const got = [];
    const { sw, out } = await opened(t, {
      name: 'js',
      emit(event) {
        if (host(event) && failures-- > 0) return emit();
        got.push(event);
      },
    });
    const receipt = sw.emit('com.x', { n: 1 });
    assert.equal((await receipt.delivered()).js.state, 'delivered');
    assert.ok(sw.counters().js.retried >= 3);
    await sw.shutdown();
    assert.equal(got.filter(host).length, 1);
    // Of the exception, records hold the name of its type at most.
    const text = require('node:fs').readFileSync(out, 'utf8');
    assert.ok(!text.includes('secret words'));
    // Where it works again before the other lane has sealed anything, that is all there is to say.
    assert.match(text, /sink\.(failed|recovered)/);
    assert.equal(events(out).length, 1);
  });
}

test('Rejected is for good: declared, not tried again, and the rest goes on in order', async (t) => {
  const got = [];
  const { sw } = await opened(t, {
    name: 'js',
    emit(event) {
      if (event.data.n === 2) throw new Rejected('malformed');
      if (host(event)) got.push(event.data.n);
    },
  });
  const receipts = [1, 2, 3].map((n) => sw.emit('com.x', { n }));
  const states = await Promise.all(receipts.map(async (one) => (await one.delivered()).js));
  assert.deepEqual(
    states.map((one) => one.state),
    ['delivered', 'lost', 'delivered'],
  );
  assert.equal(states[1].reason, 'rejected');
  assert.equal(sw.counters().js.rejected, 1);
  assert.deepEqual(got, [1, 3]);
  await sw.shutdown();
});

test('a batch sink answers per event', async (t) => {
  const got = [];
  let again = true;
  const { sw } = await opened(t, {
    name: 'js',
    classes: ['debug'],
    async emitBatch(batch) {
      return batch.map((event) => {
        if (event.data.n === 1 && again) {
          again = false;
          return new Error('not now');
        }
        if (event.data.n === 2) return new Rejected();
        if (host(event)) got.push(event.data.n);
        return undefined;
      });
    },
  });
  const receipts = [0, 1, 2, 3].map((n) => sw.emit('com.x', { n }));
  const states = await Promise.all(receipts.map(async (one) => (await one.delivered()).js.state));
  assert.deepEqual(states, ['delivered', 'delivered', 'lost', 'delivered']);
  assert.deepEqual([...got].sort(), [0, 1, 3]);
  await sw.shutdown();
});

test('a batch refused as one is split until the offender is alone', async (t) => {
  const { sw } = await opened(t, {
    name: 'js',
    async emitBatch(batch) {
      if (batch.some((event) => event.data.n === 5)) throw new Rejected();
    },
  });
  const receipts = Array.from({ length: 16 }, (_, n) => sw.emit('com.x', { n }));
  const states = await Promise.all(receipts.map(async (one) => (await one.delivered()).js.state));
  assert.deepEqual(
    states.map((state, n) => (state === 'delivered') === (n !== 5)),
    Array(16).fill(true),
  );
  await sw.shutdown();
});

for (const [name, nonsense] of Object.entries({
  'a list of another length': [1],
  'a number': 7,
  'an object': {},
  false: [false, false, false],
  'objects with ok': [{ ok: false }, { ok: false }, { ok: false }],
  'responses of a server': [{ status: 503 }, { status: 503 }, { status: 503 }],
  'what allSettled says of failures': [1, 2, 3].map(() => ({
    status: 'rejected',
    reason: new Error('away'),
  })),
  'what allSettled says of responses': [1, 2, 3].map(() => ({ status: 'fulfilled', value: { ok: false } })),
  'errors of another realm': [1, 2, 3].map(() => runInNewContext("new Error('away')")),
})) {
  test(`a batch sink that answers ${name} is tried again`, async (t) => {
    let times = 2;
    const { sw } = await opened(
      t,
      { name: 'js', emitBatch: async () => (times-- > 0 ? nonsense : undefined) },
      {},
    );
    const many = [1, 2, 3].map((n) => sw.emit('com.x', { n }));
    for (const one of many) assert.equal((await one.delivered()).js.state, 'delivered');
    assert.ok(times < 0);
    await sw.shutdown();
  });
}

test('whatever a sink says of its health, its lane takes it', async (t) => {
  const mute = {
    toString() {
      throw new Error('mute');
    },
  };
  const said = [
    { healthy: false, detail: { code: 503 } },
    { healthy: 'no', detail: 503 },
    { healthy: true, detail: mute },
    new Proxy(
      {},
      {
        get() {
          throw mute;
        },
      },
    ),
    503,
  ];
  let asked = 0;
  const { sw } = await opened(t, {
    name: 'js',
    emit(event) {
      if (host(event) && asked < said.length) throw new Error('away');
    },
    health: () => said[asked++ % said.length],
  });
  assert.equal((await sw.emit('com.x').delivered()).js.state, 'delivered');
  assert.ok(asked >= said.length);
  await sw.shutdown();
});

test('a sink that never settles fails its own lane only, and is left behind at the end', async (t) => {
  const { sw, out } = await opened(
    t,
    { name: 'js', emit: (event) => (host(event) ? new Promise(() => {}) : undefined) },
    { timeout: '50ms' },
  );
  const receipt = sw.emit('com.x', { n: 1 });
  while (sw.health().js.state !== 'failed') await new Promise(setImmediate);
  assert.equal(sw.health().js.failure, 'timeout');
  assert.equal(sw.health().out.state, 'healthy');
  const report = await sw.shutdown({ timeout: 300 });
  assert.equal(report.out.pending, 0);
  assert.equal((await receipt.delivered()).js.state, 'uncertain');
  assert.equal(events(out).length, 1);
});

test('a sink that holds the event loop holds no other lane', async (t) => {
  const { sw, out } = await opened(t, {
    name: 'js',
    emit(event) {
      if (!host(event)) return;
      // Built-in lanes go on meanwhile: wait for one of them without giving the event loop back.
      const end = Date.now() + 10_000;
      while (events(out).length < 1 && Date.now() < end);
    },
  });
  await sw.emit('com.x', { n: 1 }).delivered();
  assert.equal(events(out).length, 1);
  await sw.shutdown();
});

test('a sink may emit; what it emits waits for nothing', async (t) => {
  const inner = deferred();
  const { sw } = await opened(t, {
    name: 'js',
    emit(event) {
      if (event.data.n === 1) inner.resolve(sw.emit('com.x', { n: 2 }));
    },
  });
  sw.emit('com.x', { n: 1 });
  assert.equal((await (await inner.promise).delivered()).js.state, 'delivered');
  await sw.shutdown();
});

test('given to open, it counts as required; a lane may name it', async () => {
  const sink = new Defender();
  const sw = await Emitter.open(
    {
      agent: { id: 'a1' },
      governance: { required_sinks: [{ class: 'siem' }] },
      lanes: [{ id: 'soc', sink: { host: 'defender' }, classes: ['siem'] }],
    },
    { sinks: [sink] },
  );
  sw.ensureReady();
  assert.deepEqual(sw.emit('com.x').lanes, { soc: 'enqueued' });
  await sw.shutdown();
  assert.ok(sink.events.length >= 3);
});

test('a required sink that fails refuses the start', async () => {
  const sink = { name: 'soc', classes: ['siem'], emit: () => Promise.reject(new Error('down')) };
  const config = {
    agent: { id: 'a1' },
    governance: { required_sinks: [{ class: 'siem' }] },
    lanes: [{ sink: { host: 'soc' }, classes: ['siem'], timeout: '100ms' }],
  };
  await assert.rejects(Emitter.open(config, { sinks: [sink] }), RequiredSinkUnavailableError);
});

test("a host's signer seals; while it fails the lane waits and nothing goes out unsigned", async (t) => {
  const { createHmac } = require('node:crypto');
  const secret = Buffer.alloc(32, 3);
  let failures = 2;
  const dir = folder(t);
  const out = path.join(dir, 'out.ndjson');
  const sw = await Emitter.open(
    {
      agent: { id: 'a1' },
      key: { id: 'kms', alg: 'hmac-sha256', signer: 'host' },
      lanes: [{ id: 'out', breaker: { open: '10ms' }, sink: { file: { path: out } } }],
    },
    {
      signer: async (inputs) => {
        if (failures-- > 0) throw new Error('throttled');
        return inputs.map((input) => createHmac('sha256', secret).update(input).digest());
      },
    },
  );
  assert.equal((await sw.emit('com.x', { n: 1 }).delivered()).out.state, 'delivered');
  await sw.shutdown();
  const report = await verify(out, { keys: { kms: hmac(secret) } });
  assert.equal(report.verdict, 'sound', JSON.stringify(report));
  assert.equal(report.unsigned, 0);
});

test("a host's signer gets many messages of one stream in one call", async (t) => {
  const { createHmac } = require('node:crypto');
  const secret = Buffer.alloc(32, 3);
  for (const [mode, most] of [
    ['each', 40],
    ['batch', 8],
  ]) {
    const calls = [];
    const out = path.join(folder(t), 'out.ndjson');
    const sw = await Emitter.open(
      {
        agent: { id: 'a1' },
        heartbeat: 'off',
        key: { id: 'kms', alg: 'hmac-sha256', signer: 'host', sign: mode },
        lanes: [{ id: 'out', batch: { events: 32, linger: '1h' }, sink: { file: { path: out } } }],
      },
      {
        signer: (inputs) => {
          calls.push(inputs.length);
          for (const one of inputs) {
            assert.equal(one.length, 49);
            assert.ok(Buffer.from(one).toString('latin1').startsWith('sinkwell-seal-v1\n'));
          }
          return inputs.map((input) => createHmac('sha256', secret).update(input).digest());
        },
      },
    );
    for (let n = 0; n < 32; n += 1) sw.emit('com.x', { n });
    await sw.shutdown();
    const messages = calls.reduce((sum, n) => sum + n, 0);
    assert.ok(messages <= most && calls.length <= 8, `${mode}: ${calls}`);
    assert.ok(Math.max(...calls) >= (mode === 'each' ? 32 : 1), `${mode}: ${calls}`);
    const report = await verify(out, { keys: { kms: hmac(secret) } });
    assert.deepEqual([report.verdict, report.unsigned], ['sound', 0], JSON.stringify(report));
  }
});

test('what is no sink is refused', async (t) => {
  const { sw } = await opened(t);
  for (const bad of [null, undefined, 7, {}, { name: 'x' }, { emit() {} }, { name: 7, emit() {} }]) {
    assert.throws(() => sw.addSink(bad), { kind: 'invalid_argument' });
  }
  assert.throws(() => sw.addSink({ name: 'out', emit() {} }), { kind: 'invalid_config' });
  assert.throws(() => sw.addSink({ name: 'b', emit() {} }, { overflw: 'block' }), { kind: 'invalid_config' });
  await sw.shutdown();
});
