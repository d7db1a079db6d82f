//go:build cgo && linux && amd64

package sinkwell

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

var (
	loggerOnce sync.Once
	logger     atomic.Pointer[slog.Logger]
)

// SetLogger sends the core's warnings to a logger; slog.Default() takes them otherwise.
func SetLogger(l *slog.Logger) { logger.Store(l) }

func installLogger() {
	loggerOnce.Do(func() {
		var e C.SinkwellError
		_ = takeError(C.sw_set_logger(&e), &e)
	})
}

//export sinkwellGoLog
func sinkwellGoLog(level C.int32_t, message *C.uint8_t, n C.uint64_t) {
	// A logger that panics must not take a lane with it.
	defer func() { _ = recover() }()
	levels := map[C.int32_t]slog.Level{
		C.SINKWELL_LOG_ERROR: slog.LevelError, C.SINKWELL_LOG_WARN: slog.LevelWarn, C.SINKWELL_LOG_INFO: slog.LevelInfo,
	}
	say(levels[level], borrowed(message, n))
}

func say(level slog.Level, message string) {
	l := logger.Load()
	if l == nil {
		l = slog.Default()
	}
	ctx := with(context.Background(), func(a *ambient) { a.inside, a.quiet = true, true })
	l.LogAttrs(ctx, level, message, slog.String("logger", "sinkwell"))
}

func warn(message string) { say(slog.LevelWarn, message) }

var (
	defaultLock    sync.Mutex
	defaultEmitter *Emitter
	// configured opens the default emitter as Configure was last told.
	configured func() (*Emitter, error)
)

// Configure opens the process's default emitter as Open would, instead of from the environment. One that is open already is
// closed first, within the context's deadline, as both may write to one file. After Close the next use opens it again, from
// what was said last. What cannot be opened leaves what was said before.
func Configure(ctx context.Context, config any, options ...Option) (*Emitter, error) {
	defaultLock.Lock()
	defer defaultLock.Unlock()
	if defaultEmitter != nil {
		if _, err := defaultEmitter.Close(ctx); err != nil {
			return nil, err
		}
	}
	reopen := func() (*Emitter, error) { return Open(config, options...) }
	emitter, err := reopen()
	if err != nil {
		return nil, err
	}
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
// else from SINKWELL_CONFIG, SINKWELL_LANES, or with one console lane on stderr.
func Default() (*Emitter, error) {
	defaultLock.Lock()
	defer defaultLock.Unlock()
	if defaultEmitter != nil && !defaultEmitter.ended.Load() {
		return defaultEmitter, nil
	}
	if configured != nil {
		emitter, err := configured()
		if err != nil {
			return nil, err
		}
		defaultEmitter = emitter
		return emitter, nil
	}
	installLogger()
	var a arena
	defer a.free()
	h := new(handle)
	var e C.SinkwellError
	program := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if err := takeError(C.sinkwell_default(a.text(program), &h.pointer, &e), &e); err != nil {
		return nil, err
	}
	emitter, err := h.emitter()
	if err != nil {
		return nil, err
	}
	defaultEmitter = emitter
	return emitter, nil
}

// Emit emits an event through the process's default emitter.
func Emit(ctx context.Context, event Event) (*Receipt, error) {
	emitter, err := Default()
	if err != nil {
		return nil, err
	}
	return emitter.Emit(ctx, event)
}

// Close ends the process's default emitter, if there is one, as far as the context's deadline allows. Go has no exit hook: a
// program that used it calls this before it ends. The next use opens it again.
func Close(ctx context.Context) (Report, error) {
	defaultLock.Lock()
	emitter := defaultEmitter
	defaultEmitter = nil
	var taken *C.SinkwellEmitter
	var e C.SinkwellError
	err := takeError(C.sinkwell_take_default(&taken, &e), &e)
	defaultLock.Unlock()
	if err != nil {
		return nil, err
	}
	if taken != nil {
		C.sinkwell_emitter_free((**C.SinkwellEmitter)(unsafe.Pointer(&taken)))
	}
	if emitter == nil {
		return nil, nil
	}
	return emitter.Close(ctx)
}
