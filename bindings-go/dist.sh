#!/usr/bin/env bash
# target/dist/sinkwell-go-VERSION.tar.gz: the module with header and static library, so that a `replace` to the unpacked
# archive builds with no environment variable set.
source "$(dirname "$0")/../scripts/lib.sh"
source "$root/scripts/native.sh"
need go-dist cargo python3 tar strip

native_build
stage="$root/target/dist-stage/sinkwell-go"
rm -rf "$stage"
mkdir -p "$stage/include" "$stage/lib/linux_amd64"
cp bindings-c/include/sinkwell.h "$stage/include/"
cp "$native/libsinkwell.a" "$stage/lib/linux_amd64/"
strip --strip-debug "$stage/lib/linux_amd64/libsinkwell.a"
(cd bindings-go && find . \( -name '*.go' ! -name '*_test.go' -o -name '*.[ch]' -o -name 'go.*' -o -name README.md \) \
    -exec cp --parents -t "$stage" {} +)
cp LICENSE "$stage/"
archive "$stage" "sinkwell-go-$version.tar.gz"
