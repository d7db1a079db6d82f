//go:build cgo && linux && amd64

package sinkwell

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Middleware has a handler's requests run under the emitter: while governance forbids going on (EnsureReady) they are
// answered 503 and never reach it; the W3C traceparent and tracestate headers and X-Request-Id become trace context and
// correlation of what is emitted with the request's context; and each request ends as one span event, with method, route
// and status, never its URL's values. What a client sends never costs an event: what is no trace context is left out, an
// id is made to fit. The handler's ResponseWriter can do what the server's can: flush, hijack, push, send files; so
// server-sent events and WebSockets go through, and http.ResponseController reaches what is below.
func Middleware(emitter *Emitter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := emitter.EnsureReady(); err != nil {
			http.Error(w, "a required sink is unavailable", http.StatusServiceUnavailable)
			return
		}
		ctx := r.Context()
		// More than one is none, says W3C.
		if parents := r.Header.Values("Traceparent"); len(parents) == 1 {
			if trace, ok := outsideTrace(parents[0]); ok {
				trace.State = strings.Join(r.Header.Values("Tracestate"), ",")
				ctx = WithTrace(ctx, trace)
			}
		}
		if given := r.Header.Get("X-Request-Id"); given != "" {
			if id := outsideText(given); id != "" {
				ctx = WithCorrelation(ctx, id)
			}
		}
		// One request for both, as the router notes its pattern there.
		r = r.WithContext(ctx)
		watched := &watchedWriter{ResponseWriter: w, status: http.StatusOK}
		start := time.Now()
		finished := false
		// A panic goes on as it came: nothing is recovered here.
		defer func() {
			if !finished {
				watched.status = http.StatusInternalServerError
			}
			severity := Info
			if watched.status >= http.StatusInternalServerError {
				severity = Fail
			}
			method, name := methodOf(r.Method)
			err := emitter.Put(ctx, Event{Type: "span", Severity: severity, Attrs: []Attr{
				String("name", strings.TrimSpace(name+" "+route(r))),
				Millis("duration_ms", time.Since(start)),
				Int("http.response.status_code", watched.status),
				String("http.request.method", method),
			}})
			if errors.Is(err, ErrInvalidEvent) {
				// What is refused for any other reason, the emitter counts; the response is on its way.
				slog.Warn("sinkwell: a request's span was not emitted", "error", err)
			}
		}()
		next.ServeHTTP(watched.able(), r)
		finished = true
	})
}

// methodOf is a request's method and what a span is called by it, as OpenTelemetry's conventions say: what a client made
// up is "_OTHER", and the span's name has "HTTP" for it.
func methodOf(method string) (string, string) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodConnect,
		http.MethodOptions, http.MethodTrace, http.MethodPatch:
		return method, method
	case "":
		return http.MethodGet, http.MethodGet
	default:
		return "_OTHER", "HTTP"
	}
}

// route is the pattern that matched, without its method.
func route(r *http.Request) string {
	if _, path, found := strings.Cut(r.Pattern, " "); found {
		return path
	}
	return r.Pattern
}

// watchedWriter notes a response's status.
type watchedWriter struct {
	http.ResponseWriter
	status int
	told   bool
}

func (w *watchedWriter) WriteHeader(status int) {
	// 1xx are on the way to the answer, but for one that is the last; and only the first answer counts.
	if !w.told && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		w.status, w.told = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(body []byte) (int, error) {
	w.told = true
	return w.ResponseWriter.Write(body)
}

// ReadFrom leaves a file to the writer below, which may have the kernel send it.
func (w *watchedWriter) ReadFrom(from io.Reader) (int64, error) {
	w.told = true
	return io.Copy(w.ResponseWriter, from)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// able is the writer with the optional interfaces that the one below has, and no other: handlers ask by a type assertion
// what it can do.
func (w *watchedWriter) able() http.ResponseWriter {
	_, flushes := w.ResponseWriter.(http.Flusher)
	_, hijacks := w.ResponseWriter.(http.Hijacker)
	pusher, pushes := w.ResponseWriter.(http.Pusher)
	flusher, hijacker := watchedFlusher{w}, watchedHijacker{w}
	switch {
	case flushes && hijacks && pushes:
		return struct {
			*watchedWriter
			watchedFlusher
			watchedHijacker
			http.Pusher
		}{w, flusher, hijacker, pusher}
	case flushes && hijacks:
		return struct {
			*watchedWriter
			watchedFlusher
			watchedHijacker
		}{w, flusher, hijacker}
	case flushes && pushes:
		return struct {
			*watchedWriter
			watchedFlusher
			http.Pusher
		}{w, flusher, pusher}
	case hijacks && pushes:
		return struct {
			*watchedWriter
			watchedHijacker
			http.Pusher
		}{w, hijacker, pusher}
	case flushes:
		return struct {
			*watchedWriter
			watchedFlusher
		}{w, flusher}
	case hijacks:
		return struct {
			*watchedWriter
			watchedHijacker
		}{w, hijacker}
	case pushes:
		return struct {
			*watchedWriter
			http.Pusher
		}{w, pusher}
	default:
		return w
	}
}

type watchedFlusher struct{ watched *watchedWriter }

// Flush sends what was written so far.
func (f watchedFlusher) Flush() {
	f.watched.told = true
	f.watched.ResponseWriter.(http.Flusher).Flush()
}

type watchedHijacker struct{ watched *watchedWriter }

// Hijack gives the connection to the handler, which then speaks for itself: the request ends as 101 unless it was answered.
func (h watchedHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := h.watched.ResponseWriter.(http.Hijacker).Hijack()
	if err == nil && !h.watched.told {
		h.watched.status, h.watched.told = http.StatusSwitchingProtocols, true
	}
	return conn, buffered, err
}
