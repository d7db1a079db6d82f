'use strict';
// What it costs to get data into the core, beside what is left when it is there: ns per event, best and median of 60
// rounds of 400. Objects of another realm cross as JSON, so the same data shows both ways.
const vm = require('node:vm');
const { Emitter } = require('..');
const { toJson } = require('../dist/json.js');

const DATA = {
  none: '() => undefined',
  small: "(n) => ({ tool: 'search', outcome: 'ok', n })",
  nested: `(n) => ({
    tool: 'search', outcome: 'ok', duration_ms: 12.5, n,
    args: { query: 'weather in Berlin', limit: 10, tags: ['a', 'b', 'c'] },
    nested: { a: { b: { c: [1, 2, 3, { d: null, e: true }] } } },
  })`,
  dozen: `(n) => ({
    'agent.version': '2026.11.3', decision: 'allowed', model: 'example-model-large-2026-10-01',
    policy: 'urn:example:policy/tools/read-only', 'session.id': '0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91',
    resource: 'https://tickets.example.com/api/v2/tickets/483920/comments',
    summary: 'Looked up the comments of a ticket to find out which release the customer runs; 14 found',
    tool: 'ticket_comments', 'usage.call': n, 'usage.duration_ms': 18.25, 'usage.input_tokens': 1843,
    'user.confirmed': true,
  })`,
};
const ROUNDS = 60;
const EVENTS = 400;

async function main() {
  const lanes = ['a', 'b', 'c'].map((id) => ({ id, sink: 'null' }));
  const emitter = Emitter.openSync({ agent: { id: 'a1' }, lanes }, { manual: true });
  for (const [label, source] of Object.entries(DATA)) {
    const here = vm.runInThisContext(source);
    const elsewhere = vm.runInNewContext(source);
    const forms = {
      'the data alone': here,
      'JSON.stringify': (n) => JSON.stringify(here(n)),
      'scan and JSON.stringify': (n) => label !== 'none' && toJson(here(n), 'data'),
      'emit, as JSON': (n) => emitter.emit('com.example.tool.called', elsewhere(n)),
      'emit, by the table': (n) => emitter.emit('com.example.tool.called', here(n)),
    };
    const times = Object.fromEntries(Object.keys(forms).map((name) => [name, []]));
    let n = 0;
    // In turn, so that whatever else the machine does meets all of them.
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, form] of Object.entries(forms)) {
        const start = performance.now();
        for (let i = 0; i < EVENTS; i++) form(n++);
        times[name].push(((performance.now() - start) * 1e6) / EVENTS);
        for (const { id } of lanes) await emitter.drain(id);
      }
    }
    for (const [name, all] of Object.entries(times)) {
      all.sort((a, b) => a - b);
      const [best, median] = [all[0], all[ROUNDS / 2]].map((ns) => ns.toFixed(0).padStart(6));
      console.log(label.padEnd(8), name.padEnd(26), `${best} ns best`, `${median} ns median`);
    }
  }
  await emitter.shutdown();
}

void main();
