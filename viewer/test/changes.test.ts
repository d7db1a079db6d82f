// Files that were changed (tests/independent/mutate.py --write): the page's verifier says what `sinkwell verify` says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { differences } from '../src/model/compare.ts';
import { Model } from '../src/model/model.ts';
import { type Piece, linesOf } from '../src/model/pieces.ts';
import type { CoreReport, Meta } from '../src/model/types.ts';
import { base64 } from '../src/verify/bytes.ts';
import { readKey } from '../src/verify/keys.ts';
import { NoEnvelope, type Report, Verifier } from '../src/verify/verifier.ts';

const root = join(import.meta.dirname ?? '.', '../../..');
const folder = process.env['VIEWER_CHANGES'] ?? join(root, 'target/viewer/changes');
const command = process.env['SINKWELL_COMMAND'];
const run = promisify(execFile);

async function mine(name: string, marked: boolean): Promise<Report | undefined> {
  const keys = [
    readKey('k1', 'hmac', readFileSync(join(folder, 'k1'))),
    readKey('k2', 'ed25519', readFileSync(join(folder, 'k2.pem'))),
  ];
  const verifier = new Verifier(keys, {});
  const source = verifier.source(name);
  const { lines, tail } = linesOf(readFileSync(join(folder, name)));
  for (const [i, line] of lines.entries())
    await verifier.line(source, i + 1, line, tail && i + 1 === lines.length);
  if (marked) {
    const checkpoints = `${name.split('-')[0] ?? ''}.checkpoints`;
    const file = verifier.checkpointFile(checkpoints);
    for (const [i, line] of linesOf(readFileSync(join(folder, checkpoints))).lines.entries()) {
      await verifier.checkpointLine(file, i + 1, line);
    }
  }
  try {
    return verifier.judge();
  } catch (error) {
    if (error instanceof NoEnvelope) return undefined;
    throw error;
  }
}

async function theirs(name: string, marked: boolean): Promise<CoreReport | undefined> {
  const call = ['verify', '--format', 'json', '--key', 'k1=hmac:k1', '--key', 'k2=ed25519:k2.pem'];
  if (marked) call.push('--checkpoint', `${name.split('-')[0] ?? ''}.checkpoints`);
  const done = await run(command as string, [...call, name], { cwd: folder, maxBuffer: 1 << 26 }).catch(
    (error: { code: number; stdout: string }) => error,
  );
  return 'code' in done && done.code !== 1 ? undefined : (JSON.parse(done.stdout) as CoreReport);
}

test(
  'changed files',
  { skip: !command || !existsSync(folder) ? 'made by scripts/test-viewer.sh' : false },
  async () => {
    const names = readdirSync(folder).filter((name) => name.endsWith('.ndjson'));
    assert.ok(names.length >= 500, `${names.length} files`);
    const wrong: string[] = [];
    let found = 0;
    const judge = async (name: string): Promise<void> => {
      const marked = name.includes('.marked.');
      const [page, core] = await Promise.all([mine(name, marked), theirs(name, marked)]);
      found += Number(core?.verdict === 'findings');
      if (!page || !core) {
        if (page !== core) wrong.push(`${name}: only one of them finds an envelope`);
        return;
      }
      const differ = differences(page, core);
      if (differ.length > 0) wrong.push(`${name}: ${differ.join('; ')}`);
    };
    for (let at = 0; at < names.length; at += 4) await Promise.all(names.slice(at, at + 4).map(judge));
    assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} of ${names.length} differ`);
    // They are not all harmless: most of them must be caught.
    assert.ok(found > names.length / 2, `${found} of ${names.length} caught`);
  },
);

/** A model of the changed files' keys. */
function model(name: string): Model {
  const k2 = readKey('k2', 'ed25519', readFileSync(join(folder, 'k2.pem')));
  return new Model({
    format: 1,
    version: '0',
    made: 0,
    sources: [{ name, kind: 'input', bytes: 0 }],
    pieces: -1,
    keys: [
      { id: 'k1', alg: 'hmac-sha256', raw: base64(readFileSync(join(folder, 'k1'))) },
      { id: 'k2', alg: 'ed25519', raw: base64(k2.raw) },
    ],
    options: { partial: false, strict: false },
    live: true,
    core: { report: {} },
  } as unknown as Meta);
}

test(
  'what is marked before all is judged again is what it is then',
  { skip: existsSync(folder) ? false : 'made by scripts/test-viewer.sh' },
  async () => {
    const tick = async (): Promise<void> => undefined;
    const wrong: string[] = [];
    let early = 0;
    const names = readdirSync(folder).filter(
      (name) => name.endsWith('.ndjson') && !name.includes('.marked.'),
    );
    // All of them where there is time.
    const each = process.env['VIEWER_CHANGES'] === undefined ? 4 : 1;
    for (const [i, name] of names.entries()) {
      if (i % each !== 0) continue;
      const lines = readFileSync(join(folder, name)).toString('latin1').split('\n');
      if (lines.at(-1) === '') lines.pop();
      const piece = (from: number, to: number): Piece => {
        const bytes = Buffer.from(`${lines.slice(from, to).join('\n')}\n`, 'latin1');
        return { source: 0, line: from + 1, gz: gzipSync(bytes, { level: 1 }), length: 0 };
      };
      const of = model(name);
      const cut = 1 + (i % Math.max(1, lines.length - 1));
      await of.take(piece(0, cut), tick);
      // Half of it is judged when more comes, as where files grow.
      const steps = of.judging();
      for (let k = 0; k < i % 9 && !steps.next().done; k += 1);
      await of.take(piece(cut, lines.length), tick);
      while (!steps.next().done);
      const all = of.verifier.copies.map(({ at }) => of.state(at));
      assert.equal(of.summary().judgedLines + of.summary().newer, all.length);
      of.judge();
      for (const [at, state] of all.entries()) {
        if (at >= cut && state === 'verified') early += 1;
        if (state === 'verified' && of.state(at) !== 'verified')
          wrong.push(
            `${name}: line ${String(of.verifier.copies[at]?.line)}, cut at ${String(cut)}, is ${of.state(at)}`,
          );
      }
    }
    assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} lines`);
    assert.ok(early > names.length / each, `${early} lines were marked early`);
  },
);
