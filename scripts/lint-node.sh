#!/usr/bin/env bash
# bindings-node: `npm run lint`, which is to be prettier --check and tsc --noEmit, pinned there.
source "$(dirname "$0")/lib.sh"
[[ -d bindings-node ]] || exit 0
need lint-node node npm

node_modules bindings-node
logged node-lint npm --prefix bindings-node run lint
