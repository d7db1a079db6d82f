/**
 * LangChain and LangGraph: runs, models, tools, retrievers, interrupts.
 *
 *     graph.invoke(…, { callbacks: [new Handler()] }); // the runs that it is given to, or
 *     install(await import('@langchain/core/context')); // every run of the program
 *
 * Guarantees: a graph is a run, and a graph inside it one of its own with the outer as its parent. A call of a tool is a
 * deed: it begins only once its intent is safe, and where governance requires a sink that is down,
 * `RequiredSinkUnavailableError` leaves the tool's `invoke` and the tool does not run. Interrupts, and what a run was resumed
 * with, are decisions. LangChain is not loaded: its objects are taken by what they can.
 */
import { contextOfCall, type CallPlace } from './context';
import type { DeedTerms } from './deed';
import { InvalidArgumentError } from './errors';
import { checked, INTEGRATION } from './options';
import { kindOf } from './outcome';
import { now, type StepMembers } from './step';
import {
  MOST_HANDOFFS,
  newId,
  object,
  OpenCall,
  put,
  take,
  Teller,
  text,
  words,
  type TellerOptions,
} from './teller';

/** How runs are watched. */
export interface HandlerOptions extends TellerOptions, Pick<DeedTerms, 'until' | 'timeout'> {}

/** A chain that has started. */
interface Chain {
  readonly parent: string | undefined;
  readonly name: string;
  readonly inputs: unknown;
  readonly start: string;
  /** Whether the core was told: of a graph, and of what has no chain around it. */
  told: boolean;
  /** Whether it stopped to ask a person. */
  asked: boolean;
}

interface Open {
  readonly call: OpenCall;
  readonly parent: string | undefined;
}

type Metadata = Record<string, unknown>;

/** Where LangChain keeps what the calling code is inside, and under what: its contract between its own copies. */
const STORAGE = Symbol.for('ls:tracing_async_local_storage');
const CONFIG = Symbol.for('lc:child_config');
/** By this LangGraph knows who wants to hear of interrupts. */
const OF_GRAPH = Symbol.for('langgraph.graph_callback_handler');
const INTERRUPTS: ReadonlySet<string> = new Set(['GraphInterrupt', 'NodeInterrupt']);

/**
 * Callbacks for LangChain and LangGraph, for `callbacks: [new Handler()]`.
 *
 * LangChain hands the arguments of its callbacks over in another order than its own declarations say; they are taken as they
 * come.
 */
export class Handler {
  readonly name = 'sinkwell';
  /** The tool waits for its intent. */
  readonly awaitHandlers = true;
  /** What a deed rejects with must reach the program, or its tool would run: LangChain swallows it otherwise. */
  readonly raiseError = true;
  readonly #teller: Teller;
  readonly #terms: DeedTerms;
  readonly #chains = new Map<string, Chain>();
  readonly #models = new Map<string, StepMembers>();
  readonly #calls = new Map<string, Open>();
  readonly #handoffs = new Map<string, string>();
  readonly #forget: () => void;

  constructor(given: HandlerOptions = {}) {
    checked('Handler', given, INTEGRATION);
    const { until, timeout, ...options } = given;
    this.#teller = new Teller('langchain', '@langchain/core', options);
    this.#terms = { until, timeout };
    Object.defineProperty(this, OF_GRAPH, { value: true });
    this.#forget = contextOfCall(() => this.#here());
    this.#teller.watch();
  }

  /** Seals that nothing is watched any longer, and does nothing from now on. */
  stop(): void {
    this.#forget();
    this.#teller.stop();
  }

  /** What LangChain asks of a handler: the same, wherever it is handed on to. */
  copy(): this {
    return this;
  }

  // Chains and graphs.

  handleChainStart(
    chain: unknown,
    inputs: unknown,
    id: string,
    parent?: string,
    tags?: string[],
    _metadata?: Metadata,
    _type?: string,
    name?: string,
  ): void {
    if (!this.#teller.watching) return;
    const known: Chain = {
      parent,
      name: name ?? nameOf(chain),
      inputs,
      start: now(),
      told: false,
      asked: false,
    };
    put(this.#chains, id, known);
    if (parent === undefined) {
      this.#told(id, known);
      const { lg_name, resume } = object(inputs);
      if (lg_name === 'Command' && resume !== undefined) {
        this.#teller.decided(answer(resume), 'resume', {
          parent: id,
          content: words('message', said(resume)),
        });
      }
    } else if (tags?.some((tag) => tag.startsWith('graph:step:'))) {
      // What has nodes is a graph: a run of its own, wherever it is called.
      const around = this.#chains.get(parent);
      if (around !== undefined && !around.told) this.#told(parent, around);
    }
  }

