package sinkwell_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// soon bounds what must not hang; no test waits for it to pass.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// open opens an emitter of the agent a1 and closes it with the test.
func open(t testing.TB, document string, options ...sinkwell.Option) *sinkwell.Emitter {
	t.Helper()
	sw, err := sinkwell.Open(sinkwell.Text("agent: { id: a1 }\nheartbeat: off\n"+document), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, _ = sw.Close(ctx)
	})
	return sw
}

const memory = "lanes: [ memory ]\n"

func tool(attrs ...sinkwell.Attr) sinkwell.Event {
	return sinkwell.Event{Type: "tool.invocation", Attrs: append([]sinkwell.Attr{sinkwell.String("tool", "search")}, attrs...)}
}

// memorySink keeps what it is given.
type memorySink struct {
	name   string
	lock   sync.Mutex
	events []sinkwell.SignedGovernanceEvent
	// do answers for a host's event; nil acknowledges.
	do func(ctx context.Context, event sinkwell.SignedGovernanceEvent) error
}

func (s *memorySink) Name() string { return s.name }
func (s *memorySink) Classes() map[sinkwell.SinkClass]struct{} {
	return sinkwell.Classes(sinkwell.Observability)
}
func (s *memorySink) Health(context.Context) sinkwell.SinkHealth {
	return sinkwell.SinkHealth{Healthy: true}
}
func (s *memorySink) Emit(ctx context.Context, event sinkwell.SignedGovernanceEvent) error {
	if s.do != nil && !event.Own() {
		if err := s.do(ctx, event); err != nil {
			return err
		}
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.events = append(s.events, event)
	return nil
}

// hosts is what the host emitted.
func (s *memorySink) hosts() []sinkwell.SignedGovernanceEvent {
	s.lock.Lock()
	defer s.lock.Unlock()
	var hosts []sinkwell.SignedGovernanceEvent
	for _, event := range s.events {
		if !event.Own() {
			hosts = append(hosts, event)
		}
	}
	return hosts
}

func TestEventsReachAFileSealedAndVerify(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "k")
	if err := os.WriteFile(key, bytes.Repeat([]byte("k"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "events.ndjson")
	sw, err := sinkwell.Open(map[string]any{
		"agent": map[string]any{"id": "a1"},
		"key":   map[string]any{"id": "k1", "hmac_sha256": map[string]any{"file": key}},
		"lanes": []any{map[string]any{"sink": map[string]any{"file": map[string]any{"path": path}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var last *sinkwell.Receipt
	for i := range 1000 {
		if last, err = sw.Emit(soon(t), tool(sinkwell.Int("n", i))); err != nil {
			t.Fatal(err)
		}
	}
	endings, err := last.Delivered(soon(t))
	if err != nil || endings["file"].State != "delivered" || endings["file"].Sequence == 0 {
		t.Fatalf("%+v %v", endings, err)
	}
	report, err := sw.Close(soon(t))
	if err != nil || report["file"] != (sinkwell.LaneReport{Delivered: 1000, Where: "none"}) {
		t.Fatalf("%+v %v", report, err)
	}
	verified, err := sinkwell.Verify(path, sinkwell.Keys{"k1": {File: "hmac:" + key}})
	if err != nil || verified.Verdict != "sound" || len(verified.Streams) != 1 || !verified.Streams[0].Closed {
		t.Fatalf("%+v %v", verified, err)
	}
	if _, err := sw.Emit(soon(t), tool()); !errors.Is(err, sinkwell.ErrClosed) {
		t.Fatal(err)
	}
	if _, err := sw.Close(soon(t)); err != nil {
		t.Fatal("a second Close:", err)
	}
}

func TestABadEventNamesItsPlaceAndLeavesTheEmitterGoing(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	deep := map[string]any{}
	for inner, i := deep, 0; i < 70; i++ {
		next := map[string]any{}
		inner["a"] = next
		inner = next
	}
	cycle := map[string]any{}
	cycle["again"], cycle["too"] = cycle, cycle
	var selfish any
	selfish = &selfish
	with := func(key string, value any) sinkwell.Event { return tool(sinkwell.Any(key, value)) }
	cases := map[string]struct {
		event sinkwell.Event
		where string
	}{
		"NaN":              {tool(sinkwell.Float64("x", math.NaN())), "data.x"},
		"an infinity":      {with("x", math.Inf(-1)), "data.x"},
		"a float32 NaN":    {with("x", float32(math.NaN())), "data.x"},
		"2^53":             {tool(sinkwell.Int64("x", 1<<53)), "data.x"},
		"-2^53":            {with("x", []any{1, -(1 << 53)}), "data.x[1]"},
		"a huge uint":      {with("x", uint64(math.MaxUint64)), "data.x"},
		"no UTF-8":         {tool(sinkwell.String("x", "a\xff")), "data"},
		"a surrogate":      {sinkwell.Event{Type: "tool.invocation", Attrs: tool().Attrs, Subject: "a\xed\xa0\x80"}, "subject"},
		"duplicates":       {tool(sinkwell.Int("x", 1), sinkwell.Int("x", 2)), "data.x"},
		"depth":            {with("x", deep), "data.x"},
		"a cycle":          {with("x", cycle), "data.x"},
		"a pointer cycle":  {with("x", selfish), "data"},
		"a channel":        {with("x", make(chan int)), "data.x"},
		"a function":       {sinkwell.Event{Type: "x.y", Data: map[string]any{"f": func() {}}}, "data.f"},
		"no type":          {sinkwell.Event{}, "type"},
		"a spaced type":    {sinkwell.Event{Type: "a b"}, "type"},
		"our own type":     {sinkwell.Event{Type: "heartbeat"}, "type"},
		"data.disclosures": {with("disclosures", 1), "data.disclosures"},
		"a missing member": {sinkwell.Event{Type: "tool.invocation"}, "data.tool"},
		"another's agent":  {sinkwell.Event{Type: "x.y", Agent: "other"}, "agent"},
		"a control":        {sinkwell.Event{Type: "x.y", Subject: "a\x00"}, "subject"},
		"a severity":       {sinkwell.Event{Type: "x.y", Severity: "loud"}, "severity"},
		"an id":            {sinkwell.Event{Type: "x.y", ID: "1\n2"}, "id"},
		"too large":        {tool(sinkwell.String("x", strings.Repeat("x", 1<<20))), "data"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := sw.Emit(soon(t), c.event)
			var e *sinkwell.Error
			if !errors.As(err, &e) || !errors.Is(err, sinkwell.ErrInvalidEvent) || e.Code() != 2 {
				t.Fatalf("%v", err)
			}
			if !strings.HasPrefix(e.Where, c.where) || e.Message == "" {
				t.Fatalf("%q, not %q: %v", e.Where, c.where, err)
			}
		})
	}
	if err := sw.Put(soon(t), tool(sinkwell.String("x", "\x00 \U0001F600 \"\\\n"))); err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	if hosts := sink.hosts(); len(hosts) != 1 || hosts[0].Data()["x"] != "\x00 \U0001F600 \"\\\n" {
		t.Fatalf("%v", hosts)
	}
}

func TestValuesCrossAsTheirJSONForm(t *testing.T) {
	type named string
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	n := 7
	event := sinkwell.Event{Type: "com.example.x", Data: map[string]any{
		"nil": nil, "int8": int8(-1), "uint": uint(2), "float": 0.1, "float32": float32(0.1), "named": named("n"),
		"bytes": []byte{1, 2, 3}, "time": at, "strings": []string{"a", "b"}, "map": map[string]int{"a": 1},
		"pointer": &n, "struct": struct{ A int }{1}, "nilmap": map[string]any(nil), "bool": true,
		"array": [2]bool{true, false},
	}, Attrs: []sinkwell.Attr{
		sinkwell.Time("t", at), sinkwell.Millis("ms", 1500*time.Microsecond), sinkwell.Bool("b", true),
		sinkwell.Uint64("u", 3), sinkwell.Group("g", sinkwell.Int("a", 1), sinkwell.String("s", "x")),
	}}
	if err := sw.Put(soon(t), event); err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	line := string(sink.hosts()[0].Bytes())
	want := `"data":{"array":[true,false],"b":true,"bool":true,"bytes":"AQID","float":0.1,"float32":0.1,` +
		`"g":{"a":1,"s":"x"},"int8":-1,"map":{"a":1},"ms":1.5,"named":"n","nil":null,"nilmap":null,"pointer":7,` +
		`"strings":["a","b"],"struct":{"A":1},"t":"2026-01-02T02:04:05.0000006Z","time":"2026-01-02T02:04:05.0000006Z",` +
		`"u":3,"uint":2}`
	if !strings.Contains(line, want) {
		t.Fatalf("%s\ndoes not hold\n%s", line, want)
	}
}

func TestConfigurationErrorsHaveKindAndPlace(t *testing.T) {
	short := filepath.Join(t.TempDir(), "k")
	if err := os.WriteFile(short, bytes.Repeat([]byte("k"), 31), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		config any
		target error
		where  string
	}{
		"an unknown key": {sinkwell.Text("lanez: []"), sinkwell.ErrInvalidConfig, "lanez"},
		"a short key":    {sinkwell.Text("key: { id: k, hmac_sha256: { file: " + short + " } }"), sinkwell.ErrKey, ""},
		"no file":        {"/nowhere/sinkwell.yaml", sinkwell.ErrInvalidConfig, "/nowhere/sinkwell.yaml"},
		"no JSON form":   {map[string]any{"agent": make(chan int)}, sinkwell.ErrInvalidConfig, ""},
		"no host sink":   {sinkwell.Text("lanes: [ { sink: { host: x } } ]"), sinkwell.ErrInvalidConfig, "lanes"},
		"a required class": {
			sinkwell.Text("lanes: [ memory ]\ngovernance: { requires_sink: siem }"), sinkwell.ErrRequiredSinkUnavailable, "",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := sinkwell.Open(c.config)
			var e *sinkwell.Error
			if !errors.Is(err, c.target) || !errors.As(err, &e) || !strings.Contains(e.Where, c.where) {
				t.Fatalf("%v", err)
			}
		})
	}
}

func TestOneSentinelPerKind(t *testing.T) {
	codes := map[int]*sinkwell.Error{
		1: sinkwell.ErrInvalidConfig, 2: sinkwell.ErrInvalidEvent, 3: sinkwell.ErrInvalidArgument,
		4: sinkwell.ErrBackpressure, 5: sinkwell.ErrRequiredSinkUnavailable, 6: sinkwell.ErrTimeout,
		7: sinkwell.ErrClosed, 8: sinkwell.ErrSink, 9: sinkwell.ErrJournal, 10: sinkwell.ErrKey,
		11: sinkwell.ErrPolicy, 12: sinkwell.ErrVerification, 13: sinkwell.ErrUnsupported, 255: sinkwell.ErrInternal,
	}
	for code, sentinel := range codes {
		if sentinel.Code() != code {
			t.Errorf("%s is %d, not %d", sentinel.Kind, sentinel.Code(), code)
		}
	}
}

func TestLookingAtAnEmitter(t *testing.T) {
	sw := open(t, memory)
	receipt, err := sw.Emit(soon(t), tool())
	if err != nil || len(receipt.ID()) != 36 || receipt.Lanes()["memory"] != "enqueued" || len(receipt.Evicted()) != 0 {
		t.Fatal(receipt, err)
	}
	if err := receipt.Wait(soon(t), sinkwell.Journaled); !errors.Is(err, sinkwell.ErrUnsupported) {
		t.Fatal(err)
	}
	if err := receipt.Wait(soon(t), sinkwell.Delivered); err != nil || !receipt.Reached(sinkwell.Delivered) {
		t.Fatal(err)
	}
	if report, err := sw.Flush(soon(t)); err != nil || report["memory"].Pending != 0 {
		t.Fatal(report, err)
	}
	counters := sw.Counters()["memory"]
	if counters.Admitted != 1 || counters.Delivered != 1 || counters.Pending != 0 {
		t.Fatalf("%+v", counters)
	}
	if health := sw.Health()["memory"]; health.State != "healthy" || health.Acked == nil || health.Classes[0] != sinkwell.DebugClass {
		t.Fatalf("%+v", health)
	}
	if err := sw.EnsureReady(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(sw.Prometheus(), `sinkwell_lane_admitted_total{lane="memory"} 1`) {
		t.Fatal(sw.Prometheus())
	}
	if n, err := sw.Queued("memory"); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := sw.Queued("nosuch"); !errors.Is(err, sinkwell.ErrInvalidArgument) {
		t.Fatal(err)
	}
	if _, err := sw.EmitJSON(soon(t), []byte(`{"type":"com.x","nosuch":1}`)); !errors.Is(err, sinkwell.ErrInvalidEvent) {
		t.Fatal(err)
	}
	if sinkwell.Version() == "" || !strings.HasPrefix(sinkwell.AuthorityBoundary(), "{") {
		t.Fatal("version or boundary")
	}
}

func TestAManualEmitterDrains(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.Manual(), sinkwell.WithSink(sink))
	for range 3 {
		if err := sw.Put(soon(t), tool()); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := sw.Queued("mine"); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	drained, err := sw.Drain("mine")
	if err != nil || drained.Count != 3 || len(sink.hosts()) != 3 {
		t.Fatal(drained, err)
	}
}

type sickSink struct{ memorySink }

func (s *sickSink) Health(context.Context) sinkwell.SinkHealth {
	return sinkwell.SinkHealth{Detail: "the cable is out"}
}

func TestHealthHasTheWordsOfASinkThatFails(t *testing.T) {
	sink := &sickSink{memorySink{name: "sick", do: func(context.Context, sinkwell.SignedGovernanceEvent) error {
		return errors.New("no route")
	}}}
	sw := open(t, "lanes: []\n", sinkwell.Manual(), sinkwell.WithSink(sink))
	if err := sw.Put(soon(t), tool()); err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Drain("sick"); err != nil {
		t.Fatal(err)
	}
	if detail := sw.Health()["sick"].Detail; !strings.HasSuffix(detail, "; the cable is out") {
		t.Fatal(detail)
	}
}

func TestContextFillsRunTraceAndCorrelation(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	trace := sinkwell.TraceContext{TraceID: strings.Repeat("a", 32), SpanID: strings.Repeat("b", 16), Flags: 1}
	ctx := sinkwell.WithCorrelation(sinkwell.WithTrace(sinkwell.WithRun(soon(t), "r1"), trace), "c1")
	if err := sw.Put(ctx, tool()); err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	event := sink.hosts()[0]
	if event.RunID() != "r1" || event.CorrelationID() != "c1" ||
		event.TraceParent() != "00-"+strings.Repeat("a", 32)+"-"+strings.Repeat("b", 16)+"-01" {
		t.Fatal(string(event.Bytes()))
	}
}

func TestContentIsCommittedToAndDecidedUpon(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	event := tool()
	event.Content = []sinkwell.Part{{Class: "prompt", Text: "canary-words", Permit: "raw"}, {Class: "file", Bytes: []byte{0, 1}}}
	if err := sw.Put(soon(t), event); err != nil {
		t.Fatal(err)
	}
	event.Content = []sinkwell.Part{{Class: "reasoning", Text: "x"}}
	if err := sw.Put(soon(t), event); !errors.Is(err, sinkwell.ErrInvalidEvent) {
		t.Fatal(err)
	}
	decision, err := sinkwell.EvaluateContentCapture(map[string]any{
		"requested_mode": "raw", "class": "prompt", "source_permits_content": true,
	})
	if err != nil || decision.Allowed || decision.Effective == "raw" || len(decision.Failed) == 0 {
		t.Fatalf("%+v %v", decision, err)
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	for _, event := range sink.hosts() {
		if strings.Contains(string(event.Bytes()), "canary") {
			t.Fatal("content left without leave")
		}
	}
}

// A map has no order; what is sealed has: by the UTF-16 code units of the keys, whoever puts them in order.
func TestMembersAreSealedInOrder(t *testing.T) {
	few := map[string]any{
		"": 0, "a": 1, "a\x00": 2, "ab": 3, "abcdefg": 4, "abcdefgh": 5, "abcdefgha": 6, "abcdefghab": 7, "abcdefghb": 8,
		"b":      map[string]any{"abcdefghij": 1, "abcdefgh": []any{map[string]any{"z": 1, "y": 2}}, "c": 3},
		"\u00e9": 9, "\ue000": 11, "\U00010000": 10,
	}
	ordered := `{"":0,"a":1,"a\u0000":2,"ab":3,"abcdefg":4,"abcdefgh":5,"abcdefgha":6,"abcdefghab":7,"abcdefghb":8,` +
		`"b":{"abcdefgh":[{"y":2,"z":1}],"abcdefghij":1,"c":3},"` + "\u00e9" + `":9,"` + "\U00010000" + `":10,"` + "\ue000" + `":11}`
	many, manyOrdered := map[string]any{}, ""
	for i := range 100 {
		key := fmt.Sprintf("common prefix %02d", i)
		many[key] = i
		manyOrdered += fmt.Sprintf(`,"%s":%d`, key, i)
	}
	cases := map[string]struct {
		event sinkwell.Event
		want  string
	}{
		"few":           {sinkwell.Event{Data: few}, ordered},
		"many":          {sinkwell.Event{Data: many}, "{" + manyOrdered[1:] + "}"},
		"many in a few": {sinkwell.Event{Data: map[string]any{"z": 1, "many": many}}, `{"many":{` + manyOrdered[1:] + `},"z":1}`},
		"attributes": {sinkwell.Event{
			Attrs: []sinkwell.Attr{sinkwell.Int("z", 1), sinkwell.Int("m", 2)},
			Data:  map[string]any{"a": 3, "n": 4},
		}, `{"a":3,"m":2,"n":4,"z":1}`},
		"none": {sinkwell.Event{Data: map[string]any{}}, `{}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			sink := &memorySink{name: "mine"}
			sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
			c.event.Type = "com.example.x"
			// A map is walked in another order each time.
			const times = 20
			for range times {
				if err := sw.Put(soon(t), c.event); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := sw.Flush(soon(t)); err != nil {
				t.Fatal(err)
			}
			hosts := sink.hosts()
			if len(hosts) != times {
				t.Fatal(len(hosts))
			}
			for _, event := range hosts {
				if line := string(event.Bytes()); !strings.Contains(line, `"data":`+c.want+`,"datacontenttype"`) {
					t.Fatalf("%s\ndoes not hold\n%s", line, c.want)
				}
			}
		})
	}
}

type panicking struct{}

func (panicking) MarshalText() ([]byte, error) { panic("a value of the host's") }

// A value that panics while it is written is an error; the next event is not touched by it.
func TestAPanicOfAValueLeavesNothingBehind(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	for range 10 {
		err := sw.Put(soon(t), sinkwell.Event{Type: "com.example.x", Subject: "left", Data: map[string]any{
			"left": "behind", "nested": map[string]any{"left": "behind", "p": panicking{}},
		}})
		if !errors.Is(err, sinkwell.ErrInvalidEvent) {
			t.Error(err)
		}
		if err := sw.Put(soon(t), sinkwell.Event{Type: "com.example.x", Data: map[string]any{"a": 1}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	hosts := sink.hosts()
	if len(hosts) != 10 {
		t.Fatal(len(hosts))
	}
	for _, event := range hosts {
		if line := string(event.Bytes()); !strings.Contains(line, `"data":{"a":1}`) || strings.Contains(line, "left") {
			t.Fatal(line)
		}
	}
}
