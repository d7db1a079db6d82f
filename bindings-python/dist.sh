#!/usr/bin/env bash
# target/dist/sinkwell-VERSION-cp310-abi3-manylinux_2_28_x86_64.whl: for every CPython from 3.10, with the command.
# maturin writes what the wheel says of itself, from pyproject.toml. It would compile the core a second time (5 minutes
# of CPU), with flags of its own, so the addon is the one of the native build, and `wheel` packs.
source "$(dirname "$0")/../scripts/lib.sh"
source "$root/scripts/native.sh"
need python-dist cargo python3

native_build
stage="$root/target/dist-stage/wheel/sinkwell-$version"
rm -rf "$stage"
mkdir -p "$stage"
logged python-dist-info maturin pep517 write-dist-info --profile dist --metadata-directory "$stage" \
    --manifest-path bindings-python/Cargo.toml --interpreter "$(command -v python)"
info="$stage/sinkwell-$version.dist-info"
sed -i "s/^Tag: .*/Tag: cp310-abi3-manylinux_${glibc/./_}_x86_64/" "$info/WHEEL"
mkdir "$info/licenses"
cp LICENSE "$info/licenses/"
cp -r bindings-python/python/sinkwell "$stage/"
# What an editable install left there.
find "$stage" \( -name '__pycache__' -o -name '*.so' \) -prune -exec rm -r {} +
cp "$native/lib_native.so" "$stage/sinkwell/_native.abi3.so"
cp -r schemas "$stage/sinkwell/"
logged python-dist wheel pack --dest-dir "$dist" "$stage"
shipped "$dist/sinkwell-$version-cp310-abi3-manylinux_${glibc/./_}_x86_64.whl"
