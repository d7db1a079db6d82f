# The native half of everything that ships, built once for all packages; to be sourced after scripts/lib.sh.
# Guarantee: what lies in $native afterwards needs no glibc newer than 2.28, and no library but those of glibc and
# libgcc_s (scripts/test-packages.sh reads the binaries). zig, from PyPI, brings the old glibc to link against.
# shellcheck shell=bash disable=SC2034,SC2154

glibc=2.28
target=x86_64-unknown-linux-gnu
# SINKWELL_GUIDED=1: guided by a profile, as releases are; without, as tests build it, in half of the time.
native_target="$root/target/native${SINKWELL_GUIDED:+-guided}"
native="$native_target/$target/dist"
dist="$root/target/dist"
version="$(sed -nE '/^\[workspace.package\]/,/^\[/s/^version = "(.*)"/\1/p' Cargo.toml)"

# native_build: the C library (shared, static), the command, the addons of Node and Python, the JVM's library: one cargo command, so that
# the core is compiled once. Called by every dist.sh; where nothing changed it costs a second.
native_build() {
    mkdir -p "$dist"
    venv "$root/scripts/requirements-dist.txt" || return
    # Python's addon finds its symbols in the interpreter that loads it.
    export CARGO_ZIGBUILD_CACHE_DIR="$root/target/tools/zigbuild" ZIG_GLOBAL_CACHE_DIR="$root/target/tools/zig" \
        CARGO_INCREMENTAL=0 PYO3_BUILD_EXTENSION_MODULE=1 PYO3_NO_PYTHON=1
    local packages=(-p sinkwell-c -p sinkwell-cli -p sinkwell-jvm -p sinkwell-node -p sinkwell-python)
    if [[ -n "${SINKWELL_GUIDED:-}" ]]; then
        source "$root/scripts/guided.sh"
        # Optimised once more when each of the outputs is linked, as only then what is hot is inlined across crates.
        export CARGO_PROFILE_DIST_LTO=thin
        guided_profile || return
        export RUSTFLAGS="-Cprofile-use=$guided/sinkwell.profdata"
    fi
    logged native cargo zigbuild --locked --profile dist --target "$target.$glibc" --target-dir "$native_target" "${packages[@]}" || return
    [[ -z "${SINKWELL_GUIDED:-}" ]] || guided_holds
}

# archive FOLDER NAME: the folder as a tarball in $dist; the same bytes for the same files.
archive() {
    tar -C "$(dirname "$1")" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" \
        -cf - "$(basename "$1")" | gzip -9n >"$dist/$2"
    shipped "$dist/$2"
}

# shipped FILE...: says that it is there, or fails.
shipped() {
    local file
    for file; do
        [[ -s "$file" ]] || { echo "$file was not built" >&2; return 1; }
        echo "${file#"$root"/}"
    done
}
