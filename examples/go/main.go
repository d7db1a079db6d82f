// The example agent: emits the steps of examples/agent.json, sealed, into a file with the key beside it. Every language
// has this program, and all of them write the same bytes.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	sinkwell "sinkwell.dev/go"
)

type agent struct {
	Key    map[string]string `json:"key"`
	Config map[string]any    `json:"config"`
	Steps  []step            `json:"steps"`
}

type step struct {
	Type    string          `json:"type"`
	Data    map[string]any  `json:"data"`
	Subject string          `json:"subject"`
	Run     string          `json:"run"`
	Content []sinkwell.Part `json:"content"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: agent AGENT.json FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func run(file, folder string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var a agent
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&a); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	events := filepath.Join(folder, "events.ndjson")
	if err := os.RemoveAll(events); err != nil {
		return err
	}
	for _, name := range []string{"agent.pem", "agent.pem.pub"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(a.Key[name]), 0o600); err != nil {
			return err
		}
	}
	a.Config["key"] = map[string]any{"id": a.Key["id"], "ed25519": map[string]any{"file": filepath.Join(folder, "agent.pem")}}
	lanes := []any{map[string]any{"id": "file", "sink": map[string]any{"file": map[string]any{"path": events}}}}
	// With an intake (`sinkwell intake`), there as well. A lane's name is part of what fixes its stream's id.
	if endpoint := os.Getenv("EXAMPLE_INTAKE"); endpoint != "" {
		stream := map[string]any{"endpoint": endpoint}
		lanes = append(lanes, map[string]any{"id": "go", "sink": map[string]any{"stream": stream}})
	}
	a.Config["lanes"] = lanes

	sw, err := sinkwell.Open(a.Config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer sw.Close(ctx)
	for _, s := range a.Steps {
		event := sinkwell.Event{Type: s.Type, Data: s.Data, Subject: s.Subject, Run: s.Run, Content: s.Content}
		if err := sw.Put(ctx, event); err != nil {
			return fmt.Errorf("%s: %w", s.Type, err)
		}
	}
	report, err := sw.Close(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d events, %d pending\n", events, report["file"].Delivered, report["file"].Pending)
	return nil
}
