package sinkwell

import (
	"net/http"
	"strings"
	"time"
)

// Middleware has a handler's requests run under the emitter: while governance forbids going on (EnsureReady) they are
// answered 503 and never reach it; the W3C traceparent header and X-Request-Id become trace context and correlation of
// what is emitted with the request's context; and each request ends as one span event, with method, route and status,
// never its URL's values.
func Middleware(emitter *Emitter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := emitter.EnsureReady(); err != nil {
			http.Error(w, "a required sink is unavailable", http.StatusServiceUnavailable)
			return
		}
		ctx := r.Context()
		if trace, ok := parseTraceParent(r.Header.Get("Traceparent")); ok {
			trace.State = r.Header.Get("Tracestate")
			ctx = WithTrace(ctx, trace)
		}
		if id := r.Header.Get("X-Request-Id"); id != "" {
			ctx = WithCorrelation(ctx, id)
		}
		// One request for both, as the router notes its pattern there.
		r = r.WithContext(ctx)
		watched := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		start := time.Now()
		defer func() {
			panicked := recover()
			if panicked != nil {
				watched.status = http.StatusInternalServerError
			}
			severity := Info
			if watched.status >= http.StatusInternalServerError {
				severity = Fail
			}
			// What the emitter refuses here, its counters tell; the response is on its way.
			_ = emitter.Put(ctx, Event{Type: "span", Severity: severity, Attrs: []Attr{
				String("name", strings.TrimSpace(r.Method+" "+route(r))),
				Millis("duration_ms", time.Since(start)),
				Int("http.response.status_code", watched.status),
				String("http.request.method", r.Method),
			}})
			if panicked != nil {
				panic(panicked)
			}
		}()
		next.ServeHTTP(watched, r)
	})
}

// route is the pattern that matched, without its method.
func route(r *http.Request) string {
	if _, path, found := strings.Cut(r.Pattern, " "); found {
		return path
	}
	return r.Pattern
}

const hexDigits = "0123456789abcdef"

// parseTraceParent reads version 00 and its successors' prefix; the core judges what it holds.
func parseTraceParent(header string) (TraceContext, bool) {
	parts := strings.Split(strings.TrimSpace(header), "-")
	if len(parts) < 4 || len(parts[0]) != 2 || len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 ||
		strings.Trim(parts[1]+parts[2]+parts[3], hexDigits) != "" ||
		strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return TraceContext{}, false
	}
	flags := strings.IndexByte(hexDigits, parts[3][0])<<4 | strings.IndexByte(hexDigits, parts[3][1])
	return TraceContext{TraceID: parts[1], SpanID: parts[2], Flags: byte(flags)}, true
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
