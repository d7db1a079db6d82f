// Files that were changed (tests/independent/mutate.py --write): the page's verifier says what `sinkwell verify` says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { differences } from '../src/model/compare.ts';
import { linesOf } from '../src/model/pieces.ts';
import type { CoreReport } from '../src/model/types.ts';
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
