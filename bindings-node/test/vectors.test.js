'use strict';
// Every case of tests/vectors, through the package's public calls. What ran and what was left out, and why, is
// written down for the matrix (tests/vectors/matrix.py).
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { PassThrough, Readable } = require('node:stream');
const test = require('node:test');
const vm = require('node:vm');
const {
  costData,
  Emitter,
  evaluateContentCapture,
  eventOfLog,
  eventsOfSpan,
  modelUsage,
  Rejected,
  rollUp,
  Uncertain,
  verify,
} = require('..');
const { deferred, envelopes, events, folder, record, root, run } = require('./helpers');

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

const refused = (expected) => (error) =>
  error.kind === expected.error && (expected.message ?? []).every((part) => error.message.includes(part));

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
    for (const key of vector.keys) {
      known(key, ['id', 'hmac_base64', 'spki_pem', 'given_base64', 'name', 'agent']);
      const secret = Buffer.from(key.hmac_base64 ?? key.given_base64 ?? '', 'base64');
      const word = Buffer.from(key.hmac_base64 ? 'hmac:' : (key.name ?? ''));
      const bytes = key.spki_pem ? Buffer.from(key.spki_pem) : Buffer.concat([word, secret]);
      keys[key.id] = { bytes, ...(key.agent && { agent: key.agent }) };
    }
    const { silence, ...flags } = vector.options ?? {};
    known(flags, ['strict', 'partial', 'edges', 'lanes']);
    const options = { keys, ...flags, ...(silence && { silence: ms(silence) }) };
    if (vector.checkpoints) options.checkpoints = vector.checkpoints.map(write);
    const call = verify(vector.inputs.map(write), options);
    const { expected } = vector;
    const given = vector.keys.find((key) => key.given_base64);
    if (given) {
      const file = path.join(dir, 'key');
      fs.writeFileSync(file, Buffer.from(given.given_base64, 'base64'));
      const inFile = verify(vector.inputs.map(write), { keys: { [given.id]: `${given.name ?? ''}${file}` } });
      if (expected.error) await assert.rejects(inFile, refused(expected));
      else assert.equal((await inFile).verdict, expected.verdict);
    }
    if (expected.error) {
      await assert.rejects(call, refused(expected));
      record(`verify/${name}`);
      return;
    }
    known(
      expected,
      'verdict unsigned malformed open lost erased findings streams exit envelopes closed'.split(' '),
    );
    const report = await call;
    const listed = (findings) =>
      findings
        .map(({ kind, from, to, where }) =>
          JSON.stringify([kind, from, to, where?.replaceAll(`${dir}/`, '')]),
        )
        .sort();
    for (const member of ['verdict', 'unsigned', 'malformed', 'open', 'lost', 'erased', 'envelopes']) {
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
    record(`verify/${name}`);
  });
}

for (const [name, { keys: given, cases, ...others }] of files('seal')) {
  known(others, ['name', 'about']);
  test(`seal/${name}`, async (t) => {
    const dir = folder(t);
    const keys = {};
    for (const key of given) {
      known(key, ['id', 'hmac_base64', 'spki_pem']);
      const secret = Buffer.from(key.hmac_base64 ?? '', 'base64');
      const bytes = key.spki_pem ? Buffer.from(key.spki_pem) : Buffer.concat([Buffer.from('hmac:'), secret]);
      keys[key.id] = { bytes };
    }
    assert.ok(cases.length > 0);
    for (const [i, one] of cases.entries()) {
      known(one, ['name', 'line', 'event', 'place', 'digest', 'hash', 'signature']);
      const file = path.join(dir, `${i}.ndjson`);
      fs.writeFileSync(file, `${one.line}\n`);
      const [{ head }] = (await verify([file], { partial: true })).streams;
      // A signature that is not even base64 is wrong without a key.
      assert.ok(head === one.hash || (!head && one.signature === 'wrong'), one.name);
      const [{ findings }] = (await verify([file], { keys, partial: true })).streams;
      const found = (...kinds) => findings.some(({ kind }) => kinds.includes(kind));
      const said = found('unsigned') ? 'none' : found('altered', 'unknown_key') ? 'wrong' : 'good';
      assert.equal(said, one.signature, one.name);
      record(`seal/${name}/${i}`);
    }
  });
}

