// What the page costs: `node build/test/figures.mjs EVENTS [each|batch]`, after `node scripts/build.mjs --test`.
// With `live SECONDS [BEFORE]`: a file that has BEFORE events grows by 5 000 a second, and how far the page is behind.
// With SINKWELL_CHECK=1 it fails where what docs/VIEWER.md promises is missed.
// Writes a file of so many events, its page, opens it in Chromium, and prints how long what took, and what it holds.
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, createWriteStream, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

import { chromium } from 'playwright-core';

import { Sealer, demo } from './sealed.ts';

const root = join(import.meta.dirname ?? '.', '../../..');
const folder = join(root, 'target/viewer/figures');
const live = process.argv[2] === 'live';
const events = Number(process.argv[live ? 4 : 2] ?? (live ? 0 : 100_000));
const each = process.argv[3] === 'each';
const checks = process.env['SINKWELL_CHECK'] === '1';
const RATE = 5000;
/** Who waits longer than so many milliseconds waits in vain. */
const LONG = 60_000;
const command = process.env['SINKWELL_COMMAND'] ?? join(root, 'target/release/sinkwell');

/** Seals the next event; each is signed, or one of a hundred. */
function next(of: Sealer, i: number, last: boolean): void {
  if (!each) of.signs = i % 100 === 99 || last;
  of.seal(
    i % 2 ? 'tool.invocation' : 'policy.decision',
    i % 2
      ? { duration_ms: i % 900, outcome: 'ok', tool: `tool-${i % 17}` }
      : { action: `tool-${i % 17}`, decision: 'allow', rule: 'tools-by-name', ruleset: 'tools' },
    { runid: `run-${Math.floor(i / 200)}` },
  );
}

async function sealed(file: string): Promise<Sealer> {
  const out = createWriteStream(file);
  const of = new Sealer(7, 'urn:example:planner', undefined, 'file', each ? 'each' : 'batch');
  for (let i = 0; i < events; i += 1) {
    next(of, i, i === events - 1);
    if (of.lines.length > 5000 && !out.write(of.lines.splice(0).join(''))) {
      await new Promise((go) => out.once('drain', () => go(undefined)));
    }
  }
  of.signs = true;
  if (!live) of.checkpoint('closed');
  await new Promise<void>((go) => out.end(of.lines.splice(0).join(''), () => go()));
  return of;
}

/** The process that draws the page: the largest of its kind. */
const renderer = (): number => {
  const all = "ps -eo rss,pid,args | grep -- '--type=renderer' | grep -v grep | sort -n | tail -1";
  return Number(execFileSync('bash', ['-c', all]).toString().trim().split(/\s+/)[1]);
};

const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** How much time of a core a process has had, in seconds. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Of some numbers the one in the middle, the one below which 99 of 100 are, and the highest. */
const spread = (list: number[]): [median: number, most: number, worst: number] => {
  const sorted = [...list].sort((a, b) => a - b);
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return [at(0.5), at(0.99), at(1)];
};

interface Watched {
  /** When the command gave lines up to this one, on the clock of the page. */
  given: [at: number, line: number][];
  longest: number;
}

