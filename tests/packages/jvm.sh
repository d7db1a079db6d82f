#!/usr/bin/env bash
# The jars in an empty Maven project with a repository of its own: the dependency of the README, its first event.
source "$(dirname "$0")/project.sh"
need packages-jvm java mvn

expect "sinkwell keys new" "$sinkwell" keys new agent.pem
readme="$root/bindings-jvm/README.md"
mvn=(mvn --batch-mode --no-transfer-progress "-Dmaven.repo.local=$project/repository")
mkdir -p src/main/java
{
    cat <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId>
  <artifactId>first</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
XML
    block "$readme" Install xml
    echo '  </dependencies>
</project>'
} >pom.xml
block "$readme" "First event" java >src/main/java/First.java
block "$readme" "First event" yaml >sinkwell.yaml

# As if Maven Central had them.
installed() {
    local pom="$dist/$1-$version.pom" file
    file=$pom
    [[ $2 == pom ]] || file="$dist/$1-$version.jar"
    fetched "packages-jvm-$1" "${mvn[@]}" org.apache.maven.plugins:maven-install-plugin:3.1.4:install-file \
        "-Dfile=$file" "-DpomFile=$pom" "-Dpackaging=$2"
}
expect "the parent's pom" installed sinkwell-parent pom
expect "the platform's jar" installed sinkwell-linux-x86-64 jar
expect "the main jar" installed sinkwell jar
expect "mvn compile" fetched packages-jvm-compile "${mvn[@]}" compile
# What is unpacked lies there, and only as long as it is loaded.
mkdir tmp
expect "the README's first event" "${mvn[@]}" org.codehaus.mojo:exec-maven-plugin:3.5.1:exec \
    -Dexec.executable=java "-Dexec.args=-Djava.io.tmpdir=$project/tmp -cp %classpath First"
expect "sinkwell verify: sound" sound
gone() { ! compgen -G "tmp/sinkwell-*"; }
expect "nothing of the library stays behind" gone
