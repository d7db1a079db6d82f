#!/usr/bin/env bash
# bindings-dotnet: `dotnet test`, which finds the library in SINKWELL_LIB_DIR.
source "$(dirname "$0")/lib.sh"
need dotnet cargo
dotnet_sdk dotnet

status=0
rm -f "$root/target/vectors/dotnet.tsv"
c_library || counted dotnet 1
sinkwell_command || counted dotnet 1
rm -rf "$logs/dotnet"
logged dotnet dotnet test bindings-dotnet --logger trx --results-directory "$logs/dotnet" || status=$?
find "$logs/dotnet" -name '*.trx' -exec cat {} + >"$logs/dotnet.trx" 2>/dev/null || true
total() { sum "$logs/dotnet.trx" "s/.*<Counters [^>]*\\b$1=\"([0-9]+)\".*/\\1/p"; }
passed="$(total passed)" failed="$(total failed)"
counted dotnet "$status" "$passed" "$failed" "$(($(total total) - passed - failed))"
