package sinkwell

/*
#include "bridge.h"
*/
import "C"

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

// encoder takes values apart into tokens, as the core takes them: all text in one buffer, and words that say what it
// is. Nothing is escaped, formatted or judged here; what has no JSON form the core refuses, with its own words and
// place. Its room is used again.
type encoder struct {
	buf     []byte
	words   []uint64
	members []member
	depth   int
	limit   int
}

// member is one of a map's.
type member struct {
	key   string
	value any
}

// tooDeep ends the writing of what the core refuses anyway, so that a cycle ends, too.
type tooDeep struct{}

func (tooDeep) Error() string { return "nested deeper than the limit" }

func (e *encoder) object(attrs []Attr, m map[string]any) error {
	if err := e.enter(C.SINKWELL_TOKEN_OBJECT); err != nil {
		return err
	}
	for i := range attrs {
		if err := e.attr(&attrs[i]); err != nil {
			return err
		}
	}
	if err := e.mapping(m); err != nil {
		return err
	}
	e.leave(C.SINKWELL_TOKEN_END_OBJECT)
	return nil
}

func (e *encoder) attr(a *Attr) error {
	e.text(C.SINKWELL_TOKEN_KEY, a.Key)
	switch a.kind {
	case kindString:
		e.string(a.text)
	case kindInt:
		e.number(C.SINKWELL_TOKEN_INT, a.num)
	case kindUint:
		e.number(C.SINKWELL_TOKEN_UINT, a.num)
	case kindFloat:
		e.number(C.SINKWELL_TOKEN_FLOAT, a.num)
	case kindBool:
		e.bool(a.num == 1)
	case kindTime:
		e.time(a.any.(time.Time))
	case kindGroup:
		return e.object(a.any.([]Attr), nil)
	case kindAny:
		return e.value(a.any, a.Key)
	}
	return nil
}

// sortable is how many members are put in order here. The core orders what comes in no order, which costs it more
// than a few comparisons here; of many it is the better at it.
const sortable = 32

// mapping writes a map's members: sorted by their bytes where they are few, which is the order in which they are
// sealed.
func (e *encoder) mapping(m map[string]any) error {
	if len(m) > sortable {
		for key, value := range m {
			e.text(C.SINKWELL_TOKEN_KEY, key)
			if err := e.value(value, key); err != nil {
				return err
			}
		}
		return nil
	}
	// What is written meanwhile may need room, too, above this.
	base := len(e.members)
	defer e.forget(base)
	var order [sortable]place
	n := 0
	for key, value := range m {
		e.members = append(e.members, member{key, value})
		order[n] = place{lead(key), n}
		n++
	}
	e.sort(order[:n], base)
	for _, at := range order[:n] {
		one := e.members[base+at.index]
		e.text(C.SINKWELL_TOKEN_KEY, one.key)
		if err := e.value(one.value, one.key); err != nil {
			return err
		}
	}
	return nil
}

// forget lets go of the members above base: what is kept for the next event holds nothing of this one.
func (e *encoder) forget(base int) {
	clear(e.members[base:])
	e.members = e.members[:base]
}

// place is where a member lies, and its key's first bytes as a number that orders as they do.
type place struct {
	lead  uint64
	index int
}

func lead(key string) uint64 {
	if len(key) >= 8 {
		return uint64(key[7]) | uint64(key[6])<<8 | uint64(key[5])<<16 | uint64(key[4])<<24 |
			uint64(key[3])<<32 | uint64(key[2])<<40 | uint64(key[1])<<48 | uint64(key[0])<<56
	}
	var lead uint64
	for i := range len(key) {
		lead |= uint64(key[i]) << (56 - 8*i)
	}
	return lead
}

// sort is by insertion: for a few that is the fastest.
func (e *encoder) sort(order []place, base int) {
	for i := 1; i < len(order); i++ {
		this := order[i]
		j := i
		for ; j > 0; j-- {
			before := order[j-1]
			if before.lead < this.lead || before.lead == this.lead &&
				e.members[base+before.index].key < e.members[base+this.index].key {
				break
			}
			order[j] = before
		}
		order[j] = this
	}
}

func (e *encoder) enter(kind uint64) error {
	e.words = append(e.words, kind)
	e.depth++
	if e.depth > e.limit {
		return tooDeep{}
	}
	return nil
}

func (e *encoder) leave(kind uint64) {
	e.words = append(e.words, kind)
	e.depth--
}

