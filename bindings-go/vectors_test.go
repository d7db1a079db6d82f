package sinkwell_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// The conformance vectors, through the public API (tests/vectors/README.md). What ran and what was left out, and why, is
// written down for the matrix (tests/vectors/matrix.py).

var recorded, _ = filepath.Abs(filepath.Join("..", "target", "vectors", "go.tsv"))

// record writes down that a case ran, or why it did not.
func record(t *testing.T, name, reason string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(recorded), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(recorded, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := fmt.Fprintf(file, "%s\t%s\n", name, reason); err != nil {
		t.Fatal(err)
	}
}

const ran = "ran"

// eachVector runs every case of a folder. An unknown field fails, and so does a folder without cases.
func eachVector[T any](t *testing.T, folder string, run func(t *testing.T, name string, vector T)) {
	paths, _ := filepath.Glob(filepath.Join("..", "tests", "vectors", folder, "*.json"))
	if len(paths) == 0 {
		t.Fatal("no case in", folder)
	}
	for _, path := range paths {
		stem := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(stem, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var c T
			strictly(t, text, &c)
			run(t, folder+"/"+stem, c)
		})
	}
}

func strictly(t *testing.T, text []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
	}
}

type refusal struct {
	Kind    string  `json:"kind"`
	Code    int     `json:"code"`
	Where   *string `json:"where"`
	Message string  `json:"message"`
}

type emitCase struct {
	Name     string          `json:"name"`
	About    string          `json:"about"`
	Config   json.RawMessage `json:"config"`
	Events   []emitStep      `json:"events"`
	Expected map[string][]string
}

type emitStep struct {
	Event json.RawMessage `json:"event"`
	Error *refusal        `json:"error"`
}

// vectorEvent has the members of docs/spec/envelope.md's table.
type vectorEvent struct {
	Type, Subject, Run, Turn, Attempt         string
	Severity                                  any
	Agent, Tenant, ID, Causation, Correlation string
	Child                                     string
	Data                                      map[string]any
	Time                                      *time.Time
	Terminal                                  bool
	Trace                                     struct {
		TraceID string `json:"trace_id"`
		SpanID  string `json:"span_id"`
		Flags   byte   `json:"flags"`
		State   string `json:"state"`
	}
	Content []struct {
		Class, MediaType, Text, Role, Ref, Summary, Permit string
		Bytes                                              []byte
		Tokens                                             *uint64
	}
}

func (v *vectorEvent) event() sinkwell.Event {
	e := sinkwell.Event{
		Type: v.Type, Data: v.Data, Subject: v.Subject, Run: v.Run, Turn: v.Turn,
		Attempt: v.Attempt, Agent: v.Agent, Tenant: v.Tenant, ID: v.ID, Causation: v.Causation, Correlation: v.Correlation,
		Child: v.Child, Terminal: v.Terminal,
		Trace: sinkwell.TraceContext{TraceID: v.Trace.TraceID, SpanID: v.Trace.SpanID, Flags: v.Trace.Flags, State: v.Trace.State},
	}
	if v.Severity != nil {
		e.Severity = sinkwell.Severity(fmt.Sprint(v.Severity))
	}
	if v.Time != nil {
		e.Time = *v.Time
	}
	for _, p := range v.Content {
		part := sinkwell.Part{
			Class: p.Class, MediaType: p.MediaType, Text: p.Text, Bytes: p.Bytes, Role: p.Role, Ref: p.Ref, Summary: p.Summary, Permit: p.Permit,
		}
		if p.Tokens != nil {
			part.Tokens, part.HasTokens = *p.Tokens, true
		}
		e.Content = append(e.Content, part)
	}
	return e
}

