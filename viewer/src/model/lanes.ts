// What is lost, and how lanes were: from declarations, and from what lanes seal about themselves.

import { isObject, member, type JsonObject } from '../verify/json.ts';
import { type Copy, sequence } from '../verify/line.ts';
import type { Model } from './model.ts';
import { milliseconds } from './runs.ts';
import { placedHoles } from './streams.ts';
import {
  LOSS_SLOTS,
  type LaneHealth,
  type LaneView,
  type LossView,
  type RequiredView,
  type State,
} from './types.ts';

/** So many points of a heartbeat's number are drawn. */
const POINTS = 400;
/** What is drawn of heartbeats: what waits as it stands, the others by how much they grew. */
const SERIES: [name: string, grows: boolean][] = [
  ['pending', false],
  ['oldest_pending_ms', false],
  ['delivered', true],
  ['retried', true],
  ['dropped', true],
  ['rejected', true],
  ['filtered', true],
  ['sink.in_flight_batches', false],
  ['sink.utilization', false],
];

/** From the first line that is to be believed to the last. */
function extent(model: Model): [begin: number, end: number] {
  let [first, last] = ['', ''];
  for (const [i, { recorded }] of model.verifier.copies.entries()) {
    const state = model.state(i);
    if (recorded === '' || state === 'wrong' || state === 'unproven') continue;
    if (first === '' || recorded < first) first = recorded;
    if (recorded > last) last = recorded;
  }
  return [milliseconds(first), milliseconds(last)];
}

export function lossView(model: Model): LossView {
  const { verifier, judged, report } = model;
  const lanes = new Map<string, LossView['lanes'][number]>();
  const declared: LossView['declared'] = [];
  const [begin, end] = extent(model);
  const over = new Map<string, LossView['over'][number]>();
  let total = 0;
  const bare = (): Record<string, number> => Object.create(null) as Record<string, number>;
  const all = judged.declared;
  for (const loss of all) {
    const lane = loss.lane ?? '';
    let of = lanes.get(lane);
    if (!of) lanes.set(lane, (of = { lane, reasons: bare(), total: 0 }));
    of.reasons[loss.reason] = (of.reasons[loss.reason] ?? 0) + loss.events;
    of.total += loss.events;
    total += loss.events;
    const part = end > begin ? (milliseconds(loss.time) - begin) / (end - begin) : 0;
    const slot = Math.max(0, Math.min(LOSS_SLOTS - 1, Math.floor(part * LOSS_SLOTS)));
    const key = `${slot} ${lane}`;
    let bar = over.get(key);
    if (!bar) over.set(key, (bar = { lane, slot, reasons: bare() }));
    bar.reasons[loss.reason] = (bar.reasons[loss.reason] ?? 0) + loss.events;
    if (declared.length >= 5000) continue;
    declared.push({
      time: loss.time,
      lane,
      reason: loss.reason,
      events: loss.events,
      stream: loss.stream,
      n: loss.n,
      at: model.find(loss.stream, loss.n),
    });
  }
  let undeclared = 0;
  for (const stream of report?.streams ?? []) {
    for (const { kind, from, to } of stream.findings) {
      const missing = kind === 'gap' || kind === 'removed' || kind === 'truncated';
      if (missing && from !== undefined && to !== undefined) undeclared += to - from + 1;
    }
  }
  const holes: LossView['holes'] = [];
  for (const stream of judged.streams.values()) {
    for (const hole of placedHoles(model, stream)) {
      if (hole.what !== 'declared' && holes.length < 1000) holes.push({ stream: stream.id, ...hole });
    }
  }
  const said = Object.values(report?.lost ?? {}).reduce((a, b) => a + b, 0);
  const books = new Map<string, LossView['books'][number]>();
  for (const [i, copy] of verifier.copies.entries()) {
    if (!copy.isOwn('heartbeat')) continue;
    const [lane, counters, proof] = [copy.said('lane'), copy.said('counters'), model.state(i)];
    if (typeof lane !== 'string' || !isObject(counters) || proof === 'wrong' || proof === 'unproven')
      continue;
    const held = books.get(lane);
    if (held && held.time > copy.recorded) continue;
    books.set(lane, { lane, time: copy.recorded, at: i, counters: numbersOf(counters), proof });
  }
  return {
    lanes: [...lanes.values()].map((lane) => ({ ...lane, reasons: { ...lane.reasons } })),
    declared,
    declarations: all.length,
    total,
    undeclared,
    balances: total === said && undeclared === 0,
    begin,
    end,
    over: [...over.values()].map((bar) => ({ ...bar, reasons: { ...bar.reasons } })).slice(0, 5000),
    holes,
    books: [...books.values()],
  };
}

