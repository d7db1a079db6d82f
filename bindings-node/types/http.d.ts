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
import { Emitter } from './emitter';
/** How requests are told of. */
export interface HttpOptions {
    /** The process's default emitter if absent: then configure it first. */
    readonly emitter?: Emitter | undefined;
}
type Answered = (request: IncomingMessage, response: ServerResponse) => void;
type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;
/** A listener around this one, for `http.createServer`. */
export declare function answer(listener: Answered, options?: HttpOptions): Answered;
/** For `app.use`, before what it is to be about. */
export declare function middleware(options?: HttpOptions): Middleware;
/** `traceparent` and `tracestate` of the trace that holds here, for a request of the program's own; empty where there is none. */
export declare function headers(): Record<string, string>;
export {};
