// Package otel has sinkwell's events carry the trace context of the active OpenTelemetry span: importing it is enough.
//
// It is a module of its own, so that sinkwell.dev/go depends on nothing.
package otel

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	sinkwell "sinkwell.dev/go"
)

func init() { sinkwell.SetTraceFunc(FromContext) }

// FromContext is the trace context of the context's span, if it has a valid one.
func FromContext(ctx context.Context) (sinkwell.TraceContext, bool) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return sinkwell.TraceContext{}, false
	}
	return sinkwell.TraceContext{
		TraceID: span.TraceID().String(),
		SpanID:  span.SpanID().String(),
		Flags:   byte(span.TraceFlags()),
		State:   span.TraceState().String(),
	}, true
}
