// Losses, and how sinks were.

import type { JSX } from 'preact';

import type { View } from './app.tsx';
import { Card, Empty, Mark, T, eventLink, link, useAnswer } from './bits.tsx';
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
          {losses.declared.length > 300 && <p>{count(losses.declared.length - 300, 'more declaration')}</p>}
        </Card>
      )}
    </>
  );
}

/** A closed list; anything else is shown as it stands. */
const REASONS: Record<string, string> = Object.assign(Object.create(null) as Record<string, string>, {
  overflow: 'no room in the queue',
  reentrant: 'emitted from inside a sink',
  too_large: 'larger than may be',
  rejected: 'the receiver refused it for good',
  gave_up: 'tried for as long as the lane tries',
  uncertain: 'the receiver would not say which it refused',
  journal_damage: 'the journal was damaged where it stood',
  serialization: "it could not be put into the receiver's form",
});

export function Sinks({ view }: { view: View }): JSX.Element {
  const lanes = useAnswer(view.client, 'lanes', [], view.turn);
  if (!lanes) return <p class="wait">Reading…</p>;
  return (
    <>
      <h1>Sinks</h1>
      <p class="small">
        What each lane sealed about itself: its state over time, what was tried again, what waits.
      </p>
      {lanes.length === 0 && <Empty>No line says anything of a lane.</Empty>}
      {lanes.map((lane) => (
        <Card>
          <h2>
            <T v={lane.lane} />{' '}
            <span
              class={`outcome ${lane.now === 'healthy' || lane.now === 'opened' || lane.now === 'closed' ? 'fine' : 'bad'}`}
            >
              <T v={lane.now || 'unknown'} />
            </span>
          </h2>
          {Object.keys(lane.counters).length > 0 && (
            <div class="tiles">
              {Object.entries(lane.counters)
                .filter(([, n]) => n !== 0)
                .slice(0, 24)
                .map(([name, n]) => (
                  <div class="tile">
                    <strong>{n.toLocaleString('en')}</strong>
                    <span>
                      <T v={name} />
                    </span>
                  </div>
                ))}
            </div>
          )}
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
