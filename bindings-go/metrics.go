//go:build cgo && linux && amd64

package sinkwell

/*
#include "sinkwell.h"
*/
import "C"

import (
	"encoding/json"
	"runtime"
)

// Metric is one of the emitter's instruments with what it reads now.
type Metric struct {
	Name        string        `json:"name"`
	Kind        string        `json:"kind"` // counter or gauge
	Unit        string        `json:"unit"`
	Description string        `json:"description"`
	Points      []MetricPoint `json:"points"`
}

// MetricPoint is one value of a metric.
type MetricPoint struct {
	Attributes map[string]string `json:"attributes"`
	Value      float64           `json:"value"`
}

// Metrics are the counters and states of the emitter as instruments: what RegisterMetrics of sinkwell.dev/go/otel
// gives a meter.
func (w *Emitter) Metrics() []Metric {
	defer runtime.KeepAlive(w)
	text, _ := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_metrics(w.pointer(), out, e)
	})
	var all struct {
		Metrics []Metric `json:"metrics"`
	}
	_ = json.Unmarshal(text, &all)
	return all.Metrics
}
