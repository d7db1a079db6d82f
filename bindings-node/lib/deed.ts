/**
 * Deeds: acts that happen only once their intent is safe.
 *
 * Guarantees: the act runs only after its intent is as safe as asked; what it answers and throws is its own; however it
 * ends, a result says so. Every rule is the core's (docs/DEEDS.md); here is the waiting.
 */
import { NativeDeed, type NativeEmitter } from '../native';
import { partJson, type Part } from './content';
import type { Written } from './crossing';
import type { EventOptions } from './emitter';
import { InvalidArgumentError, InvalidEventError, native, warn } from './errors';
import { nameOfThrown, toJson } from './json';
import { act as onThread, loop, whenReached } from './loop';
import { LONGEST_TIMER } from './options';
import { kindOf, outcomeOf } from './outcome';
import { isInside } from './sink';

/** What a deed waits for. */
export interface DeedTerms {
  /**
   * When the intent is safe: `journaled` (on disk in every durable lane; by default where there is one), `delivered` (to a
   * sink of every class that governance requires) or `enqueued`.
   */
  readonly until?: 'journaled' | 'delivered' | 'enqueued' | undefined;
  /** How long the act may be held up, in milliseconds; 10 s if absent. */
  readonly timeout?: number | undefined;
  /** Ends the wait; the promise rejects with its reason then, and the act does not run. */
  readonly signal?: AbortSignal | undefined;
}

/** What a deed waits for, beside what else its event says. */
export interface DeedOptions extends EventOptions, DeedTerms {}

/** The act under way, as it sees itself. */
export class Deed {
  readonly #native: NativeDeed;

  /** @internal */
  constructor(deed: NativeDeed) {
    this.#native = deed;
  }

  /** The intent's id, which the result has as `causationid`. */
  get id(): string {
    return native(() => this.#native.id());
  }

  /**
   * Says what came of the act, for the result's data and content parts; said again, it replaces what was said. `outcome` may
   * be among it: `ok`, `error`, `denied`, `timeout`, `cancelled`.
   *
   * @throws {InvalidEventError} The type of the deed does not allow it.
   */
  result(data: object, content?: readonly Part[]): void {
    const said = toJson(data, 'data');
    let parts: string | undefined;
    if (content !== undefined) {
      let list: unknown = content;
      try {
        if (Array.isArray(content)) list = content.map(partJson);
      } catch (error) {
        throw new InvalidEventError(`reading it threw ${nameOfThrown(error)}; send its value`, 'content');
      }
      parts = toJson(list, 'content');
    }
    native(() => this.#native.say(said, parts));
  }

  /** @internal As `result`, of what is JSON already. */
  say(data: string, content?: string): void {
    native(() => this.#native.say(data, content));
  }
}

/** What a deed does. */
export type Act<R> = (deed: Deed) => R | PromiseLike<R>;

/** @internal What was given, each member read once. */
export function termsOf(given: DeedOptions | undefined): DeedOptions {
  try {
    return { ...given };
  } catch (error) {
    throw new InvalidEventError(`reading it threw ${nameOfThrown(error)}; send its value`);
  }
}

/** Waits until `start`'s token comes back, `ms` are over, or the signal says so. Keeps the process alive. */
function settled(start: (token: number) => void, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', over);
      forget();
      resolve();
    };
    const timer = setTimeout(over, Math.min(Math.max(0, Math.ceil(ms)), LONGEST_TIMER));
    let forget = (): void => {};
    try {
      forget = whenReached(start, over);
    } catch {
      // The emitter has been shut down: whoever asks again hears that.
      over();
      return;
    }
    if (signal?.aborted) over();
    else signal?.addEventListener('abort', over);
  });
}

/** @internal What `Emitter.deed` does with an event. */
export async function perform<R>(
  emitter: NativeEmitter,
  manual: boolean,
  event: Written,
  { until, timeout, signal }: DeedTerms,
  act: Act<R>,
): Promise<R> {
  if (typeof act !== 'function')
    throw new InvalidArgumentError('a deed does something: give it a function', 'act');
  signal?.throwIfAborted();
  const deed = native(() => NativeDeed.start(emitter, until, timeout));
  const since = performance.now();
  const waited = (): number => performance.now() - since;
  for (;;) {
    const limit = await intend(deed, manual, event, waited());
    if (limit === undefined) break;
    await settled((token) => emitter.onRoom(loop, token), limit - waited(), signal);
    signal?.throwIfAborted();
  }
  try {
    await settled((token) => deed.onSettled(loop, token), deed.timeout - waited(), signal);
    signal?.throwIfAborted();
  } catch (error) {
    deed.withdraw();
    throw error;
  }
  native(() => deed.act());

  let result: R;
  try {
    result = await act(new Deed(deed));
  } catch (error) {
    await end(emitter, deed, outcomeOf(error), kindOf(error));
    throw error;
  }
  await end(emitter, deed, 'ok', undefined);
  return result;
}

/** For how many milliseconds in all it may be waited for room, if there is none. */
async function intend(
  deed: NativeDeed,
  manual: boolean,
  { type, data, rest }: Written,
  waited: number,
): Promise<number | undefined> {
  const given = { type, ...(data !== undefined && { data }), ...(rest !== undefined && { rest }) };
  const inside = isInside();
  if (!manual) return native(() => deed.intend(given, inside, waited)) ?? undefined;
  // It drains lanes, which may call sinks of this thread's.
  const limit = await onThread((token) => deed.intendAside(loop, token, given, inside, waited));
  return limit === '' ? undefined : Number(limit);
}

/** Seals the result. The act has happened: nothing here changes what it answered. */
async function end(
  emitter: NativeEmitter,
  deed: NativeDeed,
  outcome: string,
  errorType: string | undefined,
): Promise<void> {
  const since = performance.now();
  for (;;) {
    const waited = performance.now() - since;
    let limit: number | null;
    try {
      limit = deed.end(outcome, errorType, waited);
    } catch (error) {
      warn(error);
      return;
    }
    if (limit === null) return;
    await settled((token) => emitter.onRoom(loop, token), limit - waited);
  }
}
