/**
 * What comes back from the native half, on this thread's event loop.
 *
 * Guarantees: one wake-up takes everything that has come; a wait is an entry in a map; nothing here keeps
 * the process alive but an action that the program itself has asked for (`open`, `flush`, `shutdown`,
 * `drain`, `verify`), until it has ended.
 */
import { EventLoop, logTo, type Message } from '../native';
import { debuglog } from 'node:util';
import { fromText, native } from './errors';

const reached = new Map<number, () => void>();
const actions = new Map<number, { resolve(text: string): void; reject(error: Error): void }>();
const calls: { deliver?: (message: Message) => void; sign?: (message: Message) => void } = {};
const debug = debuglog('sinkwell');
const KEEP_ALIVE = 0x7fffffff;

let next = 0;
let alive: NodeJS.Timeout | undefined;
let turns = 0;

/** The native queue of this thread. */
export const loop = new EventLoop(() => {
  turns++;
  // Messages first: what a flush has waited for was reached before its message came.
  const messages = loop.takeMessages();
  for (const token of loop.takeReached()) {
    const done = reached.get(token);
    reached.delete(token);
    done?.();
  }
  for (const message of messages) take(message);
});
logTo(loop);

function take(message: Message): void {
  switch (message.kind) {
    case 'done':
    case 'failed': {
      const action = actions.get(message.token);
      actions.delete(message.token);
      if (actions.size === 0) clearInterval(alive);
      if (message.kind === 'done') action?.resolve(message.text);
      else action?.reject(fromText(message.text));
      break;
    }
    case 'deliver':
    case 'sign':
      calls[message.kind]?.(message);
      break;
    case 'log':
      if (message.token < 2) process.emitWarning(message.text, 'SinkwellWarning');
      else debug(message.text);
  }
}

function token(): number {
  next = (next + 1) >>> 0;
  return next;
}

/** Calls `done` when the native half hands back the token that `start` has given it; answers how to forget it. */
export function whenReached(start: (token: number) => void, done: () => void): () => void {
  const mine = token();
  reached.set(mine, done);
  try {
    native(() => start(mine));
  } catch (error) {
    reached.delete(mine);
    throw error;
  }
  return () => void reached.delete(mine);
}

/** Starts an action and keeps the process alive until it has ended. */
export function act(start: (token: number) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const mine = token();
    native(() => start(mine));
    if (actions.size === 0) alive = setInterval(() => {}, KEEP_ALIVE);
    actions.set(mine, { resolve, reject });
  });
}

/** Who answers calls into this thread's sinks and signers. */
export function answerWith(kind: 'deliver' | 'sign', answer: (message: Message) => void): void {
  calls[kind] = answer;
}

/** Whether anything has happened since the last asking: for `beforeExit`. */
export function progress(): number {
  return turns + next;
}
