package sinkwell_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// served runs a handler beneath the middleware in a real server.
func served(t *testing.T, handler http.HandlerFunc) (*httptest.Server, func() []sinkwell.SignedGovernanceEvent) {
	t.Helper()
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	var open sync.WaitGroup
	watched := sinkwell.Middleware(sw, handler)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Done()
		watched.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server, func() []sinkwell.SignedGovernanceEvent {
		// All requests have ended then, and so has each one's span; of a hijacked one the server does not know.
		server.Close()
		open.Wait()
		if _, err := sw.Flush(soon(t)); err != nil {
			t.Fatal(err)
		}
		return sink.hosts()
	}
}

func TestWhatAClientSendsCostsNoEvent(t *testing.T) {
	cases := map[string]struct {
		set                   func(http.Header)
		traced, state, caller string
	}{
		"all is well": {func(h http.Header) {
			h.Set("Traceparent", parent)
			h["Tracestate"] = []string{"a=1", "b=2"}
			h.Set("X-Request-Id", "c1")
		}, parent, "a=1,b=2", "c1"},
		"an id with a tab":         {func(h http.Header) { h["X-Request-Id"] = []string{"a\tb"} }, "", "", "a\uFFFDb"},
		"an id past ASCII":         {func(h http.Header) { h["X-Request-Id"] = []string{"caf\xe9\x00"} }, "", "", "caf\uFFFD\uFFFD"},
		"an id of blanks":          {func(h http.Header) { h["X-Request-Id"] = []string{" \t "} }, "", "", ""},
		"an id of a megabyte":      {func(h http.Header) { h["X-Request-Id"] = []string{strings.Repeat("a", 1<<20)} }, "", "", strings.Repeat("a", 256)},
		"a state that is no UTF-8": {func(h http.Header) { h.Set("Traceparent", parent); h["Tracestate"] = []string{"a=\xff"} }, parent, "", ""},
		"a state with a control":   {func(h http.Header) { h.Set("Traceparent", parent); h["Tracestate"] = []string{"a=\x01"} }, parent, "", ""},
		"a state of a megabyte": {func(h http.Header) {
			h.Set("Traceparent", parent)
			h["Tracestate"] = []string{strings.Repeat("a", 1<<20)}
		}, parent, "", ""},
		"a parent that is no UTF-8":  {func(h http.Header) { h["Traceparent"] = []string{"\xff" + parent} }, "", "", ""},
		"a parent of zeros":          {func(h http.Header) { h.Set("Traceparent", "00-"+strings.Repeat("0", 32)+"-b7ad6b7169203331-01") }, "", "", ""},
		"a parent of version ff":     {func(h http.Header) { h.Set("Traceparent", "ff"+parent[2:]) }, "", "", ""},
		"two parents":                {func(h http.Header) { h["Traceparent"] = []string{parent, parent} }, "", "", ""},
		"a state without a parent":   {func(h http.Header) { h.Set("Tracestate", "a=1") }, "", "", ""},
		"baggage of whatever it may": {func(h http.Header) { h["Baggage"] = []string{"k=\xff\t"} }, "", "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			sink := &memorySink{name: "mine"}
			sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			c.set(request.Header)
			sinkwell.Middleware(sw, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if err := sw.Put(r.Context(), tool()); err != nil {
					t.Error(err)
				}
			})).ServeHTTP(httptest.NewRecorder(), request)
			if _, err := sw.Flush(soon(t)); err != nil {
				t.Fatal(err)
			}
			hosts := sink.hosts()
			if len(hosts) != 2 {
				t.Fatalf("%d events of 2", len(hosts))
			}
			for _, event := range hosts {
				if event.TraceParent() != c.traced || event.TraceState() != c.state || event.CorrelationID() != c.caller {
					t.Fatal(string(event.Bytes()))
				}
			}
		})
	}
}

