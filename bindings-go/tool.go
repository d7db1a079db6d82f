//go:build cgo && linux && amd64

package sinkwell

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Tool calls a tool and emits what became of it: a tool.invocation with its outcome (ok, error, timeout, cancelled),
// duration_ms and, where it failed, error.type. The event comes after the call and never waits: where a blocking lane has no
// room, that lane drops it, counted. The call's error, and its panic, are the caller's as they are; no text of them is in the
// event. An event that is refused is a warning of the logger's.
func (w *Emitter) Tool(ctx context.Context, name string, call func(context.Context) error) error {
	start := time.Now()
	failure := errPanicked
	defer func() { w.told(ctx, name, time.Since(start), failure) }()
	failure = call(ctx)
	return failure
}

// Tool is the default emitter's.
func Tool(ctx context.Context, name string, call func(context.Context) error) error {
	emitter, err := defaultFor(ctx)
	if err != nil {
		return err
	}
	return emitter.Tool(ctx, name, call)
}

// outcomeOf is how a call ended, and the type of what it failed with.
func outcomeOf(failure error) (outcome, kind string) {
	switch {
	case failure == nil:
		return "ok", ""
	case failure == errPanicked:
		return "error", "panic"
	case errors.Is(failure, context.Canceled):
		return "cancelled", "context.Canceled"
	case errors.Is(failure, context.DeadlineExceeded):
		return "timeout", fmt.Sprintf("%T", failure)
	}
	return "error", fmt.Sprintf("%T", failure)
}

// errPanicked stands for a call that did not return.
var errPanicked = errors.New("panicked")

func (w *Emitter) told(ctx context.Context, name string, took time.Duration, failure error) {
	outcome, kind := outcomeOf(failure)
	attrs := []Attr{String("tool", name), Float64("duration_ms", float64(took.Nanoseconds())/1e6)}
	if kind != "" {
		attrs = append(attrs, String("error.type", kind))
	}
	event := Event{Type: TypeToolInvocation, Attrs: append(attrs, String("outcome", outcome))}
	if err := w.Put(inside(ctx), event); err != nil {
		warn("a tool's call was not emitted: " + err.Error())
	}
}
