// Command peer receives logs over StatefulLogsService/LogsStream with the code that github.com/DataDog/agent-payload/v5
// generates from its published messages: an implementation of the layout that is not sinkwell's. It writes each rebuilt line to the
// file that is its argument, acknowledges a batch once that is done, and ends every third stream after its fifth batch.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	pb "github.com/DataDog/agent-payload/v5/statefulpb"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type peer struct {
	pb.UnimplementedStatefulLogsServiceServer
	mu      sync.Mutex
	out     *bufio.Writer
	streams atomic.Int64
}

// state is what one stream has defined.
type state struct {
	patterns map[uint64]*pb.PatternDefine
	entries  map[uint64]string
}

func main() {
	file, err := os.OpenFile(os.Args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	server := grpc.NewServer()
	pb.RegisterStatefulLogsServiceServer(server, &peer{out: bufio.NewWriter(file)})
	go func() {
		// Whoever started it is gone.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(server.Serve(listener))
}

// LogsStream rebuilds the lines of one stream.
func (p *peer) LogsStream(stream grpc.BidiStreamingServer[pb.StatefulBatch, pb.BatchStatus]) error {
	number := p.streams.Add(1)
	head, _ := metadata.FromIncomingContext(stream.Context())
	if got := head.Get("dd-content-encoding"); len(got) != 1 || got[0] != "zstd" {
		return status.Errorf(codes.FailedPrecondition, "content encoding %q", got)
	}
	if got := head.Get("dd-api-key"); len(got) != 1 || got[0] != "key-of-the-test" {
		return status.Error(codes.Unauthenticated, "the key is not known here")
	}
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		return err
	}
	defer decoder.Close()
	known := state{patterns: map[uint64]*pb.PatternDefine{}, entries: map[uint64]string{}}
	for want := uint32(1); ; want++ {
		batch, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if batch.GetBatchId() != want {
			return status.Errorf(codes.DataLoss, "batch %d, not %d", batch.GetBatchId(), want)
		}
		if number%3 == 0 && want == 5 {
			return status.Error(codes.Unavailable, "elsewhere, please")
		}
		bytes, err := decoder.DecodeAll(batch.GetData(), nil)
		if err != nil {
			return status.Error(codes.DataLoss, err.Error())
		}
		var sequence pb.DatumSequence
		if err := proto.Unmarshal(bytes, &sequence); err != nil {
			return status.Error(codes.DataLoss, err.Error())
		}
		lines, err := known.lines(&sequence)
		if err != nil {
			return status.Error(codes.DataLoss, err.Error())
		}
		if err := p.write(lines); err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
		if err := stream.Send(&pb.BatchStatus{BatchId: want, Status: pb.BatchStatus_OK}); err != nil {
			return err
		}
	}
}

func (p *peer) write(lines []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range lines {
		if _, err := p.out.WriteString(line + "\n"); err != nil {
			return err
		}
	}
	return p.out.Flush()
}

func (s *state) lines(sequence *pb.DatumSequence) ([]string, error) {
	var lines []string
	var time int64
	var pattern uint64
	var tags string
	for _, datum := range sequence.GetData() {
		switch data := datum.GetData().(type) {
		case *pb.Datum_PatternDefine:
			define := data.PatternDefine
			if int(define.GetParamCount()) != len(define.GetPosList()) {
				return nil, errors.New("as many parameters as places")
			}
			s.patterns[define.GetPatternId()] = define
			pattern = define.GetPatternId()
		case *pb.Datum_PatternDelete:
			delete(s.patterns, data.PatternDelete.GetPatternId())
		case *pb.Datum_DictEntryDefine:
			s.entries[data.DictEntryDefine.GetId()] = data.DictEntryDefine.GetValue()
		case *pb.Datum_DictEntryDelete:
			delete(s.entries, data.DictEntryDelete.GetId())
		case *pb.Datum_Logs:
			entry := data.Logs
			// The first of a batch is absolute, the others are differences.
			if time += entry.GetTimestamp(); time < 1_600_000_000_000 {
				return nil, fmt.Errorf("%d is no time in milliseconds", time)
			}
			if set := entry.GetTags(); set != nil {
				value, err := s.text(set.GetTagset())
				if err != nil {
					return nil, err
				}
				tags = value
			}
			if !strings.Contains(tags, "service:") {
				return nil, fmt.Errorf("tags %q", tags)
			}
			if raw, ok := entry.GetContent().(*pb.Log_Raw); ok {
				lines = append(lines, raw.Raw)
				continue
			}
			structured := entry.GetStructured()
			if id := structured.GetPatternId(); id != 0 {
				pattern = id
			}
			line, err := s.line(pattern, structured.GetDynamicValues())
			if err != nil {
				return nil, err
			}
			lines = append(lines, line)
		default:
			return nil, fmt.Errorf("an unexpected datum: %T", data)
		}
	}
	return lines, nil
}

func (s *state) line(id uint64, values []*pb.DynamicValue) (string, error) {
	pattern := s.patterns[id]
	if pattern == nil {
		return "", fmt.Errorf("pattern %d is not defined", id)
	}
	if len(values) != len(pattern.GetPosList()) {
		return "", fmt.Errorf("%d values for %d places", len(values), len(pattern.GetPosList()))
	}
	template := []rune(pattern.GetTemplate())
	if !utf8.ValidString(pattern.GetTemplate()) {
		return "", errors.New("a template that is no text")
	}
	var line strings.Builder
	from := 0
	for n, value := range values {
		at := int(pattern.GetPosList()[n])
		text, err := s.text(value)
		if err != nil {
			return "", err
		}
		line.WriteString(string(template[from:at]))
		line.WriteString(text)
		from = at
	}
	line.WriteString(string(template[from:]))
	return line.String(), nil
}

func (s *state) text(value *pb.DynamicValue) (string, error) {
	switch value := value.GetValue().(type) {
	case *pb.DynamicValue_IntValue:
		return strconv.FormatInt(value.IntValue, 10), nil
	case *pb.DynamicValue_StringValue:
		return value.StringValue, nil
	case *pb.DynamicValue_DictIndex:
		text, ok := s.entries[value.DictIndex]
		if !ok {
			return "", fmt.Errorf("entry %d is not defined", value.DictIndex)
		}
		return text, nil
	default:
		return "", fmt.Errorf("a value of %T", value)
	}
}
