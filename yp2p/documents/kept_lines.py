"""Which of several equal lines stay when repairs of two devices meet: the same ones wherever that is decided.

Theory of operation
    Where histories meet, the union may have a line several times that stands once in the text that is right, because
    several devices put it in, or each took out another copy. The texts do not tell which copy has to go, and a diff
    takes any. If two devices took out different copies, the union of their repairs would have none left; both would
    put the line in again, as two copies, and so on for ever.

    So equal lines are told apart by the operation that they begin with, in an order that all devices agree on: those
    of edits come before those of repairs, then the lowest client ID and clock. In this order each line is kept that
    still lets all kept ones stand in the order of the text. The first of all lines that the text has is then taken out
    by no device; once all know it, the same holds for the next one.

    A kept line has two bounds in the text: how far the kept lines before it reach if each is placed as early as can
    be, and where the kept ones after it begin if each is placed as late as can be. Another line can be kept where the
    text has it between its neighbours' bounds; then the bounds beside it move, mostly by few lines.

    Where repairs meet edits, the shortest difference is better: it keeps the people's operations that it can, and
    those who took out different copies meet as repairs next.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from yp2p.documents.diff import Hunk, split_lines
from yp2p.documents.joined import Joined
from yp2p.protocol.clients import Writer

__all__ = ["kept_by_first_operations", "match_rows"]

# Of moving bounds, a step 0.5 us: half a second.
_STEPS = 1_000_000


def match_rows(
    old: Sequence[str], new: Sequence[str], order: Sequence[int], budget: int
) -> list[tuple[int, int]] | None:
    """Which rows of `old` stay as which rows of `new`, in order; None where finding out takes more than `budget` steps.

    Args:
        order: the rows of `old`, those to be kept first first.
    """
    places: dict[str, list[int]] = {}
    for row, line in enumerate(new):
        places.setdefault(line, []).append(row)
    early, late = [-1] * len(old), [len(new)] * len(old)
    kept: list[int] = []
    for row in order:
        found = places.get(old[row])
        if found is None:
            continue
        at = bisect_left(kept, row)
        after = early[kept[at - 1]] if at else -1
        before = late[kept[at]] if at < len(kept) else len(new)
        first = bisect_right(found, after)
        if first == len(found) or found[first] >= before:
            continue
        kept.insert(at, row)
        budget -= 1 + _place_early(kept, at, old, places, early) + _place_late(kept, at, old, places, late, len(new))
        if budget < 0:
            return None
    return [(row, early[row]) for row in kept]


def _place_early(
    kept: Sequence[int], at: int, old: Sequence[str], places: dict[str, list[int]], early: list[int]
) -> int:
    """Place the kept line number `at` and those after it as early as can be; gives how many were moved."""
    reached = early[kept[at - 1]] if at else -1
    for number in range(at, len(kept)):
        row = kept[number]
        if number > at and early[row] > reached:
            return number - at
        found = places[old[row]]
        early[row] = reached = found[bisect_right(found, reached)]
    return len(kept) - at


def _place_late(
    kept: Sequence[int], at: int, old: Sequence[str], places: dict[str, list[int]], late: list[int], end: int
) -> int:
    """The same as late as can be, with those before it; `end` is how many lines the text has."""
    reached = late[kept[at + 1]] if at + 1 < len(kept) else end
    for number in range(at, -1, -1):
        row = kept[number]
        if number < at and late[row] < reached:
            return at - number
        found = places[old[row]]
        late[row] = reached = found[bisect_left(found, reached) - 1]
    return at + 1


def kept_by_first_operations(joined: Joined, text: str) -> list[Hunk] | None:
    """The replacements of whole lines that make `text` of the union; None where finding them takes too many steps."""
    old, new = split_lines(joined.text), split_lines(text)
    keys = _keys(joined, old)
    pairs = match_rows(old, new, sorted(range(len(old)), key=keys.__getitem__), _STEPS)
    if pairs is None:
        return None
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    found: list[Hunk] = []
    row = column = 0
    for kept_row, kept_column in [*pairs, (len(old), len(new))]:
        if row < kept_row or column < kept_column:
            found.append(Hunk(starts[row], starts[kept_row], "".join(new[column:kept_column])))
        row, column = kept_row + 1, kept_column + 1
    return found


def _keys(joined: Joined, lines: Sequence[str]) -> list[tuple[bool, int, int]]:
    """Of each line: whether it is a repair's, and the operation that it begins with."""
    parts = [part for part in joined.parts if part.standing and part.length]
    found: list[tuple[bool, int, int]] = []
    at = number = begin = 0  # where the line and the part begin, in UTF-16 units: wherever a device cuts the parts
    for line in lines:
        while begin + parts[number].length <= at:
            begin += parts[number].length
            number += 1
        part = parts[number]
        found.append((Writer.of(part.client) is Writer.REPAIR, part.client, part.clock + at - begin))
        at += len(line) if line.isascii() else len(line.encode("utf-16-le")) // 2
    return found
