/** A place in a trace. */
export interface Trace {
    /** 32 hex digits. */
    readonly traceId: string;
    /** 16 hex digits. */
    readonly spanId: string;
    /** 1 is sampled. */
    readonly flags?: number;
    readonly state?: string;
}
interface SpanContext {
    traceId: string;
    spanId: string;
    traceFlags: number;
    traceState?: {
        serialize(): string;
    };
}
/** The span that is active now. */
export declare function activeTrace(): Trace | undefined;
/** A span's context, as `emit` takes it. */
export declare function traceOf(context: SpanContext): Trace;
export {};
