"""Wrong command lines are one sentence, JSON for programs; colours and a pager where people expect them."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from yp2p.cli import output, usage
from yp2p.cli.group import group
from yp2p.cli.main import COMMANDS, SECTIONS, main
from yp2p.cli.pager import pager_command
from yp2p.errors import UsageError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command in a home without a daemon; gives the exit code and what it printed."""
    monkeypatch.setenv("YP2P_HOME", str(tmp_path))

    def run_command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["yp2p", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run_command


WRONG = {
    ("statsu",): "'yp2p statsu' is no command; did you mean 'yp2p status'?",
    ("pair",): "'yp2p pair' is no command; did you mean 'yp2p join'?",
    ("leave", "notes"): "'yp2p leave' is no command; did you mean 'yp2p folder leave'?",
    ("pause",): "'yp2p pause' is no command; did you mean 'yp2p folder pause' or 'yp2p device pause'?",
    ("rename",): "'yp2p rename' is no command; did you mean 'yp2p folder rename' or 'yp2p device rename'?",
    ("renam",): "'yp2p renam' is no command; did you mean 'yp2p folder rename' or 'yp2p device rename'?",
    ("usage",): "'yp2p usage' is no command; did you mean 'yp2p folder usage'?",
    ("revert", "x"): "'yp2p revert' is no command; did you mean 'yp2p restore' or 'yp2p folder revert'?",
    ("move",): "'yp2p move' is no command; did you mean 'yp2p folder move'?",
    ("new",): "'yp2p new' is no command; did you mean 'yp2p share' or 'yp2p identity new'?",
    ("purg",): "'yp2p purg' is no command; 'yp2p --help' lists them",
    ("folder", "share", "x"): "'yp2p folder share' is no command; did you mean 'yp2p share'?",
    ("folder", "create", "x"): "'yp2p folder create' is no command; did you mean 'yp2p share'?",
    ("xyzzy",): "'yp2p xyzzy' is no command; 'yp2p --help' lists them",
    ("device", "remov", "x"): "'yp2p device remov' is no command; did you mean 'yp2p device remove'?",
    ("notes", "share"): "'yp2p notes' is no command; the command comes first: 'yp2p share notes'",
    ("folder", "my notes", "pause"): "'yp2p folder my notes' is no command; the command comes first: "
    "'yp2p folder pause 'my notes''",
    ("device", "zzz"): "'yp2p device zzz' is no command; 'yp2p device --help' lists them",
    ("status", "--jsn"): "'yp2p status' has no option --jsn; did you mean ",
    ("status", "--zzz"): "'yp2p status' has no option --zzz; 'yp2p status --help' lists those it has",
    ("stop", "now"): "'yp2p stop' cannot take 'now' as well; put quotes around a name that has spaces",
    ("show",): "'yp2p show' needs FILE[@WHEN]; 'yp2p show --help' says how it is used",
    ("wait", "--timeout", "abc"): "--timeout: 'abc' is not a number; 'yp2p wait --help' says how it is used",
    ("notices", "--bring-back", "x"): "--bring-back: 'x' is not a whole number; 'yp2p notices --help' says how",
    ("share", "notes", "--role"): "--role needs a value behind it; '--help' says which",
    ("status", "--watch=1"): "--watch takes no value: leave out the '=' and what is behind it",
    ("recovery",): "'yp2p recovery' needs one of its commands: make, use; 'yp2p recovery --help' says what each does",
    ("help", "device", "zzz"): "'yp2p device zzz' is no command; 'yp2p device --help' lists them",
    ("help", "status", "zzz"): "'yp2p status' has no commands of its own, such as zzz; ",
}


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_wrong_command_line_is_one_sentence(arguments: tuple[str, ...], run: Run) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"yp2p: {WRONG[arguments]}")
    assert err.count("\n") == 1


def _groups() -> list[tuple[str, click.Group]]:
    context = click.Context(group, info_name="yp2p")
    found = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    return [(name, one) for name, one in found if isinstance(one, click.Group)]


@pytest.mark.parametrize(
    ("place", "name"), [(place, name) for place, found in _groups() for name in found.commands if name not in COMMANDS]
)
def test_a_command_of_a_group_is_known_by_its_own_name(place: str, name: str, run: Run) -> None:
    _, _, err = run(name, "notes")
    assert f"'yp2p {place} {name}'" in err
    assert err.startswith(f"yp2p: 'yp2p {name}' is no command; did you mean '")


@pytest.mark.parametrize("place", ["", *(place for place, _ in _groups())])
def test_what_removes_something_is_never_guessed_from_letters(place: str, run: Run) -> None:
    for removing in usage._REMOVING:
        name = removing.split()[-1]
        for word in (name[:-1], f"{name}x", f"{name[0]}{name[2]}{name[1]}{name[3:]}"):
            assert f"'yp2p {removing}'" not in run(*place.split(), word)[2]


