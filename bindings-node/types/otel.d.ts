/**
 * Finished OpenTelemetry spans as events: register the processor, and every instrumented framework is
 * covered.
 *
 * Spans that follow the GenAI and MCP conventions become `run.*`, `tool.invocation` and `model.usage`; others are
 * `span`. Messages, arguments and results become content parts, which leave only through the gates. Which span is
 * which event is the core's to say: here a span is converted, and that is all.
 */
import type { ContentMode } from './content';
import { Emitter } from './emitter';
type HrTime = readonly [seconds: number, nanoseconds: number];
/** What is read of a span: the SDK's `Span` and `ReadableSpan` fit. */
export interface FinishedSpan {
    readonly name: string;
    readonly attributes: Readonly<Record<string, unknown>>;
    readonly startTime: HrTime;
    readonly endTime: HrTime;
    readonly status: {
        readonly code: number;
    };
    readonly events?: readonly {
        readonly name: string;
        readonly attributes?: Readonly<Record<string, unknown>>;
    }[];
    spanContext(): {
        traceId: string;
        spanId: string;
        traceFlags: number;
        traceState?: {
            serialize(): string;
        };
    };
}
/** How spans become events. */
export interface SpanProcessorOptions {
    /** The process's default emitter if absent. */
    readonly emitter?: Emitter;
    /** The most that the content of these spans may be captured, as that of a content part. */
    readonly permit?: ContentMode;
}
/** An OpenTelemetry `SpanProcessor`: give it to a tracer provider. */
export declare class SinkwellSpanProcessor {
    #private;
    constructor(options?: SpanProcessorOptions);
    /** An agent's span is a run that starts. */
    onStart(span: FinishedSpan): void;
    onEnd(span: FinishedSpan): void;
    forceFlush(): Promise<void>;
    /** The emitter is its owner's to end. */
    shutdown(): Promise<void>;
}
export { registerMetrics, type MeterProviderLike } from './metrics';
