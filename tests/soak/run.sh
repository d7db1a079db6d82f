#!/usr/bin/env bash
# make soak: the tests that take hours, one after the other; each leaves its log in target/logs.
# SINKWELL_SOAK (default 10) multiplies the lanes' random steps and events; SINKWELL_KILLS are the kills of
# emitting processes in all languages together; SOAK_CRASHES and SOAK_ROWS are the audit chain's own kills and
# its envelopes.
source "$(dirname "$0")/../../scripts/lib.sh"
need soak cargo
status=0

# soak NAME COMMAND…: goes on after a failure, so that a night's run says all there is to say.
soak() {
    local name=$1 from=$SECONDS
    shift
    if logged "soak-$name" "$@"; then
        echo "ok $name ($((SECONDS - from)) s)"
    else
        echo "not ok $name: target/logs/soak-$name.log"
        status=1
    fi
}

export SINKWELL_SOAK="${SINKWELL_SOAK:-10}"
soak lanes cargo test --release -p sinkwell --lib lane:: -- --nocapture
# Two thousand random sets of policies, and a thousand reloads under load.
SINKWELL_LONG=1 soak policies cargo test --release -p sinkwell --lib policy:: -- --nocapture
if [[ -d core/tests/lanes ]]; then
    soak fan-out cargo test --release -p sinkwell --test lanes -- --nocapture
fi
SINKWELL_KILLS="${SINKWELL_KILLS:-10000}" SINKWELL_REPLAY_KILLS="${SINKWELL_REPLAY_KILLS:-10000}" \
    SINKWELL_DEED_KILLS="${SINKWELL_DEED_KILLS:-10000}" \
    SINKWELL_NONCES="${SINKWELL_NONCES:-100000}" soak crashes scripts/test-crash.sh
# Streams: ten million envelopes; either end killed a hundred times, paused for a minute, refused, throttled; a new stream every
# second for ten minutes; a
# thousand agents.
soak stream cargo test --release -p sinkwell --lib stream:: -- --nocapture --include-ignored --skip measure --skip sizes
SINKWELL_PAUSE_SECONDS="${SOAK_PAUSE:-60}" SINKWELL_STREAM_KILLS="${SOAK_STREAM_KILLS:-100}" soak intake \
    cargo test --release -p sinkwell-cli --test intake -- --nocapture --include-ignored --test-threads=1
soak journal cargo test --release -p sinkwell --lib journal:: -- --nocapture
SINKWELL_TEST_ROUNDS="${SOAK_CRASHES:-1000}" soak audit-crashes \
    cargo test --release -p sinkwell --lib audit::tests::crash -- --nocapture
SINKWELL_BENCH_CHECK=1 soak audit-chain \
    cargo run --release -p sinkwell-bench-audit -- "${SOAK_ROWS:-10000000}" target
SINKWELL_PAUSE_SECONDS=30 soak collector-paused \
    cargo test --release -p sinkwell --test collector -- paused sealed_delivered_and_verified
soak end-to-end cargo test --release -p sinkwell --test end_to_end --test canaries
# Every sink, state of its lane, first call in the child and way to fork.
# shellcheck disable=SC2329  # called by name below
forks() { (python_package && python bindings-python/tests/fork_storm.py --all); }
soak forks forks
# The viewer: ten thousand changed files and ten thousand graphs beside the command; a million events in Chromium, where page
# and command must agree; live at 5 000 events a second, also where there are 300 000 events already.
# shellcheck disable=SC2329  # called by name below
viewer() {
    export SINKWELL_COMMAND="$root/target/release/sinkwell" VIEWER_CHANGES="$root/target/viewer/all-changes" \
        VIEWER_GRAPHS="$root/target/viewer/all-graphs"
    node_modules viewer && venv tests/independent/requirements.txt && cargo build --release -p sinkwell-cli &&
        npm --prefix viewer run build -- --test || return
    rm -rf "$VIEWER_CHANGES" "$VIEWER_GRAPHS" && mkdir -p target/viewer
    python tests/independent/mutate.py --every=2 --write="$VIEWER_CHANGES" &&
        SINKWELL_GRAPH_RUNS="$VIEWER_GRAPHS" SINKWELL_GRAPH_COUNT=10000 \
            cargo test --release -q -p sinkwell --lib planted_runs_for_another_graph &&
        node --test viewer/build/test/changes.test.mjs viewer/build/test/authority.test.mjs &&
        VIEWER_HUGE=1 node --test viewer/build/test/browser.test.mjs &&
        SINKWELL_CHECK=1 node viewer/build/test/figures.mjs 100000 &&
        node --max-old-space-size=4096 viewer/build/test/figures.mjs "${SOAK_VIEWER_EVENTS:-1000000}" &&
        SINKWELL_CHECK=1 node viewer/build/test/figures.mjs live 60 &&
        SINKWELL_CHECK=1 node --max-old-space-size=4096 viewer/build/test/figures.mjs live 60 300000
}
soak viewer viewer
FUZZ_SECONDS="${FUZZ_SECONDS:-600}" soak fuzz tests/fuzz/run.sh
exit "$status"
