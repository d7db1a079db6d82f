/** The emitter: events in, receipts out. */
import { basename, extname } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import {
  authorityBoundary as boundary,
  NativeEmitter,
  type OpenOptions as NativeOptions,
  type SinkSpec,
} from '../native';
import type { Configuration, LaneKeys, KeyConfig } from './config';
import type { Part } from './content';
import { dataHere, optionsHere, recordHere } from './context';
import { Entrance, written, type Written } from './crossing';
import { perform, termsOf, type Act, type DeedOptions, type DeedTerms } from './deed';
import { ClosedError, InvalidArgumentError, native, warn, type SinkwellError } from './errors';
import { ended, endWithProcess, LIMIT, type Ending } from './exit';
import { camel, toJson } from './json';
import type { LogRecord } from './log';
import { act, loop, whenReached } from './loop';
import { checked, LONGEST_TIMER, milliseconds } from './options';
import type { Receipt } from './receipt';
import { host, hostSigner, isInside, release, type SinkClass, type SinkLike, type Signer } from './sink';
import type { Span } from './span';
import { spelled } from './spelling';
import { performStep, stepJson, type Step, type StepCall, type ToolStep } from './step';
import type { Trace } from './trace';
import type { BareType, EventData, EventType, EventTypes, NearType, NoData, OwnType } from './types';
import { vacuum, type Log, type VacuumOptions, type VacuumReport } from './vacuum';

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

function limitOf(call: string, options: EndOptions): number {
  checked(call, options, ['timeout']);
  milliseconds(options.timeout);
  return options.timeout ?? LIMIT;
}

/** A mapping whose keys are lanes. */
export type ByLane<T> = Readonly<Record<string, T>>;

/** The script's name: the operating system knows this process as node only. */
function program(): string | undefined {
  const script = process.argv[1];
  return script === undefined ? undefined : basename(script, extname(script)) || undefined;
}

function byLane<T>(text: string): ByLane<T> {
  const lanes = Object.entries(JSON.parse(text) as Record<string, Record<string, unknown>>);
  return Object.fromEntries(lanes.map(([lane, value]) => [lane, camel<T>(value)]));
}

interface Waiting {
  readonly event: Written;
  readonly since: number;
  resolve(receipt: Receipt): void;
  reject(error: unknown): void;
}

/**
 * Seals events and hands them to its lanes. All its calls return at once or give a promise; the event loop
 * is never held, but by `openSync`.
 */
export class Emitter implements AsyncDisposable {
  readonly #native: NativeEmitter;
  readonly #entrance: Entrance;
  readonly #targets: number[] = [];
  /** It has been shut down, and has ended. */
  #over = false;
  readonly #ending: Ending = {
    handlesSignals: () => native(() => this.#native.handlesSignals()),
    needsLoop: () => this.#targets.length > 0,
    flush: () => this.flush(),
    shutdown: () => this.shutdown(),
    flushNow: (limit) => this.#native.flushSync(limit),
    shutdownNow: (limit) => this.#native.shutdownSync(limit),
  };
  /** Those who wait for room, first come, first served. */
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  #manual = false;

  private constructor(emitter: NativeEmitter) {
    if (!(emitter instanceof NativeEmitter)) {
      throw new InvalidArgumentError('an emitter is opened: await Emitter.open(configuration)');
    }
    this.#native = emitter;
    this.#entrance = new Entrance(emitter);
  }

  /**
   * Opens an emitter: `config` is the path of a document, the document itself as an object, or nothing for
   * what the environment says. Resolves when every required sink is healthy.
   */
  static open(config?: Configuration, options: OpenOptions = {}): Promise<Emitter> {
    return Emitter.#open(config, options, 'open');
  }

