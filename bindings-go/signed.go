//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"
	"unsafe"
)

// SignedGovernanceEvent is a sealed envelope. A copy shares what it holds; nothing in it changes.
type SignedGovernanceEvent struct{ sealed *sealed }

// sealed is what the core says of an envelope, and what is read out of its bytes when somebody asks.
type sealed struct {
	bytes              []byte
	eventType, agentID string
	// ownID is the host's own, where id is none.
	ownID                  string
	id, streamID           [16]byte
	hash, digest, prevHash [32]byte
	sequence               uint64
	time, recorded         int64
	hasPrev, own, terminal bool
	severity               uint8

	once   sync.Once
	parsed map[string]any
}

func newSigned(e *C.SinkwellEnvelope) SignedGovernanceEvent {
	s := &sealed{
		bytes:     []byte(borrowed(e.bytes.data, e.bytes.len)),
		eventType: borrowed(e.event_type.data, e.event_type.len),
		agentID:   borrowed(e.agentid.data, e.agentid.len),
		ownID:     borrowed(e.own_id.data, e.own_id.len),
		sequence:  uint64(e.sequence),
		time:      int64(e.time),
		recorded:  int64(e.recordedtime),
		hasPrev:   e.has_prevhash != 0,
		own:       e.own != 0,
		terminal:  e.terminal != 0,
		severity:  uint8(e.severity),
	}
	s.id = *(*[16]byte)(unsafe.Pointer(&e.id))
	s.streamID = *(*[16]byte)(unsafe.Pointer(&e.streamid))
	s.hash = *(*[32]byte)(unsafe.Pointer(&e.hash))
	s.digest = *(*[32]byte)(unsafe.Pointer(&e.digest))
	s.prevHash = *(*[32]byte)(unsafe.Pointer(&e.prevhash))
	return SignedGovernanceEvent{s}
}

// Bytes is the exact line, without its newline; not to be changed.
func (e SignedGovernanceEvent) Bytes() []byte { return e.sealed.bytes }

// MarshalJSON is the exact line.
func (e SignedGovernanceEvent) MarshalJSON() ([]byte, error) { return e.sealed.bytes, nil }

// String names the envelope; never its data.
func (e SignedGovernanceEvent) String() string {
	return fmt.Sprintf("%s %s %s/%d", e.Type(), e.ID(), e.StreamID(), e.Sequence())
}

