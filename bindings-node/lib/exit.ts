/**
 * The end of the process.
 *
 * Guarantees: a program that simply ends loses nothing that its sinks can take: `beforeExit` flushes for as
 * long as anything comes of it, then shuts down. `process.exit()` and an uncaught exception leave no event
 * loop, so sinks written in JavaScript get no more; built-in ones get what is queued, and streams are
 * closed. Nothing of this happens before an emitter is opened, and nothing in a process that is killed. A
 * worker thread ends what it opened itself; the default emitter it flushes, and the main thread ends it.
 */
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { NativeEmitter, endingLimit } from '../native';
import { loop, progress } from './loop';

/** What ends with the process. */
export interface Ending {
  /** Whether its configuration says `handle_signals`. */
  handlesSignals(): boolean;
  flush(): Promise<unknown>;
  shutdown(): Promise<unknown>;
  shutdownNow(): void;
}

/** How long an ending may take that nobody set a limit for, in milliseconds: the core's. */
export const LIMIT = endingLimit();

if (isMainThread) process.on('exit', () => NativeEmitter.endDefault(LIMIT));

const open = new Set<Ending>();
/** What `beforeExit` has ended: a worker's default emitter stays open, for the main thread. */
const finished = new WeakSet<Ending>();
let hooked = false;
let handling = false;
let quiet = false;

/** Ends it with the process, unless it ends before. */
export function endWithProcess(emitter: Ending): void {
  open.add(emitter);
  if (emitter.handlesSignals() && !handling) {
    handling = true;
    // First, so that a listener that the program has for once is still there to be counted.
    for (const signal of SIGNALS) process.prependListener(signal, onSignal);
  }
  if (hooked) return;
  hooked = true;
  process.on('beforeExit', () => {
    const left = [...open].filter((emitter) => !finished.has(emitter));
    if (left.length === 0) return;
    const over = quiet;
    if (over) for (const emitter of left) finished.add(emitter);
    const ending = left.map((emitter) => (over ? emitter.shutdown() : emitter.flush()));
    // A flush settles what the program awaits, so it may go on and emit more: it is over only when nothing
    // has moved while everything was flushed.
    const before = progress();
    void Promise.allSettled(ending).then(() => (quiet = progress() === before));
  });
  process.on('exit', () => {
    loop.end();
    for (const emitter of open) emitter.shutdownNow();
  });
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Pushes out what is queued; every emitter goes on accepting. A listener of the program's is in charge of the end;
 * where there is none, they drain, and the process ends as the signal's default action would end it.
 */
function onSignal(signal: NodeJS.Signals): void {
  const ours = [...open].filter((emitter) => emitter.handlesSignals());
  const flushed = Promise.allSettled(ours.map((emitter) => emitter.flush()));
  if (process.listenerCount(signal) > 1) return;
  for (const each of SIGNALS) process.off(each, onSignal);
  handling = false;
  void flushed
    .then(() => Promise.allSettled(ours.map((emitter) => emitter.shutdown())))
    .then(() => {
      // The first process of a container has no default action.
      if (process.pid === 1) process.exit(128 + constants.signals[signal]);
      process.kill(process.pid, signal);
    });
}

/** It has ended already. */
export function ended(emitter: Ending): void {
  open.delete(emitter);
}
