'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { MeterProvider, MetricReader } = require('@opentelemetry/sdk-metrics');
const { Emitter } = require('..');
const { registerMetrics } = require('../dist/otel');

/** A reader that collects when it is asked. */
class Reader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

test('counters and states are observable instruments of the host', async () => {
  const reader = new Reader();
  const provider = new MeterProvider({ readers: [reader] });
  const sw = await Emitter.open({ lanes: [{ id: 'kept', sink: 'memory' }] });
  registerMetrics(sw, provider);
  sw.emit('tool.invocation', { tool: 'search', outcome: 'ok' });
  await sw.flush();
  const { resourceMetrics } = await reader.collect();
  const [scope] = resourceMetrics.scopeMetrics;
  assert.equal(scope.scope.name, 'sinkwell');
  const read = (name) => scope.metrics.find((metric) => metric.descriptor.name === name);
  const delivered = read('sinkwell.lane.delivered');
  assert.equal(delivered.descriptor.unit, '{event}');
  assert.deepEqual(
    delivered.dataPoints.map(({ attributes, value }) => [attributes, value]),
    [[{ lane: 'kept' }, 1]],
  );
  assert.deepEqual(read('sinkwell.lane.state').dataPoints[0].attributes, { lane: 'kept', state: 'healthy' });
  await provider.shutdown();
  await sw.shutdown();
});

test('histograms are given their values', async () => {
  const [reader, other] = [new Reader(), new Reader()];
  const provider = new MeterProvider({ readers: [reader, other] });
  const policy = {
    apiVersion: 'sinkwell.dev/v1alpha1',
    kind: 'TelemetryPolicy',
    metadata: { name: 'takes' },
    spec: {
      targetRefs: [{ kind: 'Emitter' }],
      metrics: {
        overrides: [
          {
            name: 'took',
            type: 'Histogram',
            unit: 'ms',
            value: { attribute: 'n' },
            buckets: [1, 10],
            dimensions: [{ key: 'of', value: { attribute: 'of' } }],
          },
        ],
      },
    },
  };
  const sw = await Emitter.open({ lanes: [{ sink: 'memory' }], telemetry: [policy] });
  // What was counted before somebody registered is there, too.
  for (const n of [0.5, 1, 4]) sw.emit('com.example.n', { n, of: 'a' });
  registerMetrics(sw, provider);
  const read = async (reader) => {
    const { resourceMetrics } = await reader.collect();
    const took = resourceMetrics.scopeMetrics[0].metrics.find(({ descriptor }) => descriptor.name === 'took');
    assert.equal(took.descriptor.unit, 'ms');
    return took.dataPoints.map(({ attributes, value: { count, sum, buckets } }) => [
      attributes.of,
      count,
      sum,
      buckets,
    ]);
  };
  const buckets = (...counts) => ({ boundaries: [1, 10], counts });
  const first = ['a', 3, 5.5, buckets(2, 1, 0)];
  assert.deepEqual(await read(reader), [first]);
  assert.deepEqual(await read(other), [first]);
  sw.emit('com.example.n', { n: 99, of: 'b' });
  assert.deepEqual(await read(reader), [first, ['b', 1, 99, buckets(0, 0, 1)]]);
  await provider.shutdown();
  await sw.shutdown();
});

test('what policies derive is observable too', async () => {
  const reader = new Reader();
  const provider = new MeterProvider({ readers: [reader] });
  const policy = {
    apiVersion: 'sinkwell.dev/v1alpha1',
    kind: 'TelemetryPolicy',
    metadata: { name: 'counts' },
    spec: {
      targetRefs: [{ kind: 'Emitter' }],
      metrics: {
        overrides: [
          {
            name: 'spent',
            type: 'Counter',
            unit: '{unit}',
            value: { attribute: 'amount' },
            dimensions: [{ key: 'tool', value: { attribute: 'tool' } }],
          },
        ],
      },
    },
  };
  const sw = await Emitter.open({ lanes: [{ sink: 'memory' }], telemetry: [policy] });
  registerMetrics(sw, provider);
  for (let i = 0; i < 3; i += 1) sw.emit('tool.invocation', { tool: 'search', amount: 0.25 });
  const { resourceMetrics } = await reader.collect();
  const read = resourceMetrics.scopeMetrics[0].metrics.find(({ descriptor }) => descriptor.name === 'spent');
  assert.equal(read.descriptor.unit, '{unit}');
  assert.deepEqual(
    read.dataPoints.map(({ attributes, value }) => [attributes, value]),
    [[{ tool: 'search' }, 0.75]],
  );
  await provider.shutdown();
  await sw.shutdown();
});

test('what a reload adds comes without registering again', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sinkwell-meter-'));
  const file = path.join(folder, 'policies.json');
  const count = (...names) =>
    fs.writeFileSync(
      file,
      JSON.stringify({
        apiVersion: 'sinkwell.dev/v1alpha1',
        kind: 'TelemetryPolicy',
        metadata: { name: 'counts' },
        spec: {
          targetRefs: [{ kind: 'Emitter' }],
          metrics: { overrides: names.map((name) => ({ name, type: 'Counter' })) },
        },
      }),
    );
  count('early');
  const reader = new Reader();
  const provider = new MeterProvider({ readers: [reader] });
  const read = async () => {
    const { resourceMetrics } = await reader.collect();
    const own = resourceMetrics.scopeMetrics[0].metrics.filter(
      ({ descriptor }) => !descriptor.name.startsWith('sinkwell.'),
    );
    return Object.fromEntries(
      own.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints[0]?.value]),
    );
  };
  const sw = await Emitter.open({ lanes: [{ sink: 'memory' }], telemetry: [file] });
  registerMetrics(sw, provider);
  sw.emit('com.example.n');
  assert.deepEqual(await read(), { early: 1 });
  count('early', 'late');
  sw.reloadPolicies();
  sw.emit('com.example.n');
  await read();
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(await read(), { early: 2, late: 1 });
  await provider.shutdown();
  await sw.shutdown();
  fs.rmSync(folder, { recursive: true });
});
