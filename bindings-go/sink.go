//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime/cgo"
	"sort"
	"strings"
	"time"
	"unsafe"
)

// SinkClass is what a sink is for.
type SinkClass string

// The classes.
const (
	SIEM          SinkClass = "siem"
	Audit         SinkClass = "audit"
	Observability SinkClass = "observability"
	DebugClass    SinkClass = "debug"
)

// Classes is a set of classes, for a sink's Classes.
func Classes(classes ...SinkClass) map[SinkClass]struct{} {
	set := make(map[SinkClass]struct{}, len(classes))
	for _, class := range classes {
		set[class] = struct{}{}
	}
	return set
}

// SinkHealth is how a sink says it is.
type SinkHealth struct {
	Healthy bool
	Detail  string
}

// GovernanceEventSink is a sink of your own. Emit is called from a thread of its lane, for one event after the
// other, in the stream's order; the context ends with the lane's timeout. nil acknowledges the event; an error
// that is Rejected refuses it for good, one that is Uncertain says that nobody will know; any other is tried again.
// What it does wrong (an error, a panic, a hang) stays in its lane. What it emits with that context never waits.
//
// Name and Classes are asked while an emitter opens, which goes on when they return. Where that is the default emitter, an Emit
// of theirs is ErrClosed at once, but one of another goroutine waits for the opening: they must not wait for such a goroutine.
type GovernanceEventSink interface {
	Name() string
	Classes() map[SinkClass]struct{}
	Emit(ctx context.Context, event SignedGovernanceEvent) error
	Health(ctx context.Context) SinkHealth
}

// BatchSink is what a sink may implement besides, to take batches: one answer per event, in order, each as Emit's; a nil
// slice acknowledges all. Any other number of answers than of events is a failure of the sink's, and a panic is the whole
// batch's: all of it is tried again, or, where it panics with a Rejected, halved until the offender is alone.
type BatchSink interface {
	EmitBatch(ctx context.Context, events []SignedGovernanceEvent) []error
}

// IdempotentSink is what a sink may implement besides, to say that a repeat of the same event does no harm: its
// lane's `in_flight` may then be more than one batch.
type IdempotentSink interface {
	Idempotent() bool
}

// Rejected is how a sink refuses an event for good: it is not tried again, but dead-lettered and declared.
type Rejected struct{ Err error }

// Reject refuses an event for good, for err's reason.
func Reject(err error) error { return &Rejected{Err: err} }

// Error says what the sink answered, and why.
func (r *Rejected) Error() string { return fmt.Sprintf("rejected: %v", r.Err) }

// Unwrap is the reason.
func (r *Rejected) Unwrap() error { return r.Err }

// Uncertain is how a sink says that nobody will ever know whether an event arrived: it is not tried again, and declared
// as maybe lost.
type Uncertain struct{ Err error }

// Error says what the sink answered, and why.
func (u *Uncertain) Error() string { return fmt.Sprintf("uncertain: %v", u.Err) }

// Unwrap is the reason.
func (u *Uncertain) Unwrap() error { return u.Err }

// RetryAfter is an error that asks for time before the event is tried again.
type RetryAfter struct {
	Err   error
	After time.Duration
}

// Error says what the sink answered, and why.
func (r *RetryAfter) Error() string { return fmt.Sprintf("retry after %v: %v", r.After, r.Err) }

// Unwrap is the reason.
func (r *RetryAfter) Unwrap() error { return r.Err }

// Signer seals with a key that never enters the process (a KMS, an HSM): one raw signature per input, in order.
// It is called from several threads at once. While it fails, its lanes wait.
type Signer interface {
	Sign(ctx context.Context, inputs [][]byte) ([][]byte, error)
}

