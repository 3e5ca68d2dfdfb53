"""The first line that a version changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.history.file_log import ChangedLine, changed_line


@pytest.mark.parametrize(
    ("before", "after", "number", "text", "is_removed"),
    [
        ("", "one\ntwo\n", 1, "one", False),
        ("a\nc\n", "a\nb\nc\n", 2, "b", False),
        ("a\nb\nc\n", "a\nB\nc\n", 2, "B", False),
        ("a\nb\nc\n", "a\nc\n", 2, "b", True),
        ("a\nb\nb2\n", "a\nb2\n", 2, "b", True),
        ("a\nb\nb\n", "a\nb\n", 3, "b", True),
        ("hello world\n", "hello\n", 1, "hello", False),
        ("hello\n", "hello", 1, "hello", False),
        ("a", "a\nb", 2, "b", False),
        ("a\n", "a\nb\n", 2, "b", False),
        ("one\n", "", 1, "one", True),
        ("a\r\nb\r\n", "a\r\nc\r\n", 2, "c", False),
        ("😀\nb\n", "😀\nbé\n", 2, "bé", False),
    ],
)
def test_the_first_changed_line(before: str, after: str, number: int, text: str, is_removed: bool) -> None:
    assert changed_line(before, after) == ChangedLine(number, text, is_removed)


_TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "ab\n", "\n", "a"]), max_size=6).map("".join)


@given(_TEXTS, _TEXTS)
def test_lines_before_it_are_equal_and_it_is_in_the_text_that_it_is_said_to_be_in(before: str, after: str) -> None:
    found = changed_line(before, after)
    if found is None:
        assert before == after
        return
    of = before if found.is_removed else after
    lines = of.split("\n")
    assert lines[found.number - 1] == found.text
    assert before.split("\n")[: found.number - 1] == after.split("\n")[: found.number - 1]
