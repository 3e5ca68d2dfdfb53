#!/bin/sh
# Positions against the real Yjs from npm, and unmodified y-websocket clients against a daemon. Says why where it cannot;
# with YP2P_YJS_OPTIONAL that is no failure.
set -eu
pytest=$1
place=$2
cannot() {
  echo "make yjs: $1; nothing was compared with the real Yjs"
  if [ -n "${YP2P_YJS_OPTIONAL:-}" ]; then exit 0; fi
  exit 1
}
if ! { command -v node && command -v npm; } >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm >/dev/null ||
    cannot "apt-get cannot install nodejs and npm"
fi
command -v node >/dev/null || cannot "needs Node.js"
command -v npm >/dev/null || cannot "needs npm"
if [ ! -d "$place/node_modules/@hocuspocus/provider" ]; then
  npm install --silent --no-save --no-package-lock --prefix "$place" yjs@13.6.33 y-websocket@3.1.0 ws@8 \
    y-codemirror.next@0.3.6 @codemirror/state@6 @codemirror/view@6 jsdom@26 \
    @y/y@14.0.0-rc.7 @y/websocket@4.0.0-3 @hocuspocus/provider@4.8.0 ||
    cannot "npm cannot fetch yjs, its providers and editors"
fi
YP2P_YJS=$place exec "$pytest" -q -m yjs -p no:randomly tests/yjs
