/**
 * Errors: one class per kind of the core's closed list, one common ancestor.
 *
 * The native half throws plain errors whose message is JSON; {@link fromNative} makes them what they are. It throws
 * them in the realm that loaded it first, which under Jest or in a `vm` context is another than this module's, so no
 * error of its is asked whether it is an instance of this realm's `Error`.
 */
import { types } from 'node:util';

/** The kinds of errors, the same in every language. */
export type ErrorKind =
  | 'invalid_config'
  | 'invalid_event'
  | 'invalid_argument'
  | 'backpressure'
  | 'required_sink_unavailable'
  | 'timeout'
  | 'closed'
  | 'sink'
  | 'journal'
  | 'key'
  | 'policy'
  | 'verification'
  | 'unsupported'
  | 'internal';

/** What every error of sinkwell is. */
export abstract class SinkwellError extends Error {
  /** What went wrong, of a closed list. */
  abstract readonly kind: ErrorKind;
  /** The kind's number, which never changes its meaning. */
  abstract readonly code: number;
  /** Where: a path in the data, a configuration key with file and line, a lane's id. */
  readonly where: string | undefined;

  constructor(message: string, where?: string) {
    super(message);
    this.where = where;
  }

  /** The class's name, also where a bundler has given the class another. */
  override get name(): string {
    return NAMES[this.kind] ?? 'SinkwellError';
  }

  /** What happened, and where. */
  override toString(): string {
    return `${this.name}: ${this.where === undefined ? '' : `${this.where}: `}${this.message}`;
  }
}

/** The configuration document cannot be used. */
export class InvalidConfigError extends SinkwellError {
  readonly kind = 'invalid_config';
  readonly code = 1;
}

/** The event cannot be sealed as given. */
export class InvalidEventError extends SinkwellError {
  readonly kind = 'invalid_event';
  readonly code = 2;
}

/** A call's argument is wrong. */
export class InvalidArgumentError extends SinkwellError {
  readonly kind = 'invalid_argument';
  readonly code = 3;
}

/** A blocking lane had no room; the event is in no lane. `emitAsync` waits for room. */
export class BackpressureError extends SinkwellError {
  readonly kind = 'backpressure';
  readonly code = 4;
}

/** Governance forbids going on without a healthy sink. */
export class RequiredSinkUnavailableError extends SinkwellError {
  readonly kind = 'required_sink_unavailable';
  readonly code = 5;
}

/** Waiting took longer than asked. */
export class TimeoutError extends SinkwellError {
  readonly kind = 'timeout';
  readonly code = 6;
}

/** The emitter has been shut down. */
export class ClosedError extends SinkwellError {
  readonly kind = 'closed';
  readonly code = 7;
}

/** A sink failed. */
export class SinkError extends SinkwellError {
  readonly kind = 'sink';
  readonly code = 8;
}

/** The journal cannot be read or written. */
export class JournalError extends SinkwellError {
  readonly kind = 'journal';
  readonly code = 9;
}

/** A key is missing, malformed or refused. */
export class KeyError extends SinkwellError {
  readonly kind = 'key';
  readonly code = 10;
}

/** A policy document is invalid. */
export class PolicyError extends SinkwellError {
  readonly kind = 'policy';
  readonly code = 11;
}

/** Input to the verifier cannot be read. */
export class VerificationError extends SinkwellError {
  readonly kind = 'verification';
  readonly code = 12;
}

/** This build or platform cannot. */
export class UnsupportedError extends SinkwellError {
  readonly kind = 'unsupported';
  readonly code = 13;
}

/** A defect of sinkwell: please report. */
export class InternalError extends SinkwellError {
  readonly kind = 'internal';
  readonly code = 255;
}

const CLASSES: Record<ErrorKind, new (message: string, where?: string) => SinkwellError> = {
  invalid_config: InvalidConfigError,
  invalid_event: InvalidEventError,
  invalid_argument: InvalidArgumentError,
  backpressure: BackpressureError,
  required_sink_unavailable: RequiredSinkUnavailableError,
  timeout: TimeoutError,
  closed: ClosedError,
  sink: SinkError,
  journal: JournalError,
  key: KeyError,
  policy: PolicyError,
  verification: VerificationError,
  unsupported: UnsupportedError,
  internal: InternalError,
};

/** By kind, since minified code has other names for its classes. */
const NAMES: Record<ErrorKind, string> = {
  invalid_config: 'InvalidConfigError',
  invalid_event: 'InvalidEventError',
  invalid_argument: 'InvalidArgumentError',
  backpressure: 'BackpressureError',
  required_sink_unavailable: 'RequiredSinkUnavailableError',
  timeout: 'TimeoutError',
  closed: 'ClosedError',
  sink: 'SinkError',
  journal: 'JournalError',
  key: 'KeyError',
  policy: 'PolicyError',
  verification: 'VerificationError',
  unsupported: 'UnsupportedError',
  internal: 'InternalError',
};

/** Whether it is an error of any realm. */
export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

/**
 * Tells the program of what went wrong where nobody waits for an answer: a warning of the process, named
 * `SinkwellWarning`, with the error's kind as its code and, where it has one, its place.
 */
export function warn(error: unknown): void {
  const known = error instanceof SinkwellError;
  let text = 'something that is no error was thrown';
  try {
    text = isError(error) ? error.message : String(error);
  } catch {
    // It cannot even be named.
  }
  if (known && error.where !== undefined) text = `${error.where}: ${text}`;
  process.emitWarning(text, { type: 'SinkwellWarning', ...(known && { code: error.kind }) });
}

/** The error that this text of the native half stands for; what is no such text is a defect. */
export function fromText(text: string): SinkwellError {
  let given: { kind: ErrorKind; message: string; where: string | null };
  try {
    given = JSON.parse(text);
  } catch {
    return new InternalError(text);
  }
  return new (CLASSES[given.kind] ?? InternalError)(given.message, given.where ?? undefined);
}

/** Calls into the native half; its errors come out as instances of their classes. */
export function native<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

/** What the native half threw, as an instance of its class. A wrong type of an argument is one, too. */
export function fromNative(error: unknown): unknown {
  if (!isError(error) || error instanceof SinkwellError) return error;
  const code = (error as { code?: unknown }).code;
  if (code === 'GenericFailure') return fromText(error.message);
  return typeof code === 'string' && code.endsWith('Expected')
    ? new InvalidArgumentError(error.message)
    : error;
}
