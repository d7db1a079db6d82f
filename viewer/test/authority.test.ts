// The page's own authorization graph: what was planted in random runs (written by the core's tests) it finds, all of it and
// nothing else, and it says what `sinkwell graph` says, of those, of changed files, and of what each rule turns on.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { type Fact, covers, factOf, graphDifferences, graphOf, nanoseconds } from '../src/model/authority.ts';
import { linesOf } from '../src/model/pieces.ts';
import type { Graph } from '../src/model/types.ts';
import type { JsonObject } from '../src/verify/json.ts';
import { type Key, readKey } from '../src/verify/keys.ts';
import { NoEnvelope, Verifier } from '../src/verify/verifier.ts';
import { Sealer, demo, marked, stranger } from './sealed.ts';

const root = join(import.meta.dirname ?? '.', '../../..');
const runs = process.env['VIEWER_GRAPHS'] ?? join(root, 'target/graph-runs');
const changes = process.env['VIEWER_CHANGES'] ?? join(root, 'target/viewer/changes');
const command = process.env['SINKWELL_COMMAND'] ?? '';
const call = promisify(execFile);

/** The page's graph of a file. */
async function mine(file: string, keys: Key[]): Promise<Graph | undefined> {
  const verifier = new Verifier(keys, {});
  const facts: Fact[] = [];
  verifier.placed = (copy, e) => {
    const fact = factOf(copy, e);
    if (fact) facts.push(fact);
  };
  const source = verifier.source(file);
  const { lines, tail } = linesOf(readFileSync(file));
  for (const [i, line] of lines.entries())
    await verifier.line(source, i + 1, line, tail && i + 1 === lines.length);
  try {
    verifier.judge();
  } catch (error) {
    if (error instanceof NoEnvelope) return undefined;
    throw error;
  }
  const ids = verifier.copies.filter(({ stub, form, hash }) => !stub && !form && hash.length === 64);
  return graphOf(facts, new Set(ids.map(({ id }) => id)), keys.length > 0);
}

async function theirs(file: string, keys: string[]): Promise<Graph | undefined> {
  const args = ['graph', '--format', 'json', ...keys.flatMap((key) => ['--key', key]), file];
  const done = await call(command, args, { maxBuffer: 1 << 28 }).catch(
    (error: { code: number; stdout: string }) => error,
  );
  return 'code' in done && done.code !== 1 ? undefined : (JSON.parse(done.stdout) as Graph);
}

async function differ(file: string, keys: Key[], given: string[]): Promise<string[]> {
  const [page, core] = await Promise.all([mine(file, keys), theirs(file, given)]);
  if (!page || !core) return page === core ? [] : ['only one of them makes a graph'];
  return graphDifferences(page, core);
}

test(
  'planted faults: all are found, and none is invented',
  { skip: existsSync(runs) ? false : "left by the core's tests" },
  async () => {
    const names = readdirSync(runs).filter((name) => name.endsWith('.ndjson'));
    assert.ok(names.length >= 100, `${names.length} runs`);
    let planted = 0;
    const check = async (name: string): Promise<void> => {
      const file = join(runs, name);
      const expected = readFileSync(file.replace('.ndjson', '.expected'), 'utf8').split('\n').filter(Boolean);
      const graph = await mine(file, []);
      const found = (graph?.findings ?? []).map(({ kind, node }) => `${kind} ${node.replace(/^\w+:/, '')}`);
      assert.deepEqual(found.sort(), expected.sort(), name);
      planted += expected.length;
      // A process each: of many runs a part is enough for the rest of the graph.
      if (command && Number(name.split('.')[0]) % 4 === 0)
        assert.deepEqual(await differ(file, [], []), [], name);
    };
    for (let at = 0; at < names.length; at += 4) await Promise.all(names.slice(at, at + 4).map(check));
    assert.ok(planted > 2.5 * names.length, `${planted} faults`);
  },
);

