// Streams: what stands where, what covers it, what is missing, and what a cut at the end would not show.

import type { JSX } from 'preact';

import type { StreamView } from '../model/types.ts';
import type { View } from './app.tsx';
import { Card, Empty, T, link, useAnswer } from './bits.tsx';
import { filterLink } from './events.tsx';
import { VERDICTS, count, kindTitle, span, time } from './words.ts';
import { milliseconds } from '../model/runs.ts';

const WHAT: Record<StreamView['stretches'][number]['what'], [word: string, mark: string]> = {
  verified: ['covered by a signature', '✓'],
  unchecked: ['not checked', '?'],
  unproven: ['no signature reaches it', '◌'],
  wrong: ['wrong', '✕'],
  missing: ['missing, undeclared', '✕'],
  declared: ['declared lost', '◐'],
  erased: ['erased, declared', '◐'],
};

export function Streams({ view, id }: { view: View; id: string | undefined }): JSX.Element {
  const streams = useAnswer(view.client, 'streams', [], view.turn);
  if (!streams) return <p class="wait">Reading…</p>;
  const one = id ? streams.filter((stream) => stream.id === id) : streams;
  return (
    <>
      <h1>{id ? 'Stream' : 'Streams'}</h1>
      {id && (
        <p>
          <a href="#/streams">All streams</a>
        </p>
      )}
      <p class="small">
        A stream is what one lane sealed for one agent: its numbers from 1, each line naming the hash of the
        one before.
      </p>
      <ul class="legend" aria-label="What the colours and patterns mean">
        {Object.entries(WHAT).map(([what, [word, mark]]) => (
          <li>
            <span class={`swatch ${what}`} aria-hidden="true" /> {mark} {word}
          </li>
        ))}
        <li>
          <span class="swatch tail" aria-hidden="true" /> behind the last checkpoint: a cut here would not
          show
        </li>
      </ul>
      {one.length === 0 && <Empty>There is none.</Empty>}
      {one.slice(0, 300).map((stream) => (
        <One stream={stream} key={stream.id} open={id !== undefined || one.length === 1} />
      ))}
      {one.length > 300 && (
        <p>{count(one.length - 300, 'more stream')}; filter events by their stream to see them.</p>
      )}
    </>
  );
}

function One({ stream, open }: { stream: StreamView; open: boolean }): JSX.Element {
  const width = Math.max(1, stream.last - stream.first + 1);
  const x = (n: number): number => ((n - stream.first) / width) * 1000;
  const tail = stream.last - Math.max(stream.checkpointed, stream.first - 1);
  const [mark, word] = stream.verdict ? VERDICTS[stream.verdict] : ['…', 'checking'];
  const took = milliseconds(stream.lastTime) - milliseconds(stream.firstTime);
  const findings = stream.findings.filter(({ weight }) => weight !== 'note');
  return (
    <Card tone={stream.verdict === 'findings' ? 'findings' : ''}>
      <h2>
        <span class={`verdict-chip small ${stream.verdict ?? 'unchecked'}`}>
          <span aria-hidden="true">{mark}</span> {word}
        </span>{' '}
        <T v={stream.lane ? `${stream.lane}, ` : ''} />
        <T v={stream.agent || 'agent unknown'} />
      </h2>
      <p class="small">
        <a href={link('streams', stream.id)}>
          <code>{stream.id}</code>
        </a>
        : {count(stream.envelopes, 'envelope')}, {time(stream.firstTime)} for {span(took)};{' '}
        {stream.closed ? 'closed in order' : 'not closed: its end is not proven'}
        {stream.follows ? '; goes on from another stream' : ''}.{' '}
        <a href={filterLink({ stream: stream.id })}>Its events</a>
      </p>
      <svg
        class="strip"
        viewBox="0 0 1000 46"
        preserveAspectRatio="none"
        role="img"
        aria-label={words(stream)}
      >
        <defs>
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
        {stream.stretches.map(({ from, to, what }) => (
          <a href={link('event', stream.id, from)}>
            <rect
              class={`fill-${what}`}
              x={x(from)}
              y={what === 'missing' || what === 'declared' ? 14 : 8}
              width={Math.max(3, x(to + 1) - x(from))}
              height={what === 'missing' || what === 'declared' ? 12 : 24}
            >
              <title>
                {from === to ? `number ${from}` : `numbers ${from} to ${to}`}: {WHAT[what][0]}
              </title>
            </rect>
          </a>
        ))}
        {tail > 0 && !stream.closed && (
          <rect
            class="fill-tail"
            x={x(stream.last - tail + 1)}
            y="34"
            width={Math.max(3, x(stream.last + 1) - x(stream.last - tail + 1))}
            height="5"
          />
        )}
        {stream.marks
          .filter(({ what }) => what !== 'heartbeat')
          .map(({ n, what, text }) => (
            <a href={link('event', stream.id, n)}>
              <rect class={`tick ${what}`} x={x(n) + 1} y="2" width="3" height="36">
                <title>
                  number {n}: {text}
                </title>
              </rect>
            </a>
          ))}
      </svg>
      <div class="strip-ends" aria-hidden="true">
        <span>{stream.first}</span>
        <span>{stream.last}</span>
      </div>
      <ul class="plain small">
        {stream.modes.map(({ n, sign }) => (
          <li>
            from number {n}:{' '}
            {sign === 'each' ? (
              'every envelope is signed'
            ) : sign === 'batch' ? (
              'one envelope of each batch is signed, and covers those before it'
            ) : (
              <T v={`signing: ${sign}`} />
            )}
          </li>
        ))}
        {stream.keys.length > 0 && (
          <li>
            good signatures by: <T v={stream.keys.join(', ')} />
          </li>
        )}
        {stream.marks.filter(({ what }) => what !== 'heartbeat').length > 0 && (
          <li>
            marks:{' '}
            {stream.marks
              .filter(({ what }) => what !== 'heartbeat')
              .slice(0, open ? 100 : 8)
              .map(({ n, text }) => (
                <>
                  <a href={link('event', stream.id, n)}>
                    {n} <T v={text} />
                  </a>{' '}
                </>
              ))}
          </li>
        )}
        {tail > 0 && !stream.closed && (
          <li>
            {count(tail, 'number')} behind the last checkpoint that is here: if the end were cut off there,
            nothing here would show it
          </li>
        )}
      </ul>
      {findings.length > 0 && (
        <ul class="found">
          {findings.slice(0, open ? 100 : 5).map((found) => (
            <li class={found.weight === 'findings' ? 'bad' : 'part'}>
              <span aria-hidden="true">{found.weight === 'findings' ? '✕' : '◐'}</span>{' '}
              {kindTitle(found.kind)}
              {found.from !== undefined && (
                <>
                  {' '}
                  at{' '}
                  <a href={link('event', stream.id, found.from)}>
                    {found.from === found.to ? found.from : `${found.from} to ${found.to ?? ''}`}
                  </a>
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function words(stream: StreamView): string {
  const parts = stream.stretches
    .slice(0, 20)
    .map(({ from, to, what }) => `${from} to ${to} ${WHAT[what][0]}`);
  return `Numbers ${stream.first} to ${stream.last}: ${parts.join(', ')}`;
}
