"""The files of the page: what is in the package is answered, with a policy under which nothing else runs."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from yp2p.control.requests import Request
from yp2p.control.routes import Route
from yp2p.errors import NotInstalled
from yp2p.page import assets

INDEX = '<!doctype html><script type="module" src="page.js"></script>'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "page.js").write_text("let a = 1\n" * 1000)
    (tmp_path / "page.css").write_text("a {}")
    (tmp_path / ".gitignore").write_text("*")
    (tmp_path / "notes.py").write_text("")
    return tmp_path


async def _ask(place: Path, path: str, **headers: str) -> Any:
    (route,) = (one for one in assets.routes(assets.read(place), "127.0.0.1:1") if one.path == path)
    assert isinstance(route, Route)
    assert route.answer is not None
    return await route.answer(
        Request("GET", path, "", {name.replace("_", "-"): text for name, text in headers.items()})
    )


def test_what_a_browser_reads_is_served_and_nothing_else(place: Path) -> None:
    assert sorted(assets.read(place)) == ["/", "/page.css", "/page.js"]


@pytest.mark.parametrize("name", ["", "index.html"])
def test_where_they_are_not_a_sentence_says_how_to_get_them(tmp_path: Path, name: str) -> None:
    (tmp_path / "page.js").write_text("")
    with pytest.raises(NotInstalled, match="make web"):
        assets.read(tmp_path / name)


async def test_files_are_compressed_for_who_takes_that_and_kept_by_their_tag(place: Path) -> None:
    plain = await _ask(place, "/page.js")
    packed = await _ask(place, "/page.js", accept_encoding="gzip, br")
    headers = dict(packed.headers)
    assert plain.body == (place / "page.js").read_bytes()
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 10
    assert (headers["content-encoding"], headers["cache-control"]) == ("gzip", "no-cache")
    assert packed.media_type == "text/javascript; charset=utf-8"
    again = await _ask(place, "/page.js", if_none_match=headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert (await _ask(place, "/page.js", if_none_match='"other"')).status == 200
    (place / "page.js").write_text("let a = 2\n")
    assert (await _ask(place, "/page.js", if_none_match=headers["etag"])).status == 200


async def test_the_page_has_a_policy_that_allows_nothing_but_its_files(place: Path) -> None:
    answer = await _ask(place, "/")
    assert answer.body == INDEX.encode()
    policy = dict(answer.headers)["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["connect-src"] == "'self' ws://127.0.0.1:1"
    assert rules["trusted-types"] == "'none'"
    assert "unsafe" not in policy


async def test_a_file_that_is_no_page_can_be_none(place: Path) -> None:
    policy = dict((await _ask(place, "/page.js")).headers)["content-security-policy"]
    assert policy.startswith("default-src 'none'; frame-ancestors 'none'")
    assert policy.endswith("sandbox")
