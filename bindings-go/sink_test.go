package sinkwell_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// lane is one that retries at once, so that no test waits, with further keys.
func lane(keys map[string]any) map[string]any {
	all := map[string]any{"retry": map[string]any{"initial": "1ms", "cap": "1ms"}, "batch": map[string]any{"linger": "0ms"}}
	for key, value := range keys {
		all[key] = value
	}
	return all
}

type typedError struct{}

func (typedError) Error() string { return "canary-text" }

func TestASinkThatFailsIsContainedAndRecovers(t *testing.T) {
	failures := map[string]func(){
		"an error": nil,
		"a panic":  func() { panic("canary-text") },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			sink := &memorySink{name: "mine", do: func(context.Context, sinkwell.SignedGovernanceEvent) error {
				if calls.Add(1) > 2 {
					return nil
				}
				if fail != nil {
					fail()
				}
				return typedError{}
			}}
			other := &memorySink{name: "other"}
			sw := open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(nil)), sinkwell.WithSink(other, lane(nil)))
			receipt, err := sw.Emit(soon(t), tool())
			if err != nil {
				t.Fatal(err)
			}
			endings, err := receipt.Delivered(soon(t))
			if err != nil || endings["mine"].State != "delivered" || endings["other"].State != "delivered" {
				t.Fatal(endings, err)
			}
			if calls.Load() != 3 || len(sink.hosts()) != 1 || len(other.hosts()) != 1 {
				t.Fatal(calls.Load(), len(sink.hosts()), len(other.hosts()))
			}
			// Records hold the type of what failed, never its text.
			if _, err := sw.Flush(soon(t)); err != nil {
				t.Fatal(err)
			}
			for _, s := range []*memorySink{sink, other} {
				for _, event := range s.events {
					if strings.Contains(string(event.Bytes()), "canary") {
						t.Fatal(string(event.Bytes()))
					}
				}
			}
		})
	}
}

func TestASinkRefusesForGood(t *testing.T) {
	sink := &memorySink{name: "mine", do: func(_ context.Context, event sinkwell.SignedGovernanceEvent) error {
		if event.Data()["n"] == 2.0 {
			return sinkwell.Reject(typedError{})
		}
		return nil
	}}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(nil)))
	var receipts []*sinkwell.Receipt
	for n := range 4 {
		receipt, err := sw.Emit(soon(t), tool(sinkwell.Int("n", n)))
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, receipt)
	}
	for n, receipt := range receipts {
		endings, err := receipt.Delivered(soon(t))
		want := "delivered"
		if n == 2 {
			want = "lost"
		}
		if err != nil || endings["mine"].State != want {
			t.Fatal(n, endings["mine"], err)
		}
	}
	if counters := sw.Counters()["mine"]; counters.Rejected != 1 || counters.Delivered != 3 {
		t.Fatalf("%+v", counters)
	}
}

