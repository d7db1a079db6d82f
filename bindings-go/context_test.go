package sinkwell_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	sinkwell "sinkwell.dev/go"
)

func TestEventsTakeFromTheContextWhatTheyDoNotSay(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw, err := sinkwell.Open(sinkwell.Text("agent: { id: a1, allow: [ a1, a2 ] }\nheartbeat: off\nlanes: []\n"), sinkwell.WithSink(sink))
	if err != nil {
		t.Fatal(err)
	}
	defer sw.Close(soon(t))
	ctx := sinkwell.WithCorrelation(sinkwell.WithCausation(sinkwell.WithAgent(context.Background(), "a2"), "01890a5d-ac96-774b-bcce-b302099a8057"), "talk")
	outer := sinkwell.WithAttempt(sinkwell.WithTurn(sinkwell.WithRun(ctx, "outer"), "1"), "2")
	inner := sinkwell.WithRun(outer, "inner")
	own := map[string]any{"parent_run": "own"}
	for _, one := range []struct {
		ctx   context.Context
		event sinkwell.Event
		want  string
	}{
		{outer, sinkwell.Event{Type: "run.started"}, "outer 1 2  a2 talk"},
		{inner, sinkwell.Event{Type: "run.started"}, "inner   outer a2 talk"},
		{inner, sinkwell.Event{Type: "run.progress", Data: own}, "inner   own a2 talk"},
		{inner, sinkwell.Event{Type: "com.example.x"}, "inner    a2 talk"},
		{outer, sinkwell.Event{Type: "com.example.x", Run: "other"}, "other    a2 talk"},
		{outer, sinkwell.Event{Type: "com.example.x", Run: "outer", Turn: "9"}, "outer 9 2  a2 talk"},
		{outer, sinkwell.Event{Type: "com.example.x", Agent: "a1", Correlation: "said"}, "outer 1 2  a1 said"},
		{sinkwell.WithRun(inner, "inner"), sinkwell.Event{Type: "run.completed"}, "inner   outer a2 talk"},
		{context.Background(), sinkwell.Event{Type: "com.example.x"}, "    a1 "},
	} {
		if err := sw.Put(one.ctx, one.event); err != nil {
			t.Fatal(err)
		}
		if _, err := sw.Flush(soon(t)); err != nil {
			t.Fatal(err)
		}
		hosts := sink.hosts()
		got := hosts[len(hosts)-1]
		parent, _ := got.Data()["parent_run"].(string)
		if said := fmt.Sprint(got.RunID(), " ", got.TurnID(), " ", got.AttemptID(), " ", parent, " ", got.AgentID(), " ", got.CorrelationID()); said != one.want {
			t.Errorf("%q, not %q", said, one.want)
		}
	}
}

type contextFile struct {
	Name  string        `json:"name"`
	About string        `json:"about"`
	Cases []contextCase `json:"cases"`
}

type contextCase struct {
	Name   string                         `json:"name"`
	Within []map[string]map[string]string `json:"within"`
	Event  struct {
		Type  string         `json:"type"`
		Data  map[string]any `json:"data"`
		Run   string         `json:"run"`
		Turn  string         `json:"turn"`
		Agent string         `json:"agent"`
	} `json:"event"`
	Attributes map[string]string `json:"attributes"`
	Data       map[string]any    `json:"data"`
}

