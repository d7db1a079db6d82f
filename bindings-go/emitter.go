//go:build cgo && linux && amd64

package sinkwell

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"runtime"
	"runtime/cgo"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// Emitter seals events and hands them to its lanes. It is made by Open. All its methods may be called from any goroutine.
type Emitter struct {
	native *handle
	depth  int
	// ended: Close was called.
	ended atomic.Bool
}

// handle is the emitter behind the ABI. It is apart from Emitter, so that what must outlive that (a wait, the
// safety net) can hold it without keeping Emitter reachable.
type handle struct {
	pointer *C.SinkwellEmitter
}

// opened is the emitter itself, which one is that Open made.
func (w *Emitter) opened() *Emitter {
	if w == nil || w.native == nil {
		panic("sinkwell: this Emitter was not opened; use the one that sinkwell.Open returns, once its error is nil")
	}
	return w
}

// pointer is the emitter behind the ABI.
func (w *Emitter) pointer() *C.SinkwellEmitter { return w.opened().native.pointer }

// Option is one of Open's.
type Option func(*opening)

type opening struct {
	sinks  []attached
	signer Signer
	manual bool
}

type attached struct {
	sink GovernanceEventSink
	lane map[string]any
}

// WithSink attaches a sink of your own; it counts as a required sink. lane holds any keys of a lane.
func WithSink(sink GovernanceEventSink, lane ...map[string]any) Option {
	return func(o *opening) { o.sinks = append(o.sinks, attached{sink, merged(lane)}) }
}

// WithSigner has the emitter seal with a signer of your own (key: { id, alg, signer: host }).
func WithSigner(signer Signer) Option { return func(o *opening) { o.signer = signer } }

// Manual opens an emitter without threads: Drain delivers.
func Manual() Option { return func(o *opening) { o.manual = true } }

func merged(lanes []map[string]any) map[string]any {
	var all map[string]any
	for _, lane := range lanes {
		for key, value := range lane {
			if all == nil {
				all = map[string]any{}
			}
			all[key] = value
		}
	}
	return all
}

// Text is a configuration document given as text, YAML or JSON.
type Text string

// Open opens an emitter. config is a file's path (string), a document (Text), a value that encoding/json writes
// as one (map[string]any), or nil: environment variables, or the default, decide. It returns when every required
// class has a healthy sink.
func Open(config any, options ...Option) (*Emitter, error) {
	installLogger()
	var o opening
	for _, option := range options {
		option(&o)
	}
	var source C.int32_t
	var document []byte
	switch c := config.(type) {
	case nil:
		source = C.SINKWELL_SOURCE_ENVIRONMENT
	case string:
		source, document = C.SINKWELL_SOURCE_PATH, []byte(c)
	case Text:
		source, document = C.SINKWELL_SOURCE_TEXT, []byte(c)
	default:
		text, err := marshal(c)
		if err != nil {
			return nil, noJSON(InvalidConfig, "the configuration has", "", err)
		}
		source, document = C.SINKWELL_SOURCE_MAPPING, text
	}
	var a arena
	defer a.free()
	sinks := array[C.SinkwellSink](&a, len(o.sinks))
	handed := false
	defer func() {
		for _, sink := range sinks {
			if !handed && sink.user != 0 {
				cgo.Handle(sink.user).Delete()
			}
		}
	}()
	for i, s := range o.sinks {
		native, err := s.native(&a)
		if err != nil {
			return nil, err
		}
		sinks[i] = native
	}
	var signer cgo.Handle
	if o.signer != nil {
		signer = cgo.NewHandle(o.signer)
	}
	// An empty document is one, too.
	text := a.bytes(append(document, 0))
	h := new(handle)
	var manual C.uint8_t
	if o.manual {
		manual = 1
	}
	var e C.SinkwellError
	handed = true
	status := C.sw_open(source, text.data, text.len-1, manual, unsafe.SliceData(sinks), C.uint64_t(len(sinks)),
		C.uint64_t(signer), &h.pointer, &e)
	if err := takeError(status, &e); err != nil {
		return nil, err
	}
	if !isInside(context.Background()) {
		awaitLines(0)
	}
	return h.emitter()
}

