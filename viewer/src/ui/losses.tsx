// Losses: what was declared, what is missing, and what the lanes themselves counted.

import type { JSX } from 'preact';

import { LOSS_SLOTS, type LossView } from '../model/types.ts';
import type { View } from './app.tsx';
import { Card, Mark, T, eventLink, link, useAnswer } from './bits.tsx';
import { visible } from './events.tsx';
import { Axis, TimeRow, scale, stamp } from './streams.tsx';
import { count, time } from './words.ts';

export function Losses({ view }: { view: View }): JSX.Element {
  const losses = useAnswer(view.client, 'losses', [], view.turn);
  if (!losses) return <p class="wait">Reading…</p>;
  return (
    <>
      <h1>Losses</h1>
      <section
        class={`hero small ${losses.undeclared > 0 ? 'wrong' : losses.total > 0 ? 'incomplete' : 'verified'}`}
      >
        <div>
          {losses.undeclared > 0 ? (
            <p>
              <strong>✕ The books do not balance:</strong> {count(losses.undeclared, 'number')} missing that
              nothing declares. <a href="#/streams">Where</a>
            </p>
          ) : losses.total > 0 ? (
            <p>
              <strong>◐ The books balance:</strong> every number is here or declared;{' '}
              {count(losses.total, 'event')} declared lost.
            </p>
          ) : (
            <p>
              <strong>✓ Nothing is missing,</strong> and nothing is declared lost.
            </p>
          )}
        </div>
      </section>
      {losses.lanes.length > 0 && (
        <Card title="By lane and reason">
          <table>
            <thead>
              <tr>
                <th>Lane</th>
                <th>Reason</th>
                <th class="num">Events</th>
                <th aria-hidden="true" />
              </tr>
            </thead>
            <tbody>
              {losses.lanes.flatMap((lane) =>
                Object.entries(lane.reasons).map(([reason, n]) => (
                  <tr>
                    <td>
                      <T v={lane.lane || 'unknown'} />
                    </td>
                    <td>
                      <T v={reason} /> <small>{REASONS[reason] ?? ''}</small>
                    </td>
                    <td class="num">{n.toLocaleString('en')}</td>
                    <td class="meter" aria-hidden="true">
                      <span style={{ width: `${(n / Math.max(1, losses.total)) * 100}%` }} />
                    </td>
                  </tr>
                )),
              )}
            </tbody>
          </table>
        </Card>
      )}
      {(losses.over.length > 0 || losses.holes.length > 0) && <Over losses={losses} />}
      {losses.books.length > 0 && <Books losses={losses} />}
      {losses.declared.length > 0 && (
        <Card title="When it was declared">
          <table>
            <thead>
              <tr>
                <th>Time</th>
                <th>Lane</th>
                <th>Reason</th>
                <th class="num">Events</th>
                <th>Declared at</th>
              </tr>
            </thead>
            <tbody>
              {losses.declared.slice(0, 300).map((loss) => (
                <tr>
                  <td>{time(loss.time)}</td>
                  <td>
                    <T v={loss.lane} />
                  </td>
                  <td>
                    <T v={loss.reason} />
                  </td>
                  <td class="num">{loss.events.toLocaleString('en')}</td>
                  <td>{loss.at === undefined ? loss.n : <a href={eventLink(loss.at)}>number {loss.n}</a>}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {losses.declarations > 300 && <p>{count(losses.declarations - 300, 'more declaration')}</p>}
        </Card>
      )}
    </>
  );
}

/** Losses over time: per lane how many were declared in each part of it, and what is missing undeclared. */
function Over({ losses }: { losses: LossView }): JSX.Element {
  const { begin, end, over, holes } = losses;
  const x = scale(begin, end);
  const lanes = [...new Set(over.map(({ lane }) => lane))];
  const reasons = [...new Set(over.flatMap((bar) => Object.keys(bar.reasons)))];
  const sum = (of: Record<string, number>): number => Object.values(of).reduce((a, b) => a + b, 0);
  const most = Math.max(1, ...over.map((bar) => sum(bar.reasons)));
  const tall = 48;
  const slotWide = 1000 / LOSS_SLOTS;
  const at = (slot: number): string => stamp(begin + (slot / LOSS_SLOTS) * (end - begin));
  return (
    <Card title="Over time">
      <ul class="legend" aria-label="What the patterns mean">
        {reasons.slice(0, 12).map((reason, i) => (
          <li>
            <span class={`swatch loss-${i % 4}`} aria-hidden="true" /> <T v={reason} />
          </li>
        ))}
        {holes.length > 0 && (
          <li>
            <span class="swatch gap" aria-hidden="true" /> ✕ missing, and nothing declares it
          </li>
        )}
      </ul>
      <svg width="0" height="0" class="sr" aria-hidden="true">
        <defs>
          {[0, 1, 2, 3].map((i) => (
            <pattern id={`loss-${i}`} width="6" height="6" patternUnits="userSpaceOnUse">
              <rect width="6" height="6" class="loss-back" />
              {i > 0 && <path class="loss-line" d={['', 'M0,3 h6', 'M3,0 v6', 'M0,0 l6,6'][i]} />}
            </pattern>
          ))}
          <pattern
            id="lines-bad"
            width="6"
            height="6"
            patternUnits="userSpaceOnUse"
            patternTransform="rotate(45)"
          >
            <rect width="3" height="6" class="fill-wrong" />
          </pattern>
        </defs>
      </svg>
      <div class="over">
        {lanes.slice(0, 50).map((lane) => {
          const bars = over.filter((bar) => bar.lane === lane).sort((a, b) => a.slot - b.slot);
          return (
            <TimeRow
              label={
                <>
                  <T v={lane || 'unknown'} most={40} />,{' '}
                  {count(
                    bars.reduce((n, bar) => n + sum(bar.reasons), 0),
                    'event',
                  )}
                </>
              }
              tall={tall}
              words={bars
                .slice(0, 20)
                .map((bar) => `${sum(bar.reasons)} declared lost about ${at(bar.slot)}`)
                .join(', ')}
            >
              {bars.map((bar) => {
                let top = tall;
                return reasons
                  .filter((reason) => Object.hasOwn(bar.reasons, reason))
                  .map((reason) => {
                    const n = bar.reasons[reason] ?? 0;
                    const high = Math.max(2, (n / most) * (tall - 2));
                    top -= high;
                    return (
                      <rect
                        class={`bar-loss loss-${reasons.indexOf(reason) % 4}`}
                        x={bar.slot * slotWide + 1}
                        y={Math.max(0, top)}
                        width={slotWide - 2}
                        height={high}
                      >
                        <title>{`${n.toLocaleString('en')} declared lost about ${at(bar.slot)}: ${visible(reason)}`}</title>
                      </rect>
                    );
                  });
              })}
            </TimeRow>
          );
        })}
        {holes.length > 0 && (
          <TimeRow
            label={<strong class="bad">✕ undeclared</strong>}
            tall={16}
            words={holes
              .slice(0, 20)
              .map(({ from, to, begin: a }) => `numbers ${from} to ${to} about ${stamp(a)}`)
              .join(', ')}
          >
            {holes.map(({ stream, from, to, begin: a, end: b }) => (
              <a href={link('streams', stream)}>
                <rect class="fill-gap" x={x(a) - 2} y="1" width={Math.max(6, x(b) - x(a))} height="14">
                  <title>{`numbers ${from} to ${to} of ${stream} are missing`}</title>
                </rect>
              </a>
            ))}
          </TimeRow>
        )}
        <Axis begin={begin} end={end} />
      </div>
    </Card>
  );
}

/** What each lane counted, and whether that comes out. */
function Books({ losses }: { losses: LossView }): JSX.Element {
  return (
    <Card title="The lanes' own books">
      <p class="small">
        As each lane last sealed them: what it took is what it delivered, lost, was refused, and still holds.
      </p>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>Lane</th>
              <th class="num">Taken</th>
              <th class="num">Delivered</th>
              <th class="num">Dropped</th>
              <th class="num">Rejected</th>
              <th class="num">Waiting</th>
              <th>Comes out</th>
            </tr>
          </thead>
          <tbody>
            {losses.books.slice(0, 300).map(({ lane, at, time: told, counters, proof }) => {
              const of = (name: string): number =>
                Object.hasOwn(counters, name) ? (counters[name] ?? 0) : 0;
              const whole = BOOK.every((name) => Object.hasOwn(counters, name));
              const right =
                of('admitted') === of('delivered') + of('dropped') + of('rejected') + of('pending');
              return (
                <tr>
                  <td>
                    <T v={lane} />
                    <br />
                    <small>
                      <Mark state={proof} short /> <a href={eventLink(at)}>{time(told)}</a>
                    </small>
                  </td>
                  {BOOK.map((name) => (
                    <td class="num">{Object.hasOwn(counters, name) ? of(name).toLocaleString('en') : ''}</td>
                  ))}
                  <td>
                    {!whole ? '? not all of it is told' : right ? '✓' : <strong class="bad">✕ no</strong>}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

const BOOK = ['admitted', 'delivered', 'dropped', 'rejected', 'pending'];

/** A closed list; anything else is shown as it stands. */
export const REASONS: Record<string, string> = Object.assign(Object.create(null) as Record<string, string>, {
  overflow: 'no room in the queue',
  reentrant: 'emitted from inside a sink',
  too_large: 'larger than may be',
  rejected: 'the receiver refused it for good',
  gave_up: 'tried for as long as the lane tries',
  uncertain: 'the receiver would not say which it refused',
  journal_damage: 'the journal was damaged where it stood',
  serialization: "it could not be put into the receiver's form",
});
