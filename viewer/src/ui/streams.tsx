// Streams: what stands where, what covers it, what is missing, and what a cut at the end would not show.

import type { ComponentChildren, JSX } from 'preact';

import { SLOTS, type StreamView } from '../model/types.ts';
import { outside } from '../model/streams.ts';
import type { View } from './app.tsx';
import { Card, Empty, T, link, useAnswer } from './bits.tsx';
import { filterLink, visible } from './events.tsx';
import { VERDICTS, count, kindTitle, span, time } from './words.ts';
import { milliseconds } from '../model/runs.ts';

const WHAT: Record<StreamView['stretches'][number]['what'], [word: string, mark: string]> = {
  verified: ['covered by a signature', '✓'],
  unchecked: ['not checked', '?'],
  unproven: ['no signature reaches it', '◌'],
  wrong: ['wrong', '✕'],
  gap: ['missing, and nothing declares it', '✕'],
  removed: ['taken out after it was sealed', '✕'],
  truncated: ['cut off', '✕'],
  declared: ['lost, and declared', '◐'],
  erased: ['erased, declared', '◐'],
};

export function Streams({ view, id }: { view: View; id: string | undefined }): JSX.Element {
  const streams = useAnswer(view.client, 'streams', [], view.turn);
  if (!streams) return <p class="wait">Reading…</p>;
  const one = id ? streams.filter((stream) => stream.id === id) : streams;
  // All on one axis, so that what happened at the same time stands below each other.
  const shown = one.slice(0, 300).filter(({ time: { end } }) => end > 0);
  const begin = shown.reduce((low, { time: over }) => Math.min(low, over.begin), Infinity);
  const end = shown.reduce(
    (high, { time: over }) => Math.max(high, over.end, ...over.silent.map((silent) => silent.end)),
    0,
  );
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
        <li>
          <span class="swatch silent" aria-hidden="true" /> silence: not a word for longer than three
          heartbeats
        </li>
        <li>
          <span class="swatch watched" aria-hidden="true" /> watched by an integration; elsewhere nobody
          looked
        </li>
      </ul>
      <Patterns />
      {one.length === 0 && <Empty>There is none.</Empty>}
      {one.slice(0, 300).map((stream) => (
        <One
          stream={stream}
          key={stream.id}
          open={id !== undefined || one.length === 1}
          axis={[begin, end]}
        />
      ))}
      {one.length > 300 && (
        <p>{count(one.length - 300, 'more stream')}; filter events by their stream to see them.</p>
      )}
    </>
  );
}

