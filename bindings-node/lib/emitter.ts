/** The emitter: events in, receipts out. */
import { basename, extname } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import {
  authorityBoundary as boundary,
  NativeEmitter,
  type OpenOptions as NativeOptions,
  type SinkSpec,
} from '../native';
import type { Part } from './content';
import { Entrance, written, type Written } from './crossing';
import { native } from './errors';
import { ended, endWithProcess, LIMIT, type Ending } from './exit';
import { camel, toJson } from './json';
import { act, loop, whenReached } from './loop';
import type { Receipt } from './receipt';
import { host, hostSigner, isInside, release, type SinkClass, type SinkLike, type Signer } from './sink';
import type { Span } from './span';
import type { Trace } from './trace';

/** From least to most. */
export type Severity = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** What else an event may say. */
export interface EventOptions {
  /** What it is about. */
  readonly subject?: string;
  /** The words of people; they leave only through the gates. */
  readonly content?: readonly Part[];
  readonly severity?: Severity;
  /** For a type of your own: losing it would falsify a run. */
  readonly terminal?: boolean;
  readonly run?: string;
  readonly turn?: string;
  readonly attempt?: string;
  /** Taken from the active OpenTelemetry span if absent. */
  readonly trace?: Trace;
  /** Another agent than the emitter's; it must match `agent.allow`. */
  readonly agent?: string;
  readonly tenant?: string;
  /** RFC 3339; now if absent. */
  readonly time?: string | Date;
  /** UUIDv7; a new one if absent. */
  readonly id?: string;
  /** Id of the event that caused this one. */
  readonly causation?: string;
  /** Id of the whole conversation. */
  readonly correlation?: string;
  /** The child agent or extension that the content comes from. */
  readonly child?: string;
}

/** What an event carries: a plain object of what JSON can carry. */
export type EventData = Readonly<Record<string, unknown>>;

/** What an emitter is opened with, beside its configuration. */
export interface OpenOptions {
  /** Sinks of your own; they count as required sinks, and a lane may name them: `sink: { host: NAME }`. */
  readonly sinks?: readonly SinkLike[];
  /** Signs where the configuration says `signer: host`. */
  readonly signer?: Signer;
  /** No threads: `drain` delivers. */
  readonly manual?: boolean;
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
  readonly timeout?: number;
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
  readonly #ending: Ending = {
    handlesSignals: () => native(() => this.#native.handlesSignals()),
    flush: () => this.flush(),
    shutdown: () => this.shutdown(),
    shutdownNow: () => this.#native.shutdownSync(LIMIT),
  };
  /** Those who wait for room, first come, first served. */
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  private constructor(emitter: NativeEmitter) {
    this.#native = emitter;
    this.#entrance = new Entrance(emitter);
  }

