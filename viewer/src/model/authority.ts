// The authorization graph, worked out by the page itself from docs/GRAPH.md: what an event says of authority, what leads to
// what, and what does not hold. What the command says of the same events is compared with it.

import { type Json, type JsonObject, isObject, member, text } from '../verify/json.ts';
import type { Copy } from '../verify/line.ts';
import type { Graph } from './types.ts';

/** So many events that say something of authority are kept. */
export const MOST = 200_000;
const KNOWN = [
  'identity.assertion',
  'policy.decision',
  'tool.invocation',
  'run.started',
  'run.progress',
  'run.completed',
  'run.failed',
  'run.cancelled',
];

/** What an event says, by its type. */
type What =
  | { is: 'authority'; assertion: string; more: Authority }
  | { is: 'decision'; verdict: string; shadow: boolean; rest: string }
  | { is: 'act'; tool: string; outcome: string; phase: string; governed: boolean }
  | { is: 'run'; parent: string; rest: string; started: boolean };

interface Authority {
  identity: string;
  issuer: string;
  scope: string[] | undefined;
  expires: bigint | undefined;
  by: string;
}

/** What is kept of one event. A text that is not there is empty. */
export interface Fact {
  copy: Copy;
  /** Without the prefix, where the graph knows it. */
  type: string;
  at: bigint;
  viewed: boolean;
  run: string | undefined;
  cause: string | undefined;
  principal: string | undefined;
  identity: string | undefined;
  decision: string | undefined;
  delegatedBy: string | undefined;
  what: What;
}

/** Reads what an event says of authority; nothing, where it is no part of the graph. */
export function factOf(copy: Copy, e: JsonObject): Fact | undefined {
  if (copy.core || copy.stub || copy.form !== undefined || copy.hash.length !== 64) return undefined;
  const data = member(e, 'data');
  if (!isObject(data)) return undefined;
  const known = KNOWN.find((name) => copy.type === name || copy.type.endsWith(`.${name}`));
  const authz = member(data, 'authz');
  if (known === undefined && authz === undefined) return undefined;
  const at = nanoseconds(copy.time);
  if (at === undefined) return undefined;
  const link = (name: string): string | undefined => (isObject(authz) ? text(authz, name) : undefined);
  const type = known ?? copy.type;
  return {
    copy,
    type,
    at,
    viewed: Object.hasOwn(data, 'view'),
    run: text(e, 'runid'),
    cause: text(e, 'causationid'),
    principal: link('principal'),
    identity: link('identity'),
    decision: link('decision'),
    delegatedBy: link('delegated_by'),
    what: whatOf(type, data),
  };
}

function whatOf(type: string, data: JsonObject): What {
  const say = (name: string): string => short(text(data, name) ?? '');
  const rest = (...names: string[]): string =>
    JSON.stringify(names.map((name) => (typeof member(data, name) === 'object' ? null : member(data, name))));
  if (type === 'identity.assertion') {
    const more = {
      identity: say('identity'),
      issuer: say('issuer'),
      scope: scopeOf(member(data, 'scope')),
      expires: expiresOf(member(data, 'expires')),
      by: say('revoked_by'),
    };
    return { is: 'authority', assertion: say('assertion'), more };
  }
  if (type === 'policy.decision') {
    const members = ['rule', 'ruleset', 'ruleset_version', 'implicit', 'input_digest', 'action', 'reason'];
    return {
      is: 'decision',
      verdict: say('decision'),
      shadow: member(data, 'shadow') === true,
      rest: rest(...members, 'duration_ms'),
    };
  }
  if (type.startsWith('run.')) {
    const ends = type !== 'run.started' && type !== 'run.progress';
    return {
      is: 'run',
      parent: say('parent_run'),
      rest: ends ? rest('goal', 'terminal_status') : rest('goal'),
      started: type === 'run.started',
    };
  }
  const phase = say('phase');
  const governed = type === 'tool.invocation' || phase === 'intent';
  return { is: 'act', tool: say('tool'), outcome: say('outcome'), phase, governed };
}

const encoder = new TextEncoder();

