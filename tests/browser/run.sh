#!/bin/sh
# The page in a real browser: Debian's Chromium, driven by Playwright, with real daemons. Says why it cannot; with
# YP2P_PAGE_OPTIONAL that is no failure. YP2P_PAGE_TESTS=smoke is a minute of it. The page is built by `make web` and in the wheel that is tested.
set -eu
bin=$1
place=$2
shift 2
cannot() {
  echo "make page: $1; the page was not looked at in a browser"
  if [ -n "${YP2P_PAGE_OPTIONAL:-}" ]; then exit 0; fi
  exit 1
}
browser=${YP2P_CHROMIUM:-/usr/bin/chromium}
if [ ! -x "$browser" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null ||
    cannot "apt-get cannot install chromium"
fi
[ -x "$browser" ] || cannot "needs Chromium at $browser (Debian: chromium; elsewhere YP2P_CHROMIUM=...)"
command -v npm >/dev/null || cannot "needs npm"
if [ ! -e "$place/node_modules/axe-core/axe.min.js" ]; then
  npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$place" axe-core@4.14.1 ||
    cannot "npm cannot fetch axe-core"
fi
# Playwright's own browsers are not used, and not fetched.
"$bin/python" -c 'import playwright' 2>/dev/null ||
  "$bin/pip" install --quiet --disable-pip-version-check playwright==1.65.2 ||
  cannot "pip cannot fetch playwright"
export YP2P_PAGE="$place" YP2P_CHROMIUM="$browser"
if [ "${1:-}" = benches/page_in_browser.py ]; then exec "$bin/python" "$@"; fi
exec "$bin/pytest" -q -m "${YP2P_PAGE_TESTS:-browser}" -p no:randomly "$@"
