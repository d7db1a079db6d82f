#!/usr/bin/env bash
# Where the time goes, of `emit` in a hot loop and of a lane that is always full: flame graphs and lists of functions in
# target/profile. With perf, on the processor's clock, which works in virtual machines too; without perf, by valgrind's
# callgrind, which counts instructions and draws no graph.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

# Each version has a folder of its own.
inferno=0.12.8
out="$root/target/profile" tools="$root/target/tools/inferno-$inferno"
mkdir -p "$out"
# With frame pointers, so that stacks are whole; in a folder of its own, so that nothing else is built again.
export RUSTFLAGS="${RUSTFLAGS:-} -C force-frame-pointers=yes"
logged bench-rust-profile cargo build --release --target-dir target/profiled -p sinkwell-bench
bench="$root/target/profiled/release/sinkwell-bench"
how=
if have perf && perf record --quiet -e cpu-clock -o /dev/null true >/dev/null 2>&1; then
    how=perf
    [[ -x "$tools/bin/inferno-flamegraph" ]] || RUSTFLAGS='' fetched inferno \
        cargo install --quiet --locked --root "$tools" "inferno@$inferno"
elif have valgrind; then
    how=valgrind
else
    skip profile "neither perf nor valgrind"
fi

# The receiver lives as long as the descriptor that it reads.
coproc receiver { "$bench" receiver; }
read -r port <&"${receiver[0]}"
ends=${receiver[1]}

# profile NAME LOAD WHO TITLE
profile() {
    local name=$1 load=$2 who=$3 title=$4
    if [[ $how == perf ]]; then
        perf record --quiet -e cpu-clock -F 997 --call-graph fp -o "$out/$name.perf" \
            "$bench" run "$who" "$load:1000000" "$port" "$out" >"$out/$name.figures"
        perf script --no-inline -i "$out/$name.perf" 2>/dev/null | "$tools/bin/inferno-collapse-perf" --quiet \
            >"$out/$name.folded"
        "$tools/bin/inferno-flamegraph" --quiet --title "$title" "$out/$name.folded" >"$out/$name.svg"
        perf report --stdio --no-children --percent-limit 0.5 -g none -i "$out/$name.perf" >"$out/$name.txt" \
            2>/dev/null
        echo "target/profile/$name.svg"
    else
        valgrind --tool=callgrind --callgrind-out-file="$out/$name.callgrind" \
            "$bench" run "$who" "$load:20000" "$port" "$out" >"$out/$name.figures" 2>"$out/$name.log"
        callgrind_annotate "$out/$name.callgrind" >"$out/$name.txt"
    fi
    rm -f "$out/events.ndjson"
    echo "target/profile/$name.txt"
}

profile emit hot three "emit, in a hot loop, with three lanes"
profile lane hot otlp-block "a lane over OTLP that is always full"
exec {ends}>&-
