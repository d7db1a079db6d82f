/**
 * The built-in types of event and what their `data` says. For the editor and the type checker only: what holds at run
 * time is the core's to say, the same in every language (`schemas/` in this package has it in JSON Schema).
 */
/** Members that any event may carry. */
interface Common {
    /** Ids of the events under whose leave this one happened. */
    readonly authz?: {
        readonly principal?: string | undefined;
        readonly identity?: string | undefined;
        readonly decision?: string | undefined;
        readonly delegated_by?: string | undefined;
    } | undefined;
    /** Where its facts come from. */
    readonly provenance?: object | undefined;
}
/** Every allow or deny. */
export interface PolicyDecision extends Common {
    readonly decision: 'allow' | 'deny' | 'ask' | 'indeterminate';
    readonly rule?: string | undefined;
    readonly ruleset?: string | undefined;
    readonly ruleset_version?: string | undefined;
    /** No rule said so: it is the default. */
    readonly implicit?: boolean | undefined;
    /** Of what was decided about. */
    readonly input_digest?: string | undefined;
    readonly action?: string | undefined;
    readonly reason?: string | undefined;
    readonly evaluated_rules?: number | readonly unknown[] | undefined;
    /** In milliseconds. */
    readonly duration_ms?: number | undefined;
    /** It was reckoned, and not enforced. */
    readonly shadow?: boolean | undefined;
}
/** A policy violated at run time. */
export interface PolicyBreach extends Common {
    readonly reason: string;
    readonly rule?: string | undefined;
    readonly action?: string | undefined;
    readonly count?: number | undefined;
}
/** An identity issued, verified or refused; a token exchanged. */
export interface IdentityAssertion extends Common {
    readonly assertion: 'issued' | 'verified' | 'refused' | 'exchanged' | 'revoked';
    readonly identity?: string | undefined;
    readonly issuer?: string | undefined;
    readonly audience?: string | readonly string[] | undefined;
    readonly method?: string | undefined;
    /** What it lets: words with blanks between them, or a list. */
    readonly scope?: string | readonly string[] | undefined;
    readonly revoked_by?: string | undefined;
    readonly expires?: string | number | undefined;
}
/** A tool or MCP call attempted, with its result. */
export interface ToolInvocation extends Common {
    readonly tool: string;
    readonly outcome?: 'ok' | 'error' | 'denied' | 'timeout' | 'cancelled' | 'refused' | undefined;
    /** In milliseconds. */
    readonly duration_ms?: number | undefined;
    readonly 'error.type'?: string | undefined;
}
/** Lifecycle of a sandbox, a limit of it, an escape. */
export interface SandboxEvent extends Common {
    readonly kind: 'created' | 'started' | 'stopped' | 'limit' | 'violation' | 'escape';
    readonly sandbox?: string | undefined;
    readonly resource?: string | undefined;
    readonly limit?: string | number | undefined;
    readonly used?: string | number | undefined;
}
/** A run began, or got on. */
export interface RunProgress extends Common {
    readonly parent_run?: string | undefined;
    readonly goal?: string | undefined;
    readonly step?: string | number | undefined;
}
/** A run reached its end. */
export interface RunEnd extends RunProgress {
    readonly terminal_status?: 'completed' | 'failed' | 'cancelled' | 'timed_out' | 'unknown' | undefined;
    readonly 'error.type'?: string | undefined;
    /** In milliseconds. */
    readonly duration_ms?: number | undefined;
}
/** What a model, a run or a subagent used; `modelUsage` makes it. */
export interface ModelUsage extends Common {
    readonly 'source.family'?: 'model' | 'run' | 'subagent' | undefined;
    /** The same, nested. */
    readonly source?: {
        readonly family: 'model' | 'run' | 'subagent';
    } | undefined;
    readonly provider?: string | undefined;
    readonly model?: string | undefined;
    /** Every token that went in, cached ones included. */
    readonly input_tokens?: number | undefined;
    /** Every token that came out, reasoning included. */
    readonly output_tokens?: number | undefined;
    readonly cached_tokens?: number | undefined;
    readonly reasoning_tokens?: number | undefined;
    readonly total_tokens?: number | undefined;
    readonly bytes?: number | undefined;
    /** In milliseconds. */
    readonly media_ms?: number | undefined;
}
/** A cost; `costData` makes it. */
export interface CostEstimated extends Common {
    /** Millionths of the currency. */
    readonly amount_micros: number;
    readonly currency: string;
    readonly rate_table_version: string;
    readonly status?: 'estimated' | 'provider_reported' | 'corrected' | undefined;
}
/** A correction; the record that it corrects stays as it is. */
export interface CostCorrected extends CostEstimated {
    /** The id of the event that it corrects. */
    readonly correction_ref: string;
}
/** What comes from a language's logging. */
export interface LogRecord extends Common {
    readonly message?: string | undefined;
    readonly logger?: string | undefined;
}
/** An integration was put in, or taken out. */
export interface Coverage extends Common {
    /** What is watched: `mcp.server`. */
    readonly seam: string;
    readonly state: 'watching' | 'stopped';
    /** The framework's package, and its version. */
    readonly package?: string | undefined;
    readonly version?: string | undefined;
}
/** A span that is nothing more special. */
export interface SpanData extends Common {
    readonly name?: string | undefined;
    /** In milliseconds. */
    readonly duration_ms?: number | undefined;
    readonly status?: string | object | undefined;
}
/** The built-in types that a program emits, with their `data`; more members than these are kept as they are. */
export interface EventTypes {
    'policy.decision': PolicyDecision;
    'policy.breach': PolicyBreach;
    'identity.assertion': IdentityAssertion;
    'tool.invocation': ToolInvocation;
    'sandbox.event': SandboxEvent;
    'run.started': RunProgress;
    'run.progress': RunProgress;
    'run.completed': RunEnd;
    'run.failed': RunEnd;
    'run.cancelled': RunEnd;
    'model.usage': ModelUsage;
    'cost.estimated': CostEstimated;
    'cost.corrected': CostCorrected;
    coverage: Coverage;
    'log.record': LogRecord;
    span: SpanData;
}
/** The name of a built-in type. */
export type EventType = keyof EventTypes;
/** The built-in types that need no `data`. */
export type BareType = {
    [T in EventType]: object extends EventTypes[T] ? T : never;
}[EventType];
/** What an event carries: an object of what JSON can carry. Members that are `undefined` are left out. */
export type EventData = object;
/** What no data is, though an object: lists, maps, dates. */
export interface NoData {
    readonly [Symbol.iterator]?: never;
    readonly [Symbol.toPrimitive]?: never;
}
/** The families of the built-in types: a name of one that is none of them is most likely misspelled. */
export type NearType = `${'policy' | 'identity' | 'tool' | 'sandbox' | 'run' | 'model' | 'cost'}.${string}`;
/** A type of the program's own. */
export type OwnType<T extends string> = T extends EventType ? never : T;
export {};
