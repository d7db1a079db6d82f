//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"encoding/json"
	"sort"
	"time"
	"unsafe"
)

// Key is one to verify with, in a file or at hand. In front of either, "hmac:" (the key's bytes as they are) or
// "ed25519:" (SPKI PEM) says which it is; without a name only SPKI PEM is taken.
type Key struct {
	File  string
	Bytes []byte
	// Agent is the agents it may seal for, where * stands for any text; empty: all.
	Agent string
}

// Keys are the trusted ones by the id that envelopes name them by.
type Keys map[string]Key

func (k Keys) native(a *arena) []C.SinkwellKey {
	ids := make([]string, 0, len(k))
	for id := range k {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	native := array[C.SinkwellKey](a, len(ids))
	for i, id := range ids {
		key := k[id]
		native[i].id = a.bytes([]byte(id))
		native[i].file = a.text(key.File)
		native[i].agent = a.text(key.Agent)
		if key.Bytes != nil {
			native[i].bytes = a.bytes(key.Bytes)
		}
	}
	return native
}

// Input is envelopes to verify: a file or directory by its Path, or the Bytes of such a file.
type Input struct {
	Path  string
	Bytes []byte
}

func nativeInputs(a *arena, inputs []Input) []C.SinkwellInput {
	native := array[C.SinkwellInput](a, len(inputs))
	for i, input := range inputs {
		native[i].path = a.text(input.Path)
		if input.Bytes != nil {
			native[i].bytes = a.bytes(input.Bytes)
		}
	}
	return native
}

// VerifyOptions is what is verified, and how.
type VerifyOptions struct {
	Inputs []Input
	// Keys is whom to trust; without any, nothing is better than unchecked.
	Keys Keys
	// Checkpoints that were kept beside the envelopes.
	Checkpoints []Input
	// Silence reports streams not heard of for so long, if it is above 0.
	Silence time.Duration
	// Edges reports authorization edges that lead nowhere.
	Edges bool
	// Strict has notes and declared losses count as findings.
	Strict bool
	// Partial: the input is a part of what was written.
	Partial bool
	// Lanes of which the input should hold something: one of which it holds nothing is a finding.
	Lanes []string
}

// Finding is something that the verifier found.
type Finding struct {
	Kind  string `json:"kind"`
	From  any    `json:"from"`
	To    any    `json:"to"`
	Where string `json:"where"`
	Note  string `json:"note"`
}

// Point is an envelope in a stream.
type Point struct {
	Sequence uint64 `json:"sequence"`
	Time     string `json:"time"`
}

// StreamReport is what the verifier says of a stream.
type StreamReport struct {
	StreamID  string    `json:"streamid"`
	AgentID   string    `json:"agentid"`
	Envelopes uint64    `json:"envelopes"`
	First     *Point    `json:"first"`
	Last      *Point    `json:"last"`
	Closed    bool      `json:"closed"`
	Head      string    `json:"head"`
	Verdict   string    `json:"verdict"`
	Findings  []Finding `json:"findings"`
}

// VerificationReport is the verifier's: sound, incomplete, unchecked or findings.
type VerificationReport struct {
	Verdict   string `json:"verdict"`
	Envelopes uint64 `json:"envelopes"`
	Unsigned  uint64 `json:"unsigned"`
	Malformed uint64 `json:"malformed"`
	// Open is how many streams nobody closed: their ends are unproven.
	Open     uint64            `json:"open"`
	Streams  []StreamReport    `json:"streams"`
	Lost     map[string]uint64 `json:"lost"`
	Erased   uint64            `json:"erased"`
	Findings []Finding         `json:"findings"`
	// Beside are files beside those that were read that may belong to them: of another emitter on the same path, or rotated.
	Beside []string `json:"beside"`
	// JSON is the report as sinkwell verify --format json prints it.
	JSON json.RawMessage `json:"-"`
}

// Verify verifies the envelopes of a file or directory.
func Verify(path string, keys Keys) (*VerificationReport, error) {
	return VerifyOptions{Inputs: []Input{{Path: path}}, Keys: keys}.Run()
}

// Run verifies.
func (v VerifyOptions) Run() (*VerificationReport, error) {
	var a arena
	defer a.free()
	inputs, keys, checkpoints := nativeInputs(&a, v.Inputs), v.Keys.native(&a), nativeInputs(&a, v.Checkpoints)
	native := &array[C.SinkwellVerification](&a, 1)[0]
	native.inputs, native.inputs_len = unsafe.SliceData(inputs), C.uint64_t(len(inputs))
	native.keys, native.keys_len = unsafe.SliceData(keys), C.uint64_t(len(keys))
	native.checkpoints, native.checkpoints_len = unsafe.SliceData(checkpoints), C.uint64_t(len(checkpoints))
	lanes := array[C.SinkwellBytes](&a, len(v.Lanes))
	for i, lane := range v.Lanes {
		lanes[i] = a.text(lane)
	}
	native.lanes, native.lanes_len = unsafe.SliceData(lanes), C.uint64_t(len(lanes))
	if v.Silence > 0 {
		native.has_silence, native.silence_ms = 1, C.uint64_t(v.Silence.Milliseconds())
	}
	native.edges, native.strict, native.partial = flag(v.Edges), flag(v.Strict), flag(v.Partial)
	text, err := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_verify(native, out, e)
	})
	report, err := decoded[VerificationReport](text, err)
	if err != nil {
		return nil, err
	}
	report.JSON = text
	return &report, nil
}

func flag(set bool) C.uint8_t {
	if set {
		return 1
	}
	return 0
}

// Decision is what content capture would do.
type Decision struct {
	Requested         string   `json:"requested"`
	Effective         string   `json:"effective"`
	Allowed           bool     `json:"allowed"`
	Reason            string   `json:"reason"`
	Failed            []string `json:"failed"`
	RedactionPolicyID string   `json:"redaction_policy_id"`
	PolicyRefs        []string `json:"policy_refs"`
	// JSON is the whole answer.
	JSON json.RawMessage `json:"-"`
}

// EvaluateContentCapture gives the decision about a content part as a value, without emitting. The request has the
// members policy, sink, requested_mode, class, tenant, agent, source_permits_content, retention_active,
// deterministic_sample_included, requested_bytes, redaction_policy_id, child_or_extension.
func EvaluateContentCapture(request map[string]any) (*Decision, error) {
	document, err := marshal(request)
	if err != nil {
		return nil, noJSON(InvalidArgument, "the request has", "", err)
	}
	text, err := fetch(func(out *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sw_evaluate(flat(document), C.uint64_t(len(document)), out, e)
	})
	decision, err := decoded[Decision](text, err)
	if err != nil {
		return nil, err
	}
	decision.JSON = text
	return &decision, nil
}
