"""`yp2p limit`: what people write as a rate, and what they are shown."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from yp2p.cli.limit import command
from yp2p.cli.rates import left_text, parse_rate, rate_text
from yp2p.errors import UsageError


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("2MB/s", 2_000_000), ("500KB/s", 500_000), ("1.5 MiB/s", 3 << 19), ("64k", 64_000), ("1G", 10**9),
        ("100000", 100_000), ("2mbps", 2_000_000), ("off", 0), ("None", 0), (" 1 MB ", 10**6),
    ],
)  # fmt: skip
def test_rates_as_people_write_them(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "2Mbit/s", "-1MB/s", "0", "1e9", "2 TB/s", "1.5.1MB"])
def test_what_is_no_rate_is_told_with_what_is_one(text: str) -> None:
    with pytest.raises(UsageError, match="2MB/s"):
        parse_rate(text)


def test_rates_and_times_for_people() -> None:
    assert [rate_text(rate) for rate in (0, 999, 64_000, 2_500_000, 10**9)] == [
        "no limit", "999 bytes/s", "64 KB/s", "2.5 MB/s", "1 GB/s",
    ]  # fmt: skip
    assert [left_text(s) for s in (None, 9.6, 600.0, 10_000.0)] == ["", "10 s", "10 min", "3 h"]


_NONE = {"setting": "ignore", "connection": "unknown", "files_wait": False}


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str, **limits: Any) -> tuple[list[Any], str]:
    """What the daemon is asked, and what is printed."""
    asked: list[Any] = []
    answer = {"upload": 2_000_000, "download": 0, "set_here": True, "devices": [], "metered": _NONE, **limits}

    def call(_socket: Any, method: str, path: str, body: Any = None, timeout_s: float | None = None) -> Any:
        asked.append((method, path, body))
        return answer

    monkeypatch.setattr("yp2p.control.call.call", call)
    done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    return asked, done.output


def test_the_limits_are_shown_with_who_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    pi = {"id": "ID", "name": "pi", "upload": 64_000, "download": 64_000, "set_here": False}
    asked, shown = _run(monkeypatch, devices=[pi])
    assert asked == [("GET", "/v1/limits", None)]
    assert shown.splitlines() == [
        "Devices       Upload   Download  Set by",
        "all together  2 MB/s   no limit  yp2p limit",
        "pi            64 KB/s  64 KB/s   settings",
    ]


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (["2MB/s"], {"device": None, "upload": 2_000_000, "download": 2_000_000}),
        (["--upload", "500KB/s", "--download", "off"], {"device": None, "upload": 500_000, "download": 0}),
        (["--upload", "500KB/s"], {"device": None, "upload": 500_000}),
        (["--device", "pi", "1MB/s"], {"device": "pi", "upload": 1_000_000, "download": 1_000_000}),
        (["off"], {"device": None, "upload": 0, "download": 0}),
        (["reset", "--device", "pi"], {"device": "pi", "reset": True}),
    ],
)
def test_what_is_set(monkeypatch: pytest.MonkeyPatch, arguments: list[str], body: dict[str, Any]) -> None:
    asked, _ = _run(monkeypatch, *arguments)
    assert asked == [("POST", "/v1/limits/set", body)]


@pytest.mark.parametrize("arguments", [["2MB/s", "--upload", "1MB/s"], ["--device", "pi"], ["fast"]])
def test_what_says_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        _run(monkeypatch, *arguments)


def test_a_metered_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _, shown = _run(monkeypatch, metered={"setting": "pause", "connection": "yes", "files_wait": True})
    assert "NetworkManager says that this connection is metered" in shown
    _, shown = _run(monkeypatch, metered={"setting": "pause", "connection": "unknown", "files_wait": False})
    assert "NetworkManager does not answer" in shown
