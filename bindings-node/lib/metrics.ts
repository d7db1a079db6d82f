/** An emitter's counters and states through the host's OpenTelemetry meter provider. */
import type { Emitter, Metric } from './emitter';

interface Observable {
  addCallback(callback: (result: { observe(value: number, attributes?: object): void }) => void): void;
}

/** What is needed of a `MeterProvider` of `@opentelemetry/api`. */
export interface MeterProviderLike {
  /** A meter by its name. */
  getMeter(name: string): {
    createObservableCounter(name: string, options?: { unit?: string; description?: string }): Observable;
    createObservableGauge(name: string, options?: { unit?: string; description?: string }): Observable;
  };
}

/**
 * Registers every counter and state of an emitter, and every counter that its policies derive from events, as an
 * observable instrument: read when the provider collects, from one consistent reading per lane. What policies derive later
 * is registered once a collection has come upon it, for the next one.
 */
export function registerMetrics(emitter: Emitter, provider: MeterProviderLike): void {
  const meter = provider.getMeter('sinkwell');
  const known = new Set<string>();
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
        const now = metrics.find((metric) => metric.name === name);
        for (const { value, attributes } of now?.points ?? []) result.observe(value, attributes);
      });
    }
  };
  add(emitter.metrics());
}