func TestEmitVectors(t *testing.T) {
	t.Setenv("SINKWELL_TESTING", "1")
	eachVector(t, "emit", func(t *testing.T, name string, c emitCase) {
		dir := t.TempDir()
		sw, err := sinkwell.Open(json.RawMessage(strings.ReplaceAll(string(c.Config), "{dir}", dir)))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range c.Events {
			if step.Error == nil {
				var v vectorEvent
				strictly(t, step.Event, &v)
				if err := sw.Put(soon(t), v.event()); err != nil {
					t.Fatalf("%s: %v", step.Event, err)
				}
				continue
			}
			// What is to be refused is often what Go's types cannot hold: a lone surrogate, a number as a subject.
			_, err := sw.EmitJSON(soon(t), step.Event)
			var e *sinkwell.Error
			if !errors.As(err, &e) || string(e.Kind) != step.Error.Kind || e.Code() != step.Error.Code ||
				(step.Error.Where != nil && e.Where != *step.Error.Where) || !strings.Contains(e.Message, step.Error.Message) {
				t.Errorf("%s: %v, not %+v", step.Event, err, step.Error)
			}
		}
		if _, err := sw.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		for file, lines := range c.Expected {
			got, _ := os.ReadFile(filepath.Join(dir, file))
			if want := strings.Join(lines, "\n") + "\n"; string(got) != want {
				t.Errorf("%s\n%s\nis not\n%s", file, got, want)
			}
		}
		record(t, name, ran)
	})
}

type file struct {
	Name  string   `json:"name"`
	Lines []string `json:"lines"`
	Tail  string   `json:"tail"`
}

type verifyCase struct {
	Name        string `json:"name"`
	About       string `json:"about"`
	Inputs      []file `json:"inputs"`
	Checkpoints []file `json:"checkpoints"`
	Keys        []struct {
		ID    string `json:"id"`
		HMAC  string `json:"hmac_base64"`
		SPKI  string `json:"spki_pem"`
		Given string `json:"given_base64"`
		Name  string `json:"name"`
		Agent string `json:"agent"`
	} `json:"keys"`
	Options struct {
		Strict, Partial, Edges bool
		Silence                string
		Lanes                  []string
	} `json:"options"`
	Expected map[string]any `json:"expected"`
}

func written(t *testing.T, files []file, dir string) []sinkwell.Input {
	inputs := make([]sinkwell.Input, 0, len(files))
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text := f.Tail
		if len(f.Lines) > 0 {
			text = strings.Join(f.Lines, "\n") + "\n" + f.Tail
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, sinkwell.Input{Path: path})
	}
	return inputs
}

// findings are those of a report or a stream, without their notes, in a fixed order.
func findings(of any, dir string) []string {
	var all []string
	list, _ := of.(map[string]any)["findings"].([]any)
	for _, one := range list {
		kept := map[string]any{}
		for _, member := range []string{"kind", "from", "to", "where"} {
			if value := one.(map[string]any)[member]; value != nil {
				kept[member] = value
			}
		}
		text, _ := json.Marshal(kept)
		all = append(all, strings.ReplaceAll(string(text), dir+"/", ""))
	}
	sort.Strings(all)
	return all
}

func TestVerifyVectors(t *testing.T) {
	eachVector(t, "verify", func(t *testing.T, name string, c verifyCase) {
		checkVerify(t, c, false)
		for _, key := range c.Keys {
			if key.Given != "" {
				checkVerify(t, c, true)
			}
		}
		record(t, name, ran)
	})
}

