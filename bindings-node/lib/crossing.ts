/**
 * Events on their way into the core: as one string and a table of numbers that says what is what in it.
 *
 * Guarantees: what the table cannot say crosses as JSON, by {@link toJson}, and so does what is wrong: what an
 * error says never depends on the way. Each value is read once, or again only to be sent as JSON. The table has one
 * size; how many shapes are remembered is bounded.
 *
 * Of an event's data the table has what `JSON.stringify` would make text of and the core would read again: for
 * each value a number that says what it is (a string: its length), in the order of the keys. The keys of an object
 * do not cross: those that come in the same order are a shape, which the native half is told once. Shapes are found
 * by walking a tree from key to key; at each place the key of last time is looked at first.
 *
 * `src/crossing.rs` reads what is written here; the layout of both is that of `src/layout.rs`.
 */
import { types } from 'node:util';
import { blockSize, Crossing, type NativeEmitter } from '../native';
import { partJson } from './content';
import type { EventData, EventOptions } from './emitter';
import { fromNative, InternalError, InvalidArgumentError, InvalidEventError, SinkwellError } from './errors';
import { nameOfThrown, toJson } from './json';
import {
  AGENT,
  ARRAY,
  ATTEMPT,
  CAUSATION,
  CHILD,
  CORRELATION,
  DATA,
  END,
  FALSE,
  FIRST,
  FLAGS,
  ID,
  INSIDE,
  LONGEST,
  NO_ROOM,
  NONE,
  NOT_IN_TABLE,
  NULL,
  NUMBER,
  OBJECT,
  OPTIONS,
  PATIENT,
  REST,
  RUN,
  SEVERITY,
  SPAN_ID,
  SUBJECT,
  TABLE,
  TENANT,
  TERMINAL,
  TEXT,
  TIME,
  TRACE_FLAGS,
  TRACE_ID,
  TRACE_STATE,
  TRUE,
  TURN,
  TYPE,
} from './layout';
import { Receipt } from './receipt';
import { activeTrace, type Trace } from './trace';

/** How many numbers the table has: a value needs one, an object and a list two. */
const SIZE = 2048;
const integers = new Int32Array(SIZE);
const numbers = new Float64Array(SIZE);
const crossing = new Crossing(integers, numbers);

const MEMBERS = new Map<string, number>([
  ['subject', SUBJECT],
  ['severity', SEVERITY],
  ['run', RUN],
  ['turn', TURN],
  ['attempt', ATTEMPT],
  ['agent', AGENT],
  ['tenant', TENANT],
  ['time', TIME],
  ['id', ID],
  ['causation', CAUSATION],
  ['correlation', CORRELATION],
  ['child', CHILD],
]);

/** Deeper data crosses as JSON: it may hold itself. */
const DEEPEST = 32;
/** Keys longer than this are in no shape, and so many places are remembered. */
const LONGEST_KEY = 256;
const PLACES = 4096;
/** So many events after there was room for no more shape, all are forgotten: those of today may be others. */
const FORGOTTEN_AFTER = 1 << 16;

/** A place in the tree of shapes: the keys so far are those on the way there. */
class Place {
  /** The number of the shape that ends here; -1 if none has yet. */
  shape = -1;
  /** The key that came next the last time, and where it led. */
  key = '';
  next: Place | undefined = undefined;
  more: Map<string, Place> | undefined = undefined;

  constructor(
    readonly before: Place | undefined,
    readonly last: string,
  ) {}
}

let root = new Place(undefined, '');
let places = 0;
/** How many events have come since there was room for no more. */
let full = 0;

function forget(): void {
  root = new Place(undefined, '');
  places = 0;
  full = 0;
  crossing.forget();
}

/** Where another key than the last time's leads; nowhere if that cannot be remembered. */
function turn(from: Place, key: string): Place | undefined {
  let next = from.more?.get(key);
  if (next === undefined) {
    if (places >= PLACES) full ||= 1;
    if (full > 0 || key.length > LONGEST_KEY || !key.isWellFormed()) return undefined;
    places++;
    next = new Place(from, key);
    (from.more ??= new Map()).set(key, next);
  }
  from.key = key;
  from.next = next;
  return next;
}

/** Makes the shape that ends here known. */
function shapeOf(place: Place): number {
  const keys: string[] = [];
  for (let at = place; at.before !== undefined; at = at.before) keys.push(at.last);
  return (place.shape = crossing.shape(keys.reverse()));
}

// What is being written: the text, and the next places in both parts of the table.
let text = '';
let next = FIRST;
let nextNumber = 1;
/** Reading a value may run code of the program's, which may emit. */
let writing = false;

const EMPTY = {};

/** Whether `Object.prototype` has been given what `for in` would find. */
function isPolluted(): boolean {
  for (const _ in EMPTY) return true;
  return false;
}

