package sinkwell_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// random makes values of the kinds that the encoder knows by itself, and of some that it leaves to encoding/json.
type random struct{ *rand.Rand }

func (r random) text() string {
	const alphabet = "ab.\"\\\n\x00\x1f\x7f/<é\u2028\ue000\U0001F600"
	runes := []rune(alphabet)
	var text strings.Builder
	for range r.IntN(14) {
		text.WriteRune(runes[r.IntN(len(runes))])
	}
	return text.String()
}

func (r random) value(depth int) any {
	kinds := 14
	if depth == 0 {
		kinds = 10
	}
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return int64(r.Uint64()>>11) * int64(1-2*r.IntN(2))
	case 3:
		return uint16(r.Uint32())
	case 4:
		return (r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(30)-20))
	case 5:
		return float32(r.Float64())
	case 6:
		return time.Unix(r.Int64N(1<<32), r.Int64N(1e9)).UTC()
	case 7:
		return json.Number(fmt.Sprintf("%d.%de%d", r.IntN(10), r.IntN(100), r.IntN(5)))
	case 8:
		return []byte(r.text())
	case 9:
		return r.text()
	case 10:
		return r.object(depth - 1)
	case 11:
		items := make([]any, r.IntN(4))
		for i := range items {
			items[i] = r.value(depth - 1)
		}
		return items
	case 12:
		return map[string]string{r.text(): r.text(), "x" + r.text(): r.text()}
	default:
		return &struct{ A any }{r.value(depth - 1)}
	}
}

func (r random) object(depth int) map[string]any {
	object := map[string]any{}
	// Some have more members than are put in order here.
	for range r.IntN(8) * (1 + 7*(r.IntN(8)/7)) {
		object[r.text()] = r.value(depth)
	}
	return object
}

// Two ways into the core, and the same bytes out of it: values taken apart here, and their JSON read there.
func TestValuesAreSealedAsTheirJSONIs(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(map[string]any{"overflow": "block"})))
	r := random{rand.New(rand.NewPCG(11, 2026))}
	const times = 400
	for range times {
		data := r.object(3)
		delete(data, "disclosures")
		text, err := json.Marshal(map[string]any{"type": "com.example.x", "data": data})
		if err != nil {
			t.Fatal(err)
		}
		if err := sw.Put(soon(t), sinkwell.Event{Type: "com.example.x", Data: data}); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if _, err := sw.EmitJSON(soon(t), text); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	hosts := sink.hosts()
	if len(hosts) != 2*times {
		t.Fatal(len(hosts))
	}
	dataOf := func(event sinkwell.SignedGovernanceEvent) string {
		_, data, _ := strings.Cut(string(event.Bytes()), `,"data":`)
		data, _, _ = strings.Cut(data, `,"datacontenttype":`)
		return data
	}
	for i := 0; i < len(hosts); i += 2 {
		if taken, read := dataOf(hosts[i]), dataOf(hosts[i+1]); taken != read || taken == "" {
			t.Fatalf("taken apart:\n%s\nread:\n%s", taken, read)
		}
	}
}

// panics is a value whose methods panic.
type panics struct{}

func (panics) MarshalText() ([]byte, error) { panic("MARKER") }

// panicsInside is one that encoding/json writes.
type panicsInside struct{ V panics }

type panickyError struct{}

func (*panickyError) Error() string { panic("MARKER") }

func TestAValueThatPanicsIsInvalidAtItsPlace(t *testing.T) {
	sw := open(t, "lanes: [ memory ]\n")
	for name, value := range map[string]any{
		"text": panics{}, "json": panicsInside{}, "an error": new(panickyError), "within a list": []any{1, panics{}},
	} {
		err := sw.Put(soon(t), tool(sinkwell.Any("a", value)))
		var e *sinkwell.Error
		if !errors.As(err, &e) || e.Kind != sinkwell.InvalidEvent || e.Where != "data.a" ||
			!strings.Contains(e.Message, "panicked") || strings.Contains(e.Message, "MARKER") {
			t.Error(name, err)
		}
	}
	// Pointers to nothing are null, whatever their methods would do.
	if err := sw.Put(soon(t), tool(sinkwell.Any("a", (*panickyError)(nil)), sinkwell.Any("b", (*panics)(nil)))); err != nil {
		t.Error(err)
	}
}

