/** Spans of any tracing SDK as events: the mapping is the core's, the same in every language. */
import { eventsOfSpan as eventsOf } from '../native';
import type { ContentMode } from './content';
import { native } from './errors';
import { toJson } from './json';

/** A span. Times are nanoseconds since 1970 as decimal digits; without an end it has just started. */
export interface Span {
  readonly name: string;
  /** 32 hex digits. */
  readonly trace_id?: string;
  /** 16 hex digits. */
  readonly span_id?: string;
  /** 1 is sampled. */
  readonly flags?: number;
  /** `tracestate` */
  readonly state?: string;
  readonly start_unix_nano?: string;
  readonly end_unix_nano?: string;
  readonly status?: 'unset' | 'ok' | 'error' | 'compensating';
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly events?: readonly {
    readonly name: string;
    readonly attributes?: Readonly<Record<string, unknown>>;
  }[];
  /** The most that its content may be captured. */
  readonly permit?: ContentMode;
}

/** An event that a span stands for, with the members that an event has in every language. */
export interface SpanEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly subject?: string;
  readonly run?: string;
  readonly correlation?: string;
  readonly time?: string;
  readonly trace?: Readonly<Record<string, unknown>>;
  readonly content?: readonly Readonly<Record<string, unknown>>[];
}

/** The events that a span stands for; `Emitter.emitSpan` emits them. */
export function eventsOfSpan(span: Span): SpanEvent[] {
  const text = toJson(span, 'span');
  return JSON.parse(native(() => eventsOf(text))) as SpanEvent[];
}