  /**
   * Opens an emitter: `config` is the path of a document, the document itself as an object, or nothing for
   * what the environment says. Resolves when every required sink is healthy.
   */
  static async open(config?: string | object, options: OpenOptions = {}): Promise<Emitter> {
    const emitter = new Emitter(new NativeEmitter());
    try {
      const given = emitter.#options(config, options);
      await act((token) => emitter.#native.open(loop, token, given));
    } catch (error) {
      release(emitter.#targets);
      throw error;
    }
    endWithProcess(emitter.#ending);
    return emitter;
  }

  /**
   * As `open`, here and now. A required sink that is written in JavaScript cannot answer meanwhile: open
   * such an emitter with `open`.
   */
  static openSync(config?: string | object, options: OpenOptions = {}): Emitter {
    const emitter = new Emitter(new NativeEmitter());
    try {
      const given = emitter.#options(config, options);
      native(() => emitter.#native.openSync(loop, given));
    } catch (error) {
      release(emitter.#targets);
      throw error;
    }
    endWithProcess(emitter.#ending);
    return emitter;
  }

  /** The process's default emitter, shared by its threads; opened from the environment on first use. */
  static default(): Emitter {
    if (processDefault === undefined) {
      processDefault = new Emitter(native(() => NativeEmitter.processDefault(program())));
      endWithProcess(processDefault.#left());
    }
    return processDefault;
  }

  /** What becomes of the default emitter when this thread ends: it is the process's, which the main thread ends. */
  #left(): Ending {
    if (isMainThread) return this.#ending;
    return {
      ...this.#ending,
      shutdown: () => this.flush(),
      shutdownNow: () => this.#native.flushSync(LIMIT),
    };
  }

  #options(config: string | object | undefined, options: OpenOptions): NativeOptions {
    const sinks: SinkSpec[] = [];
    for (const sink of options.sinks ?? []) sinks.push(this.#host(sink));
    const given: NativeOptions = { sinks, manual: options.manual ?? false };
    const name = program();
    if (name !== undefined) given.program = name;
    if (typeof config === 'string') given.path = config;
    else if (config !== undefined) given.mapping = toJson(config, '');
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
   * yours, such a lane drops it as `reentrant`.
   */
  emit(type: string, data?: EventData | null, options?: EventOptions): Receipt {
    return this.#entrance.emit(type, data, options, isInside());
  }

  /** Emits the events that a span stands for, and says how many. Never waits. */
  emitSpan(span: Span): number {
    const text = toJson(span, 'span');
    return native(() => this.#native.emitSpan(text, isInside()));
  }

  /** Emits an event, waiting for room as long as the lanes allow. Whoever came first goes first. */
  async emitAsync(type: string, data?: EventData | null, options?: EventOptions): Promise<Receipt> {
    if (isInside()) return this.emit(type, data, options);
    if (this.#waiting.length === 0) {
      const first = this.#entrance.tryEmit(type, data, options);
      if (first !== undefined) return first;
    }
    // As it is now: the program may change it while it waits.
    const event = written(type, data, options);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, since: performance.now(), resolve, reject });
      if (this.#waiting.length === 1) this.#awaitRoom();
    });
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
            Math.max(1, Math.ceil(tried - waited)),
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
  addSink(sink: SinkLike, lane?: object): void {
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
  changeKey(key: object, signer?: Signer): void {
    const target = signer && hostSigner(signer);
    if (target !== undefined) this.#targets.push(target);
    const section = toJson(key, 'key');
    native(() => this.#native.changeKey(loop, section, target));
  }

  /** One consistent reading per lane. */
  counters(): ByLane<Counters> {
    return byLane(native(() => this.#native.counters()));
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
  async flush({ timeout = LIMIT }: EndOptions = {}): Promise<ByLane<LaneReport>> {
    const limit = isInside() ? 0 : timeout;
    return JSON.parse(await act((token) => this.#native.flush(loop, token, limit))) as ByLane<LaneReport>;
  }

  /** Ends the emitter: what is queued is delivered and every stream closed, as far as the time allows. */
  async shutdown({ timeout = LIMIT }: EndOptions = {}): Promise<ByLane<LaneReport>> {
    if (processDefault === this) {
      processDefault = undefined;
      NativeEmitter.forgetDefault();
    }
    const report = await act((token) => this.#native.shutdown(loop, token, timeout));
    ended(this.#ending);
    release(this.#targets);
    if (this.#waiting.length > 0) this.#awaitRoom();
    return JSON.parse(report) as ByLane<LaneReport>;
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

let processDefault: Emitter | undefined;

/** Emits with the process's default emitter. */
export function emit(type: string, data?: EventData | null, options?: EventOptions): Receipt {
  return Emitter.default().emit(type, data, options);
}

/** Emits with the process's default emitter, waiting for room. */
export function emitAsync(type: string, data?: EventData | null, options?: EventOptions): Promise<Receipt> {
  return Emitter.default().emitAsync(type, data, options);
}

/** What sinks can and cannot do, for those who must show it. */
export function authorityBoundary(): Readonly<Record<string, readonly string[]>> {
  const value = JSON.parse(boundary()) as Record<string, unknown>;
  return camel(value);
}
