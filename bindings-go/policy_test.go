package sinkwell_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	sinkwell "sinkwell.dev/go"
)

type policyCase struct {
	Name       string                       `json:"name"`
	About      string                       `json:"about"`
	Config     json.RawMessage              `json:"config"`
	Events     []json.RawMessage            `json:"events"`
	Data       map[string][]any             `json:"data"`
	Filtered   map[string]map[string]uint64 `json:"filtered"`
	Conditions []string                     `json:"conditions"`
	Metrics    []string                     `json:"metrics"`
}

func policyConditions(sw *sinkwell.Emitter) []string {
	var all []string
	for _, policy := range sw.PolicyStatus() {
		for _, target := range policy.Targets {
			for _, c := range target.Conditions {
				all = append(all, fmt.Sprintf("%s %s/%s: %s=%s %s", policy.Policy, target.Kind, target.Name, c.Type, c.Status, c.Reason))
			}
		}
	}
	sort.Strings(all)
	return all
}

func TestPolicyVectors(t *testing.T) {
	eachVector(t, "policy", func(t *testing.T, name string, c policyCase) {
		dir := t.TempDir()
		sw, err := sinkwell.Open(json.RawMessage(strings.ReplaceAll(string(c.Config), "{dir}", dir)))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range c.Events {
			var v vectorEvent
			strictly(t, text, &v)
			if err := sw.Put(soon(t), v.event()); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		for lane, counters := range sw.Counters() {
			if !reflect.DeepEqual(counters.FilteredBy, c.Filtered[lane]) {
				t.Errorf("%s: filtered %v, not %v", lane, counters.FilteredBy, c.Filtered[lane])
			}
		}
		if c.Metrics != nil {
			var derived []string
			for _, line := range strings.Split(strings.TrimSpace(sw.Prometheus()), "\n") {
				if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "sinkwell_") {
					derived = append(derived, line)
				}
			}
			if !reflect.DeepEqual(derived, c.Metrics) {
				t.Errorf("%s\nis not\n%s", strings.Join(derived, "\n"), strings.Join(c.Metrics, "\n"))
			}
		}
		for range 2 {
			if got := policyConditions(sw); !reflect.DeepEqual(got, c.Conditions) {
				t.Errorf("%s\nis not\n%s", strings.Join(got, "\n"), strings.Join(c.Conditions, "\n"))
			}
			if err := sw.ReloadPolicies(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := sw.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		for lane, want := range c.Data {
			text, _ := os.ReadFile(filepath.Join(dir, lane))
			got := []any{}
			for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
				var envelope struct {
					Origin string
					Data   any
				}
				decoder := json.NewDecoder(strings.NewReader(line))
				decoder.UseNumber()
				if err := decoder.Decode(&envelope); err != nil {
					t.Fatal(err)
				}
				if envelope.Origin == "" {
					got = append(got, envelope.Data)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v\nis not\n%v", lane, got, want)
			}
		}
		record(t, name, ran)
	})
}
