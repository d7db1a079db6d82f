#!/usr/bin/env bash
# What the detectors cost beside those of an earlier commit (OLD, 9f0c27a: before the rewrite), in one run.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

old="$root/target/redaction-old"
rm -rf "$old"
mkdir -p "$old"
git archive "${OLD:-9f0c27a}" core/src/content/redact | tar -x -C "$old"
# The two stand beside each other, so that the old one has another path.
sed -i 's/pub(in crate::content::redact)/pub(crate)/' "$old"/core/src/content/redact/detect/*.rs
cargo run --quiet --release --manifest-path bench/redaction/speed/Cargo.toml --target-dir target/redaction-speed
