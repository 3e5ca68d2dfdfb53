"""Which requests come from the page itself: every other host, origin and kind of request is told from it."""

from __future__ import annotations

import pytest

from yp2p.page import guard

_US = "127.0.0.1:4711"


@pytest.mark.parametrize(
    "host",
    ["", "localhost:4711", "127.0.0.1", "127.0.0.1:4712", "127.0.0.1:04711", "127.1:4711", "127.0.0.1:4711.",
     "rebound.example:4711", "[::1]:4711", "127.0.0.1:4711, 127.0.0.1:4711", " 127.0.0.1:4711", "0.0.0.0:4711"],
)  # fmt: skip
def test_only_our_own_address_is_ours(host: str) -> None:
    for method in ("GET", "POST"):
        headers = {"host": host, "origin": f"http://{host}"}
        assert guard.why_elsewhere(method, headers, _US) == "it is for another host"


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://127.0.0.1", "https://127.0.0.1:4711", "http://127.0.0.1:4711/", "http://localhost:4711",
     "http://evil.example", "http://127.0.0.1:4711, http://evil.example", "HTTP://127.0.0.1:4711", "file://"],
)  # fmt: skip
def test_only_our_own_origin_is_ours(origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert guard.why_elsewhere(method, {"host": _US, "origin": origin}, _US) == "it is from another origin"


def test_what_changes_something_says_its_origin() -> None:
    ours = {"host": _US, "origin": f"http://{_US}"}
    assert [guard.why_elsewhere(method, ours, _US) for method in ("GET", "POST", "DELETE")] == ["", "", ""]
    assert guard.why_elsewhere("GET", {"host": _US}, _US) == ""
    assert guard.why_elsewhere("HEAD", {"host": _US}, _US) == ""
    for method in ("POST", "PUT", "OPTIONS", "get"):
        assert guard.why_elsewhere(method, {"host": _US}, _US) != ""


def test_calls_are_of_the_page() -> None:
    assert guard.is_call({"sec-fetch-site": "same-origin"})
    for site in ("cross-site", "same-site", "none", "", "same-origin, same-origin"):
        assert not guard.is_call({"sec-fetch-site": site})
    assert not guard.is_call({})


def test_a_websocket_says_its_origin_and_perhaps_its_site() -> None:
    assert guard.is_live({"origin": f"http://{_US}"})
    assert guard.is_live({"origin": f"http://{_US}", "sec-fetch-site": "same-origin"})
    assert not guard.is_live({"origin": f"http://{_US}", "sec-fetch-site": "cross-site"})
    assert not guard.is_live({"sec-fetch-site": "same-origin"})


def test_the_page_is_navigated_to_from_anywhere_and_embedded_nowhere() -> None:
    navigation = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert guard.is_part("/", navigation)
    assert not guard.is_part("/page.js", navigation)
    for kind in ("iframe", "embed", "object", "frame", "script", ""):
        assert not guard.is_part("/", navigation | {"sec-fetch-dest": kind})
    for site, is_ours in (("same-origin", True), ("none", True), ("", True), ("same-site", False)):
        assert guard.is_part("/page.js", {"sec-fetch-site": site}) is is_ours
    assert guard.is_part("/page.js", {})


@pytest.mark.parametrize(
    ("said", "token"),
    [("Bearer abc", "abc"), ("bearer abc", "abc"), ("Bearer  abc", " abc"), ("Basic abc", ""), ("abc", ""), ("", ""),
     ("Bearer", ""), ("Bearer abc, Bearer def", "abc, Bearer def")],
)  # fmt: skip
def test_a_token_is_behind_bearer(said: str, token: str) -> None:
    assert guard.bearer({"authorization": said}) == token
    assert guard.bearer({}) == ""


@pytest.mark.parametrize(
    ("said", "token"),
    [("yp2p, token.abc", "abc"), ("token.abc,yp2p", "abc"), ("token.abc", ""), ("yp2p", ""), ("", ""),
     ("yp2p, token.abc, token.def", ""), ("yp2p, token.", "")],
)  # fmt: skip
def test_a_websocket_has_one_token_beside_what_it_speaks(said: str, token: str) -> None:
    assert guard.live_token({"sec-websocket-protocol": said}) == token
