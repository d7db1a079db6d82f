/** The active trace, from `@opentelemetry/api` where that is installed. */
import { createRequire } from 'node:module';

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
  traceState?: { serialize(): string };
}

interface Api {
  trace: { getActiveSpan(): { spanContext(): SpanContext } | undefined };
  isSpanContextValid(context: SpanContext): boolean;
}

let api: Api | null | undefined;

/** Looked for once: where this package is installed, then where the program is. */
function load(): Api | null {
  for (const from of [__filename, `${process.cwd()}/index.js`]) {
    try {
      return createRequire(from)('@opentelemetry/api') as Api;
    } catch {
      // Not there.
    }
  }
  return null;
}

/** The span that is active now. */
export function activeTrace(): Trace | undefined {
  api ??= load();
  const context = api?.trace.getActiveSpan()?.spanContext();
  return context && api!.isSpanContextValid(context) ? traceOf(context) : undefined;
}

/** A span's context, as `emit` takes it. */
export function traceOf(context: SpanContext): Trace {
  const state = context.traceState?.serialize();
  const { traceId, spanId, traceFlags: flags } = context;
  return state ? { traceId, spanId, flags, state } : { traceId, spanId, flags };
}
