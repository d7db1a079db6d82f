// What happened when: the model behind the pictures over time, on a stream of which every moment is known.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { Model } from '../src/model/model.ts';
import { coarse, outside } from '../src/model/streams.ts';
import { follow } from '../src/model/tree.ts';
import type { Meta, StreamTime, StreamView } from '../src/model/types.ts';
import { base64 } from '../src/verify/bytes.ts';
import { readKey } from '../src/verify/keys.ts';
import { overTime } from './over.ts';
import { Sealer, keyOf, pemOf } from './sealed.ts';

/** A model of some lines, judged by the keys of these seeds. */
export async function modelOf(lines: string[], seeds: Record<string, number>, audit = false): Promise<Model> {
  const keys = Object.entries(seeds).map(([id, seed]) => {
    const { raw } = readKey(id, 'ed25519', Buffer.from(pemOf(keyOf(seed))));
    return { id, alg: 'ed25519' as const, raw: base64(raw) };
  });
  const meta = {
    format: 1,
    version: '0',
    made: 0,
    sources: [{ name: 'in', kind: 'input', bytes: 0, audit }],
    // The command says nothing here.
    pieces: 0,
    keys,
    options: { partial: false, strict: false },
    live: false,
    core: { report: {} },
  } as unknown as Meta;
  const model = new Model(meta);
  await model.take({ source: 0, line: 1, gz: gzipSync(lines.join('')), length: 0 }, async () => {});
  model.judge();
  return model;
}

const { lines, at, n } = overTime();
const one = async (seeds: Record<string, number>): Promise<StreamView> => {
  const [view] = (await modelOf(lines, seeds)).streams();
  return view as StreamView;
};

test('stretches by key and state, holes told apart, signatures, checkpoint', async () => {
  const stream = await one({ k: 1, k2: 2 });
  const { time } = stream;
  const here = time.pieces.map(({ what, key, sign }) => `${what} ${key} ${sign}`);
  assert.deepEqual(here, [
    'verified 0 batch',
    'verified 0 batch',
    'verified 0 batch',
    'verified 1 each',
    'unproven -1 each',
  ]);
  assert.deepEqual(
    time.holes.map(({ what, from, to }) => [what, from, to]),
    [
      ['declared', (n['declared'] as number) - 3, (n['declared'] as number) - 1],
      ['removed', n['removed'], n['removed']],
    ],
  );
  const [declared, removed] = time.holes;
  // Each hole is drawn between the lines beside it.
  assert.equal(declared?.end, at['declared']);
  assert.ok(
    (removed?.begin ?? 0) < (at['removed'] as number) && (removed?.end ?? 0) > (at['removed'] as number),
  );
  const key = time.pieces[3];
  assert.equal(key?.begin, at['key']);
  assert.equal(key?.end, at['last']);
  // A checkpoint holds what stands before it.
  assert.equal(time.held, (at['checkpoint'] as number) - 1500);
  assert.equal(stream.checkpointed, (n['checkpoint'] as number) - 1);
  assert.ok(time.signatures > 10 && time.signatures < stream.envelopes);
  assert.deepEqual(stream.keys, ['k', 'k2']);
  const marks = stream.marks.map(({ what, n: number }) => [what, number]);
  for (const [what, number] of [
    ['opened', n['opened']],
    ['loss', n['declared']],
    ['key', n['key']],
    ['checkpoint', n['checkpoint']],
  ]) {
    assert.ok(
      marks.some((mark) => mark[0] === what && mark[1] === number),
      `${String(what)} at ${String(number)}: ${JSON.stringify(marks)}`,
    );
  }
});

