'use strict';
// Ambient context: tests/vectors/context through the public calls, then what is JavaScript's own.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { setImmediate: turnOfLoop } = require('node:timers/promises');
const test = require('node:test');
const sinkwell = require('..');
const { record, root } = require('./helpers');

const { Emitter, run, turn, tool, context } = sinkwell;
const camel = (object) =>
  Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase()),
      value,
    ]),
  );

function collecting(agent = { id: 'a1', allow: ['*'] }) {
  const got = [];
  const sink = { name: 'js', emit: (event) => void (event.origin === 'core' || got.push(event)) };
  return { got, sw: Emitter.openSync({ agent, lanes: [] }, { sinks: [sink] }) };
}

const vectors = path.join(root, 'tests', 'vectors', 'context');
for (const name of fs.readdirSync(vectors)) {
  const { cases, ...others } = JSON.parse(fs.readFileSync(path.join(vectors, name), 'utf8'));
  test(`context/${name}`, async () => {
    assert.deepEqual(Object.keys(others).sort(), ['about', 'name']);
    assert.ok(cases.length > 0);
    for (const [i, one] of cases.entries()) {
      assert.ok(
        Object.keys(one).every((key) => ['name', 'within', 'event', 'attributes', 'data'].includes(key)),
      );
      const { got, sw } = collecting();
      const { type, data, ...options } = one.event;
      const enter = ([first, ...rest]) => {
        if (first === undefined) return void sw.emit(type, data, options);
        const [[call, given], ...more] = Object.entries(first);
        assert.equal(more.length, 0);
        ({ run, turn })[call](camel(given), () => enter(rest));
      };
      enter(one.within);
      await sw.shutdown();
      const attributes = ['runid', 'turnid', 'attemptid', 'agentid', 'causationid', 'correlationid'];
      const { envelope } = got[0];
      assert.deepEqual(
        Object.fromEntries(
          attributes.filter((each) => each in envelope).map((each) => [each, envelope[each]]),
        ),
        one.attributes,
        one.name,
      );
      assert.deepEqual(envelope.data, one.data, one.name);
      record(`context/${path.basename(name, '.json')}/${i}`);
    }
  });
}

test('a context goes along with what is awaited, and is nobody else’s', async () => {
  const { got, sw } = collecting();
  const work = async (n) => {
    await turnOfLoop();
    setImmediate(() => sw.emit('com.x', { n, late: true }));
    await sw.emitAsync('com.x', { n });
    return n;
  };
  assert.deepEqual(
    await Promise.all([run('r1', () => work(1)), run('r2', () => work(2)), work(3)]),
    [1, 2, 3],
  );
  await turnOfLoop();
  await sw.shutdown();
  assert.equal(got.length, 6);
  for (const { data, runId } of got) assert.equal(runId, { 1: 'r1', 2: 'r2', 3: undefined }[data.n]);
});

test('a run without an id gets one, and tells its body', async () => {
  const { got, sw } = collecting();
  const id = run({ agent: 'a2' }, (here) => {
    assert.deepEqual(context(), here);
    sw.emit('com.x');
    return here.run;
  });
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(context(), {});
  await sw.shutdown();
  assert.deepEqual([got[0].runId, got[0].agentId], [id, 'a2']);
});

test('a context that is none is refused where it is entered', () => {
  const refused = { name: 'InvalidArgumentError' };
  assert.throws(() => run({ rum: 'r' }, () => 1), { ...refused, where: 'rum' });
  assert.throws(() => run({ run: 7 }, () => 1), { ...refused, where: 'run' });
  assert.throws(() => run('r'), { ...refused, where: 'body' });
});

test('a tool’s calls are events, and the tool is the same as before', async () => {
  const { got, sw } = collecting();
  const wrap = (f, name) => tool(name ?? f.name, f, { emitter: sw });
  class Cancelled extends Error {
    name = 'AbortError';
  }
  const plain = wrap(function add(a, b) {
    return this.base + a + b;
  });
  assert.equal(plain.call({ base: 1 }, 2, 3), 6);
  assert.deepEqual([plain.name, plain.length], ['add', 2]);
  const tools = {
    later: async () => 7,
    broken: () => {
      throw new RangeError('MARKER');
    },
    stopped: async () => {
      throw new Cancelled('MARKER');
    },
    slow: async () => {
      throw Object.assign(new Error('MARKER'), { code: 'ETIMEDOUT' });
    },
    odd: async () => {
      throw undefined;
    },
  };
  await run('r1', async () => {
    assert.equal(await wrap(tools.later, 'later')(), 7);
    assert.throws(wrap(tools.broken, 'broken'), RangeError);
    await assert.rejects(wrap(tools.stopped, 'stopped')(), Cancelled);
    await assert.rejects(wrap(tools.slow, 'slow')(), /MARKER/);
    await assert.rejects(wrap(tools.odd, 'odd')(), (error) => error === undefined);
  });
  await sw.shutdown();
  assert.deepEqual(
    got.map(({ data }) => [data.tool, data.outcome, data['error.type']]),
    [
      ['add', 'ok', undefined],
      ['later', 'ok', undefined],
      ['broken', 'error', 'RangeError'],
      ['stopped', 'cancelled', 'AbortError'],
      ['slow', 'timeout', 'Error'],
      ['odd', 'error', 'undefined'],
    ],
  );
  assert.ok(got.every((event) => event.data.duration_ms >= 0 && !event.bytes.includes('MARKER')));
  assert.deepEqual([got[0].runId, got[1].runId], [undefined, 'r1']);
});

test('a tool works on where its event cannot be emitted', async () => {
  const { sw } = collecting();
  await sw.shutdown();
  const warned = new Promise((resolve) => process.once('warning', resolve));
  assert.equal(tool('t', () => 7, { emitter: sw })(), 7);
  assert.deepEqual([(await warned).name, (await warned).code], ['SinkwellWarning', 'closed']);
});
