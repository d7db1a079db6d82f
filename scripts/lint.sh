#!/usr/bin/env bash
# Runs every linter, also after one has failed, and says which did.
source "$(dirname "$0")/lib.sh"

bad=()
for script in scripts/lint-*.sh; do
    name="$(basename "$script" .sh)"
    echo "== $name"
    "$script" || bad+=("$name")
done
if ((${#bad[@]})); then
    echo "failed: ${bad[*]}"
    exit 1
fi
echo "lint: clean"
