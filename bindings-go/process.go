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
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// signalLimit is how long a shutdown on a signal may take, as the core says.
//
// A handler of the core's would run on goroutine stacks, which Go forbids; so this package takes the signals
// itself where a configuration asks for handle_signals.
var signalLimit = time.Duration(C.sinkwell_signals_by_host()) * time.Millisecond

var (
	signalLock    sync.Mutex
	signalled     = map[*handle]struct{}{}
	signalChannel chan os.Signal
	signalsEnded  chan struct{}
)

// watchSignals has an emitter shut down on SIGTERM and SIGINT; then the signal's default action follows. Go does
// not tell a package whether the program handles a signal, too: one that does leaves handle_signals off and calls
// Close.
func watchSignals(h *handle) {
	signalLock.Lock()
	defer signalLock.Unlock()
	signalled[h] = struct{}{}
	if signalChannel == nil {
		signalChannel, signalsEnded = make(chan os.Signal, 1), make(chan struct{})
		signal.Notify(signalChannel, syscall.SIGTERM, syscall.SIGINT)
		go endOnSignal(signalChannel, signalsEnded)
	}
}

// forgetSignals is for an emitter that has ended. With the last one the goroutine that waits for signals has ended too.
func forgetSignals(h *handle) {
	signalLock.Lock()
	delete(signalled, h)
	var last chan os.Signal
	if len(signalled) == 0 && signalChannel != nil {
		last, signalChannel = signalChannel, nil
		signal.Stop(last)
		close(last)
	}
	ended := signalsEnded
	signalLock.Unlock()
	if last != nil {
		<-ended
	}
}

func endOnSignal(signals chan os.Signal, ended chan struct{}) {
	defer close(ended)
	received, ok := <-signals
	if !ok {
		return
	}
	// From here on a second signal waits, too: nobody stops listening before all have ended.
	signalLock.Lock()
	signalChannel = nil
	signalLock.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), signalLimit)
	defer cancel()
	signalLock.Lock()
	handles := make([]*handle, 0, len(signalled))
	for h := range signalled {
		handles = append(handles, h)
	}
	signalLock.Unlock()
	var all sync.WaitGroup
	for _, h := range handles {
		all.Add(1)
		go func() {
			defer all.Done()
			_, _ = h.close(ctx)
		}()
	}
	all.Wait()
	signal.Stop(signals)
	_ = syscall.Kill(os.Getpid(), received.(syscall.Signal))
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
	l := logger.Load()
	if l == nil {
		l = slog.Default()
	}
	levels := map[C.int32_t]slog.Level{
		C.SINKWELL_LOG_ERROR: slog.LevelError, C.SINKWELL_LOG_WARN: slog.LevelWarn, C.SINKWELL_LOG_INFO: slog.LevelInfo,
	}
	ctx := with(context.Background(), func(a *ambient) { a.inside, a.quiet = true, true })
	l.LogAttrs(ctx, levels[level], borrowed(message, n), slog.String("logger", "sinkwell"))
}

var (
	defaultLock    sync.Mutex
	defaultEmitter *Emitter
)

// Default is the process's default emitter, opened on first use from SINKWELL_CONFIG, SINKWELL_LANES, or with one
// console lane on stderr.
func Default() (*Emitter, error) {
	defaultLock.Lock()
	defer defaultLock.Unlock()
	if defaultEmitter != nil {
		return defaultEmitter, nil
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

// Close ends the process's default emitter, if there is one. Go has no exit hook: a program that used it calls this
// before it ends.
func Close(ctx context.Context) (Report, error) {
	defaultLock.Lock()
	emitter := defaultEmitter
	defaultEmitter = nil
	var taken *C.SinkwellEmitter
	var e C.SinkwellError
	err := takeError(C.sinkwell_take_default(&taken, &e), &e)
	defaultLock.Unlock()
	if err != nil || taken == nil {
		return nil, err
	}
	C.sinkwell_emitter_free((**C.SinkwellEmitter)(unsafe.Pointer(&taken)))
	return emitter.Close(ctx)
}
