#!/usr/bin/env bash
# Writes the C header and the C# imports again, from the sources.
source "$(dirname "$0")/../scripts/lib.sh"
need bindings-c cargo
SINKWELL_GEN=1 logged c-gen cargo test --quiet -p sinkwell-c --test generated