func TestAPanicIsOneEventsFailure(t *testing.T) {
	var panics atomic.Int32
	var calls [8]atomic.Int32
	sink := &memorySink{name: "mine", do: func(_ context.Context, event sinkwell.SignedGovernanceEvent) error {
		n, mine := event.Data()["n"].(float64)
		if !mine {
			return nil
		}
		calls[int(n)].Add(1)
		if n == 5 && panics.Add(1) < 4 {
			panic("canary-text")
		}
		return nil
	}}
	// All in one batch.
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(map[string]any{"batch": map[string]any{"linger": "1h"}})))
	for n := range 8 {
		if err := sw.Put(soon(t), tool(sinkwell.Int("n", n))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sw.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	for n := range calls {
		want := int32(1)
		if n == 5 {
			want = 4
		}
		if got := calls[n].Load(); got != want {
			t.Errorf("event %d came %d times, not %d", n, got, want)
		}
	}
	if counters := sw.Counters()["mine"]; counters.Delivered != 8 || counters.Dropped+counters.Rejected != 0 {
		t.Fatalf("%+v", counters)
	}
}

// unreadable is an error that cannot be read.
type unreadable struct{}

func (*unreadable) Error() string { panic("no text") }

func TestAnswersOfABatchAreAClosedSet(t *testing.T) {
	var none *sinkwell.Rejected
	nonsense := map[string]func(events int) []error{
		"no answer at all":        func(int) []error { return []error{} },
		"too few":                 func(events int) []error { return make([]error, events-1) },
		"too many":                func(events int) []error { return make([]error, events+1) },
		"an error without a text": func(events int) []error { return fill(events, &unreadable{}) },
		"a refusal that is nil":   func(events int) []error { return fill(events, none) },
		"a panic":                 func(int) []error { panic("canary-text") },
	}
	for name, answer := range nonsense {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			sink := &batchSink{memorySink: memorySink{name: "mine"}}
			sink.batch = func(events []sinkwell.SignedGovernanceEvent) []error {
				if !events[len(events)-1].Own() && calls.Add(1) < 3 {
					return answer(len(events))
				}
				return nil
			}
			sw := open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(nil)))
			receipt, err := sw.Emit(soon(t), tool())
			if err != nil {
				t.Fatal(err)
			}
			endings, err := receipt.Delivered(soon(t))
			if err != nil || endings["mine"].State != "delivered" || calls.Load() < 3 {
				t.Fatal(endings, err, calls.Load())
			}
			if counters := sw.Counters()["mine"]; counters.Retried == 0 || counters.Rejected != 0 {
				t.Fatalf("%+v", counters)
			}
		})
	}
}

func fill(events int, err error) []error {
	all := make([]error, events)
	for i := range all {
		all[i] = err
	}
	return all
}

// batchSink answers for batches with what do says.
type batchSink struct {
	memorySink
	batch func([]sinkwell.SignedGovernanceEvent) []error
}

func (s *batchSink) EmitBatch(_ context.Context, events []sinkwell.SignedGovernanceEvent) []error {
	return s.batch(events)
}

type repeatableSink struct{ memorySink }

func (s *repeatableSink) Idempotent() bool { return true }

func TestOnlyAnIdempotentSinkHasSeveralBatchesInFlight(t *testing.T) {
	several := lane(map[string]any{"order": 4})
	once := &memorySink{name: "once"}
	if sw, err := sinkwell.Open(sinkwell.Text("lanes: []\n"), sinkwell.WithSink(once, several)); !errors.Is(err, sinkwell.ErrInvalidConfig) {
		_, _ = sw.Close(soon(t))
		t.Fatal(err)
	}
	again := &repeatableSink{memorySink{name: "again"}}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(again, several))
	receipt, err := sw.Emit(soon(t), tool())
	if err != nil {
		t.Fatal(err)
	}
	if endings, err := receipt.Delivered(soon(t)); err != nil || endings["again"].State != "delivered" {
		t.Fatal(endings, err)
	}
}

func TestABatchSinkAnswersPerEvent(t *testing.T) {
	var nonsense atomic.Bool
	nonsense.Store(true)
	sink := &batchSink{memorySink: memorySink{name: "mine"}}
	sink.batch = func(events []sinkwell.SignedGovernanceEvent) []error {
		if nonsense.Swap(false) {
			return make([]error, len(events)+3)
		}
		errs := make([]error, len(events))
		for i, event := range events {
			if event.Data()["n"] == 1.0 {
				errs[i] = sinkwell.Reject(errors.New("no"))
			}
		}
		return errs
	}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(nil)))
	var receipts []*sinkwell.Receipt
	for n := range 3 {
		receipt, err := sw.Emit(soon(t), tool(sinkwell.Int("n", n)))
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, receipt)
	}
	for n, receipt := range receipts {
		endings, err := receipt.Delivered(soon(t))
		if err != nil || (endings["mine"].State == "lost") != (n == 1) {
			t.Fatal(n, endings["mine"], err)
		}
	}
}