type (
	level    uint8
	blob     []byte
	name     string
	stringer struct{ V int }
	texted   struct{ v string }
	jsoned   struct{ v int }
	base     struct {
		ID   int `json:"id"`
		Kind string
	}
	embedding struct {
		base
		Note  string `json:"note,omitempty"`
		Inner *base  `json:"inner"`
	}
	loop struct{ Next *loop }
)

func (stringer) String() string                { return "never asked" }
func (t *texted) MarshalText() ([]byte, error) { return []byte(t.v), nil }
func (j *jsoned) MarshalJSON() ([]byte, error) { return json.Marshal([]int{j.v}) }

// marshaling says no.
type marshaling struct{}

func (marshaling) MarshalJSON() ([]byte, error) { return nil, errors.New("MARKER") }

// What the package's documentation says that data takes, and as what.
func TestWhatDataTakesIsWrittenAsDocumented(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	n := 7
	inner := &n
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, `null`}, {(*int)(nil), `null`}, {map[string]int(nil), `null`}, {map[string]any(nil), `null`},
		{[]string(nil), `null`}, {[]byte(nil), `null`}, {blob(nil), `null`}, {(*stringer)(nil), `null`},
		{(*texted)(nil), `null`}, {(*jsoned)(nil), `null`}, {(*big.Int)(nil), `null`}, {error(nil), `null`},
		{&n, `7`}, {&inner, `7`}, {[]*int{&n, nil}, `[7,null]`},
		{true, `true`}, {name("n"), `"n"`}, {level(3), `3`}, {uintptr(4), `4`}, {int8(-1), `-1`}, {uint64(1<<53 - 1), `9007199254740991`},
		{90 * time.Second, `90000000000`}, {net.IPv4(127, 0, 0, 1), `"127.0.0.1"`},
		{float32(0.1), `0.1`}, {1e15, `1000000000000000`}, {1.5e-9, `1.5e-9`},
		{[]byte{1, 2, 3}, `"AQID"`}, {blob{1, 2, 3}, `"AQID"`}, {[3]byte{1, 2, 3}, `[1,2,3]`}, {[]level{1, 2}, `[1,2]`},
		{at, `"2026-01-02T02:04:05.0000006Z"`}, {&at, `"2026-01-02T02:04:05.0000006Z"`},
		{json.RawMessage(`{"b":1,"a":[]}`), `{"a":[],"b":1}`}, {json.Number("1e-7"), `1e-7`}, {json.Number("42"), `42`},
		{map[name]int{"a": 1}, `{"a":1}`}, {map[int]string{1: "x"}, `{"1":"x"}`},
		{[]any{1, "a", nil}, `[1,"a",null]`}, {[2]bool{true, false}, `[true,false]`},
		{embedding{base{1, "k"}, "", &base{2, ""}}, `{"Kind":"k","id":1,"inner":{"Kind":"","id":2}}`},
		{&embedding{base: base{1, "k"}}, `{"Kind":"k","id":1,"inner":null}`},
		{big.NewInt(5), `5`}, {*big.NewInt(5), `5`}, {*big.NewRat(1, 3), `"1/3"`},
		{texted{"t"}, `"t"`}, {&texted{"t"}, `"t"`}, {jsoned{1}, `[1]`}, {[]jsoned{{1}}, `[[1]]`}, {map[string]texted{"k": {"t"}}, `{"k":"t"}`},
		{stringer{1}, `{"V":1}`}, {errors.New("said"), `"said"`}, {fmt.Errorf("a: %w", os.ErrNotExist), `"a: file does not exist"`},
	} {
		if err := sw.Put(soon(t), sinkwell.Event{Type: "com.example.x", Data: map[string]any{"v": c.value}}); err != nil {
			t.Errorf("%T %v: %v", c.value, c.value, err)
			continue
		}
		if err := sw.Put(soon(t), sinkwell.Event{Type: "com.example.x", Attrs: []sinkwell.Attr{sinkwell.Group("g", sinkwell.Any("v", c.value))}}); err != nil {
			t.Errorf("%T %v: %v", c.value, c.value, err)
		}
		if _, err := sw.Flush(soon(t)); err != nil {
			t.Fatal(err)
		}
		hosts := sink.hosts()
		for i, want := range []string{`"data":{"v":` + c.want + `}`, `"data":{"g":{"v":` + c.want + `}}`} {
			if line := string(hosts[len(hosts)-2+i].Bytes()); !strings.Contains(line, want) {
				t.Errorf("%T: %s is not in %s", c.value, want, line)
			}
		}
	}
}

