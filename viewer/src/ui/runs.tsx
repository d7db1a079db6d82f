// Runs: what an agent did, when, for how long, at what cost.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import type { RunView, Span } from '../model/types.ts';
import { milliseconds } from '../model/runs.ts';
import type { View } from './app.tsx';
import { Card, Empty, Mark, T, eventLink, link, useAnswer } from './bits.tsx';
import { Outcome, filterLink } from './events.tsx';
import { count, money, span, time } from './words.ts';

export function Runs({ view, id }: { view: View; id: string | undefined }): JSX.Element {
  return id === undefined ? <All view={view} /> : <One view={view} id={id} />;
}

function All({ view }: { view: View }): JSX.Element {
  const runs = useAnswer(view.client, 'runs', [], view.turn);
  if (!runs) return <p class="wait">Reading…</p>;
  const ids = new Set(runs.map(({ id }) => id));
  const shown: [RunView, number][] = [];
  const put = (run: RunView, depth: number): void => {
    if (shown.some(([other]) => other === run) || shown.length >= 500) return;
    shown.push([run, depth]);
    for (const child of runs) if (child.parent === run.id) put(child, Math.min(depth + 1, 8));
  };
  for (const run of runs) if (!run.parent || !ids.has(run.parent)) put(run, 0);
  for (const run of runs) put(run, 0);
  return (
    <>
      <h1>Runs</h1>
      {runs.length === 0 && <Empty>No event names a run.</Empty>}
      {runs.length > 0 && (
        <div class="scroll">
          <table class="runs">
            <thead>
              <tr>
                <th>Run</th>
                <th>Ended</th>
                <th>Began</th>
                <th class="num">Took</th>
                <th class="num">Tools</th>
                <th class="num">Decisions</th>
                <th class="num">Tokens</th>
                <th class="num">Cost</th>
                <th>To look at</th>
              </tr>
            </thead>
            <tbody>
              {shown.map(([run, depth]) => (
                <tr>
                  <td style={{ paddingLeft: `${0.6 + depth * 1.2}em` }}>
                    {depth > 0 && <span aria-label={`begun by ${run.parent}`}>↳ </span>}
                    <a href={link('runs', run.id)}>
                      <T v={run.id} most={80} />
                    </a>
                    <br />
                    <small>
                      <T v={run.goal || run.agents.join(', ')} most={120} />
                    </small>
                  </td>
                  <td>
                    <Status run={run} />
                  </td>
                  <td class="nowrap">{time(run.start).slice(0, 19)}</td>
                  <td class="num">{span(milliseconds(run.end) - milliseconds(run.start))}</td>
                  <td class="num">{run.tools}</td>
                  <td class="num">
                    {run.decisions}
                    {run.denied > 0 && <small>, {run.denied} denied</small>}
                  </td>
                  <td class="num">{run.tokens.toLocaleString('en')}</td>
                  <td class="num">
                    <T v={costs(run.costs)} most={80} />
                  </td>
                  <td>
                    <Doubts run={run} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {runs.length > shown.length && (
        <p>{count(runs.length - shown.length, 'more run')}; search events for their ids.</p>
      )}
    </>
  );
}

const costs = (by: Record<string, number>): string =>
  Object.entries(by)
    .map(([currency, micros]) => money(micros, currency))
    .join(', ');

/** With what the runs that it began used, however deep. */
function rollUp(
  runs: readonly RunView[],
  id: string,
): { runs: number; tokens: number; costs: Record<string, number> } {
  const out = { runs: 0, tokens: 0, costs: {} as Record<string, number> };
  const seen = new Set<string>();
  const open = [id];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    for (const run of runs) {
      if (run.id === next) {
        out.runs += 1;
        out.tokens += run.tokens;
        for (const [currency, micros] of Object.entries(run.costs))
          out.costs[currency] = (out.costs[currency] ?? 0) + micros;
      }
      if (run.parent === next) open.push(run.id);
    }
  }
  return out;
}

function Status({ run }: { run: RunView }): JSX.Element {
  if (run.status === '' || run.status === 'started') return <span>… no end is here</span>;
  return <Outcome outcome={run.status} />;
}

function Doubts({ run }: { run: RunView }): JSX.Element {
  const parts: JSX.Element[] = [];
  if (run.doubtful > 0)
    parts.push(<strong class="bad">✕ {count(run.doubtful, 'line')} not proven, left out of all sums</strong>);
  if (run.unfinished > 0) parts.push(<strong>◌ {count(run.unfinished, 'intent')} without a result</strong>);
  if (run.errors > 0) parts.push(<span>{count(run.errors, 'error')}</span>);
  return (
    <>
      {parts.map((part) => (
        <div>{part}</div>
      ))}
    </>
  );
}

function One({ view, id }: { view: View; id: string }): JSX.Element {
  const detail = useAnswer(view.client, 'run', [id], view.turn);
  const runs = useAnswer(view.client, 'runs', [], view.turn);
  const [own, setOwn] = useState(false);
  if (!detail)
    return (
      <Empty>
        Nothing is here of the run <T v={id} />.
      </Empty>
    );
  const { run, children, start, end } = detail;
  const whole = runs ? rollUp(runs, id) : undefined;
  const spans = own ? detail.spans : detail.spans.filter(({ kind }) => !/heartbeat|audit\.chain/.test(kind));
  const length = Math.max(1, end - start);
  return (
    <>
      <h1>
        Run <T v={run.id} /> <Status run={run} />
      </h1>
      <p>
        <a href="#/runs">All runs</a>
        {run.parent && (
          <>
            , begun by{' '}
            <a href={link('runs', run.parent)}>
              <T v={run.parent} />
            </a>
          </>
        )}
        , <a href={filterLink({ run: run.id })}>its events as a list</a>,{' '}
        <a href={`#/authority?${new URLSearchParams({ run: run.id }).toString()}`}>by whose leave</a>
      </p>
      <div class="tiles">
        <Tile name="took" value={span(length)} />
        <Tile name="tools" value={String(run.tools)} />
        <Tile
          name="decisions"
          value={run.denied > 0 ? `${run.decisions}, ${run.denied} denied` : String(run.decisions)}
        />
        <Tile name="errors" value={String(run.errors)} />
        <Tile name="tokens" value={run.tokens.toLocaleString('en')} />
        <Tile name="cost" value={costs(run.costs) || 'none said'} />
        {whole && whole.runs > 1 && (
          <Tile
            name={`with ${count(whole.runs - 1, 'run')} below it`}
            value={`${whole.tokens.toLocaleString('en')} tokens${costs(whole.costs) ? `, ${costs(whole.costs)}` : ''}`}
          />
        )}
      </div>
      <Doubts run={run} />
      {run.goal && (
        <p>
          Goal: <T v={run.goal} />
        </p>
      )}
      {children.length > 0 && (
        <Card title="Runs that it began">
          <ul class="plain">
            {children.map((child) => (
              <li>
                <a href={link('runs', child.id)}>
                  <T v={child.id} />
                </a>{' '}
                <Status run={child} /> <T v={child.agents.join(', ')} />, {child.tokens.toLocaleString('en')}{' '}
                tokens {costs(child.costs)}
              </li>
            ))}
          </ul>
        </Card>
      )}
      <Card title="What happened, in time">
        <p class="small">
          {span(length)} from left to right. A bar is as long as the event says that it took; a dot is a
          moment.{' '}
          <label>
            <input
              type="checkbox"
              checked={own}
              onChange={(change) => setOwn(change.currentTarget.checked)}
            />{' '}
            also what sinkwell says of itself
          </label>
        </p>
        <div class="waterfall">
          {spans.map((each) => (
            <Bar each={each} start={start} length={length} key={each.i} />
          ))}
        </div>
        {detail.more > 0 && (
          <p>
            {count(detail.more, 'more event')} of this run {detail.more === 1 ? 'is' : 'are'} in the list of
            its events.
          </p>
        )}
      </Card>
    </>
  );
}

const CONTENT = { none: '', open: '✎ words open', closed: '▪ words closed', redacted: '▧ words redacted' };

function Bar({ each, start, length }: { each: Span; start: number; length: number }): JSX.Element {
  const left = ((each.start - start) / length) * 100;
  const width = ((each.end - each.start) / length) * 100;
  return (
    <a class={`bar ${each.state}`} href={eventLink(each.i)}>
      <span class="bar-name" style={{ paddingLeft: `${each.depth * 0.9}em` }}>
        <Mark state={each.state} short />{' '}
        <span class="type">
          <T v={each.kind} most={40} />
        </span>{' '}
        <Outcome outcome={each.outcome} state={each.state} /> <T v={each.label} most={100} />
        {each.unfinished && <strong class="bad"> ◌ no result</strong>}
      </span>
      <span class="bar-track" aria-hidden="true">
        <span
          class={`bar-fill ${width < 0.3 ? 'dot' : ''} kind-${each.kind.replace(/[^a-z]/g, '-')}`}
          style={{ left: `${Math.min(99, left)}%`, width: `${Math.max(0.3, width)}%` }}
        />
      </span>
      <span class="bar-detail">
        {each.end > each.start ? span(each.end - each.start) : ''} <T v={each.detail} most={80} />{' '}
        {CONTENT[each.content]}
      </span>
    </a>
  );
}

function Tile({ name, value }: { name: string; value: string }): JSX.Element {
  return (
    <div class="tile">
      <strong>
        <T v={value} />
      </strong>
      <span>{name}</span>
    </div>
  );
}
