#!/usr/bin/env bash
# bindings-jvm: Kotlin and Java, compiled with every warning an error (its pom.xml).
source "$(dirname "$0")/lib.sh"
[[ -d bindings-jvm ]] || exit 0
need lint-jvm java mvn

logged jvm-lint maven bindings-jvm test-compile
