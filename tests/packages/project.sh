# An empty project outside of the source tree, and what every test of a package does in one; to be sourced.
# Prints TAP. The script that sources it stops at the first command that fails, which is then its "not ok".
# shellcheck shell=bash
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
source "$root/scripts/native.sh"

language="$(basename "$0" .sh)" step="the project is made"
project="$(mktemp -d "${TMPDIR:-/tmp}/sinkwell-$language-XXXXXX")"
ended() {
    local status=$?
    if ((status != 0)); then
        echo "not ok $language: $step"
        tail -n 40 "$project.log" >&2 2>/dev/null || true
    fi
    # Go keeps what it unpacked read-only.
    chmod -R u+w "$project" && rm -rf "$project" "$project.log"
}
trap ended EXIT
unset SINKWELL_CONFIG SINKWELL_LANES SINKWELL_DISABLED SINKWELL_TESTING LD_LIBRARY_PATH SINKWELL_LIB_DIR
cd "$project"

# expect WHAT COMMAND...: one TAP line; what the command says is shown where it fails.
expect() {
    step=$1
    shift
    "$@" >"$project.log" 2>&1
    echo "ok $language: $step"
}

# block README HEADING LANGUAGE: the first block of that language under the heading "## HEADING".
block() {
    awk -v heading="## $2" -v open="\`\`\`$3" '
        /^## / { under = $0 == heading }
        inside && $0 == "```" { exit }
        inside { print; any = 1 }
        under && $0 == open { inside = 1 }
        END { exit !any }' "$1"
}

# The command, as it came with the package under test, or else as every package brings it.
sinkwell="$native/sinkwell"

# sound: what the quickstart left is whole, and signed with the key that was made for it.
sound() {
    local report
    report="$("$sinkwell" verify --strict --format json --key k1=agent.pem.pub events.ndjson)"
    grep -q '"verdict": *"sound"' <<<"$report" && grep -q '"type":"dev.sinkwell.tool.invocation"' events.ndjson
}

# versioned COMMAND...: the command says the version that is being built.
versioned() { [[ "$("$@" --version)" == "sinkwell $version" ]]; }
