#!/usr/bin/env bash
# make fuzz: each fuzz target of core/tests/fuzz.rs, and those of the stream's two ends, which lie beside their modules,
# for FUZZ_SECONDS (20 s each where nobody says).
source "$(dirname "$0")/../../scripts/lib.sh"
need fuzz cargo
export SINKWELL_FUZZ_SECONDS="${FUZZ_SECONDS:-20}"
# One target at a time, so that each has the time it is given; what they found is in target/logs/fuzz-targets.log.
logged fuzz-targets cargo test --release -p sinkwell --test fuzz -- --nocapture --test-threads=1
logged fuzz-stream cargo test --release -p sinkwell --lib fuzz_what_a_stranger -- --nocapture --test-threads=1
cat target/logs/fuzz-stream.log >>target/logs/fuzz-targets.log
grep -E "^test .* \.\.\.|^test result" target/logs/fuzz-targets.log
