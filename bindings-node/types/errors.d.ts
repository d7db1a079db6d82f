/** The kinds of errors, the same in every language. */
export type ErrorKind = 'invalid_config' | 'invalid_event' | 'invalid_argument' | 'backpressure' | 'required_sink_unavailable' | 'timeout' | 'closed' | 'sink' | 'journal' | 'key' | 'policy' | 'verification' | 'unsupported' | 'internal';
/** What every error of sinkwell is. */
export declare abstract class SinkwellError extends Error {
    /** What went wrong, of a closed list. */
    abstract readonly kind: ErrorKind;
    /** The kind's number, which never changes its meaning. */
    abstract readonly code: number;
    /** Where: a path in the data, a configuration key with file and line, a lane's id. */
    readonly where: string | undefined;
    constructor(message: string, where?: string);
    /** The class's name, also where a bundler has given the class another. */
    get name(): string;
    /** What happened, and where. */
    toString(): string;
}
/** The configuration document cannot be used. */
export declare class InvalidConfigError extends SinkwellError {
    readonly kind = "invalid_config";
    readonly code = 1;
}
/** The event cannot be sealed as given. */
export declare class InvalidEventError extends SinkwellError {
    readonly kind = "invalid_event";
    readonly code = 2;
}
/** A call's argument is wrong. */
export declare class InvalidArgumentError extends SinkwellError {
    readonly kind = "invalid_argument";
    readonly code = 3;
}
/** A blocking lane had no room; the event is in no lane. `emitAsync` waits for room. */
export declare class BackpressureError extends SinkwellError {
    readonly kind = "backpressure";
    readonly code = 4;
}
/** Governance forbids going on without a healthy sink. */
export declare class RequiredSinkUnavailableError extends SinkwellError {
    readonly kind = "required_sink_unavailable";
    readonly code = 5;
}
/** Waiting took longer than asked. */
export declare class TimeoutError extends SinkwellError {
    readonly kind = "timeout";
    readonly code = 6;
}
/** The emitter has been shut down. */
export declare class ClosedError extends SinkwellError {
    readonly kind = "closed";
    readonly code = 7;
}
/** A sink failed. */
export declare class SinkError extends SinkwellError {
    readonly kind = "sink";
    readonly code = 8;
}
/** The journal cannot be read or written. */
export declare class JournalError extends SinkwellError {
    readonly kind = "journal";
    readonly code = 9;
}
/** A key is missing, malformed or refused. */
export declare class KeyError extends SinkwellError {
    readonly kind = "key";
    readonly code = 10;
}
/** A policy document is invalid. */
export declare class PolicyError extends SinkwellError {
    readonly kind = "policy";
    readonly code = 11;
}
/** Input to the verifier cannot be read. */
export declare class VerificationError extends SinkwellError {
    readonly kind = "verification";
    readonly code = 12;
}
/** This build or platform cannot. */
export declare class UnsupportedError extends SinkwellError {
    readonly kind = "unsupported";
    readonly code = 13;
}
/** A defect of sinkwell: please report. */
export declare class InternalError extends SinkwellError {
    readonly kind = "internal";
    readonly code = 255;
}
/** Whether it is an error of any realm. */
export declare function isError(value: unknown): value is Error;
/**
 * Tells the program of what went wrong where nobody waits for an answer: a warning of the process, named
 * `SinkwellWarning`, with the error's kind as its code and, where it has one, its place.
 */
export declare function warn(error: unknown): void;
/** The error that this text of the native half stands for; what is no such text is a defect. */
export declare function fromText(text: string): SinkwellError;
/** Calls into the native half; its errors come out as instances of their classes. */
export declare function native<T>(call: () => T): T;
/** What the native half threw, as an instance of its class. A wrong type of an argument is one, too. */
export declare function fromNative(error: unknown): unknown;
