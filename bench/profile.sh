#!/usr/bin/env bash
# Where the time goes, in target/profile: of `emit` in a hot loop, and of a lane that is always full.
# With perf where it may count; else by valgrind's callgrind, which counts instructions.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

out="$root/target/profile"
mkdir -p "$out"
logged bench-rust-build cargo build --release -p sinkwell-bench
bench="$root/target/release/sinkwell-bench"

# The receiver lives as long as the descriptor that it reads.
coproc receiver { "$bench" receiver; }
read -r port <&"${receiver[0]}"
ends=${receiver[1]}

profile() {
    local name=$1 load=$2 who=$3
    if have perf && perf stat -e cycles:u true >/dev/null 2>&1; then
        perf record --quiet -F 997 -g -o "$out/$name.perf" "$bench" run "$who" "$load:1000000" "$port" "$out" \
            >"$out/$name.figures"
        perf report --stdio --no-children --percent-limit 0.5 -g none -i "$out/$name.perf" >"$out/$name.txt" \
            2>/dev/null
    elif have valgrind; then
        valgrind --tool=callgrind --callgrind-out-file="$out/$name.callgrind" \
            "$bench" run "$who" "$load:20000" "$port" "$out" >"$out/$name.figures" 2>"$out/$name.log"
        callgrind_annotate "$out/$name.callgrind" >"$out/$name.txt"
    else
        skip profile "neither perf nor valgrind"
    fi
    echo "target/profile/$name.txt"
}

profile emit hot three
profile lane hot otlp-block
exec {ends}>&-
