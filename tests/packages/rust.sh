#!/usr/bin/env bash
# The crate as it is published, in an empty cargo project: the README's first event, verified; and a process that is ended.
source "$(dirname "$0")/project.sh"
need packages-rust cargo

expect "sinkwell keys new" "$sinkwell" keys new agent.pem
package() {
    (cd "$root" && cargo package --locked --allow-dirty --no-verify -p sinkwell) && tar xf "$root/target/package/sinkwell-$version.crate"
}
expect "cargo package" package
readme="$root/core/README.md"
expect "cargo init" cargo init --quiet --name first .
# The same versions of everything as were tested; without debug information, as nobody looks.
cp "$root/Cargo.lock" .
cargo add --quiet --offline --path "sinkwell-$version" sinkwell
block "$readme" "First event" rust >src/main.rs
block "$readme" "First event" yaml >sinkwell.yaml
export CARGO_TARGET_DIR="$root/target/packages-rust" CARGO_PROFILE_DEV_DEBUG=0 SINKWELL_CONFIG=sinkwell.yaml
expect "the README's first event" cargo run --quiet
expect "sinkwell verify: sound" sound

# Forty events, and then it waits until somebody ends it.
cat >src/main.rs <<'RUST'
use sinkwell::{Event, emit};

fn main() -> sinkwell::Result<()> {
    for n in 0..40 {
        emit(Event::new("tool.invocation").with("tool", "search").with("outcome", "ok").with("n", n))?;
    }
    println!("emitted");
    loop {
        std::thread::park();
    }
}
RUST
stopped() {
    rm events.ndjson
    cargo build --quiet
    local status=0
    coproc "$CARGO_TARGET_DIR/debug/first"
    local process=$COPROC_PID line
    read -r line <&"${COPROC[0]}"
    [[ "$line" == emitted ]]
    kill -TERM "$process"
    wait "$process" || status=$?
    ((status == 128 + 15))
    [[ "$(grep -c '"type":"dev.sinkwell.tool.invocation"' events.ndjson)" == 40 ]]
    sound
}
expect "ended by SIGTERM: forty of forty events, the stream closed" stopped
