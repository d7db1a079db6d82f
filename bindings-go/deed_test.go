package sinkwell_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// siem is a sink of the class siem that is down when it is told so.
type siem struct {
	memorySink
	down atomic.Bool
	// hold is called with an intent.
	hold func()
}

func newSiem() *siem {
	s := &siem{}
	s.name = "siem"
	s.do = func(ctx context.Context, event sinkwell.SignedGovernanceEvent) error {
		if s.hold != nil && event.Data()["phase"] == "intent" {
			s.hold()
		}
		if s.down.Load() {
			return errors.New("away")
		}
		return nil
	}
	return s
}

func (s *siem) Classes() map[sinkwell.SinkClass]struct{} { return sinkwell.Classes(sinkwell.SIEM) }

// phases of what it has taken, each with the result's outcome.
func (s *siem) phases() string {
	var all []string
	for _, event := range s.hosts() {
		if outcome, ok := event.Data()["outcome"].(string); ok {
			all = append(all, outcome)
		} else if phase, ok := event.Data()["phase"].(string); ok {
			all = append(all, phase)
		}
	}
	return strings.Join(all, " ")
}

const required = "governance: { version: '1', requires_sink: siem }\n" +
	"lanes: [ { id: siem, classes: [siem], sink: { host: siem }, retry: { initial: 1h, cap: 1h }, breaker: { failures: 1 }MORE } ]\n"

func pay() sinkwell.Event {
	return sinkwell.Event{Type: "tool.invocation", Attrs: []sinkwell.Attr{sinkwell.String("tool", "pay"), sinkwell.Int("amount", 3)}}
}

