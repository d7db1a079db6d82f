package sinkwell_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

func TestMiddlewareCarriesTraceAndStopsWhatGovernanceForbids(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		if err := sw.Put(r.Context(), tool()); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusTeapot)
	})
	request := httptest.NewRequest(http.MethodGet, "/items/secret?q=secret", nil)
	request.Header.Set("Traceparent", "00-"+strings.Repeat("a", 32)+"-"+strings.Repeat("b", 16)+"-01")
	request.Header.Set("X-Request-Id", "c1")
	answer := httptest.NewRecorder()
	sinkwell.Middleware(sw, mux).ServeHTTP(answer, request)
	if _, err := sw.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	hosts := sink.hosts()
	if answer.Code != http.StatusTeapot || len(hosts) != 2 {
		t.Fatal(answer.Code, hosts)
	}
	for _, event := range hosts {
		if event.CorrelationID() != "c1" || !strings.HasPrefix(event.TraceParent(), "00-aaaa") || strings.Contains(string(event.Bytes()), "secret") {
			t.Fatal(string(event.Bytes()))
		}
	}
	if data := hosts[1].Data(); data["name"] != "GET /items/{id}" || data["http.response.status_code"] != 418.0 {
		t.Fatal(data)
	}
	closed := httptest.NewRecorder()
	sinkwell.Middleware(sw, mux).ServeHTTP(closed, request)
	if closed.Code != http.StatusServiceUnavailable {
		t.Fatal(closed.Code)
	}
}

// TestMain runs the test binary as the program whose end is tested, too.
func TestMain(m *testing.M) {
	if path := os.Getenv("SINKWELL_TEST_EXIT"); path != "" {
		endAs(os.Getenv("SINKWELL_TEST_HOW"), path)
	}
	if path := os.Getenv("SINKWELL_TEST_CANARIES"); path != "" {
		emitCanaries(path, os.Getenv("SINKWELL_TEST_FOLDER"))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// endAs emits an event that lingers, and ends the process.
func endAs(how, path string) {
	config := sinkwell.Text("agent: { id: a1 }\nhandle_signals: true\nlanes: [ { sink: { file: { path: " + path + " } }, batch: { linger: 60s } } ]")
	sw, err := sinkwell.Open(config)
	if err != nil {
		panic(err)
	}
	receipt, err := sw.Emit(context.Background(), tool())
	if err != nil {
		panic(err)
	}
	terminate := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) }
	// pushed waits for what lingered: it does so for a minute, unless it is pushed out.
	pushed := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := receipt.Delivered(ctx); err != nil {
			panic(err)
		}
	}
	switch how {
	case "close":
		_, _ = sw.Close(context.Background())
		os.Exit(0)
	case "exit":
		os.Exit(0)
	case "panic":
		panic("an unhandled panic")
	case "deferred":
		defer os.Exit(3)
		defer func() { _, _ = sw.Close(context.Background()) }()
		panic("a panic with a deferred Close")
	case "term", "init":
		terminate()
		select {}
	case "int":
		_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
		select {}
	case "server":
		serve(sw, terminate, pushed)
	case "handler":
		// One that stands before the emitter handles signals, and one after it, each gets each signal once.
		got := make(chan os.Signal, 9)
		signal.Notify(got, syscall.SIGTERM)
		for range 2 {
			terminate()
			<-got
		}
		pushed()
		if _, err := sw.Emit(context.Background(), tool()); err != nil || len(got) != 0 {
			panic(fmt.Sprint(err, len(got)))
		}
		signal.Stop(got)
		// Now nobody handles it.
		terminate()
		select {}
	case "ignored":
		signal.Ignore(syscall.SIGTERM)
		terminate()
		if _, err := sw.Emit(context.Background(), tool()); err != nil {
			panic(err)
		}
		_, _ = sw.Close(context.Background())
		os.Exit(4)
	case "twice":
		terminate()
		terminate()
		select {}
	}
}

// serve is an HTTP server that stops gracefully on SIGTERM, while a request is still being answered.
func serve(sw *sinkwell.Emitter, terminate, pushed func()) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		terminate()
		<-ctx.Done()
		pushed()
		if err := sw.Put(r.Context(), sinkwell.Event{Type: "run.completed", Run: "r1"}); err != nil {
			panic(err)
		}
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	answered := make(chan error, 1)
	go func() {
		answer, err := http.Get("http://" + listener.Addr().String())
		if err == nil {
			err = answer.Body.Close()
		}
		answered <- err
	}()
	go func() { _ = server.Serve(listener) }()
	<-ctx.Done()
	if err := server.Shutdown(context.Background()); err != nil {
		panic(err)
	}
	if err := <-answered; err != nil {
		panic(err)
	}
	if _, err := sw.Close(context.Background()); err != nil {
		panic(err)
	}
	os.Exit(0)
}

