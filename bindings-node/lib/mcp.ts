/**
 * The Model Context Protocol: calls of tools as deeds, at the server and at the client, by `@modelcontextprotocol/sdk`.
 *
 *     watch(server); // an McpServer or a Server, before or after its tools are registered
 *     watch(client); // a Client
 *
 * Guarantees: a call reaches the tool only once its intent is safe (docs/DEEDS.md). Where governance requires a sink that is
 * down, a server answers with an error of the protocol, and a client rejects with `RequiredSinkUnavailableError`: the tool does
 * not run. Arguments and results become content parts. What a person is asked (elicitation), and answers, is a
 * `policy.decision`. The caller's run, and what caused the call, cross to the server in `params._meta`, beside the W3C trace
 * context. The SDK is not loaded: its objects are taken by what they can.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { outsideTrace } from '../native';
import { context } from './context';
import type { DeedTerms } from './deed';
import { InvalidArgumentError, isError, SinkwellError } from './errors';
import { checked, INTEGRATION } from './options';
import type { StepCall, StepMembers } from './step';
import { idOf, newId, object, Teller, text, traceMembers, words, type TellerOptions } from './teller';

/** How calls are watched. */
export interface WatchOptions extends TellerOptions, Pick<DeedTerms, 'until' | 'timeout'> {}

interface Request {
  readonly method: string;
  readonly params?: Record<string, unknown> | undefined;
}

interface Extra {
  readonly signal?: AbortSignal;
  readonly requestId?: string | number;
  readonly sessionId?: string;
}

type Handler = (request: Request, extra: Extra) => unknown;

/** What is used of the SDK's `Protocol`, which `Server` and `Client` are. */
interface Protocol {
  setRequestHandler(schema: unknown, handler: Handler): unknown;
  request(request: Request, schema: unknown, options?: { signal?: AbortSignal }): Promise<unknown>;
  /** Private in the SDK: handlers that stood there before. */
  readonly _requestHandlers?: unknown;
}

const RUN = 'dev.sinkwell/run';
const CAUSATION = 'dev.sinkwell/causation';
/** JSON-RPC's code for what went wrong inside the one who answers; the SDK's for a request that took too long. */
const INTERNAL = -32603;
const TIMED_OUT = -32001;
/** Calls that have an effect, or bring something into the model's sight. */
const CALLS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);
const ELICITATION = 'elicitation/create';

function answered(result: unknown): 'allow' | 'deny' | 'indeterminate' {
  const { action } = object(result);
  return action === 'accept'
    ? 'allow'
    : action === 'decline' || action === 'cancel'
      ? 'deny'
      : 'indeterminate';
}

/** The call that is being answered. */
interface Answering {
  readonly call: StepCall;
  readonly tool: string;
}

const answering = new AsyncLocalStorage<Answering>();

/** The one who watches an object of the SDK's, if any. */
class Watched {
  teller: Teller | undefined;
  terms: DeedTerms = {};
}

const known = new WeakMap<object, Watched>();

/**
 * Makes each call of a tool that this `McpServer`, `Server` or `Client` answers or makes a deed; a server's `prompts/get` and
 * `resources/read` likewise. Returns it. Watching again is with the new options; `unwatch` ends it.
 *
 * @throws {InvalidArgumentError} It is none of them.
 */
export function watch<T extends object>(target: T, options: WatchOptions = {}): T {
  checked('watch', options, INTEGRATION);
  const { protocol, isClient } = protocolOf(target);
  let watched = known.get(protocol);
  if (watched === undefined) {
    watched = new Watched();
    known.set(protocol, watched);
    if (isClient) hookClient(protocol, watched);
    else hookServer(protocol, watched);
  }
  watched.teller?.stop();
  const { until, timeout, ...others } = options;
  watched.terms = { until, timeout };
  const seam = isClient ? 'mcp.client' : 'mcp.server';
  watched.teller = new Teller(seam, '@modelcontextprotocol/sdk', others).watch();
  return target;
}

/** Undoes `watch`. */
export function unwatch(target: object): void {
  const watched = known.get(protocolOf(target).protocol);
  watched?.teller?.stop();
  if (watched !== undefined) watched.teller = undefined;
}

function protocolOf(target: object): { protocol: Protocol; isClient: boolean } {
  const inner = object(target)['server'] ?? target;
  const { setRequestHandler, request, callTool } = object(inner);
  if (typeof setRequestHandler !== 'function' || typeof request !== 'function')
    throw new InvalidArgumentError('must be an McpServer, a Server or a Client', 'target');
  return { protocol: inner as Protocol, isClient: typeof callTool === 'function' };
}

/** Has `wrapped` stand around all handlers, those that are there already and those to come. */
function around(
  protocol: Protocol,
  methods: ReadonlySet<string>,
  wrapped: (handler: Handler) => Handler,
): void {
  const set = protocol.setRequestHandler;
  protocol.setRequestHandler = function (this: unknown, schema, handler) {
    return set.call(this as Protocol, schema, wrapped(handler));
  };
  const there = protocol._requestHandlers;
  if (!(there instanceof Map)) return;
  for (const [method, handler] of there) {
    if (methods.has(method as string)) there.set(method, wrapped(handler as Handler));
  }
}

