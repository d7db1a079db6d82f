// What is to be thought of all lines that were read up to now, by the keys of now. Those that are read meanwhile are not
// looked at. It is done in steps, between which others are let do something.

import { Account, type Declared } from './account.ts';
import type { JsonObject } from './json.ts';
import { canonical, isObject, items, member, text } from './json.ts';
import { type Key, mayseal } from './keys.ts';
import { type Copy, isHash, phaseOf, sequence } from './line.ts';
import { Ranges } from './ranges.ts';
import { findings, stubs } from './faults.ts';
import { settle, silence } from './claims.ts';
import { BREATH, type Found, type Kind, Link, Rows, Stream, type Weight, weigh } from './stream.ts';
import type { CheckpointFile, Stray, Verifier } from './verifier.ts';

export interface Options {
  strict?: boolean;
  partial?: boolean;
  edges?: boolean;
  /** In milliseconds. */
  silence?: number;
  lanes?: string[];
}

export type Verdict = 'sound' | 'incomplete' | 'unchecked' | 'findings';
export const ORDER: readonly Verdict[] = ['sound', 'incomplete', 'unchecked', 'findings'];

/** There is nothing to judge, or nothing to judge it by. */
export class NoEnvelope extends Error {}

/** What is said of a stream's number and hash, by whom. */
export interface Claim {
  id: string;
  n: number;
  head: string;
  who: 'input' | 'file' | 'itself' | 'follower' | 'prev';
  where: string;
  lane: string | undefined;
  key: Key | undefined;
  agent: string | undefined;
}

export interface StreamReport {
  streamid: string;
  agentid?: string;
  envelopes: number;
  first?: number;
  last?: number;
  closed: boolean;
  head?: string;
  verdict: Verdict;
  findings: Found[];
}

export interface Report {
  verdict: Verdict;
  envelopes: number;
  unsigned: number;
  malformed: number;
  streams: StreamReport[];
  open: number;
  lost: Record<string, number>;
  erased: number;
  findings: Found[];
  exit: 0 | 1;
}

export interface Half {
  stream: Stream;
  n: number;
  where: string;
  copy: Copy;
  order: number;
}

export class Judgement {
  readonly keys: readonly Key[];
  readonly options: Options;
  readonly streams = new Map<string, Stream>();
  /** How many lines it is about. */
  readonly lines: number;
  private readonly names: readonly string[];
  private readonly strays: readonly Stray[];
  private readonly checkpointFiles: readonly CheckpointFile[];

  findings: Found[] = [];
  claims: Claim[] = [];
  fileClaims = new Map<string, Claim[] | undefined>();
  erasures: { id: string; from: number; to: number; agent: string; key: Key | undefined }[] = [];
  ids = new Set<string>();
  edges: { stream: Stream; n: number; where: string; target: string; member: string }[] = [];
  halves: Half[] = [];
  heartbeats: { id: string; time: string; lane: string | undefined; key: Key | undefined }[] = [];
  lanesNamed = new Set<string>();
  latest = '';
  /** Losses as they count. */
  declared: Declared[] = [];
  /** Streams that the input holds: not those of which it only carries the checkpoints of another lane. */
  here = new Set<string>();

  constructor(of: Verifier) {
    this.keys = of.keys;
    this.options = of.options;
    this.names = of.names;
    this.lines = of.copies.length;
    this.strays = of.strays.slice();
    this.checkpointFiles = of.checkpointFiles.map(({ name, lines }) => ({ name, lines: lines.slice() }));
    for (const [id, copies] of of.streams) this.streams.set(id, new Stream(id, copies.slice()));
  }

  whereOf(place: { source: number; line: number }): string {
    return `${this.names[place.source]}:${place.line}`;
  }

