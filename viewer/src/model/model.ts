// All that the page knows: what it read, what it judged, and the answers that its views ask for. Runs in a worker.

import { isObject, items, member, text, type JsonObject } from '../verify/json.ts';
import { hex, unbase64 } from '../verify/bytes.ts';
import { type Key, fingerprint, readKey } from '../verify/keys.ts';
import { type Copy, check, disclosuresGood, hashed, readLine } from '../verify/line.ts';
import { minus } from '../verify/ranges.ts';
import type { Found, Kind, Stream } from '../verify/stream.ts';
import { type Report, Verifier, lastOf } from '../verify/verifier.ts';
import { differences } from './compare.ts';
import { type Fact, factOf } from './facts.ts';
import { Pieces, type Piece, linesOf, gunzip } from './pieces.ts';
import { runViews, runDetail } from './runs.ts';
import type {
  Api,
  Core,
  EventView,
  Filter,
  LaneView,
  Leave,
  LossView,
  Meta,
  Row,
  RunDetail,
  RunView,
  State,
  StreamView,
  Summary,
  Told,
} from './types.ts';

/** So many findings are sent to the page; their number is said. */
const SHOWN = 500;
/** Kinds that say of lines that are there that they are not what was sealed. */
const WRONG = new Set<Kind>([
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

export class Model implements Api {
  readonly verifier: Verifier;
  readonly pieces = new Pieces();
  readonly facts: Fact[] = [];
  private readonly index = new Map<Copy, number>();
  private readonly lineCount: number[] = [];
  private readonly checkpoints = new Map<number, number>();
  private readonly sourceOf: number[] = [];
  private report: Report | undefined;
  private error: string | undefined;
  private core: Core;
  /** Of how many pieces the core spoke. */
  private corePieces: number;
  private read = 0;
  private states: Uint8Array | undefined;
  private readonly shared = new Map<string, string>();

  constructor(readonly meta: Meta) {
    this.core = meta.core;
    this.corePieces = meta.pieces;
    const keys: Key[] = [];
    for (const { id, alg, raw, agent } of meta.keys) {
      const bytes = raw === undefined ? undefined : unbase64(raw);
      if (bytes) keys.push({ id, alg, raw: bytes, ...(agent === undefined ? {} : { agent }) });
    }
    this.verifier = new Verifier(keys, { partial: meta.options.partial, strict: meta.options.strict });
    for (const [i, { name, kind }] of meta.sources.entries()) {
      this.sourceOf[i] = this.verifier.source(name);
      this.lineCount[i] = 0;
      if (kind === 'checkpoint') this.checkpoints.set(i, this.verifier.checkpointFile(name));
    }
    this.verifier.placed = (copy, e) => {
      this.index.set(copy, this.facts.length);
      this.facts.push(factOf(e, (value) => this.intern(value)));
    };
  }

  private intern(value: string): string {
    const known = this.shared.get(value);
    if (known !== undefined) return known;
    if (this.shared.size < 100_000) this.shared.set(value, value);
    return value;
  }

  /** Takes a piece of the input; `tick` is called now and then, and may wait. */
  async take(piece: Piece, tick: () => Promise<void>): Promise<void> {
    this.pieces.add(piece);
    const { source } = piece;
    if (!piece.gz) {
      this.verifier.stray(source, piece.line);
      this.lineCount[source] = piece.line;
      return;
    }
    const { lines, tail } = linesOf(await gunzip(piece.gz));
    const file = this.checkpoints.get(source);
    const waiting: Promise<void>[] = [];
    for (const [i, line] of lines.entries()) {
      const number = piece.line + i;
      if (file !== undefined) {
        await this.verifier.checkpointLine(file, number, line);
        continue;
      }
      const answer = this.verifier.line(source, number, line, tail && i === lines.length - 1);
      if (answer) waiting.push(answer);
      this.read += 1;
      if (waiting.length >= 256) await Promise.all(waiting.splice(0));
      if (i % 2048 === 2047) await tick();
    }
    await Promise.all(waiting);
    this.lineCount[source] = piece.line + lines.length - 1;
    this.found.clear();
  }

  get lines(): number {
    return this.read;
  }

  /** The graph, compressed until somebody asks for it, or as the command has it now. */
  setGraph(packed: Uint8Array | undefined, leave?: Leave): void {
    this.packed = packed;
    this.leave = leave;
  }

  private packed: Uint8Array | undefined;
  private leave: Leave | undefined;

  judge(): void {
    this.error = undefined;
    try {
      this.report = this.verifier.judge();
    } catch (error) {
      this.report = undefined;
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.mark();
    this.found.clear();
  }

  setCore(core: Core, pieces: number): void {
    this.core = core;
    this.corePieces = pieces;
  }

  /** Says of each line what is to be thought of it. */
  private mark(): void {
    const states = new Uint8Array(this.verifier.copies.length);
    const keys = this.verifier.keys.length > 0;
    for (const [i, copy] of this.verifier.copies.entries()) {
      states[i] = STATES.indexOf(
        !this.report || !keys ? 'unchecked' : copy.covered ? 'verified' : 'unproven',
      );
      if (copy.failing && this.report) states[i] = STATES.indexOf('wrong');
    }
    const wrong = (copy: Copy): void => {
      const i = this.index.get(copy);
      if (i !== undefined) states[i] = STATES.indexOf('wrong');
    };
    for (const stream of this.report ? this.verifier.streams.values() : []) {
      for (const { kind, from, to, where, weight } of stream.findings) {
        if (weight !== 'findings' || !WRONG.has(kind) || from === undefined || to === undefined) continue;
        // A removal is where nothing stands: only what is left as a stub can be wrong.
        const links =
          to - from < stream.numbers.length
            ? numbersIn(stream, from, to)
            : stream.numbers.filter((n) => n >= from && n <= to);
        for (const n of links) {
          for (const copy of stream.at(n).flatMap((link) => link.copies)) {
            if (
              kind === 'removed'
                ? copy.stub
                : from !== to || this.verifier.whereOf(copy) === where || !copy.covered
            )
              wrong(copy);
          }
        }
      }
    }
    this.states = states;
  }

  state(i: number): State {
    return STATES[this.states?.[i] ?? 1] ?? 'unchecked';
  }

  // Answers.

  summary(): Summary {
    const { report, verifier } = this;
    const all = report ? this.told(report) : [];
    const kinds: Record<string, number> = Object.create(null) as Record<string, number>;
    for (const { kind } of all) kinds[kind] = (kinds[kind] ?? 0) + 1;
    all.sort((a, b) => rank(a) - rank(b));
    const [types, agents, runs, used] = [
      new Map<string, number>(),
      new Map<string, number>(),
      new Set<string>(),
      new Map<string, number>(),
    ];
    const states: Record<State, number> = { verified: 0, unchecked: 0, unproven: 0, wrong: 0 };
    let [first, last] = ['', ''];
    for (const [i, copy] of verifier.copies.entries()) {
      types.set(copy.type, (types.get(copy.type) ?? 0) + 1);
      if (copy.agent !== undefined) agents.set(copy.agent, (agents.get(copy.agent) ?? 0) + 1);
      const run = this.facts[i]?.run;
      if (run) runs.add(run);
      if (copy.key) used.set(copy.key.id, (used.get(copy.key.id) ?? 0) + 1);
      states[this.state(i)] += 1;
      if (copy.recorded !== '') {
        if (first === '' || copy.recorded < first) first = copy.recorded;
        if (copy.recorded > last) last = copy.recorded;
      }
    }
    const sorted = (map: Map<string, number>): [string, number][] =>
      [...map].sort((a, b) => b[1] - a[1]).slice(0, 500);
    const secrets = this.meta.keys.some(({ id }) => !verifier.keys.some((key) => key.id === id));
    const spoken = secrets ? this.core.without_secrets : this.core.report;
    const core = this.corePieces === this.pieces.all.length ? spoken : undefined;
    const out: Summary = {
      lines: this.read,
      judged: report !== undefined || this.error !== undefined,
      envelopes: report?.envelopes ?? verifier.copies.length,
      unsigned: report?.unsigned ?? 0,
      malformed: report?.malformed ?? 0,
      erased: report?.erased ?? 0,
      open: report?.open ?? 0,
      lost: { ...report?.lost },
      findings: all.slice(0, SHOWN),
      kinds: { ...kinds },
      keys: this.keys(used),
      sources: this.meta.sources.map((source, i) => ({ ...source, lines: this.lineCount[i] ?? 0 })),
      types: sorted(types),
      agents: sorted(agents),
      runs: runs.size,
      streams: verifier.streams.size,
      states,
      first,
      last,
      differences: report && core ? differences(report, core) : [],
      compared: report !== undefined && core !== undefined,
    };
    if (report) out.verdict = report.verdict;
    if (this.error !== undefined) out.error = this.error;
    if (core) out.coreVerdict = core.verdict;
    return out;
  }

  private keys(used: Map<string, number>): Summary['keys'] {
    const told = this.meta.keys.map(({ id, alg, agent }) => {
      const key = this.verifier.keys.find((each) => each.id === id);
      return {
        id,
        alg,
        ...(agent === undefined ? {} : { agent }),
        fingerprint: key ? fingerprint(key) : '',
        here: key !== undefined,
        used: used.get(id) ?? 0,
      };
    });
    for (const key of this.verifier.keys) {
      if (told.some(({ id }) => id === key.id)) continue;
      told.push({
        id: key.id,
        alg: key.alg,
        fingerprint: fingerprint(key),
        here: true,
        used: used.get(key.id) ?? 0,
      });
    }
    return told;
  }

  private told(report: Report): Told[] {
    const out: Told[] = report.findings.map((found) => this.lead(found, undefined));
    for (const { streamid, findings } of report.streams) {
      const stream = this.verifier.streams.get(streamid);
      for (const found of findings) out.push({ ...this.lead(found, stream), stream: streamid });
    }
    return out;
  }

  private lead(found: Found, stream: Stream | undefined): Told {
    const out: Told = { ...found };
    const copies =
      found.from === undefined ? [] : (stream?.at(found.from) ?? []).flatMap((link) => link.copies);
    const there = copies.find((copy) => this.verifier.whereOf(copy) === found.where) ?? copies[0];
    const at = there ? this.index.get(there) : this.byWhere(found.where, stream);
    if (at !== undefined) out.at = at;
    return out;
  }

  private byWhere(where: string | undefined, stream: Stream | undefined): number | undefined {
    const copy = where && stream?.copies.find((each) => this.verifier.whereOf(each) === where);
    return copy ? this.index.get(copy) : undefined;
  }

  row(i: number): Row {
    const copy = this.verifier.copies[i] as Copy;
    const fact = this.facts[i] as Fact;
    return {
      i,
      n: copy.n,
      stream: copy.stream,
      type: copy.type,
      time: copy.time || copy.recorded,
      agent: copy.agent ?? '',
      run: fact.run,
      label: fact.label,
      outcome: fact.outcome,
      state: this.state(i),
      stub: copy.stub,
      core: copy.core,
    };
  }

  private readonly found = new Map<string, Promise<Int32Array>>();

  private matching(filter: Filter): Promise<Int32Array> | undefined {
    if (Object.values(filter).every((value) => value === undefined || value === '')) return undefined;
    const key = JSON.stringify(filter);
    let found = this.found.get(key);
    if (!found) {
      found = this.search(filter);
      this.found.set(key, found);
      if (this.found.size > 8) this.found.delete(this.found.keys().next().value as string);
    }
    return found;
  }

  private async search(filter: Filter): Promise<Int32Array> {
    const hits = filter.text ? await this.textHits(filter.text) : undefined;
    const out: number[] = [];
    for (const [i, copy] of this.verifier.copies.entries()) {
      const fact = this.facts[i] as Fact;
      if (hits && !hits.has(i)) continue;
      if (filter.type && copy.type !== filter.type) continue;
      if (filter.agent && copy.agent !== filter.agent) continue;
      if (filter.run && fact.run !== filter.run) continue;
      if (filter.stream && copy.stream !== filter.stream) continue;
      if (filter.state && this.state(i) !== filter.state) continue;
      out.push(i);
    }
    return Int32Array.from(out);
  }

  /** The lines that hold a text, in any case of letters. */
  private async textHits(words: string): Promise<Set<number>> {
    const sought = words.toLowerCase();
    const at = new Map<string, number>();
    for (const [i, copy] of this.verifier.copies.entries()) at.set(`${copy.source}:${copy.line}`, i);
    const out = new Set<number>();
    for (const piece of this.pieces.all) {
      const lines = await this.pieces.lines(piece);
      for (const [i, line] of lines.entries()) {
        if (line === undefined || !line.toLowerCase().includes(sought)) continue;
        const hit = at.get(`${piece.source}:${piece.line + i}`);
        if (hit !== undefined) out.add(hit);
      }
    }
    return out;
  }

  async rows(filter: Filter, from: number, count: number): Promise<{ total: number; rows: Row[] }> {
    const found = await this.matching(filter);
    const total = found ? found.length : this.verifier.copies.length;
    const rows: Row[] = [];
    for (let at = Math.max(0, from); at < Math.min(total, from + count); at += 1) {
      rows.push(this.row(found ? (found[at] as number) : at));
    }
    return { total, rows };
  }

  async position(filter: Filter, i: number): Promise<number> {
    const found = await this.matching(filter);
    return found ? found.indexOf(i) : i;
  }

  find(stream: string, n: number): number | undefined {
    const copy = this.verifier.streams.get(stream)?.at(n)[0]?.kept;
    return copy && this.index.get(copy);
  }

  async parsed(i: number): Promise<JsonObject | undefined> {
    const copy = this.verifier.copies[i];
    if (!copy) return undefined;
    const read = readLine(await this.pieces.line(copy.source, copy.line));
    return read.what === 'placed' ? read.e : undefined;
  }

  async event(i: number): Promise<EventView> {
    const copy = this.verifier.copies[i] as Copy;
    const line = (await this.pieces.line(copy.source, copy.line)) ?? '';
    const read = readLine(line);
    const e: JsonObject = read.what === 'placed' ? read.e : {};
    const stream = this.verifier.streams.get(copy.stream);
    const readable = /^[0-9a-f]{64}$/.test(copy.hash);
    const sums = readable ? hashed(e) : undefined;
    const at = stream ? stream.numbers.indexOf(copy.n) : -1;
    const link = stream?.at(copy.n).find((each) => each.copies.includes(copy));
    const neighbour = (n: number | undefined): number | undefined =>
      n === undefined || !stream ? undefined : this.find(stream.id, n);
    const before = stream && at > 0 ? stream.at(stream.numbers[at - 1] as number)[0] : undefined;
    const where = this.verifier.whereOf(copy);
    const why = (stream?.findings ?? []).filter(
      ({ from, to, where: place }) =>
        from !== undefined &&
        to !== undefined &&
        from <= copy.n &&
        copy.n <= to &&
        (from !== to || place === where || !place),
    );
    const data = member(e, 'data');
    return {
      row: this.row(i),
      where,
      line: line.slice(0, 200_000),
      canonical: copy.canonical,
      event: sums?.event?.slice(0, 200_000),
      place: sums?.place ?? '',
      digest: sums ? hex(sums.digest) : '',
      hash: readable ? copy.hash : '',
      prev: copy.prev ?? '',
      keyid: copy.keyid ?? '',
      sigalg: text(e, 'sigalg') ?? '',
      signature: text(e, 'signature') ?? '',
      seal: copy.seal,
      covered: copy.covered,
      coveredBy: link?.by && link.by !== copy ? `number ${link.by.n}` : '',
      why: why.map((found) => `${found.kind}\n${found.why ?? ''}`),
      content: isObject(data) ? contentOf(data) : [],
      before: neighbour(stream && at > 0 ? stream.numbers[at - 1] : undefined),
      after: neighbour(stream && at >= 0 ? stream.numbers[at + 1] : undefined),
      previousHash: before && before.n === copy.n - 1 ? before.hash : undefined,
      others: (stream?.at(copy.n) ?? [])
        .flatMap((each) => each.copies)
        .filter((each) => each !== copy)
        .slice(0, 20)
        .map((each) => this.index.get(each) ?? 0),
    };
  }

  streams(): StreamView[] {
    return [...this.verifier.streams.values()].map((stream) => this.streamView(stream));
  }

  private streamView(stream: Stream): StreamView {
    const report = this.report?.streams.find(({ streamid }) => streamid === stream.id);
    const first = stream.numbers[0] ?? 0;
    const last = stream.numbers.at(-1) ?? 0;
    const stretches: StreamView['stretches'] = [];
    const put = (from: number, to: number, what: StreamView['stretches'][number]['what']): void => {
      const before = stretches.at(-1);
      if (before && before.what === what && before.to === from - 1) before.to = to;
      else if (stretches.length < 2000) stretches.push({ from, to, what });
    };
    const lowest =
      report?.findings
        .filter(({ kind, from }) => (kind === 'removed' || kind === 'gap') && from !== undefined)
        .reduce((low, { from }) => Math.min(low, from as number), first) ?? first;
    let next = Math.min(first, lowest);
    const hole = (from: number, to: number): void => {
      const holes: [number, number, 'missing' | 'declared'][] = [];
      for (const [a, b] of minus(from, to, stream.declared)) holes.push([a, b, 'missing']);
      for (const [a, b] of stream.declared.list) {
        if (b >= from && a <= to) holes.push([Math.max(a, from), Math.min(b, to), 'declared']);
      }
      for (const [a, b, what] of holes.sort((x, y) => x[0] - y[0])) put(a, b, what);
    };
    for (const n of stream.numbers) {
      if (n > next) hole(next, n - 1);
      const kept = (stream.good.get(n)?.[0] ?? stream.at(n)[0])?.kept;
      const i = kept && this.index.get(kept);
      const states = stream
        .at(n)
        .flatMap((link) => link.copies)
        .map((copy) => this.state(this.index.get(copy) ?? -1));
      const state = states.includes('wrong') ? 'wrong' : i === undefined ? 'unchecked' : this.state(i);
      put(n, n, kept?.stub && state === 'verified' ? 'erased' : state);
      next = n + 1;
    }
    for (const { kind, from, to } of report?.findings ?? []) {
      if (kind === 'truncated' && from !== undefined && to !== undefined) put(from, to, 'missing');
    }
    const marks: StreamView['marks'] = [];
    const keys = new Set<string>();
    for (const copy of stream.copies) {
      if (copy.seal === 'good' && copy.keyid !== undefined && keys.size < 50) keys.add(copy.keyid);
      if (!copy.core || marks.length >= 400) continue;
      const action = String(copy.said('action') ?? '');
      if (copy.isOwn('audit.chain')) {
        const what = action.startsWith('key_')
          ? 'key'
          : action === 'checkpoint'
            ? 'checkpoint'
            : action === 'opened'
              ? 'opened'
              : action === 'closed'
                ? 'closed'
                : undefined;
        if (what)
          marks.push({ n: copy.n, what, text: `${action} ${String(copy.said('keyid') ?? '')}`.trim() });
      } else if (copy.isOwn('heartbeat')) marks.push({ n: copy.n, what: 'heartbeat', text: 'heartbeat' });
    }
    const times = stream.copies.map(({ recorded }) => recorded).filter((time) => time !== '');
    return {
      id: stream.id,
      agent: stream.agent ?? stream.copies.find(({ agent }) => agent !== undefined)?.agent ?? '',
      lane: stream.lane ?? '',
      verdict: report?.verdict,
      envelopes: stream.envelopes,
      first: Math.min(first, lowest),
      last: Math.max(last, ...stretches.slice(-3).map(({ to }) => to)),
      firstTime: times.reduce((a, b) => (a < b ? a : b), times[0] ?? ''),
      lastTime: times.reduce((a, b) => (a > b ? a : b), ''),
      closed: stream.closed !== undefined,
      follows: stream.start > 1,
      stretches,
      marks,
      modes: stream.modes.map(([n, sign]) => ({ n, sign: sign ?? 'unknown' })),
      keys: [...keys],
      checkpointed: stream.closed !== undefined ? (lastOf(stream) ?? 0) : stream.checkpointed,
      findings: (report?.findings ?? [])
        .slice(0, SHOWN)
        .map((found) => ({ ...this.lead(found, stream), stream: stream.id })),
    };
  }

  runs(): RunView[] {
    return runViews(this);
  }

  run(id: string): Promise<RunDetail | undefined> {
    return runDetail(this, id);
  }

  losses(): LossView {
    const lanes = new Map<string, { lane: string; reasons: Record<string, number>; total: number }>();
    const declared: LossView['declared'] = [];
    let total = 0;
    for (const loss of this.report ? this.verifier.declared : []) {
      const lane = loss.lane ?? '';
      let of = lanes.get(lane);
      if (!of)
        lanes.set(lane, (of = { lane, reasons: Object.create(null) as Record<string, number>, total: 0 }));
      of.reasons[loss.reason] = (of.reasons[loss.reason] ?? 0) + loss.events;
      of.total += loss.events;
      total += loss.events;
      declared.push({
        time: loss.time,
        lane,
        reason: loss.reason,
        events: loss.events,
        stream: loss.stream,
        n: loss.n,
        at: this.find(loss.stream, loss.n),
      });
    }
    let undeclared = 0;
    for (const stream of this.report?.streams ?? []) {
      for (const { kind, from, to } of stream.findings) {
        if (
          (kind === 'gap' || kind === 'removed' || kind === 'truncated') &&
          from !== undefined &&
          to !== undefined
        )
          undeclared += to - from + 1;
      }
    }
    const said = Object.values(this.report?.lost ?? {}).reduce((a, b) => a + b, 0);
    const heartbeats: LossView['heartbeats'] = [];
    for (const [i, copy] of this.verifier.copies.entries()) {
      if (!copy.isOwn('heartbeat')) continue;
      const counters = copy.said('counters');
      heartbeats.push({
        lane: String(copy.said('lane') ?? ''),
        time: copy.recorded,
        counters: isObject(counters) ? numbersOf(counters) : {},
        state: this.state(i),
      });
    }
    return {
      lanes: [...lanes.values()].map((lane) => ({ ...lane, reasons: { ...lane.reasons } })),
      declared: declared.slice(0, 5000),
      total,
      undeclared,
      balances: total === said && undeclared === 0,
      heartbeats: heartbeats.slice(-200),
    };
  }

  lanes(): LaneView[] {
    const lanes = new Map<string, LaneView>();
    const at = (lane: string): LaneView => {
      let of = lanes.get(lane);
      if (!of) lanes.set(lane, (of = { lane, changes: [], counters: {}, now: '', heard: '' }));
      return of;
    };
    for (const [i, copy] of this.verifier.copies.entries()) {
      if (!copy.core) continue;
      const name = copy.said('lane');
      if (typeof name !== 'string') continue;
      const say = (state: string, words: string): void => {
        const lane = at(name);
        if (lane.changes.length < 2000)
          lane.changes.push({ time: copy.recorded, state, text: words, at: i, proof: this.state(i) });
        if (this.state(i) !== 'wrong' && this.state(i) !== 'unproven') {
          lane.now = state;
          lane.heard = copy.recorded;
        }
      };
      const state = copy.said('state');
      if (copy.isOwn('sink.failed') || copy.isOwn('sink.recovered')) {
        say(
          String(state ?? ''),
          [copy.said('failure'), copy.said('summary')].filter((x) => typeof x === 'string').join(': '),
        );
      } else if (copy.isOwn('audit.chain', 'opened')) {
        say('opened', `started (${String(copy.said('why') ?? '')})`);
      } else if (copy.isOwn('audit.chain', 'closed')) {
        say('closed', 'closed in order');
      } else if (copy.isOwn('heartbeat')) {
        const lane = at(name);
        const counters = copy.said('counters');
        if (isObject(counters) && this.state(i) !== 'wrong') lane.counters = numbersOf(counters);
        if (lane.now !== String(state ?? '') && typeof state === 'string') say(state, 'heartbeat');
        lane.heard = copy.recorded;
      }
    }
    for (const lane of lanes.values()) lane.changes.sort((a, b) => (a.time < b.time ? -1 : 1));
    return [...lanes.values()];
  }

  /** The core's graph; each node is held against what this page itself verified. */
  async graph(): Promise<(Leave & { doubts: string[]; at: Record<string, number> }) | undefined> {
    if (this.packed) {
      this.leave = JSON.parse(new TextDecoder().decode(await gunzip(this.packed))) as Leave;
      this.packed = undefined;
    }
    if (!this.leave) return undefined;
    const { graph, text: words } = this.leave;
    const doubts: string[] = [];
    const at: Record<string, number> = {};
    const secrets = this.meta.keys.some(({ id }) => !this.verifier.keys.some((key) => key.id === id));
    const nodes = graph.nodes.map((node) => {
      const { envelope } = node;
      if (!envelope) return node;
      const stream = this.verifier.streams.get(envelope.streamid);
      const copy = stream?.at(Number(envelope.sequence)).find(({ hash }) => hash === envelope.hash)?.kept;
      const i = copy && this.index.get(copy);
      if (i !== undefined) at[node.id] = i;
      const mine = i === undefined ? false : this.state(i) === 'verified';
      if (i === undefined) doubts.push(`${node.id}: no line of this page has this hash`);
      else if (
        !secrets &&
        envelope.verified !== null &&
        envelope.verified !== mine &&
        this.verifier.keys.length > 0
      ) {
        doubts.push(
          `${node.id}: the command says ${envelope.verified ? 'verified' : 'not verified'}, this page the opposite`,
        );
      }
      return { ...node, envelope: { ...envelope, verified: this.verifier.keys.length > 0 ? mine : null } };
    });
    return { graph: { ...graph, nodes }, text: words, doubts, at };
  }

  /** A key that somebody gives to the open page; answers what is wrong with it, or nothing. */
  async give(id: string, form: string, bytes: Uint8Array): Promise<string> {
    try {
      const key = readKey(id, form, bytes);
      const told = this.meta.keys.find((each) => each.id === id);
      if (told?.agent !== undefined) key.agent = told.agent;
      this.verifier.keys = [...this.verifier.keys.filter((each) => each.id !== id), key];
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    await this.checkAgain();
    this.judge();
    return '';
  }

  private async checkAgain(): Promise<void> {
    const bySource = new Map<string, Copy>();
    for (const copy of this.verifier.copies) bySource.set(`${copy.source}:${copy.line}`, copy);
    for (const piece of this.pieces.all) {
      if (this.checkpoints.has(piece.source)) continue;
      const waiting: Promise<void>[] = [];
      for (const [i, line] of (await this.pieces.lines(piece)).entries()) {
        const copy = bySource.get(`${piece.source}:${piece.line + i}`);
        const read = copy && readLine(line);
        if (!copy || read?.what !== 'placed') continue;
        copy.ownKey = undefined;
        const answer = check(copy, read.e, this.verifier.keys);
        if (answer) waiting.push(answer);
      }
      await Promise.all(waiting);
    }
    for (const file of this.verifier.checkpointFiles) {
      for (const { copy, e } of file.lines) if (copy && e) await check(copy, e, this.verifier.keys);
    }
  }
}

const STATES: readonly State[] = ['verified', 'unchecked', 'unproven', 'wrong'];

function rank({ kind, weight }: Told): number {
  const order: Kind[] = [
    'altered',
    'removed',
    'conflict',
    'truncated',
    'missing_stream',
    'gap',
    'unsigned',
    'unknown_key',
  ];
  const at = order.indexOf(kind);
  return (weight === 'findings' ? 0 : weight === 'incomplete' ? 100 : 200) + (at < 0 ? 50 : at);
}

function* numbersIn(stream: Stream, from: number, to: number): Generator<number> {
  for (let n = from; n <= to; n += 1) if (stream.links.has(n)) yield n;
}

export function numbersOf(object: JsonObject): Record<string, number> {
  const out: Record<string, number> = {};
  for (const [key, value] of Object.entries(object)) {
    if (typeof value === 'number') Object.defineProperty(out, key, { value, enumerable: true });
    else if (isObject(value)) {
      for (const [inner, n] of Object.entries(value)) {
        if (typeof n === 'number')
          Object.defineProperty(out, `${key}.${inner}`, { value: n, enumerable: true, configurable: true });
      }
    }
  }
  return out;
}

function contentOf(data: JsonObject): EventView['content'] {
  const open = new Map<number, JsonObject>();
  for (const d of items(member(data, 'disclosures'))) {
    const part = member(d, 'part');
    if (typeof part === 'number') open.set(part, d);
  }
  const fits = member(data, 'disclosures') === undefined || disclosuresGood(data);
  return items(member(data, 'content')).map((part, i) => {
    const disclosed = open.get(i);
    const size = member(part, 'size');
    const words = disclosed ? (text(disclosed, 'text') ?? '(bytes)') : undefined;
    return {
      part: i,
      what: text(part, 'class') ?? '',
      mode: text(part, 'mode') ?? '',
      size: typeof size === 'number' ? size : 0,
      text: words,
      fits,
    };
  });
}
