package main

import (
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"
	sinkwell "sinkwell.dev/go"
)

// The event that everybody emits: a dozen attributes, about 500 bytes as JSON, one of them different each time.
const eventType = "com.example.tool.called"

var texts = [...][2]string{
	{"agent.version", "2026.11.3"},
	{"decision", "allowed"},
	{"gen_ai.request.model", "example-model-large-2026-10-01"},
	{"policy", "urn:example:policy/tools/read-only"},
	{"resource", "https://tickets.example.com/api/v2/tickets/483920/comments"},
	{"session.id", "0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91"},
	{"summary", "Looked up the comments of a ticket to find out which release the customer runs; 14 found"},
	{"tool.name", "ticket_comments"},
}

// asMap is what a program that knows nothing of attributes has.
func asMap(n int64) map[string]any {
	data := make(map[string]any, 12)
	for _, text := range texts {
		data[text[0]] = text[1]
	}
	data["usage.call"] = n
	data["usage.duration_ms"] = 18.25
	data["usage.input_tokens"] = 1843
	data["user.confirmed"] = true
	return data
}

func asAttrs(attrs []sinkwell.Attr, n int64) []sinkwell.Attr {
	for _, text := range texts {
		attrs = append(attrs, sinkwell.String(text[0], text[1]))
	}
	return append(attrs,
		sinkwell.Int64("usage.call", n),
		sinkwell.Float64("usage.duration_ms", 18.25),
		sinkwell.Int("usage.input_tokens", 1843),
		sinkwell.Bool("user.confirmed", true))
}

func asOpenTelemetry(attrs []attribute.KeyValue, n int64) []attribute.KeyValue {
	for _, text := range texts {
		attrs = append(attrs, attribute.String(text[0], text[1]))
	}
	return append(attrs,
		attribute.Int64("usage.call", n),
		attribute.Float64("usage.duration_ms", 18.25),
		attribute.Int("usage.input_tokens", 1843),
		attribute.Bool("user.confirmed", true))
}

func asSlog(attrs []slog.Attr, n int64) []slog.Attr {
	for _, text := range texts {
		attrs = append(attrs, slog.String(text[0], text[1]))
	}
	return append(attrs,
		slog.Int64("usage.call", n),
		slog.Float64("usage.duration_ms", 18.25),
		slog.Int("usage.input_tokens", 1843),
		slog.Bool("user.confirmed", true))
}

func asZap(fields []zap.Field, n int64) []zap.Field {
	for _, text := range texts {
		fields = append(fields, zap.String(text[0], text[1]))
	}
	return append(fields,
		zap.Int64("usage.call", n),
		zap.Float64("usage.duration_ms", 18.25),
		zap.Int("usage.input_tokens", 1843),
		zap.Bool("user.confirmed", true))
}
