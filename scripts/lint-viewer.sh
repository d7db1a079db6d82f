#!/usr/bin/env bash
# viewer: `npm run lint`, which is prettier --check and tsc --noEmit, pinned there.
source "$(dirname "$0")/lib.sh"
[[ -d viewer ]] || exit 0
need lint-viewer node npm

node_modules viewer
logged viewer-lint npm --prefix viewer run lint
