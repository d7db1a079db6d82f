//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strconv"
	"time"
)

// Step is what a framework for agents tells of a run, in one neutral form (docs/STEPS.md). All but Kind and ID may be left out.
type Step struct {
	// Kind is run, agent, tool, model, decision, handoff or retrieval.
	Kind string `json:"kind"`
	// ID is the framework's own, 1 to 128 printable ASCII characters; Parent that of the step around it.
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	// Name is of the agent, tool, model, rule or store; of a handoff, of the agent that goes on.
	Name string `json:"name,omitempty"`
	// Run is the run that it belongs to, where no known step is around it; Causation the id of the event that caused it.
	Run       string `json:"run,omitempty"`
	Causation string `json:"causation,omitempty"`
	// StartUnixNano and EndUnixNano are nanoseconds since 1970, as decimal digits. Without an end it has just started.
	StartUnixNano string `json:"start_unix_nano,omitempty"`
	EndUnixNano   string `json:"end_unix_nano,omitempty"`
	// Outcome is ok, error, denied, timeout, cancelled or asked (it waits for a person); by default as ErrorType says, else ok.
	Outcome string `json:"outcome,omitempty"`
	// ErrorType is the type of the error that ended it, never its text.
	ErrorType string `json:"error_type,omitempty"`
	// Decision is allow, deny, ask or indeterminate: of a decision.
	Decision string `json:"decision,omitempty"`
	// Attributes are by OpenTelemetry's GenAI and MCP conventions, and may hold what JSON cannot carry: the core spells it.
	Attributes map[string]any `json:"attributes,omitempty"`
	// Usage is the provider's usage object, and UsageOf whose form it has: openai, anthropic, …; otel when empty.
	Usage   any    `json:"usage,omitempty"`
	UsageOf string `json:"usage_of,omitempty"`
	// Input, Output and System are messages, which become content parts; of a tool and a retrieval the arguments and the result.
	Input  any `json:"input,omitempty"`
	Output any `json:"output,omitempty"`
	System any `json:"system,omitempty"`
	// Content are further parts.
	Content []Part `json:"content,omitempty"`
	// Permit is the most that its content may be captured: off (when empty), redacted_summary, content_ref, raw.
	Permit string `json:"permit,omitempty"`
	// TraceID and SpanID are 32 and 16 hex digits; Flags and State are W3C's.
	TraceID string `json:"trace_id,omitempty"`
	SpanID  string `json:"span_id,omitempty"`
	Flags   byte   `json:"flags,omitempty"`
	State   string `json:"state,omitempty"`
}

// StepEnd says how a tool's call ended.
type StepEnd struct {
	// Outcome and ErrorType are by default what the act's error says.
	Outcome, ErrorType string
	// Output is the result; Content are further parts.
	Output  any
	Content []Part
	// EndUnixNano is now when empty.
	EndUnixNano string
}

// StepCall is a tool's call under way, as it sees itself: see Emitter.DeedOfStep.
type StepCall struct {
	id      string
	said    StepEnd
	refused bool
}

// ID is the step's, which is that of its intent.
func (c *StepCall) ID() string { return c.id }

// Ended says how it ended; said again, it replaces what was said.
func (c *StepCall) Ended(end StepEnd) { c.said = end }

// Refused says that somebody refused it meanwhile, which was told as a decision of its own: it ends as denied, and no further
// decision is told.
func (c *StepCall) Refused() { c.refused = true }

// RunOf is the run that events emitted with the context belong to.
func RunOf(ctx context.Context) string { return ambientOf(ctx).run }

// TraceOf is the trace context of events emitted with the context: WithTrace's, or sinkwell.dev/go/otel's.
func TraceOf(ctx context.Context) TraceContext { return ambientOf(ctx).traceOf(ctx) }

