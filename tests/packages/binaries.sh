#!/usr/bin/env bash
# What every shipped binary needs of the system, and what every artifact weighs.
# - No symbol of a glibc newer than 2.28, no library but those of glibc and libgcc_s: read from the binaries
#   themselves, as they lie in the artifacts.
# - No artifact is larger than tests/packages/budget.txt says, and none is without a budget.
source "$(dirname "$0")/project.sh"
need packages-binaries readelf tar python3

# Wheels, nupkgs and jars are zip archives.
for artifact in "$dist"/*; do
    into="$project/$(basename "$artifact")"
    mkdir "$into"
    case "$artifact" in
    *.whl | *.nupkg | *.jar) python3 -m zipfile -e "$artifact" "$into" ;;
    *.pom) ;;
    *.tgz | *.tar.gz) tar -xzf "$artifact" -C "$into" ;;
    *) echo "not ok $language: $(basename "$artifact") is none of ours" && exit 1 ;;
    esac
done
mapfile -t elf < <(find . -type f -exec sh -c 'head -c4 "$1" | grep -q "^.ELF"' _ {} \; -print | sort)

at_most() { [[ "$(printf '%s\n' "$1" "$2" | sort -V | tail -n 1)" == "$2" ]]; }

# reach FILE: lists the versioned symbols it imports; fails where one is newer than promised, or a library is needed that
# not every system has.
symbols="$logs/packages-symbols.txt"
: >"$symbols"
reach() {
    local found newest
    echo "${1#./}" >>"$symbols"
    readelf --wide --dyn-syms "$1" | awk '$7 == "UND" && $8 ~ /@/ { print "    " $8 }' | sort -t@ -k2 -V >>"$symbols"
    newest="$(readelf --wide --version-info "$1" | grep -oE 'GLIBC_[0-9.]+' | cut -d_ -f2 | sort -V | tail -n 1)"
    [[ -n "$newest" ]] && at_most "$newest" "$glibc" || return
    found="$(readelf --wide --dynamic "$1" | sed -nE 's/.*NEEDED.*\[(.*)\]/\1/p')"
    ! grep -vE '^(lib(c|m|dl|rt|util|pthread)\.so\.[0-9]+|libgcc_s\.so\.1|ld-linux-x86-64\.so\.2)$' <<<"$found" || return
    newest_of["$1"]=$newest
}
declare -A newest_of
for file in "${elf[@]}"; do
    expect "${file#./} needs no glibc newer than $glibc" reach "$file"
    echo "# newest symbols: GLIBC_${newest_of[$file]}; all of them in target/logs/packages-symbols.txt"
done
expect "each artifact with native code was looked into" test "${#elf[@]}" -ge 6

# budget ARTIFACT: what it may weigh, by the first pattern that fits.
budget() {
    local pattern limit
    while read -r pattern limit; do
        # shellcheck disable=SC2053
        [[ "$1" == $pattern ]] && echo "$limit" && return
    done < <(grep -v '^#' "$root/tests/packages/budget.txt")
    return 1
}
within() { ((size <= limit)); }
for artifact in "$dist"/*; do
    name="$(basename "$artifact")" size="$(stat --format %s "$artifact")"
    step="$name has a budget"
    limit="$(budget "$name")"
    expect "$name: $size bytes of $limit" within
done
