/**
 * HTTP: what is emitted while a request is answered belongs to the trace that the request names.
 *
 *     http.createServer(answer(listener)); // node:http, node:https
 *     app.use(middleware()); // Express, Connect, and what takes their middleware
 *     await fetch(url, { headers: headers() }); // a request of the program's own: the trace goes on with it
 *
 * Guarantees: while governance forbids going on, requests are answered 503 and never reach the program; for any other reason,
 * telemetry costs no request: one for which there is no emitter is answered, and not told of. A request's `traceparent` and
 * `tracestate` (W3C Trace Context) are the trace context of what is emitted, its `X-Request-Id` the correlation, and each request
 * ends as one `span` event with its method, route and status, never with its URL's values. What a client sends never costs an
 * event: what is no trace context is left out, an id is made to fit, baggage is not read. Where a span of OpenTelemetry is active,
 * that goes before.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { outsideText, outsideTrace } from '../native';
import { turn } from './context';
import { Emitter } from './emitter';
import { SinkwellError, warn } from './errors';
import { checked } from './options';
import { activeTrace, withinTrace, type Trace } from './trace';

/** How requests are told of. */
export interface HttpOptions {
  /** The process's default emitter if absent: then configure it first. */
  readonly emitter?: Emitter | undefined;
}

type Answered = (request: IncomingMessage, response: ServerResponse) => void;
type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
]);

/** The trace context that a request brings. More than one is none, says W3C. */
function traceOf({ headersDistinct }: IncomingMessage): Trace | undefined {
  const parents = headersDistinct['traceparent'];
  const read = parents?.length === 1 ? outsideTrace(parents[0]!) : null;
  if (read === null) return undefined;
  const state = headersDistinct['tracestate']?.join(',');
  return state ? { ...read, state } : read;
}

/** The emitter that is told of a request; `undefined` where there is none, `false` where governance forbids that it is answered. */
function emitterOf(options: HttpOptions): Emitter | undefined | false {
  let emitter;
  try {
    emitter = options.emitter ?? Emitter.default();
  } catch (error) {
    warn(error);
    return error instanceof SinkwellError && Emitter.defaultForbids(error) ? false : undefined;
  }
  try {
    emitter.mayGoOn();
    return emitter;
  } catch (error) {
    if (!(error instanceof SinkwellError)) throw error;
    return false;
  }
}

/** Calls `body` as an answer to a request, unless governance forbids it. */
function answered(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
  body: () => unknown,
): unknown {
  const start = performance.now();
  const emitter = emitterOf(options);
  if (emitter === false) {
    response.writeHead(503, { 'content-type': 'text/plain' });
    return response.end('a required sink is unavailable');
  }
  const given = request.headersDistinct['x-request-id']?.[0];
  const correlation = given === undefined ? undefined : (outsideText(given) ?? undefined);
  const within = correlation === undefined ? body : () => turn({ correlation }, body);
  return withinTrace(traceOf(request), () => {
    const trace = activeTrace();
    if (emitter === undefined) return within();
    response.once('close', () => {
      const method = METHODS.has(request.method ?? '') ? request.method! : '_OTHER';
      const name = method === '_OTHER' ? 'HTTP' : method;
      const route = routeOf(request);
      // Without an answer it failed.
      const status = response.headersSent ? response.statusCode : 500;
      const data = {
        name: route === undefined ? name : `${name} ${route}`,
        duration_ms: Math.round((performance.now() - start) * 1e3) / 1e3,
        'http.response.status_code': status,
        'http.request.method': method,
      };
      try {
        emitter.emit('span', data, { trace, correlation, severity: status >= 500 ? 'error' : undefined });
      } catch (error) {
        // The response is on its way.
        warn(error);
      }
    });
    return within();
  });
}

/** The pattern that matched, where the framework says so. */
function routeOf(request: IncomingMessage): string | undefined {
  const { baseUrl, route } = request as { baseUrl?: unknown; route?: { path?: unknown } };
  if (typeof route?.path !== 'string') return undefined;
  return `${typeof baseUrl === 'string' ? baseUrl : ''}${route.path}`;
}

/** A listener around this one, for `http.createServer`. */
export function answer(listener: Answered, options: HttpOptions = {}): Answered {
  checked('answer', options, ['emitter']);
  return function (this: unknown, request, response) {
    answered(options, request, response, () => listener.call(this, request, response));
  };
}

/** For `app.use`, before what it is to be about. */
export function middleware(options: HttpOptions = {}): Middleware {
  checked('middleware', options, ['emitter']);
  return (request, response, next) => {
    answered(options, request, response, () => next());
  };
}

/** `traceparent` and `tracestate` of the trace that holds here, for a request of the program's own; empty where there is none. */
export function headers(): Record<string, string> {
  const trace = activeTrace();
  if (trace === undefined) return {};
  const flags = (trace.flags ?? 0).toString(16).padStart(2, '0');
  const traceparent = `00-${trace.traceId}-${trace.spanId}-${flags}`;
  return trace.state ? { traceparent, tracestate: trace.state } : { traceparent };
}
