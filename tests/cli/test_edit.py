"""`yp2p read` and `yp2p edit`: what they ask for, and how they end."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from yp2p.cli.main import main

VERSION = "7-0123456789abcdef"
_FILE = {
    "path": "a.md", "from": VERSION, "version": "9-0123456789abcdef", "changed": True,
    "diff": ["@@ -1,1 +1,1 @@", "-a", "+b"],
    "between": {"authors": [{"device": "desk", "name": "bot"}], "diff": ["@@"]},
    "both": [{"line": 3, "stands": "x\n", "yours": "y\n", "theirs": "z\n"}], "not_applied": [], "note": "",
}  # fmt: skip
_REFUSED = {"number": 2, "reason": "it is not there", "text": "def f():\n"}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def asked() -> list[tuple[str, Any]]:
    return []


@pytest.fixture
def answers() -> dict[str, Any]:
    return {
        "/v1/read": {"path": "a.md", "text": "é\r\n", "version": VERSION}, "/v1/edit": {"done": True, "files": [_FILE]},
    }  # fmt: skip


@pytest.fixture
def run(
    asked: list[tuple[str, Any]],
    answers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: Any,
    tmp_path: Path,
) -> Run:
    def call(_socket: object, _method: str, path: str, body: Any, _timeout_s: object = None) -> Any:
        asked.append((path, body))
        return answers[path]

    def run_command(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["yp2p", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as done:
            main()
        out, err = capfdbinary.readouterr()
        return int(done.value.code or 0), out.decode(), err.decode()

    monkeypatch.setattr("yp2p.control.call.call", call)
    monkeypatch.chdir(tmp_path)
    return run_command


def test_a_text_is_printed_exactly_and_its_version_beside(
    run: Run, asked: list[tuple[str, Any]], tmp_path: Path
) -> None:
    assert run("read", "a.md", "--as", "bot") == (0, "é\r\n", f"{VERSION}\n")
    assert asked == [("/v1/read", {"path": str(tmp_path / "a.md"), "name": "bot"})]
    code, out, err = run("read", "a.md", "--json")
    assert (code, json.loads(out)["version"], err) == (0, VERSION, "")


def test_what_hinders_a_file_is_told_before_its_version(
    run: Run, asked: list[tuple[str, Any]], answers: dict[str, Any], tmp_path: Path
) -> None:
    note = "the file may have another text for now"
    answers["/v1/read"]["note"] = note
    code, _, told = run("read", "a.md")
    assert (code, told) == (0, f"Note: {note}.\n{VERSION}\n")
    answers["/v1/edit"] = {"done": True, "files": [_FILE | {"note": note}, _FILE | {"note": note}]}
    _, _, err = run("edit", "a.md", "--from", told, given=b"x")
    assert asked[-1][1]["edits"][0]["version"] == VERSION
    assert err.splitlines()[-2:] == [f"Note: {note}.", _FILE["version"]]
    answers["/v1/undo/by"] = [{"path": name, "diff": [], "coarse": False, "note": note} for name in ("a.md", "b.md")]
    assert run("undo", ".", "--by", "bot") == (0, "", f"Note: {note}.\n")


def test_a_file_is_made_without_a_version(run: Run, asked: list[tuple[str, Any]], tmp_path: Path) -> None:
    code, _, err = run("edit", "new/a.md", "--create", "--as", "bot", given=b"text\n")
    edit = {"path": str(tmp_path / "new/a.md"), "version": None, "text": "text\n"}
    assert asked == [("/v1/edit", {"edits": [edit], "name": "bot", "partly": False})]
    assert code == 0
    assert err.splitlines()[-1] == _FILE["version"]
    for more in (["--from", VERSION], ["--diff"], ["--blocks"], ["--batch"], ["--partly"]):
        code, _, err = run("edit", "a.md", "--create", *more)
        assert code == 2
        assert "with --create FILE is made" in err
    assert len(asked) == 1


@pytest.mark.parametrize("way", ["text", "diff", "blocks"])
def test_an_edit_is_what_its_flag_says(way: str, run: Run, asked: list[tuple[str, Any]], tmp_path: Path) -> None:
    flags = [] if way == "text" else [f"--{way}"]
    code, out, err = run("edit", "a.md", "--from", VERSION, *flags, given="@@ é\r\n".encode())
    edit = {"path": str(tmp_path / "a.md"), "version": VERSION, way: "@@ é\r\n"}
    assert asked == [("/v1/edit", {"edits": [edit], "name": None, "partly": False})]
    assert code == 0
    assert out.splitlines()[-2:] == ["-a", "+b"]
    assert err.splitlines() == [
        "a.md: merged with what was changed since by desk (bot)",
        "a.md, line 3: both changed this; it is now 'x'",
        "9-0123456789abcdef",
    ]


def test_what_does_not_fit_is_told_by_the_exit_code(run: Run, answers: dict[str, Any]) -> None:
    answers["/v1/edit"] = {"done": False, "files": [_FILE | {"not_applied": [_REFUSED]}]}
    code, out, err = run("edit", "a.md", "--from", VERSION, "--blocks", given=b"x")
    assert (code, out) == (12, "")
    assert err == "a.md: piece 2 ('def f():') does not fit: it is not there\na.md: nothing was changed\n"
    answers["/v1/edit"]["done"] = True
    assert run("edit", "a.md", "--from", VERSION, "--blocks", "--partly", "--json", given=b"x")[0] == 12


def test_several_files_are_one_request(run: Run, asked: list[tuple[str, Any]], tmp_path: Path) -> None:
    batch = {"edits": [{"path": name, "version": VERSION, "text": ""} for name in ("a.md", "/d/b.md")]}
    assert run("edit", "--batch", given=json.dumps(batch).encode())[0] == 0
    assert [one["path"] for one in asked[0][1]["edits"]] == [str(tmp_path / "a.md"), "/d/b.md"]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (("edit",), b""), (("edit", "a.md"), b""), (("edit", "--from", VERSION), b""),
        (("edit", "a.md", "--from", VERSION, "--diff", "--blocks"), b""),
        (("edit", "a.md", "--from", VERSION, "--batch"), b""), (("edit", "--batch"), b"[]"),
        (("edit", "--batch"), b"\xff"),
        (("edit", "--batch"), b"{"), (("edit", "--batch"), b"[" * 100_000), (("edit", "--batch"), b'{"edits": [1]}'),
        (("edit", "a.md", "--from", VERSION), b"\xff\xfe"), (("undo", "a.md", "--by", "bot", "--steps", "2"), b""),
    ],
)  # fmt: skip
def test_what_is_no_edit_is_one_sentence(arguments: tuple[str, ...], given: bytes, run: Run) -> None:
    code, out, err = run(*arguments, given=given)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("yp2p: ")
