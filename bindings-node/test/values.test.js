'use strict';
// What JSON cannot carry is refused with its path, and never turned into something else.
const assert = require('node:assert/strict');
const test = require('node:test');
const vm = require('node:vm');
const { Emitter, InvalidEventError } = require('..');
require('./helpers');

const sw = Emitter.openSync({ agent: { id: 'a1' }, lanes: ['null'] });
test.after(() => sw.shutdown());

class Money {
  constructor() {
    this.cents = 1;
  }
}
const cycle = { list: [] };
cycle.list.push(cycle);

const refused = {
  NaN: [NaN, /^NaN and infinities have no JSON form; send the value as a string$/],
  Infinity: [-Infinity, /^NaN and infinities have no JSON form/],
  function: [() => 1, /function/],
  symbol: [Symbol('x'), /symbol/],
  BigInt: [1n, /string/],
  'an integer past 2^53-1': [2 ** 53, /string/],
  'a large integral double': [1e21, /1e21 too.*string/],
  'a lone surrogate': ['\ud800', /surrogate/],
  Date: [new Date(0), /Date/],
  Map: [new Map([[1, 2]]), /^a Map has no JSON form; send a plain object: Object\.fromEntries\(map\)$/],
  Set: [new Set(), /Set/],
  RegExp: [/x/, /RegExp/],
  Error: [new Error('x'), /Error/],
  Buffer: [Buffer.from('x'), /Buffer/],
  Promise: [Promise.resolve(1), /Promise/],
  'a boxed number': [Object(1), /Number/],
  'an instance of a class': [new Money(), /Money/],
  'a member toJSON': [{ toJSON: () => 'other' }, /function/],
  'a getter that throws': [
    {
      get it() {
        throw new RangeError('MARKER');
      },
    },
    /reading it threw RangeError/,
  ],
  'a proxy that throws': [
    new Proxy(
      {},
      {
        ownKeys() {
          throw new RangeError('MARKER');
        },
      },
    ),
    /reading it threw RangeError/,
  ],
};

for (const [name, [value, message]] of Object.entries(refused)) {
  test(`${name} is refused, at its path`, () => {
    assert.throws(
      () => sw.emit('com.x', { list: [0, { deep: value }] }),
      (error) => {
        assert.ok(error instanceof InvalidEventError, String(error));
        assert.match(error.where, /^data\.list\[1\]\.deep/);
        assert.match(error.message, message);
        assert.ok(!error.message.includes('MARKER'));
        return true;
      },
    );
  });
}

test('an object that holds itself is refused', () => {
  assert.throws(
    () => sw.emit('com.x', cycle),
    (error) => error.kind === 'invalid_event' && /list/.test(error.where),
  );
});

test('data must be an object', () => {
  for (const data of [[1], 'text', 1, true]) assert.throws(() => sw.emit('com.x', data), InvalidEventError);
  assert.throws(() => sw.emit('com.x', new Date()), InvalidEventError);
});

test('too deep is for the core to say', () => {
  let deep = {};
  for (let i = 0; i < 100; i++) deep = { deep };
  assert.throws(
    () => sw.emit('com.x', deep),
    (error) => /64/.test(error.message),
  );
});

test('a lone surrogate in a type, a subject or a key is refused', () => {
  assert.throws(() => sw.emit('com.\ud800'), InvalidEventError);
  assert.throws(() => sw.emit('com.x', {}, { subject: '\udfff' }), InvalidEventError);
  assert.throws(() => sw.emit('com.x', { '\ud800': 1 }), InvalidEventError);
});

test('what JSON can carry arrives as it is', async () => {
  const got = [];
  const mine = await Emitter.open(
    { agent: { id: 'a1' } },
    { sinks: [{ name: 'js', emit: (event) => void got.push(event) }] },
  );
  const data = {
    nul: 'a\u0000b',
    emoji: '👩‍👩‍👧',
    quote: '"\\\n\u2028',
    none: null,
    yes: true,
    float: 0.1,
    tiny: 5e-324,
    most: Number.MAX_SAFE_INTEGER,
    list: [[], {}, ''],
    other: vm.runInNewContext('({ realm: [1] })'),
    bare: Object.assign(Object.create(null), { x: 1 }),
  };
  await mine.emit('com.x', data).delivered();
  await mine.shutdown();
  const event = got.find((one) => one.origin !== 'core');
  assert.deepEqual(event.data, JSON.parse(JSON.stringify(data)));
});

