#!/usr/bin/env bash
# make demo: a small agent, its sealed events, and every way of tampering with them caught.
source "$(dirname "$0")/../../scripts/lib.sh"
need demo cargo python3
python_package
python examples/demo/demo.py target/demo
python examples/demo/crash.py target/demo/crash