// emitter wraps the handle, with the safety net: an emitter that nobody can reach any more and nobody closed is
// closed then. Whoever relies on it loses what the process ends with; call Close.
func (h *handle) emitter() (*Emitter, error) {
	var limit C.uint64_t
	var handles C.uint8_t
	var e C.SinkwellError
	if err := takeError(C.sinkwell_depth_limit(h.pointer, &limit, &e), &e); err != nil {
		return nil, err
	}
	if err := takeError(C.sinkwell_handles_signals(h.pointer, &handles, &e), &e); err != nil {
		return nil, err
	}
	emitter := &Emitter{native: h, depth: int(limit)}
	if handles != 0 {
		if err := watchSignals(); err != nil {
			C.sinkwell_emitter_free(&h.pointer)
			return nil, err
		}
	}
	runtime.AddCleanup(emitter, func(h *handle) {
		// Ending takes time; cleanups share a goroutine.
		go func() { C.sinkwell_emitter_free(&h.pointer) }()
	}, h)
	return emitter, nil
}

// Emit emits an event. It waits for room in blocking lanes, up to their block_timeout and the context's end,
// without holding a thread; the context bounds nothing else. On an error the event is in no lane. With a context that a
// sink of yours was called with it never waits: a lane without room drops the event, as the receipt says.
func (w *Emitter) Emit(ctx context.Context, event Event) (*Receipt, error) {
	pointer, err := w.emit(ctx, &event, true)
	if err != nil {
		return nil, err
	}
	return newReceipt(pointer), nil
}

// Put is Emit for who needs no receipt; it costs less.
func (w *Emitter) Put(ctx context.Context, event Event) error {
	_, err := w.emit(ctx, &event, false)
	return err
}

func (w *Emitter) emit(ctx context.Context, event *Event, receipt bool) (*C.SinkwellReceipt, error) {
	c := calls.Get().(*call)
	defer c.release()
	if err := c.pack(ctx, event, w.opened().depth); err != nil {
		return nil, err
	}
	return w.attempt(ctx, c, receipt, func() C.int32_t {
		return C.sw_emit(w.pointer(), flat(c.buf), &c.native, unsafe.SliceData(c.parts))
	})
}

// EmitJSON emits an event given as one JSON object: {"type": …, "data": {…}, "subject": …}.
func (w *Emitter) EmitJSON(ctx context.Context, event []byte) (*Receipt, error) {
	c := calls.Get().(*call)
	defer c.release()
	if ambientOf(ctx).inside {
		c.native.inside = 1
	}
	pointer, err := w.attempt(ctx, c, true, func() C.int32_t {
		return C.sw_emit_json(w.pointer(), flat(event), C.uint64_t(len(event)), &c.native)
	})
	if err != nil {
		return nil, err
	}
	return newReceipt(pointer), nil
}

// attempt tries until there is room, the lanes' time is over, or the context's.
func (w *Emitter) attempt(ctx context.Context, c *call, receipt bool, try func() C.int32_t) (*C.SinkwellReceipt, error) {
	defer runtime.KeepAlive(w)
	if receipt {
		c.native.want_receipt = 1
	}
	if err := c.failed(try()); err != nil {
		return nil, err
	}
	if c.native.receipted == 0 {
		if err := w.waitForRoom(ctx, c, try); err != nil {
			return nil, err
		}
	}
	return c.native.receipt, nil
}