/** A text of which only the beginning counts: 256 bytes, up to a whole character. */
function short(value: string): string {
  if (value.length <= 85) return value;
  const room = new Uint8Array(256);
  return value.slice(0, encoder.encodeInto(value, room).read);
}

function scopeOf(given: Json | undefined): string[] | undefined {
  if (typeof given === 'string') return given.split(/[ \t\n\f\r]+/).filter((word) => word !== '');
  if (Array.isArray(given)) return given.filter((word) => typeof word === 'string');
  return undefined;
}

const MAX = 2n ** 63n - 1n;
const clamp = (n: bigint): bigint => (n > MAX ? MAX : n < -MAX - 1n ? -MAX - 1n : n);

/** RFC 3339, or seconds since 1970. */
function expiresOf(given: Json | undefined): bigint | undefined {
  if (typeof given === 'string') return nanoseconds(given);
  if (typeof given !== 'number') return undefined;
  if (Number.isSafeInteger(given)) return clamp(BigInt(given) * 1_000_000_000n);
  const nanos = given * 1e9;
  return clamp(Number.isFinite(nanos) ? BigInt(Math.trunc(nanos)) : nanos > 0 ? MAX : -MAX - 1n);
}

/** A time as nanoseconds since 1970. */
export function nanoseconds(time: string): bigint | undefined {
  const found =
    /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d)?)$/.exec(time);
  if (!found) return undefined;
  const [, day, clock, fraction = '', sign, hours = '0', minutes = '0'] = found;
  const ms = Date.parse(`${day ?? ''}T${clock ?? ''}Z`);
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== day) return undefined;
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  const at = BigInt(ms - offset) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  return at > MAX || at < -MAX - 1n ? undefined : at;
}

/** Whether a scope lets all that `word` lets: it has the same, or one that ends in `*` and begins `word`. */
export function covers(scope: ReadonlySet<string>, word: string): boolean {
  if (scope.has(word)) return true;
  if (encoder.encode(word).length > 1024) return false;
  for (let end = 0; end <= word.length; end += 1) if (scope.has(`${word.slice(0, end)}*`)) return true;
  return false;
}

type Kind = 'principal' | 'agent' | 'delegation' | 'decision' | 'action' | 'result' | 'run';
/** 0: a signature covers it; 1: no key was given; 2: nothing covers it. */
type Standing = 0 | 1 | 2;

interface Node {
  kind: Kind;
  name: string;
  fact: Fact | undefined;
  /** The one that revoked it, the earliest. */
  revoked: number | undefined;
}

interface Edge {
  kind: string;
  /** A node, or the id of what is not there. */
  from: number | string;
  to: number | string;
  member: string;
}

/** What the chain of an authority comes to: of each kind the first that ends it. */
interface Chain {
  expires: [bigint, number] | undefined;
  revoked: [bigint, number] | undefined;
  refused: number | undefined;
  unverified: number | undefined;
  scope: number | undefined;
}

const earlier = (a: Chain['expires'], b: Chain['expires']): Chain['expires'] =>
  !a ? b : !b ? a : a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1]) ? a : b;

/** The graph of some facts; `ids` are those of all events in their form, in the graph or not. */
export function graphOf(facts: readonly Fact[], ids: ReadonlySet<string>, keyed: boolean): Graph {
  const working = new Working(facts, ids, keyed);
  working.build();
  working.judge();
  return working.told();
}

class Working {
  private readonly nodes: Node[] = [];
  private readonly edges: Edge[] = [];
  private readonly seen = new Set<string>();
  private readonly findings: { kind: string; node: number; note: string }[] = [];
  private readonly events = new Map<string, number>();
  private readonly names = new Map<string, number>();

  constructor(
    private readonly facts: readonly Fact[],
    private readonly ids: ReadonlySet<string>,
    private readonly keyed: boolean,
  ) {}

  private standing(fact: Fact | undefined): Standing | undefined {
    return fact && (!fact.copy.covered ? 2 : this.keyed ? 0 : 1);
  }

  private doubtful(node: number): boolean {
    return this.standing((this.nodes[node] as Node).fact) === 2;
  }

  private find(kind: string, node: number, note: string): void {
    this.findings.push({ kind, node, note });
  }

  // What there is.

