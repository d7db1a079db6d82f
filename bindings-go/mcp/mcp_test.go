package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	sinkwell "sinkwell.dev/go"
	sinkmcp "sinkwell.dev/go/mcp"
)

const marker = "CANARY-7f3a"

func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

type envelope struct {
	Type        string         `json:"type"`
	Origin      string         `json:"origin"`
	ID          string         `json:"id"`
	RunID       string         `json:"runid"`
	CausationID string         `json:"causationid"`
	Traceparent string         `json:"traceparent"`
	Data        map[string]any `json:"data"`
}

type rig struct {
	path string
	sw   *sinkwell.Emitter
}

func open(t *testing.T, name string, more map[string]any, options ...sinkwell.Option) rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".ndjson")
	lanes := []any{map[string]any{"id": "out", "sink": map[string]any{"file": map[string]any{"path": path}}}}
	config := map[string]any{"agent": map[string]any{"id": "urn:example:" + name}, "heartbeat": "off"}
	for key, value := range more {
		if key == "lanes" {
			lanes = append(lanes, value.([]any)...)
			continue
		}
		config[key] = value
	}
	config["lanes"] = lanes
	sw, err := sinkwell.Open(config, options...)
	if err != nil {
		t.Fatal(err)
	}
	return rig{path, sw}
}

// sealed closes the emitter and reads what it sealed, but for coverage.
func (r rig) sealed(t *testing.T) (events, coverage []envelope) {
	t.Helper()
	if _, err := r.sw.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	return readAll(t, r.path)
}

// readAll reads what was sealed, but for coverage, which it gives apart.
func readAll(t *testing.T, path string) (events, coverage []envelope) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte(marker)) {
		t.Error("people's words are in the file")
	}
	for line := range bytes.Lines(text) {
		var event envelope
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatal(err)
		}
		switch {
		case event.Origin != "":
		case strings.HasSuffix(event.Type, "coverage"):
			coverage = append(coverage, event)
		default:
			events = append(events, event)
		}
	}
	return events, coverage
}

func brief(events []envelope) []string {
	var told []string
	for _, e := range events {
		words := []string{strings.TrimPrefix(e.Type, "dev.sinkwell.")}
		for _, key := range []string{"rule", "tool", "phase", "decision", "outcome", "error.type"} {
			if word, ok := e.Data[key]; ok {
				words = append(words, fmt.Sprint(word))
			}
		}
		told = append(told, strings.Join(words, " "))
	}
	return told
}

type paid struct {
	To string `json:"to"`
}

// shop has a tool that pays, one that fails, and one that asks a person first.
func shop(acts *[]string) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "1"}, nil)
	var lock sync.Mutex
	mcp.AddTool(server, &mcp.Tool{Name: "pay"}, func(_ context.Context, _ *mcp.CallToolRequest, in paid) (*mcp.CallToolResult, any, error) {
		lock.Lock()
		defer lock.Unlock()
		*acts = append(*acts, in.To)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "paid " + in.To}}}, nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "fail"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New(marker)
	})
	mcp.AddTool(server, &mcp.Tool{Name: "asks"}, func(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		answer, ok := request.Params.InputResponses["sure"].(*mcp.ElicitResult)
		if !ok {
			question := &mcp.ElicitParams{Mode: "form", Message: marker, RequestedSchema: map[string]any{"type": "object"}}
			return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"sure": question}}, nil, nil
		}
		if answer.Action != "accept" {
			return nil, nil, errors.New("declined")
		}
		*acts = append(*acts, "asked")
		return &mcp.CallToolResult{}, nil, nil
	})
	return server
}

func connect(t *testing.T, server *mcp.Server, client *mcp.Client) *mcp.ClientSession {
	t.Helper()
	one, other := mcp.NewInMemoryTransports()
	served, err := server.Connect(soon(t), one, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := client.Connect(soon(t), other, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = session.Close(), served.Wait() })
	return session
}

func agent(options *mcp.ClientOptions) *mcp.Client {
	return mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, options)
}

func same(t *testing.T, got, wanted any) {
	t.Helper()
	if !reflect.DeepEqual(got, wanted) {
		t.Errorf("got    %v\nwanted %v", got, wanted)
	}
}

func TestACallIsADeedOnBothSidesAndOneGraph(t *testing.T) {
	a, b := open(t, "agent", nil), open(t, "shop", nil)
	var acts []string
	server, client := shop(&acts), agent(nil)
	served, asked := sinkmcp.WatchServer(server, b.sw), sinkmcp.WatchClient(client, a.sw)
	session := connect(t, server, client)
	ctx := sinkwell.WithRun(soon(t), "r-1")
	answer, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "pay", Arguments: map[string]any{"to": marker}})
	if err != nil || answer.Content[0].(*mcp.TextContent).Text != "paid "+marker {
		t.Fatal(answer, err)
	}
	served.Stop()
	asked.Stop()
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "pay", Arguments: map[string]any{"to": marker}}); err != nil {
		t.Fatal(err)
	}
	ours, _ := a.sealed(t)
	theirs, coverage := b.sealed(t)
	wanted := []string{"tool.invocation pay intent", "tool.invocation pay result ok"}
	same(t, brief(ours), wanted)
	same(t, brief(theirs), wanted)
	same(t, theirs[0].CausationID, ours[0].ID)
	same(t, theirs[1].CausationID, theirs[0].ID)
	same(t, theirs[0].Traceparent, ours[0].Traceparent)
	same(t, []string{ours[0].RunID, theirs[0].RunID, theirs[1].RunID}, []string{"r-1", "r-1", "r-1"})
	same(t, len(acts), 2)
	var states []any
	for _, event := range coverage {
		states = append(states, event.Data["seam"], event.Data["state"])
	}
	same(t, states, []any{"mcp.server", "watching", "mcp.server", "stopped"})
}

