// What the command put into the page, and, where it goes on, what it has since.

import type { Client } from './client.ts';
import { gunzip } from './model/pieces.ts';
import type { Core, Leave, Meta } from './model/types.ts';
import { unbase64 } from './verify/bytes.ts';

/** Hands everything to the worker, and takes it out of the page, so that it is in memory once. */
export async function readElements(client: Client): Promise<Meta> {
  const element = document.querySelector('script.meta');
  const bytes = unbase64(element?.textContent ?? '');
  if (!element || !bytes || bytes.length === 0)
    throw new Error('it holds no events; sinkwell view writes pages that do');
  const meta = JSON.parse(new TextDecoder().decode(await gunzip(bytes))) as Meta;
  if (meta.format !== 1) throw new Error(`it is of a format that it does not know, ${meta.format}`);
  client.begin(meta);
  const graph = document.querySelector('script.graph');
  if (graph) client.graph(graph.textContent ?? '');
  graph?.remove();
  for (const piece of document.querySelectorAll<HTMLScriptElement>('script.lines, script.long')) {
    const { source, line, length } = piece.dataset;
    const text = piece.className === 'lines' ? (piece.textContent ?? '') : undefined;
    client.piece(Number(source), Number(line), text, Number(length ?? 0));
    piece.remove();
  }
  element.remove();
  client.end();
  return meta;
}

/**
 * The page judges anew after so long, in milliseconds, or after four times as long as it took: what comes meanwhile is marked
 * as far as it is certain already.
 */
const JUDGE = 500;
/** The command is asked what it thinks after so long, in milliseconds, or after eight times as long as it took. */
const ASK = 2000;

/** Asks the command for more, for as long as it answers. */
export async function follow(client: Client, from: number): Promise<void> {
  let next = from;
  let dirty = false;
  let free = Infinity;
  client.listeners.add((progress) => {
    // Judging everything again takes a while, and leaves much behind that must be thrown away: most of the time the worker
    // is left to the rest.
    if (progress.judged !== undefined) free = performance.now() + Math.max(JUDGE, 4 * progress.judged);
  });
  const judging = setInterval(() => {
    if (!dirty || performance.now() < free) return;
    dirty = false;
    free = Infinity;
    client.end();
  }, 50);
  const asking = ask(client, from);
  for (;;) {
    const response = await fetch(`more?from=${next}`).catch(() => undefined);
    if (!response?.ok) break;
    const more = (await response.json()) as {
      next: number;
      pieces: { source: number; line: number; lines?: string; length?: number }[];
    };
    for (const { source, line, lines, length } of more.pieces) client.piece(source, line, lines, length ?? 0);
    next = more.next;
    if (more.pieces.length > 0) dirty = true;
  }
  asking();
  if (dirty) client.end();
  clearInterval(judging);
  document.dispatchEvent(new CustomEvent('sinkwell-live', { detail: 'ended' }));
}

/** Asks the command now and then what it thinks of what was judged here; answers what ends that. */
function ask(client: Client, from: number): () => void {
  let last = from;
  let free = 0;
  const once = async (): Promise<void> => {
    if (performance.now() < free) return;
    free = Infinity;
    const begun = performance.now();
    const pieces = await client.call('ask').catch(() => 0);
    if (pieces > 0 && pieces !== last) {
      last = pieces;
      const answer = await fetch(`core?pieces=${pieces}`).catch(() => undefined);
      if (answer?.ok) {
        const said = (await answer.json()) as { pieces: number; core: Core; graph?: Leave };
        client.core(said.core, said.pieces);
        client.graph(undefined, said.graph);
      }
    }
    // Judging all of it costs the command a reading of everything: an eighth of the time, at most.
    free = performance.now() + Math.max(ASK, 8 * (performance.now() - begun));
  };
  const timer = window.setInterval(() => void once(), JUDGE);
  return () => window.clearInterval(timer);
}
