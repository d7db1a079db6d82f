#!/usr/bin/env bash
# Functions are called by name.
# shellcheck disable=SC2329
# What is to be shown of the built library: it exports what the header says and no more, the header is C and C++,
# and surface.c passes against it: plainly with the shared and the static library, then under AddressSanitizer and
# ThreadSanitizer (which see the C code and every allocation and lock that passes libc; the Rust code itself is not
# instrumented). Prints TAP.
source "$(dirname "$0")/../../scripts/lib.sh"
lib="${SINKWELL_LIB_DIR:-$root/target/debug}" out="$root/target/c-tests" include="$root/bindings-c/include"
mkdir -p "$out"
status=0

# check NAME COMMAND...: one TAP line.
check() {
    local name=$1
    shift
    if "$@" >"$out/log" 2>&1; then echo "ok $name"; else
        echo "not ok $name"
        sed 's/^/# /' "$out/log" >&2
        status=1
    fi
}

# suite PREFIX COMMAND...: the TAP lines of a program, and its exit status.
suite() {
    local prefix=$1 ended=0
    shift
    "$@" >"$out/tap" 2>"$out/log" || ended=$?
    sed -E "s/^(ok|not ok) /\1 $prefix: /" "$out/tap"
    grep -q '^not ok' "$out/tap" && status=1
    if ((ended == 0)); then echo "ok $prefix: ends well"; else
        echo "not ok $prefix: ends well (status $ended)"
        sed 's/^/# /' "$out/log" >&2
        status=1
    fi
}

exports() { diff <(grep -oE '\bsinkwell_[a-z_]+\(' "$include/sinkwell.h" | tr -d '(' | sort -u) \
    <(nm -D --defined-only "$lib/libsinkwell.so" | awk '{ print $3 }' | sort -u); }
check "the shared library exports what the header declares and nothing else" exports
check "the header is C99" cc -std=c99 -Wall -Wextra -Werror -fsyntax-only -x c "$include/sinkwell.h"
if have c++; then
    check "the header is C++11" c++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only -x c++ "$include/sinkwell.h"
else
    echo "ok the header is C++11 # SKIP no c++ on PATH"
fi

# glibc (with its libm and its loader) and libgcc_s, as README.md says.
needed() {
    local needed
    needed="$(readelf -d "$lib/libsinkwell.so" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' |
        grep -vxE 'libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|ld-linux-x86-64\.so\.2')"
    echo "$needed"
    [[ -z "$needed" ]]
}
if have readelf; then check "the shared library needs what README.md says" needed; fi

# The README's lines are those of the program that the packages' tests compile and run.
readme_lines() {
    local line
    awk '/^```/ { inside = /^```c$/; next } inside' "$root/bindings-c/README.md" | sed -E 's/ *\/\/.*//' >"$out/readme"
    [[ -s "$out/readme" ]] || return
    while IFS= read -r line; do grep -qF -- "${line%;}" "$root/examples/c/first_event.c" || { echo "$line"; return 1; }; done <"$out/readme"
}
check "README.md's lines are those of first_event.c" readme_lines

flags=(-std=gnu11 -Wall -Wextra -Werror -g "-I$include")
system=(-lpthread -lm -ldl)
build() { check "$1 compiles" "${@:2}"; }
surface="$root/bindings-c/tests/surface.c"
build "surface.c (shared)" cc "${flags[@]}" "$surface" -o "$out/shared" "-L$lib" "-Wl,-rpath,$lib" -lsinkwell "${system[@]}"
suite shared "$out/shared"
build "surface.c (static)" cc "${flags[@]}" "$surface" -o "$out/static" "$lib/libsinkwell.a" "${system[@]}" -lgcc_s
suite static "$out/static"
# A compiler that has the sanitizers' runtime too: Debian's clang comes without it, gcc's is of its own package.
sanitizing() {
    local compiler
    for compiler in clang gcc; do
        if have "$compiler" && echo 'int main(void) { return 0; }' \
            | "$compiler" "-fsanitize=$1" -x c - -o "$out/sanitized" 2>>"$out/log"; then
            echo "$compiler"
            return
        fi
    done
}
# sanitized SHORT SANITIZERS ENVIRONMENT...
sanitized() {
    local compiler
    compiler="$(sanitizing "$2")"
    if [[ -z $compiler ]]; then
        echo "ok the surface under -fsanitize=$2 # SKIP neither clang nor gcc finds its runtime (Debian: libclang-rt-14-dev)"
        return
    fi
    build "surface.c ($1)" "$compiler" "${flags[@]}" "-fsanitize=$2" "$surface" -o "$out/$1" \
        "-L$lib" "-Wl,-rpath,$lib" -lsinkwell "${system[@]}"
    suite "$1" env "${@:3}" "$out/$1" --no-fork
}
sanitized asan address,undefined ASAN_OPTIONS=detect_leaks=1
sanitized tsan thread "TSAN_OPTIONS=suppressions=$root/bindings-c/tests/tsan.supp halt_on_error=1"

build "fork.c" cc "${flags[@]}" "$root/bindings-c/tests/fork.c" -o "$out/fork" "-L$lib" "-Wl,-rpath,$lib" -lsinkwell "${system[@]}"
rm -rf "$out/forks" && mkdir "$out/forks"
suite fork "$out/fork" "$out/forks"

build "exit.c" cc "${flags[@]}" "$root/bindings-c/tests/exit.c" -o "$out/exit" "-L$lib" "-Wl,-rpath,$lib" -lsinkwell
# ends HOW STATUS EVENTS CLOSED: so many events come out, and so many ends of streams.
ends() {
    local status=0
    timeout --preserve-status 60 "$out/exit" "$1" >"$out/exit.ndjson" || status=$?
    ((status == $2)) && (($(grep -c '"type":"com.example.n"' "$out/exit.ndjson") == $3)) &&
        (($(grep -c '"action":"closed"' "$out/exit.ndjson") == $4))
}
check "shutdown loses nothing" ends shutdown 0 5 1
check "free loses nothing" ends free 0 5 1
check "SIGTERM with handle_signals loses nothing, then ends the process" ends sigterm 143 5 1
check "a return from main loses what was only enqueued" ends return 0 0 0
check "exit loses what was only enqueued" ends exit 0 0 0
check "_exit loses what was only enqueued" ends _exit 0 0 0
check "abort loses what was only enqueued" ends abort 134 0 0

build "examples/c" cc -std=c99 -Wall -Wextra -Werror "-I$include" examples/c/first_event.c -o "$out/first_event" \
    "-L$lib" "-Wl,-rpath,$lib" -lsinkwell
one_event() { "$out/first_event" | grep -c '"type":"dev.sinkwell.tool.invocation"' | grep -qx 1; }
check "examples/c emits its event" one_event
exit "$status"