func TestASinkThatHangsKeepsOnlyItsLane(t *testing.T) {
	hanging, release := make(chan struct{}), make(chan struct{})
	sink := &memorySink{name: "mine", do: func(ctx context.Context, _ sinkwell.SignedGovernanceEvent) error {
		select {
		case <-hanging:
		default:
			close(hanging)
		}
		<-ctx.Done() // the lane's timeout
		<-release
		return ctx.Err()
	}}
	other := &memorySink{name: "other"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(map[string]any{"timeout": "5ms"})), sinkwell.WithSink(other))
	receipt, err := sw.Emit(soon(t), tool())
	if err != nil {
		t.Fatal(err)
	}
	<-hanging
	if err := sw.Put(soon(t), tool()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err = receipt.Wait(ctx, sinkwell.Delivered)
	if !errors.Is(err, sinkwell.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := receipt.Wait(cancelled, sinkwell.Delivered); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	report, err := sw.Close(short)
	if err != nil || report["mine"].Pending == 0 || report["mine"].Where != "memory" || report["other"].Pending != 0 {
		t.Fatal(report, err)
	}
	endings, err := receipt.Delivered(soon(t))
	if err != nil || endings["mine"].State == "delivered" || endings["other"].State != "delivered" {
		t.Fatalf("%+v %v", endings, err)
	}
	close(release)
}

func TestEmitWaitsForRoomWithoutAThreadAndNoLongerThanTheContext(t *testing.T) {
	entered, release := make(chan struct{}, 1), make(chan struct{})
	sink := &memorySink{name: "mine", do: func(ctx context.Context, _ sinkwell.SignedGovernanceEvent) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
		return nil
	}}
	keys := map[string]any{"overflow": "block", "queue": map[string]any{"events": 2, "terminal_reserve": 1}, "block_timeout": "20s", "timeout": "30s"}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(keys)))
	full := func() error {
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			err := sw.Put(ctx, tool())
			cancel()
			if err != nil {
				return err
			}
		}
	}
	err := full()
	if !errors.Is(err, sinkwell.ErrBackpressure) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if text := err.Error(); text != "backpressure: mine: the context ended before the blocking lane had room; the event is in no lane" {
		t.Fatal(text)
	}
	if sw.Refused() != 1 {
		t.Fatal(sw.Refused(), "refused: an attempt that waits on is none")
	}
	const waiting = 200
	results := make(chan error, waiting)
	for range waiting {
		go func() { results <- sw.Put(context.Background(), tool()) }()
	}
	<-entered
	close(release)
	for range waiting {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	// A lane's own limit holds where the context has none.
	limited := open(t, "lanes: [ { sink: { host: mine }, overflow: block, block_timeout: 10ms, queue: { events: 2, terminal_reserve: 1 } } ]\n",
		sinkwell.WithSink(&memorySink{name: "mine"}), sinkwell.Manual())
	for err = nil; err == nil; {
		err = limited.Put(context.Background(), tool())
	}
	if !errors.Is(err, sinkwell.ErrBackpressure) || errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestAnEmitFromInsideASinkNeverWaits(t *testing.T) {
	var sw *sinkwell.Emitter
	opened := make(chan struct{})
	sink := &memorySink{name: "mine", do: func(_ context.Context, event sinkwell.SignedGovernanceEvent) error {
		<-opened
		if event.Type() == "dev.sinkwell.tool.invocation" {
			for range 4 {
				if err := sw.Put(context.Background(), sinkwell.Event{Type: "com.example.inner"}); err != nil {
					return err
				}
			}
		}
		return nil
	}}
	keys := map[string]any{"overflow": "block", "queue": map[string]any{"events": 2, "terminal_reserve": 1}}
	sw = open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(keys)))
	close(opened)
	receipt, err := sw.Emit(soon(t), tool())
	if err != nil {
		t.Fatal(err)
	}
	if err := receipt.Wait(soon(t), sinkwell.Delivered); err != nil {
		t.Fatal(err)
	}
	if dropped := sw.Counters()["mine"].DroppedBy["reentrant"]; dropped == 0 {
		t.Fatalf("%+v", sw.Counters())
	}
}

