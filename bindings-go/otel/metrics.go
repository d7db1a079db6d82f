package otel

import (
	"context"
	"errors"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"

	sinkwell "sinkwell.dev/go"
)

// RegisterMetrics registers every counter and state of an emitter, and every counter that its policies derive from
// events, as an observable instrument of the provider: read when it collects, from one consistent reading. What policies
// derive later is registered once a collection has come upon it, for the next one. A histogram that policies derive is one
// of the provider's, which is given its values when the provider collects: as many in each bucket as there were, as their
// mean. Unregister what it returns before the emitter is closed.
func RegisterMetrics(emitter *sinkwell.Emitter, provider metric.MeterProvider) (metric.Registration, error) {
	of := &registered{emitter: emitter, meter: provider.Meter("sinkwell"), known: map[string]bool{}, histograms: map[string]metric.Float64Histogram{}}
	if err := of.add(); err != nil {
		return nil, err
	}
	return of, nil
}

// registered is what is registered of an emitter.
type registered struct {
	embedded.Registration
	emitter *sinkwell.Emitter
	meter   metric.Meter

	lock  sync.Mutex
	known map[string]bool
	all   []metric.Registration
	// What has been read and not recorded yet, as its histogram is not there.
	pending    []sinkwell.Recording
	histograms map[string]metric.Float64Histogram
	reader     uint32
	adding     bool
	ended      bool
}

// add registers what is not there yet.
func (of *registered) add() error {
	of.lock.Lock()
	defer of.lock.Unlock()
	of.adding = false
	if of.ended {
		return nil
	}
	of.record()
	for _, one := range of.pending {
		if of.histograms[one.Name] != nil {
			continue
		}
		histogram, err := of.meter.Float64Histogram(one.Name, metric.WithUnit(one.Unit),
			metric.WithDescription(one.Description), metric.WithExplicitBucketBoundaries(one.Buckets...))
		if err != nil {
			return err
		}
		of.histograms[one.Name] = histogram
	}
	instruments := map[string]metric.Float64Observable{}
	var fresh []metric.Observable
	for _, one := range of.emitter.Metrics() {
		if of.known[one.Name] {
			continue
		}
		var instrument metric.Float64Observable
		var err error
		if one.Kind == "counter" {
			instrument, err = of.meter.Float64ObservableCounter(
				one.Name, metric.WithUnit(one.Unit), metric.WithDescription(one.Description))
		} else {
			instrument, err = of.meter.Float64ObservableGauge(
				one.Name, metric.WithUnit(one.Unit), metric.WithDescription(one.Description))
		}
		if err != nil {
			return err
		}
		of.known[one.Name] = true
		instruments[one.Name] = instrument
		fresh = append(fresh, instrument)
	}
	if len(fresh) == 0 {
		return nil
	}
	registration, err := of.meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		of.observe(observer, instruments)
		return nil
	}, fresh...)
	if err != nil {
		return err
	}
	of.all = append(of.all, registration)
	return nil
}

// record gives every histogram what was counted since the last time; what has none yet is kept.
func (of *registered) record() {
	number, read := of.emitter.Recordings(of.reader)
	of.reader = number
	all := append(of.pending, read...)
	of.pending = nil
	for _, one := range all {
		histogram := of.histograms[one.Name]
		if histogram == nil {
			of.pending = append(of.pending, one)
			continue
		}
		for _, point := range one.Points {
			with := metric.WithAttributeSet(attribute.NewSet(attributesOf(point.Attributes)...))
			for _, value := range point.Values {
				for range int64(value[1]) {
					histogram.Record(context.Background(), value[0], with)
				}
			}
		}
	}
}

func attributesOf(given map[string]string) []attribute.KeyValue {
	attributes := make([]attribute.KeyValue, 0, len(given))
	for key, value := range given {
		attributes = append(attributes, attribute.String(key, value))
	}
	return attributes
}

func (of *registered) observe(observer metric.Observer, instruments map[string]metric.Float64Observable) {
	metrics := of.emitter.Metrics()
	of.notice(metrics)
	for _, one := range metrics {
		instrument, known := instruments[one.Name]
		if !known {
			continue
		}
		for _, point := range one.Points {
			observer.ObserveFloat64(instrument, point.Value, metric.WithAttributes(attributesOf(point.Attributes)...))
		}
	}
}

// notice has what is new registered, elsewhere: whoever collects holds the lock that this takes.
func (of *registered) notice(metrics []sinkwell.Metric) {
	// Held while somebody registers, which waits for this collection: then what is new is being looked at.
	if !of.lock.TryLock() {
		return
	}
	defer of.lock.Unlock()
	if of.ended {
		return
	}
	of.record()
	isNew := func(one sinkwell.Metric) bool { return !of.known[one.Name] }
	if !of.adding && (len(of.pending) > 0 || slices.ContainsFunc(metrics, isNew)) {
		of.adding = true
		// The provider tells its error handler what it does not take; here nobody waits for it.
		go func() { _ = of.add() }()
	}
}

// Unregister ends the reading.
func (of *registered) Unregister() error {
	of.lock.Lock()
	all := of.all
	of.all, of.ended = nil, true
	of.lock.Unlock()
	var failed []error
	for _, one := range all {
		failed = append(failed, one.Unregister())
	}
	return errors.Join(failed...)
}
