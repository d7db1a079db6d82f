//go:build cgo && linux && amd64

package sinkwell

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// blocked writes once it is let.
type blocked struct {
	let chan struct{}
	bytes.Buffer
}

func (b *blocked) Write(text []byte) (int, error) {
	<-b.let
	return b.Buffer.Write(text)
}

// What a logger does not take waits in order, up to so many lines; of the others it is told how many there were.
func TestLinesWaitForALoggerUpToABound(t *testing.T) {
	out := &blocked{let: make(chan struct{})}
	SetLogger(slog.New(slog.NewTextHandler(out, nil)))
	defer SetLogger(nil)
	const said = linesKept + 44
	for i := range said {
		warn(fmt.Sprintf("line %d.", i))
	}
	close(out.let)
	awaitLines(10 * time.Second)
	text := out.String()
	written := strings.Count(text, "msg=\"line ")
	if written < linesKept || written >= said || strings.Index(text, "line 0.") > strings.Index(text, "line 1.") ||
		!strings.Contains(text, fmt.Sprintf("%d were left out", said-written)) {
		t.Error(written, text)
	}
}
