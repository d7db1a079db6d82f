/**
 * The active trace: from OpenTelemetry where the program has it, else from the HTTP request that is being answered.
 *
 * `@opentelemetry/api` keeps what is registered with it under a symbol that every copy of it shares, and so does the key
 * of the active span: both are its contract between copies and versions. Nothing is loaded, so a bundled program and a
 * module system of another kind find the same trace.
 */
/** A place in a trace. */
export interface Trace {
    /** 32 hex digits. */
    readonly traceId: string;
    /** 16 hex digits. */
    readonly spanId: string;
    /** 1 is sampled. */
    readonly flags?: number | undefined;
    /** `tracestate` */
    readonly state?: string | undefined;
}
interface SpanContext {
    traceId: string;
    spanId: string;
    traceFlags: number;
    traceState?: {
        serialize(): string;
    };
}
/** Calls `body` where a request's trace context holds, or none does. */
export declare function withinTrace<R>(trace: Trace | undefined, body: () => R): R;
/** The span that is active now, else the trace context of the request that is being answered. */
export declare function activeTrace(): Trace | undefined;
/** A span's context, as `emit` takes it. */
export declare function traceOf(context: SpanContext): Trace;
export {};
