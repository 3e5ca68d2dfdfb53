#!/bin/sh
# Runs the tests that boot machines of their own (systemd-nspawn). Says why where it cannot.
set -eu
pytest=$1
if [ "$(id -u)" != 0 ]; then echo "make systemd: needs root, to boot machines with systemd-nspawn"; exit 1; fi
missing=
command -v systemd-nspawn >/dev/null || missing="$missing systemd-container"
command -v ip >/dev/null || missing="$missing iproute2"
test -x /usr/bin/python3 || missing="$missing python3"
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
dpkg -s python3-venv >/dev/null 2>&1 || missing="$missing python3-venv"
dpkg -s systemd-sysv >/dev/null 2>&1 || missing="$missing systemd-sysv"
if [ -n "$missing" ] && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
fi
command -v systemd-nspawn >/dev/null || { echo "make systemd: needs systemd-nspawn (Debian: systemd-container)"; exit 1; }
exec "$pytest" -q -m "${2:-systemd}" -p no:randomly -s tests/systemd
