#!/usr/bin/env bash
# The C archive: the README's commands, as they stand there, compile and run the program that the archive brings.
source "$(dirname "$0")/project.sh"
need packages-c cc pkg-config tar

expect "sinkwell keys new" "$sinkwell" keys new agent.pem
cp "$dist/sinkwell-c-$version-linux-x64.tar.gz" .
readme="$root/bindings-c/README.md"
block "$readme" Install sh | sed "s/VERSION/$version/" >install.sh
block "$readme" "First event" yaml >sinkwell.yaml
block "$readme" "First event" sh >first.sh
# shellcheck source=/dev/null
unpack() { source ./install.sh; }
unpack >"$project.log" 2>&1
expect "unpacked, as the README says" pkg-config --exists sinkwell sinkwell-static
expect "pkg-config says the version" test "$(pkg-config --modversion sinkwell)" = "$version"
expect "the README's first event" bash -e first.sh
expect "sinkwell verify: sound" sound
rm events.ndjson
read -ra flags < <(pkg-config --cflags --libs sinkwell-static)
expect "the static library links" cc sinkwell-c/first_event.c "${flags[@]}" -o first-static
expect "its first event" ./first-static sinkwell.yaml
expect "sinkwell verify: sound (static)" sound
needs_no_library() { ! readelf -d first-static | grep -q 'NEEDED.*sinkwell'; }
expect "the program needs no library of ours" needs_no_library