  handleChainEnd(outputs: unknown, id: string): void {
    this.#ended(id, outputs, undefined);
  }

  handleChainError(error: unknown, id: string): void {
    this.#ended(id, undefined, { thrown: error });
  }

  #told(id: string, chain: Chain): void {
    chain.told = true;
    this.#teller.tell('agent', id, {
      name: chain.name,
      parent: this.#around(chain.parent),
      start_unix_nano: chain.start,
      causation: take(this.#handoffs, chain.name),
      input: messages(chain.inputs),
    });
  }

  #ended(id: string, outputs: unknown, error: { readonly thrown: unknown } | undefined): void {
    const chain = take(this.#chains, id);
    if (chain === undefined || !chain.told) return;
    const kind = error === undefined ? undefined : kindOfError(error.thrown);
    if (kind !== undefined && INTERRUPTS.has(kind)) chain.asked = true;
    // By a `ParentCommand` a graph tells the one around it where to go on: it did not fail.
    const failed = kind !== undefined && kind !== 'ParentCommand' && !chain.asked;
    this.#teller.tell('agent', id, {
      name: chain.name,
      parent: this.#around(chain.parent),
      start_unix_nano: chain.start,
      end_unix_nano: now(),
      outcome: chain.asked ? 'asked' : undefined,
      error_type: failed ? kind : undefined,
      output: messages(outputs, true),
    });
  }

  /** The nearest step around that the core knows. */
  #around(id: string | undefined): string | undefined {
    let at = id;
    for (;;) {
      const chain = at === undefined ? undefined : this.#chains.get(at);
      if (chain === undefined || chain.told) return at;
      at = chain.parent;
    }
  }

  /** LangGraph: the graph stopped to ask a person. */
  handleInterrupt({
    runId,
    interrupts,
  }: {
    runId?: string | undefined;
    interrupts: readonly unknown[];
  }): void {
    if (!this.#teller.watching) return;
    const chain = runId === undefined ? undefined : this.#chains.get(runId);
    // Where a tool asked, that is told with the tool.
    if (chain?.asked) return;
    if (chain !== undefined) chain.asked = true;
    const content = interrupts.flatMap((one) => words('message', said(object(one)['value'])));
    this.#teller.decided('ask', 'interrupt', { parent: this.#around(runId), content });
  }

  // Models.

  handleChatModelStart(
    model: unknown,
    given: unknown[][],
    id: string,
    parent?: string,
    extra?: Metadata,
    _tags?: string[],
    metadata?: Metadata,
  ): void {
    this.#modelStart(model, messages(given[0]), id, parent, extra, metadata);
  }

  handleLLMStart(
    model: unknown,
    prompts: string[],
    id: string,
    parent?: string,
    extra?: Metadata,
    _tags?: string[],
    metadata?: Metadata,
  ): void {
    this.#modelStart(model, prompts, id, parent, extra, metadata);
  }

  #modelStart(
    model: unknown,
    input: unknown,
    id: string,
    parent: string | undefined,
    extra: Metadata | undefined,
    metadata: Metadata | undefined,
  ): void {
    if (!this.#teller.watching) return;
    const params = object(extra?.['invocation_params']);
    const name = metadata?.['ls_model_name'] ?? params['model'] ?? params['model_name'] ?? nameOf(model);
    put(this.#models, id, {
      name: text(name),
      parent: this.#around(parent),
      start_unix_nano: now(),
      attributes: { 'gen_ai.provider.name': text(metadata?.['ls_provider']) },
      input,
    });
  }

  handleLLMEnd(response: unknown, id: string): void {
    const started = take(this.#models, id);
    if (started === undefined) return;
    const generations = object(response)['generations'];
    const [first] = Array.isArray(generations) ? (generations.flat() as unknown[]) : [];
    const message = object(first)['message'] ?? object(first)['text'];
    const { usage_metadata, response_metadata } = object(message);
    const usage = usage_metadata as object | undefined;
    const model = text(object(response_metadata)['model_name']);
    this.#teller.tell('model', id, {
      ...started,
      end_unix_nano: now(),
      attributes: { ...started.attributes, 'gen_ai.response.model': model },
      output: messages(message === undefined ? undefined : [message]),
      usage,
      usage_of: usage === undefined ? undefined : 'langchain',
    });
  }

  handleLLMError(error: unknown, id: string): void {
    const started = take(this.#models, id);
    if (started !== undefined)
      this.#teller.tell('model', id, { ...started, end_unix_nano: now(), error_type: kindOfError(error) });
  }

  // Tools.

  async handleToolStart(
    tool: unknown,
    input: string,
    id: string,
    parent?: string,
    _tags?: string[],
    _metadata?: Metadata,
    name?: string,
    toolCallId?: string,
  ): Promise<void> {
    if (!this.#teller.watching) return;
    const around = this.#around(parent);
    const members: StepMembers = {
      name: name ?? nameOf(tool),
      parent: around,
      input: parsed(input),
      attributes: { 'gen_ai.tool.call.id': toolCallId },
    };
    const call = await OpenCall.begin(this.#teller, id, members, this.#terms);
    put(this.#calls, id, { call, parent: around });
  }

  async handleToolEnd(output: unknown, id: string): Promise<void> {
    const open = take(this.#calls, id);
    if (open === undefined) return;
    const { status, content, lg_name, goto } = object(output);
    const isCommand = lg_name === 'Command';
    if (isCommand) this.#handedOff(open.parent, Array.isArray(goto) ? goto : [goto]);
    await open.call.ended({
      output: isCommand ? undefined : (content ?? output),
      outcome: status === 'error' ? 'error' : 'ok',
    });
  }

  async handleToolError(error: unknown, id: string): Promise<void> {
    const open = take(this.#calls, id);
    if (open === undefined) return;
    if (INTERRUPTS.has(kindOf(error))) {
      // It asks a person. The graph will say so, too.
      for (let at = open.parent; at !== undefined;) {
        const chain = this.#chains.get(at);
        if (chain === undefined) break;
        chain.asked = true;
        at = chain.parent;
      }
    }
    if (kindOfError(error) === ABORTED) return open.call.ended({ error_type: ABORTED, outcome: 'cancelled' });
    await open.call.failed(error);
  }

  #handedOff(parent: string | undefined, goto: readonly unknown[]): void {
    for (const one of goto) {
      // A name, or a `Send` to it.
      const to = text(one) ?? text(object(one)['node']);
      if (to === undefined || to.startsWith('__')) continue;
      const id = newId();
      const at = now();
      this.#teller.tell('handoff', id, { name: to, parent, start_unix_nano: at, end_unix_nano: at });
      put(this.#handoffs, to, id, MOST_HANDOFFS);
    }
  }

  /** The call that the calling code is inside, as LangChain knows it. */
  #here(): CallPlace | undefined {
    if (this.#calls.size === 0) return undefined;
    const storage = (globalThis as unknown as Record<symbol, { getStore(): unknown } | undefined>)[STORAGE];
    const extra = object(object(storage?.getStore())['extra']) as Record<symbol, unknown>;
    const config = object(extra[CONFIG]);
    const id = text(object(config['callbacks'])['_parentRunId']);
    return (id === undefined ? undefined : this.#calls.get(id))?.call.place;
  }

  // Retrievers.

  handleRetrieverStart(
    retriever: unknown,
    query: string,
    id: string,
    parent?: string,
    _tags?: string[],
    _metadata?: Metadata,
    name?: string,
  ): void {
    if (!this.#teller.watching) return;
    put(this.#models, id, {
      name: name ?? nameOf(retriever),
      parent: this.#around(parent),
      start_unix_nano: now(),
      input: query,
    });
  }

  handleRetrieverEnd(documents: unknown, id: string): void {
    const started = take(this.#models, id);
    if (started !== undefined)
      this.#teller.tell('retrieval', id, { ...started, end_unix_nano: now(), output: documents });
  }

  handleRetrieverError(error: unknown, id: string): void {
    const started = take(this.#models, id);
    if (started !== undefined)
      this.#teller.tell('retrieval', id, {
        ...started,
        end_unix_nano: now(),
        error_type: kindOfError(error),
      });
  }
}

/** What is used of `@langchain/core/context`. */
export interface LangChainContext {
  registerConfigureHook(config: { contextVar: string; inheritable?: boolean }): void;
  setContextVariable(name: PropertyKey, value: unknown): void;
}

const VARIABLE = 'sinkwell_handler';
const registered = new WeakSet<object>();
let installed: { readonly handler: Handler; readonly context: LangChainContext } | undefined;

/**
 * Watches every run that is begun from here on by the calling code, and by whatever it starts: call it first. Takes the
 * program's `@langchain/core/context`. Installed again, the handler that is there is returned.
 *
 * @throws {InvalidArgumentError} It is not that module.
 */
export function install(context: LangChainContext, options: HandlerOptions = {}): Handler {
  if (
    typeof context?.registerConfigureHook !== 'function' ||
    typeof context.setContextVariable !== 'function'
  )
    throw new InvalidArgumentError("must be the module '@langchain/core/context'", 'context');
  if (installed === undefined) {
    installed = { handler: new Handler(options), context };
    if (!registered.has(context.registerConfigureHook)) {
      registered.add(context.registerConfigureHook);
      context.registerConfigureHook({ contextVar: VARIABLE, inheritable: true });
    }
    context.setContextVariable(VARIABLE, installed.handler);
  }
  return installed.handler;
}

/** Undoes `install`. */
export function uninstall(): void {
  installed?.context.setContextVariable(VARIABLE, undefined);
  installed?.handler.stop();
  installed = undefined;
}

const ABORTED = 'AbortError';

/** The class of an error; what LangChain and LangGraph throw where they are cancelled has none of its own. */
function kindOfError(error: unknown): string {
  const kind = kindOf(error);
  return kind === 'Error' && /^Abort(ed)?$/.test(text(object(error)['message']) ?? '') ? ABORTED : kind;
}

/** What a serialized object of LangChain's is called. */
function nameOf(serialized: unknown): string {
  const { name, id } = object(serialized);
  return text(name) ?? text(Array.isArray(id) ? id.at(-1) : undefined) ?? 'unknown';
}

/** A tool's arguments: LangChain hands them over as JSON. */
function parsed(input: string): unknown {
  try {
    return JSON.parse(input);
  } catch {
    return input;
  }
}

const said = (value: unknown): string => text(value) ?? JSON.stringify(value) ?? '';

/** The messages of a chain's state, as chat interfaces have them; of other state its text. */
function messages(value: unknown, last = false): unknown {
  const given = Array.isArray(value) || typeof value !== 'object' ? value : object(value)['messages'];
  if (given === undefined || given === null || typeof given === 'string') return given ?? undefined;
  const all = Array.isArray(given) ? (given as unknown[]) : [given];
  return (last ? all.slice(-1) : all).filter((one) => one !== undefined && one !== null).map(message);
}

const ROLES: Readonly<Record<string, string>> = { human: 'user', ai: 'assistant' };

function message(item: unknown): unknown {
  const { getType, content, tool_calls } = object(item);
  if (typeof getType !== 'function' || content === undefined) return item;
  const kind = String(getType.call(item));
  const calls = (Array.isArray(tool_calls) ? tool_calls : []).map((call) => ({
    type: 'tool_call',
    name: object(call)['name'],
    arguments: object(call)['args'],
  }));
  const role = ROLES[kind] ?? kind;
  if (calls.length === 0) return { role, content };
  const texts =
    typeof content !== 'string' ? content : content === '' ? [] : [{ type: 'text', text: content }];
  return { role, content: [...(texts as unknown[]), ...calls] };
}

const YES: ReadonlySet<string> = new Set([
  'approve',
  'approved',
  'accept',
  'accepted',
  'edit',
  'allow',
  'yes',
]);
const NO: ReadonlySet<string> = new Set(['reject', 'rejected', 'deny', 'denied', 'ignore', 'no']);

/** What a person's answer to an interrupt decides, if it is one of the words that LangGraph's own helpers use. */
function answer(given: unknown): 'allow' | 'deny' | 'indeterminate' {
  if (typeof given === 'boolean') return given ? 'allow' : 'deny';
  const { decisions, type } = object(given);
  const list = Array.isArray(decisions) ? decisions : given;
  if (Array.isArray(list)) {
    const all = new Set(list.map(answer));
    if (all.has('deny')) return 'deny';
    return all.size === 1 && all.has('allow') ? 'allow' : 'indeterminate';
  }
  const word = (text(type ?? given) ?? '').toLowerCase();
  return YES.has(word) ? 'allow' : NO.has(word) ? 'deny' : 'indeterminate';
}
