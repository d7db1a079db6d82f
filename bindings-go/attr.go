package sinkwell

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
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

// Any is a member with any value that has a JSON form: nil, booleans, numbers, strings, []byte (as base64),
// time.Time, json.Number, json.RawMessage, maps, slices, pointers, and what encoding/json knows to write.
func Any(key string, value any) Attr { return Attr{Key: key, kind: kindAny, any: value} }

// encoder writes JSON by hand into a buffer that is used again. It judges nothing: what has no JSON form is
// written so that the core refuses it with its own words and place.
type encoder struct {
	buf   []byte
	depth int
	limit int
}

// notFinite stands for NaN and infinities: the core refuses it, and says why and where.
const notFinite = "NaN"

// tooDeep ends the writing of what the core refuses anyway, so that a cycle ends, too.
type tooDeep struct{}

func (tooDeep) Error() string { return "nested deeper than the limit" }

func (e *encoder) attrs(attrs []Attr, m map[string]any) error {
	if err := e.enter('{'); err != nil {
		return err
	}
	first := true
	for i := range attrs {
		if err := e.attr(&attrs[i], &first); err != nil {
			return err
		}
	}
	for key, value := range m {
		e.key(key, &first)
		if err := e.value(value, key); err != nil {
			return err
		}
	}
	e.leave('}')
	return nil
}

func (e *encoder) attr(a *Attr, first *bool) error {
	e.key(a.Key, first)
	switch a.kind {
	case kindString:
		e.string(a.text)
	case kindInt:
		e.buf = strconv.AppendInt(e.buf, int64(a.num), 10)
	case kindUint:
		e.buf = strconv.AppendUint(e.buf, a.num, 10)
	case kindFloat:
		e.float(math.Float64frombits(a.num))
	case kindBool:
		e.buf = strconv.AppendBool(e.buf, a.num == 1)
	case kindTime:
		e.time(a.any.(time.Time))
	case kindGroup:
		return e.attrs(a.any.([]Attr), nil)
	case kindAny:
		return e.value(a.any, a.Key)
	}
	return nil
}

func (e *encoder) enter(open byte) error {
	e.buf = append(e.buf, open)
	e.depth++
	if e.depth > e.limit {
		return tooDeep{}
	}
	return nil
}

func (e *encoder) leave(closing byte) {
	e.buf = append(e.buf, closing)
	e.depth--
}

func (e *encoder) key(key string, first *bool) {
	if !*first {
		e.buf = append(e.buf, ',')
	}
	*first = false
	e.string(key)
	e.buf = append(e.buf, ':')
}

const hexDigits = "0123456789abcdef"

func (e *encoder) string(s string) {
	e.buf = append(e.buf, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		e.buf = append(e.buf, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			e.buf = append(e.buf, '\\', c)
		case '\n':
			e.buf = append(e.buf, '\\', 'n')
		case '\r':
			e.buf = append(e.buf, '\\', 'r')
		case '\t':
			e.buf = append(e.buf, '\\', 't')
		default:
			e.buf = append(e.buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	e.buf = append(e.buf, s[start:]...)
	e.buf = append(e.buf, '"')
}

func (e *encoder) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.buf = append(e.buf, notFinite...)
		return
	}
	e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, 64)
}

func (e *encoder) time(t time.Time) {
	e.buf = append(e.buf, '"')
	e.buf = t.UTC().AppendFormat(e.buf, time.RFC3339Nano)
	e.buf = append(e.buf, '"')
}

func (e *encoder) value(value any, path string) error {
	switch v := value.(type) {
	case nil:
		e.buf = append(e.buf, "null"...)
	case string:
		e.string(v)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case int:
		e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	case int64:
		e.buf = strconv.AppendInt(e.buf, v, 10)
	case uint64:
		e.buf = strconv.AppendUint(e.buf, v, 10)
	case float64:
		e.float(v)
	case time.Time:
		e.time(v)
	case []byte:
		e.buf = append(e.buf, '"')
		e.buf = base64.StdEncoding.AppendEncode(e.buf, v)
		e.buf = append(e.buf, '"')
	case map[string]any:
		if v == nil {
			e.buf = append(e.buf, "null"...)
			return nil
		}
		return e.attrs(nil, v)
	case []any:
		if err := e.enter('['); err != nil {
			return err
		}
		for i, item := range v {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			if err := e.value(item, path); err != nil {
				return err
			}
		}
		e.leave(']')
	case []Attr:
		return e.attrs(v, nil)
	case json.RawMessage:
		return e.raw(v, path)
	case json.Number:
		return e.raw([]byte(v), path)
	case json.Marshaler:
		return e.marshal(v, path)
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return notEncodable(err, path)
		}
		e.string(string(text))
	case error:
		e.string(v.Error())
	default:
		return e.reflect(reflect.ValueOf(value), path)
	}
	return nil
}

// reflect writes named and less common types by their kind; structs are encoding/json's to write.
func (e *encoder) reflect(v reflect.Value, path string) error {
	switch v.Kind() {
	case reflect.String:
		e.string(v.String())
	case reflect.Bool:
		e.buf = strconv.AppendBool(e.buf, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.buf = strconv.AppendInt(e.buf, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.buf = strconv.AppendUint(e.buf, v.Uint(), 10)
	case reflect.Float32:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			e.buf = append(e.buf, notFinite...)
		} else {
			// The shortest text that is this float32, as encoding/json writes it.
			e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, 32)
		}
	case reflect.Float64:
		e.float(v.Float())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return e.value(nil, path)
		}
		if v.Elem().Kind() == reflect.Struct {
			return e.marshal(v.Interface(), path)
		}
		// A pointer that leads to itself ends at the limit, as every nesting does.
		e.depth++
		defer func() { e.depth-- }()
		if e.depth > e.limit {
			return tooDeep{}
		}
		return e.value(v.Elem().Interface(), path)
	case reflect.Slice, reflect.Array:
		return e.list(v, path)
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return e.marshal(v.Interface(), path)
		}
		return e.mapping(v)
	default:
		return e.marshal(v.Interface(), path)
	}
	return nil
}

func (e *encoder) list(v reflect.Value, path string) error {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return e.value(nil, path)
	}
	if err := e.enter('['); err != nil {
		return err
	}
	for i := range v.Len() {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		if err := e.value(v.Index(i).Interface(), path); err != nil {
			return err
		}
	}
	e.leave(']')
	return nil
}

func (e *encoder) mapping(v reflect.Value) error {
	if v.IsNil() {
		return e.value(nil, "")
	}
	if err := e.enter('{'); err != nil {
		return err
	}
	first := true
	for members := v.MapRange(); members.Next(); {
		key := members.Key().String()
		e.key(key, &first)
		if err := e.value(members.Value().Interface(), key); err != nil {
			return err
		}
	}
	e.leave('}')
	return nil
}

func (e *encoder) raw(text []byte, path string) error {
	if !utf8.Valid(text) || !json.Valid(text) {
		return notEncodable(fmt.Errorf("not one JSON value"), path)
	}
	e.buf = append(e.buf, text...)
	return nil
}

func (e *encoder) marshal(value any, path string) error {
	text, err := json.Marshal(value)
	if err != nil {
		return notEncodable(err, path)
	}
	e.buf = append(e.buf, text...)
	return nil
}

// notEncodable is for what never gets to the core: a value without a JSON form. The cause's type is named, not
// its text, which may quote the value.
func notEncodable(err error, path string) error {
	return &Error{
		Kind:    InvalidEvent,
		Message: fmt.Sprintf("the value has no JSON form (%T); send a string, a number, a map or a list", err),
		Where:   "data." + path,
	}
}
