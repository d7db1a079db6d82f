package otel_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

func TestWhatAReloadAddsComesWithoutRegisteringAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policies.json")
	count := func(names ...string) {
		var overrides []any
		for _, name := range names {
			overrides = append(overrides, map[string]any{"name": name, "type": "Counter"})
		}
		text, err := json.Marshal(map[string]any{
			"apiVersion": "sinkwell.dev/v1alpha1",
			"kind":       "TelemetryPolicy",
			"metadata":   map[string]any{"name": "counts"},
			"spec": map[string]any{
				"targetRefs": []any{map[string]any{"kind": "Emitter"}},
				"metrics":    map[string]any{"overrides": overrides},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count("early")
	emitter, err := sinkwell.Open(map[string]any{
		"lanes": []any{map[string]any{"sink": "memory"}}, "telemetry": []any{file},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = emitter.Close(context.Background()) }()
	reader := sdk.NewManualReader()
	registration, err := otel.RegisterMetrics(emitter, sdk.NewMeterProvider(sdk.WithReader(reader)))
	if err != nil {
		t.Fatal(err)
	}
	read := func() map[string]float64 {
		var read metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &read); err != nil {
			t.Fatal(err)
		}
		sums := map[string]float64{}
		for _, scope := range read.ScopeMetrics {
			for _, one := range scope.Metrics {
				sum, ok := one.Data.(metricdata.Sum[float64])
				if ok && len(sum.DataPoints) == 1 && !strings.HasPrefix(one.Name, "sinkwell.") {
					sums[one.Name] = sum.DataPoints[0].Value
				}
			}
		}
		return sums
	}
	emit := func() {
		if _, err := emitter.Emit(context.Background(), sinkwell.Event{Type: "com.example.n"}); err != nil {
			t.Fatal(err)
		}
	}
	emit()
	if got := read(); !maps.Equal(got, map[string]float64{"early": 1}) {
		t.Fatal(got)
	}
	count("early", "late")
	if err := emitter.ReloadPolicies(); err != nil {
		t.Fatal(err)
	}
	emit()
	deadline := time.Now().Add(time.Minute)
	for got := read(); !maps.Equal(got, map[string]float64{"early": 2, "late": 1}); got = read() {
		if time.Now().After(deadline) {
			t.Fatal(got)
		}
	}
	if err := registration.Unregister(); err != nil {
		t.Fatal(err)
	}
	if got := read(); len(got) != 0 {
		t.Fatal(got)
	}
}
