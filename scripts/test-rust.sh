#!/usr/bin/env bash
# The workspace's default members: unit, property, schema and integration tests, doc tests included.
source "$(dirname "$0")/lib.sh"
need rust cargo

status=0
logged rust cargo test --no-fail-fast || status=$?
# A short turn of every fuzz target; `make fuzz` takes longer.
if [[ -x tests/fuzz/run.sh ]]; then
    FUZZ_SECONDS="${FUZZ_SECONDS:-20}" logged fuzz tests/fuzz/run.sh || status=$?
fi
counted rust "$status" \
    "$(sum "$logs/rust.log" 's/^test result: .* ([0-9]+) passed;.*/\1/p')" \
    "$(sum "$logs/rust.log" 's/^test result: .* ([0-9]+) failed;.*/\1/p')" \
    "$(sum "$logs/rust.log" 's/^test result: .* ([0-9]+) ignored;.*/\1/p')"
