'use strict';
// Every case of tests/vectors that concerns this package, through its public calls.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { evaluateContentCapture, verify } = require('..');
const { folder, root, run } = require('./helpers');

const vectors = path.join(root, 'tests', 'vectors');

function files(kind) {
  const dir = path.join(vectors, kind);
  const names = fs.readdirSync(dir).filter((name) => name.endsWith('.json'));
  assert.ok(names.length > 0, `no vectors of ${kind}`);
  return names.map((name) => [name.slice(0, -5), JSON.parse(fs.readFileSync(path.join(dir, name), 'utf8'))]);
}

function known(object, members) {
  for (const name of Object.keys(object)) assert.ok(members.includes(name), `unknown member ${name}`);
}

function ms(duration) {
  const [, n, unit] = /^(\d+)(ms|s|m|h)$/.exec(duration);
  return Number(n) * { ms: 1, s: 1e3, m: 6e4, h: 3.6e6 }[unit];
}

for (const [name, vector] of files('verify')) {
  test(`verify/${name}`, async (t) => {
    known(vector, ['name', 'about', 'inputs', 'checkpoints', 'keys', 'options', 'expected']);
    const dir = folder(t);
    const write = (input) => {
      known(input, ['name', 'lines', 'tail']);
      const file = path.join(dir, input.name);
      fs.writeFileSync(file, input.lines.map((line) => `${line}\n`).join('') + (input.tail ?? ''));
      return file;
    };
    const keys = {};
    for (const key of vector.keys ?? []) {
      known(key, ['id', 'hmac_base64', 'spki_pem', 'agent']);
      const bytes = key.spki_pem ? Buffer.from(key.spki_pem) : Buffer.from(key.hmac_base64, 'base64');
      keys[key.id] = { bytes, ...(key.agent && { agent: key.agent }) };
    }
    const { silence, ...flags } = vector.options ?? {};
    known(flags, ['strict', 'partial', 'edges']);
    const options = { keys, ...flags, ...(silence && { silence: ms(silence) }) };
    if (vector.checkpoints) options.checkpoints = vector.checkpoints.map(write);
    const call = verify(vector.inputs.map(write), options);
    const { expected } = vector;
    if (expected.error) {
      await assert.rejects(call, (error) => error.kind === expected.error);
      return;
    }
    known(
      expected,
      'verdict unsigned malformed lost erased findings streams exit envelopes closed'.split(' '),
    );
    const report = await call;
    const listed = (findings) =>
      findings
        .map(({ kind, from, to, where }) =>
          JSON.stringify([kind, from, to, where?.replaceAll(`${dir}/`, '')]),
        )
        .sort();
    for (const member of ['verdict', 'unsigned', 'malformed', 'lost', 'erased', 'envelopes']) {
      if (member in expected) assert.deepEqual(report[member], expected[member], member);
    }
    assert.deepEqual(listed(report.findings), listed(expected.findings ?? []));
    assert.equal(report.streams.length, expected.streams.length);
    expected.streams.forEach((stream, i) => {
      known(stream, ['streamid', 'verdict', 'findings', 'envelopes', 'closed']);
      for (const member of ['streamid', 'verdict', 'envelopes', 'closed']) {
        if (member in stream) assert.equal(report.streams[i][member], stream[member], member);
      }
      assert.deepEqual(listed(report.streams[i].findings), listed(stream.findings));
    });
  });
}

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

for (const [name, { group, cases, ...others }] of files('content')) {
  known(others, []);
  test(
    `content/${name}`,
    { skip: ['sampling', 'commitments'].includes(group) && 'not a call of the package' },
    () => {
      assert.ok(cases.length > 0);
      for (const one of cases) {
        known(one, ['name', 'request', 'answer', 'error']);
        const request = Object.fromEntries(
          Object.entries(one.request).map(([key, value]) => [camel(key), value]),
        );
        if (one.error) {
          assert.throws(
            () => evaluateContentCapture(request),
            (error) => error.kind === one.error.kind && error.where === one.error.where,
            one.name,
          );
        } else {
          const answer = evaluateContentCapture(request);
          for (const [key, value] of Object.entries(one.answer)) {
            assert.deepEqual(answer[camel(key)], value, `${one.name}: ${key}`);
          }
        }
      }
    },
  );
}

// A refused configuration is refused alike; what a good one means (`facts`) is the core's own test.
for (const [name, { cases }] of files('config')) {
  test(`config/${name}`, async (t) => {
    const refused = cases.filter((one) => one.error);
    const script = `
      const fs = require('node:fs');
      const path = require('node:path');
      const { Emitter } = require('sinkwell');
      const cases = JSON.parse(fs.readFileSync('cases.json', 'utf8'));
      for (const [i, one] of cases.entries()) {
        const dir = path.join(process.cwd(), String(i));
        fs.mkdirSync(dir);
        process.chdir(dir);
        for (const key of Object.keys(process.env)) if (/^(SINKWELL|OTEL)_/.test(key)) delete process.env[key];
        const before = Object.keys(one.env ?? {});
        Object.assign(process.env, one.env);
        for (const [file, given] of Object.entries(one.files ?? {})) {
          const { text = given, mode } = given.text === undefined ? { text: given } : given;
          fs.writeFileSync(file, Array.isArray(text) ? text.join('\\n') : String(text), mode === undefined ? {} : { mode });
        }
        let config = one.mapping;
        if (one.yaml) fs.writeFileSync((config = 'sinkwell.yaml'), one.yaml.join('\\n') + '\\n');
        if (one.json) fs.writeFileSync((config = 'sinkwell.json'), one.json.join('\\n') + '\\n');
        let error;
        try { Emitter.openSync(config, { manual: true }); } catch (e) { error = e; }
        console.log(JSON.stringify([one.name, error?.kind, error?.code, error?.where, error?.message]));
        for (const key of before) delete process.env[key];
        process.chdir('..');
      }
      process.exit(0);`;
    const ran = await run(t, script, {
      onStart: (_, dir) => fs.writeFileSync(path.join(dir, 'cases.json'), JSON.stringify(refused)),
    });
    assert.equal(ran.code, 0, ran.stderr);
    const answers = ran.stdout
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    assert.equal(answers.length, refused.length);
    refused.forEach(({ name: about, error }, i) => {
      const [, kind, code, where, message] = answers[i];
      assert.equal(kind, error.kind, `${about}: ${message}`);
      assert.equal(code, error.code, about);
      if (error.place !== undefined) assert.equal(where, error.place, about);
      if (error.message !== undefined) assert.ok(message.includes(error.message), `${about}: ${message}`);
    });
  });
}