/** Writes an object; false if the table cannot say it. */
function writeObject(object: Readonly<Record<string, unknown>>, depth: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  if ((prototype !== Object.prototype && prototype !== null) || depth > DEEPEST) return false;
  const start = next;
  next = start + 2;
  let place = root;
  for (const key in object) {
    const value = object[key];
    // As JSON does: a member that is undefined is not there.
    if (value === undefined) continue;
    const there = place.key === key && place.next !== undefined ? place.next : turn(place, key);
    if (there === undefined || !writeValue(value, depth)) return false;
    place = there;
  }
  integers[start] = OBJECT;
  integers[start + 1] = place.shape >= 0 ? place.shape : shapeOf(place);
  return true;
}

function writeArray(array: readonly unknown[], depth: number): boolean {
  if (array.length > SIZE || depth > DEEPEST) return false;
  const length = array.length;
  integers[next++] = ARRAY;
  integers[next++] = length;
  for (let i = 0; i < length; i++) if (!writeValue(array[i], depth)) return false;
  return true;
}

function writeValue(value: unknown, depth: number): boolean {
  // An object needs two places.
  if (next > SIZE - 2) return false;
  switch (typeof value) {
    case 'string':
      integers[next++] = value.length;
      text += value;
      return true;
    case 'number':
      if (!Number.isFinite(value)) return false;
      integers[next++] = NUMBER;
      numbers[nextNumber++] = value;
      return true;
    case 'boolean':
      integers[next++] = value ? TRUE : FALSE;
      return true;
    case 'object':
      if (value === null) {
        integers[next++] = NULL;
        return true;
      }
      return Array.isArray(value)
        ? writeArray(value, depth + 1)
        : writeObject(value as Readonly<Record<string, unknown>>, depth + 1);
    default:
      return false;
  }
}

/** Writes a member of the event that is a string, if it is there at all. */
function writeString(which: number, value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value !== 'string') return false;
  integers[next++] = which;
  integers[next++] = value.length;
  text += value;
  return true;
}

function writeTrace(trace: Trace): boolean {
  if (typeof trace !== 'object') return false;
  for (const name in trace) {
    if (name !== 'traceId' && name !== 'spanId' && name !== 'flags' && name !== 'state') return false;
  }
  const { traceId, spanId, flags, state } = trace;
  if (typeof traceId !== 'string' || typeof spanId !== 'string') return false;
  writeString(TRACE_ID, traceId);
  writeString(SPAN_ID, spanId);
  if (flags !== undefined && flags !== null) {
    if (!Number.isInteger(flags) || flags < 0 || flags > 255) return false;
    integers[next++] = TRACE_FLAGS;
    integers[next++] = flags;
  }
  return writeString(TRACE_STATE, state);
}

/** Writes the other members of the event. */
function writeOptions(options: EventOptions): boolean {
  if (typeof options !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(options);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const name in options) {
    const value: unknown = options[name as keyof EventOptions];
    if (value === undefined || value === null || name === 'trace') continue;
    const which = MEMBERS.get(name);
    if (which !== undefined) {
      if (!writeString(which, name === 'time' && types.isDate(value) ? value.toISOString() : value))
        return false;
    } else if (name === 'terminal' && typeof value === 'boolean') {
      integers[next++] = TERMINAL;
      integers[next++] = value ? 1 : 0;
    } else return false;
  }
  return true;
}

/** Writes an event; false if the table cannot say it. */
function write(
  type: string,
  data: unknown,
  options: EventOptions | undefined,
  trace: Trace | undefined,
): boolean {
  text = type;
  next = FIRST;
  nextNumber = 1;
  if (full > 0 && ++full > FORGOTTEN_AFTER) forget();
  if (isPolluted()) return false;
  if (options !== undefined && options !== null && !writeOptions(options)) return false;
  if (trace !== undefined && !writeTrace(trace)) return false;
  const count = (next - FIRST) >> 1;
  let form = NONE;
  if (data !== undefined && data !== null) {
    if (typeof data !== 'object' || Array.isArray(data)) return false;
    if (!writeObject(data as Readonly<Record<string, unknown>>, 0)) return false;
    form = TABLE;
  }
  if (text.length > LONGEST) return false;
  integers[TEXT] = text.length;
  integers[TYPE] = type.length;
  integers[DATA] = form;
  integers[REST] = NONE;
  integers[END] = next;
  integers[OPTIONS] = count;
  return true;
}

/** The trace that an event says, else the active one. */
function traceFor(options: EventOptions | undefined): Trace | undefined {
  let given: Trace | undefined;
  try {
    given = options?.trace;
  } catch (error) {
    throw new InvalidEventError(`reading it threw ${nameOfThrown(error)}; send its value`, 'trace');
  }
  return given ?? activeTrace();
}

function checkType(type: unknown): void {
  if (typeof type !== 'string') throw new InvalidArgumentError('the type of an event is a string');
}

/** An event as JSON: its type, its data, its other members. */
export interface Written {
  readonly type: string;
  readonly data: string | undefined;
  readonly rest: string | undefined;
}