func TestADeedRunsBetweenItsIntentAndItsResult(t *testing.T) {
	sink := newSiem()
	sw := open(t, strings.ReplaceAll(required, "MORE", ""), sinkwell.WithSink(sink))
	var here string
	err := sw.Deed(soon(t), pay(), func(ctx context.Context, d *sinkwell.Deed) error {
		here = d.ID()
		if got := sink.phases(); got != "intent" {
			t.Error("the sink that governance requires has ", got)
		}
		return d.ResultOf(sinkwell.Event{
			Attrs:   []sinkwell.Attr{sinkwell.String("receipt", "x1")},
			Content: []sinkwell.Part{{Class: "tool_result", Text: "paid"}},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	declined := typedError{}
	for _, failure := range []error{declined, context.Canceled, context.DeadlineExceeded} {
		if err := sw.Deed(soon(t), pay(), func(context.Context, *sinkwell.Deed) error { return failure }); err != failure {
			t.Error(err)
		}
	}
	func() {
		defer func() {
			if recovered := recover(); recovered != "canary-text" {
				t.Error(recovered)
			}
		}()
		_ = sw.Deed(soon(t), pay(), func(context.Context, *sinkwell.Deed) error { panic("canary-text") })
	}()
	var kept *sinkwell.Deed
	_ = sw.Deed(soon(t), pay(), func(_ context.Context, d *sinkwell.Deed) error {
		kept = d
		return nil
	})
	if err := kept.Result(sinkwell.String("receipt", "late")); !errors.Is(err, sinkwell.ErrInvalidArgument) {
		t.Error(err)
	}
	if _, err := sw.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	if got := sink.phases(); got != "intent ok intent error intent cancelled intent timeout intent error intent ok" {
		t.Error(got)
	}
	hosts := sink.hosts()
	result := hosts[1]
	if result.CausationID() != here || hosts[0].ID() != here || result.Data()["receipt"] != "x1" || result.Data()["amount"] != nil {
		t.Error(string(result.Bytes()))
	}
	if kind := hosts[3].Data()["error.type"]; kind != "sinkwell_test.typedError" {
		t.Error(kind)
	}
	for _, event := range hosts {
		if strings.Contains(string(event.Bytes()), "canary-text") {
			t.Error(string(event.Bytes()))
		}
	}
}

func TestWhileARequiredSinkIsDownNoDeedRuns(t *testing.T) {
	sink := newSiem()
	sw := open(t, strings.ReplaceAll(required, "MORE", ""), sinkwell.WithSink(sink))
	ran := 0
	act := func(context.Context, *sinkwell.Deed) error { ran++; return nil }
	if err := sw.Deed(soon(t), pay(), act); err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	sink.down.Store(true)
	err := sw.Deed(soon(t), pay(), act, sinkwell.DeedTerms{Timeout: 50 * time.Millisecond})
	var e *sinkwell.Error
	if !errors.As(err, &e) || e.Kind != sinkwell.Timeout || e.Where != "siem" || !strings.Contains(e.Message, "the act did not run. health() says") {
		t.Error(err)
	}
	err = sw.Deed(soon(t), pay(), act)
	if !errors.Is(err, sinkwell.ErrRequiredSinkUnavailable) && !(errors.As(err, &e) && e.Kind == sinkwell.RequiredSinkUnavailable) {
		t.Error(err)
	}
	if err == nil || !strings.Contains(err.Error(), "siem") || ran != 1 {
		t.Error(err, ran)
	}
}

func TestAContextThatEndsWithholdsTheAct(t *testing.T) {
	sink := newSiem()
	held, opened := make(chan struct{}), make(chan struct{})
	var once sync.Once
	sink.hold = func() {
		once.Do(func() { close(held) })
		<-opened
	}
	sw := open(t, strings.ReplaceAll(required, "MORE", ""), sinkwell.WithSink(sink))
	never := func(context.Context, *sinkwell.Deed) error { t.Error("the act ran"); return nil }
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	go func() {
		<-held
		cancel(enough)
	}()
	if err := sw.Deed(ctx, pay(), never); err != enough {
		t.Error(err)
	}
	if err := sw.Deed(ctx, pay(), never); err != enough {
		t.Error(err)
	}
	short, done := context.WithTimeout(context.Background(), time.Millisecond)
	defer done()
	var e *sinkwell.Error
	if err := sw.Deed(short, pay(), never); !errors.As(err, &e) || e.Kind != sinkwell.Timeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(opened)
	if _, err := sw.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	if got := sink.phases(); !strings.HasPrefix(got, "intent refused") && !strings.HasPrefix(got, "intent intent refused") {
		t.Error(got)
	}
}

func TestADeedsResultWaitsForRoomWhateverBecameOfTheContext(t *testing.T) {
	sink := newSiem()
	sw := open(t, strings.ReplaceAll(required, "MORE", ", queue: { events: 1, terminal_reserve: 1 }"), sinkwell.WithSink(sink), sinkwell.Manual())
	ctx, cancel := context.WithCancel(context.Background())
	begun, ended := make(chan struct{}), make(chan error)
	go func() {
		ended <- sw.Deed(ctx, pay(), func(context.Context, *sinkwell.Deed) error {
			cancel()
			close(begun)
			return nil
		}, sinkwell.DeedTerms{Until: sinkwell.UntilEnqueued})
	}()
	<-begun
	late := sw.Deed(soon(t), pay(), func(context.Context, *sinkwell.Deed) error { t.Error("the act ran"); return nil },
		sinkwell.DeedTerms{Until: sinkwell.UntilEnqueued, Timeout: 20 * time.Millisecond})
	var e *sinkwell.Error
	if !errors.As(late, &e) || e.Kind != sinkwell.Backpressure {
		t.Error(late)
	}
	if _, err := sw.Drain("siem"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := sw.Drain("siem"); err != nil {
		t.Fatal(err)
	}
	if got := sink.phases(); got != "intent ok" {
		t.Error(got)
	}
}

func TestADeedInsideASinkIsToldToEmitInstead(t *testing.T) {
	sink := newSiem()
	var sw *sinkwell.Emitter
	told := make(chan error, 1)
	inner := sink.do
	sink.do = func(ctx context.Context, event sinkwell.SignedGovernanceEvent) error {
		if event.Data()["phase"] == "intent" {
			told <- sw.Deed(ctx, sinkwell.Event{Type: "com.example.act"}, func(context.Context, *sinkwell.Deed) error { return nil })
		}
		return inner(ctx, event)
	}
	sw = open(t, strings.ReplaceAll(required, "MORE", ""), sinkwell.WithSink(sink))
	if err := sw.Deed(soon(t), pay(), func(context.Context, *sinkwell.Deed) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var e *sinkwell.Error
	if err := <-told; !errors.As(err, &e) || e.Kind != sinkwell.InvalidArgument {
		t.Error(err)
	}
}

type deedsCase struct {
	Name   string                   `json:"name"`
	About  string                   `json:"about"`
	Config json.RawMessage          `json:"config"`
	Calls  []deedsCall              `json:"calls"`
	Events map[string][]deedsWanted `json:"events"`
}

type deedsError struct{ Kind, Where, Message string }

type deedsCall struct {
	Emit    json.RawMessage
	Error   *deedsError
	Down    bool
	Unready bool
	Deed    *struct {
		Event     json.RawMessage
		Until     string
		TimeoutMs *int64 `json:"timeout_ms"`
		Ends      string
		Error     *deedsError
		Says      []struct {
			Data    map[string]any
			Content json.RawMessage
			Error   *deedsError
		}
	}
}

type deedsWanted struct {
	Type, Severity string
	Of             *int
	Data           any
	Attributes     map[string]string
}

func (wanted *deedsError) compare(t *testing.T, what any, err error) {
	t.Helper()
	var e *sinkwell.Error
	switch {
	case wanted == nil && err == nil:
	case wanted == nil, !errors.As(err, &e), string(e.Kind) != wanted.Kind, wanted.Where != "*" && e.Where != wanted.Where,
		!strings.Contains(err.Error(), wanted.Message):
		t.Errorf("%v: %v, not %+v", what, err, wanted)
	}
}

// alike compares JSON, where "*" stands for anything that is there.
func alike(got, wanted any) bool {
	switch wanted := wanted.(type) {
	case string:
		return wanted == "*" || got == wanted
	case json.Number:
		number, err := wanted.Float64()
		return err == nil && got == number
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok || len(object) != len(wanted) {
			return false
		}
		for key, value := range wanted {
			if one, there := object[key]; !there || !alike(one, value) {
				return false
			}
		}
		return true
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(wanted) {
			return false
		}
		for i := range wanted {
			if !alike(list[i], wanted[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, wanted)
}

var deedsAttributes = []string{
	"subject", "runid", "turnid", "attemptid", "agentid", "tenantid", "correlationid", "causationid", "childid", "traceparent", "tracestate",
}

func TestDeedsVectors(t *testing.T) {
	eachVector(t, "deeds", func(t *testing.T, name string, c deedsCase) {
		dir := t.TempDir()
		sink := newSiem()
		var options []sinkwell.Option
		if strings.Contains(string(c.Config), `"siem"`) {
			options = append(options, sinkwell.WithSink(sink))
		}
		sw, err := sinkwell.Open(json.RawMessage(strings.ReplaceAll(string(c.Config), "{dir}", dir)), options...)
		if err != nil {
			t.Fatal(err)
		}
		for i, call := range c.Calls {
			switch {
			case call.Emit != nil:
				var v vectorEvent
				strictly(t, call.Emit, &v)
				call.Error.compare(t, i, sw.Put(soon(t), v.event()))
			case call.Down:
				sink.down.Store(true)
			case call.Unready:
				for bound := soon(t); sw.EnsureReady() == nil; {
					if bound.Err() != nil {
						t.Fatal("it stays ready")
					}
				}
			default:
				deed(t, sw, i, call)
			}
		}
		ctx := soon(t)
		if sink.down.Load() {
			short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			defer cancel()
			ctx = short
		}
		_, _ = sw.Close(ctx)
		for lane, wanted := range c.Events {
			text, _ := os.ReadFile(filepath.Join(dir, lane))
			var got []map[string]any
			for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
				var event map[string]any
				if err := json.Unmarshal([]byte(line), &event); err != nil {
					t.Fatal(err)
				}
				if event["origin"] == nil {
					got = append(got, event)
				}
			}
			if len(got) != len(wanted) {
				t.Fatalf("%d events, not %d\n%s", len(got), len(wanted), text)
			}
			for i, one := range wanted {
				if got[i]["type"] != one.Type || got[i]["severitytext"] != one.Severity || !alike(got[i]["data"], one.Data) {
					t.Errorf("%s[%d]: %v, not %+v", lane, i, got[i], one)
				}
				if one.Of != nil {
					one.Attributes["causationid"], _ = got[*one.Of]["id"].(string)
				}
				for _, key := range deedsAttributes {
					text, _ := got[i][key].(string)
					if text != one.Attributes[key] {
						t.Errorf("%s[%d]: %s is %q, not %q", lane, i, key, text, one.Attributes[key])
					}
				}
			}
		}
		record(t, name, ran)
	})
}

func deed(t *testing.T, sw *sinkwell.Emitter, i int, call deedsCall) {
	t.Helper()
	if strings.Contains(string(call.Deed.Event), `"terminal": false`) {
		return // Go's Event cannot say it.
	}
	var v vectorEvent
	strictly(t, call.Deed.Event, &v)
	terms := sinkwell.DeedTerms{Until: call.Deed.Until}
	if call.Deed.TimeoutMs != nil {
		terms.Timeout = time.Duration(*call.Deed.TimeoutMs) * time.Millisecond
	}
	end := map[string]error{"error": typedError{}, "timeout": context.DeadlineExceeded, "cancelled": context.Canceled}[call.Deed.Ends]
	acted := false
	err := sw.Deed(soon(t), v.event(), func(_ context.Context, d *sinkwell.Deed) error {
		acted = true
		for _, said := range call.Deed.Says {
			parts := vectorEvent{}
			if said.Content != nil {
				strictly(t, []byte(`{"content":`+string(said.Content)+`}`), &parts)
			}
			said.Error.compare(t, i, d.ResultOf(sinkwell.Event{Data: said.Data, Content: parts.event().Content}))
		}
		return end
	}, terms)
	if end != nil {
		if err != end {
			t.Errorf("%d: %v, not %v", i, err, end)
		}
	} else {
		call.Deed.Error.compare(t, i, err)
	}
	if acted != (call.Deed.Error == nil) {
		t.Errorf("%d: whether the act ran: %v", i, acted)
	}
}

func TestTheNextProcessIsToldWhatIsUnfinished(t *testing.T) {
	dir := t.TempDir()
	config := "journal: { dir: " + filepath.Join(dir, "journal") + " }\n" +
		"lanes: [ { id: out, durable: true, sink: { file: { path: " + filepath.Join(dir, "out.ndjson") + " } } } ]\n"
	before := open(t, config)
	if none, err := before.Unfinished(); err != nil || len(none) != 0 {
		t.Fatal(none, err)
	}
	if err := before.Deed(soon(t), pay(), func(context.Context, *sinkwell.Deed) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var cutOff string
	// What it would say of its end finds the emitter closed: for the next one that is a process that died meanwhile.
	err := before.Deed(soon(t), pay(), func(ctx context.Context, d *sinkwell.Deed) error {
		cutOff = d.ID()
		_, err := before.Close(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	after := open(t, config)
	deeds, err := after.Unfinished()
	if err != nil || len(deeds) != 1 {
		t.Fatal(deeds, err)
	}
	deed := deeds[0]
	if deed.ID != cutOff || deed.Type != "dev.sinkwell.tool.invocation" || deed.Tool != "pay" || deed.Time.IsZero() {
		t.Fatalf("%+v", deed)
	}
}