test(
  'changed files: the graph of the page is that of the command',
  { skip: command && existsSync(changes) ? false : 'made by scripts/test-viewer.sh' },
  async () => {
    const keys = [
      readKey('k1', 'hmac', readFileSync(join(changes, 'k1'))),
      readKey('k2', 'ed25519', readFileSync(join(changes, 'k2.pem'))),
    ];
    const given = [`k1=hmac:${join(changes, 'k1')}`, `k2=ed25519:${join(changes, 'k2.pem')}`];
    const names = readdirSync(changes).filter((name) => name.endsWith('.ndjson'));
    const some = names.filter((_, i) => i % Math.ceil(names.length / 32) === 0);
    for (let at = 0; at < some.length; at += 4) {
      const each = some.slice(at, at + 4).map(async (name) => {
        assert.deepEqual(await differ(join(changes, name), keys, given), [], name);
      });
      await Promise.all(each);
    }
  },
);

/** Files in which each rule of docs/GRAPH.md is met by something, with a signature, by a stranger's, and with none. */
function cases(): Record<string, string[]> {
  const out: Record<string, string[]> = { marked: marked() };
  const one = (name: string, seal: (of: Sealer) => void): void => {
    const of = new Sealer(5, 'urn:example:helper');
    seal(of);
    of.signs = true;
    of.checkpoint('closed');
    out[name] = of.lines;
  };
  const leave = (of: Sealer, id: string, more: JsonObject = {}, attributes: JsonObject = {}): void => {
    const data = {
      assertion: 'issued',
      identity: 'urn:example:helper',
      issuer: 'https://id.example',
      ...more,
    };
    of.seal('identity.assertion', data, { id, runid: 'r', ...attributes });
  };
  const act = (of: Sealer, id: string, authz: JsonObject, more: JsonObject = {}, by?: string): void => {
    const cause = by === undefined ? {} : { causationid: by };
    of.seal('tool.invocation', { authz, outcome: 'ok', tool: 't', ...more }, { id, runid: 'r', ...cause });
  };
  one('rests on what nothing signs', (of) => {
    act(of, 'before', {});
    of.seal('policy.decision', { decision: 'allow' }, { id: 'yes' });
    act(of, 'first', { decision: 'yes' });
    of.signs = false;
    leave(of, 'bare');
    of.seal('policy.decision', { decision: 'allow' }, { id: 'bare-yes' });
    act(of, 'last', { decision: 'bare-yes', identity: 'bare' });
  });
  one('a long text, and others that are no text', (of) => {
    leave(of, 'long', { issuer: 'é'.repeat(300), scope: ['a', 7, 'b'] as never });
    act(of, 'x', { identity: 'long', decision: 7 }, { tool: 7, outcome: 'x'.repeat(400) });
    of.seal('com.example.other', { authz: 7 }, { id: 'y' });
    of.seal(
      'com.example.other',
      { authz: { principal: 'p' }, phase: 'intent' },
      { id: 'z', causationid: 'y' },
    );
    of.seal('run.started', { parent_run: 'r2', goal: 7 }, { id: 'run-a', runid: 'r1' });
    of.seal('run.failed', { parent_run: 'r1' }, { id: 'run-b', runid: 'r2' });
    of.seal('run.progress', { parent_run: 'nowhere' }, { id: 'run-c' });
  });
  one('ends in many forms', (of) => {
    const ends: (string | number)[] = [
      1767258003,
      1767258003.25,
      '2026-01-01T10:00:03+01:00',
      '2026-01-01T09:00:03.5Z',
      '2026-13-01T00:00:00Z',
      'never',
      1e300,
      -1e300,
      9007199254740991,
    ];
    for (const [i, expires] of ends.entries()) {
      leave(of, `l${i}`, { expires, scope: `a b${i}` });
      leave(of, `m${i}`, { authz: { delegated_by: `l${i}` }, scope: 'a b*' });
      act(of, `a${i}`, { identity: `m${i}` }, { phase: 'result' });
    }
  });
  one('taken back by name, by cause, by identity', (of) => {
    leave(of, 'one');
    leave(of, 'two', { identity: 'other' });
    leave(of, 'three', { identity: 'third' });
    of.seal('identity.assertion', { assertion: 'revoked' }, { id: 'rev-1', causationid: 'one' });
    of.seal('identity.assertion', { assertion: 'revoked', authz: { delegated_by: 'two' } }, { id: 'rev-2' });
    of.seal('identity.assertion', { assertion: 'revoked', identity: 'third' }, { id: 'rev-3' });
    for (const id of ['one', 'two', 'three']) act(of, `act-${id}`, { identity: id });
    leave(of, 'four', { identity: 'third' });
    act(of, 'act-four', { identity: 'four' });
  });
  one('one id for two events', (of) => {
    of.seal('policy.decision', { decision: 'deny' }, { id: 'same' });
    of.seal('policy.decision', { decision: 'allow' }, { id: 'same' });
    of.seal('policy.decision', { decision: 'allow', view: { policy: 'p' } }, { id: 'same' });
    act(of, 'x', { decision: 'same' }, {}, 'same');
    act(of, 'y', {}, {}, 'same');
    act(of, 'same', {});
  });
  const forged = new Sealer(5, 'urn:example:helper', stranger);
  forged.n = 60;
  forged.seal('policy.decision', { decision: 'allow' }, { id: 'forged' });
  const of = new Sealer(5, 'urn:example:helper');
  act(of, 'x', { decision: 'forged' });
  of.checkpoint('closed');
  out['a decision of a stranger'] = [...of.lines, forged.lines.at(-1) as string];
  return out;
}

