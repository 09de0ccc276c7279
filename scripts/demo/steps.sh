# What the demo shows, in order. Sourced by demo.sh.

name=myservice.marathon.l4lb.thisdcos.directory

say() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
fail() {
  echo "demo: $*" >&2
  exit 1
}

wait_for() { # SECONDS WHAT COMMAND...
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "$what did not come in time"
    sleep 0.1
  done
}

build_server() {
  mkdir -p "$(dirname "$server")"
  install -m 755 "$(scripts/build-myservice.sh | tail -n 1)" "$server"
  scripts/build-image.sh "$work"
  in_docker import --change 'ENTRYPOINT ["/bin/myservice", "6666", "7777"]' \
    "$work/image.tar" chrisrc/myservice >/dev/null
  note "image chrisrc/myservice holds the example server: it answers which instance it is"
}

write_config() {
  cat > "$work/sealane.toml" <<TOML
state-dir = "$work/state"
[api]
listen = "127.0.0.1:$port"
[node]
# The examples ask for a whole core an instance; this host may have few.
cpus = 16.0
mem = 8192.0
[docker]
socket = "$docker_socket"
[containerd]
socket = "$containerd_socket"
TOML
}

start_daemon() {
  setsid "$lane" daemon --config "$work/sealane.toml" 2>> "$work/daemon.log" &
  daemon=$!
  wait_for 30 "the daemon" "$lane" status
  wait_for 30 "both engines" engines_known
}

engines_known() {
  "$lane" status -o json | grep -q '"docker"' && "$lane" status -o json | grep -q '"containerd"'
}

vip_address() {
  "$lane" vip list -o json |
    jq -r '[.vips[] | select(.name // "" | startswith("myservice."))][0].address'
}

app_ids() {
  "$lane" app list -o json | jq -r '.[].id' || true
}

call() { # PORT: one call from the host, by address
  curl -sS --fail -m 5 "http://$vip:$1/" || fail "a call to $vip:$1 failed"
}

from_container() { # CONTAINER PORT: one call by name
  in_docker exec "$1" curl -sS --fail -m 5 "http://$name:$2/" || fail "a call to $name:$2 failed"
}

instances() { # CALLS PORT: which instances answer
  for _ in $(seq "$1"); do call "$2"; done | awk '{ print $1 }' | sort | uniq -c
}

run_steps() {
  say "Deploying examples/myservice.json: a native container in host mode"
  "$lane" app deploy examples/myservice.json --wait
  say "Deploying examples/myservice-docker.json beside it, behind the same VIPs"
  "$lane" app deploy examples/myservice-docker.json --id /docker/myservice --wait
  "$lane" app list
  "$lane" vip list
  vip=$(vip_address)

  say "Calling every VIP by address from the host, and by name from inside a container"
  local container
  container=$(in_docker ps -q --filter label=sealane.task | head -n 1)
  for number in 6666 7777; do
    note "host       $vip:$number -> $(call "$number")"
    note "container  $name:$number -> $(from_container "$container" "$number")"
  done

  say "Scaling the Docker app to three and looking at the spread of 60 calls"
  "$lane" app scale /docker/myservice 3 --wait
  instances 60 6666
  [ "$(instances 60 6666 | wc -l)" -eq 4 ] || fail "not all four instances answer"

  say "Killing one instance from outside; calls after it is noticed must not fail"
  in_docker kill "$container" >/dev/null
  wait_for 10 "the failure to be noticed" noticed
  for _ in $(seq 50); do call 6666 >/dev/null; done
  note "50 of 50 calls answered"
  wait_for 60 "the replacement" four_answer
  note "a new instance took its place"

  say "Restarting the daemon: containers, VIPs and open connections must survive"
  local before after stream
  before=$(in_docker ps -q --filter label=sealane.task | sort)
  curl -sN "http://$vip:6666/stream" > "$work/stream" &
  stream=$!
  kill -9 "$daemon"
  wait "$daemon" 2>/dev/null || true
  for _ in $(seq 20); do call 7777 >/dev/null; done
  note "20 of 20 calls answered while no daemon ran"
  start_daemon
  after=$(in_docker ps -q --filter label=sealane.task | sort)
  [ "$before" = "$after" ] || fail "containers changed over the restart"
  local lines
  lines=$(wc -l < "$work/stream")
  wait_for 10 "the open connection to go on" longer_than "$lines"
  kill -0 "$stream" 2>/dev/null || fail "the open connection was cut"
  kill "$stream" 2>/dev/null || true
  wait "$stream" 2>/dev/null || true
  for _ in $(seq 20); do call 7777 >/dev/null; done
  note "the same containers, the same VIPs, and the open connection went on"
}

noticed() {
  [ "$("$lane" vip show "$name:6666" -o json | grep -c '"task": "')" -lt 4 ] || four_answer
}

four_answer() {
  [ "$("$lane" vip show "$name:6666" -o json | grep -c '"task": "')" -ge 4 ] &&
    [ "$(instances 60 6666 | wc -l)" -eq 4 ]
}

longer_than() { # LINES
  [ "$(wc -l < "$work/stream")" -gt "$1" ]
}

stay_up() {
  trap 'exit 0' INT TERM
  cat <<TEXT

== Every step held. The demo stays up until you press Ctrl-C. Try, in another shell:
   export SEALANE_API=$SEALANE_API
   $lane app show /docker/myservice
   $lane vip show $name:6666
   $lane app scale /docker/myservice 5 --wait
   curl http://$vip:6666/
   curl http://127.0.0.1:$port/v2/apps
TEXT
  wait "$daemon"
}