  build(): void {
    const chosen = this.choose();
    for (const fact of chosen) this.nodeOf(fact);
    this.tellResults(chosen);
    for (const fact of chosen) this.edgesOf(fact);
  }

  /** Of one event's forms the one that is believed most, and of these one that no policy shaped; in the order of time. */
  private choose(): Fact[] {
    const best = new Map<string, Fact>();
    const ambiguous = new Set<Fact>();
    for (const fact of this.facts) {
      const held = best.get(fact.copy.id);
      if (!held) {
        best.set(fact.copy.id, fact);
        continue;
      }
      const [mine, other] = [this.standing(fact) as number, this.standing(held) as number];
      const differs = mine === other && !same(fact, held);
      let kept = held;
      if (mine < other || (mine === other && !fact.viewed && held.viewed)) {
        kept = fact;
        best.set(fact.copy.id, fact);
      }
      if (differs) ambiguous.add(kept);
    }
    const order = (a: Fact, b: Fact): number =>
      a.at !== b.at
        ? a.at < b.at
          ? -1
          : 1
        : a.copy.stream !== b.copy.stream
          ? a.copy.stream < b.copy.stream
            ? -1
            : 1
          : a.copy.n - b.copy.n;
    const chosen = [...best.values()].sort(order);
    const those = new Set(chosen);
    // In the order in which they were read.
    for (const fact of this.facts) {
      if (ambiguous.has(fact) && those.has(fact))
        this.find('ambiguous_id', this.nodeOf(fact), 'another event has the same id and says something else');
    }
    return chosen;
  }

  private add(kind: Kind, name: string, fact?: Fact): number {
    return this.nodes.push({ kind, name, fact, revoked: undefined }) - 1;
  }

  private named(kind: Kind, name: string): number {
    const key = `${kind}\n${name}`;
    let node = this.names.get(key);
    if (node === undefined) this.names.set(key, (node = this.add(kind, name)));
    return node;
  }

  private nodeOf(fact: Fact): number {
    const { id } = fact.copy;
    let node = this.events.get(id);
    if (node !== undefined) return node;
    const { what } = fact;
    if (what.is === 'run') {
      // One that names no run is one of its own.
      node = this.named('run', fact.run ?? id);
      const of = this.nodes[node] as Node;
      if (what.started || !of.fact) of.fact = fact;
    } else {
      const kind = what.is === 'authority' ? 'delegation' : what.is === 'decision' ? 'decision' : 'action';
      node = this.add(kind, id, fact);
    }
    this.events.set(id, node);
    return node;
  }

  /** A result has an outcome, and an act without one as its cause; or it says that it is one. */
  private tellResults(chosen: readonly Fact[]): void {
    for (const fact of chosen) {
      if (fact.what.is !== 'act') continue;
      const { outcome, phase } = fact.what;
      const cause = fact.cause === undefined ? undefined : this.events.get(fact.cause);
      const act = cause === undefined ? undefined : this.nodes[cause]?.fact;
      const ofAct = act?.type === fact.type && act.what.is === 'act' && act.what.outcome === '';
      const node = this.events.get(fact.copy.id);
      if (node !== undefined && (phase === 'result' || (ofAct && outcome !== '' && phase === '')))
        (this.nodes[node] as Node).kind = 'result';
    }
  }

  private edge(kind: string, from: number | string, to: number | string, of: string): void {
    const edge = { kind, from, to, member: of };
    const key = JSON.stringify(edge);
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.edges.push(edge);
  }

