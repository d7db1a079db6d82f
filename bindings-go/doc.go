//go:build cgo && linux && amd64

// Package sinkwell emits governance and telemetry events of AI agents: sealed, numbered, chained and signed in one
// core that every language shares, and fanned out to sinks that cannot hurt the agent or each other.
//
//	sw, err := sinkwell.Open("sinkwell.yaml")
//	defer sw.Close(ctx)
//	receipt, err := sw.Emit(ctx, sinkwell.Event{
//		Type:  "tool.invocation",
//		Attrs: []sinkwell.Attr{sinkwell.String("tool", "search"), sinkwell.String("outcome", "ok")},
//	})
//
// Read emitter.go first, then event.go and attr.go (how an event crosses), receipt.go (waiting), sink.go and
// signed.go (sinks of your own). native.go and bridge.c are the way into the C ABI and back.
package sinkwell
