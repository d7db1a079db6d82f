package sinkwell_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	sinkwell "sinkwell.dev/go"
)

// The example agent runs as users run it, and what it wrote is sound.
func TestTheExampleAgentIsSound(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(root, "target", "examples", "go")
	command := exec.Command("go", "run", ".", filepath.Join(root, "examples", "agent.json"), folder)
	command.Dir = filepath.Join(root, "examples", "go")
	command.Env = append(os.Environ(), "SINKWELL_TESTING=1")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	report, err := sinkwell.Verify(filepath.Join(folder, "events.ndjson"), sinkwell.Keys{"k1": {File: filepath.Join(folder, "agent.pem.pub")}})
	if err != nil || report.Verdict != "sound" || report.Envelopes != 13 {
		t.Fatalf("%+v %v", report, err)
	}
	events, _ := os.ReadFile(filepath.Join(folder, "events.ndjson"))
	others, _ := filepath.Glob(filepath.Join(root, "target", "examples", "*", "events.ndjson"))
	for _, other := range others {
		if text, _ := os.ReadFile(other); string(text) != string(events) {
			t.Errorf("%s is not the same", other)
		}
	}
}
