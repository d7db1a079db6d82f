#!/usr/bin/env bash
# What sinkwell costs beside what is used today: every table, and its JSON in target/bench.
# BENCH_ROUNDS (5), BENCH_QUICK=1 (a tenth of the events), BENCH_ONLY="rust policy python node go dotnet jvm stream",
# BENCH_BUILD=1 (builds, and measures nothing), BENCH_PROFILE (release; with dev, only to see whether it runs), BENCH_GUIDED=1 (the
# libraries as a release has them, guided by a profile: docs/decisions/0012-profile-guided-packages.md; twenty minutes of building).
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

out="$root/target/bench"
mkdir -p "$out"
options=(--rounds "${BENCH_ROUNDS:-5}")
[[ -z "${BENCH_QUICK:-}" ]] || options+=(--quick)
profile="${BENCH_PROFILE:-release}"
built="$root/target/$profile"
[[ "$profile" != dev ]] || built="$root/target/debug"
# Where the libraries of the other languages are.
libraries="$built"
if [[ -n "${BENCH_GUIDED:-}" ]]; then
    export SINKWELL_GUIDED=1
    # shellcheck source=scripts/native.sh
    . "$root/scripts/native.sh"
    libraries="$native"
fi
missing=() ran=()

# needs LANGUAGE COMMAND...: whether all of them are on PATH; if not, says so loudly and at the end again.
needs() {
    local language=$1 command
    shift
    for command; do
        have "$command" && continue
        echo "bench $language: SKIPPED (no $command on PATH)" >&2
        missing+=("$language: no $command on PATH")
        return 1
    done
}

# unbuilt LANGUAGE: what has failed (most often a registry that is out of reach) leaves out that language only.
unbuilt() {
    echo "bench $1: SKIPPED (it could not be built; the reason is above)" >&2
    missing+=("$1: could not be built")
}

# library PACKAGE: builds a language's library. (All at once where they are guided, in a shell whose flags are nobody else's.)
library() {
    if [[ -n "${BENCH_GUIDED:-}" ]]; then (native_build); else logged "bench-$1" cargo build --profile "$profile" -p "$1"; fi
}

# What each language needs is built here, before anything is measured; its program is left in `program`.
build_rust() {
    program=()
}

# Telemetry policies, beside the crates cel and vrl. The second is in a workspace of its own, as it brings 300 crates along.
build_policy() {
    local vrl=bench/policy/vrl/Cargo.toml
    logged bench-policy cargo build --profile "$profile" -p sinkwell-bench-policy || return
    logged bench-vrl cargo build --locked --profile "$profile" --manifest-path "$vrl" --target-dir target/vrl || return
    program=()
}

run_policy() {
    local small=(--rounds "${BENCH_ROUNDS:-5}")
    [[ -z "${BENCH_QUICK:-}" ]] || small+=(--events 2000)
    {
        "$built/sinkwell-bench-policy" "${small[@]}"
        "$root/target/vrl/$(basename "$built")/sinkwell-bench-policy-vrl" "${small[@]}"
    } | tee "$out/policy.md"
}

build_python() {
    needs python python3 || return 2
    # An environment of its own: what is measured against is nobody's dependency.
    local venv="$root/target/bench-venv" manifest=bindings-python/Cargo.toml
    [[ -x "$venv/bin/python" ]] || logged bench-venv python3 -m venv "$venv" || return
    logged bench-pip "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        -r bench/python/requirements.txt || return
    if [[ -n "${BENCH_GUIDED:-}" ]]; then
        library sinkwell-python || return
        # The package as a wheel has it; what lies there goes before what is installed.
        local package="$out/python"
        rm -rf "$package" && mkdir -p "$package"
        cp -r bindings-python/python/sinkwell "$package/" && cp -r schemas "$package/sinkwell/" || return
        find "$package" -name '*.so' -delete
        cp "$native/lib_native.so" "$package/sinkwell/_native.abi3.so" || return
        export PYTHONPATH="$package"
    else
        VIRTUAL_ENV="$venv" logged bench-maturin "$venv/bin/maturin" develop --quiet --profile "$profile" \
            --manifest-path "$manifest" || return
    fi
    program=("$venv/bin/python" bench/python/bench.py)
}

node_javascript() {
    cd bindings-node && npx --no-install tsc -p . --noCheck --declaration false --declarationDir null &&
        node scripts/esm.js && cd "$root"
}

