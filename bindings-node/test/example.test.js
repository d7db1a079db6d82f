'use strict';
const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { promisify } = require('node:util');
const { verify } = require('..');
const { pkg, root } = require('./helpers');

test('the example agent writes a sound file', async (t) => {
  const dir = path.join(root, 'examples', 'node');
  const modules = path.join(dir, 'node_modules');
  fs.mkdirSync(modules, { recursive: true });
  fs.rmSync(path.join(modules, 'sinkwell'), { force: true });
  fs.symlinkSync(pkg, path.join(modules, 'sinkwell'));
  t.after(() => fs.rmSync(modules, { recursive: true }));
  const env = { ...process.env, SINKWELL_TESTING: '1' };
  await promisify(execFile)(process.execPath, [path.join(dir, 'agent.mjs')], { cwd: root, env });
  const out = path.join(root, 'target', 'examples', 'node');
  const report = await verify(path.join(out, 'events.ndjson'), {
    keys: { k1: path.join(out, 'agent.pem.pub') },
  });
  assert.equal(report.verdict, 'sound', JSON.stringify(report));
  assert.ok(report.envelopes > 10);
});
