#!/usr/bin/env bash
# rustfmt, clippy without a warning (and an up-to-date Cargo.lock), and cargo-deny's bans, licences and sources (deny.toml).
source "$(dirname "$0")/lib.sh"
need lint-rust cargo python3
venv

# The features of the crate that add to what its users see.
features=sinkwell/serde,sinkwell/tracing,sinkwell/opentelemetry

# What users of the crate see must be what core/public-api.txt says, so that a change of it is a choice that a reviewer
# sees; with SINKWELL_BLESS=1 the file is written again. Rustdoc's JSON is not stable: the pinned compiler is told to
# write it all the same.
public_api() {
    local now="$logs/public-api.txt"
    RUSTC_BOOTSTRAP=1 logged rustdoc-json cargo rustdoc --locked -p sinkwell --lib --features "$features" -- \
        -Z unstable-options --output-format json || return
    cargo run --quiet --locked -p sinkwell-public-api -- target/doc/sinkwell.json >"$now" || return
    [[ -z "${SINKWELL_BLESS:-}" ]] || cp "$now" core/public-api.txt
    diff -u core/public-api.txt "$now" && return
    echo "public-api: the crate shows other things than core/public-api.txt says; if you mean it, write the file again" \
        "with SINKWELL_BLESS=1 scripts/lint-rust.sh" >&2
    return 1
}

# No crate that the core brings to its users, features included, asks for a newer Rust than the core says (decision 0008);
# of the standard library clippy's `incompatible_msrv` knows.
rust_version() {
    cargo metadata --locked --format-version 1 >"$logs/metadata.json" && python3 - "$logs/metadata.json" <<'PYTHON'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    metadata = json.load(file)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
version = lambda package: tuple(map(int, (package["rust_version"] or "1").split(".")))
core = next(package for package in packages.values() if package["name"] == "sinkwell")
reached, waiting = set(), [core["id"]]
while waiting:
    one = waiting.pop()
    if one not in reached:
        reached.add(one)
        deps = nodes[one]["deps"]
        waiting += [dep["pkg"] for dep in deps if any(kind["kind"] is None for kind in dep["dep_kinds"])]
newer = sorted(
    f"{packages[one]['name']} {packages[one]['version']} asks for Rust {packages[one]['rust_version']}"
    for one in reached
    if version(packages[one])[:2] > version(core)[:2]
)
print(*(f"rust-version of the core is {core['rust_version']}, but {line}" for line in newer), sep="\n")
sys.exit(bool(newer) or len(reached) < 50)
PYTHON
}

status=0
cargo fmt --all --check || status=1
# A workspace of its own, as what it brings along is in no other build: formatted, and no more.
cargo fmt --manifest-path bench/policy/vrl/Cargo.toml --check || status=1
logged clippy cargo clippy --locked --workspace --features "$features" --all-targets -- -D warnings || status=1
# As somebody takes the crate who wants no OTLP: beside the workspace's other members, a feature that it forgot to ask for
# is there all the same.
logged clippy-small cargo clippy --locked -p sinkwell --no-default-features -- -D warnings || status=1
logged clippy-schedules cargo clippy --locked -p sinkwell --features shuttle --test schedules -- -D warnings || status=1
logged rustdoc env RUSTDOCFLAGS="-D warnings" \
    cargo doc --workspace --features "$features" --no-deps --exclude sinkwell-cli || status=1
logged rustdoc-small env RUSTDOCFLAGS="-D warnings" \
    cargo doc -p sinkwell --no-default-features --no-deps || status=1
public_api || status=1
rust_version || status=1
logged deny cargo deny --all-features check bans licenses sources || status=1
exit "$status"
