// JSON as envelopes are read: strictly, and written by RFC 8785.
//
// `JSON.parse` takes repeated keys, lone surrogates and numbers beyond a double. What it gave is therefore written
// canonically and compared with the text: where the two are the same, none of these can have been in it. Any other
// text is read again by a reader that refuses them.

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/** How deep a line may nest. */
export const DEEPEST = 513;

export class NotJson extends Error {}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A member of an object, never one that all objects of JavaScript inherit. */
export function member(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function text(object: JsonObject, key: string): string | undefined {
  const value = member(object, key);
  return typeof value === 'string' ? value : undefined;
}

/** The objects of a list; nothing, where it is none. */
export function items(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The canonical form of a value (RFC 8785). */
export function canonical(value: Json, depth = 0): string {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new NotJson('a lone surrogate');
    return JSON.stringify(value);
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new NotJson('a number beyond a double');
    return String(value === 0 ? 0 : value);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (depth >= DEEPEST) throw new NotJson('nested too deep');
  if (Array.isArray(value)) {
    let out = '[';
    for (let i = 0; i < value.length; i += 1) out += (i ? ',' : '') + canonical(value[i] as Json, depth + 1);
    return out + ']';
  }
  let out = '{';
  // Without a comparison, `sort` compares UTF-16 code units, as the standard asks for.
  for (const key of Object.keys(value).sort()) {
    out += (out === '{' ? '' : ',') + canonical(key) + ':' + canonical(value[key] as Json, depth + 1);
  }
  return out + '}';
}

/**
 * Whether `value`, which `JSON.parse` made of `source`, says so canonically, as far as that is found without writing it by
 * hand: then so does `JSON.stringify` of it and of each part of it. `false` says nothing.
 */
export function plainly(value: Json, source: string): boolean {
  // A lone surrogate, which is written as it was read.
  return !source.includes('\\ud') && sorted(value, 0) && JSON.stringify(value) === source;
}

function sorted(value: Json, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth >= DEEPEST) return false;
  if (Array.isArray(value)) return value.every((each) => sorted(each, depth + 1));
  let before: string | undefined;
  for (const key of Object.keys(value)) {
    if (before !== undefined && !(before < key)) return false;
    before = key;
    if (!sorted(value[key] as Json, depth + 1)) return false;
  }
  return true;
}

/** Reads a text that need not be canonical; throws `NotJson`. */
export function parse(source: string): Json {
  return new Reader(source).whole();
}

class Reader {
  private at = 0;

  constructor(private readonly source: string) {}

  whole(): Json {
    const value = this.value(0);
    this.blank();
    if (this.at < this.source.length) this.fail('something behind the value');
    return value;
  }

  private value(depth: number): Json {
    this.blank();
    const c = this.source[this.at];
    if (c === '{') return this.object(depth);
    if (c === '[') return this.array(depth);
    if (c === '"') return this.string();
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (this.source.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    number.lastIndex = this.at;
    const found = number.exec(this.source);
    if (!found) return this.fail('no value');
    this.at += found[0].length;
    const value = Number(found[0]);
    return Number.isFinite(value) ? value : this.fail('a number beyond a double');
  }

  private object(depth: number): JsonObject {
    if (depth >= DEEPEST) this.fail('nested too deep');
    const out: JsonObject = {};
    this.at += 1;
    this.blank();
    if (this.take('}')) return out;
    for (;;) {
      this.blank();
      const key = this.source[this.at] === '"' ? this.string() : this.fail('no key');
      if (Object.hasOwn(out, key)) this.fail('a key is there twice');
      this.blank();
      if (!this.take(':')) this.fail('no colon');
      // Not by assignment, which `__proto__` would turn into something else.
      Object.defineProperty(out, key, {
        value: this.value(depth + 1),
        enumerable: true,
        writable: true,
        configurable: true,
      });
      this.blank();
      if (this.take('}')) return out;
      if (!this.take(',')) this.fail('no comma');
    }
  }

  private array(depth: number): Json[] {
    if (depth >= DEEPEST) this.fail('nested too deep');
    const out: Json[] = [];
    this.at += 1;
    this.blank();
    if (this.take(']')) return out;
    for (;;) {
      out.push(this.value(depth + 1));
      this.blank();
      if (this.take(']')) return out;
      if (!this.take(',')) this.fail('no comma');
    }
  }

  private string(): string {
    let end = this.at + 1;
    while (end < this.source.length && this.source[end] !== '"') end += this.source[end] === '\\' ? 2 : 1;
    let value: string;
    try {
      value = JSON.parse(this.source.slice(this.at, end + 1)) as string;
    } catch {
      return this.fail('no string');
    }
    if (!value.isWellFormed()) this.fail('a lone surrogate');
    this.at = end + 1;
    return value;
  }

  private take(c: string): boolean {
    const there = this.source[this.at] === c;
    if (there) this.at += 1;
    return there;
  }

  private blank(): void {
    while (' \t\n\r'.includes(this.source[this.at] ?? 'x')) this.at += 1;
  }

  private fail(what: string): never {
    throw new NotJson(`${what}, at character ${this.at}`);
  }
}
