/**
 * The AI SDK (`ai`): agents, models, tools.
 *
 *     const watch = new Watch();
 *     const model = wrapLanguageModel({ model, middleware: watch.middleware });
 *     await watch.run('shop', () => generateText({ model, tools: watch.tools({ pay }), prompt }));
 *
 * Guarantees: a tool of `tools` runs only once its intent is safe; where governance requires a sink that is down, it does not
 * run, and the SDK makes of the `RequiredSinkUnavailableError` what it makes of any tool's error, a part `tool-error`. What a
 * model streams goes through as it comes, piece by piece, and no faster than it is read. The SDK is not loaded.
 *
 * For spans of `experimental_telemetry` there is `sinkwell/otel`; with both, each token would count twice.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { run as enter, within } from './context';
import type { DeedTerms } from './deed';
import { InvalidArgumentError } from './errors';
import { checked, INTEGRATION } from './options';
import { kindOf } from './outcome';
import { now, type StepMembers } from './step';
import { newId, object, OpenCall, put, take, Teller, text, words, type TellerOptions } from './teller';

/** How runs are watched. */
export interface WatchOptions extends TellerOptions, Pick<DeedTerms, 'until' | 'timeout'> {}

/** What is used of the SDK's models. */
interface Model {
  readonly provider?: string;
  readonly modelId?: string;
}

interface Streamed {
  readonly stream: ReadableStream<unknown>;
}

type Execute = (input: unknown, options: CallOptions) => unknown;

interface CallOptions {
  readonly toolCallId?: string;
  readonly abortSignal?: AbortSignal;
}

/** Most characters of a streamed answer that are kept for its content part. */
const MOST_TEXT = 1 << 20;

/** One program's use of the AI SDK. */
export class Watch {
  readonly #teller: Teller;
  readonly #terms: DeedTerms;
  readonly #hasContent: boolean;
  /** The step that the calling code is inside. */
  readonly #inside = new AsyncLocalStorage<string>();
  /** Calls that wait for a person, by the SDK's id: what the person answers shows only by what the SDK does next. */
  readonly #asked = new Map<string, { readonly tool: string; readonly parent: string | undefined }>();

  /** For `wrapLanguageModel`: each answer of the model, streamed or not, is a `model.usage`. */
  readonly middleware: {
    readonly specificationVersion: 'v3';
    // The SDK's own types: whatever it hands over it gets back.
    /* eslint-disable @typescript-eslint/no-explicit-any */
    wrapGenerate(options: any): PromiseLike<any>;
    wrapStream(options: any): PromiseLike<any>;
    /* eslint-enable @typescript-eslint/no-explicit-any */
  };

  constructor(given: WatchOptions = {}) {
    checked('Watch', given, INTEGRATION);
    const { until, timeout, ...options } = given;
    this.#teller = new Teller('ai_sdk', 'ai', options);
    this.#terms = { until, timeout };
    this.#hasContent = options.permit !== undefined && options.permit !== 'off';
    this.middleware = {
      specificationVersion: 'v3',
      wrapGenerate: (given: { doGenerate(): PromiseLike<object>; params: object; model: Model }) =>
        this.#generated(given),
      wrapStream: (given: { doStream(): PromiseLike<Streamed>; params: object; model: Model }) =>
        this.#streamed(given),
    };
    this.#teller.watch();
  }

  /** Seals that nothing is watched any longer, and does nothing from now on. */
  stop(): void {
    this.#teller.stop();
  }

