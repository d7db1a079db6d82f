#!/usr/bin/env bash
# Builds the page and writes it to where the command embeds it from.
source "$(dirname "$0")/../scripts/lib.sh"
need viewer-gen node npm
node_modules viewer
logged viewer-build npm --prefix viewer run build
cp viewer/build/page.html cli/src/view/page.html
