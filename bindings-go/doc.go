//go:build cgo && linux && amd64

// Package sinkwell emits governance and telemetry events of AI agents: sealed, numbered, chained and signed in one
// core that every language shares, and fanned out to sinks that cannot hurt the agent or each other.
//
//	sw, err := sinkwell.Open("sinkwell.yaml")
//	defer sw.Close(ctx)
//	receipt, err := sw.Emit(ctx, sinkwell.Event{
//		Type:  "tool.invocation",
//		Attrs: []sinkwell.Attr{sinkwell.String("tool", "search"), sinkwell.String("outcome", "ok")},
//	})
//
// # Values of data
//
// Data, Any and Group take what encoding/json writes, and write it as it does:
//
//   - nil, nil pointers, nil maps and nil slices: null; other pointers: what they point to.
//   - bool, string, named types of them, and integers of every size and name (a time.Duration, too: its nanoseconds; Millis
//     writes milliseconds). Integers beyond ±(2^53−1), as math.MaxUint64, are refused: send them as strings.
//   - float64 and float32 (its shortest text). NaN, infinities and whole numbers as large as 1e21 are refused, as those are not
//     the same number to every reader.
//   - []byte and named types of it: base64. time.Time: RFC 3339 in UTC. json.RawMessage and json.Number: the JSON that they hold.
//   - maps whose keys are strings, integers or encoding.TextMarshaler; slices, arrays; structs with their json tags, embedded
//     ones flat.
//   - json.Marshaler, encoding.TextMarshaler, error, asked in this order: JSON, text, the error's text. big.Int is digits, and as
//     large as integers may be. fmt.Stringer is not asked.
//
// Channels, functions, complex numbers, text that is not UTF-8, values that hold themselves, and values whose methods fail or
// panic are refused: an *Error of kind InvalidEvent whose Where is the member, which never quotes the value. Text that is not
// UTF-8 is so in structs and as keys, too, where encoding/json replaces it without a word; but what a json.Marshaler wrote is its
// own. Log records and spans refuse nothing: what is refused here is spelled there.
//
// Read emitter.go first, then event.go and attr.go (how an event crosses), receipt.go (waiting), sink.go and
// signed.go (sinks of your own). native.go and bridge.c are the way into the C ABI and back.
package sinkwell
