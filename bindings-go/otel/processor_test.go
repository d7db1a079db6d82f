package otel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	sinkwell "sinkwell.dev/go"
	"sinkwell.dev/go/otel"
)

type envelope struct {
	Type        string         `json:"type"`
	Origin      string         `json:"origin"`
	RunID       string         `json:"runid"`
	Traceparent string         `json:"traceparent"`
	Data        map[string]any `json:"data"`
}

type rig struct {
	path    string
	emitter *sinkwell.Emitter
	tracer  trace.Tracer
}

func newRig(t *testing.T, options ...otel.Option) rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.ndjson")
	emitter, err := sinkwell.Open(map[string]any{
		"agent": map[string]any{"id": "urn:sinkwell:agent:test"},
		"lanes": []any{map[string]any{"sink": map[string]any{"file": map[string]any{"path": path}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = emitter.Close(context.Background()) })
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(otel.NewSpanProcessor(emitter, options...)))
	return rig{path, emitter, provider.Tracer("test")}
}

func (r rig) events(t *testing.T) []envelope {
	t.Helper()
	if _, err := r.emitter.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "MARKER") {
		t.Fatalf("content got out: %s", text)
	}
	var events []envelope
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var one envelope
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatal(err)
		}
		if one.Origin != "core" {
			events = append(events, one)
		}
	}
	return events
}

func TestSpansOfTheConventionsAreRunsToolsAndUsage(t *testing.T) {
	r := newRig(t, otel.WithPermit("raw"))
	text := attribute.String
	ctx, agent := r.tracer.Start(context.Background(), "invoke_agent buyer", trace.WithAttributes(text("gen_ai.operation.name", "invoke_agent")))
	_, chat := r.tracer.Start(ctx, "chat small", trace.WithAttributes(text("gen_ai.operation.name", "chat"), text("gen_ai.input.messages", "MARKER")))
	chat.SetAttributes(attribute.Int("gen_ai.usage.input_tokens", 12), attribute.Int("gen_ai.usage.output_tokens", 3))
	chat.End()
	_, tool := r.tracer.Start(ctx, "execute_tool search", trace.WithAttributes(text("gen_ai.operation.name", "execute_tool"), text("gen_ai.tool.name", "search")))
	tool.RecordError(errors.New("MARKER"))
	tool.SetStatus(codes.Error, "MARKER")
	tool.End()
	agent.End()
	_, other := r.tracer.Start(context.Background(), "GET /")
	other.End()
	events := r.events(t)
	var types []string
	for _, event := range events {
		types = append(types, strings.TrimPrefix(event.Type, "dev.sinkwell."))
	}
	if got := strings.Join(types, " "); got != "run.started model.usage tool.invocation run.completed span" {
		t.Fatal(got)
	}
	usage, failed := events[1].Data, events[2].Data
	if usage["total_tokens"] != 15.0 || failed["outcome"] != "error" || failed["error.type"] != "*errors.errorString" {
		t.Fatal(usage, failed)
	}
	context := chat.SpanContext()
	if events[1].RunID != context.TraceID().String() || events[1].Traceparent != "00-"+context.TraceID().String()+"-"+context.SpanID().String()+"-01" {
		t.Fatal(events[1])
	}
	part := usage["content"].([]any)[0].(map[string]any)
	if part["class"] != "prompt" {
		t.Fatal(part)
	}
}

func TestWhatASamplerDropsIsAnEventWithRecordAll(t *testing.T) {
	for name, c := range map[string]struct {
		sampler sdktrace.Sampler
		events  int
	}{
		"dropped":  {sdktrace.NeverSample(), 0},
		"recorded": {otel.RecordAll(sdktrace.ParentBased(sdktrace.NeverSample())), 1},
		"sampled":  {otel.RecordAll(sdktrace.AlwaysSample()), 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(c.sampler), sdktrace.WithSpanProcessor(otel.NewSpanProcessor(r.emitter)))
			_, tool := provider.Tracer("test").Start(context.Background(), "execute_tool search", trace.WithAttributes(
				attribute.String("gen_ai.operation.name", "execute_tool"), attribute.String("gen_ai.tool.name", "search")))
			sampled := tool.SpanContext().IsSampled()
			tool.End()
			events := r.events(t)
			if len(events) != c.events || sampled != (name == "sampled") {
				t.Fatal(events, sampled)
			}
			for _, event := range events {
				if strings.HasSuffix(event.Traceparent, "-01") != sampled {
					t.Fatal(event)
				}
			}
		})
	}
}

func TestKindLinksAndWhatHappenedTravel(t *testing.T) {
	r := newRig(t)
	_, around := r.tracer.Start(context.Background(), "around")
	around.End()
	other := around.SpanContext()
	_, span := r.tracer.Start(context.Background(), "GET /cart", trace.WithSpanKind(trace.SpanKindServer), trace.WithLinks(
		trace.Link{SpanContext: other, Attributes: []attribute.KeyValue{attribute.Int("link.n", 1), attribute.String("words", "MARKER")}}))
	span.AddEvent("cache.miss", trace.WithTimestamp(time.Unix(1_700_000_001, 5)), trace.WithAttributes(
		attribute.Int("cache.size", 3), attribute.String("words", "MARKER")))
	span.AddEvent("MARKER said hello")
	span.End()
	data := r.events(t)[1].Data
	got, err := json.Marshal(map[string]any{
		"kind": data["span_kind"], "links": data["span_links"], "events": data["span_events"], "left": data["span_events_left_out"],
	})
	want := `{"events":[{"attributes":{"cache.size":3},"name":"cache.miss","time":"2023-11-14T22:13:21.000000005Z"}],` +
		`"kind":"server","left":1,"links":[{"attributes":{"link.n":1},"flags":1,"span_id":"` + other.SpanID().String() +
		`","trace_id":"` + other.TraceID().String() + `"}]}`
	if err != nil || string(got) != want {
		t.Fatal(string(got), err)
	}
}

func TestWhatJSONCannotSayLosesNoSpan(t *testing.T) {
	r := newRig(t)
	_, odd := r.tracer.Start(context.Background(), "odd \xff", trace.WithAttributes(
		attribute.Float64("a.nan", math.NaN()), attribute.Int64("a.big", math.MaxInt64), attribute.String("a.bad", "\xff"),
		attribute.Float64Slice("a.list", []float64{math.Inf(1)}), attribute.Int("a.n", 7)))
	odd.End()
	events := r.events(t)
	if len(events) != 1 || events[0].Data["a.n"] != 7.0 || len(events[0].Data) != 5 {
		t.Fatal(events)
	}
}

func TestASpanThatCannotBeEmittedIsAWarning(t *testing.T) {
	r := newRig(t)
	if _, err := r.emitter.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	defer slog.SetDefault(before)
	_, late := r.tracer.Start(context.Background(), "late")
	late.End()
	// Who closes waits for what is said.
	if _, err := r.emitter.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(logged.String(), "1 event of a span was not emitted (closed): the emitter has been shut down") {
		t.Fatal(logged.String())
	}
}
