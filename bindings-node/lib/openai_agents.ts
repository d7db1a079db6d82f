/**
 * The OpenAI Agents SDK: runs, agents, models, tools, handoffs, guardrails, approvals.
 *
 *     const processor = new Processor();
 *     addTraceProcessor(processor); // of '@openai/agents': every run of the program
 *     processor.protect(agent); // its tools, and those of agents that it hands off to, as deeds
 *
 * Guarantees: the SDK swallows what a trace processor throws, so that tracing alone stops nothing. A function tool that
 * `protect` has seen runs only once its intent is safe, and where governance requires a sink that is down, the run ends with
 * the SDK's `ToolCallError`, whose `error` is a `RequiredSinkUnavailableError`, and the tool does not run. Any other call of a
 * tool is told when it has ended. The SDK is not loaded: its objects are taken by what they can.
 */
import type { DeedTerms } from './deed';
import { InvalidArgumentError } from './errors';
import { checked, INTEGRATION } from './options';
import { kindOf } from './outcome';
import { now, type StepCall, type StepKind, type StepMembers, type StepOutcome } from './step';
import { MOST_HANDOFFS, newId, object, put, take, Teller, text, type TellerOptions } from './teller';

/** How runs are watched. */
export interface ProcessorOptions extends TellerOptions, Pick<DeedTerms, 'until' | 'timeout'> {}

const KINDS: Readonly<Record<string, StepKind>> = {
  agent: 'agent',
  function: 'tool',
  generation: 'model',
  response: 'model',
  handoff: 'handoff',
  guardrail: 'decision',
};

/** What is used of the SDK's spans. */
interface Span {
  readonly spanId: string;
  readonly traceId: string;
  readonly parentId: string | null;
  readonly spanData: object;
  readonly error: object | null;
}

interface Trace {
  readonly traceId: string;
  readonly name: string;
}

/** A span that has started. */
interface Noted {
  readonly kind: StepKind | undefined;
  readonly parent: string | null;
  readonly trace: string;
  readonly start: string;
  /** The handoff that brought this agent to work. */
  readonly cause: string | undefined;
  /** The step that the core knows before it ends: the span's own, or the deed. */
  step: string | undefined;
  /** Whether a guardrail or a person refused it. */
  denied: boolean;
  /** Whether it ends, for now, as a person is asked about a call in it. */
  asked: boolean;
}

/** A call of a tool that nobody has approved or rejected yet. */
interface Unanswered {
  readonly tool: string;
  /** The span and the trace that it came up in. */
  readonly span: string;
  readonly trace: string;
}

interface FunctionTool {
  readonly type: string;
  readonly name: string;
  invoke(context: unknown, input: string, details?: CallDetails): Promise<unknown>;
  isEnabled?: (context: unknown, agent: unknown) => unknown;
  inputGuardrails?: Guardrail[];
}

/** What a run of the SDK's keeps of approvals. */
interface Approvals {
  isToolApproved(call: { readonly toolName?: string; readonly callId?: string }): boolean | undefined;
}

interface CallDetails {
  readonly toolCall?: { readonly callId?: string };
  readonly signal?: AbortSignal;
}

interface Guardrail {
  readonly name: string;
  run(data: {
    readonly toolCall?: { readonly name?: string; readonly callId?: string };
  }): Promise<{ behavior?: { type?: string } }>;
}

/** The rule that decisions about approvals have as their name. */
const APPROVAL = 'tool_approval';

/** The name of a tool: newer releases ask for it as a list in JSON, of which it is the last. */
function nameOf(key: string): string {
  if (!key.startsWith('[')) return key;
  try {
    return text((JSON.parse(key) as unknown[]).at(-1)) ?? key;
  } catch {
    return key;
  }
}

/** Whether a span failed since a person rejected its call, as the SDK notes it. */
const isRejection = (error: object | null): boolean =>
  text(object(object(error)['data'])['error'])?.endsWith('was manually rejected by user.') ?? false;

/** What cut off that of which the SDK notes an error, by the first of its words: no other of them is looked at. */
function cutOff(error: object | null): 'cancelled' | 'timeout' | undefined {
  const said = text(object(object(error)['data'])['error']) ?? '';
  if (said.startsWith('AbortError:')) return 'cancelled';
  return /^(Tool)?TimeoutError:/.test(said) ? 'timeout' : undefined;
}

/** Where the SDK keeps the current span, for all of its copies. */
const STORAGE = Symbol.for('openai.agents.core.asyncLocalStorage');

