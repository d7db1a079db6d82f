#!/usr/bin/env bash
# The small agent in every language that is there: each file must be sound, and all of them the same bytes; each streams
# to one intake, too, whose file must hold every envelope of each, once.
# Each language's own tests run its example too; this runs what has not been run, and compares.
source "$(dirname "$0")/lib.sh"
need examples cargo

export SINKWELL_TESTING=1
unset SINKWELL_CONFIG SINKWELL_LANES SINKWELL_DISABLED OTEL_SERVICE_NAME
passed=0 failed=0 skipped=0 languages=0 first=

# example LANGUAGE COMMAND…: runs it, verifies its file, compares it with the first.
example() {
    local language=$1 dir="target/examples/$1" verdict
    shift
    rm -f "$dir/events.ndjson"
    if ! logged "example-$language" "$@" || ! [[ -s "$dir/events.ndjson" ]]; then
        echo "not ok $language: it wrote nothing"
        failed=$((failed + 1))
        return
    fi
    if ! verdict="$(target/debug/sinkwell verify --strict --key "k1=$dir/agent.pem.pub" "$dir/events.ndjson" 2>&1)"; then
        echo "not ok $language: $verdict"
        failed=$((failed + 1))
        return
    fi
    echo "ok $language: sound"
    passed=$((passed + 1)) languages=$((languages + 1))
    if [[ -z "$first" ]]; then
        first=$language
    elif cmp "target/examples/$first/events.ndjson" "$dir/events.ndjson"; then
        echo "ok $language: the same bytes as $first"
        passed=$((passed + 1))
    else
        echo "not ok $language: other bytes than $first"
        failed=$((failed + 1))
    fi
}

# left LANGUAGE WHY
left() {
    echo "ok $1 # SKIP $2"
    [[ "${SINKWELL_REQUIRE:-}" != all ]] || failed=$((failed + 1))
    skipped=$((skipped + 1))
}

logged cargo-build-examples cargo build -p sinkwell-cli -p sinkwell-example

# One intake for all of them, verifying as it goes.
# Beside the folders of the languages, whose files each are the same.
intake=target/example-intake
rm -rf "$intake" && mkdir -p "$intake"
sed -n 's/.*"agent.pem.pub": "\(.*\)\\n".*/\1/p' examples/agent.json | sed 's/\\n/\n/g' >"$intake/agent.pem.pub"
target/debug/sinkwell intake --listen 127.0.0.1:0 --out "$intake/events.ndjson" \
    --key "k1=ed25519:$intake/agent.pem.pub" >"$intake/said" 2>"$logs/example-intake.log" &
intake_pid=$!
trap 'kill -KILL "$intake_pid" 2>/dev/null || true' EXIT
for _ in $(seq 600); do
    grep -q listening "$intake/said" && break
    sleep 0.1
done
EXAMPLE_INTAKE="http://$(sed -n 's/^listening on //p' "$intake/said")"
export EXAMPLE_INTAKE

example rust target/debug/sinkwell-example

# Who let whom do what: one act that nobody should have let is in it, and is found.
rm -f target/authority/events.ndjson
if ! logged example-authority target/debug/sinkwell-example authority; then
    echo "not ok authority: it did not run"
    failed=$((failed + 1))
else
    for form in text:txt mermaid:mmd; do
        graph="target/authority/authority.${form#*:}" status=0
        target/debug/sinkwell graph --key k1=target/authority/agent.pem.pub --format "${form%:*}" \
            target/authority/events.ndjson >"$graph" || status=$?
        if [[ $status == 1 ]] && diff "examples/authority.${form#*:}" "$graph"; then
            echo "ok authority: the graph as ${form%:*}"
            passed=$((passed + 1))
        else
            echo "not ok authority: another graph as ${form%:*} (exit $status)"
            failed=$((failed + 1))
        fi
    done
fi

if [[ -e examples/python/agent.py ]]; then
    if ! have python3; then
        left python "no python3 on PATH"
    elif python_package; then
        example python python examples/python/agent.py
    else
        failed=$((failed + 1))
    fi
fi
if [[ -e examples/node/agent.mjs ]]; then
    if have node && have npm; then
        if node_modules bindings-node && logged node-build npm --prefix bindings-node run build; then
            # As `npm install sinkwell` would leave it.
            mkdir -p examples/node/node_modules
            ln -sfn ../../../bindings-node examples/node/node_modules/sinkwell
            example node node examples/node/agent.mjs
        else
            failed=$((failed + 1))
        fi
    else
        left node "no node on PATH"
    fi
fi
if [[ -e examples/go/go.mod ]]; then
    if ! have go; then
        left go "no go on PATH"
    elif c_library; then
        example go env CGO_LDFLAGS="$(go_library)" go run -C examples/go . \
            "$PWD/examples/agent.json" "$PWD/target/examples/go"
    else
        failed=$((failed + 1))
    fi
fi
dotnet_examples=(examples/dotnet/*.csproj)
if [[ -e "${dotnet_examples[0]}" ]]; then
    [[ -x ../shared/dotnet/setup.sh ]] && eval "$(../shared/dotnet/setup.sh)"
    if ! have dotnet; then
        left dotnet "no dotnet on PATH"
    elif c_library; then
        export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
        example dotnet dotnet run --project "${dotnet_examples[0]}"
    else
        failed=$((failed + 1))
    fi
fi
if [[ -e examples/jvm/pom.xml ]]; then
    if ! have java || ! have mvn; then
        left jvm "no java and mvn on PATH"
    # The platform's jar stays empty: the library is named.
    elif jvm_library && logged example-jvm-install maven bindings-jvm install -Dmaven.test.skip=true; then
        fetched maven-example mvn --batch-mode --no-transfer-progress -f examples/jvm/pom.xml compile exec:help
        example jvm mvn --batch-mode --no-transfer-progress -f examples/jvm/pom.xml compile exec:java \
            "-Dsinkwell.library=$SINKWELL_LIB_DIR/libsinkwell_jvm.so" \
            "-Dexec.arguments=$PWD/examples/agent.json,$PWD/target/examples/jvm"
    else
        failed=$((failed + 1))
    fi
fi
# What was acknowledged is there, all of it and once: as many streams as languages, each with as many lines as its file.
kill -TERM "$intake_pid"
wait "$intake_pid" || true
lines=$(($(wc -l <"target/examples/$first/events.ndjson") * languages))
if [[ $(wc -l <"$intake/events.ndjson") == "$lines" && $(sort -u "$intake/events.ndjson" | wc -l) == "$lines" ]] &&
    grep -q "^$lines envelopes in .* 0 findings" "$intake/said" &&
    verdict="$(target/debug/sinkwell verify --strict --key "k1=$intake/agent.pem.pub" "$intake/events.ndjson" 2>&1)" &&
    [[ $(grep -o '"streamid":"[^"]*"' "$intake/events.ndjson" | sort -u | wc -l) == "$languages" ]]; then
    echo "ok intake: $lines envelopes of $languages languages, each once, all of them sound"
    passed=$((passed + 1))
else
    echo "not ok intake: of $lines envelopes of $languages languages: $(tail -n 1 "$intake/said"); ${verdict:-}"
    failed=$((failed + 1))
fi
counted examples 0 "$passed" "$failed" "$skipped"
