// Package native has the static library for Linux on x86-64 beside it, in the release archive: a package of Go's, so that
// `go mod vendor` takes it along.
package native
