//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"encoding/json"
	"strings"
)

// ModelUsage is the data of a model.usage event, from what a provider answered: its usage object, or the whole response,
// as a value that encoding/json writes (json.RawMessage, an SDK's struct). provider is openai, anthropic, …, or otel for
// the attributes of a span that follows the OpenTelemetry GenAI conventions.
func ModelUsage(provider string, answer any) (map[string]any, error) {
	document, err := asked("usage", answer)
	if err != nil {
		return nil, err
	}
	name := append([]byte(provider), 0)
	return members(fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_usage(flat(name), C.uint64_t(len(provider)), flat(document), C.uint64_t(len(document)), out, e)
	}))
}

// Cost is an amount that a run cost.
type Cost struct {
	// AmountMicros is in millionths of the currency; a correction may be negative.
	AmountMicros int64 `json:"amount_micros"`
	// Currency by ISO 4217.
	Currency string `json:"currency"`
	// RateTableVersion is which prices it was reckoned with.
	RateTableVersion string `json:"rate_table_version"`
	// Reported: the provider itself names the cost.
	Reported bool `json:"reported,omitempty"`
	// CorrectionRef is the id of the event that this one corrects, which stays as it is.
	CorrectionRef string `json:"correction_ref,omitempty"`
}

// CostData is the data of a cost event: of cost.corrected with a CorrectionRef, else of cost.estimated.
func CostData(cost Cost) (map[string]any, error) {
	document, err := asked("cost", cost)
	if err != nil {
		return nil, err
	}
	return members(fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_cost(flat(document), C.uint64_t(len(document)), out, e)
	}))
}

// ChildUsage is a model.usage event of a child run.
type ChildUsage struct {
	Run string `json:"run"`
	// ID is that of the event: one that comes twice counts once.
	ID   string         `json:"id"`
	Data map[string]any `json:"data"`
}

// RollUp is the data of the parent's model.usage: the sums, and each child's own under its run.
func RollUp(children []ChildUsage) (map[string]any, error) {
	if children == nil {
		children = []ChildUsage{}
	}
	document, err := asked("facts", children)
	if err != nil {
		return nil, err
	}
	return members(fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_roll_up(flat(document), C.uint64_t(len(document)), out, e)
	}))
}

func asked(where string, value any) ([]byte, error) {
	document, err := marshal(value)
	if err != nil {
		return nil, noJSON(InvalidArgument, "it has", where, err)
	}
	return document, nil
}

// members is an object of the core's, its integers as int64.
func members(text []byte, err error) (map[string]any, error) {
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var data map[string]any
	if err := decoder.Decode(&data); err != nil {
		return nil, &Error{Kind: Internal, Message: "the core answered what is no JSON; please report it"}
	}
	integers(data)
	return data, nil
}

func integers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			v[key] = integers(member)
		}
	case []any:
		for i, item := range v {
			v[i] = integers(item)
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
	}
	return value
}
