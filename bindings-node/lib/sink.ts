/**
 * Sinks and signers of the host's, called on this thread's event loop.
 *
 * Guarantees: one call at a time, in the order of the stream; an exception, a rejection, an answer that is
 * none, a promise that never settles: each is told to the sink's lane and reaches nobody else. What was not understood is
 * never taken for a yes. Of an exception only the name of its class goes into records, never its text.
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

/**
 * What a sink may answer for an event: nothing, for taken; or an error, as if it were thrown. Anything else (a response,
 * `false`) is no answer: the event is tried again, and the lane's health says so.
 */
export type SinkAnswer = void | undefined | null | Error;

/** A sink, as the proposal has it. */
export interface GovernanceEventSink {
  readonly name: string;
  readonly classes: ReadonlySet<SinkClass>;
  /** Takes an event: resolved, it has it; rejected, it is tried again, with `Rejected` never, with `Uncertain` nobody knows. */
  emit(event: SignedGovernanceEvent): Promise<void>;
  /** How it is, asked after a delivery that failed; what it says is in `health()` of the emitter. */
  health(): Promise<SinkHealth>;
}

/** What a batch sink may answer for one event: the same, or what `Promise.allSettled` says of a promise of it. */
export type BatchAnswer =
  | SinkAnswer
  | { readonly status: 'fulfilled'; readonly value: SinkAnswer }
  | { readonly status: 'rejected'; readonly reason: unknown };

/** A sink that takes batches and answers per event. */
export interface BatchGovernanceEventSink {
  readonly name: string;
  readonly classes: ReadonlySet<SinkClass>;
  /**
   * Nothing: it has all. Else one {@link BatchAnswer} per event, in order. What it throws is about the batch as one: after
   * `Rejected` it is halved until the offender is alone.
   */
  emitBatch(
    events: readonly SignedGovernanceEvent[],
  ): Promise<void | undefined | null | readonly BatchAnswer[]>;
  /** How it is, asked after a delivery that failed; what it says is in `health()` of the emitter. */
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
  | { emit(event: SignedGovernanceEvent): SinkAnswer | PromiseLike<SinkAnswer> }
  | {
      emitBatch(
        events: readonly SignedGovernanceEvent[],
      ):
        | void
        | undefined
        | null
        | readonly BatchAnswer[]
        | PromiseLike<void | undefined | null | readonly BatchAnswer[]>;
    }
);

// What the native half (`src/sink.rs`) is told of a batch: how the sink was asked, then what it said, in codes.
const ONE_BY_ONE = 0;
const EACH = 1;
const AS_ONE = 2;
const NONSENSE_ALTOGETHER = 3;
const TAKEN = 0;
const REFUSED = 1;
const RETRY = 2;
const UNCERTAIN = 3;
const NONSENSE = 4;
const OUTCOME = Symbol.for('sinkwell.outcome');

/** Thrown by a sink that will never take this event: it is dead-lettered and declared, not tried again. */
export class Rejected extends Error {
  /** @internal So that one of another copy of this package is known as what it is. */
  get [OUTCOME](): number {
    return REFUSED;
  }

  /** Kept in minified builds. */
  override get name(): string {
    return 'Rejected';
  }
}

/** Thrown by a sink that will never know whether an event arrived: it is not tried again, and declared as maybe lost. */
export class Uncertain extends Error {
  /** @internal */
  get [OUTCOME](): number {
    return UNCERTAIN;
  }

