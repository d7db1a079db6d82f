#!/usr/bin/env bash
# The packages that ship: built (scripts/dist.sh), looked into, installed in empty projects outside of the source tree,
# where each runs its README's first event. Logs: target/logs/packages-*.log.
source "$(dirname "$0")/lib.sh"
need packages cargo python3

status=0
logged packages-dist scripts/dist.sh || counted packages 1
cat "$logs/packages-dist.log"
: >"$logs/packages.log"
for script in binaries python node dotnet go jvm c rust; do
    logged "packages-$script" "tests/packages/$script.sh" || status=$?
    cat "$logs/packages-$script.log"
    cat "$logs/packages-$script.log" >>"$logs/packages.log"
done
count() { grep -c "$1" "$logs/packages.log" || true; }
counted packages "$status" "$(count '^ok ')" "$(count '^not ok ')" "$(count ': SKIPPED (')"