/** A file that grows, and how far behind the page shows it. */
async function follow(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  demo(folder);
  const seconds = Number(process.argv[3] ?? 20);
  const file = join(folder, 'live.ndjson');
  const of = await sealed(file);
  const before = of.n;
  // Sealed beforehand, so that sealing takes no time from what is measured.
  const parts: string[] = [];
  for (let i = 0; i < seconds * 10; i += 1) {
    for (let k = 0; k < RATE / 10; k += 1) next(of, before + (i * RATE) / 10 + k, k === RATE / 10 - 1);
    parts.push(of.lines.splice(0).join(''));
  }
  const child = spawn(command, ['view', '--live', '--key', 'k=k.pem', file], { cwd: folder });
  process.on('exit', () => child.kill('SIGKILL'));
  const address = await new Promise<string>((good) => {
    child.stdout.once('data', (bytes: Buffer) => good(bytes.toString().split('\n')[0] ?? ''));
  });
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const tab = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  tab.on('pageerror', (error) => console.error(`in the page: ${error.message}`));
  tab.on('console', (message) => console.error(`the page says: ${message.text()}`));
  // When what was given came, and the longest that the page did not answer.
  await tab.addInitScript(() => {
    const watched: Watched = { given: [], longest: 0 };
    const asked = window.fetch;
    Object.assign(window, { watched });
    window.fetch = async (...args): Promise<Response> => {
      const answer = await asked(...args);
      if (String(args[0]).startsWith('more')) {
        const { pieces } = (await answer.clone().json()) as { pieces: { line: number }[] };
        watched.given.push([Date.now(), pieces.at(-1)?.line ?? 0]);
      }
      return answer;
    };
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      watched.longest = Math.max(watched.longest, now - last - 10);
      last = now;
    }, 10);
  });
  await tab.goto(`${address}#/events`, { timeout: 600_000 });
  const state = (): Promise<[shown: number, verified: number]> =>
    tab.evaluate(() => {
      const number = (text: string | null | undefined): number =>
        Number(/[\d,]+/.exec(text ?? '')?.[0].replaceAll(',', '') ?? 0);
      const option = document.querySelector('option[value=verified]')?.textContent;
      return [
        number(document.querySelector('main [role=status]')?.textContent),
        number(/\(\d+\)/.exec(option ?? '')?.[0]),
      ];
    });
  for (let here = 0; here < before;) {
    await new Promise((go) => setTimeout(go, 100));
    [, here] = await state();
  }
  const pid = renderer();
  const [page, served] = [cpuOf(pid), cpuOf(child.pid as number)];
  await tab.evaluate(() => {
    const { watched } = window as unknown as { watched: Watched };
    watched.longest = 0;
    watched.given = [];
  });
  const from = performance.now();
  const written: [at: number, lines: number][] = [];
  let lines = before;
  let done = false;
  const behind: number[] = [];
  const unproven: number[] = [];
  const look = async (): Promise<void> => {
    // Which of what was written was there last, shown and verified.
    let [shown, verified] = [0, 0];
    while (!done || verified < written.length) {
      const [here, good] = await state();
      const now = Date.now();
      for (; shown < written.length && (written[shown]?.[1] ?? 0) <= here; shown += 1)
        behind.push(now - (written[shown]?.[0] ?? now));
      for (; verified < written.length && (written[verified]?.[1] ?? 0) <= good; verified += 1)
        unproven.push(now - (written[verified]?.[0] ?? now));
      if (now - (written[shown]?.[0] ?? now) > LONG) {
        const text = (await tab.innerText('header')).replaceAll('\n', ' ');
        throw new Error(`what was written is not shown: ${here} of ${lines}, verified ${good}; ${text}`);
      }
      await new Promise((go) => setTimeout(go, 20));
    }
  };
  const looking = look();
  for (const [i, part] of parts.entries()) {
    const wait = from + i * 100 - performance.now();
    if (wait > 0) await new Promise((go) => setTimeout(go, wait));
    appendFileSync(file, part);
    lines += RATE / 10;
    written.push([Date.now(), lines]);
  }
  const took = (performance.now() - from) / 1000;
  const [pageCpu, servedCpu] = [cpuOf(pid) - page, cpuOf(child.pid as number) - served];
  done = true;
  await looking;
  const { given, longest } = await tab.evaluate(() => (window as unknown as { watched: Watched }).watched);
  // The last piece of an answer is told by its first line: what stood before it is there.
  const command_ = written.flatMap(([at, upTo]) => {
    const came = given.find(([, line]) => line > upTo);
    return came ? [Math.max(0, came[0] - at)] : [];
  });
  const ms = (list: number[]): string => {
    const [median, most, worst] = spread(list);
    return `${median.toFixed(0)} ms (median), ${most.toFixed(0)} ms (99 of 100), ${worst.toFixed(0)} ms at worst`;
  };
  console.log(
    [
      `live, ${before} events before, ${lines - before} more at ${((lines - before) / took).toFixed(0)} a second`,
      `shown ${ms(behind)} after they were written`,
      `verified ${ms(unproven)} after they were written`,
      `the command gave them ${ms(command_)} after they were written`,
      `the page was at most ${longest.toFixed(0)} ms without an answer`,
      `of a core: the page's process ${(pageCpu / took).toFixed(2)}, the command ${(servedCpu / took).toFixed(2)}`,
      `memory: the page's process ${memoryOf(pid).toFixed(0)} MB, the command ${memoryOf(child.pid as number).toFixed(0)} MB`,
    ].join('\n'),
  );
  await browser.close();
  child.kill('SIGINT');
  if (checks && spread(behind)[2] > 1000) throw new Error('it falls behind by more than a second');
}

