// A sealer of the tests' own, and what it seals: a run with all that a page can show.
import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { canonical, type Json, type JsonObject } from '../src/verify/json.ts';

const sha256 = (...parts: (string | Buffer)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

/** A key that is always the same, from a seed. */
export function keyOf(seed: number): KeyObject {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

export const stranger = generateKeyPairSync('ed25519').privateKey;

export class Sealer {
  n = 0;
  prev: string | undefined;
  clock = Date.UTC(2026, 0, 1, 9, 0, 0);
  readonly id: string;
  readonly marks: string[] = [];
  /** Whether what is sealed now is signed. */
  signs = true;
  keyid = 'k';

  constructor(
    number: number,
    readonly agent: string,
    public key: KeyObject = keyOf(1),
    readonly lane = 'file',
    mode = 'each',
  ) {
    this.id = `019b76da-a800-7000-8000-${String(number).padStart(12, '0')}`;
    this.own('audit.chain', {
      action: 'opened',
      classes: ['audit'],
      lane,
      sign: mode,
      version: '0.1.0',
      why: 'start',
    });
  }

  own(type: string, data: JsonObject): string {
    return this.seal(type, data, { origin: 'core' });
  }

  readonly lines: string[] = [];

  seal(type: string, data: JsonObject, more: JsonObject = {}): string {
    this.n += 1;
    this.clock += 1500;
    const time = new Date(this.clock).toISOString().replace('Z', '000000Z');
    const { shown = {}, ...attributes } = more as { shown?: JsonObject } & JsonObject;
    const event: JsonObject = {
      agentid: this.agent,
      data,
      datacontenttype: 'application/json',
      dataschema: 'https://sinkwell.dev/schemas/governance-event/1.0',
      id: `${this.id.slice(-3)}-${this.n}`,
      severitynumber: 9,
      severitytext: 'INFO',
      source: 'urn:test',
      specversion: '1.0',
      time,
      type: `dev.sinkwell.${type}`,
      ...attributes,
    };
    const place: JsonObject = {
      recordedtime: time,
      sequence: String(this.n).padStart(20, '0'),
      streamid: this.id,
    };
    if (this.prev !== undefined) place['prevhash'] = this.prev;
    const digest = sha256('sinkwell-event-v1\n', canonical(event));
    const hash = sha256('sinkwell-place-v1\n', canonical(place), '\n', digest);
    this.prev = hash.toString('hex');
    const line = canonical({ ...event, data: { ...data, ...shown }, ...place, ...this.signed(hash) });
    this.lines.push(`${line}\n`);
    return line;
  }

  private signed(hash: Buffer): JsonObject {
    if (!this.signs) return {};
    const signature = sign(null, Buffer.concat([Buffer.from('sinkwell-seal-v1\n'), hash]), this.key);
    return { keyid: this.keyid, sigalg: 'ed25519', signature: signature.toString('base64') };
  }

  checkpoint(action = 'checkpoint'): void {
    const head = { head: this.prev as string, sequence: String(this.n).padStart(20, '0'), streamid: this.id };
    this.own('audit.chain', { action, lane: this.lane, time: '2026-01-01T10:00:00.000000000Z', ...head });
    this.marks.push(this.lines.at(-1) as string);
  }
}

export function part(words: string): { commit: JsonObject; disclosure: JsonObject } {
  const salt = Buffer.alloc(16, 7);
  const digest = sha256('sinkwell-part-v1\n', salt, words).toString('hex');
  return {
    commit: {
      class: 'tool_arguments',
      digest,
      mediatype: 'text/plain',
      mode: 'raw',
      size: Buffer.byteLength(words),
    },
    disclosure: { part: 0, salt: salt.toString('base64'), text: words },
  };
}

function events(): { lines: string[]; marks: string[] } {
  const a = new Sealer(1, 'urn:example:planner');
  const b = new Sealer(2, 'urn:example:helper');
  const run = { runid: 'run-1' };
  a.seal(
    'identity.assertion',
    {
      assertion: 'issued',
      identity: 'urn:example:planner',
      issuer: 'https://id.example',
      scope: 'search pay',
    },
    { id: 'leave', ...run },
  );
  a.seal('run.started', { goal: 'find three flights' }, run);
  a.seal(
    'policy.decision',
    { action: 'search', decision: 'allow', rule: 'tools-by-name', ruleset: 'tools' },
    { id: 'may-search', ...run },
  );
  const open = part('flights from Vienna');
  a.seal(
    'tool.invocation',
    {
      authz: { decision: 'may-search', identity: 'leave', principal: 'user:ana' },
      content: [open.commit],
      duration_ms: 900,
      outcome: 'ok',
      tool: 'search',
    },
    { causationid: 'may-search', ...run, shown: { disclosures: [open.disclosure] } },
  );
  b.seal('run.started', { goal: 'compare prices', parent_run: 'run-1' }, { runid: 'run-2' });
  b.seal(
    'model.usage',
    { input_tokens: 400, output_tokens: 100, model: 'small', provider: 'p', source: { family: 'model' } },
    { runid: 'run-2' },
  );
  b.seal('run.completed', { terminal_status: 'completed' }, { runid: 'run-2' });
  a.seal(
    'model.usage',
    { input_tokens: 1200, output_tokens: 300, model: 'large', provider: 'p', source: { family: 'model' } },
    run,
  );
  a.seal('cost.estimated', { amount_micros: 250_000, currency: 'EUR', rate_table_version: '1' }, run);
  a.seal(
    'policy.decision',
    { action: 'pay', decision: 'deny', rule: 'no-money', ruleset: 'tools' },
    { id: 'may-not-pay', ...run },
  );
  const shut = part('card of Ana');
  a.seal(
    'tool.invocation',
    {
      authz: { decision: 'may-not-pay', identity: 'leave' },
      content: [shut.commit],
      outcome: 'denied',
      tool: 'pay',
    },
    { causationid: 'may-not-pay', ...run },
  );
  a.own('sink.failed', {
    dropped: 0,
    failure: 'network',
    kind: 'otlp',
    lane: 'file',
    state: 'degraded',
    summary: 'connection refused',
    terminal_preserved: true,
  });
  a.own('policy.breach', { count: 2, lane: 'file', reason: 'overflow' });
  a.own('sink.recovered', {
    dropped: 0,
    failure: 'network',
    kind: 'otlp',
    lane: 'file',
    state: 'healthy',
    summary: 'works again',
    terminal_preserved: true,
  });
  a.own('heartbeat', {
    counters: { acknowledged: 11, admitted: 13 },
    heads: [],
    lane: 'file',
    state: 'healthy',
  });
  a.checkpoint();
  a.seal(
    'tool.invocation',
    { authz: { decision: 'may-search', identity: 'leave' }, phase: 'intent', tool: 'book' },
    { id: 'book-1', ...run },
  );
  a.seal('run.failed', { 'error.type': 'killed', terminal_status: 'failed' }, run);
  b.checkpoint('closed');
  a.checkpoint('closed');
  // As they would have come: in turns.
  const lines = [...a.lines.slice(0, 6), ...b.lines.slice(0, 3), ...a.lines.slice(6), ...b.lines.slice(3)];
  return { lines, marks: [...a.marks, ...b.marks] };
}

const sealed = events();

/** A public key as its owner gives it. */
export function pemOf(key: KeyObject): string {
  const spki = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from(publicOf(key), 'base64url'),
  ]);
  return `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----\n`;
}

