#!/usr/bin/env bash
# ruff and ruff format over every Python file of the project, mypy --strict over the package.
source "$(dirname "$0")/lib.sh"
need lint-python python3
venv

ruff check --quiet .
ruff format --quiet --check .
if [[ -d bindings-python ]]; then
    extra=bindings-python/requirements-test.txt
    [[ ! -e "$extra" ]] || venv "$root/$extra"
    (cd bindings-python && logged mypy mypy --strict .)
fi
