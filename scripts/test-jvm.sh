#!/usr/bin/env bash
# bindings-jvm: `mvn test`, which finds the library by sinkwell.native.dir.
source "$(dirname "$0")/lib.sh"
need jvm java mvn cargo

status=0
rm -f "$root/target/vectors/jvm.tsv"
jvm_library || counted jvm 1
sinkwell_command || counted jvm 1
bindings-jvm/gen.sh --check || counted jvm 1
rm -rf "$root"/target/jvm/*/surefire-reports
# Installed, so that the second run takes the package as it is.
logged jvm maven bindings-jvm install "-Dsinkwell.native.dir=$SINKWELL_LIB_DIR" || status=$?
# The oldest releases of frameworks that are claimed, by the same tests.
((status != 0)) || logged jvm-oldest maven bindings-jvm test -pl langchain4j,spring-ai -Poldest \
    "-Dsinkwell.native.dir=$SINKWELL_LIB_DIR" -Dsurefire.reportNameSuffix=oldest || status=$?
cat "$root"/target/jvm/*/surefire-reports/TEST-*.xml >"$logs/jvm.xml" 2>/dev/null || true
# Each jar has a name of its own on a module path, which takes none from the name of a file that says 64.
if ((status == 0)); then
    jars="$(find "$root/target/jvm" -maxdepth 2 -name 'sinkwell*.jar' ! -name '*-sources.jar' | paste -sd:)"
    named="$(java -p "$jars" --list-modules | grep -oE '^dev\.sinkwell[^ @]*' | sort -u | paste -sd' ')" || status=$?
    if [[ "$named" != "dev.sinkwell dev.sinkwell.langchain4j dev.sinkwell.linux_x86_64 dev.sinkwell.springai" ]]; then
        echo "jvm: on a module path there are: $named" >&2
        status=1
    fi
fi
total() { sum "$logs/jvm.xml" "s/^<testsuite .*\\b$1=\"([0-9]+)\".*/\\1/p"; }
tests="$(total tests)" failed="$(($(total failures) + $(total errors)))" skipped="$(total skipped)"
counted jvm "$status" "$((tests - failed - skipped))" "$failed" "$skipped"
