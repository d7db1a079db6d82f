package sinkwell_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// word stands for people's words in everything that a program may give its logger.
const word = "CANARY-0815"

type secretive struct{}

func (secretive) LogValue() slog.Value { return slog.GroupValue(slog.String("inner", word)) }

type marshalPanics struct{}

func (marshalPanics) MarshalJSON() ([]byte, error) { panic(word) }

type endless struct{}

func (endless) LogValue() slog.Value { return slog.GroupValue(slog.Any("again", endless{})) }

// say logs through every door that slog has.
func say(log *slog.Logger) {
	circle := map[string]any{"word": word}
	circle["self"], circle["again"] = circle, circle
	bound := log.With("bound", word, slog.Group("g", "deep", word)).WithGroup(word).With("under", word)
	bound.Warn(word, "c", 3, slog.Group("h", "d", word), "value", secretive{})
	log.Error("failed", "err", errors.New(word), "wrapped", errors.Join(errors.New(word)))
	log.Info("odd", "nan", math.NaN(), "inf", math.Inf(-1), "large", uint64(math.MaxUint64), "past", int64(1)<<60,
		"bytes", []byte(word), "text", "\xff"+word, "\xff", 1, "duration", 300*24*time.Hour, "panics", marshalPanics{},
		"channel", make(chan int), "time", word, "message", word, "level", word, "same", 1, "same", 2, "circle", circle, "endless", endless{})
	log.Log(context.Background(), slog.Level(6), strings.Repeat(word, 200_000))
	log.LogAttrs(context.Background(), slog.LevelInfo, "", slog.Attr{}, slog.Group("none"), slog.Group("", slog.String("inline", word)))
}

// rawPolicy opens every gate but the source's.
const rawPolicy = `{"content": {"mode": "raw", "redaction": {"id": "none", "detectors": []}, "retention": {"class": "short", "window": "30d"}, ` +
	`"sampling": {"key": "event", "rate": {"numerator": 1, "denominator": 1}}, "limits": {"bytes": "64MiB"}}}`

// logged is what comes out of a handler that may see every word.
func logged(t *testing.T, options *sinkwell.HandlerOptions) []sinkwell.SignedGovernanceEvent {
	t.Helper()
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: [ { sink: { host: mine }, content: { mode: raw, classes: [message] } } ]\ngovernance: "+rawPolicy+"\n", sinkwell.WithSink(sink))
	say(slog.New(sinkwell.NewHandler(sw, options)))
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	if refused := sw.Refused(); refused != 0 {
		t.Fatal("refused:", refused)
	}
	return sink.hosts()
}

func TestNoSlogRecordIsLostAndNoWordLeaves(t *testing.T) {
	events := logged(t, &sinkwell.HandlerOptions{Logger: "app", AddSource: true})
	if len(events) != 5 {
		t.Fatal(len(events))
	}
	for i, severity := range []string{"WARN", "ERROR", "INFO", "WARN", "INFO"} {
		text := string(events[i].Bytes())
		if events[i].SeverityText() != severity || strings.Contains(text, "CANARY") {
			t.Errorf("%s", text)
		}
		if !strings.Contains(text, `"logger":"app"`) || !strings.Contains(text, `"function":"sinkwell.dev/go_test.say"`) {
			t.Errorf("%s", text)
		}
	}
	if data := events[1].Data(); data["error.type"] != "*errors.errorString" {
		t.Error(data)
	}
	if data := events[2].Data(); data["respelled"] == nil || data["respelled"].(float64) < 8 {
		t.Error(data)
	}
}

func TestWithEveryGateOpenTheWordsOfSlogLeave(t *testing.T) {
	events := logged(t, &sinkwell.HandlerOptions{Permit: "raw"})
	if len(events) != 5 {
		t.Fatal(len(events))
	}
	texts := func(i int) []string {
		t.Helper()
		var envelope struct {
			Data struct {
				Disclosures []struct {
					Text string `json:"text"`
				} `json:"disclosures"`
			} `json:"data"`
		}
		if err := json.Unmarshal(events[i].Bytes(), &envelope); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, disclosure := range envelope.Data.Disclosures {
			texts = append(texts, disclosure.Text)
		}
		return texts
	}
	want := `{"bound":"` + word + `","g":{"deep":"` + word + `"},"` + word + `":{"under":"` + word + `","c":3,"h":{"d":"` + word +
		`"},"value":{"inner":"` + word + `"}}}`
	if got := texts(0); len(got) != 2 || got[0] != word || got[1] != want {
		t.Errorf("%q", got)
	}
	if got := texts(1); len(got) != 3 || got[1] != `{"wrapped":"`+word+`"}` || got[2] != "*errors.errorString: "+word {
		t.Errorf("%q", got)
	}
	odd := texts(2)
	for _, member := range []string{
		`"nan":"NaN"`, `"inf":"-Infinity"`, `"large":"18446744073709551615"`, `"past":"1152921504606846976"`,
		`"duration":"25920000000000000"`, `"text":"\ufffd`, `"same":1,"same#2":2`, `"time":"` + word, `"level":"` + word,
	} {
		member = strings.ReplaceAll(member, `\ufffd`, "\uFFFD")
		if len(odd) != 2 || !strings.Contains(odd[1], member) {
			t.Errorf("%s is not in %.2000q", member, odd)
		}
	}
	if got := texts(4); len(got) != 1 || got[0] != `{"inline":"`+word+`"}` {
		t.Errorf("%q", got)
	}
}

func TestASlogHandlerSaysWhatItsEmitterRefuses(t *testing.T) {
	sw := open(t, "lanes: [ memory ]\n")
	handler := sinkwell.NewHandler(sw, nil)
	if handler.Enabled(context.Background(), slog.LevelDebug) {
		t.Error("debug is taken")
	}
	if _, err := sw.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	sinkwell.SetLogger(slog.New(slog.NewTextHandler(&logged, nil)))
	defer sinkwell.SetLogger(nil)
	err := handler.Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelInfo, word, 0))
	if !errors.Is(err, sinkwell.ErrClosed) || sw.Refused() != 1 {
		t.Error(err, sw.Refused())
	}
	// slog drops a handler's error. Who closes waits for what is said.
	if _, err := sw.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	said := logged.String()
	if !strings.Contains(said, "1 log record was not emitted (closed): the emitter has been shut down") || strings.Contains(said, word) {
		t.Error(said)
	}
}

func TestEmitLogTakesTheContextsRunAndTrace(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	ctx := sinkwell.WithRun(sinkwell.WithTrace(context.Background(), sinkwell.TraceContext{
		TraceID: strings.Repeat("a", 32), SpanID: strings.Repeat("b", 16), Flags: 1,
	}), "r-1")
	if err := sw.EmitLog(ctx, map[string]any{"level": "error", "message": word}); err != nil {
		t.Fatal(err)
	}
	if err := sw.EmitLog(ctx, json.RawMessage(`no line of JSON at all: `+word)); err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	events := sink.hosts()
	if len(events) != 2 || events[0].RunID() != "r-1" || !strings.HasPrefix(events[0].TraceParent(), "00-aaaa") || events[0].SeverityText() != "ERROR" {
		t.Fatal(events)
	}
}