export function laneViews(model: Model): LaneView[] {
  const { verifier } = model;
  const [begin, end] = extent(model);
  const lanes = new Map<string, LaneView>();
  const told = new Map<string, { at: number; counters: Record<string, number> }[]>();
  const at = (lane: string): LaneView => {
    let of = lanes.get(lane);
    if (!of) {
      of = {
        lane,
        health: undefined,
        told: undefined,
        changes: [],
        counters: {},
        now: '',
        heard: '',
        begin,
        end,
        states: [],
        series: [],
      };
      lanes.set(lane, of);
    }
    return of;
  };
  for (const [i, copy] of verifier.copies.entries()) {
    if (!copy.core) continue;
    const name = copy.said('lane');
    if (typeof name !== 'string') continue;
    const proof = model.state(i);
    const believed = proof !== 'wrong' && proof !== 'unproven';
    const say = (state: string, words: string): void => {
      const lane = at(name);
      if (lane.changes.length < 5000)
        lane.changes.push({ time: copy.recorded, state, text: words, at: i, proof });
      if (believed) {
        lane.now = state;
        lane.heard = copy.recorded;
      }
    };
    const state = copy.said('state');
    if (copy.isOwn('sink.failed') || copy.isOwn('sink.recovered')) {
      // Other lanes tell of it at once, and its own when it works again: the last word counts.
      const known = at(name).health;
      if (believed && (!known || known.time <= copy.recorded)) at(name).health = healthOf(copy, proof);
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
      if (isObject(counters) && believed) {
        lane.counters = numbersOf(counters);
        lane.told = { time: copy.recorded, at: i, proof };
        const of = told.get(name);
        const point = { at: milliseconds(copy.recorded), counters: lane.counters };
        if (of) of.push(point);
        else told.set(name, [point]);
      }
      if (lane.now !== String(state ?? '') && typeof state === 'string') say(state, 'heartbeat');
      if (believed) lane.heard = copy.recorded;
    }
  }
  for (const lane of lanes.values()) {
    lane.changes.sort((a, b) => (a.time < b.time ? -1 : 1));
    for (const { time, state, proof } of lane.changes) {
      if (proof === 'wrong' || proof === 'unproven') continue;
      const from = milliseconds(time);
      const before = lane.states.at(-1);
      if (before) before.end = from;
      if (before?.state === state) before.end = end;
      else lane.states.push({ begin: from, end: state === 'closed' ? from : end, state });
    }
    lane.series = seriesOf(told.get(lane.lane) ?? []);
  }
  return [...lanes.values()];
}

function healthOf(copy: Copy, proof: State): LaneHealth {
  const words = (key: string): string => {
    const value = copy.said(key);
    return typeof value === 'string' ? value : '';
  };
  const cursor = (key: string): number | undefined => {
    const value = copy.said(key);
    return isObject(value) ? sequence(member(value, 'sequence')) : undefined;
  };
  const dropped = copy.said('dropped');
  return {
    kind: words('kind'),
    state: words('state'),
    failure: words('failure'),
    summary: words('summary'),
    preserved: copy.said('terminal_preserved') === true,
    dropped: typeof dropped === 'number' ? dropped : 0,
    acked: cursor('acked'),
    repair: cursor('repair'),
    unsafe: words('unsafe_replay'),
    time: copy.recorded,
    at: copy.at,
    proof,
  };
}

/** What was sealed of sinks that governance requires, in the order of time; every lane seals it, and it counts once. */
export function requiredViews(model: Model): RequiredView[] {
  const out = new Map<string, RequiredView>();
  for (const [i, copy] of model.verifier.copies.entries()) {
    if (!copy.isOwn('policy.breach')) continue;
    const [reason, rule, action] = [copy.said('reason'), copy.said('rule'), copy.said('action')];
    const works = reason === 'required_sink_recovered';
    if (!works && reason !== 'required_sink_unavailable') continue;
    const view: RequiredView = {
      time: copy.time || copy.recorded,
      rule: typeof rule === 'string' ? rule : '',
      action: typeof action === 'string' ? action : '',
      works,
      at: i,
      proof: model.state(i),
    };
    const known = out.get(copy.id);
    if (!known || (known.proof !== 'verified' && view.proof === 'verified')) out.set(copy.id, view);
    if (out.size >= 1000) break;
  }
  return [...out.values()].sort((a, b) => (a.time < b.time ? -1 : 1));
}

function seriesOf(told: { at: number; counters: Record<string, number> }[]): LaneView['series'] {
  const points = told.sort((a, b) => a.at - b.at);
  const step = Math.max(1, Math.ceil(points.length / POINTS));
  const out: LaneView['series'] = [];
  for (const [name, grows] of SERIES) {
    const of = (i: number): number => {
      const { counters } = points[i] as { counters: Record<string, number> };
      return Object.hasOwn(counters, name) ? (counters[name] as number) : 0;
    };
    const series: [number, number][] = [];
    for (let i = 0; i < points.length; i += step) {
      const last = Math.min(points.length, i + step) - 1;
      let n: number;
      if (grows) {
        // After a new start a lane counts from nothing.
        const before = i > 0 ? of(i - 1) : 0;
        n = of(last) >= before ? of(last) - before : of(last);
      } else {
        n = 0;
        for (let k = i; k <= last; k += 1) n = Math.max(n, of(k));
      }
      series.push([(points[last] as { at: number }).at, n]);
    }
    if (series.some(([, n]) => n > 0)) out.push({ name: grows ? `${name}+` : name, points: series });
  }
  return out;
}

function numbersOf(object: JsonObject): Record<string, number> {
  const out: Record<string, number> = {};
  const put = (key: string, value: number): void => {
    Object.defineProperty(out, key, { value, enumerable: true, configurable: true });
  };
  for (const [key, value] of Object.entries(object)) {
    if (typeof value === 'number') put(key, value);
    else if (isObject(value)) {
      for (const [inner, n] of Object.entries(value)) if (typeof n === 'number') put(`${key}.${inner}`, n);
    }
  }
  return out;
}
