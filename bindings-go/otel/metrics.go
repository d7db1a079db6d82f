package otel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	sinkwell "sinkwell.dev/go"
)

// RegisterMetrics registers every counter and state of an emitter, and every counter that its policies derive from
// events at this time, as an observable instrument of the provider: read when it collects, from one consistent reading.
// Unregister what it returns before the emitter is closed.
func RegisterMetrics(emitter *sinkwell.Emitter, provider metric.MeterProvider) (metric.Registration, error) {
	meter := provider.Meter("sinkwell")
	instruments := map[string]metric.Float64Observable{}
	var all []metric.Observable
	for _, one := range emitter.Metrics() {
		var instrument metric.Float64Observable
		var err error
		if one.Kind == "counter" {
			instrument, err = meter.Float64ObservableCounter(
				one.Name, metric.WithUnit(one.Unit), metric.WithDescription(one.Description))
		} else {
			instrument, err = meter.Float64ObservableGauge(
				one.Name, metric.WithUnit(one.Unit), metric.WithDescription(one.Description))
		}
		if err != nil {
			return nil, err
		}
		instruments[one.Name] = instrument
		all = append(all, instrument)
	}
	return meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		for _, one := range emitter.Metrics() {
			instrument, known := instruments[one.Name]
			if !known {
				continue
			}
			for _, point := range one.Points {
				attributes := make([]attribute.KeyValue, 0, len(point.Attributes))
				for key, value := range point.Attributes {
					attributes = append(attributes, attribute.String(key, value))
				}
				observer.ObserveFloat64(instrument, point.Value, metric.WithAttributes(attributes...))
			}
		}
		return nil
	}, all...)
}
