// How sinks were: the health of each lane as it sealed it, what it counted, and both over time.

import type { JSX } from 'preact';

import type { LaneHealth, LaneView, RequiredView } from '../model/types.ts';
import type { View } from './app.tsx';
import { Card, Empty, Mark, T, eventLink, link, useAnswer } from './bits.tsx';
import { visible } from './events.tsx';
import { REASONS } from './losses.tsx';
import { TimeRow, Axis, scale, stamp } from './streams.tsx';
import { bytes, count, span, time } from './words.ts';

const bare = <V,>(of: Record<string, V>): Record<string, V> =>
  Object.assign(Object.create(null) as Record<string, V>, of);

/** What a state means; a closed list, anything else is shown as it stands. */
const STATE_WORDS = bare<string>({
  starting: 'Nothing is acknowledged yet.',
  opened: 'It has begun.',
  healthy: 'Its sink takes what it is given.',
  degraded: 'Its sink does not take what it is given; the lane holds it and tries again.',
  failed: 'Its sink does not work, and the lane has stopped trying for the time being.',
  closed: 'It was shut down in order.',
});

const FAILURES = bare<string>({
  network: 'the receiver cannot be reached',
  timeout: 'no answer within the time that it has',
  auth: 'the receiver does not accept the credentials; everything waits',
  rejected: 'the receiver refused',
  schema: 'the receiver does not know the schema',
  serialization: "something could not be put into the receiver's form",
  storage: 'a file, a disk or the audit database cannot be written',
  journal: "the lane's journal cannot be written",
  signer: "the key's holder did not sign; nothing is sent unsigned",
  panic: "the sink's own code failed",
  overflow: 'the queue was full',
});

type Form = 'number' | 'bytes' | 'ms' | 'thousandths' | 'ratio';

/** What a lane counts, in plain words, in the order in which one asks. */
const COUNTED: [name: string, words: string, form?: Form][] = [
  ['admitted', 'taken'],
  ['delivered', 'delivered'],
  ['pending', 'waiting'],
  ['oldest_pending_ms', 'the oldest waits', 'ms'],
  ['retried', 'tried again'],
  ['dropped', 'lost'],
  ['rejected', 'refused by the receiver'],
  ['filtered', 'kept out by a policy'],
  ['sealed', 'sealed'],
  ['journaled', 'in the journal'],
  ['own', "delivered, of the lane's own"],
  ['bytes', 'delivered', 'bytes'],
  ['sink.bytes_raw', 'sent, as lines', 'bytes'],
  ['sink.bytes_encoded', "sent, in the receiver's form", 'bytes'],
  ['sink.bytes_wire', 'sent, compressed', 'bytes'],
  ['sink.bytes_dropped', 'refused for good', 'bytes'],
  ['sink.compression_ratio', 'lines to what was sent', 'ratio'],
  ['sink.utilization', 'of the time with something under way', 'thousandths'],
  ['sink.in_flight_batches', 'batches without an answer yet'],
  ['sink.in_flight_bytes', 'without an answer yet', 'bytes'],
  ['sink.definitions_live', 'definitions that the receiver knows'],
  ['sink.definitions_added', 'definitions told'],
  ['sink.definitions_removed', 'definitions withdrawn'],
  ['sink.state_bytes', 'remembered by this end', 'bytes'],
  ['sink.streams', 'streams begun'],
  ['sink.rotations', 'streams replaced in time'],
  ['sink.retransmissions', 'batches sent again over another stream'],
];

/** Breakdowns of what is counted: by which word a number of theirs is told. */
const BY: [prefix: string, words: string][] = [
  ['dropped_by.', 'lost'],
  ['rejected_by.', 'refused'],
  ['filtered_by.', 'kept out by a policy'],
  ['sink_errors.', 'failures'],
];

const FILTERS = bare<string>({
  disabled: 'the policy takes none of them',
  matches: 'its conditions do not match',
  drop: 'its rule drops them',
  sampling: 'left out by sampling',
});

function amount(n: number, form: Form = 'number'): string {
  if (form === 'bytes') return bytes(n);
  if (form === 'ms') return span(n);
  if (form === 'thousandths') return `${(n / 10).toLocaleString('en', { maximumFractionDigits: 1 })} %`;
  if (form === 'ratio') return `${(n / 1000).toLocaleString('en', { maximumFractionDigits: 2 })} to 1`;
  return n.toLocaleString('en');
}

