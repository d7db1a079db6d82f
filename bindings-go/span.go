//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"runtime"
)

// Span is one of any tracing SDK, as the core takes it. All but the name may be left out.
type Span struct {
	Name string `json:"name"`
	// Kind is internal, server, client, producer or consumer.
	Kind string `json:"kind,omitempty"`
	// TraceID and SpanID are 32 and 16 hex digits; Flags and State are W3C's.
	TraceID string `json:"trace_id,omitempty"`
	SpanID  string `json:"span_id,omitempty"`
	Flags   byte   `json:"flags,omitempty"`
	State   string `json:"state,omitempty"`
	// ParentSpanID is the span around it, and ParentIsRemote whether that is another process's.
	ParentSpanID   string `json:"parent_span_id,omitempty"`
	ParentIsRemote bool   `json:"parent_is_remote,omitempty"`
	// StartUnixNano and EndUnixNano are nanoseconds since 1970, as decimal digits. Without an end the span has just
	// started.
	StartUnixNano string `json:"start_unix_nano,omitempty"`
	EndUnixNano   string `json:"end_unix_nano,omitempty"`
	// Status is unset (also when empty), ok, error or compensating.
	Status string `json:"status,omitempty"`
	// Raised is the type of the error that ended it, where nothing else of the span says so.
	Raised string `json:"raised,omitempty"`
	// Attributes may hold what JSON cannot carry (NaN, bytes, text that is not UTF-8): the core spells it.
	Attributes map[string]any `json:"attributes,omitempty"`
	Events     []SpanEvent    `json:"events,omitempty"`
	Links      []SpanLink     `json:"links,omitempty"`
	// Permit is the most that its content may be captured: off (when empty), redacted_summary, content_ref, raw.
	Permit string `json:"permit,omitempty"`
}

// SpanEvent is what happened during a span.
type SpanEvent struct {
	Name string `json:"name"`
	// TimeUnixNano is nanoseconds since 1970, as decimal digits.
	TimeUnixNano string         `json:"time_unix_nano,omitempty"`
	Attributes   map[string]any `json:"attributes,omitempty"`
}

// SpanLink is another span that a span has to do with, by its trace context.
type SpanLink struct {
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	Flags      byte           `json:"flags,omitempty"`
	State      string         `json:"state,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// span writes a span as a stream of values.
func (c *call) span(s *Span) {
	c.spelling()
	defer func() { c.spells = false }()
	c.buf = append(c.buf, '{')
	c.depth++
	c.text('k', "name")
	c.string(s.Name)
	c.said("kind", s.Kind)
	c.said("trace_id", s.TraceID)
	c.said("span_id", s.SpanID)
	c.text('k', "flags")
	c.int(int64(s.Flags))
	c.said("state", s.State)
	c.said("parent_span_id", s.ParentSpanID)
	c.text('k', "parent_is_remote")
	c.bool(s.ParentIsRemote)
	c.said("start_unix_nano", s.StartUnixNano)
	c.said("end_unix_nano", s.EndUnixNano)
	c.said("status", s.Status)
	c.said("raised", s.Raised)
	c.said("permit", s.Permit)
	c.text('k', "attributes")
	_ = c.object(nil, s.Attributes)
	c.text('k', "events")
	c.buf = append(c.buf, '[')
	for i := range s.Events {
		_ = c.enter('{')
		c.said("name", s.Events[i].Name)
		c.said("time_unix_nano", s.Events[i].TimeUnixNano)
		c.text('k', "attributes")
		_ = c.object(nil, s.Events[i].Attributes)
		c.leave('}')
	}
	c.buf = append(c.buf, ']')
	c.text('k', "links")
	c.buf = append(c.buf, '[')
	for i := range s.Links {
		_ = c.enter('{')
		c.said("trace_id", s.Links[i].TraceID)
		c.said("span_id", s.Links[i].SpanID)
		c.text('k', "flags")
		c.int(int64(s.Links[i].Flags))
		c.said("state", s.Links[i].State)
		c.text('k', "attributes")
		_ = c.object(nil, s.Links[i].Attributes)
		c.leave('}')
	}
	c.buf = append(c.buf, ']')
	c.leave('}')
}

// EventsOfSpan is the events that a span stands for, each as EmitJSON takes one. EmitSpan emits them.
func EventsOfSpan(span Span) ([]json.RawMessage, error) {
	c := calls.Get().(*call)
	defer c.release()
	c.span(&span)
	return EventsOfSpanJSON(c.buf)
}

// EventsOfSpanJSON is EventsOfSpan for a span that is JSON already.
func EventsOfSpanJSON(span []byte) ([]json.RawMessage, error) {
	text, err := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_events_of_span(flat(span), C.uint64_t(len(span)), out, e)
	})
	return decoded[[]json.RawMessage](text, err)
}

// EmitSpan emits the events that a span stands for, and says how many. It waits for room in blocking lanes, up
// to their block_timeout, on this goroutine's thread; inside a sink of yours, as the context tells, never. An error is
// about the first event that was refused; the others are emitted all the same.
func (w *Emitter) EmitSpan(ctx context.Context, span Span) (int, error) {
	c := calls.Get().(*call)
	defer c.release()
	c.span(&span)
	defer runtime.KeepAlive(w)
	wait := C.int32_t(C.SINKWELL_WAIT)
	if ambientOf(ctx).inside {
		wait = C.SINKWELL_INSIDE
	}
	var emitted C.uint64_t
	var e C.SinkwellError
	err := takeError(C.sw_emit_span(w.pointer(), flat(c.buf), C.uint64_t(len(c.buf)), wait, &emitted, &e), &e)
	return int(emitted), err
}
