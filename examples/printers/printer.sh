#!/usr/bin/env bash
# Prints events for `sinkwell vacuum`: see docs/VACUUM.md.

# emit OPTION...: one event of jq's --arg NAME TEXT and --argjson NAME JSON, on a line of its own.
emit() { jq -nc '{"_e": 1} + $ARGS.named' "$@"; }

emit --arg action transfer --argjson value 7 --arg note $'a "quoted"\nline, ü 🌍'
