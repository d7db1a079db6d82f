'use strict';
// Deeds: the act runs only once its intent is safe, and what it answers and throws is its own.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const {
  BackpressureError,
  Emitter,
  RequiredSinkUnavailableError,
  TimeoutError,
  turn,
  run: runOf,
} = require('..');
const { events, folder, run } = require('./helpers');

const PAY = { tool: 'pay', amount: 3 };

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}

async function durable(t) {
  const dir = folder(t);
  const file = path.join(dir, 'out');
  const sw = await Emitter.open({
    agent: { id: 'a1' },
    heartbeat: 'off',
    journal: { dir: path.join(dir, 'journal') },
    lanes: [{ id: 'out', durable: true, sink: { file: { path: file } } }],
  });
  return { dir, sw, ended: async () => (await sw.shutdown(), events(file)) };
}

const ends = (all) =>
  all
    .filter(({ data }) => data.phase === 'result')
    .map(({ data }) => [data.outcome, data['error.type']].filter(Boolean).join(' '));

test('the act runs between its intent on disk and its result', async (t) => {
  const { dir, sw, ended } = await durable(t);
  const answer = await sw.deed('tool.invocation', PAY, { run: 'r-1', subject: 'tool:pay' }, (deed) => {
    const journal = fs.readdirSync(path.join(dir, 'journal'), { recursive: true, withFileTypes: true });
    const bytes = journal
      .filter((e) => e.isFile())
      .map((e) => fs.readFileSync(path.join(e.parentPath ?? e.path, e.name)));
    assert.ok(Buffer.concat(bytes).includes(deed.id));
    deed.result({ receipt: 'x1' }, [{ class: 'tool_result', text: 'paid' }]);
    return deed.id;
  });
  const [intent, result] = await ended();
  assert.deepEqual([intent.id, intent.data.phase], [answer, 'intent']);
  assert.deepEqual([result.causationid, result.runid, result.subject], [answer, 'r-1', 'tool:pay']);
  const { receipt, outcome, tool, amount, content, duration_ms } = result.data;
  assert.deepEqual([receipt, outcome, tool, amount], ['x1', 'ok', 'pay', undefined]);
  assert.equal(content[0].class, 'tool_result');
  assert.ok(duration_ms >= 0);
});

test('the next process is told what is unfinished', async (t) => {
  const { dir, sw } = await durable(t);
  assert.deepEqual(sw.unfinished(), []);
  await sw.deed('tool.invocation', PAY, () => {});
  let cutOff;
  // What it would say of its end finds the emitter closed: for the next one that is a process that died meanwhile.
  await sw.deed('tool.invocation', PAY, { run: 'r-1' }, async (deed) => {
    cutOff = deed.id;
    await sw.shutdown();
  });
  const after = await Emitter.open({
    agent: { id: 'a1' },
    heartbeat: 'off',
    journal: { dir: path.join(dir, 'journal') },
    lanes: [{ id: 'out', durable: true, sink: { file: { path: path.join(dir, 'out') } } }],
  });
  const [deed, ...others] = after.unfinished();
  assert.deepEqual(others, []);
  assert.deepEqual(
    [deed.id, deed.type, deed.tool, deed.runid],
    [cutOff, 'dev.sinkwell.tool.invocation', 'pay', 'r-1'],
  );
  await after.shutdown();
});

test('what the act throws comes through and is the outcome', async (t) => {
  const { sw, ended } = await durable(t);
  class CardDeclined extends Error {}
  const aborted = new DOMException('secret words', 'AbortError');
  const late = new DOMException('secret words', 'TimeoutError');
  const all = [new CardDeclined('secret words'), aborted, late, undefined, 'secret words'];
  for (const thrown of all) {
    for (const act of [
      () => {
        throw thrown;
      },
      async () => {
        await null;
        throw thrown;
      },
    ]) {
      await assert.rejects(
        () =>
          sw.deed('tool.invocation', PAY, act).catch((error) => {
            throw new Error('caught', { cause: [error] });
          }),
        ({ cause }) => cause[0] === thrown,
      );
    }
  }
  await assert.rejects(
    sw.deed('tool.invocation', PAY, (deed) => {
      deed.result({ outcome: 'denied' });
      throw new CardDeclined();
    }),
  );
  const got = ends(await ended());
  const twice = [
    'error CardDeclined',
    'cancelled AbortError',
    'timeout TimeoutError',
    'error undefined',
    'error string',
  ];
  assert.deepEqual(got, [...twice.flatMap((one) => [one, one]), 'denied CardDeclined']);
});

