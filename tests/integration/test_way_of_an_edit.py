"""The life of an edit in docs/architecture.md is what really happens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from way import FROM_DISK, FROM_SOCKET, TO_DISK, TO_SOCKET, Call, part, traced_devices, traced_edit

pytestmark = pytest.mark.long
_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
_FIRST_STEP_THERE = 6  # the steps from here on are the other device's


def _steps() -> list[tuple[int, list[str]]]:
    """The functions that each step of the document names, in parentheses at its end."""
    text = _DOCUMENT.read_text().split("## The life of an edit", 1)[1].split("\n## ", 1)[0]
    found: list[tuple[int, list[str]]] = []
    for number, step in re.findall(r"^(\d)\. (.*?)(?=^\d\. |\Z)", text, re.MULTILINE | re.DOTALL):
        functions = re.findall(r"`([\w.]+)`", step.rpartition("(")[2])
        assert functions, f"step {number} names no function"
        found.append((int(number), functions))
    return found


def _follow(names: Iterator[str], wanted: list[str], number: int) -> None:
    for function in wanted:
        assert any(name == function for name in names), f"step {number} of the document: {function} is not called then"


def _names(calls: list[Call]) -> Iterator[str]:
    return iter([name for _, name in calls])


def test_an_edit_lives_as_it_is_written() -> None:
    with traced_devices() as (one, two):
        traced_edit(one, two, 0)  # which opens the channel
        here, there = traced_edit(one, two, 1)
    steps = _steps()
    assert [number for number, _ in steps] == list(range(1, 9))
    names = {True: _names(here), False: _names(there)}
    for number, functions in steps:
        _follow(names[number < _FIRST_STEP_THERE], functions, number)
    assert part(here, FROM_DISK, TO_SOCKET)
    assert part(there, FROM_SOCKET, TO_DISK)
