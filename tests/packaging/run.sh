#!/bin/sh
# The wheel alone, without what only developers install, in an environment of its own; what it is checked with in another.
set -eu
pytest=$1
shift
wheel=$(ls dist/*.whl)
where=$(mktemp -d)
trap 'rm -rf "$where"' EXIT
python3 -m venv "$where"
"$where/bin/pip" install --quiet --disable-pip-version-check "$wheel"
python3 -m venv "$where/tools"
"$where/tools/bin/pip" install --quiet --disable-pip-version-check twine pipx shiv
YP2P_BARE="$where/bin/yp2p" YP2P_TOOLS="$where/tools/bin" "$pytest" -q -m packaging tests/packaging "$@"
