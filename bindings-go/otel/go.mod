module sinkwell.dev/go/otel

go 1.24

require (
	go.opentelemetry.io/otel/trace v1.38.0
	sinkwell.dev/go v0.0.0
)

require go.opentelemetry.io/otel v1.38.0 // indirect

replace sinkwell.dev/go => ../
