// Where the page's verdict and the core's differ. Two notes, about the order and the form of lines, are left out: they may be
// said of lines that nothing covers, or not.

import type { Report } from '../verify/judgement.ts';
import type { CoreFinding, CoreReport } from './types.ts';

const APART = new Set(['reordered', 'not_canonical']);
/** Of one kind the core tells so many one by one. */
const KEPT = 1000;

interface Finding {
  kind: string;
  from?: number | undefined;
  to?: number | undefined;
  where?: string | undefined;
}

export function differences(mine: Report, core: CoreReport): string[] {
  const out: string[] = [];
  const say = (what: string, page: unknown, command: unknown): void => {
    if (page !== command) out.push(`${what}: this page says ${String(page)}, the command ${String(command)}`);
  };
  say('the verdict', mine.verdict, core.verdict);
  say('envelopes', mine.envelopes, core.envelopes);
  say('unsigned', mine.unsigned, core.unsigned);
  say('lines that are no envelope', mine.malformed, core.malformed);
  say('open streams', mine.open, core.open);
  say('erased', mine.erased, core.erased);
  const lost = (by: Record<string, number>): string => JSON.stringify(Object.entries(by).sort());
  say('events lost', lost(mine.lost), lost(core.lost));
  say(
    'streams',
    mine.streams.map(({ streamid }) => streamid).join(' '),
    core.streams.map(({ streamid }) => streamid).join(' '),
  );
  compare('of no stream', mine.findings, core.findings, out);
  for (const theirs of core.streams) {
    const own = mine.streams.find(({ streamid }) => streamid === theirs.streamid);
    if (!own) continue;
    say(`the verdict on ${theirs.streamid}`, own.verdict, theirs.verdict);
    say(`envelopes of ${theirs.streamid}`, own.envelopes, theirs.envelopes);
    say(`closed, ${theirs.streamid}`, own.closed, theirs.closed);
    compare(theirs.streamid, own.findings, theirs.findings, out);
  }
  return out;
}

function compare(of: string, mine: readonly Finding[], theirs: readonly CoreFinding[], out: string[]): void {
  if (theirs.length >= KEPT) return;
  const key = ({ kind, from, to, where }: Finding): string => {
    const range = from === undefined ? '' : from === to ? ` ${from}` : ` ${from}–${to}`;
    return `${kind}${range}${where === undefined ? '' : ` at ${where}`}`;
  };
  // One finding that is told twice, for two reasons, is one.
  const all = (list: readonly Finding[]): Set<string> =>
    new Set(list.filter(({ kind }) => !APART.has(kind)).map(key));
  const [a, b] = [all(mine), all(theirs)];
  for (const found of a) if (!b.has(found)) out.push(`${of}: only this page finds ${found}`);
  for (const found of b) if (!a.has(found)) out.push(`${of}: only the command finds ${found}`);
}
