#!/usr/bin/env bash
# Formats what the linters check, for every language whose toolchain is there.
source "$(dirname "$0")/lib.sh"

have cargo && cargo fmt --all && cargo fmt --manifest-path bench/policy/vrl/Cargo.toml
if have python3; then
    venv
    ruff check --quiet --fix-only .
    ruff format --quiet .
fi
if [[ -d bindings-node ]] && have npm; then
    node_modules bindings-node
    logged node-fmt npm --prefix bindings-node run fmt
fi
if [[ -d viewer ]] && have npm; then
    node_modules viewer
    logged viewer-fmt npm --prefix viewer run fmt
fi
if [[ -d bindings-go ]] && have gofmt; then
    gofmt -w bindings-go
fi
if [[ -d bindings-dotnet ]]; then
    (dotnet_sdk fmt-dotnet && cd bindings-dotnet && logged dotnet-format dotnet format)
fi
