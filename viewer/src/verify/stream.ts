// The chain of one stream: what stands at each number, and how far signatures cover it.

import { type Copy, isHash, sequence } from './line.ts';
import { first, Ranges } from './ranges.ts';

export type Kind =
  | 'declared_loss'
  | 'erased'
  | 'duplicate'
  | 'reordered'
  | 'not_canonical'
  | 'torn'
  | 'missing_edge'
  | 'unfinished'
  | 'result_alone'
  | 'second_result'
  | 'early_result'
  | 'gap'
  | 'removed'
  | 'conflict'
  | 'altered'
  | 'unsigned'
  | 'unknown_key'
  | 'retired_key'
  | 'after_close'
  | 'malformed'
  | 'unknown_schema'
  | 'silence'
  | 'truncated'
  | 'missing_stream'
  | 'missing_lane'
  | 'open';

/** After so many lines others are let do something. */
export const BREATH = 4096;

export type Weight = 'note' | 'incomplete' | 'findings';

const NOTES: ReadonlySet<Kind> = new Set([
  'duplicate',
  'reordered',
  'not_canonical',
  'torn',
  'missing_edge',
  'unfinished',
  'open',
  'missing_lane',
]);

export const weigh = (kind: Kind): Weight =>
  NOTES.has(kind) ? 'note' : kind === 'declared_loss' || kind === 'erased' ? 'incomplete' : 'findings';

export interface Found {
  kind: Kind;
  from?: number | undefined;
  to?: number | undefined;
  /** `file:line` */
  where?: string | undefined;
  weight: Weight;
  /** What exactly, where the kind has several reasons. */
  why?: string | undefined;
}

/** What stands at one number with one hash: its copies, and whether a signature covers it. */
export class Link {
  readonly n: number;
  readonly hash: string;
  readonly prev: string | undefined;
  /** Of several copies the envelope before the stub, and the one with a good signature. */
  readonly kept: Copy;
  readonly stub: boolean;
  /** The first of those like the kept one that does not fail: places are those of this one. */
  readonly first: Copy;
  signed: Copy | undefined;
  covered = false;
  by: Copy | undefined;

  constructor(readonly copies: Copy[]) {
    const rank = (copy: Copy): number =>
      (copy.seal === 'good' ? 0 : copy.seal === 'none' ? 1 : 2) + (copy.stub ? 3 : 0);
    let kept = copies[0] as Copy;
    for (const copy of copies) if (rank(copy) < rank(kept)) kept = copy;
    this.kept = kept;
    for (const copy of copies) copy.link = this;
    this.n = kept.n;
    this.hash = kept.hash;
    this.prev = (copies[0] as Copy).prev;
    this.stub = kept.stub;
    this.first = copies.find((copy) => copy.stub === kept.stub && !copy.failing) ?? kept;
    this.sign();
  }

  sign(): void {
    this.signed = this.copies.find((copy) => copy.seal === 'good');
  }
}

/** What stands at the numbers of a stream, as a map by ascending number; without one, as a million numbers are in order anyway. */
export class Rows {
  /** How many numbers have something. */
  size = 0;

  constructor(
    readonly numbers: readonly number[],
    /** Of each of the numbers, in their order. */
    readonly rows: readonly (readonly Link[] | undefined)[],
  ) {
    for (const row of rows) if (row) this.size += 1;
  }

  /** Where a number stands among all; -1: nowhere. */
  indexOf(n: number): number {
    const { numbers } = this;
    // Mostly none is missing.
    const guess = n - (numbers[0] ?? 0);
    if (numbers[guess] === n) return guess;
    const i = first(numbers, (m) => m >= n);
    return numbers[i] === n ? i : -1;
  }

  get(n: number): readonly Link[] | undefined {
    const i = this.indexOf(n);
    return i < 0 ? undefined : this.rows[i];
  }

  has(n: number): boolean {
    return this.get(n) !== undefined;
  }

  /** The highest number. */
  get last(): number | undefined {
    let i = this.rows.length - 1;
    while (i >= 0 && !this.rows[i]) i -= 1;
    return this.numbers[i];
  }

  *[Symbol.iterator](): Generator<[number, readonly Link[]]> {
    for (const [i, row] of this.rows.entries()) if (row) yield [this.numbers[i] as number, row];
  }

  *values(): Generator<readonly Link[]> {
    for (const row of this.rows) if (row) yield row;
  }
}

const NONE = new Rows([], []);

