package sinkwell_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	sinkwell "sinkwell.dev/go"
)

// onlyHosts is the events of a file that the host emitted, line by line.
func onlyHosts(t *testing.T, sink *memorySink) [][]byte {
	t.Helper()
	var lines [][]byte
	for _, event := range sink.hosts() {
		lines = append(lines, event.Bytes())
	}
	return lines
}

func TestRepairExportsAgainWhatTheJournalHolds(t *testing.T) {
	dir := t.TempDir()
	sink := &memorySink{name: "mine"}
	sw := open(t, "journal: { dir: "+dir+", floor: 0 }\nlanes: []\n",
		sinkwell.WithSink(sink, lane(map[string]any{"durable": true})), sinkwell.WithSink(&memorySink{name: "plain"}))
	var ending *sinkwell.Ending
	for n := range 3 {
		receipt, err := sw.Emit(soon(t), tool(sinkwell.Int("n", n)))
		if err != nil {
			t.Fatal(err)
		}
		endings, err := receipt.Delivered(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			ending = endings["mine"]
		}
	}
	before := onlyHosts(t, sink)
	from := sinkwell.Cursor{StreamID: ending.StreamID, Sequence: "2"}
	if err := sw.Repair("mine", from); err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	after := onlyHosts(t, sink)[len(before):]
	if len(after) == 0 || !bytes.Equal(bytes.Join(after, nil), bytes.Join(before[len(before)-len(after):], nil)) {
		t.Fatalf("%q is not the end of %q", after, before)
	}
	for name, c := range map[string]struct {
		lane string
		from sinkwell.Cursor
		want error
	}{
		"no such lane": {"nosuch", from, sinkwell.ErrInvalidArgument},
		"not durable":  {"plain", from, sinkwell.ErrUnsupported},
		"no stream":    {"mine", sinkwell.Cursor{StreamID: "x", Sequence: "1"}, sinkwell.ErrInvalidArgument},
		"no number":    {"mine", sinkwell.Cursor{StreamID: ending.StreamID, Sequence: "x"}, sinkwell.ErrInvalidArgument},
	} {
		if err := sw.Repair(c.lane, c.from); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASaltProvesWhatWasSaid(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	event := tool()
	event.Content = []sinkwell.Part{{Class: "prompt", Text: "what was said"}}
	receipt, err := sw.Emit(soon(t), event)
	if err != nil {
		t.Fatal(err)
	}
	if err := receipt.Wait(soon(t), sinkwell.Delivered); err != nil {
		t.Fatal(err)
	}
	salt := receipt.Salt(0)
	if len(salt) != 16 || receipt.Salt(1) != nil {
		t.Fatal(salt, receipt.Salt(1))
	}
	digest := sha256.Sum256(append(append([]byte("sinkwell-part-v1\n"), salt...), "what was said"...))
	part := sink.hosts()[0].Data()["content"].([]any)[0].(map[string]any)
	if part["digest"] != hex.EncodeToString(digest[:]) {
		t.Fatal(part)
	}
}

// The thread that the lane called is known to the core; another one only by the context.
func TestAnEmitFromAGoroutineOfASinkNeverWaits(t *testing.T) {
	var sw *sinkwell.Emitter
	opened := make(chan struct{})
	results := make(chan *sinkwell.Receipt, 8)
	sink := &memorySink{name: "mine", do: func(ctx context.Context, event sinkwell.SignedGovernanceEvent) error {
		<-opened
		if event.Type() != "dev.sinkwell.tool.invocation" {
			return nil
		}
		done := make(chan error)
		go func() {
			var failed error
			for range 4 {
				receipt, err := sw.Emit(ctx, sinkwell.Event{Type: "com.example.inner"})
				if err != nil {
					failed = err
					continue
				}
				results <- receipt
			}
			receipt, err := sw.EmitJSON(ctx, []byte(`{"type":"com.example.inner"}`))
			if err == nil {
				results <- receipt
			}
			_, err = sw.Flush(ctx)
			done <- errors.Join(failed, err)
		}()
		return <-done
	}}
	keys := map[string]any{
		"overflow": "block", "queue": map[string]any{"events": 2, "terminal_reserve": 1}, "block_timeout": "1h", "timeout": "1h",
	}
	sw = open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(keys)))
	close(opened)
	receipt, err := sw.Emit(soon(t), tool())
	if err != nil {
		t.Fatal(err)
	}
	if err := receipt.Wait(soon(t), sinkwell.Delivered); err != nil {
		t.Fatal(err)
	}
	close(results)
	lanes := map[string]int{}
	for inner := range results {
		lanes[inner.Lanes()["mine"]]++
	}
	if lanes["enqueued"] != 1 || lanes["dropped: reentrant"] != 4 {
		t.Fatal(lanes)
	}
}

