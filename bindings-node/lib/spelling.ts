/**
 * Values for spans and log records, of which nothing is refused: they go to the core as they are, as the stream of tags of
 * `core/src/json/stream.rs`, and it spells what JSON cannot carry, the same for every language.
 *
 * The program's own code runs while values are read (a getter, `toJSON`, a proxy): what throws costs its own value. What
 * holds itself ends where the core keeps nothing more. Members that are undefined are left out, as JSON does.
 */
import { isError } from './errors';

const DEEPEST = 100;
const MOST_VALUES = 20_000;

class Writer {
  #bytes = Buffer.allocUnsafe(1024);
  #end = 0;
  #depth = 0;
  #values = 0;
  /** What is being written: what holds itself ends there. */
  readonly #open = new Set<object>();

  get written(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  #room(more: number): void {
    if (this.#end + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#end + more));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }

  #tag(tag: string): void {
    this.#room(1);
    this.#bytes[this.#end++] = tag.charCodeAt(0);
  }

  #counted(tag: string, bytes: Uint8Array): void {
    this.#tag(tag);
    this.#room(4 + bytes.length);
    this.#end = this.#bytes.writeUInt32LE(bytes.length, this.#end);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  #text(tag: string, text: string): void {
    // A byte that UTF-8 has not stands for half of a surrogate pair, which would go as U+FFFD without a word.
    const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
    if (!lone.test(text)) {
      this.#counted(tag, Buffer.from(text));
      return;
    }
    const parts = text.split(lone).map((part) => Buffer.from(part));
    this.#counted(tag, Buffer.concat(parts.flatMap((part, i) => (i ? [Buffer.of(0xff), part] : [part]))));
  }

  value(value: unknown): void {
    if (++this.#values > MOST_VALUES || this.#depth >= DEEPEST) {
      this.#text('u', 'nested too deep, or too much');
      return;
    }
    const [end, depth] = [this.#end, this.#depth];
    try {
      this.#read(value);
    } catch {
      [this.#end, this.#depth] = [end, depth];
      this.#text('u', nameOf(value));
    }
  }

  #read(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.#text('s', value);
      case 'boolean':
        return this.#tag(value ? 't' : 'f');
      case 'number':
        this.#tag('d');
        this.#room(8);
        this.#end = this.#bytes.writeDoubleLE(value, this.#end);
        return;
      case 'bigint':
        return this.#text('z', value.toString());
      case 'undefined':
        return this.#tag('n');
      case 'object':
        if (value === null) return this.#tag('n');
        if (this.#open.has(value)) return this.#text('u', 'it holds itself');
        this.#open.add(value);
        try {
          return this.#object(value);
        } finally {
          this.#open.delete(value);
        }
      default:
        this.#text('u', `a ${typeof value}`);
    }
  }

  #object(value: object): void {
    const { toJSON } = value as { toJSON?: unknown };
    if (value instanceof Uint8Array) this.#counted('b', value);
    else if (typeof toJSON === 'function') {
      this.#depth++;
      this.value(toJSON.call(value, ''));
      this.#depth--;
    } else if (Array.isArray(value) || value instanceof Set) this.#list(value);
    else if (value instanceof Map)
      this.members(
        Array.from(value, ([key, member]) => [typeof key === 'string' ? key : String(key), () => member]),
      );
    else if (value instanceof Number || value instanceof String || value instanceof Boolean)
      this.#read(value.valueOf());
    else {
      const entries: [string, () => unknown][] = [];
      if (isError(value)) {
        const { name, message, stack, cause } = value as Error;
        const said = Object.entries({ type: name, message, stack, cause });
        entries.push(...said.map(([key, member]): [string, () => unknown] => [key, () => member]));
      }
      for (const key of Object.keys(value))
        entries.push([key, () => (value as Record<string, unknown>)[key]]);
      this.members(entries);
    }
  }

  #list(items: Iterable<unknown>): void {
    this.#tag('[');
    this.#depth++;
    for (const item of items) {
      if (this.#values > MOST_VALUES) break;
      this.value(item);
    }
    this.#depth--;
    this.#tag(']');
  }

  /** An object, each member read when it is written. */
  members(entries: Iterable<readonly [string, () => unknown]>): void {
    this.#tag('{');
    this.#depth++;
    for (const [key, read] of entries) {
      if (this.#values > MOST_VALUES) break;
      let member: unknown;
      try {
        member = read();
      } catch {
        this.#text('k', key);
        this.#text('u', 'its getter threw');
        continue;
      }
      if (member === undefined) continue;
      this.#text('k', key);
      this.value(member);
    }
    this.#depth--;
    this.#tag('}');
  }
}

function nameOf(value: unknown): string {
  try {
    return (value as object).constructor.name || 'an object';
  } catch {
    return 'an object';
  }
}

/**
 * A span or a log record, as the core takes it. Its attributes come last: of one with too many values the core keeps the
 * first.
 */
export function spelled(record: object): Buffer {
  const writer = new Writer();
  if (typeof record !== 'object' || (record as object | null) === null || Array.isArray(record)) {
    // No object at all, of which the core reads JSON.
    return Buffer.from((JSON.stringify(record) as string | undefined) ?? 'null');
  }
  const given = record as Record<string, unknown>;
  const keys = Object.keys(given).filter((key) => key !== 'attributes');
  if ('attributes' in given) keys.push('attributes');
  writer.members(keys.map((key) => [key, () => given[key]]));
  return writer.written;
}