  /** Kept in minified builds. */
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

/** The parts of a message's bytes, without copying. */
function parts(message: Message): Buffer[] {
  const bytes = message.bytes ?? Buffer.alloc(0);
  let start = 0;
  return Array.from(message.ends ?? [], (end) => bytes.subarray(start, (start = end)));
}

/** What records may say of an exception, or of what is no answer: the name of its class. */
function nameOf(value: unknown): string {
  let name: unknown;
  try {
    const given = typeof value === 'object' && value !== null;
    name = given ? (value.constructor?.name ?? 'object') : typeof value;
  } catch {
    // A proxy, a getter.
  }
  return typeof name === 'string' && /^[A-Za-z0-9_$]{1,64}$/.test(name) ? name : 'Error';
}

/** What a thrown thing, or an error that was returned, says of an event. */
function codeOf(error: unknown): number {
  try {
    const told = (error as { [OUTCOME]?: unknown } | null | undefined)?.[OUTCOME];
    return told === REFUSED || told === UNCERTAIN ? told : RETRY;
  } catch {
    return RETRY;
  }
}

/** What a sink said of a batch. What that means for each event is the core's to say. */
class Answers {
  readonly codes: number[];
  failure = '';

  constructor(form: number) {
    this.codes = [form];
  }

  /** It threw. */
  threw(error: unknown): number {
    return this.#said(codeOf(error), error);
  }

  /** It answered for an event. */
  gave(answer: unknown): number {
    if (answer === undefined || answer === null) return this.#said(TAKEN, undefined);
    return this.#said(isError(answer) ? codeOf(answer) : NONSENSE, answer);
  }

  /** It answered for an event of a batch, perhaps in the form of `Promise.allSettled`. */
  gaveSettled(answer: unknown): number {
    const { status, value, reason } = (isError(answer) ? {} : (answer ?? {})) as {
      status?: unknown;
      value?: unknown;
      reason?: unknown;
    };
    if (status === 'rejected') return this.threw(reason);
    return this.gave(status === 'fulfilled' ? value : answer);
  }

  #said(code: number, why: unknown): number {
    this.codes.push(code);
    if (code !== TAKEN) this.failure ||= nameOf(why);
    return code;
  }

  static nonsense(answer: unknown): Answers {
    const answers = new Answers(NONSENSE_ALTOGETHER);
    answers.failure = nameOf(answer);
    return answers;
  }
}

async function deliver(sink: SinkLike | undefined, events: SignedGovernanceEvent[]): Promise<Answers> {
  if (sink === undefined) {
    const answers = new Answers(AS_ONE);
    answers.threw(undefined);
    answers.failure = 'the sink has been released';
    return answers;
  }
  if (!('emitBatch' in sink)) {
    const answers = new Answers(ONE_BY_ONE);
    for (const event of events) {
      let code;
      try {
        code = answers.gave(await sink.emit(event));
      } catch (error) {
        code = answers.threw(error);
      }
      // What comes after it must not arrive before it.
      if (code === RETRY || code === NONSENSE) break;
    }
    return answers;
  }
  try {
    const given: unknown = await sink.emitBatch(events);
    if (given === undefined || given === null) {
      const answers = new Answers(AS_ONE);
      answers.gave(given);
      return answers;
    }
    if (!Array.isArray(given)) return Answers.nonsense(given);
    const answers = new Answers(EACH);
    for (const one of given) {
      // A list in which one is no answer is none.
      if (answers.gaveSettled(one) === NONSENSE) return Answers.nonsense(one);
    }
    return answers;
  } catch (error) {
    const answers = new Answers(AS_ONE);
    answers.threw(error);
    return answers;
  }
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
    loop.delivered(message.token, Uint8Array.from(answers.codes), answers.failure);
  });
});

/** What a sink says of its health, whatever it says it with: nobody could catch what is thrown here. */
async function health(sink: SinkLike | undefined): Promise<{ healthy: boolean; detail: string }> {
  try {
    const said: unknown = await (sink as Partial<GovernanceEventSink> | undefined)?.health?.();
    const { healthy, detail } = (said ?? { healthy: true }) as { healthy?: unknown; detail?: unknown };
    return { healthy: Boolean(healthy), detail: textOf(detail ?? '') };
  } catch (error) {
    return { healthy: false, detail: textOf(error) };
  }
}

/** The value's own words, if it has any. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return nameOf(value);
  }
}

answerWith('health', (message) => {
  void inside.run(true, health, sinks.get(message.target)).then(({ healthy, detail }) => {
    loop.delivered(message.token, Uint8Array.of(healthy ? TAKEN : RETRY), detail);
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
