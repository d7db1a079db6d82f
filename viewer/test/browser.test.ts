// The page in a real browser: headless Chromium of the system, from disk, with every request counted.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { type Browser, type Page, chromium } from 'playwright-core';

import { Tree } from '../src/model/tree.ts';
import type { JsonObject } from '../src/verify/json.ts';
import { attacks } from './hostile.ts';
import { overTime } from './over.ts';
import { demo, keyOf, marked, pemOf, Sealer, tampered } from './sealed.ts';

const root = join(import.meta.dirname ?? '.', '../../..');
const shots = join(root, 'target/viewer');
const command = process.env['SINKWELL_COMMAND'] ?? '';
const path = (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, 'chromium'));
const executable = process.env['CHROMIUM'] ?? path.find((file) => existsSync(file));
const skip = !command ? 'run by scripts/test-viewer.sh' : !executable ? 'no chromium on PATH' : false;

let browser: Browser;
const work = join(shots, 'pages');

before(async () => {
  if (skip) return;
  mkdirSync(work, { recursive: true });
  demo(work);
  browser = await chromium.launch({ executablePath: executable as string, args: ['--no-sandbox'] });
});
after(async () => {
  if (!skip) await browser.close();
});

/** A page written by `sinkwell view --out`. */
function write(name: string, ...args: string[]): string {
  const out = join(work, `${name}.html`);
  execFileSync(command, ['view', '--out', out, ...args], { cwd: work });
  return out;
}

interface Opened {
  page: Page;
  /** What went wrong in it, and whom it asked. */
  faults: string[];
  close: () => Promise<void>;
}

async function open(
  file: string,
  options: { hash?: string; dark?: boolean; width?: number; address?: string } = {},
): Promise<Opened> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1200, height: 900 },
    colorScheme: options.dark ? 'dark' : 'light',
    serviceWorkers: 'block',
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
  });
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const address = options.address ?? `file://${file}`;
  page.on('request', (asked) => {
    const url = asked.url();
    if (!url.startsWith(address) && !url.startsWith('blob:')) faults.push(`it asked ${url}`);
  });
  await page.goto(address + (options.hash ?? ''));
  await page.waitForSelector('main[data-judged]', { timeout: 30_000 });
  return { page, faults, close: () => context.close() };
}

async function go(page: Page, hash: string, sign: string): Promise<void> {
  await page.evaluate((to) => {
    location.hash = to;
  }, hash);
  await page.waitForSelector(sign, { timeout: 20_000 });
}

const shot = (page: Page, name: string): Promise<unknown> =>
  page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });

/** The views, and by what one sees that each is there. */
const VIEWS: [hash: string, sign: string][] = [
  ['#/verdict', '.hero'],
  ['#/events', '.row .type'],
  ['#/runs', 'table.runs a'],
  ['#/streams', 'svg.strip a rect'],
  ['#/authority', 'h1'],
  ['#/losses', '.hero'],
  ['#/sinks', '.timeline li'],
];

test('a sound file: every view, and both verdicts agree', { skip }, async () => {
  const file = write('sound', '--key', 'k=k.pem', '--checkpoint', 'checkpoints.ndjson', 'sound.ndjson');
  const { page, faults, close } = await open(file);
  assert.match(await page.innerText('.verdict-chip'), /Incomplete, and says so/);
  assert.match(await page.innerText('.compared'), /They agree/);
  for (const [hash, sign] of VIEWS) {
    await go(page, hash, sign);
    await shot(page, `sound-${hash.slice(2)}`);
  }
  await go(page, '#/runs/run-1', '.bar');
  await shot(page, 'sound-run');
  const run = await page.innerText('main');
  assert.match(run, /1,500/);
  assert.match(run, /0\.25 EUR/);
  assert.match(run, /no result/);
  assert.match(run, /words open/);
  assert.match(run, /words closed/);
  await page.click('.bar:has-text("search")');
  await page.waitForSelector('.steps');
  assert.match(await page.innerText('main'), /✓ good/);
  await shot(page, 'sound-event');
  await go(page, '#/events?tool=search', '.row .type');
  assert.match(await page.innerText('main [role=status]'), /^1 event$/);
  assert.deepEqual(faults, []);
  await close();
});

