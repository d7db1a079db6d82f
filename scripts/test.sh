#!/usr/bin/env bash
# Runs the tests of every language that is there and closes with a line per language and their sum.
# A language is there when its folder is; a missing toolchain is named (SINKWELL_REQUIRE=all: a failure).
source "$(dirname "$0")/lib.sh"

declare -A folder=([rust]=core [independent]=tests/independent [c]=bindings-c [python]=bindings-python [node]=bindings-node
    [go]=bindings-go [dotnet]=bindings-dotnet [jvm]=bindings-jvm [crash]=tests/crash [survival]=tests/survival
    [examples]=examples [packages]=tests/packages [viewer]=viewer [matrix]=tests/vectors)
lines=() why=() status=0 passed=0 failed=0 skipped=0
for language in rust independent c python node go dotnet jvm viewer crash survival examples packages matrix; do
    [[ -d "${folder[$language]}" ]] || continue
    echo "== $language"
    "scripts/test-$language.sh" 2>&1 | tee "$logs/test-$language.out" || status=1
    line="$(grep -E "^$language: ([0-9]+ passed, [0-9]+ failed, [0-9]+ skipped|SKIPPED .*)$" \
        "$logs/test-$language.out" | tail -n 1 || true)"
    if [[ "$line" =~ ^[a-z]+:\ ([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        skipped=$((skipped + BASH_REMATCH[3]))
    elif [[ -n "$line" && "${SINKWELL_REQUIRE:-}" != all ]]; then
        skipped=$((skipped + 1))
    else
        line="${line:-$language: died before its tests were counted}"
        failed=$((failed + 1))
        status=1
    fi
    lines+=("$line")
    if [[ ! "$line" =~ ' 0 failed'|SKIPPED ]]; then
        why+=("$(grep -E '^not ok |failed with status|: try [0-9] of|[Ee]rror|FAILED|panicked' "$logs/test-$language.out" |
            cut -c 1-160 | head -n 4 || true)")
    fi
done

echo
# Once more, where whoever reads only the end finds it.
if ((${#why[@]})); then
    printf '%s\n' "${why[@]}" "free on this disk: $(df -h --output=avail . | tail -n 1)"
    echo
fi
printf '%s\n' "${lines[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0)) || status=1
exit "$status"