  private edgesOf(fact: Fact): void {
    const node = this.nodeOf(fact);
    const { what } = fact;
    const issuer = what.is === 'authority' ? what.more.issuer : '';
    if (issuer) this.edge('issued_by', node, this.named('principal', issuer), 'data.issuer');
    else this.edge('issued_by', node, this.named('agent', fact.copy.agent ?? ''), 'agentid');
    if (fact.principal !== undefined)
      this.edge('acted_for', node, this.named('principal', fact.principal), 'data.authz.principal');
    const links: [of: string, id: string | undefined, kind: string, expected: Kind][] = [
      ['data.authz.identity', fact.identity, 'authorized', 'delegation'],
      ['data.authz.decision', fact.decision, 'decided_by', 'decision'],
      ['data.authz.delegated_by', fact.delegatedBy, 'delegated_by', 'delegation'],
    ];
    for (const [of, id, kind, expected] of links) {
      if (id === undefined) continue;
      const other = this.events.get(id);
      const elsewhere = other === undefined && this.ids.has(id);
      if (elsewhere || (other !== undefined && this.nodes[other]?.kind !== expected)) {
        this.find('edge_to_nothing', node, `${of} leads to "${id}", which is no ${expected}`);
      } else if (other === undefined) {
        this.find('edge_to_nothing', node, `${of} leads to "${id}", which is no envelope of the input`);
      }
      if (elsewhere) continue;
      const end = other ?? `event:${id}`;
      // Whoever has authority gives it.
      if (kind === 'authorized') this.edge(kind, end, node, of);
      else this.edge(kind, node, end, of);
    }
    if (fact.cause !== undefined) {
      const cause = this.events.get(fact.cause);
      if (cause !== undefined) {
        const decides = this.nodes[cause]?.kind === 'decision' && fact.decision === undefined;
        if (decides && this.nodes[node]?.kind === 'action')
          this.edge('decided_by', node, cause, 'causationid');
        this.edge('caused', cause, node, 'causationid');
      } else if (!this.ids.has(fact.cause)) {
        const note = `causationid leads to "${fact.cause}", which is no envelope of the input`;
        this.find('edge_to_nothing', node, note);
        this.edge('caused', `event:${fact.cause}`, node, 'causationid');
      }
    }
    if (fact.run !== undefined && this.nodes[node]?.kind !== 'run')
      this.edge('part_of', node, this.named('run', fact.run), 'runid');
    if (what.is === 'run' && what.parent)
      this.edge('part_of', node, this.named('run', what.parent), 'data.parent_run');
  }

  // What does not hold.

  private readonly chains = new Map<number, Chain>();
  /** Of a node those that it is a delegation of, or acts under. */
  private readonly authorities = new Map<number, number[]>();
  private readonly delegatedBy = new Map<number, number>();
  private readonly decidedBy = new Map<number, number>();
  /** Decisions that a later one denied, and when. */
  private readonly deniedLater = new Map<number, [bigint, number]>();

  judge(): void {
    this.revoke();
    this.index();
    for (const [node, { kind }] of this.nodes.entries()) {
      if (kind === 'delegation') this.delegation(node);
      if (kind === 'action') this.action(node);
    }
    this.unknownRuns();
    this.cycles();
  }

  private authority(node: number): (What & { is: 'authority' }) | undefined {
    const what = this.nodes[node]?.fact?.what;
    return what?.is === 'authority' ? what : undefined;
  }

  private decision(node: number): (What & { is: 'decision' }) | undefined {
    const what = this.nodes[node]?.fact?.what;
    return what?.is === 'decision' ? what : undefined;
  }

  private at(node: number): bigint {
    return this.nodes[node]?.fact?.at ?? 0n;
  }

  /** Whether it gives authority: a revocation gives none. */
  private gives(node: number): boolean {
    const authority = this.authority(node);
    return authority !== undefined && authority.assertion !== 'revoked';
  }

  /** A revocation is of its cause, or else of what it comes from, or else of all that its identity was given before. */
  private revoke(): void {
    const of = new Map<number, { kind: string; other: number }>();
    for (const { kind, from, to } of this.edges) {
      if (typeof from === 'string' || typeof to === 'string') continue;
      if (kind !== 'caused' && kind !== 'delegated_by') continue;
      const [self, other] = kind === 'caused' ? [to, from] : [from, to];
      if (this.gives(other) && (kind === 'caused' || !of.has(self))) of.set(self, { kind, other });
    }
    const byNode = new Map<number, [bigint, number]>();
    const byIdentity = new Map<string, [bigint, number][]>();
    for (const node of this.nodes.keys()) {
      const authority = this.authority(node);
      if (!authority || this.gives(node) || this.doubtful(node)) continue;
      const when: [bigint, number] = [this.at(node), node];
      const target = of.get(node);
      if (target) byNode.set(target.other, earlier(byNode.get(target.other), when) as [bigint, number]);
      else if (authority.more.identity) {
        const list = byIdentity.get(authority.more.identity);
        if (list) list.push(when);
        else byIdentity.set(authority.more.identity, [when]);
      }
    }
    for (const [node, each] of this.nodes.entries()) {
      if (!this.gives(node)) continue;
      const identity = this.authority(node)?.more.identity ?? '';
      let later: [bigint, number] | undefined;
      for (const when of byIdentity.get(identity) ?? [])
        if (when[0] >= this.at(node)) later = earlier(later, when) as [bigint, number];
      each.revoked = earlier(byNode.get(node), later)?.[1];
    }
  }

