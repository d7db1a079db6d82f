#!/usr/bin/env bash
# The table of process ends in real hosts (docs/DEPLOY.md): runs every recipe and prints what became of the events.
# Each test writes its row to $SINKWELL_HOSTS: language, host, how it ended, what ran, emitted, arrived, streams, verdict.
source "$(dirname "$0")/lib.sh"
need hosts python cargo python3

python_package || exit 1
export SINKWELL_HOSTS="$root/target/hosts.tsv"
printf 'language\thost\tended by\tran\temitted\tarrived\tstreams\tverdict\n' >"$SINKWELL_HOSTS"
status=0
logged hosts python -m pytest bindings-python/tests/test_hosts.py bindings-python/tests/test_deploy.py \
    -p no:cacheprovider -ra || status=$?
column -t -s $'\t' "$SINKWELL_HOSTS"
exit "$status"
