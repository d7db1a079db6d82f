'use strict';
// The viewer's page, from Node.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { Emitter, InvalidArgumentError, VerificationError, view } = require('..');
const { folder } = require('./helpers');

const KEY = Buffer.from([...Array(32).keys()]);

async function sealed(t) {
  const dir = folder(t);
  const [file, key] = ['events.ndjson', 'agent.key'].map((name) => path.join(dir, name));
  fs.writeFileSync(key, KEY, { mode: 0o600 });
  const sw = await Emitter.open({
    agent: { id: 'urn:example:agent' },
    key: { id: 'k1', hmac_sha256: { file: key } },
    lanes: [{ sink: { file: { path: file } } }],
  });
  sw.emit('com.example.n', { message: '</script><b>' });
  await sw.shutdown();
  return { dir, file, key };
}

test('the page of a file, and of its bytes, is one file that verifies itself', async (t) => {
  const { dir, file, key } = await sealed(t);
  const page = await view(file, { keys: { k1: `hmac:${key}` } });
  assert.match(page.html, /^<!doctype html>/);
  assert.ok(!page.html.includes('</script><b>'));
  const saved = path.join(dir, 'page.html');
  await page.save(saved);
  assert.equal(fs.readFileSync(saved, 'utf8'), page.html);
  assert.equal(fs.statSync(saved).mode & 0o777, 0o600);
  const bytes = Buffer.concat([Buffer.from('hmac:'), KEY]);
  const again = await view([fs.readFileSync(file)], {
    keys: { k1: { bytes, agent: 'urn:example:*' } },
    partial: true,
    strict: true,
  });
  assert.match(again.html, /^<!doctype html>/);
  // A shared secret is in no page.
  for (const { html } of [page, again]) assert.ok(!html.includes(KEY.toString('base64')));
});

test('what cannot be shown is said', async (t) => {
  const { dir } = await sealed(t);
  await assert.rejects(
    view(Buffer.from('{"specversion":"1.0"}')),
    (error) => error instanceof VerificationError && /no envelope/.test(error.message),
  );
  await assert.rejects(view(path.join(dir, 'nowhere.ndjson')), /nowhere/);
  await assert.rejects(view([]), InvalidArgumentError);
});
