package sinkwell_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// calling is a slog handler that calls a function.
type calling func(ctx context.Context, record slog.Record)

func (calling) Enabled(context.Context, slog.Level) bool { return true }
func (c calling) Handle(ctx context.Context, record slog.Record) error {
	c(ctx, record)
	return nil
}
func (c calling) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c calling) WithGroup(string) slog.Handler      { return c }

var inMemory = sinkwell.Text("lanes: [ memory ]\n")

// A sink that emits through the default emitter, while that one is replaced, is answered at once: Configure waits for it.
func TestASinkThatEmitsWhileTheDefaultEmitterIsReplacedIsAnsweredAtOnce(t *testing.T) {
	entered, replaced, answers := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	sink := &memorySink{name: "mine", do: func(ctx context.Context, event sinkwell.SignedGovernanceEvent) error {
		if event.Type() != "com.example.first" {
			return nil
		}
		close(entered)
		// With its context, and with another: the thread is known.
		for _, ctx := range []context.Context{ctx, context.Background()} {
			for {
				_, err := sinkwell.Emit(ctx, sinkwell.Event{Type: "com.example.inside"})
				if err == nil && !isClosed(replaced) {
					runtime.Gosched()
					continue
				}
				answers <- err
				break
			}
		}
		return nil
	}}
	if _, err := sinkwell.Configure(soon(t), inMemory, sinkwell.WithSink(sink, lane(nil))); err != nil {
		t.Fatal(err)
	}
	if _, err := sinkwell.Emit(soon(t), sinkwell.Event{Type: "com.example.first"}); err != nil {
		t.Fatal(err)
	}
	<-entered
	sw, err := sinkwell.Configure(soon(t), inMemory)
	close(replaced)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-answers; !errors.Is(err, sinkwell.ErrClosed) {
			t.Error(err)
		}
	}
	if now, err := sinkwell.Default(); err != nil || now != sw {
		t.Error(err)
	}
	closeDefault(t)
}

// A logger that emits through the default emitter while that one opens, and says something, is answered, too; nothing else is opened.
func TestALoggerThatEmitsWhileTheDefaultEmitterOpensIsAnswered(t *testing.T) {
	answers := make(chan error, 16)
	sinkwell.SetLogger(slog.New(calling(func(context.Context, slog.Record) {
		_, err := sinkwell.Emit(context.Background(), tool())
		answers <- err
	})))
	defer sinkwell.SetLogger(nil)
	opened := make(chan *sinkwell.Emitter, 1)
	go func() {
		// A journal that no lane uses, which is warned of.
		text := fmt.Sprintf("lanes: [ memory ]\njournal: { dir: %q }\n", t.TempDir())
		sw, err := sinkwell.Configure(context.Background(), sinkwell.Text(text))
		if err != nil {
			t.Error(err)
		}
		opened <- sw
	}()
	select {
	case sw := <-opened:
		if err := <-answers; err != nil && !errors.Is(err, sinkwell.ErrClosed) {
			t.Error(err)
		}
		if now, err := sinkwell.Default(); err != nil || now != sw {
			t.Error(err)
		}
		closeDefault(t)
	case <-soon(t).Done():
		t.Fatal("Configure waits for its logger")
	}
}

// telling is a sink whose name and classes emit through the default emitter.
type telling struct {
	*memorySink
	answers chan error
}

func (s telling) emit() {
	_, err := sinkwell.Emit(context.Background(), tool())
	s.answers <- err
}

func (s telling) Name() string {
	s.emit()
	return s.memorySink.Name()
}

func (s telling) Classes() map[sinkwell.SinkClass]struct{} {
	s.emit()
	return s.memorySink.Classes()
}

// A sink whose own name and classes emit is answered, too, while the default emitter is opened for it: by Configure, and by the first
// use after Close.
func TestASinkWhoseNameEmitsHoldsNoOpeningUp(t *testing.T) {
	sink := telling{&memorySink{name: "mine"}, make(chan error, 64)}
	opening := make(chan error, 1)
	answered := func(what string) {
		t.Helper()
		select {
		case err := <-opening:
			if err != nil {
				t.Fatal(what, err)
			}
		case <-soon(t).Done():
			t.Fatal(what, "waits for itself")
		}
		for range 2 {
			if err := <-sink.answers; !errors.Is(err, sinkwell.ErrClosed) {
				t.Error(what, err)
			}
		}
		if len(sink.answers) > 0 {
			t.Error(what, len(sink.answers))
		}
	}
	for range 2 {
		go func() {
			_, err := sinkwell.Configure(context.Background(), inMemory, sinkwell.WithSink(sink, lane(nil)))
			opening <- err
		}()
		answered("Configure")
	}
	if _, err := sinkwell.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := sinkwell.Emit(context.Background(), tool())
		opening <- err
	}()
	answered("Emit")
	closeDefault(t)
}

// A panic while the default emitter is opened goes on, and leaves it to be opened by the next one.
func TestAPanicOfASinksNameIsTheCallersAndLeavesNoTurn(t *testing.T) {
	func() {
		defer func() {
			if p := recover(); p != "no name" {
				t.Error(p)
			}
		}()
		_, _ = sinkwell.Configure(soon(t), inMemory, sinkwell.WithSink(nameless{&memorySink{name: "mine"}}))
	}()
	if _, err := sinkwell.Configure(soon(t), inMemory); err != nil {
		t.Fatal(err)
	}
	if _, err := sinkwell.Emit(soon(t), tool()); err != nil {
		t.Error(err)
	}
	closeDefault(t)
}

