'use strict';
// What comes in from pino, diagnostics_channel and OpenTelemetry: with the real packages.
const assert = require('node:assert/strict');
const path = require('node:path');
const channel = require('node:diagnostics_channel');
const { once } = require('node:events');
const test = require('node:test');
const api = require('@opentelemetry/api');
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks');
const {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  ParentBasedSampler,
} = require('@opentelemetry/sdk-trace-base');
const { Emitter, eventOfLog } = require('..');
const { subscribeChannels } = require('../dist/channel');
const { recordAll, SinkwellSpanProcessor } = require('../dist/otel');
const { events, folder, run } = require('./helpers');

function collecting() {
  const got = [];
  const sink = { name: 'js', emit: (event) => void (event.origin === 'core' || got.push(event)) };
  return { got, sw: Emitter.openSync({ agent: { id: 'a1' } }, { sinks: [sink] }) };
}

function traced(sw) {
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const provider = new BasicTracerProvider({ spanProcessors: [new SinkwellSpanProcessor({ emitter: sw })] });
  return provider.getTracer('test');
}

test('the active span is the trace of an event', async (t) => {
  t.after(() => api.context.disable());
  const { got, sw } = collecting();
  const tracer = traced(sw);
  const span = tracer.startSpan('outer');
  const { traceId, spanId } = span.spanContext();
  api.context.with(api.trace.setSpan(api.context.active(), span), () => sw.emit('com.x', { n: 1 }));
  sw.emit('com.x', { n: 2 });
  await sw.shutdown();
  assert.equal(got[0].traceParent, `00-${traceId}-${spanId}-01`);
  assert.equal(got[1].traceParent, undefined);
});