func (w *Emitter) waitForRoom(ctx context.Context, c *call, try func() C.int32_t) error {
	start := time.Now()
	timer := time.NewTimer(time.Duration(c.native.limit_ms) * time.Millisecond)
	defer timer.Stop()
	for {
		room, err := begin(func(token C.uint64_t, e *C.SinkwellError) C.int32_t {
			return C.sw_on_room(w.pointer(), token, e)
		})
		if err != nil {
			return err
		}
		var cause error
		select {
		case <-room:
		case <-timer.C:
		case <-ctx.Done():
			cause = context.Cause(ctx)
		}
		c.native.waited_ms = C.uint64_t(time.Since(start).Milliseconds())
		if cause != nil {
			// The context's time is all the time there is: room now, or none.
			c.native.waited_ms = C.uint64_t(1) << 62
		}
		if err := c.failed(try()); err != nil {
			if e, ok := err.(*Error); ok && cause != nil {
				e.cause = cause
				if e.Kind == Backpressure {
					// The core tells of the lane's own time, which was not over.
					e.Message = "the context ended before the blocking lane had room; the event is in no lane"
				}
			}
			return err
		}
		if c.native.receipted != 0 {
			return nil
		}
		left := max(time.Duration(c.native.limit_ms)*time.Millisecond-time.Since(start), time.Millisecond)
		timer.Reset(left)
	}
}

// EnsureReady says whether Emit would let an event through now.
func (w *Emitter) EnsureReady() error {
	defer runtime.KeepAlive(w)
	var e C.SinkwellError
	return takeError(C.sinkwell_ensure_ready(w.pointer(), &e), &e)
}

// Counters are those of one lane; in every reading Admitted = Delivered + Dropped + Rejected + Pending.
type Counters struct {
	Admitted        uint64            `json:"admitted"`
	Delivered       uint64            `json:"delivered"`
	Dropped         uint64            `json:"dropped"`
	Rejected        uint64            `json:"rejected"`
	Pending         uint64            `json:"pending"`
	Filtered        uint64            `json:"filtered"`
	Sealed          uint64            `json:"sealed"`
	Journaled       uint64            `json:"journaled"`
	Retried         uint64            `json:"retried"`
	Own             uint64            `json:"own"`
	Bytes           uint64            `json:"bytes"`
	OldestPendingMs uint64            `json:"oldest_pending_ms"`
	DroppedBy       map[string]uint64 `json:"dropped_by"`
	RejectedBy      map[string]uint64 `json:"rejected_by"`
	FilteredBy      map[string]uint64 `json:"filtered_by"`
	// What the sink itself has moved; nil for one that does not say (docs/LANES.md).
	Sink       map[string]uint64 `json:"sink"`
	SinkErrors map[string]uint64 `json:"sink_errors"`
}

// Counters are the lanes' counters, by the lane's id.
func (w *Emitter) Counters() map[string]Counters {
	defer runtime.KeepAlive(w)
	return decode[map[string]Counters](func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_counters(w.pointer(), out, e)
	})
}

// Cursor is how far a lane's sink has acknowledged.
type Cursor struct {
	StreamID string `json:"streamid"`
	Sequence string `json:"sequence"`
	Export   uint64 `json:"export"`
}

// LaneHealth is how a lane is, as only the host sees it.
type LaneHealth struct {
	State   string      `json:"state"` // starting, healthy, degraded, failed, closed
	Since   time.Time   `json:"since"`
	Failure string      `json:"failure"`
	Summary string      `json:"summary"`
	Detail  string      `json:"detail"`
	Acked   *Cursor     `json:"acked"`
	Classes []SinkClass `json:"classes"`
}

// Health is the lanes' health, by the lane's id.
func (w *Emitter) Health() map[string]LaneHealth {
	defer runtime.KeepAlive(w)
	return decode[map[string]LaneHealth](func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_health(w.pointer(), out, e)
	})
}

// Prometheus is counters and states in the Prometheus text format.
func (w *Emitter) Prometheus() string {
	defer runtime.KeepAlive(w)
	text, _ := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_prometheus(w.pointer(), out, e)
	})
	return string(text)
}

