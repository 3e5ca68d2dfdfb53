#!/bin/sh
# The image by its recipe: built with buildah on a Debian that debootstrap makes, without a registry, a daemon or a network of
# its own; then two devices run from it, as the user that it names. Says why where it cannot; that is no failure.
set -eu
pip=$1
suite=trixie
cannot() {
  echo "make oci: skipped: $1; no image was built"
  exit 0
}
[ "$(id -u)" = 0 ] || cannot "needs root, to make a Debian in a directory"
for tool in debootstrap buildah; do
  if ! command -v $tool >/dev/null && command -v apt-get >/dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $tool; } >/dev/null || true
  fi
  command -v $tool >/dev/null || cannot "needs $tool (Debian: $tool)"
done
where=$(mktemp -d)
trap 'rm -rf --one-file-system "$where"' EXIT
trap 'exit 1' INT TERM
engine() {
  command=$1
  shift
  buildah --root "$where/storage" --runroot "$where/run" --storage-driver vfs "$command" "$@"
}

# 1. The Debian that the recipe begins with.
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
  sed -n 's/^Debian \([a-z]*:.*\)/\1/p' | head -n 1)
debootstrap --variant=minbase --include=ca-certificates "$suite" "$where/root" $mirror >"$where/log" 2>&1 ||
  cannot "debootstrap cannot make it ($(grep '^[EW]: ' "$where/log" | tail -n 1))"
base=$(engine from scratch)
engine add --quiet "$base" "$where/root" / >/dev/null
engine commit --quiet "$base" localhost/base >/dev/null
engine rm "$base" >/dev/null
rm -rf "$where/root"

# 2. What pip is told here, read-only at the same places.
set --
{
  "$pip" config debug | sed -n 's/^ *\(\/.*\), exists: True$/\1/p'
  "$pip" config list | grep -oE "/[^ '\"\\]+" || true
  printf '%s\n' /etc/ssl/certs/ca-certificates.crt
} | sed 's/^\/\/*/\//; s/\/simple\/*$//' | sort -u >"$where/named"
while read -r path; do
  if [ -e "$path" ]; then set -- "$@" --volume "$path:$path:ro"; fi
done <"$where/named"

# 3. The image, and what it says of itself.
engine bud --isolation chroot --format docker --build-arg BASE=localhost/base "$@" --tag yp2p --file packaging/oci/Containerfile . >"$where/log" 2>&1 || {
  tail -n 30 "$where/log"
  exit 1
}
engine inspect --type image --format '{{.Docker.Config.User}} {{.Docker.Config.Volumes}} {{.Docker.Config.Healthcheck}}' yp2p

# 4. Two devices in it meet on the loopback interface, and it is healthy while the daemon runs, and not afterwards.
container=$(engine from yp2p)
engine run --isolation chroot "$container" -- sh -euc '
  [ "$(id -u)" = 1000 ]
  yp2p --version
  export YP2P_LISTEN__ADDRESS=127.0.0.1 YP2P_DISCOVERY__INTERFACES=127.0.0.1
  two() { YP2P_HOME=/data/two yp2p "$@"; }
  mkdir /folders/here /folders/there
  echo apples >/folders/here/list.txt
  yp2p daemon --detach
  two daemon --detach
  yp2p share /folders/here | two join /folders/there
  yp2p wait --timeout 60
  yp2p status >/dev/null
  cat /folders/there/list.txt
  two stop
  yp2p stop
  ! yp2p status 2>/dev/null
'
echo "== the image works"