for (const [name, change] of Object.entries(tampered)) {
  test(`tampered: ${name}`, { skip }, async () => {
    writeFileSync(join(work, `${name}.ndjson`), change.lines.join(''));
    const args = change.checkpoints ? ['--checkpoint', 'checkpoints.ndjson'] : [];
    const { page, faults, close } = await open(write(name, '--key', 'k=k.pem', ...args, `${name}.ndjson`));
    // What a person reads first says what happened, and leads there.
    assert.match(await page.innerText('.hero'), change.hero);
    assert.match(await page.innerText('.card.findings'), change.says);
    assert.match(await page.innerText('.compared'), /They agree/);
    await shot(page, `tampered-${name}`);
    const button = page.locator('.card.findings a.button');
    if (change.line !== undefined) {
      await button.click();
      await page.waitForSelector('article');
      assert.match(await page.innerText('article'), change.line);
      await shot(page, `tampered-${name}-event`);
    }
    for (const [hash, sign] of VIEWS.slice(1)) {
      await go(page, hash, sign);
      await shot(page, `tampered-${name}-${hash.slice(2)}`);
    }
    assert.deepEqual(faults, []);
    await close();
  });
}

test('what is not verified is never drawn as if it were', { skip }, async () => {
  const { page, close } = await open(write('nokey', 'sound.ndjson'));
  assert.match(await page.innerText('.hero'), /Unchecked/);
  for (const [hash, sign] of VIEWS) {
    await go(page, hash, sign);
    assert.equal(await page.locator('.mark.verified, .fill-verified').count(), 0, hash);
  }
  await close();
  // A line that no signature reaches, and one that was changed.
  const lines = marked();
  writeFileSync(join(work, 'mixed.ndjson'), lines.join(''));
  const mixed = await open(write('mixed', '--key', 'k=k.pem', 'mixed.ndjson'), {
    hash: '#/events?text=FORGED',
  });
  await mixed.page.waitForSelector('.row .type');
  const states = await mixed.page
    .locator('.virtual .row')
    .evaluateAll((rows) => rows.map((row) => [row.textContent ?? '', row.className]));
  for (const [text = '', name = ''] of states) {
    if (text.includes('FORGED')) assert.match(name, /wrong|unproven/, text);
  }
  assert.ok(states.some(([text = '']) => text.includes('FORGED')));
  await go(mixed.page, '#/runs', 'table.runs');
  assert.doesNotMatch(await mixed.page.innerText('table.runs'), /999,999/);
  assert.match(await mixed.page.innerText('table.runs'), /not proven, left out of all sums/);
  await mixed.close();
});

test('by whose leave: what was found, and why it was allowed', { skip }, async () => {
  const of = new Sealer(5, 'urn:example:helper');
  const run = { runid: 'help' };
  const given = { identity: 'urn:example:helper', issuer: 'https://id.example' };
  const expires = '2026-01-01T09:00:08Z';
  of.seal(
    'identity.assertion',
    { ...given, assertion: 'issued', expires, scope: 'search mail' },
    { id: 'leave', ...run },
  );
  const decided = { decision: 'allow', rule: 'tools-in-scope', ruleset: 'tools' };
  const authz = { identity: 'leave', principal: 'user:ana' };
  of.seal('policy.decision', { ...decided, action: 'search' }, { id: 'may-search', ...run });
  const acted = (tool: string, decision: string): void => {
    of.seal(
      'tool.invocation',
      { authz: { ...authz, decision }, outcome: 'ok', tool },
      { id: `${tool}-1`, ...run },
    );
  };
  acted('search', 'may-search');
  of.seal('policy.decision', { ...decided, action: 'mail' }, { id: 'may-mail', ...run });
  acted('mail', 'may-mail');
  of.checkpoint('closed');
  writeFileSync(join(work, 'leave.ndjson'), of.lines.join(''));
  const { page, faults, close } = await open(write('leave', '--key', 'k=k.pem', 'leave.ndjson'));
  await go(page, '#/authority', 'svg.graph .node');
  // The action that was found is the one that is shown first.
  assert.match(await page.innerText('.card.findings'), /Its authority was over: mail-1/);
  assert.match(await page.innerText('.paragraph'), /called mail in the run help \(mail-1\)[\s\S]*BUT/);
  await shot(page, 'authority-found');
  await page.click('.choices a:has-text("search")');
  await page.waitForFunction(() => document.querySelector('.paragraph')?.textContent?.includes('(search-1)'));
  assert.doesNotMatch(await page.innerText('.paragraph'), /BUT/);
  await page.click('svg.graph a:has-text("leave")');
  await page.waitForSelector('article');
  assert.match(await page.innerText('h1'), /identity\.assertion/);
  // Of one run, and of an agent that did nothing in it.
  await go(page, '#/authority?run=help', 'svg.graph .node');
  assert.equal(await page.locator('.choices li').count(), 2);
  await go(page, '#/authority?run=help&agent=urn%3Aexample%3Anobody', 'form.filters');
  await page.waitForFunction(() => document.querySelectorAll('.choices li').length === 0);
  assert.match(await page.innerText('main'), /Nothing was found in this part/);
  assert.deepEqual(faults, []);
  await close();
});

