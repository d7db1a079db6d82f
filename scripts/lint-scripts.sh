#!/usr/bin/env bash
# Runs shellcheck over every shell script of the project.
source "$(dirname "$0")/lib.sh"
need lint-scripts python3 git
venv

mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run)
shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