  private readCheckpoints({ name, lines }: CheckpointFile): void {
    this.fileClaims.set(name, []);
    let seen = false;
    for (const { copy, e, where } of lines) {
      if (!copy || !e) {
        this.add('malformed', where);
        this.fileClaims.set(name, undefined);
        continue;
      }
      seen = true;
      copy.seal = copy.ownSeal;
      const unsigned = this.keys.length > 0 && copy.seal === 'none' ? 'unsigned' : undefined;
      const kind = copy.failing
        ? copy.seal
        : (unsigned ?? (copy.form === undefined ? undefined : 'malformed'));
      if (kind) {
        this.findings.push({ kind: kind as Kind, from: copy.n, to: copy.n, where, weight: 'findings' });
        this.fileClaims.set(name, undefined);
      } else if (copy.core && copy.data) {
        const lane = text(copy.data, 'lane');
        const itself = { streamid: e['streamid'], sequence: e['sequence'], head: copy.hash } as JsonObject;
        this.claim(itself, 'itself', where, lane, copy.ownKey, name);
        for (const head of [copy.data, ...copy.list('streams'), ...copy.list('heads')]) {
          this.claim(head, 'file', where, lane, copy.ownKey, name);
        }
      }
    }
    if (!seen) throw new NoEnvelope(`${name} holds no checkpoint`);
  }

  private claim(
    head: JsonObject,
    who: Claim['who'],
    where: string,
    lane: string | undefined,
    key: Key | undefined,
    file?: string,
  ): void {
    const [id, n, hash] = [text(head, 'streamid'), sequence(member(head, 'sequence')), member(head, 'head')];
    if (id === undefined || n === undefined || !isHash(hash)) return;
    const claim = {
      id: id.toLowerCase(),
      n,
      head: hash,
      who,
      where,
      lane,
      key,
      agent: text(head, 'agentid'),
    };
    this.claims.push(claim);
    if (file !== undefined) this.fileClaims.get(file)?.push(claim);
  }

  add(kind: Kind, where?: string, weight: Weight = weigh(kind), why?: string): void {
    const found: Found = { kind, weight };
    if (where !== undefined) found.where = where;
    if (why !== undefined) found.why = why;
    this.findings.push(found);
  }

  /** Judges; to be gone through once. */
  *steps(): Generator<void, Report> {
    if (this.streams.size === 0) throw new NoEnvelope('there is no envelope in the input');
    for (const { kind, where } of this.strays) this.add(kind, where);
    for (const file of this.checkpointFiles) this.readCheckpoints(file);
    const streams = [...this.streams.values()];
    for (const stream of streams) {
      yield* this.fixAgent(stream);
      yield* this.reckon(stream);
    }
    for (const stream of streams) yield* this.believeAll(stream);
    for (const stream of streams) yield* this.stubsAlone(stream);
    for (const { id, from, to, agent, key } of this.erasures) {
      const stream = this.streams.get(id);
      if (stream && agent === stream.agent && mayseal(key, agent)) stream.erasable.add(from, to);
    }
    this.here = this.whatIsHere();
    const account = new Account(this);
    account.run();
    for (const stream of streams) yield* findings(this, stream);
    settle(this, account.elsewhere);
    yield;
    if (this.options.silence !== undefined) silence(this, this.options.silence);
    if (this.options.edges) {
      for (const { stream, n, where, target } of this.edges) {
        if (!this.ids.has(target)) stream.add('missing_edge', n, n, where);
      }
    }
    yield;
    for (const stream of streams) stubs(this, stream);
    yield;
    this.deeds(account.lost);
    const open = streams.filter((s) => this.here.has(s.id) && s.good.size > 0 && !s.closed && !s.ended);
    for (const stream of this.options.partial ? [] : open) {
      const last = lastOf(stream) as number;
      stream.add('open', last, last, this.whereOf(stream.firstGood(last).first));
    }
    return this.report(account.lost, open.length);
  }

  /** The agent is that of the lowest envelope with a good signature; signatures on others are not good. */
  private *fixAgent(stream: Stream): Generator<void> {
    let lowest: Copy | undefined;
    const fits = (copy: Copy): boolean =>
      !copy.stub && !copy.failing && (copy.seal === 'good' || this.keys.length === 0);
    for (const [i, copy] of stream.copies.entries()) {
      if (i % BREATH === 0) yield;
      // What was said of it when all was judged last is forgotten.
      copy.seal = copy.ownSeal;
      copy.key = copy.ownKey;
      if (fits(copy) && (!lowest || copy.n < lowest.n)) lowest = copy;
    }
    stream.agent = lowest?.agent;
    if (lowest && this.keys.length > 0) {
      for (const copy of stream.copies) {
        if (fits(copy) && copy.agent !== stream.agent) {
          copy.seal = 'altered';
          copy.key = undefined;
        }
      }
    }
    this.bindStubs(stream);
  }

