"""`yp2p open`: which browser gets what, and what stays of it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from yp2p.cli import open as opening
from yp2p.cli.main import main

_OTHERS = "open-of-one-that-runs.html"
URL = "http://127.0.0.1:4711/#open=a-code-that-is-secret"
_OPENED = {"url": URL, "port": 4711, "number": 3, "may_write": True, "expires_in_s": 60.0, "idle_s": 1800.0}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def states() -> list[str]:
    """What the daemon says of the code, one after the other."""
    return ["used"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, states: list[str]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def call(_socket: Path, _method: str, path: str, body: Any, _timeout_s: float | None) -> Any:
        found.append((path, body))
        if path == "/v1/page/used":
            return {"state": states.pop(0)}
        if path == "/v1/page/close":
            return {"closed": True}
        return _OPENED | {"may_write": not body["read_only"]}

    monkeypatch.setattr("yp2p.control.call.call", call)
    monkeypatch.setenv("YP2P_HOME", str(tmp_path))
    monkeypatch.setenv("USER", "me")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return found


@pytest.fixture
def run(asked: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["yp2p", "open", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run_command


class _Browser:
    """What is started in the place of one: looks at what it was given."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.command: list[str] = []
        self.text, self.mode = "", 0
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setattr(opening.shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(opening.subprocess, "Popen", self._start)
        self._directory = directory

    def _start(self, command: list[str], **options: Any) -> None:
        assert options["start_new_session"]
        assert options["stdout"] is subprocess.DEVNULL
        (path,) = set(self._directory.glob("open-*.html")) - {self._directory / _OTHERS}
        self.command, self.text, self.mode = command, path.read_text(), stat.S_IMODE(path.stat().st_mode)
        assert command == ["xdg-open", str(path)]


def test_a_browser_is_given_a_file_that_leads_to_the_page_and_goes(
    run: Run, asked: list[tuple[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open-of-one-that-was-killed.html").write_text("x")
    os.utime(tmp_path / "open-of-one-that-was-killed.html", (1, 1))
    (tmp_path / _OTHERS).write_text("x")
    browser = _Browser(tmp_path, monkeypatch)
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out == "The page is open. It closes 30 minutes after it was last used.\n"
    assert URL in browser.text
    assert browser.mode == 0o600
    assert "secret" not in " ".join(browser.command)
    assert [path.name for path in tmp_path.glob("open-*")] == [_OTHERS], "its command is still waiting"
    assert [path for path, _ in asked] == ["/v1/page/open", "/v1/page/used"]


def test_where_no_browser_asks_the_address_is_shown_and_then_it_is_over(
    run: Run, states: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states[:] = ["waiting", "over"]
    _Browser(tmp_path, monkeypatch)
    code, out, err = run()
    assert (code, out) == (1, "")
    assert URL in err
    assert "`yp2p open` makes another address" in err
    assert list(tmp_path.glob("open-*")) == []


@pytest.mark.parametrize("arguments", [(), ("--no-browser",)])
def test_without_a_display_the_address_is_printed_and_how_to_reach_it(arguments: tuple[str, ...], run: Run) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (0, f"{URL}\n")
    assert "    ssh -L 4711:127.0.0.1:4711 me@" in err


def test_a_program_gets_it_all_and_no_browser(run: Run, asked: list[tuple[str, Any]]) -> None:
    code, out, _ = run("--json", "--read-only")
    found = json.loads(out)
    assert code == 0
    assert (found["url"], found["may_write"]) == (URL, False)
    assert found["ssh"].startswith("ssh -L 4711:127.0.0.1:4711 me@")
    assert asked == [("/v1/page/open", {"read_only": True})]


def test_it_is_closed_by_the_same_command(run: Run) -> None:
    assert run("--close") == (0, "The page is closed.\n", "")
    assert run("--close", "--read-only")[0] == 2
