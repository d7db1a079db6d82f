/**
 * What the integrations share: telling the core of steps, calls of tools as deeds, coverage.
 *
 * Guarantees: telling of a step throws nothing and waits for nothing; what the core refuses it counts and says to the host's
 * logger. A call of a tool is made only once its intent is safe. Which step is which event is the core's to say.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ContentMode, Part } from './content';
import { context, here, type CallPlace } from './context';
import type { DeedTerms } from './deed';
import { Emitter, flush } from './emitter';
import { SinkwellError, warn } from './errors';
import { now, type Step, type StepCall, type StepKind, type StepMembers } from './step';
import { activeTrace } from './trace';

/** How an integration tells. */
export interface TellerOptions {
  /** The process's default emitter if absent: then configure it first. */
  readonly emitter?: Emitter | undefined;
  /** The most that content may be captured, as that of a content part; `off` if absent. */
  readonly permit?: ContentMode | undefined;
}

/** The version of a package as the program finds it. */
function versionOf(name: string): string {
  for (const from of [process.argv[1], join(process.cwd(), 'x.js'), __filename]) {
    if (from === undefined) continue;
    try {
      // Packages need not export their package.json: it is looked for where modules are.
      for (const folder of createRequire(from).resolve.paths(name) ?? []) {
        try {
          const told = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')) as {
            version?: unknown;
          };
          if (typeof told.version === 'string') return told.version;
        } catch {
          // Not here.
        }
      }
    } catch {
      // The program has no file: `node -e`.
    }
  }
  return 'unknown';
}

/** An id for a step to which the framework gives none. */
export const newId = (): string => randomUUID();

/** An id that another process, or a framework, gave: if it can be one. */
export function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[ -~]{1,128}$/.test(value) ? value : undefined;
}

/** The trace context of OpenTelemetry's active span, as members of a step. */
export function traceMembers(): StepMembers {
  const trace = activeTrace();
  if (trace === undefined) return {};
  const { traceId: trace_id, spanId: span_id, flags, state } = trace;
  return { trace_id, span_id, flags, state };
}

/** One integration, put in at one place of a program. */
export class Teller {
  readonly #seam: string;
  readonly #package: string;
  readonly #options: TellerOptions;
  #since: string | undefined;

  constructor(seam: string, from: string, options: TellerOptions = {}) {
    this.#seam = seam;
    this.#package = from;
    this.#options = options;
  }

  get emitter(): Emitter {
    return this.#options.emitter ?? Emitter.default();
  }

  get watching(): boolean {
    return this.#since !== undefined;
  }

  /** Seals that this seam is watched from now on. */
  watch(): this {
    if (this.#since === undefined) {
      this.#since = newId();
      this.#cover('watching', { id: this.#since });
    }
    return this;
  }

  /** Seals that this seam is watched no longer. */
  stop(): void {
    const since = this.#since;
    this.#since = undefined;
    if (since !== undefined) this.#cover('stopped', { causation: since });
  }

  #cover(state: 'watching' | 'stopped', options: { id?: string; causation?: string }): void {
    try {
      const version = versionOf(this.#package);
      this.emitter.emit('coverage', { seam: this.#seam, package: this.#package, version, state }, options);
    } catch (error) {
      warn(error);
    }
  }

  /** Waits until every lane has delivered; opens nothing for it, and throws nothing. */
  async flush(timeout: number): Promise<void> {
    const { emitter } = this.#options;
    // The same way to the default emitter as for steps; if it is not open, none has come.
    await (emitter ? emitter.flush({ timeout }) : flush({ timeout })).catch(warn);
  }

  /** What is the same of all that this integration tells. */
  #members(members: StepMembers): StepMembers {
    const { run } = context();
    const traced = members.trace_id === undefined ? traceMembers() : {};
    return { run, permit: this.#options.permit, ...traced, ...defined(members) };
  }

  /** Tells of a step. */
  tell(kind: StepKind, id: string, members: StepMembers): void {
    try {
      this.emitter.emitStep({ ...this.#members(members), kind, id } as Step);
    } catch (error) {
      // An integration never breaks what it watches; of what is refused the core counts and tells the logger.
      if (!(error instanceof SinkwellError)) warn(error);
    }
  }

  /** Tells what a guardrail, a policy or a person decided just now. */
  decided(
    decision: 'allow' | 'deny' | 'ask' | 'indeterminate',
    name: string,
    { tool, attributes, ...members }: StepMembers & { readonly tool?: string | undefined },
  ): void {
    const at = now();
    this.tell('decision', newId(), {
      start_unix_nano: at,
      end_unix_nano: at,
      ...members,
      name,
      decision,
      attributes: { ...attributes, ...(tool !== undefined && { 'gen_ai.tool.name': tool }) },
    });
  }

  /** A tool's call as a deed. */
  async call<R>(
    id: string,
    members: StepMembers,
    terms: DeedTerms,
    act: (call: StepCall) => R | PromiseLike<R>,
  ): Promise<R> {
    return this.emitter.deedOfStep({ ...this.#members(members), id }, terms, act);
  }
}

/** How a call ends: by what was thrown, if anything was. */
type End = (thrown?: { readonly error: unknown }) => Promise<void>;

/** @internal A tool's call that began in one callback of a framework's and ends in another. */
export class OpenCall {
  readonly #call: StepCall;
  readonly #end: End;
  /** Where its code runs. */
  readonly place: CallPlace;

  private constructor(call: StepCall, place: CallPlace, end: End) {
    this.#call = call;
    this.place = place;
    this.#end = end;
  }

  /** Begins it: answers once its intent is safe, or rejects with why the call must not be made. */
  static begin(teller: Teller, id: string, members: StepMembers, terms: DeedTerms = {}): Promise<OpenCall> {
    const around = here();
    return new Promise((resolve, reject) => {
      const over = teller.call(id, members, terms, (call) => {
        return new Promise<void>((done, failed) => {
          const end: End = async (thrown) => {
            if (thrown === undefined) done();
            else failed(thrown.error);
            // What was thrown is the framework's to hand on.
            await over.catch(() => {});
          };
          resolve(new OpenCall(call, { around, inside: here() }, end));
        });
      });
      over.catch(reject);
    });
  }

  get id(): string {
    return this.#call.id;
  }

  /** Somebody refused it, which was told as a decision of its own. */
  refused(): void {
    this.#call.refused = true;
  }

  /** Ends it; answers once its result is sealed, or cannot be. */
  async ended(members: StepMembers): Promise<void> {
    this.#call.ended(members);
    await this.#end();
  }

  /** Ends it by what was thrown. */
  async failed(thrown: unknown): Promise<void> {
    await this.#end({ error: thrown });
  }
}

/** Remembers what has begun and not ended; of a program that never ends what it begins, only the latest. */
export function put<K, V>(table: Map<K, V>, key: K, value: V, most = 16_384): void {
  table.set(key, value);
  if (table.size <= most) return;
  for (const oldest of table.keys()) {
    table.delete(oldest);
    return;
  }
}

/** What a table holds of a key, which it forgets. */
export function take<K, V>(table: Map<K, V>, key: K): V | undefined {
  const value = table.get(key);
  table.delete(key);
  return value;
}

/** Most agents that work was handed to and that have not begun: one that never does is forgotten. */
export const MOST_HANDOFFS = 1_000;

/** A value as an object whose members may be asked for. */
export const object = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** A text, if it is one. */
export const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function defined<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}

/** A content part of plain text. */
export function words(contentClass: string, text: string): readonly Part[] {
  return [{ class: contentClass, mediatype: 'text/plain', text }];
}
