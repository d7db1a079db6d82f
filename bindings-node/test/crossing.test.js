'use strict';
// An event crosses by the table or as JSON: which way must not be seen in what arrives, nor in what is refused.
const assert = require('node:assert/strict');
const test = require('node:test');
const { Emitter, InvalidArgumentError } = require('..');
const { deferred } = require('./helpers');

/** Has what `emit` is given cross as JSON. */
function asJson(call) {
  Object.defineProperty(Object.prototype, 'polluted', { value: 1, enumerable: true, configurable: true });
  try {
    return call();
  } finally {
    delete Object.prototype.polluted;
  }
}

/** An emitter, and the events that have arrived when it was flushed. */
async function collecting(t) {
  const got = [];
  const emitter = await Emitter.open(
    { agent: { id: 'a1', tenant: 't1', allow: ['a2'] } },
    { sinks: [{ name: 'js', emitBatch: async (events) => void got.push(...events) }] },
  );
  t.after(() => emitter.shutdown());
  const arrived = async () => {
    await emitter.flush();
    return got.filter((event) => event.origin !== 'core');
  };
  return { emitter, arrived };
}

/** The same numbers below 1 in every run. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const STRINGS = [
  '',
  'plain',
  '"quoted\\"',
  'a\u0000\u001f',
  'Größe',
  'ÿ',
  '漢字',
  '👩‍👩‍👧',
  '\u2028',
  'x'.repeat(40),
];
const NUMBERS = [
  0,
  -0,
  1,
  -17,
  0.1,
  5e-324,
  1e-7,
  123456.789,
  2 ** 31,
  Number.MAX_SAFE_INTEGER,
  -(2 ** 53 - 1),
];
const KEYS = [
  'a',
  'b',
  'zz',
  'Z',
  '10',
  '9',
  '',
  'é',
  '漢',
  '👍',
  'ﬀ',
  '__proto__',
  'with "quotes"',
  'k'.repeat(300),
];

function value(next, depth) {
  const one = (list) => list[Math.floor(next() * list.length)];
  const kind = next();
  if (kind < 0.35 || depth > 4) return one(STRINGS);
  if (kind < 0.6) return one(NUMBERS);
  if (kind < 0.7) return one([true, false, null]);
  if (kind < 0.8) return Array.from({ length: Math.floor(next() * 4) }, () => value(next, depth + 1));
  return object(next, depth + 1);
}

function object(next, depth) {
  const given = {};
  for (let left = Math.floor(next() * 6); left > 0; left--) {
    const key = KEYS[Math.floor(next() * KEYS.length)];
    Object.defineProperty(given, key, {
      value: value(next, depth),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return given;
}

test('data arrives as it is, whatever it is', async (t) => {
  const { emitter, arrived } = await collecting(t);
  const next = random(17);
  const sent = Array.from({ length: 500 }, () => object(next, 0));
  let deep = {};
  for (let i = 0; i < 60; i++) deep = { deep };
  sent.push(
    deep,
    { long: 'ä'.repeat(70_000) },
    { long: 'a'.repeat(70_000), after: [1, 'x'] },
    { many: Array.from({ length: 3000 }, (_, n) => (n % 2 ? n : `${n}`)) },
    Object.fromEntries(Array.from({ length: 2500 }, (_, n) => [`key${n}`, n])),
    Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`z${20 - n}`, { b: n, a: [{ d: n, c: 'x' }] }])),
  );
  for (const data of sent) emitter.emit('com.x', data);
  const events = await arrived();
  const plain = (data) => JSON.parse(JSON.stringify(data));
  assert.equal(events.length, sent.length);
  for (const [i, event] of events.entries()) assert.deepStrictEqual(event.data, plain(sent[i]));
});

test('the other members are the same both ways', async (t) => {
  const { emitter, arrived } = await collecting(t);
  const trace = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
  const options = [
    { subject: 'tool:größe', severity: 'error', terminal: true, run: 'r', turn: 't', attempt: 'a' },
    { agent: 'a2', tenant: 't1', child: 'c', causation: 'x', correlation: 'y', terminal: false },
    { time: new Date(1), id: '0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91', trace },
    { time: '2026-01-02T03:04:05.5Z', trace: { ...trace, flags: 1, state: 'a=b' }, subject: undefined },
    { subject: null, terminal: null, trace: null },
  ];
  const data = { n: 1 };
  for (const one of options) {
    emitter.emit('com.x', data, one);
    asJson(() => emitter.emit('com.x', data, one));
  }
  const events = await arrived();
  assert.equal(events.length, 2 * options.length);
  for (let i = 0; i < events.length; i += 2) {
    const [one, other] = events.slice(i, i + 2).map(({ envelope }) => {
      const own = ['id', 'time', 'recordedtime', 'sequence', 'prevhash', 'signature'];
      const given = options[i / 2];
      return Object.fromEntries(Object.entries(envelope).filter(([k]) => given[k] || !own.includes(k)));
    });
    assert.deepEqual(one, other);
  }
  assert.equal(events[0].envelope.subject, 'tool:größe');
  assert.match(events[6].envelope.traceparent, /-01$/);
});

test('what is wrong is said in the same words both ways', async (t) => {
  const { emitter, arrived } = await collecting(t);
  const good = { n: 1 };
  const wrong = [
    ['com.x', { a: { b: [NaN] } }],
    ['com.x', { a: 2 ** 53 }],
    ['com.x', { a: 1e300 }],
    ['com.x', { a: '\udc00' }],
    ['com.x', { 'é\ud800': 1 }],
    ['com.x', []],
    ['com.x', 'text'],
    ['not a type', good],
    ['com.\ud800', good],
    ['tool.invocation', { outcome: 'ok' }],
    ['com.x', good, { subject: 1 }],
    ['com.x', good, { subject: '' }],
    ['com.x', good, { subject: 'a\u0000' }],
    ['com.x', good, { severity: 'loud' }],
    ['com.x', good, { terminal: 'yes' }],
    ['com.x', good, { nonsense: 1 }],
    ['com.x', good, { time: 'now' }],
    ['com.x', good, { id: '' }],
    ['com.x', good, { id: 'größe' }],
    ['com.x', good, { id: 'x'.repeat(129) }],
    ['com.x', good, { agent: 'a3' }],
  ];
  const said = (call) => {
    try {
      call();
    } catch ({ kind, where, message }) {
      return { kind, where, message };
    }
    return assert.fail('nothing was thrown');
  };
  for (const event of wrong) {
    const error = said(() => emitter.emit(...event));
    assert.equal(error.kind, 'invalid_event', JSON.stringify(event));
    assert.deepEqual(
      error,
      said(() => asJson(() => emitter.emit(...event))),
    );
  }
  assert.deepEqual(await arrived(), []);
});

test('what the table can say is read once', async (t) => {
  const { emitter, arrived } = await collecting(t);
  let read = 0;
  const counting = {
    list: [{ text: 'é', none: null, yes: true }],
    get n() {
      return ++read;
    },
  };
  emitter.emit('com.x', counting, { subject: 's' });
  assert.deepEqual((await arrived())[0].data, { list: [{ text: 'é', none: null, yes: true }], n: 1 });
});

test('a getter may emit, and may throw', async (t) => {
  const { emitter, arrived } = await collecting(t);
  let once = true;
  const nosy = {
    before: 'b',
    get inner() {
      if (once) emitter.emit('com.inner', { text: 'from inside', n: 5 }, { subject: 's' });
      once = false;
      return 'value';
    },
    after: 3,
  };
  emitter.emit('com.outer', nosy);
  const failing = {
    get inner() {
      throw new TypeError('mine');
    },
  };
  // An error of ours: whoever emits need not know whose getters there are.
  assert.throws(() => emitter.emit('com.x', failing), { kind: 'invalid_event', where: 'data.inner' });
  emitter.emit('com.last', { n: 1 });
  const events = await arrived();
  assert.deepEqual(
    events.map(({ type, data, subject }) => ({ type, data, subject })),
    [
      { type: 'com.inner', data: { text: 'from inside', n: 5 }, subject: 's' },
      { type: 'com.outer', data: { before: 'b', inner: 'value', after: 3 }, subject: undefined },
      { type: 'com.last', data: { n: 1 }, subject: undefined },
    ],
  );
});

test('every receipt is that of its event', async (t) => {
  const { emitter, arrived } = await collecting(t);
  const receipts = [];
  for (let n = 0; n < 200; n++) {
    if (n % 7 === 0) assert.throws(() => emitter.emit('com.x', { n: NaN }));
    receipts.push(n % 5 ? emitter.emit('com.x', { n }) : await emitter.emitAsync('com.x', { n }));
  }
  const events = await arrived();
  assert.deepEqual(
    receipts.map(({ id }) => id),
    events.map(({ id }) => id),
  );
  const endings = await Promise.all(receipts.map((receipt) => receipt.delivered()));
  assert.deepEqual(
    endings.map(({ js }) => js.sequence),
    events.map(({ envelope }) => Number(envelope.sequence)),
  );
});

test('an event that waits for room is sent as it was', async (t) => {
  const gate = deferred();
  const got = [];
  const emitter = await Emitter.open({ agent: { id: 'a1' }, lanes: [] });
  t.after(() => emitter.shutdown());
  const emit = async (event) => {
    await gate.promise;
    if (event.origin !== 'core') got.push(event.data.n);
  };
  emitter.addSink(
    { name: 'slow', emit },
    { overflow: 'block', queue: { events: 2, terminal_reserve: 0 }, batch: { events: 1 } },
  );
  const data = { n: 0 };
  const waiting = [];
  for (; data.n < 20; data.n++) waiting.push(emitter.emitAsync('com.x', data));
  await assert.rejects(emitter.emitAsync(17), InvalidArgumentError);
  gate.resolve();
  await Promise.all(waiting);
  await emitter.flush();
  assert.deepEqual(
    got,
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test('more shapes than are remembered, until all are forgotten', async (t) => {
  const { emitter, arrived } = await collecting(t);
  const reads = (tag) => {
    let read = 0;
    const data = {
      get [tag]() {
        return ++read;
      },
    };
    emitter.emit('com.counted', data);
    return read;
  };
  assert.equal(reads('first'), 1);
  for (let n = 0; n < 6000; n++) {
    emitter.emit('com.x', { [`key${n}`]: n, same: 'x' });
    emitter.emit('com.x', { same: n, other: 'y' });
    if (n % 1000 === 0) await arrived();
  }
  assert.equal(reads('first'), 1);
  // As JSON: looked through, then written.
  assert.ok(reads('second') > 1);
  const events = (await arrived()).filter(({ type }) => type === 'com.x');
  assert.equal(events.length, 12_000);
  for (let n = 0; n < 6000; n++) {
    assert.deepEqual(events[2 * n].data, { [`key${n}`]: n, same: 'x' });
    assert.deepEqual(events[2 * n + 1].data, { same: n, other: 'y' });
  }
  const idle = Emitter.openSync({ agent: { id: 'a1' }, lanes: ['null'] });
  for (let n = 0; n < 70_000; n++) idle.emit('com.x');
  await idle.shutdown();
  assert.equal(reads('second'), 1);
});
