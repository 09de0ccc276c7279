#!/usr/bin/env bash
# Installs cargo-nextest with cargo when it is missing, saying so.
set -euo pipefail
if cargo nextest --version >/dev/null 2>&1; then
  exit 0
fi
echo "nextest: missing cargo-nextest; installing it with cargo (a few minutes)"
cargo install cargo-nextest --locked
