// One line: its bytes, how its digest, place and hash come about, its signature, what it discloses, its neighbours.

import type { JSX } from 'preact';

import { follow } from '../model/tree.ts';
import type { AuditView, EventView } from '../model/types.ts';
import type { Route, View } from './app.tsx';
import { Card, Empty, Mark, T, eventLink, link, useAnswer } from './bits.tsx';
import { Outcome, filterLink } from './events.tsx';
import { STATES, bytes, kindMeaning, kindTitle, shortType, time } from './words.ts';

export function EventPage({ view, route }: { view: View; route: Route }): JSX.Element {
  const [at = '', number] = route.rest;
  if (number !== undefined) return <ByNumber view={view} stream={at} n={Number(number)} />;
  const i = Number(at);
  if (!/^\d+$/.test(at) || i < 0) return <Empty>There is no such event.</Empty>;
  return <Shown view={view} i={i} />;
}

/** `#/event/STREAM/NUMBER`: a link that stays right however files are put together. */
function ByNumber({ view, stream, n }: { view: View; stream: string; n: number }): JSX.Element {
  const i = useAnswer(view.client, 'find', [stream, n], view.turn);
  return i === undefined ? (
    <Empty>Nothing stands at this number of this stream.</Empty>
  ) : (
    <Shown view={view} i={i} />
  );
}