// verifyingKeys are a case's; what a person gives, in a file or at hand.
func verifyingKeys(t *testing.T, c verifyCase, dir string, inFile bool) sinkwell.Keys {
	keys := sinkwell.Keys{}
	decoded := func(text string) string {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for _, key := range c.Keys {
		given := sinkwell.Key{Agent: key.Agent}
		switch {
		case key.HMAC != "":
			given.Bytes = []byte("hmac:" + decoded(key.HMAC))
		case key.SPKI != "":
			given.Bytes = []byte(key.SPKI)
		case inFile:
			file := filepath.Join(dir, "key")
			if err := os.WriteFile(file, []byte(decoded(key.Given)), 0o600); err != nil {
				t.Fatal(err)
			}
			given.File = key.Name + file
		default:
			given.Bytes = []byte(key.Name + decoded(key.Given))
		}
		keys[key.ID] = given
	}
	return keys
}

func checkVerify(t *testing.T, c verifyCase, inFile bool) {
	dir := t.TempDir()
	keys := verifyingKeys(t, c, dir, inFile)
	silence, _ := time.ParseDuration(c.Options.Silence)
	report, err := sinkwell.VerifyOptions{
		Inputs: written(t, c.Inputs, dir), Checkpoints: written(t, c.Checkpoints, dir), Keys: keys,
		Silence: silence, Strict: c.Options.Strict, Partial: c.Options.Partial, Edges: c.Options.Edges,
		Lanes: c.Options.Lanes,
	}.Run()
	if kind, refused := c.Expected["error"]; refused {
		var e *sinkwell.Error
		if !errors.As(err, &e) || string(e.Kind) != kind {
			t.Fatalf("%v, not %v", err, kind)
		}
		parts, _ := c.Expected["message"].([]any)
		for _, part := range parts {
			if !strings.Contains(e.Message, part.(string)) {
				t.Errorf("%v does not say %v", e, part)
			}
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	strictly(t, report.JSON, &got)
	same := func(got, want map[string]any, members ...string) {
		for _, member := range members {
			if value, said := want[member]; said && !reflect.DeepEqual(got[member], value) {
				t.Errorf("%s: %v, not %v", member, got[member], value)
			}
		}
		if !slices.Equal(findings(got, dir), findings(want, dir)) {
			t.Errorf("%v, not %v", findings(got, dir), findings(want, dir))
		}
	}
	same(got, c.Expected, "verdict", "unsigned", "malformed", "open", "lost", "erased", "envelopes")
	streams, wanted := got["streams"].([]any), c.Expected["streams"].([]any)
	if len(streams) != len(wanted) {
		t.Fatalf("%d streams, not %d", len(streams), len(wanted))
	}
	for i := range streams {
		same(streams[i].(map[string]any), wanted[i].(map[string]any), "streamid", "verdict", "closed")
	}
}

type sealGroup struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Keys  []struct {
		ID   string `json:"id"`
		HMAC string `json:"hmac_base64"`
		SPKI string `json:"spki_pem"`
	} `json:"keys"`
	Cases []struct {
		Name, Line, Event, Place, Digest, Hash, Signature string
	} `json:"cases"`
}

func TestSealVectors(t *testing.T) {
	eachVector(t, "seal", func(t *testing.T, name string, group sealGroup) {
		keys := sinkwell.Keys{}
		for _, key := range group.Keys {
			text := []byte(key.SPKI)
			if key.HMAC != "" {
				secret, _ := base64.StdEncoding.DecodeString(key.HMAC)
				text = append([]byte("hmac:"), secret...)
			}
			keys[key.ID] = sinkwell.Key{Bytes: text}
		}
		if len(group.Cases) == 0 {
			t.Fatal("nothing in it")
		}
		for i, c := range group.Cases {
			inputs := written(t, []file{{Name: fmt.Sprintf("%d.ndjson", i), Lines: []string{c.Line}}}, t.TempDir())
			stream := func(keys sinkwell.Keys) map[string]any {
				report, err := sinkwell.VerifyOptions{Inputs: inputs, Keys: keys, Partial: true}.Run()
				if err != nil {
					t.Fatal(err)
				}
				var got map[string]any
				strictly(t, report.JSON, &got)
				return got["streams"].([]any)[0].(map[string]any)
			}
			head, hashed := stream(sinkwell.Keys{})["head"]
			// A signature that is not even base64 is wrong without a key.
			if head != c.Hash && (hashed || c.Signature != "wrong") {
				t.Errorf("%s: the hash is %v, not %s", c.Name, head, c.Hash)
			}
			said := "good"
			for _, finding := range stream(keys)["findings"].([]any) {
				switch finding.(map[string]any)["kind"] {
				case "unsigned":
					said = "none"
				case "altered", "unknown_key":
					said = "wrong"
				}
			}
			if said != c.Signature {
				t.Errorf("%s: the signature is %s, not %s", c.Name, said, c.Signature)
			}
			record(t, fmt.Sprintf("%s/%d", name, i), ran)
		}
	})
}

type contentGroup struct {
	Group string            `json:"group"`
	Cases []json.RawMessage `json:"cases"`
}

func TestContentVectors(t *testing.T) {
	decided := 0
	eachVector(t, "content", func(t *testing.T, name string, group contentGroup) {
		if slices.Contains([]string{"sampling", "commitments"}, group.Group) {
			reason := "no call of the packages decides this alone; emit/ and content/modes reach it"
			for i := range group.Cases {
				record(t, fmt.Sprintf("%s/%d", name, i), reason)
			}
			t.Skip(reason)
		}
		for i, text := range group.Cases {
			var c struct {
				Name    string         `json:"name"`
				Request map[string]any `json:"request"`
				Answer  map[string]any `json:"answer"`
				Error   *refusal       `json:"error"`
			}
			strictly(t, text, &c)
			decided++
			decision, err := sinkwell.EvaluateContentCapture(c.Request)
			if c.Error != nil {
				var e *sinkwell.Error
				if !errors.As(err, &e) || string(e.Kind) != c.Error.Kind || e.Where != *c.Error.Where {
					t.Errorf("%s: %v", c.Name, err)
				}
				record(t, fmt.Sprintf("%s/%d", name, i), ran)
				continue
			}
			if err != nil {
				t.Fatal(c.Name, err)
			}
			var got map[string]any
			strictly(t, decision.JSON, &got)
			if !reflect.DeepEqual(got, c.Answer) {
				t.Errorf("%s: %v, not %v", c.Name, got, c.Answer)
			}
			record(t, fmt.Sprintf("%s/%d", name, i), ran)
		}
	})
	if decided == 0 {
		t.Fatal("nothing was decided")
	}
}

type configGroup struct {
	About string       `json:"about"`
	Cases []configCase `json:"cases"`
}

type configCase struct {
	Name     string            `json:"name"`
	YAML     []string          `json:"yaml"`
	JSON     []string          `json:"json"`
	Mapping  any               `json:"mapping"`
	Env      map[string]string `json:"env"`
	Files    map[string]string `json:"files"`
	Facts    any               `json:"facts"`
	Warnings []string          `json:"warnings"`
	Error    *struct {
		Kind, Message, Place string
		Code                 int
	} `json:"error"`
}

// A refused configuration is refused alike; what a good one means (facts) is the core's own test.
func TestConfigVectors(t *testing.T) {
	eachVector(t, "config", func(t *testing.T, name string, group configGroup) {
		if len(group.Cases) == 0 {
			t.Fatal("no cases")
		}
		for i, c := range group.Cases {
			if c.Error == nil {
				record(t, fmt.Sprintf("%s/%d", name, i), "what a good document means shows in no call of the packages")
				continue
			}
			t.Run(c.Name, func(t *testing.T) {
				t.Chdir(t.TempDir())
				for _, variable := range os.Environ() {
					key, _, _ := strings.Cut(variable, "=")
					if strings.HasPrefix(key, "SINKWELL_") || strings.HasPrefix(key, "OTEL_") {
						t.Setenv(key, "") // so that it comes back
						os.Unsetenv(key)
					}
				}
				for key, value := range c.Env {
					t.Setenv(key, value)
				}
				for name, text := range c.Files {
					written(t, []file{{Name: name, Tail: text}}, ".")
				}
				_, err := sinkwell.Open(c.source(t), sinkwell.Manual())
				var e *sinkwell.Error
				if !errors.As(err, &e) || string(e.Kind) != c.Error.Kind || e.Code() != c.Error.Code || e.Where != c.Error.Place ||
					!strings.Contains(e.Message, c.Error.Message) {
					t.Errorf("%v, not %+v", err, c.Error)
				}
			})
			record(t, fmt.Sprintf("%s/%d", name, i), ran)
		}
	})
}

// source is what Open is to be given: a file's path, a mapping, or nothing.
func (c configCase) source(t *testing.T) any {
	switch {
	case c.YAML != nil:
		written(t, []file{{Name: "sinkwell.yaml", Tail: strings.Join(c.YAML, "\n")}}, ".")
		return "sinkwell.yaml"
	case c.JSON != nil:
		written(t, []file{{Name: "sinkwell.json", Tail: strings.Join(c.JSON, "\n")}}, ".")
		return "sinkwell.json"
	case c.Mapping != nil:
		return c.Mapping
	}
	return nil
}

type canonicalCase struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Numbers []struct {
		IEEE754 string  `json:"ieee754"`
		JSON    *string `json:"json"`
	} `json:"numbers"`
	Texts []struct {
		JSON      string  `json:"json"`
		Canonical *string `json:"canonical"`
	} `json:"texts"`
}

// unsafeNumber says whether a number in it is one that RFC 8785 can write and an event must not hold (RFC 7493).
func unsafeNumber(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, one := range value {
			if unsafeNumber(one) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, unsafeNumber)
	case float64:
		return value == math.Trunc(value) && math.Abs(value) > 1<<53-1
	}
	return false
}

