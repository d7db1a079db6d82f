// Streams as a person looks at them: what stands at which number, and how that went over time.

import { text } from '../verify/json.ts';
import type { Copy } from '../verify/line.ts';
import type { Link, Stream } from '../verify/stream.ts';
import { lastOf } from '../verify/judgement.ts';
import { isType } from './facts.ts';
import { SHOWN, type Model } from './model.ts';
import { milliseconds } from './runs.ts';
import { type Hole, SLOTS, type State, type StreamTime, type StreamView } from './types.ts';

/** So many pieces of one stream are drawn; what is more is drawn as the worst of what lies together. */
const PIECES = 600;
const MARKS = 400;
/** Longer than so many heartbeats without a word is silence. */
const BEATS = 3;
/** The worst first. */
const WORST: readonly (State | Hole | 'erased')[] = [
  'wrong',
  'removed',
  'truncated',
  'gap',
  'unproven',
  'declared',
  'unchecked',
  'erased',
  'verified',
];

type What = State | Hole | 'erased';

const worse = <T extends What>(a: T, b: T): T => (WORST.indexOf(a) <= WORST.indexOf(b) ? a : b);

export function streamViews(model: Model): StreamView[] {
  const watched = watchedBy(model);
  return [...model.judged.streams.values()].map((stream) => streamView(model, stream, watched));
}

/** What stands at a number, taken together: its copies may differ, and the worst of them counts. */
function stateAt(
  model: Model,
  stream: Stream,
  n: number,
): { kept: Copy; link: Link; what: State | 'erased' } {
  const links = stream.at(n);
  const link = (stream.good.get(n)?.[0] ?? links[0]) as Link;
  const { kept } = link;
  let what: State | 'erased' = model.state(kept.at);
  for (const each of links) {
    for (const copy of each.copies) if (copy !== kept && model.state(copy.at) === 'wrong') what = 'wrong';
  }
  if (kept.stub && what === 'verified') what = 'erased';
  return { kept, link, what };
}

/** What is missing between numbers, as what it was found to be. */
function holesOf(model: Model, stream: Stream): { from: number; to: number; what: Hole }[] {
  const out: { from: number; to: number; what: Hole }[] = [];
  const report = model.report?.streams.find(({ streamid }) => streamid === stream.id);
  for (const { kind, from, to, why } of report?.findings ?? []) {
    if (from === undefined || to === undefined) continue;
    // A removal that left a stub is no hole: something stands there.
    if (kind === 'removed' && why !== undefined && stream.at(from).length > 0) continue;
    if (kind === 'gap' || kind === 'removed' || kind === 'truncated') out.push({ from, to, what: kind });
  }
  const first = stream.numbers[0] ?? 1;
  const last = stream.numbers.at(-1) ?? 0;
  let before = first - 1;
  for (const n of stream.numbers) {
    if (n > before + 1) {
      for (const [a, b] of stream.declared.list) {
        if (b > before && a < n)
          out.push({ from: Math.max(a, before + 1), to: Math.min(b, n - 1), what: 'declared' });
      }
    }
    before = n;
  }
  for (const [a, b] of stream.declared.list) {
    if (a < first) out.push({ from: a, to: Math.min(b, first - 1), what: 'declared' });
    if (b > last) out.push({ from: Math.max(a, last + 1), to: b, what: 'declared' });
  }
  return out.sort((a, b) => a.from - b.from).slice(0, PIECES);
}

export interface Placed {
  from: number;
  to: number;
  begin: number;
  end: number;
  what: Hole;
}

/** The holes of a stream, each between the times of the lines beside it. */
export function placedHoles(model: Model, stream: Stream): Placed[] {
  const { numbers } = stream;
  const timeAt = (i: number): number | undefined => {
    const n = numbers[i];
    return n === undefined ? undefined : milliseconds(stateAt(model, stream, n).kept.recorded);
  };
  return holesOf(model, stream).map((hole) => {
    let low = 0;
    let high = numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((numbers[middle] as number) < hole.from) low = middle + 1;
      else high = middle;
    }
    const [before, after] = [timeAt(low - 1), timeAt(low)];
    const begin = before ?? after ?? 0;
    return { ...hole, begin, end: Math.max(begin, after ?? begin) };
  });
}

