package otel

import (
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// RecordAll has every span recorded, whatever a sampler decides: what it drops reaches no processor, so that the tool calls
// of a trace that is not sampled would be no events, uncounted. Such a span stays unsampled (exporters leave it out, its
// traceparent says so); SpanProcessor takes it like any other:
//
//	sdktrace.NewTracerProvider(
//		sdktrace.WithSampler(otel.RecordAll(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.1)))),
//		sdktrace.WithSpanProcessor(otel.NewSpanProcessor(emitter)))
func RecordAll(sampler sdktrace.Sampler) sdktrace.Sampler { return recordAll{sampler} }

type recordAll struct{ sampler sdktrace.Sampler }

func (s recordAll) ShouldSample(parameters sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := s.sampler.ShouldSample(parameters)
	if result.Decision == sdktrace.Drop {
		result.Decision = sdktrace.RecordOnly
	}
	return result
}

func (s recordAll) Description() string { return "RecordAll{" + s.sampler.Description() + "}" }