export class Stream {
  findings: Found[] = [];
  agent: string | undefined;
  /** The numbers at which something stands, ascending. */
  numbers: number[] = [];
  /** What stands at each of these numbers, in their order. */
  rows: Link[][] = [];
  links = NONE;
  /** The covered links, by ascending number. */
  good = NONE;
  start = 1;
  closed: number | undefined;
  lane: string | undefined;
  heard = '';
  declared = new Ranges();
  erasable = new Ranges();
  filled = new Ranges();
  losses: { n: number; where: string; copy: Copy; by: Copy | undefined }[] = [];
  modes: [number, string | undefined][] = [];
  ended = false;
  envelopes = 0;
  unsigned = 0;
  malformed = 0;
  erased = 0;
  onlyCheckpoints = true;
  /** Whether a key was retired in it. */
  retired = false;
  unsignedNumbers: number[] = [];
  /** The highest number that a checkpoint of the input or of a file claims and the input has. */
  checkpointed = 0;
  private seen = new Set<string>();

  constructor(
    readonly id: string,
    readonly copies: readonly Copy[],
  ) {}

  add(
    kind: Kind,
    from?: number,
    to?: number,
    where?: string,
    more: { weight?: Weight; why?: string } = {},
  ): void {
    const found: Found = { kind, weight: more.weight ?? weigh(kind) };
    if (from !== undefined) {
      found.from = from;
      found.to = to ?? from;
    }
    if (where !== undefined) found.where = where;
    if (more.why !== undefined) found.why = more.why;
    // A line with two faults of one kind is one finding.
    if (kind === 'altered') {
      const key = `${from}-${found.to}-${where}`;
      if (this.seen.has(key)) return;
      this.seen.add(key);
    }
    this.findings.push(found);
  }

  /** Reckons which links the signatures cover that `signed` finds in them. */
  *cover(signed: (link: Link) => Copy | undefined): Generator<void> {
    for (const [i, links] of this.rows.entries()) {
      if (i % BREATH === 0) yield;
      for (const link of links) {
        link.covered = false;
        link.by = undefined;
      }
    }
    for (let i = this.numbers.length - 1; i >= 0; i -= 1) {
      if (i % BREATH === 0) yield;
      const links = this.rows[i] as Link[];
      for (const link of links) {
        const copy = signed(link);
        if (copy) {
          link.covered = true;
          link.by = copy;
        }
      }
      for (const link of links) {
        if (!link.covered) continue;
        this.reach(i - 1, link.prev, link, signed);
        if (!link.kept.core) continue;
        for (const [from, prev] of this.carries(link)) {
          this.reach(first(this.numbers, (n) => n >= from) - 1, prev, link, signed);
        }
      }
    }
    yield* this.keep();
  }

  /** What is covered is what is good. */
  *keep(): Generator<void> {
    const good: (readonly Link[] | undefined)[] = [];
    for (const [i, links] of this.rows.entries()) {
      if (i % BREATH === 0) yield;
      if (links.length === 1) {
        good.push(links[0]?.covered ? links : undefined);
        continue;
      }
      const some = links.filter((link) => link.covered);
      good.push(some.length > 0 ? some : undefined);
    }
    this.good = new Rows(this.numbers, good);
  }

  /** Covers the link with the hash `prev`: over numbers that are not there, and over what nothing covers. */
  private reach(
    start: number,
    prev: string | undefined,
    by: Link,
    signed: (link: Link) => Copy | undefined,
  ): void {
    if (prev === undefined) return;
    for (let i = start; i >= 0; i -= 1) {
      const links = this.rows[i] as Link[];
      let stop = false;
      for (const link of links) {
        if (link.hash === prev) {
          stop = true;
          if (!link.covered) {
            link.covered = true;
            link.by = by.by;
          }
        } else if (link.covered || signed(link)) {
          stop = true;
        }
      }
      if (stop) return;
    }
  }

  /** The holes of this stream over which a declaration of it carries coverage: where each begins, and the hash before. */
  carries(link: Link): [number, string][] {
    const out: [number, string][] = [];
    if (link.kept.isOwn('policy.breach')) {
      for (const range of link.kept.list('lost')) {
        const [from, to, prev] = [sequence(range['from']), sequence(range['to']), range['prev']];
        const target = range['streamid'] || link.kept.said('streamid') || this.id;
        if (from && to && from <= to && target === this.id && from < link.n && isHash(prev))
          out.push([from, prev]);
      }
    }
    return out;
  }

  /** Whether a loss is the copy that auditors get, about another lane. */
  foreign(copy: Copy): boolean {
    const lane = copy.said('lane');
    if (this.lane && typeof lane === 'string' && lane) return this.lane !== lane;
    return (copy.said('streamid') ?? this.id) !== this.id;
  }

  at(n: number): readonly Link[] {
    return this.links.get(n) ?? [];
  }

  *all(): Generator<Link> {
    for (const links of this.rows) for (const link of links) yield link;
  }

  /** How envelopes are signed there, as far as it is known. */
  mode(n: number): string | undefined {
    return this.modes[first(this.modes, ([m]) => m > n) - 1]?.[1];
  }

  matches(n: number, hash: string | undefined): boolean {
    return (this.good.get(n) ?? []).some((link) => link.hash === hash);
  }

  firstGood(n: number): Link {
    return (this.good.get(n) as readonly Link[])[0] as Link;
  }
}
