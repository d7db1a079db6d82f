#!/usr/bin/env bash
# The table of process ends in real hosts (docs/DEPLOY.md): runs every recipe and prints what became of the events.
# Each test writes its row to $SINKWELL_HOSTS: language, host, how it ended, what ran, emitted, arrived, streams, verdict.
# A language without its toolchain is named and left out.
source "$(dirname "$0")/lib.sh"
need hosts python cargo python3

status=0
export SINKWELL_HOSTS="$root/target/hosts.tsv"
printf 'language\thost\tended by\tran\temitted\tarrived\tstreams\tverdict\n' >"$SINKWELL_HOSTS"

python_package || exit 1
logged hosts-python python -m pytest bindings-python/tests/test_hosts.py bindings-python/tests/test_deploy.py \
    -p no:cacheprovider -ra || status=1
if have npm; then
    node_modules bindings-node && logged hosts-node-build npm --prefix bindings-node run build &&
        (cd bindings-node && logged hosts-node node --test test/deploy.test.js) || status=1
else
    echo "node: SKIPPED (no npm on PATH)"
fi
c_library || exit 1
if have go; then
    CGO_LDFLAGS="-L$SINKWELL_LIB_DIR ${CGO_LDFLAGS:-}" \
        logged hosts-go go -C bindings-go test -count=1 -run TestTheRecipeForServicesLosesNothing . || status=1
else
    echo "go: SKIPPED (no go on PATH)"
fi
[[ -x ../shared/dotnet/setup.sh ]] && eval "$(../shared/dotnet/setup.sh)"
if have dotnet; then
    logged hosts-dotnet dotnet test bindings-dotnet/tests/Sinkwell.Extensions.Hosting.Tests \
        --filter FullyQualifiedName~StoppingTests || status=1
else
    echo "dotnet: SKIPPED (no dotnet on PATH)"
fi
column -t -s $'\t' "$SINKWELL_HOSTS"
exit "$status"
