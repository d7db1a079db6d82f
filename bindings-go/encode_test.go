package sinkwell_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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
