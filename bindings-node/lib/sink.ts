/**
 * Sinks and signers of the host's, called on this thread's event loop.
 *
 * Guarantees: one call at a time, in the order of the stream; an exception, a rejection, an answer that is
 * none, a promise that never settles: each is an answer to the sink's lane and reaches nobody else. Of an
 * exception only the name of its class goes into records, never its text.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Message, SinkSpec } from '../native';
import { InvalidArgumentError, isError } from './errors';
import { SignedGovernanceEvent } from './event';
import { answerWith, loop } from './loop';

/** What a sink is for. */
export type SinkClass = 'siem' | 'audit' | 'observability' | 'debug';

/** How a sink says it is. */
export interface SinkHealth {
  readonly healthy: boolean;
  readonly detail?: string | null | undefined;
}

/** A sink, as the proposal has it. */
export interface GovernanceEventSink {
  readonly name: string;
  readonly classes: ReadonlySet<SinkClass>;
  emit(event: SignedGovernanceEvent): Promise<void>;
  health(): Promise<SinkHealth>;
}

/**
 * What a batch sink says of one event: nothing for taken; `Rejected`, `Uncertain`, or another error to try it again; or
 * what `Promise.allSettled` says of a promise that came to one of these. Anything else (`false`, `{ ok: false }`, a
 * response) is no answer: the event is tried again, and health says so.
 */
export type BatchAnswer =
  | Error
  | null
  | undefined
  | void
  | { readonly status: 'fulfilled'; readonly value: Error | null | undefined | void }
  | { readonly status: 'rejected'; readonly reason: unknown };

/** A sink that takes batches and answers per event. */
export interface BatchGovernanceEventSink {
  readonly name: string;
  readonly classes: ReadonlySet<SinkClass>;
  /** Nothing: it has all. Else one {@link BatchAnswer} per event, in order. */
  emitBatch(events: readonly SignedGovernanceEvent[]): Promise<void | readonly BatchAnswer[]>;
  health(): Promise<SinkHealth>;
}

/** What is accepted in its place: plain functions, plain strings as classes, no `health`. */
export type SinkLike = {
  readonly name: string;
  readonly classes?: Iterable<SinkClass> | undefined;
  /** A repeat of the same event does no harm: its lane's `in_flight` may then be more than 1. */
  readonly idempotent?: boolean | undefined;
  health?(): SinkHealth | Promise<SinkHealth>;
} & (
  | { emit(event: SignedGovernanceEvent): unknown }
  | {
      emitBatch(
        events: readonly SignedGovernanceEvent[],
      ): void | null | readonly BatchAnswer[] | Promise<void | null | readonly BatchAnswer[]>;
    }
);

/** Thrown by a sink that will never take this event: it is dead-lettered and declared, not tried again. */
export class Rejected extends Error {
  override get name(): string {
    return 'Rejected';
  }
}

/** Thrown by a sink that will never know whether an event arrived: it is not tried again, and declared as maybe lost. */
export class Uncertain extends Error {
  override get name(): string {
    return 'Uncertain';
  }
}

const inside = new AsyncLocalStorage<true>();

/** Whether this code runs for a sink or a signer, where an event may be dropped but nothing waits for a lane. */
export function isInside(): boolean {
  // Asking costs more than an emit may: not where there is nothing to be inside of.
  return next > 0 && inside.getStore() === true;
}

/** A host's own signer (a KMS, an HSM): one raw signature per input, in order. */
export type Signer = (inputs: readonly Buffer[]) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;

const sinks = new Map<number, SinkLike>();
const signers = new Map<number, Signer>();
let next = 0;

/** Registers a sink; the answer is what the native half knows it by. */
export function host(sink: SinkLike, lane?: string): SinkSpec {
  const given = sink as Partial<Record<'emit' | 'emitBatch', unknown>> | null | undefined;
  const one = given?.emitBatch ?? given?.emit;
  if (typeof sink?.name !== 'string' || typeof one !== 'function') {
    const what =
      typeof sink === 'function'
        ? 'this is a function or a class; give a sink itself, as new Defender()'
        : `a sink has a name and a function emit or emitBatch; ${typeof sink?.name === 'string' ? `${sink.name} has neither function` : 'this has no name'}`;
    throw new InvalidArgumentError(what, 'sinks');
  }
  const target = ++next;
  const spec: SinkSpec = {
    target,
    name: sink.name,
    classes: [...(sink.classes ?? [])],
    idempotent: sink.idempotent === true,
  };
  if (lane !== undefined) spec.lane = lane;
  sinks.set(target, sink);
  return spec;
}

/** Registers a signer. */
export function hostSigner(signer: Signer): number {
  signers.set(++next, signer);
  return next;
}

