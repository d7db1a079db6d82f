package sinkwell_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// What a newcomer runs into says what to do.

func TestAPublicKeyIsNoneToSealWith(t *testing.T) {
	dir := t.TempDir()
	// RFC 8032, test 1.
	write(t, dir, "agent.pem.pub", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n")
	_, err := sinkwell.Open(sinkwell.Text(fmt.Sprintf("key: { id: k1, ed25519: { file: %s/agent.pem.pub } }", dir)))
	if !errors.Is(err, sinkwell.ErrKey) || !strings.Contains(err.Error(), "this is a public key") || !strings.Contains(err.Error(), "without .pub") {
		t.Fatal(err)
	}
}

func TestANilSinkIsRefused(t *testing.T) {
	sw := open(t, memory)
	for _, sink := range []sinkwell.GovernanceEventSink{nil, (*memorySink)(nil)} {
		_, err := sinkwell.Open(sinkwell.Text(memory), sinkwell.WithSink(sink))
		for _, err := range []error{err, sw.AddSink(sink)} {
			if !errors.Is(err, sinkwell.ErrInvalidArgument) || !strings.Contains(err.Error(), "a sink is nil") {
				t.Error(err)
			}
		}
	}
}

func TestASinkWithoutANameIsRefused(t *testing.T) {
	sw := open(t, memory)
	_, err := sinkwell.Open(sinkwell.Text(memory), sinkwell.WithSink(&memorySink{}))
	for _, err := range []error{err, sw.AddSink(&memorySink{})} {
		if !errors.Is(err, sinkwell.ErrInvalidArgument) || !strings.Contains(err.Error(), "sink.name: is missing") {
			t.Error(err)
		}
	}
}

func TestAnEmitterThatNobodyOpenedSaysSo(t *testing.T) {
	for name, call := range map[string]func(){
		"nil":        func() { _ = (*sinkwell.Emitter)(nil).Put(soon(t), tool()) },
		"zero":       func() { _, _ = new(sinkwell.Emitter).Emit(soon(t), tool()) },
		"its health": func() { new(sinkwell.Emitter).Health() },
	} {
		func() {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, "use the one that sinkwell.Open returns") {
					t.Error(name, said)
				}
			}()
			call()
		}()
	}
}

func TestATimeoutNamesTheLane(t *testing.T) {
	goOn := make(chan struct{})
	sink := &memorySink{name: "held", do: func(context.Context, sinkwell.SignedGovernanceEvent) error {
		<-goOn
		return nil
	}}
	sw := open(t, "lanes: [ memory ]\n", sinkwell.WithSink(sink))
	defer close(goOn)
	receipt, err := sw.Emit(soon(t), tool())
	if err != nil {
		t.Fatal(err)
	}
	for bound := soon(t); receipt.Endings()["memory"] == nil; {
		if bound.Err() != nil {
			t.Fatal(receipt.Endings())
		}
	}
	late, cancel := context.WithDeadline(context.Background(), time.Now())
	defer cancel()
	err = receipt.Wait(late, sinkwell.Delivered)
	if !errors.Is(err, sinkwell.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), `not delivered by the context's deadline in lane "held"; the event is still on its way there`) {
		t.Fatal(err)
	}
}

// shared is a buffer that several threads write to.
type shared struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(text []byte) (int, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.text.Write(text)
}

func (s *shared) String() string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.text.String()
}

func TestTwoEmittersOnOneFileAreWarnedOf(t *testing.T) {
	var said shared
	sinkwell.SetLogger(slog.New(slog.NewTextHandler(&said, nil)))
	defer sinkwell.SetLogger(nil)
	path := filepath.Join(t.TempDir(), "events.ndjson")
	document := "lanes: [ { sink: { file: { path: " + path + " } } } ]\n"
	for _, sw := range []*sinkwell.Emitter{open(t, document), open(t, document)} {
		if err := sw.Put(soon(t), tool()); err != nil {
			t.Fatal(err)
		}
		if _, err := sw.Flush(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	if text := said.String(); strings.Count(text, "another emitter of this process writes "+path) != 1 {
		t.Error(text)
	}
	report, err := sinkwell.Verify(path, nil)
	if err != nil || len(report.Beside) != 1 || !strings.HasPrefix(report.Beside[0], path+".") {
		t.Error(report, err)
	}
}

// Everything that a program can name says in the editor what it is.
func TestEveryExportedNameIsDocumented(t *testing.T) {
	var bare []string
	seen := 0
	lacks := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		if !name.IsExported() {
			return
		}
		seen++
		for _, doc := range docs {
			if strings.TrimSpace(doc.Text()) != "" {
				return
			}
		}
		bare = append(bare, name.Name)
	}
	files := token.NewFileSet()
	for _, dir := range []string{".", "otel"} {
		tested := func(file fs.FileInfo) bool { return !strings.HasSuffix(file.Name(), "_test.go") }
		packages, err := parser.ParseDir(files, dir, tested, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range packages {
			for _, file := range one.Files {
				for _, declared := range file.Decls {
					switch d := declared.(type) {
					case *ast.FuncDecl:
						if d.Recv == nil || ast.IsExported(strings.TrimLeft(typeOf(d.Recv.List[0].Type), "*")) {
							lacks(d.Name, d.Doc)
						}
					case *ast.GenDecl:
						for _, spec := range d.Specs {
							switch s := spec.(type) {
							case *ast.TypeSpec:
								lacks(s.Name, d.Doc, s.Doc)
								if iface, ok := s.Type.(*ast.InterfaceType); ok && s.Name.IsExported() {
									for _, method := range iface.Methods.List {
										for _, name := range method.Names {
											lacks(name, method.Doc, method.Comment, s.Doc, d.Doc)
										}
									}
								}
							case *ast.ValueSpec:
								for _, name := range s.Names {
									lacks(name, d.Doc, s.Doc, s.Comment)
								}
							}
						}
					}
				}
			}
		}
	}
	if len(bare) > 0 || seen < 150 {
		t.Error(seen, bare)
	}
}

// typeOf is a receiver's type by its name.
func typeOf(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.StarExpr:
		return "*" + typeOf(e.X)
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return typeOf(e.X)
	default:
		return ""
	}
}