test('what is around the call is around the deed', async (t) => {
  const { sw, ended } = await durable(t);
  await runOf('r-7', () => turn('1', () => sw.deed('tool.invocation', PAY, () => {})));
  const of = (await ended()).map(({ runid, turnid }) => [runid, turnid]);
  assert.deepEqual(of, [
    ['r-7', '1'],
    ['r-7', '1'],
  ]);
});

function required(more = {}) {
  return {
    agent: { id: 'a1' },
    heartbeat: 'off',
    governance: { version: '1', requires_sink: 'siem' },
    lanes: [
      {
        id: 'siem',
        classes: ['siem'],
        sink: { host: 'siem' },
        retry: { initial: '1h', cap: '1h' },
        breaker: { failures: 1 },
        ...more,
      },
    ],
  };
}

class Siem {
  name = 'siem';
  classes = ['siem'];
  down = false;
  taken = [];
  hold;
  async emit(event) {
    if (event.data.phase === 'intent') await this.hold?.();
    if (this.down) throw new Error('away');
    this.taken.push(event.envelope);
  }
  phases() {
    return this.taken.map(({ data }) => data.phase).filter(Boolean);
  }
}

test('by default the required sink has the intent before the act; while it is down the act does not run', async () => {
  const sink = new Siem();
  const sw = await Emitter.open(required(), { sinks: [sink] });
  const ran = [];
  const act = () => ran.push(...sink.phases());
  await sw.deed('tool.invocation', PAY, act);
  assert.deepEqual(ran, ['intent']);
  await sw.flush();
  sink.down = true;
  await assert.rejects(sw.deed('tool.invocation', PAY, { timeout: 50 }, act), (error) => {
    assert.ok(error instanceof TimeoutError);
    assert.equal(error.where, 'siem');
    assert.match(error.message, /the act did not run\. health\(\) says/);
    return true;
  });
  await assert.rejects(sw.deed('tool.invocation', PAY, act), (error) => {
    assert.ok(error instanceof RequiredSinkUnavailableError);
    assert.match(error.message, /siem/);
    return true;
  });
  assert.deepEqual(ran, ['intent']);
  await sw.shutdown({ timeout: 100 });
});

test('a wait that its signal ends begins no act', async () => {
  const sink = new Siem();
  const held = deferred();
  const opened = deferred();
  sink.hold = () => (held.resolve(), opened.promise);
  const sw = await Emitter.open(required(), { sinks: [sink] });
  const control = new AbortController();
  const reason = new Error('enough');
  const never = () => assert.fail('the act ran');
  const deed = sw.deed('tool.invocation', PAY, { signal: control.signal }, never);
  await held.promise;
  control.abort(reason);
  await assert.rejects(deed, (error) => error === reason);
  await assert.rejects(
    sw.deed('tool.invocation', PAY, { signal: control.signal }, never),
    (error) => error === reason,
  );
  opened.resolve();
  await sw.shutdown();
  assert.deepEqual(
    sink.taken.filter(({ data }) => data.phase).map(({ data }) => data.outcome ?? data.phase),
    ['intent', 'refused'],
  );
});

