/**
 * The end of the process.
 *
 * Guarantees: a program that simply ends loses nothing that its sinks can take: `beforeExit` flushes for as
 * long as anything comes of it, then ends the emitters that call into JavaScript (a sink, a signer). The others end
 * after the last `exit` listener of the program's, so what such a listener emits is taken, too. `process.exit()` and an
 * uncaught exception leave no event loop, so sinks written in JavaScript get no more; built-in ones get what is queued,
 * and streams are closed. Before an emitter is opened none of this does anything, and nothing does in a process that is
 * killed. A worker thread ends what it opened itself; the default emitter it flushes, and the main thread ends it; where that
 * has not loaded this package, the native half does, after all JavaScript.
 *
 * How: all copies of this package in a thread (test runners and development servers load it again and again) share one
 * list of what is open, and one listener per event, on the `process` object. `exit` listeners run in the order in which
 * they were added; to come after those that are added later, `process.emit` is wrapped, as there is no other place
 * after them. Where somebody puts the former `emit` back, the listener does the whole of it.
 */
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { endDefaultWithProcess, NativeEmitter, endingLimit } from '../native';
import { loop, progress } from './loop';

/** What ends with the process. */
export interface Ending {
  /** Whether its configuration says `handle_signals`. */
  handlesSignals(): boolean;
  /** Whether it calls into JavaScript, and so has to end while that still runs. */
  needsLoop(): boolean;
  flush(): Promise<unknown>;
  shutdown(): Promise<unknown>;
  flushNow(limit: number): void;
  shutdownNow(limit: number): void;
}

/** How long an ending may take that nobody set a limit for, in milliseconds: the core's. */
export const LIMIT = endingLimit();

/** A copy of this module. */
interface Copy {
  /** Grows with whatever the program has asked for, or been told of. */
  progress(): number;
  /** JavaScript will not run again: nothing waits for it. */
  end(): void;
}

/** What the copies share. */
interface Shared {
  readonly open: Set<Ending>;
  readonly copies: Set<Copy>;
  /** What `beforeExit` is done with. */
  readonly finished: WeakSet<Ending>;
  handling: boolean;
  quiet: boolean;
}

/** To be changed with the form of {@link Shared}. */
const KEY = Symbol.for('dev.sinkwell.ending.1');
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

const shared = ((): Shared => {
  const held = process as unknown as Record<symbol, Shared | undefined>;
  const known = held[KEY];
  if (known !== undefined) return known;
  const made: Shared = {
    open: new Set(),
    copies: new Set(),
    finished: new WeakSet(),
    handling: false,
    quiet: false,
  };
  Object.defineProperty(process, KEY, { value: made });
  return made;
})();

const copy: Copy = { progress, end: () => loop.end() };

// What only a worker thread has emitted with the default emitter ends with the main thread, which may have opened nothing.
if (!isMainThread) endDefaultWithProcess(LIMIT);
else if (shared.copies.size === 0) hook();

/** Ends it with the process, unless it ends before. */
export function endWithProcess(emitter: Ending): void {
  if (shared.copies.size === 0 && !isMainThread) hook();
  shared.copies.add(copy);
  shared.open.add(emitter);
  if (emitter.handlesSignals() && !shared.handling) {
    shared.handling = true;
    // First, so that a listener that the program has for once is still there to be counted.
    for (const signal of SIGNALS) process.prependListener(signal, onSignal);
  }
}

/** It has ended already. */
export function ended(emitter: Ending): void {
  shared.open.delete(emitter);
}

function hook(): void {
  shared.copies.add(copy);
  process.on('beforeExit', onBeforeExit);
  let until = 0;
  let wrapped = false;
  const begin = (): void => {
    until = performance.now() + LIMIT;
    for (const each of shared.copies) each.end();
    if (wrapped && process.listeners('exit').at(-1) === begin) return;
    // Others come after it, and one of them may end the process on the spot.
    if (wrapped) for (const emitter of shared.open) emitter.flushNow(LIMIT / 2);
    else end();
  };
  const end = (): void => {
    const left = Math.max(0, until - performance.now());
    for (const emitter of shared.open) emitter.shutdownNow(left);
    shared.open.clear();
    if (isMainThread) NativeEmitter.endDefault(left);
  };
  process.on('exit', begin);
  const { emit } = process;
  process.emit = function (this: NodeJS.Process, event: string | symbol, ...values: unknown[]): boolean {
    if (event !== 'exit') return Reflect.apply(emit, this, [event, ...values]) as boolean;
    wrapped = true;
    try {
      return Reflect.apply(emit, this, [event, ...values]) as boolean;
    } finally {
      end();
    }
  } as NodeJS.Process['emit'];
}

function onBeforeExit(): void {
  const left = [...shared.open].filter((emitter) => !shared.finished.has(emitter));
  if (left.length === 0) return;
  const over = shared.quiet;
  if (over) for (const emitter of left) shared.finished.add(emitter);
  const ending = left.map((emitter) =>
    over && emitter.needsLoop() ? emitter.shutdown() : over ? undefined : emitter.flush(),
  );
  // A flush settles what the program awaits, so it may go on and emit more: it is over only when nothing
  // has moved while everything was flushed.
  const all = (): number => [...shared.copies].reduce((sum, each) => sum + each.progress(), 0);
  const before = all();
  void Promise.allSettled(ending).then(() => (shared.quiet = all() === before));
}

/**
 * Pushes out what is queued; every emitter goes on accepting. A listener of the program's is in charge of the end;
 * where there is none, they drain, and the process ends as the signal's default action would end it.
 */
function onSignal(signal: NodeJS.Signals): void {
  const ours = [...shared.open].filter((emitter) => emitter.handlesSignals());
  const flushed = Promise.allSettled(ours.map((emitter) => emitter.flush()));
  if (process.listenerCount(signal) > 1) return;
  for (const each of SIGNALS) process.off(each, onSignal);
  shared.handling = false;
  void flushed
    .then(() => Promise.allSettled(ours.map((emitter) => emitter.shutdown())))
    .then(() => {
      // The first process of a container has no default action.
      if (process.pid === 1) process.exit(128 + constants.signals[signal]);
      process.kill(process.pid, signal);
    });
}
