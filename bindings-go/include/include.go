// Package include has the C header beside it, in the release archive: a package of Go's, so that `go mod vendor` takes it
// along.
package include