for (const [name, { cases, ...others }] of files('spans')) {
  known(others, ['name', 'about']);
  test(`spans/${name}`, () => {
    assert.ok(cases.length > 0);
    for (const [i, one] of cases.entries()) {
      known(one, ['name', 'span', 'events', 'error']);
      if (one.error) {
        const same = (error) => error.kind === one.error.kind && error.where === one.error.where;
        assert.throws(() => eventsOfSpan(one.span), same, one.name);
      } else {
        assert.deepEqual(eventsOfSpan(one.span), one.events, one.name);
      }
      record(`spans/${name}/${i}`);
    }
  });
}

/** A record's values that JSON has not, as values of JavaScript's. */
function marked(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(marked);
  const [[key, text] = [], ...more] = Object.entries(value);
  if (more.length === 0 && key === '$double') return Number(text);
  if (more.length === 0 && key === '$integer') return BigInt(text);
  if (more.length === 0 && key === '$bytes') return Buffer.from(text, 'base64');
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, marked(member)]));
}

for (const [name, { cases, ...others }] of files('logs')) {
  known(others, ['name', 'about']);
  test(`logs/${name}`, () => {
    assert.ok(cases.length > 0);
    for (const [i, one] of cases.entries()) {
      known(one, ['name', 'record', 'event']);
      assert.deepEqual(eventOfLog(marked(one.record)), one.event, one.name);
      record(`logs/${name}/${i}`);
    }
  });
}

/** What the vectors say of an event: no salt, no time, nothing that was measured. */
function told({ type, data: { capture: _, ...data }, ...event }) {
  if (data.phase === 'result') delete data.duration_ms;
  data.content = data.content?.map((part) =>
    Object.fromEntries(Object.entries(part).filter(([key]) => /^(class|mediatype|role|size)$/.test(key))),
  );
  if (data.content === undefined) delete data.content;
  const names = ['subject', 'runid', 'causationid', 'correlationid', 'traceparent', 'severitytext'];
  return {
    type,
    data,
    ...Object.fromEntries(names.filter((key) => key in event).map((key) => [key, event[key]])),
  };
}

/** A deed of a step, from its beginning to its end. */
function begin(sw, step) {
  const [began, over] = [deferred(), deferred()];
  const done = sw.deedOfStep(step, async (call) => {
    began.resolve();
    call.ended(await over.promise);
  });
  const end = (members) => {
    over.resolve(members);
    return done;
  };
  return Promise.race([began.promise, done]).then(() => end);
}

for (const [name, { cases, ...others }] of files('steps')) {
  known(others, ['name', 'about']);
  test(`steps/${name}`, async (t) => {
    assert.ok(cases.length > 0);
    const dir = folder(t);
    for (const [i, one] of cases.entries()) {
      known(one, ['name', 'calls', 'events']);
      const file = path.join(dir, String(i));
      const lanes = [{ id: 'out', sink: { file: { path: file } } }];
      const sw = await Emitter.open({ agent: { id: 'urn:example:agent' }, heartbeat: 'off', lanes });
      const deeds = new Map();
      for (const { error, ...call } of one.calls) {
        known(call, ['emit', 'begin', 'end']);
        const [[what, step]] = Object.entries(call);
        const same = (thrown) => thrown.kind === error.kind && thrown.where === error.where;
        if (what === 'emit') {
          if (error) assert.throws(() => sw.emitStep(step), same, one.name);
          else sw.emitStep(step);
        } else if (what === 'begin') {
          if (error)
            await assert.rejects(
              sw.deedOfStep(step, () => {}),
              same,
              one.name,
            );
          else deeds.set(step.id, await begin(sw, step));
        } else await deeds.get(step.id)(step);
      }
      await sw.shutdown();
      assert.deepEqual(
        envelopes(file)
          .filter((event) => !event.origin)
          .map(told),
        one.events,
        one.name,
      );
      record(`steps/${name}/${i}`);
    }
  });
}

