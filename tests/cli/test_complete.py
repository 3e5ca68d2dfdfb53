"""What the shell offers: directories, folders, devices, versions of a file, what is in the trash."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from yp2p.cli.complete import Device, Directory, Folder, Offered, Trashed, Version
from yp2p.cli.group import group
from yp2p.cli.main import COMMANDS
from yp2p.errors import NotRunning

ANSWERS: dict[str, Any] = {
    "/v1/status": {
        "folders": [{"label": "notes", "path": "/home/me/notes"}, {"label": "a\x1b[1A", "path": "/x"}],
        "devices": [{"name": "laptop", "id": "L"}, {"name": "desk", "id": "D"}],
        "offers": {"received": [{"label": "music", "name": "desk"}, {"label": "\x1b[1A", "name": "desk"}]},
    },
    "/v1/history/log": {"versions": [{"version": number, "at": 0, "devices": ["desk"]} for number in (7, 12)]},
    "/v1/folder/ignore": {"here": ["*.log", "build/"]},
    "/v1/trash": [{"path": path, "removed_at": "t"} for path in ("gone.txt", "gone.txt", "x")],
}


def _offered(monkeypatch: pytest.MonkeyPatch, words: list[str], typed: str) -> list[tuple[str, str]]:
    """The words that are offered for the one being typed, and of which kind."""
    monkeypatch.setattr("yp2p.control.call.call", lambda _socket, _method, path, *_: ANSWERS[path])
    return [(item.value, item.type) for item in ShellComplete(group, {}, "yp2p", "_X").get_completions(words, typed)]


@pytest.mark.parametrize(
    ("words", "typed", "offered"),
    [
        ([], "sta", [("status", "plain")]),
        ([], "xyz", []),
        (["share"], "no", [("no", "dir")]),
        (["up"], "", [("", "dir")]),
        (["join"], "~/n", [("~/n", "dir")]),
        (["folder", "pause"], "", [("notes", "plain")]),
        (["folder", "pause"], "./", [("./", "dir")]),
        (["folder", "pause"], "x", []),
        (["folder", "accept"], "", [("music", "plain")]),
        (["folder", "accept", "music"], "./", [("./", "dir")]),
        (["folder", "accept", "--from"], "d", [("desk", "plain")]),
        (["folder", "decline"], "m", [("music", "plain")]),
        (["folder", "offer"], "n", [("notes", "plain")]),
        (["folder", "offer", "notes", "laptop"], "d", [("desk", "plain")]),
        (["log", "--folder"], "n", [("notes", "plain")]),
        (["device", "remove"], "", [("laptop", "plain"), ("desk", "plain")]),
        (["device", "remove", "laptop"], "d", [("desk", "plain")]),
        (["device", "remove", "laptop", "--replaced-by"], "d", [("desk", "plain")]),
        (["limit", "--device"], "d", [("desk", "plain")]),
        (["show"], "a", [("a", "file")]),
        (["show"], "a.txt@", [("a.txt@12", "plain"), ("a.txt@7", "plain")]),
        (["restore"], "a.txt@1", [("a.txt@12", "plain")]),
        (["trash", "restore"], "g", [("gone.txt", "plain")]),
        (["folder", "ignore", "notes"], "b", [("b", "file")]),
        (["folder", "unignore", "notes"], "b", [("build/", "plain")]),
        (["device", "role", "desk"], "m", [("member", "plain")]),
        (["device", "role", "desk"], "n", [("notes", "plain")]),
        (["device", "role", "desk", "notes"], "r", [("reader", "plain")]),
    ],
)
def test_what_is_offered(
    words: list[str], typed: str, offered: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _offered(monkeypatch, words, typed) == offered


def test_without_a_daemon_nothing_is_offered_and_nothing_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("YP2P_HOME", str(tmp_path))
    for words in (["folder", "pause"], ["device", "show"], ["trash", "restore"]):
        assert ShellComplete(group, {}, "yp2p", "_X").get_completions(words, "") == []
    assert capsys.readouterr() == ("", "")


def test_a_daemon_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def call(_socket: Path, _method: str, _path: str, _body: Any, timeout_s: float | None) -> Any:
        limits.append(timeout_s)
        raise NotRunning("no")

    monkeypatch.setattr("yp2p.control.call.call", call)
    ShellComplete(group, {}, "yp2p", "_X").get_completions(["folder", "pause"], "")
    assert limits == [1.0]


# What an argument of this name is.
_KINDS = {"folder": Folder, "device": Device, "devices": Device, "directory": Directory, "offered": Offered}
_FILES = (click.Path, Version, Trashed)


def test_every_argument_is_completed() -> None:
    def leaves(command: click.Command, context: click.Context) -> list[tuple[str, click.Parameter]]:
        found = [(str(command.name), parameter) for parameter in command.params]
        for name in command.list_commands(context) if isinstance(command, click.Group) else []:
            inner = command.get_command(context, name)  # type: ignore[attr-defined]
            found += leaves(inner, click.Context(inner, context, name))
        return found

    assert COMMANDS
    for name, parameter in leaves(group, click.Context(group)):
        if isinstance(parameter, click.Argument):
            kind = _KINDS.get(str(parameter.name), _FILES if parameter.name in ("file", "names", "path") else object)
            assert isinstance(parameter.type, kind), f"{name} {parameter.name}"


@pytest.mark.parametrize(
    ("line", "words", "asked", "offered"),
    [
        ("yp2p show a/b.txt@", ["a/b.txt", "@"], "yp2p show a/b.txt@", ["1", "12"]),
        ("yp2p show a/b.txt@1", ["a/b.txt", "@", "1"], "yp2p show a/b.txt@1", ["1", "12"]),
        ("yp2p show x@y/b.txt@1", ["x", "@", "y/b.txt", "@", "1"], "yp2p show x@y/b.txt@1", ["1", "12"]),
        ("yp2p show a/b", ["a/b"], "yp2p show a/b", ["a/b.txt@1", "a/b.txt@12"]),
        ("yp2p show ", [""], "yp2p show ", ["a/b.txt@1", "a/b.txt@12"]),
    ],
)
def test_bash_offers_the_versions_of_a_file(
    line: str, words: list[str], asked: str, offered: list[str], tmp_path: Path
) -> None:
    path = "x@y/b.txt" if "x@y" in line else "a/b.txt"
    program = tmp_path / "yp2p"
    program.write_text(f'#!/bin/sh\necho "$COMP_WORDS" >{tmp_path}/asked\necho plain,{path}@1\necho plain,{path}@12\n')
    program.chmod(0o755)
    script = CliRunner().invoke(group, ["completion", "bash"], standalone_mode=False).output
    typed = " ".join(map(shlex.quote, ["yp2p", "show", *words]))
    run = (
        f"{script}\nCOMP_LINE={shlex.quote(line)} COMP_POINT={len(line)} COMP_WORDS=({typed})\n"
        f'COMP_CWORD={len(words) + 1}\n_yp2p_completion yp2p\nprintf "%s\\n" "${{COMPREPLY[@]}}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", run],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == offered, done.stderr
    assert (tmp_path / "asked").read_text().removesuffix("\n").replace("\n", " ") == asked
