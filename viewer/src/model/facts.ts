// What lists and sums need of each event, without its text.

import { isObject, member, text, type JsonObject } from '../verify/json.ts';

export interface Fact {
  run: string;
  /** Of what calls a tool. */
  tool: string;
  label: string;
  outcome: string;
  /** What is summed: of `model.usage`, costs, what says where a run comes from, and what was watched. */
  data: JsonObject | undefined;
}

const SUMMED = [
  'model.usage',
  'cost.estimated',
  'cost.corrected',
  'run.started',
  'run.completed',
  'run.failed',
  'run.cancelled',
  'coverage',
];

export const isType = (type: string, name: string): boolean => type === name || type.endsWith(`.${name}`);

export function factOf(e: JsonObject, intern: (value: string) => string): Fact {
  const type = text(e, 'type') ?? '';
  const given = member(e, 'data');
  const data: JsonObject = isObject(given) ? given : {};
  const say = (key: string): string => text(data, key) ?? '';
  const outcome = say('outcome') || say('decision') || say('assertion') || say('terminal_status');
  return {
    run: intern(text(e, 'runid') ?? ''),
    tool: intern(isType(type, 'tool.invocation') ? say('tool').slice(0, 200) : ''),
    label: intern(labelOf(type, data).slice(0, 200)),
    outcome: intern(outcome.slice(0, 40)),
    data: SUMMED.some((name) => isType(type, name)) ? data : undefined,
  };
}

/** What an event is about, in a few words. */
export function labelOf(type: string, data: JsonObject): string {
  const say = (...keys: string[]): string => {
    for (const key of keys) {
      const value = member(data, key);
      if (typeof value === 'string' && value !== '') return value;
      if (typeof value === 'number') return String(value);
    }
    return '';
  };
  if (isType(type, 'tool.invocation')) return say('tool');
  if (isType(type, 'policy.decision'))
    return [say('action'), say('rule') && `by ${say('rule')}`].filter(Boolean).join(' ');
  if (isType(type, 'policy.breach'))
    return [say('reason'), say('count') && `${say('count')} events`].filter(Boolean).join(', ');
  if (isType(type, 'model.usage')) {
    const tokens = say('total_tokens') || String(sum(data, 'input_tokens', 'output_tokens'));
    return [say('model', 'provider'), `${tokens} tokens`].filter(Boolean).join(', ');
  }
  if (isType(type, 'cost.estimated') || isType(type, 'cost.corrected'))
    return money(member(data, 'amount_micros'), say('currency'));
  if (isType(type, 'audit.chain')) return say('action');
  if (isType(type, 'identity.assertion')) return say('identity');
  if (isType(type, 'heartbeat') || isType(type, 'sink.failed') || isType(type, 'sink.recovered')) {
    return [say('lane'), say('state')].filter(Boolean).join(': ');
  }
  if (isType(type, 'coverage')) return [say('seam'), say('state')].filter(Boolean).join(': ');
  return say('goal', 'step', 'name', 'message', 'kind', 'tool', 'reason', 'action');
}

export function sum(data: JsonObject, ...keys: string[]): number {
  return keys.reduce((all, key) => {
    const value = member(data, key);
    return all + (typeof value === 'number' && value >= 0 ? value : 0);
  }, 0);
}

export function money(micros: unknown, currency: string): string {
  if (typeof micros !== 'number') return '';
  return `${(micros / 1e6).toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 6 })} ${currency}`;
}
