'use strict';
// The types of a configuration and of the built-in events are written by hand, for the sake of what an editor shows;
// their names are those of the schemas, which the core is held to.
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const root = path.join(__dirname, '..', '..');
const read = (...parts) => fs.readFileSync(path.join(root, ...parts), 'utf8');

/** Names of all members that a schema declares. */
function properties(schema, found = new Set()) {
  if (schema === null || typeof schema !== 'object') return found;
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties') Object.keys(value).forEach((name) => found.add(name));
    properties(value, found);
  }
  return found;
}

/** Names of all members that a file declares. */
function members(text) {
  return new Set([...text.matchAll(/readonly (?:'([^']+)'|(\w+))\??:/g)].map((m) => m[1] ?? m[2]));
}

const beyond = (these, those) => [...these].filter((name) => !those.has(name)).sort();

test('every key of a configuration is typed, and none that is not one', () => {
  const schema = properties(JSON.parse(read('schemas', 'config', '1.0', 'config.schema.json')));
  const typed = members(read('bindings-node', 'lib', 'config.ts'));
  assert.deepStrictEqual(beyond(schema, typed), []);
  assert.deepStrictEqual(beyond(typed, schema), []);
});

test('every member of a built-in event is typed, and none that is not one', () => {
  const folder = path.join(root, 'schemas', 'governance-event', '1.0');
  // What no program emits.
  const own = ['audit.chain', 'heartbeat', 'sink.failed', 'sink.recovered', 'vacuum.event'];
  const text = read('bindings-node', 'lib', 'types.ts');
  const typed = members(text);
  const known = properties(JSON.parse(read('schemas', 'governance-event', '1.0', 'common.json')));
  for (const file of fs.readdirSync(folder)) {
    const type = file.replace(/\.json$/, '');
    if ((!type.includes('.') && !['span', 'coverage'].includes(type)) || own.includes(type)) continue;
    assert.match(text, new RegExp(`^  '?${type.replace('.', '\\.')}'?: `, 'm'), `${type} is not typed`);
    const schema = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
    properties(schema, known);
    assert.deepStrictEqual(beyond(Object.keys(schema.properties ?? {}), typed), [], `members of ${type}`);
  }
  assert.deepStrictEqual(beyond(typed, known), []);
});

test('the layout of the table is the one that the native half reads', () => {
  const { layout } = require('../scripts/layout.js');
  assert.strictEqual(read('bindings-node', 'lib', 'layout.ts'), layout(), 'run bindings-node/gen.sh');
});