  private bindStubs(stream: Stream): void {
    if (stream.agent === undefined) return;
    for (const copy of stream.copies) {
      if (copy.stub && copy.key && !mayseal(copy.key, stream.agent)) {
        copy.seal = 'altered';
        copy.key = undefined;
      }
    }
  }

  /** Which links there are, and which are covered. */
  private *reckon(stream: Stream): Generator<void> {
    const { copies } = stream;
    const ascending = copies.every((copy, i) => i === 0 || (copies[i - 1] as Copy).n < copy.n);
    stream.numbers = [];
    stream.rows = [];
    // Mostly a number is there once, and numbers come in their order.
    if (ascending) {
      for (const [i, copy] of copies.entries()) {
        if (i % BREATH === 0) yield;
        stream.numbers.push(copy.n);
        stream.rows.push([new Link([copy])]);
      }
    } else {
      const byNumber = new Map<number, Copy[]>();
      for (const copy of copies) {
        const alike = byNumber.get(copy.n);
        if (alike) alike.push(copy);
        else byNumber.set(copy.n, [copy]);
      }
      yield;
      stream.numbers = [...byNumber.keys()].sort((a, b) => a - b);
      for (const [i, n] of stream.numbers.entries()) {
        if (i % BREATH === 0) yield;
        const byHash = new Map<string, Copy[]>();
        for (const copy of byNumber.get(n) as Copy[]) {
          const alike = byHash.get(copy.hash);
          if (alike) alike.push(copy);
          else byHash.set(copy.hash, [copy]);
        }
        stream.rows.push([...byHash.values()].map((alike) => new Link(alike)));
      }
    }
    stream.links = new Rows(stream.numbers, stream.rows);
    const signed = (link: Link): Copy | undefined => {
      const copy = link.signed;
      return copy?.stub && copy.key?.agent !== undefined && stream.agent === undefined ? undefined : copy;
    };
    yield* stream.cover(signed);
    if (yield* this.retire(stream)) {
      for (const link of stream.all()) link.sign();
      yield* stream.cover(signed);
    }
    if (this.keys.length === 0) {
      // Nothing is proven: all that is in form stands, and a signature is taken at its word.
      stream.unsignedNumbers = [];
      for (const link of stream.all()) {
        if (!link.kept.failing && !link.covered) stream.unsignedNumbers.push(link.n);
        link.covered = !link.kept.failing;
      }
      yield* stream.keep();
    }
    yield;
    stream.filled = Ranges.of(stream.numbers.filter((_, i) => !stream.good.rows[i]));
    for (const [i, links] of stream.rows.entries()) {
      if (i % BREATH === 0) yield;
      for (const link of links) for (const copy of link.copies) copy.covered = link.covered;
    }
    if (stream.agent === undefined) {
      // Nothing but stubs has a signature: the lowest envelope that they cover says whose it is.
      for (const [link] of stream.good.values()) {
        if (link && !link.kept.stub && link.kept.agent !== undefined) {
          stream.agent = link.kept.agent;
          break;
        }
      }
    }
  }

  /** What a retired key signs later is no signature, also where only itself vouches for its retirement. Whether there is some. */
  private *retire(stream: Stream): Generator<void, boolean> {
    const retired = new Map<string, number>();
    for (const [i, links] of stream.good.rows.entries()) {
      if (i % BREATH === 0) yield;
      const n = stream.numbers[i] as number;
      for (const { kept } of links ?? []) {
        if (!kept.core) continue;
        const id = kept.isOwn('audit.chain', 'key_retiring') ? kept.said('keyid') : undefined;
        if (typeof id === 'string' && !retired.has(id)) retired.set(id, n);
      }
    }
    let changed = false;
    stream.retired = retired.size > 0;
    if (!stream.retired) return changed;
    for (const copy of stream.copies) {
      const from = copy.key && retired.get(copy.key.id);
      if (from !== undefined && copy.n > from && !copy.isOwn('audit.chain', 'key_retiring')) {
        copy.seal = 'retired_key';
        copy.key = undefined;
        changed = true;
      }
    }
    return changed;
  }