test('silence is longer than three heartbeats, and what nobody watched is known', async () => {
  const { time } = await one({ k: 1, k2: 2 });
  assert.ok(time.beat > 0 && time.beat < 60_000, String(time.beat));
  assert.deepEqual(time.silent, [{ begin: at['quiet'], end: at['heard'] }]);
  const [watched] = time.watched;
  assert.equal(watched?.seam, 'mcp.server');
  assert.deepEqual(watched?.spans, [{ begin: at['watching'], end: at['stopped'], open: false }]);
  assert.deepEqual(outside(time.begin, time.end, watched?.spans ?? []), [
    { begin: time.begin, end: at['watching'] },
    { begin: at['stopped'], end: time.end },
  ]);
});

test('without a key nothing is drawn as verified, and a key that is missing shows', async () => {
  const none = await one({});
  assert.ok(none.time.pieces.every(({ what, key }) => what !== 'verified' && key === -1));
  const first = await one({ k: 1 });
  assert.ok(first.time.pieces.some(({ what }) => what === 'wrong'));
  // What a line that is not believed says of time moves no end of the picture.
  assert.ok(first.time.end < (at['last'] as number));
});

test('losses over time, what is missing undeclared, and the books of the lane', async () => {
  const losses = (await modelOf(lines, { k: 1, k2: 2 })).losses();
  assert.deepEqual(
    losses.over.map(({ lane, reasons }) => [lane, reasons]),
    [['file', { overflow: 3 }]],
  );
  const slot = ((at['declared'] as number) - losses.begin) / (losses.end - losses.begin);
  assert.equal(losses.over[0]?.slot, Math.floor(slot * 60));
  assert.deepEqual(
    losses.holes.map(({ what, from, to }) => [what, from, to]),
    [['removed', n['removed'], n['removed']]],
  );
  assert.equal(losses.undeclared, 1);
  assert.equal(losses.balances, false);
  const [book] = losses.books;
  const of = (name: string): number => book?.counters[name] ?? 0;
  assert.equal(of('admitted'), of('delivered') + of('dropped') + of('rejected') + of('pending'));
});

test('a lane over time: its states, its queue, its retries', async () => {
  const [lane] = (await modelOf(lines, { k: 1, k2: 2 })).lanes().lanes;
  const states = lane?.states.map(({ state, begin }) => [state, begin]) ?? [];
  assert.deepEqual(
    states.filter(([state]) => state === 'degraded'),
    [['degraded', at['failed']]],
  );
  const back = lane?.states.find(({ begin }) => begin === at['recovered']);
  assert.equal(back?.state, 'healthy');
  const series = new Map(lane?.series.map(({ name, points }) => [name, points.map(([, many]) => many)]));
  assert.deepEqual(series.get('pending')?.slice(0, 4), [1, 3, 8, 0]);
  assert.deepEqual(series.get('retried+')?.slice(0, 4), [0, 2, 7, 0]);
  assert.deepEqual(series.get('dropped+')?.slice(0, 5), [0, 0, 0, 3, 0]);
  // How it is, as it last said: the newest word, which is that of its recovery.
  assert.equal(lane?.health?.state, 'healthy');
  assert.equal(lane?.health?.dropped, 3);
});

test('the health of a lane that is down, and of a class that governance requires', async () => {
  const down = lines.slice(
    0,
    lines.findIndex((line) => line.includes('sink.recovered')),
  );
  const { lanes, required } = (await modelOf(down, { k: 1, k2: 2 })).lanes();
  const { health, told } = lanes[0] as (typeof lanes)[0];
  const { at: _, time: __, ...rest } = health as NonNullable<typeof health>;
  assert.deepEqual(rest, {
    kind: 'otlp',
    state: 'degraded',
    failure: 'network',
    summary: 'connection refused',
    preserved: true,
    dropped: 0,
    acked: 4,
    repair: 5,
    unsafe: 'the receiver keeps no keys',
    proof: 'verified',
  });
  assert.equal(told?.proof, 'verified');
  assert.deepEqual(
    required.map(({ rule, action, works }) => [rule, action, works]),
    [['required_sinks.audit', 'fail_closed', false]],
  );
  // What nothing proves says nothing of how a lane is.
  const bare = down.map((line) => line.replace(/"keyid":.*?,"origin"/, '"origin"'));
  const doubted = (await modelOf(bare, { k: 5 })).lanes();
  assert.equal(doubted.lanes[0]?.health, undefined);
});