  private index(): void {
    const push = (node: number, authority: number): void => {
      const of = this.authorities.get(node);
      if (of) of.push(authority);
      else this.authorities.set(node, [authority]);
    };
    for (const { kind, from, to } of this.edges) {
      if (typeof from === 'string' || typeof to === 'string') continue;
      if (kind === 'delegated_by' && this.gives(to)) {
        push(from, to);
        if (!this.delegatedBy.has(from)) this.delegatedBy.set(from, to);
      } else if (kind === 'authorized' && this.gives(from)) push(to, from);
      else if (kind === 'decided_by' && this.nodes[to]?.kind === 'decision') {
        if (!this.decidedBy.has(from)) this.decidedBy.set(from, to);
      } else if (kind === 'caused') {
        const later = this.decision(to);
        if (!this.decision(from) || later?.verdict !== 'deny' || later.shadow) continue;
        if (this.doubtful(to) || this.at(to) < this.at(from)) continue;
        const denied = earlier(this.deniedLater.get(from), [this.at(to), to]);
        this.deniedLater.set(from, denied as [bigint, number]);
      }
    }
    for (const node of this.nodes.keys()) if (this.gives(node)) this.reckon(node);
  }

  /** The chain of an authority, those that it came from first, on a stack of its own. */
  private reckon(start: number): void {
    const stack: [node: number, parentsDone: boolean][] = [[start, false]];
    const begun = new Set<number>();
    for (let next = stack.pop(); next; next = stack.pop()) {
      const [node, parentsDone] = next;
      if (this.chains.has(node)) continue;
      const parents = this.authorities.get(node) ?? [];
      if (!parentsDone) {
        // What leads back to itself is a finding of its own, and goes no further here.
        if (begun.has(node)) continue;
        begun.add(node);
        stack.push([node, true]);
        for (const parent of parents) stack.push([parent, false]);
        continue;
      }
      const chain = this.joined(this.itself(node), parents);
      const from = this.delegatedBy.get(node);
      chain.scope ??= from === undefined ? undefined : this.chains.get(from)?.scope;
      this.chains.set(node, chain);
    }
  }

  private itself(node: number): Chain {
    const authority = this.authority(node);
    const { revoked } = this.nodes[node] as Node;
    const expires = authority?.more.expires;
    return {
      expires: expires === undefined ? undefined : [expires, node],
      revoked: revoked === undefined ? undefined : [this.at(revoked), node],
      refused: authority?.assertion === 'refused' ? node : undefined,
      unverified: this.doubtful(node) ? node : undefined,
      scope: authority?.more.scope ? node : undefined,
    };
  }

  private joined(chain: Chain, parents: readonly number[]): Chain {
    for (const parent of parents) {
      const of = this.chains.get(parent);
      if (!of) continue;
      chain.expires = earlier(chain.expires, of.expires);
      chain.revoked = earlier(chain.revoked, of.revoked);
      chain.refused ??= of.refused;
      chain.unverified ??= of.unverified;
    }
    return chain;
  }

  /** What is wrong with the authorities that a node rests on, at its time. */
  private restsOn(node: number): void {
    const none = {
      expires: undefined,
      revoked: undefined,
      refused: undefined,
      unverified: undefined,
      scope: undefined,
    };
    const all = this.joined(none, this.authorities.get(node) ?? []);
    const at = this.at(node);
    const name = (of: number): string => this.nodes[of]?.name ?? '';
    if (all.expires && all.expires[0] <= at)
      this.find('expired_authority', node, `the authority "${name(all.expires[1])}" had expired before this`);
    if (all.revoked && all.revoked[0] <= at)
      this.find('revoked_authority', node, `the authority "${name(all.revoked[1])}" was revoked before this`);
    if (all.refused !== undefined)
      this.find('refused_authority', node, `the authority "${name(all.refused)}" was refused`);
    if (all.unverified !== undefined)
      this.find('unverified', node, `no signature covers the authority "${name(all.unverified)}"`);
  }

