#!/usr/bin/env bash
# make demo: a small agent, its sealed events, and every way of tampering with them caught.
source "$(dirname "$0")/../../scripts/lib.sh"
need demo cargo python3
python_package
python examples/demo/demo.py target/demo
python examples/demo/crash.py target/demo/crash
# What it left behind, as a page that verifies itself.
python -m sinkwell view --key agent=target/demo/agent.pem.pub --checkpoint target/demo/checkpoints.ndjson \
    --out target/demo/report.html target/demo/events.ndjson
