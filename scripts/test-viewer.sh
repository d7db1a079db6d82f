#!/usr/bin/env bash
# viewer: its verifier over all vectors and over changed files beside `sinkwell verify`, the page that the command embeds
# against the one that is built here, and the page in a real browser (headless Chromium). Screenshots: target/viewer.
source "$(dirname "$0")/lib.sh"
need viewer cargo node npm python3

status=0
node_modules viewer || counted viewer 1
sinkwell_command || counted viewer 1

# The page in the repository is the one that its sources make.
passed=0
if logged viewer-build npm --prefix viewer run build && cmp viewer/build/page.html cli/src/view/page.html; then
    passed=1
else
    echo "viewer: cli/src/view/page.html is not what viewer/ builds; run viewer/gen.sh and commit" >&2
    status=1
fi

# Changed files, by a sealer that shares no code with the core.
venv tests/independent/requirements.txt || counted viewer 1
rm -rf target/viewer && mkdir -p target/viewer
logged viewer-changes python tests/independent/mutate.py --every=16 --write=target/viewer/changes || counted viewer 1

# Random runs with faults that are planted and written down: the core's own tests of the graph leave them.
# Called by its name.
# shellcheck disable=SC2329
graph_runs() {
    SINKWELL_GRAPH_RUNS="$root/target/graph-runs" cargo test -q -p sinkwell --lib planted_runs_for_another_graph
}
[[ -f target/graph-runs/99.expected ]] || logged viewer-graphs graph_runs || counted viewer 1

# A browser: the system's own. It is never downloaded as anything but the system's package.
if ! have chromium && ((EUID == 0)) && have apt-get; then
    export DEBIAN_FRONTEND=noninteractive
    fetched viewer-apt-update apt-get update -qq || true
    fetched viewer-chromium apt-get install -y -qq --no-install-recommends chromium || true
fi
have chromium || echo "viewer: THE BROWSER'S TESTS ARE SKIPPED (no chromium on PATH, and it could not be installed)"

export SINKWELL_COMMAND="$root/target/debug/sinkwell"
logged viewer timeout 600 npm --prefix viewer test || status=1
total() { sum "$logs/viewer.log" "s/^(#|ℹ) $1 ([0-9]+)$/\\2/p"; }
counted viewer "$status" "$(($(total pass) + passed))" "$(($(total fail) + $(total cancelled)))" \
    "$(($(total skipped) + $(total todo)))"
