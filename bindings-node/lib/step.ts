/**
 * Steps: what a framework for agents tells of a run, in one neutral form, and calls of tools that are deeds.
 *
 * Guarantees: which step is which event is the core's to say, the same in every language (docs/STEPS.md). A tool's call
 * that is a deed runs only once its intent is safe; what it answers and throws is its own; however it ends, the step is over
 * for the core, too.
 */
import type { NativeEmitter } from '../native';
import { partJson, type ContentMode, type Part } from './content';
import { optionsHere, within } from './context';
import { perform, type Deed, type DeedTerms } from './deed';
import { InvalidEventError, native, warn } from './errors';
import { kindOf } from './outcome';
import { isInside } from './sink';
import { spelled } from './spelling';

/** What a step is about. */
export type StepKind = 'run' | 'agent' | 'tool' | 'model' | 'decision' | 'handoff' | 'retrieval';

/** How a step ended; `asked` is one that waits for a person. */
export type StepOutcome = 'ok' | 'error' | 'denied' | 'timeout' | 'cancelled' | 'asked';

/** What a step says beside its kind and its id. Times are nanoseconds since 1970 as decimal digits. */
export interface StepMembers {
  /** The id of the step around it. */
  readonly parent?: string | undefined;
  /** Of the agent, tool, model, rule or store; of a handoff, of the agent that goes on. */
  readonly name?: string | undefined;
  /** The run that it belongs to, where no known step is around it. */
  readonly run?: string | undefined;
  /** The id of the event that caused it. */
  readonly causation?: string | undefined;
  readonly start_unix_nano?: string | undefined;
  /** Without an end it has just started. */
  readonly end_unix_nano?: string | undefined;
  /** By default as `error_type` says, else `ok`. */
  readonly outcome?: StepOutcome | undefined;
  /** The class of the error that ended it; never its text. */
  readonly error_type?: string | undefined;
  /** Of a `decision`. */
  readonly decision?: 'allow' | 'deny' | 'ask' | 'indeterminate' | undefined;
  /** By OpenTelemetry's conventions for GenAI and MCP. May hold what JSON cannot carry: the core spells it. */
  readonly attributes?: Readonly<Record<string, unknown>> | undefined;
  /** What the provider answered of usage, and in whose form; `otel` by default. */
  readonly usage?: object | undefined;
  readonly usage_of?: string | undefined;
  /** Messages; of a `tool` and a `retrieval` the arguments and the result. They become content parts. */
  readonly input?: unknown;
  readonly output?: unknown;
  readonly system?: unknown;
  /** Further content parts. */
  readonly content?: readonly Part[] | undefined;
  /** The most that its content may be captured; `off` by default. */
  readonly permit?: ContentMode | undefined;
  /** W3C trace context: 32 and 16 hex digits, 1 where it is sampled, `tracestate`. */
  readonly trace_id?: string | undefined;
  readonly span_id?: string | undefined;
  readonly flags?: number | undefined;
  readonly state?: string | undefined;
}

/** What a framework tells of one step: docs/STEPS.md. */
export interface Step extends StepMembers {
  readonly kind: StepKind;
  /** The framework's own: 1 to 128 printable ASCII characters. */
  readonly id: string;
}

/** A tool's call that is about to be made. */
export type ToolStep = Omit<Step, 'kind' | 'end_unix_nano'> & { readonly kind?: 'tool' };

/** The time in the form that a step has. */
export function now(): string {
  const ms = performance.timeOrigin + performance.now();
  return (BigInt(Math.trunc(ms * 1e3)) * 1000n).toString();
}

/** @internal A step as the core reads it. */
export function stepJson(step: Step): Buffer {
  if (!Array.isArray(step?.content)) return spelled(step);
  return spelled({ ...step, content: step.content.map(partJson) });
}

/** A tool's call under way, as it sees itself. */
export class StepCall {
  /** @internal */
  said: StepMembers = {};
  /** @internal Somebody refused it, which was told as a decision of its own. */
  refused = false;

  /** @internal */
  constructor(
    /** The step's id, which is that of its intent. */
    readonly id: string,
  ) {}

  /** Says how it ended: `output`, `outcome`, `error_type`, `content`. Said again, it replaces what was said. */
  ended(members: StepMembers): void {
    this.said = { ...members };
  }
}

/** A JSON object with a member more. */
const withMember = (object: string, name: string, value: unknown): string =>
  `{${JSON.stringify(name)}:${JSON.stringify(value)}${object === '{}' ? '' : ','}${object.slice(1)}`;

/** @internal What `Emitter.deedOfStep` does. */
export async function performStep<R>(
  emitter: NativeEmitter,
  manual: boolean,
  given: ToolStep,
  terms: DeedTerms,
  act: (call: StepCall) => R | PromiseLike<R>,
): Promise<R> {
  const step: Step = { kind: 'tool', start_unix_nano: now(), ...given };
  const intent = native(() => emitter.stepIntent(stepJson(step)));
  // Of what the intent has said already nothing is said again.
  const { input: _, content: __, ...members } = step;
  const result = (more: StepMembers) =>
    native(() =>
      emitter.stepResult(stepJson({ end_unix_nano: now(), ...members, ...more } as Step), isInside()),
    );
  const call = new StepCall(step.id);
  let began = false;

  const say = (deed: Deed, more: StepMembers): void => {
    // The act has happened: whatever is wrong with its record is no reason to break it.
    try {
      const end = { ...more, ...call.said };
      let { data, content } = result(call.refused ? { ...end, outcome: 'error' } : end);
      if (call.refused) data = JSON.stringify({ ...(JSON.parse(data) as object), outcome: 'denied' });
      try {
        deed.say(data, content);
      } catch (error) {
        if (!(error instanceof InvalidEventError)) throw error;
        deed.say(withMember(data, 'content_left_out', (JSON.parse(content) as unknown[]).length));
      }
    } catch (error) {
      warn(error);
    }
  };
  const acting = async (deed: Deed): Promise<R> => {
    began = true;
    let answer: R;
    try {
      answer = await within({ causation: step.id, ...(run !== undefined && { run }) }, () => act(call));
    } catch (error) {
      say(deed, { error_type: kindOf(error) });
      throw error;
    }
    say(deed, {});
    return answer;
  };

  const rest = optionsHere(JSON.parse(intent.rest ?? '{}')) as Record<string, unknown>;
  const run = rest['run'] as string | undefined;
  const event = (members: object, data: string | undefined) => ({
    type: intent.type,
    data,
    rest: JSON.stringify(members),
  });
  try {
    try {
      return await perform(emitter, manual, event(rest, intent.data), terms, acting);
    } catch (error) {
      const { content, ...others } = rest;
      if (began || !(error instanceof InvalidEventError) || !Array.isArray(content)) throw error;
      // What is too large with people's words is told without them: the words are no reason to refuse an act.
      const data = withMember(intent.data ?? '{}', 'content_left_out', content.length);
      return await perform(emitter, manual, event(others, data), terms, acting);
    }
  } finally {
    if (!began) {
      try {
        result({ outcome: 'error' });
      } catch (error) {
        warn(error);
      }
    }
  }
}
