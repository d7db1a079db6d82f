#!/usr/bin/env bash
# The npm tarballs in an empty project: the README's first event as an ES module, as CommonJS and as TypeScript.
source "$(dirname "$0")/project.sh"
need packages-node node npm

readme="$root/bindings-node/README.md"
echo '{ "private": true }' >package.json
expect "npm install of the tarballs" npm install --no-audit --no-fund "$dist/sinkwell-$version.tgz" \
    "$dist/sinkwell-linux-x64-gnu-$version.tgz"
expect "sinkwell --version" versioned npx --no-install sinkwell
sinkwell="$project/node_modules/.bin/sinkwell"
expect "sinkwell keys new" "$sinkwell" keys new agent.pem

block "$readme" "First event" js >first.mjs
expect "the README's first event (ES module)" node first.mjs
expect "sinkwell verify: sound (ES module)" sound
rm events.ndjson

# The same as CommonJS: the import becomes a require, and what awaits, a function.
{
    sed -nE "s/^import \{ (.*) \} from 'sinkwell';/const { \1 } = require('sinkwell');/p" first.mjs
    echo '(async () => {'
    sed '/^import /d' first.mjs
    echo '})();'
} >first.cjs
expect "the README's first event (CommonJS)" node first.cjs
expect "sinkwell verify: sound (CommonJS)" sound
rm events.ndjson

# pinned NAME: the version that the package itself is built with.
pinned() { node -p "'$1@' + require('$root/bindings-node/package.json').devDependencies['$1']"; }
expect "npm install of TypeScript" npm install --no-audit --no-fund --prefer-offline \
    "$(pinned typescript)" "$(pinned @types/node)"
cp first.mjs first.mts
block "$readme" "A sink of your own" ts >sink.mts
strict=(--strict --target es2022 --module nodenext --moduleResolution nodenext --types node)
expect "TypeScript: first event and sink, strictly" npx --no-install tsc "${strict[@]}" first.mts sink.mts
expect "what TypeScript made of the first event" node first.mjs
expect "sinkwell verify: sound (TypeScript)" sound
printf '%s\n' "import { Emitter } from 'sinkwell';" "const sw = Emitter.openSync({});" "sw.emit(17);" >wrong.mts
refused() { ! npx --no-install tsc "${strict[@]}" --noEmit wrong.mts; }
expect "TypeScript: a type that is no text is refused" refused
