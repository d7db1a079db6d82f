// Runs: the tree, the waterfall, what they used and cost. Nothing that is wrong or unproven is added up.

import { isObject, items, member, text, type JsonObject } from '../verify/json.ts';
import { phaseOf, type Copy } from '../verify/line.ts';
import { isType, money, sum } from './facts.ts';
import type { Model } from './model.ts';
import type { RunDetail, RunView, Span } from './types.ts';

/** So many spans of one run are drawn; how many more there are is said. */
const DRAWN = 3000;

export const milliseconds = (time: string): number => Date.parse(time.slice(0, 23) + 'Z') || 0;

export function runViews(model: Model): RunView[] {
  const runs = new Map<string, RunView & { by: Set<string>; intents: Set<string> }>();
  for (const [i, copy] of model.verifier.copies.entries()) {
    const fact = model.facts[i];
    if (!fact?.run) continue;
    let run = runs.get(fact.run);
    if (!run) {
      run = { ...empty(fact.run), by: new Set(), intents: new Set() };
      runs.set(fact.run, run);
    }
    const state = model.state(i);
    const time = copy.time || copy.recorded;
    run.events += 1;
    if (state === 'wrong' || state === 'unproven') {
      run.doubtful += 1;
      continue;
    }
    if (run.start === '' || time < run.start) run.start = time;
    if (time > run.end) run.end = time;
    if (copy.agent !== undefined && run.by.size < 50) run.by.add(copy.agent);
    add(run, copy, fact.outcome, fact.data);
    const phase = copy.data && phaseOf(copy.data);
    if (phase === 'intent') run.intents.add(copy.id);
    if (phase === 'result') run.intents.delete(copy.causation);
  }
  return [...runs.values()]
    .map(({ by, intents, ...run }) => ({ ...run, agents: [...by], unfinished: intents.size }))
    .sort((a, b) => (a.start < b.start ? -1 : 1));
}

function empty(id: string): RunView {
  return {
    id,
    parent: '',
    agents: [],
    status: '',
    goal: '',
    events: 0,
    doubtful: 0,
    start: '',
    end: '',
    models: 0,
    tools: 0,
    decisions: 0,
    denied: 0,
    errors: 0,
    tokens: 0,
    costs: {},
    unfinished: 0,
  };
}

function add(run: RunView, copy: Copy, outcome: string, data: JsonObject | undefined): void {
  const is = (name: string): boolean => isType(copy.type, name);
  const intent = copy.data !== undefined && phaseOf(copy.data) === 'intent';
  if (is('tool.invocation') && !intent) run.tools += 1;
  if (is('policy.decision')) run.decisions += 1;
  if (outcome === 'deny' || outcome === 'denied') run.denied += Number(is('policy.decision'));
  if (outcome === 'error' || outcome === 'timeout') run.errors += 1;
  if (!data) return;
  const parent = text(data, 'parent_run');
  if (parent) run.parent = parent;
  if (is('run.started')) {
    run.status ||= 'started';
    run.goal = text(data, 'goal') ?? '';
  }
  for (const end of ['completed', 'failed', 'cancelled']) if (is(`run.${end}`)) run.status = end;
  // What a run or a sub-agent used is the sum of its models again.
  const source = member(data, 'source');
  const family = text(data, 'source.family') ?? (isObject(source) ? text(source, 'family') : undefined);
  if (is('model.usage') && (family === undefined || family === 'model')) {
    run.models += 1;
    const total = member(data, 'total_tokens');
    run.tokens +=
      typeof total === 'number' && total >= 0 ? total : sum(data, 'input_tokens', 'output_tokens');
  }
  if (is('cost.estimated')) {
    // A currency has three letters; what is longer is cut where it is shown.
    const currency = (text(data, 'currency') ?? '').slice(0, 12);
    const amount = member(data, 'amount_micros');
    if (typeof amount === 'number')
      run.costs = {
        ...run.costs,
        [currency]: (Object.hasOwn(run.costs, currency) ? (run.costs[currency] ?? 0) : 0) + amount,
      };
  }
}

