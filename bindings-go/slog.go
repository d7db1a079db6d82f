//go:build cgo && linux && amd64

package sinkwell

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
)

// HandlerOptions are those of NewHandler.
type HandlerOptions struct {
	// Level is the least that is taken; slog.LevelInfo when nil.
	Level slog.Leveler
	// Logger names the logger in the events.
	Logger string
	// Permit is the most that messages, attributes and errors may be captured: off (when empty), redacted_summary,
	// content_ref, raw, as that of a content part.
	Permit string
	// AddSource has the events say where in the program a record was made.
	AddSource bool
}

// NewHandler has slog emit: each record becomes a log.record event. What a record says (its message, its attributes with
// those of With and WithGroup, an error's text) is the words of people: it travels as content parts, and leaves the process
// only as far as Permit and the content policy let it. An attribute err or error that holds an error is the record's
// exception. No record is dropped for what it holds (see EventOfLog). What the core itself logs is left out. A record that
// is refused (a full blocking lane, a closed emitter) is the handler's error, which slog drops; the emitter counts it, and warns
// at first and then once a minute.
func NewHandler(emitter *Emitter, options *HandlerOptions) slog.Handler {
	h := &handler{emitter: emitter}
	if options != nil {
		h.HandlerOptions = *options
	}
	if h.Level == nil {
		h.Level = slog.LevelInfo
	}
	return h
}

type handler struct {
	HandlerOptions
	emitter *Emitter
	// attrs given by With, each under the groups open then: of those, every one begins as the one before it.
	attrs  []scoped
	groups []string
}

type scoped struct {
	groups []string
	attr   slog.Attr
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.Level.Level() }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = slices.Clone(h.attrs)
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
	next.groups = append(slices.Clone(h.groups), name)
	return &next
}

// Handle emits the record.
func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	a := ambientOf(ctx)
	if a.quiet {
		return nil
	}
	c := calls.Get().(*call)
	defer c.release()
	c.spelling()
	defer func() { c.spells = false }()
	c.buf = append(c.buf, '{')
	c.depth++
	c.said("scale", "slog")
	c.text('k', "level")
	c.int(int64(record.Level))
	c.said("level_name", record.Level.String())
	c.said("logger", h.Logger)
	c.said("permit", h.Permit)
	if !record.Time.IsZero() {
		c.said("time_unix_nano", strconv.FormatInt(record.Time.UnixNano(), 10))
	}
	if h.AddSource && record.PC != 0 {
		frame, _ := runtime.CallersFrames([]uintptr{record.PC}).Next()
		c.text('k', "code")
		_ = c.object([]Attr{String("function", frame.Function), String("file", frame.File), Int("line", frame.Line)}, nil)
	}
	c.context(*a, a.traceOf(ctx), nil)
	c.text('k', "message")
	c.string(record.Message)
	h.attributes(c, record)
	c.leave('}')
	return h.emitter.emitLog(a, c)
}

// attributes writes those of With, then the record's own, each under its groups, and then the exception.
func (h *handler) attributes(c *call, record slog.Record) {
	var exception error
	var open []string
	c.text('k', "attributes")
	_ = c.enter('{')
	put := func(groups []string, attr slog.Attr) {
		if err, ok := raised(groups, attr); ok && exception == nil {
			exception = err
			return
		}
		// A group without a member is left out: it is opened for the first.
		for hasMembers(attr, 0) && len(open) < len(groups) {
			c.text('k', groups[len(open)])
			_ = c.enter('{')
			open = groups[:len(open)+1]
		}
		c.slogAttr(attr)
	}
	for _, given := range h.attrs {
		put(given.groups, given.attr)
	}
	record.Attrs(func(attr slog.Attr) bool {
		put(h.groups, attr)
		return true
	})
	for range open {
		c.leave('}')
	}
	c.leave('}')
	if exception == nil {
		return
	}
	c.text('k', "exception")
	_ = c.enter('{')
	c.said("type", fmt.Sprintf("%T", exception))
	c.text('k', "message")
	_ = c.value(exception, "")
	c.leave('}')
}

// raised is the error that an attribute holds which stands for what went wrong.
func raised(groups []string, attr slog.Attr) (error, bool) {
	if len(groups) > 0 || attr.Key != "err" && attr.Key != "error" || attr.Value.Kind() != slog.KindAny {
		return nil, false
	}
	err, ok := attr.Value.Any().(error)
	return err, ok && !isNilPointer(err)
}

// hasMembers says whether an attribute is written at all; one whose values give themselves again without end is.
func hasMembers(attr slog.Attr, depth int) bool {
	if attr.Equal(slog.Attr{}) {
		return false
	}
	value := attr.Value.Resolve()
	return value.Kind() != slog.KindGroup || depth > spelledDepth ||
		slices.ContainsFunc(value.Group(), func(member slog.Attr) bool { return hasMembers(member, depth+1) })
}

// slogAttr writes an attribute as slog's own handlers give it: groups nested, one without a key in its place, a duration in
// nanoseconds.
func (c *call) slogAttr(attr slog.Attr) {
	if c.values++; c.isFull() || !hasMembers(attr, 0) {
		return
	}
	value := attr.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		c.text('k', attr.Key)
		if value.Kind() == slog.KindDuration {
			c.int(int64(value.Duration()))
			return
		}
		_ = c.value(value.Any(), attr.Key)
		return
	}
	if attr.Key != "" {
		c.text('k', attr.Key)
		if c.depth >= spelledDepth {
			c.text('u', "nested too deep")
			return
		}
		_ = c.enter('{')
		defer c.leave('}')
	}
	for _, member := range value.Group() {
		c.slogAttr(member)
	}
}

// said writes a member that is a text, if there is one.
func (c *call) said(key, text string) {
	if text != "" {
		c.text('k', key)
		c.string(text)
	}
}