function currentSpan(): Span | undefined {
  const storage = (globalThis as unknown as Record<symbol, { getStore(): unknown } | undefined>)[STORAGE];
  const { span } = object(storage?.getStore());
  return text(object(span)['spanId']) === undefined ? undefined : (span as Span);
}

/** A trace processor, for `addTraceProcessor`. */
export class Processor {
  readonly #teller: Teller;
  readonly #terms: DeedTerms;
  readonly #spans = new Map<string, Noted>();
  readonly #traces = new Map<string, string>();
  readonly #handoffs = new Map<string, string>();
  /** How a run ended, where its last agent did not end well. */
  readonly #ends = new Map<string, StepOutcome | undefined>();
  readonly #protected = new WeakSet<object>();
  /** Contexts of runs whose approvals are heard. */
  readonly #heard = new WeakSet<object>();
  /** By trace and call. */
  readonly #unanswered = new Map<string, Unanswered>();
  readonly #approved = new Map<string, true>();

  constructor(given: ProcessorOptions = {}) {
    checked('Processor', given, INTEGRATION);
    const { until, timeout, ...options } = given;
    this.#teller = new Teller('openai_agents', '@openai/agents-core', options);
    this.#terms = { until, timeout };
    this.#teller.watch();
  }

  // Runs.

