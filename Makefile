# Every target is a script of its own; `make` lists them. Logs go to target/logs.
.DEFAULT_GOAL := help
.PHONY: help demo test lint fmt gen docs bench profile fuzz soak dist matrix hosts survival

bindings := bindings-c bindings-python bindings-node bindings-go bindings-dotnet

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)$$/  make \1\t\2/p' Makefile | expand -t 17

demo: ## a small agent, its sealed events, and every way of tampering with them caught
	@scripts/parts.sh demo examples/demo/run.sh

test: ## the tests of every language that is there; SINKWELL_REQUIRE=all: of all of them
	@scripts/test.sh

lint: ## formatters, linters, licences
	@scripts/lint.sh

fmt: ## formats everything
	@scripts/fmt.sh

gen: ## writes again what is generated: the C header, the C# imports, the stubs, the viewer's page
	@scripts/parts.sh gen $(bindings:%=%/gen.sh) viewer/gen.sh

docs: ## the Rust reference, in target/doc
	@cargo doc --no-deps --workspace --exclude sinkwell-cli

bench: ## what sinkwell costs beside what is used today
	@scripts/parts.sh bench bench/run.sh

profile: ## flame graphs of emit and of a saturated lane
	@scripts/parts.sh profile bench/profile.sh

fuzz: ## the fuzz targets, for as long as FUZZ_SECONDS says (300 each)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-300} scripts/parts.sh fuzz tests/fuzz/run.sh

soak: ## hours of load with crashes and failing sinks
	@scripts/parts.sh soak tests/soak/run.sh

dist: ## the packages, in target/dist, for glibc 2.28 and later
	@scripts/dist.sh

matrix: ## vectors × languages, as of the last tests
	@scripts/test-matrix.sh

hosts: ## the recipes of docs/DEPLOY.md in their hosts: how each ends, and what became of the events
	@scripts/hosts.sh

survival: ## every end of a process, with and without a journal, beside two other SDKs: docs/SURVIVAL.md
	@scripts/survival.sh
