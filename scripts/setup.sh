#!/usr/bin/env bash
# Installs the Debian packages that building, testing and the demo need.
#
# Lists what is missing before it installs anything, and installs nothing else:
# no service is enabled, no repository added. Needs root only when something is
# missing. `scripts/setup.sh --check` lists and exits 1 instead of installing.
#
# Groups, so that a user of `make demo` is not made to install benchmarks:
#   build  compiler for the BPF side, linker, protobuf
#   run    engines, CNI plugins, nftables
#   dev    formatting of C, its sanitizers, tools to look with
#   test   what the tests' clients are written in
#   bench  the peers that `make bench` measures against
set -euo pipefail

build="clang llvm libelf-dev zlib1g-dev pkg-config protobuf-compiler gcc libc6-dev make"
run="iproute2 iptables nftables docker.io containerd runc containernetworking-plugins busybox-static util-linux curl jq ca-certificates"
dev="clang-format libclang-rt-14-dev dnsutils"
test="golang-go musl-tools nodejs openjdk-17-jdk-headless python3 docker-registry skopeo apache2-utils openssl xz-utils bzip2 podman firewalld dbus"
bench="haproxy dnsmasq-base unbound dnsperf"

check=
groups=()
for word in "$@"; do
  case "$word" in
    --check) check=1 ;;
    build | run | dev | test | bench) groups+=("$word") ;;
    *)
      echo "usage: scripts/setup.sh [--check] [build] [run] [dev] [test] [bench]" >&2
      exit 64
      ;;
  esac
done
[ ${#groups[@]} -gt 0 ] || groups=(build run)

missing=()
for group in "${groups[@]}"; do
  for package in ${!group}; do
    state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing+=("$package")
  done
done

if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all Debian packages for ${groups[*]} are present"
  exit 0
fi
echo "setup: missing Debian packages: ${missing[*]}"
[ -z "$check" ] || exit 1

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "setup: run as root or install sudo, then: apt-get install ${missing[*]}" >&2
    exit 77
  }
  as_root=sudo
fi
# Its package starts it, which would shut this host's ports; tests start their own.
unit=/etc/systemd/system/firewalld.service
if [[ " ${missing[*]} " == *" firewalld "* ]] && [ ! -e "$unit" ]; then
  echo "setup: firewalld is installed masked, so that it does not start: $unit"
  $as_root mkdir -p "${unit%/*}"
  $as_root ln -s /dev/null "$unit"
fi
echo "setup: installing them with apt-get"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# Recommended packages are left out: Docker would bring tools that nothing here uses.
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
echo "setup: done"
