#!/usr/bin/env bash
# Writes the Kotlin and the Swift halves of the library's interface again, from the library. With --check compares instead.
source "$(dirname "$0")/../scripts/lib.sh"
need bindings-jvm cargo

kotlin=bindings-jvm/sinkwell/src/main/kotlin/dev/sinkwell/internal
swift=bindings-jvm/swift/Sources
out="$root/target/jvm/gen"
rm -rf "$out"
mkdir -p "$out/made"
logged jvm-gen-library cargo build -p sinkwell-jvm
logged jvm-gen-bindgen cargo build -p sinkwell-jvm-bindgen
for language in kotlin swift; do
    logged "jvm-gen-$language" target/debug/sinkwell-jvm-bindgen generate --language "$language" --no-format \
        --out-dir "$out/$language" target/debug/libsinkwell_jvm.so
done
# uniffi makes all of it public; it is nobody's business but the package's. Functions come last.
sed -E -e 's/^ ?(public )?((sealed |open |data |abstract |enum )?(class|object|interface) )/internal \2/' \
    -e 's/^(public |inline )fun /internal &/; s/^internal public /internal /' -e 's/[[:blank:]]+$//' \
    "$out/kotlin/dev/sinkwell/internal/sinkwell.kt" |
    awk '/^internal object FfiConverterMap/ { last = 1 } last { sub(/ fun `/, " internal fun `") } { print }' >"$out/made/sinkwell.kt"
for file in Sinkwell.swift SinkwellFFI.h; do
    sed -E 's/[[:blank:]]+$//' "$out/swift/$file" >"$out/made/$file"
done
sed -E 's/[[:blank:]]+$//' "$out/swift/SinkwellFFI.modulemap" >"$out/made/module.modulemap"

# settle MADE PLACE: puts what was made there, or compares it.
status=0
settle() {
    if [[ "$mode" != --check ]]; then
        cp "$out/made/$1" "$2/$1"
    elif ! diff "$2/$1" "$out/made/$1"; then
        echo "$2/$1 is not what the library has; run bindings-jvm/gen.sh" >&2
        status=1
    fi
}
mode="${1:-}"
settle sinkwell.kt "$kotlin"
settle Sinkwell.swift "$swift/Sinkwell"
settle SinkwellFFI.h "$swift/SinkwellFFI"
settle module.modulemap "$swift/SinkwellFFI"
exit "$status"
