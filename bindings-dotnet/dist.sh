#!/usr/bin/env bash
# target/dist/Sinkwell.VERSION.nupkg: the package, with the library for linux-x64.
source "$(dirname "$0")/../scripts/lib.sh"
source "$root/scripts/native.sh"
need dotnet-dist cargo python3
dotnet_sdk dotnet-dist

native_build
stage="$root/target/dist-stage/dotnet"
rm -rf "$stage"
mkdir -p "$stage/linux-x64"
cp "$native/libsinkwell.so" "$stage/linux-x64/"
logged dotnet-dist dotnet pack bindings-dotnet/src/Sinkwell -c Release -o "$dist" "-p:SinkwellNativeDir=$stage"
shipped "$dist/Sinkwell.$version.nupkg"
