#!/usr/bin/env bash
# Every package into target/dist, from one native build (scripts/native.sh), and their sizes.
# A package whose toolchain is missing is named and left out; with SINKWELL_REQUIRE=all that is a failure.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/native.sh"

rm -rf "$dist"
native_build
for script in bindings-*/dist.sh; do
    "$script"
done
echo
(cd "$dist" && stat --format '%s %n' -- *) | awk '{ printf "%6.1f MiB  %s\n", $1 / 1048576, $2 }'
