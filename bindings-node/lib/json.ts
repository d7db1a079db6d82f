/**
 * Values on their way into the core, as JSON text.
 *
 * Guarantees: what JSON cannot carry is refused with its path; `JSON.stringify` alone would turn NaN into
 * null, leave `undefined` and functions out, and write a Date as one knows not what. The limits of JSON that
 * concern text (lone surrogates, integers past 2^53-1, depth) are the core's to judge.
 */
import { InvalidEventError } from './errors';

/** What JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Deeper than any configuration allows: what goes this deep is most likely a cycle. */
const DEEPEST = 1024;

class Fault {
  readonly path: (string | number)[] = [];
  constructor(readonly what: string) {}
}

function remedy(value: unknown): string {
  if (value === undefined) return 'undefined is no value in JSON; leave the member out, or send null';
  switch (typeof value) {
    case 'number':
      return `${value} is no number in JSON; send it as a string`;
    case 'bigint':
      return 'a BigInt is not the same number to every reader; send it as a string';
    case 'object': {
      const name = (value as object).constructor?.name || 'an object with a prototype of its own';
      return `${name} has no form in JSON; send it as a string, a plain object or an array`;
    }
    default:
      return `a ${typeof value} has no form in JSON; leave the member out`;
  }
}

/** A plain object, also one of another realm. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

function find(value: unknown, depth: number): Fault | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : new Fault(remedy(value));
    case 'object':
      break;
    default:
      return new Fault(remedy(value));
  }
  if (value === null) return undefined;
  if (depth > DEEPEST)
    return new Fault('nested without end: an object that holds itself; send a reference as a string');
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const fault = find(value[i], depth + 1);
      if (fault) return at(fault, i, depth);
    }
    return undefined;
  }
  if (!isPlain(value)) return new Fault(remedy(value));
  for (const key in value) {
    const fault = find((value as Record<string, unknown>)[key], depth + 1);
    // What a polluted Object.prototype holds is not sent, so it is no fault.
    if (fault && Object.hasOwn(value, key)) return at(fault, key, depth);
  }
  return undefined;
}

/** The path of a cycle is as long as the stack: its first steps say enough. */
function at(fault: Fault, step: string | number, depth: number): Fault {
  if (depth < 16) fault.path.push(step);
  return fault;
}

/** The value as JSON text. `place` is what errors call it. */
export function toJson(value: unknown, place: string): string {
  const fault = find(value, 0);
  if (fault === undefined) return JSON.stringify(value);
  let where = place;
  for (const step of fault.path.reverse()) {
    where += typeof step === 'number' ? `[${step}]` : where === '' ? step : `.${step}`;
  }
  throw new InvalidEventError(fault.what, where || undefined);
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
