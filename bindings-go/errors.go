//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"encoding/json"
	"fmt"
	"unsafe"
)

// Kind is what went wrong, as one of a closed list that every language shares.
type Kind string

// The kinds, with the codes of the C ABI, which never change meaning.
const (
	InvalidConfig           Kind = "invalid_config"            // 1: the document cannot be used
	InvalidEvent            Kind = "invalid_event"             // 2: the event cannot be sealed as given
	InvalidArgument         Kind = "invalid_argument"          // 3: a call's argument is wrong
	Backpressure            Kind = "backpressure"              // 4: a blocking lane had no room within its limit
	RequiredSinkUnavailable Kind = "required_sink_unavailable" // 5: governance forbids going on
	Timeout                 Kind = "timeout"                   // 6: waiting took longer than asked
	Closed                  Kind = "closed"                    // 7: the emitter has been shut down
	SinkFailed              Kind = "sink"                      // 8: a sink failed, with its own kind
	Journal                 Kind = "journal"                   // 9: the journal cannot be read or written
	KeyRefused              Kind = "key"                       // 10: a key is missing, malformed or refused
	Policy                  Kind = "policy"                    // 11: a policy document is invalid
	Verification            Kind = "verification"              // 12: input to the verifier cannot be read
	Unsupported             Kind = "unsupported"               // 13: this build or platform cannot
	Internal                Kind = "internal"                  // 255: a defect of sinkwell: please report
)

// One sentinel per kind, for errors.Is.
var (
	ErrInvalidConfig           = &Error{Kind: InvalidConfig}
	ErrInvalidEvent            = &Error{Kind: InvalidEvent}
	ErrInvalidArgument         = &Error{Kind: InvalidArgument}
	ErrBackpressure            = &Error{Kind: Backpressure}
	ErrRequiredSinkUnavailable = &Error{Kind: RequiredSinkUnavailable}
	ErrTimeout                 = &Error{Kind: Timeout}
	ErrClosed                  = &Error{Kind: Closed}
	ErrSink                    = &Error{Kind: SinkFailed}
	ErrJournal                 = &Error{Kind: Journal}
	ErrKey                     = &Error{Kind: KeyRefused}
	ErrPolicy                  = &Error{Kind: Policy}
	ErrVerification            = &Error{Kind: Verification}
	ErrUnsupported             = &Error{Kind: Unsupported}
	ErrInternal                = &Error{Kind: Internal}
)

// Error is every error of this package: of which kind, what happened and what to do, and where.
type Error struct {
	Kind    Kind
	Message string
	// Where is a path in the event's data, a configuration key with file and line, or a lane's id.
	Where string

	cause error
}

// Error says kind, place and message.
func (e *Error) Error() string {
	if e.Where == "" {
		return fmt.Sprintf("%s: %s", e.Kind, e.Message)
	}
	return fmt.Sprintf("%s: %s: %s", e.Kind, e.Where, e.Message)
}

// Is holds for the sentinel of the same kind.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Kind == e.Kind && other.Message == "" && other.Where == ""
}

// Unwrap is the context's error where a context ended the wait.
func (e *Error) Unwrap() error { return e.cause }

// Code is the kind's frozen numeric code.
func (e *Error) Code() int {
	for code := range 256 {
		if kindOf(code) == e.Kind {
			return code
		}
	}
	return 255
}

// kindOf asks the core for the name of a code, so that there is one list.
func kindOf(code int) Kind {
	name := C.sinkwell_error_name(C.int32_t(code))
	return Kind(borrowed(name.data, name.len))
}

// takeError turns an error of the C ABI into one of Go's, and frees it.
func takeError(status C.int32_t, e *C.SinkwellError) error {
	if status == 0 {
		return nil
	}
	err := &Error{
		Kind:    kindOf(int(status)),
		Message: borrowed(e.message.data, e.message.len),
		Where:   borrowed(e.place.data, e.place.len),
	}
	// A copy of its own, as cgo would look at all of what `e` lies in.
	taken := *e
	*e = C.SinkwellError{}
	C.sinkwell_error_free(&taken)
	return err
}

// toldError is an error as a completion tells it.
func toldError(status int32, told []byte) error {
	var e struct {
		Kind    Kind   `json:"kind"`
		Message string `json:"message"`
		Where   string `json:"where"`
	}
	if err := json.Unmarshal(told, &e); err != nil {
		return &Error{Kind: kindOf(int(status)), Message: "the wait ended"}
	}
	return &Error{Kind: e.Kind, Message: e.Message, Where: e.Where}
}

// borrowed copies bytes of C's into a string.
func borrowed[D *C.uint8_t | *uint8](data D, n C.uint64_t) string {
	p := (*byte)(unsafe.Pointer(data))
	if p == nil || n == 0 {
		return ""
	}
	return string(unsafe.Slice(p, int(n)))
}

// takeOwned copies what the C ABI handed over, and frees it.
func takeOwned(o *C.SinkwellOwned) []byte {
	defer C.sinkwell_owned_free(o)
	if o.data == nil || o.len == 0 {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(o.data), C.int(o.len))
}
