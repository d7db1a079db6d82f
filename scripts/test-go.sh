#!/usr/bin/env bash
# bindings-go: `go test -race ./...`, linked with the library in SINKWELL_LIB_DIR (also in CGO_LDFLAGS).
source "$(dirname "$0")/lib.sh"
need go cargo go cc

status=0
c_library || counted go 1
export CGO_LDFLAGS="-L$SINKWELL_LIB_DIR ${CGO_LDFLAGS:-}" GOFLAGS="${GOFLAGS:-} -mod=readonly"
logged go go -C bindings-go test -race -json ./... || status=$?
count() { grep -cE "\"Action\":\"$1\".*\"Test\":" "$logs/go.log" || true; }
counted go "$status" "$(count pass)" "$(count fail)" "$(count skip)"