/** A sink that answers by a script. */
function scripted({ form, rules, how, first }) {
  const answers = new Map(rules.map((rule) => [rule.event, rule.answers]));
  const given = new Map();
  const says = (event) => {
    const words = event.origin === 'core' ? undefined : answers.get(event.data.n);
    if (words === undefined) return undefined;
    const times = given.get(event.data.n) ?? 0;
    given.set(event.data.n, times + 1);
    return {
      taken: undefined,
      refuse: new Rejected('no'),
      uncertain: new Uncertain('who knows'),
      // Of another realm, as Jest's are.
      retry: vm.runInNewContext("new RangeError('away')"),
      nonsense: { status: 503 },
    }[words[Math.min(times, words.length - 1)]];
  };
  const sink = { name: 'scripted', classes: ['debug'] };
  if (form === 'one') {
    sink.emit = async (event) => {
      const answer = says(event);
      if (Object.prototype.toString.call(answer) === '[object Error]') throw answer;
      return answer;
    };
    return sink;
  }
  sink.emitBatch = async (events) => {
    const all = events.map(says);
    if (first && events.some((event) => event.origin !== 'core')) {
      const once = first;
      first = undefined;
      if (once === 'nonsense') return { ok: false };
      return once === 'short' ? all.slice(1) : [...all, undefined];
    }
    const raised = how === 'raise' && all.find(Boolean);
    if (raised) throw raised;
    return all;
  };
  return sink;
}

for (const [name, { config, events, cases, ...others }] of files('host-sinks')) {
  known(others, ['name', 'about']);
  test(`host-sinks/${name}`, async () => {
    assert.ok(cases.length > 0);
    for (const [i, one] of cases.entries()) {
      known(one, ['name', 'form', 'rules', 'how', 'first', 'timeout_ms', 'counters']);
      const sw = await Emitter.open(config, { sinks: [scripted(one)] });
      for (let n = 0; n < events; n++) sw.emit('com.example.n', { n });
      await sw.flush({ timeout: one.timeout_ms });
      const counters = sw.counters().scripted;
      const got = Object.fromEntries(Object.keys(one.counters).map((key) => [key, counters[key]]));
      assert.deepEqual(got, one.counters, one.name);
      record(`host-sinks/${name}/${i}`);
      await sw.shutdown({ timeout: 1 });
    }
  });
}

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

for (const [name, { group, cases, ...others }] of files('content')) {
  known(others, []);
  const skip =
    ['sampling', 'commitments'].includes(group) &&
    'no call of the packages decides this alone; emit/ and content/modes reach it';
  if (skip) cases.forEach((_, i) => record(`content/${name}/${i}`, skip));
  test(`content/${name}`, { skip }, () => {
    assert.ok(cases.length > 0);
    for (const [i, one] of cases.entries()) {
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
      record(`content/${name}/${i}`);
    }
  });
}

// A refused configuration is refused alike; what a good one means (`facts`) is the core's own test.
for (const [name, { about: _, cases, ...others }] of files('config')) {
  known(others, []);
  test(`config/${name}`, async (t) => {
    assert.ok(cases.length > 0);
    const refused = cases.filter((one) => one.error);
    cases.forEach((one, i) => {
      known(one, ['name', 'yaml', 'json', 'mapping', 'env', 'files', 'error', 'facts', 'warnings']);
      if (!one.error)
        record(`config/${name}/${i}`, 'what a good document means shows in no call of the packages');
    });
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
      prepare: (dir) => fs.writeFileSync(path.join(dir, 'cases.json'), JSON.stringify(refused)),
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
      record(`config/${name}/${cases.indexOf(refused[i])}`);
    });
  });
}

for (const [name, vector] of files('emit')) {
  test(`emit/${name}`, async (t) => {
    known(vector, ['name', 'about', 'config', 'events', 'expected']);
    const dir = folder(t);
    process.env.SINKWELL_TESTING = '1';
    t.after(() => delete process.env.SINKWELL_TESTING);
    const sw = await Emitter.open(JSON.parse(JSON.stringify(vector.config).replaceAll('{dir}', dir)));
    for (const step of vector.events) {
      known(step, ['event', 'error']);
      const { type, data, ...options } = step.event;
      if (typeof options.trace === 'object')
        options.trace = Object.fromEntries(
          Object.entries(options.trace).map(([key, value]) => [camel(key), value]),
        );
      for (const part of options.content ?? []) {
        if (typeof part.bytes === 'string') part.bytes = Buffer.from(part.bytes, 'base64');
      }
      if (step.error === undefined) {
        sw.emit(type, data, options);
        continue;
      }
      known(step.error, ['kind', 'code', 'where', 'message']);
      const { kind, code, where, message = '' } = step.error;
      assert.throws(
        () => sw.emit(type, data, options),
        (error) => {
          assert.deepEqual([error.kind, error.code], [kind, code]);
          if (where !== null) assert.equal(error.where, where);
          assert.ok(error.message.includes(message), error.message);
          return true;
        },
      );
    }
    await sw.shutdown();
    for (const [file, lines] of Object.entries(vector.expected)) {
      assert.deepEqual(fs.readFileSync(path.join(dir, file), 'utf8').split('\n'), [...lines, '']);
    }
    record(`emit/${name}`);
  });
}

