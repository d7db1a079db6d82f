//go:build cgo && linux && amd64

package sinkwell

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// Go's runtime owns the handlers; what the core would do itself, signals.c does here.
var _ = C.sinkwell_signals_by_host()

// watchSignals has SIGTERM and SIGINT push out what is queued, and where the program does not handle them, drain and end the
// process as they would have.
func watchSignals() error {
	if failed := C.sw_watch_signals(); failed != 0 {
		return &Error{Kind: Unsupported, Message: "signals cannot be handled here: " + syscall.Errno(failed).Error(), Where: "handle_signals"}
	}
	return nil
}

// The process's default emitter. The lock is held to look and to put, never while an emitter opens or ends: an emit of a sink or
// a logger that comes meanwhile would wait for what waits for it.
var (
	defaultLock    sync.Mutex
	defaultEmitter *Emitter
	// configured opens the default emitter as Configure was last told.
	configured func() (*Emitter, error)
	// turn is there while somebody opens, replaces or ends the default emitter, and is closed when that is done.
	turn chan struct{}
)

// takeTurn waits until nobody opens, replaces or ends the default emitter, as far as the context lets it; inside not at all.
func takeTurn(ctx context.Context) error {
	for {
		defaultLock.Lock()
		taken := turn
		if taken == nil {
			turn = make(chan struct{})
		}
		defaultLock.Unlock()
		switch {
		case taken == nil:
			return nil
		case isInside(ctx):
			return &Error{Kind: Closed, Message: "the default emitter is being opened or ended, which nothing waits for inside a sink, a " +
				"signer or a logger, and nothing that runs for it"}
		}
		select {
		case <-taken:
		case <-ctx.Done():
			return ended(ctx)
		}
	}
}

func endTurn() {
	defaultLock.Lock()
	defer defaultLock.Unlock()
	close(turn)
	turn = nil
}

// notOpenInside refuses what would have to wait for the default emitter from inside a sink, a signer or a logger.
func notOpenInside() error {
	return &Error{Kind: Closed, Message: "the default emitter is not open, and is not opened from inside a sink, a signer or a " +
		"logger; open it before, by its first use or by Configure"}
}

func put(emitter *Emitter) {
	defaultLock.Lock()
	defer defaultLock.Unlock()
	defaultEmitter = emitter
}

// Configure opens the process's default emitter as Open would, instead of from the environment. One that is open already is
// closed first, within the context's deadline (5 s where it has none), as both may write to one file; what is emitted through
// the default emitter while that one ends is refused as ErrClosed, at once. After Close the next use opens it again, from what
// was said last. What cannot be opened leaves what was said before. Not for the inside of a sink, a signer or a logger.
//
// While it opens, what other goroutines emit through the default emitter waits, as far as their contexts let it. So the
// program's own code that runs for the opening (a sink's Name and Classes, a MarshalJSON in config) must not wait for a goroutine
// that emits, unless that one's context has a deadline.
func Configure(ctx context.Context, config any, options ...Option) (*Emitter, error) {
	if isInside(ctx) {
		return nil, &Error{Kind: InvalidArgument, Message: "Configure cannot be called from inside a sink, a signer or a logger"}
	}
	if err := takeTurn(ctx); err != nil {
		return nil, err
	}
	defer endTurn()
	defaultLock.Lock()
	before := defaultEmitter
	defaultLock.Unlock()
	if before != nil {
		if _, err := before.Close(ctx); err != nil {
			return nil, err
		}
	}
	reopen := func() (*Emitter, error) { return Open(config, options...) }
	emitter, err := opened(reopen)
	if err != nil {
		return nil, err
	}
	defaultLock.Lock()
	defer defaultLock.Unlock()
	defaultEmitter, configured = emitter, reopen
	return emitter, nil
}

// Flush is the default emitter's, if it is open.
func Flush(ctx context.Context) (Report, error) {
	defaultLock.Lock()
	emitter := defaultEmitter
	defaultLock.Unlock()
	if emitter == nil {
		return nil, nil
	}
	return emitter.Flush(ctx)
}

// Default is the process's default emitter, opened on first use, and again after it was closed: as Configure was told last,
// else from SINKWELL_CONFIG, SINKWELL_LANES, or with one console lane on stderr. From inside a sink, a signer or a logger it is
// not opened: ErrClosed.
func Default() (*Emitter, error) { return defaultFor(context.Background()) }

// defaultFor is the default emitter for who calls with the context. While it is replaced or ended that is the one that was
// open: it answers at once.
func defaultFor(ctx context.Context) (*Emitter, error) {
	defaultLock.Lock()
	emitter, busy := defaultEmitter, turn != nil
	defaultLock.Unlock()
	if emitter != nil && (busy || !emitter.ended.Load()) {
		return emitter, nil
	}
	if isInside(ctx) {
		return nil, notOpenInside()
	}
	if err := takeTurn(ctx); err != nil {
		return nil, err
	}
	defer endTurn()
	defaultLock.Lock()
	emitter, open := defaultEmitter, configured
	defaultLock.Unlock()
	if emitter != nil && !emitter.ended.Load() {
		return emitter, nil
	}
	if open == nil {
		open = openDefault
	}
	emitter, err := opened(open)
	if err != nil {
		return nil, err
	}
	put(emitter)
	return emitter, nil
}

// opened opens the default emitter for who has the turn. The program's own code that runs for that, a sink's Name or a MarshalJSON,
// is as inside: it would wait for the turn that waits for it.
func opened(open func() (*Emitter, error)) (emitter *Emitter, err error) {
	callInside(func() { emitter, err = open() })
	if err == nil {
		awaitLines(0)
	}
	return emitter, err
}

func openDefault() (*Emitter, error) {
	installLogger()
	var a arena
	defer a.free()
	h := new(handle)
	var e C.SinkwellError
	program := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if err := takeError(C.sinkwell_default(a.text(program), &h.pointer, &e), &e); err != nil {
		return nil, err
	}
	return h.emitter()
}

// Emit emits an event through the process's default emitter.
func Emit(ctx context.Context, event Event) (*Receipt, error) {
	emitter, err := defaultFor(ctx)
	if err != nil {
		return nil, err
	}
	return emitter.Emit(ctx, event)
}

// Close ends the process's default emitter, if there is one, as far as the context's deadline allows (5 s where it has none).
// Go has no exit hook: a program that used it calls this before it ends. The next use opens it again; what is emitted while it
// ends is refused as ErrClosed.
func Close(ctx context.Context) (Report, error) {
	if err := takeTurn(ctx); err != nil {
		return nil, err
	}
	defer endTurn()
	defaultLock.Lock()
	emitter := defaultEmitter
	defaultLock.Unlock()
	var taken *C.SinkwellEmitter
	var e C.SinkwellError
	if err := takeError(C.sinkwell_take_default(&taken, &e), &e); err != nil {
		return nil, err
	}
	if taken != nil {
		C.sinkwell_emitter_free((**C.SinkwellEmitter)(unsafe.Pointer(&taken)))
	}
	if emitter == nil {
		return nil, nil
	}
	defer put(nil)
	return emitter.Close(ctx)
}
