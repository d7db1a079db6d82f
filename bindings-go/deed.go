//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"math"
	"runtime"
	"time"
	"unsafe"
)

// When a deed's intent is safe.
const (
	// UntilJournaled: every durable lane that it entered has it on disk; by default where there is one.
	UntilJournaled = "journaled"
	// UntilDelivered: a sink of every class that governance requires has acknowledged it.
	UntilDelivered = "delivered"
	// UntilEnqueued: it is in a lane's queue, in memory.
	UntilEnqueued = "enqueued"
)

// DeedTerms say what a deed waits for, and for how long.
type DeedTerms struct {
	// Until is one of UntilJournaled, UntilDelivered and UntilEnqueued; by default the first of them that governance and the
	// lanes allow.
	Until string
	// Timeout is how long the act may be held up, room in full lanes included; 10 s where it is 0.
	Timeout time.Duration
}

// Deed is an act under way, as it sees itself: see Emitter.Deed.
type Deed struct {
	pointer *C.SinkwellDeed
	depth   int
}

// Deed does something with an outside effect only once its intent is safe: on disk, or with the sinks that governance
// requires. The event is sealed as the intent; when that is safe, act runs, with the same context; when it has ended, however
// it did, a second event says so: its phase is result, and it has outcome (ok, error, timeout, cancelled), duration_ms and
// error.type. The act's error, and its panic, are the caller's as they are; no text of them is in the event.
//
// Where the intent does not become safe, act does not run, and the error says why: ErrRequiredSinkUnavailable, ErrJournal,
// ErrBackpressure, ErrTimeout, or the context's; also what Emit returns. The context ends the wait, not the result's.
func (w *Emitter) Deed(ctx context.Context, event Event, act func(context.Context, *Deed) error, terms ...DeedTerms) error {
	deed, err := w.intend(ctx, &event, terms)
	if err != nil {
		return err
	}
	failure := errPanicked
	defer func() { w.endDeed(deed, failure) }()
	failure = act(ctx, deed)
	return failure
}

// An UnfinishedDeed is an intent without a result, of a process before this one.
type UnfinishedDeed struct {
	// ID is the intent's.
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Time    time.Time `json:"time"`
	AgentID string    `json:"agentid"`
	Subject string    `json:"subject"`
	RunID   string    `json:"runid"`
	// Tool is data.tool.
	Tool     string `json:"tool"`
	StreamID string `json:"streamid"`
	Sequence uint64 `json:"sequence"`
	// Where names the journal that held it.
	Where string `json:"where"`
}

// Unfinished are the deeds of processes before this one that have an intent and no result, the oldest first: what the
// journals hold that this process took over. Whether such an act was done, only the world outside can tell.
func (w *Emitter) Unfinished() ([]UnfinishedDeed, error) {
	defer runtime.KeepAlive(w)
	return decoded[[]UnfinishedDeed](fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_unfinished(w.pointer(), out, e)
	}))
}

// DoDeed is the default emitter's Deed.
func DoDeed(ctx context.Context, event Event, act func(context.Context, *Deed) error, terms ...DeedTerms) error {
	emitter, err := defaultFor(ctx)
	if err != nil {
		return err
	}
	return emitter.Deed(ctx, event, act, terms...)
}