// step writes a step as a stream of values.
func (c *call) step(s *Step) {
	c.spelling()
	defer func() { c.spells = false }()
	_ = c.enter('{')
	for _, member := range [...]struct{ key, text string }{
		{"kind", s.Kind}, {"id", s.ID}, {"parent", s.Parent}, {"name", s.Name}, {"run", s.Run},
		{"causation", s.Causation}, {"start_unix_nano", s.StartUnixNano}, {"end_unix_nano", s.EndUnixNano},
		{"outcome", s.Outcome}, {"error_type", s.ErrorType}, {"decision", s.Decision}, {"usage_of", s.UsageOf},
		{"permit", s.Permit}, {"trace_id", s.TraceID}, {"span_id", s.SpanID}, {"state", s.State},
	} {
		c.said(member.key, member.text)
	}
	if s.TraceID != "" {
		c.text('k', "flags")
		c.int(int64(s.Flags))
	}
	if s.Attributes != nil {
		c.text('k', "attributes")
		_ = c.object(nil, s.Attributes)
	}
	for _, member := range [...]struct {
		key   string
		value any
	}{{"usage", s.Usage}, {"input", s.Input}, {"output", s.Output}, {"system", s.System}} {
		if member.value != nil {
			c.text('k', member.key)
			_ = c.value(member.value, member.key)
		}
	}
	if len(s.Content) > 0 {
		c.text('k', "content")
		_ = c.enter('[')
		for i := range s.Content {
			_ = c.value(partJSON(&s.Content[i]), "content")
		}
		c.leave(']')
	}
	c.leave('}')
}

// partJSON is a content part as JSON has it.
func partJSON(p *Part) map[string]any {
	part := map[string]any{"class": p.Class}
	for key, text := range map[string]string{
		"mediatype": p.MediaType, "role": p.Role, "ref": p.Ref, "summary": p.Summary, "permit": p.Permit,
	} {
		if text != "" {
			part[key] = text
		}
	}
	if p.Bytes != nil {
		// In base64, as encoding/json has it.
		text, _ := json.Marshal(p.Bytes)
		part["bytes"] = json.RawMessage(text)
	} else {
		part["text"] = p.Text
	}
	if p.HasTokens {
		part["tokens"] = p.Tokens
	}
	return part
}

// EmitStep emits the events that a step stands for, and says how many. It waits for room in blocking lanes, up to their
// block_timeout, on this goroutine's thread; inside a sink of yours, as the context tells, never. What is no step is
// ErrInvalidArgument, with the member.
func (w *Emitter) EmitStep(ctx context.Context, step Step) (int, error) {
	c := calls.Get().(*call)
	defer c.release()
	c.step(&step)
	return w.EmitStepJSON(ctx, c.buf)
}

// EmitStepJSON is EmitStep for a step that is JSON already.
func (w *Emitter) EmitStepJSON(ctx context.Context, step []byte) (int, error) {
	defer runtime.KeepAlive(w)
	var emitted C.uint64_t
	var e C.SinkwellError
	err := takeError(C.sw_emit_step(w.pointer(), flat(step), C.uint64_t(len(step)), stepWait(ctx), &emitted, &e), &e)
	return int(emitted), err
}

func stepWait(ctx context.Context) C.int32_t {
	if ambientOf(ctx).inside {
		return C.SINKWELL_INSIDE
	}
	return C.SINKWELL_WAIT
}

// DeedOfStep makes a tool's call, told as a step, only once its intent is safe: see Deed. act says by StepCall.Ended what came
// of it; its context has the call's id as causation, so that what is emitted with it is inside the call. However the call ends,
// and also where the deed is refused, the step is over.
func (w *Emitter) DeedOfStep(ctx context.Context, step Step, act func(context.Context, *StepCall) error, terms ...DeedTerms) error {
	if step.Kind == "" {
		step.Kind = "tool"
	}
	if step.StartUnixNano == "" {
		step.StartUnixNano = unixNano()
	}
	event, err := w.stepIntent(&step)
	if err != nil {
		return err
	}
	// Of what the intent has said nothing is said again.
	step.Input, step.Content = nil, nil
	began := false
	defer func() {
		if !began {
			_, _, _ = w.stepResult(ctx, step, StepEnd{Outcome: "error"})
		}
	}()
	do := func(ctx context.Context, deed *Deed) error {
		began = true
		call := &StepCall{id: step.ID}
		failure := errPanicked
		defer func() { w.sayStep(ctx, deed, step, call, failure) }()
		inside := WithCausation(ctx, step.ID)
		if event.Run != "" && event.Run != RunOf(ctx) {
			inside = with(inside, func(a *ambient) { a.run, a.parentRun, a.turn, a.attempt = event.Run, "", "", "" })
		}
		failure = act(inside, call)
		return failure
	}
	err = w.Deed(ctx, event, do, terms...)
	if !began && errors.Is(err, ErrInvalidEvent) && len(event.Content) > 0 {
		// What is too large with people's words is told without them: the words are no reason to refuse an act.
		event.Attrs = append(event.Attrs, Int("content_left_out", len(event.Content)))
		event.Content = nil
		err = w.Deed(ctx, event, do, terms...)
	}
	return err
}