async function main(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  demo(folder);
  const file = join(folder, `${events}.ndjson`);
  const of = await sealed(file);
  const page = join(folder, `${events}.html`);
  let from = performance.now();
  execFileSync(command, ['view', '--key', 'k=k.pem', '--out', page, file], { cwd: folder, stdio: 'inherit' });
  const written = performance.now() - from;

  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const tab = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  from = performance.now();
  await tab.goto(`file://${page}#/events`, { timeout: 300_000 });
  await tab.waitForSelector('.virtual .row .type', { timeout: 300_000 });
  const usable = performance.now() - from;
  // The longest that the page did not answer while it read and checked.
  await tab.evaluate(() => {
    const state = globalThis as unknown as { longest: number };
    state.longest = 0;
    let last = performance.now();
    const look = (): void => {
      const now = performance.now();
      state.longest = Math.max(state.longest, now - last);
      last = now;
      setTimeout(look, 10);
    };
    look();
  });
  await tab.waitForFunction(
    () => !document.querySelector('.verdict-chip')?.textContent?.includes('checking'),
    undefined,
    {
      timeout: 600_000,
    },
  );
  const judged = performance.now() - from;
  const verdict = (await tab.innerText('.verdict-chip')).trim();
  await tab.locator('.virtual').evaluate((box) => box.scrollTo(0, box.scrollHeight));
  const scroll = performance.now();
  await tab.waitForFunction(
    (last) => document.querySelector('.virtual')?.textContent?.includes(String(last)),
    of.n,
    {
      timeout: 60_000,
    },
  );
  const end = performance.now() - scroll;
  const longest = await tab.evaluate(() => (globalThis as unknown as { longest: number }).longest);
  const memory = memoryOf(renderer());
  await tab.evaluate(() => {
    location.hash = '#/verdict';
  });
  const compared = (await tab.innerText('.compared')).trim();
  console.log(
    [
      `${events} events, ${each ? 'each signed' : 'one of 100 signed'}: ${verdict}`,
      `file ${(statSync(file).size / 1e6).toFixed(1)} MB, page ${(statSync(page).size / 1e6).toFixed(1)} MB, written in ${(written / 1000).toFixed(1)} s`,
      `usable after ${(usable / 1000).toFixed(2)} s, all checked after ${(judged / 1000).toFixed(2)} s`,
      `to the end of the list in ${end.toFixed(0)} ms; the longest without an answer ${longest.toFixed(0)} ms`,
      `memory of the page's process ${memory.toFixed(0)} MB`,
      compared,
    ].join('\n'),
  );
  await browser.close();
  if (!/They agree/.test(compared) || !/Sound/.test(verdict))
    throw new Error('page and command do not agree');
  if (checks && events <= 100_000 && usable > 2000) throw new Error('it was not usable within 2 s');
  if (checks && longest > 500) throw new Error('it froze');
}

await (live ? follow() : main());
