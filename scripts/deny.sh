#!/usr/bin/env bash
# Checks licences, bans and sources of dependencies. Installs cargo-deny when it is
# missing, saying so. The advisory database is a git repository: where it cannot be
# fetched, that one check is left out, loudly.
set -euo pipefail
if ! cargo deny --version >/dev/null 2>&1; then
  echo "deny: missing cargo-deny; installing it with cargo (a few minutes)"
  cargo install cargo-deny --locked
fi
cargo deny --all-features check licenses bans sources
if ! cargo deny fetch db 2>/dev/null; then
  echo "deny: the advisory database cannot be fetched here; advisories were NOT checked" >&2
  exit 0
fi
cargo deny --all-features check advisories