  private delegation(node: number): void {
    if (!this.gives(node)) return;
    this.restsOn(node);
    const from = this.delegatedBy.get(node);
    const wider = from === undefined ? undefined : this.chains.get(from)?.scope;
    const within = wider === undefined ? undefined : this.authority(wider)?.more.scope;
    const scope = this.authority(node)?.more.scope;
    if (wider === undefined || !within || !scope) return;
    const lets = new Set(within);
    const beyond = scope.filter((word) => !covers(lets, word));
    if (beyond.length > 0) {
      const note = `it lets "${beyond[0] ?? ''}", which "${this.nodes[wider]?.name ?? ''}", where it comes from, does not`;
      this.find('widened_scope', node, note);
    }
  }

  private action(node: number): void {
    const { fact } = this.nodes[node] as Node;
    if (fact?.what.is !== 'act') return;
    const { outcome, governed } = fact.what;
    // What was kept from happening needs nobody's leave.
    if (outcome === 'denied' || outcome === 'refused') return;
    this.restsOn(node);
    const by = this.decidedBy.get(node);
    if (by === undefined) {
      if (governed && fact.decision === undefined)
        this.find('no_decision', node, 'nothing says that it was let: no data.authz.decision');
      return;
    }
    const decided = this.nodes[by]?.fact;
    const decision = this.decision(by);
    if (!decided || !decision) return;
    const { id } = decided.copy;
    const later = this.deniedLater.get(by);
    if (decision.verdict === 'deny') {
      if (!decision.shadow) this.find('after_deny', node, `the decision "${id}" denied it`);
    } else if (decision.verdict !== 'allow') {
      this.find('no_decision', node, `the decision "${id}" is "${decision.verdict}": nobody let it`);
    } else if (later && later[0] <= fact.at) {
      const name = this.nodes[later[1]]?.name ?? '';
      this.find('after_deny', node, `the decision "${id}" let it, and "${name}" denied it before it ran`);
    } else if (decided.copy.stream === fact.copy.stream && decided.copy.n > fact.copy.n) {
      this.find('no_decision', node, `the decision "${id}" was taken after it`);
    }
    if (this.doubtful(by)) this.find('unverified', node, `no signature covers the decision "${id}"`);
  }

  /** Runs that others name as their parent, and of which nothing else is there. */
  private unknownRuns(): void {
    const told = this.nodes.map(({ fact }) => fact !== undefined);
    const parents: Edge[] = [];
    for (const edge of this.edges) {
      if (edge.kind !== 'part_of' || typeof edge.to === 'string') continue;
      if (edge.member === 'data.parent_run') parents.push(edge);
      else told[edge.to] = true;
    }
    for (const { from, to } of parents) {
      if (typeof from === 'string' || typeof to === 'string' || told[to]) continue;
      const note = `data.parent_run leads to "${this.nodes[to]?.name ?? ''}", a run of which nothing here tells`;
      this.find('edge_to_nothing', from, note);
    }
  }

  /** Delegations, causes and runs that lead back to themselves; each round is found once. */
  private cycles(): void {
    for (const [kind, what] of [
      ['delegated_by', 'delegation'],
      ['caused', 'cause'],
      ['part_of', 'run'],
    ] as const) {
      const next = new Map<number, number>();
      for (const edge of this.edges) {
        if (edge.kind !== kind || typeof edge.from === 'string' || typeof edge.to === 'string') continue;
        const [of, to] = kind === 'caused' ? [edge.to, edge.from] : [edge.from, edge.to];
        if (!next.has(of)) next.set(of, to);
      }
      // The walk on which a node was first seen.
      const seen = new Map<number, number>();
      for (const walk of this.nodes.keys()) {
        let node = walk;
        while (!seen.has(node)) {
          seen.set(node, walk);
          const to = next.get(node);
          if (to === undefined) break;
          node = to;
          if (seen.get(node) !== walk) continue;
          const round = [node];
          for (let at = next.get(node); at !== undefined && at !== node; at = next.get(at)) round.push(at);
          const first = round.reduce((low, at) => Math.min(low, at), node);
          this.find('cycle', first, `a ${what} that leads back to itself`);
          break;
        }
      }
    }
  }