func uuid(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// ID is the event's, the same in every lane: a UUIDv7, or the host's own.
func (e SignedGovernanceEvent) ID() string {
	if e.sealed.ownID != "" {
		return e.sealed.ownID
	}
	return uuid(e.sealed.id)
}

// Type is the full type, as on the wire.
func (e SignedGovernanceEvent) Type() string { return e.sealed.eventType }

// AgentID is the emitting agent.
func (e SignedGovernanceEvent) AgentID() string { return e.sealed.agentID }

// StreamID is the stream it belongs to.
func (e SignedGovernanceEvent) StreamID() string { return uuid(e.sealed.streamID) }

// Sequence is its place in the stream.
func (e SignedGovernanceEvent) Sequence() uint64 { return e.sealed.sequence }

// PrevHash is the hash of the one before it, in hex; empty for the first.
func (e SignedGovernanceEvent) PrevHash() string {
	if !e.sealed.hasPrev {
		return ""
	}
	return hex.EncodeToString(e.sealed.prevHash[:])
}

// EventDigest is the SHA-256, in hex, of what happened, without its place: the same in every lane that sealed it
// in the same form.
func (e SignedGovernanceEvent) EventDigest() string { return hex.EncodeToString(e.sealed.digest[:]) }

// IdempotencyKey is the envelope's hash, in hex: a repeat has the same.
func (e SignedGovernanceEvent) IdempotencyKey() string { return hex.EncodeToString(e.sealed.hash[:]) }

// Time is when it occurred.
func (e SignedGovernanceEvent) Time() time.Time { return time.Unix(0, e.sealed.time).UTC() }

// RecordedTime is when it was sealed.
func (e SignedGovernanceEvent) RecordedTime() time.Time { return time.Unix(0, e.sealed.recorded).UTC() }

// SeverityNumber is 1 (trace), 5, 9, 13, 17 or 21 (fatal).
func (e SignedGovernanceEvent) SeverityNumber() int { return int(e.sealed.severity) }

// Own says whether sinkwell made it about itself.
func (e SignedGovernanceEvent) Own() bool { return e.sealed.own }

// Terminal says whether losing it would falsify a run's outcome.
func (e SignedGovernanceEvent) Terminal() bool { return e.sealed.terminal }

func (e SignedGovernanceEvent) members() map[string]any {
	e.sealed.once.Do(func() {
		// The core wrote it; what it wrote is JSON.
		_ = json.Unmarshal(e.sealed.bytes, &e.sealed.parsed)
	})
	return e.sealed.parsed
}

// Data is the event's data; not to be changed.
func (e SignedGovernanceEvent) Data() map[string]any {
	data, _ := e.members()["data"].(map[string]any)
	return data
}

// Attribute is a text attribute by its name on the wire (runid, subject, …); empty where the envelope has none.
func (e SignedGovernanceEvent) Attribute(name string) string {
	text, _ := e.members()[name].(string)
	return text
}

// Subject is what it is about.
func (e SignedGovernanceEvent) Subject() string { return e.Attribute("subject") }

// Source is the producer.
func (e SignedGovernanceEvent) Source() string { return e.Attribute("source") }

// TenantID is the tenant's scope.
func (e SignedGovernanceEvent) TenantID() string { return e.Attribute("tenantid") }

// PolicyVersion is that of the policy bundle in force.
func (e SignedGovernanceEvent) PolicyVersion() string { return e.Attribute("policyversion") }

// RunID, TurnID and AttemptID are the agent run it belongs to.
func (e SignedGovernanceEvent) RunID() string { return e.Attribute("runid") }

// TurnID is the turn in the run.
func (e SignedGovernanceEvent) TurnID() string { return e.Attribute("turnid") }

// AttemptID is the attempt in the turn.
func (e SignedGovernanceEvent) AttemptID() string { return e.Attribute("attemptid") }

// CorrelationID is that of the whole conversation.
func (e SignedGovernanceEvent) CorrelationID() string { return e.Attribute("correlationid") }

// CausationID is that of the event that caused this one.
func (e SignedGovernanceEvent) CausationID() string { return e.Attribute("causationid") }

// TraceParent is the W3C trace context.
func (e SignedGovernanceEvent) TraceParent() string { return e.Attribute("traceparent") }

// TraceState is W3C's tracestate.
func (e SignedGovernanceEvent) TraceState() string { return e.Attribute("tracestate") }

// SeverityText is TRACE … FATAL.
func (e SignedGovernanceEvent) SeverityText() string { return e.Attribute("severitytext") }

// KeyID is which key sealed it: a hint, never itself trusted.
func (e SignedGovernanceEvent) KeyID() string { return e.Attribute("keyid") }

// SigAlg is hmac-sha256 or ed25519; empty where it is unsigned.
func (e SignedGovernanceEvent) SigAlg() string { return e.Attribute("sigalg") }

// Signature is in base64.
func (e SignedGovernanceEvent) Signature() string { return e.Attribute("signature") }

// Verify checks form, signature and disclosures of this envelope by itself; whether its stream is whole, only
// the package's Verify says.
func (e SignedGovernanceEvent) Verify(keys Keys) (bool, error) {
	var a arena
	defer a.free()
	native := keys.native(&a)
	var sound C.uint8_t
	var err C.SinkwellError
	status := C.sw_verify_envelope(flat(e.sealed.bytes), C.uint64_t(len(e.sealed.bytes)), unsafe.SliceData(native),
		C.uint64_t(len(native)), &sound, &err)
	return sound != 0, takeError(status, &err)
}
