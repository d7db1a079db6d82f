// One line: what it says of itself, how its digest, place and hash come about, and what its own seal is worth.

import { sha256 } from '@noble/hashes/sha2.js';

import { hex, joined, unbase64, unhex, utf8 } from './bytes.ts';
import {
  type Json,
  type JsonObject,
  NotJson,
  canonical,
  isObject,
  items,
  member,
  parse,
  plainly,
  text,
} from './json.ts';
import { type Key, mayseal, sealMessage, verifies } from './keys.ts';
import type { Link } from './stream.ts';

const EVENT = 'sinkwell-event-v1\n';
const PLACE = 'sinkwell-place-v1\n';
const PART = utf8('sinkwell-part-v1\n');
const PLACE_MEMBERS = ['prevhash', 'recordedtime', 'sequence', 'streamid'];
const SIGNATURE_MEMBERS = ['keyid', 'sigalg', 'signature'] as const;
const SCHEMA = 'https://sinkwell.dev/schemas/governance-event/';
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;
const HASH = /^[0-9a-f]{64}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const SEVERITY = new Map([
  ['TRACE', 1],
  ['DEBUG', 5],
  ['INFO', 9],
  ['WARN', 13],
  ['ERROR', 17],
  ['FATAL', 21],
]);
export const MOST = 2 ** 53 - 1;
/** The longest line that is read, in bytes. */
export const LONGEST = 16 << 20;

export function sequence(value: Json | undefined): number | undefined {
  if (typeof value !== 'string' || !/^[0-9]{20}$/.test(value)) return undefined;
  const n = Number(value);
  return n >= 1 && n <= MOST ? n : undefined;
}

export const isHash = (value: Json | undefined): value is string =>
  typeof value === 'string' && HASH.test(value);

/** What a line is: JSON or not, and an object with a place or not. */
export type Read =
  | { what: 'placed'; e: JsonObject; streamid: string; n: number; canonical: boolean; plain: boolean }
  | { what: 'other'; json: boolean; why: string };

/** Reads a line without its newline; `undefined` stands for bytes that are no UTF-8. */
export function readLine(line: string | undefined): Read {
  if (line === undefined) return { what: 'other', json: false, why: 'it is not UTF-8' };
  let e: Json;
  let same = false;
  let plain = false;
  try {
    // What is canonical already needs no second reading. Both readers refuse by throwing, an overflown stack included.
    try {
      e = JSON.parse(line) as Json;
      plain = plainly(e, line);
      same = plain || canonical(e) === line;
    } catch {
      e = null;
    }
    if (!same) {
      e = parse(line);
      canonical(e);
    }
  } catch (error) {
    return { what: 'other', json: false, why: error instanceof NotJson ? error.message : 'it is not JSON' };
  }
  const n = isObject(e) ? sequence(member(e, 'sequence')) : undefined;
  const streamid = isObject(e) ? text(e, 'streamid') : undefined;
  if (!isObject(e) || n === undefined || streamid === undefined || !UUID.test(streamid)) {
    return { what: 'other', json: true, why: 'it is JSON, but has no streamid and sequence' };
  }
  return { what: 'placed', e, streamid: streamid.toLowerCase(), n, canonical: same, plain };
}

/** The texts that are hashed, and what comes of them. */
export interface Hashed {
  event: string | undefined;
  place: string;
  digest: Uint8Array;
  hash: Uint8Array;
}

/** `plain`: what `JSON.stringify` writes of it and of its parts is canonical. */
export function hashed(e: JsonObject, plain = false): Hashed {
  const written = plain ? JSON.stringify : canonical;
  let digest: Uint8Array;
  let event: string | undefined;
  if (Object.hasOwn(e, 'stub')) {
    digest = unhex(e['eventdigest'] as string);
  } else {
    const { prevhash, recordedtime, sequence: n, streamid, keyid, sigalg, signature, ...rest } = e;
    const data = member(e, 'data');
    if (isObject(data) && Object.hasOwn(data, 'disclosures')) {
      const shut: JsonObject = Object.create(null) as JsonObject;
      for (const key of Object.keys(data)) if (key !== 'disclosures') shut[key] = data[key] as Json;
      rest['data'] = shut;
    }
    event = written(rest);
    digest = sha256(utf8(EVENT + event));
  }
  const at: JsonObject = {};
  for (const key of PLACE_MEMBERS) if (Object.hasOwn(e, key)) at[key] = e[key] as Json;
  const place = written(at);
  return { event, place, digest, hash: sha256(joined(utf8(`${PLACE}${place}\n`), digest)) };
}

