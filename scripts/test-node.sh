#!/usr/bin/env bash
# bindings-node: `npm ci`, `npm run build` where there is one, then `npm test`, which runs node:test.
source "$(dirname "$0")/lib.sh"
need node cargo node npm

status=0
rm -f "$root/target/vectors/node.tsv"
node_modules bindings-node || counted node 1
# The declarations are in the repository, for whoever reads them there: what the build makes must be what stands there.
declared() { (cd bindings-node && find native.d.ts types -type f -exec sha256sum {} + | sort -k2); }
before=$(declared)
logged node-build npm --prefix bindings-node run build --if-present || counted node 1
if [[ $(declared) != "$before" ]]; then
    echo "node: the build made other declarations than stood in bindings-node/types and native.d.ts; see and commit:"
    diff <(echo "$before") <(declared) | sed -n 's/^> [0-9a-f]* */  /p'
    status=1
fi
logged node timeout 900 npm --prefix bindings-node test || status=1
# The reporter's closing lines, "# pass 3" or "ℹ pass 3".
total() { sum "$logs/node.log" "s/^(#|ℹ) $1 ([0-9]+)$/\\2/p"; }
counted node "$status" "$(total pass)" "$(($(total fail) + $(total cancelled)))" \
    "$(($(total skipped) + $(total todo)))"