test('a manual emitter drains what the deed waits for, and a result waits for room', async () => {
  const sink = new Siem();
  const queue = { events: 1, terminal_reserve: 1 };
  const sw = await Emitter.open(required({ queue }), { sinks: [sink], manual: true });
  await sw.deed('tool.invocation', PAY, () => assert.deepEqual(sink.phases(), ['intent']));
  await sw.drain('siem');
  assert.deepEqual(sink.phases(), ['intent', 'result']);
  const begun = deferred();
  const full = sw.deed('tool.invocation', PAY, { until: 'enqueued' }, () => begun.resolve());
  await begun.promise;
  const late = sw.deed('tool.invocation', PAY, { until: 'enqueued', timeout: 20 }, () => assert.fail());
  await assert.rejects(late, BackpressureError);
  await sw.drain('siem');
  await full;
  await sw.drain('siem');
  assert.deepEqual(sink.phases(), ['intent', 'result', 'intent', 'result']);
  await sw.shutdown();
});

test('a deed inside a sink is told to emit instead', async () => {
  const told = deferred();
  const sink = new Siem();
  sink.hold = () =>
    sw
      .deed('com.x.act', null, () => {})
      .then(
        () => told.resolve(undefined),
        (error) => told.resolve(error),
      );
  const sw = await Emitter.open(required(), { sinks: [sink] });
  await sw.deed('tool.invocation', PAY, () => {});
  assert.equal((await told.promise)?.kind, 'invalid_argument');
  await sw.shutdown();
});

test('what is no argument', async (t) => {
  const { sw } = await durable(t);
  const kind = (wanted) => (error) => error.kind === wanted;
  const never = () => assert.fail('the act ran');
  await assert.rejects(sw.deed('tool.invocation', PAY), kind('invalid_argument'));
  for (const timeout of [-1, NaN, 'x'])
    await assert.rejects(sw.deed('tool.invocation', PAY, { timeout }, never), kind('invalid_argument'));
  await assert.rejects(sw.deed('tool.invocation', { tool: 1 }, never), kind('invalid_event'));
  await sw.deed('tool.invocation', PAY, (deed) => {
    assert.throws(() => deed.result([]), kind('invalid_event'));
    assert.throws(() => deed.result({}, 'x'), kind('invalid_event'));
    const loud = Object.defineProperty({}, 'a', { enumerable: true, get: () => assert.fail() });
    assert.throws(() => deed.result(loud), kind('invalid_event'));
  });
  let kept;
  await sw.deed('tool.invocation', PAY, (deed) => (kept = deed));
  assert.throws(() => kept.result({}), kind('invalid_argument'));
  await sw.shutdown();
  await assert.rejects(sw.deed('tool.invocation', PAY, never), kind('closed'));
});

test('a thousand at once', async (t) => {
  const { sw, ended } = await durable(t);
  await Promise.all(Array.from({ length: 1000 }, () => sw.deed('tool.invocation', PAY, () => {})));
  assert.equal((await ended()).length, 2000);
});

test('a deed keeps the process alive until it has ended, and the default emitter has them, too', async (t) => {
  const { stdout, code, stderr } = await run(
    t,
    `require('sinkwell').deed('tool.invocation', { tool: 'pay' }, () => console.log('ran'));`,
    { env: { SINKWELL_CONFIG: path.join(folder(t), 'none') }, prepare: () => {} },
  );
  assert.equal(code, 1, stdout);
  assert.match(stderr, /InvalidConfigError|invalid_config/);
  const done = await run(
    t,
    `const { configure, deed } = require('sinkwell');
    configure({ agent: { id: 'a' }, journal: { dir: 'j' }, lanes: [{ durable: true, sink: { file: { path: 'out' } } }] })
      .then(() => deed('tool.invocation', { tool: 'pay' }, () => console.log('ran')));`,
  );
  assert.deepEqual([done.stdout, done.code], ['ran\n', 0], done.stderr);
});

test('disabled, the act runs', async (t) => {
  const source = `require('sinkwell').deed('tool.invocation', { tool: 'pay' }, (d) => {
    d.result({ receipt: 'x' });
    console.log('ran');
  });`;
  const { stdout, stderr } = await run(t, source, { env: { SINKWELL_DISABLED: '1' } });
  assert.equal(stdout, 'ran\n', stderr);
});