build_node() {
    needs node node npm || return 2
    node_modules bindings-node || return
    library sinkwell-node || return
    cp "$libraries/libsinkwell_node.so" "$out/sinkwell.node" || return
    export NAPI_RS_NATIVE_LIBRARY_PATH="$out/sinkwell.node"
    # JavaScript only: its types are checked where it is tested.
    logged bench-node-js node_javascript || return
    node_modules bench/node || return
    # The collector is asked once, before measuring, so that what the start left behind is nobody's.
    program=(node --expose-gc bench/node/bench.js)
}

build_go() {
    needs go go cc || return 2
    library sinkwell-c || return
    # shellcheck disable=SC2097,SC2098
    CGO_LDFLAGS="-L$libraries" logged bench-go go -C bench/go build -mod=readonly -o "$out/go-bench" . || return
    program=("$out/go-bench")
}

build_dotnet() {
    # dotnet_sdk would end all of this where there is none.
    [[ -x ../shared/dotnet/setup.sh ]] && eval "$(../shared/dotnet/setup.sh)"
    needs dotnet dotnet || return 2
    export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
    library sinkwell-c || return
    logged bench-dotnet dotnet build bench/dotnet/Bench.csproj --configuration Release || return
    export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    program=(dotnet "$root/target/dotnet/bin/Bench/release/Bench.dll")
}

build_jvm() {
    needs jvm java mvn || return 2
    library sinkwell-jvm || return
    # A folder of its own: the platform's jar is made of all that lies in it.
    local stage="$out/jvm"
    rm -rf "$stage"
    mkdir -p "$stage/native"
    cp "$libraries/libsinkwell_jvm.so" "$stage/native/" || return
    logged bench-jvm maven bindings-jvm package -Pbench -Dmaven.test.skip=true "-Dsinkwell.native.dir=$stage/native" \
        "-Dsinkwell.target=$stage" || return
    program=(java -Xmx512m -cp "$stage/bench/classes:$stage/bench/jars/*" Bench)
}

# The stream beside OTLP, gzip and zstd: bytes and processor time. It measures what is inside of the core, as one of its tests.
stream() {
    local tables=(cargo test --release -p sinkwell --features intake --lib)
    logged bench-stream-build "${tables[@]}" --no-run || return
    [[ -z "${BENCH_BUILD:-}" ]] || return 0
    echo "## stream"
    # OpenTelemetry Arrow has its own producer in Go, which takes the same batches.
    rm -rf "$out/arrow" && mkdir -p "$out/arrow"
    SINKWELL_MEASURE_ARROW="$out/arrow" SINKWELL_MEASURE_ROUNDS="${BENCH_ROUNDS:-5}" SINKWELL_MEASURE_EVENTS="$([[ -z "${BENCH_QUICK:-}" ]] && echo 10000 || echo 1000)" \
        "${tables[@]}" --quiet -- sinks::stream::tests::measure --skip receiver --ignored --nocapture --test-threads=1 |
        tee "$out/stream.md" || return
    if needs arrow go && logged bench-arrow go -C bench/arrow build -mod=readonly -o "$out/arrow-bench" .; then
        "$out/arrow-bench" "$out/arrow" | tee -a "$out/stream.md"
    else
        echo "bench arrow: SKIPPED (it could not be built)" >&2
    fi
    rm -rf "$out/arrow"
}

languages="${BENCH_ONLY:-rust policy python node go dotnet jvm stream}"
if [[ " $languages " == *" stream "* ]]; then
    if stream; then ran+=(stream); else unbuilt stream; fi
    languages="${languages/stream/}"
fi

# Nothing else can be measured without the receiver.
[[ -z "${languages// /}" ]] ||
logged bench-rust-build cargo build --profile "$profile" -p sinkwell-bench
bench="$built/sinkwell-bench"

for language in $languages; do
    program=() status=0
    "build_$language" || status=$?
    if ((status == 2)); then
        continue
    elif ((status != 0)); then
        unbuilt "$language"
        continue
    fi
    ran+=("$language")
    [[ -z "${BENCH_BUILD:-}" ]] || continue
    echo "## $language"
    if [[ $language == policy ]]; then
        run_policy
        continue
    fi
    "$bench" "${options[@]}" --language "$language" --json "$out/$language.json" -- "${program[@]}"
done

if ((${#missing[@]} > 0)); then
    printf 'bench: NOT MEASURED: %s\n' "${missing[@]}" >&2
fi
# That nothing ran is no success, and neither is a gap where everything is required.
((${#ran[@]} > 0)) && [[ "${SINKWELL_REQUIRE:-}" != all || ${#missing[@]} -eq 0 ]]
