// The page's own verifier over all of tests/vectors/verify and tests/vectors/seal.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { hex, unbase64, utf8 } from '../src/verify/bytes.ts';
import type { Json, JsonObject } from '../src/verify/json.ts';
import { type Key, readKey } from '../src/verify/keys.ts';
import { Copy, check, hashed, readLine } from '../src/verify/line.ts';
import type { Found } from '../src/verify/stream.ts';
import { NoEnvelope, type Options, type Report, Verifier } from '../src/verify/verifier.ts';

const vectors = join(import.meta.dirname ?? '.', '../../../tests/vectors');

interface GivenKey {
  id: string;
  agent?: string;
  hmac_base64?: string;
  spki_pem?: string;
  given_base64?: string;
  name?: string;
}

interface Case {
  name: string;
  keys: GivenKey[];
  inputs: { name: string; lines: string[]; tail?: string }[];
  checkpoints?: { name: string; lines: string[]; tail?: string }[];
  options: { strict?: boolean; partial?: boolean; edges?: boolean; silence?: string; lanes?: string[] };
  expected: Record<string, Json>;
}

function key(given: GivenKey): Key {
  let out: Key;
  if (given.given_base64 !== undefined) {
    out = readKey(given.id, (given.name ?? '').replace(/:$/, ''), unbase64(given.given_base64) as Uint8Array);
  } else if (given.spki_pem !== undefined) {
    out = readKey(given.id, 'ed25519', utf8(given.spki_pem));
  } else {
    out = readKey(given.id, 'hmac', unbase64(given.hmac_base64) as Uint8Array);
  }
  if (given.agent !== undefined) out.agent = given.agent;
  return out;
}

function lines(file: { lines: string[]; tail?: string }): string[] {
  return [...file.lines, file.tail ?? ''];
}

function shown(found: Found[]): JsonObject[] {
  return found.map(({ kind, from, to, where }) => {
    const out: JsonObject = { kind };
    if (from !== undefined) out['from'] = from;
    if (to !== undefined) out['to'] = to;
    if (where !== undefined) out['where'] = where;
    return out;
  });
}

async function run(vector: Case): Promise<JsonObject> {
  let keys: Key[];
  try {
    keys = vector.keys.map(key);
  } catch {
    return { error: 'key' };
  }
  const { silence, ...rest } = vector.options;
  const options: Options = { ...rest };
  if (silence) options.silence = Number(silence.slice(0, -1)) * (silence.endsWith('m') ? 60_000 : 1000);
  const verifier = new Verifier(keys, options);
  for (const file of vector.inputs) {
    const source = verifier.source(file.name);
    const all = lines(file);
    for (const [i, line] of all.entries()) await verifier.line(source, i + 1, line, i + 1 === all.length);
  }
  for (const file of vector.checkpoints ?? []) {
    const number = verifier.checkpointFile(file.name);
    for (const [i, line] of lines(file).entries()) await verifier.checkpointLine(number, i + 1, line);
  }
  try {
    return plain(verifier.judge());
  } catch (error) {
    if (error instanceof NoEnvelope) return { error: 'verification' };
    throw error;
  }
}

function plain(report: Report): JsonObject {
  const streams = report.streams.map(({ streamid, verdict, findings, closed, envelopes }) => {
    return { streamid, verdict, findings: shown(findings), closed, envelopes };
  });
  return {
    ...report,
    lost: { ...report.lost },
    findings: shown(report.findings),
    streams,
  } as unknown as JsonObject;
}

/** `got`, reduced to the members that are expected, with findings in a fixed order. */
function like(expected: Json, got: Json | undefined): Json {
  if (Array.isArray(expected) && Array.isArray(got) && expected.length === got.length) {
    return expected.map((each, i) => like(each, got[i]));
  }
  if (typeof expected === 'object' && expected !== null && !Array.isArray(expected)) {
    const from = (got ?? {}) as JsonObject;
    return Object.fromEntries(Object.keys(expected).map((k) => [k, like(expected[k] as Json, from[k])]));
  }
  return got ?? null;
}

function ordered(report: JsonObject): JsonObject {
  const streams = (report['streams'] ?? []) as JsonObject[];
  for (const holder of [report, ...streams]) {
    const found = holder['findings'] as JsonObject[] | undefined;
    const key = (f: JsonObject): string => JSON.stringify(Object.entries(f).sort());
    found?.forEach((f) => delete f['note']);
    found?.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }
  return report;
}

for (const file of readdirSync(join(vectors, 'verify')).filter((name) => name.endsWith('.json'))) {
  test(`verify/${file}`, async () => {
    const vector = JSON.parse(readFileSync(join(vectors, 'verify', file), 'utf8')) as Case;
    delete vector.expected['message'];
    const expected = ordered(vector.expected);
    assert.deepEqual(like(expected, ordered(await run(vector))), expected);
  });
}

interface SealCase {
  name: string;
  line: string;
  event?: string;
  place: string;
  digest: string;
  hash: string;
  signature: string;
}

for (const file of readdirSync(join(vectors, 'seal')).filter((name) => name.endsWith('.json'))) {
  const group = JSON.parse(readFileSync(join(vectors, 'seal', file), 'utf8')) as {
    keys: GivenKey[];
    cases: SealCase[];
  };
  const keys = group.keys.map(key);
  for (const each of group.cases) {
    test(`seal/${file}: ${each.name}`, async () => {
      const read = readLine(each.line);
      assert.equal(read.what, 'placed');
      if (read.what !== 'placed') return;
      const { event, place, digest, hash } = hashed(read.e);
      assert.deepEqual(
        { event, place, digest: hex(digest), hash: hex(hash) },
        { event: each.event, place: each.place, digest: each.digest, hash: each.hash },
      );
      const copy = new Copy(read.e, read.n, 0, 1, read.canonical, undefined);
      await check(copy, read.e, keys);
      const kind = { good: 'good', none: 'none' }[copy.ownSeal as 'good' | 'none'] ?? 'wrong';
      assert.equal(kind, each.signature);
    });
  }
}

interface CanonicalFile {
  texts?: { json: string; canonical: string | null }[];
  numbers?: { ieee754: string; json: string | null }[];
}

for (const file of readdirSync(join(vectors, 'canonical')).filter((name) => name.endsWith('.json'))) {
  test(`canonical/${file}`, async () => {
    const { canonical, parse } = await import('../src/verify/json.ts');
    const { texts = [], numbers = [] } = JSON.parse(
      readFileSync(join(vectors, 'canonical', file), 'utf8'),
    ) as CanonicalFile;
    for (const each of texts) {
      const got = (): string => canonical(parse(each.json));
      if (each.canonical === null) assert.throws(got);
      else assert.equal(got(), each.canonical);
    }
    for (const { ieee754, json } of numbers) {
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, BigInt(`0x${ieee754}`));
      const value = view.getFloat64(0);
      if (json === null) assert.throws(() => canonical(value));
      else assert.equal(canonical(value), json);
    }
  });
}
