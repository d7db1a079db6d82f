# Shared by the scripts beside it; to be sourced. No script here reads standard input.
# A function that is called as `f || g` runs without `set -e`: what must stop it says `|| return`.
# shellcheck shell=bash
set -euo pipefail
exec </dev/null

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
logs="$root/target/logs"
mkdir -p "$logs"

# cargo tries a download again by itself; what else asks a registry is `fetched`.
export CARGO_NET_RETRY="${CARGO_NET_RETRY:-10}"

have() { command -v "$1" >/dev/null 2>&1; }

# skip WHAT REASON: says loudly what does not run and why; with SINKWELL_REQUIRE=all that is a failure.
skip() {
    echo "$1: SKIPPED ($2)"
    [[ "${SINKWELL_REQUIRE:-}" == all ]] && exit 1
    exit 0
}

# need WHAT COMMAND...: goes on only where every command is on PATH.
need() {
    local what=$1 command
    shift
    for command; do
        have "$command" || skip "$what" "no $command on PATH"
    done
}

# logged NAME COMMAND...: runs with all output in target/logs/NAME.log, and shows its end where it fails.
logged() {
    local name=$1 status=0
    shift
    "$@" >"$logs/$name.log" 2>&1 || status=$?
    if ((status != 0)); then
        echo "$name: failed with status $status; the end of target/logs/$name.log:" >&2
        tail -n 60 "$logs/$name.log" >&2
    fi
    return "$status"
}

# fetched NAME COMMAND...: logged, for what a registry must answer: three tries, since a download cut off says nothing of us.
fetched() {
    local name=$1 try
    shift
    for try in 1 2; do
        "$@" >"$logs/$name.log" 2>&1 && return
        echo "$name: try $try of 3 failed: $(tail -n 1 "$logs/$name.log")" >&2
        sleep "$((try * 5))"
    done
    logged "$name" "$@"
}

# counted WHAT STATUS PASSED FAILED SKIPPED: the line that scripts/test.sh adds up, and the exit status.
# A runner that failed without naming a failed test, or ran none at all, counts as one failure.
counted() {
    local what=$1 status=$2 passed=${3:-0} failed=${4:-0} skipped=${5:-0}
    if ((failed == 0 && (status != 0 || passed == 0))); then
        ((status != 0)) || echo "$what: no test ran" >&2
        failed=1
    fi
    echo "$what: $passed passed, $failed failed, $skipped skipped"
    ((failed == 0))
    exit
}

# sum FILE SED-EXPRESSION: adds up the numbers that the expression finds in the file.
sum() { sed -nE "$2" "$1" | awk '{ n += $1 } END { print n + 0 }'; }

# The tools that come as wheels, pinned in scripts/requirements.txt, in target/venv; also first on PATH.
# venv [REQUIREMENTS]...: further files to install from.
venv() {
    local venv="$root/target/venv" files=("$root/scripts/requirements.txt" "$@") file stamp
    [[ -x "$venv/bin/python" ]] || logged venv python3 -m venv "$venv" || return
    for file in "${files[@]}"; do
        stamp="$venv/.installed-$(sha256sum <"$file" | cut -c1-16)"
        if ! [[ -e "$stamp" ]]; then
            fetched pip "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$file" || return
            touch "$stamp"
        fi
    done
    export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH"
}

# node_modules FOLDER: what the folder's package-lock.json pins.
node_modules() {
    local stamp
    stamp="$1/node_modules/.installed-$(sha256sum <"$1/package-lock.json" | cut -c1-16)"
    if ! [[ -e "$stamp" ]]; then
        fetched npm npm --prefix "$1" ci --no-audit --no-fund || return
        touch "$stamp"
    fi
}

# What the Go modules and their tests need.
go_modules() {
    local module
    for module in bindings-go bindings-go/otel bindings-go/mcp; do
        fetched go-modules go -C "$module" list -deps -test ./... || return
    done
}

# A .NET SDK: the one on PATH, else the one that stands beside the project.
dotnet_sdk() {
    # It leaves an SDK that is on PATH and new enough alone.
    [[ -x ../shared/dotnet/setup.sh ]] && eval "$(../shared/dotnet/setup.sh)"
    need "$1" dotnet
    export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
}

# The C ABI that Go, .NET and C stand on: builds it and says where it is.
c_library() {
    logged c-library cargo build -p sinkwell-c || return
    export SINKWELL_LIB_DIR="$root/target/debug"
    export LD_LIBRARY_PATH="$SINKWELL_LIB_DIR${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}

# go_library: the flags by which Go links that library. Go's cache knows of no library's bytes, and keeps what `go run` has linked: a
# folder that is not there, called after the library as it is now, makes it another command.
go_library() {
    local bytes
    bytes="$(cksum <"$SINKWELL_LIB_DIR/libsinkwell.a")" || return
    echo "-L$SINKWELL_LIB_DIR -L$SINKWELL_LIB_DIR/${bytes/ /-} ${CGO_LDFLAGS:-}"
}

# maven FOLDER ARGUMENT...: Maven there; again, three times in all, where Maven Central did not answer.
maven() {
    local folder=$1 try status out="$logs/maven.out"
    shift
    for try in 1 2 3; do
        status=0
        # The compiler runs in Maven's own process: nothing of it stays behind.
        mvn --batch-mode --no-transfer-progress -Dkotlin.compiler.daemon=false -f "$root/$folder/pom.xml" "$@" 2>&1 |
            tee "$out" || status=$?
        if ((status == 0 || try == 3)) || ! grep -qE 'Could not (transfer|resolve|find artifact)' "$out"; then
            return "$status"
        fi
        echo "maven: try $try of 3 failed; Maven Central did not answer" >&2
        sleep "$((try * 5))"
    done
}

# The library that the package for the JVM loads: builds it and says where it is.
jvm_library() {
    logged jvm-library cargo build -p sinkwell-jvm || return
    export SINKWELL_LIB_DIR="$root/target/debug"
}

# The `sinkwell` command, which transcripts of documentation run: target/debug/sinkwell.
sinkwell_command() { logged sinkwell-command cargo build -p sinkwell-cli; }

# The Python package, built for debugging and installed into target/venv.
python_package() {
    local extra=bindings-python/requirements-test.txt
    if [[ -e "$extra" ]]; then venv "$root/$extra" || return; else venv || return; fi
    local compiled=bindings-python/requirements-compiled.txt
    pip install --quiet --disable-pip-version-check -r "$root/$compiled" >"$logs/pip-compiled.log" 2>&1 ||
        echo "python: not everything of $compiled installs here; what needs it is left out"
    logged maturin maturin develop --quiet --manifest-path bindings-python/Cargo.toml
}
