#!/usr/bin/env bash
# The npm tarballs, main package and this platform's, into target/dist.
source "$(dirname "$0")/../scripts/lib.sh"

node_modules bindings-node
work="$root/target/dist/node-build"
mkdir -p "$work"
cd bindings-node
logged node-dist npx napi build --release --platform --strip --manifest-path Cargo.toml --package sinkwell-node \
    --output-dir "$work" --js native.js --dts native.d.ts
logged node-dist-js npm run build:js
logged node-dist-cli cargo build --release -p sinkwell-cli
node scripts/pack.js "$work"/sinkwell.linux-x64-gnu.node "$root/target/release/sinkwell" "$root/target/dist"
rm -r "$work"
ls -l "$root"/target/dist/*.tgz
