import { type ContentMode, type Part } from './content';
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
export type ToolStep = Omit<Step, 'kind' | 'end_unix_nano'> & {
    readonly kind?: 'tool';
};
/** The time in the form that a step has. */
export declare function now(): string;
/** A tool's call under way, as it sees itself. */
export declare class StepCall {
    /** The step's id, which is that of its intent. */
    readonly id: string;
    /** Says how it ended: `output`, `outcome`, `error_type`, `content`. Said again, it replaces what was said. */
    ended(members: StepMembers): void;
}
