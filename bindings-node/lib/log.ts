/** Log records of any logging library as events: the mapping is the core's, the same in every language. */
import { eventOfLog as eventOf } from '../native';
import type { ContentMode } from './content';
import { native } from './errors';
import type { SpanEvent } from './span';
import { spelled } from './spelling';

/**
 * A log record. The message, the attributes and what an exception says are people's words: they become content parts,
 * and leave only as far as `permit` and the content policy let them. Nothing is refused for what it holds: what JSON cannot
 * carry is spelled, what is too long is cut, and `data.respelled` says how many.
 */
export interface LogRecord {
  /** Whose numbers `level` is in; absent: OpenTelemetry's, 1 to 24. */
  readonly scale?: 'pino' | 'logging' | 'slog' | 'loglevel';
  /** A number of the scale, or a name. */
  readonly level?: number | string;
  readonly level_name?: string;
  readonly logger?: string;
  /** RFC 3339. */
  readonly time?: string;
  /** Nanoseconds since 1970, as decimal digits; wins over `time`. */
  readonly time_unix_nano?: string;
  readonly message?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly exception?: { readonly type?: string; readonly message?: string; readonly stack?: string };
  readonly code?: {
    readonly function?: string;
    readonly module?: string;
    readonly file?: string;
    readonly line?: number;
  };
  readonly event_id?: number | string;
  readonly event_name?: string;
  /** 32 hex digits. */
  readonly trace_id?: string;
  /** 16 hex digits. */
  readonly span_id?: string;
  /** 1 is sampled. */
  readonly flags?: number;
  /** `tracestate` */
  readonly state?: string;
  readonly run?: string;
  readonly turn?: string;
  readonly attempt?: string;
  readonly correlation?: string;
  readonly causation?: string;
  readonly agent?: string;
  readonly subject?: string;
  /** The run that the calling code works for, where it is not that of `run`: what the record says itself goes before. */
  readonly ambient?: {
    readonly run?: string | undefined;
    readonly turn?: string | undefined;
    readonly attempt?: string | undefined;
    readonly correlation?: string | undefined;
    readonly causation?: string | undefined;
    readonly agent?: string | undefined;
  };
  /** The most that the words may be captured. */
  readonly permit?: ContentMode;
}

/** The event that a log record stands for; `Emitter.emitLog` emits it. */
export function eventOfLog(record: LogRecord): SpanEvent {
  return JSON.parse(native(() => eventOf(spelled(record)))) as SpanEvent;
}
