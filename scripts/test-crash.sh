#!/usr/bin/env bash
# tests/crash: a program in each language that has one is killed again and again, SINKWELL_KILLS times in all
# (default 320; SINKWELL_SEED repeats a run's choices), and the books must balance after every kill.
source "$(dirname "$0")/lib.sh"
need crash cargo

kills="${SINKWELL_KILLS:-320}" passed=0 failed=0 skipped=0
logged crash-build cargo build -p sinkwell-crash || counted crash 1

# crash LANGUAGE SIXTEENTHS PROGRAM...: that share of the kills.
crash() {
    local language=$1 share=$2
    shift 2
    if logged "crash-$language" target/debug/sinkwell-crash --kills "$((kills * share / 16))" \
        --seed "${SINKWELL_SEED:-1}" -- "$@"; then
        echo "$language: $(tail -n 1 "$logs/crash-$language.log")"
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

# without LANGUAGE TOOL: says loudly what does not run.
without() {
    echo "crash of $1: SKIPPED (no $2 on PATH)"
    skipped=$((skipped + 1))
    [[ "${SINKWELL_REQUIRE:-}" != all ]] || failed=$((failed + 1))
}

crash rust 10 target/debug/sinkwell-crash agent
if ! have python3; then
    without python python3
elif python_package; then
    crash python 3 python tests/crash/agent.py
else
    failed=$((failed + 1))
fi
if ! have node; then
    without node node
elif node_modules bindings-node && logged node-build npm --prefix bindings-node run build --if-present; then
    crash node 3 node tests/crash/agent.mjs
else
    failed=$((failed + 1))
fi
# A vacuum's replay into two lanes: SINKWELL_REPLAY_KILLS in SINKWELL_NONCES nonces.
if logged crash-vacuum target/debug/sinkwell-crash --kills "${SINKWELL_REPLAY_KILLS:-60}" \
    --replay "${SINKWELL_NONCES:-2000}" --seed "${SINKWELL_SEED:-1}"; then
    tail -n 1 "$logs/crash-vacuum.log"
    passed=$((passed + 1))
else
    failed=$((failed + 1))
fi
# Deeds with a real side effect: SINKWELL_DEED_KILLS.
if logged crash-deeds target/debug/sinkwell-crash --kills "${SINKWELL_DEED_KILLS:-300}" --deeds \
    --seed "${SINKWELL_SEED:-1}"; then
    tail -n 1 "$logs/crash-deeds.log"
    passed=$((passed + 1))
else
    failed=$((failed + 1))
fi
counted crash 0 "$passed" "$failed" "$skipped"