export function Sinks({ view }: { view: View }): JSX.Element {
  const answer = useAnswer(view.client, 'lanes', [], view.turn);
  if (!answer) return <p class="wait">Reading…</p>;
  const { lanes, required } = answer;
  return (
    <>
      <h1>Sinks</h1>
      <p class="small">
        What each lane sealed about itself: its health, its state over time, what was tried again, what waits.
      </p>
      {required.length > 0 && <Required required={required} />}
      {lanes.length === 0 && <Empty>No line says anything of a lane.</Empty>}
      {lanes.map((lane) => (
        <Card>
          <h2>
            <T v={lane.lane} />{' '}
            <span class={`outcome ${['healthy', 'opened', 'closed'].includes(lane.now) ? 'fine' : 'bad'}`}>
              <T v={lane.now || 'unknown'} />
            </span>
          </h2>
          <Health lane={lane} />
          <States lane={lane} />
          <Counted lane={lane} />
          <ol class="timeline">
            {lane.changes.slice(-200).map((change) => (
              <li>
                <Mark state={change.proof} short /> <a href={link('event', change.at)}>{time(change.time)}</a>{' '}
                <strong>
                  <T v={change.state} />
                </strong>{' '}
                <T v={change.text} />
              </li>
            ))}
          </ol>
        </Card>
      ))}
    </>
  );
}

function Required({ required }: { required: RequiredView[] }): JSX.Element {
  return (
    <Card title="Sinks that governance requires">
      <ol class="timeline">
        {required.slice(-200).map(({ time: at, rule, action, works, at: line, proof }) => (
          <li>
            <Mark state={proof} short /> <a href={eventLink(line)}>{time(at)}</a>{' '}
            <strong class={works ? '' : 'bad'}>{works ? 'one works again' : '✕ none works'}</strong>{' '}
            <T v={rule} />
            {!works && action === 'fail_closed' && ': nothing more is taken until one works'}
            {!works && action !== 'fail_closed' && (
              <>
                , <T v={action} />
              </>
            )}
          </li>
        ))}
      </ol>
    </Card>
  );
}

/** How a lane is, as it last said. */
function Health({ lane: { now, heard, health } }: { lane: LaneView }): JSX.Element {
  const last = health && (health.state === now || now === '') ? health : undefined;
  return (
    <div class="health">
      <p>
        {STATE_WORDS[now] ?? ''} {last && <Failure health={last} />}
        {heard && <small> Last heard of at {time(heard)} UTC.</small>}
      </p>
      {health && (health.failure !== '' || health.dropped > 0) && (
        <p>
          When it failed last: {count(health.dropped, 'event')} lost,{' '}
          {health.preserved ? (
            'none of them one that must not be.'
          ) : (
            <strong class="bad">✕ not all kept that must be.</strong>
          )}
        </p>
      )}
      {health?.acked !== undefined && (
        <p>
          Acknowledged up to number {health.acked.toLocaleString('en')}
          {health.repair !== undefined && (
            <>; to be sent again from number {health.repair.toLocaleString('en')} on</>
          )}
          .
        </p>
      )}
      {health?.unsafe && (
        <p>
          Sending again may do something twice: <T v={health.unsafe} />
        </p>
      )}
    </div>
  );
}

function Failure({ health }: { health: LaneHealth }): JSX.Element {
  return (
    <>
      {health.failure && health.state !== 'healthy' && (
        <>
          <strong>
            <T v={health.failure} />
          </strong>
          {FAILURES[health.failure] && `: ${FAILURES[health.failure] ?? ''}`}.{' '}
        </>
      )}
      {health.summary && (
        <em>
          <T v={health.summary} />
        </em>
      )}{' '}
      <small>
        <Mark state={health.proof} short /> since <a href={eventLink(health.at)}>{time(health.time)}</a>
      </small>
    </>
  );
}

