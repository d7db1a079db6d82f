//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

var (
	loggerOnce sync.Once
	logger     atomic.Pointer[slog.Logger]
)

// SetLogger sends the core's warnings to a logger; slog.Default() takes them otherwise. It gets them one by one, in order, from a
// goroutine that does nothing else: it may block, panic and emit, and holds nothing up but its own lines, of which 256 wait; of
// more it is told how many there were. Open and Close give it a moment (0.1 s; Close up to 1 s where the deadline lets it) to
// take what was said. What it emits never waits.
func SetLogger(l *slog.Logger) { logger.Store(l) }

func installLogger() {
	loggerOnce.Do(func() {
		var e C.SinkwellError
		_ = takeError(C.sw_set_logger(&e), &e)
	})
}

//export sinkwellGoLog
func sinkwellGoLog(level C.int32_t, message *C.uint8_t, n C.uint64_t) {
	levels := map[C.int32_t]slog.Level{
		C.SINKWELL_LOG_ERROR: slog.LevelError, C.SINKWELL_LOG_WARN: slog.LevelWarn, C.SINKWELL_LOG_INFO: slog.LevelInfo,
	}
	say(levels[level], borrowed(message, n))
}

func warn(message string) { say(slog.LevelWarn, message) }

// line is what a logger is to be told.
type line struct {
	logger  *slog.Logger
	level   slog.Level
	message string
}

// linesKept is how many lines wait for a logger that does not take them.
const linesKept = 256

// lines wait for the logger apart from who said them: a lane, or a Close, that must not wait for it.
var lines struct {
	sync.Mutex
	waiting []line
	lost    int
	// written is there while a goroutine writes lines, and is closed when none is left.
	written chan struct{}
}

func say(level slog.Level, message string) {
	l := logger.Load()
	if l == nil {
		l = slog.Default()
	}
	lines.Lock()
	defer lines.Unlock()
	if len(lines.waiting) >= linesKept {
		lines.lost++
		return
	}
	lines.waiting = append(lines.waiting, line{l, level, message})
	if lines.written == nil {
		lines.written = make(chan struct{})
		go writeLines()
	}
}

// writeLines gives the logger its lines until none is left.
func writeLines() {
	for {
		lines.Lock()
		if len(lines.waiting) == 0 {
			close(lines.written)
			lines.written = nil
			lines.Unlock()
			return
		}
		next := lines.waiting[0]
		lines.waiting = lines.waiting[1:]
		if lost := lines.lost; lost > 0 && len(lines.waiting) < linesKept {
			text := fmt.Sprintf("the logger did not take its lines: %d were left out", lost)
			lines.waiting, lines.lost = append(lines.waiting, line{next.logger, slog.LevelWarn, text}), 0
		}
		lines.Unlock()
		callInside(next.write)
	}
}

func (l line) write() {
	defer func() { _ = recover() }()
	ctx := with(context.Background(), func(a *ambient) { a.inside, a.quiet = true, true })
	l.logger.LogAttrs(ctx, l.level, l.message, slog.String("logger", "sinkwell"))
}

// awaitLines gives the logger a moment for what was said, and at most a second of what is left.
func awaitLines(left time.Duration) {
	lines.Lock()
	written := lines.written
	lines.Unlock()
	if written == nil {
		return
	}
	timer := time.NewTimer(min(max(left, 100*time.Millisecond), time.Second))
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
	}
}