function hookServer(server: Protocol, watched: Watched): void {
  around(server, CALLS, (handler) => (request, extra) => {
    const { teller } = watched;
    return teller === undefined || !CALLS.has(request.method)
      ? handler(request, extra)
      : answer(teller, watched.terms, request, extra, handler);
  });
  const send = server.request;
  server.request = async function (this: unknown, request, ...others) {
    const { teller } = watched;
    const within = answering.getStore();
    if (teller === undefined || request.method !== ELICITATION)
      return send.call(this as Protocol, request, ...others);
    const decide = (decision: 'ask' | 'allow' | 'deny' | 'indeterminate', message?: string): void => {
      if (within !== undefined && decision === 'deny') within.call.refused = true;
      decided(teller, decision, within?.tool, within?.call.id, message);
    };
    decide('ask', text(object(request.params)['message']) ?? '');
    const result = await send.call(this as Protocol, request, ...others);
    decide(answered(result));
    return result;
  };
}

function decided(
  teller: Teller,
  decision: 'ask' | 'allow' | 'deny' | 'indeterminate',
  tool: string | undefined,
  parent: string | undefined,
  message: string | undefined,
): void {
  teller.decided(decision, 'elicitation', {
    tool,
    parent,
    content: message === undefined ? undefined : words('message', message),
    attributes: { 'mcp.method.name': ELICITATION },
  });
}

/** Answers a request as a deed. */
async function answer(
  teller: Teller,
  terms: DeedTerms,
  request: Request,
  extra: Extra,
  handler: Handler,
): Promise<unknown> {
  const { method } = request;
  const params = object(request.params);
  const meta = object(params['_meta']);
  const name = text(params['name']);
  const members: StepMembers = {
    name: method === 'tools/call' ? name : undefined,
    input: method === 'resources/read' ? params['uri'] : params['arguments'],
    run: idOf(meta[RUN]),
    causation: idOf(meta[CAUSATION]),
    attributes: {
      'mcp.method.name': method,
      'mcp.session.id': extra?.sessionId,
      'jsonrpc.request.id': extra?.requestId === undefined ? undefined : String(extra.requestId),
      'gen_ai.prompt.name': method === 'prompts/get' ? name : undefined,
    },
    ...(traceMembers().trace_id === undefined && traceOfMeta(meta)),
  };
  let began = false;
  try {
    return await teller.call(newId(), members, { ...terms, signal: extra?.signal }, (call) => {
      began = true;
      const act = async () => await handler(request, extra);
      return answering.run({ call, tool: name ?? method }, () => told(call, act, extra?.signal));
    });
  } catch (error) {
    if (began || !(error instanceof SinkwellError)) throw error;
    const message = `the call was not made: ${error.where ? `${error.where}: ` : ''}${error.message}`;
    throw Object.assign(new Error(message), { code: INTERNAL, data: { kind: error.kind }, cause: error });
  }
}

/** Acts, and says how that ended. */
async function told<R>(call: StepCall, act: () => Promise<R>, signal: AbortSignal | undefined): Promise<R> {
  let result: R;
  try {
    result = await act();
  } catch (error) {
    if (signal?.aborted) call.ended({ outcome: 'cancelled' });
    else if (isError(error) && (error as { code?: unknown }).code === TIMED_OUT)
      call.ended({ outcome: 'timeout' });
    throw error;
  }
  const { _meta, ...output } = object(result);
  const failed = output['isError'] === true;
  call.refused &&= failed;
  call.ended({ output, outcome: failed ? 'error' : 'ok' });
  return result;
}

function hookClient(client: Protocol, watched: Watched): void {
  const send = client.request;
  client.request = function (this: unknown, request, schema, options) {
    const { teller } = watched;
    const ask = (sent: Request) => send.call(this as Protocol, sent, schema, options);
    if (teller === undefined || request.method !== 'tools/call') return ask(request);
    const params = object(request.params);
    const id = newId();
    const { run } = context();
    const trace = traceMembers().trace_id === undefined ? traceFor(run ?? id, id) : traceMembers();
    const members: StepMembers = {
      name: text(params['name']),
      input: params['arguments'],
      attributes: { 'mcp.method.name': 'tools/call' },
      ...trace,
    };
    return teller.call(id, members, { ...watched.terms, signal: options?.signal }, (call) => {
      const _meta = {
        traceparent: `00-${trace.trace_id}-${trace.span_id}-${hex(trace.flags ?? 0)}`,
        ...(trace.state !== undefined && { tracestate: trace.state }),
        ...object(params['_meta']),
        [CAUSATION]: id,
        ...(run !== undefined && { [RUN]: run }),
      };
      return told(call, () => ask({ ...request, params: { ...params, _meta } }), options?.signal);
    });
  };
  around(client, new Set([ELICITATION]), (handler) => async (request, extra) => {
    const { teller } = watched;
    if (teller === undefined || request.method !== ELICITATION) return handler(request, extra);
    const { message } = object(request.params);
    decided(teller, 'ask', undefined, undefined, text(message) ?? '');
    const result = await handler(request, extra);
    decided(teller, answered(result), undefined, undefined, undefined);
    return result;
  });
}

const hex = (flags: number): string => (flags & 0xff).toString(16).padStart(2, '0');

/** A trace context where the program has none: one trace for each run. */
function traceFor(run: string, id: string): StepMembers {
  const digest = (of: string) => createHash('sha256').update(of).digest('hex');
  return { trace_id: digest(run).slice(0, 32), span_id: digest(id).slice(0, 16), flags: 0 };
}

/** The W3C trace context that a request brought. */
function traceOfMeta(meta: Record<string, unknown>): StepMembers {
  const trace = outsideTrace(text(meta['traceparent']) ?? '');
  if (trace === null) return {};
  const state = text(meta['tracestate']);
  return {
    trace_id: trace.traceId,
    span_id: trace.spanId,
    flags: trace.flags,
    ...(state !== undefined && state.length <= 512 && { state }),
  };
}
