#!/usr/bin/env bash
# target/dist/sinkwell-c-VERSION-linux-x64.tar.gz: header, shared and static library, pkg-config files.
source "$(dirname "$0")/../scripts/lib.sh"
source "$root/scripts/native.sh"
need c-dist cargo python3 tar strip

native_build
stage="$root/target/dist-stage/sinkwell-c"
rm -rf "$stage"
mkdir -p "$stage/include" "$stage/lib/pkgconfig"
cp bindings-c/include/sinkwell.h "$stage/include/"
cp "$native/libsinkwell.so" "$native/libsinkwell.a" "$stage/lib/"
strip --strip-debug "$stage/lib/libsinkwell.a"
cp LICENSE bindings-c/README.md examples/c/first_event.c "$stage/"
# pc NAME WHAT LIBS
pc() {
    cat >"$stage/lib/pkgconfig/$1.pc" <<PC
prefix=\${pcfiledir}/../..
Name: $1
Description: Sealed governance and telemetry events for AI agents ($2)
Version: $version
Cflags: -I\${prefix}/include
Libs: $3
PC
}
pc sinkwell "shared library" "-L\${prefix}/lib -lsinkwell -Wl,-rpath,\${prefix}/lib"
pc sinkwell-static "static library" "\${prefix}/lib/libsinkwell.a -lgcc_s -lutil -lrt -lpthread -lm -ldl"
archive "$stage" "sinkwell-c-$version-linux-x64.tar.gz"