function Shown({ view, i }: { view: View; i: number }): JSX.Element {
  const event = useAnswer(view.client, 'event', [i], view.turn);
  if (!event) return <p class="wait">Reading…</p>;
  const { row } = event;
  return (
    <article>
      <nav class="neighbours" aria-label="Neighbours in the stream">
        {event.before !== undefined ? (
          <a href={eventLink(event.before)}>← before it</a>
        ) : (
          <span>the first of its stream here</span>
        )}
        <a href={link('streams', row.stream)}>its stream</a>
        {row.run && <a href={link('runs', row.run)}>its run</a>}
        {event.after !== undefined ? (
          <a href={eventLink(event.after)}>after it →</a>
        ) : (
          <span>the last of its stream here</span>
        )}
      </nav>
      <h1>
        <T v={row.stub ? 'What retention left' : shortType(row.type)} />{' '}
        <Outcome outcome={row.outcome} state={row.state} /> <T v={row.label} />
      </h1>
      <section class={`hero small ${row.state}`}>
        <Mark state={row.state} />
        <div>
          <p>{STATES[row.state][2]}</p>
          {event.why.map((why) => {
            const [kind = '', words = ''] = why.split('\n');
            return (
              <p>
                <strong>{kindTitle(kind)}:</strong> {kindMeaning(kind)}{' '}
                {words && (
                  <em>
                    <T v={words} />
                  </em>
                )}
              </p>
            );
          })}
        </div>
      </section>
      <Card title={row.state === 'wrong' ? 'What it says now' : 'What it says'}>
        <p class="small">
          {time(row.time)} UTC, by{' '}
          <a href={filterLink({ agent: row.agent })}>
            <T v={row.agent} />
          </a>
          {row.core && ', said by sinkwell itself'}; number {row.n} of the stream <code>{row.stream}</code>,
          at{' '}
          <code>
            <T v={event.where} />
          </code>
        </p>
        <Data event={event} />
      </Card>
      {event.content.length > 0 && <Content event={event} />}
      <Proof event={event} />
      {event.audit && <Audit audit={event.audit} hash={event.hash} />}
      {event.others.length > 0 && (
        <Card title="Others at the same number" tone="findings">
          <ul>
            {event.others.map((other) => (
              <li>
                <a href={eventLink(other)}>another line that claims number {row.n}</a>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </article>
  );
}

function Data({ event }: { event: EventView }): JSX.Element {
  let shown = event.line;
  try {
    const e = JSON.parse(event.line) as Record<string, unknown>;
    const { data, ...rest } = e;
    void rest;
    shown = JSON.stringify(data ?? e, null, 2);
  } catch {
    // Shown as it stands there.
  }
  return (
    <pre class="data" tabIndex={0}>
      <T v={shown} keep most={100_000} />
    </pre>
  );
}

function Content({ event }: { event: EventView }): JSX.Element {
  return (
    <Card title="People's words">
      <table>
        <thead>
          <tr>
            <th>Part</th>
            <th>How it was taken</th>
            <th>Here</th>
          </tr>
        </thead>
        <tbody>
          {event.content.map((part) => (
            <tr>
              <td>
                <T v={part.what} />, {bytes(part.size)}
                {part.digest && (
                  <>
                    <br />
                    <code class="hash">
                      <T v={part.digest} most={64} />
                    </code>
                  </>
                )}
              </td>
              <td>
                {part.mode === 'redacted' ? (
                  '▧ redacted: parts were taken out before it was sealed'
                ) : part.mode === 'off' ? (
                  '□ not taken: only a digest was sealed'
                ) : (
                  <T v={part.mode} />
                )}
              </td>
              <td>
                {part.text === undefined ? (
                  <span>▪ closed: it was there, and can be disclosed later; its digest is sealed</span>
                ) : part.fits ? (
                  <>
                    <span>
                      ✓ open: SHA-256 of <code>sinkwell-part-v1⏎</code>, its salt and these words is the
                      digest that was sealed
                    </span>
                    <pre tabIndex={0}>
                      <T v={part.text} keep />
                    </pre>
                  </>
                ) : (
                  <strong>✕ given, but not what the envelope commits to: do not believe it</strong>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

/** That the line stands in the audit log's tree, step by step, and who vouches for that tree. */
function Audit({ audit, hash }: { audit: AuditView; hash: string }): JSX.Element {
  const { index, size, root, steps, head } = audit;
  const reached = follow(hash, steps);
  return (
    <Card title="Its place in the audit log" tone={head && !head.agrees ? 'findings' : ''}>
      <p>
        Leaf {index.toLocaleString('en')} of a tree of {size.toLocaleString('en')}.{' '}
        {reached === root
          ? '✓ The steps below lead to its root'
          : '✕ The steps below do not lead to its root'}
        , and{' '}
        {!head ? (
          <>nothing here vouches for that root: a head kept elsewhere can be compared with it.</>
        ) : head.agrees ? (
          <>
            <Mark state={head.proof} /> <a href={eventLink(head.at)}>the head of {time(head.time)}</a> names
            the same root.
          </>
        ) : (
          <strong class="bad">
            ✕ <a href={eventLink(head.at)}>the head of {time(head.time)}</a> names another root for this size:
            the log is not the one that it was made of.
          </strong>
        )}
      </p>
      <details>
        <summary>
          {steps.length === 1 ? 'one step' : `${steps.length} steps`} from its hash to the root
        </summary>
        <ol class="steps">
          <li>
            SHA-256 of <code>00</code> and its hash is the leaf
          </li>
          {steps.map((step) => (
            <li>
              SHA-256 of <code>01</code>, {step.side === 'left' ? '' : 'what was reached, and '}
              <code class="hash">{step.hash}</code>
              {step.side === 'left' ? ' and what was reached' : ''}
            </li>
          ))}
          <li>
            reaches <code class="hash">{reached}</code>
          </li>
        </ol>
        {head && (
          <p>
            The head names{' '}
            <code class="hash">
              <T v={head.root} />
            </code>
          </p>
        )}
      </details>
    </Card>
  );
}

function Proof({ event }: { event: EventView }): JSX.Element {
  const links =
    event.prev === ''
      ? 'it is the first of its stream'
      : event.previousHash === undefined
        ? 'the line before it is not here'
        : event.previousHash === event.prev
          ? '✓ it is the hash of the line before it'
          : '✕ it is not the hash of the line before it';
  return (
    <Card title="How that is checked">
      {event.hash === '' && (
        <p>A form that this page does not know: it has no hash that could be compared.</p>
      )}
      <ol class="steps">
        {event.event !== undefined && (
          <li>
            <h3>The event, without its place and its signature</h3>
            <pre tabIndex={0}>
              <T v={event.event} />
            </pre>
            <p>
              SHA-256 of <code>sinkwell-event-v1⏎</code> and these bytes is the event digest
              <br />
              <code class="hash">{event.digest}</code>
            </p>
          </li>
        )}
        <li>
          <h3>Its place in the stream</h3>
          <pre tabIndex={0}>
            <T v={event.place} />
          </pre>
          <p>
            SHA-256 of <code>sinkwell-place-v1⏎</code>, these bytes, <code>⏎</code> and the digest is its hash
            <br />
            <code class="hash">{event.hash}</code>
          </p>
          <p>
            It names <code class="hash">{event.prev || 'nothing before it'}</code>: {links}.
          </p>
        </li>
        <li>
          <h3>Its signature</h3>
          {event.signature ? (
            <p>
              <T v={event.sigalg} /> by the key <T v={event.keyid} />, over <code>sinkwell-seal-v1⏎</code> and
              the hash:{' '}
              <strong>
                {event.seal === 'good'
                  ? event.row.state === 'unchecked'
                    ? '? not checked, as no key was given'
                    : '✓ good'
                  : event.seal === 'altered'
                    ? '✕ not that of the key for these bytes'
                    : `✕ ${kindTitle(event.seal)}`}
              </strong>
              <br />
              <code class="hash">
                <T v={event.signature} />
              </code>
            </p>
          ) : (
            <p>
              It has none of its own.{' '}
              {event.covered &&
                event.coveredBy &&
                `The signature at ${event.coveredBy} covers it, as the chain leads from there back to this hash.`}
            </p>
          )}
        </li>
      </ol>
      <details>
        <summary>
          The line as it stands in the file{event.canonical ? '' : ' (not in canonical form)'}
        </summary>
        <pre tabIndex={0}>
          <T v={event.line} most={200_000} />
        </pre>
      </details>
    </Card>
  );
}