// Refused is how many events were kept out: closed, backpressure, required_sink_unavailable.
func (w *Emitter) Refused() uint64 {
	defer runtime.KeepAlive(w)
	var refused C.uint64_t
	var e C.SinkwellError
	_ = takeError(C.sinkwell_refused(w.pointer(), &refused, &e), &e)
	return uint64(refused)
}

// Queued is how many events wait in a lane to be sealed.
func (w *Emitter) Queued(lane string) (uint64, error) {
	defer runtime.KeepAlive(w)
	var queued C.uint64_t
	var e C.SinkwellError
	name := append([]byte(lane), 0)
	err := takeError(C.sw_with_lane(w.pointer(), flat(name), C.uint64_t(len(lane)), &queued, nil, &e), &e)
	return uint64(queued), err
}

// Record is one change of a lane's state.
type Record struct {
	Lane              string  `json:"lane"`
	Kind              string  `json:"kind"`
	State             string  `json:"state"`
	Failure           string  `json:"failure"`
	Summary           string  `json:"summary"`
	TerminalPreserved bool    `json:"terminal_preserved"`
	Dropped           uint64  `json:"dropped"`
	Acked             *Cursor `json:"acked"`
	Repair            *Cursor `json:"repair"`
	UnsafeReplay      string  `json:"unsafe_replay"`
}

// Drained is what one Drain did.
type Drained struct {
	Count   uint64   `json:"count"`
	Records []Record `json:"records"`
}

// Drain delivers what a lane of a manual emitter holds, on the calling goroutine.
func (w *Emitter) Drain(lane string) (Drained, error) {
	defer runtime.KeepAlive(w)
	name := append([]byte(lane), 0)
	return decoded[Drained](fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_with_lane(w.pointer(), flat(name), C.uint64_t(len(lane)), nil, out, e)
	}))
}

// AddSink adds a lane for a sink of your own; lane holds any of its keys.
func (w *Emitter) AddSink(sink GovernanceEventSink, lane ...map[string]any) error {
	defer runtime.KeepAlive(w)
	var a arena
	defer a.free()
	native := array[C.SinkwellSink](&a, 1)
	one, err := attached{sink, merged(lane)}.native(&a)
	if err != nil {
		return err
	}
	native[0] = one
	var e C.SinkwellError
	return takeError(C.sinkwell_add_sink(w.pointer(), &native[0], &e), &e)
}

// ChangeKey seals with another key from the next envelope on. key is a key section as in the configuration:
// YAML or JSON text, or a map.
func (w *Emitter) ChangeKey(key any, signer ...Signer) error {
	defer runtime.KeepAlive(w)
	var section []byte
	switch k := key.(type) {
	case string:
		section = []byte(k)
	case Text:
		section = []byte(k)
	default:
		text, err := marshal(k)
		if err != nil {
			return noJSON(InvalidConfig, "the key section has", "key", err)
		}
		section = text
	}
	var handle cgo.Handle
	if len(signer) > 0 && signer[0] != nil {
		handle = cgo.NewHandle(signer[0])
	}
	section = append(section, '\n')
	var e C.SinkwellError
	return takeError(C.sw_change_key(w.pointer(), flat(section), C.uint64_t(len(section)), C.uint64_t(handle), &e), &e)
}

// Repair has a durable lane export again what its journal still holds, from an envelope on: a record's Repair cursor, for
// example. Nothing is sealed anew, and content goes only as far as today's policy lets it.
func (w *Emitter) Repair(lane string, from Cursor) error {
	defer runtime.KeepAlive(w)
	sequence, err := strconv.ParseUint(from.Sequence, 10, 64)
	if err != nil {
		return &Error{Kind: InvalidArgument, Message: "must be a number, as in a cursor", Where: "from.sequence"}
	}
	name, stream := append([]byte(lane), 0), append([]byte(from.StreamID), 0)
	var e C.SinkwellError
	return takeError(C.sw_repair(w.pointer(), flat(name), C.uint64_t(len(lane)), flat(stream),
		C.uint64_t(len(from.StreamID)), C.uint64_t(sequence), &e), &e)
}