  static async #open(
    config: Configuration | undefined,
    options: OpenOptions,
    how: 'open' | 'configureDefault',
  ): Promise<Emitter> {
    const emitter = new Emitter(new NativeEmitter());
    try {
      const given = emitter.#options(config, options);
      await act((token) => emitter.#native[how](loop, token, given));
    } catch (error) {
      release(emitter.#targets);
      throw error;
    }
    endWithProcess(how === 'open' ? emitter.#ending : emitter.#left());
    return emitter;
  }

  /**
   * As `open`, here and now. A required sink that is written in JavaScript, and a signer, cannot answer meanwhile: open
   * such an emitter with `open`.
   *
   * @throws {RequiredSinkUnavailableError} At once, where no other sink of the class will do.
   */
  static openSync(config?: Configuration, options: OpenOptions = {}): Emitter {
    return Emitter.#openSync(config, options, 'openSync');
  }

  static #openSync(
    config: Configuration | undefined,
    options: OpenOptions,
    how: 'openSync' | 'configureDefaultSync',
  ): Emitter {
    const emitter = new Emitter(new NativeEmitter());
    try {
      const given = emitter.#options(config, options);
      native(() => emitter.#native[how](loop, given));
    } catch (error) {
      release(emitter.#targets);
      throw error;
    }
    endWithProcess(how === 'openSync' ? emitter.#ending : emitter.#left());
    return emitter;
  }

  /** @internal `configure` */
  static async configureDefault(
    config: Configuration | undefined,
    options: OpenOptions | undefined,
  ): Promise<Emitter> {
    return Emitter.#beDefault(await Emitter.#open(config, options ?? {}, 'configureDefault'));
  }

  /** @internal `configureSync` */
  static configureDefaultSync(config: Configuration | undefined, options: OpenOptions | undefined): Emitter {
    return Emitter.#beDefault(Emitter.#openSync(config, options ?? {}, 'configureDefaultSync'));
  }

  /** From now on this is the default emitter, and its sinks are those of what opens after it in its place. */
  static #beDefault(emitter: Emitter): Emitter {
    const before = lastDefault;
    defaultTargets = [...emitter.#targets];
    // One that is still ending releases them itself.
    if (before !== undefined && before.#over) before.#release();
    return (processDefault = lastDefault = emitter);
  }

  /** Nothing calls its sinks and its signer any more, unless what was configured opens again. */
  #release(): void {
    release(this.#targets.filter((target) => !defaultTargets.includes(target)));
  }

  /**
   * The process's default emitter, shared by its threads: what `configure` opened, else opened from the environment on
   * first use.
   *
   * @throws {ClosedError} `configure` has not ended, and waits for a sink that this thread runs: await it first.
   * @throws {RequiredSinkUnavailableError} After `shutdown`, where such a sink is required: `await configure(…)` again.
   */
  static default(): Emitter {
    if (processDefault === undefined || processDefault.#isClosed()) {
      processDefault = undefined;
      processDefault = new Emitter(native(() => NativeEmitter.processDefault(program())));
      processDefault.#targets.push(...defaultTargets);
      lastDefault = processDefault;
      endWithProcess(processDefault.#left());
    }
    return processDefault;
  }

  /** Whether it has been shut down: another thread may have done so. */
  #isClosed(): boolean {
    return native(() => this.#native.isClosed());
  }

  /** @internal `emit` of the module. */
  static emitByDefault(type: string, data?: EventData | null, options?: EventOptions): Receipt {
    // To ask whether another thread has shut it down would cost each event: who is refused asks.
    const emitter = processDefault ?? Emitter.default();
    try {
      return emitter.emit(type as never, data as never, options);
    } catch (error) {
      if (!(error instanceof ClosedError) || !emitter.#isClosed()) throw error;
      return Emitter.default().emit(type as never, data as never, options);
    }
  }

  /** What becomes of the default emitter when this thread ends: it is the process's, which the main thread ends. */
  #left(): Ending {
    if (isMainThread) return this.#ending;
    return {
      ...this.#ending,
      shutdown: () => this.flush(),
      shutdownNow: (limit) => this.#native.flushSync(limit),
    };
  }

  #options(config: Configuration | undefined, options: OpenOptions): NativeOptions {
    checked('an emitter', options, ['sinks', 'signer', 'manual']);
    const sinks: SinkSpec[] = [];
    if (typeof (options.sinks ?? [])[Symbol.iterator] !== 'function')
      throw new InvalidArgumentError('sinks are given as a list: { sinks: [sink] }', 'sinks');
    for (const sink of options.sinks ?? []) sinks.push(this.#host(sink));
    this.#manual = options.manual ?? false;
    const given: NativeOptions = { sinks, manual: this.#manual };
    const name = program();
    if (name !== undefined) given.program = name;
    if (typeof config === 'string') given.path = config;
    else if (config !== undefined && config !== null) given.mapping = toJson(config, '');
    if (options.signer) {
      given.signer = hostSigner(options.signer);
      this.#targets.push(given.signer);
    }
    return given;
  }

  #host(sink: SinkLike, lane?: string): SinkSpec {
    const spec = host(sink, lane);
    this.#targets.push(spec.target);
    return spec;
  }

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
  emit<T extends EventType, D extends EventTypes[T] & object>(
    type: T,
    data: D & NoData,
    options?: EventOptions,
  ): Receipt;
  emit<T extends BareType>(type: T, data?: null, options?: EventOptions): Receipt;
  /** @deprecated This is no built-in type, and is taken as one of your own: is it misspelled? */
  emit<T extends NearType, D extends object>(
    type: OwnType<T>,
    data?: (D & NoData) | null,
    options?: EventOptions,
  ): Receipt;
  emit<T extends string, D extends object>(
    type: OwnType<T>,
    data?: (D & NoData) | null,
    options?: EventOptions,
  ): Receipt;
  emit(type: string, data?: EventData | null, options?: EventOptions): Receipt {
    return this.#entrance.emit(type, dataHere(type, data, options), optionsHere(options), isInside());
  }

  /** Emits the events that a span stands for, and says how many. Never waits. */
  emitSpan(span: Span): number {
    const given = spelled(span);
    return native(() => this.#native.emitSpan(given, isInside()));
  }

  /**
   * Emits the events that a step of a framework's run stands for, and says how many: docs/STEPS.md. Never waits.
   *
   * @throws {InvalidArgumentError} It is no step, with the member.
   */
  emitStep(step: Step): number {
    const given = stepJson(step);
    return native(() => this.#native.emitStep(given, isInside()));
  }

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
  async deedOfStep<R>(...given: unknown[]): Promise<R> {
    const [step, terms, act] = (given.length > 2 ? given : [given[0], {}, given[1]]) as [
      ToolStep,
      DeedTerms,
      (call: StepCall) => R | PromiseLike<R>,
    ];
    return performStep(this.#native, this.#manual, step, termsOf(terms), act);
  }

  /**
   * Emits a log record of any logging library as a `log.record`; see `LogRecord`. Never waits. What it throws is never about
   * what the record says: the emitter is closed, full or forbidden to go on.
   */
  emitLog(record: LogRecord): void {
    const given = spelled(recordHere(record));
    native(() => this.#native.emitLog(given, isInside()));
  }

  /**
   * Takes the events out of a log; every other line goes through, byte for byte. `log` is text, bytes, a `Readable` or any
   * other (async) iterable of them. With `process` and `nonce` the same line has the same id, and a lane that has the nonce is
   * not sent it again. Off, and everything goes through, until the configuration (`vacuum`) or `SINKWELL_VACUUM_TRANSPORTS`
   * says otherwise. What the log throws ends it, and its nonce does not count then.
   */
  vacuum(log: Log, options: VacuumOptions = {}): Promise<{ passed: Buffer; report: VacuumReport }> {
    return vacuum(this.#native, log, options);
  }

  /** @internal Emits lines of pino's, waiting for room as long as the lanes allow; for `sinkwell/pino`. */
  async emitPino(
    lines: Buffer,
    keys: { message: string; error: string; permit?: string | undefined; labels?: object | undefined },
  ): Promise<void> {
    const { message, error, permit, labels } = keys;
    await act((token) =>
      this.#native.emitPino(loop, token, lines, {
        message,
        error,
        ...(permit === undefined ? {} : { permit }),
        ...(labels === undefined ? {} : { labels: JSON.stringify(labels) }),
      }),
    );
  }

  /** Emits an event, waiting for room as long as the lanes allow. Whoever came first goes first. */
  emitAsync<T extends EventType, D extends EventTypes[T] & object>(
    type: T,
    data: D & NoData,
    options?: EventOptions,
  ): Promise<Receipt>;
  emitAsync<T extends BareType>(type: T, data?: null, options?: EventOptions): Promise<Receipt>;
  /** @deprecated This is no built-in type, and is taken as one of your own: is it misspelled? */
  emitAsync<T extends NearType, D extends object>(
    type: OwnType<T>,
    data?: (D & NoData) | null,
    options?: EventOptions,
  ): Promise<Receipt>;
  emitAsync<T extends string, D extends object>(
    type: OwnType<T>,
    data?: (D & NoData) | null,
    options?: EventOptions,
  ): Promise<Receipt>;
  async emitAsync(type: string, data?: EventData | null, options?: EventOptions): Promise<Receipt> {
    if (isInside())
      return this.#entrance.emit(type, dataHere(type, data, options), optionsHere(options), true);
    const all = dataHere(type, data, options);
    const others = optionsHere(options);
    if (this.#waiting.length === 0) {
      const first = this.#entrance.tryEmit(type, all, others);
      if (first !== undefined) return first;
    }
    // As it is now: the program may change it while it waits.
    const event = written(this.#entrance.most, type, all, others);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, since: performance.now(), resolve, reject });
      if (this.#waiting.length === 1) this.#awaitRoom();
    });
  }

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
  deed<T extends EventType, D extends EventTypes[T] & object, R>(
    type: T,
    data: D & NoData,
    act: Act<R>,
  ): Promise<R>;
  deed<T extends EventType, D extends EventTypes[T] & object, R>(
    type: T,
    data: D & NoData,
    options: DeedOptions,
    act: Act<R>,
  ): Promise<R>;
  deed<T extends string, D extends object, R>(
    type: OwnType<T>,
    data: (D & NoData) | null,
    act: Act<R>,
  ): Promise<R>;
  deed<T extends string, D extends object, R>(
    type: OwnType<T>,
    data: (D & NoData) | null,
    options: DeedOptions,
    act: Act<R>,
  ): Promise<R>;
  async deed<R>(
    type: string,
    data: EventData | null,
    ...[first, second]: [Act<R>] | [DeedOptions, Act<R>]
  ): Promise<R> {
    const act = (typeof first === 'function' ? first : second) as Act<R>;
    const { until, timeout, signal, ...options } = termsOf(typeof first === 'function' ? undefined : first);
    const { most } = this.#entrance;
    const event = written(most, type, dataHere(type, data, options), optionsHere(options));
    return perform(this.#native, this.#manual, event, { until, timeout, signal }, act);
  }

  /** Tries those who wait, in their order, until one finds no room. */
  #awaitRoom(): void {
    clearTimeout(this.#timer);
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      const { event, since } = head;
      const waited = performance.now() - since;
      try {
        const tried = this.#entrance.tryWritten(event, waited);
        if (typeof tried === 'number') {
          const forget = whenReached(
            (token) => this.#native.onRoom(loop, token),
            () => this.#awaitRoom(),
          );
          this.#timer = setTimeout(
            () => {
              forget();
              this.#awaitRoom();
            },
            Math.min(Math.max(1, Math.ceil(tried - waited)), LONGEST_TIMER),
          );
          this.#timer.unref();
          return;
        }
        head.resolve(tried);
      } catch (error) {
        head.reject(error);
      }
      this.#waiting.shift();
    }
  }

  /** Adds a sink; `lane` is any keys of a lane, as the configuration has them. */
  addSink(sink: SinkLike, lane?: LaneKeys): void {
    const spec = this.#host(sink, lane && toJson(lane, ''));
    try {
      native(() => this.#native.addSink(loop, spec));
    } catch (error) {
      release([spec.target]);
      throw error;
    }
  }

  /** Has a durable lane export again what its journal holds, from a cursor on: that of a record, for example. */
  repair(lane: string, from: { readonly streamid: string; readonly sequence: number | string }): void {
    native(() => this.#native.repair(lane, from.streamid, Number(from.sequence)));
  }

  /** Seals with another key from the next envelope on: a `key` section of a configuration. */
  changeKey(key: KeyConfig, signer?: Signer): void {
    const target = signer && hostSigner(signer);
    if (target !== undefined) this.#targets.push(target);
    const section = toJson(key, 'key');
    native(() => this.#native.changeKey(loop, section, target));
  }

  /** One consistent reading per lane. */
  counters(): ByLane<Counters> {
    return byLane(native(() => this.#native.counters()));
  }

  /**
   * The deeds of processes before this one that have an intent and no result, the oldest first: what the journals hold
   * that this process took over. Whether such an act was done, only the world outside can tell.
   */
  unfinished(): UnfinishedDeed[] {
    return JSON.parse(native(() => this.#native.unfinished())) as UnfinishedDeed[];
  }

  /** What became of each document of `telemetry`: its conditions by target, and its counters. */
  policyStatus(): PolicyStatus {
    return JSON.parse(native(() => this.#native.policyStatus())) as PolicyStatus;
  }

  /**
   * Reads the telemetry policies again and puts them in force as one set; one that is bad now and was good before
   * stays in force as it was.
   */
  reloadPolicies(): void {
    native(() => this.#native.reloadPolicies());
  }

  /** How many events `closed`, `backpressure` and `fail_closed` kept out. */
  get refused(): number {
    return native(() => this.#native.refused());
  }

  /** How each lane is. */
  health(): ByLane<Health> {
    return byLane(native(() => this.#native.health()));
  }

  /** Throws what `emit` would throw now, whatever the event. */
  ensureReady(): void {
    native(() => this.#native.ensureReady());
  }

  /**
   * Throws where governance forbids that what the program does goes on.
   *
   * @internal
   */
  mayGoOn(): void {
    native(() => this.#native.mayGoOn());
  }

  /**
   * Whether governance forbids going on without the default emitter, which this error kept from being had.
   *
   * @internal
   */
  static defaultForbids(error: SinkwellError): boolean {
    return NativeEmitter.defaultForbids(error.kind, program());
  }

  /** How many events wait in a lane to be sealed. */
  queued(lane: string): number {
    return native(() => this.#native.queued(lane));
  }

  /** Delivers what a lane of a manual emitter holds. */
  async drain(lane: string): Promise<Drained> {
    const drained = JSON.parse(await act((token) => this.#native.drain(loop, token, lane))) as {
      count: number;
      records: Record<string, unknown>[];
    };
    return { count: drained.count, records: drained.records.map((record) => camel<StateRecord>(record)) };
  }

  /**
   * Resolves when every lane has delivered or declared what it was given, or the time is over; inside a sink of yours
   * at once, as it would wait for itself.
   */
  async flush(options: EndOptions = {}): Promise<ByLane<LaneReport>> {
    const timeout = limitOf('flush', options);
    const limit = isInside() ? 0 : timeout;
    return JSON.parse(await act((token) => this.#native.flush(loop, token, limit))) as ByLane<LaneReport>;
  }

  /**
   * Ends the emitter: what is queued is delivered and every stream closed, as far as the time allows. Inside a sink of yours it
   * begins to, and resolves at once with what is left now, as it would wait for itself.
   */
  async shutdown(options: EndOptions = {}): Promise<ByLane<LaneReport>> {
    const timeout = limitOf('shutdown', options);
    if (processDefault === this) {
      processDefault = undefined;
      NativeEmitter.forgetDefault();
    }
    const report = this.#end(timeout);
    if (!isInside()) return JSON.parse(await report) as ByLane<LaneReport>;
    report.catch(warn);
    return this.flush();
  }

  async #end(timeout: number): Promise<string> {
    const report = await act((token) => this.#native.shutdown(loop, token, timeout));
    ended(this.#ending);
    this.#over = true;
    this.#release();
    if (this.#waiting.length > 0) this.#awaitRoom();
    return report;
  }

  /** `await using`: shuts down. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  /** Counters and states in the Prometheus text format. */
  prometheus(): string {
    return native(() => this.#native.prometheus());
  }

  /** The same as instruments with their values: what `registerMetrics` of `sinkwell/otel` gives a meter. */
  metrics(): Metric[] {
    return (JSON.parse(native(() => this.#native.metrics())) as { metrics: Metric[] }).metrics;
  }

  /**
   * What a meter's histograms are to be given that this reader has not been given yet; 0 is a new reader, which gets its
   * number and no values yet.
   *
   * @internal
   */
  recordings(reader: number): { reader: number; recordings: Recording[] } {
    const read = native(() => this.#native.recordings(reader));
    return JSON.parse(read) as { reader: number; recordings: Recording[] };
  }
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

let processDefault: Emitter | undefined;

/** The last that this thread had, open or not. */
let lastDefault: Emitter | undefined;

/**
 * The sinks and the signer that this thread has configured the default emitter with last: its next use after a shutdown, in this
 * thread or another, calls them again.
 */
let defaultTargets: readonly number[] = [];

/** Emits with the process's default emitter: see {@link Emitter.emit}. */
export const emit: Emitter['emit'] = ((type: string, data?: EventData | null, options?: EventOptions) =>
  Emitter.emitByDefault(type, data, options)) as Emitter['emit'];

/** Emits with the process's default emitter, waiting for room: see {@link Emitter.emitAsync}. */
export const emitAsync: Emitter['emitAsync'] = (async (
  type: string,
  data?: EventData | null,
  options?: EventOptions,
) => Emitter.default().emitAsync(type, data, options)) as Emitter['emitAsync'];

/** Does something only once its intent is safe, with the process's default emitter: see {@link Emitter.deed}. */
export const deed: Emitter['deed'] = (async (
  type: string,
  data: EventData | null,
  options: DeedOptions,
  act: Act<unknown>,
) => Emitter.default().deed(type, data, options, act)) as Emitter['deed'];

/**
 * Opens the process's default emitter as the program says, instead of from the environment: the arguments are those of
 * `Emitter.open`. Before the first event, once; again after `shutdown`.
 *
 * @throws {InvalidArgumentError} It is open already.
 */
export function configure(config?: Configuration, options?: OpenOptions): Promise<Emitter> {
  return Emitter.configureDefault(config, options);
}

/** As `configure`, here and now; see `Emitter.openSync`. */
export function configureSync(config?: Configuration, options?: OpenOptions): Emitter {
  return Emitter.configureDefaultSync(config, options);
}

/**
 * Resolves when every lane of the default emitter has delivered or declared what it was given, or the time is over.
 * Where the default emitter is not open, there is nothing to wait for.
 */
export async function flush(options?: EndOptions): Promise<ByLane<LaneReport>> {
  return NativeEmitter.defaultIsOpen() ? Emitter.default().flush(options) : {};
}

/** Ends the default emitter, if it is open; the next `emit` opens another. */
export async function shutdown(options?: EndOptions): Promise<ByLane<LaneReport>> {
  return NativeEmitter.defaultIsOpen() ? Emitter.default().shutdown(options) : {};
}

/** What sinks can and cannot do, for those who must show it. */
export function authorityBoundary(): Readonly<Record<string, readonly string[]>> {
  const value = JSON.parse(boundary()) as Record<string, unknown>;
  return camel(value);
}