// And what it refuses: at its place, in words that do not quote it.
func TestWhatDataRefusesIsRefusedAsDocumented(t *testing.T) {
	sw := open(t, "lanes: [ memory ]\n")
	circle := map[string]any{}
	circle["v"] = circle
	list := []any{nil}
	list[0] = list
	ring := &loop{}
	ring.Next = ring
	var self any
	self = &self
	large, _ := new(big.Int).SetString("9007199254740993", 10)
	for what, c := range map[string]struct {
		value any
		says  string
	}{
		"math.MaxUint64":     {uint64(math.MaxUint64), "string"},
		"math.MaxInt64":      {int64(math.MaxInt64), "string"},
		"a large big.Int":    {large, "string"},
		"1e21":               {1e21, "string"},
		"1e21 as a Number":   {json.Number("1e21"), "string"},
		"a large Number":     {json.Number("9007199254740993"), "string"},
		"a Number of words":  {json.Number("MARKER"), "a json.Number has no JSON form"},
		"a Number of text":   {json.Number(`"MARKER"`), "a json.Number has no JSON form"},
		"half a RawMessage":  {json.RawMessage(`{"MARKER"`), "no JSON form"},
		"NaN":                {math.NaN(), "NaN and infinities have no JSON form; send the value as a string"},
		"an infinity":        {float32(math.Inf(1)), "NaN and infinities"},
		"NaN in a struct":    {struct{ F float64 }{math.NaN()}, "a struct has no JSON form; send it as a string"},
		"a channel":          {make(chan int), "a chan int has no JSON form; send it as a string"},
		"a function":         {func() {}, "no JSON form"},
		"a complex number":   {complex(1, 2), "no JSON form"},
		"text not UTF-8":     {"MARKER\xff", "UTF-8"},
		"a method that says": {marshaling{}, "no JSON form"},
		"a map in itself":    {circle, "deep"},
		"a list in itself":   {list, "deep"},
		"a pointer to self":  {self, "deep"},
		"a struct in itself": {ring, "no JSON form"},
	} {
		err := sw.Put(soon(t), sinkwell.Event{Type: "com.example.x", Data: map[string]any{"v": c.value}})
		var e *sinkwell.Error
		if !errors.As(err, &e) || e.Kind != sinkwell.InvalidEvent || !strings.HasPrefix(e.Where, "data.v") ||
			!strings.Contains(e.Message, c.says) || strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: %v", what, err)
		}
		// A log record refuses nothing.
		if err := sw.EmitLog(soon(t), map[string]any{"attributes": map[string]any{"v": c.value}}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

type plain struct {
	Path  string `json:"path"`
	inner string
}

type outer struct {
	plain
	Lists [][]string `json:"lists"`
}

// What encoding/json would replace without a word is refused where it is, however deep; what a json.Marshaler wrote is its own.
func TestTextThatIsNotUTF8IsRefusedHoweverDeepItIs(t *testing.T) {
	sw := open(t, "lanes: [ memory ]\n")
	const says = " is not UTF-8 from byte 6 on; send text as UTF-8, other bytes as base64"
	for what, c := range map[string]struct {
		value any
		where string
	}{
		"text":              {"MARKER\xff", "data.v"},
		"a field":           {plain{Path: "MARKER\xff"}, "data.v.path"},
		"a pointer's field": {&plain{Path: "MARKER\xff"}, "data.v.path"},
		"an embedded field": {outer{plain: plain{Path: "MARKER\xff"}}, "data.v.path"},
		"lists in a field":  {outer{Lists: [][]string{{"a"}, {"b", "MARKER\xff"}}}, "data.v.lists[1][1]"},
		"a map by integers": {map[int]string{7: "MARKER\xff"}, "data.v.7"},
		"a key":             {struct{ M map[string]int }{map[string]int{"MARKER\xff": 1}}, "data.v.M"},
		"in an interface":   {map[int]any{7: []any{"\uFFFD", "MARKER\xff"}}, "data.v.7[1]"},
		"a TextMarshaler":   {struct{ T text }{text("MARKER\xff")}, "data.v.T"},
		"a quoted text": {struct {
			S string `json:"s,string"`
		}{"MARKER\xff"}, "data.v.s"},
	} {
		err := sw.Put(soon(t), sinkwell.Event{Type: "com.example.x", Data: map[string]any{"v": c.value}})
		var e *sinkwell.Error
		if !errors.As(err, &e) || e.Kind != sinkwell.InvalidEvent || e.Where != c.where || !strings.HasSuffix(" "+e.Message, says) {
			t.Errorf("%s: %v", what, err)
		}
		if err := sw.EmitLog(soon(t), map[string]any{"attributes": map[string]any{"v": c.value}}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, value := range map[string]any{
		"U+FFFD itself":     plain{Path: "\uFFFD"},
		"a marshaler's own": struct{ R json.RawMessage }{json.RawMessage(`"\ufffd"`)},
		"beside it":         []any{json.RawMessage(`"\ufffd"`), plain{Path: "a", inner: "\xff"}},
		"bytes are base64": struct {
			B []byte
			S string
		}{[]byte("\xff"), "\uFFFD"},
		"what is left out": struct {
			A string `json:"-"`
			B string
		}{"\xff", "\uFFFD"},
		"nothing, and lists": struct {
			P *plain
			I any
			L []string
			S string
		}{S: "\uFFFD"},
	} {
		if err := sw.Put(soon(t), sinkwell.Event{Type: "com.example.x", Data: map[string]any{"v": value}}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := sinkwell.Open(map[string]any{"lanes": []any{map[string]any{"sink": map[string]any{"file": map[string]any{"path": "a\xff"}}}}})
	if !errors.Is(err, sinkwell.ErrInvalidConfig) || err.(*sinkwell.Error).Where != "lanes[0].sink.file.path" {
		t.Error(err)
	}
}

type text string

func (t text) MarshalText() ([]byte, error) { return []byte(t), nil }

// The constants are the types that a host can emit, by the schemas that are published.
func TestBuiltInTypesAreThePublishedOnes(t *testing.T) {
	const folder = "../schemas/governance-event/1.0"
	known := map[string]bool{}
	for _, one := range []string{
		sinkwell.TypePolicyDecision, sinkwell.TypePolicyBreach, sinkwell.TypeIdentityAssertion, sinkwell.TypeToolInvocation,
		sinkwell.TypeSandboxEvent, sinkwell.TypeRunStarted, sinkwell.TypeRunProgress, sinkwell.TypeRunCompleted,
		sinkwell.TypeRunFailed, sinkwell.TypeRunCancelled, sinkwell.TypeModelUsage, sinkwell.TypeCostEstimated,
		sinkwell.TypeCostCorrected, sinkwell.TypeLogRecord, sinkwell.TypeSpan, sinkwell.TypeCoverage,
	} {
		known[one] = true
	}
	// What only sinkwell makes, and what is no type.
	others := map[string]bool{
		"audit.chain": true, "heartbeat": true, "sink.failed": true, "sink.recovered": true, "vacuum.event": true,
		"common": true, "envelope": true, "host": true, "stub": true,
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), filepath.Ext(entry.Name()))
		if known[name] == others[name] {
			t.Error(name)
		}
		delete(known, name)
	}
	if len(known) > 0 {
		t.Error(known)
	}
}