// nameless is a sink whose name panics.
type nameless struct{ *memorySink }

func (nameless) Name() string { panic("no name") }

// From inside a sink the default emitter is not opened, which can take long: by Emit, by Default, and by Configure.
func TestNothingIsOpenedFromInsideASink(t *testing.T) {
	sw := open(t, "lanes: []\n", sinkwell.WithSink(&memorySink{name: "mine", do: func(ctx context.Context, _ sinkwell.SignedGovernanceEvent) error {
		if _, err := sinkwell.Emit(ctx, tool()); !errors.Is(err, sinkwell.ErrClosed) {
			t.Error(err)
		}
		if _, err := sinkwell.Default(); !errors.Is(err, sinkwell.ErrClosed) {
			t.Error(err)
		}
		if _, err := sinkwell.Configure(ctx, inMemory); !errors.Is(err, sinkwell.ErrInvalidArgument) {
			t.Error(err)
		}
		return nil
	}}))
	receipt, err := sw.Emit(soon(t), tool())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := receipt.Delivered(soon(t)); err != nil {
		t.Fatal(err)
	}
}

// By the thread as by the context, in a sink as in a logger: Flush and Close do not wait for what waits for them.
func TestFlushAndCloseInsideASinkDoNotWait(t *testing.T) {
	for name, end := range map[string]func(*sinkwell.Emitter, context.Context) (sinkwell.Report, error){
		"Flush": (*sinkwell.Emitter).Flush, "Close": (*sinkwell.Emitter).Close,
	} {
		for _, given := range []bool{true, false} {
			t.Run(fmt.Sprint(name, given), func(t *testing.T) {
				var sw *sinkwell.Emitter
				ready := make(chan struct{})
				sink := &memorySink{name: "mine", do: func(ctx context.Context, event sinkwell.SignedGovernanceEvent) error {
					if event.Type() != "com.example.first" {
						return nil
					}
					<-ready
					if !given {
						ctx = context.Background()
					}
					report, err := end(sw, ctx)
					if err != nil || report["mine"].Pending == 0 {
						t.Error(report, err)
					}
					return nil
				}}
				sw = open(t, "lanes: []\n", sinkwell.WithSink(sink, lane(nil)))
				receipt, err := sw.Emit(soon(t), sinkwell.Event{Type: "com.example.first"})
				if err != nil {
					t.Fatal(err)
				}
				close(ready)
				endings, err := receipt.Delivered(soon(t))
				if err != nil || endings["mine"].State != "delivered" {
					t.Fatal(endings, err)
				}
				if report, err := sw.Close(soon(t)); err != nil || report["mine"].Pending != 0 {
					t.Fatal(report, err)
				}
			})
		}
	}
}

// A logger that blocks holds up its own lines, and neither a lane nor Close; what it emits never waits.
func TestALoggerThatBlocksHoldsNothingUp(t *testing.T) {
	called, release := make(chan struct{}, 64), make(chan struct{})
	sinkwell.SetLogger(slog.New(calling(func(context.Context, slog.Record) {
		called <- struct{}{}
		<-release
	})))
	defer sinkwell.SetLogger(nil)
	defer close(release)
	fails := true
	sick := &memorySink{name: "sick", do: func(context.Context, sinkwell.SignedGovernanceEvent) error {
		if fails {
			fails = false
			return errors.New("away")
		}
		return nil
	}}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sick, lane(nil)))
	ctx := soon(t)
	receipt, err := sw.Emit(ctx, tool())
	if err != nil {
		t.Fatal(err)
	}
	<-called
	if endings, err := receipt.Delivered(ctx); err != nil || endings["sick"].State != "delivered" {
		t.Fatal(endings, err)
	}
	if report, err := sw.Close(ctx); err != nil || ctx.Err() != nil || report["sick"].Pending != 0 {
		t.Fatal(report, err, ctx.Err())
	}
}

// Without a deadline Close takes five seconds at most, as in every language.
func TestCloseWithoutADeadlineEndsWhileASinkIsDown(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	sink := &memorySink{name: "mine", do: func(context.Context, sinkwell.SignedGovernanceEvent) error {
		<-release
		return nil
	}}
	sw := open(t, "lanes: []\n", sinkwell.WithSink(sink))
	if _, err := sw.Emit(soon(t), tool()); err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	report, err := sw.Close(context.Background())
	if took := time.Since(since); err != nil || report["mine"].Pending == 0 || took > 9*time.Second {
		t.Fatal(report, err, took)
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func closeDefault(t *testing.T) {
	t.Helper()
	if _, err := sinkwell.Close(soon(t)); err != nil {
		t.Error(err)
	}
	// The other tests go by the environment.
	t.Setenv("SINKWELL_LANES", "memory")
	if _, err := sinkwell.Configure(soon(t), nil); err != nil {
		t.Error(err)
	}
	if _, err := sinkwell.Close(soon(t)); err != nil {
		t.Error(err)
	}
}