func unixNano() string { return strconv.FormatInt(time.Now().UnixNano(), 10) }

// sayStep has the deed's result say how the call ended. The act has happened: what is wrong with its record does not break it.
func (w *Emitter) sayStep(ctx context.Context, deed *Deed, step Step, call *StepCall, failure error) {
	end := call.said
	if failure != nil {
		outcome, kind := outcomeOf(failure)
		end.Outcome, end.ErrorType = or(end.Outcome, outcome), or(end.ErrorType, kind)
	}
	if call.refused {
		end.Outcome = "error"
	}
	data, parts, err := w.stepResult(ctx, step, end)
	if err != nil {
		warn("what came of a tool's call was not sealed: " + err.Error())
		return
	}
	if call.refused {
		data["outcome"] = "denied"
	}
	err = deed.ResultOf(Event{Data: data, Content: parts})
	if errors.Is(err, ErrInvalidEvent) {
		data["content_left_out"] = len(parts)
		err = deed.ResultOf(Event{Data: data})
	}
	if err != nil {
		warn("what came of a tool's call was not sealed: " + err.Error())
	}
}

// stepEvent is an event of a step, as the core writes it. Data stays as it was written, so that no number is rounded.
type stepEvent struct {
	Type        string                     `json:"type"`
	Data        map[string]json.RawMessage `json:"data"`
	Subject     string                     `json:"subject"`
	Severity    string                     `json:"severity"`
	Run         string                     `json:"run"`
	ID          string                     `json:"id"`
	Causation   string                     `json:"causation"`
	Correlation string                     `json:"correlation"`
	Time        time.Time                  `json:"time"`
	Trace       struct {
		TraceID string `json:"trace_id"`
		SpanID  string `json:"span_id"`
		Flags   byte   `json:"flags"`
		State   string `json:"state"`
	} `json:"trace"`
	Content []stepPart `json:"content"`
}

type stepPart struct {
	Part
	Tokens *uint64 `json:"tokens"`
}

func (e *stepEvent) data() map[string]any {
	data := make(map[string]any, len(e.Data))
	for key, value := range e.Data {
		data[key] = value
	}
	return data
}

func (e *stepEvent) parts() []Part {
	var parts []Part
	for _, one := range e.Content {
		part := one.Part
		if one.Tokens != nil {
			part.Tokens, part.HasTokens = *one.Tokens, true
		}
		parts = append(parts, part)
	}
	return parts
}

func (w *Emitter) stepIntent(step *Step) (Event, error) {
	defer runtime.KeepAlive(w)
	c := calls.Get().(*call)
	defer c.release()
	c.step(step)
	text, err := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_step_intent(w.pointer(), flat(c.buf), C.uint64_t(len(c.buf)), out, e)
	})
	read, err := readStep(text, err)
	if err != nil {
		return Event{}, err
	}
	return Event{
		Type: read.Type, Data: read.data(), Subject: read.Subject, Severity: Severity(read.Severity), Run: read.Run,
		ID: read.ID, Causation: read.Causation, Correlation: read.Correlation, Time: read.Time,
		Trace:   TraceContext{TraceID: read.Trace.TraceID, SpanID: read.Trace.SpanID, Flags: read.Trace.Flags, State: read.Trace.State},
		Content: read.parts(),
	}, nil
}

func (w *Emitter) stepResult(ctx context.Context, step Step, end StepEnd) (map[string]any, []Part, error) {
	defer runtime.KeepAlive(w)
	step.EndUnixNano = end.EndUnixNano
	if step.EndUnixNano == "" {
		step.EndUnixNano = unixNano()
	}
	step.Outcome, step.ErrorType, step.Output, step.Content = end.Outcome, end.ErrorType, end.Output, end.Content
	c := calls.Get().(*call)
	defer c.release()
	c.step(&step)
	text, err := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_step_result(w.pointer(), flat(c.buf), C.uint64_t(len(c.buf)), stepWait(ctx), out, e)
	})
	read, err := readStep(text, err)
	if err != nil {
		return nil, nil, err
	}
	return read.data(), read.parts(), nil
}

func readStep(text []byte, err error) (*stepEvent, error) {
	if err != nil {
		return nil, err
	}
	var read stepEvent
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&read); err != nil {
		return nil, &Error{Kind: Internal, Message: "the core's answer is not what this package expects: " + err.Error()}
	}
	return &read, nil
}