function One({
  stream,
  open,
  axis,
}: {
  stream: StreamView;
  open: boolean;
  axis: [begin: number, end: number];
}): JSX.Element {
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
      <Over stream={stream} axis={axis} />
      <h3 class="small">By number</h3>
      <svg
        class="strip"
        viewBox="0 0 1000 46"
        preserveAspectRatio="none"
        role="img"
        aria-label={words(stream)}
      >
        {stream.stretches.map(({ from, to, what }) => (
          <a href={link('event', stream.id, from)}>
            <rect
              class={`fill-${what}`}
              x={x(from)}
              y={HOLES.has(what) ? 14 : 8}
              width={Math.max(3, x(to + 1) - x(from))}
              height={HOLES.has(what) ? 12 : 24}
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
        {stream.marks.map(({ n, what, text }) => (
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
        {stream.marks.length > 0 && (
          <li>
            marks:{' '}
            {stream.marks.slice(0, open ? 100 : 8).map(({ n, text }) => (
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

const HOLES: ReadonlySet<string> = new Set(['gap', 'removed', 'truncated', 'declared']);

/** What is drawn with lines, so that nothing rests on colour alone. */
function Patterns(): JSX.Element {
  return (
    <svg width="0" height="0" class="sr" aria-hidden="true">
      <defs>
        {(['bad', 'part'] as const).map((name) => (
          <pattern
            id={`lines-${name}`}
            width="6"
            height="6"
            patternUnits="userSpaceOnUse"
            patternTransform={name === 'bad' ? 'rotate(45)' : 'rotate(-45)'}
          >
            <rect width="3" height="6" class={name === 'bad' ? 'fill-wrong' : 'fill-tail'} />
          </pattern>
        ))}
      </defs>
    </svg>
  );
}

/** A row of a picture over time: what it is, and the picture of it. */
export function TimeRow({
  label,
  words,
  tall = 16,
  children,
}: {
  label: ComponentChildren;
  words: string;
  tall?: number;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="over-row">
      <span class="over-label">{label}</span>
      <svg
        viewBox={`0 0 1000 ${tall}`}
        preserveAspectRatio="none"
        style={{ height: `${tall}px` }}
        role="img"
        aria-label={words}
      >
        {children}
      </svg>
    </div>
  );
}

/** The times that a picture's rows stand over. */
export function Axis({ begin, end }: { begin: number; end: number }): JSX.Element {
  const at = [begin, (begin + end) / 2, end];
  return (
    <div class="over-row over-axis" aria-hidden="true">
      <span class="over-label" />
      <div class="strip-ends">
        {(end > begin ? at : [begin]).map((ms) => (
          <span>{stamp(ms)}</span>
        ))}
      </div>
    </div>
  );
}

export const stamp = (ms: number): string => time(new Date(ms).toISOString());

/** Where a time stands in a picture that is 1000 wide. */
export const scale =
  (begin: number, end: number): ((at: number) => number) =>
  (at) =>
    end > begin ? Math.max(0, Math.min(1000, ((at - begin) / (end - begin)) * 1000)) : 500;

function Over({ stream, axis: [begin, end] }: { stream: StreamView; axis: [number, number] }): JSX.Element {
  const { time: over } = stream;
  if (over.end === 0) return <></>;
  const x = scale(begin, end);
  const wide = (from: number, to: number, least = 2): number => Math.max(least, x(to) - x(from));
  const keys = [...new Set(over.pieces.map(({ key }) => key))].filter((key) => key >= 0);
  const of = stream.modes.map(({ sign }) => visible(sign));
  const signs =
    over.signatures === 0 ? 'none' : [...new Set(of.map((sign) => SIGNS[sign] ?? sign))].join(', then ');
  // What stands behind the last checkpoint; without one, all of it.
  const behind = over.held === 0 ? over.begin : over.held;
  const tail = !stream.closed && behind < over.end ? behind : undefined;
  return (
    <div class="over">
      <h3 class="small">Over time</h3>
      <TimeRow label="what stands" tall={30} words={overWords(stream)}>
        <line class="baseline" x1={x(over.begin)} x2={x(over.end)} y1="17" y2="17" />
        {over.pieces.map(({ from, to, begin: a, end: b, what }) => (
          <a href={link('event', stream.id, from)}>
            <rect class={`fill-${what}`} x={x(a)} y="8" width={wide(a, b)} height="18">
              <title>{`${from === to ? `number ${from}` : `numbers ${from} to ${to}`}, ${stamp(a)} to ${stamp(b)}: ${WHAT[what][0]}`}</title>
            </rect>
          </a>
        ))}
        {over.silent.map(({ begin: a, end: b }) => (
          <rect class="fill-silent" x={x(a)} y="12" width={wide(a, b)} height="10">
            <title>{`silence from ${stamp(a)} for ${span(b - a)}`}</title>
          </rect>
        ))}
        {over.holes.map(({ from, to, begin: a, end: b, what }) => (
          <rect class={`fill-${what}`} x={x(a) - 2} y="8" width={wide(a, b, 6)} height="18">
            <title>{`${from === to ? `number ${from}` : `numbers ${from} to ${to}`}: ${WHAT[what][0]}`}</title>
          </rect>
        ))}
        {stream.marks.map(({ n, at, what, text }) => (
          <a href={link('event', stream.id, n)}>
            {what === 'broken' ? (
              <path class="tick broken" d={`M${x(at) - 4},0 l8,8 m0,-8 l-8,8`}>
                <title>{`number ${n}: ${visible(text)}`}</title>
              </path>
            ) : (
              <rect class={`tick ${what}`} x={x(at) - 1} y="0" width="3" height={what === 'loss' ? 14 : 28}>
                <title>{`number ${n}: ${visible(text)}`}</title>
              </rect>
            )}
          </a>
        ))}
      </TimeRow>
      {keys.slice(0, 12).map((key, i) => (
        <TimeRow
          label={
            <>
              key <T v={stream.keys[i] ?? ''} most={40} />
            </>
          }
          tall={10}
          words={over.pieces
            .filter((piece) => piece.key === key)
            .slice(0, 20)
            .map(({ from, to }) => `numbers ${from} to ${to}`)
            .join(', ')}
        >
          {over.pieces
            .filter((piece) => piece.key === key)
            .map(({ begin: a, end: b, from, to }) => (
              <rect class={`fill-key k${i % 2}`} x={x(a)} y="2" width={wide(a, b)} height="6">
                <title>{`numbers ${from} to ${to} are sealed by it`}</title>
              </rect>
            ))}
        </TimeRow>
      ))}
      <TimeRow
        label={`signed: ${signs}`}
        tall={10}
        words={`${count(over.signatures, 'signature')}, ${signs}`}
      >
        {over.signed.map((slot) => {
          const at = over.begin + ((slot + 0.5) / SLOTS) * (over.end - over.begin);
          return <rect class="fill-signed" x={x(at) - 1} y="1" width="2" height="8" />;
        })}
      </TimeRow>
      <TimeRow
        label="held by a checkpoint"
        tall={10}
        words={
          tail === undefined
            ? 'to the end'
            : over.held === 0
              ? 'nothing is: a cut anywhere would not show'
              : `up to ${stamp(over.held)}; a cut after that would not show`
        }
      >
        {over.held > 0 && (
          <rect class="fill-held" x={x(over.begin)} y="2" width={wide(over.begin, over.held)} height="6" />
        )}
        {tail !== undefined && (
          <rect class="fill-cut" x={x(tail)} y="2" width={wide(tail, over.end)} height="6">
            <title>{`from ${stamp(tail)} on: a cut here would not show`}</title>
          </rect>
        )}
      </TimeRow>
      {over.watched.map(({ seam, spans }) => (
        <TimeRow
          label={
            <>
              watched: <T v={seam} most={40} />
            </>
          }
          tall={10}
          words={watchedWords(stream, spans)}
        >
          <line class="baseline unwatched" x1={x(over.begin)} x2={x(over.end)} y1="5" y2="5" />
          {spans.map(({ begin: a, end: b, open }) => (
            <rect class={`fill-watched ${open ? 'open' : ''}`} x={x(a)} y="1" width={wide(a, b)} height="8">
              <title>{`watched from ${stamp(a)} ${open ? `until it was last heard of at ${stamp(b)}; nothing says that it ended` : `to ${stamp(b)}`}`}</title>
            </rect>
          ))}
        </TimeRow>
      ))}
      <Axis begin={begin} end={end} />
      <ul class="plain small">
        {over.silent.slice(0, 8).map(({ begin: a, end: b }) => (
          <li>
            silence: nothing was heard for {span(b - a)} after {stamp(a)}; its lane has a heartbeat every{' '}
            {span(over.beat)}
          </li>
        ))}
        {over.watched.map(({ seam, spans }) => (
          <li>
            <T v={seam} />: {watchedWords(stream, spans)}
          </li>
        ))}
      </ul>
    </div>
  );
}

const SIGNS: Record<string, string> = Object.assign(Object.create(null) as Record<string, string>, {
  each: 'each',
  batch: 'one of each batch',
  none: 'not at all',
  '': 'unknown how',
});

function watchedWords(
  { time: over }: StreamView,
  spans: { begin: number; end: number; open: boolean }[],
): string {
  const blind = outside(over.begin, over.end, spans).filter(({ begin, end }) => end > begin);
  const open = spans.some((each) => each.open) ? '; nothing says that watching ended' : '';
  if (blind.length === 0) return `watched for all of this time${open}`;
  const parts = blind.slice(0, 6).map(({ begin, end }) => `${stamp(begin)} for ${span(end - begin)}`);
  return `nobody looked from ${parts.join(', from ')}${blind.length > 6 ? ` and ${blind.length - 6} times more` : ''}${open}`;
}

function overWords({ time: over, marks }: StreamView): string {
  const parts = [...over.pieces, ...over.holes]
    .sort((a, b) => a.from - b.from)
    .slice(0, 20)
    .map(({ from, to, begin, what }) => `${from} to ${to} from ${stamp(begin)} ${WHAT[what][0]}`);
  return [...parts, ...marks.slice(0, 20).map(({ n, text }) => `${visible(text)} at ${n}`)].join(', ');
}

function words(stream: StreamView): string {
  const parts = stream.stretches
    .slice(0, 20)
    .map(({ from, to, what }) => `${from} to ${to} ${WHAT[what][0]}`);
  return `Numbers ${stream.first} to ${stream.last}: ${parts.join(', ')}`;
}
