#!/bin/sh
# Runs the tests with real editors in a terminal. Says why where it cannot.
set -eu
pytest=$1
missing=
for program in vim nano ed git rsync; do
  command -v $program >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
fi
for program in vim nano ed git rsync; do
  command -v $program >/dev/null || { echo "make editors: needs $program (Debian: $program)"; exit 1; }
done
exec "$pytest" -q -m editors -p no:randomly tests/editors
