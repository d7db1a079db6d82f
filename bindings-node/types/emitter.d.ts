import type { Configuration, LaneKeys, KeyConfig } from './config';
import type { Part } from './content';
import { type Act, type DeedOptions, type DeedTerms } from './deed';
import type { LogRecord } from './log';
import type { Receipt } from './receipt';
import { type SinkClass, type SinkLike, type Signer } from './sink';
import type { Span } from './span';
import { type Step, type StepCall, type ToolStep } from './step';
import type { Trace } from './trace';
import type { BareType, EventType, EventTypes, NearType, NoData, OwnType } from './types';
import { type Log, type VacuumOptions, type VacuumReport } from './vacuum';
export type { EventData } from './types';
/** From least to most. */
export type Severity = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
/** What else an event may say. */
export interface EventOptions {
    /** What it is about. */
    readonly subject?: string | undefined;
    /** The words of people; they leave only through the gates. */
    readonly content?: readonly Part[] | undefined;
    /** In any case; or OpenTelemetry's number, 1 to 24. */
    readonly severity?: Severity | Uppercase<Severity> | Capitalize<Severity> | number | undefined;
    /** For a type of your own: losing it would falsify a run. */
    readonly terminal?: boolean | undefined;
    readonly run?: string | undefined;
    readonly turn?: string | undefined;
    readonly attempt?: string | undefined;
    /** Taken from the active OpenTelemetry span if absent. */
    readonly trace?: Trace | undefined;
    /** Another agent than the emitter's; it must match `agent.allow`. */
    readonly agent?: string | undefined;
    readonly tenant?: string | undefined;
    /** RFC 3339; now if absent. */
    readonly time?: string | Date | undefined;
    /** Your own, 1 to 128 printable ASCII characters; a new UUIDv7 if absent. */
    readonly id?: string | undefined;
    /** Id of the event that caused this one. */
    readonly causation?: string | undefined;
    /** Id of the whole conversation. */
    readonly correlation?: string | undefined;
    /** The child agent or extension that the content comes from. */
    readonly child?: string | undefined;
}
/** What an emitter is opened with, beside its configuration. */
export interface OpenOptions {
    /** Sinks of your own; they count as required sinks, and a lane may name them: `sink: { host: NAME }`. */
    readonly sinks?: readonly SinkLike[] | undefined;
    /** Signs where the configuration says `signer: host`. */
    readonly signer?: Signer | undefined;
    /** No threads: `drain` delivers. */
    readonly manual?: boolean | undefined;
}
/** A lane's counters; see "Receipts and counters" in the documentation. */
export interface Counters {
    readonly admitted: number;
    readonly delivered: number;
    readonly dropped: number;
    readonly rejected: number;
    readonly pending: number;
    readonly filtered: number;
    readonly sealed: number;
    readonly journaled: number;
    readonly retried: number;
    readonly own: number;
    readonly bytes: number;
    readonly oldestPendingMs: number;
    readonly droppedBy: Readonly<Record<string, number>>;
    readonly rejectedBy: Readonly<Record<string, number>>;
    readonly filteredBy: Readonly<Record<string, number>>;
    /** What the sink itself has moved, where it says so (docs/LANES.md), by the names that every language has. */
    readonly sink?: Readonly<Record<string, number>>;
    readonly sinkErrors?: Readonly<Record<string, number>>;
}
/** A condition of a policy on one of its targets. */
export interface PolicyCondition {
    readonly type: 'Accepted' | 'Programmed';
    readonly status: 'True' | 'False';
    readonly reason: string;
    readonly message?: string;
    /** The field of the document that it is about. */
    readonly field?: string;
    /** The policy that won. */
    readonly policy?: string;
}
/** An intent without a result, of a process before this one. */
export interface UnfinishedDeed {
    /** The intent's id. */
    readonly id: string;
    readonly type: string;
    readonly time: string;
    readonly agentid: string;
    readonly subject?: string;
    readonly runid?: string;
    /** `data.tool` */
    readonly tool?: string;
    readonly streamid: string;
    readonly sequence: number;
    /** The journal that held it. */
    readonly where: string;
}
/** What became of the policies: see docs/POLICY.md. */
export interface PolicyStatus {
    readonly policies: readonly {
        readonly policy: string;
        readonly source: string;
        readonly targets: readonly {
            readonly kind?: string;
            readonly name?: string;
            readonly conditions: readonly PolicyCondition[];
        }[];
        readonly counters?: Readonly<Record<string, number | Readonly<Record<string, number>>>>;
        readonly rules?: Readonly<Record<string, number>>;
    }[];
}
/** A place in what a lane has exported. */
export interface Cursor {
    readonly streamid: string;
    readonly sequence: string;
    readonly export: number;
}
/** How a lane is. */
export interface Health {
    readonly state: 'starting' | 'healthy' | 'degraded' | 'failed' | 'closed';
    readonly since: string;
    readonly failure: string | null;
    readonly summary: string | null;
    readonly detail: string | null;
    readonly acked: Cursor | null;
    readonly classes: readonly SinkClass[];
}
/** What a lane has delivered, what it still holds, and where. */
export interface LaneReport {
    readonly delivered: number;
    /** Of what is pending, how much a journal holds on disk. */
    readonly journaled: number;
    readonly pending: number;
    readonly where: 'none' | 'memory' | 'journal';
}
/** A change of a lane's state. */
export interface StateRecord {
    readonly lane: string;
    readonly kind: string;
    readonly state: Health['state'];
    readonly failure: string | null;
    readonly summary: string;
    readonly terminalPreserved: boolean;
    readonly dropped: number;
    readonly acked: Cursor | null;
    readonly repair: Cursor | null;
    readonly unsafeReplay: string | null;
}
/** What `drain` did. */
export interface Drained {
    readonly count: number;
    readonly records: readonly StateRecord[];
}
/** How long an ending may take. */
export interface EndOptions {
    /** In milliseconds. */
    readonly timeout?: number | undefined;
}
/** A mapping whose keys are lanes. */
export type ByLane<T> = Readonly<Record<string, T>>;
/**
 * Seals events and hands them to its lanes. All its calls return at once or give a promise; the event loop
 * is never held, but by `openSync`.
 */
