#!/usr/bin/env bash
# target/dist/Sinkwell.VERSION.nupkg: the package, with the library for linux-x64.
source "$(dirname "$0")/../scripts/lib.sh"
need bindings-dotnet cargo strip
dotnet_sdk bindings-dotnet

logged dotnet-dist-library cargo build --release -p sinkwell-c
stage="$root/target/dist-stage/dotnet"
rm -rf "$stage"
mkdir -p "$stage/linux-x64" target/dist
cp target/release/libsinkwell.so "$stage/linux-x64/"
strip --strip-debug "$stage/linux-x64/libsinkwell.so"
logged dotnet-dist dotnet pack bindings-dotnet/src/Sinkwell -c Release -o target/dist "-p:SinkwellNativeDir=$stage"
ls target/dist/Sinkwell.*.nupkg
