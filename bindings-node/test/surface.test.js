'use strict';
// Emits from inside a sink, answers that nobody can know, usage vectors, a required sink that dies, and what a sink cannot do.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { setImmediate: turn, setTimeout: pause } = require('node:timers/promises');
const test = require('node:test');
const sinkwell = require('..');
const { events, folder, hmac, root } = require('./helpers');

const { Emitter, Rejected, Uncertain } = sinkwell;
const debug = new Set(['debug']);
const agent = { id: 'a1' };
const quick = { retry: { initial: '1ms', cap: '1ms' }, breaker: { failures: 1, open: '1ms' } };

const usage = path.join(root, 'tests', 'vectors', 'usage');
const recorded = path.join(root, 'target', 'vectors', 'node.tsv');
fs.mkdirSync(path.dirname(recorded), { recursive: true });
const camel = (object) =>
  Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_, c) => c.toUpperCase()),
      value,
    ]),
  );
const calls = {
  model: ({ provider, request }) => sinkwell.modelUsage(provider, request),
  cost: ({ request }) => sinkwell.costData(camel(request)),
  roll_up: ({ request }) => sinkwell.rollUp(request),
};

test('every group of usage is there', () => {
  const groups = fs.readdirSync(usage).map((name) => path.basename(name, '.json'));
  assert.deepEqual(groups.sort(), Object.keys(calls).sort());
});

for (const name of fs.readdirSync(usage)) {
  test(`usage/${name}`, () => {
    const { group, cases, ...others } = JSON.parse(fs.readFileSync(path.join(usage, name), 'utf8'));
    assert.deepEqual(others, {});
    assert.ok(cases.length > 0);
    for (const [i, one] of cases.entries()) {
      for (const member of Object.keys(one)) {
        assert.ok(['name', 'provider', 'request', 'answer', 'error'].includes(member), member);
      }
      if (one.error) {
        assert.throws(
          () => calls[group](one),
          ({ kind, where }) => kind === one.error.kind && where === one.error.where,
          one.name,
        );
      } else assert.deepEqual(calls[group](one), one.answer, one.name);
      fs.appendFileSync(recorded, `usage/${group}/${i}\tran\n`);
    }
  });
}

test('an emit from inside a sink never waits', async () => {
  const inner = [];
  const emitter = await Emitter.open({ agent, lanes: ['null'] });
  const mine = {
    name: 'mine',
    classes: debug,
    async emit(event) {
      if (event.type !== 'com.example.first') return;
      // On whatever turn of the loop.
      await turn();
      for (let i = 0; i < 2; i++) inner.push(emitter.emit('com.example.inner').lanes.mine);
      inner.push((await emitter.emitAsync('com.example.inner')).lanes.mine);
      // It would wait for itself.
      await emitter.flush({ timeout: 3_600_000 });
    },
  };
  emitter.addSink(mine, {
    overflow: 'block',
    block_timeout: '1h',
    timeout: '1h',
    queue: { events: 2, terminal_reserve: 1 },
  });
  await emitter.emit('com.example.first').delivered({ timeout: 30_000 });
  assert.deepEqual(inner, ['enqueued', 'dropped: reentrant', 'dropped: reentrant']);
  await emitter.shutdown();
});

test('a sink that ends its own emitter is not waited for by that', async () => {
  const left = [];
  const mine = {
    name: 'mine',
    classes: debug,
    async emit(event) {
      if (event.type !== 'com.example.last') return;
      await turn();
      left.push((await emitter.shutdown({ timeout: 3_600_000 })).mine.pending);
    },
  };
  const emitter = await Emitter.open(
    { agent, lanes: [{ sink: { host: 'mine' }, timeout: '1h' }] },
    { sinks: [mine] },
  );
  const receipt = emitter.emit('com.example.last');
  assert.equal((await receipt.delivered({ timeout: 30_000 })).mine.state, 'delivered');
  assert.deepEqual(left, [1]);
  assert.throws(() => emitter.emit('com.example.later'), sinkwell.ClosedError);
  assert.equal((await emitter.shutdown()).mine.pending, 0);
});

