// Command arrow says how many bytes OpenTelemetry Arrow makes of batches of OTLP logs, over one stream each:
//
//	arrow FOLDER
//
// FOLDER holds a folder for each stream, which holds its batches as ExportLogsServiceRequest messages, in the order of their names, and
// `events`, which says how many events they are. Two ways to compress are tried: each Arrow message by itself with zstd, which is the
// producer's default, and none there but zstd around each batch.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/open-telemetry/otel-arrow/go/pkg/config"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/protobuf/proto"
)

func main() {
	streams, err := os.ReadDir(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("\n### OpenTelemetry Arrow: bytes of an event\n\n| stream | zstd within Arrow | zstd around each batch |\n| --- | --- | --- |")
	for _, stream := range streams {
		folder := filepath.Join(os.Args[1], stream.Name())
		events, err := os.ReadFile(filepath.Join(folder, "events"))
		if err != nil {
			log.Fatal(err)
		}
		count, err := strconv.ParseFloat(strings.TrimSpace(string(events)), 64)
		if err != nil {
			log.Fatal(err)
		}
		within, err := size(folder, true)
		if err != nil {
			log.Fatal(err)
		}
		around, err := size(folder, false)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("| %s | %.1f | %.1f |\n", stream.Name(), float64(within)/count, float64(around)/count)
	}
}

// size is how many bytes all batches of a folder take.
func size(folder string, within bool) (int, error) {
	option := config.WithNoZstd()
	if within {
		option = config.WithZstd()
	}
	producer := arrow_record.NewProducerWithOptions(option)
	defer func() { _ = producer.Close() }()
	around, err := zstd.NewWriter(nil)
	if err != nil {
		return 0, err
	}
	batches, err := filepath.Glob(filepath.Join(folder, "*.otlp"))
	if err != nil {
		return 0, err
	}
	sort.Strings(batches)
	total := 0
	for _, batch := range batches {
		bytes, err := os.ReadFile(batch)
		if err != nil {
			return 0, err
		}
		logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(bytes)
		if err != nil {
			return 0, err
		}
		records, err := producer.BatchArrowRecordsFromLogs(logs)
		if err != nil {
			return 0, err
		}
		message, err := proto.Marshal(records)
		if err != nil {
			return 0, err
		}
		if !within {
			message = around.EncodeAll(message, nil)
		}
		total += len(message)
	}
	return total, nil
}
