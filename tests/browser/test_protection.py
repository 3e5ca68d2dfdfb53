"""Who may not use the page: other pages in the same browser, by whatever name, other users, and whoever comes too late.

The requests are made by a real browser, which sets the headers that a page cannot choose.
"""

from __future__ import annotations

import os
import pwd
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import pytest
from browser.conftest import OpenTab
from browser.tabs import CHROMIUM, REBOUND, STRANGE, Tab, address_of, script
from lab import Device

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

_BLANK = b"<!doctype html><title>elsewhere</title><h1>elsewhere</h1>"


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(_BLANK)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """The port of another web server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Blank) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def stranger(open_tab: OpenTab) -> Tab:
    """A tab for a page of somebody else: what is refused there is in its console."""
    tab = open_tab()
    tab.expects(
        "Failed to load resource", "WebSocket", "CORS", "Refused", "net::ERR", "frame", "Cross-Origin", "blocked"
    )
    return tab


_TRIES = script("tries.js")


def _token(tab: Tab) -> str:
    return str(tab.page.evaluate("sessionStorage.getItem('yp2p-token')"))


def _readable(seen: dict[str, Any]) -> dict[str, Any]:
    """What was answered and no refusal."""
    found = {}
    for name, what in seen.items():
        is_refusal = what == "refused" or (isinstance(what, str) and "Failed to fetch" in what)
        is_refused = isinstance(what, list) and (what[0] in (401, 403) or what == [0, ""])
        if not is_refusal and not is_refused:
            found[name] = what
    return found


def test_the_page_itself_can_ask_all_that_others_are_refused(laptop: Device, tab: Tab) -> None:
    tab.expects("Failed to load resource", "WebSocket", "TrustedScriptURL")
    tab.open(laptop)
    address = re.sub("/#.*", "", tab.page.url)
    seen = tab.page.evaluate(_TRIES, [address, _token(tab)])
    assert seen["status with a token"][0] == 200
    assert seen["status"][0] == 401
    assert seen["socket with a token"] == "open"
    assert seen["picture"] == "loaded"
    assert seen["script element"] == "refused"  # the page's own policy: no script is made of an address


@pytest.mark.parametrize("host", [pytest.param(REBOUND, marks=pytest.mark.smoke), "localhost"])
def test_a_name_that_leads_here_opens_nothing(laptop: Device, tab: Tab, stranger: Tab, host: str) -> None:
    """DNS rebinding: the browser takes the page of a stranger and ours for one origin."""
    port = urlsplit(tab.open(laptop).page.url).port
    token = _token(tab)
    address = f"http://{host}:{port}"
    stranger.page.route(
        f"{address}/theirs", lambda route: route.fulfill(body=_BLANK.decode(), content_type="text/html")
    )
    stranger.page.goto(f"{address}/theirs")
    seen = stranger.page.evaluate(_TRIES, [address, token])
    answer = stranger.page.goto(address)
    assert _readable(seen) == {}
    assert answer is not None
    assert answer.status == 403
    _is_unharmed(laptop)


@pytest.mark.parametrize("host", [pytest.param(STRANGE, marks=pytest.mark.smoke), "127.0.0.1", "localhost"])
def test_a_page_of_another_origin_is_refused(
    laptop: Device, tab: Tab, stranger: Tab, elsewhere: int, host: str
) -> None:
    port = urlsplit(tab.open(laptop).page.url).port
    token = _token(tab)
    stranger.page.goto(f"http://{host}:{elsewhere}/")
    seen = stranger.page.evaluate(_TRIES, [f"http://127.0.0.1:{port}", token])
    assert _readable(seen) == {}
    _is_unharmed(laptop)


def test_the_page_is_in_no_frame_and_its_window_is_nobodys(
    laptop: Device, tab: Tab, stranger: Tab, elsewhere: int
) -> None:
    port = urlsplit(tab.open(laptop).page.url).port
    stranger.page.goto(f"http://127.0.0.1:{elsewhere}/")
    stranger.page.evaluate(
        "address => { const one = document.createElement('iframe'); one.src = address; document.body.append(one) }",
        f"http://127.0.0.1:{port}/",
    )
    stranger.page.wait_for_timeout(1000)
    texts = [frame.evaluate("document.body ? document.body.innerText : ''") for frame in stranger.page.frames[1:]]
    assert not any("yp2p" in text for text in texts)
    with stranger.page.context.expect_page() as opened:
        stranger.page.evaluate("address => { window.theirs = window.open(address) }", f"http://127.0.0.1:{port}/")
    opened.value.wait_for_load_state()
    assert stranger.page.evaluate("window.theirs === null || window.theirs.closed")
    assert opened.value.evaluate("window.opener") is None


def test_a_form_of_another_page_does_nothing(laptop: Device, tab: Tab, stranger: Tab, elsewhere: int) -> None:
    port = urlsplit(tab.open(laptop).page.url).port
    stranger.page.goto(f"http://{STRANGE}:{elsewhere}/")
    with stranger.page.expect_navigation() as gone:
        stranger.page.evaluate(
            """address => {
              const made = (name, given) => Object.assign(document.createElement(name), given)
              const form = made('form', { action: address, method: 'post', enctype: 'text/plain' })
              form.append(made('input', { name: '{"folder":null,"x":"', value: '"}' }))
              document.body.append(form)
              form.submit()
            }""",
            f"http://127.0.0.1:{port}/v1/folder/pause",
        )
    assert gone.value is not None
    assert gone.value.status == 403
    _is_unharmed(laptop)


@pytest.mark.smoke
def test_a_code_is_good_once_and_no_part_of_the_address_afterwards(laptop: Device, open_tab: OpenTab) -> None:
    address = address_of(laptop)
    first, second = open_tab(), open_tab()
    second.expects("401")
    first.page.goto(address)
    first.reads("notes")
    assert "open=" not in first.page.url
    second.page.goto(address)
    second.reads("This page is closed")
    assert laptop.name not in second.words()
    first.page.reload()  # it keeps its token
    first.reads("notes")
    assert first.page.context.cookies() == []
    assert "token" not in first.page.url


@pytest.mark.parametrize("how", ["closed", "restarted"])
def test_a_stale_token_is_worth_nothing(laptop: Device, tab: Tab, open_tab: OpenTab, how: str) -> None:
    tab.expects("Failed to load resource", "ERR_", "401")
    tab.open(laptop).reads("notes")
    stale = _token(tab)
    if how == "closed":
        laptop.call("POST", "/v1/page/close", {})
    else:
        laptop.stop()
        laptop.start()
    other = open_tab()
    other.expects("401", "WebSocket", "TrustedScriptURL")
    other.open(laptop)
    address = re.sub("/#.*", "", other.page.url)
    seen = other.page.evaluate(_TRIES, [address, stale])
    assert seen["status with a token"][0] == 401
    assert seen["pause"][0] == 401
    assert seen["socket with a token"] == "refused"
    assert laptop.name not in str(seen)
    _is_unharmed(laptop)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_of_this_machine_gets_no_further_than_the_first_file(
    laptop: Device, tmp_path: Path, playwright: Playwright
) -> None:
    port = urlsplit(address_of(laptop)).port
    nobody = pwd.getpwnam("nobody")
    home = tmp_path / "nobody"
    for directory in (home, home / "profile"):
        directory.mkdir()
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    for above in [tmp_path, *tmp_path.parents][:-2]:
        above.chmod(above.stat().st_mode | 0o001)
    as_nobody = tmp_path / "as-nobody"
    as_nobody.write_text(
        f'#!/bin/sh\nexec setpriv --reuid {nobody.pw_uid} --regid {nobody.pw_gid} --clear-groups '
        f'env HOME={home} {CHROMIUM} "$@"\n'
    )  # fmt: skip
    as_nobody.chmod(0o755)
    with _as_other_user(playwright, str(as_nobody), home) as other:
        other.page.goto(f"http://127.0.0.1:{port}/")
        other.reads("This page is closed")
        seen = other.page.evaluate(_TRIES, [f"http://127.0.0.1:{port}", "x" * 43])
        for path in (laptop.home / "control.sock", laptop.home / "config.toml", laptop.home / "device.key"):
            assert _cannot_read(other, path)
    calls = {name: what for name, what in seen.items() if name not in ("page", "script", "script element", "picture")}
    assert _readable(calls) == {}
    assert laptop.name not in str(seen)
    _is_unharmed(laptop)


@contextmanager
def _as_other_user(playwright: Playwright, program: str, home: Path) -> Iterator[Tab]:
    flags = ["--no-sandbox", "--disable-dev-shm-usage"]
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    context = playwright.chromium.launch_persistent_context(
        str(home / "profile"), executable_path=program, args=flags, env=environment
    )
    context.pages[0].wait_for_load_state()  # the tab that a browser begins with: until then it ends what others load
    yield Tab(context)
    context.close()


def _cannot_read(tab: Tab, path: Path) -> bool:
    try:
        answer = tab.page.goto(f"file://{path}")
    except Exception as error:  # net::ERR_ACCESS_DENIED and the like
        return "ERR_" in str(error)
    return answer is None


def _is_unharmed(device: Device) -> None:
    """Nothing of what others asked was done."""
    (folder,) = device.status()["folders"]
    assert folder["state"] == "idle"
    assert folder["problem"] == ""


class _Impostor(BaseHTTPRequestHandler):
    """Answers all with 200, and keeps what was said."""

    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.heard.append(f"{self.requestline}\n{self.headers}\n{body.decode('latin-1')}")
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"proofs": []}')

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


def test_who_takes_the_port_after_it_closed_hears_nothing(laptop: Device, tab: Tab) -> None:
    tab.expects("Failed to load resource", "WebSocket", "net::ERR")
    tab.open(laptop).edit(laptop, "plan.md")
    tab.until("Saved")
    port, token = urlsplit(tab.page.url).port or 0, _token(tab)
    laptop.call("POST", "/v1/page/close", {})
    _Impostor.heard.clear()
    with ThreadingHTTPServer(("127.0.0.1", port), _Impostor) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            tab.eventually(lambda: bool(_Impostor.heard), "the tab asking whoever is there")
            said = tab.page.locator("body")
            tab.eventually(lambda: "does not know this page any more" in said.inner_text(), "the tab saying it")
            tab.page.wait_for_timeout(1000)
        finally:
            server.shutdown()
            thread.join()
    assert {one.partition("\n")[0] for one in _Impostor.heard} == {"POST /v1/session/proof HTTP/1.1"}
    assert not any(token in one for one in _Impostor.heard)