/** The other members of an event as the core reads them. */
function membersOf(options: EventOptions | undefined, trace: Trace | undefined): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  let at = '';
  try {
    for (const name of Object.keys(options ?? {})) {
      at = name;
      const value: unknown = options?.[name as keyof EventOptions];
      if (value !== undefined && name !== 'trace') members[name] = value;
    }
    at = 'time';
    if (types.isDate(members.time)) {
      // Its own method would throw an error of the language's.
      if (Number.isNaN(members.time.valueOf())) throw new InvalidEventError('is an invalid Date', at);
      members.time = members.time.toISOString();
    }
    at = 'content';
    if (Array.isArray(members.content)) members.content = members.content.map(partJson);
    at = 'trace';
    if (trace) {
      const { traceId, spanId, ...others } = trace;
      members.trace = { trace_id: traceId, span_id: spanId, ...others };
    }
  } catch (error) {
    if (error instanceof SinkwellError) throw error;
    throw new InvalidEventError(`reading it threw ${nameOfThrown(error)}; send its value`, at || undefined);
  }
  return members;
}

/** The event as JSON; throws what is wrong with it. `most` is how many bytes its data may have. */
export function written(
  most: number,
  type: string,
  data: EventData | null | undefined,
  options: EventOptions | undefined,
  trace: Trace | undefined = traceFor(options),
): Written {
  checkType(type);
  const rest =
    options !== undefined || trace !== undefined ? toJson(membersOf(options, trace), '') : undefined;
  // What a lone surrogate becomes is in no type, and refused as such.
  return {
    type: type.toWellFormed(),
    data: data === undefined || data === null ? undefined : toJson(data, 'data', most),
    rest,
  };
}

const BLOCK = blockSize();

/** The way into one emitter. */
export class Entrance {
  readonly #native: NativeEmitter;
  readonly #emit: (text: string) => number;
  #most: number | undefined;
  /** Where the next receipts are, and how many more fit in there. */
  #receipts: ReturnType<NativeEmitter['receipts']> | undefined;
  #left = 0;

  constructor(emitter: NativeEmitter) {
    this.#native = emitter;
    this.#emit = emitter.emitting(crossing);
  }

  /** The most bytes that an event's data may have; known once the emitter is open. */
  get most(): number {
    return (this.#most ??= this.#native.dataLimit());
  }

  /** Emits; `inside` a sink of the host's, a lane without room drops the event. */
  emit(
    type: string,
    data: EventData | null | undefined,
    options: EventOptions | undefined,
    inside: boolean,
  ): Receipt {
    return this.#receipt(this.#cross(type, data, options, inside ? INSIDE : 0));
  }

  /** Emits if there is room. */
  tryEmit(
    type: string,
    data: EventData | null | undefined,
    options: EventOptions | undefined,
  ): Receipt | undefined {
    const answer = this.#cross(type, data, options, PATIENT);
    return answer <= NO_ROOM ? undefined : this.#receipt(answer);
  }

  /**
   * As `tryEmit`, having waited for so many milliseconds; answers for how many in all it may be waited, if there is
   * no room.
   */
  tryWritten(event: Written, waited: number): Receipt | number {
    const answer = this.#crossWritten(event, PATIENT, waited);
    return answer <= NO_ROOM ? NO_ROOM - answer : this.#receipt(answer);
  }

  #cross(
    type: string,
    data: EventData | null | undefined,
    options: EventOptions | undefined,
    flags: number,
  ): number {
    checkType(type);
    const trace = traceFor(options);
    if (!writing) {
      writing = true;
      let all: string;
      try {
        all = write(type, data, options, trace) ? text : '';
      } catch {
        // Something threw while it was read: the other way finds out where.
        all = '';
      } finally {
        writing = false;
        text = '';
      }
      if (all !== '') {
        integers[FLAGS] = flags;
        numbers[0] = 0;
        const answer = this.#call(all);
        if (answer !== NOT_IN_TABLE) return answer;
      }
    }
    return this.#crossWritten(written(this.most, type, data, options, trace), flags, 0);
  }

  #crossWritten({ type, data = '', rest = '' }: Written, flags: number, waited: number): number {
    const all = type + rest + data;
    integers[FLAGS] = flags;
    integers[TEXT] = all.length;
    integers[TYPE] = type.length;
    integers[DATA] = data.length || NONE;
    integers[REST] = rest.length || NONE;
    integers[END] = FIRST;
    integers[OPTIONS] = 0;
    numbers[0] = waited;
    const answer = this.#call(all);
    if (answer === NOT_IN_TABLE) throw new InternalError('an event could not be read as JSON; please report');
    return answer;
  }

  #call(all: string): number {
    try {
      if (this.#left === 0) {
        this.#receipts = this.#native.receipts();
        this.#left = BLOCK;
      }
      return this.#emit(all);
    } catch (error) {
      throw fromNative(error);
    }
  }

  #receipt(place: number): Receipt {
    this.#left--;
    return new Receipt(this.#receipts!, place);
  }
}
