package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// figures are the answer of a run: one line of name=value pairs.
type figures map[string]float64

func (f figures) put(name string, value float64) { f[name] = value }

func (f figures) line() string {
	pairs := make([]string, 0, len(f))
	for name, value := range f {
		pairs = append(pairs, name+"="+strconv.FormatFloat(value, 'f', -1, 64))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, " ")
}

// load is how events come: burst at a time, every so often; without a burst as fast as one goroutine can.
type load struct {
	events, burst int
	every         time.Duration
}

func readLoad(text string) (load, error) {
	kind, rest, _ := strings.Cut(text, ":")
	var n []int
	for part := range strings.SplitSeq(rest, ":") {
		number, err := strconv.Atoi(part)
		if err != nil || number <= 0 {
			return load{}, fmt.Errorf("not a load: %s", text)
		}
		n = append(n, number)
	}
	switch {
	case kind == "hot" && len(n) == 1:
		return load{events: n[0]}, nil
	case kind == "paced" && len(n) == 2:
		return load{n[1], 1, time.Second / time.Duration(n[0])}, nil
	case kind == "bursts" && len(n) == 3:
		return load{n[1], max(n[0]*n[2]/1000, 1), time.Duration(n[2]) * time.Millisecond}, nil
	}
	return load{}, fmt.Errorf("a load is hot:N, paced:RATE:N or bursts:RATE:N:EVERY_MS, not %s", text)
}

// run emits under the load and calls timed for each event.
func (l load) run(emit func(n int)) {
	start := time.Now()
	for n := range l.events {
		if l.burst > 0 && n%l.burst == 0 {
			time.Sleep(time.Until(start.Add(time.Duration(n/l.burst) * l.every)))
		}
		emit(n)
	}
}

const (
	warmUp     = 3_000
	warmUpPart = 500
)

func measure(c candidate, l load) (figures, error) {
	refused := 0
	emit := func(n int64) {
		if err := c.emit(n); err != nil {
			if refused == 0 {
				fmt.Fprintln(os.Stderr, err)
			}
			refused++
		}
	}
	// In parts, so that nobody loses any of it: an exporter's first call takes long.
	for range warmUp / warmUpPart {
		load{warmUpPart, 50, 5 * time.Millisecond}.run(func(n int) { emit(int64(n)) })
		if refused > 0 {
			return nil, fmt.Errorf("%d refused while warming up", refused)
		}
		if err := c.flush(); err != nil {
			return nil, err
		}
	}
	nanos := make([]uint32, l.events)
	// Not the candidate's memory, and there before it is counted.
	for i := range nanos {
		nanos[i] = 1
	}
	runtime.GC()
	time.Sleep(200 * time.Millisecond)
	// The peak is of what follows.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	idle := resident("VmRSS:")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := processor(), time.Now()
	l.run(func(n int) {
		begin := time.Now()
		emit(int64(n))
		nanos[n] = uint32(min(time.Since(begin).Nanoseconds(), 1<<32-1))
	})
	// All goroutines' bytes: what works aside is not free either.
	runtime.ReadMemStats(&after)
	answer, err := c.settle()
	if err != nil {
		return nil, err
	}
	wall, events := time.Since(start).Seconds(), float64(l.events)
	cpu = processor() - cpu
	answer.put("warm_up", warmUp)
	answer.put("offered", events)
	answer.put("refused", float64(refused))
	answer.put("cpu_s", cpu)
	answer.put("wall_s", wall)
	answer.put("idle_kb", idle)
	answer.put("growth_kb", resident("VmHWM:")-idle)
	answer.put("alloc_bytes", float64(after.TotalAlloc-before.TotalAlloc)/events)
	sum := 0.0
	for _, each := range nanos {
		sum += float64(each)
	}
	answer.put("mean_ns", sum/events)
	slices.Sort(nanos)
	at := func(share float64) float64 { return float64(nanos[int(float64(len(nanos)-1)*share)]) }
	answer.put("p50_ns", at(0.5))
	answer.put("p99_ns", at(0.99))
	answer.put("p999_ns", at(0.999))
	return answer, nil
}

// processor is the time that all threads of this process have used, in seconds.
func processor() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// resident is a figure of /proc/self/status in kB.
func resident(name string) float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range bytes.Lines(status) {
		if fields := strings.Fields(string(line)); len(fields) > 1 && fields[0] == name {
			kb, _ := strconv.ParseFloat(fields[1], 64)
			return kb
		}
	}
	return 0
}
