#!/usr/bin/env bash
# bindings-python: built by maturin into target/venv, tested by pytest.
source "$(dirname "$0")/lib.sh"
need python cargo python3

python_package || counted python 1
status=0
rm -f "$root/target/vectors/python.tsv"
rm -f "$logs/python.xml"
logged python python -m pytest bindings-python/tests -p no:cacheprovider -ra \
    --junitxml="$logs/python.xml" || status=$?
[[ -e "$logs/python.xml" ]] || counted python 1
total() { sum "$logs/python.xml" "s/.*<testsuite [^>]*\\b$1=\"([0-9]+)\".*/\\1/p"; }
failed=$(($(total failures) + $(total errors))) skipped="$(total skipped)"
counted python "$status" "$(($(total tests) - failed - skipped))" "$failed" "$skipped"
