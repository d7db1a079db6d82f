//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"log/slog"
)

// HandlerOptions are those of NewHandler.
type HandlerOptions struct {
	// Level is the least that is taken; slog.LevelInfo when nil.
	Level slog.Leveler
	// Logger names the logger in the events.
	Logger string
}

// NewHandler has slog emit: each record becomes a log.record event, its attributes members of the data. What the core
// itself logs is left out. A record that is refused (a full blocking lane, a closed emitter) is the handler's error.
func NewHandler(emitter *Emitter, options *HandlerOptions) slog.Handler {
	h := &handler{emitter: emitter, level: slog.LevelInfo}
	if options != nil {
		h.logger = options.Logger
		if options.Level != nil {
			h.level = options.Level
		}
	}
	return h
}

type handler struct {
	emitter *Emitter
	level   slog.Leveler
	logger  string
	// attrs given by With, each under the groups open then.
	attrs  []scoped
	groups []string
}

type scoped struct {
	groups []string
	attr   slog.Attr
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = append([]scoped(nil), h.attrs...)
	for _, attr := range attrs {
		next.attrs = append(next.attrs, scoped{h.groups, attr})
	}
	return &next
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.groups = append(append([]string(nil), h.groups...), name)
	return &next
}

// Handle emits the record.
func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	if ambientOf(ctx).quiet {
		return nil
	}
	data := map[string]any{}
	for _, given := range h.attrs {
		put(data, given.groups, given.attr)
	}
	record.Attrs(func(attr slog.Attr) bool {
		put(data, h.groups, attr)
		return true
	})
	// The record's own last, as these names are its.
	data["message"] = record.Message
	if h.logger != "" {
		data["logger"] = h.logger
	}
	return h.emitter.Put(ctx, Event{Type: "log.record", Data: data, Severity: severityOf(record.Level), Time: record.Time})
}

// put sets an attribute under its groups, making them on the way, as slog's handlers do.
func put(data map[string]any, groups []string, attr slog.Attr) {
	value := attr.Value.Resolve()
	if attr.Equal(slog.Attr{}) {
		return
	}
	for _, group := range groups {
		data = into(data, group)
	}
	if value.Kind() != slog.KindGroup {
		data[attr.Key] = plain(value)
		return
	}
	members := value.Group()
	if len(members) > 0 && attr.Key != "" {
		data = into(data, attr.Key)
	}
	for _, member := range members {
		put(data, nil, member)
	}
}

func into(data map[string]any, group string) map[string]any {
	inner, ok := data[group].(map[string]any)
	if !ok {
		inner = map[string]any{}
		data[group] = inner
	}
	return inner
}

// plain is a value as slog's JSON handler gives it: a duration in nanoseconds.
func plain(value slog.Value) any {
	if value.Kind() == slog.KindDuration {
		return int64(value.Duration())
	}
	return value.Any()
}

// severityOf is the core's rule for slog's levels.
func severityOf(level slog.Level) Severity {
	b := C.sinkwell_severity(C.SINKWELL_LEVELS_SLOG, C.int64_t(level))
	return Severity(borrowed(b.data, b.len))
}