/** examples/authority.json, as an emitter would seal it: a stream for each of its agents. */
function example(): string[] {
  interface Step {
    type: string;
    id: string;
    time: string;
    run: string;
    agent?: string;
    data: JsonObject;
  }
  const { config, steps } = JSON.parse(readFileSync(join(root, 'examples/authority.json'), 'utf8')) as {
    config: { agent: { id: string } };
    steps: Step[];
  };
  const streams = new Map<string, Sealer>();
  for (const { type, id, time, run, data, agent = config.agent.id } of steps) {
    let of = streams.get(agent);
    if (!of) streams.set(agent, (of = new Sealer(20 + streams.size, agent)));
    of.seal(type, data, { id, runid: run, time: time.replace('Z', '.000000000Z') });
  }
  for (const of of streams.values()) of.checkpoint('closed');
  return [...streams.values()].flatMap(({ lines }) => lines);
}

test('the authorization example: by both, in the same words', { skip }, async () => {
  writeFileSync(join(work, 'authority.ndjson'), example().join(''));
  const file = write('authority', '--key', 'k=k.pem', 'authority.ndjson');
  const { page, faults, close } = await open(file, { hash: '#/authority' });
  await page.waitForSelector('svg.graph .node');
  assert.match(await page.innerText('.compared'), /Worked out twice[\s\S]*They agree/);
  assert.match(
    await page.innerText('.card.findings'),
    /1 thing to look at[\s\S]*Its authority was over: mail-1/,
  );
  assert.equal(await page.locator('.card.findings li').count(), 1);
  // Why each action was allowed, as the example's page says it.
  const words = readFileSync(join(root, 'examples/authority.txt'), 'utf8').split('\n');
  for (const id of ['search-1', 'pay-1', 'mail-1']) {
    await page.click(`.choices a:has-text("${id}")`);
    await page.waitForFunction(
      (sought) => document.querySelector('.paragraph')?.textContent?.includes(`(${sought})`),
      id,
    );
    const said = (await page.innerText('.paragraph')).trim();
    // A browser shows two blanks as one.
    assert.equal(
      said,
      words
        .find((line) => line.includes(`(${id})`))
        ?.trim()
        .replace(/ +/g, ' '),
    );
    await shot(page, `authority-${id}`);
  }
  assert.deepEqual(faults, []);
  await close();
  // What the command found is taken out of the page: the page still finds it, and says that they differ.
  const { gzipSync, gunzipSync } = await import('node:zlib');
  const html = readFileSync(file, 'utf8');
  const packed = /<script type="text\/plain" class="graph">([^<]+)</.exec(html)?.[1] as string;
  const told = JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString('utf8')) as {
    graph: { findings: unknown[] };
  };
  assert.equal(told.graph.findings.length, 1);
  told.graph.findings = [];
  const changed = join(work, 'authority-changed.html');
  writeFileSync(changed, html.replace(packed, gzipSync(JSON.stringify(told)).toString('base64')));
  const second = await open(changed);
  assert.match(await second.page.innerText('.verdict-chip'), /the command says otherwise/);
  await go(second.page, '#/authority', 'svg.graph .node');
  const main = await second.page.innerText('main');
  assert.match(main, /only this page finds expired_authority at event:mail-1/);
  assert.match(main, /Its authority was over: mail-1/);
  await shot(second.page, 'authority-changed');
  await second.close();
});

