#!/bin/sh
# The wheel in a Debian of its own, with that Debian's Python and without a compiler: it installs, its commands answer, and
# the demo plays. The mirror is the one that apt has here, and pip is configured there as it is here. With names of tests
# these run there as well; SUITE=forky takes another Debian. Says why where it cannot; that is no failure.
set -eu
pip=$1
shift
suite=${SUITE:-trixie}
cannot() {
  echo "make debian13: skipped: $1; nothing was tried on Debian ($suite)"
  exit 0
}
[ "$(id -u)" = 0 ] || cannot "needs root, to make a Debian in a directory"
if ! command -v debootstrap >/dev/null && command -v apt-get >/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap; } >/dev/null || true
fi
command -v debootstrap >/dev/null || cannot "needs debootstrap (Debian: debootstrap)"
unshare --mount --pid --fork --kill-child true 2>/dev/null || cannot "this machine makes no mount and process namespaces"

# Mounts are made in a namespace of their own, which is gone before this directory is removed.
where=$(mktemp -d)
trap 'rm -rf --one-file-system "$where"' EXIT
trap 'exit 1' INT TERM
root=$where/root

# 1. The Debian. Where apt has no mirror of Debian's, debootstrap takes its own.
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
  sed -n 's/^Debian \([a-z]*:.*\)/\1/p' | head -n 1)
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid # a suite newer than this debootstrap
debootstrap --variant=minbase "--include=python3,python3-venv,ca-certificates${1:+,git}" "$suite" "$root" \
  "$mirror" "$script" >"$where/log" 2>&1 ||
  cannot "debootstrap cannot make it ($(grep '^[EW]: ' "$where/log" | tail -n 1))"

# 2. What pip is told here: its files at the same places, and what they and its variables name.
take() { mkdir -p "$root${1%/*}" && cp -L "$1" "$root$1"; }
"$pip" config debug | sed -n 's/^ *\(\/.*\), exists: True$/\1/p' >"$where/files"
while read -r file; do take "$file"; done <"$where/files"
{
  "$pip" config list | grep -oE "/[^ '\"\\]+" || true
  printf '%s\n' /etc/ssl/certs/ca-certificates.crt "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}"
} | sed 's/^\/\/*/\//; s/\/simple\/*$//' | sort -u >"$where/named" # an index in a directory has its files beside it
: >"$where/directories"
while read -r path; do
  if [ -d "$path" ]; then
    mkdir -p "$root$path" && echo "$path" >>"$where/directories"
  elif [ -f "$path" ]; then
    take "$path"
  fi
done <"$where/named"

# 3. The wheel, the demo and the tests. What the demo asks for is in the wheel, so the checkout's package stays behind.
mkdir -p "$root/yp2p" "$root$HOME"
cp dist/*.whl docs/demo.py "$root/yp2p"
if [ $# != 0 ]; then cp -R tests pyproject.toml README.md docs config systemd Makefile "$root/yp2p"; fi
cat >"$root/yp2p/try.sh" <<'INSIDE'
set -eu
cd /yp2p
for compiler in cc gcc clang rustc cargo; do
  if command -v $compiler; then echo "a compiler is here, so this would prove nothing"; exit 1; fi
done
echo "== Debian $(cat /etc/debian_version), $(python3 --version), no compiler"
python3 -m venv bare
bare/bin/pip install -qq --disable-pip-version-check --only-binary :all: ./*.whl
bare/bin/pip check --disable-pip-version-check
bare/bin/pip freeze --disable-pip-version-check | grep -v '^yp2p ' | tr '\n' ' '
echo
echo "== yp2p --version"
bare/bin/yp2p --version
echo "== yp2p up --help"
bare/bin/yp2p up --help
echo "== the demo"
bare/bin/python demo.py
if [ $# != 0 ]; then
  echo "== pytest $*"
  python3 -m venv developer
  developer/bin/pip install -qq --disable-pip-version-check "$(ls ./*.whl)[dev]"
  developer/bin/pytest -q "$@"
fi
INSIDE
unshare --mount --pid --fork --kill-child sh -euc '
  root=$1 directories=$2
  shift 2
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  while read -r path; do
    mount --bind "$path" "$root$path"
    mount -o remount,bind,ro "$root$path"
  done <"$directories"
  exec chroot "$root" /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 sh /yp2p/try.sh "$@" </dev/null
' sh "$root" "$where/directories" "$@"
echo "== the wheel works on Debian ($suite)"