/** The emitter has ended: nothing calls these any more. */
export function release(targets: Iterable<number>): void {
  for (const target of targets) {
    sinks.delete(target);
    signers.delete(target);
  }
}

const ACKNOWLEDGED = 0;
const REFUSED = 1;
const RETRY = 2;
const REFUSED_AS_ONE = 3;
const UNCERTAIN = 4;
const ALL = new Uint8Array(0);

/** The parts of a message's bytes, without copying. */
function parts(message: Message): Buffer[] {
  const bytes = message.bytes ?? Buffer.alloc(0);
  let start = 0;
  return Array.from(message.ends ?? [], (end) => bytes.subarray(start, (start = end)));
}

/** What records may say of an exception. */
function nameOf(error: unknown): string {
  const name = isError(error) ? error.constructor.name : typeof error;
  return /^[A-Za-z0-9_$]{1,64}$/.test(name) ? name : 'Error';
}

class Answers {
  readonly codes: Uint8Array;
  failure = '';

  constructor(count: number) {
    this.codes = new Uint8Array(count).fill(RETRY);
  }

  failed(i: number, error: unknown): void {
    this.codes[i] = error instanceof Rejected ? REFUSED : error instanceof Uncertain ? UNCERTAIN : RETRY;
    this.failure ||= nameOf(error);
  }

  /** A batch sink's answer for one event; one that is none leaves the event to be tried again. */
  said(i: number, answer: unknown): void {
    const { status, value, reason } = (answer ?? {}) as {
      status?: unknown;
      value?: unknown;
      reason?: unknown;
    };
    const one = !isError(answer) && status === 'fulfilled' ? value : answer;
    if (isError(one)) this.failed(i, one);
    else if ((one ?? null) === null) this.codes[i] = ACKNOWLEDGED;
    else if (status === 'rejected') this.failed(i, reason);
    else this.failure ||= 'an answer that is none';
  }

  get all(): boolean {
    return this.codes.every((code) => code === ACKNOWLEDGED);
  }
}

async function deliver(sink: SinkLike | undefined, events: SignedGovernanceEvent[]): Promise<Answers> {
  const answers = new Answers(events.length);
  if (sink === undefined) {
    answers.failure = 'the sink has been released';
  } else if ('emitBatch' in sink) {
    try {
      const given = await sink.emitBatch(events);
      if (given === undefined || given === null) answers.codes.fill(ACKNOWLEDGED);
      else if (Array.isArray(given) && given.length === events.length) {
        given.forEach((one: unknown, i) => {
          answers.said(i, one);
        });
      } else answers.failure = 'not one answer per event';
    } catch (error) {
      // Which of them, the lane finds out by splitting the batch.
      if (error instanceof Rejected) answers.codes.fill(REFUSED_AS_ONE);
      else if (error instanceof Uncertain) answers.codes.fill(UNCERTAIN);
      answers.failure = nameOf(error);
    }
  } else {
    for (const [i, event] of events.entries()) {
      try {
        await sink.emit(event);
        answers.codes[i] = ACKNOWLEDGED;
      } catch (error) {
        answers.failed(i, error);
        // What comes after it must not arrive before it.
        if (answers.codes[i] === RETRY) break;
      }
    }
  }
  return answers;
}

answerWith('deliver', (message) => {
  const hashes = message.text;
  const events = parts(message).map(
    (bytes, i) =>
      new SignedGovernanceEvent(
        bytes,
        hashes.slice(128 * i, 128 * i + 64),
        hashes.slice(128 * i + 64, 128 * (i + 1)),
      ),
  );
  void inside.run(true, deliver, sinks.get(message.target), events).then((answers) => {
    loop.delivered(message.token, answers.all ? ALL : answers.codes, answers.failure);
  });
});

async function health(sink: SinkLike | undefined): Promise<SinkHealth> {
  try {
    return (
      (await (sink as Partial<GovernanceEventSink> | undefined)?.health?.()) ?? {
        healthy: true,
        detail: null,
      }
    );
  } catch (error) {
    return { healthy: false, detail: String(error) };
  }
}

answerWith('health', (message) => {
  void inside.run(true, health, sinks.get(message.target)).then(({ healthy, detail }) => {
    loop.delivered(message.token, Uint8Array.of(healthy ? ACKNOWLEDGED : RETRY), detail ?? '');
  });
});

async function sign(signer: Signer | undefined, inputs: Buffer[]): Promise<Uint8Array[] | undefined> {
  try {
    const signatures = await signer?.(inputs);
    return signatures && [...signatures].every((one) => one instanceof Uint8Array)
      ? [...signatures]
      : undefined;
  } catch {
    return undefined;
  }
}

answerWith('sign', (message) => {
  void inside.run(true, sign, signers.get(message.target), parts(message)).then((signatures) => {
    loop.signed(message.token, signatures);
  });
});
