// By whose leave: what acted, what let it, on whose authority.

import type { JSX } from 'preact';

import type { Filter, Graph, GraphNode } from '../model/types.ts';
import type { View } from './app.tsx';
import { Card, Empty, Mark, T, eventLink, link, useAnswer } from './bits.tsx';
import { visible } from './events.tsx';
import { count } from './words.ts';

const FOUND: Record<string, string> = Object.assign(Object.create(null) as Record<string, string>, {
  no_decision: 'Nothing decided on it',
  after_deny: 'Done although it was denied',
  expired_authority: 'Its authority was over',
  revoked_authority: 'Its authority had been taken back',
  refused_authority: 'Its authority had been refused',
  widened_scope: 'Passed on more than it was given',
  cycle: 'Leads back to itself',
  edge_to_nothing: 'Leads to nothing that is here',
  unverified: 'Rests on what no signature covers',
  ambiguous_id: 'Two different events have this id',
});

/** So many runs and agents one can choose from. */
const CHOICES = 200;

/** The graph of what is here, or of one run or agent alone. */
export function Authority({
  view,
  id,
  filter,
}: {
  view: View;
  id: string | undefined;
  filter: Filter;
}): JSX.Element {
  const answer = useAnswer(view.client, 'graph', [], view.turn);
  if (!answer) {
    return (
      <p class="wait">
        Nothing to show yet. Of very many events the graph is in no page: <code>sinkwell graph --run</code>{' '}
        shows a part.
      </p>
    );
  }
  const { graph, text, doubts, at, by, runs } = answer;
  const { run, agent } = filter;
  const fits = (node: GraphNode | undefined): boolean =>
    (!run || (node !== undefined && runs[node.id] === run)) && (!agent || node?.envelope?.agentid === agent);
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const all = graph.nodes.filter(({ kind }) => kind === 'action');
  const findings = graph.findings.filter(({ node }) => fits(byId.get(node)));
  const part = run || agent ? ', in this part' : '';
  const found = new Map<string, Graph['findings']>();
  for (const each of graph.findings) found.set(each.node, [...(found.get(each.node) ?? []), each]);
  const actions = all.filter(fits);
  const toAction = (node: string): string => {
    const query = new URLSearchParams({ ...(run && { run }), ...(agent && { agent }) }).toString();
    return `${link('authority', node)}${query && `?${query}`}`;
  };
  const chosen =
    graph.nodes.find((node) => node.id === id) ??
    (id === undefined
      ? (graph.nodes.find((node) => findings[0]?.node === node.id) ?? actions[0])
      : undefined);
  return (
    <>
      <h1>By whose leave</h1>
      {by === 'both' && doubts.length === 0 && graph.nodes.length > 0 && (
        <p class="compared verified">
          <span aria-hidden="true">✓</span> Worked out twice, from the events alone: by this page, and by the
          command. They agree.
        </p>
      )}
      {by !== 'both' && (
        <p class="small">
          {by === 'command'
            ? 'Worked out by the command; of so many events this page does not work it out itself.'
            : by === 'page'
              ? 'What was found was worked out by this page; what the command found is not in it.'
              : view.meta.live
                ? 'What was found was worked out by this page; the command has not judged the newest lines yet.'
                : 'What was found was worked out by this page, by other keys than the command had.'}
        </p>
      )}
      {doubts.length > 0 && (
        <Card tone="findings" title="This page and the command do not agree">
          <ul>
            {doubts.slice(0, 20).map((doubt) => (
              <li>
                <T v={doubt} />
              </li>
            ))}
          </ul>
        </Card>
      )}
      {graph.nodes.length === 0 && <Empty>No event says anything of authority.</Empty>}
      {all.length > 0 && <Of nodes={all} runs={runs} filter={filter} />}
      {findings.length > 0 ? (
        <Card tone="findings" title={`${count(findings.length, 'thing')} to look at${part}`}>
          <ul class="plain">
            {findings.slice(0, 200).map((each) => (
              <li>
                ✕ <strong>{FOUND[each.kind] ?? each.kind}:</strong>{' '}
                <a href={toAction(each.node)}>
                  <T v={each.node.replace(/^event:/, '')} />
                </a>
                . <T v={each.note} />
              </li>
            ))}
          </ul>
        </Card>
      ) : (
        graph.nodes.length > 0 && (
          <p class="compared verified">
            ✓ Nothing was found{run || agent ? ' in this part' : ''}: every action that needs a decision has
            one, and every authority that is named held.
          </p>
        )
      )}
      {actions.length > 0 && (
        <Card title="What was done">
          <p class="small">Choose one: why was it allowed?</p>
          <ul class="choices">
            {actions.slice(0, 500).map((node) => (
              <li>
                <a href={toAction(node.id)} aria-current={node === chosen ? 'true' : undefined}>
                  <State node={node} /> <T v={nameOf(node)} most={100} />
                  {found.has(node.id) && (
                    <strong class="bad"> ✕ {FOUND[found.get(node.id)?.[0]?.kind ?? ''] ?? ''}</strong>
                  )}
                </a>
              </li>
            ))}
          </ul>
          {actions.length > 500 && <p>{count(actions.length - 500, 'more action')}</p>}
        </Card>
      )}
      {chosen && <Why node={chosen} graph={graph} text={text} found={found} at={at} />}
    </>
  );
}

