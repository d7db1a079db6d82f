// What findings, states and verdicts are in plain words.

import type { State } from '../model/types.ts';
import type { Kind } from '../verify/stream.ts';
import type { Verdict } from '../verify/judgement.ts';

export const KINDS: Record<Kind, [title: string, meaning: string]> = {
  altered: [
    'Changed or added',
    'What the file says here is not what was sealed. It was changed, or never sealed at all; what stood here before, if anything, is not in this file.',
  ],
  removed: [
    'Removed',
    'They were sealed, and taken out afterwards: the lines on both sides no longer link. What they said is not in this file.',
  ],
  gap: ['Missing', 'Numbers are missing, and nothing declares why.'],
  truncated: ['Cut off', 'The end is gone: a checkpoint says that there was more.'],
  missing_stream: [
    'A whole stream is missing',
    'A line names a stream of which no line is here: it was deleted, or not handed over. Ask whoever gave you the files.',
  ],
  missing_lane: [
    'A lane is missing',
    'A checkpoint names a lane of which no line is here: deleted, or not handed over. Ask whoever gave you the files.',
  ],
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
  declared_loss: [
    'Declared lost',
    'The agent itself reported, sealed, that these events did not arrive. They are none of what is missing without a word.',
  ],
  erased: ['Erased by retention', 'Only proofs are left, and a sealed line says that it was on purpose.'],
  duplicate: ['Twice the same', 'The same line again, as after a retry.'],
  reordered: ['In another order', 'Lines do not stand in the order of their numbers.'],
  not_canonical: ['Written anew', 'The content is right; something wrote the bytes in another form.'],
  torn: ['Unfinished last line', 'The writer was cut off, or is still writing.'],
  missing_edge: ['Leads to nothing', 'An authority is named that is not in this input.'],
  unfinished: [
    'An intent without a result',
    'The agent recorded that it was about to act, and no result. Whether it acted, only the other side can say.',
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
  verified: ['\u2713', 'verified', 'As it was sealed: a signature of one of these keys covers it.'],
  unchecked: ['?', 'unchecked', 'No key was given, or it is not checked yet.'],
  unproven: ['\u25cc', 'unproven', 'No signature covers it: anyone could have written it.'],
  wrong: ['\u2715', 'wrong', 'Do not rely on it: it is not what was sealed, or was never sealed.'],
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
  findings: ['\u2715', 'Fails its check', 'This is not what was sealed, or not all of it.'],
};

/** Kinds of what is not here. Where nothing else was found, what is here may be as it was sealed. */
const ABSENT: ReadonlySet<string> = new Set([
  'removed',
  'gap',
  'truncated',
  'missing_stream',
  'missing_lane',
  'silence',
]);

/** What a record that fails its check is worth: the whole of it, a part, or what is left of it. */
export function failing(
  { verified, unchecked, unproven, wrong }: Record<State, number>,
  bad: ReadonlySet<string>,
): [headline: string, meaning: string] {
  const all = verified + unchecked + unproven + wrong;
  if (verified > 0 && verified === all && [...bad].every((kind) => ABSENT.has(kind))) {
    return [
      'Not complete',
      `Something is missing that nobody declared. What is here is as it was sealed: ${count(verified, 'line')}.`,
    ];
  }
  if (verified === 0 || wrong + unproven === 0) return [VERDICTS.findings[1], VERDICTS.findings[2]];
  const doubtful = wrong > 0 ? wrong : unproven;
  const what = wrong > 0 ? 'not as sealed, or never sealed' : 'covered by no signature';
  const also =
    wrong > 0 && unproven > 0 ? `; ${unproven.toLocaleString('en')} more are covered by no signature` : '';
  return [
    'A part of this fails its check',
    `${doubtful.toLocaleString('en')} of ${count(all, 'line')} ${doubtful === 1 ? 'is' : 'are'} ${what}${also}. The other ${verified === 1 ? 'one is as it was' : `${verified.toLocaleString('en')} are as they were`} sealed.`,
  ];
}

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