  // What is told.

  private key(node: number): string {
    const { kind, name } = this.nodes[node] as Node;
    return kind === 'principal' || kind === 'agent' || kind === 'run' ? `${kind}:${name}` : `event:${name}`;
  }

  told(): Graph {
    const end = (at: number | string): string => (typeof at === 'string' ? at : this.key(at));
    return {
      nodes: this.nodes.map(({ kind, name, fact }, node) => {
        const out: Graph['nodes'][number] = { id: this.key(node), kind, name };
        if (!fact) return out;
        const { copy, what } = fact;
        if (what.is === 'act') out['tool'] = what.tool;
        const standing = this.standing(fact);
        out.envelope = {
          id: copy.id,
          type: fact.type,
          agentid: copy.agent ?? '',
          streamid: copy.stream,
          sequence: copy.n,
          hash: copy.hash,
          time: copy.time,
          where: '',
          verified: standing === 1 ? null : standing === 0,
        };
        return out;
      }),
      edges: this.edges.map(({ kind, from, to, member: of }) => ({
        kind,
        from: end(from),
        to: end(to),
        member: of,
        there: typeof from === 'number' && typeof to === 'number',
      })),
      findings: this.findings.map(({ kind, node, note }) => ({ kind, node: this.key(node), note })),
    };
  }
}

/** Whether two envelopes tell the same of one event, but for what a policy may change for one lane. */
function same(a: Fact, b: Fact): boolean {
  const links = (fact: Fact): unknown[] => [
    fact.copy.agent,
    fact.type,
    String(fact.at),
    fact.identity ?? null,
    fact.decision ?? null,
    fact.delegatedBy ?? null,
    fact.principal ?? null,
    fact.run ?? null,
    fact.cause ?? null,
  ];
  if (JSON.stringify(links(a)) !== JSON.stringify(links(b)) || a.what.is !== b.what.is) return false;
  return a.viewed || b.viewed ? agrees(a.what, b.what) : whole(a.what) === whole(b.what);
}

const whole = (what: What): string =>
  JSON.stringify(what, (key, value: unknown) =>
    typeof value === 'bigint'
      ? String(value)
      : key === 'scope' && Array.isArray(value)
        ? [...new Set(value as string[])].sort()
        : value,
  );

/** By the members that their types require: these no policy can change. */
function agrees(a: What, b: What): boolean {
  if (a.is === 'authority' && b.is === 'authority') return a.assertion === b.assertion;
  if (a.is === 'decision' && b.is === 'decision') return a.verdict === b.verdict;
  if (a.is === 'act' && b.is === 'act') return a.tool === b.tool && a.phase === b.phase;
  return a.is === b.is;
}

/** Where the page's graph and the command's differ: in what was found, and in what there is. */
export function graphDifferences(mine: Graph, theirs: Graph): string[] {
  const out: string[] = [];
  const compare = (what: string, own: Iterable<string>, other: Iterable<string>): void => {
    const [a, b] = [new Set(own), new Set(other)];
    for (const each of a) if (!b.has(each)) out.push(`only this page ${what} ${each}`);
    for (const each of b) if (!a.has(each)) out.push(`only the command ${what} ${each}`);
  };
  const found = ({ findings }: Graph): string[] => findings.map(({ kind, node }) => `${kind} at ${node}`);
  compare('finds', found(mine), found(theirs));
  const nodes = (graph: Graph): string[] => graph.nodes.map(({ kind, id }) => `${kind} ${id}`);
  compare('has the', nodes(mine), nodes(theirs));
  const edges = (graph: Graph): string[] =>
    graph.edges.map(
      ({ kind, from, to, member: of, there }) =>
        `edge ${kind} from ${from} to ${to} by ${of}${there ? '' : ', where it leads to nothing'}`,
    );
  compare('has the', edges(mine), edges(theirs));
  return out;
}