/** Of which run, of which agent: what did something that needs leave. */
function Of({
  nodes,
  runs,
  filter,
}: {
  nodes: GraphNode[];
  runs: Record<string, string>;
  filter: Filter;
}): JSX.Element {
  const sorted = (list: (string | undefined)[], chosen: string | undefined): string[] =>
    [...new Set([...(chosen ? [chosen] : []), ...list.filter((each) => each !== undefined && each !== '')])]
      .slice(0, CHOICES)
      .sort() as string[];
  const byRun = sorted(
    nodes.map(({ id }) => runs[id]),
    filter.run,
  );
  const byAgent = sorted(
    nodes.map(({ envelope }) => envelope?.agentid),
    filter.agent,
  );
  const set = (change: Filter): void => {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries({ run: filter.run, agent: filter.agent, ...change }))
      if (value) query.set(key, value);
    const text = query.toString();
    location.hash = text ? `#/authority?${text}` : '#/authority';
  };
  const choice = (
    name: string,
    value: string | undefined,
    of: string[],
    key: 'run' | 'agent',
  ): JSX.Element => (
    <label>
      {name}{' '}
      <select value={value ?? ''} onChange={(change) => set({ [key]: change.currentTarget.value })}>
        <option value="">all</option>
        {of.map((each) => (
          <option value={each}>{visible(each)}</option>
        ))}
      </select>
    </label>
  );
  return (
    <form class="filters" onSubmit={(submit) => submit.preventDefault()}>
      {choice('Run', filter.run, byRun, 'run')}
      {choice('Agent', filter.agent, byAgent, 'agent')}
    </form>
  );
}

/** An action by its tool, where it has one: an id alone tells a person nothing. */
function nameOf(node: GraphNode): string {
  const said = ['tool', 'action']
    .map((key) => node[key])
    .find((value) => typeof value === 'string' && value !== '');
  return typeof said === 'string' && said !== node.name ? `${said} (${node.name})` : node.name;
}

function State({ node }: { node: GraphNode }): JSX.Element {
  const verified = node.envelope?.verified;
  return node.envelope ? (
    <Mark state={verified === null ? 'unchecked' : verified ? 'verified' : 'unproven'} short />
  ) : (
    <></>
  );
}

/** From what an edge names, to what: along which ways a node rests on others. */
function restsOn(graph: Graph, from: string): { nodes: Map<string, number>; edges: Graph['edges'] } {
  const nodes = new Map<string, number>([[from, 0]]);
  const edges: Graph['edges'] = [];
  const open = [from];
  for (let next = open.shift(); next !== undefined && nodes.size < 60; next = open.shift()) {
    for (const edge of graph.edges) {
      // An authority and a cause are named by what they lead to.
      const up = edge.kind === 'authorized' || edge.kind === 'caused';
      const [here, there] = up ? [edge.to, edge.from] : [edge.from, edge.to];
      if (here !== next) continue;
      if (edge.kind === 'part_of' && next !== from) continue;
      edges.push(edge);
      if (!nodes.has(there)) {
        nodes.set(there, (nodes.get(next) ?? 0) + 1);
        open.push(there);
      }
    }
  }
  return { nodes, edges };
}

const WORDS: Record<string, string> = Object.assign(Object.create(null) as Record<string, string>, {
  acted_for: 'acted for',
  delegated_by: 'given by',
  issued_by: 'issued by',
  decided_by: 'decided by',
  authorized: 'under',
  caused: 'caused by',
  part_of: 'part of',
});

