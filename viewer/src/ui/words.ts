// What findings, states and verdicts are in plain words.

import type { State } from '../model/types.ts';
import type { Kind } from '../verify/stream.ts';
import type { Verdict } from '../verify/judgement.ts';

export const KINDS: Record<Kind, [title: string, meaning: string]> = {
  altered: [
    'Changed',
    'This is not what was sealed: a field, a signature, or the link to the line before it was changed.',
  ],
  removed: [
    'Removed',
    'Lines were taken out after they had been sealed: the chain is broken where they stood.',
  ],
  gap: ['Missing', 'Numbers are missing, and nothing declares why.'],
  truncated: ['Cut off', 'The end is gone: a checkpoint says that there was more.'],
  missing_stream: ['A whole stream is missing', 'Something names a stream of which nothing is here.'],
  missing_lane: ['A lane is missing', 'A checkpoint names a lane of which nothing is here.'],
  conflict: ['Two histories', 'Two different lines claim the same place, both sealed by the key.'],
  unsigned: ['Not signed', 'No signature reaches these lines: anyone could have written them.'],
  unknown_key: ['Signed by a key that was not given', 'It may be right; without that key nobody can tell.'],
  retired_key: ['Signed by a retired key', 'The stream had announced the end of this key before.'],
  after_close: ['After the end', 'It stands behind the line that closed the stream.'],
  malformed: ['Not an envelope', 'A line that is no sealed event.'],
  unknown_schema: ['A newer format', 'This page does not know this version of the format.'],
  silence: ['Silent', 'The stream was not closed, and nothing was heard of it for long.'],
  second_result: ['Two results', 'An act has two results: it is done once.'],
  early_result: ['A result before its intent', 'The act was not held up for its intent.'],
  result_alone: ['A result without its intent', 'What was intended is not in this input.'],
  declared_loss: ['Declared lost', 'The producer itself says, sealed, that these events did not arrive.'],
  erased: ['Erased by retention', 'Only proofs are left, and a sealed line says that it was on purpose.'],
  duplicate: ['Twice the same', 'The same line again, as after a retry.'],
  reordered: ['In another order', 'Lines do not stand in the order of their numbers.'],
  not_canonical: ['Written anew', 'The content is right; something wrote the bytes in another form.'],
  torn: ['Unfinished last line', 'The writer was cut off, or is still writing.'],
  missing_edge: ['Leads to nothing', 'An authority is named that is not in this input.'],
  unfinished: [
    'An intent without a result',
    'Something cut this act off: whether it was done, only the world outside can tell.',
  ],
  open: ['No proven end', 'The stream was not closed: lines cut off its end would not show.'],
};

/** What is wrong, as one says it of so many places. */
const WRONGS: Partial<Record<Kind, [one: string, many: string]>> = {
  altered: ['one place was changed', 'places were changed'],
  removed: ['lines were taken out at one place', 'places where lines were taken out'],
  gap: ['lines are missing at one place', 'places where lines are missing'],
  truncated: ['the end of one stream is cut off', 'streams whose end is cut off'],
  missing_stream: ['one whole stream is missing', 'whole streams are missing'],
  conflict: ['one place is claimed by two histories', 'places are claimed by two histories'],
  unsigned: ['one stretch is not signed', 'stretches are not signed'],
  unknown_key: [
    'one stretch is signed by a key that was not given',
    'stretches are signed by a key that was not given',
  ],
  malformed: ['one line is no sealed event', 'lines are no sealed events'],
};

/** What was found, in one sentence; nothing where the verdict has said it all. */
export function wrongs(kinds: Record<string, number>, bad: ReadonlySet<string>): string {
  const parts = Object.entries(kinds)
    .filter(([kind]) => bad.has(kind))
    .map(([kind, n]) => {
      const [one, many] = WRONGS[kind as Kind] ?? [];
      if (one === undefined) return `${kindTitle(kind)} (${n.toLocaleString('en')})`;
      return n === 1 ? one : `${n.toLocaleString('en')} ${many ?? ''}`;
    });
  return parts.length === 0 ? '' : `${parts.slice(0, 5).join('; ')}${parts.length > 5 ? '; and more' : ''}.`;
}

export const kindTitle = (kind: string): string => KINDS[kind as Kind]?.[0] ?? kind;
export const kindMeaning = (kind: string): string => KINDS[kind as Kind]?.[1] ?? '';

export const STATES: Record<State, [mark: string, word: string, meaning: string]> = {
  verified: ['\u2713', 'verified', 'A signature of a key that was given covers it.'],
  unchecked: ['?', 'unchecked', 'No key was given, or it is not checked yet.'],
  unproven: ['\u25cc', 'unproven', 'No signature covers it: anyone could have written it.'],
  wrong: ['\u2715', 'wrong', 'It is not what was sealed, or what its signature says is not so.'],
};

export const VERDICTS: Record<Verdict, [mark: string, headline: string, meaning: string]> = {
  sound: ['\u2713', 'Sound', 'Every signature is right, the chain is whole, and nothing is missing.'],
  incomplete: [
    '\u25d0',
    'Incomplete, and says so',
    'All that is here is right. The producer itself declared what is lost or erased.',
  ],
  unchecked: [
    '?',
    'Unchecked',
    'No key was given: anyone could have made this. Give the key below, and this page checks it.',
  ],
  findings: ['\u2715', 'Do not believe all of this', 'This is not what was sealed, or not all of it.'],
};

export function shortType(type: string): string {
  return type.replace(/^dev\.sinkwell\./, '');
}

export const count = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  if (n < 1 << 20) return `${(n / 1024).toFixed(1)} kB`;
  return `${(n / (1 << 20)).toFixed(1)} MB`;
}

export function span(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '';
  if (ms < 1000) return `${Math.round(ms * 10) / 10} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`;
}

export const time = (t: string): string => (t ? t.slice(0, 19).replace('T', ' ') + t.slice(19, 23) : '');
export const clock = (t: string): string => t.slice(11, 23);
export const money = (micros: number, currency: string): string =>
  `${(micros / 1e6).toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 6 })} ${currency}`;