// Each number and text as the data of an event: in the sealed line it stands in its canonical form.
func TestCanonicalVectors(t *testing.T) {
	eachVector(t, "canonical", func(t *testing.T, name string, c canonicalCase) {
		out := filepath.Join(t.TempDir(), "out.ndjson")
		lanes := []any{map[string]any{"sink": map[string]any{"file": map[string]any{"path": out}}}}
		sw, err := sinkwell.Open(map[string]any{"agent": map[string]any{"id": "a"}, "heartbeat": "off", "lanes": lanes})
		if err != nil {
			t.Fatal(err)
		}
		var wanted []string
		expect := func(what string, form *string, err error) {
			t.Helper()
			var meaning any
			if form != nil {
				if err := json.Unmarshal([]byte(*form), &meaning); err != nil {
					t.Fatal(err)
				}
			}
			if form == nil || unsafeNumber(meaning) {
				if !errors.Is(err, sinkwell.ErrInvalidEvent) {
					t.Errorf("%s: %v", what, err)
				}
				return
			}
			if err != nil {
				t.Fatal(what, err)
			}
			wanted = append(wanted, *form)
		}
		for _, number := range c.Numbers {
			bits, err := strconv.ParseUint(number.IEEE754, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			var form *string
			if number.JSON != nil {
				text := `{"v":` + *number.JSON + `}`
				form = &text
			}
			data := map[string]any{"v": math.Float64frombits(bits)}
			expect(number.IEEE754, form, sw.Put(soon(t), sinkwell.Event{Type: "com.example.n", Data: data}))
		}
		for _, text := range c.Texts {
			_, err := sw.EmitJSON(soon(t), []byte(`{"type":"com.example.n","data":`+text.JSON+`}`))
			expect(text.JSON, text.Canonical, err)
		}
		if _, err := sw.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		var lines []string
		if text, _ := os.ReadFile(out); len(text) > 0 {
			lines = strings.Split(string(text), "\n")
			lines = lines[1 : len(lines)-2] // opened, closed, and what follows the last newline
		}
		if len(lines) != len(wanted) {
			t.Fatalf("%d lines, not %d", len(lines), len(wanted))
		}
		for i, line := range lines {
			if !strings.Contains(line, `"data":`+wanted[i]+`,"datacontenttype"`) {
				t.Errorf("%s\nis not of\n%s", line, wanted[i])
			}
		}
		for i := range c.Numbers {
			record(t, fmt.Sprintf("%s/numbers/%d", name, i), ran)
		}
		for i := range c.Texts {
			record(t, fmt.Sprintf("%s/texts/%d", name, i), ran)
		}
	})
}

type spanFile struct {
	Name  string     `json:"name"`
	About string     `json:"about"`
	Cases []spanCase `json:"cases"`
}

type spanCase struct {
	Name   string          `json:"name"`
	Span   json.RawMessage `json:"span"`
	Events []any           `json:"events"`
	Error  *refusal        `json:"error"`
}

func TestSpanVectors(t *testing.T) {
	eachVector(t, "spans", func(t *testing.T, name string, file spanFile) {
		if len(file.Cases) == 0 {
			t.Fatal("no cases")
		}
		for i, c := range file.Cases {
			record(t, fmt.Sprintf("%s/%d", name, i), ran)
			events, err := sinkwell.EventsOfSpanJSON(c.Span)
			if c.Error != nil {
				var refused *sinkwell.Error
				if !errors.As(err, &refused) || string(refused.Kind) != c.Error.Kind || refused.Where != *c.Error.Where {
					t.Errorf("%s: %v", c.Name, err)
				}
				continue
			}
			got := []any{}
			for _, event := range events {
				var one any
				strictly(t, event, &one)
				got = append(got, one)
			}
			if err != nil || !reflect.DeepEqual(got, c.Events) {
				t.Errorf("%s: %v %v", c.Name, err, got)
			}
		}
	})
}

type logFile struct {
	Name  string    `json:"name"`
	About string    `json:"about"`
	Cases []logCase `json:"cases"`
}

type logCase struct {
	Name   string          `json:"name"`
	Record json.RawMessage `json:"record"`
	Event  any             `json:"event"`
}

// marked makes the values of a record that JSON has not values of Go's.
func marked(value any) any {
	switch v := value.(type) {
	case json.Number:
		if whole, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return whole
		}
		return must(v.Float64())
	case []any:
		made := make([]any, len(v))
		for i, item := range v {
			made[i] = marked(item)
		}
		return made
	case map[string]any:
		if len(v) == 1 {
			if text, ok := v["$double"].(string); ok {
				return must(strconv.ParseFloat(text, 64))
			}
			if text, ok := v["$integer"].(string); ok {
				if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
					return whole
				}
				// Beyond 64 bits a number of encoding/json is what Go has.
				return json.Number(text)
			}
			if text, ok := v["$bytes"].(string); ok {
				return must(base64.StdEncoding.DecodeString(text))
			}
		}
		made := make(map[string]any, len(v))
		for key, member := range v {
			made[key] = marked(member)
		}
		return made
	default:
		return value
	}
}

