/** An emitter's counters and states through the host's OpenTelemetry meter provider. */
import type { Emitter } from './emitter';
interface HistogramLike {
    record(value: number, attributes?: Record<string, string>): void;
}
interface Observable {
    addCallback(callback: (result: {
        observe(value: number, attributes?: object): void;
    }) => void): void;
}
/** What is needed of a `MeterProvider` of `@opentelemetry/api`. */
export interface MeterProviderLike {
    /** A meter by its name. */
    getMeter(name: string): {
        createObservableCounter(name: string, options?: {
            unit?: string;
            description?: string;
        }): Observable;
        createObservableGauge(name: string, options?: {
            unit?: string;
            description?: string;
        }): Observable;
        createHistogram(name: string, options?: {
            unit?: string;
            description?: string;
            advice?: {
                explicitBucketBoundaries?: number[];
            };
        }): HistogramLike;
    };
}
/**
 * Registers every counter and state of an emitter, and every counter that its policies derive from events, as an
 * observable instrument: read when the provider collects, from one consistent reading per lane. What policies derive later
 * is registered once a collection has come upon it, for the next one. A histogram that policies derive is one of the
 * provider's, which is given its values when the provider collects: as many in each bucket as there were, as their mean.
 */
export declare function registerMetrics(emitter: Emitter, provider: MeterProviderLike): void;
export {};
