package otel_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	sinkwell "sinkwell.dev/go"
	"sinkwell.dev/go/otel"
)

var counted = map[string]any{
	"lanes": []any{map[string]any{"id": "kept", "sink": "memory"}},
	"telemetry": []any{map[string]any{
		"apiVersion": "sinkwell.dev/v1alpha1",
		"kind":       "TelemetryPolicy",
		"metadata":   map[string]any{"name": "counts"},
		"spec": map[string]any{
			"targetRefs": []any{map[string]any{"kind": "Emitter"}},
			"metrics": map[string]any{"overrides": []any{
				map[string]any{"name": "calls", "type": "Counter", "unit": "{call}", "dimensions": []any{
					map[string]any{"key": "tool", "value": map[string]any{"attribute": "tool"}}}},
				map[string]any{"name": "spent", "type": "Counter", "value": map[string]any{"attribute": "amount"}},
			}},
		},
	}},
}

func TestCountersAndWhatPoliciesDeriveAreObservableInstruments(t *testing.T) {
	emitter, err := sinkwell.Open(counted)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = emitter.Close(context.Background()) }()
	reader := sdk.NewManualReader()
	registration, err := otel.RegisterMetrics(emitter, sdk.NewMeterProvider(sdk.WithReader(reader)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = registration.Unregister() }()
	for range 3 {
		if _, err := emitter.Emit(context.Background(), sinkwell.Event{
			Type: "tool.invocation", Data: map[string]any{"tool": "search", "amount": 0.25},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := emitter.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	var read metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &read); err != nil {
		t.Fatal(err)
	}
	sums := map[string]metricdata.DataPoint[float64]{}
	for _, scope := range read.ScopeMetrics {
		for _, one := range scope.Metrics {
			if sum, ok := one.Data.(metricdata.Sum[float64]); ok && len(sum.DataPoints) == 1 {
				sums[one.Name] = sum.DataPoints[0]
			}
		}
	}
	if got := sums["sinkwell.lane.admitted"].Value; got != 3 {
		t.Fatal(got)
	}
	if got := sums["spent"].Value; got != 0.75 {
		t.Fatal(got)
	}
	calls := sums["calls"]
	if tool, _ := calls.Attributes.Value(attribute.Key("tool")); calls.Value != 3 || tool.AsString() != "search" {
		t.Fatal(calls)
	}
}
