/** An emitter's counters and states through the host's OpenTelemetry meter provider. */
import type { Emitter, Metric, Recording } from './emitter';

interface HistogramLike {
  record(value: number, attributes?: Record<string, string>): void;
}

interface Observable {
  addCallback(callback: (result: { observe(value: number, attributes?: object): void }) => void): void;
}

/** What is needed of a `MeterProvider` of `@opentelemetry/api`. */
export interface MeterProviderLike {
  /** A meter by its name. */
  getMeter(name: string): {
    createObservableCounter(name: string, options?: { unit?: string; description?: string }): Observable;
    createObservableGauge(name: string, options?: { unit?: string; description?: string }): Observable;
    createHistogram(
      name: string,
      options?: {
        unit?: string;
        description?: string;
        advice?: { explicitBucketBoundaries?: number[] };
      },
    ): HistogramLike;
  };
}

/**
 * Registers every counter and state of an emitter, and every counter that its policies derive from events, as an
 * observable instrument: read when the provider collects, from one consistent reading per lane. What policies derive later
 * is registered once a collection has come upon it, for the next one. A histogram that policies derive is one of the
 * provider's, which is given its values when the provider collects: as many in each bucket as there were, as their mean.
 */
export function registerMetrics(emitter: Emitter, provider: MeterProviderLike): void {
  const meter = provider.getMeter('sinkwell');
  const known = new Set<string>();
  const histograms = new Map<string, HistogramLike>();
  let pending: Recording[] = [];
  let reader = 0;
  /** Records what has been counted since the last time; what has no histogram yet is kept. */
  const record = (): void => {
    const read = emitter.recordings(reader);
    reader = read.reader;
    const all = [...pending, ...read.recordings];
    pending = all.filter(({ name }) => !histograms.has(name));
    for (const { name, points } of all) {
      const histogram = histograms.get(name);
      for (const { attributes, values } of histogram ? points : []) {
        for (const [value, times] of values) {
          for (let n = 0; n < times; n++) histogram?.record(value, attributes);
        }
      }
    }
  };
  const addHistograms = (): void => {
    record();
    for (const { name, unit, description, buckets } of pending) {
      if (histograms.has(name)) continue;
      const advice = { explicitBucketBoundaries: buckets };
      histograms.set(name, meter.createHistogram(name, { unit, description, advice }));
    }
  };
  const add = (metrics: readonly Metric[]): void => {
    for (const { name, kind, unit, description } of metrics) {
      if (known.has(name)) continue;
      known.add(name);
      const options = { unit, description };
      const instrument =
        kind === 'counter'
          ? meter.createObservableCounter(name, options)
          : meter.createObservableGauge(name, options);
      instrument.addCallback((result) => {
        const metrics = emitter.metrics();
        // Not while the provider is collecting.
        if (metrics.some((metric) => !known.has(metric.name))) setImmediate(add, metrics);
        // One of them stands for all histograms.
        if (name === 'sinkwell.refused') {
          record();
          if (pending.length > 0) setImmediate(addHistograms);
        }
        const now = metrics.find((metric) => metric.name === name);
        for (const { value, attributes } of now?.points ?? []) result.observe(value, attributes);
      });
    }
  };
  add(emitter.metrics());
  addHistograms();
}
