// The page's frame: the verdict that is always in sight, the views, and where one is.

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import type { Client, Progress } from '../client.ts';
import type { Filter, Meta, Summary } from '../model/types.ts';
import { Authority } from './authority.tsx';
import { useAnswer } from './bits.tsx';
import { EventPage } from './event.tsx';
import { Events } from './events.tsx';
import { Losses } from './losses.tsx';
import { Runs } from './runs.tsx';
import { Sinks } from './sinks.tsx';
import { Streams } from './streams.tsx';
import { VerdictPage } from './verdict.tsx';
import { VERDICTS, count } from './words.ts';

const VIEWS: [id: string, name: string][] = [
  ['verdict', 'Verdict'],
  ['events', 'Events'],
  ['runs', 'Runs'],
  ['streams', 'Streams'],
  ['authority', 'Authority'],
  ['losses', 'Losses'],
  ['sinks', 'Sinks'],
];

/** While it reads, what there is so far is shown after so long, in milliseconds. */
const REST = 250;

export interface View {
  client: Client;
  meta: Meta;
  summary: Summary;
  /** Goes up each time that everything was judged anew. */
  turn: number;
}

export interface Route {
  view: string;
  rest: string[];
  filter: Filter;
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const parts = path.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return '';
    }
  });
  const filter: Record<string, string> = {};
  for (const [key, value] of new URLSearchParams(query)) {
    if (['text', 'type', 'agent', 'run', 'tool', 'stream', 'state'].includes(key)) filter[key] = value;
  }
  return { view: parts[0] || 'verdict', rest: parts.slice(1), filter: filter as Filter };
}

export function App({ client, meta }: { client: Client; meta: Meta }): JSX.Element {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  const [progress, setProgress] = useState<Progress>({ lines: 0, judged: undefined });
  const [turn, setTurn] = useState(0);
  const [ended, setEnded] = useState(false);
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const moved = (): void => {
      setRoute(parseRoute(location.hash));
      main.current?.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    };
    const over = (): void => setEnded(true);
    window.addEventListener('hashchange', moved);
    document.addEventListener('sinkwell-live', over);
    let last = 0;
    let timer = 0;
    const turn = (): void => {
      window.clearTimeout(timer);
      timer = 0;
      last = performance.now();
      setTurn((n) => n + 1);
    };
    const told = (next: Progress): void => {
      setProgress(next);
      // While it reads, what there is so far is shown now and then.
      if (next.judged !== undefined || performance.now() - last > REST) turn();
      else timer ||= window.setTimeout(turn, REST);
    };
    client.listeners.add(told);
    return () => {
      client.listeners.delete(told);
      window.clearTimeout(timer);
      window.removeEventListener('hashchange', moved);
      document.removeEventListener('sinkwell-live', over);
    };
  }, []);
  const summary = useAnswer(client, 'summary', [], turn);
  const current =
    VIEWS.find(([id]) => id === route.view)?.[1] ?? (route.view === 'event' ? 'Event' : 'Verdict');
  useEffect(() => {
    document.title = `${current} – sinkwell`;
  }, [current]);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(click) => {
          click.preventDefault();
          main.current?.focus();
        }}
      >
        To the content
      </a>
      <header class="top">
        <div class="brand">sinkwell</div>
        <Banner summary={summary} progress={progress} meta={meta} ended={ended} />
        <nav aria-label="Views">
          {VIEWS.map(([id, name]) => (
            <a href={`#/${id}`} aria-current={route.view === id ? 'page' : undefined} key={id}>
              {name}
            </a>
          ))}
        </nav>
      </header>
      <main id="main" ref={main} tabIndex={-1} data-judged={summary?.judged ? turn : undefined}>
        {summary ? (
          <Content route={route} view={{ client, meta, summary, turn }} />
        ) : (
          <p class="wait">Reading…</p>
        )}
      </main>
      <footer>
        Made by sinkwell {meta.version} on {new Date(meta.made).toISOString().slice(0, 19).replace('T', ' ')}{' '}
        UTC. This page asks nothing of any network; it checks what it shows by itself.
      </footer>
    </>
  );
}

function Banner({
  summary,
  progress,
  meta,
  ended,
}: {
  summary: Summary | undefined;
  progress: Progress;
  meta: Meta;
  ended: boolean;
}): JSX.Element {
  const live = meta.live && (
    <span class={`live ${ended ? 'ended' : ''}`}>{ended ? 'the command has ended' : 'live'}</span>
  );
  if (summary?.error !== undefined) {
    return (
      <p class="verdict-chip findings" role="status">
        ✕ cannot be judged {live}
      </p>
    );
  }
  if (!summary?.verdict) {
    const all = summary ? count(progress.lines, 'line') : '';
    return (
      <p class="verdict-chip unchecked" role="status">
        <span aria-hidden="true">…</span> checking, {all} so far {live}
      </p>
    );
  }
  const [mark, headline] = VERDICTS[summary.verdict];
  return (
    <p class={`verdict-chip ${summary.verdict}`} role="status">
      <a href="#/verdict">
        <span aria-hidden="true">{mark}</span> {headline}
      </a>
      {summary.differences.length > 0 && <span class="warn-tag">the command says otherwise</span>} {live}
    </p>
  );
}

function Content({ route, view }: { route: Route; view: View }): JSX.Element {
  switch (route.view) {
    case 'events':
      return <Events view={view} filter={route.filter} />;
    case 'event':
      return <EventPage view={view} route={route} />;
    case 'runs':
      return <Runs view={view} id={route.rest[0]} />;
    case 'streams':
      return <Streams view={view} id={route.rest[0]} />;
    case 'authority':
      return <Authority view={view} id={route.rest[0]} filter={route.filter} />;
    case 'losses':
      return <Losses view={view} />;
    case 'sinks':
      return <Sinks view={view} />;
    default:
      return <VerdictPage view={view} />;
  }
}
