#!/usr/bin/env bash
# The main job on this host, step by step: two app definitions go in, containers with
# addresses come out, and their VIPs answer by name and by address, through scaling,
# the death of an instance and a restart of the daemon.
#
# Uses the dockerd and containerd that run, or starts private ones and stops them
# again. On a terminal it stays up afterwards and says what to try; without one, or
# with DEMO_ONCE=1, it takes everything down and exits 0 only if every step held.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
  echo "demo: needs root for eBPF and containers; asking sudo"
  exec sudo -E env "PATH=$PATH" "$0" "$@"
fi

. scripts/demo/engines.sh
. scripts/demo/steps.sh

# The examples' native command is this path.
server=/tmp/sealane-demo/myservice
work=$(mktemp -d /tmp/sealane-demo-XXXXXX)
lane="$PWD/${CARGO_TARGET_DIR:-target}/release/sealane"
port=${DEMO_PORT:-8080}
export SEALANE_API="unix://$work/state/run/api.sock"
daemon=

finish() {
  local code=$?
  trap - EXIT INT TERM
  [ "$code" -eq 0 ] || echo "demo: FAILED; the daemon's log is $work/daemon.log" >&2
  take_down
  # Never across a mount that could not be taken away.
  [ "$code" -ne 0 ] || rm -rf --one-file-system "$work"
  rm -rf --one-file-system "$(dirname "$server")"
  exit "$code"
}

take_down() {
  say "Taking everything down"
  if [ -n "$daemon" ] && kill -0 "$daemon" 2>/dev/null; then
    for id in $(app_ids); do "$lane" app delete "$id" --wait --timeout 60s >/dev/null || true; done
    kill "$daemon" && wait "$daemon" || true
  fi
  "$lane" uninstall --config "$work/sealane.toml" || true
  stop_engines
}

trap finish EXIT
trap 'exit 130' INT TERM

say "Preparing: engines, the example server, its image"
prepare_engines
build_server
write_config

say "Starting the daemon on the embedded store (API on 127.0.0.1:$port)"
start_daemon

run_steps

if [ -t 1 ] && [ "${DEMO_ONCE:-}" != 1 ]; then
  stay_up
fi
say "Every step held"