/** The numbers of its last heartbeat. */
function Counted({ lane: { counters, told } }: { lane: LaneView }): JSX.Element {
  if (!told) return <></>;
  const has = (name: string): boolean => Object.hasOwn(counters, name) && counters[name] !== 0;
  const known = new Set(COUNTED.map(([name]) => name));
  const others = Object.keys(counters).filter(
    (name) => !known.has(name) && has(name) && !BY.some(([prefix]) => name.startsWith(prefix)),
  );
  const by = BY.flatMap(([prefix, words]) =>
    Object.keys(counters)
      .filter((name) => name.startsWith(prefix) && has(name))
      .map((name) => ({ words, why: name.slice(prefix.length), n: counters[name] ?? 0 })),
  );
  return (
    <>
      <p class="small">
        <Mark state={told.proof} short /> As its heartbeat of{' '}
        <a href={eventLink(told.at)}>{time(told.time)}</a> counts since it began; what is not told is 0.
      </p>
      <div class="tiles">
        {COUNTED.filter(([name]) => has(name)).map(([name, words, form]) => (
          <div class="tile">
            <strong>{amount(counters[name] ?? 0, form)}</strong>
            <span title={name}>{words}</span>
          </div>
        ))}
        {others.slice(0, 24).map((name) => (
          <div class="tile">
            <strong>{amount(counters[name] ?? 0)}</strong>
            <span>
              <T v={name} most={60} />
            </span>
          </div>
        ))}
      </div>
      {by.length > 0 && (
        <ul class="plain">
          {by.slice(0, 60).map(({ words, why, n }) => (
            <li>
              <strong>{amount(n)}</strong> {words}: <T v={why} most={80} />{' '}
              <small>{REASONS[why] ?? FILTERS[why] ?? FAILURES[why.split(' ')[0] ?? ''] ?? ''}</small>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** The worse a state, the taller it stands. */
const HEIGHTS: Record<string, number> = Object.assign(Object.create(null) as Record<string, number>, {
  healthy: 6,
  opened: 6,
  starting: 6,
  closed: 2,
});
const SERIES: Record<string, string> = Object.assign(Object.create(null) as Record<string, string>, {
  pending: 'waiting',
  oldest_pending_ms: 'the oldest waits, ms',
  'delivered+': 'delivered',
  'retried+': 'tried again',
  'dropped+': 'dropped',
  'rejected+': 'rejected',
  'filtered+': 'filtered',
  'sink.in_flight_batches': 'batches in flight',
  'sink.utilization': 'busy, of 1000',
});

/** In which state a lane was over time, and what its heartbeats counted. */
function States({ lane }: { lane: LaneView }): JSX.Element {
  const { begin, end, states, series } = lane;
  if (states.length === 0 && series.length === 0) return <></>;
  const x = scale(begin, end);
  return (
    <div class="over">
      <TimeRow
        label="state"
        tall={20}
        words={states
          .slice(0, 20)
          .map((each) => `${visible(each.state)} from ${stamp(each.begin)}`)
          .join(', ')}
      >
        {states.slice(-500).map((each) => {
          const high = HEIGHTS[each.state] ?? 18;
          return (
            <rect
              class={`state-${high > 6 ? 'bad' : 'fine'}`}
              x={x(each.begin)}
              y={19 - high}
              width={Math.max(2, x(each.end) - x(each.begin))}
              height={high}
            >
              <title>{`${visible(each.state)} from ${stamp(each.begin)} for ${span(each.end - each.begin)}`}</title>
            </rect>
          );
        })}
      </TimeRow>
      {series.map(({ name, points }) => {
        const most = Math.max(1, ...points.map(([, n]) => n));
        const y = (n: number): number => 27 - (n / most) * 25;
        const line = points.map(
          ([at, n], i) => `${i === 0 ? 'M' : 'L'}${x(at).toFixed(1)},${y(n).toFixed(1)}`,
        );
        const last = points.at(-1)?.[1] ?? 0;
        return (
          <TimeRow
            label={`${SERIES[name] ?? name}, at most ${most.toLocaleString('en')}`}
            tall={28}
            words={`${most} at most, ${last} at last`}
          >
            <path class="series" d={line.join('')} />
            {points.length < 60 &&
              points.map(([at, n]) => (
                <rect class="series-dot" x={x(at) - 1.5} y={y(n) - 1.5} width="3" height="3">
                  <title>{`${n.toLocaleString('en')} at ${stamp(at)}`}</title>
                </rect>
              ))}
          </TimeRow>
        );
      })}
      <Axis begin={begin} end={end} />
    </div>
  );
}
