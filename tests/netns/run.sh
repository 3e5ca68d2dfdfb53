#!/bin/sh
# Runs the tests that make hosts of their own (network namespaces). Says why where it cannot.
set -eu
pytest=$1
if [ "$(id -u)" != 0 ]; then echo "make netns: needs root, to make network namespaces"; exit 1; fi
if ! command -v ip >/dev/null; then
  if command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq iproute2 >/dev/null; fi
fi
command -v ip >/dev/null || { echo "make netns: needs ip (Debian: iproute2)"; exit 1; }
# For two hosts that only WireGuard connects; their test says so where it is not there.
if ! command -v wireguard-go >/dev/null && command -v apt-get >/dev/null; then
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends wireguard-go wireguard-tools; } >/dev/null 2>&1 || true
fi
ip netns add yp-probe 2>/dev/null && ip netns del yp-probe || { echo "make netns: this machine makes no network namespaces"; exit 1; }
exec "$pytest" -q -m netns -p no:randomly "${2:-tests/netns}"
