// What passes between the page and its worker.

import type { Found } from '../verify/stream.ts';
import type { Verdict } from '../verify/judgement.ts';

/** What the command tells the page, beside the lines. */
export interface Meta {
  format: number;
  version: string;
  /** When the page was made, in milliseconds of 1970. */
  made: number;
  sources: { name: string; kind: 'input' | 'checkpoint'; bytes: number; audit?: boolean }[];
  pieces: number;
  keys: { id: string; alg: 'ed25519' | 'hmac-sha256'; raw?: string; agent?: string }[];
  options: { partial: boolean; strict: boolean };
  live: boolean;
  core: Core;
}

export interface CoreFinding {
  kind: string;
  from?: number;
  to?: number;
  where?: string;
  note: string;
}

export interface CoreReport {
  verdict: Verdict;
  envelopes: number;
  unsigned: number;
  malformed: number;
  open: number;
  lost: Record<string, number>;
  erased: number;
  findings: CoreFinding[];
  streams: {
    streamid: string;
    verdict: Verdict;
    envelopes: number;
    closed: boolean;
    findings: CoreFinding[];
  }[];
  beside?: string[];
}

export interface Core {
  report: CoreReport;
  without_secrets?: CoreReport;
}

/** The authorization graph, as the core worked it out, and the same in words. */
export interface Leave {
  graph: Graph;
  text: string;
}

/** The graph with its findings; `doubts`: where page and command differ; `at`: the lines that nodes stand for. */
export interface Authority extends Leave {
  doubts: string[];
  at: Record<string, number>;
  /** By node the run of its event. */
  runs: Record<string, string>;
  /** Who worked it out; `apart`: both, of other lines or by other keys, so that they cannot be compared. */
  by: 'both' | 'apart' | 'page' | 'command';
}

export interface GraphNode {
  id: string;
  kind: string;
  name: string;
  envelope?: {
    id: string;
    type: string;
    agentid: string;
    streamid: string;
    sequence: number;
    hash: string;
    time: string;
    where: string;
    verified: boolean | null;
  };
  [more: string]: unknown;
}

export interface Graph {
  nodes: GraphNode[];
  edges: { kind: string; from: string; to: string; member: string; there: boolean }[];
  findings: { kind: string; node: string; note: string }[];
}

/**
 * What is to be thought of a line. `verified`: a signature of a key that was given covers it, and nothing was found about it.
 * `unchecked`: no key was given, or it was not judged yet. `unproven`: no signature covers it. `wrong`: something was found.
 */
export type State = 'verified' | 'unchecked' | 'unproven' | 'wrong';

export interface Row {
  i: number;
  n: number;
  stream: string;
  type: string;
  time: string;
  agent: string;
  run: string;
  /** What it is about: a tool, a decision, a model. */
  label: string;
  /** How it went, where it says so: ok, error, deny. */
  outcome: string;
  state: State;
  stub: boolean;
  core: boolean;
}

export interface Filter {
  text?: string;
  type?: string;
  agent?: string;
  run?: string;
  tool?: string;
  stream?: string;
  state?: State;
}

/** A finding, with what the page can lead to. */
export interface Told extends Found {
  stream?: string;
  /** The line that it is about, where there is one. */
  at?: number;
}

export interface Summary {
  lines: number;
  judged: boolean;
  /** Of how many lines the verdict is, and how many came since then, of which it says nothing. */
  judgedLines: number;
  newer: number;
  error?: string;
  verdict?: Verdict;
  envelopes: number;
  unsigned: number;
  malformed: number;
  erased: number;
  open: number;
  lost: Record<string, number>;
  /** The worst first; at most so many as a page can show. */
  findings: Told[];
  /** What stands where the first of them is: the lines before it, of it, and behind it. */
  place: { before?: Row; here: Row[]; after?: Row };
  /** How many there are of each kind. */
  kinds: Record<string, number>;
  keys: { id: string; alg: string; agent?: string; fingerprint: string; here: boolean; used: number }[];
  sources: { name: string; kind: string; bytes: number; lines: number }[];
  types: [string, number][];
  agents: [string, number][];
  /** How often each tool was called, of those that are called most. */
  tools: [string, number][];
  runs: number;
  streams: number;
  states: Record<State, number>;
  first: string;
  last: string;
  /** How the page's verdict and the core's compare; empty: they are the same. */
  differences: string[];
  coreVerdict?: Verdict;
  /** Whether there was anything to compare: the core had the same keys. */
  compared: boolean;
  /** How many lines they compared. */
  comparedLines: number;
}

export type Hole = 'declared' | 'gap' | 'removed' | 'truncated';

/** Times are milliseconds since 1970. */
export interface StreamTime {
  begin: number;
  end: number;
  /** Neighbours that are alike: what they are, and which key (an index into `keys`, -1: none) covers them, signed how. */
  pieces: {
    from: number;
    to: number;
    begin: number;
    end: number;
    what: State | 'erased';
    key: number;
    sign: string;
  }[];
  holes: { from: number; to: number; begin: number; end: number; what: Hole }[];
  /** When something was signed, one for each of `SLOTS` parts of the time from `begin` to `end` that has some. */
  signed: number[];
  signatures: number;
  /** Nothing was heard for longer than three heartbeats of its lane. */
  silent: { begin: number; end: number }[];
  /** How often the lane's heartbeat comes, in milliseconds; 0: it has none here. */
  beat: number;
  /** When the last line was sealed that a checkpoint holds in place; 0: none is. */
  held: number;
  /** By seam, from when to when it was watched; `open`: nothing says that it ended. */
  watched: { seam: string; spans: { begin: number; end: number; open: boolean }[] }[];
}

/** Into so many parts a time is divided where a picture could not show more. */
export const SLOTS = 500;

