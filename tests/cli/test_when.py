"""Versions and moments as people write them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from yp2p.cli.when import duration_s, file_and_when, moment
from yp2p.errors import UsageError

NOW = datetime(2026, 11, 21, 18, 30, 15)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("now", "2026-11-21 18:30:15"),
        ("18:00", "2026-11-21 18:00:00"),
        ("today 9:05", "2026-11-21 09:05:00"),
        ("Yesterday  18:00", "2026-11-20 18:00:00"),
        ("yesterday", "2026-11-20 23:59:59"),
        ("2026-03-01", "2026-03-01 23:59:59"),
        ("2026-03-01 07:08:09", "2026-03-01 07:08:09"),
        ("2026-03-01T07:08", "2026-03-01 07:08:00"),
        ("90s ago", "2026-11-21 18:28:45"),
        ("2h", "2026-11-21 16:30:15"),
        ("3 days ago", "2026-11-18 18:30:15"),
        ("today", "2026-11-21 18:30:15"),
        ("2026-11-21", "2026-11-21 18:30:15"),
    ],
)
def test_moments(text: str, wanted: str) -> None:
    found = datetime.fromtimestamp(moment(text, NOW))
    assert found.strftime("%Y-%m-%d %H:%M:%S") == wanted


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "2026-13-01", "-1h", "tomorrow 8:00", "yesterday 8", "12 parsecs"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        moment(text, NOW)


def test_what_is_still_to_come() -> None:
    with pytest.raises(UsageError, match="'18:31' is 2026-11-21 18:31, which is in the future"):
        moment("18:31", NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3600), ("90 min", 5400), ("1h30m", 5400), ("1 Hour 5 minutes", 3900), ("2 days", 172800), ("1.5h", 5400)],
)
def test_how_long(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "-1h", "1y", "tomorrow", "1hh", "h", "1h and more"])
def test_what_is_not_how_long(text: str) -> None:
    with pytest.raises(UsageError, match="is not how long"):
        duration_s(text)


def test_a_file_with_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert file_and_when("a.md") == (f"{tmp_path}/a.md", {})
    assert file_and_when("notes/a.md@12") == (f"{tmp_path}/notes/a.md", {"version": 12})
    (tmp_path / "me@home").touch()
    assert file_and_when("me@home") == (f"{tmp_path}/me@home", {})
    with pytest.raises(UsageError, match="'noon' is not a time"):
        file_and_when("a.md@noon")
