//go:build cgo && linux && amd64

package sinkwell

/*
#cgo CFLAGS: -I${SRCDIR}/include -I${SRCDIR}/../bindings-c/include
#cgo linux,amd64 LDFLAGS: -L${SRCDIR}/lib/linux_amd64 -l:libsinkwell.a -lgcc_s -lutil -lrt -lpthread -lm -ldl
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"
	"time"
	"unsafe"

	// What cgo reads beside the Go files: `go mod vendor` takes along only what is a package.
	_ "sinkwell.dev/go/include"
	_ "sinkwell.dev/go/lib/linux_amd64"
)

// Every callback from the core comes through a function of this file and a handle of runtime/cgo: C keeps
// numbers, never Go pointers.

// told is what a completion brought.
type told struct {
	status int32
	bytes  []byte
}

// wait is one outstanding completion. It costs a channel; its handle lives until the callback, which comes
// exactly once, also when whoever waited has gone.
type wait chan told

// begin starts an operation that ends in a callback with the token.
func begin(start func(token C.uint64_t, e *C.SinkwellError) C.int32_t) (wait, error) {
	w := make(wait, 1)
	handle := cgo.NewHandle(w)
	var e C.SinkwellError
	if err := takeError(start(C.uint64_t(handle), &e), &e); err != nil {
		handle.Delete()
		return nil, err
	}
	return w, nil
}

// end waits for the callback or the context.
func (w wait) end(ctx context.Context) ([]byte, error) {
	select {
	case t := <-w:
		return t.result()
	default:
	}
	select {
	case t := <-w:
		return t.result()
	case <-ctx.Done():
		return nil, ended(ctx)
	}
}

func (t told) result() ([]byte, error) {
	if t.status != 0 {
		return nil, toldError(t.status, t.bytes)
	}
	return t.bytes, nil
}

// ended is the error of a wait that a context ended: of kind timeout after a deadline.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Kind: Timeout, Message: "the context's deadline came first; what was waited for goes on", cause: cause}
	}
	return cause
}

// endLimit is how long a Flush or a Close may take without a deadline, as in every language: a sink that is down must not keep
// a program from its end.
const endLimit = 5 * time.Second

// remaining is what a context leaves for a Flush or a Close, in milliseconds.
func remaining(ctx context.Context) C.uint64_t {
	const never = 100 * 365 * 24 * time.Hour
	left := endLimit
	if deadline, ok := ctx.Deadline(); ok {
		left = min(max(time.Until(deadline), 0), never)
	}
	return C.uint64_t(left.Milliseconds())
}

// isInside says whether code runs for a call of ours, by its context or its thread: a sink, a signer or a logger. There nothing
// may wait for a lane, which waits for it.
func isInside(ctx context.Context) bool {
	return ambientOf(ctx).inside || C.sw_is_inside() != 0
}

// callInside calls a function as inside, by its thread, on which this goroutine stays meanwhile. What it panics with goes on here, once
// the thread is outside again.
func callInside(function func()) {
	var panicked any
	returned := false
	handle := cgo.NewHandle(func() {
		defer func() {
			if !returned {
				panicked = recover()
			}
		}()
		function()
		returned = true
	})
	defer handle.Delete()
	C.sw_call_inside(C.uint64_t(handle))
	if !returned {
		panic(panicked)
	}
}

//export sinkwellGoCall
func sinkwellGoCall(function C.uint64_t) {
	cgo.Handle(function).Value().(func())()
}

//export sinkwellGoComplete
func sinkwellGoComplete(token C.uint64_t, status C.int32_t, data *C.uint8_t, n C.uint64_t) {
	handle := cgo.Handle(token)
	w := handle.Value().(wait)
	handle.Delete()
	w <- told{status: int32(status), bytes: []byte(borrowed(data, n))}
}

//export sinkwellGoFree
func sinkwellGoFree(user C.uint64_t) {
	cgo.Handle(user).Delete()
}

// view is the bytes as C borrows them; p must stay where it is (C memory, or flat memory passed by a call).
func view(p *C.uint8_t, n int) C.SinkwellBytes {
	return C.SinkwellBytes{data: p, len: C.uint64_t(n)}
}

// arena is C memory for the few calls whose arguments nest, freed at once.
type arena struct{ blocks []unsafe.Pointer }

func (a *arena) bytes(b []byte) C.SinkwellBytes {
	p := C.CBytes(b)
	a.blocks = append(a.blocks, p)
	return view((*C.uint8_t)(p), len(b))
}

// text is absent when it is empty.
func (a *arena) text(s string) C.SinkwellBytes {
	if s == "" {
		return C.SinkwellBytes{}
	}
	return a.bytes([]byte(s))
}

// array is zeroed memory for n values of T.
func array[T any](a *arena, n int) []T {
	if n == 0 {
		return nil
	}
	var one T
	p := C.calloc(C.size_t(n), C.size_t(unsafe.Sizeof(one)))
	a.blocks = append(a.blocks, p)
	return unsafe.Slice((*T)(p), n)
}

func (a *arena) free() {
	for _, p := range a.blocks {
		C.free(p)
	}
}

// flat is the address of a byte slice for the length of a call.
func flat(b []byte) *C.uint8_t {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b)))
}
