# `make` alone lists the targets. Variables: PORT, MINE, PEERS, BLOCKS, INTERVAL, ARGS (more flags for the command).

CARGO ?= cargo
PORT ?= 5000
MINE ?=
PEERS ?= 4
BLOCKS ?= 20
INTERVAL ?= 2
PREFIX ?= $(HOME)/.local
ARGS ?=
DENY_VERSION := 0.20.2
FUZZ_SECONDS ?= 60

# Tools that the checks need and a fresh machine lacks; built once.
TOOLS := $(CURDIR)/target/tools
RUN := $(CARGO) run --release --locked

.DEFAULT_GOAL := help
.PHONY: help node mine race jobs build install test shuttle asan aarch64 check fmt clippy docs deny bench bench-pow compare fuzz clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

node: ## a node: make node PORT=5001 MINE=1
	@$(RUN) --bin jbc -- node --port $(PORT) $(if $(filter-out 0,$(MINE)),--mine) $(ARGS)

mine: ## a miner that serves nobody, as the tutorial's mine.py
	@$(RUN) --bin jbc -- mine $(ARGS)

race: ## a race with a scoreboard: make race PEERS=4 BLOCKS=20 INTERVAL=2
	@$(RUN) --bin jbc -- race --peers $(PEERS) --blocks $(BLOCKS) --interval $(INTERVAL) $(ARGS)

jobs: ## what the nodes on this machine are doing right now
	@$(RUN) --bin jbc-sched -- --list-jobs $(ARGS)

build: ## both commands, optimised
	$(CARGO) build --release --locked

install: build ## jbc and jbc-sched into PREFIX/bin (default ~/.local/bin)
	install -d $(PREFIX)/bin
	install -m 755 target/release/jbc target/release/jbc-sched $(PREFIX)/bin
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "note: $(PREFIX)/bin is not on your PATH" ;; esac

test: ## all tests
	$(CARGO) test --locked

shuttle: ## the scheduler's threads in many of the orders in which they can run
	RUSTFLAGS="--cfg shuttle" $(CARGO) test --locked -p jbc-scheduler --lib --target-dir target/shuttle shuttle

# The sanitizer comes with the stable toolchain, its flag does not; valgrind and Miri do not know these instructions.
asan: ## the kernels under a memory checker
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" $(CARGO) test --locked -p jbc-pow --lib --tests \
		--target $(shell rustc --print host-tuple) --target-dir target/asan

aarch64: ## the tests of jbc-pow on aarch64, under qemu-user (needs root on a Debian; downloads some hundred megabytes, keeps three gigabytes)
	@CARGO="$(CARGO)" crates/pow/tests/aarch64.sh

check: fmt clippy test shuttle asan docs deny ## all that must hold before a commit: format, lints, tests, orders of threads, memory, docs, dependencies

fmt: ## the format
	$(CARGO) fmt --all --check

clippy: ## the lints, warnings denied
	$(CARGO) clippy --locked --all-targets -- -D warnings

docs: ## the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

deny: $(TOOLS)/bin/cargo-deny ## bans, licences and sources of the dependencies
	$(TOOLS)/bin/cargo-deny --locked check bans licenses sources

$(TOOLS)/bin/cargo-deny:
	$(CARGO) install --locked --quiet --root $(TOOLS) --version $(DENY_VERSION) cargo-deny

bench: ## benchmarks, as ratios
	$(CARGO) bench --locked

bench-pow: ## the kernels beside other programs that hash: a table, docs/pow.json and docs/pow.svg (Linux; takes three minutes)
	@$(CARGO) run --release --locked --manifest-path benches/pow-peers/Cargo.toml --target-dir target -- docs

compare: ## the scheduler beside APScheduler and a bare queue, as a table (needs python3; takes two minutes)
	@CARGO="$(CARGO)" crates/scheduler/benches/compare.sh

fuzz: ## fuzz what strangers send: FUZZ_SECONDS each (needs a nightly toolchain and cargo-fuzz)
	cd fuzz && for target in $$($(CARGO) +nightly fuzz list); do $(CARGO) +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; done

clean: ## remove what was built
	$(CARGO) clean
