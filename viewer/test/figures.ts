// What the page costs: `node build/test/figures.mjs EVENTS [each|batch]`, after `node scripts/build.mjs --test`.
// With `live SECONDS [BEFORE]`: a file that has BEFORE events grows by 5 000 a second, and how far the page is behind.
// With SINKWELL_CHECK=1 it fails where what docs/VIEWER.md promises is missed.
// Writes a file of so many events, its page, opens it in Chromium, and prints how long what took, and what it holds.
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, createWriteStream, mkdirSync, statSync } from 'node:fs';
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

const memoryOf = (): number => {
  const all = "ps -eo rss,args | grep -- '--type=renderer' | grep -v grep | sort -n | tail -1";
  return Number(execFileSync('bash', ['-c', all]).toString().trim().split(/\s+/)[0]) / 1024;
};

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
  const address = await new Promise<string>((good) => {
    child.stdout.once('data', (bytes: Buffer) => good(bytes.toString().split('\n')[0] ?? ''));
  });
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const tab = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  await tab.goto(`${address}#/events`, { timeout: 600_000 });
  const shown = async (): Promise<number> =>
    Number((await tab.innerText('main [role=status]')).replaceAll(',', '').split(' ')[0]);
  await tab.waitForFunction(
    (all) =>
      Number(document.querySelector('main [role=status]')?.textContent?.replaceAll(',', '').split(' ')[0]) >=
      all,
    before,
    { timeout: 600_000 },
  );
  const from = performance.now();
  let written = 0;
  let worst = 0;
  let done = false;
  const behind: number[] = [];
  const look = async (): Promise<void> => {
    while (!done) {
      // What was written a second ago must be there.
      const due = before + written;
      const at = performance.now();
      while ((await shown()) < due) await new Promise((go) => setTimeout(go, 20));
      behind.push(performance.now() - at);
      worst = Math.max(worst, performance.now() - at);
      await new Promise((go) => setTimeout(go, 50));
    }
  };
  const looking = look();
  for (const [i, part] of parts.entries()) {
    const wait = from + i * 100 - performance.now();
    if (wait > 0) await new Promise((go) => setTimeout(go, wait));
    appendFileSync(file, part);
    written += RATE / 10;
  }
  done = true;
  await looking;
  behind.sort((a, b) => a - b);
  const rate = written / ((performance.now() - from) / 1000);
  console.log(
    `live, ${before} events before, ${written} more at ${rate.toFixed(0)} a second: ` +
      `shown ${(behind[behind.length >> 1] ?? 0).toFixed(0)} ms after they were written (median), ${worst.toFixed(0)} ms at worst; ` +
      `memory of the page's process ${memoryOf().toFixed(0)} MB`,
  );
  await browser.close();
  child.kill('SIGINT');
  if (checks && worst > 1000) throw new Error('it falls behind by more than a second');
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
  const memory = memoryOf();
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
