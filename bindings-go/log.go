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
	"slices"
)

// EventOfLog is the event that a log record stands for, as EmitJSON takes one: a map, or a json.RawMessage. Emitter.EmitLog
// emits it.
//
// A record is an object, all of it optional: scale (logging, pino, slog, loglevel: whose numbers the level is in; absent:
// OpenTelemetry's), level, level_name, logger, time or time_unix_nano, message, attributes, exception ({type, message,
// stack}), code ({function, module, file, line}), event_id, event_name, trace_id, span_id, flags, state, run, turn, attempt,
// correlation, causation, agent, subject, ambient (the run that the calling code works for: EmitLog writes what the context
// says), and permit. The message, the attributes and what an exception says are people's words:
// they become content parts, and leave only as far as permit and the content policy let them. Nothing is refused for what
// it holds: what JSON cannot carry is spelled, what is too long is cut, and data.respelled says how many.
func EventOfLog(record any) (json.RawMessage, error) {
	c := calls.Get().(*call)
	defer c.release()
	c.record(nothing, TraceContext{}, record)
	text, err := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_event_of_log(flat(c.buf), C.uint64_t(len(c.buf)), out, e)
	})
	return json.RawMessage(text), err
}

// EmitLog emits a log record of any logging library, as EventOfLog takes one. It waits for room in blocking lanes, up to
// their block_timeout, on this goroutine's thread; inside a sink of yours, as the context tells, never. The context says run,
// turn, agent, correlation, causation and trace where the record, a map, does not. An error is never about what the record says: the emitter is
// closed, full or forbidden to go on.
func (w *Emitter) EmitLog(ctx context.Context, record any) error {
	c := calls.Get().(*call)
	defer c.release()
	a := ambientOf(ctx)
	c.record(*a, a.traceOf(ctx), record)
	return w.emitLog(a, c)
}

func (w *Emitter) emitLog(a *ambient, c *call) error {
	defer runtime.KeepAlive(w)
	wait := C.int32_t(C.SINKWELL_WAIT)
	if a.inside {
		wait = C.SINKWELL_INSIDE
	}
	var e C.SinkwellError
	return takeError(C.sw_emit_log(w.pointer(), flat(c.buf), C.uint64_t(len(c.buf)), wait, &e), &e)
}

// spelling begins a value of which nothing is refused.
func (c *call) spelling() {
	c.buf, c.spells, c.depth, c.limit, c.values = c.buf[:0], true, 0, 1<<30, 0
}

// record writes a record, and what the context says where it says nothing. Its attributes come last: of a record of too
// many values the core keeps the first.
func (c *call) record(a ambient, trace TraceContext, record any) {
	c.spelling()
	defer func() { c.spells = false }()
	members, ok := record.(map[string]any)
	if !ok {
		if text, isJSON := record.(json.RawMessage); isJSON {
			c.buf = append(c.buf, text...)
			return
		}
		// Not even an object: the core says so.
		text, _ := called(func() ([]byte, error) { return json.Marshal(record) })
		c.buf = append(c.buf, text...)
		return
	}
	c.buf = append(c.buf, '{')
	c.depth++
	c.context(a, trace, members)
	keys := make([]string, 0, len(members))
	for key := range members {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, last := range [...]bool{false, true} {
		for _, key := range keys {
			if (key == "attributes") == last {
				c.text('k', key)
				_ = c.value(members[key], key)
			}
		}
	}
	c.leave('}')
}

// context writes what the context says about a record; members are what the record says itself.
func (c *call) context(a ambient, trace TraceContext, members map[string]any) {
	// What of it the record takes is the core's to say.
	if _, said := members["ambient"]; !said {
		c.text('k', "ambient")
		_ = c.enter('{')
		c.said("run", a.run)
		c.said("turn", a.turn)
		c.said("attempt", a.attempt)
		c.said("correlation", a.correlation)
		c.said("causation", a.causation)
		c.said("agent", a.agent)
		c.leave('}')
	}
	if _, said := members["trace_id"]; trace == (TraceContext{}) || said {
		return
	}
	c.said("trace_id", trace.TraceID)
	c.said("span_id", trace.SpanID)
	c.said("state", trace.State)
	c.text('k', "flags")
	c.int(int64(trace.Flags))
}
