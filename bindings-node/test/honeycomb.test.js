'use strict';
// Honeycomb from Node, at the wire: every case of tests/honeycomb/scenarios.json against tests/honeycomb/double.py.
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const test = require('node:test');
const { folder, root, run } = require('./helpers');

const dir = path.join(root, 'tests', 'honeycomb');
const table = JSON.parse(fs.readFileSync(path.join(dir, 'scenarios.json'), 'utf8'));
const MEMBERS = ['name', 'about', 'key', 'lane', 'says', 'emit', 'delivers_first', 'timeout'];
MEMBERS.push('counters', 'kept', 'refused', 'requests', 'samplerate', 'told');

/** The double, in a process of its own that ends with the test. */
async function double(t) {
  const child = spawn('python3', [path.join(dir, 'double.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  t.after(() => {
    child.stdin.end();
    return ended;
  });
  const [url] = await once(readline.createInterface({ input: child.stdout }), 'line');
  const ask = async (at, options) => (await fetch(`${url}${at}`, options)).json();
  return {
    url,
    say: (says) => ask('/_say', { method: 'POST', body: JSON.stringify(says) }),
    kept: () => ask('/_kept'),
    came: (requests) => ask(`/_wait?${requests}`),
  };
}

function configuration(url, to, key = table.key, lane = {}) {
  const text = JSON.stringify(table.config)
    .replaceAll('{url}', url)
    .replaceAll('{dir}', to)
    .replaceAll('{key}', key);
  const config = JSON.parse(text);
  Object.assign(config.lanes[0], lane);
  return config;
}

/** The events of a case: data, how far ahead, how long their texts are. */
function given(emit) {
  const events = [];
  for (const { data, times = 1, fill: [count, length] = [0, 0], ahead, ...others } of emit) {
    assert.deepEqual(others, {});
    const fill = Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${i}`, 'x'.repeat(length)]));
    for (let i = 0; i < times; i++)
      events.push({ data: { n: events.length, ...data, ...fill }, ahead, length });
  }
  return events;
}

// In a process of its own, so that all it says is heard.
const agent = `
  const fs = require('node:fs');
  const { Emitter } = require('sinkwell');
  const { config, type, events, first, timeout, came } = JSON.parse(fs.readFileSync('given.json', 'utf8'));
  (async () => {
    const sw = Emitter.openSync(config);
    const receipts = events.map(({ data, ahead }) =>
      sw.emit(type, data, ahead === undefined ? {} : { time: new Date(Date.now() + ahead * 1000) }));
    if (first) await receipts[0].delivered();
    if (timeout !== undefined) await fetch(came);
    const before = sw.health();
    const report = await sw.shutdown({ timeout: timeout ?? 60_000 });
    const ids = receipts.map(({ id }) => id);
    fs.writeFileSync('told.json', JSON.stringify({ ids, report, counters: sw.counters(), health: [before, sw.health()] }));
  })();`;

for (const scenario of table.cases) {
  test(`honeycomb: ${scenario.name}`, async (t) => {
    for (const name of Object.keys(scenario)) assert.ok(MEMBERS.includes(name), `unknown member ${name}`);
    const receiver = await double(t);
    await receiver.say(scenario.says ?? []);
    const { key = table.key, counters, timeout, requests = 1 } = scenario;
    const letters = folder(t);
    const events = given(scenario.emit);
    const ran = await run(t, agent, {
      prepare: (to) =>
        fs.writeFileSync(
          path.join(to, 'given.json'),
          JSON.stringify({
            config: configuration(receiver.url, letters, key, scenario.lane),
            type: table.type,
            events,
            first: scenario.delivers_first,
            timeout,
            came: `${receiver.url}/_wait?${requests}`,
          }),
        ),
    });
    assert.equal(ran.code, 0, ran.stderr);
    const text = fs.readFileSync(path.join(ran.dir, 'told.json'), 'utf8');
    const told = JSON.parse(text);
    const has = told.counters[table.lane];
    assert.deepEqual(Object.fromEntries(Object.keys(counters).map((name) => [name, has[name]])), counters);
    assert.equal(told.report[table.lane].pending, counters.pending);
    const kept = await receiver.kept();
    const hosts = kept.events.filter(({ data }) => 'n' in data).sort((a, b) => a.data.n - b.data.n);
    assert.deepEqual(
      hosts.map(({ data }) => data.n),
      scenario.kept ?? events.map((_, n) => n),
    );
    const rates = hosts
      .filter((event) => 'samplerate' in event)
      .map(({ data, samplerate }) => [data.n, samplerate]);
    assert.deepEqual(Object.fromEntries(rates), scenario.samplerate ?? {});
    assert.ok(kept.requests >= requests);
    const files = fs.readdirSync(letters, { recursive: true }).map((name) => path.join(letters, name));
    const dead = files
      .filter((file) => fs.statSync(file).isFile())
      .map((file) => fs.readFileSync(file, 'utf8'));
    for (const n of scenario.refused ?? []) {
      assert.ok(dead.join('').includes(told.ids[n]));
      assert.ok(dead.join('').includes('x'.repeat(events[n].length)));
    }
    assert.ok(text.includes(scenario.told ?? ''), text);
    for (const said of [text, ran.stdout, ran.stderr, dead.join(''), JSON.stringify(kept.events)]) {
      assert.ok(!said.includes(key), 'the key was said');
    }
  });
}

for (const [how, end] of Object.entries({ 'process.exit()': 'process.exit(0);', 'nothing left to do': '' })) {
  test(`honeycomb: the end of a process loses nothing (${how})`, async (t) => {
    const receiver = await double(t);
    const config = configuration(receiver.url, folder(t), table.key, {
      batch: { events: 1000, linger: '60s' },
    });
    const ran = await run(
      t,
      `const { Emitter } = require('sinkwell');
       const sw = Emitter.openSync(${JSON.stringify(config)});
       for (let n = 0; n < 100; n++) sw.emit('com.example.n', { n });
       ${end}`,
    );
    assert.equal(ran.code, 0, ran.stderr);
    const { events } = await receiver.kept();
    assert.equal(events.filter(({ data }) => 'n' in data).length, 100);
  });
}