// LaneReport is what a lane has delivered and still holds.
type LaneReport struct {
	Delivered uint64 `json:"delivered"`
	Pending   uint64 `json:"pending"`
	// Journaled is how much of what is pending a journal holds on disk.
	Journaled uint64 `json:"journaled"`
	// Where what is pending lies: none, memory, journal.
	Where string `json:"where"`
}

// Report is by the lane's id.
type Report map[string]LaneReport

// Flush waits until every lane has delivered what it was given, or the context's deadline is over (5 s where it has none), and
// says what is left and where. A context that is cancelled ends the wait with its error. From inside a sink, a signer or a
// logger it does not wait, as it would wait for itself.
func (w *Emitter) Flush(ctx context.Context) (Report, error) {
	limit := remaining(ctx)
	if isInside(ctx) {
		limit = 0
	}
	return w.flush(ctx, limit)
}

func (w *Emitter) flush(ctx context.Context, limit C.uint64_t) (Report, error) {
	defer runtime.KeepAlive(w)
	return w.opened().native.end(ctx, func(token C.uint64_t, e *C.SinkwellError) C.int32_t {
		return C.sw_flush_on(w.pointer(), limit, token, e)
	})
}

// Close ends the emitter as far as the context's deadline allows (5 s where it has none), and says what is left and where.
// Events emitted afterwards are refused. Safe to call again. From inside a sink, a signer or a logger it does not wait, as it
// would wait for itself: the lanes end within that time, and the report says how they are now.
func (w *Emitter) Close(ctx context.Context) (Report, error) {
	defer runtime.KeepAlive(w)
	w.opened().ended.Store(true)
	limit := remaining(ctx)
	shutdown := func(token C.uint64_t, e *C.SinkwellError) C.int32_t {
		return C.sw_shutdown_on(w.pointer(), limit, token, e)
	}
	if isInside(ctx) {
		if _, err := begin(shutdown); err != nil {
			return nil, err
		}
		return w.flush(ctx, 0)
	}
	until := time.Now().Add(time.Duration(limit) * time.Millisecond)
	report, err := w.native.end(ctx, shutdown)
	awaitLines(time.Until(until))
	return report, err
}

// end waits for the report. The core keeps to the deadline by itself, so only a cancelled context comes first.
func (h *handle) end(ctx context.Context, start func(C.uint64_t, *C.SinkwellError) C.int32_t) (Report, error) {
	w, err := begin(start)
	if err != nil {
		return nil, err
	}
	undated, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		if ctx.Err() == context.Canceled {
			cancel(context.Cause(ctx))
		}
	})
	defer stop()
	return decoded[Report](w.end(undated))
}

// AuthorityBoundary is what sinks can and cannot do, as JSON.
func AuthorityBoundary() string {
	b := C.sinkwell_authority_boundary()
	return borrowed(b.data, b.len)
}

// Version is that of the core.
func Version() string {
	b := C.sinkwell_version()
	return borrowed(b.data, b.len)
}

func fetch(get func(*C.SinkwellOwned, *C.SinkwellError) C.int32_t) ([]byte, error) {
	var out C.SinkwellOwned
	var e C.SinkwellError
	if err := takeError(get(&out, &e), &e); err != nil {
		return nil, err
	}
	return takeOwned(&out), nil
}

func decoded[T any](text []byte, err error) (T, error) {
	var value T
	if err != nil {
		return value, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	if err := decoder.Decode(&value); err != nil {
		return value, &Error{Kind: Internal, Message: "the core's answer is not what this package expects: " + err.Error()}
	}
	return value, nil
}

func decode[T any](get func(*C.SinkwellOwned, *C.SinkwellError) C.int32_t) T {
	value, _ := decoded[T](fetch(get))
	return value
}