function streamView(model: Model, stream: Stream, watched: Watched): StreamView {
  const report = model.report?.streams.find(({ streamid }) => streamid === stream.id);
  const holes = placedHoles(model, stream);
  const first = Math.min(stream.numbers[0] ?? 0, ...holes.map(({ from }) => from));
  const last = Math.max(stream.numbers.at(-1) ?? 0, ...holes.map(({ to }) => to));
  const time = timeOf(model, stream, holes, watched);
  const stretches: StreamView['stretches'] = [];
  const parts: { from: number; to: number; what: What }[] = [...time.pieces, ...holes];
  for (const { from, to, what } of parts.sort((a, b) => a.from - b.from)) {
    const before = stretches.at(-1);
    if (before && before.what === what && before.to >= from - 1) before.to = Math.max(before.to, to);
    else stretches.push({ from, to, what });
  }
  const times = stream.copies.map(({ recorded }) => recorded).filter((at) => at !== '');
  return {
    id: stream.id,
    agent: stream.agent ?? stream.copies.find(({ agent }) => agent !== undefined)?.agent ?? '',
    lane: stream.lane ?? '',
    verdict: report?.verdict,
    envelopes: stream.envelopes,
    first,
    last,
    firstTime: times.reduce((a, b) => (a < b ? a : b), times[0] ?? ''),
    lastTime: times.reduce((a, b) => (a > b ? a : b), ''),
    closed: stream.closed !== undefined,
    follows: stream.start > 1,
    stretches,
    marks: marksOf(model, stream),
    modes: stream.modes.map(([n, sign]) => ({ n, sign: sign ?? 'unknown' })),
    keys: [...new Set(time.pieces.filter(({ key }) => key >= 0).map(({ key }) => keysOf(model)[key] ?? ''))],
    time,
    checkpointed: stream.closed !== undefined ? (lastOf(stream) ?? 0) : stream.checkpointed,
    findings: (report?.findings ?? [])
      .slice(0, SHOWN)
      .map((found) => ({ ...model.lead(found, stream), stream: stream.id })),
  };
}

/** The ids of keys, in the order in which pictures number them. */
const keysOf = (model: Model): string[] => model.judged.keys.map(({ id }) => id);

/** What happened in a stream that a person wants to find: its beginning and end, checkpoints, keys, losses, breaks. */
function marksOf(model: Model, stream: Stream): StreamView['marks'] {
  const marks: StreamView['marks'] = [];
  const put = (copy: Copy, what: StreamView['marks'][number]['what'], words: string): void => {
    marks.push({ n: copy.n, at: milliseconds(copy.recorded), what, text: words });
  };
  for (const copy of stream.copies) {
    if (!copy.core || marks.length >= MARKS) continue;
    const action = String(copy.said('action') ?? '');
    if (copy.isOwn('audit.chain')) {
      if (action === 'key_retiring' || action === 'key_active')
        put(copy, 'key', `${action} ${String(copy.said('keyid') ?? '')}`.trim());
      else if (['checkpoint', 'opened', 'closed', 'retention'].includes(action))
        put(copy, action as 'checkpoint', action);
    }
  }
  for (const { stream: id, n, events, reason } of model.judged.declared) {
    const copy = id === stream.id ? stream.good.get(n)?.[0]?.kept : undefined;
    if (copy && marks.length < 2 * MARKS) put(copy, 'loss', `${events} declared lost: ${reason}`);
  }
  const report = model.report?.streams.find(({ streamid }) => streamid === stream.id);
  for (const { kind, from, weight } of report?.findings ?? []) {
    const copy = from === undefined ? undefined : stream.at(from)[0]?.kept;
    const broken = weight === 'findings' && kind !== 'silence' && kind !== 'unsigned';
    if (copy && broken && marks.length < 3 * MARKS) put(copy, 'broken', kind);
  }
  return marks.sort((a, b) => a.n - b.n);
}

