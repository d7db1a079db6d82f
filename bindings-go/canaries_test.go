package sinkwell_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// Canaries: every byte that came out is searched for what must not, and must, be in it (tests/vectors/README.md).

type canaryCase struct {
	Name        string            `json:"name"`
	About       string            `json:"about"`
	Config      json.RawMessage   `json:"config"`
	Raised      string            `json:"raised"`
	RefusesWith string            `json:"refuses_with"`
	Event       json.RawMessage   `json:"event"`
	Refused     []json.RawMessage `json:"refused"`
	Markers     []canary          `json:"markers"`
}

type canary struct {
	Text  string   `json:"text"`
	Forms []string `json:"forms"`
	Must  []string `json:"must"`
	May   []string `json:"may"`
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func need(err error) { must(0, err) }

// emitCanaries is the agent, in a process of its own.
func emitCanaries(path, folder string) {
	var c canaryCase
	need(json.Unmarshal(must(os.ReadFile(path)), &c))
	need(os.Mkdir(filepath.Join(folder, "dead"), 0o755))
	log := must(os.Create(filepath.Join(folder, "log")))
	sinkwell.SetLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))

	calls := 0
	mine := &memorySink{name: "mine"}
	raises := &everySink{name: "raises", do: func(sinkwell.SignedGovernanceEvent) error {
		if calls++; calls <= 2 {
			return errors.New(c.Raised)
		}
		return nil
	}}
	panics := &everySink{name: "refuses", do: func(event sinkwell.SignedGovernanceEvent) error {
		if event.Own() {
			return nil
		}
		return sinkwell.Reject(errors.New(c.RefusesWith))
	}}
	config := json.RawMessage(strings.ReplaceAll(string(c.Config), "{dir}", folder))
	sw := must(sinkwell.Open(config, sinkwell.WithSink(mine), sinkwell.WithSink(raises), sinkwell.WithSink(panics)))
	var told strings.Builder
	tell := func(things ...any) {
		for _, thing := range things {
			fmt.Fprintf(&told, "%v\n%+v\n%#v\n%s\n", thing, thing, thing, thing)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var event vectorEvent
	need(json.Unmarshal(c.Event, &event))
	receipt := must(sw.Emit(ctx, event.event()))
	tell(sw, receipt, receipt.Lanes(), receipt.Evicted(), event.event().Content)
	for _, refused := range c.Refused {
		_, err := sw.EmitJSON(ctx, refused)
		if err == nil {
			panic("not refused: " + string(refused))
		}
		tell(err)
	}
	tell(must(receipt.Delivered(ctx)))
	need(os.WriteFile(filepath.Join(folder, "health"), fmt.Appendf(nil, "%+v", sw.Health()), 0o600))
	for _, name := range []string{"audit.db-wal", "audit.db-shm"} {
		bytes := must(os.ReadFile(filepath.Join(folder, name)))
		need(os.WriteFile(filepath.Join(folder, name+".live"), bytes, 0o600))
	}
	tell(sw.Counters(), sw.Prometheus(), must(sw.Close(ctx)))
	var lines []byte
	for _, event := range mine.events {
		// What a log would show of what a sink was given; its bytes are what it may have.
		fmt.Fprintf(&told, "%v\n%+v\n%s\n", event, event, event)
		lines = append(append(lines, event.Bytes()...), '\n')
	}
	need(os.WriteFile(filepath.Join(folder, "mine"), lines, 0o600))
	need(os.WriteFile(filepath.Join(folder, "told"), []byte(told.String()), 0o600))
	need(log.Close())
}

// everySink asks do for sinkwell's own events, too.
type everySink struct {
	name string
	do   func(sinkwell.SignedGovernanceEvent) error
}

func (s *everySink) Name() string { return s.name }
func (s *everySink) Classes() map[sinkwell.SinkClass]struct{} {
	return sinkwell.Classes(sinkwell.DebugClass)
}
func (s *everySink) Health(context.Context) sinkwell.SinkHealth {
	return sinkwell.SinkHealth{Healthy: true}
}
func (s *everySink) Emit(_ context.Context, event sinkwell.SignedGovernanceEvent) error {
	return s.do(event)
}

// read is every byte that came out, by place.
func read(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	places := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		within, _ := filepath.Rel(folder, path)
		place := strings.Split(within, string(filepath.Separator))[0]
		if strings.HasPrefix(place, "audit.db") {
			place = "audit.db"
		}
		data, err := os.ReadFile(path)
		places[place] = append(places[place], data...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return places
}

// judge says how often a marker was found where it must or may be, and what is wrong.
func judge(markers []canary, places map[string][]byte) (finds int, wrong []string) {
	for _, marker := range markers {
		for place, data := range places {
			found := slices.ContainsFunc(marker.Forms, func(form string) bool { return bytes.Contains(data, []byte(form)) })
			expected, allowed := slices.Contains(marker.Must, place), slices.Contains(marker.May, place)
			switch {
			case found && (expected || allowed):
				finds++
			case found:
				wrong = append(wrong, marker.Text+" leaked into "+place)
			case expected:
				wrong = append(wrong, marker.Text+" is missing in "+place)
			}
		}
	}
	return finds, wrong
}

func TestCanaries(t *testing.T) {
	cases := 0
	eachVector(t, "canaries", func(t *testing.T, name string, c canaryCase) {
		cases++
		folder := t.TempDir()
		path := must(filepath.Abs(filepath.Join("..", "tests", "vectors", "canaries", c.Name+".json")))
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), "SINKWELL_TEST_CANARIES="+path, "SINKWELL_TEST_FOLDER="+folder)
		var stdout, stderr bytes.Buffer
		command.Stdout, command.Stderr = &stdout, &stderr
		if err := command.Run(); err != nil {
			t.Fatalf("%v\n%s", err, stderr.String()[max(0, stderr.Len()-4000):])
		}
		need(os.WriteFile(filepath.Join(folder, "stdout"), stdout.Bytes(), 0o600))
		need(os.WriteFile(filepath.Join(folder, "stderr"), stderr.Bytes(), 0o600))
		places := read(t, folder)
		size := 0
		for _, data := range places {
			size += len(data)
		}
		for _, whole := range []string{"all.ndjson", "blind.ndjson", "mine", "stdout", "audit.db"} {
			if len(places[whole]) == 0 {
				t.Error("nothing in", whole)
			}
		}
		finds, wrong := judge(c.Markers, places)
		t.Logf("%d places, %d bytes, %d finds, %d wrong", len(places), size, finds, len(wrong))
		for _, what := range wrong[:min(len(wrong), 20)] {
			t.Error(what)
		}
		if somewhere := slices.ContainsFunc(c.Markers, func(m canary) bool { return len(m.Must) > 0 }); somewhere && finds == 0 {
			t.Error("found", finds)
		}
		record(t, name, ran)
	})
	if cases != 9 {
		t.Fatal("every gate is shut once, not in", cases, "cases")
	}
}

func TestALeakIsFound(t *testing.T) {
	marker := canary{Text: "K1øK", Forms: []string{`K1\u00f8K`}, Must: []string{"told"}}
	_, wrong := judge([]canary{marker}, map[string][]byte{"told": nil, "stderr": []byte(`"K1\u00f8K"`)})
	slices.Sort(wrong)
	if !slices.Equal(wrong, []string{"K1øK is missing in told", "K1øK leaked into stderr"}) {
		t.Fatal(wrong)
	}
}