test('each rule, by both', { skip: command ? false : 'run by scripts/test-viewer.sh' }, async () => {
  const folder = join(root, 'target/viewer/rules');
  mkdirSync(folder, { recursive: true });
  demo(folder);
  const keys = [readKey('k', 'ed25519', readFileSync(join(folder, 'k.pem')))];
  const kinds = new Set<string>();
  for (const [name, lines] of Object.entries(cases())) {
    const file = join(folder, `${name.replaceAll(/\W+/g, '-')}.ndjson`);
    writeFileSync(file, lines.join(''));
    for (const keyed of [true, false]) {
      const given = keyed ? [`k=${join(folder, 'k.pem')}`] : [];
      assert.deepEqual(await differ(file, keyed ? keys : [], given), [], `${name}, ${keyed ? '' : 'no '}key`);
      for (const { kind } of (await mine(file, keyed ? keys : []))?.findings ?? []) kinds.add(kind);
    }
  }
  const told = 'ambiguous_id cycle edge_to_nothing expired_authority no_decision revoked_authority';
  for (const kind of [...told.split(' '), 'unverified', 'widened_scope']) assert.ok(kinds.has(kind), kind);
});

test('a graph that is not the same is told', async () => {
  const none: Graph = { nodes: [], edges: [], findings: [] };
  const some: Graph = {
    nodes: [{ id: 'event:a', kind: 'action', name: 'a' }],
    edges: [{ kind: 'issued_by', from: 'event:a', to: 'agent:b', member: 'agentid', there: true }],
    findings: [{ kind: 'no_decision', node: 'event:a', note: '' }],
  };
  assert.deepEqual(graphDifferences(some, some), []);
  assert.equal(graphDifferences(none, some).length, 3);
  assert.match(graphDifferences(some, none).join(), /only this page finds no_decision at event:a/);
});

test('scopes and times', () => {
  const scope = new Set(['a', 'mail.*', 'z']);
  for (const [word, covered] of [
    ['mail.read', true],
    ['mail.*', true],
    ['mail', false],
    ['a', true],
    ['ab', false],
    ['mail.'.padEnd(2000, 'x'), false],
  ] as const)
    assert.equal(covers(scope, word), covered, word);
  assert.equal(nanoseconds('2026-01-01T01:00:00+01:00'), 1_767_225_600_000_000_000n);
  assert.equal(nanoseconds('2026-01-01T00:00:00.000000001Z'), 1_767_225_600_000_000_001n);
  assert.equal(nanoseconds('2026-02-30T00:00:00Z'), undefined);
});
