/**
 * Values on their way into the core, as JSON text.
 *
 * Guarantees: what JSON cannot carry is refused with its path; `JSON.stringify` alone would turn NaN into
 * null, leave functions out, and write a Date as one knows not what. Members that are `undefined` are left out, as JSON
 * does. Each value is read once, and what throws while it is read (a getter, a proxy) is refused like any other: no
 * exception of theirs gets out, nor its text. The limits of JSON that concern text (lone surrogates, integers past
 * 2^53-1, depth) are the core's to judge.
 */
import { types } from 'node:util';
import { InvalidEventError } from './errors';

/** What JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Deeper than any configuration allows: what goes this deep is most likely a cycle. */
const DEEPEST = 1024;

/** So many values has no document and no request that crosses as JSON. */
const MOST_VALUES = 1 << 22;

class Fault {
  readonly path: (string | number)[] = [];
  constructor(readonly what: string) {}
}

/** A value that is too long, wherever in it that was noticed. */
class TooLong extends Fault {}

/** How much more of a value is written: what it needs at least, in bytes, and how many values. */
let left = 0;
let values = 0;

function take(units: number): void {
  left -= units;
  if (left < 0 || --values < 0) throw new TooLong('');
}

function remedy(value: unknown): string {
  if (value === undefined) return 'undefined is no value in JSON; send null, or a shorter list';
  switch (typeof value) {
    case 'number':
      return 'NaN and infinities have no JSON form; send the value as a string';
    case 'bigint':
      return 'a BigInt is not the same number to every reader; send it as a string';
    case 'object': {
      const name = (value as object).constructor?.name;
      const what = name ? `a ${name}` : 'an object with a prototype of its own';
      return `${what} has no JSON form; send ${substitute(value as object)}`;
    }
    default:
      return `a ${typeof value} has no JSON form; leave the member out`;
  }
}

/** What to send in place of an object that JSON does not know. */
function substitute(value: object): string {
  if (types.isPromise(value)) return 'what it resolves to: await it';
  if (types.isMap(value)) return 'a plain object: Object.fromEntries(map)';
  if (types.isSet(value)) return 'an array: [...set]';
  if (types.isDate(value) || types.isNativeError(value) || ArrayBuffer.isView(value)) return 'it as a string';
  return 'a plain object of its members, as { ...it }, or a string';
}

/** A plain object, also one of another realm. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What reading a member threw: by its kind only, as its text may hold anything. */
function unreadable(error: unknown): Fault {
  return new Fault(`reading it threw ${nameOfThrown(error)}; send its value`);
}

/** The name of an error's class, which is all that may be said of somebody else's exception. */
export function nameOfThrown(error: unknown): string {
  let name: unknown;
  try {
    name = typeof error === 'object' && error !== null ? error.constructor.name : typeof error;
  } catch {
    // Not even that can be read.
  }
  return typeof name === 'string' && /^[A-Za-z0-9_$]{1,64}$/.test(name) ? name : 'an error';
}

/** The value as what JSON has, each part of it read once; throws a {@link Fault}. */
function plain(value: unknown, depth: number): Json | undefined {
  switch (typeof value) {
    case 'string':
      take(value.length + 2);
      return value;
    case 'boolean':
      take(4);
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw new Fault(remedy(value));
      take(1);
      return value;
    case 'object':
      take(2);
      break;
    default:
      throw new Fault(remedy(value));
  }
  if (value === null) return null;
  if (depth > DEEPEST)
    throw new Fault('nested without end: an object that holds itself; send a reference as a string');
  if (Array.isArray(value)) {
    const list: Json[] = [];
    for (let i = 0; i < value.length; i++) list.push(step(value, i, depth) as Json);
    return list;
  }
  if (!isPlain(value)) throw new Fault(remedy(value));
  // Without a prototype, so that a key of any name is a key.
  const object: { [key: string]: Json } = Object.create(null);
  for (const key of Object.keys(value)) {
    const member = step(value as Record<string, unknown>, key, depth);
    if (member !== undefined) object[key] = member;
  }
  return object;
}

/** What stands at one step further on. */
function step(from: object, key: string | number, depth: number): Json | undefined {
  try {
    const value = (from as Record<string | number, unknown>)[key];
    if (value === undefined && typeof key === 'string') return undefined;
    take(typeof key === 'string' ? key.length + 3 : 0);
    return plain(value, depth + 1);
  } catch (error) {
    if (error instanceof TooLong) throw error;
    const fault = error instanceof Fault ? error : unreadable(error);
    // The path of a cycle is as long as the stack: its first steps say enough.
    if (depth < 16) fault.path.push(key);
    throw fault;
  }
}

/**
 * The value as JSON text. `place` is what errors call it. What needs twice as many bytes as `most` is refused before it is written to
 * its end: lists that hold others again and again are longer than any memory. Of what is a little too long the core says how long.
 */
export function toJson(value: unknown, place: string, most = Infinity): string {
  let fault: Fault;
  // Reading a value may run code of the program's, which may come here.
  const outer = [left, values] as const;
  left = 2 * most;
  values = most === Infinity ? MOST_VALUES : Infinity;
  try {
    return JSON.stringify(plain(value, 0));
  } catch (error) {
    if (error instanceof TooLong)
      throw new InvalidEventError(
        `over the limit of ${most === Infinity ? `${MOST_VALUES} values` : `${most} bytes`}; nothing is truncated: send less, or a reference`,
        place || undefined,
      );
    fault = error instanceof Fault ? error : unreadable(error);
  } finally {
    [left, values] = outer;
  }
  let where = place;
  for (const step of fault.path.reverse()) {
    where += typeof step === 'number' ? `[${step}]` : where === '' ? step : `.${step}`;
  }
  throw new InvalidEventError(fault.what, where || undefined);
}

/** How much of what a provider answered is read: its counts stand near the top. */
const NEAR = 8;
const MOST = 4096;

/**
 * What a client of a provider's answers, as JSON text: an instance of a class is read as its own members, and what JSON
 * cannot carry (an HTTP response, a stream, bytes) is left out, as are lists and what lies deep: counts are asked for.
 */
export function answerJson(value: unknown, place: string): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return toJson(value, place);
  let left = MOST;
  const near = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return value.length <= 1024 ? value.toWellFormed() : undefined;
    if (typeof value === 'number') {
      const carried = Number.isFinite(value) && (Number.isSafeInteger(value) || !Number.isInteger(value));
      return carried ? value : undefined;
    }
    if (typeof value === 'bigint') return near(Number(value), depth);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return typeof value === 'boolean' || value === null ? value : undefined;
    }
    if (depth > NEAR || types.isPromise(value) || ArrayBuffer.isView(value)) return undefined;
    const made: Record<string, unknown> = Object.create(null);
    try {
      for (const key of Object.keys(value)) {
        if (left-- <= 0) break;
        try {
          const member = near((value as Record<string, unknown>)[key], depth + 1);
          if (member !== undefined) made[key.toWellFormed()] = member;
        } catch {
          // What cannot be read is not there.
        }
      }
    } catch {
      // Nor what will not say what it has.
    }
    return made;
  };
  return JSON.stringify(near(value, 0));
}

/** The names of an object's members in JavaScript's spelling: `dropped_by` is `droppedBy`. Not deeper. */
export function camel<T>(object: Record<string, unknown>): T {
  const spelled: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(object)) {
    spelled[name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())] = value;
  }
  return spelled as T;
}

/** The other way round: `requestedMode` is `requested_mode`. */
export function snake(object: object): Record<string, unknown> {
  const spelled: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(object)) {
    if (value !== undefined) spelled[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = value;
  }
  return spelled;
}
