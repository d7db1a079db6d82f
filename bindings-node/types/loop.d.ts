/**
 * What comes back from the native half, on this thread's event loop.
 *
 * Guarantees: one wake-up takes everything that has come; a wait is an entry in a map; nothing here keeps
 * the process alive but an action that the program itself has asked for (`open`, `flush`, `shutdown`,
 * `drain`, `verify`), until it has ended.
 */
import { EventLoop, type Message } from '../native';
/** The native queue of this thread. */
export declare const loop: EventLoop;
/** Calls `done` when the native half hands back the token that `start` has given it; answers how to forget it. */
export declare function whenReached(start: (token: number) => void, done: () => void): () => void;
/** Starts an action and keeps the process alive until it has ended. */
export declare function act(start: (token: number) => void): Promise<string>;
/** Who answers calls into this thread's sinks and signers. */
export declare function answerWith(kind: 'deliver' | 'health' | 'sign', answer: (message: Message) => void): void;
/** Grows with whatever the program has asked for, or been told of: for `beforeExit`. */
export declare function progress(): number;
