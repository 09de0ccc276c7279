# What people do with Sealane's source. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

CARGO ?= cargo
UNPRIVILEGED := not (binary(=root) or test(/root::/))

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

.PHONY: setup
setup: ## Install the Debian packages that are missing
	@scripts/setup.sh build run

.PHONY: build
build: setup ## Build the release binaries
	$(CARGO) build --release --locked --bin sealane --bin sealane-cni

.PHONY: demo
demo: build ## The main job on this host, step by step; DEMO_ONCE=1 ends after the last step
	@scripts/demo.sh

.PHONY: test
test: ## All tests: everywhere without root, with real engines as root
	@scripts/setup.sh build run dev test
	@scripts/nextest.sh
	if [ "$$(id -u)" -eq 0 ]; then
	  $(CARGO) nextest run --workspace --locked
	else
	  echo "test: not root, so the tests that need root are left out: run \`sudo -E make test\` for all"
	  $(CARGO) nextest run --workspace --locked -E '$(UNPRIVILEGED)'
	fi
	$(CARGO) test --workspace --locked --doc

.PHONY: check
check: ## Format, lints, documentation, licences: what a change must pass besides tests
	@scripts/setup.sh build dev
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	scripts/format-c.sh --check
	scripts/deny.sh

.PHONY: fmt
fmt: ## Format everything
	$(CARGO) fmt --all
	scripts/format-c.sh

.PHONY: bench
bench: ## Measure beside peers; ONLY=name for one
	@scripts/setup.sh build run bench
	$(CARGO) build --release --locked --bin sealane --bin sealane-cni
	$(CARGO) run --release --locked -p sealane-bench -- $(if $(ONLY),--only $(ONLY))
