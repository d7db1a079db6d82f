#!/usr/bin/env bash
# The workspace's default members: unit, property, schema and integration tests, doc tests included.
source "$(dirname "$0")/lib.sh"
need rust cargo

status=0
# Property tests meet the same cases each time; other ones with another seed: `PROPTEST_RNG_SEED=$RANDOM make test`.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20260101}"
# Every fuzz target takes so long; `make fuzz` takes longer.
# The core's tests of the graph leave runs with planted faults, which the viewer's tests read.
SINKWELL_GRAPH_RUNS="$root/target/graph-runs" SINKWELL_FUZZ_SECONDS="${FUZZ_SECONDS:-20}" logged rust cargo test --no-fail-fast || status=$?
# The crate with its features for Rust's own users, which change no byte: another build of the core, whose vectors run again.
features=(-p sinkwell --features "serde,tracing,opentelemetry")
logged features cargo test "${features[@]}" --test serde --test tracing --test opentelemetry --test emit_vectors \
    --test seal_vectors --test logs_vectors --test spans_vectors || status=$?
logged features-doc cargo test "${features[@]}" --doc || status=$?
cat "$logs"/features{,-doc}.log >>"$logs/rust.log"
# Schedules of a scheduler that tries them: another build of the core, with its locks and threads.
logged schedules cargo test -p sinkwell --features shuttle --test schedules || status=$?
cat "$logs/schedules.log" >>"$logs/rust.log"
counted rust "$status" \
    "$(sum "$logs/rust.log" 's/^test result: .* ([0-9]+) passed;.*/\1/p')" \
    "$(sum "$logs/rust.log" 's/^test result: .* ([0-9]+) failed;.*/\1/p')" \
    "$(sum "$logs/rust.log" 's/^test result: .* ([0-9]+) ignored;.*/\1/p')"