func TestWhatASinkCannotKnowIsUncertain(t *testing.T) {
	sink := &memorySink{name: "mine", do: func(_ context.Context, event sinkwell.SignedGovernanceEvent) error {
		if event.Data()["n"] == 1.0 {
			return &sinkwell.Uncertain{Err: typedError{}}
		}
		return nil
	}}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(nil)))
	for n, want := range []string{"delivered", "uncertain", "delivered"} {
		receipt, err := sw.Emit(soon(t), tool(sinkwell.Int("n", n)))
		if err != nil {
			t.Fatal(err)
		}
		endings, err := receipt.Delivered(soon(t))
		if err != nil || endings["mine"].State != want {
			t.Fatal(n, endings["mine"], err)
		}
	}
	if counters := sw.Counters()["mine"]; counters.RejectedBy["uncertain"] != 1 || counters.Delivered != 2 {
		t.Fatalf("%+v", counters)
	}
}

// requiredSink is one of class siem that fails as answer says.
type requiredSink struct{ answer func() error }

func (s *requiredSink) Name() string { return "guard" }
func (s *requiredSink) Classes() map[sinkwell.SinkClass]struct{} {
	return sinkwell.Classes(sinkwell.SIEM)
}
func (s *requiredSink) Health(context.Context) sinkwell.SinkHealth {
	return sinkwell.SinkHealth{Healthy: true}
}
func (s *requiredSink) Emit(context.Context, sinkwell.SignedGovernanceEvent) error { return s.answer() }

// A required sink dies: the agent is stopped with an error that says which and what to do, and goes on when it is back.
func TestARequiredSinkDiesAndComesBack(t *testing.T) {
	alive := make(chan bool, 1)
	alive <- true
	answer := func() error {
		up := <-alive
		alive <- up
		if !up {
			return errors.New("the SIEM is away")
		}
		return nil
	}
	sink := &requiredSink{answer}
	dir := t.TempDir()
	path := filepath.Join(dir, "events.ndjson")
	document := "governance: { requires_sink: siem }\nlanes: [ { sink: { file: { path: " + path + " } } } ]\n"
	sw := open(t, document, sinkwell.WithSink(sink, lane(map[string]any{
		"breaker": map[string]any{"failures": 1, "open": "1ms"},
	})))
	emit := func() error { return sw.Put(soon(t), tool()) }
	if err := emit(); err != nil {
		t.Fatal(err)
	}
	<-alive
	alive <- false
	// Until the lane has noticed, events are still taken.
	var err error
	for err == nil {
		err = emit()
	}
	var e *sinkwell.Error
	if !errors.Is(err, sinkwell.ErrRequiredSinkUnavailable) || !errors.As(err, &e) || e.Code() != 5 {
		t.Fatal(err)
	}
	for _, said := range []string{"siem", "guard", "mend the sink"} {
		if !bytes.Contains([]byte(err.Error()), []byte(said)) {
			t.Errorf("%q does not say %q", err, said)
		}
	}
	if err := sw.EnsureReady(); !errors.Is(err, sinkwell.ErrRequiredSinkUnavailable) {
		t.Fatal(err)
	}
	// A change of state that nobody was told of yet merges with the next one.
	awaitLine(t, path, "sink.failed")
	<-alive
	alive <- true
	for bound := soon(t); sw.EnsureReady() != nil; runtime.Gosched() {
		if bound.Err() != nil {
			t.Fatal("it did not come back:", sw.Health())
		}
	}
	if err := emit(); err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	if lines := awaitLine(t, path, "sink.recovered"); bytes.Contains(lines, []byte("the SIEM is away")) {
		t.Errorf("%s", lines)
	}
}

// awaitLine reads the file until it holds the text.
func awaitLine(t *testing.T, path, text string) []byte {
	t.Helper()
	for bound := soon(t); ; runtime.Gosched() {
		lines, err := os.ReadFile(path)
		if err == nil && bytes.Contains(lines, []byte(text)) {
			return lines
		}
		if bound.Err() != nil {
			t.Fatalf("no %s in time: %v %s", text, err, lines)
		}
	}
}