test('undefined among the options is absence', () => {
  sw.emit('com.x', {}, { subject: undefined, trace: undefined });
  sw.emit('com.x', undefined, undefined);
});

test('a polluted Object.prototype changes nothing', (t) => {
  Object.defineProperty(Object.prototype, 'polluted', {
    value: () => 1,
    enumerable: true,
    configurable: true,
  });
  t.after(() => delete Object.prototype.polluted);
  sw.emit('com.x', { a: 1 });
});

test('members that are undefined are left out, as JSON does; in a list there is nothing to leave out', async () => {
  const got = [];
  const sink = { name: 'js', emit: (event) => void (event.origin === 'core' || got.push(event.data)) };
  const mine = Emitter.openSync({ agent: { id: 'a1' }, lanes: [] }, { sinks: [sink] });
  const data = { a: undefined, b: { c: undefined, d: 1 }, e: [{ f: undefined }] };
  mine.emit('com.x', data);
  // The other way into the core.
  mine.emit(
    'com.x',
    vm.runInNewContext('({ a: undefined, b: { c: undefined, d: 1 }, e: [{ f: undefined }] })'),
  );
  mine.emit('tool.invocation', { tool: 't', outcome: undefined });
  await mine.shutdown();
  assert.deepEqual(got, [{ b: { d: 1 }, e: [{}] }, { b: { d: 1 }, e: [{}] }, { tool: 't' }]);
  assert.throws(() => sw.emit('com.x', { list: [undefined] }), { where: 'data.list[0]' });
});

test('what throws while it is read is an error of ours, wherever it stands', () => {
  const throwing = (name) =>
    Object.defineProperty({}, name, {
      enumerable: true,
      get() {
        throw new RangeError('MARKER');
      },
    });
  const cases = [
    [() => sw.emit('com.x', throwing('a')), 'data.a'],
    [() => sw.emit('com.x', {}, throwing('subject')), 'subject'],
    [() => sw.emit('com.x', {}, throwing('trace')), 'trace'],
    [() => sw.emit('com.x', {}, { trace: throwing('traceId') }), 'trace'],
    [() => sw.emit('com.x', {}, { content: [throwing('text')] }), 'content'],
    [() => sw.emit('com.x', {}, { time: new Date(NaN) }), 'time'],
    [() => Emitter.openSync(throwing('agent')), 'agent'],
  ];
  for (const [call, where] of cases) {
    assert.throws(call, (error) => {
      assert.deepEqual([error.kind, error.where], ['invalid_event', where], String(error));
      assert.ok(!error.message.includes('MARKER'));
      return true;
    });
  }
});

test('what a getter says the second time is not heard', async () => {
  const got = [];
  const sink = { name: 'js', emit: (event) => void (event.origin === 'core' || got.push(event.data)) };
  const mine = Emitter.openSync({ agent: { id: 'a1' }, lanes: [] }, { sinks: [sink] });
  let n = 0;
  const odd = {
    get n() {
      return n++ === 0 ? 1 : NaN;
    },
  };
  mine.emit('com.x', { odd: Object.setPrototypeOf(odd, vm.runInNewContext('Object.prototype')) });
  await mine.shutdown();
  assert.deepEqual(got, [{ odd: { n: 1 } }]);
});

test('what is longer than any memory is refused where it stands, before it is written to its end', () => {
  // Lists that hold others again and again: 2^40 strings; and a list that says it is longer than any.
  let shared = ['MARKER'];
  for (let i = 0; i < 40; i++) shared = [shared, shared];
  const endless = new Proxy([], { get: (_, key) => (key === 'length' ? Infinity : 1) });
  for (const value of [shared, endless, { shared: { shared } }]) {
    for (const use of [
      () => sw.emit('com.x', { value }),
      () => Emitter.openSync({ agent: { id: 'a1' }, value }),
    ]) {
      assert.throws(
        use,
        (error) =>
          error instanceof InvalidEventError &&
          /^over the limit of \d+ (bytes|values); nothing is truncated/.test(error.message),
      );
    }
  }
});
