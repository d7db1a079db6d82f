#!/usr/bin/env bash
# target/dist: the jars, the main one and that of the platform's library, and their poms, as Maven Central takes them.
source "$(dirname "$0")/../scripts/lib.sh"
source "$root/scripts/native.sh"
need jvm-dist cargo java mvn

native_build
# A folder of its own, so that the debug library of the tests is none of the platform's jar.
stage="$root/target/dist-stage/jvm"
rm -rf "$stage"
mkdir -p "$stage"
cp "$native/libsinkwell_jvm.so" "$stage/"
logged jvm-dist maven bindings-jvm package -Dmaven.test.skip=true "-Dsinkwell.native.dir=$stage" "-Dsinkwell.target=$stage/target"
for name in sinkwell linux-x86-64 langchain4j spring-ai; do
    artifact=sinkwell
    [[ $name == sinkwell ]] || artifact="sinkwell-$name"
    cp "$stage/target/$name/$artifact-$version.jar" "$dist/"
    cp "bindings-jvm/$name/pom.xml" "$dist/$artifact-$version.pom"
    shipped "$dist/$artifact-$version.jar"
    [[ $name == linux-x86-64 ]] && continue
    cp "$stage/target/$name/$artifact-$version-sources.jar" "$dist/"
    shipped "$dist/$artifact-$version-sources.jar"
done
cp bindings-jvm/pom.xml "$dist/sinkwell-parent-$version.pom"
