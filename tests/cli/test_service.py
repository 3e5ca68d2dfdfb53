"""`yp2p service` and `yp2p --hub`: what they say, and to whom they say no."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from service.test_installing import FakeSystemd

from yp2p.cli import hub, options
from yp2p.cli.main import main
from yp2p.cli.service import status_lines
from yp2p.errors import NotRunning
from yp2p.service.installing import Service
from yp2p.service.units import Kind, Person, unit_of

_FOUND: dict[str, Any] = {
    "unit": "yp2p.service", "kind": "user", "file": "/home/me/.config/systemd/user/yp2p.service", "installed": True,
    "enabled": True, "state": "active", "running": True, "process": 4711, "since": "Mon 2026-11-30 10:00:00 CET",
    "restarts": 0, "says": "in sync with pi; 12 files", "problem": "", "settings": "/home/me/.config/yp2p/config.toml",
    "store": "/home/me/.local/state/yp2p",
}  # fmt: skip
_PLACES = ["Settings: /home/me/.config/yp2p/config.toml", "Key and store: /home/me/.local/state/yp2p"]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {},
            [
                "yp2p.service (/home/me/.config/systemd/user/yp2p.service) starts with every login.",
                "It runs as process 4711, since Mon 2026-11-30 10:00:00 CET.",
                "It says: in sync with pi; 12 files",
                *_PLACES,
            ],
        ),
        (
            {"unit": "yp2p@me.service", "kind": "system", "file": "/f", "enabled": False, "restarts": 3, "says": ""},
            [
                "yp2p@me.service (/f) does not start with the machine.",
                "It runs as process 4711, since Mon 2026-11-30 10:00:00 CET, started again 3 times since.",
                *_PLACES,
            ],
        ),
        (
            {"running": False, "state": "failed", "problem": "the port 9727 is taken", "file": "/f"},
            ["yp2p.service (/f) starts with every login.", "It has failed: the port 9727 is taken", *_PLACES],
        ),
        (
            {"running": False, "state": "inactive", "file": "/f"},
            ["yp2p.service (/f) starts with every login.", "It does not run (inactive).", *_PLACES],
        ),
        ({"installed": False}, ["yp2p.service is not installed. `yp2p service install` does that."]),
        (
            {"installed": False, "kind": "hub", "unit": "yp2p-hub.service"},
            ["yp2p-hub.service is not installed. `yp2p service install --hub` does that."],
        ),
    ],
)
def test_the_status_of_a_service_in_sentences(changes: dict[str, Any], lines: list[str]) -> None:
    assert status_lines(_FOUND | changes) == lines


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command; gives its exit code and what it says on standard error."""

    def run_command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["yp2p", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        _PRINTED[:] = [printed.out]
        return int(ended.value.code or 0), printed.err

    return run_command


_PRINTED: list[str] = []


@pytest.fixture
def output() -> Callable[[], str]:
    """Gives what the last command of `run` printed on standard output."""
    return lambda: _PRINTED[0]


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that systemd runs."""
    monkeypatch.setattr("yp2p.service.systemctl.Systemctl.__init__", lambda self, *, is_user: None)


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize(
    ("user", "arguments", "words"),
    [
        (
            0,
            ("install",),
            "say for whom: --system for the folders of a person, --hub for a machine without one, or --user",
        ),
        (0, ("install", "--system"), "say whose folders: --for NAME"),
        (0, ("install", "--system", "--for", "nobody-here"), "there is no user 'nobody-here' on this machine"),
        (0, ("install", "--hub", "--for", "root"), "--for is for --system"),
        (0, ("install", "--hub", "--linger"), "--linger is for --user"),
        (1000, ("install", "--hub"), "a service of the system is root's: `sudo yp2p service install --hub`"),
        (1000, ("uninstall", "--hub"), "a service of the system is root's: `sudo yp2p service uninstall --hub`"),
    ],
)
def test_what_cannot_be_meant_is_said(
    user: int,
    arguments: tuple[str, ...],
    words: str,
    run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    code, said = run("service", *arguments)
    assert code == 2
    assert words in said


def test_a_machine_without_systemd_is_told_what_there_is_for_it(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yp2p.service.systemctl._BOOTED", Path("/nowhere"))
    monkeypatch.setattr("yp2p.service.systemctl.shutil.which", lambda _: None)
    code, said = run("service", "install", "--user")
    assert code == 1
    assert "this machine is not run by systemd" in said
    assert "docs/service.md has a service for OpenRC" in said


@pytest.fixture
def as_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("YP2P_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "")  # put back afterwards
    monkeypatch.setattr(options, "home_of_hub", None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.usefixtures("as_hub")
def test_a_command_for_the_hub_is_about_its_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from yp2p.config import find_paths
    from yp2p.control.socket import find_control_socket

    (tmp_path / "notes").mkdir()
    monkeypatch.chdir(tmp_path)
    assert options.absolute("notes") == str(tmp_path / "notes")
    assert options.folder_name("./notes") == f"{tmp_path}/././notes"  # or a label: as it was typed
    hub.use_hub()
    assert find_control_socket() == Path("/run/yp2p-hub/yp2p/control.sock")
    assert find_paths().config == Path("/etc/yp2p/config.toml")
    assert find_paths().key == Path("/var/lib/yp2p-hub/yp2p/device.key")
    assert options.absolute("notes") == "/var/lib/yp2p-hub/folders/notes"
    assert options.folder_name("notes") == "notes", "a label: the directory here is none of the hub's"
    assert options.absolute("/mnt/notes") == "/mnt/notes"


@pytest.mark.usefixtures("as_hub")
@pytest.mark.parametrize("arguments", [("daemon",), ("up", "notes"), ("identity", "import", "f"), ("status",)])
def test_without_a_hub_it_says_how_to_have_one(
    arguments: tuple[str, ...], run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> None:
        raise NotRunning("nobody")

    monkeypatch.setattr("yp2p.control.call.call", nobody)
    assert run("--hub", *arguments) == (3, f"yp2p: {options.NO_HUB}\n")


@pytest.mark.usefixtures("as_hub")
def test_what_a_hub_that_does_not_run_said_is_in_the_journal_of_its_unit(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> None:
        raise NotRunning("nobody")

    monkeypatch.setattr("yp2p.control.call.call", nobody)
    code, said = run("--hub", "logs")
    assert (code, said) == (3, f"yp2p: {options.NO_HUB}; what it said before it ended: `journalctl -u yp2p-hub`\n")


@pytest.mark.usefixtures("as_hub")
def test_only_root_asks_the_hub(run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, said = run("--hub", "status")
    assert code == 2
    assert "the hub of this machine answers root only: `sudo yp2p --hub ...`" in said


@pytest.fixture(params=list(Kind), ids=lambda kind: kind.value)
def service(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service of a systemd of the test, which root installs."""
    person = Person("me", 1000, tmp_path / "home/me")
    unit = unit_of(request.param, person)
    unit = replace(unit, path=tmp_path / "etc" / unit.path.name, state=tmp_path / "state")
    systemd: Any = FakeSystemd(unit)
    monkeypatch.setattr(FakeSystemd, "lingers", lambda self, name: False, raising=False)
    monkeypatch.setattr("yp2p.service.installing.this_program", lambda: Path("/opt/yp2p/bin/yp2p"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = Service(unit, person, systemd)
    monkeypatch.setattr("yp2p.cli.service._service", lambda which, name: replace(found, said=[]))
    return found


def test_programs_are_told_what_was_done_and_how_it_is_doing(
    service: Service, run: Callable[..., tuple[int, str]], output: Callable[[], str]
) -> None:
    option = f"--{service.unit.kind.value}"
    assert run("service", "install", option, "--json") == (0, "")
    installed = json.loads(output())
    assert (installed["installed"], installed["running"]) == (True, True)
    assert f"{service.unit.name} runs now." in installed["done"]
    assert run("service", "status", option, "--json") == (0, "")
    assert json.loads(output()) == {key: value for key, value in installed.items() if key != "done"}
    assert run("service", "uninstall", option, "--json") == (0, "")
    removed = json.loads(output())
    assert not removed["installed"]
    assert f"{service.unit.path} is removed." in removed["done"]
    assert removed.keys() == installed.keys()


def test_what_was_done_before_it_failed_is_no_answer_for_programs(
    service: Service, run: Callable[..., tuple[int, str]], output: Callable[[], str]
) -> None:
    fake: Any = service.systemctl
    fake.fails = "the port is taken"
    code, said = run("service", "install", f"--{service.unit.kind.value}", "--json")
    assert (code, output()) == (1, "")
    assert f"{service.unit.path} is written." in said
    assert "does not start: the port is taken" in said