test('an event of an audit log: in the tree that a head names', { skip }, async () => {
  const of = new Sealer(30, 'urn:example:planner');
  const tree = new Tree();
  tree.add(of.prev as string);
  for (let i = 0; i < 20; i += 1) {
    of.seal('tool.invocation', { outcome: 'ok', tool: `t${i}` });
    tree.add(of.prev as string);
  }
  of.own('audit.chain', { action: 'tree_head', lane: 'audit', note: '', root: tree.root(21), size: 21 });
  of.checkpoint('closed');
  writeFileSync(join(work, 'log.ndjson'), of.lines.join(''));
  const { page, faults, close } = await open(write('log', '--key', 'k=k.pem', 'log.ndjson'), {
    hash: '#/event/7',
  });
  await page.waitForSelector('article .card:has-text("audit log")');
  const card = page.locator('article .card:has-text("audit log")');
  assert.match(await card.innerText(), /Leaf 7 of a tree of 21[\s\S]*✓ The steps below lead to its root/);
  assert.match(await card.innerText(), /✓ verified[\s\S]*names the same root/);
  await card.locator('summary').click();
  assert.equal(await card.locator('ol.steps li').count(), tree.proof(7, 21).length + 2);
  await shot(page, 'event-audit');
  assert.deepEqual(faults, []);
  await close();
});

test('streams, losses and sinks over time', { skip }, async () => {
  const { lines } = overTime();
  writeFileSync(join(work, 'over.ndjson'), lines.join(''));
  writeFileSync(join(work, 'k2.pem'), pemOf(keyOf(2)));
  const file = write('over', '--key', 'k=k.pem', '--key', 'k2=k2.pem', 'over.ndjson');
  const { page, faults, close } = await open(file, { hash: '#/streams' });
  await page.waitForSelector('.over svg');
  assert.match(await page.innerText('.compared, main'), /Over time/);
  const over = page.locator('.card .over').first();
  const words = await over.innerText();
  assert.match(words, /key k\b[\s\S]*key k2/);
  assert.match(words, /one of each batch, then each/);
  assert.match(words, /silence: nothing was heard for 5 min/);
  assert.match(words, /mcp\.server: nobody looked from/);
  // Declared and undeclared loss are told apart, each where it is.
  assert.equal(await over.locator('.fill-declared').count(), 1);
  assert.equal(await over.locator('.fill-removed').count(), 1);
  const x = async (of: string): Promise<number> => (await over.locator(of).first().boundingBox())?.x ?? NaN;
  assert.ok((await x('.fill-declared')) < (await x('.fill-removed')));
  assert.ok((await x('.fill-removed')) < (await x('.tick.checkpoint')));
  assert.ok((await x('.tick.checkpoint')) < (await x('.fill-silent')));
  // What a cut would not show begins at the checkpoint and reaches to the end.
  assert.equal(await over.locator('.fill-cut').count(), 1);
  await shot(page, 'over-streams');
  await go(page, '#/losses', '.bar-loss');
  assert.equal(await page.locator('.fill-gap').count(), 1);
  assert.match(await page.innerText('main'), /The books do not balance/);
  await shot(page, 'over-losses');
  await go(page, '#/sinks', '.series');
  assert.match(await page.innerText('main'), /waiting, at most 8[\s\S]*tried again, at most 7/);
  assert.equal(await page.locator('.state-bad').count(), 1);
  // Its health, in words: how it is, what was lost, and what governance requires.
  const health = await page.innerText('main');
  assert.match(
    health,
    /Its sink takes what it is given[\s\S]*3 events lost, none of them one that must not be/,
  );
  assert.match(health, /none works required_sinks\.audit: nothing more is taken[\s\S]*one works again/);
  assert.match(health, /tried again[\s\S]*lost/);
  await shot(page, 'over-sinks');
  assert.deepEqual(faults, []);
  await close();
});