const ATTRIBUTES = [
  'subject',
  'runid',
  'turnid',
  'attemptid',
  'agentid',
  'tenantid',
  'correlationid',
  'causationid',
  'childid',
  'traceparent',
  'tracestate',
];

/** What an act throws, by how it is to end. */
const ENDS = {
  error: () => new RangeError('raised'),
  timeout: () => new DOMException('raised', 'TimeoutError'),
  cancelled: () => new DOMException('raised', 'AbortError'),
};

/** `"*"` stands for anything that is there. */
function same(got, wanted, place) {
  if (wanted === '*') assert.notEqual(got, undefined, place);
  else if (typeof wanted !== 'object' || wanted === null) assert.equal(got, wanted, place);
  else {
    assert.deepEqual(Object.keys(got).sort(), Object.keys(wanted).sort(), place);
    for (const key of Object.keys(wanted)) same(got[key], wanted[key], `${place}.${key}`);
  }
}

const failing = (wanted) => (error) => {
  known(wanted, ['kind', 'where', 'message']);
  assert.equal(error.kind, wanted.kind, error.message);
  if (wanted.where !== '*') assert.equal(error.where, wanted.where);
  assert.ok(error.message.includes(wanted.message ?? ''), error.message);
  return true;
};

function eventOf({ type, data, ...options }) {
  if (options.trace)
    options.trace = Object.fromEntries(
      Object.entries(options.trace).map(([key, value]) => [camel(key), value]),
    );
  return [type, data, options];
}

async function deed(sw, { event, until, timeout_ms: timeout, says = [], ends, error, ...others }) {
  known(others, []);
  const [type, data, options] = eventOf(event);
  const thrown = ends && ENDS[ends]();
  let ran = false;
  const call = sw.deed(type, data, { ...options, until, timeout }, (deed) => {
    ran = true;
    for (const { data, content, error, ...others } of says) {
      known(others, []);
      if (error) assert.throws(() => deed.result(data, content), failing(error));
      else deed.result(data, content);
    }
    if (thrown) throw thrown;
    return 7;
  });
  if (error) await assert.rejects(call, failing(error));
  else if (thrown) await assert.rejects(call, (error) => error === thrown);
  else assert.equal(await call, 7);
  assert.equal(ran, !error);
}

for (const [name, vector] of files('deeds')) {
  test(`deeds/${name}`, async (t) => {
    known(vector, ['name', 'about', 'config', 'calls', 'events']);
    const dir = folder(t);
    const siem = {
      name: 'siem',
      down: false,
      async emit() {
        if (this.down) throw new Error('down');
      },
    };
    const config = JSON.stringify(vector.config).replaceAll('{dir}', dir);
    const sw = await Emitter.open(JSON.parse(config), { sinks: config.includes('"siem"') ? [siem] : [] });
    for (const call of vector.calls) {
      known(call, ['emit', 'error', 'deed', 'down', 'unready']);
      if (call.emit) {
        if (call.error) assert.throws(() => sw.emit(...eventOf(call.emit)), failing(call.error));
        else sw.emit(...eventOf(call.emit));
      } else if (call.deed) await deed(sw, call.deed);
      else if (call.down) siem.down = true;
      else {
        let ready = true;
        while (ready) {
          await new Promise(setImmediate);
          try {
            sw.ensureReady();
          } catch {
            ready = false;
          }
        }
      }
    }
    await sw.shutdown(siem.down ? { timeout: 500 } : {});
    for (const [lane, wanted] of Object.entries(vector.events)) {
      const got = events(path.join(dir, lane));
      assert.equal(got.length, wanted.length);
      for (const [i, one] of wanted.entries()) {
        known(one, ['type', 'severity', 'of', 'data', 'attributes']);
        assert.deepEqual([got[i].type, got[i].severitytext], [one.type, one.severity]);
        same(got[i].data, one.data, `${lane}[${i}]`);
        const attributes = { ...one.attributes };
        if ('of' in one) attributes.causationid = got[one.of].id;
        const has = ATTRIBUTES.filter((name) => name in got[i]).map((name) => [name, got[i][name]]);
        assert.deepEqual(Object.fromEntries(has), attributes);
      }
    }
    record(`deeds/${name}`);
  });
}

