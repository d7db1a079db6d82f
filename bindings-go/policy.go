//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import "runtime"

// PolicyCondition is what became of a policy on one of its targets.
type PolicyCondition struct {
	Type    string `json:"type"`   // Accepted, Programmed
	Status  string `json:"status"` // True, False
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Field   string `json:"field"`  // of the document
	Policy  string `json:"policy"` // the one that won
}

// PolicyTarget is one of a policy's targets.
type PolicyTarget struct {
	Kind       string            `json:"kind"`
	Name       string            `json:"name"`
	Conditions []PolicyCondition `json:"conditions"`
}

// PolicyCounters is what a policy has done since it was read: how many events and lanes it was asked about and let
// through, for how many a rule or a field asked for what is not there, or failed, and how many it kept out, by reason.
type PolicyCounters struct {
	Evaluated  uint64            `json:"evaluated"`
	Matched    uint64            `json:"matched"`
	Unmatched  uint64            `json:"unmatched"`
	Failed     uint64            `json:"failed"`
	WithoutKey uint64            `json:"without_key"`
	Dropped    map[string]uint64 `json:"dropped"`
}

// PolicyDocument is what became of a document under telemetry.
type PolicyDocument struct {
	Policy   string            `json:"policy"`
	Source   string            `json:"source"`
	Targets  []PolicyTarget    `json:"targets"`
	Counters PolicyCounters    `json:"counters"`
	Rules    map[string]uint64 `json:"rules"`
}

// PolicyStatus is what became of each policy document.
func (w *Emitter) PolicyStatus() []PolicyDocument {
	defer runtime.KeepAlive(w)
	return decode[struct {
		Policies []PolicyDocument `json:"policies"`
	}](func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_policy_status(w.pointer(), out, e)
	}).Policies
}

// ReloadPolicies reads the telemetry policies again and puts them in force as one set; one that is bad now and was good
// before stays in force as it was.
func (w *Emitter) ReloadPolicies() error {
	defer runtime.KeepAlive(w)
	var e C.SinkwellError
	return takeError(C.sinkwell_reload_policies(w.pointer(), &e), &e)
}
