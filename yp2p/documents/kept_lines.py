"""Which of several equal lines stay when repairs of two devices meet: the same ones wherever that is decided.

Theory of operation
    Where histories meet, the union may have a line several times that stands once in the text that is right, because
    several devices put it in, or each took out another copy. The texts do not tell which copy has to go, and a diff
    takes any. If two devices took out different copies, the union of their repairs would have none left; both would
    put the line in again, as two copies, and so on for ever.

    So equal lines are told apart by the operation that they begin with, in an order that all devices agree on: those
    of edits come before those of repairs, then the lowest client ID and clock. In this order each line is kept that
    still lets all kept ones stand in the order of the text.

    A kept line has two bounds in the text: how far the kept lines before it reach if each is placed as early as can
    be, and where the kept ones after it begin if each is placed as late as can be. Another line can be kept where the
    text has it between its neighbours' bounds; then the bounds beside it move, mostly by few lines.

    What is told apart are *rows*. A row is a line of the union; but a line that is not in the text is looked at in its
    pieces, each of which was put in at a stretch. The last line of a text has no end: its copies, side by side, are one
    line of the union. Were they not told apart, every device would take out both and put in one of its own, between
    other neighbours than anybody else, and so on for ever.

    So it comes to rest once all devices have all edits, and with them one text (`meeting.py`). What is put in from then
    on are whole lines, behind a whole line, so they are a row wherever they come. Of all rows that the text has, the
    one with the lowest operation is kept by every device that knows it, and the others do not take it out. Which of the
    rest can stand beside it is then the same everywhere, and the lowest of those is kept as well, and so on. Operations
    are not lower than the lowest for ever, so from some moment on each line of the text has a row that stays.

    Where repairs meet edits, the shortest difference is better: it keeps the people's operations that it can, and
    those who took out different copies meet as repairs next.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence, Set

from yp2p.documents.diff import Hunk, split_lines
from yp2p.documents.joined import Joined
from yp2p.protocol.clients import Writer

__all__ = ["kept_by_first_operations", "match_rows"]

# Of moving bounds, a step 0.5 us: half a second.
_STEPS = 1_000_000

_Key = tuple[bool, int, int]  # whether it is a repair's, and the operation that it begins with: client ID and clock


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
    new = split_lines(text)
    old, keys = rows_of(joined, frozenset(new))
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


def rows_of(joined: Joined, wanted: Set[str]) -> tuple[list[str], list[_Key]]:
    """The rows of the union, and the key of each.

    Args:
        wanted: the lines of the text.
    """
    rows: list[str] = []
    keys: list[_Key] = []
    line: list[tuple[_Key, str]] = []
    for piece in [*_pieces(joined), None]:
        if piece is not None:
            line.append(piece)
        if line and (piece is None or piece[1].endswith("\n")):
            whole = "".join(text for _, text in line)
            if whole in wanted or not any(text in wanted for _, text in line):
                line = [(line[0][0], whole)]
            keys += [key for key, _ in line]
            rows += [text for _, text in line]
            line = []
    return rows, keys


def _pieces(joined: Joined) -> Iterator[tuple[_Key, str]]:
    """The standing text in pieces: what was put in at a stretch and stands so, as far as it is in one line."""
    runs: list[tuple[int, int, list[str]]] = []
    stop: tuple[int, int] | None = None  # behind the last run, wherever a device cuts the parts
    for part in joined.parts:
        if part.standing and part.length:
            if (part.client, part.clock) != stop:
                runs.append((part.client, part.clock, []))
            runs[-1][2].append(part.text or "")
            stop = part.client, part.clock + part.length
    for client, clock, texts in runs:
        for line in split_lines("".join(texts)):
            yield (Writer.of(client) is Writer.REPAIR, client, clock), line
            clock += len(line) if line.isascii() else len(line.encode("utf-16-le")) // 2