for (const [name, vector] of files('policy')) {
  test(`policy/${name}`, async (t) => {
    known(vector, ['name', 'about', 'config', 'events', 'data', 'filtered', 'conditions', 'metrics']);
    const dir = folder(t);
    const sw = await Emitter.open(JSON.parse(JSON.stringify(vector.config).replaceAll('{dir}', dir)));
    for (const { type, data, ...options } of vector.events) {
      if (options.trace)
        options.trace = Object.fromEntries(
          Object.entries(options.trace).map(([key, value]) => [camel(key), value]),
        );
      sw.emit(type, data, options);
    }
    const filtered = Object.entries(sw.counters()).map(([lane, counters]) => [lane, counters.filteredBy]);
    assert.deepEqual(Object.fromEntries(filtered), vector.filtered);
    const conditions = () =>
      sw
        .policyStatus()
        .policies.flatMap(({ policy, targets }) =>
          targets.flatMap(({ kind = '', name = '', conditions }) =>
            conditions.map((one) => `${policy} ${kind}/${name}: ${one.type}=${one.status} ${one.reason}`),
          ),
        )
        .sort();
    assert.deepEqual(conditions(), vector.conditions);
    if (vector.metrics) {
      const lines = sw.prometheus().trimEnd().split('\n');
      assert.deepEqual(
        lines.filter((line) => !/^(#|sinkwell_)/.test(line)),
        vector.metrics,
      );
    }
    sw.reloadPolicies();
    assert.deepEqual(conditions(), vector.conditions);
    await sw.shutdown();
    for (const [lane, data] of Object.entries(vector.data)) {
      const lines = fs
        .readFileSync(path.join(dir, lane), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      assert.deepEqual(
        lines.filter((line) => !line.origin).map((line) => line.data),
        data,
      );
    }
    record(`policy/${name}`);
  });
}

/** The log as everything that a log may be. */
const asLogs = [
  (log) => log,
  (log) => Buffer.from(log),
  (log) => Readable.from([Buffer.from(log)]),
  (log) => Array.from(Buffer.from(log), (byte) => Uint8Array.of(byte)),
  async function* (log) {
    yield log.slice(0, 7);
    yield log.slice(7);
  },
];

for (const [name, vector] of files('vacuum')) {
  test(`vacuum/${name}`, async (t) => {
    known(vector, ['name', 'about', 'config', 'calls', 'lanes']);
    for (const as of asLogs) {
      const dir = folder(t);
      const sw = await Emitter.open(JSON.parse(JSON.stringify(vector.config).replaceAll('{dir}', dir)));
      for (const { log, passed, report, error, ...options } of vector.calls) {
        known(options, ['process', 'nonce', 'format']);
        if (error) {
          await assert.rejects(
            async () => sw.vacuum(as(log), options),
            ({ kind, where }) => kind === error.kind && where === error.where,
          );
          continue;
        }
        const done = await sw.vacuum(as(log), options);
        assert.equal(done.passed.toString(), passed);
        const wanted = Object.entries(report).map(([key, value]) => [camel(key), value]);
        assert.deepEqual(done.report, Object.fromEntries(wanted));
      }
      await sw.shutdown();
      for (const [lane, wanted] of Object.entries(vector.lanes)) {
        const file = path.join(dir, lane);
        const lines = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trimEnd().split('\n') : [];
        const events = lines.map((line) => JSON.parse(line)).filter((event) => !event.origin);
        const kept = events.map((event, i) =>
          Object.fromEntries(Object.keys(wanted[i] ?? {}).map((key) => [key, event[key]])),
        );
        assert.deepEqual(kept, wanted);
      }
    }
    record(`vacuum/${name}`);
  });
}

test('a vacuum writes what goes through, and a log that breaks does not count', async (t) => {
  const dir = folder(t);
  const sw = await Emitter.open({
    vacuum: { cursors: path.join(dir, 'cursors.db') },
    lanes: [{ id: 'kept', sink: { file: { path: path.join(dir, 'kept') } } }],
  });
  const out = new PassThrough({ highWaterMark: 1 });
  const reading = out.toArray();
  const log = Readable.from(['a\n{"_e":1}\n', 'b']);
  const { passed, report } = await sw.vacuum(log, { process: 'p', nonce: 1, out });
  out.end();
  assert.deepEqual([Buffer.concat(await reading).toString(), passed.length, report.events], ['a\nb', 0, 1]);
  async function* broken() {
    yield '{"_e":1}\n';
    throw new Error('the disk is gone');
  }
  await assert.rejects(sw.vacuum(broken(), { process: 'p', nonce: 2 }), /the disk is gone/);
  const again = await sw.vacuum('{"_e":1}\n', { process: 'p', nonce: 2 });
  assert.equal(again.report.events, 1);
  await sw.shutdown();
});

/** The call of each group. */
const usage = {
  model: ({ provider, request }) => modelUsage(provider, request),
  cost: ({ request }) =>
    costData(Object.fromEntries(Object.entries(request).map(([key, value]) => [camel(key), value]))),
  roll_up: ({ request }) => rollUp(request),
};

for (const [name, { group, cases, ...others }] of files('usage')) {
  test(`usage/${name}`, () => {
    known(others, []);
    assert.ok(cases.length > 0);
    for (const [i, one] of cases.entries()) {
      known(one, ['name', 'provider', 'request', 'answer', 'error']);
      if (one.error) {
        assert.throws(
          () => usage[group](one),
          ({ kind, where }) => {
            assert.deepEqual({ kind, where }, one.error, one.name);
            return true;
          },
        );
      } else {
        assert.deepEqual(usage[group](one), one.answer, one.name);
      }
      record(`usage/${name}/${i}`);
    }
  });
}

/** Whether a number in it is one that RFC 8785 can write and an event must not hold (RFC 7493). */
function unsafe(value) {
  if (typeof value === 'object' && value !== null) return Object.values(value).some(unsafe);
  return Number.isInteger(value) && !Number.isSafeInteger(value);
}

// Each number and text as the data of an event: in the sealed line it stands in its canonical form.
for (const [name, vector] of files('canonical')) {
  test(`canonical/${name}`, async (t) => {
    known(vector, ['name', 'about', 'numbers', 'texts']);
    const given = [];
    for (const [i, number] of (vector.numbers ?? []).entries()) {
      known(number, ['ieee754', 'json']);
      const v = Buffer.from(number.ieee754, 'hex').readDoubleBE();
      given.push([`numbers/${i}`, { v }, number.json === null ? null : `{"v":${number.json}}`]);
    }
    for (const [i, text] of (vector.texts ?? []).entries()) {
      known(text, ['json', 'canonical']);
      let value;
      try {
        value = JSON.parse(text.json);
      } catch {
        assert.equal(text.canonical, null, text.json);
        record(`canonical/${name}/texts/${i}`, 'a text that is not JSON gives no value to emit');
        continue;
      }
      if (text.json === '{"a":1,"a":1}') {
        record(`canonical/${name}/texts/${i}`, 'no object of JavaScript has two equal keys');
        continue;
      }
      given.push([`texts/${i}`, value, text.canonical]);
    }
    const file = path.join(folder(t), 'out.ndjson');
    const lanes = [{ id: 'out', sink: { file: { path: file } } }];
    const sw = await Emitter.open({ agent: { id: 'a' }, heartbeat: 'off', lanes });
    const wanted = [];
    for (const [, value, form] of given) {
      if (form === null || unsafe(JSON.parse(form))) {
        assert.throws(
          () => sw.emit('com.example.n', value),
          (error) => error.kind === 'invalid_event',
        );
      } else {
        sw.emit('com.example.n', value);
        wanted.push(form);
      }
    }
    await sw.shutdown();
    const lines = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').slice(1, -2) : [];
    assert.equal(lines.length, wanted.length);
    lines.forEach((line, i) => assert.ok(line.includes(`"data":${wanted[i]},"datacontenttype"`), line));
    for (const [label] of given) record(`canonical/${name}/${label}`);
  });
}
