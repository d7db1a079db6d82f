import type { ContentMode } from './content';
/** A span. Times are nanoseconds since 1970 as decimal digits; without an end it has just started. */
export interface Span {
    readonly name: string;
    readonly kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer' | undefined;
    /** 32 hex digits. */
    readonly trace_id?: string | undefined;
    /** 16 hex digits. */
    readonly span_id?: string | undefined;
    /** The span around it. */
    readonly parent_span_id?: string | undefined;
    /** That one is another process's. */
    readonly parent_is_remote?: boolean | undefined;
    /** The type of the exception that left it, where nothing else of the span says so. */
    readonly raised?: string | undefined;
    /** 1 is sampled. */
    readonly flags?: number | undefined;
    /** `tracestate` */
    readonly state?: string | undefined;
    readonly start_unix_nano?: string | undefined;
    readonly end_unix_nano?: string | undefined;
    readonly status?: 'unset' | 'ok' | 'error' | 'compensating' | undefined;
    /** May hold what JSON cannot carry (NaN, bytes, BigInt): the core spells it. */
    readonly attributes?: Readonly<Record<string, unknown>> | undefined;
    /** What happened during it. */
    readonly events?: readonly {
        readonly name: string;
        readonly time_unix_nano?: string | undefined;
        readonly attributes?: Readonly<Record<string, unknown>> | undefined;
    }[];
    /** Other spans that it has to do with, by their trace contexts. */
    readonly links?: readonly {
        readonly trace_id: string;
        readonly span_id: string;
        readonly flags?: number | undefined;
        readonly state?: string | undefined;
        readonly attributes?: Readonly<Record<string, unknown>> | undefined;
    }[];
    /** The most that its content may be captured. */
    readonly permit?: ContentMode | undefined;
}
/** An event that a span stands for, with the members that an event has in every language. */
export interface SpanEvent {
    readonly type: string;
    readonly data: Readonly<Record<string, unknown>>;
    readonly subject?: string | undefined;
    readonly run?: string | undefined;
    readonly correlation?: string | undefined;
    readonly time?: string | undefined;
    readonly trace?: Readonly<Record<string, unknown>> | undefined;
    readonly content?: readonly Readonly<Record<string, unknown>>[] | undefined;
}
/** The events that a span stands for; `Emitter.emitSpan` emits them. */
export declare function eventsOfSpan(span: Span): SpanEvent[];
