'use strict';
// The audit log from Node: the command's answers, as objects.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { AuditLog, Emitter, InvalidArgumentError, VerificationError, verify } = require('..');
const { folder } = require('./helpers');

async function log(t) {
  const dir = folder(t);
  const file = path.join(dir, 'audit.db');
  fs.writeFileSync(path.join(dir, 'agent.key'), 'a key for tests, thirty-two long', { mode: 0o600 });
  const emitter = await Emitter.open({
    agent: { id: 'urn:test:agent' },
    key: { id: 'k1', hmac_sha256: { file: path.join(dir, 'agent.key') } },
    heartbeat: 'off',
    lanes: [{ id: 'audit', sink: { audit_chain: { path: file } } }],
  });
  for (let n = 0; n < 10; n++) {
    emitter.emit('tool.invocation', { tool: 'search', outcome: 'ok' }, { run: `r-${n % 2}` });
  }
  await emitter.shutdown();
  return { dir, audit: new AuditLog(file) };
}

test('verify, head, prove, consistency, query and export', async (t) => {
  const { dir, audit } = await log(t);
  const head = await audit.head();
  assert.equal(head.size, 12);
  assert.ok(head.note.startsWith(head.origin));
  assert.equal((await audit.verify({ heads: [head.note] })).verdict, 'sound');
  const found = await audit.query({ run: 'r-1', type: 'tool.*', limit: 2, since: new Date(0) });
  assert.deepEqual(
    found.map((one) => one.index),
    [2, 4],
  );
  const { id, streamid, sequence } = found[0].envelope;
  const proof = await audit.prove({ id });
  assert.equal(proof.proof, 'sinkwell-inclusion-v1');
  assert.equal(proof.root, head.root);
  assert.deepEqual(await audit.prove({ index: 2 }), proof);
  assert.deepEqual(await audit.prove({ stream: streamid, sequence: Number(sequence) }), proof);
  assert.equal((await audit.consistency(5)).new_size, 12);
  const out = path.join(dir, 'export.ndjson');
  assert.equal(await audit.export(out), 12);
  for (const input of [out, audit.path]) {
    const report = await verify(input, { keys: { k1: `hmac:${path.join(dir, 'agent.key')}` } });
    assert.equal(report.verdict, 'sound');
  }
});

test('events are counted and added up', async (t) => {
  const { audit } = await log(t);
  const counted = await audit.group({ by: ['/runid'], where: { tool: 'search' }, since: '48h' });
  assert.deepEqual(
    counted.groups.map((group) => [group.by['/runid'], group.count]),
    [
      ['r-0', 5],
      ['r-1', 5],
    ],
  );
  const [{ sum }] = (await audit.group({ sum: ['tool'] })).groups;
  assert.deepEqual(sum, { tool: { sum: '0', numbers: 0, others: 10 } });
  await assert.rejects(audit.group({ by: ['/runid'], groups: 1 }), InvalidArgumentError);
});

test('wrong arguments are named', async (t) => {
  const { dir, audit } = await log(t);
  await assert.rejects(audit.query({ since: 'yesterday' }), (error) => {
    return error instanceof InvalidArgumentError && error.where === 'since';
  });
  await assert.rejects(audit.query({ wrong: 1 }), InvalidArgumentError);
  await assert.rejects(new AuditLog(path.join(dir, 'none.db')).head(), VerificationError);
});
