#!/bin/sh
# The wheel alone, without what only developers install, in an environment of its own.
set -eu
pytest=$1
shift
wheel=$(ls dist/*.whl)
where=$(mktemp -d)
trap 'rm -rf "$where"' EXIT
python3 -m venv "$where"
"$where/bin/pip" install --quiet --disable-pip-version-check "$wheel"
YP2P_BARE="$where/bin/yp2p" "$pytest" -q -m packaging tests/packaging "$@"