def test_what_is_shown_of_a_word_is_short_and_plain(run: Run) -> None:
    _, _, err = run("a\x1b[1A\n" + "b" * 5000)
    assert len(err) < 200
    assert "\x1b" not in err
    assert err.count("\n") == 1


def test_words_from_elsewhere_name_commands_that_there_are() -> None:
    context = click.Context(group, info_name="yp2p")
    for word, meant in usage._ELSEWHERE.items():
        assert word not in COMMANDS
        found: click.Command | None = group
        for part in meant.split():
            if part.startswith("--"):
                assert isinstance(found, click.Command)
                assert any(part in parameter.opts for parameter in found.params)
                break
            assert isinstance(found, click.Group), meant
            found = found.get_command(context, part)
        assert found is not None, meant


def test_every_command_is_in_one_section_of_the_help(run: Run) -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)
    _, out, _ = run("--help")
    assert [line.rstrip(":") for line in out.splitlines() if line.rstrip(":") in SECTIONS] == list(SECTIONS)


@pytest.mark.parametrize("words", [(), ("wait",), ("device", "remove")], ids=" ".join)
def test_help_is_what_the_option_prints(words: tuple[str, ...], run: Run) -> None:
    code, out, err = run("help", *words)
    assert (code, err) == (0, "")
    assert out == run(*words, "--help")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("status", "--json"), 3, "no yp2p daemon"),
        (("status", "--json", "--zzz"), 2, "no option --zzz"),
        (("log", "--json"), 2, "name a file or a directory"),
        (("status", "--watch", "--json"), 2, "one of --watch and --json"),
    ],
)
def test_errors_are_json_for_programs(arguments: tuple[str, ...], code: int, words: str, run: Run) -> None:
    ended, out, err = run(*arguments)
    assert (ended, out) == (code, "")
    answer = json.loads(err)
    assert answer["exit_code"] == code
    assert words in answer["error"]


def _on_a_terminal(program: str, keys: bytes = b"", **environment: str) -> str:
    """What a program that prints by `output.py` shows on a terminal of 24 lines."""
    ours, theirs = pty.openpty()
    wanted = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "LINES": "24", "COLUMNS": "80"}
    command = [sys.executable, "-c", f"from yp2p.cli.output import *\n{program}"]
    with subprocess.Popen(command, env=wanted | environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        if keys:
            os.write(ours, keys)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:
            pass  # the other side was closed
        os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()


@pytest.mark.parametrize("stdin", [None, io.StringIO()])
def test_a_question_that_nobody_can_answer_says_so(
    stdin: io.StringIO | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(UsageError, match=r"^'Leave notes\?' needs an answer, and standard input has none: .* --yes$"):
        output.confirm("Leave notes?")
    assert capsys.readouterr().err.endswith("\n") == (stdin is not None), "what is said begins on a line of its own"


def test_an_answer_may_come_from_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    output.confirm("Leave notes?")


_COLOURED = "say('x', colour='red')"


@pytest.mark.parametrize(
    ("environment", "has_colour"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False)],
)
def test_colours_where_they_are_wanted(environment: dict[str, str], has_colour: bool) -> None:
    assert ("\x1b[31m" in _on_a_terminal(_COLOURED, **environment)) == has_colour


def test_a_dumb_terminal_gets_no_orders() -> None:
    assert "\x1b" not in _on_a_terminal("say_anew('x')", TERM="dumb")


_LONG = "with paged():\n    for number in range({}): say(f'line {{number}}')"
_PAGER = "sed s/^/paged:/"


@pytest.mark.parametrize(("lines", "is_paged"), [(23, False), (24, True), (500, True)])
def test_what_is_longer_than_the_terminal_goes_to_the_pager(lines: int, is_paged: bool) -> None:
    shown = _on_a_terminal(_LONG.format(lines), TERM="xterm", PAGER=_PAGER).split()
    assert len(shown) == 2 * lines
    assert shown[0] == ("paged:line" if is_paged else "line")


@pytest.mark.parametrize("environment", [{"TERM": "dumb", "PAGER": _PAGER}, {"TERM": "xterm", "PAGER": "cat"}])
def test_no_pager_where_none_is_wanted(environment: dict[str, str]) -> None:
    assert _on_a_terminal(_LONG.format(100), **environment).split()[0] == "line"


def test_a_person_may_leave_the_pager_early() -> None:
    shown = _on_a_terminal(_LONG.format(200_000), TERM="xterm", PAGER="head -n 3")
    assert shown.split() == ["line", "0", "line", "1", "line", "2"]


@pytest.mark.parametrize("pager", ["", "cat", "no-such-program-here", "'"])
def test_pagers_that_are_none(pager: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PAGER", pager)
    assert pager_command() is None