func TestSinksAreAddedAndCountAsRequired(t *testing.T) {
	sink := &memorySink{name: "guard"}
	sw := open(t, "lanes: []\ngovernance: { requires_sink: audit }\n",
		sinkwell.WithSink(sink, lane(map[string]any{"classes": []string{"audit"}})))
	late := &memorySink{name: "late"}
	if err := sw.AddSink(late, lane(map[string]any{"id": "later"})); err != nil {
		t.Fatal(err)
	}
	if err := sw.AddSink(late, map[string]any{"id": "later"}); !errors.Is(err, sinkwell.ErrInvalidConfig) {
		t.Fatal(err)
	}
	if err := sw.AddSink(late, map[string]any{"nosuch": 1}); !errors.Is(err, sinkwell.ErrInvalidConfig) {
		t.Fatal(err)
	}
	receipt, err := sw.Emit(soon(t), tool())
	if err != nil {
		t.Fatal(err)
	}
	if endings, err := receipt.Delivered(soon(t)); err != nil || endings["later"].State != "delivered" || len(late.hosts()) != 1 {
		t.Fatal(endings, err)
	}
}

// hmacSigner signs as a KMS would, failing and panicking first.
type hmacSigner struct{ calls atomic.Int32 }

func (s *hmacSigner) Sign(_ context.Context, inputs [][]byte) ([][]byte, error) {
	switch s.calls.Add(1) {
	case 1:
		return nil, errors.New("throttled")
	case 2:
		panic("canary")
	case 3:
		return [][]byte{{1, 2, 3}}, nil
	}
	signatures := make([][]byte, len(inputs))
	for i, input := range inputs {
		mac := hmac.New(sha256.New, []byte(strings.Repeat("k", 32)))
		mac.Write(input)
		signatures[i] = mac.Sum(nil)
	}
	return signatures, nil
}

func TestAHostSignerSealsOnceItWorks(t *testing.T) {
	sink := &memorySink{name: "mine"}
	sw := open(t, "key: { id: k1, alg: hmac-sha256, signer: host }\nlanes: []\n",
		sinkwell.WithSink(sink, lane(map[string]any{"breaker": map[string]any{"open": "1ms"}})), sinkwell.WithSigner(&hmacSigner{}))
	receipt, err := sw.Emit(soon(t), tool())
	if err != nil {
		t.Fatal(err)
	}
	if err := receipt.Wait(soon(t), sinkwell.Delivered); err != nil {
		t.Fatalf("%v: %+v", err, sw.Health())
	}
	event := sink.hosts()[0]
	sound, err := event.Verify(sinkwell.Keys{"k1": {Bytes: []byte("hmac:" + strings.Repeat("k", 32))}})
	if err != nil || !sound || event.KeyID() != "k1" || event.SigAlg() != "hmac-sha256" {
		t.Fatal(sound, err, event)
	}
	if sound, err := event.Verify(sinkwell.Keys{"k1": {Bytes: []byte("hmac:" + strings.Repeat("x", 32))}}); err != nil || sound {
		t.Fatal(sound, err)
	}
	if event.IdempotencyKey() == "" || event.PrevHash() == "" || event.Sequence() < 2 || event.Time().IsZero() || event.Terminal() {
		t.Fatal(event)
	}
}

// countingSigner notes how many messages each call brings.
type countingSigner struct {
	mu    sync.Mutex
	calls []int
}