function Why({
  node,
  graph,
  text,
  found,
  at,
}: {
  node: GraphNode;
  graph: Graph;
  text: string;
  found: Map<string, Graph['findings']>;
  at: Record<string, number>;
}): JSX.Element {
  const id = node.envelope?.id;
  const paragraph = id ? text.split('\n\n').find((each) => each.includes(`(${id})`)) : undefined;
  const { nodes, edges } = restsOn(graph, node.id);
  const byId = new Map(graph.nodes.map((each) => [each.id, each]));
  const columns: string[][] = [];
  for (const [each, depth] of nodes) (columns[depth] ??= []).push(each);
  const [W, H, GX, GY] = [190, 50, 90, 16];
  const tall = Math.max(...columns.map((column) => column.length)) * (H + GY);
  const place = new Map<string, [number, number]>();
  columns.forEach((column, depth) => {
    const top = (tall - column.length * (H + GY)) / 2;
    // What an action rests on stands left of it.
    const x = (columns.length - 1 - depth) * (W + GX);
    column.forEach((each, n) => place.set(each, [x, top + n * (H + GY)]));
  });
  const width = columns.length * (W + GX) - GX;
  return (
    <Card title="Why was this allowed?">
      <h3>
        <State node={node} /> <T v={nameOf(node)} />
        {at[node.id] !== undefined && (
          <>
            {' '}
            <a href={eventLink(at[node.id] as number)}>the event</a>
          </>
        )}
      </h3>
      {(found.get(node.id) ?? []).map((each) => (
        <p class="bad">
          ✕ <strong>{FOUND[each.kind] ?? each.kind}.</strong> <T v={each.note} />
        </p>
      ))}
      {paragraph && (
        <p class="paragraph">
          <T v={paragraph} keep />
        </p>
      )}
      <div class="scroll">
        <svg
          class="graph"
          viewBox={`-4 -4 ${width + 8} ${tall + 8}`}
          width={width}
          height={tall}
          role="img"
          aria-label={`What ${node.name} rests on; the same in words stands above`}
        >
          {edges.map((edge) => {
            const up = edge.kind === 'authorized' || edge.kind === 'caused';
            const [right, left] = (up ? [edge.to, edge.from] : [edge.from, edge.to]).map((each) =>
              place.get(each),
            );
            // Beside each other, or the other way round: said in words alone.
            if (!right || !left || left[0] >= right[0]) return null;
            const [x1, y1, x2, y2] = [left[0] + W, left[1] + H / 2, right[0], right[1] + H / 2];
            const middle = (x1 + x2) / 2;
            return (
              <g class={edge.there ? 'edge' : 'edge missing'}>
                <path d={`M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2}`} />
                <text x={middle} y={(y1 + y2) / 2 - 4}>
                  {WORDS[edge.kind] ?? edge.kind}
                </text>
              </g>
            );
          })}
          {[...place].map(([each, [x, y]]) => {
            const of = byId.get(each);
            const bad = found.has(each) || !of;
            const label = of ? nameOf(of) : each;
            const target =
              of?.envelope && at[each] !== undefined
                ? eventLink(at[each] as number)
                : link('authority', each);
            const verified = of?.envelope?.verified;
            return (
              <a href={target}>
                <g
                  class={`node ${of?.kind ?? 'nothing'} ${bad ? 'bad' : ''} ${each === node.id ? 'chosen' : ''}`}
                  transform={`translate(${x},${y})`}
                >
                  <rect width={W} height={H} rx={of?.kind === 'principal' ? 24 : 6} />
                  <text x="10" y="19" class="node-kind">
                    {bad ? '✕ ' : of?.envelope ? (verified === null ? '? ' : verified ? '✓ ' : '◌ ') : ''}
                    {of?.kind ?? 'not here'}
                  </text>
                  <text x="10" y="38">
                    {printable(label)}
                  </text>
                  <title>{printable(label, 200)}</title>
                </g>
              </a>
            );
          })}
        </svg>
      </div>
    </Card>
  );
}

/** In a picture there is no room for marks: what is hidden in a text is shown as its number. */
function printable(text: string, most = 26): string {
  const plain = text.replace(
    /[^\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u05cf\u3040-\u9fff\uac00-\ud7a3]/g,
    (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
  return plain.length > most ? `${plain.slice(0, most - 1)}…` : plain;
}
