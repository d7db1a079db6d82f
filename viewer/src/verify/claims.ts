// What is claimed of streams from elsewhere: checkpoints, heartbeats, what a stream follows; and silence.

import { mayseal } from './keys.ts';
import { Ranges, minus } from './ranges.ts';
import { type Claim, type Judgement, NoEnvelope, lastOf } from './judgement.ts';

export function settle(verifier: Judgement, elsewhere: Map<string, Ranges>): void {
  const { here, options } = verifier;
  const asked = options.lanes ?? [];
  const lanes = new Set(verifier.lanesNamed);
  for (const id of here) {
    const lane = verifier.streams.get(id)?.lane;
    if (lane) lanes.add(lane);
  }
  for (const { id, who, lane } of verifier.claims) {
    if (here.has(id) && (who === 'file' || who === 'itself') && lane) lanes.add(lane);
  }
  const applies = ({ id, lane }: Claim): boolean =>
    here.has(id) || !lane || lanes.size === 0 || lanes.has(lane) || asked.includes(lane);
  for (const [name, claims] of verifier.fileClaims) {
    if (claims && !claims.some(applies)) throw new NoEnvelope(`${name} says nothing of what the input holds`);
  }

  const missingLanes = new Set<string>();
  const done = new Set<string>();
  const claims = verifier.claims.filter((claim) => maySay(verifier, claim));
  const byNumber = [...claims].sort(
    (a, b) => Number(a.who === 'follower') - Number(b.who === 'follower') || b.n - a.n,
  );
  for (const { id, n, head, who, where, lane } of byNumber) {
    const stream = verifier.streams.get(id);
    if (who === 'prev') {
      if (stream?.good.has(n) && !stream.matches(n, head)) {
        stream.add('altered', n, n, where, { why: 'a declared loss names another hash before it' });
      }
    } else if (here.has(id) && stream) {
      if (stream.good.has(n)) {
        if (!stream.matches(n, head)) {
          const why = 'a checkpoint or heartbeat names another hash here';
          stream.add(who === 'itself' ? 'conflict' : 'altered', n, n, where, { why });
        } else {
          if (who !== 'follower') stream.checkpointed = Math.max(stream.checkpointed, n);
          if (who === 'follower' && n === lastOf(stream)) stream.ended = true;
        }
        continue;
      }
      const last = lastOf(stream) ?? (stream.numbers.at(-1) as number);
      const missing = last < n ? minus(last + 1, n, stream.filled, stream.declared) : [];
      if (missing.length > 0 && !done.has(id)) {
        done.add(id);
        stream.add(
          'truncated',
          (missing[0] as [number, number])[0],
          (missing.at(-1) as [number, number])[1],
          where,
        );
      }
    } else if (lane && lanes.size > 0 && !lanes.has(lane)) {
      missingLanes.add(lane);
    } else if (!done.has(id) && minus(1, n, elsewhere.get(id) ?? new Ranges()).length > 0) {
      if (options.partial && who === 'input') continue;
      done.add(id);
      verifier.add('missing_stream', where, who === 'follower' ? 'note' : 'findings', `the stream ${id}`);
    }
  }
  for (const lane of asked) {
    if (!lanes.has(lane)) verifier.add('missing_lane', undefined, 'findings', `the lane ${lane}`);
  }
  if (asked.length > 0) return;
  for (const lane of missingLanes) {
    const where = claims.find((claim) => claim.lane === lane)?.where;
    verifier.add('missing_lane', where, 'note', `the lane ${lane}`);
  }
}

/** A claim counts from a key that may seal for the agent of the stream that it names. */
function maySay(verifier: Judgement, { id, key, agent }: Claim): boolean {
  return mayseal(key, verifier.streams.get(id)?.agent ?? agent);
}

/** Streams without `closed` of which nothing was heard for longer than `limit` milliseconds before the end. */
export function silence(verifier: Judgement, limit: number): void {
  const at = (time: string): number => Date.parse(time.slice(0, 23) + 'Z');
  for (const stream of verifier.streams.values()) {
    let { heard } = stream;
    for (const { id, time, lane, key } of verifier.heartbeats) {
      const about = id === stream.id && (stream.lane === undefined || stream.lane === lane);
      if (about && mayseal(key, stream.agent) && time > heard) heard = time;
    }
    const long = heard !== '' && at(verifier.latest) - at(heard) > limit;
    if (!verifier.here.has(stream.id) || stream.closed !== undefined || !long) continue;
    let last: number | undefined;
    for (const [n, [link]] of stream.good) if (link && !link.stub) last = n;
    const where = last === undefined ? undefined : verifier.whereOf(stream.firstGood(last).first);
    stream.add('silence', last, last, where);
  }
}