  /** A run begins. */
  async onTraceStart({ traceId, name }: Trace): Promise<void> {
    if (!this.#teller.watching) return;
    const start = now();
    put(this.#traces, traceId, start);
    this.#teller.tell('run', traceId, { name, start_unix_nano: start });
  }

  /** A run has ended. */
  async onTraceEnd({ traceId, name }: Trace): Promise<void> {
    // Older releases end no span of an agent that waits for a person.
    if (this.#asks(({ trace }) => trace === traceId)) put(this.#ends, traceId, 'asked');
    const start_unix_nano = take(this.#traces, traceId);
    const outcome = take(this.#ends, traceId);
    if (start_unix_nano !== undefined)
      this.#teller.tell('run', traceId, { name, outcome, start_unix_nano, end_unix_nano: now() });
  }

  /** Something within a run begins. */
  async onSpanStart(span: Span): Promise<void> {
    if (!this.#teller.watching) return;
    const data = object(span.spanData);
    const kind = KINDS[text(data['type']) ?? ''];
    const name = text(data['name']);
    const isAgent = kind === 'agent';
    const noted: Noted = {
      kind,
      parent: span.parentId,
      trace: span.traceId,
      start: now(),
      cause: isAgent ? take(this.#handoffs, `${span.traceId} ${name}`) : undefined,
      step: isAgent ? span.spanId : undefined,
      denied: false,
      asked: false,
    };
    put(this.#spans, span.spanId, noted);
    if (isAgent) {
      this.#teller.tell('agent', span.spanId, {
        name,
        parent: this.#around(noted),
        run: this.#goesOn(noted.trace),
        causation: noted.cause,
        start_unix_nano: noted.start,
      });
    }
  }

  /** Something within a run has ended. */
  async onSpanEnd(span: Span): Promise<void> {
    const failed = span.error !== null && span.error !== undefined;
    // While the span is still there: the agent around it is asked about, too.
    if (failed) this.#forget(span.spanId);
    else this.#asks((call) => call.span === span.spanId);
    const noted = take(this.#spans, span.spanId);
    if (noted?.kind === undefined) return;
    const data = object(span.spanData);
    // The SDK tells of an error by its words, which are no class and no data.
    const error_type = failed ? 'tool_error' : undefined;
    const members: StepMembers = {
      name: text(data['name']),
      parent: this.#around(noted),
      run: this.#goesOn(noted.trace),
      start_unix_nano: noted.start,
      end_unix_nano: now(),
    };
    const tell = (more: StepMembers): void =>
      this.#teller.tell(noted.kind!, span.spanId, { ...members, ...more });
    switch (noted.kind) {
      case 'agent': {
        const ended = failed ? (cutOff(span.error) ?? 'error') : noted.asked ? 'asked' : undefined;
        const outcome = noted.denied ? 'denied' : ended;
        if (this.#traces.has(noted.trace)) put(this.#ends, noted.trace, outcome);
        return tell({ outcome, error_type });
      }
      case 'tool':
        // A deed has said its result.
        if (noted.step !== undefined) return;
        if (failed && isRejection(span.error)) noted.denied = true;
        return tell({
          input: data['input'],
          output: noted.denied ? undefined : data['output'],
          outcome: noted.denied ? 'denied' : failed ? (cutOff(span.error) ?? 'error') : 'ok',
        });
      case 'model':
        return tell({
          ...modelOf(data),
          outcome: failed ? (cutOff(span.error) ?? 'error') : undefined,
          error_type,
        });
      case 'handoff': {
        const to = text(data['to_agent']);
        if (to === undefined) return;
        put(this.#handoffs, `${noted.trace} ${to}`, span.spanId, MOST_HANDOFFS);
        return tell({ name: to, attributes: { 'gen_ai.agent.name': data['from_agent'] } });
      }
      case 'decision': {
        const triggered = data['triggered'] === true;
        const around = this.#spans.get(members.parent ?? '');
        // A guardrail that trips ends its agent's run, of which the agent's own span does not always tell.
        if (triggered && around !== undefined) around.denied = true;
        return tell({ decision: triggered ? 'deny' : 'allow' });
      }
    }
  }

  /** The run of a trace that has ended here, or began elsewhere, and goes on once a person has answered. */
  #goesOn(trace: string): string | undefined {
    return this.#traces.has(trace) ? undefined : trace;
  }

  /** The nearest step around that the core knows, or the run. */
  #around(noted: Noted): string {
    for (let at = noted.parent; at !== null;) {
      const around = this.#spans.get(at);
      if (around === undefined) break;
      if (around.step !== undefined) return around.step;
      at = around.parent;
    }
    return noted.trace;
  }

  // Tools.

  /**
   * Makes each call of the agent's function tools a deed, and of the agents that it hands off to; returns the agent. The tools
   * are changed in place; those that an agent gets later need another call.
   *
   * @throws {InvalidArgumentError} It is no agent.
   */
  protect<A extends object>(agent: A): A {
    if (!Array.isArray(object(agent)['tools'])) throw new InvalidArgumentError('must be an Agent', 'agent');
    const seen = new Set<unknown>();
    const waiting: unknown[] = [agent];
    while (waiting.length > 0) {
      const next = waiting.pop();
      // An agent, or a handoff to one.
      const one = Array.isArray(object(next)['tools']) ? next : object(next)['agent'];
      const { tools, handoffs } = object(one);
      if (seen.has(one) || !Array.isArray(tools)) continue;
      seen.add(one);
      for (const tool of tools) this.#protect(tool as FunctionTool);
      if (Array.isArray(handoffs)) waiting.push(...(handoffs as unknown[]));
    }
    return agent;
  }

  #protect(tool: FunctionTool): void {
    if (tool?.type !== 'function' || typeof tool.invoke !== 'function' || this.#protected.has(tool)) return;
    this.#protected.add(tool);
    const { invoke, isEnabled } = tool;
    // It is asked at each turn, before any call of its tools comes up, and has the run's context; the policy itself is left
    // alone, as the SDK tells one that is fixed from one that is a function.
    if (typeof isEnabled === 'function') {
      tool.isEnabled = (context, agent) => {
        this.#hear(context);
        return isEnabled.call(tool, context, agent);
      };
    }
    tool.invoke = (context, input, details) =>
      this.#teller.watching
        ? this.#invoked(tool, input, details, () => invoke.call(tool, context, input, details))
        : invoke.call(tool, context, input, details);
    tool.inputGuardrails = (tool.inputGuardrails ?? []).map((guardrail) => ({
      ...guardrail,
      run: async (data) => {
        const output = await guardrail.run(data);
        const behavior = output?.behavior?.type;
        if (behavior !== undefined && behavior !== 'allow') this.#refused(guardrail.name, data.toolCall);
        return output;
      },
    }));
  }

  /** A guardrail of the program's own has refused a call. */
  #refused(guardrail: string, call: { readonly name?: string; readonly callId?: string } | undefined): void {
    const span = currentSpan();
    const noted = this.#spans.get(span?.spanId ?? '');
    this.#unanswered.delete(`${span?.traceId} ${call?.callId}`);
    if (noted?.kind === 'tool') noted.denied = true;
    else if (this.#teller.watching) {
      const parent = noted && (noted.step ?? this.#around(noted));
      this.#teller.decided('deny', guardrail, { tool: call?.name, parent });
    }
  }

  // Approvals.

  /** Hears what a run asks of its approvals, which it does before each call that may need one. */
  #hear(context: unknown): void {
    if (typeof object(context)['isToolApproved'] !== 'function' || this.#heard.has(context as object)) return;
    const approvals = context as Approvals;
    this.#heard.add(approvals);
    const { isToolApproved } = approvals;
    approvals.isToolApproved = (call) => {
      const answer = isToolApproved.call(approvals, call);
      if (this.#teller.watching) this.#answered(call?.callId, call?.toolName, answer);
      return answer;
    };
  }

  #answered(callId: string | undefined, tool: string | undefined, answer: boolean | undefined): void {
    const span = currentSpan();
    const noted = this.#spans.get(span?.spanId ?? '');
    if (span === undefined || noted === undefined || callId === undefined || tool === undefined) return;
    const key = `${span.traceId} ${callId}`;
    if (answer === undefined) {
      // Whether it needs an approval at all is known when it has run, or when its turn is over and it has not.
      put(this.#unanswered, key, { tool, span: span.spanId, trace: span.traceId });
      return;
    }
    this.#unanswered.delete(key);
    const parent = noted.step ?? this.#around(noted);
    const agent = this.#spans.get(parent);
    if (agent !== undefined) agent.asked = false;
    // What a person rejected has a span of its own, which says so; the same approval is looked up more than once.
    if (!answer || this.#approved.has(key)) return;
    put(this.#approved, key, true);
    const run = this.#goesOn(span.traceId);
    this.#teller.decided('allow', APPROVAL, { tool: nameOf(tool), parent, run });
  }

  /** Tells of the calls that wait for a person; whether there are any. */
  #asks(which: (call: Unanswered) => boolean): boolean {
    let any = false;
    for (const [key, call] of this.#unanswered) {
      if (!which(call)) continue;
      any = true;
      this.#unanswered.delete(key);
      const noted = this.#spans.get(call.span);
      const parent = noted === undefined ? call.trace : (noted.step ?? this.#around(noted));
      this.#teller.decided('ask', APPROVAL, {
        tool: nameOf(call.tool),
        parent,
        run: this.#goesOn(call.trace),
      });
      const agent = this.#spans.get(parent);
      if (agent !== undefined) agent.asked = true;
    }
    return any;
  }

  /** Forgets the calls of a span that failed: nobody is asked about them. */
  #forget(span: string): void {
    for (const [key, call] of this.#unanswered) if (call.span === span) this.#unanswered.delete(key);
  }

  #invoked(
    tool: FunctionTool,
    input: string,
    details: CallDetails | undefined,
    act: () => Promise<unknown>,
  ): Promise<unknown> {
    const span = currentSpan();
    const noted = span === undefined ? undefined : this.#spans.get(span.spanId);
    const id = newId();
    this.#unanswered.delete(`${span?.traceId} ${details?.toolCall?.callId}`);
    const members: StepMembers = {
      name: tool.name,
      parent: noted && this.#around(noted),
      run: noted && this.#goesOn(noted.trace),
      input,
      attributes: { 'gen_ai.tool.call.id': details?.toolCall?.callId },
    };
    const run = async (call: StepCall): Promise<unknown> => {
      let output: unknown;
      try {
        output = await act();
      } catch (error) {
        if (kindOf(error) === 'ToolTimeoutError') call.ended({ outcome: 'timeout' });
        throw error;
      }
      // Where the tool threw, the SDK answers the model in its place, and notes it at the span.
      const failed = span?.error !== null && span?.error !== undefined;
      const ended = failed ? ({ outcome: 'error', error_type: 'tool_error' } as const) : {};
      call.ended({ output, ...ended });
      return output;
    };
    // Whatever becomes of it: the deed tells of the call.
    if (noted?.kind === 'tool') noted.step = id;
    return this.#teller.call(id, members, { ...this.#terms, signal: details?.signal }, run);
  }

  // Life.

  /** Seals that nothing is watched any longer, and does nothing from now on. */
  stop(): void {
    this.#teller.stop();
  }

  /** The emitter is the program's, which ends it. */
  async shutdown(): Promise<void> {
    this.stop();
  }

  /** Waits, five seconds at most, until every lane has delivered. */
  async forceFlush(): Promise<void> {
    await this.#teller.flush(5000);
  }
}

/** What a span of a model's says: one of a `response`, or of a `generation`. */
function modelOf(data: Record<string, unknown>): StepMembers {
  const response = object(data['_response']);
  const usage = data['usage'] ?? response['usage'];
  return {
    name: text(data['model']) ?? text(response['model']),
    input: data['_input'] ?? data['input'],
    output: outputOf(data['output'] ?? response['output']),
    usage: typeof usage === 'object' && usage !== null ? usage : undefined,
    usage_of: 'openai',
  };
}

/** A model's output as messages: items of other kinds are calls of tools, or reasoning, which the core drops. */
function outputOf(output: unknown): unknown {
  if (!Array.isArray(output)) return output;
  return output
    .filter((item) => object(item)['type'] !== 'reasoning')
    .map((item: unknown) => {
      const { role, content } = object(item);
      return role === undefined && content === undefined ? { role: 'assistant', content: [item] } : item;
    });
}