test('however many stretches there are, few are drawn, and none better than it is', () => {
  const pieces: StreamTime['pieces'] = Array.from({ length: 100_000 }, (_, i) => ({
    from: i,
    to: i,
    begin: i,
    end: i,
    what: i === 77_777 ? 'wrong' : i % 2 ? 'verified' : 'unchecked',
    key: 0,
    sign: 'each',
  }));
  const drawn = coarse(pieces);
  assert.ok(drawn.length <= 600);
  assert.equal(drawn.filter(({ what }) => what === 'wrong').length, 1);
  assert.equal(drawn.filter(({ what }) => what === 'verified').length, 0);
  assert.deepEqual([drawn[0]?.from, drawn.at(-1)?.to], [0, 99_999]);
});

/** The root over some leaves, written from RFC 9162 anew. */
function rootOf(hashes: Buffer[]): Buffer {
  const sum = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
  if (hashes.length === 1) return sum(Buffer.of(0), hashes[0] as Buffer);
  let power = 1;
  while (power * 2 < hashes.length) power *= 2;
  return sum(Buffer.of(1), rootOf(hashes.slice(0, power)), rootOf(hashes.slice(power)));
}

test('a line of an audit log is in the tree that a head names, or it is not', async () => {
  for (const many of [1, 2, 3, 7, 8, 21]) {
    const of = new Sealer(3, 'urn:example:planner');
    const hashes = [Buffer.from(of.prev as string, 'hex')];
    for (let i = 1; i < many; i += 1) {
      of.seal('tool.invocation', { outcome: 'ok', tool: `t${i}` });
      hashes.push(Buffer.from(of.prev as string, 'hex'));
    }
    const root = rootOf(hashes).toString('hex');
    of.own('audit.chain', { action: 'tree_head', lane: 'audit', note: '', root, size: many });
    const model = await modelOf(of.lines, { k: 1 }, true);
    for (let i = 0; i < many; i += 1) {
      const { audit, hash } = await model.event(i);
      assert.deepEqual([audit?.index, audit?.size, audit?.root], [i, many, root]);
      assert.equal(audit?.head?.agrees, true);
      assert.equal(follow(hash, audit?.steps ?? []), root);
    }
    // The head's own line stands behind the tree that it names: nothing vouches for that yet.
    const last = (await model.event(many)).audit;
    assert.equal(last?.head, undefined);
    assert.equal(last?.size, many + 1);
    if (many < 3) continue;
    // One is taken out, and the head tells.
    const cut = await modelOf(
      [...of.lines.slice(0, 1), ...of.lines.slice(2), of.lines[1] as string],
      { k: 1 },
      true,
    );
    assert.equal((await cut.event(0)).audit?.head?.agrees, false);
    // Where nobody says that the file is a log, a head that names its tree says so, and any other says nothing of it.
    assert.equal((await (await modelOf(of.lines, { k: 1 })).event(1)).audit?.root, root);
    assert.equal((await (await modelOf(of.lines.slice(1), { k: 1 })).event(1)).audit, undefined);
  }
  assert.equal((await (await modelOf(lines, { k: 1 })).event(0)).audit, undefined);
});

test('a piece that cannot be unpacked: nothing is judged, and it is said why', async () => {
  const model = await modelOf(lines, { k: 1, k2: 2 });
  const whole = gzipSync(lines.join(''));
  await model.take(
    { source: 0, line: lines.length + 1, gz: whole.subarray(0, 99), length: 0 },
    async () => {},
  );
  model.judge();
  const { verdict, error, states } = model.summary();
  assert.equal(verdict, undefined);
  assert.match(error ?? '', new RegExp(`what follows line ${lines.length} of in cannot be unpacked`));
  assert.equal(states.verified, 0);
});
