"""Which lines a file had lost when it was saved, and what was on the disk then."""

from __future__ import annotations

import pytest

from yp2p.documents.diff import apply_hunks
from yp2p.documents.gone_back import base_between, lost_lines


def _text(lines: str) -> str:
    return "".join(f"{line}\n" for line in lines.split())


# The versions, the save, what was lost, and what was on the disk.
SITUATIONS: dict[str, tuple[str, str, str, str, str]] = {
    "nothing went back": ("a b", "a x b", "a x b new", "", "a x b"),
    "all went back": ("a b", "a x b y", "a b", "x y", "a b"),
    "all went back, and a line": ("a b", "a x b y", "new a b", "x y", "a b"),
    "one of two in a row": ("a b", "a x y b", "a y b", "x", "a y b"),
    "a line in the place of one of two in a row": ("a b", "a x y b", "a z y b", "x", "a y b"),
    "one of two apart": ("a b", "x a b y", "a b y", "x", "a b y"),
    "a line in the place of a changed one": ("a b", "a c", "a d", "c", "a b"),
    "a removed line is back": ("a b c", "a c x", "a b c", "x", "a b c"),
    "a line that both had was taken out": ("a b c", "a b c x", "a c x", "", "a c x"),
    "a line that both had was taken out, and one was lost": ("a b c", "a b c x", "a c", "x", "a b c"),
    "moved": ("a b", "a x y b", "a y b x", "", "a y b x"),
    "one of several equal ones": ("a b", "a x x b", "a x b", "x", "a x b"),
    "from nothing": ("", "a x b", "a z b", "x", "a b"),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_lines_that_were_lost(name: str) -> None:
    before, known, save, lost, base = SITUATIONS[name]
    found = lost_lines(_text(before), _text(known), _text(save))
    assert "".join(_text(known)[one.start : one.stop] for one in found) == _text(lost)
    if lost:
        assert base_between(_text(before), _text(known), _text(save)) == _text(base)
        assert apply_hunks(_text(known), found) == _text(" ".join(_without(known.split(), lost.split())))


def _without(lines: list[str], lost: list[str]) -> list[str]:
    for line in lost:
        lines.remove(line)
    return lines


def test_a_line_that_was_gone_on_with_was_there() -> None:
    assert not lost_lines("", "one two three\n", "one two, and three\n")
    assert not lost_lines("", "one two\nlast", "one two\nlast one\n")


def test_a_word_of_a_line_that_was_lost() -> None:
    known, save = "a line with a bar in it\n", "a line with a baz in it\n"
    (found,) = lost_lines("", known, save)
    assert (found.start, found.stop) == (0, len(known))
