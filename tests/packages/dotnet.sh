#!/usr/bin/env bash
# The nupkg from a local feed: `dotnet add package` in a new console project, the README's first event.
source "$(dirname "$0")/project.sh"
cd "$root"
dotnet_sdk packages-dotnet
cd "$project"

expect "sinkwell keys new" "$sinkwell" keys new agent.pem
readme="$root/bindings-dotnet/README.md"
# A cache of its own: this version may have been restored before, with other bytes.
export NUGET_PACKAGES="$project/packages"
# The feed of the machine's own SDK, where there is one, and the folder of what was built.
export RestoreSources="${RestoreSources:+$RestoreSources;}$dist"
# As `dotnet new console` writes it; not every SDK brings the templates.
cat >first.csproj <<'XML'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <Nullable>enable</Nullable>
  </PropertyGroup>
</Project>
XML
expect "dotnet add package" dotnet add package Sinkwell --version "$version"
block "$readme" "First event" csharp >Program.cs
block "$readme" "First event" yaml >sinkwell.yaml
expect "the README's first event" dotnet run --verbosity quiet
expect "sinkwell verify: sound" sound
