// Events out of log streams.
import { native } from './errors';
import { act, loop } from './loop';
import { NativeVacuum, type NativeEmitter } from '../native';

/** What became of a log: counts, and what was first. */
export interface VacuumReport {
  readonly lines: number;
  /** Events that were taken. */
  readonly events: number;
  /** Events that every lane has already. */
  readonly skipped: number;
  /** Lines that went through. */
  readonly passed: number;
  readonly tooLarge: number;
  readonly tooDeep: number;
  readonly refused: number;
  /** Events that no lane took; their lines went through. */
  readonly unsent: number;
  readonly integersAsStrings: number;
  /** Flagged lines by what carried them. */
  readonly formats: Readonly<Record<string, number>>;
  /** The lanes that had the nonce already, and where their cursors stand. */
  readonly skippedBy?: readonly { lane: string; nonce: number; cursor: number; events: number }[];
  readonly firstRefusal?: { line: number; why: string };
  readonly firstUnsent?: { line: number; why: string };
}

/** What a log is, beside its text. */
export interface VacuumOptions {
  /** Whose log it is. */
  process?: string | undefined;
  /** The message, block or batch that it is of, from 0 to 2^53-1. */
  nonce?: number | undefined;
  /** What carries the lines; by default each line as it looks. */
  format?: 'auto' | 'plain' | 'docker' | 'cri' | 'lambda' | 'journald' | undefined;
  /** Where what goes through is written; by default it is kept and answered. */
  out?: { write(bytes: Uint8Array): unknown } | undefined;
}

/** A log: text, bytes, or anything that gives such, as a `Readable` does. */
export type Log = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

const camel = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** @internal See `Emitter.vacuum`. */
export async function vacuum(
  emitter: NativeEmitter,
  log: Log,
  { out, ...options }: VacuumOptions,
): Promise<{ passed: Buffer; report: VacuumReport }> {
  const drawing = native(() => NativeVacuum.start(emitter, JSON.stringify(options)));
  const kept: Uint8Array[] = [];
  const put = async () => {
    const passed = drawing.takePassed();
    if (passed.length === 0) return;
    if (out) await written(out, passed);
    else kept.push(passed);
  };
  let whole = false;
  let report = '';
  try {
    for await (const piece of typeof log === 'string' || log instanceof Uint8Array ? [log] : log) {
      const bytes = Buffer.from(piece as Uint8Array);
      await act((token) => drawing.push(loop, token, bytes));
      await put();
    }
    whole = true;
  } finally {
    report = await act((token) => drawing.finish(loop, token, whole));
    await put();
  }
  const members = Object.entries(JSON.parse(report) as Record<string, unknown>);
  return {
    passed: Buffer.concat(kept),
    report: Object.fromEntries(
      members.map(([name, value]) => [camel(name), value]),
    ) as unknown as VacuumReport,
  };
}

/** Writes, and waits as long as a stream is full. */
async function written(out: NonNullable<VacuumOptions['out']>, bytes: Uint8Array): Promise<void> {
  const stream = out as { once?: (event: string, done: () => void) => void };
  const room = out.write(bytes);
  if (room === false && stream.once) await new Promise<void>((done) => stream.once?.('drain', done));
  else await room;
}
