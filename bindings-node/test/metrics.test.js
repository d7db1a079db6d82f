'use strict';
const assert = require('node:assert/strict');
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
