#!/usr/bin/env bash
# The wheel in a fresh virtual environment: the README's first event, verified by the command that came along.
source "$(dirname "$0")/project.sh"
need packages-python python3

readme="$root/bindings-python/README.md"
expect "a fresh environment" python3 -m venv venv
expect "pip install of the wheel" venv/bin/pip install --no-index --no-deps "$dist"/sinkwell-*.whl
expect "sinkwell --version" versioned venv/bin/sinkwell
sinkwell="$project/venv/bin/sinkwell"
expect "sinkwell keys new" "$sinkwell" keys new agent.pem
block "$readme" "First event" python >first.py
expect "the README's first event" venv/bin/python first.py
expect "sinkwell verify: sound" sound
