module sinkwell.dev/examples/go

go 1.24

require sinkwell.dev/go v0.0.0

replace sinkwell.dev/go => ../../bindings-go
