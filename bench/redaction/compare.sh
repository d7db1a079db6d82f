#!/usr/bin/env bash
# Other tools beside ours on the generated corpus, which `CORPUS=FILE cargo test … generated` writes.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

corpus="$root/target/redaction.jsonl"
CORPUS="$corpus" cargo test -p sinkwell --test redaction generated -- --nocapture
tools="$root/target/redaction-tools"
[[ -x "$tools/bin/python" ]] || python3 -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check -r bench/redaction/requirements.txt
go -C bench/redaction/gitleaks build -mod=readonly -o "$tools/gitleaks" github.com/zricethezav/gitleaks/v8
"$tools/bin/python" bench/redaction/compare.py "$corpus" "$tools/gitleaks"
