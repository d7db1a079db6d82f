/**
 * Ambient context: what every event within a run has in common, said once.
 *
 * Guarantees: what an event says itself wins, member by member, and one that says another run takes nothing that belongs
 * to this one (turn, attempt, parent); what it does not say comes from the innermost `run` or
 * `turn` that its code was called in, across `await`, timers and callbacks, by `AsyncLocalStorage`. A run within a run
 * names the outer one: `data.parent_run` of its `run.*` events, unless they say another. Nothing is emitted by entering
 * a run. Where no context was ever entered, an event costs what it costs without.
 *
 * The same in every language: docs/CONTEXT.md, `tests/vectors/context`.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { EventData, EventOptions } from './emitter';
import { InvalidArgumentError } from './errors';

/** What events emitted within have in common. */
export interface Context {
  /** The agent run. */
  readonly run?: string | undefined;
  /** The run that this one is part of: `data.parent_run` of the `run.*` events. */
  readonly parentRun?: string | undefined;
  /** The turn in the run. */
  readonly turn?: string | undefined;
  /** The attempt in the turn. */
  readonly attempt?: string | undefined;
  /** Another agent than the emitter's; it must match `agent.allow`. */
  readonly agent?: string | undefined;
  /** Id of the event that caused what happens here. */
  readonly causation?: string | undefined;
  /** Id of the whole conversation. */
  readonly correlation?: string | undefined;
}

const MEMBERS = ['run', 'parentRun', 'turn', 'attempt', 'agent', 'causation', 'correlation'] as const;
/** Those that an event has of its own. */
const OF_EVENT = ['run', 'turn', 'attempt', 'agent', 'causation', 'correlation'] as const;
/** Those that belong to their run: an event of another takes none of them. */
const OF_RUN: ReadonlySet<string> = new Set(['turn', 'attempt']);
/** The types whose `data` names the run around theirs. */
const RUNS = new Set(['run.started', 'run.progress', 'run.completed', 'run.failed', 'run.cancelled']);
const PREFIX = 'dev.sinkwell.';

const storage = new AsyncLocalStorage<Context>();
let entered = false;

/** @internal A call of a tool whose framework runs it elsewhere than in its deed: what holds around it, and inside. */
export interface CallPlace {
  readonly around: Context | undefined;
  readonly inside: Context | undefined;
}

const calls = new Set<() => CallPlace | undefined>();

/** @internal Has `find` asked which call the calling code is inside; answers with what ends that. */
export function contextOfCall(find: () => CallPlace | undefined): () => void {
  calls.add(find);
  return () => void calls.delete(find);
}

/** @internal The context that holds here, if one was entered. */
export function here(): Context | undefined {
  const own = entered ? storage.getStore() : undefined;
  for (const find of calls) {
    const call = find();
    // A run that was entered inside of the call is nearer than the call, and has taken of it what it takes.
    if (call !== undefined && call.around === own) return call.inside;
  }
  return own;
}

/** The context that holds here: empty outside of every run. */
export function context(): Context {
  return here() ?? {};
}

function enter<T>(next: Context, body: (context: Context) => T): T {
  if (typeof body !== 'function') throw new InvalidArgumentError('there is no function to call', 'body');
  for (const name of Object.keys(next)) {
    const value: unknown = next[name as keyof Context];
    if (!(MEMBERS as readonly string[]).includes(name)) {
      throw new InvalidArgumentError(`a context has ${MEMBERS.join(', ')}`, name);
    }
    if (value !== undefined && typeof value !== 'string')
      throw new InvalidArgumentError('must be a string', name);
  }
  entered = true;
  return storage.run(Object.freeze(next), body, next);
}

function said(given: Context): Context {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/**
 * Calls `body` within a run: events that are emitted in it, however late, belong to it. Of the context around it a run
 * inherits agent, causation and correlation, and has the run around it as its parent; turn and attempt are its own.
 * Emits nothing itself.
 *
 * ```js
 * await run('r-17', async () => {
 *   emit('run.started', { goal: 'answer' });
 *   await turn('1', answer); // what it emits has runid r-17, turnid 1
 *   emit('run.completed');
 * });
 * ```
 *
 * @param given The run's id, or more of the context; without a `run` one is made.
 * @returns What `body` returns.
 */
export function run<T>(given: string | Context, body: (context: Context) => T): T {
  const own = said(typeof given === 'string' ? { run: given } : (given ?? {}));
  const { run: around, parentRun: further, agent, causation, correlation } = context();
  const id = own.run ?? randomUUID();
  // The same run entered again is no part of itself.
  const inherited = { parentRun: around === id ? further : around, agent, causation, correlation };
  return enter({ ...said(inherited), ...own, run: id }, body);
}

/**
 * Calls `body` within a turn of the run around it.
 *
 * @param given The turn's id, or more of the context.
 * @returns What `body` returns.
 */
export function turn<T>(given: string | Context, body: (context: Context) => T): T {
  const own = said(typeof given === 'string' ? { turn: given } : (given ?? {}));
  const { attempt: _, ...around } = context();
  return enter({ ...around, ...own }, body);
}

/** @internal Calls `body` where this holds beside the context around it; of another run, without what is that one's. */
export function within<T>(given: Pick<Context, 'run' | 'causation'>, body: () => T): T {
  const { turn, attempt, ...others } = context();
  const inside = given.run === undefined || given.run === others.run;
  return enter({ ...said(inside ? { ...others, turn, attempt } : others), ...said(given) }, body);
}

/** Whether an event with these options is of the context's run: it may say another. */
function isOf(around: Context, options: EventOptions | undefined): boolean {
  return options?.run === undefined || options.run === null || options.run === around.run;
}

/** The options of an event, with what the context says where they say nothing. */
export function optionsHere(options: EventOptions | undefined): EventOptions | undefined {
  const around = here();
  if (around === undefined || (options !== undefined && typeof options !== 'object')) return options;
  const all: Record<string, unknown> = {};
  try {
    const inside = isOf(around, options);
    for (const name of OF_EVENT) {
      if (around[name] !== undefined && (inside || !OF_RUN.has(name))) all[name] = around[name];
    }
    for (const name of Object.keys(options ?? {})) {
      const value: unknown = (options as Record<string, unknown>)[name];
      if (value !== undefined) all[name] = value;
    }
  } catch {
    // Whoever takes them finds out what is wrong with them, and says so.
    return options;
  }
  return all;
}

/** A log record, with the context that holds here: what of it the record takes is the core's to say. */
export function recordHere<R extends object>(record: R): R {
  const around = here();
  if (around === undefined || typeof record !== 'object' || record === null) return record;
  return { ambient: Object.fromEntries(OF_EVENT.map((name) => [name, around[name]])), ...record };
}

/** The data of an event, with the run around its own where it is about a run and does not say. */
export function dataHere(
  type: string,
  data: EventData | null | undefined,
  options: EventOptions | undefined,
): EventData | null | undefined {
  const around = here();
  const parentRun = around?.parentRun;
  if (around === undefined || parentRun === undefined || typeof type !== 'string') return data;
  if (!RUNS.has(type.startsWith(PREFIX) ? type.slice(PREFIX.length) : type)) return data;
  try {
    if (!isOf(around, options)) return data;
    if (data === undefined || data === null) return { parent_run: parentRun };
    const own: unknown = (data as Record<string, unknown>).parent_run;
    const prototype: unknown = Object.getPrototypeOf(data);
    // What is no plain object is refused, and stays what it is.
    if (own !== undefined || (prototype !== Object.prototype && prototype !== null)) return data;
    return { ...data, parent_run: parentRun };
  } catch {
    return data;
  }
}
