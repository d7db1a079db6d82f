/**
 * The viewer's page.
 *
 * Guarantees: it is the page that `sinkwell view --out` writes (docs/VIEWER.md), made by the command that comes with this
 * package, in a process of its own; what is written for it meanwhile is readable by this user alone, and is gone after.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, VerificationError } from './errors';
import type { Keys } from './keys';
import { checked } from './options';

/** How to judge what is shown. */
export interface ViewOptions {
  /** Whom to trust, as for `verify`. A shared secret (`hmac:`) is not in the page: whoever opens it gives the secret to it. */
  readonly keys?: Keys | undefined;
  /** Files of checkpoints, or their text as bytes. */
  readonly checkpoints?: readonly (string | Uint8Array)[] | undefined;
  /** Notes and declared losses count as findings. */
  readonly strict?: boolean | undefined;
  /** The input is one file of a rotated set. */
  readonly partial?: boolean | undefined;
}

/** A page that shows sealed events and verifies them itself; it asks nothing of any network. */
export class View {
  /** @internal */
  constructor(
    /** The page's text. */
    readonly html: string,
  ) {}

  /** Writes the page to a file, mode 0600 where the file is new. */
  async save(path: string): Promise<void> {
    await writeFile(path, this.html, { mode: 0o600 });
  }
}

/**
 * Makes the page of `sinkwell view --out` for files, directories or bytes of sealed events.
 *
 * ```js
 * const page = await view('events.ndjson', { keys: { agent: 'agent.pem.pub' } });
 * await page.save('report.html');
 * ```
 *
 * @throws {VerificationError} There is nothing to show; its message says why.
 */
export async function view(
  paths: string | Uint8Array | readonly (string | Uint8Array)[],
  options: ViewOptions = {},
): Promise<View> {
  checked('view', options, ['keys', 'checkpoints', 'strict', 'partial']);
  const { keys = {}, checkpoints = [], strict = false, partial = false } = options;
  const inputs = typeof paths === 'string' || paths instanceof Uint8Array ? [paths] : [...paths];
  if (inputs.length === 0)
    throw new InvalidArgumentError('there is nothing to show: no path is given', 'paths');
  const folder = await mkdtemp(join(tmpdir(), 'sinkwell-'));
  try {
    let made = 0;
    const file = async (given: string | Uint8Array): Promise<string> => {
      if (typeof given === 'string') return given;
      const path = join(folder, `${++made}.ndjson`);
      await writeFile(path, given, { mode: 0o600 });
      return path;
    };
    const out = join(folder, 'page.html');
    const line = ['view', '--out', out];
    for (const [id, key] of Object.entries(keys)) {
      const { agent, ...source } =
        typeof key === 'string' ? { file: key } : key instanceof Uint8Array ? { bytes: key } : key;
      const from = 'bytes' in source ? await bytesOf(source.bytes, file) : source.file;
      line.push('--key', `${id}=${from}${agent === undefined ? '' : `,agent=${agent}`}`);
    }
    for (const checkpoint of checkpoints) line.push('--checkpoint', await file(checkpoint));
    if (strict) line.push('--strict');
    if (partial) line.push('--partial');
    line.push('--');
    for (const input of inputs) line.push(await file(input));
    await command(line);
    return new View(await readFile(out, 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A key's bytes as a file; what stands in front of them and says which it is stays in front of its path. */
async function bytesOf(bytes: Uint8Array, file: (bytes: Uint8Array) => Promise<string>): Promise<string> {
  for (const name of ['hmac:', 'ed25519:']) {
    if (Buffer.from(bytes.subarray(0, name.length)).toString('latin1') === name)
      return name + (await file(bytes.subarray(name.length)));
  }
  return file(bytes);
}

/** Runs the `sinkwell` command of this package. */
function command(line: readonly string[]): Promise<void> {
  const script = join(__dirname, '..', 'bin', 'sinkwell.js');
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, ...line], (error, _, stderr) => {
      if (error === null) resolve();
      else
        reject(
          new VerificationError(stderr.trim().replace(/^sinkwell: /, '') || `it ended with ${error.code}`),
        );
    });
  });
}
