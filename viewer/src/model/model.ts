// All that the page knows: what it read, what it judged, and the answers that its views ask for. Runs in a worker.

import { isObject, items, member, text, type JsonObject } from '../verify/json.ts';
import { first } from '../verify/ranges.ts';
import { hex, unbase64 } from '../verify/bytes.ts';
import { type Key, fingerprint, readKey } from '../verify/keys.ts';
import { type Copy, check, disclosuresGood, hashed, readLine } from '../verify/line.ts';
import { Judgement, type Report, type Verdict } from '../verify/judgement.ts';
import type { Found, Kind, Stream } from '../verify/stream.ts';
import { Verifier } from '../verify/verifier.ts';
import { type Fact as Says, MOST, factOf as authorityOf, graphDifferences, graphOf } from './authority.ts';
import { differences } from './compare.ts';
import { type Fact, factOf } from './facts.ts';
import { Pieces, type Piece, gunzip, linesOf, unpacked } from './pieces.ts';
import { laneViews, lossView, requiredViews } from './lanes.ts';
import { runViews, runDetail } from './runs.ts';
import { States } from './states.ts';
import { streamViews } from './streams.ts';
import { Tree } from './tree.ts';
import type {
  Api,
  AuditView,
  Authority,
  Core,
  EventView,
  Filter,
  Graph,
  LaneView,
  Leave,
  LossView,
  Meta,
  RequiredView,
  Row,
  RunDetail,
  RunView,
  State,
  StreamView,
  Summary,
  Told,
} from './types.ts';

