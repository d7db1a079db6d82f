// A verifier of its own for the page, written from docs/spec/envelope.md. All lines are read first, then coverage is
// reckoned stream by stream; only then is anything believed. It can judge again, with more lines or with other keys.

import type { JsonObject } from './json.ts';
import { type Options, Judgement, type Report } from './judgement.ts';
import type { Key } from './keys.ts';
import { Copy, type Read, check, readLine } from './line.ts';
import type { Kind } from './stream.ts';

export { type Options, type Report, NoEnvelope } from './judgement.ts';

/** A line that is no envelope, or one of a checkpoint file. */
export interface Stray {
  kind: Kind;
  where: string;
}

export interface CheckpointFile {
  name: string;
  lines: { copy: Copy | undefined; e: JsonObject | undefined; where: string }[];
}

export class Verifier {
  /** By stream its lines. */
  readonly streams = new Map<string, Copy[]>();
  /** Every placed line of the input, in the order in which it was read. */
  readonly copies: Copy[] = [];
  readonly strays: Stray[] = [];
  readonly names: string[] = [];
  readonly checkpointFiles: CheckpointFile[] = [];

  /** Called with each placed line, as it is read. */
  placed: (copy: Copy, e: JsonObject) => void = () => undefined;

  constructor(
    public keys: readonly Key[],
    readonly options: Options,
  ) {}

  /** A file of this name; answers its number. */
  source(name: string): number {
    return this.names.push(name) - 1;
  }

  whereOf(place: { source: number; line: number }): string {
    return `${this.names[place.source]}:${place.line}`;
  }

  /** Takes a line of the input; `last`: no newline ends it. Answers what is to be waited for. */
  line(source: number, number: number, line: string | undefined, last = false): undefined | Promise<void> {
    if (line !== undefined && line.trim() === '') return undefined;
    const read = readLine(line);
    const where = this.whereOf({ source, line: number });
    if (read.what === 'other') {
      // The writer was cut off, or the file system made the file longer than what it has of it.
      const torn = last && !read.json && (line === undefined || line.startsWith('{') || /^\0*$/.test(line));
      this.strays.push({ kind: torn ? 'torn' : 'malformed', where });
      return undefined;
    }
    let copies = this.streams.get(read.streamid);
    if (!copies) this.streams.set(read.streamid, (copies = []));
    const copy = new Copy(read.e, read.n, source, number, read.canonical, copies.at(-1), read.plain);
    copy.stream = copies[0]?.stream ?? read.streamid;
    copy.at = this.copies.push(copy) - 1;
    copies.push(copy);
    this.placed(copy, read.e);
    return check(copy, read.e, this.keys);
  }

  /** A line of which only that it is none: too long, for example. */
  stray(source: number, number: number): void {
    this.strays.push({ kind: 'malformed', where: this.whereOf({ source, line: number }) });
  }

  checkpointFile(name: string): number {
    this.checkpointFiles.push({ name, lines: [] });
    return this.checkpointFiles.length - 1;
  }

  async checkpointLine(file: number, number: number, line: string | undefined): Promise<void> {
    if (line !== undefined && line.trim() === '') return;
    const target = this.checkpointFiles[file] as CheckpointFile;
    const read: Read = readLine(line);
    const where = `${target.name}:${number}`;
    const placed = read.what === 'placed' && !Object.hasOwn(read.e, 'stub') ? read : undefined;
    const copy = placed && new Copy(placed.e, placed.n, -1, number, placed.canonical, undefined);
    if (placed && copy) await check(copy, placed.e, this.keys);
    target.lines.push({ copy, e: placed?.e, where });
  }

  /** Judges all that was read so far. */
  judge(): Report {
    const judgement = new Judgement(this);
    const steps = judgement.steps();
    let step = steps.next();
    while (!step.done) step = steps.next();
    return step.value;
  }
}
