//go:build cgo && linux && amd64

package sinkwell

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Severity of an event, in any case, or OpenTelemetry's number from 1 to 24 as digits; empty leaves it to the type.
type Severity string

// The severities.
const (
	Trace Severity = "trace"
	Debug Severity = "debug"
	Info  Severity = "info"
	Warn  Severity = "warn"
	Fail  Severity = "error"
	Fatal Severity = "fatal"
)

// Event is what happened. Only Type is required; what is empty, the core completes.
type Event struct {
	// Type is a built-in type (TypeToolInvocation and its like), or any reverse-DNS type of your own.
	Type string
	// Attrs and Data are the members of the event's data; Attrs cost less. Which values Data takes, and as what: see the
	// package's own documentation.
	Attrs []Attr
	Data  map[string]any
	// Subject is what it is about: tool:shell, a path, a run id.
	Subject string
	// Severity is by type when empty.
	Severity Severity
	// Run, Turn and Attempt are the agent run it belongs to; taken from the context when empty (WithRun, WithTurn, WithAttempt).
	Run, Turn, Attempt string
	// Content parts leave only through the gates.
	Content []Part
	// Terminal says of a type of your own that losing it would falsify a run. Built-in types say it themselves.
	Terminal bool
	// Agent and Tenant override the emitter's own, as far as agent.allow lets them; Agent is taken from the context when empty
	// (WithAgent).
	Agent, Tenant string
	// Time is now when zero.
	Time time.Time
	// ID is your own, 1 to 128 printable ASCII characters; a new UUIDv7 when empty.
	ID string
	// Causation and Correlation are ids of the event that caused this one, and of the whole conversation; taken from the context
	// when empty (WithCausation, WithCorrelation).
	Causation, Correlation string
	// Trace is taken from the context when zero (WithTrace, or sinkwell.dev/go/otel).
	Trace TraceContext
	// Child names the child agent or extension that the content comes from.
	Child string
}

// Part is a content part: a class and one of Text and Bytes.
type Part struct {
	// Class is prompt, system, completion, tool_arguments, tool_result, memory, file, message, or your own.
	Class string
	Text  string
	Bytes []byte
	// MediaType, Role, Ref (into a store of your own) and Summary may be empty.
	MediaType, Role, Ref, Summary string
	// Tokens as the model counted them, if HasTokens.
	Tokens    uint64
	HasTokens bool
	// Permit is the most its source permits: off (when empty), redacted_summary, content_ref, raw.
	Permit string
}

// String never holds the content: only its class.
func (p Part) String() string { return "Part(" + p.Class + ")" }

// GoString is String.
func (p Part) GoString() string { return p.String() }

// TraceContext is that of W3C.
type TraceContext struct {
	TraceID string // 32 hex digits
	SpanID  string // 16 hex digits
	Flags   byte
	State   string
}

// ambient is what a context says about the events emitted with it: all of it under one key, so that an emit looks it up
// once. It never changes; what is set anew is set in a copy.
type ambient struct {
	run, parentRun, turn, attempt string
	agent, causation, correlation string
	trace                         *TraceContext
	// inside: a sink, a signer or a logger of the host's was called with it. What emits with it must not wait for the
	// lane that called.
	inside bool
	// quiet: the core's own log; a slog handler leaves it out.
	quiet bool
}

type ambientKey struct{}

var nothing ambient

func ambientOf(ctx context.Context) *ambient {
	if a, ok := ctx.Value(ambientKey{}).(*ambient); ok {
		return a
	}
	return &nothing
}

func with(ctx context.Context, set func(*ambient)) context.Context {
	a := *ambientOf(ctx)
	set(&a)
	return context.WithValue(ctx, ambientKey{}, &a)
}

func inside(ctx context.Context) context.Context {
	return with(ctx, func(a *ambient) { a.inside = true })
}

// WithRun has events emitted with the context belong to the run. Of the context around it a run takes agent, causation and
// correlation, and the run around it as its parent (parent_run in the data of run.* events that do not say it themselves);
// turn and attempt are its own. What an event says itself comes first. Nothing is emitted by this.
func WithRun(ctx context.Context, run string) context.Context {
	return with(ctx, func(a *ambient) {
		// The same run entered again is no part of itself.
		if a.run != run {
			a.parentRun = a.run
		}
		a.run, a.turn, a.attempt = run, "", ""
	})
}

// WithTurn has events emitted with the context belong to the turn of the context's run.
func WithTurn(ctx context.Context, turn string) context.Context {
	return with(ctx, func(a *ambient) { a.turn, a.attempt = turn, "" })
}

// WithParentRun has the context's run be part of another, which is not the context's: another process's, for example.
func WithParentRun(ctx context.Context, run string) context.Context {
	return with(ctx, func(a *ambient) { a.parentRun = run })
}

// WithAttempt has events emitted with the context belong to the attempt of the context's turn.
func WithAttempt(ctx context.Context, attempt string) context.Context {
	return with(ctx, func(a *ambient) { a.attempt = attempt })
}

// WithAgent has events emitted with the context come from another agent than the emitter's; agent.allow must let it.
func WithAgent(ctx context.Context, agent string) context.Context {
	return with(ctx, func(a *ambient) { a.agent = agent })
}

// WithCausation has events emitted with the context name the id of the event that caused what happens here.
func WithCausation(ctx context.Context, id string) context.Context {
	return with(ctx, func(a *ambient) { a.causation = id })
}

// WithCorrelation has events emitted with the context belong to the conversation.
func WithCorrelation(ctx context.Context, id string) context.Context {
	return with(ctx, func(a *ambient) { a.correlation = id })
}

