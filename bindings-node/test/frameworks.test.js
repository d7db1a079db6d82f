'use strict';
// A real instrumented agent framework against a scripted model server: sealed, sound, with no word of content.
// It runs in an environment of its own under target/, installed once from its lock file.
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { verify } = require('..');
const { environment } = require('./frameworks/environment');
const { folder, events, pkg } = require('./helpers');

test('ai: a text generation with a tool is a run with usage and an invocation', async (t) => {
  const place = environment(t);
  if (place === undefined) return;
  const dir = folder(t);
  const [out, key, config] = ['out.ndjson', 'key', 'sinkwell.json'].map((name) => path.join(dir, name));
  fs.writeFileSync(key, Buffer.from([...Array(32).keys()]), { mode: 0o600 });
  const document = {
    agent: { id: 'urn:sinkwell:agent:forecaster' },
    key: { id: 'k1', hmac_sha256: { file: key } },
    lanes: [{ sink: { file: { path: out } } }],
  };
  fs.writeFileSync(config, JSON.stringify(document));
  const args = [path.join(place, 'agent.mjs'), pkg, config];
  const said = execFileSync(process.execPath, args, { cwd: place, encoding: 'utf8', timeout: 60_000 });
  assert.equal(said, 'MARKER it is sunny.\nMARKER it is sunny.\n');

  assert.equal((await verify([out], { keys: { k1: { file: `hmac:${key}` } } })).verdict, 'sound');
  assert.ok(!fs.readFileSync(out, 'utf8').includes('MARKER'));
  const all = events(out);
  const run = [
    'run.started',
    'model.usage',
    'tool.invocation',
    'model.usage',
    'model.usage',
    'run.completed',
  ];
  assert.deepEqual(
    all.map((event) => event.type.replace('dev.sinkwell.', '')),
    [...run, ...run],
  );
  assert.deepEqual(
    [0, 6].map((from) => new Set(all.slice(from, from + 6).map((event) => event.runid)).size),
    [1, 1],
  );
  const [, usage, tool, , ofRun, end] = all.map((event) => event.data);
  assert.deepEqual(
    [usage['source.family'], usage.model, usage.provider, usage.total_tokens],
    ['model', 'scripted-1', 'scripted.chat', 15],
  );
  assert.deepEqual(
    usage.content.map((part) => part.class),
    ['system', 'prompt'],
  );
  assert.deepEqual([tool.tool, tool.outcome], ['weather', 'ok']);
  assert.deepEqual([ofRun['source.family'], ofRun.total_tokens], ['run', 30]);
  assert.deepEqual([end.terminal_status, end['gen_ai.agent.name']], ['completed', 'forecaster']);
  const failed = all[8].data;
  assert.deepEqual([failed.tool, failed.outcome, failed['error.type']], ['weather', 'error', 'RangeError']);
});

test('ai: of spans within each other each token counts once, and its results are usages', async (t) => {
  const place = environment(t);
  if (place === undefined) return;
  const dir = folder(t);
  const [out, config] = ['out.ndjson', 'sinkwell.json'].map((name) => path.join(dir, name));
  const document = { agent: { id: 'a1' }, lanes: [{ sink: { file: { path: out } } }] };
  fs.writeFileSync(config, JSON.stringify(document));
  const args = [path.join(place, 'objects.mjs'), pkg, config];
  const { counted, usages } = JSON.parse(
    execFileSync(process.execPath, args, { cwd: place, encoding: 'utf8', timeout: 60_000 }),
  );
  const all = events(out);
  const usage = (family) =>
    all.filter(({ type, data }) => type === 'dev.sinkwell.model.usage' && data['source.family'] === family);
  const sum = (family, member) => usage(family).reduce((total, { data }) => total + (data[member] ?? 0), 0);
  assert.deepEqual(counted, { input: 66, output: 12 });
  assert.deepEqual({ input: sum('model', 'input_tokens'), output: sum('model', 'output_tokens') }, counted);
  // Around the embeddings there is no run.
  assert.deepEqual([usage('model').length, usage('run').length], [6, 4]);
  assert.deepEqual(
    usages.map(({ input_tokens, output_tokens }) => [input_tokens, output_tokens]),
    [
      [12, 3],
      [12, 3],
      [9, undefined],
      [9, undefined],
      [12, 3],
      [12, 3],
    ],
  );
  assert.ok(!fs.readFileSync(out, 'utf8').includes('MARKER'));
});

// In this process, as the folders that they install are the same.
require('./frameworks/integrations');
