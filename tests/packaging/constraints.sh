#!/bin/sh
# Writes config/constraints.txt anew: the versions that the wheel alone brings today, in an environment of its own.
set -eu
wheel=$(ls dist/*.whl)
where=$(mktemp -d)
trap 'rm -rf "$where"' EXIT
python3 -m venv "$where/bare"
"$where/bare/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "$wheel"
{
  cat <<'HEAD'
# The versions that yp2p is tested with, of everything that it brings. An installation with exactly these:
#
#   pip install -c config/constraints.txt yp2p-*.whl
#
# `make constraints` writes this file anew, with the newest versions that pyproject.toml allows.
HEAD
  "$where/bare/bin/pip" freeze --disable-pip-version-check | grep '^[A-Za-z0-9._-]*==[^ ]*$'
} >"$where/constraints.txt"
cp "$where/constraints.txt" config/constraints.txt
