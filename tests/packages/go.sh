#!/usr/bin/env bash
# The Go archive: a new module with a `replace` to it, no environment variable set, the README's first event.
source "$(dirname "$0")/project.sh"
need packages-go cc go tar

expect "sinkwell keys new" "$sinkwell" keys new agent.pem
cp "$dist/sinkwell-go-$version.tar.gz" .
readme="$root/bindings-go/README.md"
unset CGO_LDFLAGS CGO_CFLAGS GOFLAGS
expect "go mod init" go mod init example.com/first
block "$readme" Install sh | sed "s/VERSION/$version/" >install.sh
expect "unpacked and required, as the README says" bash -e install.sh
block "$readme" "First event" go >main.go
block "$readme" "First event" yaml >sinkwell.yaml
expect "go vet" go vet .
expect "the README's first event" go run .
expect "sinkwell verify: sound" sound
expect "vendored, with header and library" go mod vendor
expect "and built from there" go build -mod=vendor -o first .