test('what a sink cannot know is uncertain', async () => {
  const mine = {
    name: 'mine',
    classes: debug,
    emit(event) {
      if (event.subject === 'odd') throw new Uncertain('canary');
    },
  };
  const emitter = await Emitter.open({ agent, lanes: [] }, { sinks: [mine] });
  const receipts = ['even', 'odd', 'even'].map((subject) => emitter.emit('com.example.x', null, { subject }));
  const states = [];
  for (const receipt of receipts) states.push((await receipt.delivered({ timeout: 30_000 })).mine.state);
  assert.deepEqual(states, ['delivered', 'uncertain', 'delivered']);
  assert.deepEqual(emitter.counters().mine.rejectedBy, { uncertain: 1 });
  await emitter.shutdown();
});

test('a required sink dies and comes back', async (t) => {
  let away = false;
  const guard = {
    name: 'guard',
    classes: new Set(['siem']),
    emit() {
      if (away) throw new Error('the SIEM is away');
    },
  };
  const file = path.join(folder(t), 'events.ndjson');
  const lanes = [{ sink: { file: { path: file } } }, { sink: { host: 'guard' }, ...quick }];
  const governance = { requires_sink: 'siem' };
  const emitter = await Emitter.open({ agent, governance, lanes }, { sinks: [guard] });
  emitter.emit('com.example.x');
  away = true;
  let stopped;
  // Until the lane has noticed, events are still taken.
  while (stopped === undefined) {
    try {
      await emitter.emitAsync('com.example.x');
      await turn();
    } catch (error) {
      stopped = error;
    }
  }
  assert.ok(stopped instanceof sinkwell.RequiredSinkUnavailableError, stopped);
  assert.equal(stopped.code, 5);
  assert.match(stopped.message, /siem.*guard.*mend the sink/s);
  assert.throws(() => emitter.ensureReady(), sinkwell.RequiredSinkUnavailableError);
  // A change of state that nobody was told of yet merges with the next one.
  while (!fs.readFileSync(file, 'utf8').includes('sink.failed')) await turn();
  away = false;
  for (let ready = false; !ready; await turn()) {
    try {
      emitter.ensureReady();
      ready = true;
    } catch (error) {
      assert.ok(error instanceof sinkwell.RequiredSinkUnavailableError, error);
    }
  }
  emitter.emit('com.example.x');
  await emitter.shutdown();
  const lines = fs.readFileSync(file, 'utf8');
  for (const type of ['sink.failed', 'sink.recovered']) assert.ok(lines.includes(type), type);
  assert.ok(!lines.includes('the SIEM is away'));
});

/** Tries something else at each delivery. */
function unruly(emitter) {
  const ways = {
    junk: () => ['acknowledged', 7, { decision: 'allow' }],
    noList: () => 'acknowledged',
    tooMany: (given) => given.map(() => undefined).concat([undefined]),
    mutates(given) {
      for (const event of given) {
        event.bytes.fill(0);
        for (const change of [
          () => Object.assign(event.data, { decision: 'allow', terminal_status: 'completed' }),
          () => (event.sequence = 1),
          () => Object.setPrototypeOf(event, null),
        ]) {
          try {
            change();
          } catch {
            // It may refuse; it may not matter.
          }
        }
      }
      given.length = 0;
    },
    raises() {
      throw new RangeError('unruly');
    },
    throwsNothing: () => Promise.reject(undefined),
    refuses() {
      throw new Rejected('all of it');
    },
    // Longer than the lane's timeout; what it says then, nobody hears.
    isLate: (given) =>
      pause(
        50,
        given.map(() => new Rejected('late')),
      ),
    async reenters() {
      emitter.emit('com.example.inside');
      await emitter.flush({ timeout: 3_600_000 });
    },
  };
  const tried = new Set();
  return {
    name: 'unruly',
    classes: debug,
    tried,
    done: () => tried.size === Object.keys(ways).length,
    emitBatch(given) {
      const way = Object.keys(ways).find((name) => !tried.has(name)) ?? 'mutates';
      tried.add(way);
      return ways[way](given);
    },
  };
}

