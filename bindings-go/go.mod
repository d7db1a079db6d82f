module sinkwell.dev/go

go 1.24
