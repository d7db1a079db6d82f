// Losses that are declared: which numbers they are about, and how many events, each once.

import type { Json, JsonObject } from './json.ts';
import { type Copy, MOST, isHash, sequence } from './line.ts';
import { Ranges, cut, minus, size } from './ranges.ts';
import type { Stream } from './stream.ts';
import type { Judgement } from './judgement.ts';

interface LostRange {
  id: string;
  from: number;
  to: number;
  maybe: boolean;
  prev: Json | undefined;
}

interface Loss {
  copyForAuditors: boolean;
  stream: Stream;
  n: number;
  where: string;
  copy: Copy;
  by: Copy | undefined;
  ranges: LostRange[];
}

/** One declaration, as it counts. */
export interface Declared {
  stream: string;
  n: number;
  reason: string;
  events: number;
  lane: string | undefined;
  time: string;
  where: string;
}

export class Account {
  /** By reason. Without a prototype, as reasons are texts of strangers. */
  readonly lost: Record<string, number> = Object.create(null) as Record<string, number>;
  /** Numbers of streams that the input does not hold. */
  readonly elsewhere = new Map<string, Ranges>();
  readonly declared: Declared[] = [];

  constructor(private readonly verifier: Judgement) {}

  run(): void {
    const losses: Loss[] = [];
    for (const stream of this.verifier.streams.values()) {
      for (const { n, where, copy, by } of stream.losses) {
        const ranges = rangesOf(stream, copy.data as JsonObject);
        losses.push({ copyForAuditors: stream.foreign(copy), stream, n, where, copy, by, ranges });
      }
    }
    // Numbers that a declaration names for sure: one that stands at such a number was made again.
    const named = new Map<string, Ranges>();
    for (const { copyForAuditors, ranges } of losses) {
      if (copyForAuditors) continue;
      for (const { id, from, to, maybe } of ranges) if (!maybe) rangesIn(named, id).add(from, to);
    }
    const own = losses.filter((loss) => !loss.copyForAuditors);
    const copies = losses.filter((loss) => loss.copyForAuditors);
    for (const loss of [...own, ...copies]) {
      this.take(loss, named.get(loss.stream.id)?.has(loss.n) ?? false);
    }
    this.verifier.declared = this.declared;
  }

  private take(loss: Loss, again: boolean): void {
    const { copyForAuditors, stream, n, where, copy, by, ranges } = loss;
    const fixed = ranges.reduce((sum, { from, to, maybe }) => sum + (maybe ? 0 : to - from + 1), 0);
    const said = copy.said('count');
    const whole = typeof said === 'number' && Number.isInteger(said) && said >= 0 && said <= MOST;
    const count = whole ? said : fixed;
    let budget = Math.max(0, count - fixed);
    let total = copyForAuditors || again || ranges.some(({ maybe }) => maybe) ? 0 : budget;
    if (total > 0) stream.add('declared_loss', undefined, undefined, where);
    for (const { id, from, to, maybe, prev } of ranges) {
      const target = this.verifier.streams.get(id);
      if (!target) {
        if (copyForAuditors) continue;
        const there = rangesIn(this.elsewhere, id);
        const fresh = minus(from, to, there);
        const amount = maybe ? Math.min(budget, size(fresh)) : size(fresh);
        for (const [a, b] of fresh) there.add(a, b);
        if (maybe) budget -= amount;
        total += amount;
        if (amount > 0) stream.add('declared_loss', undefined, undefined, where);
        continue;
      }
      if (target !== stream && target.agent !== undefined && target.agent !== stream.agent) continue;
      if (from > 1 && isHash(prev)) {
        this.verifier.claims.push({
          id,
          n: from - 1,
          head: prev,
          who: 'prev',
          where,
          lane: undefined,
          key: by?.key,
          agent: undefined,
        });
      }
      const end = target === stream ? Math.min(to, n - 1) : to;
      let missing = from <= end ? minus(from, end, this.there(target), target.declared) : [];
      if (maybe) {
        missing = cut(missing, budget);
        budget -= size(missing);
      }
      total += size(missing);
      for (const [a, b] of missing) {
        target.declared.add(a, b);
        target.add('declared_loss', a, b, where);
      }
    }
    if (total > 0 && count > 0) {
      const said = copy.said('reason');
      const reason = typeof said === 'string' ? said : 'unknown';
      this.lost[reason] = (this.lost[reason] ?? 0) + total;
      const lane = copy.said('lane');
      this.declared.push({
        stream: stream.id,
        n,
        reason,
        events: total,
        lane: typeof lane === 'string' ? lane : stream.lane,
        time: copy.recorded,
        where,
      });
    }
  }

  private readonly present = new Map<Stream, Ranges>();

  private there(stream: Stream): Ranges {
    let ranges = this.present.get(stream);
    if (!ranges) this.present.set(stream, (ranges = Ranges.of(stream.numbers)));
    return ranges;
  }
}

function rangesIn(map: Map<string, Ranges>, id: string): Ranges {
  let ranges = map.get(id);
  if (!ranges) map.set(id, (ranges = new Ranges()));
  return ranges;
}

function rangesOf(stream: Stream, data: JsonObject): LostRange[] {
  const out: LostRange[] = [];
  const lost = Array.isArray(data['lost']) ? data['lost'] : [];
  for (const range of lost) {
    if (typeof range !== 'object' || range === null || Array.isArray(range)) continue;
    const [from, to] = [sequence(range['from']), sequence(range['to'])];
    const id = range['streamid'] || data['streamid'] || stream.id;
    if (from && to && from <= to && typeof id === 'string') {
      out.push({ id: id.toLowerCase(), from, to, maybe: range['maybe'] === true, prev: range['prev'] });
    }
  }
  return out;
}
