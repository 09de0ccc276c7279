#!/usr/bin/env bash
# Makes the image of examples/myservice-docker.json as a tar: the server, a static
# shell, and curl with the libraries it needs, as a client that resolves names the way
# most programs do.
#
# usage: scripts/build-image.sh DIRECTORY    (leaves DIRECTORY/image.tar)
set -euo pipefail
cd "$(dirname "$0")/.."
directory=${1:?usage: scripts/build-image.sh DIRECTORY}
root=$directory/image
server=$(scripts/build-myservice.sh | tail -n 1)

rm -rf "$root"
mkdir -p "$root/bin" "$root/tmp"
install -m 755 "$server" "$root/bin/myservice"
install -m 755 /bin/busybox "$root/bin/busybox"
for applet in sh cat sleep nc nslookup wget; do
  ln -s busybox "$root/bin/$applet"
done
cp -L --parents /usr/bin/curl "$root"
# Every path that the loader names, the loader itself included.
ldd /usr/bin/curl | grep -oE '/[^ )]+' | sort -u | while read -r library; do
  cp -L --parents "$library" "$root"
done
tar -C "$root" -cf "$directory/image.tar" .
rm -rf "$root"
