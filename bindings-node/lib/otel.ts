/**
 * Finished OpenTelemetry spans as events: register the processor, and every instrumented framework is
 * covered.
 *
 * Spans that follow the GenAI and MCP conventions become `run.*`, `tool.invocation` and `model.usage`; others are
 * `span`. Messages, arguments and results become content parts, which leave only through the gates. Which span is
 * which event is the core's to say: here a span is converted, and that is all.
 */
import type { ContentMode } from './content';
import { Emitter, flush } from './emitter';
import { SinkwellError, warn } from './errors';
import { checked } from './options';
import type { Span } from './span';
import { traceOf } from './trace';

type HrTime = readonly [seconds: number, nanoseconds: number];

/** A W3C trace context, as the tracing API has it. */
export interface SpanContextLike {
  traceId: string;
  spanId: string;
  traceFlags: number;
  traceState?: { serialize(): string };
}

/** What is read of a span: the SDK's `Span` and `ReadableSpan` fit. */
export interface FinishedSpan {
  readonly name: string;
  /** 0 internal, 1 server, 2 client, 3 producer, 4 consumer. */
  readonly kind?: number | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly status: { readonly code: number };
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
  readonly parentSpanContext?:
    { readonly spanId: string; readonly isRemote?: boolean | undefined } | undefined;
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

const STATUS = ['unset', 'ok', 'error'] as const;
const KIND = ['internal', 'server', 'client', 'producer', 'consumer'] as const;

const digits = ([seconds, nanoseconds]: HrTime): string =>
  (BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)).toString();

function parentOf({ parentSpanContext, parentSpanId }: FinishedSpan) {
  const parent_span_id = parentSpanContext?.spanId ?? parentSpanId;
  return {
    ...(parent_span_id && { parent_span_id, parent_is_remote: parentSpanContext?.isRemote ?? false }),
  };
}

function identify(context: SpanContextLike) {
  const { traceId: trace_id, spanId: span_id, ...rest } = traceOf(context);
  return { trace_id, span_id, ...rest };
}

function describe(span: FinishedSpan, ended: boolean, permit: ContentMode | undefined): Span {
  return {
    name: span.name,
    kind: KIND[span.kind ?? -1],
    ...identify(span.spanContext()),
    ...parentOf(span),
    start_unix_nano: digits(span.startTime),
    ...(ended && { end_unix_nano: digits(span.endTime) }),
    status: STATUS[span.status.code] ?? 'unset',
    // As they are: what JSON cannot carry the core spells, the same for every language.
    attributes: span.attributes,
    ...(span.events?.length && {
      events: span.events.map(({ name, time, attributes = {} }) => ({
        name,
        ...(time && { time_unix_nano: digits(time) }),
        attributes,
      })),
    }),
    ...(span.links?.length && {
      links: span.links.map(({ context, attributes = {} }) => ({ ...identify(context), attributes })),
    }),
    ...(permit !== undefined && { permit }),
  };
}

/** An OpenTelemetry `SpanProcessor`: give it to a tracer provider. */
export class SinkwellSpanProcessor {
  readonly #emitter: Emitter | undefined;
  readonly #permit: ContentMode | undefined;

  constructor(options: SpanProcessorOptions = {}) {
    checked('SinkwellSpanProcessor', options, ['emitter', 'permit']);
    this.#emitter = options.emitter;
    this.#permit = options.permit;
  }

  /** An agent's span is a run that starts. */
  onStart(span: FinishedSpan): void {
    this.#emit(span, false);
  }

  /** A span that ended becomes the events that it stands for. */
  onEnd(span: FinishedSpan): void {
    this.#emit(span, true);
  }

  /** A span that cannot be an event is a warning: a tracer must not fail for its processors. */
  #emit(span: FinishedSpan, ended: boolean): void {
    try {
      const emitter = this.#emitter ?? Emitter.default();
      const described = describe(span, ended, this.#permit);
      try {
        emitter.emitSpan(described);
      } catch (error) {
        // Of what the core refuses, the core tells.
        if (!(error instanceof SinkwellError)) throw error;
      }
    } catch (error) {
      warn(error);
    }
  }

  /** Resolves when all that came of the spans so far is delivered or declared. */
  async forceFlush(): Promise<void> {
    // The same way to the default emitter as for spans; if it is not open, no span has come.
    await (this.#emitter ? this.#emitter.flush() : flush());
  }

  /** The emitter is its owner's to end. */
  async shutdown(): Promise<void> {
    await this.forceFlush();
  }
}

/** What is needed of a `Sampler` of the tracing SDK. */
export interface SamplerLike {
  /** What becomes of a span that is about to start. */
  shouldSample(...given: never[]): { readonly decision: number };
  /** How it describes itself. */
  toString(): string;
}

/** Decisions of the tracing SDK. */
const NOT_RECORD = 0;
const RECORD = 1;

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
export function recordAll<S extends SamplerLike>(sampler: S): S {
  const wrapper: SamplerLike = {
    shouldSample(...given) {
      const result = sampler.shouldSample(...given);
      return result.decision === NOT_RECORD ? { ...result, decision: RECORD } : result;
    },
    toString: () => `RecordAll{${String(sampler)}}`,
  };
  return wrapper as S;
}

export { registerMetrics, type MeterProviderLike } from './metrics';
