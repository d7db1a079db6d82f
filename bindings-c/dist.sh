#!/usr/bin/env bash
# target/dist/sinkwell-c-VERSION-linux-x64.tar.gz: header, shared and static library, pkg-config file.
source "$(dirname "$0")/../scripts/lib.sh"
need bindings-c cargo cc tar
version="$(sed -nE '/^\[workspace.package\]/,/^\[/s/^version = "(.*)"/\1/p' Cargo.toml)"
logged c-dist cargo build --release -p sinkwell-c
stage="$root/target/dist-stage/sinkwell-c"
rm -rf "$stage"
mkdir -p "$stage/include" "$stage/lib/pkgconfig" target/dist
cp bindings-c/include/sinkwell.h "$stage/include/"
cp target/release/libsinkwell.so target/release/libsinkwell.a "$stage/lib/"
strip --strip-debug "$stage/lib/libsinkwell.so" "$stage/lib/libsinkwell.a"
cp LICENSE bindings-c/README.md examples/c/first_event.c "$stage/"
cat >"$stage/lib/pkgconfig/sinkwell.pc" <<PC
prefix=\${pcfiledir}/../..
Name: sinkwell
Description: Sealed governance and telemetry events for AI agents
Version: $version
Cflags: -I\${prefix}/include
Libs: -L\${prefix}/lib -lsinkwell -Wl,-rpath,\${prefix}/lib
Libs.private: -lgcc_s -lutil -lrt -lpthread -lm -ldl
PC
tar -C "$stage/.." --owner=0 --group=0 -czf "target/dist/sinkwell-c-$version-linux-x64.tar.gz" sinkwell-c
echo "target/dist/sinkwell-c-$version-linux-x64.tar.gz"