test('spans of the GenAI conventions are runs, tools and usage; content goes through the gates', async (t) => {
  t.after(() => api.context.disable());
  const { got, sw } = collecting();
  const tracer = traced(sw);
  const span = (name, attributes, fail) => {
    const one = tracer.startSpan(name, { attributes });
    if (fail) one.setStatus({ code: api.SpanStatusCode.ERROR, message: 'MARKER' });
    one.end();
    return one;
  };
  span('chat small-1', {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'example',
    'gen_ai.request.model': 'small-1',
    'gen_ai.usage.input_tokens': 12,
    'gen_ai.usage.output_tokens': 3,
    'gen_ai.input.messages': 'MARKER',
    'gen_ai.output.messages': 'MARKER',
  });
  span('execute_tool search', {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'search',
    'gen_ai.tool.call.arguments': 'MARKER',
  });
  span('execute_tool shell', { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'shell' }, true);
  span('invoke_agent buyer', { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.conversation.id': 'c1' });
  const other = span('GET /', { 'http.route': '/' });
  await sw.shutdown();
  assert.deepEqual(
    got.map((event) => event.type.replace('dev.sinkwell.', '')),
    ['model.usage', 'tool.invocation', 'tool.invocation', 'run.started', 'run.completed', 'span'],
  );
  const [usage, search, shell, , run, rest] = got.map((event) => event.data);
  assert.deepEqual(
    usage.content.map((one) => one.class),
    ['prompt', 'completion'],
  );
  assert.equal(got[4].runId, got[4].traceParent.slice(3, 35));
  assert.equal(usage.input_tokens, 12);
  assert.equal(usage['source.family'], 'model');
  assert.deepEqual([search.tool, search.outcome], ['search', 'ok']);
  assert.equal(shell.outcome, 'error');
  assert.equal(run.terminal_status, 'completed');
  assert.equal(got[4].correlationId, 'c1');
  assert.equal(rest.name, 'GET /');
  assert.equal(got[5].traceParent.slice(3, 35), other.spanContext().traceId);
  assert.ok(got.every((event) => !event.bytes.includes('MARKER')));
});

test('kind, links and what happened travel', async () => {
  const { got, sw } = collecting();
  const tracer = traced(sw);
  const around = tracer.startSpan('around');
  around.end();
  const { traceId: trace_id, spanId: span_id, traceFlags: flags } = around.spanContext();
  const span = tracer.startSpan('GET /cart', {
    kind: api.SpanKind.SERVER,
    links: [{ context: around.spanContext(), attributes: { 'link.n': 1, words: 'MARKER' } }],
  });
  span.addEvent('cache.miss', { 'cache.size': 3, words: 'MARKER' }, [1_700_000_001, 5]);
  span.addEvent('MARKER said hello');
  span.end();
  await sw.shutdown();
  const { data, bytes } = got[1];
  assert.equal(data.span_kind, 'server');
  assert.deepEqual(data.span_links, [{ attributes: { 'link.n': 1 }, flags, span_id, trace_id }]);
  const time = '2023-11-14T22:13:21.000000005Z';
  assert.deepEqual(data.span_events, [{ attributes: { 'cache.size': 3 }, name: 'cache.miss', time }]);
  assert.equal(data.span_events_left_out, 1);
  assert.ok(!bytes.includes('MARKER'));
});

test('what JSON cannot say loses no span', async () => {
  const { got, sw } = collecting();
  const odd = { 'a.nan': NaN, 'a.big': 2 ** 60, 'a.lone': '\ud800', 'a.list': [undefined, 1], 'a.n': 7 };
  traced(sw).startSpan('odd \ud800', { attributes: odd }).end();
  await sw.shutdown();
  assert.equal(got[0].data['a.n'], 7);
  assert.deepEqual(Object.keys(got[0].data).sort(), ['a.n', 'duration_ms', 'name', 'span_kind', 'status']);
});

test('a span that cannot be emitted is a warning', async () => {
  const { sw } = collecting();
  const tracer = traced(sw);
  await sw.shutdown();
  const warned = new Promise((resolve) => process.once('warning', resolve));
  tracer.startSpan('late').end();
  const { name, message } = await warned;
  assert.equal(name, 'SinkwellWarning');
  assert.match(message, /^1 event of a span was not emitted \(closed\): the emitter has been shut down/);
});

test('what a sampler drops is an event with recordAll, and stays unsampled', async () => {
  for (const [sampler, wanted] of [
    [new AlwaysOffSampler(), []],
    [recordAll(new AlwaysOffSampler()), ['00']],
    [recordAll(new AlwaysOnSampler()), ['01']],
    [recordAll(new ParentBasedSampler({ root: new AlwaysOffSampler() })), ['00']],
  ]) {
    const { got, sw } = collecting();
    const provider = new BasicTracerProvider({
      sampler,
      spanProcessors: [new SinkwellSpanProcessor({ emitter: sw })],
    });
    provider.getTracer('test').startSpan('work').end();
    await sw.shutdown();
    assert.deepEqual(
      got.map((event) => event.traceParent.slice(-2)),
      wanted,
      String(sampler),
    );
  }
  assert.equal(String(recordAll(new AlwaysOffSampler())), 'RecordAll{AlwaysOffSampler}');
});

test('a processor without an emitter has the default one: spans, flush and shutdown', async (t) => {
  const ran = await run(
    t,
    `const { SinkwellSpanProcessor } = require('sinkwell/otel');
     const { configure } = require('sinkwell');
     const processor = new SinkwellSpanProcessor();
     const span = { name: 'work', attributes: {}, startTime: [1, 0], endTime: [2, 0], status: { code: 0 },
       spanContext: () => ({ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 }) };
     (async () => {
       // Nothing is open, and nothing opens for it.
       await processor.forceFlush();
       const got = [];
       const emit = async (event) => { await new Promise(setImmediate); got.push(event.type); };
       const sw = await configure({ agent: { id: 'a1' }, lanes: [] }, { sinks: [{ name: 'js', emit }] });
       processor.onEnd(span);
       await processor.forceFlush();
       console.log(got.filter((type) => type.endsWith('.span')).length);
       processor.onEnd(span);
       await processor.shutdown();
       console.log(got.filter((type) => type.endsWith('.span')).length);
       // The emitter is its owner's to end.
       sw.ensureReady();
     })();`,
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, '1\n2\n');
});

test('an attribute that throws while it is read costs its own value', async () => {
  const { got, sw } = collecting();
  const attributes = {
    'a.n': 7,
    get 'a.odd'() {
      throw new Error('MARKER');
    },
    'a.date': new Date(NaN),
  };
  const context = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
  const span = { name: 'work', attributes, startTime: [1, 0], endTime: [2, 0], status: { code: 0 } };
  new SinkwellSpanProcessor({ emitter: sw }).onEnd({ ...span, spanContext: () => context });
  await sw.shutdown();
  assert.equal(got[0].data['a.n'], 7);
});

test('the active span is found where no module of OpenTelemetry can be loaded', async (t) => {
  const ran = await run(
    t,
    `const { Emitter } = require('sinkwell');
     // What any copy of the API registers, and how it keys the active span.
     const span = { spanContext: () => ({ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 }) };
     const active = { getValue: (key) => key === Symbol.for('OpenTelemetry Context Key SPAN') ? span : undefined };
     globalThis[Symbol.for('opentelemetry.js.api.1')] = { version: '1.9.0', context: { active: () => active } };
     const sw = Emitter.openSync({ agent: { id: 'a1' }, lanes: ['stdout'] });
     sw.emit('com.x');
     span.spanContext = () => { throw new Error('a tracer of its own kind'); };
     sw.emit('com.y');`,
  );
  assert.equal(ran.code, 0, ran.stderr);
  const [x, y] = ran.stdout
    .split('\n')
    .filter((line) => line.includes('com.'))
    .map((line) => JSON.parse(line).traceparent);
  assert.deepEqual([x, y], ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', undefined]);
});

test('what is published on a channel is emitted, until it is not', async () => {
  const { got, sw } = collecting();
  const map = (message) => (message.skip ? undefined : { type: 'com.x', data: { n: message.n } });
  const stop = subscribeChannels(['test.channel'], { emitter: sw, map });
  const publisher = channel.channel('test.channel');
  publisher.publish({ n: 1 });
  publisher.publish({ skip: true });
  stop();
  publisher.publish({ n: 3 });
  await sw.shutdown();
  assert.deepEqual(
    got.map((event) => event.data),
    [{ n: 1 }],
  );
});

test('what cannot be emitted is a warning, and no failure of the publisher', async () => {
  const { sw } = collecting();
  const warned = new Promise((resolve) => process.once('warning', resolve));
  const stop = subscribeChannels(['test.other'], {
    emitter: sw,
    map: () => ({ type: 'com.x', data: { n: NaN } }),
  });
  channel.channel('test.other').publish({});
  assert.match((await warned).message, /NaN/);
  stop();
  await sw.shutdown();
});

const WORD = 'CANARY-0815';

/** What a program gives its logger, in pino's worker; the events that come out of a lane that may see every word. */
async function logged(t, options) {
  const out = path.join(folder(t), 'out.ndjson');
  const config = {
    agent: { id: 'a1' },
    heartbeat: 'off',
    governance: {
      content: {
        mode: 'raw',
        redaction: { id: 'none', detectors: [] },
        retention: { class: 'short', window: '30d' },
        sampling: { key: 'event', rate: { numerator: 1, denominator: 1 } },
        limits: { bytes: '64MiB' },
      },
    },
    lanes: [{ sink: { file: { path: out } }, content: { mode: 'raw', classes: ['message'] } }],
  };
  const ran = await run(
    t,
    `const pino = require(${JSON.stringify(require.resolve('pino'))});
     const target = ${JSON.stringify(require.resolve('../dist/pino'))};
     const WORD = ${JSON.stringify(WORD)};
     const transport = pino.transport({ target, options: ${JSON.stringify({ config, ...options })} });
     const log = pino({
       name: 'app',
       messageKey: 'said',
       errorKey: 'went',
       customLevels: { notice: 35 },
       serializers: { user: (user) => ({ serialized: user.name }) },
       base: { pid: 1 },
     }, transport);
     const child = log.child({ bound: WORD, level: 'not mine' }).child({ nested: { deep: WORD } });
     child.info({ user: { name: WORD }, n: 12345678901234567890n, big: 1e21, time: WORD, said: 'own' }, 'hello ' + WORD);
     log.notice('custom');
     const error = new RangeError(WORD);
     error.code = WORD;
     log.error(error);
     log.info({ trace_id: '0af7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b7169203331', trace_flags: '01' }, 'traced');
     log.warn(WORD.repeat(200_000));
     transport.write('no line of JSON: ' + WORD + '\\n');
     transport.write('{"level":30,"n":12345678901234567890,"same":1,"same":2,"said":"raw"}\\n');`,
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stderr, '');
  return events(out).filter((event) => event.type === 'dev.sinkwell.log.record');
}

test('pino: no line is lost, and no word leaves', async (t) => {
  const all = await logged(t, {});
  assert.deepEqual(
    all.map((event) => event.severitytext),
    ['INFO', 'INFO', 'ERROR', 'INFO', 'WARN', 'INFO', 'INFO'],
  );
  assert.ok(!JSON.stringify(all).includes('CANARY'));
  assert.deepEqual([all[0].data.logger, all[0].data.level, all[1].data.level], ['app', 'info', 'notice']);
  assert.equal(all[2].data['error.type'], 'RangeError');
  assert.equal(all[3].traceparent, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
  assert.equal(all[4].data.respelled, 1);
});

test('pino: with every gate open the words leave', async (t) => {
  const all = await logged(t, { permit: 'raw' });
  const texts = all.map((event) => (event.data.disclosures ?? []).map((one) => one.text));
  assert.equal(texts[0][0], `hello ${WORD}`);
  const attributes = JSON.parse(texts[0][1]);
  assert.deepEqual(
    [attributes.bound, attributes.nested, attributes.user, attributes.big],
    [WORD, { deep: WORD }, { serialized: WORD }, '1e+21'],
  );
  assert.ok(texts[0][1].includes(`"time#2":"${WORD}"`) && texts[0][1].includes('"said":"own"'), texts[0][1]);
  assert.deepEqual(JSON.parse(texts[2][1]).went, { code: WORD });
  assert.ok(texts[2][2].startsWith(`RangeError: ${WORD}\n    at `), texts[2][2]);
  assert.match(texts[4][0], /… \[cut: 2200000 bytes, sha256 [0-9a-f]{64}\]$/);
  assert.equal(texts[5][0], `no line of JSON: ${WORD}`);
  assert.equal(texts[6][1], '{"n":"12345678901234567890","same":1,"same#2":2}');
});

test('emitLog takes whatever a program logs', async () => {
  const kept = [];
  const sw = await Emitter.open(
    { agent: { id: 'a1' }, heartbeat: 'off', lanes: [] },
    { sinks: [{ name: 'mine', classes: ['debug'], emit: (event) => void kept.push(event) }] },
  );
  const circle = [WORD];
  circle.push(circle, circle);
  const attributes = {
    nan: NaN,
    big: 2n ** 70n,
    bytes: new Uint8Array([0, 255]),
    lone: `${WORD}\ud800`,
    circle,
    date: new Date(NaN),
    map: new Map([[WORD, new Set([WORD])]]),
    left: undefined,
    fn() {},
    error: new TypeError(WORD),
    get thrower() {
      throw new Error(WORD);
    },
  };
  sw.emitLog({ scale: 'pino', level: 50, message: WORD, attributes });
  const event = eventOfLog({ level: 'warn', message: WORD, attributes, permit: 'raw' });
  const said = JSON.parse(event.content[1].text);
  assert.deepEqual(
    [said.nan, said.big, said.bytes, said.lone, said.date, said.map],
    ['NaN', '1180591620717411303424', 'AP8=', `${WORD}\ufffd`, null, { [WORD]: [WORD] }],
  );
  assert.equal(said.thrower, '[unreadable: its getter threw]');
  assert.ok(!('left' in said));
  await sw.shutdown();
  const warned = once(process, 'warning');
  assert.throws(() => sw.emitLog({ message: WORD }), { name: 'ClosedError' });
  const [warning] = await warned;
  assert.match(warning.message, /^1 log record was not emitted \(closed\): the emitter has been shut down/);
  const [record] = kept.filter((event) => event.origin !== 'core');
  assert.equal(record.severityText, 'ERROR');
  assert.ok(!String(record.bytes).includes('CANARY'));
  assert.equal(sw.refused, 1);
});

test('a flush of the OpenAI Agents integration opens no emitter for it, and throws nothing', async (t) => {
  const ran = await run(
    t,
    `const { Processor } = require('sinkwell/openai-agents');
     const processor = new Processor();
     processor.forceFlush().then(() => console.log('flushed'));`,
    { env: { SINKWELL_CONFIG: 'none.yaml' } },
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, 'flushed\n');
});