func TestContextVectors(t *testing.T) {
	eachVector(t, "context", func(t *testing.T, _ string, file contextFile) {
		sink := &memorySink{name: "mine"}
		sw, err := sinkwell.Open(sinkwell.Text("agent: { id: a1, allow: [ \"*\" ] }\nheartbeat: off\nlanes: []\n"), sinkwell.WithSink(sink))
		if err != nil {
			t.Fatal(err)
		}
		defer sw.Close(soon(t))
		set := map[string]func(context.Context, string) context.Context{
			"turn": sinkwell.WithTurn, "attempt": sinkwell.WithAttempt, "agent": sinkwell.WithAgent, "causation": sinkwell.WithCausation,
			"correlation": sinkwell.WithCorrelation, "parent_run": sinkwell.WithParentRun,
		}
		for _, c := range file.Cases {
			ctx := context.Background()
			for _, call := range c.Within {
				members, isRun := call["run"]
				if isRun {
					ctx = sinkwell.WithRun(ctx, members["run"])
				} else {
					members = call["turn"]
				}
				for _, name := range []string{"turn", "attempt", "agent", "causation", "correlation", "parent_run"} {
					if value, said := members[name]; said {
						ctx = set[name](ctx, value)
					}
				}
			}
			event := sinkwell.Event{Type: c.Event.Type, Data: c.Event.Data, Run: c.Event.Run, Turn: c.Event.Turn, Agent: c.Event.Agent}
			if err := sw.Put(ctx, event); err != nil {
				t.Fatal(c.Name, err)
			}
			if _, err := sw.Flush(soon(t)); err != nil {
				t.Fatal(err)
			}
			hosts := sink.hosts()
			got := hosts[len(hosts)-1]
			for _, name := range []string{"runid", "turnid", "attemptid", "agentid", "causationid", "correlationid"} {
				if got.Attribute(name) != c.Attributes[name] {
					t.Errorf("%s: %s is %q", c.Name, name, got.Attribute(name))
				}
			}
			if data := got.Data(); fmt.Sprint(data) != fmt.Sprint(c.Data) {
				t.Errorf("%s: %v", c.Name, data)
			}
		}
	})
}

func TestAToolsCallIsToldAfterIt(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	ctx := sinkwell.WithRun(context.Background(), "r")
	// Whatever it is called, its calls are events, and the same in every language.
	const name = "pay\n\x00"
	for _, failure := range []error{nil, errors.New("MARKER"), fmt.Errorf("MARKER: %w", context.Canceled), context.DeadlineExceeded} {
		if err := sw.Tool(ctx, name, func(context.Context) error { return failure }); err != failure {
			t.Fatal(err)
		}
	}
	func() {
		defer func() {
			if recover() != "MARKER" {
				t.Error("the panic is the caller's")
			}
		}()
		_ = sw.Tool(ctx, name, func(context.Context) error { panic("MARKER") })
	}()
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, event := range sink.hosts() {
		data := event.Data()
		if event.RunID() != "r" || event.Subject() != "" || data["tool"] != name || data["duration_ms"] == nil {
			t.Fatal(string(event.Bytes()))
		}
		said = append(said, fmt.Sprint(data["outcome"], " ", data["error.type"]))
	}
	want := "[ok <nil> error *errors.errorString cancelled context.Canceled timeout context.deadlineExceededError error panic]"
	if fmt.Sprint(said) != want {
		t.Fatal(said)
	}
}

func TestTheDefaultEmitterIsWhatItWasConfiguredAs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	config := map[string]any{"agent": map[string]any{"id": "a1"}, "lanes": []any{map[string]any{"id": "out", "sink": map[string]any{"file": map[string]any{"path": path}}}}}
	if _, err := sinkwell.Configure(soon(t), config); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := sinkwell.Emit(soon(t), tool()); err != nil {
			t.Fatal(err)
		}
		report, err := sinkwell.Flush(soon(t))
		if err != nil || report["out"].Delivered == 0 {
			t.Fatal(report, err)
		}
		if _, err := sinkwell.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sinkwell.Configure(soon(t), map[string]any{"lanez": 1}); !errors.Is(err, sinkwell.ErrInvalidConfig) {
		t.Fatal(err)
	}
	// As it was said before.
	sw, err := sinkwell.Default()
	if err != nil || len(sw.Counters()) != 1 {
		t.Fatal(err)
	}
	if _, err := sinkwell.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	if report, err := sinkwell.Close(soon(t)); err != nil || report != nil {
		t.Fatal(report, err)
	}
	// The other tests go by the environment.
	t.Setenv("SINKWELL_LANES", "memory")
	if _, err := sinkwell.Configure(soon(t), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := sinkwell.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
}
