#!/usr/bin/env bash
# What sinkwell costs beside what is used today: every table, and its JSON in target/bench.
# BENCH_ROUNDS (5), BENCH_QUICK=1 (a tenth of the events), BENCH_ONLY="rust python".
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

only=" ${BENCH_ONLY:-rust python} "
out="$root/target/bench"
mkdir -p "$out"
options=(--rounds "${BENCH_ROUNDS:-5}")
[[ -z "${BENCH_QUICK:-}" ]] || options+=(--quick)

logged bench-rust-build cargo build --release -p sinkwell-bench
receiver="$root/target/release/sinkwell-bench"

if [[ "$only" == *" rust "* ]]; then
    echo "## Rust"
    "$receiver" "${options[@]}" --json "$out/rust.json"
fi

if [[ "$only" == *" python "* ]]; then
    echo "## Python"
    # An environment of its own: what is measured against is nobody's dependency.
    venv="$root/target/bench-venv"
    [[ -x "$venv/bin/python" ]] || logged bench-venv python3 -m venv "$venv"
    logged bench-pip "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        -r bench/python/requirements.txt 'maturin>=1.9.4,<2'
    VIRTUAL_ENV="$venv" logged bench-maturin "$venv/bin/maturin" develop --quiet --release \
        --manifest-path bindings-python/Cargo.toml
    "$venv/bin/python" bench/python/bench.py "$receiver" "${options[@]}" --json "$out/python.json"
fi
