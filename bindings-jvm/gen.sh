#!/usr/bin/env bash
# Writes the Kotlin half of the library's interface again, from the library. With --check compares instead.
source "$(dirname "$0")/../scripts/lib.sh"
need bindings-jvm cargo

file=bindings-jvm/sinkwell/src/main/kotlin/dev/sinkwell/internal/sinkwell.kt
out="$root/target/jvm/gen"
rm -rf "$out"
mkdir -p "$out"
logged jvm-gen-library cargo build -p sinkwell-jvm
logged jvm-gen cargo run --quiet -p sinkwell-jvm-bindgen -- generate --language kotlin --no-format --out-dir "$out" \
    target/debug/libsinkwell_jvm.so
# uniffi makes all of it public; it is nobody's business but the package's. Functions come last.
sed -E -e 's/^ ?(public )?((sealed |open |data |abstract |enum )?(class|object|interface) )/internal \2/' \
    -e 's/^(public |inline )fun /internal &/; s/^internal public /internal /' -e 's/[[:blank:]]+$//' \
    "$out/dev/sinkwell/internal/sinkwell.kt" |
    awk '/^internal object FfiConverterMap/ { last = 1 } last { sub(/ fun `/, " internal fun `") } { print }' >"$out/sinkwell.kt"
if [[ "${1:-}" == --check ]]; then
    diff "$file" "$out/sinkwell.kt" && exit
    echo "$file is not what the library has; run bindings-jvm/gen.sh" >&2
    exit 1
fi
cp "$out/sinkwell.kt" "$file"
