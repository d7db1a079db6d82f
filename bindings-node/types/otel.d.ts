/**
 * Finished OpenTelemetry spans as events: register the processor, and every instrumented framework is
 * covered.
 *
 * Spans that follow the GenAI conventions become `run.*`, `tool.invocation` and `model.usage`; others are
 * `span`. Content that a span carries as attributes stays behind: prompts and completions go through content
 * parts only.
 */
import { type Emitter, type EventData } from './emitter';
type HrTime = readonly [seconds: number, nanoseconds: number];
/** What is read of a span: the SDK's `ReadableSpan` fits. */
export interface FinishedSpan {
    readonly name: string;
    readonly attributes: Readonly<Record<string, unknown>>;
    readonly startTime: HrTime;
    readonly endTime: HrTime;
    readonly status: {
        readonly code: number;
    };
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
}
type Emission = readonly [type: string, data: EventData];
/** The events that a finished span stands for. */
export declare function eventsOf(span: FinishedSpan): Emission[];
/** An OpenTelemetry `SpanProcessor`: give it to a tracer provider. */
export declare class SinkwellSpanProcessor {
    #private;
    constructor(options?: SpanProcessorOptions);
    onStart(): void;
    /** A span that cannot be an event is a warning: a tracer must not fail for its processors. */
    onEnd(span: FinishedSpan): void;
    forceFlush(): Promise<void>;
    /** The emitter is its owner's to end. */
    shutdown(): Promise<void>;
}
export { registerMetrics, type MeterProviderLike } from './metrics';
