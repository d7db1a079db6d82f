//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Stage is how far a wait goes.
type Stage int

const (
	// Journaled: every durable lane that took the event has it on disk.
	Journaled Stage = C.SINKWELL_JOURNALED
	// Delivered: every lane's sink acknowledged it, or said that it never will.
	Delivered Stage = C.SINKWELL_DELIVERED
)

// Receipt is what became of one event.
type Receipt struct {
	pointer *C.SinkwellReceipt
}

func newReceipt(pointer *C.SinkwellReceipt) *Receipt {
	r := &Receipt{pointer: pointer}
	runtime.AddCleanup(r, freeReceipt, pointer)
	return r
}

func freeReceipt(pointer *C.SinkwellReceipt) {
	C.sinkwell_receipt_free(&pointer)
}

// ID is the event's id, the same in every lane.
func (r *Receipt) ID() string {
	defer runtime.KeepAlive(r)
	var id [C.SINKWELL_ID_MAX]byte
	var length C.uint64_t
	var e C.SinkwellError
	_ = takeError(C.sinkwell_receipt_id(r.pointer, flat(id[:]), &length, &e), &e)
	return string(id[:length])
}

type receiptLanes struct {
	Lanes   map[string]string `json:"lanes"`
	Evicted map[string]uint64 `json:"evicted"`
}

func (r *Receipt) lanes() receiptLanes {
	defer runtime.KeepAlive(r)
	return decode[receiptLanes](func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_receipt_lanes(r.pointer, out, e)
	})
}

// Lanes is what each lane did with the event when it was emitted: enqueued, filtered, or "dropped: reason".
func (r *Receipt) Lanes() map[string]string { return r.lanes().Lanes }

// Evicted is how many queued events of each lane went for it.
func (r *Receipt) Evicted() map[string]uint64 { return r.lanes().Evicted }

// Ending is how an event ended in a lane.
type Ending struct {
	// State is delivered, lost, uncertain or filtered.
	State    string `json:"state"`
	Reason   string `json:"reason"`
	StreamID string `json:"streamid"`
	Sequence uint64 `json:"sequence"`
	Hash     string `json:"hash"`
	// Digest is the event's, without its place: the same in every lane that sealed it in the same form.
	Digest string    `json:"digest"`
	When   time.Time `json:"when"`
}

// Endings is how the event ended in each lane so far; nil where it has not.
func (r *Receipt) Endings() map[string]*Ending {
	defer runtime.KeepAlive(r)
	return decode[map[string]*Ending](func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_receipt_endings(r.pointer, out, e)
	})
}

// Salt is that of a content part, with which you can prove what was said; nil while the event is not sealed, and where
// there is no such part.
func (r *Receipt) Salt(part int) []byte {
	defer runtime.KeepAlive(r)
	salt := make([]byte, 16)
	var known C.uint8_t
	var e C.SinkwellError
	status := C.sinkwell_receipt_salt(r.pointer, C.uint64_t(part), flat(salt), &known, &e)
	if takeError(status, &e) != nil || known == 0 {
		return nil
	}
	return salt
}

// Reached says whether the stage is reached.
func (r *Receipt) Reached(stage Stage) bool {
	defer runtime.KeepAlive(r)
	var reached C.uint8_t
	var e C.SinkwellError
	return takeError(C.sinkwell_receipt_reached(r.pointer, C.int32_t(stage), &reached, &e), &e) == nil && reached != 0
}

// Wait waits until the stage is reached or the context ends; it takes memory and no thread.
func (r *Receipt) Wait(ctx context.Context, stage Stage) error {
	_, err := r.wait(ctx, stage)
	return err
}

// Delivered waits until every lane's sink has the event or never will, and says which. That it was lost is an
// answer, not an error.
func (r *Receipt) Delivered(ctx context.Context) (map[string]*Ending, error) {
	return decoded[map[string]*Ending](r.wait(ctx, Delivered))
}

func (r *Receipt) wait(ctx context.Context, stage Stage) ([]byte, error) {
	w, err := begin(func(token C.uint64_t, e *C.SinkwellError) C.int32_t {
		return C.sw_receipt_on(r.pointer, C.int32_t(stage), token, e)
	})
	runtime.KeepAlive(r)
	if err != nil {
		return nil, err
	}
	answer, err := w.end(ctx)
	if failed, ok := err.(*Error); ok && failed.Kind == Timeout && failed.cause != nil {
		failed.Message = r.late(stage)
	}
	return answer, err
}

// late says where an event is still on its way when a context's deadline comes.
func (r *Receipt) late(stage Stage) string {
	var lanes []string
	for lane, ending := range r.Endings() {
		if ending == nil {
			lanes = append(lanes, fmt.Sprintf("lane %q", lane))
		}
	}
	slices.Sort(lanes)
	what := "delivered"
	if stage == Journaled {
		what = "journaled"
	}
	return fmt.Sprintf("not %s by the context's deadline in %s; the event is still on its way there, and Health says how the sink is",
		what, strings.Join(lanes, ", "))
}