func TestLogVectors(t *testing.T) {
	eachVector(t, "logs", func(t *testing.T, name string, file logFile) {
		if len(file.Cases) == 0 {
			t.Fatal("no cases")
		}
		for i, c := range file.Cases {
			record(t, fmt.Sprintf("%s/%d", name, i), ran)
			var given any
			decoder := json.NewDecoder(bytes.NewReader(c.Record))
			decoder.UseNumber()
			if err := decoder.Decode(&given); err != nil {
				t.Fatal(err)
			}
			event, err := sinkwell.EventOfLog(marked(given))
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			var got any
			strictly(t, event, &got)
			if !reflect.DeepEqual(got, c.Event) {
				t.Errorf("%s: %s", c.Name, event)
			}
		}
	})
}

type stepFile struct {
	Name  string     `json:"name"`
	About string     `json:"about"`
	Cases []stepCase `json:"cases"`
}

type stepCase struct {
	Name   string            `json:"name"`
	Calls  []stepCallCase    `json:"calls"`
	Events []json.RawMessage `json:"events"`
}

type stepCallCase struct {
	Emit  json.RawMessage `json:"emit"`
	Begin json.RawMessage `json:"begin"`
	End   json.RawMessage `json:"end"`
	Error *struct {
		Kind  string `json:"kind"`
		Where string `json:"where"`
	} `json:"error"`
}

