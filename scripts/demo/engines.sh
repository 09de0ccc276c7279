# Engines for the demo: those that run, or private ones. Sourced by demo.sh.

docker_socket=/run/docker.sock
containerd_socket=/run/containerd/containerd.sock
docker_pid=
containerd_pid=
had_docker0=
had_rules=
had_forwarding=

answers() { # SOCKET PATH
  [ -S "$1" ] && curl -s -m 2 --unix-socket "$1" "http://engine$2" >/dev/null 2>&1
}

prepare_engines() {
  if ctr --address "$containerd_socket" version >/dev/null 2>&1; then
    note "using the containerd that runs"
  else
    start_containerd
  fi
  if answers "$docker_socket" /_ping; then
    note "using the dockerd that runs"
  else
    start_dockerd
  fi
}

start_containerd() {
  note "no containerd answers; starting a private one"
  containerd_socket=$work/containerd.sock
  cat > "$work/containerd.toml" <<TOML
version = 2
root = "$work/containerd"
state = "$work/containerd-run"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$containerd_socket"
TOML
  # In sessions of their own: Ctrl-C is for the demo, which ends them in order.
  setsid containerd --config "$work/containerd.toml" > "$work/containerd.log" 2>&1 &
  containerd_pid=$!
  wait_for 30 "containerd" ctr --address "$containerd_socket" version
}

start_dockerd() {
  note "no dockerd answers; starting a private one"
  docker_socket=$work/docker.sock
  # What it leaves in the host's network is taken back at the end.
  had_docker0=$(ip link show docker0 2>/dev/null || true)
  had_rules=$work/iptables
  iptables-save > "$had_rules"
  had_forwarding=$(cat /proc/sys/net/ipv4/ip_forward)
  setsid dockerd --data-root "$work/docker" --exec-root "$work/docker-run" --pidfile "$work/docker.pid" \
    --host "unix://$docker_socket" --containerd "$containerd_socket" > "$work/docker.log" 2>&1 &
  docker_pid=$!
  wait_for 60 "dockerd" answers "$docker_socket" /_ping
}

stop_engines() {
  if [ -n "$docker_pid" ]; then
    kill "$docker_pid" 2>/dev/null && wait "$docker_pid" 2>/dev/null || true
    restore_rules
    echo "$had_forwarding" > /proc/sys/net/ipv4/ip_forward
    [ -n "$had_docker0" ] || ip link delete docker0 2>/dev/null || true
  fi
  if [ -n "$containerd_pid" ]; then
    kill "$containerd_pid" 2>/dev/null && wait "$containerd_pid" 2>/dev/null || true
  fi
  # Whatever a private engine left mounted would keep its directory busy.
  awk -v under="$work/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r |
    xargs -r -n1 umount -l 2>/dev/null || true
}

# A table that was not there before is in no dump, so restoring leaves it alone.
restore_rules() {
  iptables-restore < "$had_rules" || true
  for table in filter nat; do
    grep -q "^\*$table" "$had_rules" && continue
    iptables -t "$table" -F && iptables -t "$table" -X
  done
  grep -q '^\*filter' "$had_rules" || iptables -P FORWARD ACCEPT
}

in_docker() {
  docker --host "unix://$docker_socket" "$@"
}
