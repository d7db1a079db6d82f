package sinkwell_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// unrulySink tries something else at each delivery.
type unrulySink struct {
	emitter atomic.Pointer[sinkwell.Emitter]
	turn    int
	tried   [6]atomic.Bool
}

func (s *unrulySink) Name() string { return "unruly" }
func (s *unrulySink) Classes() map[sinkwell.SinkClass]struct{} {
	return sinkwell.Classes(sinkwell.DebugClass)
}
func (s *unrulySink) Health(context.Context) sinkwell.SinkHealth { panic("unruly") }
func (s *unrulySink) Emit(context.Context, sinkwell.SignedGovernanceEvent) error {
	return errors.New("it takes batches")
}

func (s *unrulySink) EmitBatch(ctx context.Context, events []sinkwell.SignedGovernanceEvent) []error {
	way := s.turn % len(s.tried)
	s.turn++
	defer s.tried[way].Store(true)
	switch way {
	case 0: // junk
		return make([]error, len(events)+7)
	case 1: // changes what it was given
		for i := range events {
			line := events[i].Bytes()
			copy(line, "{}")
			events[i].Data()["decision"] = "allow"
			events[i] = sinkwell.SignedGovernanceEvent{}
		}
		return nil
	case 2:
		panic("unruly")
	case 3: // refuses all of it
		errs := make([]error, len(events))
		for i := range errs {
			errs[i] = sinkwell.Reject(errors.New("no"))
		}
		return errs
	case 4: // is late: nobody hears it
		<-ctx.Done()
		return []error{sinkwell.Reject(errors.New("late"))}
	default: // emits and flushes from inside
		if sw := s.emitter.Load(); sw != nil {
			_ = sw.Put(ctx, sinkwell.Event{Type: "com.example.inside"})
			_, _ = sw.Flush(ctx)
		}
		return nil
	}
}

func (s *unrulySink) triedAll() bool {
	for i := range s.tried {
		if !s.tried[i].Load() {
			return false
		}
	}
	return true
}

// seen is what the file holds of the host's own events, without the stream's own attributes.
func seen(t *testing.T, path string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var envelope map[string]any
		if err := json.Unmarshal([]byte(line), &envelope); err != nil {
			t.Fatal(err)
		}
		if envelope["origin"] == "core" || envelope["type"] == "com.example.inside" {
			continue
		}
		kept := map[string]any{}
		for _, member := range []string{"type", "data", "runid", "severitytext", "subject"} {
			kept[member] = envelope[member]
		}
		all = append(all, kept)
	}
	return all
}

func besides(t *testing.T, unruly *unrulySink) []map[string]any {
	t.Helper()
	dir := t.TempDir()
	path, key := filepath.Join(dir, "events.ndjson"), filepath.Join(dir, "k")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	sw := open(t, "key: { id: k1, hmac_sha256: { file: "+key+" } }\nlanes: [ { id: good, sink: { file: { path: "+path+" } } } ]\n")
	if unruly != nil {
		unruly.emitter.Store(sw)
		keys := lane(map[string]any{
			"timeout": "10ms", "overflow": "drop_oldest", "breaker": map[string]any{"open": "1ms"}, "batch": map[string]any{"linger": "1ms", "events": 3},
		})
		if err := sw.AddSink(unruly, keys); err != nil {
			t.Fatal(err)
		}
	}
	put := func(event sinkwell.Event) {
		receipt, err := sw.Emit(soon(t), event)
		if err != nil || receipt.Lanes()["good"] != "enqueued" {
			t.Fatal("a sink keeps no event out:", err)
		}
	}
	for n := range 30 {
		put(sinkwell.Event{Type: "policy.decision", Run: "r-1", Attrs: []sinkwell.Attr{sinkwell.String("decision", "deny"), sinkwell.Int("n", n)}})
		put(sinkwell.Event{Type: "run.failed", Run: "r-1", Attrs: []sinkwell.Attr{sinkwell.String("terminal_status", "failed")}})
	}
	for bound := soon(t); unruly != nil && !unruly.triedAll(); {
		if bound.Err() != nil {
			t.Fatal("it never had its turn")
		}
		put(sinkwell.Event{Type: "com.example.inside"})
	}
	if err := sw.EnsureReady(); err != nil {
		t.Fatal(err)
	}
	// The unruly one has no say in how long it takes.
	short, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	report, err := sw.Close(short)
	if err != nil || report["good"].Pending != 0 {
		t.Fatal(report, err)
	}
	verified, err := sinkwell.Verify(path, sinkwell.Keys{"k1": {File: "hmac:" + key}})
	if err != nil || verified.Verdict != "sound" {
		t.Fatalf("%+v %v", verified, err)
	}
	return seen(t, path)
}

func TestASinkThatTriesEverythingChangesNothingForAnybodyElse(t *testing.T) {
	request := map[string]any{"requested_mode": "raw", "class": "prompt", "source_permits_content": true}
	before, err := sinkwell.EvaluateContentCapture(request)
	if err != nil {
		t.Fatal(err)
	}
	alone, beside := besides(t, nil), besides(t, &unrulySink{})
	if len(alone) != 60 || !reflect.DeepEqual(alone, beside) {
		t.Fatalf("%d %v\nis not\n%v", len(alone), beside, alone)
	}
	after, err := sinkwell.EvaluateContentCapture(request)
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Fatal(after, err)
	}
	var boundary struct {
		MayChange []string `json:"may_change"`
	}
	if err := json.Unmarshal([]byte(sinkwell.AuthorityBoundary()), &boundary); err != nil || boundary.MayChange == nil || len(boundary.MayChange) != 0 {
		t.Fatal(sinkwell.AuthorityBoundary())
	}
}
