// The page's side of its worker.

import type { Api, Core, Leave, Meta } from './model/types.ts';
import { serve, type ToPage, type ToWorker } from './worker.ts';

export interface Progress {
  lines: number;
  /** For how many milliseconds, where all was judged just now. */
  judged: number | undefined;
}

type Answer<T> = T extends Promise<infer U> ? U : T;

export class Client {
  private send: (message: ToWorker) => void;
  private readonly waiting = new Map<
    number,
    { good: (value: unknown) => void; bad: (error: Error) => void }
  >();
  private next = 1;
  /** Told as reading goes on; more than one may listen. */
  readonly listeners = new Set<(progress: Progress) => void>();

  constructor(source: string) {
    let worker: Worker | undefined;
    try {
      worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    } catch {
      worker = undefined;
    }
    if (worker) {
      const running = worker;
      running.onmessage = (event: MessageEvent<ToPage>) => this.take(event.data);
      running.onerror = () => this.failAll('the part of this page that reads has stopped');
      this.send = (message) => running.postMessage(message);
    } else {
      this.send = serve((message) => this.take(message));
    }
  }

  private take(message: ToPage): void {
    if (message.what === 'progress') {
      for (const listener of this.listeners) listener(message);
      return;
    }
    const waits = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.what === 'answer') waits?.good(message.value);
    else waits?.bad(new Error(message.why));
  }

  private failAll(why: string): void {
    for (const { bad } of this.waiting.values()) bad(new Error(why));
    this.waiting.clear();
  }

  call<K extends keyof Api>(name: K, ...args: Parameters<Api[K]>): Promise<Answer<ReturnType<Api[K]>>> {
    const id = this.next;
    this.next += 1;
    return new Promise((good, bad) => {
      this.waiting.set(id, { good: good as (value: unknown) => void, bad });
      this.send({ what: 'call', id, name, args });
    });
  }

  begin(meta: Meta): void {
    this.send({ what: 'meta', meta });
  }

  piece(source: number, line: number, lines: string | undefined, length: number): void {
    this.send(
      lines === undefined ? { what: 'piece', source, line, length } : { what: 'piece', source, line, lines },
    );
  }

  end(): void {
    this.send({ what: 'end' });
  }

  /** The graph, as it stands in the page, or as the command says it now. */
  graph(packed: string | undefined, leave?: Leave): void {
    this.send({ what: 'graph', ...(packed === undefined ? {} : { packed }), ...(leave ? { leave } : {}) });
  }

  core(core: Core, pieces: number): void {
    this.send({ what: 'core', core, pieces });
  }
}
