#!/usr/bin/env bash
# tests/survival: a few ends of a process, of sinkwell alone, with and without a journal. All of them: make survival.
source "$(dirname "$0")/lib.sh"
need survival cargo python3

python_package || counted survival 1
status=0
logged survival python tests/survival/run.py --quick --freeze 1 || status=1
counted survival "$status" "$(grep -c '^ok ' "$logs/survival.log")" "$(grep -c '^not ok ' "$logs/survival.log")"
