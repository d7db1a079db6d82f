#!/usr/bin/env bash
# Functions are called by name.
# shellcheck disable=SC2329
# bindings-go: `go test -race ./...`, linked with the library in SINKWELL_LIB_DIR (also in CGO_LDFLAGS).
source "$(dirname "$0")/lib.sh"
need go cargo go cc

status=0
rm -f "$root/target/vectors/go.tsv"
c_library || counted go 1
sinkwell_command || counted go 1
go_modules || counted go 1
CGO_LDFLAGS="$(go_library)" && export CGO_LDFLAGS GOFLAGS="${GOFLAGS:-} -mod=readonly"
# A module inside another is not one of its packages.
modules() {
    local failed=0 module
    # Never from the cache, which does not know of the library's bytes nor of what the tests leave for the matrix.
    for module in bindings-go bindings-go/otel bindings-go/mcp; do go -C "$module" test -count=1 -race -json ./... || failed=1; done
    return "$failed"
}
logged go modules || status=$?
# What the failed tests said: the log has an object of JSON for each line of theirs, in the order of the clock.
((status == 0)) || python3 - "$logs/go.log" >&2 <<'EOF' || true
import collections, json, sys

said, failed = collections.defaultdict(list), []
for line in open(sys.argv[1], encoding="utf-8"):
    try:
        event = json.loads(line)
    except ValueError:
        print(line, end="")
        continue
    test = event.get("Package"), event.get("Test")
    if event["Action"] == "output":
        said[test].append(event["Output"])
    elif event["Action"] == "fail" and event.get("Test"):
        failed.append(test)
for test in failed:
    print(*test)
    print("".join(said[test][-40:]))
EOF
count() { grep -cE "\"Action\":\"$1\".*\"Test\":" "$logs/go.log" || true; }
counted go "$status" "$(count pass)" "$(count fail)" "$(count skip)"
