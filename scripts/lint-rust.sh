#!/usr/bin/env bash
# rustfmt, clippy without a warning (and an up-to-date Cargo.lock), and cargo-deny's bans, licences and sources (deny.toml).
source "$(dirname "$0")/lib.sh"
need lint-rust cargo python3
venv

status=0
cargo fmt --all --check || status=1
logged clippy cargo clippy --locked --workspace --all-targets -- -D warnings || status=1
logged clippy-schedules cargo clippy --locked -p sinkwell --features shuttle --test schedules -- -D warnings || status=1
logged rustdoc env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --exclude sinkwell-cli || status=1
logged deny cargo deny --all-features check bans licenses sources || status=1
exit "$status"
