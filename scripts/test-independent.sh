#!/usr/bin/env bash
# tests/independent: sealer and verifier that share no code with the core, held to the same vectors and to
# what the core seals.
source "$(dirname "$0")/lib.sh"
need independent python3

venv tests/independent/requirements.txt || counted independent 1
passed=0 failed=0
check() {
    if logged "independent-$1" python "tests/independent/$1.py" "$2"; then
        tail -n 1 "$logs/independent-$1.log"
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}
check check_generated tests/vectors
check check_vectors tests/vectors/verify
check check_emit_vectors tests/vectors/emit
check compact tests/vectors/stream
check mutate --every=25
counted independent 0 "$passed" "$failed" 0