// intend waits until the act may begin.
func (w *Emitter) intend(ctx context.Context, event *Event, terms []DeedTerms) (*Deed, error) {
	defer runtime.KeepAlive(w)
	var asked DeedTerms
	if len(terms) > 0 {
		asked = terms[len(terms)-1]
	}
	timeout := C.int64_t(-1)
	if asked.Timeout != 0 {
		timeout = C.int64_t(math.Ceil(float64(max(asked.Timeout, 0)) / float64(time.Millisecond)))
	}
	if ctx.Err() != nil {
		return nil, withheld(ctx)
	}
	c := calls.Get().(*call)
	defer c.release()
	if err := c.pack(ctx, event, w.opened().depth); err != nil {
		return nil, err
	}
	var pointer *C.SinkwellDeed
	until := []byte(asked.Until)
	try := func() C.int32_t {
		return C.sw_deed_intend(w.pointer(), flat(c.buf), &c.native, unsafe.SliceData(c.parts), flat(until),
			C.uint64_t(len(until)), timeout, &pointer)
	}
	start := time.Now()
	if err := c.failed(try()); err != nil {
		return nil, err
	}
	if c.native.receipted == 0 {
		if err := w.waitForRoom(ctx, c, try); err != nil {
			return nil, err
		}
	}
	// Freed before its act has begun, it is withdrawn.
	begun := false
	defer func() {
		if !begun {
			C.sinkwell_deed_free(&pointer)
		}
	}()
	settled, err := begin(func(token C.uint64_t, e *C.SinkwellError) C.int32_t {
		return C.sw_deed_on_settled(pointer, token, e)
	})
	if err != nil {
		return nil, err
	}
	limit := time.Duration(min(uint64(c.native.limit_ms), math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
	timer := time.NewTimer(limit - time.Since(start))
	defer timer.Stop()
	select {
	case <-settled:
	case <-timer.C:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return nil, withheld(ctx)
	}
	var e C.SinkwellError
	if err := takeError(C.sinkwell_deed_act(pointer, &e), &e); err != nil {
		return nil, err
	}
	begun = true
	deed := &Deed{pointer: pointer, depth: w.opened().depth}
	runtime.AddCleanup(deed, func(pointer *C.SinkwellDeed) { C.sinkwell_deed_free(&pointer) }, pointer)
	return deed, nil
}

// withheld is the error of a deed whose context ended before its intent was safe.
func withheld(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		text := "the context's deadline came before the intent was safe; the act did not run"
		return &Error{Kind: Timeout, Message: text, cause: cause}
	}
	return cause
}

// endDeed seals the result. The act has happened: nothing here changes what it returned.
func (w *Emitter) endDeed(deed *Deed, failure error) {
	defer runtime.KeepAlive(w)
	defer runtime.KeepAlive(deed)
	outcome, kind := outcomeOf(failure)
	said, what := []byte(outcome), []byte(kind)
	start := time.Now()
	for {
		var done C.uint8_t
		var limit C.uint64_t
		var e C.SinkwellError
		status := C.sw_deed_end(deed.pointer, flat(said), C.uint64_t(len(said)), flat(what), C.uint64_t(len(what)),
			C.uint64_t(time.Since(start).Milliseconds()), &done, &limit, &e)
		if err := takeError(status, &e); err != nil {
			warn("a deed's result was not sealed: " + err.Error())
			return
		}
		if done != 0 {
			return
		}
		room, err := begin(func(token C.uint64_t, e *C.SinkwellError) C.int32_t {
			return C.sw_on_room(w.pointer(), token, e)
		})
		if err != nil {
			// The emitter was closed: the next try says so.
			continue
		}
		timer := time.NewTimer(max(time.Duration(limit)*time.Millisecond-time.Since(start), time.Millisecond))
		select {
		case <-room:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// ID is the intent's id, which the result has as causationid; empty once the deed has ended.
func (d *Deed) ID() string {
	defer runtime.KeepAlive(d)
	var id [C.SINKWELL_ID_MAX]byte
	var length C.uint64_t
	var e C.SinkwellError
	_ = takeError(C.sinkwell_deed_id(d.pointer, flat(id[:]), &length, &e), &e)
	return string(id[:length])
}

// Result says what came of the act, for the result's data; said again, it replaces what was said. outcome may be among it:
// ok, error, denied, timeout, cancelled. On an error, what was said before stays.
func (d *Deed) Result(attrs ...Attr) error { return d.ResultOf(Event{Attrs: attrs}) }

// ResultOf is Result with all that an event's Attrs, Data and Content can say; nothing else of it is read.
func (d *Deed) ResultOf(event Event) error {
	defer runtime.KeepAlive(d)
	c := calls.Get().(*call)
	defer c.release()
	said := Event{Attrs: event.Attrs, Data: event.Data, Content: event.Content}
	if err := c.pack(context.Background(), &said, d.depth); err != nil {
		return err
	}
	return c.failed(C.sw_deed_say(d.pointer, flat(c.buf), &c.native, unsafe.SliceData(c.parts)))
}
