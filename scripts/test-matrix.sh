#!/usr/bin/env bash
# Vectors × languages: every case has run in every language, or is named with its reason (tests/vectors/matrix.py).
# Reads what the tests of the languages left in target/vectors and target/logs, so it comes after them.
source "$(dirname "$0")/lib.sh"
need matrix python3

status=0
logged matrix python3 tests/vectors/matrix.py || status=$?
cat "$logs/matrix.log"
skipped="$(grep -cE '^ok .*# SKIP' "$logs/matrix.log" || true)"
counted matrix "$status" "$(($(grep -c '^ok ' "$logs/matrix.log" || true) - skipped))" \
    "$(grep -c '^not ok ' "$logs/matrix.log" || true)" "$skipped"
