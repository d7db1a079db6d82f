//go:build cgo && linux && amd64

package sinkwell

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// notText is about text that is not UTF-8, which encoding/json replaces without a word.
type notText struct {
	// path leads to it, as ".args[2]"; empty for the value itself.
	path string
	// isKey: it is a key of the map there.
	isKey bool
	// from is its first byte that is not UTF-8.
	from int
}

func (n *notText) Error() string {
	what := ""
	if n.isKey {
		what = "a key "
	}
	return fmt.Sprintf("%sis not UTF-8 from byte %d on; send text as UTF-8, other bytes as base64", what, n.from)
}

// marshal is json.Marshal, but for text that is not UTF-8, which it refuses, and for methods that panic. What a json.Marshaler
// writes is its own: a U+FFFD in there may be meant.
func marshal(value any) ([]byte, error) {
	text, err := called(func() ([]byte, error) { return json.Marshal(value) })
	if err != nil {
		return nil, err
	}
	if bytes.Contains(text, []byte(`\ufffd`)) || bytes.Contains(text, []byte("\uFFFD")) {
		if found := findNotText(reflect.ValueOf(value), "", 0); found != nil {
			return text, found
		}
	}
	return text, nil
}

// noJSON is the error about a document that marshal refused: which one, and why. The cause's type is named, not its text,
// which may quote the value.
func noJSON(kind Kind, what, where string, err error) *Error {
	if n, ok := err.(*notText); ok {
		return &Error{Kind: kind, Message: n.Error(), Where: strings.TrimPrefix(where+n.path, ".")}
	}
	return &Error{Kind: kind, Message: fmt.Sprintf("%s no JSON form (%T)", what, err), Where: where}
}

var (
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// searched bounds the walk, as what encoding/json leaves out may hold itself.
const searched = 1000

// findNotText walks what encoding/json wrote of a value, and finds the first text that it replaced something in.
func findNotText(v reflect.Value, path string, depth int) *notText {
	if !v.IsValid() || depth > searched {
		return nil
	}
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
	} else if v.CanAddr() && v.Addr().CanInterface() {
		// Methods of the pointer's count where encoding/json can get at them.
		if p := v.Addr(); p.Type().Implements(marshalerType) || p.Type().Implements(textMarshalerType) {
			return findNotText(p, path, depth+1)
		}
	}
	switch t := v.Type(); {
	case v.Kind() == reflect.Interface:
	case t.Implements(marshalerType):
		return nil
	case t.Implements(textMarshalerType) && v.CanInterface():
		text, _ := called(v.Interface().(encoding.TextMarshaler).MarshalText)
		return notTextIn(string(text), path, false)
	}
	switch v.Kind() {
	case reflect.String:
		return notTextIn(v.String(), path, false)
	case reflect.Pointer, reflect.Interface:
		return findNotText(v.Elem(), path, depth+1)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
			return nil
		}
		for i := range v.Len() {
			if found := findNotText(v.Index(i), fmt.Sprintf("%s[%d]", path, i), depth+1); found != nil {
				return found
			}
		}
	case reflect.Map:
		for members := v.MapRange(); members.Next(); {
			key := keyOf(members.Key())
			if found := notTextIn(key, path, true); found != nil {
				return found
			}
			if found := findNotText(members.Value(), path+"."+key, depth+1); found != nil {
				return found
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !isWritten(field) {
				continue
			}
			if found := findNotText(v.Field(i), memberPath(path, field), depth+1); found != nil {
				return found
			}
		}
	}
	return nil
}

// keyOf is a map's key as encoding/json writes it.
func keyOf(key reflect.Value) string {
	if key.Kind() != reflect.String && key.CanInterface() {
		if m, ok := key.Interface().(encoding.TextMarshaler); ok && !isNilPointer(m) {
			text, _ := called(m.MarshalText)
			return string(text)
		}
	}
	if key.Kind() == reflect.String {
		return key.String()
	}
	return fmt.Sprint(key)
}

// isWritten says whether encoding/json writes a struct's field.
func isWritten(field reflect.StructField) bool {
	return (field.IsExported() || field.Anonymous) && field.Tag.Get("json") != "-"
}

// memberPath is the path to a struct's field, whose own members are the struct's where it is embedded.
func memberPath(path string, field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	switch {
	case name != "":
		return path + "." + name
	case field.Anonymous:
		return path
	default:
		return path + "." + field.Name
	}
}

func notTextIn(text, path string, isKey bool) *notText {
	for at, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[at:]); size == 1 {
			return &notText{path, isKey, at}
		}
	}
	return nil
}
