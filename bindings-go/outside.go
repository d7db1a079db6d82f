//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

// What comes from strangers is made to fit by the core, which says how; so what a client sends never makes an emit fail.

// outsideText is text of a stranger's as an attribute can hold it; empty where nothing is left of it.
func outsideText(text string) string {
	given := []byte(text)
	kept, _ := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_outside_text(flat(given), C.uint64_t(len(given)), out, e)
	})
	return string(kept)
}

// outsideTrace reads a traceparent header.
func outsideTrace(header string) (TraceContext, bool) {
	given := []byte(header)
	var read C.SinkwellTrace
	var e C.SinkwellError
	err := takeError(C.sw_outside_trace(flat(given), C.uint64_t(len(given)), &read, &e), &e)
	if err != nil || read.known == 0 {
		return TraceContext{}, false
	}
	return TraceContext{
		TraceID: borrowed(&read.trace_id[0], C.uint64_t(len(read.trace_id))),
		SpanID:  borrowed(&read.span_id[0], C.uint64_t(len(read.span_id))),
		Flags:   byte(read.flags),
	}, true
}