export async function runDetail(model: Model, id: string): Promise<RunDetail | undefined> {
  const runs = runViews(model);
  const run = runs.find((each) => each.id === id);
  if (!run) return undefined;
  const spans: Span[] = [];
  const byId = new Map<string, number>();
  const results = new Set<string>();
  let more = 0;
  for (const [i, copy] of model.verifier.copies.entries()) {
    if (model.facts[i]?.run !== id || copy.stub) continue;
    if (spans.length >= DRAWN) {
      more += 1;
      continue;
    }
    const e = await model.parsed(i);
    const data = e && member(e, 'data');
    if (!e || !isObject(data)) continue;
    if (phaseOf(data) === 'result') results.add(copy.causation);
    byId.set(copy.id, spans.length);
    spans.push(spanOf(model, i, copy, data));
  }
  for (const [at, span] of spans.entries()) {
    const copy = model.verifier.copies[span.i] as Copy;
    const parent = byId.get(copy.causation);
    if (parent !== undefined && parent !== at) span.parent = parent;
    if (copy.data && phaseOf(copy.data) === 'intent') span.unfinished = !results.has(copy.id);
  }
  const ordered = tree(spans);
  const start = ordered.reduce((low, span) => Math.min(low, span.start), Infinity);
  const end = ordered.reduce((high, span) => Math.max(high, span.end), 0);
  return { run, children: runs.filter(({ parent }) => parent === id), spans: ordered, start, end, more };
}

/** In the order of a tree, by when they began; what leads back to itself stands at the top. */
function tree(spans: Span[]): Span[] {
  const children = new Map<number, number[]>();
  for (const [at, span] of spans.entries()) {
    const list = children.get(span.parent);
    if (list) list.push(at);
    else children.set(span.parent, [at]);
  }
  const out: Span[] = [];
  const done = new Set<number>();
  const put = (at: number, depth: number): void => {
    const stack: [number, number][] = [[at, depth]];
    while (stack.length > 0) {
      const [next, deep] = stack.pop() as [number, number];
      if (done.has(next)) continue;
      done.add(next);
      out.push({ ...(spans[next] as Span), depth: Math.min(deep, 12) });
      const below = (children.get(next) ?? []).sort(
        (a, b) => (spans[b] as Span).start - (spans[a] as Span).start,
      );
      for (const child of below) stack.push([child, deep + 1]);
    }
  };
  const top = (children.get(-1) ?? []).sort((a, b) => (spans[a] as Span).start - (spans[b] as Span).start);
  for (const at of top) put(at, 0);
  for (const at of spans.keys()) put(at, 0);
  return out;
}

function spanOf(model: Model, i: number, copy: Copy, data: JsonObject): Span {
  const row = model.row(i);
  const took = member(data, 'duration_ms');
  const duration = typeof took === 'number' && took > 0 ? took : 0;
  const end = milliseconds(copy.time || copy.recorded);
  const details: string[] = [];
  const error = text(data, 'error.type');
  if (error) details.push(error);
  if (isType(copy.type, 'model.usage'))
    details.push(`${sum(data, 'input_tokens')} in, ${sum(data, 'output_tokens')} out`);
  if (isType(copy.type, 'cost.estimated'))
    details.push(money(member(data, 'amount_micros'), text(data, 'currency') ?? ''));
  const rule = text(data, 'rule');
  if (rule) details.push(`rule ${rule}`);
  const parts = items(member(data, 'content'));
  const open = items(member(data, 'disclosures')).length;
  const redacted = parts.some((part) => text(part, 'mode') === 'redacted');
  return {
    i,
    parent: -1,
    depth: 0,
    kind: copy.type.split('.').slice(-2).join('.'),
    label: row.label,
    outcome: row.outcome || (phaseOf(data) ?? ''),
    start: end - duration,
    end,
    state: row.state,
    detail: details.join(', '),
    content: parts.length === 0 ? 'none' : redacted ? 'redacted' : open > 0 ? 'open' : 'closed',
    unfinished: false,
  };
}