// native is the sink's table for the ABI. Its handle is the ABI's from the next call on.
func (s attached) native(a *arena) (C.SinkwellSink, error) {
	if s.sink == nil || isNilPointer(s.sink) {
		return C.SinkwellSink{}, &Error{Kind: InvalidArgument, Message: "a sink is nil; give one that was made", Where: "sinks"}
	}
	classes := make([]string, 0, 4)
	for class := range s.sink.Classes() {
		classes = append(classes, string(class))
	}
	sort.Strings(classes)
	var lane []byte
	if s.lane != nil {
		text, err := marshal(s.lane)
		if err != nil {
			return C.SinkwellSink{}, noJSON(InvalidConfig, "the lane's keys have", "", err)
		}
		lane = text
	}
	name := a.text(s.sink.Name())
	sink, ok := s.sink.(IdempotentSink)
	idempotent := ok && sink.Idempotent()
	// Once nothing more can fail.
	handle := cgo.NewHandle(s.sink)
	native := C.sw_sink(C.uint64_t(handle), name, a.text(strings.Join(classes, ",")), a.text(string(lane)))
	if idempotent {
		native.idempotent = 1
	}
	return native, nil
}

//export sinkwellGoDeliver
func sinkwellGoDeliver(user C.uint64_t, batch *C.SinkwellEnvelope, n C.uint64_t, timeoutMs C.uint64_t, reply *C.SinkwellReply) {
	defer func() {
		if p := recover(); p != nil {
			answerAll(reply, raisedAs(p))
		}
	}()
	sink := cgo.Handle(user).Value().(GovernanceEventSink)
	events := make([]SignedGovernanceEvent, n)
	for i, envelope := range unsafe.Slice(batch, n) {
		events[i] = newSigned(&envelope)
	}
	timeout := time.Duration(min(uint64(timeoutMs), uint64(1)<<40)) * time.Millisecond
	ctx, cancel := context.WithTimeout(inside(context.Background()), timeout)
	defer cancel()
	if batches, ok := sink.(BatchSink); ok {
		if answers := batches.EmitBatch(ctx, events); answers != nil {
			answerEvents(reply, answers, false)
		} else {
			answerAll(reply, nil)
		}
		return
	}
	answerEvents(reply, deliver(ctx, sink, events), true)
}

// The sink runs on the lane's own thread, so that the core knows an Emit from inside it, which must not wait; one from
// another goroutine it knows by the context. (A sink may panic, but not call runtime.Goexit: Go ends the process then.)

// deliver gives the sink one event after the other, up to the first that is to be tried again: what comes after it must not
// arrive before it.
func deliver(ctx context.Context, sink GovernanceEventSink, events []SignedGovernanceEvent) []error {
	answers := make([]error, 0, len(events))
	for _, event := range events {
		err := emitOne(ctx, sink, event)
		answers = append(answers, err)
		if err != nil && outcome(err) == C.SINKWELL_RETRY {
			break
		}
	}
	return answers
}

// outcome is what an error says of an event. One that panics when it is asked is a failure of the sink's.
func outcome(err error) (outcome C.int32_t) {
	outcome = C.SINKWELL_RETRY
	defer func() { _ = recover() }()
	var rejected *Rejected
	var uncertain *Uncertain
	switch {
	case errors.As(err, &uncertain):
		return C.SINKWELL_UNCERTAIN
	case errors.As(err, &rejected):
		return C.SINKWELL_REFUSED
	default:
		return outcome
	}
}

// emitOne gives the sink one event. A panic is that event's failure, as an error is: those before it are acknowledged.
func emitOne(ctx context.Context, sink GovernanceEventSink, event SignedGovernanceEvent) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = raisedAs(p)
		}
	}()
	return sink.Emit(ctx, event)
}

// raisedAs is what a panic says: an answer that was panicked with is that answer.
func raisedAs(p any) error {
	if err, ok := p.(error); ok && outcome(err) != C.SINKWELL_RETRY {
		return err
	}
	return &panicked{p}
}

// panicked is what a sink panicked with.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprint(p.value) }

// answerAll gives one answer for a batch.
func answerAll(reply *C.SinkwellReply, err error) {
	var a arena
	defer a.free()
	answers := array[C.SinkwellAnswer](&a, 1)
	answers[0] = nativeAnswer(&a, err)
	var e C.SinkwellError
	_ = takeError(C.sinkwell_reply(&reply, &answers[0], &e), &e)
	// Unless it was taken: a lane never waits for an answer that cannot come.
	C.sinkwell_reply_free(&reply)
}

