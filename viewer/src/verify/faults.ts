// What is found in one stream: of each line by itself, of stretches that nothing covers, and of its chain.

import type { Copy } from './line.ts';
import { sequence } from './line.ts';
import { Ranges, minus, runs } from './ranges.ts';
import { BREATH, type Kind, type Link, type Stream } from './stream.ts';
import type { Judgement } from './judgement.ts';

export function* findings(verifier: Judgement, stream: Stream): Generator<void> {
  stream.modes.sort((a, b) => a[0] - b[0]);
  yield* eachLine(verifier, stream);
  yield* stretches(verifier, stream);
  if (verifier.here.has(stream.id)) yield* chain(verifier, stream);
}

/** Of a line without copies: nothing was before it. */
const ALONE = { envelope: false, stub: false };

/** What each line deserves by itself. */
function* eachLine(verifier: Judgement, stream: Stream): Generator<void> {
  // Whether a link has had an envelope, and a stub, that is not wrong.
  const had = new Map<Link, { envelope: boolean; stub: boolean }>();
  let arrived: { source: number; n: number } | undefined;
  for (const [i, copy] of stream.copies.entries()) {
    if (i % BREATH === 0) yield;
    const link = copy.link as Link;
    const where = (): string => verifier.whereOf(copy);
    let before = ALONE;
    if (link.copies.length > 1) {
      before = had.get(link) ?? { envelope: false, stub: false };
      had.set(link, before);
    }
    const form = copy.stub ? 'stub' : 'envelope';
    const duplicate = !copy.failing && before[form];
    if (before !== ALONE) before[form] ||= !copy.failing;
    if (duplicate) stream.add('duplicate', copy.n, copy.n, where());
    const badForm = link.covered && copy.form !== undefined;
    const malformed = copy.seal === 'malformed' || (badForm && !copy.failing);
    if (!duplicate) {
      stream.malformed += Number(malformed);
      stream.envelopes += Number(!malformed && !copy.stub);
    }
    if (copy.badDisclosures) {
      stream.add('altered', copy.n, copy.n, where(), {
        why: 'a disclosure is not what the envelope commits to',
      });
    }
    if (!link.covered) continue;
    if (copy.failing) stream.add(copy.seal as Kind, copy.n, copy.n, where(), { why: sealWords(copy) });
    else if (badForm) stream.add('malformed', copy.n, copy.n, where(), { why: copy.form as string });
    else if (!copy.stub && copy.agent !== stream.agent) {
      stream.add('altered', copy.n, copy.n, where(), { why: "its agent is not the stream's" });
    }
    if (!copy.canonical) stream.add('not_canonical', copy.n, copy.n, where());
    if (copy !== link.first) continue;
    if (link !== stream.firstGood(copy.n)) stream.add('conflict', copy.n, copy.n, where());
    else if (!copy.stub) {
      if (arrived?.source === copy.source && copy.n < arrived.n)
        stream.add('reordered', copy.n, copy.n, where());
      arrived = { source: copy.source, n: copy.n };
    }
  }
  if (stream.closed === undefined) return;
  const late = stream.numbers.filter((n, i) => n > (stream.closed as number) && stream.good.rows[i]);
  if (late.length > 0) {
    const [first, last] = [late[0] as number, late.at(-1) as number];
    stream.add('after_close', first, last, verifier.whereOf(stream.firstGood(first).first));
  }
}

const sealWords = (copy: Copy): string =>
  copy.seal === 'altered'
    ? 'its own signature is not that of the key'
    : copy.seal === 'unknown_key'
      ? `signed by the key "${copy.keyid ?? ''}", which was not given`
      : '';

