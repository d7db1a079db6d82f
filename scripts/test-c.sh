#!/usr/bin/env bash
# The C ABI. bindings-c/tests/run.sh finds the library in SINKWELL_LIB_DIR and prints TAP: "ok NAME",
# "not ok NAME", "ok NAME # SKIP reason".
source "$(dirname "$0")/lib.sh"
need c cargo cc

status=0
c_library || counted c 1
logged c bindings-c/tests/run.sh || status=$?
skipped="$(grep -cE '^ok .*# SKIP' "$logs/c.log" || true)"
counted c "$status" "$(($(grep -c '^ok ' "$logs/c.log" || true) - skipped))" \
    "$(grep -c '^not ok ' "$logs/c.log" || true)" "$skipped"
