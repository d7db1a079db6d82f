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
import type { Span } from './span';
import { traceOf } from './trace';

type HrTime = readonly [seconds: number, nanoseconds: number];

/** What is read of a span: the SDK's `Span` and `ReadableSpan` fit. */
export interface FinishedSpan {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly status: { readonly code: number };
  readonly events?: readonly {
    readonly name: string;
    readonly attributes?: Readonly<Record<string, unknown>>;
  }[];
  spanContext(): {
    traceId: string;
    spanId: string;
    traceFlags: number;
    traceState?: { serialize(): string };
  };
}

/** How spans become events. */
export interface SpanProcessorOptions {
  /** The process's default emitter if absent. */
  readonly emitter?: Emitter;
  /** The most that the content of these spans may be captured, as that of a content part. */
  readonly permit?: ContentMode;
}

const STATUS = ['unset', 'ok', 'error'] as const;

const digits = ([seconds, nanoseconds]: HrTime): string =>
  (BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)).toString();

/** The value as JSON can say it, in the form that OTLP/JSON gives to what it cannot. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return value.isWellFormed() ? value : value.toWellFormed();
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value))
      ? value
      : String(value);
  }
  if (typeof value === 'boolean' || value === null || value === undefined) return value;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map((item) => plain(item) ?? null);
  return typeof value === 'object' ? plainObject(value as Record<string, unknown>) : typeof value;
}

function plainObject(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(object)) {
    if (value !== undefined) made[name.toWellFormed()] = plain(value);
  }
  return made;
}

function describe(span: FinishedSpan, ended: boolean, permit: ContentMode | undefined): Span {
  const { traceId: trace_id, spanId: span_id, ...rest } = traceOf(span.spanContext());
  return {
    name: span.name.toWellFormed(),
    trace_id,
    span_id,
    ...rest,
    start_unix_nano: digits(span.startTime),
    ...(ended && { end_unix_nano: digits(span.endTime) }),
    status: STATUS[span.status.code] ?? 'unset',
    attributes: plainObject(span.attributes),
    ...(span.events?.length && {
      events: span.events.map(({ name, attributes = {} }) => ({
        name: name.toWellFormed(),
        attributes: plainObject(attributes),
      })),
    }),
    ...(permit !== undefined && { permit }),
  };
}

/** An OpenTelemetry `SpanProcessor`: give it to a tracer provider. */
export class SinkwellSpanProcessor {
  readonly #emitter: Emitter | undefined;
  readonly #permit: ContentMode | undefined;

  constructor(options: SpanProcessorOptions = {}) {
    this.#emitter = options.emitter;
    this.#permit = options.permit;
  }

  /** An agent's span is a run that starts. */
  onStart(span: FinishedSpan): void {
    this.#emit(span, false);
  }

  onEnd(span: FinishedSpan): void {
    this.#emit(span, true);
  }

  /** A span that cannot be an event is a warning: a tracer must not fail for its processors. */
  #emit(span: FinishedSpan, ended: boolean): void {
    try {
      (this.#emitter ?? Emitter.default()).emitSpan(describe(span, ended, this.#permit));
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error), 'SinkwellWarning');
    }
  }

  async forceFlush(): Promise<void> {
    await this.#emitter?.flush();
  }

  /** The emitter is its owner's to end. */
  async shutdown(): Promise<void> {
    await this.forceFlush();
  }
}

export { registerMetrics, type MeterProviderLike } from './metrics';
