'use strict';
// Loss speaks, in Node's own words: warnings of the process while it runs, lines on standard error when it ends.
const assert = require('node:assert/strict');
const test = require('node:test');
const { run } = require('./helpers');

const dead = `{ id: 'dead', sink: { otlp: { endpoint: 'http://127.0.0.1:9' } }, timeout: '1s', retry: { initial: '1ms', cap: '1ms' } }`;

for (const [how, end] of Object.entries({
  'process.exit()': 'process.exit(0);',
  'nothing left to do': '',
})) {
  test(`a closed port: the loss is said at the end (${how})`, async (t) => {
    const ran = await run(
      t,
      `const { Emitter } = require('sinkwell');
       const sw = Emitter.openSync({ agent: { id: 'a1' }, lanes: [${dead}] });
       for (let n = 0; n < 100; n++) sw.emit('com.x', { n });
       ${end}`,
    );
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stderr, /lane "dead".*\b100 events\b.*undelivered/, ran.stderr);
  });
}

test('an overflow is a warning: which lane, how many, why, what to do', async (t) => {
  const ran = await run(
    t,
    `const { Emitter } = require('sinkwell');
     process.on('warning', ({ name, message }) => console.log(JSON.stringify([name, message])));
     const held = { name: 'held', emit: () => new Promise(() => {}) };
     const sw = Emitter.openSync({ agent: { id: 'a1' }, lanes: [] });
     sw.addSink(held, { overflow: 'drop_oldest', queue: { events: 4, terminal_reserve: 1 } });
     for (let n = 0; n < 100; n++) sw.emit('com.x', { n });
     setImmediate(() => setImmediate(() => sw.shutdown({ timeout: 10 })));`,
  );
  assert.equal(ran.code, 0, ran.stderr);
  const said = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.ok(
    said.some(([name, text]) => name === 'SinkwellWarning' && /lane "held".*overflow/.test(text)),
    ran.stdout,
  );
});