async function besides(dir, withUnruly) {
  fs.mkdirSync(dir);
  const file = path.join(dir, 'events.ndjson');
  const secret = Buffer.alloc(32, 'k');
  const key = { id: 'k1', hmac_sha256: { base64: secret.toString('base64') } };
  const emitter = await Emitter.open({
    agent,
    key,
    heartbeat: 'off',
    lanes: [{ id: 'good', sink: { file: { path: file } } }],
  });
  const sink = unruly(emitter);
  if (withUnruly) {
    emitter.addSink(sink, {
      ...quick,
      timeout: '10ms',
      overflow: 'drop_oldest',
      batch: { linger: '1ms', events: 3 },
    });
  }
  const put = (...event) => assert.equal(emitter.emit(...event).lanes.good, 'enqueued');
  for (let n = 0; n < 30; n++) {
    put('policy.decision', { decision: 'deny', rule: 'no-shell', action: String(n) }, { run: 'r-1' });
    put('run.failed', { terminal_status: 'failed' }, { run: 'r-1' });
  }
  for (; withUnruly && !sink.done(); await turn()) put('com.example.inside');
  emitter.ensureReady();
  // The unruly one has no say in how long it takes.
  const report = await emitter.shutdown({ timeout: 2_000 });
  assert.equal(report.good.pending, 0);
  const verified = await sinkwell.verify(file, { keys: { k1: { bytes: hmac(secret) } } });
  assert.equal(verified.verdict, 'sound');
  return events(file)
    .filter(({ type }) => type !== 'com.example.inside')
    .map(({ type, data, runid, severitytext, subject }) => ({ type, data, runid, severitytext, subject }));
}

test('a sink that tries everything changes nothing for anybody else', async (t) => {
  const request = { requestedMode: 'raw', class: 'prompt', sourcePermitsContent: true };
  const before = sinkwell.evaluateContentCapture(request);
  const dir = folder(t);
  const alone = await besides(path.join(dir, 'alone'), false);
  const beside = await besides(path.join(dir, 'beside'), true);
  assert.equal(alone.length, 60);
  assert.deepEqual(beside, alone);
  assert.deepEqual(sinkwell.evaluateContentCapture(request), before);
  assert.deepEqual(sinkwell.authorityBoundary().mayChange, []);
});

test('options that would be read and ignored are refused', async (t) => {
  const emitter = await Emitter.open({ agent, lanes: ['null'] });
  t.after(() => emitter.shutdown());
  const refused = async (call, message) => {
    await assert.rejects(
      async () => call(),
      (error) => {
        assert.equal(error.kind, 'invalid_argument');
        assert.match(String(error), message);
        return true;
      },
    );
  };
  const receipt = emitter.emit('com.example.n');
  const { SinkwellSpanProcessor } = require('../dist/otel.js');
  const { Handler } = require('../dist/langchain.js');
  const { Watch } = require('../dist/ai_sdk.js');
  await refused(
    () => Emitter.open({ agent, lanes: ['null'] }, { sink: [] }),
    /sink: an emitter has no option "sink"; known: sinks/,
  );
  await refused(
    () => Emitter.openSync({ agent, lanes: ['null'] }, [{}]),
    /options: an emitter takes an object of options/,
  );
  await refused(() => new SinkwellSpanProcessor(emitter), /as \{ emitter: … \}, not a Emitter/);
  await refused(() => new Handler(emitter), /as \{ emitter: … \}/);
  await refused(() => new Watch({ emiter: emitter }), /emiter: Watch has no option/);
  await refused(() => receipt.delivered({ timeout: '5s' }), /timeout: a time is a number of milliseconds/);
  await refused(
    () => receipt.delivered(5000),
    /delivered takes an object of options, as \{ timeout: … \}, not a number/,
  );
  await refused(() => emitter.flush(1000), /flush takes an object of options/);
  await refused(() => emitter.shutdown({ timeout: -1 }), /timeout: a time/);
  await refused(
    () => sinkwell.verify('x', { k1: 'agent.pem.pub' }),
    /k1: verify has no option "k1"; known: keys/,
  );
  await refused(() => sinkwell.verify('x', { keys: ['agent.pem.pub'] }), /keys: keys are named by their ids/);
});

test('what to send in place of what JSON does not know', () => {
  const emitter = Emitter.openSync({ agent, lanes: ['null'] }, { manual: true });
  class Mine {}
  for (const [value, message] of [
    [new Map(), 'a Map has no JSON form; send a plain object: Object.fromEntries(map)'],
    [new Set(), 'a Set has no JSON form; send an array: [...set]'],
    [Promise.resolve(1), 'a Promise has no JSON form; send what it resolves to: await it'],
    [new Date(0), 'a Date has no JSON form; send it as a string'],
    [new Mine(), 'a Mine has no JSON form; send a plain object of its members, as { ...it }, or a string'],
  ])
    assert.throws(() => emitter.emit('com.example.n', { value }), {
      name: 'InvalidEventError',
      where: 'data.value',
      message,
    });
});
