//go:build !(cgo && linux && amd64)

// Package sinkwell needs cgo (CGO_ENABLED=1), a C compiler, and Linux on x86-64: for any other build its archive has no
// library. The one line below that does not compile says so.
package sinkwell

var _ = sinkwell_needs_CGO_ENABLED_1_and_a_C_compiler_on_linux_amd64_see_its_README