func (e *encoder) text(kind uint64, s string) {
	e.words = append(e.words, kind|uint64(len(s))<<8)
	e.buf = append(e.buf, s...)
}

func (e *encoder) string(s string) { e.text(C.SINKWELL_TOKEN_STRING, s) }

// written is a token of the text that was appended to the buffer since.
func (e *encoder) written(kind uint64, since int) {
	e.words = append(e.words, kind|uint64(len(e.buf)-since)<<8)
}

func (e *encoder) number(kind, bits uint64) { e.words = append(e.words, kind, bits) }

func (e *encoder) int(i int64) { e.number(C.SINKWELL_TOKEN_INT, uint64(i)) }

func (e *encoder) uint(u uint64) { e.number(C.SINKWELL_TOKEN_UINT, u) }

func (e *encoder) float(f float64) { e.number(C.SINKWELL_TOKEN_FLOAT, math.Float64bits(f)) }

func (e *encoder) null() { e.words = append(e.words, C.SINKWELL_TOKEN_NULL) }

func (e *encoder) bool(b bool) {
	kind := uint64(C.SINKWELL_TOKEN_FALSE)
	if b {
		kind = C.SINKWELL_TOKEN_TRUE
	}
	e.words = append(e.words, kind)
}

func (e *encoder) time(t time.Time) {
	since := len(e.buf)
	e.buf = t.UTC().AppendFormat(e.buf, time.RFC3339Nano)
	e.written(C.SINKWELL_TOKEN_STRING, since)
}

// json is a value that is JSON already.
func (e *encoder) json(text []byte) {
	e.words = append(e.words, C.SINKWELL_TOKEN_JSON|uint64(len(text))<<8)
	e.buf = append(e.buf, text...)
}

func (e *encoder) value(value any, path string) error {
	switch v := value.(type) {
	case nil:
		e.null()
	case string:
		e.string(v)
	case bool:
		e.bool(v)
	case int:
		e.int(int64(v))
	case int64:
		e.int(v)
	case uint64:
		e.uint(v)
	case float64:
		e.float(v)
	case time.Time:
		e.time(v)
	case []byte:
		since := len(e.buf)
		e.buf = base64.StdEncoding.AppendEncode(e.buf, v)
		e.written(C.SINKWELL_TOKEN_STRING, since)
	case map[string]any:
		if v == nil {
			e.null()
			return nil
		}
		return e.object(nil, v)
	case []any:
		if err := e.enter(C.SINKWELL_TOKEN_LIST); err != nil {
			return err
		}
		for _, item := range v {
			if err := e.value(item, path); err != nil {
				return err
			}
		}
		e.leave(C.SINKWELL_TOKEN_END_LIST)
	case []Attr:
		return e.object(v, nil)
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
		e.bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.uint(v.Uint())
	case reflect.Float32:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			e.float(f)
			break
		}
		// The shortest text that is this float32, as encoding/json writes it.
		since := len(e.buf)
		e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, 32)
		e.written(C.SINKWELL_TOKEN_JSON, since)
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
		return e.anyMap(v)
	default:
		return e.marshal(v.Interface(), path)
	}
	return nil
}

func (e *encoder) list(v reflect.Value, path string) error {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return e.value(nil, path)
	}
	if err := e.enter(C.SINKWELL_TOKEN_LIST); err != nil {
		return err
	}
	for i := range v.Len() {
		if err := e.value(v.Index(i).Interface(), path); err != nil {
			return err
		}
	}
	e.leave(C.SINKWELL_TOKEN_END_LIST)
	return nil
}

// anyMap writes a map whose keys are strings of any name.
func (e *encoder) anyMap(v reflect.Value) error {
	if v.IsNil() {
		return e.value(nil, "")
	}
	if err := e.enter(C.SINKWELL_TOKEN_OBJECT); err != nil {
		return err
	}
	for members := v.MapRange(); members.Next(); {
		key := members.Key().String()
		e.text(C.SINKWELL_TOKEN_KEY, key)
		if err := e.value(members.Value().Interface(), key); err != nil {
			return err
		}
	}
	e.leave(C.SINKWELL_TOKEN_END_OBJECT)
	return nil
}

func (e *encoder) raw(text []byte, path string) error {
	if !utf8.Valid(text) || !json.Valid(text) {
		return notEncodable(fmt.Errorf("not one JSON value"), path)
	}
	e.json(text)
	return nil
}

func (e *encoder) marshal(value any, path string) error {
	text, err := json.Marshal(value)
	if err != nil {
		return notEncodable(err, path)
	}
	e.json(text)
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
