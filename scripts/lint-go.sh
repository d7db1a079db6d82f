#!/usr/bin/env bash
# bindings-go: gofmt, go vet, staticcheck.
source "$(dirname "$0")/lib.sh"
[[ -d bindings-go ]] || exit 0
need lint-go cargo go cc

c_library
export CGO_LDFLAGS="-L$SINKWELL_LIB_DIR ${CGO_LDFLAGS:-}"
staticcheck=v0.8.1 tools="$root/target/tools"
if ! [[ -x "$tools/staticcheck-$staticcheck" ]]; then
    fetched staticcheck-install env -u CGO_LDFLAGS GOBIN="$tools" go install "honnef.co/go/tools/cmd/staticcheck@$staticcheck"
    mv "$tools/staticcheck" "$tools/staticcheck-$staticcheck"
fi
go_modules
cd bindings-go
unformatted="$(gofmt -l .)"
if [[ -n "$unformatted" ]]; then
    echo "gofmt would change:" "$unformatted" >&2
    exit 1
fi
logged go-vet go vet ./...
logged staticcheck "$tools/staticcheck-$staticcheck" ./...
# A module inside another is not one of its packages.
logged go-vet-mcp go -C mcp vet ./...
cd mcp && logged staticcheck-mcp "$tools/staticcheck-$staticcheck" ./...
