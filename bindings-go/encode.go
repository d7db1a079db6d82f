//go:build cgo && linux && amd64

package sinkwell

import (
	"encoding"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// encoder takes values apart into the stream that the core takes them as (SINKWELL_DATA_VALUES in sinkwell.h): tags, and
// behind them lengths, text and numbers as they are. Nothing is escaped, formatted or judged here; what has no JSON form
// the core refuses, with its own words and place. Its room is used again.
type encoder struct {
	buf     []byte
	members []member
	depth   int
	limit   int
	// spells: for spans and log records, of which nothing is refused: what JSON cannot carry goes as it is, what cannot be
	// read as its type, and the core spells it.
	spells bool
	values int
}

// spelling bounds what is walked of a span or a log record; the core keeps less of it.
const (
	spelledDepth  = 100
	spelledValues = 20_000
)

// member is one of a map's.
type member struct {
	key   string
	value any
}

// tooDeep ends the writing of what the core refuses anyway, so that a cycle ends, too.
type tooDeep struct{}

func (tooDeep) Error() string { return "nested deeper than the limit" }

func (e *encoder) object(attrs []Attr, m map[string]any) error {
	if err := e.enter('{'); err != nil {
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
	e.leave('}')
	return nil
}

func (e *encoder) attr(a *Attr) error {
	e.text('k', a.Key)
	switch a.kind {
	case kindString:
		e.string(a.text)
	case kindInt:
		e.number('i', a.num)
	case kindUint:
		e.uint(a.num)
	case kindFloat:
		e.number('d', a.num)
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
			e.text('k', key)
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
		e.text('k', one.key)
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

func (e *encoder) enter(tag byte) error {
	e.buf = append(e.buf, tag)
	e.depth++
	if e.depth > e.limit {
		return tooDeep{}
	}
	return nil
}

func (e *encoder) leave(tag byte) {
	e.buf = append(e.buf, tag)
	e.depth--
}

func (e *encoder) text(tag byte, s string) {
	e.buf = append(binary.LittleEndian.AppendUint32(append(e.buf, tag), uint32(len(s))), s...)
}

func (e *encoder) string(s string) { e.text('s', s) }

// begin makes room for a tag and a length; what is appended from there on, written counts.
func (e *encoder) begin() int {
	e.buf = append(e.buf, 0, 0, 0, 0, 0)
	return len(e.buf)
}

func (e *encoder) written(tag byte, since int) {
	e.buf[since-5] = tag
	binary.LittleEndian.PutUint32(e.buf[since-4:], uint32(len(e.buf)-since))
}

func (e *encoder) number(tag byte, bits uint64) {
	e.buf = binary.LittleEndian.AppendUint64(append(e.buf, tag), bits)
}

func (e *encoder) int(i int64) { e.number('i', uint64(i)) }

func (e *encoder) uint(u uint64) {
	if u <= math.MaxInt64 {
		e.number('i', u)
		return
	}
	since := e.begin()
	e.buf = strconv.AppendUint(e.buf, u, 10)
	e.written('z', since)
}

func (e *encoder) float(f float64) { e.number('d', math.Float64bits(f)) }

func (e *encoder) null() { e.buf = append(e.buf, 'n') }

func (e *encoder) bool(b bool) {
	tag := byte('f')
	if b {
		tag = 't'
	}
	e.buf = append(e.buf, tag)
}

func (e *encoder) time(t time.Time) {
	since := e.begin()
	e.buf = t.UTC().AppendFormat(e.buf, time.RFC3339Nano)
	e.written('s', since)
}

func (e *encoder) bytes(b []byte) {
	if b == nil {
		e.null()
		return
	}
	if e.spells {
		e.text('b', string(b))
		return
	}
	since := e.begin()
	e.buf = base64.StdEncoding.AppendEncode(e.buf, b)
	e.written('s', since)
}

// json is a value that is JSON already.
func (e *encoder) json(text []byte) {
	e.buf = append(binary.LittleEndian.AppendUint32(append(e.buf, 'j'), uint32(len(text))), text...)
}

func (e *encoder) value(value any, path string) error {
	if e.spells {
		if e.values++; e.depth >= spelledDepth || e.isFull() {
			e.text('u', "nested too deep, or too much")
			return nil
		}
	}
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
	case *time.Time:
		if v == nil {
			e.null()
			return nil
		}
		e.time(*v)
	case []byte:
		e.bytes(v)
	case map[string]any:
		if v == nil {
			e.null()
			return nil
		}
		return e.object(nil, v)
	case []any:
		if err := e.enter('['); err != nil {
			return err
		}
		for _, item := range v {
			if e.isFull() {
				break
			}
			if err := e.value(item, path); err != nil {
				return err
			}
		}
		e.leave(']')
	case []Attr:
		return e.object(v, nil)
	case json.RawMessage:
		if !utf8.Valid(v) || !json.Valid(v) {
			return e.cannot(value, errors.New("not one JSON value"), path)
		}
		e.json(v)
	case json.Number:
		if text := []byte(v); len(text) > 0 && (text[0] == '-' || '0' <= text[0] && text[0] <= '9') && json.Valid(text) {
			e.json(text)
			return nil
		}
		return e.cannot(value, errors.New("not a number"), path)
	case json.Marshaler:
		return e.marshal(v, path)
	case encoding.TextMarshaler:
		if isNilPointer(v) {
			e.null()
			return nil
		}
		text, err := called(v.MarshalText)
		if err != nil {
			return e.cannot(value, err, path)
		}
		e.string(string(text))
	case error:
		if isNilPointer(v) {
			e.null()
			return nil
		}
		text, err := called(func() (string, error) { return v.Error(), nil })
		if err != nil {
			return e.cannot(value, err, path)
		}
		e.string(text)
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
		since := e.begin()
		e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, 32)
		e.written('j', since)
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
			return e.cannot(nil, tooDeep{}, path)
		}
		return e.value(v.Elem().Interface(), path)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem() == byteType {
			e.bytes(v.Bytes())
			break
		}
		return e.list(v, path)
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return e.marshal(v.Interface(), path)
		}
		return e.anyMap(v)
	case reflect.Struct:
		// By its address, so that methods count that are the pointer's (those of big.Int): without it would be {}.
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		return e.marshal(p.Interface(), path)
	default:
		return e.marshal(v.Interface(), path)
	}
	return nil
}

