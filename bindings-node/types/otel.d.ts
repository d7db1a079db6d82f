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
/** A W3C trace context, as the tracing API has it. */
export interface SpanContextLike {
    traceId: string;
    spanId: string;
    traceFlags: number;
    traceState?: {
        serialize(): string;
    };
}
/** What is read of a span: the SDK's `Span` and `ReadableSpan` fit. */
export interface FinishedSpan {
    readonly name: string;
    /** 0 internal, 1 server, 2 client, 3 producer, 4 consumer. */
    readonly kind?: number | undefined;
    readonly attributes: Readonly<Record<string, unknown>>;
    readonly startTime: HrTime;
    readonly endTime: HrTime;
    readonly status: {
        readonly code: number;
    };
    readonly events?: readonly {
        readonly name: string;
        readonly time?: HrTime | undefined;
        readonly attributes?: Readonly<Record<string, unknown>> | undefined;
    }[];
    readonly links?: readonly {
        readonly context: SpanContextLike;
        readonly attributes?: Readonly<Record<string, unknown>> | undefined;
    }[];
    /** The span around it, in SDK 2. */
    readonly parentSpanContext?: {
        readonly spanId: string;
        readonly isRemote?: boolean | undefined;
    } | undefined;
    /** The same, in SDK 1. */
    readonly parentSpanId?: string | undefined;
    /** The span's W3C trace context. */
    spanContext(): SpanContextLike;
}
/** How spans become events. */
export interface SpanProcessorOptions {
    /** The process's default emitter if absent. */
    readonly emitter?: Emitter | undefined;
    /** The most that the content of these spans may be captured, as that of a content part. */
    readonly permit?: ContentMode | undefined;
}
/** An OpenTelemetry `SpanProcessor`: give it to a tracer provider. */
export declare class SinkwellSpanProcessor {
    #private;
    constructor(options?: SpanProcessorOptions);
    /** An agent's span is a run that starts. */
    onStart(span: FinishedSpan): void;
    /** A span that ended becomes the events that it stands for. */
    onEnd(span: FinishedSpan): void;
    /** Resolves when all that came of the spans so far is delivered or declared. */
    forceFlush(): Promise<void>;
    /** The emitter is its owner's to end. */
    shutdown(): Promise<void>;
}
/** What is needed of a `Sampler` of the tracing SDK. */
export interface SamplerLike {
    /** What becomes of a span that is about to start. */
    shouldSample(...given: never[]): {
        readonly decision: number;
    };
    /** How it describes itself. */
    toString(): string;
}
/**
 * Has every span recorded, whatever a sampler decides: what it drops reaches no processor, so that the tool calls of a
 * trace that is not sampled would be no events, uncounted. Such a span stays unsampled (exporters leave it out, its
 * traceparent says so); `SinkwellSpanProcessor` takes it like any other.
 *
 * ```js
 * new NodeTracerProvider({
 *   sampler: recordAll(new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.1) })),
 *   spanProcessors: [new SinkwellSpanProcessor()],
 * });
 * ```
 */
export declare function recordAll<S extends SamplerLike>(sampler: S): S;
export { registerMetrics, type MeterProviderLike } from './metrics';