// answerEvents gives an answer per event: of the first ones that the sink was given one by one, or of a batch's. That there
// are as many as there should be, the core sees to.
func answerEvents(reply *C.SinkwellReply, errs []error, first bool) {
	var a arena
	defer a.free()
	answers := array[C.SinkwellAnswer](&a, len(errs))
	for i, err := range errs {
		answers[i] = nativeAnswer(&a, err)
	}
	var e C.SinkwellError
	if first {
		_ = takeError(C.sinkwell_reply_first(&reply, unsafe.SliceData(answers), C.uint64_t(len(answers)), &e), &e)
	} else {
		_ = takeError(C.sinkwell_reply_each(&reply, unsafe.SliceData(answers), C.uint64_t(len(answers)), &e), &e)
	}
	C.sinkwell_reply_free(&reply)
}

// nativeAnswer is what an error of the sink's says. One that panics when it is asked (a nil pointer in an error) is a
// failure of the sink's at that event.
func nativeAnswer(a *arena, err error) (answer C.SinkwellAnswer) {
	if err == nil {
		return answer
	}
	defer func() {
		if p := recover(); p != nil {
			answer = C.SinkwellAnswer{outcome: C.SINKWELL_RETRY}
			answer.reason = a.text(fmt.Sprintf("%T", err))
			answer.detail = a.text("its error cannot be read: " + strings.ToValidUTF8(fmt.Sprint(p), "\uFFFD"))
		}
	}()
	answer.outcome = outcome(err)
	// Records hold the type, health the text.
	reason := err
	var rejected *Rejected
	if errors.As(err, &rejected) && rejected.Err != nil {
		reason = rejected.Err
	}
	var uncertain *Uncertain
	if errors.As(err, &uncertain) && uncertain.Err != nil {
		reason = uncertain.Err
	}
	var later *RetryAfter
	if errors.As(err, &later) {
		answer.after_ms = C.uint64_t(max(later.After.Milliseconds(), 0))
		if later.Err != nil {
			reason = later.Err
		}
	}
	name := fmt.Sprintf("%T", reason)
	if p, ok := err.(*panicked); ok {
		name = fmt.Sprintf("panic: %T", p.value)
	}
	answer.reason = a.text(name)
	answer.detail = a.text(strings.ToValidUTF8(err.Error(), "\uFFFD"))
	return answer
}

//export sinkwellGoHealth
func sinkwellGoHealth(user C.uint64_t, reply *C.SinkwellHealthReply) {
	health := SinkHealth{Detail: "the sink did not say how it is"}
	defer func() {
		if p := recover(); p != nil {
			health = SinkHealth{Detail: fmt.Sprintf("panic: %T", p)}
		}
		var a arena
		defer a.free()
		var healthy C.uint8_t
		if health.Healthy {
			healthy = 1
		}
		var e C.SinkwellError
		detail := a.text(strings.ToValidUTF8(health.Detail, "\uFFFD"))
		_ = takeError(C.sinkwell_health_reply(&reply, healthy, detail, &e), &e)
	}()
	health = cgo.Handle(user).Value().(GovernanceEventSink).Health(inside(context.Background()))
}

//export sinkwellGoSign
func sinkwellGoSign(user C.uint64_t, inputs *C.SinkwellBytes, n C.uint64_t, reply *C.SinkwellSignReply) {
	var signatures [][]byte
	err := errors.New("the signer gave no answer")
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the signer panicked: %T", p)
		}
		var a arena
		defer a.free()
		var failure C.SinkwellBytes
		if err != nil {
			failure = a.bytes([]byte(strings.ToValidUTF8(err.Error(), "\uFFFD")))
		}
		native := array[C.SinkwellBytes](&a, len(signatures))
		for i, signature := range signatures {
			native[i] = a.bytes(signature)
		}
		var e C.SinkwellError
		_ = takeError(C.sinkwell_sign_reply(&reply, unsafe.SliceData(native), C.uint64_t(len(native)), failure, &e), &e)
	}()
	signer := cgo.Handle(user).Value().(Signer)
	copies := make([][]byte, n)
	for i, input := range unsafe.Slice(inputs, n) {
		copies[i] = []byte(borrowed(input.data, input.len))
	}
	signatures, err = signer.Sign(inside(context.Background()), copies)
}