var byteType = reflect.TypeFor[byte]()

func (e *encoder) list(v reflect.Value, path string) error {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return e.value(nil, path)
	}
	if err := e.enter('['); err != nil {
		return err
	}
	for i := range v.Len() {
		if e.isFull() {
			break
		}
		if err := e.value(v.Index(i).Interface(), path); err != nil {
			return err
		}
	}
	e.leave(']')
	return nil
}

// anyMap writes a map whose keys are strings of any name.
func (e *encoder) anyMap(v reflect.Value) error {
	if v.IsNil() {
		return e.value(nil, "")
	}
	if err := e.enter('{'); err != nil {
		return err
	}
	for members := v.MapRange(); members.Next(); {
		key := members.Key().String()
		e.text('k', key)
		if err := e.value(members.Value().Interface(), key); err != nil {
			return err
		}
	}
	e.leave('}')
	return nil
}

func (e *encoder) marshal(value any, path string) error {
	text, err := marshal(value)
	if _, replaced := err.(*notText); err != nil && !(replaced && e.spells) {
		return e.cannot(value, err, path)
	}
	e.json(text)
	return nil
}

// isFull says whether what comes is left out.
func (e *encoder) isFull() bool { return e.spells && e.values > spelledValues }

// cannot is about a value without a JSON form: an error, or, where nothing is refused, a mark in its place. Either names
// the cause's type, never its text, which may quote the value.
func (e *encoder) cannot(value any, err error, path string) error {
	if !e.spells {
		return notEncodable(value, err, path)
	}
	if p, ok := err.(*panicked); ok {
		e.text('u', fmt.Sprintf("it panicked (%T)", p.value))
	} else {
		e.text('u', fmt.Sprintf("%T", err))
	}
	return nil
}

// isNilPointer says whether it is a pointer to nothing, which is null, as encoding/json has it.
func isNilPointer(value any) bool {
	v := reflect.ValueOf(value)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// called calls a method of the program's own, which may panic: that is an error about its value, and nothing else.
func called[T any](method func() (T, error)) (answer T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p}
		}
	}()
	return method()
}

// typeName is what a type is called; of one without a name, what kind it is.
func typeName(value any) string {
	t := reflect.TypeOf(value)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return "value"
	case t.Kind() == reflect.Struct && t.Name() == "":
		return "struct"
	default:
		return t.String()
	}
}

// notEncodable is for what never gets to the core: a value without a JSON form. The cause's type is named, not
// its text, which may quote the value.
func notEncodable(value any, err error, path string) error {
	if _, ok := err.(tooDeep); ok {
		return &Error{Kind: InvalidEvent, Message: "the value is " + err.Error() + ", or holds itself", Where: "data." + path}
	}
	if n, ok := err.(*notText); ok {
		return noJSON(InvalidEvent, "", "data."+path, n)
	}
	if p, ok := err.(*panicked); ok {
		return &Error{Kind: InvalidEvent, Message: fmt.Sprintf("reading the value panicked (%T)", p.value), Where: "data." + path}
	}
	return &Error{
		Kind:    InvalidEvent,
		Message: fmt.Sprintf("a %s has no JSON form; send it as a string (%T)", typeName(value), err),
		Where:   "data." + path,
	}
}