/** What no signature covers: `altered` or another kind as far back as the last signature, or `unsigned`. */
function* stretches(verifier: Judgement, stream: Stream): Generator<void> {
  const keys = verifier.keys.length > 0;
  const bare = new Map<number, string>();
  const carried = new Set<number>();
  for (const [i, links] of stream.good.rows.entries()) {
    if (i % BREATH === 0) yield;
    for (const link of links ?? []) {
      if (link.kept.core) for (const [from] of stream.carries(link)) carried.add(from);
    }
  }
  let run: Link[] = [];
  let last = 0;
  const where = (link: Link): string => verifier.whereOf(link.first);
  const stop = (compared: boolean): void => {
    const [first] = run;
    if (first && compared) {
      stream.add('altered', first.n, (run.at(-1) as Link).n, where(first), {
        why: 'the chain behind it leads to something else than what stands here',
      });
    } else {
      for (const link of run) bare.set(link.n, where(link));
    }
    run = [];
  };
  for (const [i, n] of stream.numbers.entries()) {
    if (i % BREATH === 0) yield;
    if (n > last + 1) stop(carried.has(last + 1) || skipped(stream, last + 1, n));
    last = n;
    const links = stream.rows[i] as Link[];
    const link = stream.good.rows[i]?.[0];
    if (link) {
      stop(true);
      if (keys && stream.mode(n) === 'each' && !link.signed && !link.kept.failing) bare.set(n, where(link));
      // Copies that nothing covers, where a good one stands.
      for (const other of links) {
        if (other.covered) continue;
        for (const copy of other.copies) {
          if (copy.failing || copy === other.first) {
            const kind = copy.failing ? (copy.seal as Kind) : 'unsigned';
            stream.add(kind, n, n, verifier.whereOf(copy), { why: sealWords(copy) });
          }
        }
        stream.unsigned += Number(!other.first.failing);
      }
      continue;
    }
    const [plain, ...rivals] = links.filter((link) => !link.kept.failing);
    for (const rival of rivals)
      stream.add('unsigned', n, n, where(rival), { why: 'another line claims this number' });
    stream.unsigned += rivals.length;
    const failing = links.flatMap((link) => link.copies.filter((copy) => copy.failing));
    failing.sort((a, b) => a.source - b.source || a.line - b.line);
    if (plain && stream.mode(n) === 'each') bare.set(n, where(plain));
    else if (plain) run.push(plain);
    else {
      const copy = failing.shift() as Copy;
      const [first] = run;
      stream.add(copy.seal as Kind, first?.n ?? n, n, first ? where(first) : verifier.whereOf(copy), {
        why: sealWords(copy),
      });
      run = [];
    }
    for (const copy of failing)
      stream.add(copy.seal as Kind, n, n, verifier.whereOf(copy), { why: sealWords(copy) });
  }
  stop(false);
  for (const [from, to] of runs(bare.keys())) stream.add('unsigned', from, to, bare.get(from));
  stream.unsigned += bare.size;
  if (!keys) {
    const numbers = new Set(stream.unsignedNumbers);
    for (const [n, [link]] of stream.good) if (stream.mode(n) === 'each' && !link?.signed) numbers.add(n);
    stream.unsigned = numbers.size;
  }
}

/** Whether the declaration at `n` skipped all numbers from `from` to before it, so that its link was compared over them. */
function skipped(stream: Stream, from: number, n: number): boolean {
  const link = stream.good.get(n)?.[0];
  if (!link?.kept.isOwn('policy.breach')) return false;
  return link.kept
    .list('lost')
    .some(
      (range) =>
        sequence(range['from']) === from &&
        sequence(range['to']) === n - 1 &&
        !Object.hasOwn(range, 'streamid') &&
        !Object.hasOwn(range, 'prev'),
    );
}

/** Neighbours by number: links, holes, the beginning. */
function* chain(verifier: Judgement, stream: Stream): Generator<void> {
  let before: number | undefined;
  for (const [i, n] of stream.numbers.entries()) {
    if (i % BREATH === 0) yield;
    const link = stream.good.rows[i]?.[0];
    if (!link) continue;
    const where = (): string => verifier.whereOf(link.first);
    let low: number;
    let unbroken: boolean;
    if (before === undefined) {
      const begins = stream.numbers.find(
        (m) => m < n && stream.filled.has(m) && stream.at(m).some((other) => other.prev === undefined),
      );
      low = begins ?? stream.start;
      unbroken = link.prev === undefined;
      if (n === stream.start && link.prev !== undefined) {
        stream.add('altered', n, n, where(), { why: 'the first of a stream names one before it' });
      }
      before = n;
      if (verifier.options.partial) continue;
    } else {
      low = before + 1;
      unbroken = stream.matches(before, link.prev);
      before = n;
      const filled = n > low && minus(low, n - 1, stream.filled).length === 0;
      if ((n === low && !unbroken) || (link.prev === undefined && !filled)) {
        stream.add('altered', n, n, where(), { why: 'it does not name the hash of the one before it' });
      }
    }
    if (low === n) continue;
    for (const [from, to] of minus(low, n - 1, stream.filled, stream.declared)) {
      stream.add(unbroken ? 'gap' : 'removed', from, to, where());
    }
  }
}

/** Stubs that are covered: erased, where retention says so; the first of a stream never is. */
export function stubs(verifier: Judgement, stream: Stream): void {
  const erased = new Ranges();
  const removed = new Ranges();
  for (const [n, [link]] of stream.good) {
    if (!link?.stub) continue;
    const may = stream.erasable.has(n) && link.prev !== undefined;
    (may ? erased : removed).add(n, n);
    stream.erased += Number(may);
  }
  for (const [from, to] of erased.list) {
    stream.add('erased', from, to, verifier.whereOf(stream.firstGood(from).first));
  }
  for (const [from, to] of removed.list) {
    stream.add('removed', from, to, verifier.whereOf(stream.firstGood(from).first), {
      why: 'only a stub is left, and no retention says so',
    });
  }
}