// WithTrace has events emitted with the context carry the trace context.
func WithTrace(ctx context.Context, trace TraceContext) context.Context {
	return with(ctx, func(a *ambient) { a.trace = &trace })
}

var traceFunc atomic.Pointer[func(context.Context) (TraceContext, bool)]

// SetTraceFunc has the trace context of events taken from the context by f: what importing
// sinkwell.dev/go/otel does. An event's own, or WithTrace, comes first.
func SetTraceFunc(f func(context.Context) (TraceContext, bool)) {
	if f == nil {
		traceFunc.Store(nil)
		return
	}
	traceFunc.Store(&f)
}

func (a *ambient) traceOf(ctx context.Context) TraceContext {
	if a.trace != nil {
		return *a.trace
	}
	if f := traceFunc.Load(); f != nil {
		if trace, ok := (*f)(ctx); ok {
			return trace
		}
	}
	return TraceContext{}
}

// call is what one emit needs: the texts back to back in a buffer, and where each ends. Pooled.
type call struct {
	encoder
	native C.sw_call
	parts  []C.sw_part
}

var calls = sync.Pool{New: func() any { return &call{encoder: encoder{buf: make([]byte, 0, 1024)}} }}

// keepBuffer bounds what a pooled buffer keeps after a large event.
const keepBuffer = 64 << 10

func (c *call) release() {
	if cap(c.buf) <= keepBuffer {
		c.buf = c.buf[:0]
		c.parts = c.parts[:0]
		c.native = C.sw_call{}
		calls.Put(c)
	}
}

// failed is the error of a try, taken from C.
func (c *call) failed(status C.int32_t) error {
	if status == 0 {
		return nil
	}
	e := c.native.error
	c.native.error = nil
	if e == nil {
		return &Error{Kind: Internal, Message: "there is no memory left"}
	}
	defer C.free(unsafe.Pointer(e))
	return takeError(status, e)
}

// pack writes the event into the buffer.
func (c *call) pack(ctx context.Context, e *Event, limit int) error {
	n := &c.native
	c.put(C.SW_TYPE, e.Type)
	if len(e.Attrs) > 0 || e.Data != nil {
		c.depth, c.limit = 0, limit
		if err := c.object(e.Attrs, e.Data); err != nil {
			if _, refusedAnyway := err.(tooDeep); !refusedAnyway {
				return err
			}
		}
	}
	c.mark(C.SW_DATA)
	a := ambientOf(ctx)
	if a.inside {
		n.inside = 1
	}
	run, turn, attempt, parentRun := e.Run, e.Turn, e.Attempt, ""
	// Turn, attempt and parent belong to their run.
	if run == "" || run == a.run {
		run, turn, attempt, parentRun = a.run, or(turn, a.turn), or(attempt, a.attempt), a.parentRun
	}
	c.put(C.SW_SUBJECT, e.Subject)
	c.put(C.SW_SEVERITY, string(e.Severity))
	c.put(C.SW_RUN, run)
	c.put(C.SW_PARENT_RUN, parentRun)
	c.put(C.SW_TURN, turn)
	c.put(C.SW_ATTEMPT, attempt)
	c.put(C.SW_AGENT, or(e.Agent, a.agent))
	c.put(C.SW_TENANT, e.Tenant)
	if !e.Time.IsZero() {
		c.buf = e.Time.UTC().AppendFormat(c.buf, time.RFC3339Nano)
	}
	c.mark(C.SW_TIME)
	c.put(C.SW_ID, e.ID)
	c.put(C.SW_CAUSATION, or(e.Causation, a.causation))
	c.put(C.SW_CORRELATION, or(e.Correlation, a.correlation))
	c.put(C.SW_CHILD, e.Child)
	trace := e.Trace
	if trace == (TraceContext{}) {
		trace = a.traceOf(ctx)
	}
	c.put(C.SW_TRACE_ID, trace.TraceID)
	c.put(C.SW_SPAN_ID, trace.SpanID)
	c.put(C.SW_TRACE_STATE, trace.State)
	n.trace_flags = C.uint8_t(trace.Flags)
	if e.Terminal {
		n.terminal = 2
	}
	for i := range e.Content {
		c.part(&e.Content[i])
	}
	n.parts = C.uint32_t(len(c.parts))
	if len(c.buf) > math.MaxInt32 {
		// More than its places are counted in.
		return &Error{Kind: InvalidEvent, Message: "the event is more than 2 GiB; nothing is truncated: send less, or a reference"}
	}
	return nil
}

func or(said, ambient string) string {
	if said != "" {
		return said
	}
	return ambient
}

func (c *call) put(i int, s string) {
	c.buf = append(c.buf, s...)
	c.mark(i)
}

func (c *call) mark(i int) { c.native.ends[i] = C.uint32_t(len(c.buf)) }

func (c *call) part(p *Part) {
	var part C.sw_part
	isText := p.Bytes == nil
	for i, s := range [C.SW_PART_TEXTS]string{
		C.SW_CLASS: p.Class, C.SW_MEDIATYPE: p.MediaType, C.SW_TEXT: p.Text,
		C.SW_ROLE: p.Role, C.SW_REF: p.Ref, C.SW_SUMMARY: p.Summary, C.SW_PERMIT: p.Permit,
	} {
		switch {
		case i == C.SW_TEXT && !isText:
		case i == C.SW_BYTES:
			c.buf = append(c.buf, p.Bytes...)
		default:
			c.buf = append(c.buf, s...)
		}
		part.ends[i] = C.uint32_t(len(c.buf))
	}
	if isText {
		part.is_text = 1
	}
	if p.HasTokens {
		part.tokens, part.has_tokens = C.uint64_t(p.Tokens), 1
	}
	c.parts = append(c.parts, part)
}