/** Why an envelope, or a stub, is not in its form; `undefined`: it is. */
export function formFault(e: JsonObject): string | undefined {
  const is = (key: string, test: (value: string) => boolean = () => true): boolean => {
    const value = member(e, key);
    return typeof value === 'string' && value !== '' && test(value);
  };
  const prev = member(e, 'prevhash');
  const linked = prev === undefined || isHash(prev);
  if (Object.hasOwn(e, 'stub')) {
    const must = ['stub', 'eventdigest', 'streamid', 'sequence', 'recordedtime'];
    const may = [...must, 'prevhash', ...SIGNATURE_MEMBERS];
    const good =
      must.every((key) => Object.hasOwn(e, key)) &&
      Object.keys(e).every((key) => may.includes(key)) &&
      e['stub'] === 'sinkwell-v1' &&
      isHash(e['eventdigest']) &&
      is('recordedtime', (time) => TIME.test(time)) &&
      linked;
    return good ? undefined : 'a stub, but not in the form that stubs have';
  }
  const checks: [string, boolean][] = [
    ['specversion', member(e, 'specversion') === '1.0'],
    ['id', is('id')],
    ['source', is('source')],
    ['type', is('type', (type) => /^[A-Za-z0-9._-]+$/.test(type))],
    ['time', is('time', (time) => TIME.test(time))],
    ['recordedtime', is('recordedtime', (time) => TIME.test(time))],
    ['datacontenttype', member(e, 'datacontenttype') === 'application/json'],
    ['dataschema', is('dataschema', (schema) => schema.startsWith(SCHEMA))],
    ['data', isObject(member(e, 'data'))],
    ['agentid', is('agentid')],
    [
      'severitytext',
      is(
        'severitytext',
        (severity) => SEVERITY.has(severity) && SEVERITY.get(severity) === e['severitynumber'],
      ),
    ],
    ['origin', (member(e, 'origin') ?? 'core') === 'core'],
    ['prevhash', linked],
  ];
  const fault = checks.find(([, good]) => !good);
  if (fault) return `the attribute ${fault[0]} is missing or not in its form`;
  const empty = Object.keys(e).find((key) => e[key] === null || e[key] === '');
  return empty === undefined ? undefined : `the attribute ${empty} is null or empty`;
}

function unknownMajor(e: JsonObject): boolean {
  const schema = text(e, 'dataschema');
  return (
    schema !== undefined && schema.startsWith(SCHEMA) && schema.slice(SCHEMA.length).split('.')[0] !== '1'
  );
}

/** Whether the disclosures of `data` are what the envelope commits to. */
export function disclosuresGood(data: JsonObject): boolean {
  const given = member(data, 'disclosures');
  const content = member(data, 'content');
  const parts = Array.isArray(content) ? content : [];
  if (!Array.isArray(given)) return false;
  let last = -1;
  for (const d of given) {
    if (!isObject(d) || Object.keys(d).length !== 3) return false;
    const at = member(d, 'part');
    if (typeof at !== 'number' || !Number.isInteger(at) || at <= last || at >= parts.length) return false;
    last = at;
    const committed = parts[at];
    const salt = unbase64(member(d, 'salt'));
    const words = text(d, 'text');
    const clear = words !== undefined ? utf8(words) : unbase64(member(d, 'bytes'));
    if (!isObject(committed) || salt?.length !== 16 || !clear || member(committed, 'size') !== clear.length)
      return false;
    if (hex(sha256(joined(PART, salt, clear))) !== member(committed, 'digest')) return false;
  }
  return true;
}

/** What a line's own seal says: it is good, there is none, or what kind of finding it is. */
export type Seal =
  'good' | 'none' | 'altered' | 'unknown_key' | 'retired_key' | 'malformed' | 'unknown_schema';

/** Where a line stands: in which file, in which line. */
export interface Where {
  source: number;
  line: number;
}

/** Of a placed line what the whole needs of it: its text is read again where somebody looks at it. */
export class Copy implements Where {
  readonly stub: boolean;
  readonly prev: string | undefined;
  /** In hex; of what cannot be hashed, its place, so that it is like no other line. */
  readonly hash: string;
  readonly core: boolean;
  readonly agent: string | undefined;
  readonly id: string;
  readonly type: string;
  readonly recorded: string;
  readonly time: string;
  readonly keyid: string | undefined;
  readonly form: string | undefined;
  readonly badDisclosures: boolean;
  /** `data`, where the whole needs it: of sinkwell's own envelopes, and of what names an authority or half of a deed. */
  readonly data: JsonObject | undefined;
  readonly causation: string;
  /** As read. */
  ownSeal: Seal = 'none';
  ownKey: Key | undefined;
  /** As judged: a signature may turn out to be of a retired key, or about another agent. */
  seal: Seal = 'none';
  key: Key | undefined;
  covered = false;
  /** The id of its stream. */
  stream = '';
  /** Its number in the list of all lines, from 0; -1: it is in none, as those of checkpoint files. */
  at = -1;
  /** What it is a copy of, as judged. */
  link: Link | undefined;

