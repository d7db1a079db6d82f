package otel_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	sinkwell "sinkwell.dev/go"
	"sinkwell.dev/go/otel"
)

func TestTheActiveSpanIsTheTraceContext(t *testing.T) {
	if _, ok := otel.FromContext(context.Background()); ok {
		t.Fatal("a trace out of nothing")
	}
	state, _ := trace.ParseTraceState("a=b")
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: 1, TraceState: state})
	got, ok := otel.FromContext(trace.ContextWithSpanContext(context.Background(), span))
	want := sinkwell.TraceContext{TraceID: "01000000000000000000000000000000", SpanID: "0200000000000000", Flags: 1, State: "a=b"}
	if !ok || got != want {
		t.Fatal(got)
	}
}
