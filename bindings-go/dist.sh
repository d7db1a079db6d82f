#!/usr/bin/env bash
# target/dist/sinkwell-go-VERSION.tar.gz: the module with header and static library, so that a `replace` to the unpacked
# archive builds with no environment variable set.
source "$(dirname "$0")/../scripts/lib.sh"
need bindings-go cargo go cc tar
version="$(sed -nE '/^\[workspace.package\]/,/^\[/s/^version = "(.*)"/\1/p' Cargo.toml)"
logged go-dist cargo build --release -p sinkwell-c
stage="$root/target/dist-stage/sinkwell-go"
rm -rf "$stage"
mkdir -p "$stage/include" "$stage/lib/linux_amd64" target/dist
cp bindings-c/include/sinkwell.h "$stage/include/"
cp target/release/libsinkwell.a "$stage/lib/linux_amd64/"
strip --strip-debug "$stage/lib/linux_amd64/libsinkwell.a"
(cd bindings-go && find . -name '*.go' ! -name '*_test.go' -o -name '*.[ch]' -o -name 'go.*' -o -name README.md) |
    (cd bindings-go && xargs cp --parents -t "$stage")
cp LICENSE "$stage/"
tar -C "$stage/.." --owner=0 --group=0 -czf "target/dist/sinkwell-go-$version.tar.gz" sinkwell-go
echo "target/dist/sinkwell-go-$version.tar.gz"
