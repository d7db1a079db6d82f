// What the page costs: `node build/test/figures.mjs EVENTS [each|batch]`, after `node scripts/build.mjs --test`.
// Writes a file of so many events, its page, opens it in Chromium, and prints how long what took, and what it holds.
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

import { chromium } from 'playwright-core';

import { Sealer, demo } from './sealed.ts';

const root = join(import.meta.dirname ?? '.', '../../..');
const folder = join(root, 'target/viewer/figures');
const events = Number(process.argv[2] ?? 100_000);
const each = process.argv[3] === 'each';
const command = process.env['SINKWELL_COMMAND'] ?? join(root, 'target/release/sinkwell');

async function main(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  demo(folder);
  const file = join(folder, `${events}.ndjson`);
  const out = createWriteStream(file);
  const of = new Sealer(7, 'urn:example:planner', undefined, 'file', each ? 'each' : 'batch');
  for (let i = 0; i < events; i += 1) {
    if (!each) of.signs = i % 100 === 99 || i === events - 1;
    of.seal(
      i % 2 ? 'tool.invocation' : 'policy.decision',
      i % 2
        ? { duration_ms: i % 900, outcome: 'ok', tool: `tool-${i % 17}` }
        : { action: `tool-${i % 17}`, decision: 'allow', rule: 'tools-by-name', ruleset: 'tools' },
      { runid: `run-${Math.floor(i / 200)}` },
    );
    if (of.lines.length > 5000 && !out.write(of.lines.splice(0).join(''))) {
      await new Promise((go) => out.once('drain', () => go(undefined)));
    }
  }
  of.signs = true;
  of.checkpoint('closed');
  await new Promise<void>((go) => out.end(of.lines.join(''), () => go()));
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
  const memory = execFileSync('bash', [
    '-c',
    "ps -eo rss,args | grep -- '--type=renderer' | grep -v grep | sort -n | tail -1",
  ])
    .toString()
    .trim()
    .split(/\s+/)[0];
  console.log(
    [
      `${events} events, ${each ? 'each signed' : 'one of 100 signed'}: ${verdict}`,
      `file ${(statSync(file).size / 1e6).toFixed(1)} MB, page ${(statSync(page).size / 1e6).toFixed(1)} MB, written in ${(written / 1000).toFixed(1)} s`,
      `usable after ${(usable / 1000).toFixed(2)} s, all checked after ${(judged / 1000).toFixed(2)} s`,
      `to the end of the list in ${end.toFixed(0)} ms; the longest without an answer ${longest.toFixed(0)} ms`,
      `memory of the page's process ${(Number(memory) / 1024).toFixed(0)} MB`,
    ].join('\n'),
  );
  await browser.close();
}

await main();
