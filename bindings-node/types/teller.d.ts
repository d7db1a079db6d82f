import type { ContentMode, Part } from './content';
import type { DeedTerms } from './deed';
import { Emitter } from './emitter';
import { type StepCall, type StepKind, type StepMembers } from './step';
/** How an integration tells. */
export interface TellerOptions {
    /** The process's default emitter if absent: then configure it first. */
    readonly emitter?: Emitter | undefined;
    /** The most that content may be captured, as that of a content part; `off` if absent. */
    readonly permit?: ContentMode | undefined;
}
/** An id for a step to which the framework gives none. */
export declare const newId: () => string;
/** An id that another process, or a framework, gave: if it can be one. */
export declare function idOf(value: unknown): string | undefined;
/** The trace context of OpenTelemetry's active span, as members of a step. */
export declare function traceMembers(): StepMembers;
/** One integration, put in at one place of a program. */
export declare class Teller {
    #private;
    constructor(seam: string, from: string, options?: TellerOptions);
    get emitter(): Emitter;
    get watching(): boolean;
    /** Seals that this seam is watched from now on. */
    watch(): this;
    /** Seals that this seam is watched no longer. */
    stop(): void;
    /** Waits until every lane has delivered; opens nothing for it, and throws nothing. */
    flush(timeout: number): Promise<void>;
    /** Tells of a step. */
    tell(kind: StepKind, id: string, members: StepMembers): void;
    /** Tells what a guardrail, a policy or a person decided just now. */
    decided(decision: 'allow' | 'deny' | 'ask' | 'indeterminate', name: string, { tool, attributes, ...members }: StepMembers & {
        readonly tool?: string | undefined;
    }): void;
    /** A tool's call as a deed. */
    call<R>(id: string, members: StepMembers, terms: DeedTerms, act: (call: StepCall) => R | PromiseLike<R>): Promise<R>;
}
/** Remembers what has begun and not ended; of a program that never ends what it begins, only the latest. */
export declare function put<K, V>(table: Map<K, V>, key: K, value: V, most?: number): void;
/** What a table holds of a key, which it forgets. */
export declare function take<K, V>(table: Map<K, V>, key: K): V | undefined;
/** Most agents that work was handed to and that have not begun: one that never does is forgotten. */
export declare const MOST_HANDOFFS = 1000;
/** A value as an object whose members may be asked for. */
export declare const object: (value: unknown) => Record<string, unknown>;
/** A text, if it is one. */
export declare const text: (value: unknown) => string | undefined;
/** A content part of plain text. */
export declare function words(contentClass: string, text: string): readonly Part[];
