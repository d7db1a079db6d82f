package otel

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	sinkwell "sinkwell.dev/go"
)

// SpanProcessor emits what each span stands for: register it with a tracer provider, and every instrumented
// framework is covered. Spans of the GenAI and MCP conventions become run.*, tool.invocation and model.usage, others
// span; messages, arguments and results become content parts, which leave only through the gates. Which span is which
// event is the core's to say: here a span is converted, and that is all.
type SpanProcessor struct {
	emitter *sinkwell.Emitter
	permit  string
}

var _ sdktrace.SpanProcessor = (*SpanProcessor)(nil)

// Option is one of NewSpanProcessor's.
type Option func(*SpanProcessor)

// WithPermit is the most that the content of the spans may be captured: off (the default), redacted_summary,
// content_ref or raw, as that of a content part.
func WithPermit(mode string) Option { return func(p *SpanProcessor) { p.permit = mode } }

// NewSpanProcessor makes a processor that emits with the emitter.
func NewSpanProcessor(emitter *sinkwell.Emitter, options ...Option) *SpanProcessor {
	p := &SpanProcessor{emitter: emitter}
	for _, option := range options {
		option(p)
	}
	return p
}

// OnStart tells of a span that starts: an agent's is a run.
func (p *SpanProcessor) OnStart(parent context.Context, span sdktrace.ReadWriteSpan) {
	p.emit(parent, span, time.Time{})
}

// OnEnd tells of a finished span.
func (p *SpanProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	p.emit(context.Background(), span, span.EndTime())
}

// ForceFlush waits until every lane has delivered or declared what it was given, or the context ends.
func (p *SpanProcessor) ForceFlush(ctx context.Context) error {
	_, err := p.emitter.Flush(ctx)
	return err
}

// Shutdown does as ForceFlush: the emitter is its owner's to end.
func (p *SpanProcessor) Shutdown(ctx context.Context) error { return p.ForceFlush(ctx) }

func (p *SpanProcessor) emit(ctx context.Context, span sdktrace.ReadOnlySpan, end time.Time) {
	described := describe(span, end)
	described.Permit = p.permit
	// Instrumentation never breaks what it watches; of what is refused the core counts and tells the logger.
	_, _ = p.emitter.EmitSpan(ctx, described)
}

func describe(span sdktrace.ReadOnlySpan, end time.Time) sinkwell.Span {
	own := span.SpanContext()
	described := sinkwell.Span{
		Name:          span.Name(),
		StartUnixNano: nanos(span.StartTime()),
		EndUnixNano:   nanos(end),
		Status:        status(span.Status().Code),
		Attributes:    plain(span.Attributes()),
	}
	if kind := span.SpanKind(); kind != trace.SpanKindUnspecified {
		described.Kind = kind.String()
	}
	if own.IsValid() {
		described.TraceID, described.SpanID = own.TraceID().String(), own.SpanID().String()
		described.Flags, described.State = byte(own.TraceFlags()), own.TraceState().String()
	}
	if parent := span.Parent(); parent.IsValid() {
		described.ParentSpanID, described.ParentIsRemote = parent.SpanID().String(), parent.IsRemote()
	}
	for _, event := range span.Events() {
		attributes := plain(event.Attributes)
		// By its type alone it is any error made of a text.
		if attributes["exception.message"] == context.Canceled.Error() {
			attributes["exception.type"] = "context.Canceled"
		}
		described.Events = append(described.Events, sinkwell.SpanEvent{
			Name: event.Name, TimeUnixNano: nanos(event.Time), Attributes: attributes,
		})
	}
	for _, link := range span.Links() {
		other := link.SpanContext
		described.Links = append(described.Links, sinkwell.SpanLink{
			TraceID: other.TraceID().String(), SpanID: other.SpanID().String(),
			Flags: byte(other.TraceFlags()), State: other.TraceState().String(),
			Attributes: plain(link.Attributes),
		})
	}
	return described
}

func status(code codes.Code) string {
	switch code {
	case codes.Ok:
		return "ok"
	case codes.Error:
		return "error"
	default:
		return "unset"
	}
}

func nanos(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixNano(), 10)
}

// plain is the attributes as they are: what JSON cannot carry the core spells, the same for every language.
func plain(attributes []attribute.KeyValue) map[string]any {
	made := make(map[string]any, len(attributes))
	for _, one := range attributes {
		made[string(one.Key)] = one.Value.AsInterface()
	}
	return made
}