/** So many findings are sent to the page; their number is said. */
export const SHOWN = 500;
/** Of so many events that say something of authority the graph is worked out each time that all is judged. */
const COMPARED = 20_000;
export class Model implements Api {
  readonly verifier: Verifier;
  readonly pieces = new Pieces();
  readonly facts: Fact[] = [];
  private readonly lineCount: number[] = [];
  private readonly checkpoints = new Map<number, number>();
  private readonly sourceOf: number[] = [];
  report: Report | undefined;
  /** What was judged last; nothing, before that. */
  judged = new Judgement(new Verifier([], {}));
  private error: string | undefined;
  /** Why not all of the page can be read. */
  private damaged: string | undefined;
  private findings: Pick<Summary, 'findings' | 'kinds' | 'place'> = {
    findings: [],
    kinds: {},
    place: { here: [] },
  };
  /** Of how many pieces the report is. */
  private judgedPieces = 0;
  private core: Core;
  /** Of how many pieces the core spoke. */
  private corePieces: number;
  /** What the command was asked about, while there was more to come. */
  private asked: { pieces: number; lines: number; report: Report } | undefined;
  private compared: { pieces: number; lines: number; differences: string[]; verdict: Verdict } | undefined;
  private read = 0;
  /** So many lines were read, and their own signatures looked at. */
  private settled = 0;
  /** Whether keys are being changed: then nothing can be judged. */
  changing = 0;
  private readonly states = new States();
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
      this.facts.push(factOf(e, (value) => this.intern(value)));
      this.count(copy);
      const said = this.tooMany ? undefined : authorityOf(copy, e);
      if (said) this.says.push(said);
      if (this.says.length > MOST) {
        // None is kept where they are too many, as each takes memory.
        this.tooMany = true;
        this.says.length = 0;
      }
    };
  }

  // What is summed up as lines come, so that a summary of very many costs little.
  private readonly types = new Map<string, number>();
  private readonly agents = new Map<string, number>();
  private readonly tools = new Map<string, number>();
  private readonly runsSeen = new Set<string>();
  private first = '';
  private last = '';

  private count({ type, agent, recorded, at }: Copy): void {
    this.types.set(type, (this.types.get(type) ?? 0) + 1);
    if (agent !== undefined) this.agents.set(agent, (this.agents.get(agent) ?? 0) + 1);
    const { run, tool } = this.facts[at] as Fact;
    if (run) this.runsSeen.add(run);
    if (tool && (this.tools.has(tool) || this.tools.size < 10_000))
      this.tools.set(tool, (this.tools.get(tool) ?? 0) + 1);
    if (recorded === '') return;
    if (this.first === '' || recorded < this.first) this.first = recorded;
    if (recorded > this.last) this.last = recorded;
  }

  private intern(value: string): string {
    const known = this.shared.get(value);
    if (known !== undefined) return known;
    if (this.shared.size < 100_000) this.shared.set(value, value);
    return value;
  }

  /**
   * Takes a piece of the input, of which `bytes` are what is in it, or nothing where it cannot be unpacked; `tick` is called now
   * and then, and may wait.
   */
  async take(piece: Piece, tick: () => Promise<void>, bytes = unpacked(piece.gz)): Promise<void> {
    this.pieces.add(piece);
    const { source } = piece;
    if (!piece.gz) {
      this.verifier.stray(source, piece.line);
      this.lineCount[source] = piece.line;
      return;
    }
    const lineBytes = await bytes;
    if (!lineBytes) {
      this.damaged = `what follows line ${piece.line - 1} of ${this.meta.sources[source]?.name ?? 'a file'} cannot be unpacked: the page was changed or cut off`;
      return;
    }
    const { lines, tail } = linesOf(lineBytes);
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
    this.settled = this.verifier.copies.length;
    if (this.changing === 0 && this.report) this.states.ahead(this.verifier.copies, this.settled);
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

  /** Judges all that was read, at once. */
  judge(): void {
    for (const steps = this.judging(); !steps.next().done;);
  }

  /** Judges all that was read when it begins, in steps: what is read and asked between them does no harm. */
  *judging(): Generator<void> {
    const pieces = this.pieces.all.length;
    const judgement = new Judgement(this.verifier);
    let report: Report | undefined;
    let error = this.damaged;
    yield;
    try {
      if (error === undefined) report = yield* judgement.steps();
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    // By other keys all is judged anew.
    if (judgement.keys !== this.verifier.keys) return;
    yield* this.states.take(judgement, report, this.verifier.copies, this.settled);
    this.report = report;
    this.error = error;
    this.judged = judgement;
    this.judgedPieces = pieces;
    this.own = undefined;
    this.graphDiffers = [];
    this.found.clear();
    this.summed();
    this.compare(pieces, judgement.lines, report);
  }

  setCore(core: Core, pieces: number): void {
    this.core = core;
    this.corePieces = pieces;
    if (this.judgedPieces === pieces) this.compare(pieces, this.judged.lines, this.report);
    else if (this.asked?.pieces === pieces) this.compare(pieces, this.asked.lines, this.asked.report);
    this.asked = undefined;
  }

  /** Keeps what was judged last until the command says what it thinks of the same pieces; answers how many those are. */
  ask(): number {
    const { report, judgedPieces: pieces } = this;
    this.asked = report && { pieces, lines: this.judged.lines, report };
    return pieces;
  }

  private compare(pieces: number, lines: number, report: Report | undefined): void {
    const secrets = this.meta.keys.some(({ id }) => !this.verifier.keys.some((key) => key.id === id));
    const spoken = secrets ? this.core.without_secrets : this.core.report;
    if (!spoken || pieces !== this.corePieces) return;
    this.compared = report && {
      pieces,
      lines,
      differences: differences(report, spoken),
      verdict: spoken.verdict,
    };
  }

  state(i: number): State {
    return this.states.state(i);
  }

  /** The findings as the page tells them, the worst first. */
  private summed(): void {
    const all = this.report ? this.told(this.report) : [];
    const kinds: Record<string, number> = Object.create(null) as Record<string, number>;
    for (const [{ kind }] of all) kinds[kind] = (kinds[kind] ?? 0) + 1;
    all.sort(([a], [b]) => rank(a) - rank(b));
    const findings = all.slice(0, SHOWN).map(([found, stream]) => ({
      ...this.lead(found, stream),
      ...(stream ? { stream: stream.id } : {}),
    }));
    this.findings = { findings, kinds: { ...kinds }, place: this.placeOf(findings[0], all[0]?.[1]) };
  }

  /** What stands where something was found, and beside it. */
  private placeOf(found: Told | undefined, stream: Stream | undefined): Summary['place'] {
    const rowAt = (i: number): Row | undefined => {
      const copy = stream?.rows[i]?.[0]?.kept;
      return copy && this.row(copy.at);
    };
    const out: Summary['place'] = { here: [] };
    if (!found || !stream || found.from === undefined || found.to === undefined) {
      if (found?.at !== undefined) out.here.push(this.row(found.at));
      return out;
    }
    const { from, to } = found;
    const low = first(stream.numbers, (n) => n >= from);
    const high = first(stream.numbers, (n) => n > to);
    const [before, after] = [rowAt(low - 1), rowAt(high)];
    if (before) out.before = before;
    if (after) out.after = after;
    if (low === high) return out;
    // Of a place that two lines claim, the one that is blamed.
    const alone = from === to && found.at !== undefined;
    for (let i = low; i < high && out.here.length < 3; i += 1) {
      const row = alone ? this.row(found.at as number) : rowAt(i);
      if (row) out.here.push(row);
    }
    return out;
  }

  // Answers.

  summary(): Summary {
    const { report, verifier, compared } = this;
    const states = { ...this.states.counted };
    states.unchecked = verifier.copies.length - states.verified - states.unproven - states.wrong;
    const { types, agents, runsSeen: runs } = this;
    const sorted = (map: Map<string, number>): [string, number][] =>
      [...map].sort((a, b) => b[1] - a[1]).slice(0, 500);
    const now = compared?.pieces === this.judgedPieces;
    const out: Summary = {
      lines: this.read,
      judged: report !== undefined || this.error !== undefined,
      judgedLines: this.judged.lines,
      newer: verifier.copies.length - this.judged.lines,
      envelopes: report?.envelopes ?? verifier.copies.length,
      unsigned: report?.unsigned ?? 0,
      malformed: report?.malformed ?? 0,
      erased: report?.erased ?? 0,
      open: report?.open ?? 0,
      lost: { ...report?.lost },
      ...this.findings,
      keys: this.keys(this.states.used),
      sources: this.meta.sources.map((source, i) => ({ ...source, lines: this.lineCount[i] ?? 0 })),
      types: sorted(types),
      agents: sorted(agents),
      tools: sorted(this.tools),
      runs: runs.size,
      streams: verifier.streams.size,
      states,
      first: this.first,
      last: this.last,
      differences: compared
        ? [...compared.differences, ...(now ? this.graphDiffers.map((each) => `authority: ${each}`) : [])]
        : [],
      compared: compared !== undefined,
      comparedLines: now ? this.judged.lines : (compared?.lines ?? 0),
    };
    if (report) out.verdict = report.verdict;
    if (this.error !== undefined) out.error = this.error;
    if (compared) out.coreVerdict = compared.verdict;
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

  private told(report: Report): [found: Found, stream: Stream | undefined][] {
    const out: [Found, Stream | undefined][] = report.findings.map((found) => [found, undefined]);
    for (const { streamid, findings } of report.streams) {
      const stream = this.judged.streams.get(streamid);
      for (const found of findings) out.push([found, stream]);
    }
    return out;
  }

  lead(found: Found, stream: Stream | undefined): Told {
    const out: Told = { ...found };
    const copies =
      found.from === undefined ? [] : (stream?.at(found.from) ?? []).flatMap((link) => link.copies);
    const there = copies.find((copy) => this.verifier.whereOf(copy) === found.where) ?? copies[0];
    const at = there ? there.at : this.byWhere(found.where, stream);
    if (at !== undefined) out.at = at;
    return out;
  }

  private byWhere(where: string | undefined, stream: Stream | undefined): number | undefined {
    const line = Number(where?.slice(where.lastIndexOf(':') + 1));
    const fits = (each: Copy): boolean => each.line === line && this.verifier.whereOf(each) === where;
    return stream?.copies.find(fits)?.at;
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
      if (filter.tool && fact.tool !== filter.tool) continue;
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
    const known = this.judged.streams.get(stream)?.at(n)[0]?.kept.at;
    // It may have come since all was judged.
    return known ?? this.verifier.streams.get(stream)?.find((copy) => copy.n === n)?.at;
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
    const stream = this.judged.streams.get(copy.stream);
    const readable = /^[0-9a-f]{64}$/.test(copy.hash);
    const sums = readable ? hashed(e) : undefined;
    const at = stream ? stream.links.indexOf(copy.n) : -1;
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
    const audit = await this.auditOf(copy);
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
      seal: this.states.seal(copy),
      covered: this.states.covered(copy.at),
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
        .map((each) => each.at),
      audit,
    };
  }

  private readonly trees = new Map<number, Tree>();

  /** Of a line of an audit log its place in the log's tree, by the smallest tree that a head here vouches for. */
  private async auditOf(copy: Copy): Promise<AuditView | undefined> {
    const { source } = copy;
    // A source of which the command does not say that it is a log is one where a head names the tree of its lines.
    const told = this.meta.sources[source]?.audit === true;
    if (!told && !this.verifier.copies.some((each) => each.isOwn('audit.chain', 'tree_head')))
      return undefined;
    let tree = this.trees.get(source);
    if (!tree) this.trees.set(source, (tree = new Tree()));
    let index = -1;
    let leaves = 0;
    for (const each of this.verifier.copies) {
      if (each.source !== source) continue;
      if (each === copy) index = leaves;
      leaves += 1;
      if (leaves <= tree.size) continue;
      // A line of an unknown form has no hash, and the tree cannot be worked out beyond it.
      if (!/^[0-9a-f]{64}$/.test(each.hash)) break;
      tree.add(each.hash);
      if (tree.size % 8192 === 0) await new Promise<void>((go) => setTimeout(go));
    }
    if (index < 0 || index >= tree.size) return undefined;
    const only = told && this.meta.sources.filter(({ audit }) => audit).length === 1;
    let head: AuditView['head'];
    let size = tree.size;
    for (const [at, each] of this.verifier.copies.entries()) {
      if (!each.isOwn('audit.chain', 'tree_head')) continue;
      const [named, root] = [each.said('size'), each.said('root')];
      if (typeof named !== 'number' || !Number.isInteger(named) || typeof root !== 'string') continue;
      const proof = this.state(at);
      if (proof === 'wrong' || proof === 'unproven' || named <= index || named > tree.size) continue;
      const agrees = tree.root(named) === root;
      // Of several logs, a head that does not fit may be another one's. One that does not fit comes first.
      if (!agrees && !only) continue;
      if (head && (head.agrees ? agrees && named >= size : agrees || named >= size)) continue;
      head = { at, time: each.recorded, proof, root, agrees };
      size = named;
    }
    if (!told && !head) return undefined;
    return { index, size, root: tree.root(size), steps: tree.proof(index, size), head };
  }

  streams(): StreamView[] {
    return streamViews(this);
  }

  runs(): RunView[] {
    return runViews(this);
  }

  run(id: string): Promise<RunDetail | undefined> {
    return runDetail(this, id);
  }

  losses(): LossView {
    return lossView(this);
  }

  lanes(): { lanes: LaneView[]; required: RequiredView[] } {
    return { lanes: laneViews(this), required: requiredViews(this) };
  }

  /** What events say of authority; nothing, where they are too many. */
  private readonly says: Says[] = [];
  private tooMany = false;
  private own: Graph | undefined;
  private graphDiffers: string[] = [];

  /** The graph as this page works it out; nothing, where too many events say something of authority. */
  private ownGraph(): Graph | undefined {
    if (this.tooMany || !this.report) return undefined;
    if (!this.own) {
      const ids = new Set<string>();
      for (const copy of this.verifier.copies)
        if (!copy.stub && copy.form === undefined && copy.hash.length === 64) ids.add(copy.id);
      this.own = graphOf(this.says, ids, this.verifier.keys.length > 0);
    }
    return this.own;
  }

  private async unpackGraph(): Promise<void> {
    if (!this.packed) return;
    const { packed } = this;
    this.packed = undefined;
    this.leave = JSON.parse(new TextDecoder().decode(await gunzip(packed))) as Leave;
  }

  /** Whether the command spoke of the same lines, by the same keys. */
  private get likeCore(): boolean {
    const secrets = this.meta.keys.some(({ id }) => !this.verifier.keys.some((key) => key.id === id));
    return (
      !secrets && this.verifier.keys.length === this.meta.keys.length && this.judgedPieces === this.corePieces
    );
  }

  /** Compares the graphs where that costs little, so that the verdict's page tells where they differ. */
  async compareGraphs(): Promise<void> {
    if (this.tooMany || this.says.length > COMPARED) return;
    await this.unpackGraph();
    const own = this.ownGraph();
    this.graphDiffers = own && this.leave && this.likeCore ? graphDifferences(own, this.leave.graph) : [];
  }

  /** The graph as the command tells it, with what this page found in its own. */
  async graph(): Promise<Authority | undefined> {
    await this.unpackGraph();
    const own = this.ownGraph();
    const told = this.leave;
    const graph = told?.graph ?? own;
    if (!graph) return undefined;
    const doubts = own && told && this.likeCore ? graphDifferences(own, told.graph) : [];
    const at: Record<string, number> = {};
    const runs: Record<string, string> = {};
    const nodes = graph.nodes.map((node) => {
      const { envelope } = node;
      if (!envelope) return node;
      const stream = this.judged.streams.get(envelope.streamid);
      const i = stream?.at(Number(envelope.sequence)).find(({ hash }) => hash === envelope.hash)?.kept.at;
      const run = i === undefined ? undefined : this.facts[i]?.run;
      if (run) runs[node.id] = run;
      if (i !== undefined) at[node.id] = i;
      else doubts.push(`${node.id}: no line of this page has this hash`);
      const mine = i !== undefined && this.state(i) === 'verified';
      return { ...node, envelope: { ...envelope, verified: this.verifier.keys.length > 0 ? mine : null } };
    });
    const mine = own?.findings ?? [];
    const same = new Set(mine.map(({ kind, node }) => `${kind} ${node}`));
    const others = (told?.graph.findings ?? []).filter(({ kind, node }) => !same.has(`${kind} ${node}`));
    const findings = own ? [...mine, ...(this.likeCore ? others : [])] : (told?.graph.findings ?? []);
    return {
      graph: { ...graph, nodes, findings },
      text: told?.text ?? '',
      doubts,
      at,
      runs,
      by: own && told ? (this.likeCore ? 'both' : 'apart') : own ? 'page' : 'command',
    };
  }

  /** A key that somebody gives to the open page; answers what is wrong with it, or nothing. Then all is to be judged again. */
  async give(id: string, form: string, bytes: Uint8Array): Promise<string> {
    this.changing += 1;
    try {
      const key = readKey(id, form, bytes);
      const told = this.meta.keys.find((each) => each.id === id);
      if (told?.agent !== undefined) key.agent = told.agent;
      this.verifier.keys = [...this.verifier.keys.filter((each) => each.id !== id), key];
      await this.checkAgain();
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      this.changing -= 1;
    }
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

function rank({ kind, weight }: Found): number {
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
      digest: text(part, 'digest') ?? '',
      size: typeof size === 'number' ? size : 0,
      text: words,
      fits,
    };
  });
}