func TestWhatAToolFailsWithIsTheClientsAsEver(t *testing.T) {
	b := open(t, "shop", nil)
	server := shop(new([]string))
	sinkmcp.WatchServer(server, b.sw)
	session := connect(t, server, agent(nil))
	answer, err := session.CallTool(soon(t), &mcp.CallToolParams{Name: "fail"})
	if err != nil || !answer.IsError || answer.Content[0].(*mcp.TextContent).Text != marker {
		t.Fatal(answer, err)
	}
	events, _ := b.sealed(t)
	same(t, brief(events), []string{"tool.invocation fail intent", "tool.invocation fail result error tool_error"})
}

func TestWhatAPersonIsAskedAndAnswersIsADecision(t *testing.T) {
	for action, ends := range map[string][2]string{
		"accept": {"allow", "ok"}, "decline": {"deny", "denied tool_error"}, "cancel": {"deny", "denied tool_error"},
	} {
		t.Run(action, func(t *testing.T) {
			a, b := open(t, "agent", nil), open(t, "shop", nil)
			var acts []string
			server := shop(&acts)
			sinkmcp.WatchServer(server, b.sw)
			client := agent(&mcp.ClientOptions{
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: action}, nil
				},
			})
			sinkmcp.WatchClient(client, a.sw)
			session := connect(t, server, client)
			if _, err := session.CallTool(soon(t), &mcp.CallToolParams{Name: "asks"}); err != nil {
				t.Fatal(err)
			}
			events, _ := b.sealed(t)
			same(t, brief(events), []string{
				"tool.invocation asks intent", "policy.decision asks ask", "tool.invocation asks result denied",
				"tool.invocation asks intent", "policy.decision elicitation " + ends[0], "tool.invocation asks result " + ends[1],
			})
			same(t, len(acts) == 1, action == "accept")
			events, _ = a.sealed(t)
			result := "ok"
			if action != "accept" {
				result = "error tool_error"
			}
			same(t, brief(events), []string{"tool.invocation asks intent", "tool.invocation asks result " + result})
		})
	}
}

type siem struct {
	lock sync.Mutex
	down bool
}

func (s *siem) Name() string                             { return "siem" }
func (s *siem) Classes() map[sinkwell.SinkClass]struct{} { return sinkwell.Classes("siem") }
func (s *siem) Health(context.Context) sinkwell.SinkHealth {
	return sinkwell.SinkHealth{Healthy: true}
}
func (s *siem) Emit(context.Context, sinkwell.SignedGovernanceEvent) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.down {
		return errors.New("down")
	}
	return nil
}

// withoutSiem has an emitter whose required sink has just gone.
func withoutSiem(t *testing.T, name string) rig {
	t.Helper()
	sink := &siem{}
	r := open(t, name, map[string]any{
		"governance": map[string]any{"version": "1", "requires_sink": "siem"},
		"lanes": []any{map[string]any{
			"id": "siem", "classes": []any{"siem"}, "sink": map[string]any{"host": "siem"},
			"retry": map[string]any{"initial": "1h", "cap": "1h"}, "breaker": map[string]any{"failures": 1},
		}},
	}, sinkwell.WithSink(sink))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, _ = r.sw.Close(ctx)
	})
	sink.lock.Lock()
	sink.down = true
	sink.lock.Unlock()
	if _, err := r.sw.Emit(soon(t), sinkwell.Event{Type: "com.example.tick"}); err != nil {
		t.Fatal(err)
	}
	for ctx := soon(t); r.sw.EnsureReady() == nil; time.Sleep(time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("the sink did not go")
		}
	}
	return r
}

func TestARequiredSinkIsDown(t *testing.T) {
	call := &mcp.CallToolParams{Name: "pay", Arguments: map[string]any{"to": "x"}}
	t.Run("the server's tool does not run, and the caller hears which sink", func(t *testing.T) {
		var acts []string
		server := shop(&acts)
		sinkmcp.WatchServer(server, withoutSiem(t, "shop").sw)
		_, err := connect(t, server, agent(nil)).CallTool(soon(t), call)
		var refused *jsonrpc.Error
		if !errors.As(err, &refused) || refused.Code != jsonrpc.CodeInternalError || !strings.Contains(refused.Message, "siem") ||
			!strings.Contains(string(refused.Data), "required_sink_unavailable") {
			t.Fatalf("%v %+v", err, refused)
		}
		same(t, len(acts), 0)
	})
	t.Run("the client's call never leaves", func(t *testing.T) {
		var acts []string
		server, client := shop(&acts), agent(nil)
		sinkmcp.WatchClient(client, withoutSiem(t, "agent").sw)
		_, err := connect(t, server, client).CallTool(soon(t), call)
		if !errors.Is(err, sinkwell.ErrRequiredSinkUnavailable) || !strings.Contains(err.Error(), "siem") {
			t.Fatal(err)
		}
		same(t, len(acts), 0)
	})
}

func TestAHundredCallsAtOnceAreEachTheirOwn(t *testing.T) {
	b := open(t, "shop", nil)
	server := shop(new([]string))
	sinkmcp.WatchServer(server, b.sw)
	session := connect(t, server, agent(nil))
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			call := &mcp.CallToolParams{Name: "pay", Arguments: map[string]any{"to": fmt.Sprint(i)}}
			if _, err := session.CallTool(soon(t), call); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	events, _ := b.sealed(t)
	intents, results := map[string]bool{}, map[string]bool{}
	for _, event := range events {
		if event.Data["phase"] == "intent" {
			intents[event.ID] = true
		} else {
			results[event.CausationID] = true
		}
	}
	same(t, len(intents), 100)
	same(t, results, intents)
}