func TestWhatSurvivesTheEndOfAProcess(t *testing.T) {
	cases := map[string]struct {
		events int
		ended  string
	}{
		"close":    {1, "exit status 0"},
		"exit":     {0, "exit status 0"},
		"panic":    {0, "exit status 2"},
		"deferred": {1, "exit status 3"},
		"term":     {1, "signal: terminated"},
		"int":      {1, "signal: interrupt"},
		"twice":    {1, "signal: terminated"},
		"server":   {2, "exit status 0"},
		"handler":  {2, "signal: terminated"},
		"ignored":  {2, "exit status 4"},
		// The first process of a container has no default action.
		"init": {1, "exit status 143"},
	}
	for how, c := range cases {
		t.Run(how, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.ndjson")
			command := exec.Command(os.Args[0])
			if how == "init" {
				unshare := []string{"--user", "--map-root-user", "--pid", "--fork"}
				if output, err := exec.Command("unshare", append(unshare, "true")...).CombinedOutput(); err != nil {
					t.Skipf("no process namespaces here: %s", output)
				}
				command = exec.Command("unshare", append(unshare, os.Args[0])...)
			}
			command.Env = append(os.Environ(), "SINKWELL_TEST_EXIT="+path, "SINKWELL_TEST_HOW="+how)
			output, _ := command.CombinedOutput()
			if ended := command.ProcessState.String(); ended != c.ended {
				t.Fatalf("%s\n%s", ended, output)
			}
			lines, _ := os.ReadFile(path)
			if strings.Count(string(lines), "\n")-strings.Count(string(lines), `"origin":"core"`) != c.events {
				t.Fatalf("%s", lines)
			}
			if c.events > 0 {
				report, err := sinkwell.Verify(path, nil)
				if err != nil || report.Verdict != "unchecked" || !report.Streams[0].Closed {
					t.Fatalf("%+v %v", report, err)
				}
			}
		})
	}
}

// As a leak detector sees it: no goroutine of the package is left.
func TestNothingRunsAfterClose(t *testing.T) {
	for range 3 {
		sw := open(t, "handle_signals: true\nlanes: [ memory ]\n")
		other := open(t, "handle_signals: true\nlanes: [ memory ]\n")
		if receipt, err := sw.Emit(soon(t), tool()); err != nil {
			t.Fatal(err)
		} else if _, err := receipt.Delivered(soon(t)); err != nil {
			t.Fatal(err)
		}
		for _, emitter := range []*sinkwell.Emitter{sw, other, sw} {
			if _, err := emitter.Close(soon(t)); err != nil {
				t.Fatal(err)
			}
		}
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, stack := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(stack, "sinkwell.dev/go.") {
				t.Fatal(stack)
			}
		}
	}
}

func TestTheDefaultEmitterEndsAndOpensAgain(t *testing.T) {
	t.Setenv("SINKWELL_LANES", "memory")
	for range 2 {
		receipt, err := sinkwell.Emit(soon(t), tool())
		if err != nil || receipt.Lanes()["memory"] != "enqueued" {
			t.Fatal(err)
		}
		report, err := sinkwell.Close(soon(t))
		if err != nil || report["memory"].Delivered != 1 {
			t.Fatal(report, err)
		}
	}
}

// By whatever call it was closed.
func TestADefaultEmitterThatWasClosedOpensAgain(t *testing.T) {
	t.Setenv("SINKWELL_LANES", "memory")
	for range 2 {
		sw, err := sinkwell.Default()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sw.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := sinkwell.Emit(soon(t), tool()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sinkwell.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkEmit(b *testing.B) {
	attrs := []sinkwell.Attr{
		sinkwell.String("tool", "search"), sinkwell.String("outcome", "ok"), sinkwell.Int("duration_ms", 12),
		sinkwell.String("query", strings.Repeat("q", 200)), sinkwell.Bool("cached", false), sinkwell.Float64("score", 0.5),
		sinkwell.String("index", "main"), sinkwell.Int("hits", 17), sinkwell.String("region", "eu-west-1"),
	}
	data := map[string]any{}
	for _, attr := range attrs {
		data[attr.Key] = "x"
	}
	sw := open(b, "lanes: [ { sink: \"null\", overflow: drop_oldest } ]\n")
	ctx := context.Background()
	b.Run("receipt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = sw.Emit(ctx, sinkwell.Event{Type: "tool.invocation", Attrs: attrs})
		}
	})
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = sw.Put(ctx, sinkwell.Event{Type: "tool.invocation", Attrs: attrs})
		}
	})
	b.Run("map", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = sw.Put(ctx, sinkwell.Event{Type: "tool.invocation", Data: data})
		}
	})
	b.Run("call", func(b *testing.B) {
		for b.Loop() {
			_ = sw.EnsureReady()
		}
	})
}
