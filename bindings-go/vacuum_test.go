package sinkwell_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	sinkwell "sinkwell.dev/go"
)

type vacuumCall struct {
	Log     string
	Process string
	Nonce   *uint64
	Format  string
	Passed  string
	Report  sinkwell.VacuumReport
	Error   *struct{ Kind, Where string }
}

func TestVacuumVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "tests", "vectors", "vacuum", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no vectors", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var vector struct {
				Name, About string
				Config      json.RawMessage
				Calls       []vacuumCall
				Lanes       map[string][]map[string]any
			}
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&vector); err != nil {
				t.Fatal(err)
			}
			readers := []func(string) io.Reader{
				func(log string) io.Reader { return strings.NewReader(log) },
				func(log string) io.Reader { return iotest.OneByteReader(strings.NewReader(log)) },
			}
			for _, reader := range readers {
				dir := t.TempDir()
				sw, err := sinkwell.Open(sinkwell.Text(strings.ReplaceAll(string(vector.Config), "{dir}", dir)))
				if err != nil {
					t.Fatal(err)
				}
				for _, call := range vector.Calls {
					var out bytes.Buffer
					options := sinkwell.VacuumOptions{Process: call.Process, Nonce: call.Nonce, Format: call.Format}
					report, err := sw.Vacuum(soon(t), reader(call.Log), &out, options)
					if call.Error != nil {
						var failed *sinkwell.Error
						if !errors.As(err, &failed) || string(failed.Kind) != call.Error.Kind || failed.Where != call.Error.Where {
							t.Fatal(err, call.Error)
						}
						continue
					}
					if err != nil || out.String() != call.Passed || !reflect.DeepEqual(report, call.Report) {
						t.Fatalf("%v: %q, %+v\nnot %q, %+v", err, out.String(), report, call.Passed, call.Report)
					}
				}
				if _, err := sw.Close(soon(t)); err != nil {
					t.Fatal(err)
				}
				for lane, wanted := range vector.Lanes {
					kept := hostLines(t, filepath.Join(dir, lane))
					if len(kept) != len(wanted) {
						t.Fatal(lane, kept)
					}
					for i, event := range kept {
						for member, value := range wanted[i] {
							if !reflect.DeepEqual(event[member], value) {
								t.Fatal(lane, i, member, event[member], value)
							}
						}
					}
				}
			}
			record(t, "vacuum/"+name, "ran")
		})
	}
}

// hostLines is the events of a file that the host emitted.
func hostLines(t *testing.T, path string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var events []map[string]any
	for line := range bytes.Lines(text) {
		var event map[string]any
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatal(err)
		}
		if _, own := event["origin"]; !own {
			events = append(events, event)
		}
	}
	return events
}

func TestALogThatBreaksDoesNotCount(t *testing.T) {
	dir := t.TempDir()
	sw := open(t, "vacuum: { cursors: "+dir+"/cursors.db }\nlanes: [{ id: kept, sink: { file: { path: "+dir+"/kept } } }]\n")
	one := uint64(1)
	options := sinkwell.VacuumOptions{Process: "p", Nonce: &one}
	gone := errors.New("the disk is gone")
	var out bytes.Buffer
	broken := io.MultiReader(strings.NewReader("a\n{\"_e\":1}\ntorn"), iotest.ErrReader(gone))
	report, err := sw.Vacuum(soon(t), broken, &out, options)
	if !errors.Is(err, gone) || out.String() != "a\ntorn" || report.Events != 1 {
		t.Fatal(err, out.String(), report)
	}
	if report, err = sw.Vacuum(soon(t), strings.NewReader("{\"_e\":1}\n"), nil, options); err != nil || report.Events != 1 {
		t.Fatal(err, report)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = sw.Vacuum(over, strings.NewReader("x"), nil, sinkwell.VacuumOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
