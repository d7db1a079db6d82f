'use strict';
// What comes in from pino, diagnostics_channel and OpenTelemetry: with the real packages.
const assert = require('node:assert/strict');
const path = require('node:path');
const channel = require('node:diagnostics_channel');
const test = require('node:test');
const api = require('@opentelemetry/api');
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks');
const {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  ParentBasedSampler,
} = require('@opentelemetry/sdk-trace-base');
const { Emitter } = require('..');
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

test('what JSON cannot say loses no span', async () => {
  const { got, sw } = collecting();
  const odd = { 'a.nan': NaN, 'a.big': 2 ** 60, 'a.lone': '\ud800', 'a.list': [undefined, 1], 'a.n': 7 };
  traced(sw).startSpan('odd \ud800', { attributes: odd }).end();
  await sw.shutdown();
  assert.equal(got[0].data['a.n'], 7);
  assert.deepEqual(Object.keys(got[0].data).sort(), ['a.n', 'duration_ms', 'name', 'status']);
});

test('a span that cannot be emitted is a warning', async () => {
  const { sw } = collecting();
  const tracer = traced(sw);
  await sw.shutdown();
  const warned = new Promise((resolve) => process.once('warning', resolve));
  tracer.startSpan('late').end();
  const { name, code, message } = await warned;
  assert.deepEqual([name, code], ['SinkwellWarning', 'closed']);
  assert.match(message, /shut down/);
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

test('pino: each line is a log.record', async (t) => {
  const dir = folder(t);
  const out = path.join(dir, 'out.ndjson');
  const config = { agent: { id: 'a1' }, lanes: [{ sink: { file: { path: out } } }] };
  const ran = await run(
    t,
    `const pino = require(${JSON.stringify(require.resolve('pino'))});
     const target = ${JSON.stringify(require.resolve('../dist/pino'))};
     const transport = pino.transport({ target, options: { config: ${JSON.stringify(config)} } });
     const log = pino({ name: 'app' }, transport);
     log.info({ user: 7 }, 'hello');
     log.error('bad');`,
  );
  assert.equal(ran.code, 0, ran.stderr);
  const [hello, bad] = events(out);
  assert.equal(hello.type, 'dev.sinkwell.log.record');
  assert.deepEqual([hello.data.message, hello.data.logger, hello.data.user], ['hello', 'app', 7]);
  assert.equal(hello.severitytext, 'INFO');
  assert.equal(bad.severitytext, 'ERROR');
});