test('a page that was changed after it was written says so', { skip }, async () => {
  const file = write('pristine', '--key', 'k=k.pem', 'sound.ndjson');
  const { gzipSync, gunzipSync } = await import('node:zlib');
  const html = readFileSync(file, 'utf8');
  const found = /(<script type="text\/plain" class="lines"[^>]*>)([^<]+)</.exec(html) as RegExpExecArray;
  const lines = gunzipSync(Buffer.from(found[2] as string, 'base64')).toString('utf8');
  const forged = gzipSync(lines.replace('"decision":"deny"', '"decision":"allow"')).toString('base64');
  const changed = join(work, 'changed.html');
  writeFileSync(changed, html.replace(found[2] as string, forged));
  const { page, close } = await open(changed);
  assert.match(await page.innerText('main'), /do not agree/);
  assert.match(await page.innerText('.verdict-chip'), /the command says otherwise/);
  assert.match(await page.innerText('main'), /only this page finds altered/);
  await shot(page, 'page-changed');
  await close();
});

test('hostile files neither run, nor deceive, nor freeze', { skip }, async () => {
  const { lines, words } = attacks();
  writeFileSync(join(work, 'hostile.ndjson'), lines);
  const file = write('hostile', '--key', 'k=k.pem', 'hostile.ndjson');
  const html = readFileSync(file, 'utf8');
  // Not a byte of it stands in the page as it is.
  for (const word of words) assert.ok(!html.includes(word), word);
  const { page, faults, close } = await open(file);
  const views = [...VIEWS, ['#/events?text=PWNED', '.row .type'] as [string, string]];
  for (const [hash, sign] of views) {
    await go(page, hash, sign);
    assert.equal(await page.evaluate(() => (globalThis as { pwned?: unknown }).pwned), undefined, hash);
    assert.equal(
      await page.locator('main img, main iframe, main script, main object, main style').count(),
      0,
    );
    assert.doesNotMatch(await page.innerText('main'), /[\u202a-\u202e\u2066-\u2069\u200b]/, hash);
    // Nor in what appears beside a pointer, or is read aloud, pictures included.
    const beside = await page
      .locator('title, [title], [aria-label]')
      .evaluateAll((all) =>
        all.map((each) =>
          [each.textContent, each.getAttribute('title'), each.getAttribute('aria-label')].join(' '),
        ),
      );
    assert.doesNotMatch(beside.join('\n'), /[\u202a-\u202e\u2066-\u2069]/, hash);
    if (!hash.includes('?')) await shot(page, `hostile-${hash.slice(2)}`);
  }
  await go(page, '#/runs', 'table.runs a');
  for (const each of await page
    .locator('table.runs a')
    .evaluateAll((all) => all.map((a) => a.getAttribute('href')))) {
    assert.match(each ?? '', /^#\//);
  }
  await shot(page, 'hostile-runs');
  await go(page, `#/events?text=${encodeURIComponent('раypаl')}`, '.row .warn-tag');
  await go(page, '#/events', '.row .type');
  const total = await page.locator('.virtual .row').count();
  for (let n = 0; n < total; n += 1) {
    await go(page, `#/event/${n}`, 'article');
    assert.equal(await page.evaluate(() => (globalThis as { pwned?: unknown }).pwned), undefined);
  }
  // Addresses that somebody made up.
  for (const hash of [
    '#/event/%00',
    '#/event/-1',
    '#/event/99999999',
    '#/runs/__proto__',
    '#/%E0%A4%A',
    '#/events?state=%3Cscript',
  ]) {
    await page.evaluate((to) => {
      location.hash = to;
    }, hash);
    await page.waitForTimeout(50);
  }
  assert.deepEqual(faults, []);
  await close();
});

test('lines and nesting without end take no memory and hide nothing', { skip }, async () => {
  const size = process.env['VIEWER_HUGE'] ? 1_000_000_000 : 48_000_000;
  const sound = readFileSync(join(work, 'sound.ndjson'), 'utf8');
  const out = join(work, 'endless.html');
  // Of a gigabyte each (VIEWER_HUGE, in `make soak`) not even one would fit.
  const limit = Math.max(400_000, (size / 1000) * 0.8).toFixed(0);
  const call = `ulimit -v ${limit}; exec "$0" view --key k=k.pem --out ${out} -`;
  const child = spawn('bash', ['-c', call, command], { cwd: work, stdio: ['pipe', 'ignore', 'inherit'] });
  const write = async (bytes: string | Buffer): Promise<void> => {
    if (!child.stdin.write(bytes)) await new Promise((go) => child.stdin.once('drain', () => go(undefined)));
  };
  const block = Buffer.alloc(1 << 20, '{');
  const text = Buffer.alloc(1 << 20, 'x');
  await write(sound.slice(0, sound.indexOf('\n') + 1));
  for (let at = 0; at < size; at += block.length) await write(block);
  await write('\n{"a":"');
  for (let at = 0; at < size; at += text.length) await write(text);
  await write(`"}\n${sound.slice(sound.indexOf('\n') + 1)}`);
  const ended = new Promise((go) => child.once('exit', go));
  child.stdin.end();
  assert.equal(await ended, 0);
  const { page, faults, close } = await open(out);
  // Both are told; what stands before and behind them is judged as ever.
  assert.match(await page.innerText('main'), /No envelope\s+2 lines/);
  assert.match(await page.innerText('.compared'), /They agree/);
  assert.equal(await page.locator('.mark.wrong, .mark.unproven').count(), 0);
  assert.deepEqual(faults, []);
  await close();
});

test('the terminal is told names as text', { skip }, async () => {
  const name = 'a\u001b[31m\u202eb.ndjson';
  writeFileSync(join(work, name), readFileSync(join(work, 'sound.ndjson')));
  const args = ['view', '--key', 'k=k.pem', '--out', join(work, '\u001b]0;PWNED\u0007.html'), name];
  const said = execFileSync(command, args, { cwd: work }).toString();
  const missing = spawnSync(command, ['view', '\u001b[2Jgone'], { cwd: work });
  for (const text of [said, missing.stderr.toString(), missing.stdout.toString()])
    assert.doesNotMatch(text, /[\u0007\u001b\u202e]/);
});

test('by keyboard alone', { skip }, async () => {
  const { page, faults, close } = await open(join(work, 'sound.html'));
  // The first stop leads past the navigation; then the views, in order.
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.className), 'skip');
  const reached: string[] = [];
  for (let n = 0; n < 9; n += 1) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement?.textContent ?? ''));
  }
  assert.deepEqual(reached.slice(1, 8), [
    'Verdict',
    'Events',
    'Runs',
    'Streams',
    'Authority',
    'Losses',
    'Sinks',
  ]);
  for (let n = 0; n < 6; n += 1) await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash !== '');
  await go(page, '#/events', '.row .type');
  // From the heading on to the list, into a row.
  await page.locator('.virtual').focus();
  await page.keyboard.press('Tab');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle);
  assert.notEqual(outline, 'none');
  await page.keyboard.press('Enter');
  await page.waitForSelector('article');
  assert.deepEqual(faults, []);
  await close();
});

