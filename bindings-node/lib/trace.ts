/**
 * The active trace: from OpenTelemetry where the program has it, else from the HTTP request that is being answered.
 *
 * `@opentelemetry/api` keeps what is registered with it under a symbol that every copy of it shares, and so does the key
 * of the active span: both are its contract between copies and versions. Nothing is loaded, so a bundled program and a
 * module system of another kind find the same trace.
 */

import { AsyncLocalStorage } from 'node:async_hooks';

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
  traceState?: { serialize(): string };
}

interface Registered {
  context?: { active(): { getValue(key: symbol): { spanContext(): SpanContext } | undefined } };
}

const API = Symbol.for('opentelemetry.js.api.1');
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN');

/** The trace context of the request that the calling code answers. */
const requests = new AsyncLocalStorage<Trace | undefined>();
let answering = false;

/** Calls `body` where a request's trace context holds, or none does. */
export function withinTrace<R>(trace: Trace | undefined, body: () => R): R {
  answering = true;
  return requests.run(trace, body);
}

/** The span that is active now, else the trace context of the request that is being answered. */
export function activeTrace(): Trace | undefined {
  return activeSpan() ?? (answering ? requests.getStore() : undefined);
}

/** Whatever a tracer does, an event is not lost for it. */
function activeSpan(): Trace | undefined {
  const api = (globalThis as unknown as Record<symbol, Registered | undefined>)[API];
  if (api?.context === undefined) return undefined;
  try {
    const context = api.context.active().getValue(SPAN)?.spanContext();
    return context && isId(context.traceId, 32) && isId(context.spanId, 16) ? traceOf(context) : undefined;
  } catch {
    return undefined;
  }
}

function isId(id: unknown, length: number): boolean {
  return typeof id === 'string' && id.length === length && /[1-9a-f]/.test(id);
}

/** A span's context, as `emit` takes it. */
export function traceOf(context: SpanContext): Trace {
  const state = context.traceState?.serialize();
  const { traceId, spanId, traceFlags: flags } = context;
  return state ? { traceId, spanId, flags, state } : { traceId, spanId, flags };
}