func TestAMethodThatAClientMadeUpIsOther(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	for _, method := range []string{strings.Repeat("A", 1<<20), "BREW"} {
		request := httptest.NewRequest(method, "/", nil)
		sinkwell.Middleware(sw, http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), request)
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	hosts := sink.hosts()
	if len(hosts) != 2 {
		t.Fatalf("%d events of 2", len(hosts))
	}
	for _, event := range hosts {
		if data := event.Data(); data["http.request.method"] != "_OTHER" || data["name"] != "HTTP" || data["http.response.status_code"] != 404.0 {
			t.Fatal(data)
		}
	}
}

func TestServerSentEventsGoThrough(t *testing.T) {
	read := make(chan struct{})
	server, events := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: first\n\n")
		w.(http.Flusher).Flush()
		// The client has it while this goes on.
		<-read
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		if _, pushes := w.(http.Pusher); pushes {
			t.Error("HTTP/1 cannot push")
		}
		_, _ = io.Copy(w, strings.NewReader("data: last\n\n"))
	})
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body := bufio.NewReader(answer.Body)
	if line, err := body.ReadString('\n'); err != nil || line != "data: first\n" {
		t.Fatal(line, err)
	}
	close(read)
	if rest, err := io.ReadAll(body); err != nil || string(rest) != "\ndata: last\n\n" {
		t.Fatal(string(rest), err)
	}
	if hosts := events(); len(hosts) != 1 || hosts[0].Data()["http.response.status_code"] != 200.0 {
		t.Fatal(hosts)
	}
}

func TestAConnectionIsHijackedAsForAWebSocket(t *testing.T) {
	server, events := served(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(buffered, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		_ = buffered.Flush()
		line, _ := buffered.ReadString('\n')
		fmt.Fprint(buffered, line)
		_ = buffered.Flush()
	})
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nping\n")
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 101 ") || !strings.HasSuffix(string(answer), "ping\n") {
		t.Fatal(string(answer), err)
	}
	if hosts := events(); len(hosts) != 1 || hosts[0].Data()["http.response.status_code"] != 101.0 {
		t.Fatal(hosts)
	}
}

// barely is a writer that can nothing but what it must.
type barely struct{ http.ResponseWriter }

// pushing is one of HTTP/2, say.
type pushing struct{ http.ResponseWriter }

func (pushing) Flush()                                       {}
func (pushing) Push(string, *http.PushOptions) error         { return nil }
func (pushing) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrNotSupported }

func TestAWriterCanWhatTheOneBelowCanAndNoMore(t *testing.T) {
	sw := open(t, "lanes: [ memory ]\n")
	ask := func(w http.ResponseWriter) (can [3]bool) {
		sinkwell.Middleware(sw, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, can[0] = w.(http.Flusher)
			_, can[1] = w.(http.Hijacker)
			_, can[2] = w.(http.Pusher)
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return can
	}
	recorder := httptest.NewRecorder()
	if can := ask(barely{recorder}); can != [3]bool{} {
		t.Fatal(can)
	}
	if can := ask(recorder); can != [3]bool{true, false, false} {
		t.Fatal(can)
	}
	if can := ask(pushing{recorder}); can != [3]bool{true, true, true} {
		t.Fatal(can)
	}
}

func TestOnlyTheLastStatusIsTheAnswer(t *testing.T) {
	server, events := served(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hints":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusCreated)
		case "/panics":
			panic(http.ErrAbortHandler)
		}
	})
	for _, path := range []string{"/hints", "/panics"} {
		// No GET: a client repeats that where the connection ends.
		if answer, err := http.Post(server.URL+path, "text/plain", nil); err == nil {
			answer.Body.Close()
		}
	}
	hosts := events()
	if len(hosts) != 2 || hosts[0].Data()["http.response.status_code"] != 201.0 ||
		hosts[1].Data()["http.response.status_code"] != 500.0 || hosts[1].SeverityText() != "ERROR" {
		t.Fatal(hosts)
	}
}

func TestAPanicOfAHandlerGoesOnAsItCame(t *testing.T) {
	sw := open(t, "lanes: [ memory ]\n")
	defer func() {
		if p := recover(); p != any("mine") {
			t.Fatal(p)
		}
	}()
	sinkwell.Middleware(sw, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("mine") })).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil).WithContext(context.Background()))
}