export interface StreamView {
  id: string;
  agent: string;
  lane: string;
  verdict: Verdict | undefined;
  envelopes: number;
  first: number;
  last: number;
  firstTime: string;
  lastTime: string;
  closed: boolean;
  follows: boolean;
  /** Stretches by what they are: from, to, and what stands there. */
  stretches: { from: number; to: number; what: State | Hole | 'erased' }[];
  marks: {
    n: number;
    at: number;
    what: 'checkpoint' | 'key' | 'opened' | 'closed' | 'retention' | 'loss' | 'broken';
    text: string;
  }[];
  modes: { n: number; sign: string }[];
  keys: string[];
  time: StreamTime;
  /** The highest number that a checkpoint holds in place: what comes after it could be cut off unseen. */
  checkpointed: number;
  findings: Told[];
}

export interface RunView {
  id: string;
  parent: string;
  agents: string[];
  status: string;
  goal: string;
  events: number;
  doubtful: number;
  start: string;
  end: string;
  models: number;
  tools: number;
  decisions: number;
  denied: number;
  errors: number;
  tokens: number;
  costs: Record<string, number>;
  unfinished: number;
}

export interface Span {
  i: number;
  parent: number;
  depth: number;
  kind: string;
  label: string;
  outcome: string;
  start: number;
  end: number;
  state: State;
  detail: string;
  content: 'none' | 'open' | 'closed' | 'redacted';
  unfinished: boolean;
}

export interface RunDetail {
  run: RunView;
  children: RunView[];
  spans: Span[];
  start: number;
  end: number;
  more: number;
}

export interface EventView {
  row: Row;
  where: string;
  line: string;
  canonical: boolean;
  event: string | undefined;
  place: string;
  digest: string;
  hash: string;
  prev: string;
  keyid: string;
  sigalg: string;
  signature: string;
  seal: string;
  covered: boolean;
  coveredBy: string;
  why: string[];
  content: {
    part: number;
    what: string;
    mode: string;
    digest: string;
    size: number;
    text: string | undefined;
    fits: boolean;
  }[];
  before: number | undefined;
  after: number | undefined;
  previousHash: string | undefined;
  others: number[];
  audit: AuditView | undefined;
}

/** The tree of the audit log that a line is in, and what vouches for it. */
export interface AuditView {
  /** Of the leaf, from 0. */
  index: number;
  size: number;
  root: string;
  steps: { side: 'left' | 'right'; hash: string }[];
  /** The line that names a tree of this size, what is to be thought of that line, and whether it names this root. */
  head: { at: number; time: string; proof: State; root: string; agrees: boolean } | undefined;
}

export interface LossView {
  lanes: { lane: string; reasons: Record<string, number>; total: number }[];
  declared: {
    time: string;
    lane: string;
    reason: string;
    events: number;
    stream: string;
    n: number;
    at: number | undefined;
  }[];
  /** How many declarations there are. */
  declarations: number;
  total: number;
  /** Numbers that are missing without being declared. */
  undeclared: number;
  balances: boolean;
  /** From the first line to the last, in milliseconds. */
  begin: number;
  end: number;
  /** Per lane and part of that time (`LOSS_SLOTS` of them) how many events were declared lost, by reason. */
  over: { lane: string; slot: number; reasons: Record<string, number> }[];
  /** Numbers that nothing declares: where they are missing, and when it was. */
  holes: { stream: string; from: number; to: number; what: Hole; begin: number; end: number }[];
  /** Per lane what it counted, when it last said so. */
  books: { lane: string; time: string; at: number; counters: Record<string, number>; proof: State }[];
}

export const LOSS_SLOTS = 60;

/** What a lane last sealed of how its sink is. */
export interface LaneHealth {
  /** Of the sink: file, otlp. */
  kind: string;
  state: string;
  /** One of a closed list, or nothing. */
  failure: string;
  summary: string;
  /** Whether no event was lost that must not be. */
  preserved: boolean;
  /** How many events were lost since then. */
  dropped: number;
  /** The number in its stream up to which all was acknowledged, and from which on it would be sent again. */
  acked: number | undefined;
  repair: number | undefined;
  /** Why sending again may do something twice. */
  unsafe: string;
  time: string;
  at: number;
  proof: State;
}

/** That a class of sinks which governance requires had none that works, or has one again. */
export interface RequiredView {
  time: string;
  rule: string;
  action: string;
  works: boolean;
  at: number;
  proof: State;
}

export interface LaneView {
  lane: string;
  health: LaneHealth | undefined;
  /** The heartbeat that the counters are of. */
  told: { time: string; at: number; proof: State } | undefined;
  changes: { time: string; state: string; text: string; at: number; proof: State }[];
  counters: Record<string, number>;
  now: string;
  heard: string;
  /** From the first line of the input to the last, in milliseconds. */
  begin: number;
  end: number;
  /** In which state it was from when to when, as its own envelopes say. */
  states: { begin: number; end: number; state: string }[];
  /** What heartbeats counted: when, and how many. A name that ends in "+" is what was added since the one before. */
  series: { name: string; points: [at: number, n: number][] }[];
}

export interface Api {
  summary(): Summary;
  rows(filter: Filter, from: number, count: number): Promise<{ total: number; rows: Row[] }>;
  position(filter: Filter, i: number): Promise<number>;
  event(i: number): Promise<EventView>;
  find(stream: string, n: number): number | undefined;
  streams(): StreamView[];
  runs(): RunView[];
  run(id: string): Promise<RunDetail | undefined>;
  losses(): LossView;
  lanes(): { lanes: LaneView[]; required: RequiredView[] };
  /** Nothing where it was too large for a page. */
  graph(): Promise<Authority | undefined>;
  ask(): number;
  give(id: string, form: string, bytes: Uint8Array): Promise<string>;
}
