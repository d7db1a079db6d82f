package sinkwell_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	sinkwell "sinkwell.dev/go"
)

type usageCase struct {
	Name     string          `json:"name"`
	Provider string          `json:"provider"`
	Request  json.RawMessage `json:"request"`
	Answer   map[string]any  `json:"answer"`
	Error    *refusal        `json:"error"`
}

func (c *usageCase) run(t *testing.T, group string) (map[string]any, error) {
	t.Helper()
	switch group {
	case "model":
		return sinkwell.ModelUsage(c.Provider, c.Request)
	case "cost":
		var cost sinkwell.Cost
		strictly(t, c.Request, &cost)
		return sinkwell.CostData(cost)
	case "roll_up":
		var children []sinkwell.ChildUsage
		strictly(t, c.Request, &children)
		return sinkwell.RollUp(children)
	}
	t.Fatal("an unknown group:", group)
	return nil, nil
}

func TestUsageVectors(t *testing.T) {
	eachVector(t, "usage", func(t *testing.T, name string, group contentGroup) {
		if len(group.Cases) == 0 {
			t.Fatal("no case")
		}
		for i, text := range group.Cases {
			var c usageCase
			strictly(t, text, &c)
			got, err := c.run(t, group.Group)
			if c.Error != nil {
				var e *sinkwell.Error
				if !errors.As(err, &e) || string(e.Kind) != c.Error.Kind || e.Where != *c.Error.Where {
					t.Errorf("%s: %v, not %+v", c.Name, err, c.Error)
				}
				record(t, fmt.Sprintf("%s/%d", name, i), ran)
				continue
			}
			if err != nil {
				t.Fatal(c.Name, err)
			}
			// Numbers here are json.Number, there int64.
			if fmt.Sprint(got) != fmt.Sprint(c.Answer) {
				t.Errorf("%s: %v, not %v", c.Name, got, c.Answer)
			}
			record(t, fmt.Sprintf("%s/%d", name, i), ran)
		}
	})
}

func TestUsageIsEmittedAsItIs(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	data, err := sinkwell.ModelUsage("openai", map[string]any{"prompt_tokens": 3, "completion_tokens": 4})
	if err != nil {
		t.Fatal(err)
	}
	byHand := map[string]any{"source.family": "model", "provider": "openai", "input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
	for _, data := range []map[string]any{data, byHand} {
		if err := sw.Put(soon(t), sinkwell.Event{Type: "model.usage", Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	hosts := sink.hosts()
	if len(hosts) != 2 || !reflect.DeepEqual(hosts[0].Data(), hosts[1].Data()) {
		t.Fatal(hosts)
	}
	if _, err := sinkwell.ModelUsage("openai", make(chan int)); !errors.Is(err, sinkwell.ErrInvalidArgument) {
		t.Fatal(err)
	}
}
