/**
 * Finished OpenTelemetry spans as events: register the processor, and every instrumented framework is
 * covered.
 *
 * Spans that follow the GenAI conventions become `run.*`, `tool.invocation` and `model.usage`; others are
 * `span`. Content that a span carries as attributes stays behind: prompts and completions go through content
 * parts only.
 */
import { emit, type Emitter, type EventData, type EventOptions } from './emitter';
import { traceOf } from './trace';
import { modelUsage } from './usage';

type HrTime = readonly [seconds: number, nanoseconds: number];

/** What is read of a span: the SDK's `ReadableSpan` fits. */
export interface FinishedSpan {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly status: { readonly code: number };
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
}

type Emission = readonly [type: string, data: EventData];

const ERROR = 2;

/** Attributes whose values are the words of people. */
const CONTENT =
  /^(gen_ai\.(input|output|prompt|completion|system_instructions|tool\.(call\.(arguments|result)|definitions)|request\.(messages|prompt)|response\.(messages|completion)))|^(input|output)\.value$/;

function when([seconds, nanoseconds]: HrTime): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(nanoseconds).padStart(9, '0')}Z`;
}

function duration(span: FinishedSpan): number {
  const [s, n] = [span.endTime[0] - span.startTime[0], span.endTime[1] - span.startTime[1]];
  return s * 1e3 + n / 1e6;
}

/** What an event may carry of a span's attributes: scalars and lists of them, without content. */
function attributes(span: FinishedSpan): Record<string, unknown> {
  const kept = Object.entries(span.attributes).filter(
    ([name, value]) =>
      value !== undefined && !CONTENT.test(name) && !(typeof value === 'number' && !Number.isFinite(value)),
  );
  return Object.fromEntries(kept);
}

function usage(span: FinishedSpan): Emission[] {
  const given = Object.keys(span.attributes).some((name) => name.startsWith('gen_ai.usage.'));
  return given ? [['model.usage', modelUsage('otel', attributes(span))]] : [];
}

/** The events that a finished span stands for. */
export function eventsOf(span: FinishedSpan): Emission[] {
  const kept = attributes(span);
  const failed = span.status.code === ERROR;
  const duration_ms = duration(span);
  const operation = span.attributes['gen_ai.operation.name'];
  const tool = span.attributes['gen_ai.tool.name'];
  if (operation === 'invoke_agent') {
    const terminal_status = failed ? 'failed' : 'completed';
    return [[`run.${terminal_status}`, { ...kept, terminal_status, duration_ms }], ...usage(span)];
  }
  if (operation === 'execute_tool' || (typeof tool === 'string' && 'mcp.method.name' in span.attributes)) {
    const name = typeof tool === 'string' ? tool : span.name;
    return [['tool.invocation', { ...kept, tool: name, outcome: failed ? 'error' : 'ok', duration_ms }]];
  }
  if (typeof operation === 'string') {
    const events = usage(span);
    if (events.length > 0) return events;
  }
  return [['span', { ...kept, name: span.name, status: failed ? 'error' : 'ok', duration_ms }]];
}

/** An OpenTelemetry `SpanProcessor`: give it to a tracer provider. */
export class SinkwellSpanProcessor {
  readonly #emitter: Emitter | undefined;

  constructor(options: SpanProcessorOptions = {}) {
    this.#emitter = options.emitter;
  }

  onStart(): void {}

  /** A span that cannot be an event is a warning: a tracer must not fail for its processors. */
  onEnd(span: FinishedSpan): void {
    try {
      const options: EventOptions = { time: when(span.endTime), trace: traceOf(span.spanContext()) };
      const run = span.attributes['gen_ai.conversation.id'];
      const all = typeof run === 'string' ? { ...options, correlation: run } : options;
      for (const [type, data] of eventsOf(span)) {
        if (this.#emitter) this.#emitter.emit(type, data, all);
        else emit(type, data, all);
      }
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