// stepDeed is a deed of a step, from its beginning to its end.
type stepDeed struct {
	end  chan sinkwell.StepEnd
	done chan error
}

func TestStepVectors(t *testing.T) {
	eachVector(t, "steps", func(t *testing.T, name string, file stepFile) {
		if len(file.Cases) == 0 {
			t.Fatal("no cases")
		}
		for i, c := range file.Cases {
			record(t, fmt.Sprintf("%s/%d", name, i), ran)
			t.Run(c.Name, func(t *testing.T) { tellSteps(t, c) })
		}
	})
}

func tellSteps(t *testing.T, c stepCase) {
	path := filepath.Join(t.TempDir(), "out")
	document := fmt.Sprintf(`{"agent":{"id":"urn:example:agent"},"heartbeat":"off","lanes":[{"id":"out","sink":{"file":{"path":%q}}}]}`, path)
	sw, err := sinkwell.Open(sinkwell.Text(document))
	if err != nil {
		t.Fatal(err)
	}
	deeds := map[string]stepDeed{}
	for _, call := range c.Calls {
		var err error
		switch {
		case call.Emit != nil:
			err = emitStepOf(t, sw, call.Emit)
		case call.Begin != nil:
			var step sinkwell.Step
			strictly(t, call.Begin, &step)
			deed := stepDeed{make(chan sinkwell.StepEnd), make(chan error, 1)}
			began := make(chan struct{})
			go func() {
				deed.done <- sw.DeedOfStep(soon(t), step, func(_ context.Context, call *sinkwell.StepCall) error {
					close(began)
					call.Ended(<-deed.end)
					return nil
				})
			}()
			select {
			case <-began:
				deeds[step.ID] = deed
			case err = <-deed.done:
			}
		default:
			var step sinkwell.Step
			strictly(t, call.End, &step)
			deed := deeds[step.ID]
			deed.end <- sinkwell.StepEnd{
				Outcome: step.Outcome, ErrorType: step.ErrorType, Output: step.Output, Content: step.Content, EndUnixNano: step.EndUnixNano,
			}
			err = <-deed.done
		}
		var e *sinkwell.Error
		switch {
		case call.Error == nil:
			if err != nil {
				t.Fatal(err)
			}
		case !errors.As(err, &e) || string(e.Kind) != call.Error.Kind || e.Where != call.Error.Where:
			t.Errorf("%v, not %+v", err, call.Error)
		}
	}
	if _, err := sw.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var told []any
	for line := range bytes.Lines(text) {
		var event map[string]any
		strictly(t, line, &event)
		if event["origin"] == nil {
			told = append(told, toldOf(event))
		}
	}
	var wanted []any
	for _, one := range c.Events {
		var event any
		strictly(t, one, &event)
		wanted = append(wanted, event)
	}
	if !reflect.DeepEqual(told, wanted) {
		got, _ := json.Marshal(told)
		t.Errorf("got %s", got)
	}
}

