"""Which of two blocks of lines that both stand at one place stands first, as far as the lines around them tell.

* *Numbered.* Both begin with lines of one shape but for their numbers, as headings of versions do: in the order that
  the next such line around them shows.
* *Sorted.* Between the lines around them both are in order of the alphabet one way round only.
* *Alike.* One has more in common with the line before, or the other one with the line behind: `import sys` follows
  `import os`, and not `from math import inf`.

The rules know no sides, so the answer is the same when these change places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# How far a line of the same shape is looked for.
NEAR_LINES = 80
# Longer blocks are no list that a person keeps in order.
_MAX_CHARS = 100_000
_NUMBER = re.compile(r"\d+")
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The lines around a place, the nearest ones first."""

    before: Sequence[str] = ()
    behind: Sequence[str] = ()


def is_in_order(first: str, second: str, around: Neighbours) -> bool | None:
    """Whether the first of two blocks stands first; None where nothing tells."""
    if len(first) + len(second) > _MAX_CHARS:
        return None
    lines, others = _filled(first.split("\n")), _filled(second.split("\n"))
    if not lines or not others:
        return None
    before, behind = _filled(around.before[:NEAR_LINES]), _filled(around.behind[:NEAR_LINES])
    numbered = _is_numbered(lines[0], others[0], before, behind)
    if numbered is not None:
        return numbered
    last, following = before[0] if before else "", behind[0] if behind else ""
    orders = _is_sorted(last, lines, others, following), _is_sorted(last, others, lines, following)
    if orders[0] != orders[1]:
        return orders[0]
    here = _alike(last, lines[0]) + _alike(others[-1], following)
    there = _alike(last, others[0]) + _alike(lines[-1], following)
    return here > there if here != there else None


def _filled(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines if line.strip()]


def _numbers(line: str) -> list[int]:
    # More digits than a number of a person has compare by these.
    return [int(digits[:18]) for digits in _NUMBER.findall(line) if digits.isascii()]


def _shape(line: str) -> str:
    """A line without its numbers: `Version 8.1` and `Version 8.1.2` are of one shape."""
    return _NUMBERS.sub("0", line)


def _is_numbered(first: str, second: str, before: Sequence[str], behind: Sequence[str]) -> bool | None:
    shape, number, number_other = _shape(first), _numbers(first), _numbers(second)
    if shape != _shape(second) or number == number_other:
        return None
    for lines, is_behind in ((behind, True), (before, False)):
        known = next((_numbers(line) for line in lines if _shape(line) == shape), [])
        if known and known < min(number, number_other):
            return (number > number_other) == is_behind
        if known > max(number, number_other):
            return (number < number_other) == is_behind
    return None


def _is_sorted(before: str, first: Sequence[str], second: Sequence[str], behind: str) -> bool:
    keys = [line.strip().casefold() for line in (before, *first, *second, behind) if line]
    return all(one <= other for one, other in pairwise(keys))


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += not a.isspace()
    return count
