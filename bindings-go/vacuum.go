//go:build cgo && linux && amd64

package sinkwell

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"io"
	"runtime"
)

// VacuumOptions says what a log is.
type VacuumOptions struct {
	// Process is whose log it is.
	Process string
	// Nonce is the message, block or batch that the log is of, from 0 to 2^53-1; nil: none.
	Nonce *uint64
	// Format is what carries the lines: auto, plain, docker, cri, lambda or journald. Empty: auto.
	Format string
}

// VacuumReport says what became of a log.
type VacuumReport struct {
	Lines             uint64            `json:"lines"`
	Events            uint64            `json:"events"`
	Skipped           uint64            `json:"skipped"` // events that every lane has already
	Passed            uint64            `json:"passed"`  // lines that went through
	TooLarge          uint64            `json:"too_large"`
	TooDeep           uint64            `json:"too_deep"`
	Refused           uint64            `json:"refused"`
	Unsent            uint64            `json:"unsent"` // events that no lane took; their lines went through
	IntegersAsStrings uint64            `json:"integers_as_strings"`
	Formats           map[string]uint64 `json:"formats"` // flagged lines by what carried them
	SkippedBy         []VacuumSkipped   `json:"skipped_by,omitempty"`
	FirstRefusal      *VacuumLine       `json:"first_refusal,omitempty"`
	FirstUnsent       *VacuumLine       `json:"first_unsent,omitempty"`
}

// VacuumSkipped is a lane that had the nonce already, and where its cursor stands.
type VacuumSkipped struct {
	Lane   string `json:"lane"`
	Nonce  uint64 `json:"nonce"`
	Cursor uint64 `json:"cursor"`
	Events uint64 `json:"events"`
}

// VacuumLine is a line of the log, from 0, and why it went through.
type VacuumLine struct {
	Line uint64 `json:"line"`
	Why  string `json:"why"`
}

// Vacuum takes the events out of a log, which it reads to its end; every other line is written to out, byte for byte, or
// dropped if out is nil. With a process and a nonce the same line has the same id, and a lane that has the nonce is not sent
// it again. Off, and everything goes through, until the configuration (vacuum) or SINKWELL_VACUUM_TRANSPORTS says otherwise.
//
// It waits for room in blocking lanes, up to their block_timeout, on this goroutine's thread; inside a sink of yours, as the
// context tells, never. An error of the reader, the writer or the context ends it, and its nonce does not count then.
func (w *Emitter) Vacuum(ctx context.Context, log io.Reader, out io.Writer, options VacuumOptions) (VacuumReport, error) {
	defer runtime.KeepAlive(w)
	said := map[string]any{}
	if options.Process != "" {
		said["process"] = options.Process
	}
	if options.Nonce != nil {
		said["nonce"] = *options.Nonce
	}
	if options.Format != "" {
		said["format"] = options.Format
	}
	var report VacuumReport
	asked, err := marshal(said)
	if err != nil {
		return report, noJSON(InvalidArgument, "the options have", "", err)
	}
	var vacuum *C.SinkwellVacuum
	var e C.SinkwellError
	if err := takeError(C.sw_vacuum_start(w.pointer(), flat(asked), C.uint64_t(len(asked)), &vacuum, &e), &e); err != nil {
		return report, err
	}
	defer C.sinkwell_vacuum_free(&vacuum)
	wait := C.int32_t(C.SINKWELL_WAIT)
	if ambientOf(ctx).inside {
		wait = C.SINKWELL_INSIDE
	}
	put := func(passed []byte) error {
		if out == nil || len(passed) == 0 {
			return nil
		}
		_, err := out.Write(passed)
		return err
	}
	read := func() error {
		buffer := make([]byte, 256<<10)
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := log.Read(buffer)
			if n > 0 {
				passed, pushed := fetch(func(passed *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
					return C.sw_vacuum_push(vacuum, flat(buffer), C.uint64_t(n), wait, passed, e)
				})
				if pushed != nil {
					return pushed
				}
				if err := put(passed); err != nil {
					return err
				}
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	failed := read()
	whole := C.uint8_t(1)
	if failed != nil {
		whole = 0
	}
	var told C.SinkwellOwned
	passed, err := fetch(func(passed *C.SinkwellOwned, e *C.SinkwellError) C.int32_t {
		return C.sinkwell_vacuum_finish(vacuum, whole, wait, passed, &told, e)
	})
	text := takeOwned(&told)
	if written := put(passed); failed == nil {
		failed = written
	}
	if failed == nil {
		failed = err
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &report); failed == nil {
			failed = err
		}
	}
	return report, failed
}
