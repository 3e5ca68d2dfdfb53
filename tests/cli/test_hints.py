"""Commands that a sentence prints can be typed as they stand: what is put into them is quoted for the shell."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path
from typing import Any

import pytest

import yp2p
from yp2p.cli.main import main

_SOURCES = Path(yp2p.__file__).parent
# What is in a command and needs no quotes: numbers, IDs, kinds, and what was quoted before.
_PLAIN = {
    "asked.number", "one['number']", "one['role']", "option", "name", "where", "items", "in_folder(answer.get('root'))",
    "format_device_id(own)", "format_public(successor.public)",
}  # fmt: skip


def _put_into_commands(tree: ast.AST) -> list[tuple[int, str]]:
    """Each value that a text puts into a command between backticks, and its line."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                before += str(part.value)
            elif isinstance(part, ast.FormattedValue):
                if before.count("`") % 2 and before.rpartition("`")[2].startswith("yp2p "):
                    found.append((part.lineno, ast.unparse(part.value)))
                before += "?"
    return found


def test_what_a_sentence_puts_into_a_command_is_quoted() -> None:
    bad, count = [], 0
    for source in sorted(_SOURCES.rglob("*.py")):
        for line, value in _put_into_commands(ast.parse(source.read_text())):
            count += 1
            if not value.startswith("shlex.quote(") and value not in _PLAIN:
                bad.append(f"{source.relative_to(_SOURCES)}:{line}: {value}")
    assert bad == []
    assert count > 20


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"is_edit": False, "trash": ["2026-11-30T171854-620bcc/p1 2.jpg"], "root": "/home/me/my notes"},
            "`yp2p trash restore --folder '/home/me/my notes' '2026-11-30T171854-620bcc/p1 2.jpg'`",
        ),
        ({"is_edit": False, "trash": ["1/a", "2/b c"], "root": "/n"}, "`yp2p trash restore --folder /n 1/a '2/b c'`"),
        ({"is_edit": False, "trash": ["1/a"]}, "`yp2p trash restore 1/a`"),  # an older daemon
        ({"is_edit": True, "trash": [], "root": "/n"}, "`yp2p undo 'my file'` takes it back."),
    ],
)
def test_how_a_settled_conflict_is_taken_back(
    answer: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("yp2p.control.call.call", lambda *_: {"path": "my file", "settled": 1} | answer)
    monkeypatch.setattr(sys, "argv", ["yp2p", "conflicts", "resolve", "my file", "--keep", "other"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(SystemExit):
        main()
    assert said in capsys.readouterr().out