export function demo(folder: string): void {
  writeFileSync(join(folder, 'k.pem'), pemOf(keyOf(1)));
  writeFileSync(join(folder, 'sound.ndjson'), sealed.lines.join(''));
  writeFileSync(join(folder, 'checkpoints.ndjson'), sealed.marks.join(''));
}

function publicOf(key: KeyObject): string {
  return key.export({ format: 'jwk' }).x as string;
}

const at = (text: string): number => sealed.lines.findIndex((line) => line.includes(text));
const changedAt = (text: string, from: string, to: string): string[] =>
  sealed.lines.map((line, i) => (i === at(text) ? line.replace(from, to) : line));

/** What was tampered with, what the page must say of it first and at the first place to look, and what the line shows there. */
export const tampered: Record<
  string,
  { lines: string[]; hero: RegExp; says: RegExp; line?: RegExp; checkpoints?: boolean }
> = {
  altered: {
    lines: changedAt('"decision":"deny"', '"decision":"deny"', '"decision":"allow"'),
    hero: /A part of this fails its check[\s\S]*1 of 22 lines is not as sealed, or never sealed\. The other 21 are as they were sealed/,
    says: /Changed or added: line 11 of altered\.ndjson, number 8 of its stream[\s\S]*allow pay by no-money/,
    line: /✕ wrong[\s\S]*may-not-pay|✕ wrong[\s\S]*pay by no-money/,
  },
  removed: {
    lines: sealed.lines.filter((_, i) => i !== at('"decision":"deny"')),
    hero: /Not complete[\s\S]*What is here is as it was sealed: 21 lines/,
    says: /Removed: number 8 of a stream[\s\S]*line 11 of removed\.ndjson[\s\S]*number 8: not here any more/,
    line: /tool\.invocation denied pay/,
  },
  truncated: {
    lines: sealed.lines.slice(0, 10),
    hero: /Not complete/,
    says: /Cut off: numbers 8 to 17[\s\S]*line 2 of checkpoints\.ndjson/,
    checkpoints: true,
  },
  forged: {
    lines: [...sealed.lines, forge()],
    hero: /A part of this fails its check[\s\S]*1 of 23 lines/,
    says: /Changed or added: line \d+ of forged\.ndjson/,
    line: /✕ wrong/,
  },
  'missing-stream': {
    lines: sealed.lines.filter((line) => line.includes('-000000000001"')),
    hero: /Not complete/,
    says: /A whole stream is missing: named by line 3 of checkpoints\.ndjson/,
    checkpoints: true,
  },
};

function forge(): string {
  const of = new Sealer(1, 'urn:example:planner', stranger);
  of.n = 30;
  of.prev = 'ab'.repeat(32);
  return `${of.seal('tool.invocation', { outcome: 'ok', tool: 'FORGED' }, { runid: 'run-1' })}\n`;
}

/** A file with a line of a stranger, one that nobody signed, and one that was changed to cost nothing. */
export function marked(): string[] {
  const of = new Sealer(1, 'urn:example:planner', stranger);
  of.n = 40;
  of.prev = 'cd'.repeat(32);
  const usage = {
    input_tokens: 999_999,
    model: 'FORGED',
    output_tokens: 0,
    provider: 'p',
    source: { family: 'model' },
  };
  const bad = of.seal('model.usage', usage, { runid: 'run-1' });
  const bare = JSON.parse(of.seal('model.usage', usage, { runid: 'run-1' })) as JsonObject;
  for (const key of ['keyid', 'sigalg', 'signature']) delete bare[key];
  return [...sealed.lines, `${bad}\n`, `${canonical(bare as Json)}\n`];
}
