#!/bin/sh
# Runs the tests that cut the power of a disk (a loop device). Says why where it cannot.
set -eu
pytest=$1
if [ "$(id -u)" != 0 ]; then echo "make power: needs root, to mount loop devices"; exit 1; fi
if ! command -v mkfs.ext4 >/dev/null || ! command -v losetup >/dev/null; then
  if command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq e2fsprogs mount util-linux >/dev/null; fi
fi
command -v mkfs.ext4 >/dev/null || { echo "make power: needs mkfs.ext4 (Debian: e2fsprogs)"; exit 1; }
if ! command -v bindfs >/dev/null && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq bindfs >/dev/null || true
fi
if ! command -v mount.exfat-fuse >/dev/null && command -v apt-get >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq exfat-fuse exfatprogs >/dev/null || true
fi
losetup -f >/dev/null 2>&1 || { echo "make power: this machine has no loop devices"; exit 1; }
exec "$pytest" -q -m power -p no:randomly tests/power