// emitStepOf emits a step as a value where it can be one, else as JSON.
func emitStepOf(t *testing.T, sw *sinkwell.Emitter, text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	var step sinkwell.Step
	if decoder.Decode(&step) != nil || step.Kind == "" || bytes.Contains(text, []byte(`""`)) {
		_, err := sw.EmitStepJSON(soon(t), text)
		return err
	}
	_, err := sw.EmitStep(soon(t), step)
	return err
}

// toldOf is what the vectors say of an event: no salt, no time, nothing that was measured.
func toldOf(event map[string]any) map[string]any {
	data := event["data"].(map[string]any)
	delete(data, "capture")
	if data["phase"] == "result" {
		delete(data, "duration_ms")
	}
	parts, _ := data["content"].([]any)
	for _, part := range parts {
		for key := range part.(map[string]any) {
			if !slices.Contains([]string{"class", "mediatype", "role", "size"}, key) {
				delete(part.(map[string]any), key)
			}
		}
	}
	told := map[string]any{"type": event["type"], "data": data}
	for _, key := range []string{"subject", "runid", "causationid", "correlationid", "traceparent", "severitytext"} {
		if value, ok := event[key]; ok {
			told[key] = value
		}
	}
	return told
}

type hostSinksFile struct {
	Name   string          `json:"name"`
	About  string          `json:"about"`
	Config json.RawMessage `json:"config"`
	Events int             `json:"events"`
	Cases  []hostSinksCase `json:"cases"`
}

