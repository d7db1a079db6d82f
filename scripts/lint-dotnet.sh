#!/usr/bin/env bash
# bindings-dotnet: dotnet format, over the one solution or project in the folder.
source "$(dirname "$0")/lib.sh"
[[ -d bindings-dotnet ]] || exit 0
dotnet_sdk lint-dotnet

cd bindings-dotnet
logged dotnet-format dotnet format --verify-no-changes
