#!/usr/bin/env bash
# make survival: every end of a process, with the OpenTelemetry SDK and langfuse beside it, and the tables of docs/SURVIVAL.md.
# SURVIVAL_FREEZE: for how many seconds a process is stopped in mid-batch (60). Further arguments go to tests/survival/run.py.
source "$(dirname "$0")/lib.sh"
need survival cargo python3

python_package || exit 1
venv "$root/tests/survival/requirements.txt"
more=()
if have npm; then
    node_modules bindings-node
    logged survival-node npm --prefix bindings-node run build --if-present
    node_modules tests/survival
else
    echo "survival in Node: SKIPPED (no npm on PATH)"
    more=(--without-node)
fi
python tests/survival/run.py --freeze "${SURVIVAL_FREEZE:-60}" --write "${more[@]}" "$@"
