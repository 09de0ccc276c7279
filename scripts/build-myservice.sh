#!/usr/bin/env bash
# Builds examples/myservice as a static binary and prints its path on the last line.
#
# Static, because the same file runs on the host's file system and in an image that
# holds nothing else. The target is named so that the flag reaches this binary alone,
# not build scripts and procedural macros.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
"${CARGO:-cargo}" rustc -q --locked -p myservice --bin myservice --target "$target" \
  -- -C target-feature=+crt-static >&2
directory=${CARGO_TARGET_DIR:-target}
echo "$(realpath "$directory")/$target/debug/myservice"
