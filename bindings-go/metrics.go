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

// Recording is a histogram that policies derive, with values that were not read before.
type Recording struct {
	Name        string           `json:"name"`
	Unit        string           `json:"unit"`
	Description string           `json:"description"`
	Buckets     []float64        `json:"buckets"` // where they end
	Points      []RecordingPoint `json:"points"`
}

// RecordingPoint is values under one set of attributes, each with how often it is to be recorded.
type RecordingPoint struct {
	Attributes map[string]string `json:"attributes"`
	Values     [][2]float64      `json:"values"`
}

// Recordings are what histograms are to be given that this reader has not been given yet: what RegisterMetrics of
// sinkwell.dev/go/otel records. Reader 0 is a new one, which gets its number and no values yet. The values of a bucket are given as their mean.
func (w *Emitter) Recordings(reader uint32) (uint32, []Recording) {
	defer runtime.KeepAlive(w)
	text, _ := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_recordings(w.pointer(), C.uint32_t(reader), out, e)
	})
	var all struct {
		Reader     uint32      `json:"reader"`
		Recordings []Recording `json:"recordings"`
	}
	_ = json.Unmarshal(text, &all)
	return all.Reader, all.Recordings
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
