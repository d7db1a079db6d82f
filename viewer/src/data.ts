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

/** Asks the command for more, for as long as it answers. */
export async function follow(client: Client, from: number): Promise<void> {
  let next = from;
  let asked = 0;
  let judged = 0;
  let dirty = false;
  const judge = (): void => {
    dirty = false;
    judged = performance.now();
    client.end();
  };
  client.listeners.add((progress) => {
    // Judging everything again takes a while: as long as it took, something else is done first.
    if (progress.judged) took = performance.now() - judged;
  });
  let took = 0;
  setInterval(() => {
    if (dirty && performance.now() - judged > Math.max(500, 4 * took)) judge();
  }, 100);
  for (;;) {
    const response = await fetch(`more?from=${next}`).catch(() => undefined);
    if (!response?.ok) {
      document.dispatchEvent(new CustomEvent('sinkwell-live', { detail: 'ended' }));
      return;
    }
    const more = (await response.json()) as {
      next: number;
      pieces: { source: number; line: number; lines?: string; length?: number }[];
    };
    for (const { source, line, lines, length } of more.pieces) client.piece(source, line, lines, length ?? 0);
    next = more.next;
    if (more.pieces.length > 0) dirty = true;
    // What the core says of all that there is costs it a reading of everything: now and then.
    if (performance.now() - asked > 15_000) {
      asked = performance.now();
      const answer = await fetch('core').catch(() => undefined);
      const said = answer?.ok
        ? ((await answer.json()) as { pieces: number; core: Core; graph?: Leave })
        : undefined;
      if (said && said.pieces === next) {
        client.core(said.core, said.pieces);
        client.graph(undefined, said.graph);
        judge();
      }
    }
  }
}