function timeOf(model: Model, stream: Stream, holes: Placed[], watched: Watched): StreamTime {
  const pieces: StreamTime['pieces'] = [];
  const keys = new Map(model.judged.keys.map((key, i) => [key, i]));
  const signed: number[] = [];
  const heard: number[] = [];
  let [begin, end, held] = [Infinity, -Infinity, 0];
  const holds = stream.closed !== undefined ? (lastOf(stream) ?? 0) : stream.checkpointed;
  let mode = 0;
  for (const n of stream.numbers) {
    const { kept, link, what } = stateAt(model, stream, n);
    const at = milliseconds(kept.recorded);
    const believed = what !== 'wrong' && what !== 'unproven';
    if (believed) {
      begin = Math.min(begin, at);
      end = Math.max(end, at);
      heard.push(at);
      if (n <= holds) held = at;
      if (link.signed ?? (model.judged.keys.length === 0 && kept.keyid !== undefined)) signed.push(at);
    }
    while ((stream.modes[mode + 1]?.[0] ?? Infinity) <= n) mode += 1;
    const key = believed && link.by?.key ? (keys.get(link.by.key) ?? -1) : -1;
    const sign = (stream.modes[mode]?.[0] ?? Infinity) <= n ? (stream.modes[mode]?.[1] ?? '') : '';
    const before = pieces.at(-1);
    const alike = before?.what === what && before.key === key && before.sign === sign && before.to === n - 1;
    if (before && alike) {
      before.to = n;
      before.begin = Math.min(before.begin, at);
      before.end = Math.max(before.end, at);
    } else {
      pieces.push({
        from: n,
        to: n,
        begin: at,
        end: at,
        what,
        key: typeof key === 'number' ? key : -1,
        sign,
      });
    }
  }
  if (begin > end) {
    // Nothing here is to be believed: then the times are those that it claims.
    begin = Math.min(...pieces.map((piece) => piece.begin), Infinity);
    end = Math.max(...pieces.map((piece) => piece.end), -Infinity);
  }
  if (!Number.isFinite(begin)) [begin, end] = [0, 0];
  const slot = (at: number): number =>
    end > begin ? Math.min(SLOTS - 1, Math.floor(((at - begin) / (end - begin)) * SLOTS)) : 0;
  const { beat, silent } = silenceOf(model, stream, heard);
  return {
    begin,
    end,
    pieces: coarse(pieces),
    holes,
    signed: [...new Set(signed.map(slot))],
    signatures: signed.length,
    silent,
    beat,
    held,
    watched: watched.get(stream.agent ?? '') ?? [],
  };
}

/** At most so many pieces, by joining what lies together, as the worst of it. */
export function coarse(pieces: StreamTime['pieces']): StreamTime['pieces'] {
  let out = pieces;
  while (out.length > PIECES) {
    const next: StreamTime['pieces'] = [];
    const each = Math.ceil(out.length / PIECES);
    for (let i = 0; i < out.length; i += each) {
      const joined = out.slice(i, i + each);
      const [one] = joined;
      if (!one) continue;
      next.push({
        ...one,
        to: joined.at(-1)?.to ?? one.to,
        begin: joined.reduce((low, piece) => Math.min(low, piece.begin), one.begin),
        end: joined.reduce((high, piece) => Math.max(high, piece.end), one.end),
        what: joined.reduce((worst, piece) => worse(worst, piece.what), one.what),
        key: joined.every(({ key }) => key === one.key) ? one.key : -1,
      });
    }
    out = next;
  }
  return out;
}

