import type { SinkSpec } from '../native';
import { SignedGovernanceEvent } from './event';
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
export type BatchAnswer = SinkAnswer | {
    readonly status: 'fulfilled';
    readonly value: SinkAnswer;
} | {
    readonly status: 'rejected';
    readonly reason: unknown;
};
/** A sink that takes batches and answers per event. */
export interface BatchGovernanceEventSink {
    readonly name: string;
    readonly classes: ReadonlySet<SinkClass>;
    /**
     * Nothing: it has all. Else one {@link BatchAnswer} per event, in order. What it throws is about the batch as one: after
     * `Rejected` it is halved until the offender is alone.
     */
    emitBatch(events: readonly SignedGovernanceEvent[]): Promise<void | undefined | null | readonly BatchAnswer[]>;
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
} & ({
    emit(event: SignedGovernanceEvent): SinkAnswer | PromiseLike<SinkAnswer>;
} | {
    emitBatch(events: readonly SignedGovernanceEvent[]): void | undefined | null | readonly BatchAnswer[] | PromiseLike<void | undefined | null | readonly BatchAnswer[]>;
});
/** Thrown by a sink that will never take this event: it is dead-lettered and declared, not tried again. */
export declare class Rejected extends Error {
    /** Kept in minified builds. */
    get name(): string;
}
/** Thrown by a sink that will never know whether an event arrived: it is not tried again, and declared as maybe lost. */
export declare class Uncertain extends Error {
    /** Kept in minified builds. */
    get name(): string;
}
/** Whether this code runs for a sink or a signer, where an event may be dropped but nothing waits for a lane. */
export declare function isInside(): boolean;
/** A host's own signer (a KMS, an HSM): one raw signature per input, in order. */
export type Signer = (inputs: readonly Buffer[]) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
/** Registers a sink; the answer is what the native half knows it by. */
export declare function host(sink: SinkLike, lane?: string): SinkSpec;
/** Registers a signer. */
export declare function hostSigner(signer: Signer): number;
/** The emitter has ended: nothing calls these any more. */
export declare function release(targets: Iterable<number>): void;
