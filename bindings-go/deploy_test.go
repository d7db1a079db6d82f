package sinkwell_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	sinkwell "sinkwell.dev/go"
)

// program is the Go program under a heading of docs/DEPLOY.md, built in an empty project.
func program(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/DEPLOY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n## "+heading+"\n")
	_, rest, inside := strings.Cut(rest, "```go\n")
	code, _, ended := strings.Cut(rest, "```")
	if !found || !inside || !ended {
		t.Fatalf("docs/DEPLOY.md has no program under %q", heading)
	}
	dir := module(t)
	write(t, dir, "main.go", code)
	ranIn(t, dir, "go", "build", "-o", "service", ".")
	return dir
}

// asked tells when its body is read for the first time: the server then works on the request.
type asked struct {
	asked chan struct{}
	rest  io.Reader
}

func (a *asked) Read(p []byte) (int, error) {
	if a.asked != nil {
		close(a.asked)
		a.asked = nil
	}
	return a.rest.Read(p)
}

func TestTheRecipeForServicesLosesNothing(t *testing.T) {
	dir := program(t, "Go services")
	write(t, dir, "key", strings.Repeat("k", 32))
	write(t, dir, "sinkwell.yaml", "agent: { id: a1 }\nkey: { id: k1, hmac_sha256: { file: key } }\nhandle_signals: true\nlanes: [ { sink: { file: { path: events.ndjson } }, batch: { linger: 1h } } ]\n")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	service := exec.CommandContext(ctx, filepath.Join(dir, "service"))
	service.Dir, service.Env = dir, append(os.Environ(), "LISTEN="+address)
	var said strings.Builder
	service.Stderr = &said
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	dial := func() error {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			err = connection.Close()
		}
		return err
	}
	for dial() != nil && ctx.Err() == nil {
	}
	body, more := io.Pipe()
	reading := make(chan struct{})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/tasks", &asked{reading, body})
	if err != nil {
		t.Fatal(err)
	}
	// The client sends the body when the server asks for it.
	request.Header.Set("Expect", "100-continue")
	request.Header.Set("X-Run", "r-1")
	answered := make(chan error, 1)
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	go func() {
		answer, err := client.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				err = errors.New(answer.Status)
			}
		}
		answered <- err
	}()
	<-reading
	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// It takes no more requests, and answers the one that it has.
	for dial() == nil && ctx.Err() == nil {
	}
	if _, err := io.WriteString(more, "task"); err != nil {
		t.Fatal(err)
	}
	_ = more.Close()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if err := service.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	path := filepath.Join(dir, "events.ndjson")
	lines, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(lines), `"runid":"r-1"`) || !strings.Contains(string(lines), "run.completed") {
		t.Fatalf("%s %v", lines, err)
	}
	report, err := sinkwell.Verify(path, sinkwell.Keys{"k1": {File: "hmac:" + filepath.Join(dir, "key")}})
	if err != nil || report.Verdict != "sound" || !report.Streams[0].Closed {
		t.Fatalf("%+v %v", report, err)
	}
	// A line of the table of docs/DEPLOY.md, where scripts/hosts.sh asks for it.
	if table := os.Getenv("SINKWELL_HOSTS"); table != "" {
		file, err := os.OpenFile(table, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		arrived := strings.Count(string(lines), "\n") - strings.Count(string(lines), `"origin":"core"`)
		if _, err := fmt.Fprintf(file, "Go\tnet/http\tSIGTERM within a request\treal\t2\t%d\tclosed\t%s\n", arrived, report.Verdict); err != nil {
			t.Fatal(err)
		}
	}
}