test('dark, print and a small screen', { skip }, async () => {
  const dark = await open(join(work, 'sound.html'), { dark: true });
  const background = await dark.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.match(background, /rgb\((\d|[1-3]\d), /);
  await shot(dark.page, 'dark-verdict');
  await go(dark.page, '#/runs/run-1', '.bar');
  await shot(dark.page, 'dark-run');
  await dark.page.emulateMedia({ media: 'print', colorScheme: 'light' });
  assert.equal(await dark.page.locator('nav').first().isVisible(), false);
  await shot(dark.page, 'print-run');
  await dark.close();
  const small = await open(join(work, 'sound.html'), { width: 360 });
  for (const [hash, sign] of VIEWS) {
    await go(small.page, hash, sign);
    const [wide, room] = await small.page.evaluate(() => [
      document.documentElement.scrollWidth,
      window.innerWidth,
    ]);
    assert.ok(
      (wide as number) <= (room as number),
      `${hash} is ${String(wide)} wide on a screen of ${String(room)}`,
    );
  }
  await shot(small.page, 'small-sinks');
  await go(small.page, '#/verdict', '.hero');
  await shot(small.page, 'small-verdict');
  await small.close();
});

/** A server that `sinkwell view` runs, and its address. */
async function serve(...args: string[]): Promise<{ address: string; child: ChildProcess }> {
  const child = spawn(command, ['view', ...args], { cwd: work, stdio: ['ignore', 'pipe', 'inherit'] });
  const address = await new Promise<string>((good, bad) => {
    child.stdout.once('data', (bytes: Buffer) => good(bytes.toString().split('\n')[0] ?? ''));
    child.once('exit', (status) => bad(new Error(`it ended with ${String(status)}`)));
  });
  return { address, child };
}

const status = (address: string, headers: Record<string, string> = {}, method = 'GET'): Promise<number> =>
  new Promise((good, bad) => {
    const asked = request(address, { headers, method }, (answer) => {
      answer.resume();
      good(answer.statusCode ?? 0);
    });
    asked.on('error', bad);
    asked.end();
  });

test('served: to this page alone, and as files grow', { skip }, async () => {
  const lines = readFileSync(join(work, 'sound.ndjson'), 'utf8').split('\n').slice(0, -1);
  const growing = join(work, 'growing.ndjson');
  writeFileSync(growing, lines.slice(0, 8).join('\n') + '\n');
  const { address, child } = await serve('--live', '--key', 'k=k.pem', growing);
  try {
    assert.match(address, /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{48}\/$/);
    const host = new URL(address).host;
    assert.equal(await status(address), 200);
    assert.equal(await status(`http://${host}/`), 404);
    assert.equal(await status(address, { Host: 'evil.example' }), 421);
    assert.equal(await status(address, { Origin: 'http://evil.example' }), 403);
    assert.equal(await status(address, { 'Sec-Fetch-Site': 'cross-site' }), 403);
    assert.equal(await status(address, {}, 'POST'), 405);
    const { page, faults, close } = await open('', { address });
    assert.match(await page.innerText('main'), /8 in/);
    writeFileSync(growing, lines.join('\n') + '\n');
    await page.waitForFunction(
      (all) => document.querySelector('main dd a')?.textContent === String(all),
      lines.length,
      { timeout: 10_000 },
    );
    // What came is judged by the page, and then by both.
    await page.waitForFunction(
      (all) => document.querySelector('.compared')?.textContent?.endsWith('They agree.') && all,
      lines.length,
      { timeout: 30_000 },
    );
    assert.match(await page.innerText('.verdict-chip'), /Incomplete, and says so/);
    assert.match(await page.innerText('.hero'), /^(?![\s\S]*came since then)/);
    await shot(page, 'live');
    // More than is read at once.
    const many = new Sealer(9, 'urn:example:planner', undefined, 'file', 'batch');
    for (let i = 1; i <= 4000; i += 1) {
      many.signs = i % 100 === 0;
      many.seal('tool.invocation', { outcome: 'ok', tool: `t${i % 3}` }, { runid: 'run-9' });
    }
    lines.push(...many.lines.map((line) => line.trim()));
    assert.ok(lines.join('').length > 2 << 20);
    writeFileSync(growing, lines.join('\n') + '\n');
    await page.waitForFunction(
      (all) => document.querySelector('main dd a')?.textContent === all.toLocaleString('en'),
      lines.length,
      { timeout: 20_000 },
    );
    // A line that somebody changed is found as it comes.
    const bad = (lines[lines.length - 4002] as string).replace(/"sequence":"0*(\d+)"/, (_, n: string) => {
      return `"sequence":"${String(Number(n) + 1).padStart(20, '0')}"`;
    });
    writeFileSync(growing, [...lines, bad].join('\n') + '\n');
    await page.waitForSelector('.hero.findings', { timeout: 10_000 });
    assert.match(await page.innerText('.card.findings'), /Changed or added: line \d+ of \S*growing\.ndjson/);
    // It ends with the command, and says so.
    child.kill('SIGINT');
    await page.waitForSelector('.live.ended', { timeout: 30_000 });
    assert.deepEqual(
      faults.filter((fault) => !/ERR_|Failed to load/.test(fault)),
      [],
    );
    await close();
  } finally {
    child.kill('SIGKILL');
  }
});
