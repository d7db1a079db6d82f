package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-logr/logr/funcr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	sinkwell "sinkwell.dev/go"
)

// candidate is somebody who is measured: what emits, what waits until everything so far is delivered, and what
// ends it and tells what it knows.
type candidate struct {
	emit   func(n int64) error
	flush  func() error
	settle func() (figures, error)
}

var key = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}

func open(name string, port, dir string) (candidate, error) {
	switch name {
	case "otel":
		return openTelemetry(port)
	case "three":
		return ours(three(port, dir, ""), byMap)
	case "three-attrs":
		return ours(three(port, dir, ""), byAttrs)
	case "three-block":
		return ours(three(port, dir, `,"overflow":"block"`), byMap)
	case "otlp", "convert":
		return ours(document(lane(port, "")), byMap)
	case "convert-attrs":
		return ours(document(lane(port, "")), byAttrs)
	case "convert-nothing":
		return ours(document(lane(port, "")), byNothing)
	case "slog":
		return structured(dir)
	case "zap":
		return zapped(dir)
	case "hand":
		return byHand(dir)
	}
	return candidate{}, fmt.Errorf("no candidate is called %s", name)
}

func lane(port, more string) string {
	return fmt.Sprintf(`{"id":"otlp","batch":{"linger":"200ms"}%s,"sink":{"otlp":{"endpoint":"http://127.0.0.1:%s",`+
		`"protocol":"http/protobuf","compression":"none"}}}`, more, port)
}

// three lanes as the bars ask for: memory, file, OTLP.
func three(port, dir, more string) string {
	file, _ := json.Marshal(filepath.Join(dir, "events.ndjson"))
	return document(fmt.Sprintf(`{"id":"memory","batch":{"linger":"200ms"}%s,"sink":"memory"},`+
		`{"id":"file","batch":{"linger":"200ms"}%s,"sink":{"file":{"path":%s}}},%s`, more, more, file, lane(port, more)))
}

func document(lanes string) string {
	return `{"agent":{"id":"urn:example:agent"},"key":{"id":"k1","hmac_sha256":` +
		`{"base64":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},"lanes":[` + lanes + `]}`
}

// byMap, byAttrs and byNothing are the ways in which a program may have its data.
func byMap(n int64, _ []sinkwell.Attr) sinkwell.Event {
	return sinkwell.Event{Type: eventType, Data: asMap(n)}
}

func byAttrs(n int64, room []sinkwell.Attr) sinkwell.Event {
	return sinkwell.Event{Type: eventType, Attrs: asAttrs(room, n)}
}

func byNothing(int64, []sinkwell.Attr) sinkwell.Event { return sinkwell.Event{Type: eventType} }

func ours(document string, event func(int64, []sinkwell.Attr) sinkwell.Event) (candidate, error) {
	ctx := context.Background()
	emitter, err := sinkwell.Open(sinkwell.Text(document))
	if err != nil {
		return candidate{}, err
	}
	room := make([]sinkwell.Attr, 0, 12)
	return candidate{
		emit: func(n int64) error { return emitter.Put(ctx, event(n, room)) },
		flush: func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			_, err := emitter.Flush(ctx)
			return err
		},
		settle: func() (figures, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if _, err := emitter.Close(ctx); err != nil {
				return nil, err
			}
			answer := figures{}
			counters := emitter.Counters()["otlp"]
			answer.put("otlp_own", float64(counters.Own))
			answer.put("otlp_dropped", float64(counters.Dropped))
			answer.put("otlp_rejected", float64(counters.Rejected))
			return answer, nil
		},
	}, nil
}

// openTelemetry is the SDK's batch processor and OTLP exporter, as they are by default.
func openTelemetry(port string) (candidate, error) {
	ctx := context.Background()
	exporter, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL("http://127.0.0.1:"+port+"/v1/logs"))
	if err != nil {
		return candidate{}, err
	}
	// What it lost it says in a line of its log, if somebody listens at that level.
	var told int64
	otel.SetLogger(funcr.NewJSON(func(line string) {
		var message struct{ Dropped int64 }
		if json.Unmarshal([]byte(line), &message) == nil {
			told += message.Dropped
		}
	}, funcr.Options{Verbosity: 1}))
	provider := sdk.NewLoggerProvider(sdk.WithProcessor(sdk.NewBatchProcessor(exporter)))
	logger := provider.Logger("bench")
	room := make([]attribute.KeyValue, 0, 12)
	return candidate{
		emit: func(n int64) error {
			var record log.Record
			record.SetTimestamp(time.Now())
			record.SetEventName(eventType)
			record.SetSeverity(log.SeverityInfo)
			record.SetSeverityText("INFO")
			record.AddAttributes(asOpenTelemetry(room, n)...)
			logger.Emit(ctx, record)
			return nil
		},
		flush: func() error { return provider.ForceFlush(ctx) },
		settle: func() (figures, error) {
			err := provider.Shutdown(ctx)
			answer := figures{}
			answer.put("told", float64(told))
			return answer, err
		},
	}, nil
}

// ended closes a file that was written to directly: nothing is left to wait for.
func ended(file *os.File, emit func(n int64) error) candidate {
	return candidate{
		emit:   emit,
		flush:  func() error { return nil },
		settle: func() (figures, error) { return figures{}, file.Close() },
	}
}

func peerFile(dir string) (*os.File, error) { return os.Create(filepath.Join(dir, "peer.ndjson")) }

// structured is log/slog, as JSON to a file.
func structured(dir string) (candidate, error) {
	file, err := peerFile(dir)
	if err != nil {
		return candidate{}, err
	}
	ctx, logger, room := context.Background(), slog.New(slog.NewJSONHandler(file, nil)), make([]slog.Attr, 0, 12)
	return ended(file, func(n int64) error {
		logger.LogAttrs(ctx, slog.LevelInfo, eventType, asSlog(room, n)...)
		return nil
	}), nil
}

// zapped is zap with its production encoding, without sampling, to a file.
func zapped(dir string) (candidate, error) {
	file, err := peerFile(dir)
	if err != nil {
		return candidate{}, err
	}
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	logger := zap.New(zapcore.NewCore(encoder, zapcore.Lock(file), zap.InfoLevel))
	room := make([]zap.Field, 0, 12)
	return ended(file, func(n int64) error {
		logger.Info(eventType, asZap(room, n)...)
		return nil
	}), nil
}

// byHand signs each event where it happens, as toolkits for agents do: sorted JSON, the hash of the one before,
// HMAC, append. encoding/json sorts the keys of a map.
func byHand(dir string) (candidate, error) {
	file, err := peerFile(dir)
	if err != nil {
		return candidate{}, err
	}
	previous, sequence := "", 0
	return ended(file, func(n int64) error {
		var id [16]byte
		_, _ = rand.Read(id[:])
		sequence++
		event := map[string]any{
			"id": hex.EncodeToString(id[:]), "type": eventType, "source": "urn:example:agent",
			"time": time.Now().UTC().Format(time.RFC3339Nano), "sequence": strconv.Itoa(sequence),
			"previous": previous, "data": asMap(n),
		}
		text, err := json.Marshal(event)
		if err != nil {
			return err
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		event["signature"] = hex.EncodeToString(mac.Sum(nil))
		line, err := json.Marshal(event)
		if err != nil {
			return err
		}
		hash := sha256.Sum256(line)
		previous = hex.EncodeToString(hash[:])
		_, err = file.Write(append(line, '\n'))
		return err
	}), nil
}
