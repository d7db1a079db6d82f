# What a build that is guided by a profile needs: the profile. To be sourced after scripts/lib.sh and scripts/native.sh.
# An instrumented build of what ships runs the benchmarks' programs, each in its language, and an agent of Python's; what it
# counted tells the compiler which code is hot, so that an event's way lies together and the rest out of it.
# docs/decisions/0012-profile-guided-packages.md says what that brings.
# shellcheck shell=bash disable=SC2154

# A profile is of these sources; with others it is made again.
guided="$root/target/guided"
guided_of() { git ls-files -z -- '*.rs' Cargo.lock Cargo.toml | xargs -0 sha256sum | sha256sum | cut -c1-16; }

# guided_profile: leaves target/guided/sinkwell.profdata. A language that is not there is named, and its crossing is then
# built as if nobody had profiled it; with SINKWELL_REQUIRE=all that is a failure.
guided_profile() {
    local stamp built
    stamp="$guided/$(guided_of).stamp"
    [[ ! -e "$stamp" ]] || return 0
    rm -rf "$guided/raw" "$guided"/*.stamp
    mkdir -p "$guided/raw"
    # A function is known by a name that holds a hash of its crate's features, profile and dependencies, the crates of build scripts
    # among them. zig does not link an instrumented library; so this is cargo alone, told the one thing that cargo-zigbuild tells
    # it and that this hash depends on.
    RUSTFLAGS="-Cprofile-generate=$guided/raw" CARGO_TARGET_APPLIES_TO_HOST=false CARGO_UNSTABLE_TARGET_APPLIES_TO_HOST=true \
        __CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS=nightly logged guided-build cargo build --locked --profile dist \
        --target "$target" --target-dir "$guided/build" "${packages[@]}" || return
    built="$guided/build/$target/dist"
    guided_training "$built" || return
    rustup component add llvm-tools >"$logs/guided-tools.log" 2>&1 || { tail -n 5 "$logs/guided-tools.log" >&2; return 1; }
    "$(rustc --print target-libdir)/../bin/llvm-profdata" merge -o "$guided/sinkwell.profdata" "$guided/raw" || return
    guided_names "$guided/build" >"$guided/names"
    # Some gigabytes, and done with.
    rm -rf "$guided/build" "$guided/raw"
    touch "$stamp"
}

# guided_names TARGET-FOLDER: the names of the core's functions in a build.
guided_names() {
    "$(rustc --print target-libdir)/../bin/llvm-nm" --defined-only --format=just-symbols \
        "$1/$target"/dist/deps/libsinkwell-*.rlib 2>/dev/null | grep '^_ZN8sinkwell' | sort -u
}

# guided_holds: whether the profile was one of the functions that were built. Where it was not, nothing fails and nothing is gained.
guided_holds() {
    local names all known
    names="$(guided_names "$native_target")"
    all=$(wc -l <<<"$names")
    known=$(comm -12 - "$guided/names" <<<"$names" | wc -l)
    echo "guided: the profile knows $known of the core's $all functions"
    ((known * 2 > all))
}

# guided_training BUILT: runs everything with the libraries that lie there.
guided_training() {
    local built=$1 python="$guided/python" stage="$guided/jvm" asked=()
    # The package as it lies in the source tree, with the instrumented addon in it.
    rm -rf "$python" "$stage"
    mkdir -p "$python" "$stage/native"
    cp -r bindings-python/python/sinkwell "$python/" && cp -r schemas "$python/sinkwell/" || return
    find "$python" -name '*.so' -delete
    cp "$built/lib_native.so" "$python/sinkwell/_native.abi3.so" || return
    asked+=("python3 bench/python/bench.py")
    guided_language node node npm && {
        node_modules bindings-node || return
        cp "$built/libsinkwell_node.so" "$guided/sinkwell.node" || return
        NAPI_RS_NATIVE_LIBRARY_PATH="$guided/sinkwell.node" logged guided-node npm --prefix bindings-node run build:js || return
        asked+=("node --expose-gc bench/node/bench.js")
    }
    guided_language go go cc && {
        CGO_LDFLAGS="-L$built" logged guided-go go -C bench/go build -mod=readonly -o "$guided/go-bench" . || return
        asked+=("$guided/go-bench")
    }
    guided_language jvm java mvn && {
        cp "$built/libsinkwell_jvm.so" "$stage/native/" || return
        logged guided-jvm maven bindings-jvm package -Pbench -Dmaven.test.skip=true "-Dsinkwell.native.dir=$stage/native" \
            "-Dsinkwell.target=$stage" || return
        asked+=("java -cp $stage/bench/classes:$stage/bench/jars/* Bench")
    }
    PYTHONPATH="$python" LD_LIBRARY_PATH="$built" NAPI_RS_NATIVE_LIBRARY_PATH="$guided/sinkwell.node" \
        logged guided-training python3 scripts/train.py "$built/sinkwell" "${asked[@]}"
}

# guided_language LANGUAGE COMMAND...: whether all of them are on PATH.
guided_language() {
    local language=$1 command
    shift
    for command; do
        have "$command" && continue
        echo "guided $language: SKIPPED (no $command on PATH)" >&2
        [[ "${SINKWELL_REQUIRE:-}" != all ]] || exit 1
        return 1
    done
}
