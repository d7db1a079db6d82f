'use strict';
// Canaries: every byte that came out is searched for what must not, and must, be in it (tests/vectors/README.md).
const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { promisify } = require('node:util');
const { folder, record, root } = require('./helpers');

const vectors = path.join(root, 'tests', 'vectors', 'canaries');
const MEMBERS = 'name about config raised refuses_with event refused markers'.split(' ');
const WHOLE = ['all.ndjson', 'blind.ndjson', 'mine', 'stdout', 'audit.db'];

/** Every byte that came out, by place. */
function read(dir) {
  const places = new Map();
  for (const entry of fs.readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const [first] = path.relative(dir, file).split(path.sep);
    const place = first.startsWith('audit.db') ? 'audit.db' : first;
    places.set(place, Buffer.concat([places.get(place) ?? Buffer.alloc(0), fs.readFileSync(file)]));
  }
  return places;
}

/** How often a marker was found where it must or may be, and what is wrong. */
function judge(markers, places) {
  let finds = 0;
  const wrong = [];
  for (const { text, forms, must, may } of markers) {
    const needles = forms.map((form) => Buffer.from(form));
    for (const [place, bytes] of places) {
      if (!needles.some((needle) => bytes.includes(needle))) {
        if (must.includes(place)) wrong.push(`${text} is missing in ${place}`);
      } else if (must.includes(place) || may.includes(place)) finds++;
      else wrong.push(`${text} leaked into ${place}`);
    }
  }
  return { finds, wrong };
}

const names = fs.readdirSync(vectors).filter((name) => name.endsWith('.json'));

test('every gate is shut once', () => assert.equal(names.length, 9));

for (const name of names) {
  test(`canaries/${name.slice(0, -5)}`, async (t) => {
    const file = path.join(vectors, name);
    const { markers, ...others } = JSON.parse(fs.readFileSync(file, 'utf8'));
    for (const member of Object.keys(others)) assert.ok(MEMBERS.includes(member), member);
    const dir = folder(t);
    const agent = path.join(__dirname, 'canaries_agent.js');
    const ran = await promisify(execFile)(process.execPath, [agent, file, dir], {
      timeout: 120_000,
      encoding: 'buffer',
      maxBuffer: 1 << 26,
    });
    fs.writeFileSync(path.join(dir, 'stdout'), ran.stdout);
    fs.writeFileSync(path.join(dir, 'stderr'), ran.stderr);
    const places = read(dir);
    for (const place of WHOLE) assert.ok(places.has(place), place);
    const { finds, wrong } = judge(markers, places);
    const size = [...places.values()].reduce((sum, bytes) => sum + bytes.length, 0);
    t.diagnostic(`${places.size} places, ${size} bytes, ${finds} finds, ${wrong.length} wrong`);
    assert.deepEqual(wrong, []);
    assert.ok(finds > 0 || markers.every(({ must }) => must.length === 0));
    record(`canaries/${name.slice(0, -5)}`);
  });
}

test('a leak is found', () => {
  const marker = { text: 'K1øK', forms: ['K1\\u00f8K'], must: ['told'], may: [] };
  const places = new Map([
    ['told', Buffer.alloc(0)],
    ['stderr', Buffer.from('"K1\\u00f8K"')],
  ]);
  assert.deepEqual(judge([marker], places).wrong, ['K1øK is missing in told', 'K1øK leaked into stderr']);
});
