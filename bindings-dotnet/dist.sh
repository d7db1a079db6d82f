#!/usr/bin/env bash
# target/dist/Sinkwell.VERSION.nupkg: the package, with the library for linux-x64; beside it the bridges, which need more
# than it does.
source "$(dirname "$0")/../scripts/lib.sh"
source "$root/scripts/native.sh"
need dotnet-dist cargo python3
dotnet_sdk dotnet-dist

native_build
stage="$root/target/dist-stage/dotnet"
rm -rf "$stage"
mkdir -p "$stage/linux-x64"
cp "$native/libsinkwell.so" "$stage/linux-x64/"
for project in Sinkwell Sinkwell.Extensions.AI Sinkwell.Extensions.Hosting Sinkwell.OpenTelemetry; do
    logged "dotnet-dist-$project" dotnet pack "bindings-dotnet/src/$project" -c Release -o "$dist" "-p:SinkwellNativeDir=$stage"
    shipped "$dist/$project.$version.nupkg"
done
