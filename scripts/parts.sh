#!/usr/bin/env bash
# parts.sh WHAT SCRIPT...: runs those of the parts' own scripts that are there, with the tools on PATH.
# None there is a failure: a target that does nothing must not look as if it had.
source "$(dirname "$0")/lib.sh"

what=$1 ran=0
shift
venv
for script; do
    [[ -x "$script" ]] || continue
    echo "== $script"
    "$script"
    ran=1
done
if ((ran == 0)); then
    echo "$what: no part of the project has one yet (looked for: $*)" >&2
    exit 1
fi