  /**
   * Calls `body` as an agent's run, to which what is emitted in it belongs. A run within a run, or within a tool, has that one as
   * its parent. It ends when `body` has ended: where it streams, read the stream in it to its end.
   */
  async run<R>(name: string, body: () => R | PromiseLike<R>): Promise<R> {
    if (typeof body !== 'function') throw new InvalidArgumentError('there is no function to call', 'body');
    if (!this.#teller.watching) return body();
    const id = newId();
    const members: StepMembers = { name, parent: this.#inside.getStore(), start_unix_nano: now() };
    this.#teller.tell('agent', id, members);
    let result: R;
    try {
      result = await this.#inside.run(id, () => enter({ run: id }, body));
    } catch (error) {
      this.#teller.tell('agent', id, { ...members, end_unix_nano: now(), error_type: kindOf(error) });
      throw error;
    }
    this.#teller.tell('agent', id, { ...members, end_unix_nano: now() });
    return result;
  }

  /**
   * The same tools, each call of which is a deed. Those without an `execute` (run by the provider, or by the client) stay as
   * they are. A call that waits for approval is a decision, and so is the answer.
   *
   * @throws {InvalidArgumentError} It is no object of tools.
   */
  tools<T extends object>(tools: T): T {
    if (typeof tools !== 'object' || tools === null)
      throw new InvalidArgumentError('must be an object of tools', 'tools');
    // A stream may be read, and so its tools be called, by code outside of the run.
    const around = this.#inside.getStore();
    const all = Object.entries(tools).map(([name, tool]) => [name, this.#tool(name, object(tool), around)]);
    return Object.fromEntries(all) as T;
  }

  #tool(name: string, tool: Record<string, unknown>, around: string | undefined): object {
    const execute = tool['execute'];
    if (typeof execute !== 'function') return tool;
    const act: Execute = (input, options) => execute.call(tool, input, options);
    const begin = (input: unknown, options: CallOptions) => {
      this.#answered(options?.toolCallId, 'allow');
      return {
        id: newId(),
        members: {
          name,
          parent: this.#inside.getStore() ?? around,
          input,
          attributes: { 'gen_ai.tool.call.id': options?.toolCallId },
        },
        terms: { ...this.#terms, signal: options?.abortSignal },
      };
    };
    const called = async (input: unknown, options: CallOptions): Promise<unknown> => {
      if (!this.#teller.watching) return act(input, options);
      const { id, members, terms } = begin(input, options);
      return this.#teller.call(id, members, terms, async (call) => {
        let output = await this.#inside.run(id, () => act(input, options));
        // Who returns an iterable, without being a generator: its last value is the result, as for the SDK.
        if (isIterable(output)) for await (const piece of output) output = piece;
        call.ended({ output });
        return output;
      });
    };
    const generated = async function* (this: Watch, input: unknown, options: CallOptions) {
      if (!this.#teller.watching) return yield* act(input, options) as AsyncIterable<unknown>;
      const { id, members, terms } = begin(input, options);
      const call = await OpenCall.begin(this.#teller, id, members, terms);
      // A generator's code runs where it is asked to go on.
      const there = <R>(body: () => R): R =>
        this.#inside.run(id, () => within({ causation: id, run: call.place.inside?.run }, body));
      let output: unknown;
      let isOver = false;
      let pieces: AsyncIterator<unknown> | undefined;
      try {
        pieces = there(() => act(input, options) as AsyncIterable<unknown>)[Symbol.asyncIterator]();
        for (;;) {
          const { done, value } = await there(() => pieces!.next());
          if (done === true) break;
          yield (output = value);
        }
        isOver = true;
      } catch (error) {
        isOver = true;
        await call.failed(error);
        throw error;
      } finally {
        if (!isOver) {
          // Nobody reads on.
          await there(() => pieces?.return?.());
          await call.ended({ output, outcome: 'cancelled' });
        }
      }
      await call.ended({ output });
    };
    const isGenerator = Object.prototype.toString.call(execute) === '[object AsyncGeneratorFunction]';
    return {
      ...tool,
      execute: isGenerator ? generated.bind(this) : called,
      ...this.#approval(name, tool, around),
    };
  }

  /** Has it told when a call waits for a person. */
  #approval(name: string, tool: Record<string, unknown>, around: string | undefined): object {
    const needs = tool['needsApproval'];
    if (needs === undefined || needs === false) return {};
    return {
      needsApproval: async (input: unknown, options: CallOptions): Promise<unknown> => {
        const asked: unknown = typeof needs === 'function' ? await needs.call(tool, input, options) : needs;
        const id = options?.toolCallId;
        if (asked && this.#teller.watching && !(id !== undefined && this.#asked.has(id))) {
          const parent = this.#inside.getStore() ?? around;
          if (id !== undefined) put(this.#asked, id, { tool: name, parent });
          const content = this.#hasContent ? words('tool_arguments', JSON.stringify(input) ?? '') : undefined;
          this.#teller.decided('ask', 'approval', { tool: name, parent, content });
        }
        return asked;
      },
    };
  }

  /** A person has answered: the call is made, or the model is told that it was not. */
  #answered(id: string | undefined, decision: 'allow' | 'deny'): void {
    const asked = id === undefined ? undefined : take(this.#asked, id);
    if (asked === undefined || !this.#teller.watching) return;
    const { tool, parent } = asked;
    this.#teller.decided(decision, 'approval', { tool, parent: this.#inside.getStore() ?? parent });
  }

  /** Of what a model is told, the calls that a person has refused. */
  #refused(prompt: unknown): void {
    if (this.#asked.size === 0 || !Array.isArray(prompt)) return;
    for (const { role, content } of prompt.map(object)) {
      if (role !== 'tool' || !Array.isArray(content)) continue;
      for (const { toolCallId, output } of content.map(object))
        if (object(output)['type'] === 'execution-denied') this.#answered(text(toolCallId), 'deny');
    }
  }

  /** What a call of a model says, and how it is told. */
  #request(model: Model, params: object): (more: StepMembers) => void {
    this.#refused(object(params)['prompt']);
    const members: StepMembers = {
      name: model.modelId,
      parent: this.#inside.getStore(),
      start_unix_nano: now(),
      input: this.#hasContent ? object(params)['prompt'] : undefined,
      attributes: { 'gen_ai.provider.name': model.provider },
    };
    const id = newId();
    let told = false;
    return (more) => {
      if (told) return;
      told = true;
      const attributes = { ...members.attributes, ...more.attributes };
      this.#teller.tell('model', id, { ...members, ...more, end_unix_nano: now(), attributes });
    };
  }

  async #generated(given: {
    doGenerate(): PromiseLike<object>;
    params: object;
    model: Model;
  }): Promise<object> {
    if (!this.#teller.watching) return given.doGenerate();
    const tell = this.#request(given.model, given.params);
    let result: object;
    try {
      result = await given.doGenerate();
    } catch (error) {
      tell({ error_type: kindOf(error) });
      throw error;
    }
    const { usage, content, response } = object(result);
    tell({
      ...usageOf(usage),
      output: this.#hasContent ? [{ role: 'assistant', content }] : undefined,
      attributes: { 'gen_ai.response.model': object(response)['modelId'] },
    });
    return result;
  }

  async #streamed(given: {
    doStream(): PromiseLike<Streamed>;
    params: object;
    model: Model;
  }): Promise<Streamed> {
    if (!this.#teller.watching) return given.doStream();
    const tell = this.#request(given.model, given.params);
    let result: Streamed;
    try {
      result = await given.doStream();
    } catch (error) {
      tell({ error_type: kindOf(error) });
      throw error;
    }
    const heard = new Heard(this.#hasContent);
    const reader = result.stream.getReader();
    const stream = new ReadableStream<unknown>(
      {
        async pull(controller) {
          try {
            const { done, value } = await reader.read();
            if (!done) {
              heard.hear(value);
              return controller.enqueue(value);
            }
            tell(heard.members());
            controller.close();
          } catch (error) {
            tell({ ...heard.members(), error_type: kindOf(error) });
            controller.error(error);
          }
        },
        async cancel(reason) {
          tell({ ...heard.members(), outcome: 'cancelled' });
          await reader.cancel(reason);
        },
      },
      // Nothing is read ahead of whoever reads it.
      { highWaterMark: 0 },
    );
    return { ...result, stream };
  }
}

/** What a streamed answer has said. */
class Heard {
  readonly #hasContent: boolean;
  #text = '';
  #calls: object[] = [];
  #members: StepMembers = {};

  constructor(hasContent: boolean) {
    this.#hasContent = hasContent;
  }

  hear(piece: unknown): void {
    const { type, delta, toolName, input, usage, modelId, error } = object(piece);
    if (type === 'finish') this.#members = { ...this.#members, ...usageOf(usage) };
    else if (type === 'error') this.#members = { ...this.#members, error_type: kindOf(error) };
    else if (type === 'response-metadata')
      this.#members = { ...this.#members, attributes: { 'gen_ai.response.model': modelId } };
    else if (!this.#hasContent) return;
    else if (type === 'text-delta' && this.#text.length < MOST_TEXT) this.#text += text(delta) ?? '';
    else if (type === 'tool-call' && this.#calls.length < 1000) this.#calls.push({ type, toolName, input });
  }

  members(): StepMembers {
    if (!this.#hasContent) return this.#members;
    const texts = this.#text === '' ? [] : [{ type: 'text', text: this.#text }];
    return { ...this.#members, output: [{ role: 'assistant', content: [...texts, ...this.#calls] }] };
  }
}

/** A provider's usage as the SDK reports usage to its users. */
function usageOf(usage: unknown): StepMembers {
  if (typeof usage !== 'object' || usage === null) return {};
  const { inputTokens, outputTokens } = usage as Record<string, unknown>;
  if (typeof inputTokens !== 'object' && typeof outputTokens !== 'object')
    return { usage, usage_of: 'ai_sdk' };
  const [given, answered] = [object(inputTokens), object(outputTokens)];
  return {
    usage: {
      inputTokens: given['total'],
      outputTokens: answered['total'],
      cachedInputTokens: given['cacheRead'],
      reasoningTokens: answered['reasoning'],
    },
    usage_of: 'ai_sdk',
  };
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof (object(value) as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function';
}