/** How often the heartbeats of a lane come, and where a stream was not heard of for longer than three of them. */
function silenceOf(model: Model, stream: Stream, heard: number[]): Pick<StreamTime, 'beat' | 'silent'> {
  const { judged } = model;
  const beats: number[] = [];
  for (const other of judged.streams.values()) {
    if (other.lane !== stream.lane) continue;
    const times: number[] = [];
    for (const [link] of other.good.values()) {
      if (link?.kept.isOwn('heartbeat')) times.push(milliseconds(link.kept.recorded));
    }
    times.sort((a, b) => a - b);
    for (let i = 1; i < times.length; i += 1) beats.push((times[i] as number) - (times[i - 1] as number));
  }
  beats.sort((a, b) => a - b);
  const beat = beats[beats.length >> 1] ?? 0;
  if (beat <= 0) return { beat: 0, silent: [] };
  const all = [...heard];
  for (const { id, time } of judged.heartbeats) if (id === stream.id) all.push(milliseconds(time));
  if (stream.closed === undefined && !stream.ended && judged.latest) all.push(milliseconds(judged.latest));
  all.sort((a, b) => a - b);
  const silent: StreamTime['silent'] = [];
  for (let i = 1; i < all.length && silent.length < 200; i += 1) {
    const [begin, end] = [all[i - 1] as number, all[i] as number];
    if (end - begin > BEATS * beat) silent.push({ begin, end });
  }
  return { beat, silent };
}

type Watched = Map<string, StreamTime['watched']>;

/** By agent and seam, from when to when an integration watched, as docs/INTEGRATIONS.md has it. */
function watchedBy(model: Model): Watched {
  const { verifier, facts } = model;
  const begun: { agent: string; id: string; seam: string; begin: number; stream: string }[] = [];
  const ended = new Map<string, number>();
  const seen = new Set<string>();
  const heard = new Map<string, number>();
  for (const [i, copy] of verifier.copies.entries()) {
    const state = model.state(i);
    if (state === 'wrong' || state === 'unproven' || !isType(copy.type, 'coverage') || copy.core) continue;
    const data = facts[i]?.data;
    const [seam, said, agent] = [data && text(data, 'seam'), data && text(data, 'state'), copy.agent ?? ''];
    // An event stands in the stream of each lane, and counts once.
    const key = `${agent}\n${copy.id}`;
    if (seam === undefined || said === undefined || seen.has(key)) continue;
    seen.add(key);
    const at = milliseconds(copy.time || copy.recorded);
    if (said === 'stopped') ended.set(`${agent}\n${copy.causation}`, at);
    else begun.push({ agent, id: copy.id, seam, begin: at, stream: copy.stream });
  }
  const out: Watched = new Map();
  for (const { agent, id, seam, begin, stream } of begun) {
    let last = heard.get(stream);
    if (last === undefined) {
      last = milliseconds(model.judged.streams.get(stream)?.heard ?? '');
      heard.set(stream, last);
    }
    const until = ended.get(`${agent}\n${id}`);
    const of = out.get(agent) ?? [];
    out.set(agent, of);
    let row = of.find((each) => each.seam === seam);
    if (!row && of.length < 20) of.push((row = { seam, spans: [] }));
    if (row && row.spans.length < SLOTS)
      row.spans.push({ begin, end: Math.max(begin, until ?? last), open: until === undefined });
  }
  return out;
}

/** What of a time lies in none of some spans. */
export function outside(
  begin: number,
  end: number,
  spans: readonly { begin: number; end: number }[],
): { begin: number; end: number }[] {
  const out: { begin: number; end: number }[] = [];
  let at = begin;
  for (const span of [...spans].sort((a, b) => a.begin - b.begin)) {
    if (span.begin > at) out.push({ begin: at, end: Math.min(span.begin, end) });
    at = Math.max(at, span.end);
  }
  if (at < end) out.push({ begin: at, end });
  return out;
}