func (s *countingSigner) Sign(_ context.Context, inputs [][]byte) ([][]byte, error) {
	s.mu.Lock()
	s.calls = append(s.calls, len(inputs))
	s.mu.Unlock()
	signatures := make([][]byte, len(inputs))
	for i, input := range inputs {
		if len(input) != 49 || !strings.HasPrefix(string(input), "sinkwell-seal-v1\n") {
			return nil, fmt.Errorf("%q is no message of an envelope", input)
		}
		mac := hmac.New(sha256.New, []byte(strings.Repeat("k", 32)))
		mac.Write(input)
		signatures[i] = mac.Sum(nil)
	}
	return signatures, nil
}

func TestASignerGetsManyMessagesOfOneStreamInOneCall(t *testing.T) {
	for mode, most := range map[string]int{"each": 40, "batch": 8} {
		signer, sink := &countingSigner{}, &memorySink{name: "mine"}
		sw := open(t, "key: { id: k1, alg: hmac-sha256, signer: host, sign: "+mode+" }\nlanes: []\n",
			sinkwell.WithSink(sink, lane(map[string]any{"batch": map[string]any{"events": 32, "linger": "1h"}})),
			sinkwell.WithSigner(signer))
		for range 32 {
			if _, err := sw.Emit(soon(t), tool()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := sw.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		messages, largest := 0, 0
		for _, n := range signer.calls {
			messages, largest = messages+n, max(largest, n)
		}
		if messages > most || len(signer.calls) > 8 || (mode == "each" && largest < 32) || len(sink.hosts()) != 32 {
			t.Fatal(mode, signer.calls, len(sink.hosts()))
		}
	}
}

func TestAHundredThousandWaitsCostMemoryOnly(t *testing.T) {
	release := make(chan struct{})
	sink := &memorySink{name: "mine", do: func(context.Context, sinkwell.SignedGovernanceEvent) error {
		<-release
		return nil
	}}
	n := 100_000
	if testing.Short() {
		n = 1_000
	}
	keys := map[string]any{"queue": map[string]any{"events": 200_000, "bytes": "1GiB"}, "timeout": "60s"}
	sw := open(t, "queue: { events: 200000, bytes: 1GiB }\nlanes: []\n", sinkwell.WithSink(sink, keys))
	done := make(chan error, n)
	for range n {
		receipt, err := sw.Emit(soon(t), tool())
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- receipt.Wait(context.Background(), sinkwell.Delivered) }()
	}
	if threads := pprof.Lookup("threadcreate").Count(); threads > 200 {
		t.Error(threads, "threads")
	}
	close(release)
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// What Open refuses, or is not let end, leaves nothing of the sinks behind that it had taken by then.
func TestOpenKeepsNoSinkThatItDidNotTake(t *testing.T) {
	const kept = 8
	let := make(chan struct{}, 2*kept)
	for range kept {
		for _, last := range []sinkwell.GovernanceEventSink{nil, nameless{&memorySink{}}} {
			func() {
				defer func() { _ = recover() }()
				first := &memorySink{name: "first"}
				runtime.AddCleanup(first, func(int) { let <- struct{}{} }, 0)
				sw, err := sinkwell.Open(sinkwell.Text("lanes: []\n"), sinkwell.WithSink(first), sinkwell.WithSink(last))
				if sw != nil || !errors.Is(err, sinkwell.ErrInvalidArgument) {
					t.Error(sw, err)
				}
			}()
		}
	}
	for ctx, left := soon(t), 2*kept; left > 0; {
		runtime.GC()
		select {
		case <-let:
			left--
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%d of %d sinks are kept", left, 2*kept)
		}
	}
}

func TestANilSignerIsNone(t *testing.T) {
	sw := open(t, "lanes: [ memory ]\n")
	if err := sw.ChangeKey(map[string]any{"id": "k2", "alg": "ed25519", "signer": "host"}, nil); !errors.Is(err, sinkwell.ErrKey) {
		t.Error(err)
	}
}