type hostSinksCase struct {
	Name  string `json:"name"`
	Form  string `json:"form"`
	How   string `json:"how"`
	First string `json:"first"`
	Rules []struct {
		Event   int      `json:"event"`
		Answers []string `json:"answers"`
	} `json:"rules"`
	TimeoutMs int               `json:"timeout_ms"`
	Counters  map[string]uint64 `json:"counters"`
}

// scripted is a sink that answers by a script.
type scripted struct {
	hostSinksCase
	given map[int]int
}

func (*scripted) Name() string { return "scripted" }
func (*scripted) Classes() map[sinkwell.SinkClass]struct{} {
	return sinkwell.Classes(sinkwell.DebugClass)
}
func (*scripted) Health(context.Context) sinkwell.SinkHealth {
	return sinkwell.SinkHealth{Healthy: true}
}

// Emit says of an event what its rule says now.
func (s *scripted) Emit(_ context.Context, event sinkwell.SignedGovernanceEvent) error {
	if event.Own() {
		return nil
	}
	n := int(event.Data()["n"].(float64))
	for _, rule := range s.Rules {
		if rule.Event != n {
			continue
		}
		word := rule.Answers[min(s.given[n], len(rule.Answers)-1)]
		s.given[n]++
		switch word {
		case "refuse":
			return sinkwell.Reject(errors.New("no"))
		case "uncertain":
			return &sinkwell.Uncertain{Err: errors.New("who knows")}
		case "retry":
			return errors.New("away")
		}
	}
	return nil
}

type scriptedBatch struct{ *scripted }

func (s *scriptedBatch) EmitBatch(ctx context.Context, events []sinkwell.SignedGovernanceEvent) []error {
	answers := make([]error, len(events))
	first := ""
	for i, event := range events {
		if !event.Own() && s.First != "" {
			first, s.First = s.First, ""
		}
		if answers[i] = s.Emit(ctx, event); answers[i] != nil && s.How == "raise" {
			panic(answers[i])
		}
	}
	switch first {
	case "short":
		return answers[1:]
	case "long":
		return append(answers, nil)
	}
	return answers
}

func TestHostSinkVectors(t *testing.T) {
	eachVector(t, "host-sinks", func(t *testing.T, name string, file hostSinksFile) {
		if len(file.Cases) == 0 {
			t.Fatal("no cases")
		}
		for i, c := range file.Cases {
			id := fmt.Sprintf("%s/%d", name, i)
			nonsense := c.First == "nonsense"
			for _, rule := range c.Rules {
				nonsense = nonsense || slices.Contains(rule.Answers, "nonsense")
			}
			if nonsense {
				record(t, id, "Go's types let nothing through that is no answer")
				continue
			}
			record(t, id, ran)
			one := &scripted{hostSinksCase: c, given: map[int]int{}}
			var sink sinkwell.GovernanceEventSink = one
			if c.Form == "batch" {
				sink = &scriptedBatch{one}
			}
			sw := must(sinkwell.Open(file.Config, sinkwell.WithSink(sink)))
			for n := range file.Events {
				if err := sw.Put(soon(t), sinkwell.Event{Type: "com.example.n", Data: map[string]any{"n": n}}); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.TimeoutMs)*time.Millisecond)
			_, _ = sw.Flush(ctx)
			cancel()
			counters := sw.Counters()["scripted"]
			got := map[string]uint64{
				"admitted": counters.Admitted, "delivered": counters.Delivered, "rejected": counters.Rejected,
				"dropped": counters.Dropped, "pending": counters.Pending,
			}
			if !reflect.DeepEqual(got, c.Counters) {
				t.Errorf("%s: %v, expected %v", c.Name, got, c.Counters)
			}
			short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			_, _ = sw.Close(short)
			cancel()
		}
	})
}
