// What is to be thought of each line: as all was judged last, and, of lines that came since, as far as it is certain already.

import type { Judgement, Report } from '../verify/judgement.ts';
import { type Copy, type Seal, phaseOf } from '../verify/line.ts';
import { BREATH, type Found, type Kind, type Stream } from '../verify/stream.ts';
import type { State } from './types.ts';

const STATES: readonly State[] = ['verified', 'unchecked', 'unproven', 'wrong'];
const [VERIFIED, UNCHECKED, UNPROVEN, WRONG] = [0, 1, 2, 3];
const SEALS: readonly Seal[] = [
  'good',
  'none',
  'altered',
  'unknown_key',
  'retired_key',
  'malformed',
  'unknown_schema',
];
/** Of each line two bits for its state, three for its seal, one for whether it is covered. */
const [SEAL_AT, COVERED] = [2, 32];

/** Kinds that say of lines that are there that they are not what was sealed. */
const BAD = new Set<Kind>([
  'altered',
  'conflict',
  'unknown_key',
  'retired_key',
  'malformed',
  'unknown_schema',
  'after_close',
  'second_result',
  'early_result',
  'removed',
]);

/** The end of a stream of which nothing bad was found: what goes on from it is good as soon as a good signature covers it. */
interface Front {
  n: number;
  hash: string;
  agent: string | undefined;
  each: boolean;
  /** Lines that no signature covers yet. */
  waiting: number[];
}

export class States {
  private of = new Uint8Array(0);
  /** How many lines something is said of. */
  private length = 0;
  private fronts = new Map<string, Front>();
  counted: Record<State, number> = { verified: 0, unchecked: 0, unproven: 0, wrong: 0 };
  /** How many signatures are good, by key. */
  used = new Map<string, number>();

  state(i: number): State {
    return STATES[i < this.length ? (this.of[i] as number) & 3 : UNCHECKED] as State;
  }

  seal(copy: Copy): Seal {
    return copy.at < this.length
      ? (SEALS[((this.of[copy.at] as number) >> SEAL_AT) & 7] as Seal)
      : copy.ownSeal;
  }

  covered(i: number): boolean {
    return i < this.length && ((this.of[i] as number) & COVERED) !== 0;
  }

  /** Takes over what was judged; `report`: nothing where it could not be. */
  *take(
    judgement: Judgement,
    report: Report | undefined,
    copies: readonly Copy[],
    settled: number,
  ): Generator<void> {
    const { lines } = judgement;
    const keys = judgement.keys.length > 0;
    const of = new Uint8Array(copies.length + 8192);
    const used = new Map<string, number>();
    for (let i = 0; i < lines; i += 1) {
      if (i % (4 * BREATH) === 0) yield;
      const copy = copies[i] as Copy;
      let state = !report || !keys ? UNCHECKED : copy.covered ? VERIFIED : UNPROVEN;
      if (copy.failing && report) state = WRONG;
      of[i] = state | (SEALS.indexOf(copy.seal) << SEAL_AT) | (copy.covered ? COVERED : 0);
      if (copy.key) used.set(copy.key.id, (used.get(copy.key.id) ?? 0) + 1);
    }
    for (const stream of report ? judgement.streams.values() : []) {
      for (const found of stream.findings) {
        for (const { at } of blamed(judgement, stream, found)) of[at] = (of[at] as number) | WRONG;
      }
    }
    yield;
    const counted: Record<State, number> = { verified: 0, unchecked: 0, unproven: 0, wrong: 0 };
    for (let i = 0; i < lines; i += 1) counted[STATES[(of[i] as number) & 3] as State] += 1;
    this.of = of;
    this.length = lines;
    this.counted = counted;
    this.used = used;
    this.fronts = new Map();
    for (const stream of report && keys ? judgement.streams.values() : []) {
      const front = frontOf(stream);
      if (front) this.fronts.set(stream.id, front);
    }
    this.ahead(copies, settled);
  }

  /** Goes on with lines that came since: those up to `settled`, whose own signatures were looked at. */
  ahead(copies: readonly Copy[], settled: number): void {
    if (settled > this.of.length) {
      const more = new Uint8Array(settled + (settled >> 2) + 8192);
      more.set(this.of);
      this.of = more;
    }
    for (let i = this.length; i < settled; i += 1) {
      const copy = copies[i] as Copy;
      this.of[i] = UNCHECKED | (SEALS.indexOf(copy.ownSeal) << SEAL_AT);
      this.counted.unchecked += 1;
      const front = this.fronts.get(copy.stream);
      if (!front) continue;
      if (!goesOn(front, copy)) {
        this.fronts.delete(copy.stream);
        continue;
      }
      front.n = copy.n;
      front.hash = copy.hash;
      // Whether half of a deed is in order, only all lines together say.
      if (!copy.data || !phaseOf(copy.data)) front.waiting.push(i);
      if (copy.ownSeal !== 'good') continue;
      if (copy.ownKey) this.used.set(copy.ownKey.id, (this.used.get(copy.ownKey.id) ?? 0) + 1);
      for (const at of front.waiting) this.of[at] = ((this.of[at] as number) & ~3) | VERIFIED | COVERED;
      this.counted.verified += front.waiting.length;
      this.counted.unchecked -= front.waiting.length;
      front.waiting = [];
    }
    this.length = Math.max(this.length, settled);
  }
}

/** The lines that a finding blames. */
function* blamed(judgement: Judgement, stream: Stream, found: Found): Generator<Copy> {
  const { kind, from, to, where, weight } = found;
  if (weight !== 'findings' || !BAD.has(kind) || from === undefined || to === undefined) return;
  for (const n of numbersIn(stream, from, to)) {
    for (const link of stream.at(n)) {
      for (const copy of link.copies) {
        // A removal is where nothing stands: only what is left as a stub can be wrong.
        const blames =
          kind === 'removed' ? copy.stub : from !== to || judgement.whereOf(copy) === where || !copy.covered;
        if (blames) yield copy;
      }
    }
  }
}

function numbersIn(stream: Stream, from: number, to: number): number[] {
  if (to - from >= stream.numbers.length) return stream.numbers.filter((n) => n >= from && n <= to);
  const out: number[] = [];
  for (let n = from; n <= to; n += 1) if (stream.links.has(n)) out.push(n);
  return out;
}

function frontOf(stream: Stream): Front | undefined {
  const n = stream.good.last;
  const last = n === undefined ? undefined : stream.at(n);
  const [link] = last ?? [];
  const clean = stream.findings.every(({ weight }) => weight !== 'findings') && !stream.retired;
  const ends = n === stream.numbers.at(-1) && last?.length === 1 && stream.closed === undefined;
  if (n === undefined || !link || link.stub || !clean || !ends) return undefined;
  return { n, hash: link.hash, agent: stream.agent, each: stream.mode(n) === 'each', waiting: [] };
}

/** Whether a line is what comes next, and says nothing that changes what is to be thought of others. */
function goesOn(front: Front, copy: Copy): boolean {
  return (
    !copy.stub &&
    copy.form === undefined &&
    !copy.badDisclosures &&
    copy.agent === front.agent &&
    copy.n === front.n + 1 &&
    copy.prev === front.hash &&
    (copy.ownSeal === 'good' || (copy.ownSeal === 'none' && !front.each)) &&
    (!copy.core ||
      !(copy.isOwn('audit.chain') || copy.isOwn('policy.breach')) ||
      copy.isOwn('audit.chain', 'checkpoint'))
  );
}
