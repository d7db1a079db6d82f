//go:build cgo && linux && amd64

package sinkwell

import (
	"math"
	"time"
)

// Attr is one member of an event's data, made by String, Int, Any and their like: typed, so that it costs no
// allocation and no reflection.
type Attr struct {
	Key  string
	kind attrKind
	num  uint64
	text string
	any  any
}

type attrKind uint8

const (
	kindString attrKind = iota
	kindInt
	kindUint
	kindFloat
	kindBool
	kindTime
	kindAny
	kindGroup
)

// String is a member with text; what is not UTF-8 is refused by Emit.
func String(key, value string) Attr { return Attr{Key: key, kind: kindString, text: value} }

// Int is a member with an integer.
func Int(key string, value int) Attr { return Int64(key, int64(value)) }

// Int64 is a member with an integer; beyond ±(2^53−1) it is refused by Emit: send it as a string.
func Int64(key string, value int64) Attr { return Attr{Key: key, kind: kindInt, num: uint64(value)} }

// Uint64 is a member with an integer, as Int64.
func Uint64(key string, value uint64) Attr { return Attr{Key: key, kind: kindUint, num: value} }

// Float64 is a member with a number; NaN and infinities are refused by Emit.
func Float64(key string, value float64) Attr {
	return Attr{Key: key, kind: kindFloat, num: math.Float64bits(value)}
}

// Bool is a member that is true or false.
func Bool(key string, value bool) Attr {
	a := Attr{Key: key, kind: kindBool}
	if value {
		a.num = 1
	}
	return a
}

// Time is a member with a time: RFC 3339 with nanoseconds, as text.
func Time(key string, value time.Time) Attr { return Attr{Key: key, kind: kindTime, any: value} }

// Millis is a member with a duration in milliseconds, as in duration_ms.
func Millis(key string, value time.Duration) Attr {
	if value%time.Millisecond == 0 {
		return Int64(key, value.Milliseconds())
	}
	return Float64(key, float64(value)/float64(time.Millisecond))
}

// Group is a member that is an object of further members.
func Group(key string, members ...Attr) Attr { return Attr{Key: key, kind: kindGroup, any: members} }

// Any is a member with any value that has a JSON form, as the package's documentation has them ("Values of data").
func Any(key string, value any) Attr { return Attr{Key: key, kind: kindAny, any: value} }
