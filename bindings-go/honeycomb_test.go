package sinkwell_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// What tests/honeycomb/scenarios.json holds; it says itself what is what.
type honeycombTable struct {
	About, Key, Type, Lane string
	Config                 json.RawMessage
	Cases                  []honeycombCase
}

type honeycombCase struct {
	Name, About, Key string
	Lane             map[string]any
	Says             json.RawMessage
	Emit             []struct {
		Data  map[string]any
		Times int
		Fill  [2]int
		Ahead *int
	}
	DeliversFirst bool `json:"delivers_first"`
	Timeout       int
	Counters      map[string]uint64
	Kept          []int
	Refused       []int
	Requests      int
	Samplerate    map[string]int
	Told          string
}

// honeycombDouble is tests/honeycomb/double.py, in a process of its own that ends with the test.
type honeycombDouble struct{ url string }

func startHoneycomb(t *testing.T) honeycombDouble {
	t.Helper()
	command := exec.Command("python3", filepath.Join("..", "tests", "honeycomb", "double.py"))
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_ = command.Wait()
	})
	url, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return honeycombDouble{strings.TrimSpace(url)}
}

func (d honeycombDouble) ask(t *testing.T, path string, body []byte, out any) {
	t.Helper()
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(soon(t), method, d.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// heard keeps what the core's logger says.
type heard struct {
	sync.Mutex
	bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.Lock()
	defer h.Unlock()
	return h.Buffer.Write(p)
}

func TestWhatBecomesOfEventsOnTheirWayToHoneycomb(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "tests", "honeycomb", "scenarios.json"))
	if err != nil {
		t.Fatal(err)
	}
	var table honeycombTable
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&table); err != nil || len(table.Cases) == 0 {
		t.Fatal(err)
	}
	for _, scenario := range table.Cases {
		t.Run(scenario.Name, func(t *testing.T) { runHoneycomb(t, &table, &scenario) })
	}
}

func runHoneycomb(t *testing.T, table *honeycombTable, scenario *honeycombCase) {
	said := &heard{}
	sinkwell.SetLogger(slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer sinkwell.SetLogger(nil)
	double, letters := startHoneycomb(t), t.TempDir()
	if scenario.Says != nil {
		double.ask(t, "/_say", scenario.Says, nil)
	}
	key := table.Key
	if scenario.Key != "" {
		key = scenario.Key
	}
	var config map[string]any
	text := strings.NewReplacer("{url}", double.url, "{key}", key, "{dir}", letters).Replace(string(table.Config))
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	for name, value := range scenario.Lane {
		config["lanes"].([]any)[0].(map[string]any)[name] = value
	}
	sw, err := sinkwell.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	var receipts []*sinkwell.Receipt
	var lengths []int
	for _, emit := range scenario.Emit {
		for range max(emit.Times, 1) {
			event := sinkwell.Event{Type: table.Type, Data: map[string]any{"n": len(receipts)}}
			for name, value := range emit.Data {
				event.Data[name] = value
			}
			for i := range emit.Fill[0] {
				event.Data[fmt.Sprint("c", i)] = strings.Repeat("x", emit.Fill[1])
			}
			if emit.Ahead != nil {
				event.Time = time.Now().Add(time.Duration(*emit.Ahead) * time.Second)
			}
			receipt, err := sw.Emit(soon(t), event)
			if err != nil {
				t.Fatal(err)
			}
			receipts, lengths = append(receipts, receipt), append(lengths, emit.Fill[1])
		}
	}
	if scenario.DeliversFirst {
		if _, err := receipts[0].Delivered(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	end := soon(t)
	if scenario.Timeout > 0 {
		double.ask(t, fmt.Sprint("/_wait?", scenario.Requests), nil, nil)
		short, cancel := context.WithTimeout(end, time.Duration(scenario.Timeout)*time.Millisecond)
		defer cancel()
		end = short
	}
	before := sw.Health()
	report, ended := sw.Close(end)
	if ended != nil && scenario.Timeout == 0 {
		t.Fatal(ended)
	}
	counters := sw.Counters()[table.Lane]
	has := map[string]uint64{
		"admitted": counters.Admitted, "delivered": counters.Delivered, "rejected": counters.Rejected,
		"dropped": counters.Dropped, "pending": counters.Pending,
	}
	if !reflect.DeepEqual(has, scenario.Counters) {
		t.Fatal(has, scenario.Counters)
	}
	var kept struct {
		Events []struct {
			Data       map[string]any
			Samplerate *int
		}
		Requests int
	}
	double.ask(t, "/_kept", nil, &kept)
	numbers, rates := []int{}, map[string]int{}
	for _, event := range kept.Events {
		if n, host := event.Data["n"].(float64); host {
			numbers = append(numbers, int(n))
			if event.Samplerate != nil {
				rates[fmt.Sprint(int(n))] = *event.Samplerate
			}
		}
	}
	slices.Sort(numbers)
	wanted := scenario.Kept
	if wanted == nil {
		for n := range receipts {
			wanted = append(wanted, n)
		}
	}
	if !slices.Equal(numbers, wanted) || len(rates) != len(scenario.Samplerate) || kept.Requests < scenario.Requests {
		t.Fatal(numbers, wanted, rates, kept.Requests)
	}
	for n, rate := range scenario.Samplerate {
		if rates[n] != rate {
			t.Fatal(n, rates)
		}
	}
	var dead strings.Builder
	err = filepath.WalkDir(letters, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		dead.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range scenario.Refused {
		if !strings.Contains(dead.String(), receipts[n].ID()) || !strings.Contains(dead.String(), strings.Repeat("x", lengths[n])) {
			t.Fatal("not in the dead-letter file: ", n)
		}
	}
	told := fmt.Sprint(before, sw.Health(), report, ended)
	if !strings.Contains(told, scenario.Told) {
		t.Fatal(told)
	}
	said.Lock()
	defer said.Unlock()
	for _, text := range []string{said.String(), dead.String(), told, fmt.Sprint(kept.Events)} {
		if strings.Contains(text, key) {
			t.Fatal("the key was said")
		}
	}
}
