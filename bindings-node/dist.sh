#!/usr/bin/env bash
# target/dist/sinkwell-VERSION.tgz and sinkwell-linux-x64-gnu-VERSION.tgz: the npm packages, the main one and this platform's.
source "$(dirname "$0")/../scripts/lib.sh"
source "$root/scripts/native.sh"
need node-dist cargo python3 node npm

native_build
node_modules bindings-node
# The name by which Node knows an addon; the ES modules are written from what it exports.
addon="$root/target/dist-stage/sinkwell.linux-x64-gnu.node"
mkdir -p "$(dirname "$addon")"
cp "$native/libsinkwell_node.so" "$addon"
logged node-dist env NAPI_RS_NATIVE_LIBRARY_PATH="$addon" npm --prefix bindings-node run build:js
logged node-pack node bindings-node/scripts/pack.js "$addon" "$native/sinkwell" "$dist"
shipped "$dist/sinkwell-$version.tgz" "$dist/sinkwell-linux-x64-gnu-$version.tgz"