  constructor(
    e: JsonObject,
    readonly n: number,
    readonly source: number,
    readonly line: number,
    readonly canonical: boolean,
    before: Copy | undefined,
    plain = false,
  ) {
    this.stub = Object.hasOwn(e, 'stub');
    this.form = formFault(e);
    const prev = member(e, 'prevhash');
    // The same text is kept once: a million hashes are many bytes.
    this.prev = prev === undefined ? undefined : prev === before?.hash ? before.hash : String(prev);
    this.core = member(e, 'origin') === 'core' && !this.stub;
    const agent = text(e, 'agentid');
    this.agent = agent !== undefined && agent === before?.agent ? before.agent : agent;
    this.id = text(e, 'id') ?? '';
    const type = text(e, 'type') ?? '';
    this.type = type === before?.type ? before.type : type;
    this.recorded = text(e, 'recordedtime') ?? '';
    const time = text(e, 'time') ?? '';
    this.time = time === this.recorded ? this.recorded : time;
    const keyid = text(e, 'keyid');
    this.keyid = keyid === before?.keyid ? before?.keyid : keyid;
    this.causation = text(e, 'causationid') ?? '';
    const data = member(e, 'data');
    this.badDisclosures =
      !this.stub && isObject(data) && Object.hasOwn(data, 'disclosures') && !disclosuresGood(data);
    this.data =
      isObject(data) && (this.core || isObject(member(data, 'authz')) || phaseOf(data)) ? data : undefined;
    const readable = this.stub ? this.form === undefined : !unknownMajor(e);
    this.hash = readable ? hex(hashed(e, plain).hash) : `${source}:${line}`;
    if (!readable) this.ownSeal = this.stub ? 'malformed' : 'unknown_schema';
  }

  get failing(): boolean {
    return this.seal !== 'good' && this.seal !== 'none';
  }

  isOwn(type: string, action?: string): boolean {
    return this.core && this.type.endsWith(type) && (action === undefined || this.said('action') === action);
  }

  said(key: string): Json | undefined {
    return this.data ? member(this.data, key) : undefined;
  }

  list(key: string): JsonObject[] {
    return items(this.said(key));
  }
}

export function phaseOf(data: JsonObject): 'intent' | 'result' | undefined {
  const phase = member(data, 'phase');
  return phase === 'intent' || phase === 'result' ? phase : undefined;
}

/** Sets what the own seal of a line is worth, by these keys; to be waited for where the browser verifies. */
export function check(copy: Copy, e: JsonObject, keys: readonly Key[]): undefined | Promise<void> {
  if (copy.ownSeal === 'malformed' || copy.ownSeal === 'unknown_schema') return undefined;
  const there = SIGNATURE_MEMBERS.filter((key) => Object.hasOwn(e, key));
  const [keyid, sigalg, signature] = SIGNATURE_MEMBERS.map((key) => member(e, key));
  const raw = unbase64(signature);
  const whole = typeof keyid === 'string' && typeof sigalg === 'string' && typeof signature === 'string';
  if (keys.length === 0) {
    const broken = there.length > 0 && (!whole || !raw || (sigalg !== 'ed25519' && sigalg !== 'hmac-sha256'));
    copy.ownSeal = broken
      ? 'altered'
      : copy.form !== undefined
        ? 'malformed'
        : there.length > 0
          ? 'good'
          : 'none';
    return undefined;
  }
  if (there.length === 0) {
    copy.ownSeal = 'none';
    return undefined;
  }
  copy.ownSeal = 'altered';
  if (!whole) return undefined;
  const named = keys.filter((key) => key.id === keyid);
  if (named.length === 0) {
    copy.ownSeal = 'unknown_key';
    return undefined;
  }
  if (!raw) return undefined;
  const may = named.filter((key) => copy.stub || (copy.agent !== undefined && mayseal(key, copy.agent)));
  const message = sealMessage(unhex(copy.hash));
  const good = (key: Key): void => {
    copy.ownSeal = 'good';
    copy.ownKey = key;
  };
  return tryKeys(may, (key) => verifies(key, sigalg, raw, message), good);
}

function tryKeys(
  keys: readonly Key[],
  verified: (key: Key) => boolean | Promise<boolean>,
  good: (key: Key) => void,
): undefined | Promise<void> {
  for (const [i, key] of keys.entries()) {
    const answer = verified(key);
    if (answer === true) {
      good(key);
      return undefined;
    }
    if (answer !== false) {
      return answer.then((is) => (is ? good(key) : tryKeys(keys.slice(i + 1), verified, good)));
    }
  }
  return undefined;
}
