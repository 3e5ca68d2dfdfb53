#!/bin/sh
# The wheel alone, without what only developers install, in an environment of its own; then what is built of it. TOOLS is a
# directory that has pex, pipx and twine.
set -eu
pytest=$1 tools=$2
shift 2
wheel=$(ls dist/*.whl)
case " $*" in
*test_deb*)
  missing=
  command -v lintian >/dev/null || missing="$missing lintian"
  command -v debootstrap >/dev/null || missing="$missing debootstrap"
  command -v systemd-nspawn >/dev/null || missing="$missing systemd-container"
  if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing; } >/dev/null || true
  fi
  ;;
esac
where=$(mktemp -d)
trap 'rm -rf "$where"' EXIT
python3 -m venv "$where"
"$where/bin/pip" install --quiet --disable-pip-version-check "$wheel"
YP2P_BARE="$where/bin/yp2p" YP2P_TOOLS="$tools" "$pytest" -q -rs -m packaging -p no:randomly "${@:-tests/packaging}"
