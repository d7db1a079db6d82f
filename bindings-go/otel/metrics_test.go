package otel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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

func TestHistogramsAreGivenTheirValues(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policies.json")
	take := func(names ...string) {
		var overrides []any
		for _, name := range names {
			overrides = append(overrides, map[string]any{
				"name": name, "type": "Histogram", "unit": "ms", "value": map[string]any{"attribute": "n"},
				"buckets": []int{1, 10}, "dimensions": []any{map[string]any{"key": "of", "value": map[string]any{"attribute": "of"}}},
			})
		}
		text, err := json.Marshal(map[string]any{
			"apiVersion": "sinkwell.dev/v1alpha1",
			"kind":       "TelemetryPolicy",
			"metadata":   map[string]any{"name": "takes"},
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
	take("took")
	emitter, err := sinkwell.Open(map[string]any{
		"lanes": []any{map[string]any{"sink": "memory"}}, "telemetry": []any{file},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = emitter.Close(context.Background()) }()
	emit := func(of string, values ...float64) {
		for _, n := range values {
			if _, err := emitter.Emit(context.Background(), sinkwell.Event{
				Type: "com.example.n", Data: map[string]any{"n": n, "of": of},
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What was counted before somebody registered is there, too.
	emit("a", 0.5, 1, 4)
	reader, other := sdk.NewManualReader(), sdk.NewManualReader()
	registration, err := otel.RegisterMetrics(emitter, sdk.NewMeterProvider(sdk.WithReader(reader), sdk.WithReader(other)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = registration.Unregister() }()
	read := func(reader *sdk.ManualReader) string {
		var read metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &read); err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, scope := range read.ScopeMetrics {
			for _, one := range scope.Metrics {
				histogram, _ := one.Data.(metricdata.Histogram[float64])
				for _, point := range histogram.DataPoints {
					of, _ := point.Attributes.Value("of")
					all = append(all, fmt.Sprint(one.Name, one.Unit, of.AsString(), point.Count, point.Sum, point.Bounds, point.BucketCounts))
				}
			}
		}
		slices.Sort(all)
		return strings.Join(all, "\n")
	}
	want := fmt.Sprint("took", "ms", "a", uint64(3), 5.5, []float64{1, 10}, []uint64{2, 1, 0})
	for _, reader := range []*sdk.ManualReader{reader, other} {
		if got := read(reader); got != want {
			t.Fatal(got)
		}
	}
	take("took", "late")
	if err := emitter.ReloadPolicies(); err != nil {
		t.Fatal(err)
	}
	emit("b", 99)
	late := fmt.Sprint("late", "ms", "b", uint64(1), 99.0, []float64{1, 10}, []uint64{0, 0, 1})
	want = late + "\n" + want + "\n" + strings.Replace(late, "late", "took", 1)
	deadline := time.Now().Add(time.Minute)
	for got := read(reader); got != want; got = read(reader) {
		if time.Now().After(deadline) {
			t.Fatal(got)
		}
	}
	if got := read(other); got != want {
		t.Fatal(got)
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