export declare class Emitter implements AsyncDisposable {
    #private;
    private constructor();
    /**
     * Opens an emitter: `config` is the path of a document, the document itself as an object, or nothing for
     * what the environment says. Resolves when every required sink is healthy.
     */
    static open(config?: Configuration, options?: OpenOptions): Promise<Emitter>;
    /**
     * As `open`, here and now. A required sink that is written in JavaScript, and a signer, cannot answer meanwhile: open
     * such an emitter with `open`.
     *
     * @throws {RequiredSinkUnavailableError} At once, where no other sink of the class will do.
     */
    static openSync(config?: Configuration, options?: OpenOptions): Emitter;
    /**
     * The process's default emitter, shared by its threads: what `configure` opened, else opened from the environment on
     * first use.
     *
     * @throws {ClosedError} `configure` has not ended, and waits for a sink that this thread runs: await it first.
     * @throws {RequiredSinkUnavailableError} After `shutdown`, where such a sink is required: `await configure(…)` again.
     */
    static default(): Emitter;
    /**
     * Emits an event. Never waits: without room in a blocking lane it throws `BackpressureError`; inside a sink of
     * yours, such a lane drops it as `reentrant`. What `options` do not say comes from the `run` or `turn` around the call.
     *
     * @param type A built-in type (`tool.invocation`), or one of your own (`com.example.thing`).
     * @param data What it says: an object of what JSON can carry. The required members of built-in types are checked.
     * @param options What else it says: whose run, how severe, people's words as `content`.
     * @returns What became of it so far, and promises of the rest.
     * @throws {InvalidEventError} With the path of what cannot be sealed as given.
     * @throws {BackpressureError} A blocking lane has no room; the event is in no lane.
     * @throws {RequiredSinkUnavailableError} Governance forbids going on without that sink.
     * @throws {ClosedError} The emitter has been shut down.
     */
    emit<T extends EventType, D extends EventTypes[T] & object>(type: T, data: D & NoData, options?: EventOptions): Receipt;
    emit<T extends BareType>(type: T, data?: null, options?: EventOptions): Receipt;
    /** @deprecated This is no built-in type, and is taken as one of your own: is it misspelled? */
    emit<T extends NearType, D extends object>(type: OwnType<T>, data?: (D & NoData) | null, options?: EventOptions): Receipt;
    emit<T extends string, D extends object>(type: OwnType<T>, data?: (D & NoData) | null, options?: EventOptions): Receipt;
    /** Emits the events that a span stands for, and says how many. Never waits. */
    emitSpan(span: Span): number;
    /**
     * Emits the events that a step of a framework's run stands for, and says how many: docs/STEPS.md. Never waits.
     *
     * @throws {InvalidArgumentError} It is no step, with the member.
     */
    emitStep(step: Step): number;
    /**
     * A tool's call, told as a step, that is made only once its intent is safe: see `deed`. `act` says by `call.ended` what came
     * of it. Steps inside name the call's id as their `parent`.
     *
     * ```js
     * await sw.deedOfStep({ id: 't-1', name: 'pay', input: { to: 'Ann' } }, async (call) => {
     *   const output = await pay();
     *   call.ended({ output });
     *   return output;
     * });
     * ```
     */
    deedOfStep<R>(step: ToolStep, act: (call: StepCall) => R | PromiseLike<R>): Promise<R>;
    deedOfStep<R>(step: ToolStep, terms: DeedTerms, act: (call: StepCall) => R | PromiseLike<R>): Promise<R>;
    /**
     * Emits a log record of any logging library as a `log.record`; see `LogRecord`. Never waits. What it throws is never about
     * what the record says: the emitter is closed, full or forbidden to go on.
     */
    emitLog(record: LogRecord): void;
    /**
     * Takes the events out of a log; every other line goes through, byte for byte. `log` is text, bytes, a `Readable` or any
     * other (async) iterable of them. With `process` and `nonce` the same line has the same id, and a lane that has the nonce is
     * not sent it again. Off, and everything goes through, until the configuration (`vacuum`) or `SINKWELL_VACUUM_TRANSPORTS`
     * says otherwise. What the log throws ends it, and its nonce does not count then.
     */
    vacuum(log: Log, options?: VacuumOptions): Promise<{
        passed: Buffer;
        report: VacuumReport;
    }>;
    /** Emits an event, waiting for room as long as the lanes allow. Whoever came first goes first. */
    emitAsync<T extends EventType, D extends EventTypes[T] & object>(type: T, data: D & NoData, options?: EventOptions): Promise<Receipt>;
    emitAsync<T extends BareType>(type: T, data?: null, options?: EventOptions): Promise<Receipt>;
    /** @deprecated This is no built-in type, and is taken as one of your own: is it misspelled? */
    emitAsync<T extends NearType, D extends object>(type: OwnType<T>, data?: (D & NoData) | null, options?: EventOptions): Promise<Receipt>;
    emitAsync<T extends string, D extends object>(type: OwnType<T>, data?: (D & NoData) | null, options?: EventOptions): Promise<Receipt>;
    /**
     * Does something with an outside effect only once its intent is safe: on disk, or with the sinks that governance requires.
     * The event is sealed as the intent; when that is safe, `act` runs; when it has ended, however it did, a second event says
     * so: its `phase` is `result`, and it has `outcome`, `duration_ms` and `error.type`. What `act` answers is answered, what it
     * throws is thrown.
     *
     * ```js
     * const receipt = await sw.deed('tool.invocation', { tool: 'pay' }, async (deed) => {
     *   const receipt = await pay();
     *   deed.result({ receipt: receipt.id });
     *   return receipt;
     * });
     * ```
     *
     * Where the intent does not become safe `act` does not run, and the promise rejects with why:
     * `RequiredSinkUnavailableError`, `JournalError`, `BackpressureError`, `TimeoutError`; also what `emit` throws.
     */
    deed<T extends EventType, D extends EventTypes[T] & object, R>(type: T, data: D & NoData, act: Act<R>): Promise<R>;
    deed<T extends EventType, D extends EventTypes[T] & object, R>(type: T, data: D & NoData, options: DeedOptions, act: Act<R>): Promise<R>;
    deed<T extends string, D extends object, R>(type: OwnType<T>, data: (D & NoData) | null, act: Act<R>): Promise<R>;
    deed<T extends string, D extends object, R>(type: OwnType<T>, data: (D & NoData) | null, options: DeedOptions, act: Act<R>): Promise<R>;
    /** Adds a sink; `lane` is any keys of a lane, as the configuration has them. */
    addSink(sink: SinkLike, lane?: LaneKeys): void;
    /** Has a durable lane export again what its journal holds, from a cursor on: that of a record, for example. */
    repair(lane: string, from: {
        readonly streamid: string;
        readonly sequence: number | string;
    }): void;
    /** Seals with another key from the next envelope on: a `key` section of a configuration. */
    changeKey(key: KeyConfig, signer?: Signer): void;
    /** One consistent reading per lane. */
    counters(): ByLane<Counters>;
    /**
     * The deeds of processes before this one that have an intent and no result, the oldest first: what the journals hold
     * that this process took over. Whether such an act was done, only the world outside can tell.
     */
    unfinished(): UnfinishedDeed[];
    /** What became of each document of `telemetry`: its conditions by target, and its counters. */
    policyStatus(): PolicyStatus;
    /**
     * Reads the telemetry policies again and puts them in force as one set; one that is bad now and was good before
     * stays in force as it was.
     */
    reloadPolicies(): void;
    /** How many events `closed`, `backpressure` and `fail_closed` kept out. */
    get refused(): number;
    /** How each lane is. */
    health(): ByLane<Health>;
    /** Throws what `emit` would throw now, whatever the event. */
    ensureReady(): void;
    /** How many events wait in a lane to be sealed. */
    queued(lane: string): number;
    /** Delivers what a lane of a manual emitter holds. */
    drain(lane: string): Promise<Drained>;
    /**
     * Resolves when every lane has delivered or declared what it was given, or the time is over; inside a sink of yours
     * at once, as it would wait for itself.
     */
    flush(options?: EndOptions): Promise<ByLane<LaneReport>>;
    /**
     * Ends the emitter: what is queued is delivered and every stream closed, as far as the time allows. Inside a sink of yours it
     * begins to, and resolves at once with what is left now, as it would wait for itself.
     */
    shutdown(options?: EndOptions): Promise<ByLane<LaneReport>>;
    /** `await using`: shuts down. */
    [Symbol.asyncDispose](): Promise<void>;
    /** Counters and states in the Prometheus text format. */
    prometheus(): string;
    /** The same as instruments with their values: what `registerMetrics` of `sinkwell/otel` gives a meter. */
    metrics(): Metric[];
}
/** A metric with what it reads now. */
export interface Metric {
    readonly name: string;
    readonly kind: 'counter' | 'gauge';
    readonly unit: string;
    readonly description: string;
    readonly points: readonly {
        readonly attributes: Readonly<Record<string, string>>;
        readonly value: number;
    }[];
}
/** A histogram that policies derive, with values that were not read before, each with how often it is to be recorded. */
export interface Recording {
    readonly name: string;
    readonly unit: string;
    readonly description: string;
    /** Where they end. */
    readonly buckets: number[];
    readonly points: readonly {
        readonly attributes: Record<string, string>;
        readonly values: readonly (readonly [value: number, times: number])[];
    }[];
}
/** Emits with the process's default emitter: see {@link Emitter.emit}. */
export declare const emit: Emitter['emit'];
/** Emits with the process's default emitter, waiting for room: see {@link Emitter.emitAsync}. */
export declare const emitAsync: Emitter['emitAsync'];
/** Does something only once its intent is safe, with the process's default emitter: see {@link Emitter.deed}. */
export declare const deed: Emitter['deed'];
/**
 * Opens the process's default emitter as the program says, instead of from the environment: the arguments are those of
 * `Emitter.open`. Before the first event, once; again after `shutdown`.
 *
 * @throws {InvalidArgumentError} It is open already.
 */
export declare function configure(config?: Configuration, options?: OpenOptions): Promise<Emitter>;
/** As `configure`, here and now; see `Emitter.openSync`. */
export declare function configureSync(config?: Configuration, options?: OpenOptions): Emitter;
/**
 * Resolves when every lane of the default emitter has delivered or declared what it was given, or the time is over.
 * Where the default emitter is not open, there is nothing to wait for.
 */
export declare function flush(options?: EndOptions): Promise<ByLane<LaneReport>>;
/** Ends the default emitter, if it is open; the next `emit` opens another. */
export declare function shutdown(options?: EndOptions): Promise<ByLane<LaneReport>>;
/** What sinks can and cannot do, for those who must show it. */
export declare function authorityBoundary(): Readonly<Record<string, readonly string[]>>;
