/** Receipts: what became of one event in each lane. */
import type { NativeReceipts } from '../native';
import { native, TimeoutError } from './errors';
import { loop, whenReached } from './loop';
import { checked, LONGEST_TIMER, milliseconds } from './options';

/** How an event ended in a lane. */
export interface Ending {
  readonly state: 'delivered' | 'lost' | 'uncertain' | 'filtered';
  /** Why, unless it was delivered. */
  readonly reason: string | null;
  readonly streamid: string | null;
  readonly sequence: number | null;
  readonly hash: string | null;
  /** The event's digest: the same in every lane that sealed it in the same form. */
  readonly digest: string | null;
  /** RFC 3339 with nanoseconds. */
  readonly when: string;
}

/** How long a wait may take. */
export interface WaitOptions {
  /** In milliseconds; then the promise rejects with `TimeoutError`, while the event is still on its way. */
  readonly timeout?: number | undefined;
}

interface Summary {
  id: string;
  lanes: Record<string, string>;
  evicted: Record<string, number>;
}

/** What `emit` gives back. Waiting on it costs memory only and keeps no process alive. */
export class Receipt {
  readonly #native: NativeReceipts;
  readonly #place: number;
  #summary: Summary | undefined;

  /** @internal */
  constructor(receipts: NativeReceipts, place: number) {
    this.#native = receipts;
    this.#place = place;
  }

  get #known(): Summary {
    return (this.#summary ??= JSON.parse(this.#native.summary(this.#place)) as Summary);
  }

  /** The event's id, the same in every lane. */
  get id(): string {
    return this.#known.id;
  }

  /** What each lane did with it: `enqueued`, `filtered`, `dropped: REASON`. */
  get lanes(): Readonly<Record<string, string>> {
    return this.#known.lanes;
  }

  /** How many queued events of each lane went for it. */
  get evicted(): Readonly<Record<string, number>> {
    return this.#known.evicted;
  }

  /** Settles when every lane's sink has answered; a loss is an answer, not an error. */
  async delivered(options?: WaitOptions): Promise<Record<string, Ending>> {
    await this.#reach('delivered', options);
    return JSON.parse(this.#native.endings(this.#place)) as Record<string, Ending>;
  }

  /** Settles when every durable lane that took the event has it on disk. */
  async journaled(options?: WaitOptions): Promise<void> {
    await this.#reach('journaled', options);
    native(() => this.#native.checkJournaled(this.#place));
  }

  /** The salt of a content part, which with the part proves its digest; once the event is sealed. */
  salt(part: number): Buffer | undefined {
    return this.#native.salt(this.#place, part) ?? undefined;
  }

  /** The lanes that it has not ended in. */
  #awaited(): string {
    const endings = JSON.parse(this.#native.endings(this.#place)) as Record<string, Ending | null>;
    const lanes = Object.keys(endings).filter((lane) => endings[lane] === null);
    return lanes.length > 0 ? lanes.map((lane) => `lane "${lane}"`).join(', ') : 'every lane';
  }

  #reach(stage: 'delivered' | 'journaled', options: WaitOptions | undefined): Promise<void> {
    checked(stage, options, ['timeout']);
    milliseconds(options?.timeout);
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const forget = whenReached(
        (token) => this.#native.on(this.#place, loop, stage, token),
        () => {
          clearTimeout(timer);
          resolve();
        },
      );
      if (options?.timeout === undefined || options.timeout > LONGEST_TIMER) return;
      timer = setTimeout(() => {
        forget();
        const where = this.#awaited();
        const text = `not ${stage} within ${options.timeout} ms in ${where}; the event is still on its way there, and health() says how the sink is`;
        reject(new TimeoutError(text));
      }, options.timeout);
      timer.unref();
    });
  }
}
