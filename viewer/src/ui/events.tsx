// All events in the order in which they were read, and search.

import type { JSX } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

import type { Filter, Row, State } from '../model/types.ts';
import type { View } from './app.tsx';
import { Mark, T, VirtualList, eventLink, mixed } from './bits.tsx';
import { STATES, clock, count, shortType, time } from './words.ts';

export function filterLink(filter: Filter): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(filter)) if (value) query.set(key, value as string);
  const text = query.toString();
  return text ? `#/events?${text}` : '#/events';
}

export function Events({ view, filter }: { view: View; filter: Filter }): JSX.Element {
  const { client, turn, summary } = view;
  const [total, setTotal] = useState<number>();
  const [rows, setRows] = useState<Map<number, Row>>(new Map());
  const wanted = useRef<[number, number]>([0, 60]);
  const key = JSON.stringify(filter);
  const [asking, setAsking] = useState(false);
  const load = useCallback(
    (from: number, size: number) => {
      wanted.current = [from, size];
      const start = Math.max(0, from - 20);
      void client
        .call('rows', filter, start, size + 40)
        .then((answer) => {
          setAsking(false);
          setTotal(answer.total);
          setRows(new Map(answer.rows.map((row, n) => [start + n, row])));
        })
        .catch(() => setAsking(false));
    },
    [key, client],
  );
  useEffect(() => {
    setAsking(true);
    load(...wanted.current);
  }, [key, turn]);
  const set = (change: Filter): void => {
    location.hash = filterLink({ ...filter, ...change });
  };
  return (
    <>
      <h1>Events</h1>
      <form class="filters" role="search" onSubmit={(submit) => submit.preventDefault()}>
        <label>
          Text{' '}
          <input
            type="search"
            value={filter.text ?? ''}
            placeholder="any text, then Enter"
            onChange={(change) => set({ text: change.currentTarget.value })}
          />
        </label>
        <Choice
          name="Type"
          value={filter.type}
          of={summary.types}
          set={(type) => set({ type })}
          show={shortType}
        />
        <Choice name="Agent" value={filter.agent} of={summary.agents} set={(agent) => set({ agent })} />
        {summary.tools.length > 0 && (
          <Choice name="Tool" value={filter.tool} of={summary.tools} set={(tool) => set({ tool })} />
        )}
        <label>
          Run{' '}
          <input
            value={filter.run ?? ''}
            placeholder="id"
            onChange={(change) => set({ run: change.currentTarget.value })}
          />
        </label>
        <label>
          State{' '}
          <select
            value={filter.state ?? ''}
            onChange={(change) => set({ state: change.currentTarget.value as Filter['state'] & string })}
          >
            <option value="">all</option>
            {(Object.keys(STATES) as (keyof typeof STATES)[]).map((state) => (
              <option value={state}>
                {STATES[state][0]} {STATES[state][1]} ({summary.states[state]})
              </option>
            ))}
          </select>
        </label>
        {key !== '{}' && <a href="#/events">Show all</a>}
      </form>
      <p class="small" role="status">
        {asking && total === undefined ? 'Looking…' : total === undefined ? '' : count(total, 'event')}
        {filter.stream ? `, of the stream ${filter.stream}` : ''}
      </p>
      <div class="row head" aria-hidden="true">
        <span>State</span>
        <span class="num">No.</span>
        <span>Time</span>
        <span>What</span>
        <span>About</span>
        <span class="wide">Agent, run</span>
      </div>
      <VirtualList
        total={total ?? 0}
        label="Events"
        ask={load}
        row={(index) => {
          const row = rows.get(index);
          return row ? (
            <EventRow row={row} key={row.i} />
          ) : (
            <div class="row" key={`x${index}`} aria-hidden="true" />
          );
        }}
      />
    </>
  );
}

function Choice({
  name,
  value,
  of,
  set,
  show = (text) => text,
}: {
  name: string;
  value: string | undefined;
  of: [string, number][];
  set: (value: string) => void;
  show?: (value: string) => string;
}): JSX.Element {
  return (
    <label>
      {name}{' '}
      <select value={value ?? ''} onChange={(change) => set(change.currentTarget.value)}>
        <option value="">all</option>
        {of.map(([each, n]) => (
          <option value={each}>
            {visible(show(each))} ({n})
          </option>
        ))}
      </select>
    </label>
  );
}

/** As `T`, where only plain text can stand. */
export function visible(text: string): string {
  const plain = text.replace(
    /[^\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u05ff\u0900-\u10ff\u1e00-\u1fff\u3040-\u9fff\uac00-\ud7a3]/g,
    (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
  return (
    (plain.length > 80 ? `${plain.slice(0, 80)}…` : plain) +
    (mixed(text) ? ' (letters of several alphabets)' : '')
  );
}

function tone(outcome: string): string {
  if (['error', 'deny', 'denied', 'timeout', 'failed', 'refused'].includes(outcome)) return 'bad';
  if (['ok', 'allow', 'completed', 'issued', 'verified'].includes(outcome)) return 'fine';
  return '';
}

/** How something went. Good news has its colour only where the line that brings it is verified. */
export function Outcome({ outcome, state = 'verified' }: { outcome: string; state?: State }): JSX.Element {
  if (!outcome) return <></>;
  return (
    <span class={`outcome ${state === 'verified' || tone(outcome) !== 'fine' ? tone(outcome) : ''}`}>
      <T v={outcome} />
    </span>
  );
}

export function EventRow({ row }: { row: Row }): JSX.Element {
  return (
    <a class={`row ${row.state} ${row.core ? 'core' : ''}`} href={eventLink(row.i)} title={time(row.time)}>
      <Mark state={row.state} short />
      <span class="num">{row.n}</span>
      <span class="time">{clock(row.time)}</span>
      <span class="type">
        {row.stub ? 'erased: only a proof is left' : <T v={shortType(row.type)} most={60} />}
      </span>
      <span class="about">
        <Outcome outcome={row.outcome} state={row.state} /> <T v={row.label} most={160} />
      </span>
      <span class="wide agent">
        <T v={row.agent} most={80} /> <T v={row.run} most={60} />
      </span>
    </a>
  );
}