  /** A key that is bound to agents may have sealed what is left of a stream of stubs: retention says whose. */
  private *stubsAlone(stream: Stream): Generator<void> {
    if (stream.agent !== undefined || !stream.copies.some((copy) => copy.stub && copy.key)) return;
    stream.agent = this.erasures.find((x) => x.id === stream.id && mayseal(x.key, x.agent))?.agent;
    this.bindStubs(stream);
    yield* this.reckon(stream);
  }

  private *believeAll(stream: Stream): Generator<void> {
    let done = 0;
    for (const [n, links] of stream.good) {
      done += 1;
      if (done % BREATH === 0) yield;
      const link = links[0] as Link;
      const { kept } = link;
      stream.onlyCheckpoints &&=
        kept.isOwn('audit.chain') && ['checkpoint', 'closed'].includes(String(kept.said('action')));
      if (!link.stub && kept.form === undefined && kept.agent === stream.agent) this.believe(stream, n, link);
    }
    stream.onlyCheckpoints &&= stream.filled.list.length === 0;
  }

  private believe(stream: Stream, n: number, link: Link): void {
    const copy = link.kept;
    if (copy.recorded > stream.heard) stream.heard = copy.recorded;
    if (stream.heard > this.latest) this.latest = stream.heard;
    if (this.options.edges) this.ids.add(copy.id);
    const { data } = copy;
    if (!data) return;
    const where = this.whereOf(link.first);
    const key = link.by?.key;
    const authz = member(data, 'authz');
    if (isObject(authz)) {
      for (const name of ['identity', 'decision', 'delegated_by']) {
        const target = text(authz, name);
        if (target) this.edges.push({ stream, n, where, target, member: name });
      }
    }
    if (!copy.core) {
      if (phaseOf(data)) this.halves.push({ stream, n, where, copy, order: link.first.at });
      return;
    }
    const lane = text(data, 'lane');
    const action = text(data, 'action');
    if (copy.isOwn('heartbeat')) {
      if (lane) this.lanesNamed.add(lane);
      stream.lane ??= lane;
      for (const head of copy.list('heads')) {
        const id = text(head, 'streamid');
        if (id !== undefined) this.heartbeats.push({ id: id.toLowerCase(), time: copy.recorded, lane, key });
        this.claim(head, 'input', where, lane, key);
      }
    } else if (copy.isOwn('policy.breach')) {
      if (Object.hasOwn(data, 'lost') || Object.hasOwn(data, 'count')) {
        stream.losses.push({ n, where, copy, by: link.by });
      }
    } else if (copy.isOwn('audit.chain')) {
      this.chain(stream, n, data, action, where, lane, key);
    }
  }

  private chain(
    stream: Stream,
    n: number,
    data: JsonObject,
    action: string | undefined,
    where: string,
    lane: string | undefined,
    key: Key | undefined,
  ): void {
    if (action === 'opened') {
      stream.lane = lane;
      stream.modes.push([n, text(data, 'sign')]);
      if (lane) this.lanesNamed.add(lane);
      const follows = member(data, 'follows');
      const before = isObject(follows) ? sequence(member(follows, 'sequence')) : undefined;
      if (isObject(follows) && before !== undefined) {
        stream.start = before + 1;
        this.claim(follows, 'follower', where, lane, key);
      }
    } else if (action === 'key_active') {
      stream.modes.push([n, text(data, 'sign') ?? stream.mode(n)]);
    } else if (action === 'checkpoint' || action === 'closed') {
      stream.lane ??= lane;
      for (const head of [data, ...items(member(data, 'streams'))])
        this.claim(head, 'input', where, lane, key);
      if (action === 'closed') stream.closed ??= n;
    } else if (action === 'retention') {
      for (const range of items(member(data, 'ranges'))) {
        const [from, to] = [sequence(member(range, 'from')), sequence(member(range, 'to'))];
        const [id, agent] = [text(range, 'streamid'), text(range, 'agentid')];
        if (from && to && from <= to && id !== undefined && agent !== undefined) {
          this.erasures.push({ id: id.toLowerCase(), from, to, agent, key });
        }
      }
    }
  }

  private whatIsHere(): Set<string> {
    const here = new Set<string>();
    for (const s of this.streams.values()) {
      const carried = s.onlyCheckpoints && s.lane && this.lanesNamed.size > 0 && !this.lanesNamed.has(s.lane);
      if (!carried) here.add(s.id);
    }
    return here;
  }

