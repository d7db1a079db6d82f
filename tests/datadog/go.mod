module sinkwell.dev/tests/datadog

go 1.26.0

require (
	github.com/DataDog/agent-payload/v5 v5.0.215
	github.com/klauspost/compress v1.20.1
	google.golang.org/grpc v1.83.2
	google.golang.org/protobuf v1.36.11
)

require (
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260526163538-3dc84a4a5aaa // indirect
)