  /** Deeds: what has an intent and no result, what a result and no intent, what two, and what in which order. */
  private deeds(lost: Record<string, number>): void {
    const deeds = new Map<string, { intents: Half[]; results: Half[] }>();
    for (const half of this.halves.sort((a, b) => a.order - b.order)) {
      const intent = phaseOf(half.copy.data as JsonObject) === 'intent';
      const key = canonical([half.copy.agent ?? '', intent ? half.copy.id : half.copy.causation]);
      let deed = deeds.get(key);
      if (!deed) deeds.set(key, (deed = { intents: [], results: [] }));
      (intent ? deed.intents : deed.results).push(half);
    }
    const declared =
      Object.keys(lost).length > 0 || [...this.streams.values()].some((stream) => stream.erased > 0);
    for (const { intents, results } of deeds.values()) {
      const firstId = results[0]?.copy.id;
      for (const { stream, n, where, copy } of results) {
        if (copy.id !== firstId) {
          stream.add('second_result', n, n, where);
          continue;
        }
        if (intents.some((intent) => intent.stream === stream && intent.n > n)) {
          stream.add('early_result', n, n, where);
        }
        if (intents.length === 0) {
          const weight = declared || this.options.partial ? 'note' : 'findings';
          stream.add('result_alone', n, n, where, { weight });
        }
      }
      const [intent] = intents;
      if (results.length === 0 && intent) intent.stream.add('unfinished', intent.n, intent.n, intent.where);
    }
  }

  private report(lost: Record<string, number>, open: number): Report {
    const best: Verdict = this.keys.length > 0 ? 'sound' : 'unchecked';
    const judge = (start: Verdict, found: readonly Found[]): Verdict =>
      found.reduce<Verdict>((worst, { weight }) => {
        const bears: Verdict = weight !== 'note' ? weight : this.options.strict ? 'findings' : 'sound';
        return ORDER.indexOf(bears) > ORDER.indexOf(worst) ? bears : worst;
      }, start);
    const streams = [...this.streams.values()].map((s) => streamReport(s, judge(best, s.findings)));
    const worst = streams.reduce<Verdict>(
      (all, { verdict }) => (ORDER.indexOf(verdict) > ORDER.indexOf(all) ? verdict : all),
      best,
    );
    const verdict = judge(worst, this.findings);
    const good = verdict === 'sound' || (verdict === 'incomplete' && !this.options.strict);
    const sum = (of: (s: Stream) => number): number =>
      [...this.streams.values()].reduce((n, s) => n + of(s), 0);
    return {
      verdict,
      envelopes: sum((s) => s.envelopes),
      unsigned: sum((s) => s.unsigned),
      malformed: sum((s) => s.malformed) + this.strays.filter(({ kind }) => kind === 'malformed').length,
      streams,
      open,
      lost,
      erased: sum((s) => s.erased),
      findings: this.findings,
      exit: good ? 0 : 1,
    };
  }
}

export function lastOf(stream: Stream): number | undefined {
  return stream.good.last;
}

function streamReport(stream: Stream, verdict: Verdict): StreamReport {
  const last = lastOf(stream);
  const out: StreamReport = {
    streamid: stream.id,
    envelopes: stream.envelopes,
    closed: stream.closed !== undefined,
    verdict,
    findings: merged(stream.findings),
  };
  if (stream.agent !== undefined) out.agentid = stream.agent;
  if (stream.numbers.length > 0) {
    out.first = stream.numbers[0] as number;
    out.last = stream.numbers.at(-1) as number;
  }
  if (last !== undefined) out.head = stream.firstGood(last).hash;
  return out;
}

/** In the order of numbers; neighbours of a key that was not given are one finding. */
function merged(found: readonly Found[]): Found[] {
  const out: Found[] = [];
  const sorted = [...found].sort((a, b) => (a.from ?? Infinity) - (b.from ?? Infinity) || 0);
  const last = new Map<Kind, Found>();
  for (const each of sorted) {
    const before = last.get(each.kind);
    if (each.kind === 'unknown_key' && before?.to !== undefined && before.to + 1 === each.from) {
      before.to = each.to;
      continue;
    }
    const copy = { ...each };
    last.set(each.kind, copy);
    out.push(copy);
  }
  return out;
}
